/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* g_set_error () in the CLIP_ERROR domain; returns FALSE (or NULL), so that a caller can `return clip_fail (…)`. */
gboolean clip_fail (GError **error, ClipError code, const char *format, ...) G_GNUC_PRINTF (3, 4);
#define clip_fail_null(...) (clip_fail (__VA_ARGS__), NULL)
