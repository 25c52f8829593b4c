/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Convolutions in int8: the portable meaning against sums of whole numbers written out here, every level against the
 * portable one to the bit; odd sizes, numbers as far from 0 as they come, what lies beside the result untouched.
 */
#include "core/kernels/kernels.h"
#include "tests/filling.h"
#include "tests/testing.h"

#include <string.h>

#define GUARD 0xa5 /* fills what must not be written */

static void
random_floats (float *x, int n, double low, double high)
{
  for (int i = 0; i < n; i++)
    x[i] = g_test_rand_double_range (low, high);
}

/* Of a factor that spreads sums over the bytes: some are cut off at each end. */
static double
spread (double most)
{
  return 300 / most;
}

static void
check_bytes (const guint8 *y, const guint8 *expected, gsize n, const char *what)
{
  for (gsize i = 0; i < n; i++)
    if (y[i] != expected[i])
      g_error ("%s: byte %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " is %d, expected %d", what, i, n,
               y[i], expected[i]);
}

static int
byte_of (double v)
{
  return CLAMP (lrint (v), 0, 255);
}

/* That this machine has. */
static void
for_each_level (void (*check) (const ClipKernels *kernels, const char *name))
{
  const ClipKernels meaning = { .gemm_quads = clip_gemm_quads_c,
                                .depthwise_i8 = clip_depthwise_i8_c };
  check (&meaning, "c");
  for (int level = CLIP_CPU_C; level < CLIP_CPU_N; level++) {
    ClipKernels kernels;
    if (clip_kernels_for_level (&kernels, level) && kernels.gemm_quads)
      check (&kernels, clip_cpu_level_name (level));
  }
}

/* ----------------------------------------------------------------------------------------------------------- product */

static void
check_product (const ClipKernels *kernels, const char *level, int rows, int n, int words,
               Filling filling, gboolean apart)
{
  const int groups = (n + CLIP_GROUP - 1) / CLIP_GROUP, quads = (rows + 3) / 4, stride = n + 3;
  const gsize size = (gsize) quads * stride * 4;
  /* words side by side, or as a convolution of stride 2 finds them: lines apart, rows two bytes */
  const gsize x_stride = apart ? 2 : 4 * words, x_step = apart ? 2 * rows + 3 : 4,
              x_size = (rows - 1) * x_stride + (words - 1) * x_step + 4;
  g_autofree guint8 *x = g_malloc (x_size), *y = g_malloc (size), *expected = g_malloc (size);
  g_autofree gint8 *w = g_malloc0 (groups * CLIP_GROUP * words * 4);
  g_autofree float *scales = g_new (float, n), *offsets = g_new (float, n),
                   *bias = g_new (float, n);
  g_autofree gint32 *sums = g_new0 (gint32, n);
  for (gsize i = 0; i < x_size; i++)
    x[i] = whole (filling, i, 0, 255);
  for (int i = 0; i < groups * CLIP_GROUP * words * 4; i++)
    w[i] = i / 4 % CLIP_GROUP + i / (CLIP_GROUP * words * 4) * CLIP_GROUP < n
               ? whole (filling, i, -127, 127)
               : 0;
  const ClipQuant quant = { 0.5f + 0.25f * (rows % 3), whole (filling, n, 0, 255) };
  random_floats (scales, n, 0, spread (filling == NOISE ? 32000 * words : 130000 * words));
  random_floats (bias, n, -100, 200);
  for (int c = 0; c < n; c++) {
    for (int i = 0; i < words * 4; i++)
      sums[c] += w[((c / CLIP_GROUP * words + i / 4) * CLIP_GROUP + c % CLIP_GROUP) * 4 + i % 4];
    offsets[c] = scales[c] * sums[c];
  }
  memset (y, GUARD, size);
  memset (expected, GUARD, size);
  ClipGemmQuads g = {
    .y = (guint32 *) y,
    .y_stride = stride,
    .x = x,
    .x_stride = x_stride,
    .x_step = x_step,
    .w = (guint32 *) w,
    .w_stride = (gsize) CLIP_GROUP * words,
    .quant = quant,
    .scales = scales,
    .offsets = offsets,
    .bias = bias,
    .sums = sums,
    .rows = rows,
    .n = n,
    .words = words,
  };
  kernels->gemm_quads (&g);
  g.y = (guint32 *) expected;
  clip_gemm_quads_c (&g);
  g_autofree char *what =
      g_strdup_printf ("%s, product of %d rows, %d words, %d outputs", level, rows, words, n);
  check_bytes (y, expected, size, what);

  for (int r = 0; r < 4 * quads; r++) {
    const int c = (r * 7 + 1) % n;
    gint64 sum = 0;
    for (int i = 0; r < rows && i < words * 4; i++)
      sum += (x[r * x_stride + i / 4 * x_step + i % 4] - quant.zero) *
             w[((c / CLIP_GROUP * words + i / 4) * CLIP_GROUP + c % CLIP_GROUP) * 4 + i % 4];
    const int is = expected[(r / 4 * stride + c) * 4 + r % 4],
              should = r < rows ? byte_of (sum * quant.scale * scales[c] + bias[c]) : 0;
    if (ABS (is - should) > (r < rows)) /* float rounds where double does not */
      g_error ("%s: row %d, output %d is %d, expected %d", what, r, c, is, should);
  }
}

static void
check_products (const ClipKernels *kernels, const char *level)
{
  static const int outputs[] = { 1, 15, 16, 31, 48, 50, 64, 96, 97 }, inputs[] = { 1, 4, 7, 22 };
  for (int rows = 1; rows <= 18; rows++)
    for (guint o = 0; o < G_N_ELEMENTS (outputs); o++)
      check_product (kernels, level, rows, outputs[o], inputs[(rows + o) % G_N_ELEMENTS (inputs)],
                     (rows + o) % (ALTERNATING + 1), (rows / 2 + o) % 2);
}

static void
test_products (void)
{
  for_each_level (check_products);
}

/* --------------------------------------------------------------------------------------------------------- depthwise */

static void
check_row (const ClipKernels *kernels, const char *level, int k, int stride, int start, int width,
           int n, Filling filling)
{
  const int quads = (start + width * stride) / 4 + CLIP_QUADS_BEYOND, line = quads * n * 4,
            y_stride = n + 5;
  const gsize size = (gsize) width * y_stride;
  g_autofree guint8 *picture = g_malloc (k * line), *y = g_malloc (size),
                    *expected = g_malloc (size);
  g_autofree gint8 *taps = g_malloc (n * k * k);
  g_autofree guint32 *w = g_new (guint32, clip_quads_weights_size (k, n));
  g_autofree float *scales = g_new (float, n), *bias = g_new (float, n);
  g_autofree gint32 *sums = g_new0 (gint32, n);
  const guint32 *rows[CLIP_QUADS_KERNEL_MAX];
  for (int i = 0; i < k * line; i++)
    picture[i] = whole (filling, i, 0, 255);
  for (int i = 0; i < n * k * k; i++)
    sums[i / k / k] += taps[i] = whole (filling, i, -127, 127);
  for (int i = 0; i < k; i++)
    rows[i] = (guint32 *) (picture + i * line);
  random_floats (scales, n, 0, spread (filling == NOISE ? 8000 * k * k : 32000 * k * k));
  random_floats (bias, n, -100, 200);
  clip_quads_weights (w, n, taps, k, n);
  memset (y, GUARD, size);
  memset (expected, GUARD, size);
  ClipDepthwiseI8 d = {
    y, y_stride, rows, n, w, n, scales, bias, sums, k, stride, start, width, n
  };
  kernels->depthwise_i8 (&d);
  d.y = expected;
  clip_depthwise_i8_c (&d);
  g_autofree char *what =
      g_strdup_printf ("%s, %d×%d, stride %d from %d, %d positions, %d channels", level, k, k,
                       stride, start, width, n);
  check_bytes (y, expected, size, what);

  for (int x = 0; x < width; x++) {
    const int c = (x * 5 + 3) % n;
    gint64 sum = 0;
    for (int i = 0; i < k * k; i++) {
      const int column = start + x * stride + i % k;
      sum += taps[c * k * k + i] * picture[i / k * line + (column / 4 * n + c) * 4 + column % 4];
    }
    const int should = byte_of (sum * scales[c] + bias[c]);
    if (ABS (expected[x * y_stride + c] - should) > 1)
      g_error ("%s: position %d, channel %d is %d, expected %d", what, x, c,
               expected[x * y_stride + c], should);
  }
}

static void
check_rows (const ClipKernels *kernels, const char *level)
{
  static const int channels[] = { 1, 16, 40, 96 };
  for (int k = 1; k <= CLIP_QUADS_KERNEL_MAX; k++)
    for (int stride = 1; stride <= 2; stride++)
      for (int start = 0; start <= 4; start++)
        for (int width = 1; width <= 17; width += 1 + (width > 9) * 2)
          check_row (kernels, level, k, stride, start, width,
                     channels[(width + start) % G_N_ELEMENTS (channels)],
                     (k + width) % (ALTERNATING + 1));
}

static void
test_rows (void)
{
  for_each_level (check_rows);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/quads/products", test_products);
  g_test_add_func ("/quads/depthwise", test_rows);
  return g_test_run ();
}
