/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What rounding a layer's weights to int8 adds to its outputs on the mean, Σ (rounded w - w) · E[x], is taken from its bias again:
 * inputs behind a ReLU6 are never negative, and small errors of many weights would add up. E[x] comes from the BatchNorm in
 * front: its results have the mean β and the deviation |γ|.
 */
#pragma once
#include "core/model/weights.h"

/* E[x] of the channels behind NORM, and behind a ReLU6 that follows it; n floats, g_free (); NULL: @weights failed */
float *clip_norm_means (ClipWeights *weights, int n, const char *norm);
float *clip_norm_means_relu6 (ClipWeights *weights, int n, const char *norm);

/* bias[rows] - Σ (rounded w - w) · means; @weight: float32, rounded as in clip_reduce_pack () */
void clip_rounding_correct (float *bias, const ClipMatrix *weight, const float *means);
