/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portable meaning of the gradients of what core/kernels/rows.c computes. Sums are in double. */
#include "core/kernels/kernels.h"

#include <math.h>

/* With x̂ = (x - mean) / deviation and g = dy · weight:  dx = (g - mean (g) - x̂ · mean (g · x̂)) / deviation */
static void
layer_norm_backward (float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                     const float *weight, float epsilon, gboolean add, gsize n)
{
  double sum = 0, squares = 0, g_sum = 0, gx_sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += x[i];
  const double mean = sum / n;
  for (gsize i = 0; i < n; i++)
    squares += (x[i] - mean) * (x[i] - mean);
  const double scale = 1 / sqrt (squares / n + epsilon);
  for (gsize i = 0; i < n; i++) {
    const double unit = (x[i] - mean) * scale, g = (double) dy[i] * weight[i];
    g_sum += g;
    gx_sum += g * unit;
    dweight[i] += dy[i] * unit;
    dbias[i] += dy[i];
  }
  for (gsize i = 0; i < n; i++) {
    const double unit = (x[i] - mean) * scale, g = (double) dy[i] * weight[i];
    dx[i] = (add ? dx[i] : 0) + scale * (g - g_sum / n - unit * (gx_sum / n));
  }
}

static void
softmax_backward (float *dy, const float *y, float scale, gsize n)
{
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += (double) y[i] * dy[i];
  for (gsize i = 0; i < n; i++)
    dy[i] = scale * y[i] * (dy[i] - sum);
}

/* (x · s)' = s · (1 + 1.702 x · (1 - s)), s = sigmoid (1.702 x) */
static void
quick_gelu_backward (float *d, float *x, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    const double s = 1 / (1 + exp (-1.702 * x[i]));
    d[i] *= s * (1 + 1.702 * x[i] * (1 - s));
    x[i] *= s;
  }
}

/* (x · Φ)' = Φ + x · φ, Φ = (1 + erf (x/√2)) / 2, φ = exp (-x²/2) / √(2π) */
static void
gelu_backward (float *d, float *x, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    const double share = 0.5 * (1 + erf (x[i] * M_SQRT1_2)),
                 density = exp (-0.5 * x[i] * x[i]) * (0.5 * M_SQRT1_2 * M_2_SQRTPI);
    d[i] *= share + x[i] * density;
    x[i] *= share;
  }
}

void
clip_kernels_fill_backward (ClipKernels *kernels)
{
  kernels->layer_norm_backward = layer_norm_backward;
  kernels->softmax_backward = softmax_backward;
  kernels->quick_gelu_backward = quick_gelu_backward;
  kernels->gelu_backward = gelu_backward;
}
