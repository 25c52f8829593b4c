/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portable meaning of the product in int8, and of what makes its rows: every level gives the same bits. The product in bf16
 * has none: without one of its own a processor multiplies floats. */
#include "core/kernels/kernels.h"

#include <string.h>

static void
quantize (guint8 *y, ClipQuant *quant, const float *x, gsize n)
{
  float low = 0, high = 0, inverse;
  for (gsize i = 0; i < n; i++) {
    low = MIN (low, x[i]);
    high = MAX (high, x[i]);
  }
  *quant = clip_quant (low, high, &inverse);
  for (gsize i = 0; i < n; i++) {
    const long q = lrintf (x[i] * inverse) + quant->zero;
    y[i] = CLAMP (q, 0, 255);
  }
}

static float
quantize_weights (gint8 *y, const float *x, gsize n)
{
  float most = 0, inverse;
  for (gsize i = 0; i < n; i++)
    most = MAX (most, fabsf (x[i]));
  const float scale = clip_quant_weights (most, &inverse);
  for (gsize i = 0; i < n; i++)
    y[i] = (gint8) lrintf (x[i] * inverse);
  return scale;
}

static void
to_bytes (guint8 *y, float range[2], const float *x, float factor, float offset, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    const float v = fmaf (x[i], factor, offset);
    const long q = lrintf (v);
    range[0] = MIN (range[0], v);
    range[1] = MAX (range[1], v);
    y[i] = CLAMP (q, 0, 255);
  }
}

/* Rounded to nearest, of two equally near ones the even one; infinite where x rounds beyond the largest. */
static void
f32_to_bf16 (guint16 *y, const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    guint32 bits;
    memcpy (&bits, x + i, sizeof bits);
    y[i] = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  }
}

/* sum[16] += x[words] · w[words, 16] */
static void
dot (gint32 sum[CLIP_GROUP], const guint8 *x, const gint8 *w, int words)
{
  for (int i = 0; i < words; i++, x += 4) {
    for (int c = 0; c < CLIP_GROUP; c++, w += 4)
      sum[c] += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
  }
}

void
clip_gemm_i8_c (const ClipGemmNarrow *g)
{
  for (int row = 0; row < g->rows; row++) {
    const guint8 *x = (const guint8 *) (g->x + row * g->x_stride);
    const ClipQuant quant = g->quant[row];
    for (int column = 0; column < g->n; column += CLIP_GROUP) {
      gint32 sum[CLIP_GROUP] = { 0 };
      for (int run = 0; run < g->runs; run++)
        dot (sum, x + 4 * run * g->run_stride,
             (const gint8 *) (g->w + column / CLIP_GROUP * g->w_stride +
                              (gsize) run * g->words * CLIP_GROUP),
             g->words);
      for (int c = column; c < MIN (column + CLIP_GROUP, g->n); c++) {
        float *y = g->y + row * g->y_stride + c;
        const float whole = sum[c - column] - quant.zero * g->sums[c];
        const float p = fmaf (whole, quant.scale * g->scales[c], g->bias ? g->bias[c] : 0);
        *y = CLAMP ((g->add ? *y : 0) + p, g->low, g->high);
      }
    }
  }
}

void
clip_kernels_fill_narrow (ClipKernels *kernels)
{
  kernels->quantize = quantize;
  kernels->quantize_weights = quantize_weights;
  kernels->to_bytes = to_bytes;
  kernels->f32_to_bf16 = f32_to_bf16;
  kernels->gemm_i8 = clip_gemm_i8_c;
  kernels->gemm_bf16 = NULL;
}
