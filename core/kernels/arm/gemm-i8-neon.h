/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The product in int8 of core/kernels/gemm-narrow.h in NEON, without dot products. SMULL makes 16 bits of bytes, and the sum of two
 * products of -128 and -128 is more than these hold: so each product is added to 32 bits at once, of a word in two sums that are
 * added at the end.
 */

#include "core/kernels/arm/finish-i8-neon.h"
#include "core/kernels/vector/leave.h"

#define I8_ROWS 2
#define I8_VECTORS (2 * GROUP_VECTORS) /* a vector is two sums of two outputs */

static inline __attribute__ ((always_inline)) void
i8_tile (const ClipGemmNarrow *g, int row, int column, int rows)
{
  const guint32 *w = g->w + column / CLIP_GROUP * g->w_stride, *x = g->x + row * g->x_stride;
  int32x4_t sum[I8_ROWS][I8_VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < I8_VECTORS; v++) sum[r][v] =
      vdupq_n_s32 (0);
  for (int run = 0; run < g->runs; run++, x += g->run_stride - g->words) {
    for (int i = 0; i < g->words; i++, w += CLIP_GROUP, x++) {
      int8x16_t four[I8_ROWS];
      UNROLLED for (int r = 0; r < rows; r++) four[r] =
          vreinterpretq_s8_u32 (prepare (vdupq_n_u32 (x[r * g->x_stride])));
      UNROLLED for (int v = 0; v < GROUP_VECTORS; v++)
      {
        const int8x16_t weight = vreinterpretq_s8_u32 (vld1q_u32 (w + v * LANES));
        UNROLLED for (int r = 0; r < rows; r++)
        {
          sum[r][2 * v] =
              vpadalq_s16 (sum[r][2 * v], vmull_s8 (vget_low_s8 (weight), vget_low_s8 (four[r])));
          sum[r][2 * v + 1] = vpadalq_s16 (sum[r][2 * v + 1], vmull_high_s8 (weight, four[r]));
        }
      }
    }
  }

  Sum whole[I8_ROWS][GROUP_VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < GROUP_VECTORS; v++)
      whole[r][v] = vpaddq_s32 (sum[r][2 * v], sum[r][2 * v + 1]);
  leave (g, whole, row, column, GROUP_VECTORS, rows);
}

#include "core/kernels/vector/gemm-i8.h"
