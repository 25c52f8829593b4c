/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* A byte-pair encoding, of bytes or of characters: word → ids. Immutable. */
typedef struct _ClipBpe ClipBpe;

typedef struct {
  const char *left, *right; /* as the vocabulary has them: of bytes in the byte alphabet */
  guint line;               /* where it comes from, for messages */
} ClipBpeMerge;

/*
 * @vocabulary: char * → GINT_TO_POINTER (id)
 * @merges: the lower its index, the earlier a merge is done
 * @suffix: what the last symbol of a word carries: "</w>", or ""
 * @unknown: id for a byte the vocabulary lacks, -1: such bytes are left out
 * @fuse: adjacent unknowns become one
 * @name: stands for the file in messages
 */
ClipBpe *clip_bpe_new (GHashTable *vocabulary, const ClipBpeMerge *merges, guint n_merges,
                       const char *suffix, gint32 unknown, gboolean fuse, const char *name,
                       GError **error);
/* The same of characters: one the vocabulary lacks is its bytes, "<0x00>" … "<0xFF>", or @unknown where it lacks one of them, too. */
ClipBpe *clip_bpe_new_characters (GHashTable *vocabulary, const ClipBpeMerge *merges,
                                  guint n_merges, gint32 unknown, gboolean fuse, const char *name,
                                  GError **error);
void clip_bpe_free (ClipBpe *bpe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipBpe, clip_bpe_free)

/* Appends the gint32 ids of @word (of characters: valid UTF-8) to @ids. */
void clip_bpe_encode (const ClipBpe *bpe, GArray *ids, const char *word, gsize length);

/* The byte alphabet: printable Latin-1 characters stand for themselves, the 68 other bytes for U+0100 and following. */
gunichar clip_bpe_symbol (guint8 byte);
