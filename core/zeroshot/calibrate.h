/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What scores mean, learned: a temperature and thresholds from examples, thresholds from footage without labels. */
#pragma once
#include "core/zeroshot/steady.h"

G_BEGIN_DECLS

#define CLIP_MIN_TEMPERATURE 0.05
#define CLIP_MAX_TEMPERATURE 20.0

/* N pictures whose label is known. */
typedef struct {
  guint n, n_labels;   /* N, L */
  const float *values; /* [N, L] */
  const int *truth;    /* [N]: index of each one's label */
} ClipExamples;

/* The temperature that makes the examples' labels most likely where logits are divided by it: by softmax, or where @sigmoid
 * each by itself. @examples->values: logits. Between CLIP_MIN_TEMPERATURE, which all right answers lead to, and
 * CLIP_MAX_TEMPERATURE. */
CLIP_API double clip_calibrate_temperature (const ClipExamples *examples, gboolean sigmoid);

/* The threshold of @label at which precision and recall have the largest harmonic mean, *@f1; half-way to the next lower
 * score. @examples->values: scores. NaN: no example has the label. */
CLIP_API float clip_calibrate_threshold (const ClipExamples *examples, guint label, double *f1);

/* N results, one scene after another. */
typedef struct {
  guint n;               /* N */
  const float *scores;   /* [N, L] */
  const guint64 *times;  /* [N] ns */
  const gboolean *first; /* [N]: of a scene */
} ClipFootage;

/* How long the scenes last together, in hours. */
CLIP_API double clip_footage_get_hours (const ClipFootage *footage);

/* For each of @labels, the lowest threshold, in steps of 0.001, at which the label goes on at most @alarms times in the
 * footage and is on in at most half of the results, as do all higher ones. Writes @thresholds [L] (NaN: even 1 does not,
 * or a background) and how often it goes on at that, @counts [L]. Labels' own thresholds play no part. */
CLIP_API void clip_calibrate_alarms (float *thresholds, guint *counts, ClipLabels *labels,
                                     const ClipFootage *footage, const ClipSteadiness *settings,
                                     double alarms);

G_END_DECLS
