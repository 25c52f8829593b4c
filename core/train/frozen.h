/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The layers of a convolutional trunk that are not trained: a few pictures at a time go through them, and nothing of it is
 * kept. Layer 0 is the stem, 1 … n are the blocks, n + 1 is what pools.
 */
#pragma once
#include "core/train/batchnorm.h"

typedef struct {
  gconstpointer net;
  int size;     /* R */
  int n_blocks; /* n */
  /* The output of layer @i ≤ n for one picture: channels of a position, floats in all. */
  int (*channels) (gconstpointer net, int i);
  gsize (*floats) (gconstpointer net, int i);
  /* y = layer @i of @in: the output of the layer before, or pixels [batch, 3, R, R] */
  void (*run) (gconstpointer net, ClipTape *tape, float *y, const ClipMap *in, int batch, int i);
} ClipFrozen;

/* y[batch, y_floats] = the output of layer @n - 1 for pixels [batch, 3, R, R] */
void clip_frozen_forward (const ClipFrozen *frozen, ClipTape *tape, float *y, gsize y_floats,
                          const float *pixels, int batch, int n);
