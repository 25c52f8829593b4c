/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/kernels/peak.h with the instruction of gemm-narrow.h. Included after that; WORD_NUMBERS are multiplied in a lane. */

static guint64
peak (gsize rounds)
{
  volatile gint32 given = 0x3f803f80, sink; /* ones, of bf16 */
  const Words x = words (given), w = words (given);
  Sum sum[PEAK_CHAINS];
  UNROLLED for (int i = 0; i < PEAK_CHAINS; i++) sum[i] = zero ();
  for (gsize round = 0; round < rounds; round++)
    UNROLLED for (int i = 0; i < PEAK_CHAINS; i++) sum[i] = dot (sum[i], x, w);
  UNROLLED for (int i = 0; i < PEAK_CHAINS; i++)
  {
    gint32 lanes[LANES];
    memcpy (lanes, &sum[i], sizeof lanes);
    sink = lanes[0];
  }
  (void) sink;
  return (guint64) rounds * PEAK_CHAINS * LANES * WORD_NUMBERS * 2;
}
