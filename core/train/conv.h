/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Convolutions over square maps [B, size, size, channels], dense and depthwise, and their gradients.
 *
 *   y  = conv (x)                         forward; the moments of y, tile by tile, where its BatchNorm wants them
 *   dW += Σ over positions dy · window    to the weight
 *   dx (+)= conv of dy with W turned      to the layer below, through a ClipSink
 *
 * x and dy are maps: read through their BatchNorm and activation. A dense convolution is a product of the windows of some
 * rows, gathered in a worker's scratch, with the weight; 1×1 takes positions as they come. No image is unfolded whole.
 */
#pragma once
#include "core/train/batchnorm.h"

typedef struct {
  ClipParameter *weight; /* [out, k, k, in]; depthwise: [k, k, C] */
  int kernel, stride;
  int pad; /* rows above, columns to the left */
  int in, out;
  int in_size, out_size;
} ClipConv;

/* Padding on all sides. */
int clip_padded_size (int n, int kernel, int stride, int pad);

/* Each returns the moments of y on the tape where @learn. */
ClipPartials clip_conv_forward (ClipTape *tape, float *y, const ClipMap *x, const ClipConv *conv,
                                int batch, gboolean learn);
void clip_conv_weight (ClipTape *tape, const ClipConv *conv, const ClipMap *dy, const ClipMap *x,
                       int batch);
void clip_conv_input (ClipTape *tape, ClipSink *dx, const ClipConv *conv, const ClipMap *dy,
                      int batch);

ClipPartials clip_depthwise_forward (ClipTape *tape, float *y, const ClipMap *x,
                                     const ClipConv *conv, int batch, gboolean learn);
/* Both gradients; @dx: (nullable) */
void clip_depthwise_backward (ClipTape *tape, ClipSink *dx, const ClipConv *conv, const ClipMap *dy,
                              const ClipMap *x, int batch);
