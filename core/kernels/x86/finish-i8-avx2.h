/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What vector/leave.h is written in, of a product in int8 in AVX2; included after vector-avx2.h. */

typedef __m256i Sum;

typedef struct {
  V scale, bias;
  __m256i sum;
} Outputs;

static inline Outputs
outputs (const ClipGemmNarrow *g, int column, int n)
{
  return (Outputs){
    .scale = v_load_n (g->scales + column, n),
    .bias = g->bias ? v_load_n (g->bias + column, n) : v_set (0.f),
    .sum = _mm256_castps_si256 (v_load_n ((const float *) g->sums + column, n)),
  };
}

static inline V
finish (const ClipGemmNarrow *g, Sum sum, int row, const Outputs *out)
{
  const ClipQuant quant = g->quant[row];
  const __m256i shift = _mm256_mullo_epi32 (_mm256_set1_epi32 (quant.zero), out->sum);
  return v_fma (_mm256_cvtepi32_ps (_mm256_sub_epi32 (sum, shift)),
                v_mul (v_set (quant.scale), out->scale), out->bias);
}
