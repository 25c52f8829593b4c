/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of narrow numbers, as core/kernels/gemm-narrow.c means them, in vectors of LANES floats: included by each instruction
 * set's file after its vector-….h. The last, partial vector goes through a buffer. */
#include <string.h>

static void
quantize (guint8 *y, ClipQuant *quant, const float *x, gsize n)
{
  V low = v_set (0.f), high = v_set (0.f);
  for (gsize i = 0; i < n; i += LANES) {
    const V v = v_load_n (x + i, n - i);
    low = v_min (low, v);
    high = v_max (high, v);
  }
  float inverse;
  *quant = clip_quant (-v_highest (v_sub (v_set (0.f), low)), v_highest (high), &inverse);
  const V scale = v_set (inverse);
  gsize i = 0;
  for (; i + LANES <= n; i += LANES)
    v_store_u8 (y + i, v_mul (v_load (x + i), scale), quant->zero);
  if (i < n) {
    guint8 rest[LANES];
    v_store_u8 (rest, v_mul (v_load_n (x + i, n - i), scale), quant->zero);
    memcpy (y + i, rest, n - i);
  }
}

static float
quantize_weights (gint8 *y, const float *x, gsize n)
{
  V most = v_set (0.f);
  for (gsize i = 0; i < n; i += LANES)
    most = v_max (most, v_abs (v_load_n (x + i, n - i)));
  float inverse;
  const float scale = clip_quant_weights (v_highest (most), &inverse);
  const V factor = v_set (inverse);
  gsize i = 0;
  for (; i + LANES <= n; i += LANES)
    v_store_i8 (y + i, v_mul (v_load (x + i), factor));
  if (i < n) {
    gint8 rest[LANES];
    v_store_i8 (rest, v_mul (v_load_n (x + i, n - i), factor));
    memcpy (y + i, rest, n - i);
  }
  return scale;
}

static void
to_bytes (guint8 *y, float range[2], const float *x, float factor, float offset, gsize n)
{
  const V f = v_set (factor), o = v_set (offset);
  V low = v_set (range[0]), high = v_set (range[1]);
  gsize i = 0;
  for (; i + LANES <= n; i += LANES) {
    const V v = v_fma (v_load (x + i), f, o);
    low = v_min (low, v);
    high = v_max (high, v);
    v_store_u8 (y + i, v, 0);
  }
  if (i < n) {
    const V v = v_fma (v_load_n (x + i, n - i), f, o);
    guint8 rest[LANES];
    low = v_min (low, v_keep_n (v, low, n - i));
    high = v_max (high, v_keep_n (v, high, n - i));
    v_store_u8 (rest, v, 0);
    memcpy (y + i, rest, n - i);
  }
  range[0] = -v_highest (v_sub (v_set (0.f), low));
  range[1] = v_highest (high);
}

static void
f32_to_bf16 (guint16 *y, const float *x, gsize n)
{
  gsize i = 0;
  for (; i + LANES <= n; i += LANES)
    v_store_bf16 (y + i, v_load (x + i));
  if (i < n) {
    guint16 rest[LANES];
    v_store_bf16 (rest, v_load_n (x + i, n - i));
    memcpy (y + i, rest, (n - i) * sizeof *y);
  }
}

static void
fill_quantize (ClipKernels *kernels)
{
  kernels->quantize = quantize;
  kernels->quantize_weights = quantize_weights;
  kernels->to_bytes = to_bytes;
  kernels->f32_to_bf16 = f32_to_bf16;
}
