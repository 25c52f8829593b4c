/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gather and resample (core/kernels/resize.h) with NEON: table look-ups, and products of 32 bits. */
#include "core/kernels/kernels.h"

#include "core/kernels/arm/resize.h"
#include "core/kernels/arm/transpose.h"

/* Rows @row … @row + 3 of one load. */
static inline void
gather_4_rows (guint32 *quads, const guint8 *const *rows, gsize byte, const ClipGather *gather,
               uint8x16_t pick)
{
  uint32x4_t quad[4];
  for (int i = 0; i < 4; i++)
    quad[i] = vreinterpretq_u32_u8 (vqtbl1q_u8 (vld1q_u8 (rows[i] + byte), pick));
  transpose_4x4 (quad);
  for (int q = 0; q < gather->n_quads; q++)
    vst1q_u32 (quads + gather->offset[q], quad[q]);
}

static void
gather (guint32 *quads, const guint8 *const rows[CLIP_BAND_ROWS], gsize n_bytes,
        const ClipGather *gather, gsize n_loads)
{
  const uint8x16_t pick = vld1q_u8 (gather->pick);
  gsize load = 0;
  for (; load < n_loads && load * gather->step + 16 <= n_bytes; load++, quads += gather->advance)
    for (int row = 0; row < CLIP_BAND_ROWS; row += 4)
      gather_4_rows (quads + row, rows + row, load * gather->step, gather, pick);

  const guint8 *rest[CLIP_BAND_ROWS];
  const gsize done = MIN (load * gather->step, n_bytes);
  for (int row = 0; row < CLIP_BAND_ROWS; row++)
    rest[row] = rows[row] + done;
  clip_gather_c (quads, rest, n_bytes - done, gather, n_loads - load);
}

/* sum[4 i … 4 i + 3] += weight · x[4 i … 4 i + 3] */
static inline void
add_products (uint32x4_t sum[4], uint8x16_t x, guint32 weight)
{
  const uint16x8_t low = vmovl_u8 (vget_low_u8 (x)), high = vmovl_high_u8 (x);
  sum[0] = vmlaq_n_u32 (sum[0], vmovl_u16 (vget_low_u16 (low)), weight);
  sum[1] = vmlaq_n_u32 (sum[1], vmovl_high_u16 (low), weight);
  sum[2] = vmlaq_n_u32 (sum[2], vmovl_u16 (vget_low_u16 (high)), weight);
  sum[3] = vmlaq_n_u32 (sum[3], vmovl_high_u16 (high), weight);
}

static void
resample (guint8 *y, gsize y_stride, const guint32 *x, gsize lanes, const ClipTaps *taps, int from,
          int to)
{
  const uint32x4_t half = vdupq_n_u32 (1 << (CLIP_WEIGHT_BITS - 1));
  for (int o = from; o < to; o++)
    for (gsize block = 0; block < lanes; block += 16) {
      const guint32 *quad = x + taps->first_quad[o] * lanes + block;
      const gint32 *weight = taps->weights + (gsize) o * taps->max_quads * 4;
      uint32x4_t sum[4] = { half, half, half, half };
      for (int q = taps->n_quads[o]; q > 0; q--, quad += lanes, weight += 4) {
        const uint8x16x4_t samples = vld4q_u8 ((const guint8 *) quad);
        for (int t = 0; t < 4; t++)
          add_products (sum, samples.val[t], (guint32) weight[t]);
      }
      resample_leave (y + o * y_stride + block, sum);
    }
}

void
clip_kernels_fill_resize_neon (ClipKernels *kernels)
{
  kernels->gather = gather;
  kernels->resample = resample;
}
