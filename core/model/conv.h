/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Convolutions over pictures [row, column, channel], by product. A 1×1 convolution is clip_linear () over positions.
 * BatchNorm is folded into the convolution in front of it while loading:
 *
 *   γ · (W x - μ) / √(σ² + ε) + β = (s · W) x + (β - s · μ),  s = γ / √(σ² + ε)
 */
#pragma once
#include "core/model/layers.h"

/* TensorFlow's SAME padding: out = ⌈n / s⌉, the odd one of the padding goes behind. */
int clip_same_size (int n, int stride);
int clip_same_pad (int n, int kernel, int stride);

/* The first dimension of a tensor; FALSE where it is absent or out of all proportion. */
gboolean clip_conv_outputs (const ClipWeights *weights, int *n, const char *name);

/* s · W [out, in] in float32, in the order of the file, and its bias; CONV.weight, NORM.weight and so on. The weight may be
 * changed, and released with clip_weights_release (). */
ClipLinear clip_bind_folded (ClipWeights *weights, int out, int in, float epsilon, const char *conv,
                             const char *norm);
/* The same, packed, in BF16 and INT8 reduced if it can be. @taps more than 1: the file's [out, in / taps, taps] is made
 * [out, taps, in / taps], as pictures that have their channels innermost want it. */
ClipLinear clip_bind_conv (ClipWeights *weights, int out, int in, int taps, float epsilon,
                           const char *conv, const char *norm, ClipPrecision precision);

/* The same of a 3×3 convolution with @channels inputs, as clip_conv3 () wants it for pictures of n×n. */
ClipLinear clip_bind_conv3 (ClipWeights *weights, int out, int channels, int n, float epsilon,
                            const char *conv, const char *norm, ClipPrecision precision);

/* What a tower begins with: 3×3, stride 2, from planes of pixels.
 *   y[B, out_size, out_size, S] = f (conv (pixels [B, 3, size, size])) */
typedef struct {
  ClipLinear conv; /* [S, 3·3·3]: (channel, row, column) */
  int size, out_size;
  int pad; /* rows above, columns to the left */
} ClipStem;

gsize clip_stem_scratch (const ClipStem *stem);
void clip_stem_run (ClipSession *session, float *y, const float *pixels, const ClipStem *stem,
                    int batch, ClipLinearOp op);

/* 3×3, stride 1, in the way of @conv (conv-narrow.h, winograd.h, or a product of 3·3·C inputs), one row and column of zeros around
 * each picture.
 *   y[B, n, n, out] = f (conv (x [B, n, n, C])), conv [out, 3·3·C]: (row, column, channel) */
gsize clip_conv3_scratch (const ClipLinear *conv, int n);
void clip_conv3 (ClipSession *session, float *y, const float *x, const ClipLinear *conv, int n,
                 int batch, ClipLinearOp op);

/* y[B, n / 2, n / 2, C] = mean over squares of 2×2 of x[B, n, n, C]; n is even. */
void clip_halve (ClipSession *session, float *y, const float *x, int n, int channels, int batch);
