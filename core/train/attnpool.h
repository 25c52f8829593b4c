/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CLIP's attention pooling, of a ResNet's last map x [B, n, n, F], T = n² + 1:
 *
 *   tokens = concat (mean over positions of x, x) + position                            [B, T, F]
 *   y = c_proj (MHA (q_proj (tokens[0]), k_proj (tokens), v_proj (tokens)))             [B, E]
 */
#pragma once
#include "core/train/batchnorm.h"
#include "core/train/layers.h"

typedef struct {
  int size, features, heads, out; /* n, F, H, E */
  ClipParameter *position;        /* [T, F] */
  ClipTrainLinear q, k, v, c;
} ClipAttentionPool;

void clip_attention_pool_bind (ClipAttentionPool *pool, ClipParameters *parameters, ClipPart part,
                               int block, int size, int features, int heads, int out,
                               const char *name);
/* Returns what backward needs, on the tape. */
gpointer clip_attention_pool_forward (ClipTape *tape, float *y, const float *x,
                                      const ClipAttentionPool *pool, int batch);
/* @dx: (nullable) */
void clip_attention_pool_backward (ClipTape *tape, ClipSink *dx, const float *dy, gpointer saved,
                                   const ClipAttentionPool *pool, int batch);
