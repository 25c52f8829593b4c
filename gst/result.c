/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * feature [E] → embedding = feature / |feature|; scores [L] → steady: labels that are on; top labels.
 *
 * The feature outlives the frame it came from, so that new labels or another threshold apply to
 * held results at once, without another inference.
 */
#include "gst/result.h"

#include <math.h>

gboolean
clip_reporting_equal (const ClipReporting *a, const ClipReporting *b)
{
  const ClipSteadiness *x = &a->steadiness, *y = &b->steadiness;
  return a->scoring == b->scoring && a->threshold == b->threshold && a->top_k == b->top_k &&
         x->smoothing == y->smoothing && x->hysteresis == y->hysteresis && x->min_on == y->min_on &&
         x->min_off == y->min_off;
}

void
clip_result_init (ClipResult *result, int n)
{
  *result = (ClipResult){ .n = n, .feature = g_new0 (float, n), .steady = clip_steady_new () };
}

void
clip_result_clear (ClipResult *result)
{
  g_free (result->feature);
  g_free (result->scores);
  g_free (result->top);
  g_free (result->labels);
  g_free (result->spells);
  g_clear_pointer (&result->steady, clip_steady_free);
  g_clear_pointer (&result->embedding, g_bytes_unref);
  g_clear_pointer (&result->classifier, clip_classifier_unref);
  *result = (ClipResult){ 0 };
}

GBytes *
clip_result_embedding (const float *feature, gsize n)
{
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += (double) feature[i] * feature[i];
  const float scale = sum > 0 ? 1 / sqrt (sum) : 0;
  float *unit = g_new (float, n);
  for (gsize i = 0; i < n; i++)
    unit[i] = feature[i] * scale;
  return g_bytes_new_take (unit, n * sizeof (float));
}

void
clip_result_update (ClipResult *result)
{
  g_clear_pointer (&result->embedding, g_bytes_unref);
  result->embedding = clip_result_embedding (result->feature, result->n);
  result->scored = FALSE;
  result->is_new_scene |= !result->valid;
  result->valid = TRUE;
}

static void
set_classifier (ClipResult *result, ClipClassifier *classifier)
{
  ClipLabels *labels = classifier ? clip_classifier_get_labels (classifier) : NULL;
  clip_steady_set_labels (result->steady, labels);
  g_clear_pointer (&result->classifier, clip_classifier_unref);
  result->n_labels = 0;
  if (!classifier)
    return;
  const guint n = clip_labels_get_n (labels);
  result->classifier = clip_classifier_ref (classifier);
  result->scores = g_renew (float, result->scores, n);
  result->top = g_renew (ClipScore, result->top, n);
  result->labels = g_renew (ClipMetaLabel, result->labels, n);
  result->spells = g_renew (const ClipSpell *, result->spells, n);
}

static void
report (ClipResult *result, const ClipLabels *labels, guint top_k)
{
  result->n_labels = clip_steady_top (result->steady, result->top, top_k);
  for (guint i = 0; i < result->n_labels; i++) {
    const ClipScore *top = &result->top[i];
    result->labels[i] = (ClipMetaLabel){ clip_labels_get (labels, top->label)->name, top->score };
    result->spells[i] = clip_steady_get_spell (result->steady, top->label);
  }
}

void
clip_result_score (ClipResult *result, ClipClassifier *classifier, const ClipReporting *reporting)
{
  if (result->scored && result->classifier == classifier &&
      clip_reporting_equal (&result->reporting, reporting))
    return;
  if (result->classifier != classifier)
    set_classifier (result, classifier);
  /* Scores of another kind are on another scale. */
  if (result->is_new_scene || result->reporting.scoring != reporting->scoring)
    clip_steady_forget (result->steady);
  const gboolean fresh = !result->scored;
  result->is_new_scene = FALSE;
  result->reporting = *reporting;
  result->scored = TRUE;
  if (!classifier)
    return;
  clip_classifier_score (classifier, result->scores, result->feature, reporting->scoring);
  clip_steady_step (result->steady, result->scores, reporting->threshold, &reporting->steadiness,
                    result->running_time, fresh);
  report (result, clip_classifier_get_labels (classifier), reporting->top_k);
}
