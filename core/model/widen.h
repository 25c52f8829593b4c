/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a block of an EfficientNet does before it projects: a 1×1 convolution to more channels and a depthwise one, each with
 * its BatchNorm folded in and ReLU6 behind it. Both are one step by bands of rows: a task makes some channels of some rows,
 * and what is expanded never leaves its scratch.
 *
 *   wide = relu6 (expand (x))          1×1; absent in the first stage     [h, w, M]
 *   y = relu6 (depthwise (wide))       k×k, stride s                      [h/s, w/s, M]
 *
 * In float32 (widen.c), or in int8 (widen-i8.c) where x becomes bytes, each row of a picture with a scale of its own, and the
 * rest are bytes from 0 to 6. In int8 the first block begins with the pixels (pixels.h): the 3×3 convolution of them is its expand.
 */
#pragma once
#include "core/model/conv.h"

typedef struct _ClipWidenI8 ClipWidenI8;

typedef struct {
  int in, middle; /* channels; middle: M */
  int kernel, stride;
  int in_size, out_size; /* rows and columns */
  int pad;               /* rows above, columns to the left */

  ClipLinear expand;           /* [M, in]; no rows: x is taken as it is */
  const float *depthwise;      /* per panel of channels: [k, k, panel] */
  const float *depthwise_bias; /* [M] */

  ClipWidenI8 *i8; /* instead of these three */
} ClipWiden;

/* The tensors. expand and expand_norm: NULL where x is taken as it is. */
typedef struct {
  const char *expand, *expand_norm, *depthwise, *depthwise_norm;
} ClipWidenNames;

/* Channels of a task: long enough for the products, short enough for several tasks in the narrowest blocks. */
#define CLIP_WIDEN_PANEL 96

void clip_widen_bind (ClipWiden *widen, ClipWeights *weights, float epsilon,
                      const ClipWidenNames *names);
gsize clip_widen_scratch (const ClipWiden *widen); /* floats of a worker's scratch */
/* y[B, h/s, w/s, M] of x[B, h, w, in] */
void clip_widen_run (ClipSession *session, float *y, const float *x, const ClipWiden *widen,
                     int batch);
void clip_widen_count (ClipSession *session, const ClipWiden *widen,
                       int batch); /* its operations */
