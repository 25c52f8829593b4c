/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where texts are to lie, found before training begins, over an image head in closed form:
 *
 *   names      anchors.h, of a classifier: all texts that are true of its classes
 *   captions   correlation.h, of the pairs of a set; of length √(1 - PAD²) there, and PAD in the component that is 0 for
 *              images: a caption does not outvote names by being longer
 */
#pragma once
#include "core/train/memo.h"
#include "core/train/pooled.h"

typedef struct _ClipGoals ClipGoals;

typedef struct {
  const ClipSettings *settings;
  const ClipDataSetConfig *sets; /* of the settings, caches in their places */
  const ClipStudent *student;    /* whose image head is set */
  ClipTokenizer *tokenizer;
  ClipMemo *memo; /* NULL: the text trunk learns */
  const ClipPooledClassifier *classifier;
  const ClipNames *names;
} ClipGoalsConfig;

/* @progress: (nullable): of encoding captions, a set at a time. */
ClipGoals *clip_goals_new (ClipTape *tape, const ClipGoalsConfig *config, ClipProgress progress,
                           gpointer data, GError **error);
void clip_goals_free (ClipGoals *goals);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipGoals, clip_goals_free)

/* [E], of length 1 */
const float *clip_goals_get_name (const ClipGoals *goals, guint text);
/* Whether captions of set @set have goals. */
gboolean clip_goals_has_set (const ClipGoals *goals, int set);
/* goal[n, E], of length 1 each, of captions whose pooled features are text[n, V] */
void clip_goals_find_captions (const ClipGoals *goals, ClipTape *tape, float *goal, int set,
                               const float *text, int n);
