/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Virtual features: what a frozen image trunk might pool for a picture of class c of its classifier, drawn and not computed,
 * so that a text can be tied to a class of which there is no picture:
 *
 *   f = max (0, μ + k · Σ w_c / √(w_cᵀ Σ w_c) + ν · L z)     k ~ U(k₀, k₁), z ~ N(0, I), Σ = L Lᵀ
 *
 * μ [W], Σ [W, W]: mean and covariance of what the trunk pools for real pictures, whatever they show; w_c [W]: the
 * classifier's row. Of all directions in which features of real pictures differ, Σ w_c is the one that tells class c best.
 */
#pragma once
#include "core/train/tape.h"

typedef struct {
  double strength[2]; /* k₀, k₁ in standard deviations along that direction */
  double noise;       /* ν */
} ClipVirtualConfig;

typedef struct _ClipVirtual ClipVirtual;

/* @weight: [K, W]; @features: [n, W] of real pictures, n > 1. Both are only read here. */
ClipVirtual *clip_virtual_new (ClipTape *tape, const ClipVirtualConfig *config, const float *weight,
                               int classes, const float *features, gsize n, int width);
void clip_virtual_free (ClipVirtual *virtual);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipVirtual, clip_virtual_free)

/* y[n, W]: row i for classes[i], a function of (@key, i) and the class alone. */
void clip_virtual_draw (const ClipVirtual *virtual, ClipTape *tape, float *y, const int *classes,
                        int n, guint64 key);
