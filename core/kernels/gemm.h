/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The matrix product with weights in the order it reads them:
 *
 *   y[rows, n] = clamp (x[rows, k] · Wᵀ + bias)        or, where @add,  clamp (y + x · Wᵀ + bias)
 *
 * W [n, k] is packed into groups of CLIP_GROUP outputs, a cache line of floats for each input: [⌈n / 16⌉, k, 16], the
 * last group filled up with zeros. A tile of some rows times some groups stays in registers for all of k.
 */
#pragma once
#include <glib.h>

#define CLIP_GROUP 16

typedef struct {
  float *y;
  gsize y_stride; /* floats from one row to the next */
  const float *x;
  gsize x_stride;
  const float *w;
  gsize w_stride; /* floats from one group to the next: CLIP_GROUP · k, or more where k is a part of the inputs */
  const float *bias; /* [n], or NULL */
  int rows, n, k;
  gboolean add;
  float low, high; /* clamp; -INFINITY and INFINITY where there is none */
} ClipGemm;

/* y[k, 16] = x[16, k] transposed; of x only @rows ≤ 16 are there, zeros stand for the others. */
typedef void (*ClipPackFunc) (float *y, const float *x, gsize x_stride, int rows, int k);
typedef void (*ClipGemmFunc) (const ClipGemm *g);

void clip_pack_c (float *y, const float *x, gsize x_stride, int rows, int k);
