/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The product in int8 with AVX-512's VNNI. */
#include "core/kernels/kernels.h"

#include "core/kernels/x86/vector-avx512.h"

#include "core/kernels/vector/unrolled.h"

#include <string.h>

typedef __m512i Sum;

typedef struct {
  V scale, bias;
  __m512i sum;
} Outputs;

static inline Sum
zero (void)
{
  return _mm512_setzero_si512 ();
}

/* Of _mm512_dpbusd_epi32 (), whose result is another register than its sum, GCC 12 copies the sum, and runs out of registers. */
static inline Sum
dot (Sum sum, __m512i x, __m512i w)
{
  __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
  return sum;
}

static inline Outputs
outputs (const ClipGemmNarrow *g, int column, int n)
{
  const __mmask16 mask = n >= LANES ? 0xffff : v_mask (n);
  return (Outputs){
    .scale = _mm512_maskz_loadu_ps (mask, g->scales + column),
    .bias = g->bias ? _mm512_maskz_loadu_ps (mask, g->bias + column) : v_set (0.f),
    .sum = _mm512_maskz_loadu_epi32 (mask, g->sums + column),
  };
}

static inline V
finish (const ClipGemmNarrow *g, Sum sum, int row, const Outputs *out)
{
  const ClipQuant quant = g->quant[row];
  const __m512i shift = _mm512_mullo_epi32 (_mm512_set1_epi32 (quant.zero), out->sum);
  return v_fma (_mm512_cvtepi32_ps (_mm512_sub_epi32 (sum, shift)),
                v_mul (v_set (quant.scale), out->scale), out->bias);
}

#include "core/kernels/x86/gemm-narrow.h"
#include "core/kernels/x86/words-avx512.h"
#include "core/kernels/x86/quads.h"

#define WORD_NUMBERS 4
#include "core/kernels/vector/peak-narrow.h"

void
clip_kernels_fill_avx512vnni (ClipKernels *kernels)
{
  kernels->gemm_i8 = gemm;
  kernels->peak_i8 = peak;
  kernels->gemm_quads = gemm_quads;
  kernels->depthwise_i8 = depthwise_i8;
}
