/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How pooled features of pictures are spread. */
#pragma once
#include "core/train/tape.h"

/* mean[W], covariance[W, W] of features[n, W], n > 1. */
void clip_moments (ClipTape *tape, float *mean, float *covariance, const float *features, gsize n,
                   int width);

/* L [n, n] of a positive definite matrix A = L Lᵀ, zeros above the diagonal (Cholesky–Banachiewicz); l may be a. */
void clip_cholesky (float *l, const float *a, gsize n);
/* b [n, m] becomes A⁻¹ b, A = L Lᵀ. */
void clip_cholesky_solve (const float *l, float *b, gsize n, gsize m);
