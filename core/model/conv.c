/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/conv.h"
#include "core/model/conv-narrow.h"
#include "core/model/winograd.h"

#include <math.h>
#include <string.h>

#define TAPS 9

int
clip_same_size (int n, int stride)
{
  return (n + stride - 1) / stride;
}

int
clip_same_pad (int n, int kernel, int stride)
{
  return MAX ((clip_same_size (n, stride) - 1) * stride + kernel - n, 0) / 2;
}

/* ---------------------------------------------------------------------------------------------------------- binding */

gboolean
clip_conv_outputs (const ClipWeights *weights, int *n, const char *name)
{
  gint64 shape[4];
  if (!clip_weights_shape (weights, shape, "%s", name) || shape[0] < 1 || shape[0] > G_MAXUINT16)
    return FALSE;
  *n = shape[0];
  return TRUE;
}

ClipLinear
clip_bind_folded (ClipWeights *weights, int out, int in, float epsilon, const char *conv,
                  const char *norm)
{
  float *w = clip_weights_floats (weights, (gsize) out * in, "%s.weight", conv);
  const float *scale = clip_weights_vector (weights, out, "%s.weight", norm);
  const float *shift = clip_weights_vector (weights, out, "%s.bias", norm);
  const float *mean = clip_weights_vector (weights, out, "%s.running_mean", norm);
  const float *variance = clip_weights_vector (weights, out, "%s.running_var", norm);
  float *bias = clip_weights_alloc (weights, out);
  if (!w || !scale || !shift || !mean || !variance || !bias)
    return (ClipLinear){ 0 };
  for (int r = 0; r < out; r++) {
    if (!(variance[r] + epsilon > 0)) {
      clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                         "tensor %s.running_var: element %d is %g, expected ≥ 0", norm, r,
                         variance[r]);
      return (ClipLinear){ 0 };
    }
    const double factor = scale[r] / sqrt ((double) variance[r] + epsilon);
    for (int c = 0; c < in; c++)
      w[(gsize) r * in + c] *= factor;
    bias[r] = shift[r] - mean[r] * factor;
  }
  return (ClipLinear){ .weight = { CLIP_DTYPE_F32, out, in, w, NULL }, .bias = bias };
}

/* w[rows, channels, taps] → [rows, taps, channels] */
static void
put_channels_innermost (float *w, int rows, int channels, int taps)
{
  const gsize n = (gsize) channels * taps;
  g_autofree float *row = g_new (float, n);
  for (int r = 0; r < rows; r++, w += n) {
    memcpy (row, w, n * sizeof *w);
    for (int t = 0; t < taps; t++)
      for (int c = 0; c < channels; c++)
        w[(gsize) t * channels + c] = row[(gsize) c * taps + t];
  }
}

ClipLinear
clip_bind_conv (ClipWeights *weights, int out, int in, int taps, float epsilon, const char *conv,
                const char *norm, ClipPrecision precision)
{
  ClipLinear layer = clip_bind_folded (weights, out, in, epsilon, conv, norm);
  float *w = (float *) layer.weight.data;
  if (w && taps > 1)
    put_channels_innermost (w, out, in / taps, taps);
  clip_linear_pack_own (weights, &layer, precision);
  return layer;
}

ClipLinear
clip_bind_conv3 (ClipWeights *weights, int out, int channels, int n, float epsilon,
                 const char *conv, const char *norm, ClipPrecision precision)
{
  const gboolean narrow =
      clip_precision_is_reduced (precision) && clip_conv3_narrow_fits (precision, channels);
  if (narrow || !clip_winograd_pays (n))
    return clip_bind_conv (weights, out, TAPS * channels, TAPS, epsilon, conv, norm,
                           narrow ? precision : CLIP_PRECISION_F32);
  ClipLinear layer = clip_bind_folded (weights, out, TAPS * channels, epsilon, conv, norm);
  clip_winograd_pack (weights, &layer);
  return layer;
}

/* ------------------------------------------------------------------------------------------------------------- stem */

#define STEM_KERNEL 3
#define STEM_STRIDE 2

typedef struct {
  ClipSession *session;
  const ClipStem *stem;
  float *y;
  const float *pixels;
  ClipLinearOp op;
} Stem;

gsize
clip_stem_scratch (const ClipStem *stem)
{
  return (gsize) stem->out_size * stem->conv.weight.cols;
}

/* windows[columns, taps], from @tap on = three pixels of @line side by side for each column; zeros beside the picture, and for a
 * line above or below it, which is NULL */
static void
gather_line (float *windows, int taps, const float *line, int size, int columns, int pad)
{
  /* columns whose three pixels are all there */
  const int first = line ? (pad + STEM_STRIDE - 1) / STEM_STRIDE : columns,
            end = line ? MIN ((size - STEM_KERNEL + pad) / STEM_STRIDE + 1, columns) : columns;
  for (int column = 0; column < columns; column++, windows += taps) {
    const int x = column * STEM_STRIDE - pad;
    if (column >= first && column < end) {
      memcpy (windows, line + x, STEM_KERNEL * sizeof *windows);
      continue;
    }
    for (int i = 0; i < STEM_KERNEL; i++)
      windows[i] = line && x + i >= 0 && x + i < size ? line[x + i] : 0;
  }
}

/* One row of the picture: its 3×3 windows side by side, [columns, 27], times the weights. */
static void
stem_row (void *data, int task, int worker)
{
  const Stem *work = data;
  const ClipStem *stem = work->stem;
  const int size = stem->size, out_size = stem->out_size, channels = stem->conv.weight.rows,
            taps = stem->conv.weight.cols;
  const int image = task / out_size, row = task % out_size;
  float *windows = clip_session_scratch (work->session, worker);
  for (int tap = 0; tap < taps; tap += STEM_KERNEL) {
    const int channel = tap / (STEM_KERNEL * STEM_KERNEL);
    const int y = row * STEM_STRIDE - stem->pad + tap / STEM_KERNEL % STEM_KERNEL;
    const float *plane = work->pixels + ((gsize) image * 3 + channel) * size * size;
    gather_line (windows + tap, taps, y >= 0 && y < size ? plane + (gsize) y * size : NULL, size,
                 out_size, stem->pad);
  }
  clip_linear_part (work->session->kernels, work->y + (gsize) task * out_size * channels, channels,
                    windows, taps, &stem->conv, (ClipLinearPart){ 0, channels, 0, taps }, out_size,
                    work->op);
}

void
clip_stem_run (ClipSession *session, float *y, const float *pixels, const ClipStem *stem, int batch,
               ClipLinearOp op)
{
  Stem work = { session, stem, y, pixels, op };
  clip_session_count (session, (guint64) batch * stem->out_size * stem->out_size *
                                   stem->conv.weight.rows * stem->conv.weight.cols);
  clip_threads_run (session->threads, stem_row, &work, batch * stem->out_size);
}

/* -------------------------------------------------------------------------------------------------------------- 3×3 */

/*
 * A task makes some channels (a panel) of some rows (a band) of a picture. It copies the rows that it reads to scratch,
 * with zeros around them. There the three taps of a kernel's row, of one position, are a run of 3·C floats, and the next
 * position's run begins C floats later: they are the product's inputs as they lie, and a kernel is three products.
 */
#define PANEL (4 * CLIP_GROUP)
/* Floats of a band: it is to stay in the second-level cache beside its panel's weights. */
#define BAND_FLOATS (64 * 1024)
/* Bands are cut lower to have that many tasks … */
#define MIN_TASKS 16
/* … as long as each has that many positions: a panel's weights should be used often for having been read. */
#define MIN_POSITIONS 48
/* Inputs of a product at most, if a single tap has not more: beyond, the weights outgrow the cache. */
#define INPUTS 1024

typedef struct {
  ClipSession *session;
  float *y;
  const float *x;
  const ClipLinear *conv;
  int n, channels;
  int band, n_bands, n_panels;
  int run; /* taps of a product */
  ClipLinearOp op;
} Conv;

static int
band_rows (const ClipLinear *conv, int n)
{
  const gsize line = (gsize) (n + 2) * (conv->weight.cols / TAPS);
  const int fitting = (int) MIN (BAND_FLOATS / line, (gsize) n + 2) - 2;
  const int wanted = clip_pieces (n * clip_pieces (conv->weight.rows, PANEL), MIN_TASKS);
  return CLAMP (MIN (fitting, MAX (wanted, clip_pieces (MIN_POSITIONS, n))), 1, n);
}

gsize
clip_conv3_scratch (const ClipLinear *conv, int n)
{
  if (conv->reduced.data)
    return clip_conv3_narrow_scratch (conv, n);
  if (conv->filters)
    return clip_winograd_scratch (conv);
  return (gsize) (band_rows (conv, n) + 2) * (n + 2) * (conv->weight.cols / TAPS);
}

/* band[rows, n + 2, C] = the rows from @top on of the picture x, zeros outside of it. */
static void
copy_band (float *band, const float *x, int n, int channels, int top, int rows)
{
  const gsize inside = (gsize) n * channels, line = inside + 2 * channels;
  for (int row = top; row < top + rows; row++, band += line) {
    if (row < 0 || row >= n) {
      memset (band, 0, line * sizeof *band);
      continue;
    }
    memset (band, 0, channels * sizeof *band);
    memcpy (band + channels, x + row * inside, inside * sizeof *band);
    memset (band + channels + inside, 0, channels * sizeof *band);
  }
}

static void
convolve_some (void *data, int task, int worker)
{
  const Conv *c = data;
  const int n = c->n, channels = c->channels, out = c->conv->weight.rows;
  const int top = task % c->n_bands * c->band, panel = task / c->n_bands % c->n_panels,
            image = task / c->n_bands / c->n_panels;
  const int first = panel * PANEL, rows = MIN (c->band, n - top);
  const gsize positions = (gsize) n * n, line = (gsize) (n + 2) * channels;
  float *band = clip_session_scratch (c->session, worker);
  copy_band (band, c->x + image * positions * channels, n, channels, top - 1, rows + 2);

  float *y = c->y + (image * positions + (gsize) top * n) * out + first;
  for (int tap = 0; tap < TAPS; tap += c->run) {
    const ClipLinearPart part = { first, MIN (PANEL, out - first), tap * channels,
                                  c->run * channels };
    const float *x = band + tap / 3 * line + (gsize) (tap % 3) * channels;
    for (int r = 0; r < rows; r++)
      clip_linear_part (c->session->kernels, y + (gsize) r * n * out, out, x + r * line, channels,
                        c->conv, part, n, c->op);
  }
}

void
clip_conv3 (ClipSession *session, float *y, const float *x, const ClipLinear *conv, int n,
            int batch, ClipLinearOp op)
{
  clip_session_count (session, (guint64) batch * n * n * conv->weight.rows * conv->weight.cols);
  if (conv->reduced.data) {
    clip_conv3_narrow (session, y, x, conv, n, batch, op);
    return;
  }
  if (conv->filters) {
    clip_winograd (session, y, x, conv, n, batch, op);
    return;
  }
  Conv c = { session, y, x, conv, n, conv->weight.cols / TAPS, .op = op };
  c.band = band_rows (conv, n);
  c.n_bands = clip_pieces (n, c.band);
  c.n_panels = clip_pieces (conv->weight.rows, PANEL);
  /* OpenBLAS wants rows that do not overlap. */
  c.run = session->kernels->gemm && 3 * c.channels <= INPUTS ? 3 : 1;
  clip_threads_run (session->threads, convolve_some, &c, batch * c.n_panels * c.n_bands);
}

/* -------------------------------------------------------------------------------------------------------------- 2×2 */

typedef struct {
  float *y;
  const float *x;
  int n, channels;
} Halve;

/* One row of the result. */
static void
halve_row (void *data, int task, int worker)
{
  const Halve *h = data;
  const int half = h->n / 2;
  const gsize channels = h->channels, line = h->n * channels;
  float *y = h->y + (gsize) task * half * channels;
  const float *above = h->x + (gsize) task * 2 * line, *below = above + line;
  for (int column = 0; column < half; column++) {
    for (gsize c = 0; c < channels; c++)
      y[c] = (above[c] + above[channels + c] + below[c] + below[channels + c]) * 0.25f;
    y += channels;
    above += 2 * channels;
    below += 2 * channels;
  }
}

void
clip_halve (ClipSession *session, float *y, const float *x, int n, int channels, int batch)
{
  Halve h = { y, x, n, channels };
  clip_threads_run (session->threads, halve_row, &h, batch * (n / 2));
}
