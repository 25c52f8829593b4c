/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The probe's objective, divided by N so that tolerances mean the same for any number of samples:
 *
 *   Z = W Xᵀ + b [L, N]     tasks over samples: softmax down each column, its loss, and R = P - Y in place of Z
 *   ∂W = (R X + λ W) / N    tasks over classes; ∂b = Σ over samples of R
 *
 * Parameters, sums over samples and the optimiser are double, the two products single precision on OpenBLAS.
 */
#include "core/eval/probe.h"
#include "core/base/error.h"
#include "core/base/threads.h"
#include "core/eval/lbfgs.h"
#include "core/eval/metrics.h"
#include "core/model/blas.h"
#include "core/train/random.h"

#include <math.h>
#include <string.h>

#define MAX_ITERATIONS 1000
#define TOLERANCE 1e-4 /* scikit-learn's tol: of the largest element of the gradient */

#define SAMPLES 256   /* of one task of the first product */
#define CLASSES 16    /* of one task of the second */
#define SUM_OVER 8192 /* samples of one product in single precision; these are summed in double */

typedef struct {
  const ClipProbeData *data;
  double penalty; /* λ */
  ClipThreads *threads;
  const double *x;  /* [L·D + L]: W, b */
  double *gradient; /* the same */
  float *weight;    /* [L, D]: W */
  float *residual;  /* [L, N]: Z, then R */
  double *losses;   /* [tasks] */
  float *partial;   /* [workers, CLASSES, D] */
} Fit;

static void
residuals (void *data, int task, int worker)
{
  Fit *fit = data;
  const int D = fit->data->dim, L = fit->data->n_classes;
  const gsize N = fit->data->n, first = (gsize) task * SAMPLES;
  const int n = MIN (SAMPLES, N - first);
  const double *bias = fit->x + (gsize) L * D;
  const int *classes = fit->data->classes + first;
  float *z = fit->residual + first; /* z[l · N + i] */
  float most[SAMPLES], truth[SAMPLES];
  double sum[SAMPLES] = { 0 }, loss = 0;

  clip_sgemm_nt (z, N, fit->weight, D, fit->data->features + first * D, D, L, n, D, 1, FALSE);
  for (int i = 0; i < n; i++)
    most[i] = -INFINITY;
  for (int l = 0; l < L; l++)
    for (int i = 0; i < n; i++) {
      z[l * N + i] += bias[l];
      most[i] = MAX (most[i], z[l * N + i]);
    }
  for (int i = 0; i < n; i++)
    truth[i] = z[classes[i] * N + i] - most[i];
  for (int l = 0; l < L; l++)
    for (int i = 0; i < n; i++)
      sum[i] += z[l * N + i] = expf (z[l * N + i] - most[i]);
  for (int i = 0; i < n; i++) {
    loss += log (sum[i]) - truth[i];
    sum[i] = 1 / sum[i];
  }
  for (int l = 0; l < L; l++)
    for (int i = 0; i < n; i++)
      z[l * N + i] *= sum[i];
  for (int i = 0; i < n; i++)
    z[classes[i] * N + i] -= 1;
  fit->losses[task] = loss;
}

static void
gradients (void *data, int task, int worker)
{
  Fit *fit = data;
  const int D = fit->data->dim, L = fit->data->n_classes;
  const gsize N = fit->data->n;
  const int first = task * CLASSES, n = MIN (CLASSES, L - first);
  float *partial = fit->partial + (gsize) worker * CLASSES * D;
  double *g = fit->gradient + (gsize) first * D, *bias = fit->gradient + (gsize) L * D + first;
  const double *w = fit->x + (gsize) first * D;

  for (gsize i = 0; i < (gsize) n * D; i++)
    g[i] = fit->penalty * w[i];
  for (gsize from = 0; from < N; from += SUM_OVER) {
    clip_sgemm_nn (partial, D, fit->residual + first * N + from, N, fit->data->features + from * D,
                   D, n, D, MIN (SUM_OVER, N - from), FALSE);
    for (gsize i = 0; i < (gsize) n * D; i++)
      g[i] += partial[i];
  }
  for (gsize i = 0; i < (gsize) n * D; i++)
    g[i] /= N;
  for (int l = 0; l < n; l++) {
    double sum = 0;
    for (gsize i = 0; i < N; i++)
      sum += fit->residual[(first + l) * N + i];
    bias[l] = sum / N;
  }
}

static double
objective (double *gradient, const double *x, gpointer data)
{
  Fit *fit = data;
  const gsize n_weights = (gsize) fit->data->n_classes * fit->data->dim;
  const int n_tasks = (fit->data->n + SAMPLES - 1) / SAMPLES;
  double loss = 0, square = 0;
  fit->x = x;
  fit->gradient = gradient;
  for (gsize i = 0; i < n_weights; i++) {
    fit->weight[i] = x[i];
    square += x[i] * x[i];
  }
  clip_threads_run (fit->threads, residuals, fit, n_tasks);
  clip_threads_run (fit->threads, gradients, fit, (fit->data->n_classes + CLASSES - 1) / CLASSES);
  for (int t = 0; t < n_tasks; t++)
    loss += fit->losses[t];
  return (loss + fit->penalty / 2 * square) / fit->data->n;
}

static gboolean
fail_not_finite (const ClipProbeData *data, double lambda, GError **error)
{
  for (gsize i = 0; i < data->n * data->dim; i++)
    if (!isfinite (data->features[i]))
      return clip_fail (
          error, CLIP_ERROR_FORMAT,
          "a picture of class %d: feature %d is %g, expected a finite number: nothing "
          "can be fitted to it",
          data->classes[i / data->dim], (int) (i % data->dim), data->features[i]);
  return clip_fail (error, CLIP_ERROR_FORMAT,
                    "λ %g: the loss is not a finite number: features are too large", lambda);
}

static ClipProbe *
fit_on (const ClipProbeData *data, double lambda, ClipThreads *threads, GError **error)
{
  const gsize L = data->n_classes, n_weights = L * data->dim;
  g_autoptr (ClipProbe) probe = g_new0 (ClipProbe, 1);
  probe->dim = data->dim;
  probe->n_classes = data->n_classes;
  probe->weight = g_new0 (double, n_weights + L);
  probe->bias = probe->weight + n_weights;
  g_autofree float *weight = g_new (float, n_weights), *residual = g_new (float, L * data->n);
  g_autofree float *partial =
      g_new (float, (gsize) clip_threads_get_n (threads) * CLASSES * data->dim);
  g_autofree double *losses = g_new (double, data->n / SAMPLES + 1);
  Fit fit = { .data = data,
              .penalty = L == 2 ? 2 * lambda : lambda,
              .threads = threads,
              .weight = weight,
              .residual = residual,
              .losses = losses,
              .partial = partial };
  const ClipLbfgsOptions options = { MAX_ITERATIONS, TOLERANCE };
  const ClipLbfgsResult result =
      clip_lbfgs (probe->weight, n_weights + L, objective, &fit, &options);
  probe->iterations = result.iterations;
  probe->converged = result.converged;
  if (!result.finite) {
    fail_not_finite (data, lambda, error);
    return NULL;
  }
  return g_steal_pointer (&probe);
}

ClipProbe *
clip_probe_fit (const ClipProbeData *data, double lambda, int threads, GError **error)
{
  g_return_val_if_fail (data && data->n > 0 && data->dim > 0 && data->n_classes > 1, NULL);
  ClipThreads *pool = clip_threads_new (threads);
  ClipProbe *probe = fit_on (data, lambda, pool, error);
  clip_threads_free (pool);
  return probe;
}

void
clip_probe_free (ClipProbe *probe)
{
  if (!probe)
    return;
  g_free (probe->weight);
  g_free (probe);
}

void
clip_probe_score (const ClipProbe *probe, float *scores, const float *features, gsize n)
{
  const gsize L = probe->n_classes, D = probe->dim;
  g_autofree float *weight = g_new (float, L *D);
  for (gsize i = 0; i < L * D; i++)
    weight[i] = probe->weight[i];
  for (gsize from = 0; from < n; from += SAMPLES)
    clip_sgemm_nt (scores + from * L, L, features + from * D, D, weight, D, MIN (SAMPLES, n - from),
                   L, D, 1, FALSE);
  for (gsize i = 0; i < n; i++)
    for (gsize l = 0; l < L; l++)
      scores[i * L + l] += probe->bias[l];
}

/* ------------------------------------------------------------------------------------------------------------ sweep */

#define PER_DECADE 8
#define LAST (12 * PER_DECADE) /* λ = 1e-6 at 0, 1e6 here */
#define FIRST_DISTANCE 16
#define HOLD_OUT 5                               /* every fifth sample of a class */
#define FITS (LAST / FIRST_DISTANCE + 1 + 2 * 4) /* 7, then two on each halving of 16 */

typedef struct {
  ClipProbeData fitted, held;
  float *features; /* rows of the fitted, then of the held ones */
  int *classes;
} Split;

static void
split_clear (Split *split)
{
  g_free (split->features);
  g_free (split->classes);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Split, split_clear)

static Split
split_data (const ClipProbeData *data, guint64 seed)
{
  g_autofree gsize *order = g_new (gsize, data->n);
  g_autofree int *seen = g_new0 (int, data->n_classes);
  guint64 state = seed;
  for (gsize i = 0; i < data->n; i++) { /* Fisher & Yates, inside out */
    const gsize j = clip_random_below (&state, i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  Split split = { .features = g_new (float, data->n * data->dim), .classes = g_new (int, data->n) };
  gsize n_fitted = 0, n_held = 0;
  for (gsize k = 0; k < data->n; k++) {
    const int class = data->classes[order[k]];
    const gboolean held = seen[class]++ % HOLD_OUT == HOLD_OUT - 1;
    const gsize to = held ? data->n - ++n_held : n_fitted++;
    memcpy (split.features + to * data->dim, data->features + order[k] * data->dim,
            data->dim * sizeof (float));
    split.classes[to] = class;
  }
  split.fitted = *data;
  split.fitted.features = split.features;
  split.fitted.classes = split.classes;
  split.fitted.n = n_fitted;
  split.held = split.fitted;
  split.held.features += n_fitted * data->dim;
  split.held.classes += n_fitted;
  split.held.n = n_held;
  return split;
}

static double
accuracy_of (const ClipProbe *probe, const ClipProbeData *data)
{
  g_autofree float *scores = g_new (float, data->n * data->n_classes);
  gsize right = 0;
  clip_probe_score (probe, scores, data->features, data->n);
  for (gsize i = 0; i < data->n; i++)
    right +=
        clip_answer (scores + i * data->n_classes, data->n_classes, data->classes[i]).rank == 0;
  return (double) right / data->n;
}

typedef struct {
  const Split *split;
  ClipThreads *threads;
  double accuracy[LAST + 1]; /* -1: not fitted */
  GArray *steps;
  guint done;
  ClipProbeProgress progress;
  gpointer user_data;
} Sweep;

static gboolean
try_lambda (Sweep *sweep, int at, GError **error)
{
  if (at < 0 || at > LAST || sweep->accuracy[at] >= 0)
    return TRUE;
  const double lambda = pow (10, -6 + (double) at / PER_DECADE);
  g_autoptr (ClipProbe) probe = fit_on (&sweep->split->fitted, lambda, sweep->threads, error);
  if (!probe)
    return FALSE;
  sweep->accuracy[at] = accuracy_of (probe, &sweep->split->held);
  const ClipProbeStep step = { lambda, sweep->accuracy[at], probe->converged };
  if (sweep->steps)
    g_array_append_val (sweep->steps, step);
  sweep->done++;
  return !sweep->progress || sweep->progress (&step, sweep->done, FITS, sweep->user_data) ||
         clip_fail (error, CLIP_ERROR_CANCELLED, "the sweep was cancelled after %u fits",
                    sweep->done);
}

/* Of equally good ones the last: the smallest weights. */
static int
best_of (const Sweep *sweep)
{
  int best = 0;
  for (int at = 0; at <= LAST; at++)
    if (sweep->accuracy[at] >= sweep->accuracy[best])
      best = at;
  return best;
}

static gboolean
search (Sweep *sweep, GError **error)
{
  for (int at = LAST; at >= 0; at -= FIRST_DISTANCE)
    if (!try_lambda (sweep, at, error))
      return FALSE;
  for (int distance = FIRST_DISTANCE / 2; distance > 0; distance /= 2) {
    const int best = best_of (sweep);
    if (!try_lambda (sweep, best + distance, error) || !try_lambda (sweep, best - distance, error))
      return FALSE;
  }
  return TRUE;
}

ClipProbe *
clip_probe_sweep (const ClipProbeData *data, guint64 seed, int threads, double *lambda,
                  GArray *steps, ClipProbeProgress progress, gpointer user_data, GError **error)
{
  g_return_val_if_fail (data && data->n > 0 && data->dim > 0 && data->n_classes > 1, NULL);
  g_auto (Split) split = split_data (data, seed);
  if (split.held.n == 0)
    return clip_fail_null (error, CLIP_ERROR_CONFIG,
                           "%" G_GSIZE_FORMAT " samples of %d classes: no class has %d, to hold "
                           "one out for choosing the penalty",
                           data->n, data->n_classes, HOLD_OUT);
  Sweep sweep = { .split = &split,
                  .threads = clip_threads_new (threads),
                  .steps = steps,
                  .progress = progress,
                  .user_data = user_data };
  for (int at = 0; at <= LAST; at++)
    sweep.accuracy[at] = -1;
  ClipProbe *probe = NULL;
  if (search (&sweep, error)) {
    const double chosen = pow (10, -6 + (double) best_of (&sweep) / PER_DECADE);
    if (lambda)
      *lambda = chosen;
    split_clear (&split); /* a copy of all features */
    split = (Split){ 0 };
    probe = fit_on (data, chosen, sweep.threads, error);
  }
  clip_threads_free (sweep.threads);
  return probe;
}
