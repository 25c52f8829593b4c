/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reduced precision: layers and their inputs as the words of core/kernels/gemm-narrow.h: a layer once, while it is loaded, its input once for
 * each product.
 *
 *   int8   weights -127 … 127 with a scale for each output; a row of x 0 … 255 with a scale and a zero of its own, from its
 *          smallest and largest number: nothing is calibrated, and no row depends on its neighbours
 *   bf16   both rounded to nearest
 */
#pragma once
#include "core/model/session.h"

typedef struct {
  ClipPrecision precision; /* CLIP_PRECISION_INT8 or CLIP_PRECISION_BF16 */
  int n;                   /* words of a row */
  const guint32 *data;     /* [⌈out / 16⌉, n, 16]; NULL: the layer is not reduced */
  const float *scales;     /* int8: [out] */
  const gint32 *sums;      /* int8: [out] */
} ClipReduced;

/* Makes @reduced of a matrix. A matrix of I8 keeps its numbers and scales. FALSE, and nothing happens, where @precision is
 * another, or this processor multiplies floats instead. */
gboolean clip_reduce_pack (ClipWeights *weights, ClipReduced *reduced, const ClipMatrix *matrix,
                           ClipPrecision precision);

/* x[rows, n words] in the session's memory, until the next call */
typedef struct {
  const guint32 *data;
  gsize stride;           /* words from one row to the next */
  const ClipQuant *quant; /* int8: [rows] */
} ClipReducedRows;

/* Of x[rows, in], for a layer that is @reduced. */
ClipReducedRows clip_reduce_rows (ClipSession *session, const ClipReduced *reduced, const float *x,
                                  gsize x_stride, int rows, int in);
/* Of @n such x side by side, [rows, n · in], for as many layers that are @reduced alike: [n, rows] rows. */
ClipReducedRows clip_reduce_rows_each (ClipSession *session, const ClipReduced *reduced,
                                       const float *x, gsize x_stride, int n, int rows, int in);
