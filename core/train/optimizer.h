/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * AdamW (Loshchilov & Hutter 2019), for each trained parameter with its part's learning rate η:
 *
 *   m = β1 m + (1 - β1) g;  v = β2 v + (1 - β2) g²;  w -= η λ w (where it decays);  w -= η (m / (1 - β1ᵗ)) / (√(v / (1 - β2ᵗ)) + ε)
 *
 * as torch.optim.AdamW has it. Warm-up is linear, step+1 over warm-up steps; then half a cosine down to zero. logit_scale is
 * clamped to [0, ln 100] after each step. An average of the weights (EMA) is an option: a += (1 - decay) (w - a).
 */
#pragma once
#include "core/train/parameters.h"
#include "core/train/tape.h"

typedef struct {
  float rate[CLIP_PART_N]; /* peak learning rate of each part */
  float layer_decay;       /* of a block's rate for each block further down; 1: none */
  float weight_decay, beta1, beta2, epsilon;
  float clip_norm; /* of the whole gradient; 0: none */
  int warmup_steps, total_steps;
  float average; /* EMA decay; 0: none */
} ClipOptimizerConfig;

typedef struct _ClipOptimizer ClipOptimizer;
ClipOptimizer *clip_optimizer_new (ClipParameters *parameters, const ClipOptimizerConfig *config);
void clip_optimizer_free (ClipOptimizer *optimizer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipOptimizer, clip_optimizer_free)

/* @step: from 0. Returns the norm of the gradient before clipping; NaN or infinite: nothing was changed. */
double clip_optimizer_step (ClipOptimizer *optimizer, ClipTape *tape, int step);
/* Learning rate factor, 0 … 1. */
double clip_schedule (const ClipOptimizerConfig *config, int step);
/* The highest of the parameters' learning rates at @step */
double clip_optimizer_get_rate (const ClipOptimizer *optimizer, int step);

/* For checkpoints: m, v [n_gradients] each, and the average [n_values] or NULL. */
float *clip_optimizer_get_first (ClipOptimizer *optimizer);
float *clip_optimizer_get_second (ClipOptimizer *optimizer);
float *clip_optimizer_get_average (ClipOptimizer *optimizer);
