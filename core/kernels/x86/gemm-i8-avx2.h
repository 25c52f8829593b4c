/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The product in int8 of core/kernels/gemm-narrow.h in AVX2. Its product of bytes, maddubs, saturates: 2 · 255 · 127 is more
 * than 16 bits hold. So bytes become 16 bits, which madd multiplies exactly: of a word, two sums that are added at the end.
 * That is as many multiplications a cycle as floats have, of a quarter of the memory.
 */

#include "core/kernels/x86/finish-i8-avx2.h"
#include "core/kernels/vector/leave.h"

#define I8_ROWS 2
#define I8_VECTORS (CLIP_GROUP / 4) /* four outputs of four inputs each are 16 numbers */

static inline __attribute__ ((always_inline)) void
i8_tile (const ClipGemmNarrow *g, int row, int column, int rows)
{
  const gint8 *w = (const gint8 *) (g->w + column / CLIP_GROUP * g->w_stride);
  const guint32 *x = g->x + row * g->x_stride;
  __m256i sum[I8_ROWS][I8_VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < I8_VECTORS; v++) sum[r][v] =
      _mm256_setzero_si256 ();
  for (int run = 0; run < g->runs; run++, x += g->run_stride - g->words) {
    for (int i = 0; i < g->words; i++, w += 4 * CLIP_GROUP, x++) {
      __m256i weight[I8_VECTORS];
      UNROLLED for (int v = 0; v < I8_VECTORS; v++) weight[v] =
          _mm256_cvtepi8_epi16 (_mm_loadu_si128 ((const __m128i *) (w + 16 * v)));
      UNROLLED for (int r = 0; r < rows; r++)
      {
        const __m256i four = _mm256_cvtepu8_epi16 (_mm_set1_epi32 ((int) x[r * g->x_stride]));
        UNROLLED for (int v = 0; v < I8_VECTORS; v++) sum[r][v] =
            _mm256_add_epi32 (sum[r][v], _mm256_madd_epi16 (four, weight[v]));
      }
    }
  }

  /* pairs of outputs 0 1, 4 5, 2 3, 6 7 */
  Sum whole[I8_ROWS][GROUP_VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) UNROLLED for (int v = 0; v < GROUP_VECTORS; v++)
      whole[r][v] =
          _mm256_permute4x64_epi64 (_mm256_hadd_epi32 (sum[r][2 * v], sum[r][2 * v + 1]), 0xd8);
  leave (g, whole, row, column, GROUP_VECTORS, rows);
}

#include "core/kernels/vector/gemm-i8.h"
