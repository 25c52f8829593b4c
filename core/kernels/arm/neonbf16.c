/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The product in bf16 with NEON's dot product of pairs. (The product of squares, BFMMLA, would multiply twice as many at
 * once, of another order in memory.) */
#include "core/kernels/kernels.h"

#include "core/kernels/arm/vector-neon.h"

#include "core/kernels/vector/unrolled.h"

typedef V Sum, Outputs; /* of outputs, the bias */
typedef bfloat16x8_t Words;

static inline Sum
zero (void)
{
  return v_set (0.f);
}

static inline uint32x4_t
prepare (uint32x4_t x)
{
  return x;
}

#define dot_lane(sum, w, x, lane)                                                                  \
  vbfdotq_laneq_f32 (sum, vreinterpretq_bf16_u32 (w), vreinterpretq_bf16_u32 (x), lane)

static inline Outputs
outputs (const ClipGemmNarrow *g, int column, int n)
{
  return g->bias ? v_load_n (g->bias + column, n) : v_set (0.f);
}

static inline V
finish (const ClipGemmNarrow *g, Sum sum, int row, const Outputs *bias)
{
  return v_add (sum, *bias);
}

#include "core/kernels/arm/gemm-narrow.h"

static inline Words
words (gint32 each)
{
  return vreinterpretq_bf16_s32 (vdupq_n_s32 (each));
}

static inline Sum
dot (Sum sum, Words x, Words w)
{
  return vbfdotq_f32 (sum, x, w);
}

#define WORD_NUMBERS 2
#include "core/kernels/vector/peak-narrow.h"

void
clip_kernels_fill_neonbf16 (ClipKernels *kernels)
{
  kernels->gemm_bf16 = gemm;
  kernels->peak_bf16 = peak;
}
