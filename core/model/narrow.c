/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/narrow.h"

#include <math.h>
#include <string.h>

static guint32
bits_of (float x)
{
  guint32 bits;
  memcpy (&bits, &x, sizeof bits);
  return bits;
}

static guint16
half_of (float x)
{
  const guint32 bits = bits_of (x), magnitude = bits & 0x7fffffff;
  guint32 half;
  if (magnitude >= 0x47800000) /* 2^16 */
    half = 0x7c00;
  else if (magnitude <
           0x38800000) /* 2^-14: the sum's unit in the last place is that of subnormals */
    half = bits_of (fabsf (x) + 0.5f) - bits_of (0.5f);
  else /* the exponent's bias is 112 less; half a unit, less one where the even one is below */
    half = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
  return (bits >> 16 & 0x8000) | half;
}

void
clip_narrow_f16 (guint16 *y, const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    y[i] = half_of (x[i]);
}

void
clip_narrow_bf16 (guint16 *y, const float *x, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    const guint32 bits = bits_of (x[i]);
    y[i] = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  }
}

gboolean
clip_narrow_fits (ClipDtype dtype, const float *x, gsize n)
{
  /* Halfway between the largest number and the one that would come next. */
  const float limit = dtype == CLIP_DTYPE_F16    ? 65520
                      : dtype == CLIP_DTYPE_BF16 ? 0x1.ffp127f
                                                 : INFINITY;
  for (gsize i = 0; i < n; i++) {
    if (!(fabsf (x[i]) < limit))
      return FALSE;
  }
  return TRUE;
}

/* ------------------------------------------------------------------------------------------ int8 */

/* A few large numbers in a row need not decide its scale: of some scales from the one that clips nothing down to half of it, the
 * one with the least squared error is taken, and then the best scale for the integers that it gave. */
#define RATIOS 32
#define LANES 8

/* The nearest integer, even where two are; |x| < 2^22. */
static inline float
nearest (float x)
{
  const float magic = 0x1.8p23f;
  return (x + magic) - magic;
}

static inline float
quantised (float x, float inverse)
{
  const float y = nearest (x * inverse), low = y < -127 ? -127 : y;
  return low > 127 ? 127 : low;
}

/* For q = quantised (x): Σ x q and Σ q². LANES sums each, which are added up at the end: so they can be vectors. */
static void
correlate (float *xq, float *qq, const float *x, gsize n, float inverse)
{
  float sums[2][LANES] = { { 0 } };
  gsize i = 0;
  for (; i + LANES <= n; i += LANES) {
    for (int l = 0; l < LANES; l++) {
      const float q = quantised (x[i + l], inverse);
      sums[0][l] += x[i + l] * q;
      sums[1][l] += q * q;
    }
  }
  *xq = *qq = 0;
  for (; i < n; i++) {
    const float q = quantised (x[i], inverse);
    *xq += x[i] * q;
    *qq += q * q;
  }
  for (int l = 0; l < LANES; l++) {
    *xq += sums[0][l];
    *qq += sums[1][l];
  }
}

static float
row_scale (const float *x, gsize n)
{
  float most = 0, best = 0, scale = 1;
  for (gsize i = 0; i < n; i++)
    most = fmaxf (most, fabsf (x[i]));
  if (!(most >= 0x1p-100f)) /* nothing, or what no sum of squares holds */
    return most > 0 ? most / 127 : 1;
  for (int i = 0; i < RATIOS; i++) {
    const float ratio = 1 - 0.5f * i / (RATIOS - 1);
    float xq, qq;
    correlate (&xq, &qq, x, n, 127 / (most * ratio));
    /* With the scale xq / qq the squared error is Σ x² - xq² / qq. */
    const float gain = xq / qq * xq;
    if (gain > best) {
      best = gain;
      scale = xq / qq;
    }
  }
  return scale;
}

void
clip_narrow_scales (float *scales, const float *x, gsize rows, gsize cols)
{
  for (gsize r = 0; r < rows; r++)
    scales[r] = row_scale (x + r * cols, cols);
}

void
clip_narrow_i8 (gint8 *q, const float *x, const float *scales, gsize rows, gsize cols)
{
  for (gsize r = 0; r < rows; r++) {
    const float inverse = 1 / scales[r];
    for (gsize c = 0; c < cols; c++)
      q[r * cols + c] = (gint8) quantised (x[r * cols + c], inverse);
  }
}
