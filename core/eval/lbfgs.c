/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * L-BFGS in double precision. The objective may be computed in single precision: where two values are so near that their
 * difference is rounding, the line search goes by slopes alone (the approximate Wolfe conditions of Hager & Zhang 2005).
 */
#include "core/eval/lbfgs.h"

#include <math.h>
#include <string.h>

#define MEMORY 10         /* steps that are remembered, as scipy's */
#define DECREASE 1e-4     /* of the slope's promise, a step must keep this much */
#define CURVATURE 0.9     /* and the slope must be down to this much */
#define VALUE_NOISE 1e-7  /* relative: differences of values below are rounding */
#define MAX_BISECTIONS 40 /* t = 2⁻⁴⁰ is nothing */

typedef struct {
  double *s, *y;      /* [MEMORY][n]: x' - x, g' - g */
  double rho[MEMORY]; /* 1 / s·y */
  int n_kept, next;
} History;

/* Four sums side by side: always the same order, which a BLAS with threads of its own would not promise. */
static double
dot (const double *a, const double *b, gsize n)
{
  double sum[4] = { 0 };
  gsize i = 0;
  for (; i + 4 <= n; i += 4)
    for (int j = 0; j < 4; j++)
      sum[j] += a[i + j] * b[i + j];
  for (; i < n; i++)
    sum[0] += a[i] * b[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* y += a x */
static void
add_scaled (double *y, double a, const double *x, gsize n)
{
  for (gsize i = 0; i < n; i++)
    y[i] += a * x[i];
}

/* NaN where one of them is. */
static double
largest (const double *x, gsize n)
{
  double most = 0;
  for (gsize i = 0; i < n; i++)
    if (!(fabs (x[i]) <= most))
      most = isnan (most) ? most : fabs (x[i]);
  return most;
}

/* d = -H g */
static void
direction (double *d, const double *g, const History *h, gsize n)
{
  double alpha[MEMORY];
  for (gsize i = 0; i < n; i++)
    d[i] = -g[i];
  for (int k = 1; k <= h->n_kept; k++) {
    const int at = (h->next - k + MEMORY) % MEMORY;
    alpha[at] = h->rho[at] * dot (h->s + at * n, d, n);
    add_scaled (d, -alpha[at], h->y + at * n, n);
  }
  if (h->n_kept > 0) { /* the size of H's diagonal: s·y / y·y of the last step */
    const int last = (h->next - 1 + MEMORY) % MEMORY;
    const double *y = h->y + last * n;
    const double size = 1 / (h->rho[last] * dot (y, y, n));
    for (gsize i = 0; i < n; i++)
      d[i] *= size;
  }
  for (int k = h->n_kept; k >= 1; k--) {
    const int at = (h->next - k + MEMORY) % MEMORY;
    const double beta = h->rho[at] * dot (h->y + at * n, d, n);
    add_scaled (d, alpha[at] - beta, h->s + at * n, n);
  }
}

static void
remember (History *h, const double *x, const double *old_x, const double *g, const double *old_g,
          gsize n)
{
  double *s = h->s + h->next * n, *y = h->y + h->next * n;
  for (gsize i = 0; i < n; i++) {
    s[i] = x[i] - old_x[i];
    y[i] = g[i] - old_g[i];
  }
  const double curvature = dot (s, y, n);
  if (!(curvature > 0)) /* rounding near the minimum: the step teaches nothing */
    return;
  h->rho[h->next] = 1 / curvature;
  h->next = (h->next + 1) % MEMORY;
  h->n_kept = MIN (h->n_kept + 1, MEMORY);
}

/* x = from + t d with f (x) in *value, its gradient in g; FALSE where no t was good enough. */
static gboolean
search (double *x, double *g, double *value, double t, const double *from, const double *d,
        double slope, gsize n, ClipObjective objective, gpointer data, int *evaluations)
{
  const double start = *value;
  double low = 0, high = INFINITY;
  for (int i = 0; i < MAX_BISECTIONS; i++) {
    memcpy (x, from, n * sizeof *x);
    add_scaled (x, t, d, n);
    *value = objective (g, x, data);
    ++*evaluations;
    const double now = dot (g, d, n);
    const gboolean lower =
        isfinite (*value) && isfinite (largest (g, n)) &&
        (*value <= start + DECREASE * t * slope ||
         (*value <= start + VALUE_NOISE * fabs (start) && now <= (2 * DECREASE - 1) * slope));
    if (!lower)
      high = t;
    else if (now < CURVATURE * slope)
      low = t;
    else
      return TRUE;
    t = high < INFINITY ? (low + high) / 2 : 2 * t;
  }
  return FALSE;
}

ClipLbfgsResult
clip_lbfgs (double *x, gsize n, ClipObjective objective, gpointer data,
            const ClipLbfgsOptions *options)
{
  ClipLbfgsResult result = { 0 };
  g_autofree double *memory = g_new0 (double, n *(2 * MEMORY + 4));
  double *g = memory, *old_g = g + n, *old_x = old_g + n, *d = old_x + n;
  History history = { .s = d + n, .y = d + n + MEMORY * n };

  result.value = objective (g, x, data);
  result.evaluations = 1;
  for (;;) {
    result.gradient = largest (g, n);
    result.finite = isfinite (result.value) && isfinite (result.gradient);
    result.converged = result.finite && result.gradient <= options->tolerance;
    if (!result.finite || result.converged || result.iterations == options->max_iterations)
      return result;
    direction (d, g, &history, n);
    double slope = dot (d, g, n);
    if (!(slope < 0)) { /* what is remembered has become useless */
      history.n_kept = 0;
      direction (d, g, &history, n);
      slope = dot (d, g, n);
    }
    memcpy (old_x, x, n * sizeof *x);
    memcpy (old_g, g, n * sizeof *g);
    const double start = result.value;
    /* nothing is known of the scale at first: a step of length 1 */
    const double t = history.n_kept ? 1 : fmin (1, 1 / sqrt (-slope));
    if (!search (x, g, &result.value, t, old_x, d, slope, n, objective, data,
                 &result.evaluations)) {
      memcpy (x, old_x, n * sizeof *x);
      memcpy (g, old_g, n * sizeof *g);
      result.value = start;
      if (history.n_kept == 0)
        return result;
      history.n_kept = 0; /* once more, straight down */
      continue;
    }
    remember (&history, x, old_x, g, old_g, n);
    result.iterations++;
  }
}
