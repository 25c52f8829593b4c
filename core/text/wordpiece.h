/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* WordPiece: word (UTF-8) → ids. Immutable. */
typedef struct _ClipWordpiece ClipWordpiece;

/* @vocabulary: char * → GINT_TO_POINTER (id); a reference is kept, and its keys must stay. @prefix: of pieces that go on a
 * word, "##". @unknown: id of a word that the pieces cannot make, or that is longer than @max_characters. */
ClipWordpiece *clip_wordpiece_new (GHashTable *vocabulary, const char *prefix, gint32 unknown,
                                   guint max_characters);
void clip_wordpiece_free (ClipWordpiece *wordpiece);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipWordpiece, clip_wordpiece_free)

/* Appends the gint32 ids of one word to @ids. */
void clip_wordpiece_encode_word (const ClipWordpiece *wordpiece, GArray *ids, const char *word,
                                 gsize length);
/* Splits @text at white space and around each punctuation character, and encodes the words. */
void clip_wordpiece_encode (const ClipWordpiece *wordpiece, GArray *ids, const char *text);
