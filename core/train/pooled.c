/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/pooled.h"
#include "core/base/error.h"

#include <math.h>

static gboolean
is_finite (const ClipArray *array)
{
  gint64 n = 1;
  for (int d = 0; d < array->n_dims; d++)
    n *= array->shape[d];
  for (gint64 i = 0; i < n; i++)
    if (!isfinite (((const float *) array->data)[i]))
      return FALSE;
  return TRUE;
}

GArray *
clip_pooled_read (char *const *paths, int width, GError **error)
{
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, width * sizeof (float));
  for (; *paths; paths++) {
    g_autoptr (GError) problem = NULL;
    g_autofree ClipArray *array = clip_array_read (*paths, "features", "F32", &problem);
    if (problem) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
    if (!array || array->n_dims < 2 || array->shape[array->n_dims - 1] != width)
      return clip_fail_null (error, CLIP_ERROR_TENSOR,
                             "%s: features are not there, or not %d wide as the image trunk's",
                             *paths, width);
    if (!is_finite (array))
      return clip_fail_null (error, CLIP_ERROR_TENSOR,
                             "%s: features have values that are not finite", *paths);
    gint64 n = 1;
    for (int d = 0; d + 1 < array->n_dims; d++)
      n *= array->shape[d];
    g_array_append_vals (rows, array->data, n);
  }
  return g_steal_pointer (&rows);
}

/* @other: what a published classifier calls it. */
static ClipArray *
read_part (const char *path, const char *name, const char *other, int n_dims, const char *expected,
           GError **error)
{
  GError *problem = NULL;
  ClipArray *array = clip_array_read (path, name, "F32", &problem);
  if (!array && !problem)
    array = clip_array_read (path, other, "F32", &problem);
  if (array && array->n_dims == n_dims && is_finite (array))
    return array;
  if (problem)
    g_propagate_error (error, problem);
  else if (!array)
    clip_fail (error, CLIP_ERROR_TENSOR, "%s: tensor %s is missing", path, name);
  else if (array->n_dims == n_dims)
    clip_fail (error, CLIP_ERROR_TENSOR, "%s: %s has values that are not finite", path, name);
  else
    clip_fail (error, CLIP_ERROR_TENSOR, "%s: %s has %d dimensions, expected %s", path, name,
               array->n_dims, expected);
  g_free (array);
  return NULL;
}

void
clip_pooled_classifier_free (ClipPooledClassifier *classifier)
{
  if (!classifier)
    return;
  g_free (classifier->weight);
  g_free (classifier->bias);
  g_free (classifier);
}

ClipPooledClassifier *
clip_pooled_classifier_read (const char *path, int width, GError **error)
{
  g_autoptr (ClipPooledClassifier) classifier = g_new0 (ClipPooledClassifier, 1);
  classifier->weight = read_part (path, "classifier.weight", "_fc.weight", 2, "[K, W]", error);
  classifier->bias =
      classifier->weight ? read_part (path, "classifier.bias", "_fc.bias", 1, "[K]", error) : NULL;
  if (!classifier->bias)
    return NULL;
  const gint64 *shape = classifier->weight->shape;
  if (shape[1] != width || classifier->bias->shape[0] != shape[0] || shape[0] > G_MAXINT32)
    return clip_fail_null (error, CLIP_ERROR_TENSOR,
                           "%s: classifier.weight is [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                           "], classifier.bias [%" G_GINT64_FORMAT
                           "], expected [K, %d] and [K] for the image trunk's features",
                           path, shape[0], shape[1], classifier->bias->shape[0], width);
  classifier->classes = (int) shape[0];
  classifier->width = width;
  return g_steal_pointer (&classifier);
}
