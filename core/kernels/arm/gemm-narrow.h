/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The products of core/kernels/gemm-narrow.h with instructions that multiply words and add to 32-bit lanes. Included after
 * vector-neon.h and the words it is written in:
 *
 *   Sum, zero (), dot_lane (), prepare ()  multiply.h
 *   Outputs, outputs (), finish ()         vector/leave.h
 */
#include "core/kernels/vector/leave.h"
#include "core/kernels/arm/multiply.h"

static inline __attribute__ ((always_inline)) void
tile (const ClipGemmNarrow *g, int row, int column, int groups, int rows)
{
  const guint32 *w = g->w + column / CLIP_GROUP * g->w_stride, *x = g->x + row * g->x_stride;
  Sum sum[MAX_ROWS][GROUP_VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < GROUP_VECTORS; v++)
      sum[r][v] = zero ();
  for (int run = 0; run < g->runs; run++, x += g->run_stride, w += (gsize) g->words * CLIP_GROUP)
    multiply (sum, w, (const guint8 *) x, 4 * g->x_stride, 4, g->words, rows);
  leave (g, sum, row, column, GROUP_VECTORS, rows);
}

#define PRODUCT ClipGemmNarrow
#include "core/kernels/vector/tiles.h"
