/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sums of products of words, one factor by lane. Included after vector-neon.h, leave.h and
 *
 *   Sum, dot_lane (sum, w, x, lane)  four sums, and one more word of each; @lane is a constant
 *   prepare (words)                  what dot_lane () takes as x
 */

/* One word of each row. */
#define ADD_WORD(lane)                                                                             \
  UNROLLED for (int v = 0; v < GROUP_VECTORS; v++)                                                 \
  {                                                                                                \
    const uint32x4_t weight = vld1q_u32 (w + v * LANES);                                           \
    UNROLLED for (int r = 0; r < rows; r++) sum[r][v] =                                            \
        dot_lane (sum[r][v], weight, word[r], lane);                                               \
  }                                                                                                \
  w += CLIP_GROUP;

/* Adds to sums of a group the @words of @rows, x_stride bytes from one row to the next, x_step from one word to the next; four
 * words that are side by side are loaded at once. */
static inline __attribute__ ((always_inline)) void
multiply (Sum (*sum)[GROUP_VECTORS], const guint32 *w, const guint8 *x, gsize x_stride,
          gsize x_step, int words, int rows)
{
  uint32x4_t word[MAX_ROWS];
  int i = 0;
  for (; x_step == 4 && i + 4 <= words; i += 4, x += 16) {
    UNROLLED for (int r = 0; r < rows; r++) word[r] =
        prepare (vreinterpretq_u32_u8 (vld1q_u8 (x + r * x_stride)));
    ADD_WORD (0)
    ADD_WORD (1)
    ADD_WORD (2)
    ADD_WORD (3)
  }
  for (; i < words; i++, x += x_step) {
    UNROLLED for (int r = 0; r < rows; r++)
    {
      guint32 one;
      memcpy (&one, x + r * x_stride, sizeof one);
      word[r] = prepare (vdupq_n_u32 (one));
    }
    ADD_WORD (0)
  }
}
