/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portable meaning of convolutions in int8: every level that has them gives the same bits. */
#include "core/kernels/quads.h"

#include <string.h>

static guint8
to_byte (float v)
{
  const long q = lrintf (v);
  return CLAMP (q, 0, 255);
}

void
clip_gemm_quads_c (const ClipGemmQuads *g)
{
  for (int row = 0; row < (g->rows + 3) / 4 * 4; row++) {
    guint8 *y = (guint8 *) (g->y + row / 4 * g->y_stride) + row % 4;
    for (int c = 0; c < g->n; c++, y += 4) {
      if (row >= g->rows) {
        *y = 0;
        continue;
      }
      const guint8 *x = g->x + row * g->x_stride;
      const gint8 *w = (const gint8 *) (g->w + c / CLIP_GROUP * g->w_stride + c % CLIP_GROUP);
      gint32 sum = 0;
      for (int i = 0; i < g->words; i++, x += g->x_step, w += 4 * CLIP_GROUP)
        sum += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
      const ClipQuant quant = g->quant;
      const float constant = fmaf (-(quant.scale * quant.zero), g->offsets[c], g->bias[c]);
      *y = to_byte (fmaf (sum, quant.scale * g->scales[c], constant));
    }
  }
}

void
clip_depthwise_i8_c (const ClipDepthwiseI8 *d)
{
  for (int x = 0; x < d->width; x++) {
    const int first = d->start + x * d->stride, quad = first / 4, phase = first % 4;
    const guint32 *taps = d->w + (gsize) phase * d->k * 2 * d->w_stride;
    for (int c = 0; c < d->n; c++) {
      gint32 sum = 0;
      for (int i = 0; i < 2 * d->k; i++) {
        const gint8 *w = (const gint8 *) (taps + i * d->w_stride + c);
        const guint8 *v = (const guint8 *) (d->rows[i / 2] + (quad + i % 2) * d->rows_stride + c);
        sum += v[0] * w[0] + v[1] * w[1] + v[2] * w[2] + v[3] * w[3];
      }
      d->y[x * d->y_stride + c] = to_byte (fmaf (sum, d->scales[c], d->bias[c]));
    }
  }
}

void
clip_quads_weights (guint32 *w, gsize w_stride, const gint8 *taps, int k, int n)
{
  for (int phase = 0; phase < 4; phase++) {
    for (int row = 0; row < k; row++, w += 2 * w_stride) {
      for (int c = 0; c < n; c++) {
        gint8 bytes[8] = { 0 };
        memcpy (bytes + phase, taps + ((gsize) c * k + row) * k, k);
        memcpy (w + c, bytes, 4);
        memcpy (w + w_stride + c, bytes + 4, 4);
      }
    }
  }
}
