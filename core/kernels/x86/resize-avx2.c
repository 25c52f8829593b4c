/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gather and resample (core/kernels/resize.h) with AVX2.
 *
 * There is no fast 32-bit product, but one of 16-bit pairs: with weight = 2^15·high + low,
 * Σ w·x = 2^15·Σ high·x + Σ low·x, exactly modulo 2^32, and each quad is two pairs: samples 0 and 2 are its even bytes,
 * 1 and 3 its odd ones.
 */
#include "core/kernels/kernels.h"

#include <immintrin.h>
#include <string.h>

/* Eight rows of one load: a 4×4 transposition in each half, low half rows 0 … 3, high half 4 … 7. */
static inline void
gather_8_rows (guint32 *quads, const guint8 *const rows[8], gsize byte, const ClipGather *gather,
               __m256i pick)
{
  __m256i row[4];
  for (int i = 0; i < 4; i++) {
    const __m128i low = _mm_loadu_si128 ((const __m128i *) (rows[i] + byte));
    const __m128i high = _mm_loadu_si128 ((const __m128i *) (rows[i + 4] + byte));
    row[i] =
        _mm256_shuffle_epi8 (_mm256_inserti128_si256 (_mm256_castsi128_si256 (low), high, 1), pick);
  }
  const __m256i a = _mm256_unpacklo_epi32 (row[0], row[1]),
                b = _mm256_unpacklo_epi32 (row[2], row[3]);
  const __m256i c = _mm256_unpackhi_epi32 (row[0], row[1]),
                d = _mm256_unpackhi_epi32 (row[2], row[3]);
  const __m256i quad[4] = { _mm256_unpacklo_epi64 (a, b), _mm256_unpackhi_epi64 (a, b),
                            _mm256_unpacklo_epi64 (c, d), _mm256_unpackhi_epi64 (c, d) };
  for (int q = 0; q < gather->n_quads; q++)
    _mm256_storeu_si256 ((__m256i *) (quads + gather->offset[q]), quad[q]);
}

static void
gather (guint32 *quads, const guint8 *const rows[CLIP_BAND_ROWS], gsize n_bytes,
        const ClipGather *gather, gsize n_loads)
{
  const __m256i pick =
      _mm256_broadcastsi128_si256 (_mm_loadu_si128 ((const __m128i *) gather->pick));
  gsize load = 0;
  for (; load < n_loads && load * gather->step + 16 <= n_bytes; load++, quads += gather->advance) {
    gather_8_rows (quads, rows, load * gather->step, gather, pick);
    gather_8_rows (quads + 8, rows + 8, load * gather->step, gather, pick);
  }
  for (; load < n_loads;
       load++, quads += gather->advance) { /* what is left may not be read past its end */
    guint8 tail[CLIP_BAND_ROWS][16] = { { 0 } };
    const guint8 *tails[CLIP_BAND_ROWS];
    const gsize byte = load * gather->step;
    for (int i = 0; i < CLIP_BAND_ROWS; i++) {
      tails[i] = tail[i];
      if (byte < n_bytes)
        memcpy (tail[i], rows[i] + byte, MIN (n_bytes - byte, 16));
    }
    gather_8_rows (quads, tails, 0, gather, pick);
    gather_8_rows (quads + 8, tails + 8, 0, gather, pick);
  }
}

/* 8 lanes: ((high << 15) + low + 1/2) >> 22, not clipped yet */
static inline __m256i
finish (__m256i low, __m256i high)
{
  const __m256i half = _mm256_set1_epi32 (1 << (CLIP_WEIGHT_BITS - 1));
  return _mm256_srai_epi32 (
      _mm256_add_epi32 (_mm256_add_epi32 (low, half), _mm256_slli_epi32 (high, 15)),
      CLIP_WEIGHT_BITS);
}

static inline __m256i
add_products (__m256i sum, __m256i even, __m256i odd, __m256i weight_even, __m256i weight_odd)
{
  return _mm256_add_epi32 (sum, _mm256_add_epi32 (_mm256_madd_epi16 (even, weight_even),
                                                  _mm256_madd_epi16 (odd, weight_odd)));
}

static inline __m256i
pair (const gint16 *halves)
{
  gint32 both;
  memcpy (&both, halves, sizeof both);
  return _mm256_set1_epi32 (both);
}

static void
resample (guint8 *y, gsize y_stride, const guint32 *x, gsize lanes, const ClipTaps *taps, int from,
          int to)
{
  const __m256i even_bytes = _mm256_set1_epi16 (255);
  for (int o = from; o < to; o++)
    for (gsize block = 0; block < lanes; block += 16) {
      const guint32 *quad = x + taps->first_quad[o] * lanes + block;
      const gint16 *halves = taps->halves + (gsize) o * taps->max_quads * 8;
      __m256i low[2] = { _mm256_setzero_si256 (), _mm256_setzero_si256 () };
      __m256i high[2] = { _mm256_setzero_si256 (), _mm256_setzero_si256 () };
      for (int q = taps->n_quads[o]; q > 0; q--, quad += lanes, halves += 8) {
        const __m256i low_even = pair (halves), low_odd = pair (halves + 2);
        const __m256i high_even = pair (halves + 4), high_odd = pair (halves + 6);
        for (int i = 0; i < 2; i++) {
          const __m256i samples = _mm256_loadu_si256 ((const __m256i *) (quad + 8 * i));
          const __m256i even = _mm256_and_si256 (samples, even_bytes),
                        odd = _mm256_srli_epi16 (samples, 8);
          low[i] = add_products (low[i], even, odd, low_even, low_odd);
          high[i] = add_products (high[i], even, odd, high_even, high_odd);
        }
      }
      /* saturating packs clip; they work in halves, the permutation puts 0 … 7, 8 … 15 back in order */
      const __m256i words = _mm256_permute4x64_epi64 (
          _mm256_packs_epi32 (finish (low[0], high[0]), finish (low[1], high[1])), 0xd8);
      _mm_storeu_si128 (
          (__m128i *) (y + o * y_stride + block),
          _mm_packus_epi16 (_mm256_castsi256_si128 (words), _mm256_extracti128_si256 (words, 1)));
    }
}

void
clip_kernels_fill_resize_avx2 (ClipKernels *kernels)
{
  kernels->gather = gather;
  kernels->resample = resample;
}
