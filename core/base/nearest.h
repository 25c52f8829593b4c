/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* The one of @names that @word most resembles, or NULL where it resembles none. */
CLIP_API const char *clip_nearest (const char *word, const char *const *names, guint n);
