/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What files hold about pooled features: some of pictures, and a classifier over them. */
#pragma once
#include "core/clip.h"

/* A cache or any other: all rows [n, W] of the tensors `features` of @paths, one file after another. Returns: (transfer
 * full): an array of n elements of W floats. */
GArray *clip_pooled_read (char *const *paths, int width, GError **error);

/* Probabilities are softmax (pooled · weightᵀ + bias). */
typedef struct {
  int classes, width;       /* K, W */
  ClipArray *weight, *bias; /* `classifier.weight` [K, W], `classifier.bias` [K] */
} ClipPooledClassifier;

ClipPooledClassifier *clip_pooled_classifier_read (const char *path, int width, GError **error);
void clip_pooled_classifier_free (ClipPooledClassifier *classifier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipPooledClassifier, clip_pooled_classifier_free)
