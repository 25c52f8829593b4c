/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* A byte-level byte-pair encoding: word (bytes) → ids. Immutable. */
typedef struct _ClipBpe ClipBpe;

typedef struct {
  const char *left, *right; /* in the byte alphabet, as files of merges are written */
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
void clip_bpe_free (ClipBpe *bpe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipBpe, clip_bpe_free)

/* Appends the gint32 ids of @word to @ids. */
void clip_bpe_encode (const ClipBpe *bpe, GArray *ids, const char *word, gsize length);

/* The byte alphabet: printable Latin-1 characters stand for themselves, the 68 other bytes for U+0100 and following. */
gunichar clip_bpe_symbol (guint8 byte);
