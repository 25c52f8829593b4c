/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a classifier of K classes over pooled features knows, as an image head and K points, in closed form:
 *
 *   logits(f) = W f + b,  less their mean over classes            f ~ (μ, Σ) over real pictures
 *             = M (z; 1),  M = [W̃ L | W̃ μ + b̃] [K, width + 1],  z = L⁻¹ (f - μ),  Σ + ridge · diag Σ = L Lᵀ
 *             ≈ U S Vᵀ (z; 1)                                     the E - 1 largest singular values
 *   image (f) = Vᵀ (z; 1)  =  head · f + bias                     [E - 1], and a last component that is 0
 *   anchor c  = (U S)_c, and a last component that makes all of them equally long
 *
 * So the inner product of image and anchor is the class's logit, and since anchors are equally long their order by cosine is
 * the classifier's: where the names of class c are to lie for the zero-shot classifier to be this one. Directions in which
 * features hardly vary are kept from being blown up by the ridge.
 */
#pragma once
#include "core/train/tape.h"

typedef struct {
  int classes, width, embed_dim; /* K, W, E */
  float *head;                   /* [E, W] */
  float *bias;                   /* [E] */
  float *anchors;                /* [K, E], of unit length */
  double kept;                   /* share of the squared logits that E - 1 directions hold */
} ClipAnchors;

/* @weight: [K, W], @bias: [K]; @features: [n, W], n > 1, of real pictures; @ridge: relative to each feature's variance. */
ClipAnchors *clip_anchors_new (ClipTape *tape, const float *weight, const float *bias, int classes,
                               const float *features, gsize n, int width, int embed_dim,
                               double ridge, GError **error);
void clip_anchors_free (ClipAnchors *anchors);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipAnchors, clip_anchors_free)
