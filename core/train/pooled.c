/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/pooled.h"
#include "core/base/error.h"

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
    gint64 n = 1;
    for (int d = 0; d + 1 < array->n_dims; d++)
      n *= array->shape[d];
    g_array_append_vals (rows, array->data, n);
  }
  return g_steal_pointer (&rows);
}
