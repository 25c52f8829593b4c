/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Multi-head attention over packed sequences as core/model/attention.h has it, with its gradient. For each sequence and head,
 * s = 1/√D:
 *
 *   P[q, t] = softmax (s · Q · Kᵀ)      y = P · V
 *   dV = Pᵀ · dy       dS = s · P ∘ (dy · Vᵀ - rowsum (P ∘ dy · Vᵀ))       dQ = dS · K       dK = dSᵀ · Q
 *
 * P is kept: for the short texts that are most of training it is smaller than q, k and v.
 */
#pragma once
#include "core/model/attention.h"
#include "core/train/tape.h"

typedef struct {
  float *q; /* [queries, C] */
  gsize q_stride;
  float *k, *v; /* [keys, C] */
  gsize kv_stride;
} ClipAttentionGradient;

/* Floats of P for all sequences and heads. */
gsize clip_train_attention_size (const ClipAttention *a);
/* @probabilities: NULL: not kept */
void clip_train_attention_forward (ClipTape *tape, const ClipAttention *a, float *probabilities);
/* Writes @d. @dy: [queries, C] with the strides of a->y, which is not read. */
void clip_train_attention_backward (ClipTape *tape, const ClipAttention *a,
                                    const float *probabilities, const float *dy,
                                    const ClipAttentionGradient *d);
