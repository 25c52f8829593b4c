/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A byte-pair vocabulary of one's own, learned from captions. */
#pragma once
#include "core/clip.h"

G_BEGIN_DECLS

/* Counts the words of captions. One thread at a time. */
typedef struct _ClipLearner ClipLearner;

#define CLIP_LEARNER_LEAST                                                                         \
  514 /* tokens without any merge: bytes, bytes that end a word, start and end of text */

CLIP_API ClipLearner *clip_learner_new (void);
CLIP_API void clip_learner_free (ClipLearner *learner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipLearner, clip_learner_free)

/* @caption: UTF-8; FALSE where it is not, and nothing is learned from it. */
CLIP_API gboolean clip_learner_add (ClipLearner *learner, const char *caption, gsize length);
CLIP_API guint clip_learner_get_n_words (const ClipLearner *learner); /* different ones */

/*
 * clip_learner_run:
 * @size: tokens of the vocabulary, CLIP_LEARNER_LEAST or more
 * @min_count: a pair that is seen less often becomes no token; 1 or more
 * @learned: (out): tokens of the vocabulary; fewer than @size where there are no more pairs
 * @progress: (nullable): counts merges
 *
 * Returns: (transfer full): the text of a file that clip_tokenizer_load () reads: a header, then a merge a line. NULL with
 * @error where @progress asked to stop.
 */
CLIP_API char *clip_learner_run (const ClipLearner *learner, int size, guint64 min_count,
                                 int *learned, ClipProgress progress, gpointer data,
                                 GError **error);

G_END_DECLS
