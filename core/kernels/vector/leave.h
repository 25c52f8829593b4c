/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What becomes of the sums of a tile of core/kernels/gemm-narrow.h. Included after vector-….h, unrolled.h, and
 *
 *   Sum                                  LANES sums
 *   Outputs, outputs (g, column, n)      what is known of as many outputs, of which n are left
 *   finish (g, sum, row, outputs)        p + bias
 */
#define GROUP_VECTORS (CLIP_GROUP / LANES)

static inline __attribute__ ((always_inline)) void
leave (const ClipGemmNarrow *g, Sum (*sum)[MAX_GROUPS * GROUP_VECTORS], int row, int column,
       int vectors, int rows)
{
  const V low = v_set (g->low), high = v_set (g->high);
  UNROLLED for (int v = 0; v < vectors; v++)
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
