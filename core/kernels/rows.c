/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portable meaning of what works on rows of floats: expansion of half floats and bytes, LayerNorm,
 * softmax, activations. Sums are in double: this is what the faster levels are compared with. */
#include "core/kernels/kernels.h"

#include <math.h>
#include <string.h>

/* Any half is a float: exponent rebiased from 15 to 127; a subnormal is its mantissa · 2^-24. */
static void
f16_to_f32 (float *y, const guint16 *x, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    guint16 half;
    memcpy (&half, x + i, sizeof half);
    const guint32 sign = (guint32) (half & 0x8000) << 16;
    const guint32 exponent = half >> 10 & 0x1f, mantissa = half & 0x3ff;
    guint32 bits;
    if (exponent == 0) {
      const float magnitude = mantissa * 0x1p-24f;
      memcpy (&bits, &magnitude, sizeof bits);
    } else {
      bits = (exponent == 0x1f ? 0xff : exponent + 127 - 15) << 23 | mantissa << 13;
    }
    bits |= sign;
    memcpy (y + i, &bits, sizeof bits);
  }
}

static void
bf16_to_f32 (float *y, const guint16 *x, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    guint16 half;
    memcpy (&half, x + i, sizeof half);
    const guint32 bits = (guint32) half << 16;
    memcpy (y + i, &bits, sizeof bits);
  }
}

static void
i8_to_f32 (float *y, const gint8 *x, float scale, gsize n)
{
  for (gsize i = 0; i < n; i++)
    y[i] = scale * x[i];
}

static void
layer_norm (float *y, const float *x, const float *weight, const float *bias, float epsilon,
            gsize n)
{
  double sum = 0, squares = 0;
  for (gsize i = 0; i < n; i++)
    sum += x[i];
  const double mean = sum / n;
  for (gsize i = 0; i < n; i++)
    squares += (x[i] - mean) * (x[i] - mean);
  const double scale = 1 / sqrt (squares / n + epsilon);
  for (gsize i = 0; i < n; i++)
    y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

static void
softmax (float *y, const float *x, float scale, gsize n)
{
  float max = -INFINITY;
  for (gsize i = 0; i < n; i++)
    max = MAX (max, x[i]);
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += y[i] = expf (scale * (x[i] - max));
  const float share = 1 / sum;
  for (gsize i = 0; i < n; i++)
    y[i] *= share;
}

static void
add (float *y, const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    y[i] += x[i];
}

static void
quick_gelu (float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] = x[i] / (1 + expf (-1.702f * x[i]));
}

static void
gelu (float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] = 0.5f * x[i] * (1 + erff (x[i] * (float) M_SQRT1_2));
}

static void
gelu_tanh (float *x, gsize n)
{
  const float scale = -2 * (float) (M_SQRT1_2 * M_2_SQRTPI); /* -2 √(2/π) */
  for (gsize i = 0; i < n; i++)
    x[i] = x[i] / (1 + expf (scale * x[i] * (1 + 0.044715f * x[i] * x[i])));
}

static void
relu6 (float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] = CLAMP (x[i], 0, 6);
}

static void
relu (float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    x[i] = MAX (x[i], 0);
}

void
clip_kernels_fill_rows (ClipKernels *kernels)
{
  kernels->f16_to_f32 = f16_to_f32;
  kernels->bf16_to_f32 = bf16_to_f32;
  kernels->i8_to_f32 = i8_to_f32;
  kernels->layer_norm = layer_norm;
  kernels->softmax = softmax;
  kernels->add = add;
  kernels->quick_gelu = quick_gelu;
  kernels->gelu = gelu;
  kernels->gelu_tanh = gelu_tanh;
  kernels->relu6 = relu6;
  kernels->relu = relu;
}
