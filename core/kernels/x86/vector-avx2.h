/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Eight floats: the words core/kernels/vector/ is written in. In …_n (), `n` is how many floats
 * are left of a row: LANES or more, and the whole vector counts; fewer, and only its first n lanes
 * do. */
#pragma once
#include <glib.h>
#include <immintrin.h>

#define LANES 8
typedef __m256 V;

/* Tiles of gemm.h: 12 sums in 16 registers. */
#define MAX_ROWS 6
#define MAX_GROUPS 1
#define GEMM_TILES(COLUMNS, ROWS)                                                                  \
  COLUMNS (1, 6, ROWS (1, 1) ROWS (1, 2) ROWS (1, 3) ROWS (1, 4) ROWS (1, 5) ROWS (1, 6))
#define GEMM_COLUMNS columns_1
#define OUTER_TILES outer_1

/* Sums of peak.h that do not wait for each other: more than latency (4 cycles) times instructions per cycle (2), fewer than
 * registers. */
#define PEAK_CHAINS 12

static inline __m256i
v_mask (gsize n)
{
  static const gint32 ones[16] = { -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0 };
  return _mm256_loadu_si256 ((const __m256i *) (ones + 8 - n));
}

static inline V
v_set (float x)
{
  return _mm256_set1_ps (x);
}

static inline V
v_load (const float *p)
{
  return _mm256_loadu_ps (p);
}

static inline void
v_store (float *p, V x)
{
  _mm256_storeu_ps (p, x);
}

/* Lanes that do not count are zero. */
static inline V
v_load_n (const float *p, gsize n)
{
  return n >= LANES ? v_load (p) : _mm256_maskload_ps (p, v_mask (n));
}

static inline void
v_store_n (float *p, V x, gsize n)
{
  if (n >= LANES)
    v_store (p, x);
  else
    _mm256_maskstore_ps (p, v_mask (n), x);
}

/* x where the lane counts, else @otherwise */
static inline V
v_keep_n (V x, V otherwise, gsize n)
{
  return n >= LANES ? x : _mm256_blendv_ps (otherwise, x, _mm256_castsi256_ps (v_mask (n)));
}

static inline V
v_add (V a, V b)
{
  return _mm256_add_ps (a, b);
}

static inline V
v_sub (V a, V b)
{
  return _mm256_sub_ps (a, b);
}

static inline V
v_mul (V a, V b)
{
  return _mm256_mul_ps (a, b);
}

static inline V
v_div (V a, V b)
{
  return _mm256_div_ps (a, b);
}

/* a·b + c */
static inline V
v_fma (V a, V b, V c)
{
  return _mm256_fmadd_ps (a, b, c);
}

/* One number for all lanes. */
typedef V Scalar;

static inline Scalar
v_scalar (float x)
{
  return v_set (x);
}

static inline V
v_fma_scalar (Scalar a, V b, V c)
{
  return v_fma (a, b, c);
}

static inline V
v_max (V a, V b)
{
  return _mm256_max_ps (a, b);
}

static inline V
v_min (V a, V b)
{
  return _mm256_min_ps (a, b);
}

static inline V
v_abs (V x)
{
  return _mm256_andnot_ps (_mm256_set1_ps (-0.f), x);
}

/* |x| with the sign of s */
static inline V
v_copysign (V x, V s)
{
  const V sign = _mm256_set1_ps (-0.f);
  return _mm256_or_ps (_mm256_andnot_ps (sign, x), _mm256_and_ps (sign, s));
}

/* a < b ? x : y */
static inline V
v_select_less (V a, V b, V x, V y)
{
  return _mm256_blendv_ps (y, x, _mm256_cmp_ps (a, b, _CMP_LT_OQ));
}

static inline V
v_round (V x)
{
  return _mm256_round_ps (x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* x · 2^n for whole n, -126 … 127 */
static inline V
v_scale_by_power (V x, V n)
{
  const __m256i exponent =
      _mm256_slli_epi32 (_mm256_add_epi32 (_mm256_cvtps_epi32 (n), _mm256_set1_epi32 (127)), 23);
  return _mm256_mul_ps (x, _mm256_castsi256_ps (exponent));
}

static inline float
v_sum (V x)
{
  __m128 s = _mm_add_ps (_mm256_castps256_ps128 (x), _mm256_extractf128_ps (x, 1));
  s = _mm_add_ps (s, _mm_movehl_ps (s, s));
  return _mm_cvtss_f32 (_mm_add_ss (s, _mm_movehdup_ps (s)));
}

static inline float
v_highest (V x)
{
  __m128 s = _mm_max_ps (_mm256_castps256_ps128 (x), _mm256_extractf128_ps (x, 1));
  s = _mm_max_ps (s, _mm_movehl_ps (s, s));
  return _mm_cvtss_f32 (_mm_max_ss (s, _mm_movehdup_ps (s)));
}

static inline V
v_load_f16 (const guint16 *p)
{
  return _mm256_cvtph_ps (_mm_loadu_si128 ((const __m128i *) p));
}

static inline V
v_load_bf16 (const guint16 *p)
{
  const __m256i wide = _mm256_cvtepu16_epi32 (_mm_loadu_si128 ((const __m128i *) p));
  return _mm256_castsi256_ps (_mm256_slli_epi32 (wide, 16));
}

static inline V
v_load_i8 (const gint8 *p)
{
  return _mm256_cvtepi32_ps (_mm256_cvtepi8_epi32 (_mm_loadl_epi64 ((const __m128i *) p)));
}

/* The nearest whole numbers, of two equally near ones the even one, plus @zero, cut off at 0 and 255 */
static inline void
v_store_u8 (guint8 *p, V x, gint32 zero)
{
  const __m256i q = _mm256_add_epi32 (_mm256_cvtps_epi32 (x), _mm256_set1_epi32 (zero));
  const __m128i words =
      _mm_packs_epi32 (_mm256_castsi256_si128 (q), _mm256_extracti128_si256 (q, 1));
  _mm_storel_epi64 ((__m128i *) p, _mm_packus_epi16 (words, words));
}

/* The nearest whole numbers, of two equally near ones the even one; they are within -128 … 127. */
static inline void
v_store_i8 (gint8 *p, V x)
{
  const __m256i q = _mm256_cvtps_epi32 (x);
  const __m128i words =
      _mm_packs_epi32 (_mm256_castsi256_si128 (q), _mm256_extracti128_si256 (q, 1));
  _mm_storel_epi64 ((__m128i *) p, _mm_packs_epi16 (words, words));
}

static inline void
v_store_bf16 (guint16 *p, V x)
{
  const __m256i bits = _mm256_castps_si256 (x);
  const __m256i even = _mm256_and_si256 (_mm256_srli_epi32 (bits, 16), _mm256_set1_epi32 (1));
  const __m256i sum = _mm256_add_epi32 (_mm256_add_epi32 (bits, _mm256_set1_epi32 (0x7fff)), even);
  const __m256i high = _mm256_srli_epi32 (sum, 16);
  _mm_storeu_si128 ((__m128i *) p, _mm_packus_epi32 (_mm256_castsi256_si128 (high),
                                                     _mm256_extracti128_si256 (high, 1)));
}
