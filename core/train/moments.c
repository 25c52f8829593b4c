/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/moments.h"
#include "core/train/product.h"

#include <math.h>
#include <string.h>

#define CHUNK 1024 /* rows that are centred at a time */

void
clip_moments (ClipTape *tape, float *mean, float *covariance, const float *features, gsize n,
              int width)
{
  g_autofree double *sum = g_new0 (double, width);
  for (gsize i = 0; i < n; i++)
    for (int w = 0; w < width; w++)
      sum[w] += features[i * width + w];
  for (int w = 0; w < width; w++)
    mean[w] = sum[w] / n;

  memset (covariance, 0, (gsize) width * width * sizeof *covariance);
  const ClipTapeMark mark = clip_tape_mark (tape);
  float *centred = clip_tape_floats (tape, (gsize) CHUNK * width);
  for (gsize first = 0; first < n; first += CHUNK) {
    const gsize rows = MIN (CHUNK, n - first);
    for (gsize i = 0; i < rows; i++)
      for (int w = 0; w < width; w++)
        centred[i * width + w] = features[(first + i) * width + w] - mean[w];
    clip_product_tn (tape, covariance, width, centred, width, centred, width, width, width, rows,
                     TRUE);
  }
  clip_tape_release (tape, mark);
  for (gsize i = 0; i < (gsize) width * width; i++)
    covariance[i] /= n - 1;
}

void
clip_cholesky (float *l, const float *a, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    for (gsize j = 0; j <= i; j++) {
      double sum = a[i * n + j];
      const float *x = l + i * n, *y = l + j * n;
      for (gsize k = 0; k < j; k++)
        sum -= (double) x[k] * y[k];
      l[i * n + j] = i == j ? sqrt (MAX (sum, 1e-12)) : sum / l[j * n + j];
    }
    memset (l + i * n + i + 1, 0, (n - i - 1) * sizeof *l);
  }
}

/* y -= a · x */
static void
subtract (float *y, float a, const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    y[i] -= a * x[i];
}

static void
divide (float *y, float a, gsize n)
{
  for (gsize i = 0; i < n; i++)
    y[i] /= a;
}

void
clip_cholesky_solve (const float *l, float *b, gsize n, gsize m)
{
  for (gsize i = 0; i < n; i++) { /* L */
    for (gsize k = 0; k < i; k++)
      subtract (b + i * m, l[i * n + k], b + k * m, m);
    divide (b + i * m, l[i * n + i], m);
  }
  for (gsize i = n; i-- > 0;) { /* Lᵀ */
    for (gsize k = i + 1; k < n; k++)
      subtract (b + i * m, l[k * n + i], b + k * m, m);
    divide (b + i * m, l[i * n + i], m);
  }
}
