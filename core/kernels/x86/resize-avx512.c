/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resample (core/kernels/resize.h) with AVX-512: as in resize-avx2.c, sixteen lanes in a register. */
#include "core/kernels/kernels.h"

#include <immintrin.h>
#include <string.h>

static inline __m512i
pair (const gint16 *halves)
{
  gint32 both;
  memcpy (&both, halves, sizeof both);
  return _mm512_set1_epi32 (both);
}

static void
resample (guint8 *y, gsize y_stride, const guint32 *x, gsize lanes, const ClipTaps *taps, int from,
          int to)
{
  const __m512i even_bytes = _mm512_set1_epi16 (255),
                half = _mm512_set1_epi32 (1 << (CLIP_WEIGHT_BITS - 1));
  for (int o = from; o < to; o++)
    for (gsize block = 0; block < lanes; block += 16) {
      const guint32 *quad = x + taps->first_quad[o] * lanes + block;
      const gint16 *halves = taps->halves + (gsize) o * taps->max_quads * 8;
      __m512i low_even = half, low_odd = _mm512_setzero_si512 ();
      __m512i high_even = _mm512_setzero_si512 (), high_odd = _mm512_setzero_si512 ();
      for (int q = taps->n_quads[o]; q > 0; q--, quad += lanes, halves += 8) {
        const __m512i samples = _mm512_loadu_si512 (quad);
        const __m512i even = _mm512_and_si512 (samples, even_bytes),
                      odd = _mm512_srli_epi16 (samples, 8);
        low_even = _mm512_add_epi32 (low_even, _mm512_madd_epi16 (even, pair (halves)));
        low_odd = _mm512_add_epi32 (low_odd, _mm512_madd_epi16 (odd, pair (halves + 2)));
        high_even = _mm512_add_epi32 (high_even, _mm512_madd_epi16 (even, pair (halves + 4)));
        high_odd = _mm512_add_epi32 (high_odd, _mm512_madd_epi16 (odd, pair (halves + 6)));
      }
      const __m512i low = _mm512_add_epi32 (low_even, low_odd),
                    high = _mm512_add_epi32 (high_even, high_odd);
      const __m512i sum = _mm512_srai_epi32 (_mm512_add_epi32 (low, _mm512_slli_epi32 (high, 15)),
                                             CLIP_WEIGHT_BITS);
      _mm_storeu_si128 ((__m128i *) (y + o * y_stride + block),
                        _mm512_cvtusepi32_epi8 (_mm512_max_epi32 (sum, _mm512_setzero_si512 ())));
    }
}

void
clip_kernels_fill_resize_avx512 (ClipKernels *kernels)
{
  kernels->resample = resample;
}
