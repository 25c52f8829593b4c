/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/kernels/peak.h. Included after vector-….h. */

static guint64
peak_f32 (gsize rounds)
{
  volatile float given = 0.5f, sink;
  const V factor = v_set (given), term = v_set (given);
  V sum[PEAK_CHAINS];
  UNROLLED for (int i = 0; i < PEAK_CHAINS; i++) sum[i] = v_set (given * i);
  for (gsize round = 0; round < rounds; round++)
    UNROLLED for (int i = 0; i < PEAK_CHAINS; i++) sum[i] = v_fma (sum[i], factor, term);
  V all = sum[0];
  UNROLLED for (int i = 1; i < PEAK_CHAINS; i++) all = v_add (all, sum[i]);
  float lanes[LANES];
  v_store (lanes, all);
  sink = lanes[0];
  (void) sink;
  return (guint64) rounds * PEAK_CHAINS * LANES * 2;
}
