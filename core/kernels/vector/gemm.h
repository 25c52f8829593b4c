/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The product of core/kernels/gemm.h; included after vector-….h. */
#include "core/kernels/gemm.h"

#define GROUP_VECTORS (CLIP_GROUP / LANES)

static inline __attribute__ ((always_inline)) void
tile (const ClipGemm *g, int row, int column, int groups, int rows)
{
  const int vectors = groups * GROUP_VECTORS, left = g->n - column;
  const gsize x_stride = g->x_stride, w_stride = g->w_stride;
  float *y = g->y + row * g->y_stride + column;
  const float *w = g->w + column / CLIP_GROUP * w_stride;
  const float
      *triples[(MAX_ROWS + 2) / 3]; /* rows r, r + 1, r + 2 are within reach of one address each */
  V sum[MAX_ROWS][MAX_GROUPS * GROUP_VECTORS];

  UNROLLED for (int v = 0; v < vectors; v++)
  {
    const int n = MAX (left - v * LANES, 0);
    const V bias = g->bias ? v_load_n (g->bias + column + v * LANES, n) : v_set (0.f);
    UNROLLED for (int r = 0; r < rows; r++) sum[r][v] =
        g->add ? v_add (bias, v_load_n (y + r * g->y_stride + v * LANES, n)) : bias;
  }
  UNROLLED for (int r = 0; r < rows; r += 3) triples[r / 3] = g->x + (row + r) * x_stride;

  for (int i = 0; i < g->k; i++) {
    V weight[MAX_GROUPS * GROUP_VECTORS];
    UNROLLED for (int v = 0; v < vectors; v++) weight[v] =
        v_load (w + v / GROUP_VECTORS * w_stride + v % GROUP_VECTORS * LANES);
    UNROLLED for (int r = 0; r < rows; r++)
    {
      const Scalar x = v_scalar (triples[r / 3][r % 3 * x_stride]);
      UNROLLED for (int v = 0; v < vectors; v++) sum[r][v] = v_fma_scalar (x, weight[v], sum[r][v]);
    }
    w += CLIP_GROUP;
    UNROLLED for (int r = 0; r < rows; r += 3) triples[r / 3]++;
  }

  const V low = v_set (g->low), high = v_set (g->high);
  UNROLLED for (int v = 0; v < vectors; v++) UNROLLED for (int r = 0; r < rows; r++)
      v_store_n (y + r * g->y_stride + v * LANES, v_min (v_max (sum[r][v], low), high),
                 MAX (left - v * LANES, 0));
}

#define PRODUCT ClipGemm
#include "core/kernels/vector/tiles.h"
