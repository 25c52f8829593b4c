/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/conv-narrow.h"

#include <math.h>
#include <string.h>

#define TAPS 9
#define LINES 3
/* Outputs of a product: four groups, the widest tile of any kernel. */
#define PANEL (4 * CLIP_GROUP)
/* Rows of a band: two more are read, and weights are used often for having been read. */
#define BAND 8
/* Outputs of a band are divided to have that many tasks. */
#define MIN_TASKS 16

typedef struct {
  ClipSession *session;
  float *y;
  const float *x;
  const ClipLinear *conv;
  int n, channels;
  int words; /* of a position */
  int band, n_bands;
  int panels, n_parts; /* panels: of a task */
  ClipLinearOp op;
} Conv;

/* Numbers of a word */
static int
numbers (ClipPrecision precision)
{
  return precision == CLIP_PRECISION_INT8 ? 4 : 2;
}

static int
band_rows (int n)
{
  return clip_pieces (n, clip_pieces (n, BAND));
}

gboolean
clip_conv3_narrow_fits (ClipPrecision precision, int channels)
{
  return channels % numbers (precision) == 0 && TAPS * channels <= CLIP_GEMM_I8_MAX;
}

/* Words of a band with what is around it. */
static gsize
band_words (const ClipLinear *conv, int n)
{
  return (gsize) (band_rows (n) + 2) * (n + 2) * (conv->reduced.n / TAPS);
}

gsize
clip_conv3_narrow_scratch (const ClipLinear *conv, int n)
{
  return band_words (conv, n) + n * sizeof (ClipQuant) / sizeof (guint32);
}

/* ---------------------------------------------------------------------------------------------------------- narrowing */

typedef struct {
  ClipQuant quant;
  float inverse;
} Scale;

/* Of x[n]. The bytes that come of finding it are of no use: @bytes is where there is room for them. */
static Scale
scale_of (const ClipKernels *kernels, guint8 *bytes, const float *x, gsize n)
{
  float range[2] = { 0, 0 };
  Scale scale;
  kernels->to_bytes (bytes, range, x, 1, 0, n);
  scale.quant = clip_quant (range[0], range[1], &scale.inverse);
  return scale;
}

/* line[n + 2, C] of a row of the picture; @x NULL: of zeros */
static void
narrow_line (const Conv *c, guint32 *line, const float *x, const Scale *scale)
{
  const ClipKernels *kernels = c->session->kernels;
  const gsize inside = (gsize) c->n * c->words, numbers_inside = (gsize) c->n * c->channels;
  const int zero = scale->quant.zero;
  if (!x) {
    memset (line, zero, (inside + 2 * c->words) * sizeof *line);
    return;
  }
  memset (line, zero, c->words * sizeof *line);
  line += c->words;
  if (c->conv->reduced.precision == CLIP_PRECISION_INT8) {
    float range[2] = { 0, 0 };
    kernels->to_bytes ((guint8 *) line, range, x, scale->inverse, zero, numbers_inside);
  } else {
    kernels->f32_to_bf16 ((guint16 *) line, x, numbers_inside);
  }
  memset (line + inside, zero, c->words * sizeof *line);
}

/* band[rows + 2, n + 2, C] around the rows @top … of the picture x */
static ClipQuant
narrow_band (const Conv *c, guint32 *band, const float *x, int top, int rows)
{
  const int first = MAX (top - 1, 0), end = MIN (top + rows + 1, c->n);
  const gsize row_floats = (gsize) c->n * c->channels, line = (gsize) (c->n + 2) * c->words;
  Scale scale = { { 0, 0 }, 0 };
  if (c->conv->reduced.precision == CLIP_PRECISION_INT8)
    scale = scale_of (c->session->kernels, (guint8 *) band, x + first * row_floats,
                      (end - first) * row_floats);
  for (int row = top - 1; row < top + rows + 1; row++, band += line)
    narrow_line (c, band, row >= first && row < end ? x + row * row_floats : NULL, &scale);
  return scale.quant;
}

/* ------------------------------------------------------------------------------------------------------------ product */

/* The outputs @first … of a row of the result; @next: weights of the panel that follows */
static void
multiply_row (const Conv *c, float *y, const guint32 *band, const ClipQuant *quant, int first,
              gboolean next)
{
  const ClipLinear *conv = c->conv;
  const ClipReduced *reduced = &conv->reduced;
  const gboolean i8 = reduced->precision == CLIP_PRECISION_INT8;
  const gsize stride = (gsize) reduced->n * CLIP_GROUP;
  const guint32 *w = reduced->data + first / CLIP_GROUP * stride;
  const ClipGemmNarrow gemm = {
    .y = y + first,
    .y_stride = conv->weight.rows,
    .x = band,
    .x_stride = c->words,
    .run_stride = (gssize) (c->n + 2) * c->words,
    .w = w,
    .w_stride = stride,
    .next = next ? w + PANEL / CLIP_GROUP * stride : NULL,
    .quant = quant,
    .scales = i8 ? reduced->scales + first : NULL,
    .sums = i8 ? reduced->sums + first : NULL,
    .bias = conv->bias + first,
    .rows = c->n,
    .n = MIN (PANEL, conv->weight.rows - first),
    .runs = LINES,
    .words = LINES * c->words,
    .low = c->op == CLIP_LINEAR_RELU ? 0 : -INFINITY,
    .high = INFINITY,
  };
  (i8 ? c->session->kernels->gemm_i8 : c->session->kernels->gemm_bf16) (&gemm);
}

static void
convolve_some (void *data, int task, int worker)
{
  const Conv *c = data;
  const int n = c->n, out = c->conv->weight.rows;
  const int top = task % c->n_bands * c->band, part = task / c->n_bands % c->n_parts,
            image = task / c->n_bands / c->n_parts;
  const int first = part * c->panels * PANEL, end = MIN (first + c->panels * PANEL, out),
            rows = MIN (c->band, n - top);
  const gsize positions = (gsize) n * n, line = (gsize) (n + 2) * c->words;
  guint32 *band = (guint32 *) clip_session_scratch (c->session, worker);
  ClipQuant *quant = (ClipQuant *) (band + band_words (c->conv, n));

  quant[0] = narrow_band (c, band, c->x + image * positions * c->channels, top, rows);
  for (int i = 1; i < n; i++)
    quant[i] = quant[0];
  float *y = c->y + (image * positions + (gsize) top * n) * out;
  for (int panel = first; panel < end; panel += PANEL)
    for (int r = 0; r < rows; r++)
      multiply_row (c, y + (gsize) r * n * out, band + r * line, quant, panel,
                    r == rows - 1 && panel + 2 * PANEL <= end);
}

void
clip_conv3_narrow (ClipSession *session, float *y, const float *x, const ClipLinear *conv, int n,
                   int batch, ClipLinearOp op)
{
  g_assert (op == CLIP_LINEAR_STORE || op == CLIP_LINEAR_RELU);
  Conv c = { session, y, x, conv, n, conv->weight.cols / TAPS, conv->reduced.n / TAPS, .op = op };
  const int n_panels = clip_pieces (conv->weight.rows, PANEL);
  c.band = band_rows (n);
  c.n_bands = clip_pieces (n, c.band);
  c.n_parts = CLAMP (clip_pieces (MIN_TASKS, batch * c.n_bands), 1, n_panels);
  c.panels = clip_pieces (n_panels, c.n_parts);
  c.n_parts = clip_pieces (n_panels, c.panels);
  clip_threads_run (session->threads, convolve_some, &c, batch * c.n_bands * c.n_parts);
}
