/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The products of core/kernels/gemm-narrow.h with instructions that multiply words, of one factor by lane, and add to 32-bit
 * lanes. Four words of a row are loaded at once. Included after vector-neon.h and the words it is written in:
 *
 *   Sum, zero (), dot_lane (sum, w, x, lane)  four sums, and one more word of each; @lane is a constant
 *   prepare (words)                      what dot_lane () takes as x
 *   Outputs, outputs (g, column, n)      what is known of four outputs
 *   finish (g, sum, row, outputs)        p + bias
 */

#define GROUP_VECTORS (CLIP_GROUP / LANES)

/* One word of each row. */
#define ADD_WORD(lane)                                                                             \
  UNROLLED for (int v = 0; v < GROUP_VECTORS; v++)                                                 \
  {                                                                                                \
    const uint32x4_t weight = vld1q_u32 (w + v * LANES);                                           \
    UNROLLED for (int r = 0; r < rows; r++) sum[r][v] = dot_lane (sum[r][v], weight, x[r], lane);  \
  }                                                                                                \
  w += CLIP_GROUP;

static inline __attribute__ ((always_inline)) void
tile (const ClipGemmNarrow *g, int row, int column, int groups, int rows)
{
  const gsize x_stride = g->x_stride;
  const guint32 *w = g->w + column / CLIP_GROUP * g->w_stride, *from = g->x + row * x_stride;
  Sum sum[MAX_ROWS][GROUP_VECTORS];
  uint32x4_t x[MAX_ROWS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < GROUP_VECTORS; v++)
      sum[r][v] = zero ();

  for (int run = 0; run < g->runs; run++, from += g->run_stride) {
    int i = 0;
    for (; i + 4 <= g->words; i += 4) {
      UNROLLED for (int r = 0; r < rows; r++) x[r] = prepare (vld1q_u32 (from + r * x_stride + i));
      ADD_WORD (0)
      ADD_WORD (1)
      ADD_WORD (2)
      ADD_WORD (3)
    }
    for (; i < g->words; i++) {
      UNROLLED for (int r = 0; r < rows; r++) x[r] = prepare (vdupq_n_u32 (from[r * x_stride + i]));
      ADD_WORD (0)
    }
  }

  const V low = v_set (g->low), high = v_set (g->high);
  UNROLLED for (int v = 0; v < GROUP_VECTORS; v++)
  {
    const int n = MAX (g->n - column - v * LANES, 0);
    const Outputs out = outputs (g, column + v * LANES, n);
    UNROLLED for (int r = 0; r < rows; r++)
    {
      float *y = g->y + (row + r) * g->y_stride + column + v * LANES;
      const V p =
          v_add (g->add ? v_load_n (y, n) : v_set (0.f), finish (g, sum[r][v], row + r, &out));
      v_store_n (y, v_min (v_max (p, low), high), n);
    }
  }
}

#define PRODUCT ClipGemmNarrow
#include "core/kernels/vector/tiles.h"
