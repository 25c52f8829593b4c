/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* L-BFGS on functions whose minimum is known. */
#include "core/eval/lbfgs.h"

#include <math.h>

/* Σ (i + 1) (x_i - i)² : minimum 0 at x_i = i */
static double
bowl (double *g, const double *x, gpointer data)
{
  const gsize n = *(const gsize *) data;
  double f = 0;
  for (gsize i = 0; i < n; i++) {
    f += (i + 1.0) * (x[i] - i) * (x[i] - i);
    g[i] = 2 * (i + 1.0) * (x[i] - i);
  }
  return f;
}

/* Rosenbrock's valley: minimum 0 at (1, 1, …) */
static double
valley (double *g, const double *x, gpointer data)
{
  const gsize n = *(const gsize *) data;
  double f = 0;
  for (gsize i = 0; i < n; i++)
    g[i] = 0;
  for (gsize i = 0; i + 1 < n; i++) {
    const double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
    f += 100 * a * a + b * b;
    g[i] += -400 * a * x[i] - 2 * b;
    g[i + 1] += 200 * a;
  }
  return f;
}

/* log (1 + eˣ) - x/4 as single precision has it: near the minimum values are steps, slopes are not. */
static double
coarse (double *g, const double *x, gpointer data)
{
  g[0] = 1 / (1 + exp (-x[0])) - 0.25;
  return (float) (log1p (exp (x[0])) - x[0] / 4);
}

/* Has no minimum: falls for ever. */
static double
slope (double *g, const double *x, gpointer data)
{
  g[0] = -1;
  return -x[0];
}

static double
not_a_number (double *g, const double *x, gpointer data)
{
  g[0] = 1;
  return x[0] == 0 ? 1 : NAN;
}

/* No number anywhere: the gradient, or the value. */
static double
no_gradient (double *g, const double *x, gpointer data)
{
  g[0] = NAN;
  return 1;
}

static double
no_value (double *g, const double *x, gpointer data)
{
  g[0] = 0;
  return NAN;
}

/* A bowl around 1 whose gradient is no number beyond ½. */
static double
half_gradient (double *g, const double *x, gpointer data)
{
  g[0] = x[0] > .5 ? NAN : 2 * (x[0] - 1);
  return (x[0] - 1) * (x[0] - 1);
}

static double
at_index (gsize i)
{
  return i;
}

static double
at_one (gsize i)
{
  return 1;
}

static double
at_third (gsize i) /* σ(x) = ¼ */
{
  return -log (3);
}

static void
test_minima (void)
{
  static const struct {
    const char *name;
    ClipObjective f;
    gsize n;
    double start, (*minimum) (gsize i), tolerance; /* of x */
    int most_iterations;
  } cases[] = {
    { "bowl", bowl, 30, 5, at_index, 1e-8, 60 },
    { "one", bowl, 1, 5, at_index, 1e-8, 5 },
    { "valley", valley, 2, -1.2, at_one, 1e-6, 60 },
    { "long valley", valley, 20, -1.2, at_one, 1e-6, 300 },
    { "there", bowl, 1, 0, at_index, 0, 0 },
    { "coarse", coarse, 1, 3, at_third, 1e-7, 20 },
  };
  for (guint c = 0; c < G_N_ELEMENTS (cases); c++) {
    double x[64];
    gsize n = cases[c].n;
    for (gsize i = 0; i < n; i++)
      x[i] = cases[c].start;
    const ClipLbfgsOptions options = { 1000, 1e-9 };
    const ClipLbfgsResult result = clip_lbfgs (x, n, cases[c].f, &n, &options);
    if (!result.converged || result.iterations > cases[c].most_iterations)
      g_error ("%s: %d iterations, expected %d at most; value %g, gradient %g, expected ≤ 1e-9",
               cases[c].name, result.iterations, cases[c].most_iterations, result.value,
               result.gradient);
    for (gsize i = 0; i < n; i++)
      if (!(fabs (x[i] - cases[c].minimum (i)) <= cases[c].tolerance))
        g_error ("%s: x[%d] is %.12g, expected %.12g", cases[c].name, (int) i, x[i],
                 cases[c].minimum (i));
  }
}

static void
test_no_minimum (void)
{
  static const struct {
    const char *name;
    ClipObjective f;
    int iterations;
    gboolean finite;
  } cases[] = {
    { "endless", slope, 7, TRUE },
    { "NaN", not_a_number, 0, TRUE },
    { "NaN gradient", no_gradient, 0, FALSE },
    { "NaN value", no_value, 0, FALSE },
    { "half a gradient", half_gradient, 7, TRUE },
  };
  for (guint c = 0; c < G_N_ELEMENTS (cases); c++) {
    double x[1] = { 0 };
    const ClipLbfgsOptions options = { 7, 1e-9 };
    const ClipLbfgsResult result = clip_lbfgs (x, 1, cases[c].f, NULL, &options);
    if (result.converged || result.finite != cases[c].finite || !isfinite (x[0]) ||
        (cases[c].finite && !(isfinite (result.value) && isfinite (result.gradient))))
      g_error ("%s: converged %d, finite %d, x %g, value %g, gradient %g", cases[c].name,
               result.converged, result.finite, x[0], result.value, result.gradient);
    g_assert_cmpint (result.iterations, <=, cases[c].iterations);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lbfgs/minima", test_minima);
  g_test_add_func ("/lbfgs/no-minimum", test_no_minimum);
  return g_test_run ();
}
