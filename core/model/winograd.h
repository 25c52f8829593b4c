/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 3×3 convolutions, stride 1, by Winograd's minimal filtering (core/kernels/winograd.h): a quarter of the multiplications, for
 * filters that take four times the memory and transforms of what goes in and comes out.
 *
 *   filters [⌈out / 16⌉, 36, C, 16] = G g Gᵀ, made while loading: 36 matrices as gemm.h reads them
 *   for some tiles t of all pictures (a band)
 *     V [36, t, C]    = Bᵀ d B of their inputs
 *     for each panel of outputs
 *       M [36, t, 64] = V · filters
 *       y             = f (Aᵀ M A + bias)
 */
#pragma once
#include "core/model/linear.h"

/* Whether pictures of n×n are convolved faster so, also one by itself. */
gboolean clip_winograd_pays (int n);

/* Transforms @conv's weight, which is [out, C, 3·3] in float32 and not read any more then. */
void clip_winograd_pack (ClipWeights *weights, ClipLinear *conv);

/* clip_conv3 () with such filters. @op: STORE, RELU or RELU6. */
gsize clip_winograd_scratch (const ClipLinear *conv);
void clip_winograd (ClipSession *session, float *y, const float *x, const ClipLinear *conv, int n,
                    int batch, ClipLinearOp op);
