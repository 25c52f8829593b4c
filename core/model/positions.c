/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A model runs at another resolution when its position embeddings are resized, which are a picture of as many colours as
 * the tower is wide:
 *
 *   across[r][i] = Σ over j  w(i, j) · x[r][j]        Keys' cubic, a = -1/2, stretched where there are fewer columns
 *   y[k][i]      = Σ over r  w(k, r) · across[r][i]   the same down
 *
 * The weights are those of Pillow's filter and of interpolate (mode="bicubic", antialias=True, align_corners=False), by
 * which OpenCLIP resizes. Sums are in double.
 */
#include "core/model/positions.h"
#include "core/image/resize.h"

#include <string.h>

/* One direction: @n lines of @from points @step floats apart, whose next line is @line floats on, to @to points. */
typedef struct {
  int from, to, n;
  gsize step, from_line, to_line;
} Pass;

static void
run_pass (float *y, const float *x, const Pass *pass, int width)
{
  const ClipAxis axis = { .length = pass->from,
                          .scale = (double) pass->from / pass->to,
                          .n = pass->to };
  g_autofree double *weights = g_new0 (double, clip_filter_length (CLIP_FILTER_BICUBIC, &axis)),
                    *sums = g_new (double, width);
  for (int i = 0; i < pass->to; i++) {
    int first;
    const int taps = clip_filter_weights (weights, &first, CLIP_FILTER_BICUBIC, &axis, i);
    for (int line = 0; line < pass->n; line++) {
      memset (sums, 0, width * sizeof *sums);
      for (int t = 0; t < taps; t++) {
        const float *in = x + line * pass->from_line + (first + t) * pass->step;
        for (int c = 0; c < width; c++)
          sums[c] += weights[t] * in[c];
      }
      float *out = y + line * pass->to_line + i * pass->step;
      for (int c = 0; c < width; c++)
        out[c] = (float) sums[c];
    }
  }
}

void
clip_positions_resize (float *y, ClipGrid to, const float *x, ClipGrid from, int width)
{
  const gsize from_line = (gsize) from.columns * width, to_line = (gsize) to.columns * width;
  g_autofree float *across = g_new (float, from.rows *to_line);
  run_pass (across, x, &(Pass){ from.columns, to.columns, from.rows, width, from_line, to_line },
            width);
  run_pass (y, across, &(Pass){ from.rows, to.rows, to.columns, to_line, width, width }, width);
}

const float *
clip_positions_bind (ClipWeights *weights, const ClipImageConfig *image, int first, int width,
                     const char *name)
{
  const ClipGrid grid = clip_resolution_grid (image);
  const gsize n = (gsize) (first + grid.columns * grid.rows) * width;
  if (!clip_resolution_is_resized (image))
    return clip_weights_floats (weights, n, "%s", name);
  const ClipGrid from = { image->stored_columns, image->stored_rows };
  const gsize stored_n = (gsize) (first + from.columns * from.rows) * width;
  float *stored = clip_weights_floats (weights, stored_n, "%s", name);
  if (!stored)
    return NULL;
  float *resized = clip_weights_alloc (weights, n);
  memcpy (resized, stored, (gsize) first * width * sizeof *resized);
  clip_positions_resize (resized + first * width, grid, stored + first * width, from, width);
  clip_weights_release (weights, stored, stored_n);
  return resized;
}
