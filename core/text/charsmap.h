/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* SentencePiece's table of what characters become ("precompiled_charsmap"). Immutable. */
typedef struct _ClipCharsmap ClipCharsmap;

/* Takes @bytes; NULL where they are no such table. */
ClipCharsmap *clip_charsmap_new (guint8 *bytes, gsize size);
void clip_charsmap_free (ClipCharsmap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipCharsmap, clip_charsmap_free)

/* From now on as SentencePiece itself has it: of all beginnings of what is left of the text the longest that is in the table. */
void clip_charsmap_set_longest (ClipCharsmap *map);
/* A new string, valid UTF-8 as @text is. */
char *clip_charsmap_apply (const ClipCharsmap *map, const char *text);
