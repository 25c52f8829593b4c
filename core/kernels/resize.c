/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The meaning of gather and resample (core/kernels/resize.h). Sums are unsigned: those that fit 32 bits in the end may
 * wrap on their way, in any order, and the vector versions use that. */
#include "core/kernels/resize.h"

#include <string.h>

void
clip_gather_c (guint32 *quads, const guint8 *const rows[CLIP_BAND_ROWS], gsize n_bytes,
               const ClipGather *gather, gsize n_loads)
{
  for (gsize load = 0; load < n_loads; load++, quads += gather->advance)
    for (int row = 0; row < CLIP_BAND_ROWS; row++) {
      const gsize at = load * gather->step;
      guint8 tail[16] = { 0 };
      const guint8 *bytes = tail;
      if (at + 16 <= n_bytes)
        bytes = rows[row] + at;
      else if (at < n_bytes)
        memcpy (tail, rows[row] + at, n_bytes - at);
      for (int q = 0; q < gather->n_quads; q++) {
        const guint8 *pick = gather->pick + 4 * q;
        quads[gather->offset[q] + row] = (guint32) bytes[pick[0]] | (guint32) bytes[pick[1]] << 8 |
                                         (guint32) bytes[pick[2]] << 16 |
                                         (guint32) bytes[pick[3]] << 24;
      }
    }
}

static guint8
clip8 (guint32 sum)
{
  return CLAMP ((gint32) sum >> CLIP_WEIGHT_BITS, 0, 255);
}

void
clip_resample_c (guint8 *y, gsize y_stride, const guint32 *x, gsize lanes, const ClipTaps *taps,
                 int from, int to)
{
  for (int o = from; o < to; o++)
    for (gsize block = 0; block < lanes; block += CLIP_BAND_ROWS) {
      const guint32 *quad = x + taps->first_quad[o] * lanes + block;
      const gint32 *weight = taps->weights + (gsize) o * taps->max_quads * 4;
      guint32 sum[CLIP_BAND_ROWS];
      for (int i = 0; i < CLIP_BAND_ROWS; i++)
        sum[i] = 1u << (CLIP_WEIGHT_BITS - 1);
      for (int q = 0; q < taps->n_quads[o]; q++, quad += lanes, weight += 4)
        for (int i = 0; i < CLIP_BAND_ROWS; i++)
          sum[i] +=
              (quad[i] & 255) * (guint32) weight[0] + (quad[i] >> 8 & 255) * (guint32) weight[1] +
              (quad[i] >> 16 & 255) * (guint32) weight[2] + (quad[i] >> 24) * (guint32) weight[3];
      for (int i = 0; i < CLIP_BAND_ROWS; i++)
        y[o * y_stride + block + i] = clip8 (sum[i]);
    }
}
