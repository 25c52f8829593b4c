/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words of four bytes, LANES of them: what vector/quads.h is written in. Included after vector-neon.h and multiply.h, whose
 * instruction takes all bytes for signed ones: see finish-i8-neon.h. */

/* Of a product, a group and four rows: sums in 16 of 32 registers. Vectors are counted in units. */
#define QUADS_UNIT GROUP_VECTORS
#define QUADS_MOST_UNITS 1
#define QUADS_UNITS(CASE) CASE (1)
#define QUADS_VECTORS (QUADS_UNIT * QUADS_MOST_UNITS)

/* Of a row of a depthwise convolution at once, the most. */
#define QUADS_WINDOWS 12
#define QUADS_TILES(CASE) CASE (2) CASE (4) CASE (6) CASE (8) CASE (10) CASE (12)

static inline Words
words_load (const void *p)
{
  return vld1q_s32 (p);
}

static inline Words
words_set (guint32 word)
{
  return vdupq_n_s32 ((gint32) word);
}

static inline void
words_store_n (guint32 *p, Words x, gsize n)
{
  v_store_n ((float *) p, vreinterpretq_f32_s32 (x), n);
}

/* 128 · Σ w */
static inline Words
words_begin (const gint32 *sums, gsize n)
{
  return vshlq_n_s32 (vreinterpretq_s32_f32 (v_load_n ((const float *) sums, n)), 7);
}

static inline Words
words_prepare (Words x)
{
  return vreinterpretq_s32_u32 (prepare (vreinterpretq_u32_s32 (x)));
}

/* The nearest whole numbers to x · factor + constant */
static inline Words
words_scale (Words x, V factor, V constant)
{
  return vcvtnq_s32_f32 (v_fma (vcvtq_f32_s32 (x), factor, constant));
}

/* The bytes of four vectors, which are cut off at 0 and 255: four of a, of b, of c, of d. */
static inline Words
words_cut_off (const Words v[4])
{
  const int16x8_t low = vqmovn_high_s32 (vqmovn_s32 (v[0]), v[1]),
                  high = vqmovn_high_s32 (vqmovn_s32 (v[2]), v[3]);
  return vreinterpretq_s32_u8 (vqmovun_high_s16 (vqmovun_s16 (low), high));
}

/* Those of a lane side by side. */
static inline Words
words_of_lanes (Words bytes)
{
  static const guint8 order[16] = { 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15 };
  return vreinterpretq_s32_u8 (vqtbl1q_u8 (vreinterpretq_u8_s32 (bytes), vld1q_u8 (order)));
}

/* Those of a, b, c, d side by side, @stride bytes from one to the next; the first @n of these. */
static inline void
words_store_vectors (guint8 *y, gsize stride, Words bytes, int n)
{
  gint32 four[4];
  vst1q_s32 (four, bytes);
  UNROLLED for (int i = 0; i < 4; i++) if (i < n) memcpy (y + i * stride, &four[i], 4);
}

static inline __attribute__ ((always_inline)) void
quads_multiply (Words (*sum)[GROUP_VECTORS], const guint32 *const *w, const guint8 *x,
                gsize x_stride, gsize x_step, int words, int vectors, int rows)
{
  multiply (sum, w[0], x, x_stride, x_step, words, rows);
}
