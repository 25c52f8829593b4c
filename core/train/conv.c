/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/conv.h"

#include "core/model/blas.h"

#include <string.h>

/* Floats of the windows that a tile gathers: they are to stay in the second-level cache. */
#define TILE_FLOATS (64 * 1024)
#define MIN_TILE 48   /* positions, however wide the windows are */
#define MAX_TILE 1024 /* positions, however narrow */
#define MIN_TASKS 16
/* Windows and weights that are multiplied at a time, as in core/model/linear.c. */
#define INPUTS 1024

int
clip_padded_size (int n, int kernel, int stride, int pad)
{
  return (n + 2 * pad - kernel) / stride + 1;
}

static int
pieces (gsize n, gsize size)
{
  return (n + size - 1) / size;
}

/* ---------------------------------------------------------------------------------------------------------- windows */

/* Where the windows of output positions lie in the input. Rows are counted through the whole batch. */
typedef struct {
  ClipMap map; /* [B, size, size, C] */
  int channels, size;
  int kernel, stride, pad;
  int spread; /* inputs lie so many places apart, with zeros between: the gradient of a stride */
  int out_size;
  int tile, n_rows; /* output rows of a tile, of the batch */
} Windows;

static int
taps (const Windows *w)
{
  return w->kernel * w->kernel * w->channels;
}

/* Whether windows are positions as they come. */
static gboolean
is_pointwise (const Windows *w)
{
  return w->kernel == 1 && w->stride == 1 && w->spread == 1 && w->pad == 0;
}

static gboolean
is_plain (const ClipMap *map)
{
  return !map->scale && !map->z && !map->shift && map->low == -INFINITY && map->high == INFINITY;
}

static int
line_width (const Windows *w)
{
  return MAX ((w->out_size - 1) * w->stride + w->kernel, w->pad + (w->size - 1) * w->spread + 1);
}

static int
n_lines (const Windows *w, int rows)
{
  return (rows - 1) * w->stride + w->kernel;
}

static void
cut (Windows *w, int batch)
{
  w->n_rows = batch * w->out_size;
  const int positions = CLAMP (TILE_FLOATS / taps (w), MIN_TILE, MAX_TILE);
  w->tile = CLAMP (positions / w->out_size, 1, MAX (w->n_rows / MIN_TASKS, 1));
}

/* What gather () needs: input lines, then windows; what outer () reads behind its last row. */
static gsize
lines_floats (const Windows *w)
{
  return (gsize) n_lines (w, MIN (w->tile, w->out_size)) * line_width (w) * w->channels;
}

static gsize
gather_floats (const Windows *w)
{
  const gsize windows = (gsize) w->tile * w->out_size * taps (w) + 16;
  return (is_pointwise (w) ? 0 : lines_floats (w)) + windows + 16;
}

/* line[width, C] = row @row of image @image, zero outside of it. */
static void
read_line (const Windows *w, const ClipKernels *kernels, float *line, int image, int row)
{
  const gsize width = line_width (w), channels = w->channels;
  const int source = row / w->spread;
  if (row < 0 || row % w->spread || source >= w->size) {
    memset (line, 0, width * channels * sizeof *line);
    return;
  }
  const gsize before = w->pad * channels,
              inside = ((gsize) (w->size - 1) * w->spread + 1) * channels;
  if (w->spread > 1)
    memset (line, 0, width * channels * sizeof *line);
  memset (line, 0, before * sizeof *line);
  memset (line + before + inside, 0, (width * channels - before - inside) * sizeof *line);
  kernels->blend (line + before, w->spread * channels, &w->map,
                  ((gsize) image * w->size + source) * w->size, w->size, channels);
}

/* The windows [rows · out_size, taps] of the output rows from @first on: in @scratch, or where they lie. @read_behind: 16
 * floats behind the last are read. */
static const float *
gather (const Windows *w, const ClipKernels *kernels, float *scratch, int first, int rows,
        gboolean read_behind)
{
  const gsize position = (gsize) first * w->out_size;
  if (is_pointwise (w)) {
    if (is_plain (&w->map) && !(read_behind && w->channels % 16))
      return w->map.x + position * w->channels;
    kernels->blend (scratch, w->channels, &w->map, position, rows * w->out_size, w->channels);
    return scratch;
  }
  float *lines = scratch, *windows = scratch + (lines_floats (w) + 15) / 16 * 16, *to = windows;
  const gsize line = (gsize) line_width (w) * w->channels;
  for (int row = first; row < first + rows;) {
    const int image = row / w->out_size, in_image = row % w->out_size;
    const int some = MIN (w->out_size - in_image, first + rows - row);
    for (int i = 0; i < n_lines (w, some); i++)
      read_line (w, kernels, lines + i * line, image, in_image * w->stride - w->pad + i);
    for (int r = 0; r < some; r++, to += (gsize) w->out_size * taps (w)) {
      const float *window[CLIP_DEPTHWISE_MAX];
      for (int i = 0; i < w->kernel; i++)
        window[i] = lines + (r * w->stride + i) * line;
      kernels->windows (to, taps (w), window, w->kernel, w->kernel * w->channels,
                        w->stride * w->channels, w->out_size);
    }
    row += some;
  }
  return windows;
}

/* ---------------------------------------------------------------------------------------------------------- product */

/* A weight in the order that the product reads: [⌈rows / 16⌉, cols, 16], or [rows, cols] for OpenBLAS. */
static float *
pack_rows (ClipTape *tape, const float *w, int rows, int cols)
{
  if (!tape->kernels->gemm)
    return (float *) w;
  const int groups = pieces (rows, CLIP_GROUP);
  float *packed = clip_tape_floats (tape, (gsize) groups * CLIP_GROUP * cols);
  for (int g = 0; g < groups; g++)
    tape->kernels->pack (packed + (gsize) g * CLIP_GROUP * cols, w + (gsize) g * CLIP_GROUP * cols,
                         cols, MIN (CLIP_GROUP, rows - g * CLIP_GROUP), cols);
  return packed;
}

/* The same of the weight of the way back: [in, k, k, out], each tap at the opposite place. */
static float *
pack_turned (ClipTape *tape, const ClipConv *conv)
{
  const gsize area = conv->kernel * conv->kernel, cols = area * conv->out;
  const gsize groups = pieces (conv->in, CLIP_GROUP);
  float *packed = clip_tape_zeros (tape, groups * CLIP_GROUP * cols);
  const float *w = conv->weight->value;
  for (gsize out = 0; out < (gsize) conv->out; out++) {
    for (gsize tap = 0; tap < area; tap++, w += conv->in) {
      const gsize col = (area - 1 - tap) * conv->out + out;
      if (tape->kernels->gemm)
        for (int first = 0; first < conv->in; first += CLIP_GROUP)
          memcpy (packed + first * cols + col * CLIP_GROUP, w + first,
                  MIN (CLIP_GROUP, conv->in - first) * sizeof *w);
      else
        for (int in = 0; in < conv->in; in++)
          packed[in * cols + col] = w[in];
    }
  }
  return packed;
}

/* y[rows, n] (+)= x[rows, k] · weight */
static void
multiply (const ClipKernels *kernels, float *y, const float *x, const float *weight, int rows,
          int n, int k, gboolean add)
{
  if (!kernels->gemm) {
    clip_sgemm_nt (y, n, x, k, weight, k, rows, n, k, 1, add);
    return;
  }
  for (int from = 0; from < k; from += INPUTS) {
    const ClipGemm gemm = {
      .y = y,
      .y_stride = n,
      .x = x + from,
      .x_stride = k,
      .w = weight + (gsize) from * CLIP_GROUP,
      .w_stride = (gsize) k * CLIP_GROUP,
      .rows = rows,
      .n = n,
      .k = MIN (INPUTS, k - from),
      .add = add || from > 0,
      .low = -INFINITY,
      .high = INFINITY,
    };
    kernels->gemm (&gemm);
  }
}

typedef struct {
  ClipTape *tape;
  Windows windows;
  const float *weight;
  int out;
  float *y; /* [B, out_size, out_size, out] */
  gboolean add;
  ClipPartials *moments; /* forward; NULL: none */
  ClipSink *sink;        /* backward */
  float *scratch;        /* [workers, scratch_floats] */
  gsize scratch_floats;
} Convolution;

static void
convolve_tile (void *data, int task, int worker)
{
  const Convolution *c = data;
  const Windows *w = &c->windows;
  const ClipKernels *kernels = c->tape->kernels;
  const int first = task * w->tile, rows = MIN (w->tile, w->n_rows - first),
            positions = rows * w->out_size;
  const gsize at = (gsize) first * w->out_size;
  const float *x = gather (w, kernels, c->scratch + worker * c->scratch_floats, first, rows, FALSE);
  float *y = c->y + at * c->out;
  multiply (kernels, y, x, c->weight, positions, c->out, taps (w), c->add);
  if (c->moments) {
    c->moments->rows[task] = positions;
    kernels->moments (clip_partials_at (c->moments, task, 0, 0),
                      clip_partials_at (c->moments, task, 1, 0), y, c->out, positions, c->out);
  }
  if (c->sink)
    clip_sink_done (c->sink, kernels, task, at, positions, 0, c->out);
}

static float *
take_scratch (ClipTape *tape, gsize *floats)
{
  *floats = (*floats + 15) / 16 * 16;
  return clip_tape_floats (tape, clip_threads_get_n (tape->threads) * *floats);
}

ClipPartials
clip_conv_forward (ClipTape *tape, float *y, const ClipMap *x, const ClipConv *conv, int batch,
                   gboolean learn)
{
  Convolution c = {
    .tape = tape,
    .windows = { *x, conv->in, conv->in_size, conv->kernel, conv->stride, conv->pad, 1,
                 conv->out_size },
    .out = conv->out,
    .y = y,
  };
  cut (&c.windows, batch);
  const int n_tiles = pieces (c.windows.n_rows, c.windows.tile);
  ClipPartials moments = { 0 };
  if (learn) {
    moments = clip_partials_new (tape, n_tiles, conv->out);
    c.moments = &moments;
  }
  const ClipTapeMark mark = clip_tape_mark (tape);
  c.weight = pack_rows (tape, conv->weight->value, conv->out, taps (&c.windows));
  c.scratch_floats = gather_floats (&c.windows);
  c.scratch = take_scratch (tape, &c.scratch_floats);
  clip_threads_run (tape->threads, convolve_tile, &c, n_tiles);
  clip_tape_release (tape, mark);
  return moments;
}

void
clip_conv_input (ClipTape *tape, ClipSink *dx, const ClipConv *conv, const ClipMap *dy, int batch)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  Convolution c = {
    .tape = tape,
    .windows = { *dy, conv->out, conv->out_size, conv->kernel, 1, conv->kernel - 1 - conv->pad,
                 conv->stride, conv->in_size },
    .weight = pack_turned (tape, conv),
    .out = conv->in,
    .y = dx->g,
    .add = dx->add,
    .sink = dx,
  };
  cut (&c.windows, batch);
  const int n_tiles = pieces (c.windows.n_rows, c.windows.tile);
  clip_sink_begin (dx, tape, n_tiles, conv->in);
  c.scratch_floats = gather_floats (&c.windows);
  c.scratch = take_scratch (tape, &c.scratch_floats);
  clip_threads_run (tape->threads, convolve_tile, &c, n_tiles);
  clip_sink_end (dx, tape);
  clip_tape_release (tape, mark);
}

/* --------------------------------------------------------------------------------------------- gradient of the weight */

/* Output channels of a task. */
#define PANEL 64
/* Positions of a chunk at least: its own dW costs memory traffic, to be outweighed by the products. */
#define MIN_CHUNK 512
#define MAX_CHUNKS 16
#define MAX_PARTIAL_FLOATS (16 << 20)

typedef struct {
  ClipTape *tape;
  Windows windows;
  ClipMap dy;
  int out, n_panels;
  int chunk, n_chunks; /* output rows */
  float *partial;      /* [chunks, out, taps] */
  float *gradient;     /* [out, taps] */
  float *scratch;
  gsize scratch_floats;
} WeightGradient;

/* partial[chunk][panel] = dyᵀ · windows */
static void
weight_panel (void *data, int task, int worker)
{
  const WeightGradient *g = data;
  const Windows *w = &g->windows;
  const ClipKernels *kernels = g->tape->kernels;
  const int panel = task % g->n_panels, chunk = task / g->n_panels;
  const int first = panel * PANEL, n = MIN (PANEL, g->out - first);
  const int end = MIN ((chunk + 1) * g->chunk, w->n_rows);
  float *dy = g->scratch + worker * g->scratch_floats;
  float *scratch = dy + (gsize) w->tile * w->out_size * PANEL;
  const ClipMap dy_map = clip_map_from (&g->dy, first);
  ClipOuter outer = {
    .y = g->partial + ((gsize) chunk * g->out + first) * taps (w),
    .y_stride = taps (w),
    .a = dy,
    .a_stride = n,
    .b_stride = taps (w),
    .m = n,
    .n = taps (w),
  };
  for (int row = chunk * g->chunk; row < end; row += w->tile) {
    const int rows = MIN (w->tile, end - row);
    outer.k = rows * w->out_size;
    outer.b = gather (w, kernels, scratch, row, rows, TRUE);
    kernels->blend (dy, n, &dy_map, (gsize) row * w->out_size, outer.k, n);
    if (kernels->outer)
      kernels->outer (&outer);
    else
      clip_sgemm_tn (outer.y, outer.y_stride, outer.a, outer.a_stride, outer.b, outer.b_stride,
                     outer.m, outer.n, outer.k, outer.add);
    outer.add = TRUE;
  }
}

#define SUM_FLOATS 4096

/* gradient += Σ partial, in the order of the chunks */
static void
sum_chunks (void *data, int task, int worker)
{
  const WeightGradient *g = data;
  const gsize all = (gsize) g->out * taps (&g->windows), first = (gsize) task * SUM_FLOATS;
  for (int chunk = 0; chunk < g->n_chunks; chunk++)
    g->tape->kernels->add (g->gradient + first, g->partial + chunk * all + first,
                           MIN (SUM_FLOATS, all - first));
}

void
clip_conv_weight (ClipTape *tape, const ClipConv *conv, const ClipMap *dy, const ClipMap *x,
                  int batch)
{
  if (!conv->weight->gradient)
    return;
  const ClipTapeMark mark = clip_tape_mark (tape);
  WeightGradient g = {
    .tape = tape,
    .windows = { *x, conv->in, conv->in_size, conv->kernel, conv->stride, conv->pad, 1,
                 conv->out_size },
    .dy = *dy,
    .out = conv->out,
    .n_panels = pieces (conv->out, PANEL),
    .gradient = conv->weight->gradient,
  };
  cut (&g.windows, batch);
  const gsize all = (gsize) conv->out * taps (&g.windows),
              positions = (gsize) g.windows.n_rows * conv->out_size;
  const int chunks = MIN (MIN (positions / MIN_CHUNK, MAX_CHUNKS), MAX_PARTIAL_FLOATS / all);
  g.chunk = pieces (g.windows.n_rows, MAX (chunks, 1));
  g.windows.tile = MIN (g.windows.tile, g.chunk);
  g.n_chunks = pieces (g.windows.n_rows, g.chunk);
  g.partial = clip_tape_floats (tape, g.n_chunks * all);
  g.scratch_floats = (gsize) g.windows.tile * conv->out_size * PANEL + gather_floats (&g.windows);
  g.scratch = take_scratch (tape, &g.scratch_floats);
  clip_threads_run (tape->threads, weight_panel, &g, g.n_chunks * g.n_panels);
  clip_threads_run (tape->threads, sum_chunks, &g, pieces (all, SUM_FLOATS));
  clip_tape_release (tape, mark);
}
