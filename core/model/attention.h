/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Multi-head attention over packed sequences, for each sequence and head:
 *
 *   y[q, D] = softmax (Q[q, D] · K[t, D]ᵀ / √D) · V[t, D]
 *
 * Causal: query i sees keys 0 … i only.
 */
#pragma once
#include "core/model/layers.h"

typedef struct {
  float *y; /* [queries, C]; a head is D of its columns */
  gsize y_stride;
  const float *q; /* [queries, C] */
  gsize q_stride;
  const float *k, *v; /* [keys, C] */
  gsize kv_stride;
  const ClipSequences *keys;
  /* FALSE: each sequence's own tokens; else a single query for each sequence, which sees all its keys */
  gboolean one_query;
  gboolean causal;
  int heads, head_size;
} ClipAttention;

/* Floats of worker scratch for sequences of up to @length tokens. */
gsize clip_attention_scratch (int length, int head_size);
void clip_attention (ClipSession *session, const ClipAttention *attention);
