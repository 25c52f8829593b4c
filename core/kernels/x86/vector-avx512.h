/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sixteen floats: the words core/kernels/vector/ is written in. In …_n (), `n` is how many
 * floats are left of a row: LANES or more, and the whole vector counts; fewer, and only its first n
 * lanes do. */
#pragma once
#include <glib.h>
#include <immintrin.h>

#define LANES 16
typedef __m512 V;

/* Tiles of gemm.h: 24 sums in most of 32 registers. */
#define MAX_ROWS 12
#define MAX_GROUPS 4
#define UP_TO_6(groups, ROWS)                                                                      \
  ROWS (groups, 1)                                                                                 \
  ROWS (groups, 2) ROWS (groups, 3) ROWS (groups, 4) ROWS (groups, 5) ROWS (groups, 6)
#define UP_TO_8(groups, ROWS) UP_TO_6 (groups, ROWS) ROWS (groups, 7) ROWS (groups, 8)
#define UP_TO_12(groups, ROWS)                                                                     \
  UP_TO_8 (groups, ROWS) ROWS (groups, 9) ROWS (groups, 10) ROWS (groups, 11) ROWS (groups, 12)
#define GEMM_TILES(COLUMNS, ROWS)                                                                  \
  COLUMNS (1, 12, UP_TO_12 (1, ROWS))                                                              \
  COLUMNS (2, 12, UP_TO_12 (2, ROWS))                                                              \
  COLUMNS (3, 8, UP_TO_8 (3, ROWS))                                                                \
  COLUMNS (4, 6, UP_TO_6 (4, ROWS))
#define GEMM_COLUMNS columns_1, columns_2, columns_3, columns_4
#define OUTER_TILES outer_1, outer_2, outer_3, outer_4

/* Sums of peak.h that do not wait for each other: more than latency (4 cycles) times instructions per cycle (2), fewer than
 * registers. */
#define PEAK_CHAINS 12

static inline __mmask16
v_mask (gsize n)
{
  return (__mmask16) ((1u << n) - 1);
}

static inline V
v_set (float x)
{
  return _mm512_set1_ps (x);
}

static inline V
v_load (const float *p)
{
  return _mm512_loadu_ps (p);
}

static inline void
v_store (float *p, V x)
{
  _mm512_storeu_ps (p, x);
}

/* Lanes that do not count are zero. */
static inline V
v_load_n (const float *p, gsize n)
{
  return n >= LANES ? v_load (p) : _mm512_maskz_loadu_ps (v_mask (n), p);
}

static inline void
v_store_n (float *p, V x, gsize n)
{
  if (n >= LANES)
    v_store (p, x);
  else
    _mm512_mask_storeu_ps (p, v_mask (n), x);
}

/* x where the lane counts, else @otherwise */
static inline V
v_keep_n (V x, V otherwise, gsize n)
{
  return n >= LANES ? x : _mm512_mask_blend_ps (v_mask (n), otherwise, x);
}

static inline V
v_add (V a, V b)
{
  return _mm512_add_ps (a, b);
}

static inline V
v_sub (V a, V b)
{
  return _mm512_sub_ps (a, b);
}

static inline V
v_mul (V a, V b)
{
  return _mm512_mul_ps (a, b);
}

static inline V
v_div (V a, V b)
{
  return _mm512_div_ps (a, b);
}

/* a·b + c */
static inline V
v_fma (V a, V b, V c)
{
  return _mm512_fmadd_ps (a, b, c);
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
  return _mm512_max_ps (a, b);
}

static inline V
v_min (V a, V b)
{
  return _mm512_min_ps (a, b);
}

static inline V
v_abs (V x)
{
  return _mm512_abs_ps (x);
}

/* |x| with the sign of s */
static inline V
v_copysign (V x, V s)
{
  const V sign = _mm512_set1_ps (-0.f);
  return _mm512_or_ps (_mm512_andnot_ps (sign, x), _mm512_and_ps (sign, s));
}

/* a < b ? x : y */
static inline V
v_select_less (V a, V b, V x, V y)
{
  return _mm512_mask_blend_ps (_mm512_cmp_ps_mask (a, b, _CMP_LT_OQ), y, x);
}

static inline V
v_round (V x)
{
  return _mm512_roundscale_ps (x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* x · 2^n for whole n */
static inline V
v_scale_by_power (V x, V n)
{
  return _mm512_scalef_ps (x, n);
}

static inline float
v_sum (V x)
{
  return _mm512_reduce_add_ps (x);
}

static inline float
v_highest (V x)
{
  return _mm512_reduce_max_ps (x);
}

static inline V
v_load_f16 (const guint16 *p)
{
  return _mm512_cvtph_ps (_mm256_loadu_si256 ((const __m256i *) p));
}

static inline V
v_load_bf16 (const guint16 *p)
{
  const __m512i wide = _mm512_cvtepu16_epi32 (_mm256_loadu_si256 ((const __m256i *) p));
  return _mm512_castsi512_ps (_mm512_slli_epi32 (wide, 16));
}

static inline V
v_load_i8 (const gint8 *p)
{
  return _mm512_cvtepi32_ps (_mm512_cvtepi8_epi32 (_mm_loadu_si128 ((const __m128i *) p)));
}

/* The nearest whole numbers, of two equally near ones the even one, plus @zero, cut off at 0 and 255 */
static inline void
v_store_u8 (guint8 *p, V x, gint32 zero)
{
  const __m512i q = _mm512_add_epi32 (_mm512_cvtps_epi32 (x), _mm512_set1_epi32 (zero));
  const __m512i positive = _mm512_max_epi32 (q, _mm512_setzero_si512 ());
  _mm_storeu_si128 ((__m128i *) p, _mm512_cvtusepi32_epi8 (positive));
}

/* The nearest whole numbers, of two equally near ones the even one; they are within -128 … 127. */
static inline void
v_store_i8 (gint8 *p, V x)
{
  _mm_storeu_si128 ((__m128i *) p, _mm512_cvtepi32_epi8 (_mm512_cvtps_epi32 (x)));
}

static inline void
v_store_bf16 (guint16 *p, V x)
{
  const __m512i bits = _mm512_castps_si512 (x), high = _mm512_srli_epi32 (bits, 16);
  const __m512i even = _mm512_and_si512 (high, _mm512_set1_epi32 (1));
  const __m512i sum = _mm512_add_epi32 (_mm512_add_epi32 (bits, _mm512_set1_epi32 (0x7fff)), even);
  _mm256_storeu_si256 ((__m256i *) p, _mm512_cvtepi32_epi16 (_mm512_srli_epi32 (sum, 16)));
}
