/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * y[rows, out] = f (x[rows, in] · Wᵀ + bias), the one product everything here is made of.
 *
 * W is cut into panels of output rows, x into blocks of rows; a task multiplies one with the other. What a panel needs to
 * become float32 in the order of ClipKernels.gemm is done in the worker's scratch, from where it is read while it is in
 * the second-level cache. How the product is cut depends on its size alone, so its bits do not depend on the number of
 * threads. Where the kernels have no product of their own OpenBLAS does it, panel by panel.
 *
 * A layer of reduced precision (reduced.h) is multiplied in int8 or bf16; what goes in and comes out is float32.
 */
#pragma once
#include "core/model/matrix.h"
#include "core/model/reduced.h"

typedef struct {
  ClipMatrix weight; /* [out, in] */
  const float *bias; /* [out]; NULL: none */
  const void *
      packed; /* [⌈out / 16⌉, in, 16] of the weight's type (core/kernels/gemm.h); NULL: as stored */
  ClipReduced reduced; /* instead, where products are computed with narrow numbers */
  const float *filters; /* instead, of a 3×3 convolution that is computed with fewer products (winograd.h) */
} ClipLinear;

/* What becomes of p = x · Wᵀ + bias. */
typedef enum {
  CLIP_LINEAR_STORE, /* y = p */
  CLIP_LINEAR_ADD,   /* y += p */
  CLIP_LINEAR_QUICK_GELU,
  CLIP_LINEAR_GELU,
  CLIP_LINEAR_GELU_TANH,
  CLIP_LINEAR_RELU6,
  CLIP_LINEAR_RELU,
  CLIP_LINEAR_ADD_RELU, /* y = max (y + p, 0) */
} ClipLinearOp;

ClipLinearOp clip_linear_op (ClipActivation activation);

/* Packs the weight while loading, for layers that often see few rows at a time: doing it in every product would take a
 * tenth of the time of one with 50 rows, half of one with 10. Costs as much memory as the weight, which is not
 * read any more where it lies in the file. Nothing happens to an I8 weight, nor where OpenBLAS does the products.
 * In int8 and bf16 the layer is reduced; where the processor has no product in bf16, floats are multiplied whose weights
 * are rounded to it. */
void clip_linear_pack (ClipWeights *weights, ClipLinear *layer, ClipPrecision precision);
/* The same of a weight in float32 that was made with clip_weights_alloc (), which is released where it is not read any more. */
void clip_linear_pack_own (ClipWeights *weights, ClipLinear *layer, ClipPrecision precision);

/* Floats of worker scratch that a product with @in inputs needs. */
gsize clip_linear_scratch (int in);

/*
 * @n layers of as many inputs each read the same x; their outputs lie side by side in a row of y.
 * @y_stride, @x_stride: floats from one row to the next.
 */
void clip_linear (ClipSession *session, float *y, gsize y_stride, const float *x, gsize x_stride,
                  const ClipLinear *layers, int n, int rows, ClipLinearOp op);
/* The same of layers that read different x, which lie side by side in a row, too. */
void clip_linear_each (ClipSession *session, float *y, gsize y_stride, const float *x,
                       gsize x_stride, const ClipLinear *layers, int n, int rows, ClipLinearOp op);
/* clip_linear () with an x that is reduced as @layer is. */
void clip_linear_reduced (ClipSession *session, float *y, gsize y_stride, ClipReducedRows x,
                          const ClipLinear *layer, int rows, ClipLinearOp op);

/* The outputs first … first + n - 1 over the inputs from … from + k - 1; first is a multiple of CLIP_GROUP. Where inputs
 * are taken in several parts, in their order, each adds to the one before it: the first adds the bias, the last applies
 * the op. */
typedef struct {
  int first, n;
  int from, k;
} ClipLinearPart;

/* Within a task, of a float32 layer. x begins with the input @from; where the kernels have a product of their own, its rows
 * may overlap. */
void clip_linear_part (const ClipKernels *kernels, float *y, gsize y_stride, const float *x,
                       gsize x_stride, const ClipLinear *layer, ClipLinearPart part, int rows,
                       ClipLinearOp op);
