/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The image head for what a classifier of K classes over pooled features knows, in closed form:
 *
 *   logits(f) = W f + b,  less their mean over classes            f ~ (μ, Σ) over real pictures
 *             = M (z; 1),  M = [W̃ L | W̃ μ + b̃] [K, width + 1],  z = L⁻¹ (f - μ),  Σ + ridge · diag Σ = L Lᵀ
 *             ≈ U S Vᵀ (z; 1)                                     the E - 2 largest singular values
 *   x (f)     = Vᵀ (z; 1) - m                                     m: its mean over the pictures that are its centre
 *   image (f) = (x; r; 0)  =  head · f + bias                     r = 0.3 times the mean length of x
 *
 * So logits are inner products of image (f) and vectors, which anchors.h finds; the constant component lets them have an
 * offset, the last one, 0 here, lets them be equally long. Directions in which features hardly vary are kept from being
 * blown up by the ridge. A centre in the middle of the pictures that captions speak of keeps cosines of captions apart.
 */
#pragma once
#include "core/train/pooled.h"
#include "core/train/tape.h"

typedef struct {
  int width, embed_dim; /* W, E */
  float *head;          /* [E, W] */
  float *bias;          /* [E] */
  double kept;          /* share of the squared logits that E - 2 directions hold */
} ClipClosedHead;

/* @like, @centre: [n, W] of real pictures, two of @like at least; @ridge: relative to each feature's variance. */
ClipClosedHead *clip_closed_head_new (ClipTape *tape, const ClipPooledClassifier *classifier,
                                      const GArray *like, const GArray *centre, int embed_dim,
                                      double ridge, GError **error);
void clip_closed_head_free (ClipClosedHead *head);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipClosedHead, clip_closed_head_free)
