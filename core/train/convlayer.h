/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What convolutional towers are trained in units of: a convolution, its BatchNorm, and the clamp (ReLU, ReLU6, none) that
 * the next layer reads it through. On the tape lies what the convolution gave, and nothing else.
 *
 *   y = conv (x) [B, out_size², out];   out = clamp (BatchNorm (y)), a map of y
 */
#pragma once
#include "core/train/conv.h"

typedef struct {
  ClipConv conv;
  ClipBatchNorm norm;
  gboolean depthwise;
  float low, high; /* of what follows the BatchNorm */
} ClipConvLayer;

/* One pass through it. */
typedef struct {
  const ClipConvLayer *layer;
  ClipMap in, out;
  float *y;
  ClipNormed normed;
  int batch;
  /* The gradient of the BatchNorm's output, put there by whoever is above through clip_conv_pass_sink (), and its sums. */
  float *g, *sum, *dot;
} ClipConvPass;

static inline gsize
clip_conv_layer_floats (const ClipConvLayer *layer, int batch)
{
  return (gsize) batch * layer->conv.out_size * layer->conv.out_size * layer->conv.out;
}

/* Binds CONV.weight, and the BatchNorm NORM. What follows is ReLU6 where @high is 6. */
typedef struct {
  ClipParameters *parameters;
  ClipPart part;
  int block;
  float epsilon;
} ClipConvBinding;
void clip_conv_layer_bind (ClipConvLayer *layer, const ClipConvBinding *binding, ClipConv conv,
                           gboolean depthwise, float low, float high, const char *conv_name,
                           const char *norm_name);

/* @learn_norm: with the statistics of the batch. */
void clip_conv_layer_forward (ClipConvPass *pass, ClipTape *tape, const ClipConvLayer *layer,
                              const ClipMap *in, int batch, gboolean learn_norm);

/* Takes sum and dot, and g where @g is NULL, from the tape. Returns the sink that the layer above is to fill, its gate the
 * clamp. @g: the gradient of a residual sum, to which that of the branch is added. */
ClipSink clip_conv_pass_sink (ClipConvPass *pass, ClipTape *tape, float *g);
/* After g is there: adds to the parameters' gradients; @dx: (nullable): the gradient of what came in. */
void clip_conv_layer_backward (ClipConvPass *pass, ClipTape *tape, ClipSink *dx);

/* y[P, C] = the map, made */
void clip_map_make (ClipTape *tape, float *y, const ClipMap *map, gsize positions, int channels);
