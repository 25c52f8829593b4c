/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Four floats: the words core/kernels/vector/ is written in. In …_n (), `n` is how many floats are
 * left of a row: LANES or more, and the whole vector counts; fewer, and only its first n lanes do. */
#pragma once
#include <glib.h>
#include <arm_neon.h>
#include <string.h>

#define LANES 4
typedef float32x4_t V;

/* Tiles of gemm.h: 20 sums in 32 registers, beside four of weights and five of numbers; of six rows GCC would keep some
 * sums in memory. For each input that is 20 FMLA, which take their number from a lane, and 7 loads. */
#define MAX_ROWS 5
#define MAX_GROUPS 1
#define GEMM_TILES(COLUMNS, ROWS)                                                                  \
  COLUMNS (1, 5, ROWS (1, 1) ROWS (1, 2) ROWS (1, 3) ROWS (1, 4) ROWS (1, 5))
#define GEMM_COLUMNS columns_1
#define OUTER_TILES outer_1

/* Sums of peak.h that do not wait for each other: latency (4 cycles) times instructions per cycle (4). */
#define PEAK_CHAINS 16

static inline V
v_set (float x)
{
  return vdupq_n_f32 (x);
}

static inline V
v_load (const float *p)
{
  return vld1q_f32 (p);
}

static inline void
v_store (float *p, V x)
{
  vst1q_f32 (p, x);
}

/* Lanes that do not count are zero. */
static inline V
v_load_n (const float *p, gsize n)
{
  if (n >= LANES)
    return v_load (p);
  V x = v_set (0.f);
  if (n > 0)
    x = vld1q_lane_f32 (p, x, 0);
  if (n > 1)
    x = vld1q_lane_f32 (p + 1, x, 1);
  if (n > 2)
    x = vld1q_lane_f32 (p + 2, x, 2);
  return x;
}

static inline void
v_store_n (float *p, V x, gsize n)
{
  if (n >= LANES) {
    v_store (p, x);
    return;
  }
  if (n > 0)
    vst1q_lane_f32 (p, x, 0);
  if (n > 1)
    vst1q_lane_f32 (p + 1, x, 1);
  if (n > 2)
    vst1q_lane_f32 (p + 2, x, 2);
}

/* x where the lane counts, else @otherwise */
static inline V
v_keep_n (V x, V otherwise, gsize n)
{
  static const guint32 lanes[LANES] = { 0, 1, 2, 3 };
  return n >= LANES ? x : vbslq_f32 (vcltq_u32 (vld1q_u32 (lanes), vdupq_n_u32 (n)), x, otherwise);
}

static inline V
v_add (V a, V b)
{
  return vaddq_f32 (a, b);
}

static inline V
v_sub (V a, V b)
{
  return vsubq_f32 (a, b);
}

static inline V
v_mul (V a, V b)
{
  return vmulq_f32 (a, b);
}

static inline V
v_div (V a, V b)
{
  return vdivq_f32 (a, b);
}

/* a·b + c */
static inline V
v_fma (V a, V b, V c)
{
  return vfmaq_f32 (c, a, b);
}

/* One number for all lanes: a load needs not copy it into each. */
typedef float Scalar;

static inline Scalar
v_scalar (float x)
{
  return x;
}

static inline V
v_fma_scalar (Scalar a, V b, V c)
{
  return vfmaq_n_f32 (c, b, a);
}

static inline V
v_max (V a, V b)
{
  return vmaxq_f32 (a, b);
}

static inline V
v_min (V a, V b)
{
  return vminq_f32 (a, b);
}

static inline V
v_abs (V x)
{
  return vabsq_f32 (x);
}

/* |x| with the sign of s */
static inline V
v_copysign (V x, V s)
{
  return vbslq_f32 (vdupq_n_u32 (0x80000000), s, x);
}

/* a < b ? x : y */
static inline V
v_select_less (V a, V b, V x, V y)
{
  return vbslq_f32 (vcltq_f32 (a, b), x, y);
}

static inline V
v_round (V x)
{
  return vrndnq_f32 (x);
}

/* x · 2^n for whole n, -126 … 127 */
static inline V
v_scale_by_power (V x, V n)
{
  const int32x4_t exponent = vshlq_n_s32 (vaddq_s32 (vcvtq_s32_f32 (n), vdupq_n_s32 (127)), 23);
  return vmulq_f32 (x, vreinterpretq_f32_s32 (exponent));
}

static inline float
v_sum (V x)
{
  return vaddvq_f32 (x);
}

static inline float
v_highest (V x)
{
  return vmaxvq_f32 (x);
}

static inline V
v_load_f16 (const guint16 *p)
{
  return vcvt_f32_f16 (vreinterpret_f16_u16 (vld1_u16 (p)));
}

static inline V
v_load_bf16 (const guint16 *p)
{
  return vreinterpretq_f32_u32 (vshll_n_u16 (vld1_u16 (p), 16));
}

static inline V
v_load_i8 (const gint8 *p)
{
  guint32 four;
  memcpy (&four, p, sizeof four);
  return vcvtq_f32_s32 (vmovl_s16 (vget_low_s16 (vmovl_s8 (vcreate_s8 (four)))));
}

static inline void
v_store_bytes (void *p, uint8x8_t bytes)
{
  const guint32 four = vget_lane_u32 (vreinterpret_u32_u8 (bytes), 0);
  memcpy (p, &four, sizeof four);
}

/* The nearest whole numbers, of two equally near ones the even one, plus @zero, cut off at 0 and 255 */
static inline void
v_store_u8 (guint8 *p, V x, gint32 zero)
{
  const int16x4_t words = vqmovn_s32 (vqaddq_s32 (vcvtnq_s32_f32 (x), vdupq_n_s32 (zero)));
  v_store_bytes (p, vqmovun_s16 (vcombine_s16 (words, words)));
}

/* The nearest whole numbers, of two equally near ones the even one; they are within -128 … 127. */
static inline void
v_store_i8 (gint8 *p, V x)
{
  const int16x4_t words = vqmovn_s32 (vcvtnq_s32_f32 (x));
  v_store_bytes (p, vreinterpret_u8_s8 (vqmovn_s16 (vcombine_s16 (words, words))));
}

static inline void
v_store_bf16 (guint16 *p, V x)
{
  const uint32x4_t bits = vreinterpretq_u32_f32 (x);
  const uint32x4_t even = vandq_u32 (vshrq_n_u32 (bits, 16), vdupq_n_u32 (1));
  vst1_u16 (p, vshrn_n_u32 (vaddq_u32 (vaddq_u32 (bits, vdupq_n_u32 (0x7fff)), even), 16));
}
