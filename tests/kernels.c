/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every entry of every level that this processor has, against the portable one: on noise, extremes and odd sizes, between
 * guards that must stay untouched; and the portable ones against double precision.
 */
#include "core/kernels/kernels.h"
#include "tests/filling.h"

#include <math.h>
#include <string.h>

#define MAX_N 1030
#define GUARD 12345.5f

static const gsize sizes[] = { 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 384, 768, 1025 };

static ClipKernels portable, kernels; /* those under test */

typedef struct {
  float before[64], y[MAX_N], after[64];
} Guarded;

static void
guard (Guarded *g)
{
  float *all = (float *) g;
  for (gsize i = 0; i < sizeof *g / sizeof (float); i++)
    all[i] = GUARD;
}

static void
check_guard (const Guarded *g, gsize n)
{
  for (int i = 0; i < 64; i++) {
    g_assert_cmpfloat (g->before[i], ==, GUARD);
    g_assert_cmpfloat (g->after[i], ==, GUARD);
  }
  for (gsize i = n; i < MAX_N; i++)
    g_assert_cmpfloat (g->y[i], ==, GUARD);
}

/* |a - b| ≤ absolute + relative · |b|; NaN equals NaN. */
static void
check_close (const float *a, const float *b, gsize n, float relative, float absolute,
             const char *what)
{
  for (gsize i = 0; i < n; i++) {
    if (isnan (b[i]) ? isnan (a[i])
                     : a[i] == b[i] || fabsf (a[i] - b[i]) <= absolute + relative * fabsf (b[i]))
      continue;
    g_error ("%s: element %zu of %zu is %.9g, expected %.9g", what, i, n, a[i], b[i]);
  }
}

static void
fill (float *x, gsize n, double scale)
{
  for (gsize i = 0; i < n; i++)
    x[i] = g_test_rand_double_range (-scale, scale);
}

static void
test_expansion (void)
{
  /* all 65,536 halves, at an odd address */
  static guint8 bytes[2 * 65536 + 1];
  for (int i = 0; i < 65536; i++) {
    const guint16 half = i;
    memcpy (bytes + 1 + 2 * i, &half, 2);
  }
  g_autofree float *a = g_new (float, 65536), *b = g_new (float, 65536);
  const guint16 *halves = (const guint16 *) (void *) (bytes + 1);
  portable.f16_to_f32 (b, halves, 65536);
  kernels.f16_to_f32 (a, halves, 65536);
  check_close (a, b, 65536, 0, 0, "f16");
  g_assert_cmpfloat (b[0x3c00], ==, 1);
  g_assert_cmpfloat (b[0xc001], ==, -2 - 0x1p-9f);
  g_assert_cmpfloat (b[0x0001], ==, 0x1p-24f);
  g_assert_cmpfloat (b[0x83ff], ==, -1023 * 0x1p-24f);
  g_assert_cmpfloat (b[0x7bff], ==, 65504);
  g_assert_true (isinf (b[0x7c00]) && isnan (b[0x7c01]) && signbit (b[0x8000]));
  portable.bf16_to_f32 (b, halves, 65536);
  kernels.bf16_to_f32 (a, halves, 65536);
  check_close (a, b, 65536, 0, 0, "bf16");
  g_assert_cmpfloat (b[0x3f80], ==, 1);

  gint8 x[MAX_N];
  Guarded g;
  for (gsize i = 0; i < MAX_N; i++)
    x[i] = (int) (i * 37 % 256) - 128;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    guard (&g);
    portable.i8_to_f32 (b, x, 0.0123f, sizes[i]);
    kernels.i8_to_f32 (g.y, x, 0.0123f, sizes[i]);
    check_close (g.y, b, sizes[i], 0, 0, "i8");
    check_guard (&g, sizes[i]);
    guard (&g);
    portable.f16_to_f32 (b, halves + 12000, sizes[i]);
    kernels.f16_to_f32 (g.y, halves + 12000, sizes[i]);
    check_close (g.y, b, sizes[i], 0, 0, "f16 of odd size");
    check_guard (&g, sizes[i]);
  }
}

/* 1 / sqrt (variance + epsilon): up to 316 where the values of a short row happen to lie close together */
static float
inverse_deviation (const float *x, gsize n)
{
  double sum = 0, squares = 0;
  for (gsize i = 0; i < n; i++)
    sum += x[i];
  for (gsize i = 0; i < n; i++)
    squares += (x[i] - sum / n) * (x[i] - sum / n);
  return 1 / sqrt (squares / n + 1e-5);
}

static void
test_layer_norm (void)
{
  float x[MAX_N], w[MAX_N], bias[MAX_N], expected[MAX_N];
  Guarded g;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    for (int offset = 0; offset <= 100; offset += 50) {
      const gsize n = sizes[i];
      fill (x, n, 3);
      fill (w, n, 1);
      fill (bias, n, 1);
      for (gsize j = 0; j < n; j++)
        x[j] += offset;
      guard (&g);
      portable.layer_norm (expected, x, w, bias, 1e-5f, n);
      kernels.layer_norm (g.y, x, w, bias, 1e-5f, n);
      /* x - mean is off by an ulp or two of the largest x; what divides by the deviation enlarges that */
      check_close (g.y, expected, n, 4e-6f, 4e-6f + (offset + 3) * 4e-7f * inverse_deviation (x, n),
                   "layer_norm");
      check_guard (&g, n);
      kernels.layer_norm (x, x, w, bias, 1e-5f, n);
      check_close (x, g.y, n, 0, 0, "layer_norm in place");
    }
  }
  /* a constant row has no variance: the bias is left */
  for (int i = 0; i < 100; i++)
    x[i] = 0.5f;
  kernels.layer_norm (expected, x, w, bias, 1e-5f, 100);
  check_close (expected, bias, 100, 1e-6f, 0, "layer_norm of a constant");
}

static void
test_softmax (void)
{
  static const double scales[] = { 0.01, 1, 10, 80, 1000 };
  float x[MAX_N], expected[MAX_N];
  Guarded g;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    for (guint s = 0; s < G_N_ELEMENTS (scales); s++) {
      const gsize n = sizes[i];
      double sum = 0;
      fill (x, n, scales[s]);
      guard (&g);
      portable.softmax (expected, x, 0.7f, n);
      kernels.softmax (g.y, x, 0.7f, n);
      check_close (g.y, expected, n, 1e-6f, 1e-30f, "softmax");
      check_guard (&g, n);
      for (gsize j = 0; j < n; j++)
        sum += g.y[j];
      g_assert_cmpfloat_with_epsilon (sum, 1, 2e-6);
    }
  }
}

static void
test_add (void)
{
  float x[MAX_N], expected[MAX_N];
  Guarded g;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    guard (&g);
    fill (x, MAX_N, 1);
    fill (g.y, sizes[i], 1);
    memcpy (expected, g.y, sizeof expected);
    portable.add (expected, x, sizes[i]);
    kernels.add (g.y, x, sizes[i]);
    check_close (g.y, expected, sizes[i], 0, 0, "add");
    check_guard (&g, sizes[i]);
  }
}

static double
exact_quick_gelu (double x)
{
  return x / (1 + exp (-1.702 * x));
}

static double
exact_gelu (double x)
{
  return 0.5 * x * erfc (-x * G_SQRT2 / 2);
}

static double
exact_gelu_tanh (double x)
{
  return x / (1 + exp (-2 * sqrt (M_2_PI) * (x + 0.044715 * x * x * x)));
}

static double
exact_relu6 (double x)
{
  return CLAMP (x, 0, 6);
}

static double
exact_relu (double x)
{
  return MAX (x, 0);
}

/* Against double precision, over all magnitudes: the error is a few units in the last place of x (1.2e-7 · |x|), for
 * 1 + erf and 1 + exp round there, and relative to the result where that is not smaller. */
static void
test_activations (void)
{
  const struct {
    const char *name;
    void (*run) (float *x, gsize n);
    double (*exact) (double x);
  } rows[] = {
    { "quick_gelu", kernels.quick_gelu, exact_quick_gelu },
    { "gelu", kernels.gelu, exact_gelu },
    { "gelu_tanh", kernels.gelu_tanh, exact_gelu_tanh },
    { "relu6", kernels.relu6, exact_relu6 },
    { "relu", kernels.relu, exact_relu },
    { "portable quick_gelu", portable.quick_gelu, exact_quick_gelu },
    { "portable gelu", portable.gelu, exact_gelu },
    { "portable gelu_tanh", portable.gelu_tanh, exact_gelu_tanh },
  };
  for (guint r = 0; r < G_N_ELEMENTS (rows); r++) {
    for (double x = -30; x < 30; x += 0.37e-3) {
      float y[3] = { x, (float) (x * 1e-4), (float) (x * 1e3) }, in[3];
      memcpy (in, y, sizeof y);
      rows[r].run (y, 3);
      for (int i = 0; i < 3; i++) {
        const double expected = rows[r].exact (in[i]);
        if (!(fabs (y[i] - expected) <= 1.5e-7 * fabs (in[i]) + 3e-7 * fabs (expected) + 1e-30))
          g_error ("%s (%.9g) is %.9g, expected %.9g", rows[r].name, in[i], y[i], expected);
      }
    }
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
      Guarded g;
      float alone[MAX_N];
      guard (&g);
      fill (g.y, sizes[i], 5);
      memcpy (alone, g.y, sizeof alone);
      rows[r].run (g.y, sizes[i]);
      for (gsize j = 0; j < sizes[i]; j++)
        rows[r].run (alone + j, 1);
      check_close (g.y, alone, sizes[i], 0, 0, "one element as among many");
      check_guard (&g, sizes[i]);
    }
  }
}

/* dx, dweight and dbias by their definitions: with x̂ = (x - mean) / deviation and g = dy · weight,
 * dx = (g - mean (g) - x̂ · mean (g · x̂)) / deviation. */
static void
test_layer_norm_backward (void)
{
  float x[MAX_N], w[MAX_N], dy[MAX_N], before[MAX_N], dw[MAX_N], db[MAX_N];
  Guarded dx, dweight, dbias;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    for (int add = 0; add <= 1; add++) {
      const gsize n = sizes[i];
      fill (x, n, 3);
      fill (w, n, 1);
      fill (dy, n, 1);
      fill (before, n, 1);
      fill (dw, n, 1);
      fill (db, n, 1);
      double mean = 0, g_mean = 0, gx_mean = 0;
      for (gsize j = 0; j < n; j++)
        mean += x[j] / (double) n;
      const double scale = inverse_deviation (x, n);
      for (gsize j = 0; j < n; j++) {
        g_mean += (double) dy[j] * w[j] / n;
        gx_mean += (double) dy[j] * w[j] * (x[j] - mean) * scale / n;
      }
      guard (&dx);
      guard (&dweight);
      guard (&dbias);
      memcpy (dx.y, before, n * sizeof (float));
      memcpy (dweight.y, dw, n * sizeof (float));
      memcpy (dbias.y, db, n * sizeof (float));
      kernels.layer_norm_backward (dx.y, dweight.y, dbias.y, dy, x, w, 1e-5f, add, n);
      for (gsize j = 0; j < n; j++) {
        const double unit = (x[j] - mean) * scale;
        const float expected[3] = {
          (add ? before[j] : 0) + scale * ((double) dy[j] * w[j] - g_mean - unit * gx_mean),
          dw[j] + dy[j] * unit,
          db[j] + dy[j],
        };
        const float found[3] = { dx.y[j], dweight.y[j], dbias.y[j] };
        /* x - mean is off by an ulp or two of the largest x */
        check_close (found, expected, 3, 4e-6f, 2e-6f + 4e-6f * MAX (1, scale) * MAX (1, scale),
                     "layer_norm_backward");
      }
      check_guard (&dx, n);
      check_guard (&dweight, n);
      check_guard (&dbias, n);
      if (!add) {
        kernels.layer_norm_backward (dy, dw, db, dy, x, w, 1e-5f, FALSE, n);
        check_close (dy, dx.y, n, 0, 0, "layer_norm_backward in place");
      }
    }
  }
}

static void
test_softmax_backward (void)
{
  float x[MAX_N], y[MAX_N], expected[MAX_N];
  Guarded dy;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const gsize n = sizes[i];
    fill (x, n, 5);
    portable.softmax (y, x, 1, n);
    guard (&dy);
    fill (dy.y, n, 2);
    double sum = 0;
    for (gsize j = 0; j < n; j++)
      sum += (double) y[j] * dy.y[j];
    for (gsize j = 0; j < n; j++)
      expected[j] = 0.7f * y[j] * (dy.y[j] - sum);
    kernels.softmax_backward (dy.y, y, 0.7f, n);
    check_close (dy.y, expected, n, 2e-6f, 1e-6f, "softmax_backward");
    check_guard (&dy, n);
  }
}

/* f' by a difference in double precision, over all magnitudes; the other half is f itself. */
static void
test_activations_backward (void)
{
  const struct {
    const char *name;
    void (*run) (float *d, float *x, gsize n);
    double (*exact) (double x);
  } rows[] = {
    { "quick_gelu_backward", kernels.quick_gelu_backward, exact_quick_gelu },
    { "gelu_backward", kernels.gelu_backward, exact_gelu },
  };
  for (guint r = 0; r < G_N_ELEMENTS (rows); r++) {
    for (double x = -30; x < 30; x += 0.37e-3) {
      float y[3] = { x, (float) (x * 1e-4), (float) (x * 1e3) }, in[3], d[3] = { 1, -2, 3 };
      memcpy (in, y, sizeof y);
      rows[r].run (d, y, 3);
      for (int i = 0; i < 3; i++) {
        const double step = 1e-5 * MAX (1, fabs (in[i])), factor[3] = { 1, -2, 3 };
        const double slope =
            (rows[r].exact (in[i] + step) - rows[r].exact (in[i] - step)) / (2 * step);
        const double expected = rows[r].exact (in[i]);
        if (!(fabs (d[i] - factor[i] * slope) <= 2e-6))
          g_error ("%s (%.9g) is %.9g, expected %.9g", rows[r].name, in[i], d[i],
                   factor[i] * slope);
        if (!(fabs (y[i] - expected) <= 1.5e-7 * fabs (in[i]) + 3e-7 * fabs (expected) + 1e-30))
          g_error ("%s: value of %.9g is %.9g, expected %.9g", rows[r].name, in[i], y[i], expected);
      }
    }
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
      const gsize n = sizes[i];
      Guarded d, x;
      float d_alone[MAX_N], x_alone[MAX_N];
      guard (&d);
      guard (&x);
      fill (d.y, n, 5);
      fill (x.y, n, 5);
      memcpy (d_alone, d.y, sizeof d_alone);
      memcpy (x_alone, x.y, sizeof x_alone);
      rows[r].run (d.y, x.y, n);
      for (gsize j = 0; j < n; j++)
        rows[r].run (d_alone + j, x_alone + j, 1);
      check_close (d.y, d_alone, n, 0, 0, "one gradient as among many");
      check_close (x.y, x_alone, n, 0, 0, "one value as among many");
      check_guard (&d, n);
      check_guard (&x, n);
    }
  }
}

static const struct {
  int k, stride, width, channels;
} filters[] = {
  { 3, 1, 5, 96 }, { 3, 2, 5, 96 }, { 5, 1, 7, 48 }, { 5, 2, 3, 33 }, { 3, 1, 1, 1 },
  { 3, 2, 9, 17 }, { 7, 1, 4, 20 }, { 1, 1, 4, 16 }, { 5, 1, 2, 7 },
};

static void
test_depthwise (void)
{
  for (guint r = 0; r < G_N_ELEMENTS (filters); r++) {
    const int k = filters[r].k, stride = filters[r].stride, width = filters[r].width,
              channels = filters[r].channels;
    const int y_stride = channels + 5, in_width = (width - 1) * stride + k;
    g_autofree float *in = g_new (float, k *in_width *channels),
                     *weight = g_new (float, k *k *channels);
    g_autofree float *bias = g_new (float, channels);
    g_autofree float *expected = g_new0 (float, width *y_stride),
                     *y = g_new0 (float, width *y_stride);
    const float *window[CLIP_DEPTHWISE_MAX];
    fill (in, k * in_width * channels, 4);
    fill (weight, k * k * channels, 1);
    fill (bias, channels, 2);
    for (int i = 0; i < k; i++)
      window[i] = in + i * in_width * channels;
    portable.depthwise (expected, y_stride, window, weight, bias, k, stride, width, channels);
    kernels.depthwise (y, y_stride, window, weight, bias, k, stride, width, channels);
    check_close (y, expected, width * y_stride, 1e-6f, 2e-5f, "depthwise");
  }
}

static void
test_pack (void)
{
  static const int inputs[] = { 1, 7, 8, 9, 64, 100 };
  for (guint i = 0; i < G_N_ELEMENTS (inputs); i++) {
    for (int rows = 1; rows <= CLIP_GROUP; rows += 5) {
      const int k = inputs[i], stride = k + 3;
      g_autofree float *x = g_new (float, CLIP_GROUP *stride);
      g_autofree float *y = g_new (float, k *CLIP_GROUP);
      fill (x, rows * stride, 1);
      kernels.pack (y, x, stride, rows, k);
      for (int j = 0; j < k * CLIP_GROUP; j++) {
        const int row = j % CLIP_GROUP;
        g_assert_cmpfloat (y[j], ==, row < rows ? x[row * stride + j / CLIP_GROUP] : 0);
      }
    }
  }
}

/* Against sums in double precision, every size of tile, with and without bias, sum and clamp. */
static void
test_gemm (void)
{
  static const int outputs[] = { 1, 15, 16, 17, 40, 64, 65, 80, 112, 139 },
                   inputs[] = { 1, 3, 27, 200 };
  if (!kernels.gemm) {
    g_test_skip ("OpenBLAS does it");
    return;
  }
  for (int rows = 1; rows <= 27; rows++) {
    for (guint o = 0; o < G_N_ELEMENTS (outputs); o++) {
      const int n = outputs[o], k = inputs[(rows + o) % G_N_ELEMENTS (inputs)];
      const int y_stride = n + 5, x_stride = k + 2, groups = (n + CLIP_GROUP - 1) / CLIP_GROUP;
      const gboolean add = rows & 1, clamp = rows & 2;
      g_autofree float *x = g_new (float, rows *x_stride), *w = g_new (float, n *k),
                       *bias = g_new (float, n);
      g_autofree float *packed = g_new (float, groups *CLIP_GROUP *k);
      g_autofree float *y = g_new (float, rows *y_stride),
                       *expected = g_new (float, rows *y_stride);
      fill (x, rows * x_stride, 1);
      fill (w, n * k, 1);
      fill (bias, n, 1);
      fill (y, rows * y_stride, 1);
      memcpy (expected, y, rows * y_stride * sizeof *y);
      for (int g = 0; g < groups; g++)
        clip_pack_c (packed + g * CLIP_GROUP * k, w + g * CLIP_GROUP * k, k,
                     MIN (CLIP_GROUP, n - g * CLIP_GROUP), k);
      for (int r = 0; r < rows; r++) {
        for (int c = 0; c < n; c++) {
          double sum = (add ? y[r * y_stride + c] : 0) + (o & 1 ? bias[c] : 0);
          for (int i = 0; i < k; i++)
            sum += (double) x[r * x_stride + i] * w[c * k + i];
          expected[r * y_stride + c] = clamp ? CLAMP (sum, 0, 6) : sum;
        }
      }
      const ClipGemm g = {
        .y = y,
        .y_stride = y_stride,
        .x = x,
        .x_stride = x_stride,
        .w = packed,
        .w_stride = CLIP_GROUP * k,
        .bias = o & 1 ? bias : NULL,
        .rows = rows,
        .n = n,
        .k = k,
        .add = add,
        .low = clamp ? 0 : -INFINITY,
        .high = clamp ? 6 : INFINITY,
      };
      kernels.gemm (&g);
      check_close (y, expected, rows * y_stride, 0, 1e-7f * (4 + k), "gemm");
    }
  }
}

/* ------------------------------------------------------------------------------------------------------- narrow numbers */

/* Numbers that make sums and roundings go wrong where they can. */
static float
filled (Filling filling, gsize i)
{
  switch (filling) {
  case EXTREMES:
    return 3e4f;
  case ALTERNATING:
    return i & 1 ? -1.5f : 1.5f;
  case POSITIVE:
    return g_test_rand_double_range (0, 7);
  case NOTHING:
    return 0;
  default:
    return g_test_rand_double_range (-2, 3);
  }
}

/* The bits of the portable one; each number within half a step of its own, and 0 kept as 0. */
static void
test_quantize (void)
{
  float x[MAX_N];
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    for (Filling filling = 0; filling < N_FILLINGS; filling++) {
      const gsize n = sizes[i];
      guint8 expected[MAX_N], y[MAX_N + 1];
      ClipQuant a, b;
      for (gsize j = 0; j < n; j++)
        x[j] = j % 7 == 6 ? 0 : filled (filling, j);
      y[n] = 77;
      portable.quantize (expected, &b, x, n);
      kernels.quantize (y, &a, x, n);
      g_assert_cmpfloat (a.scale, ==, b.scale);
      g_assert_cmpint (a.zero, ==, b.zero);
      g_assert_cmpmem (y, n, expected, n);
      g_assert_cmpint (y[n], ==, 77);
      for (gsize j = 0; j < n; j++) {
        const double back = (double) a.scale * (y[j] - a.zero);
        if (!(fabs (back - x[j]) <= a.scale * 1.001)) /* half a step, and half for the zero's */
          g_error ("quantize: %.9g is %.9g in steps of %.9g", x[j], back, a.scale);
        if (x[j] == 0)
          g_assert_cmpint (y[j], ==, a.zero);
      }
    }
  }
}

static void
test_to_bytes (void)
{
  float x[MAX_N];
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    for (Filling filling = 0; filling < N_FILLINGS; filling++) {
      const gsize n = sizes[i];
      const float factor = 60, offset = 110;
      guint8 expected[MAX_N], y[MAX_N + 1];
      float a[2] = { 0, 255 }, b[2] = { 0, 255 }, least = 0, most = 255;
      for (gsize j = 0; j < n; j++)
        x[j] = filled (filling, j);
      y[n] = 77;
      portable.to_bytes (expected, b, x, factor, offset, n);
      kernels.to_bytes (y, a, x, factor, offset, n);
      for (int j = 0; j < 2; j++)
        g_assert_cmpfloat (a[j], ==, b[j]);
      g_assert_cmpmem (y, n, expected, n);
      g_assert_cmpint (y[n], ==, 77);
      for (gsize j = 0; j < n; j++) {
        const double v = (double) x[j] * factor + offset;
        least = MIN (least, v);
        most = MAX (most, v);
        if (!(fabs (y[j] - CLAMP (v, 0, 255)) <= 0.5001))
          g_error ("to_bytes: %.9g became %d", v, y[j]);
      }
      g_assert_cmpfloat (fabsf (a[0] - least), <=, 1e-6f * fabsf (least));
      g_assert_cmpfloat (fabsf (a[1] - most), <=, 1e-6f * fabsf (most));
    }
  }
}

static void
test_quantize_weights (void)
{
  float x[MAX_N];
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    for (Filling filling = 0; filling < N_FILLINGS; filling++) {
      const gsize n = sizes[i];
      gint8 expected[MAX_N], y[MAX_N + 1];
      for (gsize j = 0; j < n; j++)
        x[j] = filled (filling, j);
      y[n] = 77;
      const float b = portable.quantize_weights (expected, x, n),
                  a = kernels.quantize_weights (y, x, n);
      g_assert_cmpfloat (a, ==, b);
      g_assert_cmpmem (y, n, expected, n);
      g_assert_cmpint (y[n], ==, 77);
      for (gsize j = 0; j < n; j++) {
        if (!(fabs ((double) a * y[j] - x[j]) <= a * 0.5001) || y[j] == -128)
          g_error ("quantize_weights: %.9g is %d steps of %.9g", x[j], y[j], a);
      }
    }
  }
}

static void
test_narrowing (void)
{
  static const struct {
    float x;
    guint16 bf16;
  } rows[] = {
    { 1, 0x3f80 },           { -1.00390625f, 0xbf80 },  { 1.01171875f, 0x3f82 },
    { 1.00390637f, 0x3f81 }, { 3.4028235e38f, 0x7f80 }, { 0x1p-133f, 0x0001 },
    { -0.f, 0x8000 },        { INFINITY, 0x7f80 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    guint16 y;
    kernels.f32_to_bf16 (&y, &rows[i].x, 1);
    g_assert_cmphex (y, ==, rows[i].bf16);
  }
  float x[MAX_N];
  guint16 expected[MAX_N], y[MAX_N + 1];
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const gsize n = sizes[i];
    fill (x, n, 10);
    y[n] = 77;
    portable.f32_to_bf16 (expected, x, n);
    kernels.f32_to_bf16 (y, x, n);
    g_assert_cmpmem (y, n * sizeof *y, expected, n * sizeof *y);
    g_assert_cmpint (y[n], ==, 77);
  }
}

static const int narrow_outputs[] = { 1, 15, 16, 17, 40, 64, 65, 80, 112, 139 },
                 narrow_inputs[] = { 1, 3, 4, 27, 64, 201, 770 };

/* What a product is given, and what it must leave. Rows of y lie n + 5 apart. Rows of x are one run, or, where their words are an
 * even number, two, of which all second ones lie behind all first ones; they are three words apart. */
typedef struct {
  ClipGemmNarrow g;
  float *y, *expected, *bias, *scales;
  guint32 *x, *w;
  gint32 *sums;
  ClipQuant *quant;
} Narrow;

static Narrow
narrow_new (int rows, int n, int words, int kind)
{
  const int groups = (n + CLIP_GROUP - 1) / CLIP_GROUP;
  Narrow t = { .y = g_new (float, rows *(n + 5)),
               .expected = g_new (float, rows *(n + 5)),
               .bias = g_new (float, n),
               .scales = g_new (float, n),
               .x = g_new0 (guint32, rows * (words + 6)),
               .w = g_new0 (guint32, groups * CLIP_GROUP * words),
               .sums = g_new0 (gint32, n),
               .quant = g_new (ClipQuant, rows) };
  fill (t.bias, n, 1);
  fill (t.y, rows * (n + 5), 1);
  for (int c = 0; c < n; c++)
    t.scales[c] = g_test_rand_double_range (1e-3, 2e-2);
  memcpy (t.expected, t.y, rows * (n + 5) * sizeof *t.y);
  const gboolean clamp = kind & 2;
  const int runs = words % 2 ? 1 : 2, run = words / runs;
  t.g = (ClipGemmNarrow){
    .y = t.y,
    .y_stride = n + 5,
    .x = t.x,
    .x_stride = run + 3,
    .run_stride = rows * (run + 3),
    .w = t.w,
    .w_stride = CLIP_GROUP * words,
    .next = kind & 8 ? t.w : NULL,
    .quant = t.quant,
    .scales = t.scales,
    .sums = t.sums,
    .bias = kind & 4 ? t.bias : NULL,
    .rows = rows,
    .n = n,
    .runs = runs,
    .words = run,
    .add = kind & 1,
    .low = clamp ? 0 : -INFINITY,
    .high = clamp ? 6 : INFINITY,
  };
  return t;
}

/* Where the numbers of row @r begin that are word @i. */
static guint32 *
narrow_word (const Narrow *t, int r, int i)
{
  return t->x + r * t->g.x_stride + i / t->g.words * t->g.run_stride + i % t->g.words;
}

static void
narrow_clear (Narrow *t)
{
  g_free (t->y);
  g_free (t->expected);
  g_free (t->bias);
  g_free (t->scales);
  g_free (t->x);
  g_free (t->w);
  g_free (t->sums);
  g_free (t->quant);
}

/* Exact to the bit, and the portable one against sums of 64 bits. */
static void
test_gemm_i8 (void)
{
  for (int rows = 1; rows <= 27; rows++) {
    for (guint o = 0; o < G_N_ELEMENTS (narrow_outputs); o++) {
      const int n = narrow_outputs[o], kind = rows + 5 * o,
                k = narrow_inputs[kind % G_N_ELEMENTS (narrow_inputs)], words = (k + 3) / 4;
      const Filling filling = kind % 3;
      Narrow t = narrow_new (rows, n, words, kind);
      gint8 *w = (gint8 *) t.w;
      for (int r = 0; r < rows; r++) {
        t.quant[r] = (ClipQuant){ 0.003f * (r + 1), whole (filling, r, 0, 255) };
        for (int i = 0; i < k; i++)
          ((guint8 *) narrow_word (&t, r, i / 4))[i % 4] = whole (filling, i, 0, 255);
      }
      for (int c = 0; c < n; c++) {
        for (int i = 0; i < k; i++) {
          const int value = whole (filling, filling == ALTERNATING ? i + c : i, -128, 127);
          w[(((c / CLIP_GROUP) * words + i / 4) * CLIP_GROUP + c % CLIP_GROUP) * 4 + i % 4] = value;
          t.sums[c] += value;
        }
      }
      ClipGemmNarrow meaning = t.g;
      meaning.y = t.expected;
      clip_gemm_i8_c (&meaning);
      for (int r = 0; r < rows && rows % 5 == 1; r++) {
        const int c = r * 7 % n;
        gint64 sum = 0;
        for (int i = 0; i < k; i++)
          sum += (((guint8 *) narrow_word (&t, r, i / 4))[i % 4] - t.quant[r].zero) *
                 w[(((c / CLIP_GROUP) * words + i / 4) * CLIP_GROUP + c % CLIP_GROUP) * 4 + i % 4];
        double y = (double) sum * t.quant[r].scale * t.scales[c];
        y += (t.g.add ? t.y[r * (n + 5) + c] : 0) + (t.g.bias ? t.bias[c] : 0);
        const float expected = CLAMP (y, t.g.low, t.g.high);
        check_close (&t.expected[r * (n + 5) + c], &expected, 1, 1e-6f, 1e-6f, "portable gemm_i8");
      }
      kernels.gemm_i8 (&t.g);
      check_close (t.y, t.expected, rows * (n + 5), 0, 0, "gemm_i8");
      narrow_clear (&t);
    }
  }
}

/* Against sums in double precision of the rounded numbers: what is rounded are sums of two products each. */
static void
test_gemm_bf16 (void)
{
  if (!kernels.gemm_bf16) {
    g_test_skip ("floats are multiplied instead");
    return;
  }
  for (int rows = 1; rows <= 27; rows++) {
    for (guint o = 0; o < G_N_ELEMENTS (narrow_outputs); o++) {
      const int n = narrow_outputs[o], kind = rows + 5 * o,
                k = narrow_inputs[kind % G_N_ELEMENTS (narrow_inputs)], words = (k + 1) / 2;
      const Filling filling = kind % 3;
      Narrow t = narrow_new (rows, n, words, kind);
      g_autofree float *x = g_new (float, rows *k), *w = g_new (float, n *k);
      guint16 *w16 = (guint16 *) t.w;
      for (int i = 0; i < rows * k; i++) {
        const float value = filled (filling, i) * 0.3f;
        guint16 *narrow = (guint16 *) narrow_word (&t, i / k, i % k / 2) + i % k % 2;
        portable.f32_to_bf16 (narrow, &value, 1);
        portable.bf16_to_f32 (x + i, narrow, 1);
      }
      for (int i = 0; i < n * k; i++) {
        const int c = i / k, input = i % k;
        const float value = filled (NOISE, i) * 0.3f;
        guint16 *narrow =
            w16 + (((c / CLIP_GROUP) * words + input / 2) * CLIP_GROUP + c % CLIP_GROUP) * 2 +
            input % 2;
        portable.f32_to_bf16 (narrow, &value, 1);
        portable.bf16_to_f32 (w + i, narrow, 1);
      }
      double most = 1;
      for (int r = 0; r < rows; r++) {
        for (int c = 0; c < n; c++) {
          float *y = &t.expected[r * (n + 5) + c];
          double sum = (t.g.add ? *y : 0) + (t.g.bias ? t.bias[c] : 0), size = 0;
          for (int i = 0; i < k; i++) {
            sum += (double) x[r * k + i] * w[c * k + i];
            size += fabs ((double) x[r * k + i] * w[c * k + i]);
          }
          *y = CLAMP (sum, t.g.low, t.g.high);
          most = MAX (most, size);
        }
      }
      kernels.gemm_bf16 (&t.g);
      check_close (t.y, t.expected, rows * (n + 5), 0, 1e-6f * most, "gemm_bf16");
      narrow_clear (&t);
    }
  }
}

/* ------------------------------------------------------------------------------------------- training, convolutional */

/* One kernel after the other on the same numbers, [rows, n] with strides of their own. */
static void
test_maps (void)
{
  static const int shapes[][2] = { { 1, 1 },  { 3, 17 },   { 9, 16 },
                                   { 5, 40 }, { 130, 33 }, { 6, 1025 } };
  for (guint i = 0; i < G_N_ELEMENTS (shapes); i++) {
    const int r = shapes[i][0], n = shapes[i][1], stride = n + 3, first = 2;
    const gsize all = (gsize) (r + first) * stride;
    g_autofree float *x = g_new (float, all), *z = g_new (float, all), *c = g_new (float, 4 * n),
                     *a = g_new (float, all), *b = g_new (float, all);
    float *sums[2] = { g_new (float, 2 * n), g_new (float, 2 * n) };
    fill (x, all, 2);
    fill (z, all, 2);
    fill (c, 4 * n, 1);
    for (int parts = 0; parts < 16; parts++) {
      ClipMap map = clip_map_plain (x, stride);
      map.scale = parts & 1 ? c : NULL;
      map.shift = parts & 2 ? c + n : NULL;
      map.z = parts & 4 ? z : NULL;
      map.z_scale = parts & 4 && parts & 8 ? c + 2 * n : NULL;
      if (parts & 8)
        map.low = -1, map.high = 1.5f;
      fill (a, all, 1);
      memcpy (b, a, all * sizeof *a);
      portable.blend (b, stride, &map, first, r, n);
      kernels.blend (a, stride, &map, first, r, n);
      check_close (a, b, all, 1e-6f, 1e-6f, "blend");
      /* a value within rounding of the clamp may fall on either side: none does here, or it is found below */
      fill (a, all, 1);
      memcpy (b, a, all * sizeof *a);
      portable.gate (b, stride, &map, first, r, n);
      kernels.gate (a, stride, &map, first, r, n);
      int differ = 0;
      for (gsize j = 0; j < all; j++)
        differ += a[j] != b[j];
      g_assert_cmpint (differ, <=, (int) all / 10000);
    }
    portable.moments (sums[0], sums[0] + n, x, stride, r, n);
    kernels.moments (sums[1], sums[1] + n, x, stride, r, n);
    check_close (sums[1], sums[0], 2 * n, 1e-5f, 1e-4f, "moments");
    portable.dots (sums[0], sums[0] + n, z, stride, x, stride, c, r, n);
    kernels.dots (sums[1], sums[1] + n, z, stride, x, stride, c, r, n);
    check_close (sums[1], sums[0], 2 * n, 1e-5f, 1e-4f, "dots");
    g_free (sums[0]);
    g_free (sums[1]);
  }
}

static void
test_windows (void)
{
  static const struct {
    int k, n, step, width;
  } rows[] = {
    { 3, 48, 16, 7 }, { 3, 9, 6, 5 }, { 1, 1, 1, 1 }, { 5, 35, 14, 3 }, { 2, 33, 3, 4 }
  };
  for (guint r = 0; r < G_N_ELEMENTS (rows); r++) {
    const int k = rows[r].k, n = rows[r].n, width = rows[r].width, stride = k * n + 5;
    const int line = (width - 1) * rows[r].step + n;
    g_autofree float *in = g_new (float, k *line), *a = g_new0 (float, width *stride),
                     *b = g_new0 (float, width *stride);
    const float *window[CLIP_DEPTHWISE_MAX];
    fill (in, k * line, 1);
    for (int i = 0; i < k; i++)
      window[i] = in + i * line;
    portable.windows (b, stride, window, k, n, rows[r].step, width);
    kernels.windows (a, stride, window, k, n, rows[r].step, width);
    check_close (a, b, width * stride, 0, 0, "windows");
  }
}

static void
test_outer (void)
{
  static const int sizes_m[] = { 1, 5, 6, 13, 64 }, sizes_n[] = { 1, 16, 33, 64, 90, 144 },
                   depths[] = { 1, 7, 128, 300 };
  if (!kernels.outer) {
    g_test_skip ("OpenBLAS does it");
    return;
  }
  for (guint i = 0; i < 5 * 6 * 4; i++) {
    const int m = sizes_m[i % 5], n = sizes_n[i / 5 % 6], k = depths[i / 30];
    const int y_stride = n + 3, a_stride = m + 1, b_stride = n + 2;
    g_autofree float *a = g_new (float, k *a_stride), *b = g_new (float, k *b_stride + 16),
                     *y = g_new (float, m *y_stride), *expected = g_new (float, m *y_stride);
    fill (a, k * a_stride, 1);
    fill (b, k * b_stride + 16, 1);
    fill (y, m * y_stride, 1);
    memcpy (expected, y, m * y_stride * sizeof *y);
    for (int r = 0; r < m; r++) {
      for (int c = 0; c < n; c++) {
        double sum = i & 1 ? y[r * y_stride + c] : 0;
        for (int p = 0; p < k; p++)
          sum += (double) a[p * a_stride + r] * b[p * b_stride + c];
        expected[r * y_stride + c] = sum;
      }
    }
    const ClipOuter outer = { y, y_stride, a, a_stride, b, b_stride, m, n, k, i & 1 };
    kernels.outer (&outer);
    check_close (y, expected, m * y_stride, 0, 1e-7f * (4 + k), "outer");
  }
}

static void
test_filter (void)
{
  for (guint r = 0; r < G_N_ELEMENTS (filters); r++) {
    const int k = filters[r].k, stride = filters[r].stride, width = filters[r].width,
              channels = filters[r].channels, y_stride = channels + 5,
              line = ((width - 1) * stride + k) * channels, n = width * y_stride;
    g_autofree float *in = g_new (float, k *line), *weight = g_new (float, k *k *channels),
                     *y = g_new0 (float, n), *expected = g_new0 (float, n);
    g_autofree float *din = g_new (float, k *line), *expected_din = g_new (float, k *line);
    g_autofree float *dw = g_new (float, k *k *channels),
                     *expected_dw = g_new (float, k *k *channels);
    const float *window[CLIP_DEPTHWISE_MAX];
    float *dwindow[CLIP_DEPTHWISE_MAX], *expected_dwindow[CLIP_DEPTHWISE_MAX];
    fill (in, k * line, 1);
    fill (weight, k * k * channels, 1);
    fill (din, k * line, 1);
    fill (dw, k * k * channels, 1);
    memcpy (expected_din, din, k * line * sizeof *din);
    memcpy (expected_dw, dw, k * k * channels * sizeof *dw);
    for (int i = 0; i < k; i++) {
      window[i] = in + i * line;
      dwindow[i] = din + i * line;
      expected_dwindow[i] = expected_din + i * line;
    }
    portable.filter (expected, y_stride, window, weight, k, stride, width, channels);
    kernels.filter (y, y_stride, window, weight, k, stride, width, channels);
    check_close (y, expected, n, 1e-6f, 1e-5f, "filter");
    portable.filter_input (expected_dwindow, y, y_stride, weight, k, stride, width, channels);
    kernels.filter_input (dwindow, y, y_stride, weight, k, stride, width, channels);
    check_close (din, expected_din, k * line, 1e-6f, 2e-5f, "filter_input");
    portable.filter_weight (expected_dw, y, y_stride, window, k, stride, width, channels);
    kernels.filter_weight (dw, y, y_stride, window, k, stride, width, channels);
    check_close (dw, expected_dw, k * k * channels, 1e-6f, 2e-5f, "filter_weight");
  }
}

/* -------------------------------------------------------------------------------------------------- Winograd's transforms */

static const int winograd_channels[] = { 1, 3, 4, 7, 8, 9, 15, 16, 17, 33, 64, 100 };

/* Every window of a tile that a picture's borders leave. What no tile has, and numbers past the last channel, stay as they are. */
static void
test_winograd_input (void)
{
  enum { N = CLIP_WINOGRAD_IN, PRODUCTS = CLIP_WINOGRAD_PRODUCTS };
  for (guint i = 0; i < G_N_ELEMENTS (winograd_channels); i++) {
    for (int corner = 0; corner < 2 * 6 * 2 * 6; corner += 1 + (i > 0) * 6) {
      const ClipWindow there = { corner & 1, N - corner / 4 % 6, corner >> 1 & 1, N - corner / 24 };
      if (there.top >= there.bottom || there.left >= there.right)
        continue;
      for (Filling filling = 0; filling < N_FILLINGS; filling++) {
        const int n = winograd_channels[i], stride = n + 5,
                  line = (there.right - there.left) * n + 3,
                  size = (there.bottom - there.top - 1) * line + (there.right - there.left) * n;
        g_autofree float *x = g_new (float, size), *a = g_new (float, PRODUCTS *stride),
                         *b = g_new (float, PRODUCTS *stride);
        for (int j = 0; j < size; j++)
          x[j] = filled (filling, j);
        for (int j = 0; j < PRODUCTS * stride; j++)
          a[j] = b[j] = GUARD;
        portable.winograd_input (b, stride, x, line, there, n);
        kernels.winograd_input (a, stride, x, line, there, n);
        /* rows of Bᵀ have sums of at most 4.5: numbers of up to 20 · 3 or 20 · 3e4 are added and rounded ten times */
        check_close (a, b, PRODUCTS * stride, 1e-6f, filling == EXTREMES ? 0.3f : 5e-5f,
                     "winograd_input");
      }
    }
  }
}

static void
test_winograd_output (void)
{
  enum { N = CLIP_WINOGRAD_OUT, PRODUCTS = CLIP_WINOGRAD_PRODUCTS };
  for (guint i = 0; i < G_N_ELEMENTS (winograd_channels); i++) {
    for (int part = 0; part < N * N; part++) {
      for (Filling filling = 0; filling < N_FILLINGS; filling++) {
        const int n = winograd_channels[i], m_stride = n + 7, y_stride = n + 2,
                  line = N * y_stride + 3, size = N * line;
        const gboolean clamp = part & 1;
        g_autofree float *m = g_new (float, PRODUCTS *m_stride), *bias = g_new (float, n);
        g_autofree float *a = g_new (float, size), *b = g_new (float, size);
        for (int j = 0; j < PRODUCTS * m_stride; j++)
          m[j] = filled (filling, j);
        fill (bias, n, 2);
        for (int j = 0; j < size; j++)
          a[j] = b[j] = GUARD;
        ClipWinogradOutput o = {
          .y = b,
          .line = line,
          .y_stride = y_stride,
          .m = m,
          .m_stride = m_stride,
          .bias = bias,
          .rows = part / N + 1,
          .columns = part % N + 1,
          .n = n,
          .low = clamp ? 0 : -INFINITY,
          .high = clamp ? 6 : INFINITY,
        };
        portable.winograd_output (&o);
        o.y = a;
        kernels.winograd_output (&o);
        /* rows of Aᵀ have sums of at most 7.4: numbers of up to 55 · 3 or 55 · 3e4 are added and rounded ten times */
        check_close (a, b, size, 1e-6f, filling == EXTREMES ? 1.f : 1e-4f, "winograd_output");
      }
    }
  }
}

/* The identity behind both, in double precision: the outputs of one tile are those of the convolution. */
static void
test_winograd_tile (void)
{
  enum { IN = CLIP_WINOGRAD_IN, OUT = CLIP_WINOGRAD_OUT, PRODUCTS = CLIP_WINOGRAD_PRODUCTS };
  const ClipWindow all = { 0, IN, 0, IN };
  float x[PRODUCTS], v[PRODUCTS], y[OUT * OUT], bias = 0.25f;
  fill (x, PRODUCTS, 1);
  kernels.winograd_input (v, 1, x, IN, all, 1);
  /* the filter that picks an input: G g Gᵀ is the outer product of two columns of G */
  const double a = CLIP_WINOGRAD_A, b = CLIP_WINOGRAD_B;
  const double g[IN][3] = { { 1, 0, 0 },
                            { -2 / 3., -2 * a / 3, -1 / 3. },
                            { -2 / 3., 2 * a / 3, -1 / 3. },
                            { 1 / 6., b / 6, 1 / 3. },
                            { 1 / 6., -b / 6, 1 / 3. },
                            { 0, 0, 1 } };
  for (int tap = 0; tap < 9; tap++) {
    float m[PRODUCTS];
    for (int i = 0; i < PRODUCTS; i++)
      m[i] = v[i] * g[i / IN][tap / 3] * g[i % IN][tap % 3];
    const ClipWinogradOutput o = { y, OUT, 1, m, 1, &bias, OUT, OUT, 1, -INFINITY, INFINITY };
    kernels.winograd_output (&o);
    for (int i = 0; i < OUT * OUT; i++) {
      const float expected = x[(i / OUT + tap / 3) * IN + i % OUT + tap % 3] + bias;
      check_close (&y[i], &expected, 1, 0, 1e-5f, "winograd tile");
    }
  }
}

typedef struct {
  const char *name;
  void (*run) (void);
  ClipCpuLevel level;
} Case;

static const Case cases[] = {
  { "expansion", test_expansion },
  { "layer-norm", test_layer_norm },
  { "softmax", test_softmax },
  { "add", test_add },
  { "activations", test_activations },
  { "layer-norm-backward", test_layer_norm_backward },
  { "softmax-backward", test_softmax_backward },
  { "activations-backward", test_activations_backward },
  { "depthwise", test_depthwise },
  { "pack", test_pack },
  { "gemm", test_gemm },
  { "winograd-input", test_winograd_input },
  { "winograd-output", test_winograd_output },
  { "winograd-tile", test_winograd_tile },
  { "quantize", test_quantize },
  { "to-bytes", test_to_bytes },
  { "quantize-weights", test_quantize_weights },
  { "narrowing", test_narrowing },
  { "gemm-i8", test_gemm_i8 },
  { "gemm-bf16", test_gemm_bf16 },
  { "maps", test_maps },
  { "windows", test_windows },
  { "outer", test_outer },
  { "filter", test_filter },
};

static void
run_case (const void *data)
{
  const Case *c = data;
  if (clip_kernels_for_level (&kernels, c->level))
    c->run ();
  else
    g_test_skip ("not on this processor");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  clip_kernels_for_level (&portable, CLIP_CPU_C);
  for (ClipCpuLevel level = 0; level < CLIP_CPU_N; level++) {
    for (guint i = 0; i < G_N_ELEMENTS (cases) && clip_cpu_level_is_built (level); i++) {
      g_autofree char *path =
          g_strdup_printf ("/kernels/%s/%s", clip_cpu_level_name (level), cases[i].name);
      Case *c = g_memdup2 (&cases[i], sizeof *c);
      c->level = level;
      g_test_add_data_func_full (path, c, run_case, g_free);
    }
  }
  return g_test_run ();
}
