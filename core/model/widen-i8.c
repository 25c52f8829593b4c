/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *   bytes = quantise (x)                                      each row of a picture with a scale and a zero of its own; or pixels
 *   wide = byte (expand (bytes))                              quads: core/kernels/quads.h
 *   y = byte (depthwise (wide))
 *
 * A byte behind a ReLU6 stands for a number of CLIP_WIDEN_STEPs: 255 of them are 6, where ReLU6 ends. Narrower ranges for channels
 * that seldom come near 6 were no better. To divide by the step is part of the weights' scales, to multiply with it of the weights
 * that the bytes meet. What rounding weights adds on the mean is taken from biases: core/model/rounding.h.
 */
#include "core/model/widen-i8.h"
#include "core/model/pixels.h"
#include "core/model/rounding.h"

#include <math.h>
#include <string.h>

#define PANEL CLIP_WIDEN_PANEL
/* Bytes of expanded rows a task keeps: they are to stay in the second-level cache. */
#define BAND_BYTES (160 * 1024)

struct _ClipWidenI8 {
  ClipPixels pixels;                  /* where they are x; else all 0 */
  ClipReduced expand;                 /* scales: in steps of the channel */
  const float *offsets, *expand_bias; /* [M] */
  const guint32 *depthwise;           /* per panel of channels: ClipDepthwiseI8.w */
  const float *scales, *bias;         /* [M] */
  const gint32 *sums;                 /* [M], of taps */
};

/* --------------------------------------------------------------------------------------------------------- binding */

gboolean
clip_widen_i8_pays (void)
{
  return clip_kernels ()->gemm_quads && clip_kernels ()->depthwise_i8;
}

gboolean
clip_widen_i8_fits (const ClipWiden *widen, const ClipWidenNames *names)
{
  return names->expand && widen->kernel <= CLIP_QUADS_KERNEL_MAX && widen->stride <= 2 &&
         widen->middle % 4 == 0 && widen->in % 4 == 0 && widen->in <= CLIP_GEMM_I8_MAX;
}

/* How alike two pixels are, one step apart. */
#define LIKENESS 0.8f

#define PIXEL_TAPS 27
#define MAX_TAPS MAX (CLIP_QUADS_KERNEL_MAX *CLIP_QUADS_KERNEL_MAX, PIXEL_TAPS)

/* y[n, n], n = channels·k·k: how alike the pixels under two taps are. */
static void
fill_likeness (float *y, int channels, int k)
{
  const int square = k * k, n = channels * square;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      y[i * n + j] =
          powf (LIKENESS, ABS (i / square - j / square) + ABS (i % square / k - j % square / k) +
                              ABS (i % k - j % k));
}

/* Bytes of w[n] between -127 and 127. Each is rounded up or down so that the error of the result is least, for a picture whose
 * pixels are alike: Σ_ij e_i · e_j · likeness_ij. Rounded to nearest each by itself, e would add up. Returns the step. */
static float
quantise_taps (gint8 *q, const float *w, int n, const float *likeness)
{
  float most = 0, error[MAX_TAPS];
  for (int i = 0; i < n; i++)
    most = MAX (most, fabsf (w[i]));
  const float inverse = most < 1e-30f ? 0 : 127 / most;
  for (int i = 0; i < n; i++) {
    q[i] = (gint8) lrintf (w[i] * inverse);
    error[i] = q[i] - w[i] * inverse;
  }
  for (int best = 0; best >= 0;) {
    float gain = -1e-6f;
    int step = 0;
    best = -1;
    for (int i = 0; i < n; i++) {
      float slope = 0;
      for (int j = 0; j < n; j++)
        slope += error[j] * likeness[i * n + j];
      const int way = slope > 0 ? -1 : 1;
      if (1 - 2 * fabsf (slope) < gain && ABS (q[i] + way) <= 127) {
        gain = 1 - 2 * fabsf (slope);
        step = way;
        best = i;
      }
    }
    if (best >= 0) {
      q[best] += step;
      error[best] += step;
    }
  }
  return most / 127;
}

static void
bind_expand (ClipWidenI8 *i8, ClipWeights *weights, const ClipMatrix *weight, const float *of_bias)
{
  const int n = weight->rows;
  if (!clip_reduce_pack (weights, &i8->expand, weight, CLIP_PRECISION_INT8))
    return;
  float *scales = clip_weights_alloc (weights, n), *offsets = clip_weights_alloc (weights, n),
        *bias = clip_weights_alloc (weights, n);
  for (int c = 0; scales && offsets && bias && c < n; c++) {
    scales[c] = i8->expand.scales[c] / CLIP_WIDEN_STEP;
    offsets[c] = scales[c] * i8->expand.sums[c];
    bias[c] = of_bias[c] / CLIP_WIDEN_STEP;
  }
  i8->expand.scales = scales;
  i8->offsets = offsets;
  i8->expand_bias = bias;
}

/* Of pixels as bytes: a channel's scale and mean become part of the weights and of the bias. */
static void
bind_pixels (ClipWidenI8 *i8, ClipWeights *weights, const ClipLinear *conv)
{
  const int n = conv->weight.rows, row = 4 * CLIP_PIXELS_WORDS;
  g_autofree gint8 *words = g_new0 (gint8, (gsize) n * row);
  g_autofree float *scales = g_new (float, n), *bias = g_new (float, n);
  float likeness[MAX_TAPS * MAX_TAPS];
  fill_likeness (likeness, 3, 3);
  for (int c = 0; c < n; c++) {
    const float *w =
        (const float *) conv->weight.data + c * PIXEL_TAPS; /* (channel, row, column) */
    float taps[PIXEL_TAPS], at_zero = 0;
    gint8 q[PIXEL_TAPS];
    for (int i = 0; i < PIXEL_TAPS; i++)
      taps[i] = w[i] / i8->pixels.factor[i / 9];
    scales[c] = quantise_taps (q, taps, PIXEL_TAPS, likeness);
    for (int i = 0; i < PIXEL_TAPS; i++) {
      words[c * row + (i / 3 % 3 * 3 + i / 9) * 4 + i % 3] = q[i];
      at_zero += q[i] * i8->pixels.offset[i / 9];
    }
    bias[c] = conv->bias[c] - scales[c] * at_zero;
  }
  bind_expand (i8, weights, &(ClipMatrix){ CLIP_DTYPE_I8, n, row, words, scales }, bias);
}

static void
bind_depthwise (ClipWidenI8 *i8, ClipWeights *weights, const ClipLinear *depthwise, int kernel,
                const float *means)
{
  const int n = depthwise->weight.rows, taps = kernel * kernel;
  const float *w = depthwise->weight.data;
  float *scales = clip_weights_alloc (weights, n), *bias = clip_weights_alloc (weights, n);
  gint32 *sums = (gint32 *) clip_weights_alloc (weights, n);
  guint32 *words = (guint32 *) clip_weights_alloc (weights, clip_quads_weights_size (kernel, n));
  g_autofree gint8 *q = g_new (gint8, (gsize) n * taps);
  float likeness[MAX_TAPS * MAX_TAPS];
  if (!scales || !bias || !sums || !words)
    return;
  fill_likeness (likeness, 1, kernel);
  for (int c = 0; c < n; c++) {
    scales[c] = quantise_taps (q + c * taps, w + c * taps, taps, likeness);
    double added = 0;
    sums[c] = 0;
    for (int t = 0; t < taps; t++) {
      sums[c] += q[c * taps + t];
      added += (double) scales[c] * q[c * taps + t] - w[c * taps + t];
    }
    bias[c] = (depthwise->bias[c] - added * means[c]) / CLIP_WIDEN_STEP;
  }
  for (int first = 0; first < n; first += PANEL) {
    const int panel = MIN (PANEL, n - first);
    clip_quads_weights (words + clip_quads_weights_size (kernel, first), panel, q + first * taps,
                        kernel, panel);
  }
  i8->depthwise = words;
  i8->scales = scales;
  i8->bias = bias;
  i8->sums = sums;
}

static void
bind (ClipWiden *widen, ClipWeights *weights, float epsilon, const ClipWidenNames *names,
      const float *means)
{
  const int n = widen->middle, taps = widen->kernel * widen->kernel;
  ClipWidenI8 *i8 = widen->i8;
  widen->expand =
      clip_bind_folded (weights, n, widen->in, epsilon, names->expand, names->expand_norm);
  const ClipLinear depthwise =
      clip_bind_folded (weights, n, taps, epsilon, names->depthwise, names->depthwise_norm);
  g_autofree float *wide_means = clip_norm_means_relu6 (weights, n, names->expand_norm);
  if (!clip_weights_ok (weights, NULL))
    return;
  if (i8->pixels.size) {
    bind_pixels (i8, weights, &widen->expand);
  } else {
    clip_rounding_correct ((float *) widen->expand.bias, &widen->expand.weight, means);
    bind_expand (i8, weights, &widen->expand.weight, widen->expand.bias);
  }
  bind_depthwise (i8, weights, &depthwise, widen->kernel, wide_means);
  clip_weights_release (weights, (float *) widen->expand.weight.data, (gsize) n * widen->in);
  clip_weights_release (weights, (float *) depthwise.weight.data, (gsize) n * taps);
  widen->expand.weight.data = NULL;
}

void
clip_widen_i8_bind (ClipWiden *widen, ClipWeights *weights, float epsilon,
                    const ClipWidenNames *names, const float *means)
{
  widen->i8 = g_new0 (ClipWidenI8, 1);
  bind (widen, weights, epsilon, names, means);
}

void
clip_widen_i8_bind_first (ClipWiden *widen, ClipWeights *weights, float epsilon,
                          const ClipWidenNames *names, const ClipStem *stem,
                          const ClipPreprocessConfig *preprocess)
{
  widen->i8 = g_new0 (ClipWidenI8, 1);
  widen->i8->pixels = clip_pixels (stem, preprocess);
  widen->in = PIXEL_TAPS;
  bind (widen, weights, epsilon, names, NULL);
}

/* --------------------------------------------------------------------------------------------------------- running */

/* The first quad of a line is zero, and so is what is behind the picture: padding. */
static int
line_quads (const ClipWiden *widen)
{
  return 1 + widen->out_size * widen->stride / 4 + CLIP_QUADS_BEYOND;
}

static int
in_rows (const ClipWiden *widen, int out_rows)
{
  return (out_rows - 1) * widen->stride + widen->kernel;
}

static int
band_rows (const ClipWiden *widen)
{
  const int rows = BAND_BYTES / (4 * line_quads (widen) * MIN (PANEL, widen->middle));
  return CLAMP ((rows - widen->kernel) / widen->stride + 1, 1, widen->out_size);
}

gsize
clip_widen_i8_scratch (const ClipWiden *widen)
{
  return (gsize) in_rows (widen, band_rows (widen)) * line_quads (widen) *
         MIN (PANEL, widen->middle);
}

/* What is multiplied: bytes of x, [B, h, w, in] or pixels. All but quant in bytes. */
typedef struct {
  guint8 *bytes;
  gsize image, row, position, word; /* from one … to the next */
  ClipQuant *quant;                 /* [B, h] */
} Source;

typedef struct {
  ClipSession *session;
  const ClipWiden *widen;
  guint8 *y;
  const float *x;
  Source source;
  int band, n_bands, n_panels;
} Work;

/* line[quads, n] = the channels @first … of an image's expanded @row */
static void
expand_row (const Work *work, guint32 *line, int image, int row, int first, int n)
{
  const ClipWiden *widen = work->widen;
  const Source *source = &work->source;
  const ClipWidenI8 *i8 = widen->i8;
  guint32 *inside = line + n;
  const gsize stride = (gsize) i8->expand.n * CLIP_GROUP;
  const ClipGemmQuads product = {
    .y = inside,
    .y_stride = n,
    .x = source->bytes + image * source->image + row * source->row,
    .x_stride = source->position,
    .x_step = source->word,
    .w = i8->expand.data + first / CLIP_GROUP * stride,
    .w_stride = stride,
    .quant = source->quant[image * widen->in_size + row],
    .scales = i8->expand.scales + first,
    .offsets = i8->offsets + first,
    .bias = i8->expand_bias + first,
    .sums = i8->expand.sums + first,
    .rows = widen->in_size,
    .n = n,
    .words = i8->expand.n,
  };
  work->session->kernels->gemm_quads (&product);
}

/* band[rows, quads, n] = the channels @first … of rows @top … of an image's expanded picture, zero outside of it */
static void
expand_band (const Work *work, guint32 *band, int image, int top, int rows, int first, int n)
{
  const int size = work->widen->in_size;
  const gsize line = (gsize) line_quads (work->widen) * n,
              behind = (gsize) (1 + (size + 3) / 4) * n;
  for (int row = top; row < top + rows; row++, band += line) {
    if (row < 0 || row >= size) {
      memset (band, 0, line * sizeof *band);
      continue;
    }
    memset (band, 0, n * sizeof *band);
    memset (band + behind, 0, (line - behind) * sizeof *band);
    expand_row (work, band, image, row, first, n);
  }
}

static void
widen_some (void *data, int task, int worker)
{
  const Work *work = data;
  const ClipWiden *widen = work->widen;
  const ClipWidenI8 *i8 = widen->i8;
  const int band_index = task % work->n_bands, panel = task / work->n_bands % work->n_panels,
            image = task / work->n_bands / work->n_panels;
  const int first = panel * PANEL, n = MIN (PANEL, widen->middle - first);
  const int row = band_index * work->band, rows = MIN (work->band, widen->out_size - row);
  const gsize line = (gsize) line_quads (widen) * n;
  guint32 *band = (guint32 *) clip_session_scratch (work->session, worker);

  expand_band (work, band, image, row * widen->stride - widen->pad, in_rows (widen, rows), first,
               n);
  for (int i = 0; i < rows; i++) {
    const guint32 *lines[CLIP_QUADS_KERNEL_MAX];
    for (int j = 0; j < widen->kernel; j++)
      lines[j] = band + (i * widen->stride + j) * line;
    const gsize position = ((gsize) image * widen->out_size + row + i) * widen->out_size;
    const ClipDepthwiseI8 depthwise = {
      .y = work->y + position * widen->middle + first,
      .y_stride = widen->middle,
      .rows = lines,
      .rows_stride = n,
      .w = i8->depthwise + clip_quads_weights_size (widen->kernel, first),
      .w_stride = n,
      .scales = i8->scales + first,
      .bias = i8->bias + first,
      .sums = i8->sums + first,
      .k = widen->kernel,
      .stride = widen->stride,
      .start = 4 - widen->pad,
      .width = widen->out_size,
      .n = n,
    };
    work->session->kernels->depthwise_i8 (&depthwise);
  }
}

/* A row of a picture. */
static void
quantise_row (void *data, int task, int worker)
{
  const Work *work = data;
  const gsize n = work->source.row;
  work->session->kernels->quantize (work->source.bytes + task * n, &work->source.quant[task],
                                    work->x + task * n, n);
}

/* The session's memory for @widen's input. */
static Source
reserve (ClipSession *session, const ClipWiden *widen, int batch)
{
  const ClipPixels *pixels = &widen->i8->pixels;
  const gsize line = clip_pixels_line (pixels), row = (gsize) widen->in_size * widen->in;
  Source source = pixels->size
                      ? (Source){ NULL, clip_pixels_size (pixels), 2 * 3 * line, 2, line, NULL }
                      : (Source){ NULL, row * widen->in_size, row, widen->in, 4, NULL };
  const gsize bytes = batch * source.image,
              quant = (gsize) batch * widen->in_size * sizeof (ClipQuant);
  clip_arena_reserve (&session->reduced, bytes + quant + 2 * CLIP_ALIGNMENT); /* each rounded up */
  source.bytes = clip_arena_take (&session->reduced, bytes);
  source.quant = clip_arena_take (&session->reduced, quant);
  return source;
}

void
clip_widen_i8_run (ClipSession *session, guint8 *y, const float *x, const ClipWiden *widen,
                   int batch)
{
  const ClipPixels *pixels = &widen->i8->pixels;
  Work work = {
    .session = session,
    .widen = widen,
    .y = y,
    .x = x,
    .source = reserve (session, widen, batch),
    .band = band_rows (widen),
    .n_bands = (widen->out_size + band_rows (widen) - 1) / band_rows (widen),
    .n_panels = (widen->middle + PANEL - 1) / PANEL,
  };
  clip_widen_count (session, widen, batch);
  if (pixels->size)
    clip_pixels_run (session, work.source.bytes, work.source.quant, pixels, x, batch);
  else
    clip_threads_run (session->threads, quantise_row, &work, batch * widen->in_size);
  clip_threads_run (session->threads, widen_some, &work, batch * work.n_bands * work.n_panels);
}
