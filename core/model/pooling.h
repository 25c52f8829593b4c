/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attention pooling, in which one token asks and all answer:
 *
 *   y[F] = concat_h (Σ_t p_h[t] · (V_h x[t] + v_h)),   p_h = softmax_t (q_h · (K_h x[t] + k_h) / √D),   q = Q x[0] + q0
 *
 * With a single query it need not make keys and values of all tokens: its product with a head's weights takes their place, and so
 * does the mean of tokens.
 *
 *   u_h = K_hᵀ q_h                              [F]
 *   p_h = softmax_t (x[t] · u_h / √D)           [T]     q_h · k_h is the same for all t, and softmax does not see it
 *   m_h = Σ_t p_h[t] x[t]                       [F]
 *   y_h = V_h m_h + v_h                         [D]     Σ_t p_h[t] = 1
 *
 * That is three products with F×F weights for each picture instead of 2·T + 1. Scores and means are float32.
 */
#pragma once
#include "core/model/layers.h"

typedef struct {
  int tokens, features, heads; /* T, F, H; D = F / H */
  ClipLinear query;            /* [F, F] */
  ClipLinear *keys;            /* H of [F, D]: K_hᵀ */
  ClipLinear *values;          /* H of [D, F] */
} ClipPooling;

typedef struct {
  float *q;      /* [B, F] */
  float *u;      /* [B, H, F]: then means */
  float *scores; /* [B, H, T] */
} ClipPoolingWorkspace;

/* Binds PREFIX.q_proj, k_proj and v_proj for the sizes that are there. */
void clip_pooling_bind (ClipPooling *pooling, ClipWeights *weights, ClipPrecision precision,
                        const char *prefix);
void clip_pooling_clear (ClipPooling *pooling);

void clip_pooling_layout (ClipArena *arena, ClipPoolingWorkspace *workspace,
                          const ClipPooling *pooling, int batch);
gsize clip_pooling_scratch (const ClipPooling *pooling); /* floats of a worker's scratch */
/* y[B, F] of x[B, T, F] */
void clip_pooling_run (ClipSession *session, const ClipPoolingWorkspace *workspace, float *y,
                       const float *x, const ClipPooling *pooling, int batch);
