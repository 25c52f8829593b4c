/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scores over time → labels that are on: smoothing, hysteresis, and how long a score must suffice. Knows no clock and no
 * pipeline: time is what each step is told.
 */
#pragma once
#include "core/clip.h"

G_BEGIN_DECLS

#define CLIP_NO_TIME G_MAXUINT64

/* All zero: a label is on where its score reaches its threshold, as clip_classifier_top () has it. Times in nanoseconds. */
typedef struct {
  guint64 smoothing; /* time constant of the scores; 0: scores as they are */
  float
      hysteresis; /* a label that is on stays so down to threshold - hysteresis; its own `release` comes first */
  guint64 min_on,
      min_off; /* a score suffices, or not any more, for so long before the label goes on, or off */
} ClipSteadiness;

/* How long a label has been seen, and how well. */
typedef struct {
  guint64 since; /* the first result that sufficed */
  guint64 last;  /* the last one that did */
  guint64 below; /* the first since @last that did not; CLIP_NO_TIME: there is none */
  guint n;       /* results from @since to @last */
  float peak;    /* of their smoothed scores */
  double sum;    /* likewise */
} ClipSpell;

typedef struct _ClipSteady ClipSteady;

CLIP_API ClipSteady *clip_steady_new (void);
CLIP_API void clip_steady_free (ClipSteady *steady);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipSteady, clip_steady_free)

/* Another scene begins: all labels are off, and the next scores are the first. */
CLIP_API void clip_steady_forget (ClipSteady *steady);
/* Labels of the same name keep what is known of them. @labels: (nullable): none. */
CLIP_API void clip_steady_set_labels (ClipSteady *steady, ClipLabels *labels);
/* @scores: [L] of the result of @time (CLIP_NO_TIME: unknown; nothing is smoothed then, and any duration is over).
 * @fresh: FALSE where it is the last step's result again, under other settings or labels: no time has passed. */
CLIP_API void clip_steady_step (ClipSteady *steady, const float *scores, float threshold,
                                const ClipSteadiness *settings, guint64 time, gboolean fresh);

/* The smoothed score of label @index, and its spell: NULL while it is off. Both until the next step. */
CLIP_API float clip_steady_get_score (const ClipSteady *steady, guint index);
CLIP_API const ClipSpell *clip_steady_get_spell (const ClipSteady *steady, guint index);
/* Writes to @top [L] the labels that are on, best first, equal ones in label order; at most @n (0: all). Returns how many. */
CLIP_API guint clip_steady_top (const ClipSteady *steady, ClipScore *top, guint n);

G_END_DECLS
