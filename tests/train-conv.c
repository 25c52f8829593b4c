/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Convolutions in training, dense and depthwise, pooling and BatchNorm, against plain loops in double precision: odd sizes,
 * every padding, strides, maps with two parts and clamps; and the same bits for any number of threads.
 */
#include "core/model/conv.h"
#include "core/train/convlayer.h"
#include "core/train/pool.h"

#include <math.h>
#include <string.h>

/* A sum of n products of numbers below 2 in float32, in any order. */
#define TOLERANCE(n) (2e-6 * sqrt (n) + 2e-6)

typedef struct {
  const char *name;
  gboolean depthwise;
  int kernel, stride, pad; /* -1: TensorFlow's SAME */
  int in, out, size, batch;
} Row;

static const Row rows[] = {
  { "1x1", FALSE, 1, 1, 0, 19, 35, 5, 7 },
  { "1x1-whole-lines", FALSE, 1, 1, 0, 32, 64, 9, 4 },
  { "1x1-strided", FALSE, 1, 2, 0, 6, 5, 9, 2 },
  { "3x3", FALSE, 3, 1, 1, 16, 16, 16, 9 },
  { "3x3-one-place", FALSE, 3, 1, 1, 5, 7, 1, 3 },
  { "3x3-wide", FALSE, 3, 1, 1, 130, 70, 3, 11 },
  { "3x3-stem", FALSE, 3, 2, 1, 3, 8, 21, 5 },
  { "3x3-same", FALSE, 3, 2, -1, 3, 17, 12, 5 },
  { "5x5-unpadded", FALSE, 5, 1, 0, 4, 3, 9, 2 },
  { "5x5-stride-3", FALSE, 5, 3, 2, 4, 18, 11, 2 },
  { "depthwise-3", TRUE, 3, 1, -1, 40, 40, 10, 3 },
  { "depthwise-3-stride", TRUE, 3, 2, -1, 70, 70, 11, 3 },
  { "depthwise-3-stride-even", TRUE, 3, 2, -1, 33, 33, 8, 70 },
  { "depthwise-5", TRUE, 5, 1, -1, 96, 96, 7, 2 },
  { "depthwise-5-stride", TRUE, 5, 2, -1, 17, 17, 10, 3 },
  { "depthwise-5-smaller", TRUE, 5, 1, -1, 130, 130, 2, 2 },
  { "depthwise-7", TRUE, 7, 3, -1, 5, 5, 13, 2 },
  { "depthwise-unseen-rows", TRUE, 3, 3, 0, 20, 20, 11, 2 },
};

static float *
fill (gsize n)
{
  float *x = g_new (float, n);
  for (gsize i = 0; i < n; i++)
    x[i] = g_test_rand_double_range (-1, 1);
  return x;
}

static void
check (const char *what, const float *a, const double *b, gsize n, double tolerance)
{
  double scale = 1;
  for (gsize i = 0; i < n; i++)
    scale = MAX (scale, fabs (b[i]));
  for (gsize i = 0; i < n; i++)
    if (!(fabs (a[i] - b[i]) <= tolerance * scale))
      g_error ("%s: element %zu of %zu is %.9g, expected %.9g", what, i, n, a[i], b[i]);
}

/* A map with numbers of its own. */
typedef struct {
  ClipMap map;
  float *x, *z, *scale, *z_scale, *shift;
  double *value; /* [positions, C] */
} OwnMap;

static OwnMap
own_map (gsize positions, int channels, gboolean two, float low, float high)
{
  const gsize n = positions * channels;
  OwnMap own = { .x = fill (n),
                 .z = fill (n),
                 .scale = fill (channels),
                 .z_scale = fill (channels),
                 .shift = fill (channels),
                 .value = g_new (double, n) };
  own.map = (ClipMap){ own.x, own.scale, NULL, NULL, own.shift, channels, low, high };
  if (two) {
    own.map.z = own.z;
    own.map.z_scale = own.z_scale;
  }
  for (gsize i = 0; i < n; i++) {
    const int c = i % channels;
    const double value = (double) own.x[i] * own.scale[c] + own.shift[c] +
                         (two ? (double) own.z[i] * own.z_scale[c] : 0);
    own.value[i] = CLAMP (value, low, high);
  }
  return own;
}

static void
own_map_clear (OwnMap *own)
{
  g_free (own->x);
  g_free (own->z);
  g_free (own->scale);
  g_free (own->z_scale);
  g_free (own->shift);
  g_free (own->value);
}

typedef struct {
  const Row *row;
  ClipConv conv;
  ClipParameter weight;
  OwnMap x, dy, gate;
  float *norm_y, *norm_mean; /* of the BatchNorm below */
  gsize in_positions, out_positions;
  double *y, *dw, *dx; /* expected */
} Fixture;

/* Calls f for all products: (position and channel out, in, weight). */
#define FOR_EACH_PRODUCT(f, body)                                                                  \
  for (int b = 0; b < f->row->batch; b++)                                                          \
    for (int oy = 0; oy < f->conv.out_size; oy++)                                                  \
      for (int ox = 0; ox < f->conv.out_size; ox++)                                                \
        for (int i = 0; i < f->conv.kernel; i++)                                                   \
          for (int j = 0; j < f->conv.kernel; j++) {                                               \
            const int iy = oy * f->conv.stride - f->conv.pad + i,                                  \
                      ix = ox * f->conv.stride - f->conv.pad + j, n = f->conv.in_size;             \
            if (iy < 0 || ix < 0 || iy >= n || ix >= n)                                            \
              continue;                                                                            \
            const gsize in_at = ((gsize) (b * n + iy) * n + ix) * f->conv.in;                      \
            const gsize out_at =                                                                   \
                ((gsize) (b * f->conv.out_size + oy) * f->conv.out_size + ox) * f->conv.out;       \
            for (int o = 0; o < f->conv.out; o++)                                                  \
              for (int c = f->row->depthwise ? o : 0;                                              \
                   c < (f->row->depthwise ? o + 1 : f->conv.in); c++) {                            \
                const gsize at =                                                                   \
                    f->row->depthwise                                                              \
                        ? (gsize) (i * f->conv.kernel + j) * f->conv.in + c                        \
                        : ((gsize) (o * f->conv.kernel + i) * f->conv.kernel + j) * f->conv.in +   \
                              c;                                                                   \
                body;                                                                              \
              }                                                                                    \
          }

static Fixture
fixture_of (const Row *row)
{
  Fixture fixture = { .row = row }, *f = &fixture;
  const int pad = row->pad < 0 ? clip_same_pad (row->size, row->kernel, row->stride) : row->pad;
  f->conv = (ClipConv){ NULL, row->kernel, row->stride, pad, row->in, row->out, row->size };
  f->conv.out_size = row->pad < 0 ? clip_same_size (row->size, row->stride)
                                  : clip_padded_size (row->size, row->kernel, row->stride, pad);
  f->weight.n = (gsize) row->kernel * row->kernel * row->in * (row->depthwise ? 1 : row->out);
  f->weight.value = fill (f->weight.n);
  f->in_positions = (gsize) row->batch * row->size * row->size;
  f->out_positions = (gsize) row->batch * f->conv.out_size * f->conv.out_size;
  f->x = own_map (f->in_positions, row->in, FALSE, 0, 0.5);
  f->dy = own_map (f->out_positions, row->out, TRUE, -INFINITY, INFINITY);
  f->gate = own_map (f->in_positions, row->in, FALSE, -0.5, INFINITY);
  f->norm_y = fill (f->in_positions * row->in);
  f->norm_mean = fill (row->in);
  f->y = g_new0 (double, f->out_positions * row->out);
  f->dw = g_new0 (double, f->weight.n);
  f->dx = g_new0 (double, f->in_positions * row->in);
  FOR_EACH_PRODUCT (f, {
    f->y[out_at + o] += f->x.value[in_at + c] * f->weight.value[at];
    f->dw[at] += f->x.value[in_at + c] * f->dy.value[out_at + o];
    f->dx[in_at + c] += f->weight.value[at] * f->dy.value[out_at + o];
  });
  return fixture;
}

static void
fixture_clear (Fixture *f)
{
  own_map_clear (&f->x);
  own_map_clear (&f->dy);
  own_map_clear (&f->gate);
  g_free (f->weight.value);
  g_free (f->norm_y);
  g_free (f->norm_mean);
  g_free (f->y);
  g_free (f->dw);
  g_free (f->dx);
}

/* What a pass gives. */
typedef struct {
  float *y, *dw, *dx, *sums; /* sums: of y, its squares' deviation, of g, g · (y - mean) */
  gsize n[4];
} Results;

static void
backward (Fixture *f, ClipTape *tape, ClipSink *sink)
{
  if (f->row->depthwise) {
    clip_depthwise_backward (tape, sink, &f->conv, &f->dy.map, &f->x.map, f->row->batch);
  } else {
    clip_conv_weight (tape, &f->conv, &f->dy.map, &f->x.map, f->row->batch);
    if (sink)
      clip_conv_input (tape, sink, &f->conv, &f->dy.map, f->row->batch);
  }
}

static Results
run (Fixture *f, int n_threads, gboolean add)
{
  g_autoptr (ClipTape) tape = clip_tape_new (n_threads);
  const Row *row = f->row;
  Results r = { .n = { f->out_positions * row->out, f->weight.n, f->in_positions * row->in,
                       2 * row->out + 2 * row->in } };
  r.y = g_new (float, r.n[0]);
  r.dw = g_new0 (float, r.n[1]);
  r.dx = g_new0 (float, r.n[2]);
  r.sums = g_new (float, r.n[3]);
  const ClipTapeMark mark = clip_tape_mark (tape);
  memset (clip_tape_floats (tape, 1 << 20), 0xff, sizeof (float) << 20);
  clip_tape_release (tape, mark);
  f->conv.weight = &f->weight;
  f->weight.gradient = r.dw;

  const ClipPartials moments = (row->depthwise ? clip_depthwise_forward : clip_conv_forward) (
      tape, r.y, &f->x.map, &f->conv, row->batch, TRUE);
  /* the batch's statistics become the running ones where these are 0 and have a tenth of the weight */
  float zeros[4][256] = { { 0 } }, gain[256];
  for (int c = 0; c < row->out; c++)
    gain[c] = 1;
  ClipParameter weight = { .value = gain }, bias = { .value = zeros[0] };
  ClipParameter mean = { .value = zeros[1] }, variance = { .value = zeros[2] };
  const ClipBatchNorm norm = { &weight, &bias, &mean, &variance, row->out, 1e-5f };
  ClipNormed normed =
      clip_batch_norm_in (clip_tape_floats (tape, CLIP_NORMED_FLOATS * row->out), &norm);
  clip_batch_norm_learn (&normed, tape, &norm, &moments);
  for (int c = 0; c < row->out; c++) {
    r.sums[c] = normed.mean[c];
    r.sums[row->out + c] = 10 * zeros[2][c];
    g_assert_cmpfloat_with_epsilon (10 * zeros[1][c], normed.mean[c], 1e-6);
  }

  ClipSink sink = {
    .g = r.dx,
    .add = add,
    .gate = &f->gate.map,
    .n_norms = 1,
    .norms = { { .y = f->norm_y,
                 .mean = f->norm_mean,
                 .sum = r.sums + 2 * row->out,
                 .dot = r.sums + 2 * row->out + row->in } },
  };
  for (gsize i = 0; add && i < r.n[2]; i++)
    r.dx[i] = f->norm_y[i];
  backward (f, tape, &sink);
  return r;
}

static void
results_clear (Results *r)
{
  g_free (r->y);
  g_free (r->dw);
  g_free (r->dx);
  g_free (r->sums);
}

/* expected sums, from the expected values */
static void
expect_sums (const Fixture *f, double *sums, const double *dx)
{
  const int out = f->conv.out, in = f->conv.in;
  memset (sums, 0, (2 * out + 2 * in) * sizeof *sums);
  const double n = f->out_positions;
  for (gsize i = 0; i < f->out_positions * out; i++)
    sums[i % out] += f->y[i] / n;
  for (gsize i = 0; i < f->out_positions * out; i++)
    sums[out + i % out] += (f->y[i] - sums[i % out]) * (f->y[i] - sums[i % out]) / MAX (n - 1, 1);
  for (gsize i = 0; i < f->in_positions * in; i++) {
    sums[2 * out + i % in] += dx[i];
    sums[2 * out + in + i % in] += dx[i] * (f->norm_y[i] - f->norm_mean[i % in]);
  }
}

static void
test_conv (const void *data)
{
  const Row *row = data;
  Fixture f = fixture_of (row);
  const gsize n_dx = f.in_positions * row->in, n_sums = 2 * row->out + 2 * row->in;
  g_autofree double *dx = g_new (double, n_dx), *sums = g_new (double, n_sums);
  const double taps = (row->depthwise ? 1 : row->in) * row->kernel * row->kernel,
               taps_back = (row->depthwise ? 1 : row->out) * row->kernel * row->kernel;
  for (int add = FALSE; add <= TRUE; add++) {
    for (gsize i = 0; i < n_dx; i++) {
      dx[i] = f.dx[i] + (add ? f.norm_y[i] : 0);
      if (f.gate.value[i] <= -0.5)
        dx[i] = 0;
    }
    expect_sums (&f, sums, dx);
    Results one = run (&f, 1, add);
    check ("y", one.y, f.y, one.n[0], TOLERANCE (taps));
    check ("dw", one.dw, f.dw, one.n[1], TOLERANCE (f.out_positions));
    check ("dx", one.dx, dx, one.n[2], TOLERANCE (taps_back));
    check ("sums", one.sums, sums, one.n[3], TOLERANCE (f.in_positions * taps_back));
    for (int threads = 2; threads <= 5; threads++) {
      Results many = run (&f, threads, add);
      g_assert_cmpmem (one.y, one.n[0] * sizeof (float), many.y, many.n[0] * sizeof (float));
      g_assert_cmpmem (one.dw, one.n[1] * sizeof (float), many.dw, many.n[1] * sizeof (float));
      g_assert_cmpmem (one.dx, one.n[2] * sizeof (float), many.dx, many.n[2] * sizeof (float));
      g_assert_cmpmem (one.sums, one.n[3] * sizeof (float), many.sums, many.n[3] * sizeof (float));
      results_clear (&many);
    }
    /* without a gradient of the input, nothing else changes */
    g_autoptr (ClipTape) tape = clip_tape_new (2);
    g_autofree float *dw = g_new0 (float, f.weight.n);
    f.weight.gradient = dw;
    backward (&f, tape, NULL);
    g_assert_cmpmem (one.dw, one.n[1] * sizeof (float), dw, one.n[1] * sizeof (float));
    results_clear (&one);
  }
  fixture_clear (&f);
}

static void
test_pool (void)
{
  static const struct {
    int k, size, channels, batch;
  } pools[] = { { 2, 8, 16, 3 }, { 2, 5, 7, 2 }, { 3, 3, 33, 4 }, { 1, 2, 5, 1 } };
  for (guint i = 0; i < G_N_ELEMENTS (pools); i++) {
    const int k = pools[i].k, size = pools[i].size, channels = pools[i].channels,
              batch = pools[i].batch, out_size = size / k;
    const gsize n_in = (gsize) batch * size * size * channels,
                n_out = (gsize) batch * out_size * out_size * channels;
    g_autoptr (ClipTape) tape = clip_tape_new (3);
    OwnMap x = own_map (n_in / channels, channels, FALSE, 0, INFINITY);
    g_autofree double *expected = g_new0 (double, n_out), *expected_dx = g_new0 (double, n_in);
    g_autofree float *y = g_new (float, n_out), *dy = fill (n_out), *dx = fill (n_in);
    for (gsize at = 0; at < n_in; at++) {
      const gsize c = at % channels, column = at / channels % size,
                  row = at / channels / size % size, b = at / channels / size / size;
      if (column / k >= (gsize) out_size || row / k >= (gsize) out_size)
        continue;
      const gsize to = ((b * out_size + row / k) * out_size + column / k) * channels + c;
      expected[to] += x.value[at] / (k * k);
      expected_dx[at] = x.value[at] > 0 ? dy[to] / (k * k) : 0;
    }
    clip_pool_forward (tape, y, &x.map, k, size, channels, batch);
    check ("pool", y, expected, n_out, 1e-6);
    ClipSink sink = { .g = dx, .gate = &x.map };
    clip_pool_backward (tape, &sink, dy, k, size, channels, batch);
    check ("pool's gradient", dx, expected_dx, n_in, 1e-6);
    own_map_clear (&x);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *path = g_strconcat ("/train-conv/", rows[i].name, NULL);
    g_test_add_data_func (path, &rows[i], test_conv);
  }
  g_test_add_func ("/train-conv/pool", test_pool);
  return g_test_run ();
}
