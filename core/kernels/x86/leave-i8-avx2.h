/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of the sums of a product in int8 (core/kernels/gemm-narrow.h) in AVX2; included after vector-avx2.h. */

/* One row, a group of outputs. */
static inline __attribute__ ((always_inline)) void
i8_leave (const ClipGemmNarrow *g, const __m256i sum[2], int row, int column)
{
  const ClipQuant quant = g->quant[row];
  const V low = v_set (g->low), high = v_set (g->high);
  UNROLLED for (int half = 0; half < 2; half++)
  {
    const int first = column + half * LANES, n = MAX (g->n - first, 0);
    float *y = g->y + row * g->y_stride + first;
    const __m256i sums = _mm256_castps_si256 (v_load_n ((const float *) g->sums + first, n));
    const __m256i whole =
        _mm256_sub_epi32 (sum[half], _mm256_mullo_epi32 (_mm256_set1_epi32 (quant.zero), sums));
    const V p = v_fma (_mm256_cvtepi32_ps (whole),
                       v_mul (v_set (quant.scale), v_load_n (g->scales + first, n)),
                       g->bias ? v_load_n (g->bias + first, n) : v_set (0.f));
    v_store_n (y, v_min (v_max (v_add (g->add ? v_load_n (y, n) : v_set (0.f), p), low), high), n);
  }
}
