/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Packing of core/kernels/gemm.h by transposed squares of 4×4. */
#include "core/kernels/gemm.h"

#include "core/kernels/arm/transpose.h"

static void
pack (float *y, const float *x, gsize x_stride, int rows, int k)
{
  int i = 0;
  for (; rows == CLIP_GROUP && i + 4 <= k; i += 4) {
    for (int r = 0; r < CLIP_GROUP; r += 4) {
      uint32x4_t square[4];
      UNROLLED for (int j = 0; j < 4; j++) square[j] =
          vreinterpretq_u32_f32 (vld1q_f32 (x + (r + j) * x_stride + i));
      transpose_4x4 (square);
      UNROLLED for (int j = 0; j < 4; j++)
          vst1q_f32 (y + (i + j) * CLIP_GROUP + r, vreinterpretq_f32_u32 (square[j]));
    }
  }
  clip_pack_c (y + i * CLIP_GROUP, x + i, x_stride, rows, k - i);
}
