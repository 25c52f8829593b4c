/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The product and convolutions in int8, and resample, with NEON's dot product of signed bytes: see finish-i8-neon.h. */
#include "core/kernels/kernels.h"

#include "core/kernels/arm/vector-neon.h"

#include "core/kernels/vector/unrolled.h"
#include "core/kernels/arm/finish-i8-neon.h"
#include "core/kernels/arm/resize.h"

typedef int32x4_t Words;

static inline Sum
zero (void)
{
  return vdupq_n_s32 (0);
}

#define dot_lane(sum, w, x, lane)                                                                  \
  vdotq_laneq_s32 (sum, vreinterpretq_s8_u32 (w), vreinterpretq_s8_u32 (x), lane)

#include "core/kernels/arm/gemm-narrow.h"

static inline Words
words (gint32 each)
{
  return vdupq_n_s32 (each);
}

static inline Sum
dot (Sum sum, Words x, Words w)
{
  return vdotq_s32 (sum, vreinterpretq_s8_s32 (x), vreinterpretq_s8_s32 (w));
}

#include "core/kernels/arm/words-neon.h"
#include "core/kernels/vector/quads.h"

#define WORD_NUMBERS 4
#include "core/kernels/vector/peak-narrow.h"

/* weight = 2^16·d2 + 2^8·d1 + d0: a quad is a word for each digit. */
static void
resample (guint8 *y, gsize y_stride, const guint32 *x, gsize lanes, const ClipTaps *taps, int from,
          int to)
{
  for (int o = from; o < to; o++) {
    const gint8 *digits = taps->digits + (gsize) o * taps->max_quads * 12;
    const gint32 *weights = taps->weights + (gsize) o * taps->max_quads * 4;
    guint32 all = 0;
    for (int i = 0; i < 4 * taps->n_quads[o]; i++)
      all += (guint32) weights[i];
    const uint32x4_t start = vdupq_n_u32 ((1 << (CLIP_WEIGHT_BITS - 1)) + 128 * all);
    for (gsize block = 0; block < lanes; block += 16) {
      const guint32 *quad = x + taps->first_quad[o] * lanes + block;
      const gint8 *d = digits;
      Sum sum[3][4];
      UNROLLED for (int i = 0; i < 3; i++) UNROLLED for (int v = 0; v < 4; v++) sum[i][v] = zero ();
      for (int q = taps->n_quads[o]; q > 0; q--, quad += lanes, d += 12) {
        gint32 four[3];
        memcpy (four, d, sizeof four);
        UNROLLED for (int v = 0; v < 4; v++)
        {
          const Words samples = vreinterpretq_s32_u32 (prepare (vld1q_u32 (quad + 4 * v)));
          UNROLLED for (int i = 0; i < 3; i++) sum[i][v] =
              dot (sum[i][v], samples, words (four[i]));
        }
      }
      uint32x4_t whole[4];
      for (int v = 0; v < 4; v++) {
        const int32x4_t high = vshlq_n_s32 (vaddq_s32 (sum[1][v], vshlq_n_s32 (sum[2][v], 8)), 8);
        whole[v] = vaddq_u32 (start, vreinterpretq_u32_s32 (vaddq_s32 (sum[0][v], high)));
      }
      resample_leave (y + o * y_stride + block, whole);
    }
  }
}

void
clip_kernels_fill_neondot (ClipKernels *kernels)
{
  kernels->gemm_i8 = gemm;
  kernels->peak_i8 = peak;
  kernels->gemm_quads = gemm_quads;
  kernels->depthwise_i8 = depthwise_i8;
  kernels->resample = resample;
}
