/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The product in bf16 with AVX-512's BF16, which takes subnormal numbers for zeros. */
#include "core/kernels/kernels.h"

#include "core/kernels/x86/vector-avx512.h"

#include "core/kernels/vector/unrolled.h"

#include <string.h>

typedef V Sum, Outputs; /* of outputs, the bias */

static inline Sum
zero (void)
{
  return v_set (0.f);
}

/* Not _mm512_dpbf16_ps (), for the reason in avx512vnni.c. */
static inline Sum
dot (Sum sum, __m512i x, __m512i w)
{
  __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
  return sum;
}

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

#include "core/kernels/x86/gemm-narrow.h"

#define WORD_NUMBERS 2
#include "core/kernels/vector/peak-narrow.h"

void
clip_kernels_fill_avx512bf16 (ClipKernels *kernels)
{
  kernels->gemm_bf16 = gemm;
  kernels->peak_bf16 = peak;
}
