/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * feature [E] → embedding = feature / |feature|; scores [L]; top labels.
 *
 * The feature outlives the frame it came from, so that new labels or another threshold apply to
 * held results at once, without another inference.
 */
#include "gst/result.h"

#include <math.h>

void
clip_result_init (ClipResult *result, int n)
{
  *result = (ClipResult){ .n = n, .feature = g_new0 (float, n) };
}

void
clip_result_clear (ClipResult *result)
{
  g_free (result->feature);
  g_free (result->scores);
  g_free (result->top);
  g_free (result->labels);
  g_clear_pointer (&result->embedding, g_bytes_unref);
  g_clear_pointer (&result->classifier, clip_classifier_unref);
  *result = (ClipResult){ 0 };
}

void
clip_result_update (ClipResult *result)
{
  double sum = 0;
  for (int i = 0; i < result->n; i++)
    sum += (double) result->feature[i] * result->feature[i];
  const float scale = sum > 0 ? 1 / sqrt (sum) : 0;
  float *unit = g_new (float, result->n);
  for (int i = 0; i < result->n; i++)
    unit[i] = result->feature[i] * scale;
  g_clear_pointer (&result->embedding, g_bytes_unref);
  result->embedding = g_bytes_new_take (unit, result->n * sizeof (float));
  result->scored = FALSE;
  result->valid = TRUE;
}

static void
set_classifier (ClipResult *result, ClipClassifier *classifier)
{
  g_clear_pointer (&result->classifier, clip_classifier_unref);
  result->n_labels = 0;
  if (!classifier)
    return;
  const guint n = clip_labels_get_n (clip_classifier_get_labels (classifier));
  result->classifier = clip_classifier_ref (classifier);
  result->scores = g_renew (float, result->scores, n);
  result->top = g_renew (ClipScore, result->top, n);
  result->labels = g_renew (ClipMetaLabel, result->labels, n);
}

void
clip_result_score (ClipResult *result, ClipClassifier *classifier, const ClipReporting *reporting)
{
  if (result->scored && result->classifier == classifier &&
      result->reporting.scoring == reporting->scoring &&
      result->reporting.threshold == reporting->threshold &&
      result->reporting.top_k == reporting->top_k)
    return;
  if (result->classifier != classifier)
    set_classifier (result, classifier);
  result->reporting = *reporting;
  result->scored = TRUE;
  if (!classifier)
    return;
  const ClipLabels *labels = clip_classifier_get_labels (classifier);
  const guint n = MIN (reporting->top_k, clip_labels_get_n (labels));
  clip_classifier_score (classifier, result->scores, result->feature, reporting->scoring);
  result->n_labels =
      clip_classifier_top (classifier, result->top, n, result->scores, reporting->threshold);
  for (guint i = 0; i < result->n_labels; i++)
    result->labels[i] = (ClipMetaLabel){ clip_labels_get (labels, result->top[i].label)->name,
                                         result->top[i].score };
}
