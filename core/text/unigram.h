/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* SentencePiece's unigram model: word (UTF-8) → ids. Immutable. */
typedef struct _ClipUnigram ClipUnigram;

typedef struct {
  const char *text;
  double score; /* logarithm of its probability */
} ClipUnigramPiece;

/* @pieces: [@n], the id is the index; they are copied. @unknown: id of what no piece fits. */
ClipUnigram *clip_unigram_new (const ClipUnigramPiece *pieces, guint n, gint32 unknown);
void clip_unigram_free (ClipUnigram *unigram);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipUnigram, clip_unigram_free)

/* Appends the gint32 ids of one word to @ids. */
void clip_unigram_encode (const ClipUnigram *unigram, GArray *ids, const char *word, gsize length);
