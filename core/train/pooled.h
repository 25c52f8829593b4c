/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* Pooled features of pictures that a file holds, a cache or any other: all rows [n, W] of the tensors `features` of @paths,
 * one file after another. Returns: (transfer full): an array of n elements of W floats. */
GArray *clip_pooled_read (char *const *paths, int width, GError **error);
