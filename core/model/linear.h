/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * y[rows, out] = f (x[rows, in] · Wᵀ + bias), the one product everything here is made of.
 *
 * W is cut into panels of output rows. A panel that is not float32 is expanded into the worker's
 * scratch, where it stays in the second-level cache while x is multiplied with it; bias and f are
 * applied before y leaves the cache. How the product is cut depends on its size alone, so its bits
 * do not depend on the number of threads.
 */
#pragma once
#include "core/model/session.h"

typedef struct {
  ClipMatrix weight; /* [out, in] */
  const float *bias; /* [out]; NULL: none */
} ClipLinear;

/* What becomes of p = x · Wᵀ + bias. */
typedef enum {
  CLIP_LINEAR_STORE, /* y = p */
  CLIP_LINEAR_ADD,   /* y += p */
  CLIP_LINEAR_QUICK_GELU,
  CLIP_LINEAR_GELU,
  CLIP_LINEAR_RELU6,
} ClipLinearOp;

ClipLinearOp clip_linear_op (ClipActivation activation);

/* Floats of worker scratch that a product with @in inputs needs. */
gsize clip_linear_scratch (int in);

/*
 * @n layers of as many inputs each read the same x; their outputs lie side by side in a row of y.
 * @y_stride, @x_stride: floats from one row to the next.
 */
void clip_linear (ClipSession *session, float *y, gsize y_stride, const float *x, gsize x_stride,
                  const ClipLinear *layers, int n, int rows, ClipLinearOp op);

/* Reads row @row of a table: y[cols], expanded. */
void clip_matrix_row (const ClipKernels *kernels, float *y, const ClipMatrix *matrix, int row);
