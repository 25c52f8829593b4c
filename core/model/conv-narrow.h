/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * clip_conv3 () with a layer that is reduced (reduced.h). A task makes rows of a picture's result, a band:
 *
 *   band = narrow (x)             the rows that it reads, zeros around them
 *   y = conv (band)               the product of core/kernels/gemm-narrow.h: windows overlap where they lie, a run for each line
 *
 * In int8 a band has a scale and a zero of its own, from its smallest and largest number. How pictures are cut into bands depends
 * on their size alone, and so do the results.
 */
#pragma once
#include "core/model/conv.h"

/* Whether a convolution of @channels can be computed so: words begin and end with a position. */
gboolean clip_conv3_narrow_fits (ClipPrecision precision, int channels);
gsize clip_conv3_narrow_scratch (const ClipLinear *conv, int n);
/* @op: STORE or RELU */
void clip_conv3_narrow (ClipSession *session, float *y, const float *x, const ClipLinear *conv,
                        int n, int batch, ClipLinearOp op);
