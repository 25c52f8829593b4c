/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/rounding.h"
#include "core/kernels/kernels.h"

#include <math.h>

/* E[max (x, 0)] of a normal x */
static double
mean_relu (double mean, double deviation)
{
  if (deviation < 1e-12)
    return MAX (mean, 0);
  const double z = mean / deviation;
  return mean * erfc (-z * G_SQRT2 / 2) / 2 + deviation * exp (-z * z / 2) / sqrt (2 * G_PI);
}

float *
clip_norm_means (ClipWeights *weights, int n, const char *norm)
{
  const float *shift = clip_weights_vector (weights, n, "%s.bias", norm);
  return shift ? g_memdup2 (shift, n * sizeof *shift) : NULL;
}

float *
clip_norm_means_relu6 (ClipWeights *weights, int n, const char *norm)
{
  const float *scale = clip_weights_vector (weights, n, "%s.weight", norm);
  float *means = clip_norm_means (weights, n, norm);
  for (int c = 0; scale && means && c < n; c++) {
    const double deviation = fabsf (scale[c]);
    means[c] = mean_relu (means[c], deviation) - mean_relu (means[c] - 6, deviation);
  }
  return means;
}

void
clip_rounding_correct (float *bias, const ClipMatrix *weight, const float *means)
{
  const int in = weight->cols;
  g_autofree gint8 *q = g_new (gint8, in);
  const float *w = weight->data;
  for (int r = 0; r < weight->rows; r++, w += in) {
    const float scale = clip_kernels ()->quantize_weights (q, w, in);
    double added = 0;
    for (int i = 0; i < in; i++)
      added += ((double) scale * q[i] - w[i]) * means[i];
    bias[r] -= added;
  }
}
