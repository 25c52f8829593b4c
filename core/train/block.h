/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trunk's transformer blocks, in the two orders of core/model/block.h, forward and backward.
 *
 *   pre-norm    middle = x + out (MHA (norm1 (x)));      y = middle + proj (act (fc (norm2 (middle))))
 *   post-norm   middle = x + out (MHA (x));   n = norm1 (middle);   last = n + proj (act (fc (n)));   y = norm2 (last)
 *
 * A block whose backward will follow keeps x, q|k|v, probabilities, attended, middle, the hidden layer before its activation
 * (and last): with M = 4C about 10C floats a row. What is norms and activations is computed again.
 */
#pragma once
#include "core/model/block.h"
#include "core/train/attention.h"
#include "core/train/layers.h"

typedef struct {
  ClipTrainNorm norm1, norm2;
  ClipTrainLinear qkv[3]; /* [C, C] each; pre-norm: the first one is all three, [3C, C] */
  ClipTrainLinear out;    /* [C, C] */
  ClipTrainLinear fc;     /* [M, C] */
  ClipTrainLinear proj;   /* [C, M] */
} ClipTrainBlock;

typedef struct {
  ClipBlockShape shape;
  gboolean post_norm;
  int layers;
  ClipTrainBlock *blocks; /* [layers]; block i is number i + 1 of its part */
} ClipTrainBlocks;

/* PREFIX.0 … by OpenCLIP's names: pre-norm. */
ClipTrainBlocks clip_train_blocks_add (ClipParameters *parameters, ClipPart part,
                                       const ClipBlockShape *shape, int layers, const char *prefix);

/* What a pass through the blocks keeps, on the tape. */
typedef struct {
  const ClipSequences *sequences;
  const int *picked;
  int first;                    /* block whose backward is the last one; those below keep nothing */
  struct _ClipBlockKept **kept; /* [layers] */
} ClipBlocksPass;

/*
 * Returns the output, on the tape: [rows, C], or [B, C] where @picked [B] names one row of each sequence (pre-norm; in a
 * causal trunk its last). @x [rows, C] on the tape is changed, or kept. @first: the first block that is trained; layers or
 * more: none. @sequences and @picked live as long as the pass.
 */
float *clip_train_blocks_forward (ClipTape *tape, const ClipTrainBlocks *blocks,
                                  ClipBlocksPass *pass, float *x, const ClipSequences *sequences,
                                  const int *picked, int first);
/* @d: the gradient of the output, which is changed. Returns that of x, on the tape, or of what entered block @first. */
float *clip_train_blocks_backward (ClipTape *tape, const ClipTrainBlocks *blocks,
                                   const ClipBlocksPass *pass, float *d);
