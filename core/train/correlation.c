/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/correlation.h"
#include "core/train/contrast.h"
#include "core/train/moments.h"
#include "core/train/product.h"

#include <string.h>

#define IMAGE_RIDGE 0.5 /* of the variance of each component */
#define TEXT_RIDGE 0.3  /* of the mean variance */
#define CHUNK 1024      /* captions at a time */

/* Σ_tx [V, D] */
static void
find_cross (ClipTape *tape, float *cross, const float *image, gsize stride, const float *x_mean,
            int D, const float *text, const int *owner, const float *t_mean, gsize m, int V)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  float *t = clip_tape_floats (tape, (gsize) CHUNK * V),
        *x = clip_tape_floats (tape, (gsize) CHUNK * D);
  for (gsize first = 0; first < m; first += CHUNK) {
    const gsize rows = MIN (CHUNK, m - first);
    for (gsize i = 0; i < rows; i++) {
      for (int v = 0; v < V; v++)
        t[i * V + v] = (text[(first + i) * V + v] - t_mean[v]) / m;
      for (int d = 0; d < D; d++)
        x[i * D + d] = image[owner[first + i] * stride + d] - x_mean[d];
    }
    clip_product_tn (tape, cross, D, t, V, x, D, V, D, rows, TRUE);
  }
  clip_tape_release (tape, mark);
}

static void
transpose (float *y, const float *x, int rows, int cols)
{
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < cols; c++)
      y[(gsize) c * rows + r] = x[(gsize) r * cols + c];
}

ClipCorrelation *
clip_correlation_new (ClipTape *tape, const float *image, gsize n, gsize stride, int dims,
                      const float *text, const int *owner, gsize m, int text_width)
{
  g_return_val_if_fail (n > 1 && m > 1, NULL);
  const ClipTapeMark mark = clip_tape_mark (tape);
  const int V = text_width, D = dims;
  ClipCorrelation *correlation = g_new (ClipCorrelation, 1);
  *correlation = (ClipCorrelation){ V, D, g_new (float, V),
                                    clip_aligned_alloc ((gsize) V * D * sizeof (float)) };
  float *x = clip_tape_floats (tape, n * D), *x_mean = clip_tape_floats (tape, D),
        *x_square = clip_tape_floats (tape, (gsize) D * D),
        *t_square = clip_tape_floats (tape, (gsize) V * V),
        *cross = clip_tape_zeros (tape, (gsize) V * D);
  for (gsize i = 0; i < n; i++)
    memcpy (x + i * D, image + i * stride, D * sizeof *x);
  clip_moments (tape, x_mean, x_square, x, n, D);
  clip_moments (tape, correlation->mean, t_square, text, m, V);
  find_cross (tape, cross, image, stride, x_mean, D, text, owner, correlation->mean, m, V);

  double variance = 0;
  for (gsize v = 0; v < (gsize) V; v++)
    variance += t_square[v * V + v] / V;
  for (gsize v = 0; v < (gsize) V; v++)
    t_square[v * V + v] += MAX (TEXT_RIDGE * variance, 1e-10);
  for (gsize d = 0; d < (gsize) D; d++)
    x_square[d * D + d] += MAX (IMAGE_RIDGE * x_square[d * D + d], 1e-10);
  clip_cholesky (t_square, t_square, V);
  clip_cholesky (x_square, x_square, D);
  clip_cholesky_solve (t_square, cross, V, D);
  float *turned = clip_tape_floats (tape, (gsize) D * V);
  transpose (turned, cross, V, D);
  clip_cholesky_solve (x_square, turned, D, V);
  transpose (correlation->map, turned, D, V);
  clip_tape_release (tape, mark);
  return correlation;
}

void
clip_correlation_free (ClipCorrelation *correlation)
{
  if (!correlation)
    return;
  g_free (correlation->mean);
  clip_aligned_free (correlation->map);
  g_free (correlation);
}

void
clip_correlation_run (const ClipCorrelation *correlation, ClipTape *tape, float *goal,
                      const float *text, int rows)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const int V = correlation->text_width, D = correlation->dims;
  float *t = clip_tape_floats (tape, (gsize) rows * V),
        *y = clip_tape_floats (tape, (gsize) rows * D);
  for (int i = 0; i < rows; i++)
    for (int v = 0; v < V; v++)
      t[(gsize) i * V + v] = text[(gsize) i * V + v] - correlation->mean[v];
  clip_product_nn (tape, y, D, t, V, correlation->map, D, rows, D, V, FALSE);
  clip_normalise_rows (tape, goal, NULL, y, rows, D);
  clip_tape_release (tape, mark);
}
