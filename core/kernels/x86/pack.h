/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packing of core/kernels/gemm.h by transposed squares of 8×8. AVX2; AVX-512 has nothing faster to offer. */
#include "core/kernels/gemm.h"

#include <immintrin.h>

/* y[column][row] = x[row][column]; each step doubles how many rows lie side by side: 1, 2, 4 within halves, then 8. */
static inline void
transpose_8x8 (float *y, const float *x, gsize x_stride)
{
  __m256 row[8], pair[8], four[8];
  for (int i = 0; i < 8; i++)
    row[i] = _mm256_loadu_ps (x + i * x_stride);
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_ps (row[i], row[i + 1]);     /* columns 0, 1 and 4, 5 */
    pair[i + 1] = _mm256_unpackhi_ps (row[i], row[i + 1]); /* columns 2, 3 and 6, 7 */
  }
  for (int i = 0; i < 8; i += 4) {
    for (int j = 0; j < 2; j++) {
      four[i + 2 * j] =
          _mm256_shuffle_ps (pair[i + j], pair[i + j + 2], 0x44); /* columns 2j and 2j + 4 */
      four[i + 2 * j + 1] =
          _mm256_shuffle_ps (pair[i + j], pair[i + j + 2], 0xee); /* columns 2j + 1 and 2j + 5 */
    }
  }
  for (int i = 0; i < 4; i++) {
    _mm256_storeu_ps (y + i * CLIP_GROUP, _mm256_permute2f128_ps (four[i], four[i + 4], 0x20));
    _mm256_storeu_ps (y + (i + 4) * CLIP_GROUP,
                      _mm256_permute2f128_ps (four[i], four[i + 4], 0x31));
  }
}

static void
pack (float *y, const float *x, gsize x_stride, int rows, int k)
{
  int i = 0;
  for (; rows == CLIP_GROUP && i + 8 <= k; i += 8) {
    transpose_8x8 (y + i * CLIP_GROUP, x + i, x_stride);
    transpose_8x8 (y + i * CLIP_GROUP + 8, x + 8 * x_stride + i, x_stride);
  }
  clip_pack_c (y + i * CLIP_GROUP, x + i, x_stride, rows, k - i);
}
