/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linear probe (Radford et al. 2021, A.3): L2-regularised multinomial logistic regression on frozen features.
 *
 *   p_i = softmax (W x_i + b)                                       x [N, D], W [L, D], b [L]
 *   minimise  Σ_i -log p_i[class_i]  +  λ/2 · ‖W‖²                  the intercept b is not penalised
 *
 * by L-BFGS from zero: scikit-learn's LogisticRegression (C = 1/λ, max_iter = 1000). Of two classes that takes one row for
 * both, w and -w of half its size, which is twice the penalty; so does this.
 */
#pragma once
#include "core/clip.h"

G_BEGIN_DECLS

typedef struct {
  int dim, n_classes; /* D, L */
  double *weight;     /* [L, D] */
  double *bias;       /* [L] */
  int iterations;
  gboolean converged; /* FALSE: the iterations ended first */
} ClipProbe;

/* A table of features; not owned. */
typedef struct {
  const float *features; /* [N, D] */
  const int *classes;    /* [N], 0 … L - 1 */
  gsize n;
  int dim, n_classes;
} ClipProbeData;

/* @threads: 0: every processor; the result does not depend on it. NULL with @error where features are not finite, or so
 * large that their products are not. */
CLIP_API ClipProbe *clip_probe_fit (const ClipProbeData *data, double lambda, int threads, GError **error);
CLIP_API void clip_probe_free (ClipProbe *probe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipProbe, clip_probe_free)

/* @scores: [n, L] logits of @features [n, D] */
CLIP_API void clip_probe_score (const ClipProbe *probe, float *scores, const float *features, gsize n);

/* One fit of the sweep. */
typedef struct {
  double lambda;
  double accuracy; /* on the validation part */
  gboolean converged;
} ClipProbeStep;

/* Called after each fit of the sweep; return FALSE to stop. */
typedef gboolean (*ClipProbeProgress) (const ClipProbeStep *step, guint done, guint expected, gpointer data);

/*
 * clip_probe_sweep:
 * @steps: (nullable): where ClipProbeStep are appended, in the order they were made
 *
 * Chooses λ among 10^(-6 + k/8), k = 0 … 96, by its accuracy on a fifth of @data that is not fitted on (every fifth sample
 * of each class, in a random order that follows from @seed): first at each 16th, then at half the distance around the best
 * until the distance is 1. Of equally good ones the largest is taken. The probe is then fitted on all of @data.
 * Returns: (transfer full): the probe, NULL with @error where it was stopped, a class cannot be split, or as clip_probe_fit ().
 */
CLIP_API ClipProbe *clip_probe_sweep (const ClipProbeData *data, guint64 seed, int threads, double *lambda,
                                      GArray *steps, ClipProbeProgress progress, gpointer user_data, GError **error);

G_END_DECLS
