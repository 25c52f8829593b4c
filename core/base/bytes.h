/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* Maps @path read-only (a directory, a missing or an unreadable file is a CLIP_ERROR_IO that names it). */
GBytes *clip_bytes_map (const char *path, GError **error);

/* Gives back the memory of the pages that lie wholly within @data, bytes of such a file: whoever looks at them reads them from the
 * file again. */
void clip_bytes_forget (const void *data, gsize size);

/* The files embedded in the library; static memory, never freed. */
GBytes *clip_bytes_default_model (void); /* models/default/clip-default.safetensors */
GBytes *clip_bytes_clip_merges (void);   /* models/clip-bpe/merges.txt.gz */
GBytes *clip_bytes_catalog (void);       /* models/catalog */
