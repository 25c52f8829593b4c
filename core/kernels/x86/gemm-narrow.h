/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The products of core/kernels/gemm-narrow.h with instructions that multiply words and add to 32-bit lanes. Included after
 * vector-avx512.h and the words it is written in:
 *
 *   Sum, zero (), dot (sum, x, w)        sixteen sums, and one more word of each
 *   Outputs, outputs (), finish ()       vector/leave.h
 */
#include "core/kernels/vector/leave.h"

typedef __m512i Words;

static inline Words
words (gint32 each)
{
  return _mm512_set1_epi32 (each);
}

/* Tiles fetch the next panel: the last one its first group, the one before it its second. */
static inline const guint32 *
fetched (const ClipGemmNarrow *g, int row, int groups, const guint32 *otherwise)
{
  const int tiles_left = (g->rows - 1 - row) / 6;
  return g->next && groups == MAX_GROUPS && tiles_left < MAX_GROUPS
             ? g->next + tiles_left * g->w_stride
             : otherwise;
}

static inline __attribute__ ((always_inline)) void
tile (const ClipGemmNarrow *g, int row, int column, int groups, int rows)
{
  const gsize x_stride = g->x_stride, w_stride = g->w_stride;
  const guint32 *w = g->w + column / CLIP_GROUP * w_stride, *ahead = fetched (g, row, groups, w);
  const guint32
      *triples[(MAX_ROWS + 2) / 3]; /* rows r, r + 1, r + 2 are within reach of one address each */
  Sum sum[MAX_ROWS][MAX_GROUPS];

  UNROLLED for (int v = 0; v < groups; v++) UNROLLED for (int r = 0; r < rows; r++) sum[r][v] =
      zero ();
  UNROLLED for (int r = 0; r < rows; r += 3) triples[r / 3] = g->x + (row + r) * x_stride;

  for (int run = 0; run < g->runs; run++) {
    for (int i = 0; i < g->words; i++) {
      Words weight[MAX_GROUPS];
      UNROLLED for (int v = 0; v < groups; v++) weight[v] = _mm512_loadu_si512 (w + v * w_stride);
      _mm_prefetch ((const char *) ahead, _MM_HINT_T1);
      UNROLLED for (int r = 0; r < rows; r++)
      {
        const Words x = words ((gint32) triples[r / 3][r % 3 * x_stride]);
        UNROLLED for (int v = 0; v < groups; v++) sum[r][v] = dot (sum[r][v], x, weight[v]);
      }
      w += CLIP_GROUP;
      ahead += CLIP_GROUP;
      UNROLLED for (int r = 0; r < rows; r += 3) triples[r / 3]++;
    }
    UNROLLED for (int r = 0; r < rows; r += 3) triples[r / 3] += g->run_stride - g->words;
  }
  leave (g, sum, row, column, groups, rows);
}

#define PRODUCT ClipGemmNarrow
#include "core/kernels/vector/tiles.h"
