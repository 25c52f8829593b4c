/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The matrix product of numbers so narrow that a 32-bit lane multiplies several at once. Four bytes along the inputs are a
 * word, the last one of a row filled up with zeros:
 *
 *   int8   4 numbers:  p = x_scale[r] · w_scale[c] · Σ (x[r] - zero[r]) · w[c]     x 0 … 255, w -128 … 127, the sum exact
 *   bf16   2 numbers:  p = Σ x[r] · w[c]                                          in float32
 *
 *   y[rows, n] = clamp (p + bias)        or, where @add,  clamp (y + (p + bias))
 *
 * A row of x is one run of words, or several, one behind the other in W: the lines of a convolution's window, which neighbouring rows
 * share.
 *
 * W [n, k] is packed as in core/kernels/gemm.h, with words instead of floats: [⌈n / 16⌉, words, 16], the last group filled up
 * with zeros. Each output's sum runs over the inputs in their order, whatever rows and outputs are computed with it.
 */
#pragma once
#include "core/kernels/gemm.h"

#include <math.h>

/* Of a row of numbers: x ≈ scale · (q - zero), 0 ≤ zero, q ≤ 255. */
typedef struct {
  float scale;
  gint32 zero;
} ClipQuant;

#define CLIP_GEMM_I8_MAX 65536 /* inputs: 255 · 128 · k is less than 2^31 */

typedef struct {
  float *y;
  gsize y_stride;   /* floats from one row to the next */
  const guint32 *x; /* [rows, runs, words] */
  gsize x_stride;   /* words from one row to the next, which may overlap */
  gssize run_stride; /* words from one run of a row to the next */
  const guint32 *w;
  gsize w_stride; /* words from one group to the next */
  const guint32 *
      next; /* groups that will be multiplied next, @w_stride apart, to be fetched meanwhile; NULL: none */
  const ClipQuant *quant; /* int8: [rows] */
  const float *scales;    /* int8: [n] */
  const gint32 *sums;     /* int8: [n], Σ w[c] */
  const float *bias;      /* [n], or NULL */
  int rows, n;
  int runs, words; /* words: of a run */
  gboolean add;
  float low, high; /* clamp; -INFINITY and INFINITY where there is none */
} ClipGemmNarrow;

typedef void (*ClipGemmNarrowFunc) (const ClipGemmNarrow *g);

void clip_gemm_i8_c (const ClipGemmNarrow *g);

/* How a row between @low ≤ 0 and @high ≥ 0 is quantised: q = round (x · inverse) + zero, cut off at 0 and 255. The range is
 * used as well as it may be and 0 stays 0. A row of nothing but zeros has the scale 0. */
static inline ClipQuant
clip_quant (float low, float high, float *inverse)
{
  const float range = high - low;
  *inverse = range < 1e-30f ? 0 : 255 / range;
  return (ClipQuant){ range < 1e-30f ? 0 : range / 255, (gint32) lrintf (-low * *inverse) };
}

/* The same of a row of weights, whose greatest magnitude is @most: q = round (x · inverse). Returns the scale. */
static inline float
clip_quant_weights (float most, float *inverse)
{
  *inverse = most < 1e-30f ? 0 : 127 / most;
  return most < 1e-30f ? 0 : most / 127;
}
