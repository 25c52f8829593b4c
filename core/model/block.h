/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The transformer block, in its two orders:
 *
 *   pre-norm (CLIP)    x += out (MHA (norm1 (x)));       x += proj (act (fc (norm2 (x))))
 *   post-norm (BERT)   x = norm1 (x + out (MHA (x)));    x = norm2 (x + proj (act (fc (x))))
 */
#pragma once
#include "core/model/attention.h"

typedef struct {
  int width, heads, mlp_width; /* C, H, M */
  ClipActivation activation;
  float epsilon;
  gboolean causal;
} ClipBlockShape;

typedef struct {
  ClipNorm norm1, norm2;
  ClipLinear qkv[3]; /* [C, C] each */
  ClipLinear out;    /* [C, C] */
  ClipLinear fc;     /* [M, C] */
  ClipLinear proj;   /* [C, M] */
} ClipBlock;

typedef struct {
  float *narrow; /* [rows, C]: normalised, then attended */
  float *wide;   /* [rows, max (3C, M)]: q | k | v, then the hidden layer */
  float *query;  /* [B, C]: for the last block */
} ClipBlockWorkspace;

/* Binds the blocks PREFIX.0 … PREFIX.(layers - 1) by OpenCLIP's names; g_free (). */
ClipBlock *clip_blocks_bind (ClipWeights *weights, const ClipBlockShape *shape, int layers,
                             const char *prefix);

void clip_block_layout (ClipArena *arena, ClipBlockWorkspace *workspace,
                        const ClipBlockShape *shape, int rows, int batch);
/* Floats of worker scratch for sequences of up to @length tokens. */
gsize clip_block_scratch (const ClipBlockShape *shape, int length);

/* x[rows, C] in place. */
void clip_block_pre_norm (ClipSession *session, const ClipBlockWorkspace *workspace,
                          const ClipBlockShape *shape, const ClipBlock *block, float *x,
                          const ClipSequences *sequences);
void clip_block_post_norm (ClipSession *session, const ClipBlockWorkspace *workspace,
                           const ClipBlockShape *shape, const ClipBlock *block, float *x,
                           const ClipSequences *sequences);
/* y[B, C]: of the pre-norm block's output only the row picked[b] of each sequence: keys and values
 * of all tokens, the rest for one. In a causal tower that row must be the sequence's last. */
void clip_block_pick (ClipSession *session, const ClipBlockWorkspace *workspace,
                      const ClipBlockShape *shape, const ClipBlock *block, float *y, const float *x,
                      const ClipSequences *sequences, const int *picked);

/* Attention pooling (SigLIP's MAP head), a block for a learned query instead of tokens; norm1 is not there.
 *   y = out (MHA (probe, x));       y += proj (act (fc (norm2 (y)))) */
ClipBlock clip_block_pool_bind (ClipWeights *weights, const ClipBlockShape *shape,
                                const char *prefix);
/* y[B, C] of x[rows, C]; @probe: [C] */
void clip_block_pool (ClipSession *session, const ClipBlockWorkspace *workspace,
                      const ClipBlockShape *shape, const ClipBlock *block, float *y, const float *x,
                      const float *probe, const ClipSequences *sequences);

/* clip_linear_pack () for all layers of a block. */
void clip_block_pack (ClipWeights *weights, ClipBlock *block, ClipPrecision precision);
