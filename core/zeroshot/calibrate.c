/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Temperature T = 1/β by maximum likelihood (Guo et al. 2017, §4.2). The negative log-likelihood is convex in β:
 *
 *   softmax   ∂/∂β = Σ_examples (Σ_l p_l z_l - z_truth)        p = softmax (β z)
 *   sigmoid   ∂/∂β = Σ_examples Σ_l (p_l - [l = truth]) z_l    p = sigmoid (β z)
 *
 * so that bisection finds the one zero of its derivative.
 */
#include "core/zeroshot/calibrate.h"
#include "core/zeroshot/labels.h"

#include <math.h>

/* ------------------------------------------------------------------------------------------------- temperature */

static double
softmax_slope (const float *z, guint n, guint truth, double beta)
{
  double max = -INFINITY, sum = 0, mean = 0;
  for (guint l = 0; l < n; l++)
    max = MAX (max, beta * z[l]);
  for (guint l = 0; l < n; l++) {
    const double p = exp (beta * z[l] - max);
    sum += p;
    mean += p * z[l];
  }
  return mean / sum - z[truth];
}

static double
sigmoid_slope (const float *z, guint n, guint truth, double beta)
{
  double sum = 0;
  for (guint l = 0; l < n; l++)
    sum += (1 / (1 + exp (-beta * z[l])) - (l == truth)) * z[l];
  return sum;
}

static double
slope (const ClipExamples *examples, gboolean sigmoid, double beta)
{
  const guint L = examples->n_labels;
  double sum = 0;
  for (guint i = 0; i < examples->n; i++)
    sum += (sigmoid ? sigmoid_slope : softmax_slope) (examples->values + (gsize) i * L, L,
                                                      examples->truth[i], beta);
  return sum;
}

double
clip_calibrate_temperature (const ClipExamples *examples, gboolean sigmoid)
{
  double low = 1 / CLIP_MAX_TEMPERATURE, high = 1 / CLIP_MIN_TEMPERATURE;
  for (int i = 0; i < 60; i++) { /* more halvings than a double has bits */
    const double beta = (low + high) / 2;
    if (slope (examples, sigmoid, beta) < 0)
      low = beta;
    else
      high = beta;
  }
  return 2 / (low + high);
}

/* ---------------------------------------------------------------------------------- thresholds from examples */

typedef struct {
  float score;
  gboolean is_own;
} Example;

static int
compare_examples (const void *a, const void *b)
{
  const Example *x = a, *y = b;
  return (x->score < y->score) - (x->score > y->score);
}

float
clip_calibrate_threshold (const ClipExamples *examples, guint label, double *f1)
{
  g_autofree Example *sorted = g_new (Example, examples->n);
  guint n_own = 0, hits = 0;
  float best = NAN;
  *f1 = 0;
  for (guint i = 0; i < examples->n; i++) {
    sorted[i] = (Example){ examples->values[(gsize) i * examples->n_labels + label],
                           examples->truth[i] == (int) label };
    n_own += sorted[i].is_own;
  }
  if (n_own == 0)
    return NAN;
  qsort (sorted, examples->n, sizeof *sorted, compare_examples);
  for (guint i = 0; i < examples->n; i++) {
    hits += sorted[i].is_own;
    const float next = i + 1 < examples->n ? sorted[i + 1].score : 0;
    const double f = 2.0 * hits / (i + 1 + n_own); /* of the first i + 1 */
    if (next < sorted[i].score && f > *f1) {
      *f1 = f;
      best = (sorted[i].score + next) / 2;
    }
  }
  return best;
}

/* ----------------------------------------------------------------------------------- thresholds from footage */

#define STEPS 1000

double
clip_footage_get_hours (const ClipFootage *footage)
{
  double total = 0;
  for (guint i = 1; i < footage->n; i++)
    if (!footage->first[i] && footage->times[i] > footage->times[i - 1])
      total += footage->times[i] - footage->times[i - 1];
  return total / 3600e9;
}

/* How often each label goes on, and in how many results it is. */
static void
replay (guint *alarms, guint *on, ClipSteady *steady, guint n_labels, const ClipFootage *footage,
        const ClipSteadiness *settings, float threshold)
{
  g_autofree gboolean *was_on = g_new0 (gboolean, n_labels);
  for (guint l = 0; l < n_labels; l++)
    alarms[l] = on[l] = 0;
  for (guint i = 0; i < footage->n; i++) {
    if (footage->first[i])
      clip_steady_forget (steady);
    clip_steady_step (steady, footage->scores + (gsize) i * n_labels, threshold, settings,
                      footage->times[i], TRUE);
    for (guint l = 0; l < n_labels; l++) {
      const gboolean is_on = clip_steady_get_spell (steady, l) != NULL;
      alarms[l] += is_on && (!was_on[l] || footage->first[i]);
      on[l] += is_on;
      was_on[l] = is_on;
    }
  }
}

void
clip_calibrate_alarms (float *thresholds, guint *counts, ClipLabels *labels,
                       const ClipFootage *footage, const ClipSteadiness *settings, double alarms)
{
  const guint L = clip_labels_get_n (labels);
  g_autofree guint *n_alarms = g_new (guint, L), *n_on = g_new (guint, L);
  g_autofree gboolean *done = g_new0 (gboolean, L);
  for (guint l = 0; l < L; l++) {
    thresholds[l] = NAN;
    counts[l] = 0;
    done[l] = clip_labels_get (labels, l)->background;
  }
  g_autoptr (ClipLabels) bare = clip_labels_calibrated (labels, NAN, thresholds);
  g_autoptr (ClipSteady) steady = clip_steady_new ();
  clip_steady_set_labels (steady, bare);

  guint left = 1;
  for (int k = STEPS; k >= 0 && left > 0; k--) {
    const float threshold = (float) k / STEPS;
    clip_steady_forget (steady);
    replay (n_alarms, n_on, steady, L, footage, settings, threshold);
    left = 0;
    for (guint l = 0; l < L; l++) {
      done[l] |= n_alarms[l] > alarms || 2 * n_on[l] > footage->n;
      if (!done[l]) {
        thresholds[l] = threshold;
        counts[l] = n_alarms[l];
      }
      left += !done[l];
    }
  }
}
