/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* The lines of a text, without LF or CRLF, without a byte order mark; NULL where it is not UTF-8 or holds a NUL byte
 * (@code: "NAME: line N: …"). Returns: (transfer full): NULL-terminated. */
char **clip_lines_split (GBytes *bytes, const char *name, ClipError code, GError **error);
