/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words of four bytes, LANES of them: what vector/quads.h is written in. Included after vector-avx512.h. */

/* Of a product, three vectors and four rows: sums in 12 of 32 registers. Vectors are counted in units. */
#define QUADS_UNIT 1
#define QUADS_MOST_UNITS 3
#define QUADS_UNITS(CASE) CASE (1) CASE (2) CASE (3)
#define QUADS_VECTORS (QUADS_UNIT * QUADS_MOST_UNITS)

/* Of a row of a depthwise convolution at once, the most. */
#define QUADS_WINDOWS 12
#define QUADS_TILES(CASE) CASE (2) CASE (4) CASE (6) CASE (8) CASE (10) CASE (12)

typedef __m512i Words;

static inline Words
words_load (const void *p)
{
  return _mm512_loadu_si512 (p);
}

static inline Words
words_set (guint32 word)
{
  return _mm512_set1_epi32 ((int) word);
}

static inline void
words_store_n (guint32 *p, Words x, gsize n)
{
  _mm512_mask_storeu_epi32 (p, n >= LANES ? 0xffff : v_mask (n), x);
}

/* The nearest whole numbers to x · factor + constant */
static inline Words
words_scale (Words x, V factor, V constant)
{
  return _mm512_cvtps_epi32 (v_fma (_mm512_cvtepi32_ps (x), factor, constant));
}

/* The bytes of four vectors, which are cut off at 0 and 255: in each 128 bits four of a, of b, of c, of d. */
static inline Words
words_cut_off (const Words v[4])
{
  return _mm512_packus_epi16 (_mm512_packs_epi32 (v[0], v[1]), _mm512_packs_epi32 (v[2], v[3]));
}

/* Those of a lane side by side. */
static inline Words
words_of_lanes (Words bytes)
{
  return _mm512_shuffle_epi8 (bytes, _mm512_broadcast_i32x4 (_mm_setr_epi8 (
                                         0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
}

/* Those of a, b, c, d side by side, @stride bytes from one to the next; the first @n of these. */
static inline void
words_store_vectors (guint8 *y, gsize stride, Words bytes, int n)
{
  const Words together = _mm512_permutexvar_epi32 (
      _mm512_setr_epi32 (0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), bytes);
  _mm_storeu_si128 ((__m128i *) y, _mm512_castsi512_si128 (together));
  if (n > 1)
    _mm_storeu_si128 ((__m128i *) (y + stride), _mm512_extracti32x4_epi32 (together, 1));
  if (n > 2)
    _mm_storeu_si128 ((__m128i *) (y + 2 * stride), _mm512_extracti32x4_epi32 (together, 2));
  if (n > 3)
    _mm_storeu_si128 ((__m128i *) (y + 3 * stride), _mm512_extracti32x4_epi32 (together, 3));
}
