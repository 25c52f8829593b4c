/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The three products of a linear layer, on OpenBLAS, cut into tasks by their sizes:
 *
 *   y  [m, n]  = x · Wᵀ (+ bias)        forward            x [m, k], W [n, k]
 *   dx [m, k] += dy · W                 to the layer below
 *   dW [n, k] += dyᵀ · x                to the weight
 *   db [n]    += Σ_m dy                 to the bias
 *
 * Strides are floats from one row to the next. @add: the result is added to what is there.
 */
#pragma once
#include "core/train/tape.h"

void clip_product_nt (ClipTape *tape, float *y, gsize y_stride, const float *x, gsize x_stride,
                      const float *w, gsize w_stride, const float *bias, int m, int n, int k,
                      gboolean add);
void clip_product_nn (ClipTape *tape, float *dx, gsize dx_stride, const float *dy, gsize dy_stride,
                      const float *w, gsize w_stride, int m, int k, int n, gboolean add);
void clip_product_tn (ClipTape *tape, float *dw, gsize dw_stride, const float *dy, gsize dy_stride,
                      const float *x, gsize x_stride, int n, int k, int m, gboolean add);
/* y[n] += Σ over rows of x[rows, n], in a fixed order */
void clip_sum_rows (ClipTape *tape, float *y, const float *x, gsize x_stride, int rows, int n);

/* Runs @task over 0 … n-1 in ranges of @grain; what each computes must not depend on the range it is in. */
typedef void (*ClipRange) (void *data, int first, int end);
void clip_for_ranges (ClipTape *tape, ClipRange range, void *data, int n, int grain);
