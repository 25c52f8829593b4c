/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* float32 → the types that weights are stored in: what core/kernels expands. */
#pragma once
#include "core/checkpoint/checkpoint.h"

/* y[n] = the nearest half or bfloat, of two equally near ones the even one; infinite where clip_narrow_fits () is FALSE. */
void clip_narrow_f16 (guint16 *y, const float *x, gsize n);
void clip_narrow_bf16 (guint16 *y, const float *x, gsize n);
/* Whether all values of x[n] are finite in @dtype, F32, F16 or BF16. */
gboolean clip_narrow_fits (ClipDtype dtype, const float *x, gsize n);

/* scales[rows] for x[rows, cols] ≈ scale · q, then q[rows, cols] in -127 … 127. */
void clip_narrow_scales (float *scales, const float *x, gsize rows, gsize cols);
void clip_narrow_i8 (gint8 *q, const float *x, const float *scales, gsize rows, gsize cols);
