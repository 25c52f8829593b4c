/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resample (core/kernels/resize.h) with AVX-512 VNNI, whose byte products take quads as they are: with
 * weight = 2^16·d2 + 2^8·d1 + d0, Σ w·x = 2^16·Σ d2·x + 2^8·Σ d1·x + Σ d0·x, exactly modulo 2^32. Processors with
 * AVX-512 but without VNNI keep the AVX2 version: sixteen lanes in a register gained them less than a tenth.
 */
#include "core/kernels/kernels.h"

#include <immintrin.h>
#include <string.h>

#define VNNI __attribute__ ((target ("avx512vnni")))

static inline VNNI __m512i
add_products (__m512i sum, __m512i samples, const gint8 digits[4])
{
  gint32 four;
  memcpy (&four, digits, sizeof four);
  return _mm512_dpbusd_epi32 (sum, samples, _mm512_set1_epi32 (four));
}

static VNNI void
resample (guint8 *y, gsize y_stride, const guint32 *x, gsize lanes, const ClipTaps *taps, int from,
          int to)
{
  const __m512i half = _mm512_set1_epi32 (1 << (CLIP_WEIGHT_BITS - 1)),
                zero = _mm512_setzero_si512 ();
  for (int o = from; o < to; o++)
    for (gsize block = 0; block < lanes; block += 16) {
      const guint32 *quad = x + taps->first_quad[o] * lanes + block;
      const gint8 *digits = taps->digits + (gsize) o * taps->max_quads * 12;
      __m512i sum[3] = { half, zero, zero };
      for (int q = taps->n_quads[o]; q > 0; q--, quad += lanes, digits += 12) {
        const __m512i samples = _mm512_loadu_si512 (quad);
        for (int i = 0; i < 3; i++)
          sum[i] = add_products (sum[i], samples, digits + 4 * i);
      }
      const __m512i low = _mm512_add_epi32 (sum[0], _mm512_slli_epi32 (sum[1], 8));
      const __m512i all = _mm512_add_epi32 (low, _mm512_slli_epi32 (sum[2], 16));
      const __m512i value = _mm512_max_epi32 (_mm512_srai_epi32 (all, CLIP_WEIGHT_BITS), zero);
      _mm_storeu_si128 ((__m128i *) (y + o * y_stride + block), _mm512_cvtusepi32_epi8 (value));
    }
}

void
clip_kernels_fill_resize_avx512 (ClipKernels *kernels)
{
  if (__builtin_cpu_supports ("avx512vnni"))
    kernels->resample = resample;
}
