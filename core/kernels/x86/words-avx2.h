/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words of four bytes, LANES of them: what vector/quads.h is written in. Included after vector-avx2.h. */

/* Of a product, two vectors and four rows: sums in 8 of 16 registers. Vectors are counted in units. */
#define QUADS_UNIT 1
#define QUADS_MOST_UNITS 2
#define QUADS_UNITS(CASE) CASE (1) CASE (2)
#define QUADS_VECTORS (QUADS_UNIT * QUADS_MOST_UNITS)

/* Of a row of a depthwise convolution at once, the most. */
#define QUADS_WINDOWS 8
#define QUADS_TILES(CASE) CASE (2) CASE (4) CASE (6) CASE (8)

typedef __m256i Words;

static inline Words
words_load (const void *p)
{
  return _mm256_loadu_si256 (p);
}

static inline Words
words_set (guint32 word)
{
  return _mm256_set1_epi32 ((int) word);
}

static inline void
words_store_n (guint32 *p, Words x, gsize n)
{
  v_store_n ((float *) p, _mm256_castsi256_ps (x), n);
}

/* The nearest whole numbers to x · factor + constant */
static inline Words
words_scale (Words x, V factor, V constant)
{
  return _mm256_cvtps_epi32 (v_fma (_mm256_cvtepi32_ps (x), factor, constant));
}

/* The bytes of four vectors, which are cut off at 0 and 255: in each 128 bits four of a, of b, of c, of d. */
static inline Words
words_cut_off (const Words v[4])
{
  return _mm256_packus_epi16 (_mm256_packs_epi32 (v[0], v[1]), _mm256_packs_epi32 (v[2], v[3]));
}

/* Those of a lane side by side. */
static inline Words
words_of_lanes (Words bytes)
{
  return _mm256_shuffle_epi8 (bytes, _mm256_broadcastsi128_si256 (_mm_setr_epi8 (
                                         0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
}

/* Those of a, b, c, d side by side, @stride bytes from one to the next; the first @n of these. */
static inline void
words_store_vectors (guint8 *y, gsize stride, Words bytes, int n)
{
  const Words together =
      _mm256_permutevar8x32_epi32 (bytes, _mm256_setr_epi32 (0, 4, 1, 5, 2, 6, 3, 7));
  const __m128i low = _mm256_castsi256_si128 (together),
                high = _mm256_extracti128_si256 (together, 1);
  _mm_storel_epi64 ((__m128i *) y, low);
  if (n > 1)
    _mm_storeh_pd ((double *) (y + stride), _mm_castsi128_pd (low));
  if (n > 2)
    _mm_storel_epi64 ((__m128i *) (y + 2 * stride), high);
  if (n > 3)
    _mm_storeh_pd ((double *) (y + 3 * stride), _mm_castsi128_pd (high));
}
