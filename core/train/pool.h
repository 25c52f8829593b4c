/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pooling by mean over maps [B, size, size, C]: k×k squares side by side (AvgPool2d, what is left over is dropped), of which
 * the whole map is one.
 *
 *   y[b, i, j] = mean over the square (i, j) of x     dx = dy / k² everywhere in it
 */
#pragma once
#include "core/train/batchnorm.h"

/* y: [B, size / k, size / k, C] */
void clip_pool_forward (ClipTape *tape, float *y, const ClipMap *x, int k, int size, int channels,
                        int batch);
void clip_pool_backward (ClipTape *tape, ClipSink *dx, const float *dy, int k, int size,
                         int channels, int batch);

/* [B, 3, size, size] to [B, size, size, 3] */
void clip_pixels_innermost (ClipTape *tape, float *y, const float *x, int size, int batch);
