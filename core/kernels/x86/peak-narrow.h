/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/kernels/peak.h with the instruction of gemm-narrow.h. Included after that; WORD_NUMBERS are multiplied in a lane. */

/* Sums that do not wait for each other: more than latency (4 cycles) times instructions per cycle (2), fewer than registers. */
#define PEAK_CHAINS 12

static guint64
peak (gsize rounds)
{
  volatile gint32 given = 0x3f803f80, sink; /* ones, of bf16 */
  const __m512i x = _mm512_set1_epi32 (given), w = _mm512_set1_epi32 (given);
  Sum sum[PEAK_CHAINS];
  UNROLLED for (int i = 0; i < PEAK_CHAINS; i++) sum[i] = zero ();
  for (gsize round = 0; round < rounds; round++)
    UNROLLED for (int i = 0; i < PEAK_CHAINS; i++) sum[i] = dot (sum[i], x, w);
  UNROLLED for (int i = 0; i < PEAK_CHAINS; i++)
  {
    gint32 lanes[16];
    memcpy (lanes, &sum[i], sizeof lanes);
    sink = lanes[0];
  }
  (void) sink;
  return (guint64) rounds * PEAK_CHAINS * 16 * WORD_NUMBERS * 2;
}
