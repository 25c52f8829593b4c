/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The product and convolutions in int8 with AVX-VNNI: processors that have the instruction, and not AVX-512. */
#include "core/kernels/kernels.h"

#include "core/kernels/x86/vector-avx2.h"

#include "core/kernels/vector/unrolled.h"
#include "core/kernels/x86/finish-i8-avx2.h"
#include "core/kernels/vector/leave.h"

/* As in avx512vnni.c; {vex} is what tells this encoding from AVX-512's. */
static inline __m256i
dot (__m256i sum, __m256i x, __m256i w)
{
  __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w));
  return sum;
}

static inline __attribute__ ((always_inline)) void
tile (const ClipGemmNarrow *g, int row, int column, int groups, int rows)
{
  const guint32 *w = g->w + column / CLIP_GROUP * g->w_stride, *x = g->x + row * g->x_stride;
  Sum sum[MAX_ROWS][GROUP_VECTORS];
  UNROLLED for (int r = 0; r < rows; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256 ();
  for (int run = 0; run < g->runs; run++, x += g->run_stride - g->words) {
    for (int i = 0; i < g->words; i++, w += CLIP_GROUP, x++) {
      const __m256i low = _mm256_loadu_si256 ((const __m256i *) w),
                    high = _mm256_loadu_si256 ((const __m256i *) (w + LANES));
      UNROLLED for (int r = 0; r < rows; r++)
      {
        const __m256i four = _mm256_set1_epi32 ((int) x[r * g->x_stride]);
        sum[r][0] = dot (sum[r][0], four, low);
        sum[r][1] = dot (sum[r][1], four, high);
      }
    }
  }
  leave (g, sum, row, column, GROUP_VECTORS, rows);
}

#include "core/kernels/x86/words-avx2.h"
#include "core/kernels/x86/quads.h"

#define PRODUCT ClipGemmNarrow
#include "core/kernels/vector/tiles.h"

void
clip_kernels_fill_avxvnni (ClipKernels *kernels)
{
  kernels->gemm_i8 = gemm;
  kernels->gemm_quads = gemm_quads;
  kernels->depthwise_i8 = depthwise_i8;
}
