/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linear probe.
 *
 *   golden  : scikit-learn's coefficients and probabilities, of two and three classes and several penalties
 *   threads : the same bits for any number of them, also where sums are cut into several tasks
 *   sweep   : which penalties are tried, and which is chosen; what it refuses
 *   not-finite : features that nothing can be fitted to
 */
#include "core/eval/probe.h"
#include "core/train/random.h"
#include "tests/testing.h"

#include <math.h>

static ClipArray *golden (const char *dtype, const char *format, ...) G_GNUC_PRINTF (2, 3);

static ClipArray *
golden (const char *dtype, const char *format, ...)
{
  g_autoptr (GError) error = NULL;
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *name = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "probe.safetensors", NULL);
  ClipArray *array = clip_array_read (path, name, dtype, &error);
  g_assert_no_error (error);
  g_assert_nonnull (array);
  return array;
}

static void
test_golden (void)
{
  static const char *const cases[] = { "three", "two" }, *const lambdas[] = { "0.001", "1", "100" };
  for (guint c = 0; c < G_N_ELEMENTS (cases); c++) {
    g_autofree ClipArray *features = golden ("F32", "%s.features", cases[c]);
    g_autofree ClipArray *classes = golden ("I32", "%s.classes", cases[c]);
    for (guint l = 0; l < G_N_ELEMENTS (lambdas); l++) {
      g_autofree ClipArray *coef = golden ("F32", "%s.%s.coef", cases[c], lambdas[l]);
      g_autofree ClipArray *expected = golden ("F32", "%s.%s.scores", cases[c], lambdas[l]);
      const int n = features->shape[0], dim = features->shape[1], n_classes = expected->shape[1];
      const ClipProbeData data = { features->data, classes->data, n, dim, n_classes };
      g_autoptr (ClipProbe) probe = clip_probe_fit (&data, atof (lambdas[l]), 2, NULL);
      g_assert_true (probe->converged);

      /* Both stop at a small gradient, ours at 1e-4: the minimum is that much times N / λ away at most, the curvature of
       * the data not counted. */
      const float *w = coef->data;
      double largest = 0, off = 0;
      for (int i = 0; i < coef->shape[0] * dim; i++) {
        const double own =
            coef->shape[0] > 1 ? probe->weight[i] : probe->weight[dim + i] - probe->weight[i];
        largest = MAX (largest, fabs (w[i]));
        off = MAX (off, fabs (own - w[i]));
      }
      if (off > 0.01 * largest)
        g_error ("%s, λ %s: a coefficient is %g off, expected 1 %% of %g at most", cases[c],
                 lambdas[l], off, largest);

      g_autofree float *scores = g_new (float, n *n_classes);
      clip_probe_score (probe, scores, features->data, n);
      for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < n_classes; k++)
          sum += exp (scores[i * n_classes + k]);
        for (int k = 0; k < n_classes; k++) {
          const double p = exp (scores[i * n_classes + k]) / sum;
          const double truth = exp (((const float *) expected->data)[i * n_classes + k]);
          if (fabs (p - truth) > 2e-3)
            g_error ("%s, λ %s, sample %d: p[%d] is %g, expected %g", cases[c], lambdas[l], i, k, p,
                     truth);
        }
      }
    }
  }
}

/* @n samples around a centre for each class; sums over them take several tasks. */
static ClipProbeData
make_data (gsize n, int dim, int n_classes, double noise)
{
  float *features = g_new (float, n *dim);
  int *classes = g_new (int, n);
  guint64 state = 1;
  g_autofree double *centres = g_new (double, n_classes *dim);
  for (int i = 0; i < n_classes * dim; i++)
    centres[i] = clip_random_normal (&state);
  for (gsize i = 0; i < n; i++) {
    classes[i] = i % n_classes;
    for (int d = 0; d < dim; d++)
      features[i * dim + d] = centres[classes[i] * dim + d] + noise * clip_random_normal (&state);
  }
  return (ClipProbeData){ features, classes, n, dim, n_classes };
}

static void
free_data (ClipProbeData *data)
{
  g_free ((float *) data->features);
  g_free ((int *) data->classes);
}

static void
test_threads (void)
{
  ClipProbeData data = make_data (1000, 17, 35, 1);
  g_autoptr (ClipProbe) one = clip_probe_fit (&data, 1, 1, NULL),
                        three = clip_probe_fit (&data, 1, 3, NULL);
  g_assert_cmpint (one->iterations, ==, three->iterations);
  g_assert_cmpmem (one->weight, 35 * 17 * sizeof (double), three->weight,
                   35 * 17 * sizeof (double));
  g_assert_cmpmem (one->bias, 35 * sizeof (double), three->bias, 35 * sizeof (double));
  free_data (&data);
}

static gboolean
stop_after_three (const ClipProbeStep *step, guint done, guint expected, gpointer data)
{
  g_assert_cmpuint (done, <=, expected);
  return done < 3;
}

static void
test_sweep (void)
{
  ClipProbeData data = make_data (240, 12, 4, 2);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) steps = g_array_new (FALSE, FALSE, sizeof (ClipProbeStep));
  double lambda = 0, best = 0, largest = 0;
  g_autoptr (ClipProbe) probe = clip_probe_sweep (&data, 1, 1, &lambda, steps, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (probe);
  g_assert_cmpuint (steps->len, >=, 7 + 4); /* at the edge of the range one of two is there */
  g_assert_cmpuint (steps->len, <=, 7 + 8);
  for (guint i = 0; i < steps->len; i++) {
    const ClipProbeStep *step = &g_array_index (steps, ClipProbeStep, i);
    const double at = (log10 (step->lambda) + 6) * 8; /* eighths of a decade from 1e-6 */
    g_assert_cmpfloat (fabs (at - round (at)), <, 1e-9);
    best = MAX (best, step->accuracy);
    for (guint j = 0; j < i; j++)
      g_assert_cmpfloat (g_array_index (steps, ClipProbeStep, j).lambda, !=, step->lambda);
  }
  gboolean below = FALSE, above = FALSE;
  for (guint i = 0; i < steps->len; i++) {
    const ClipProbeStep *step = &g_array_index (steps, ClipProbeStep, i);
    if (step->accuracy == best)
      largest = MAX (largest, step->lambda);
    below = below || fabs (step->lambda / lambda - pow (10, -.125)) < 1e-6;
    above = above || fabs (step->lambda / lambda - pow (10, .125)) < 1e-6;
  }
  g_assert_cmpfloat (lambda, ==, largest);
  g_assert_true (below && above); /* its neighbours were tried */

  /* The result is a fit on everything. */
  g_autoptr (ClipProbe) whole = clip_probe_fit (&data, lambda, 1, NULL);
  g_assert_cmpmem (probe->weight, 4 * 12 * sizeof (double), whole->weight,
                   4 * 12 * sizeof (double));

  g_autoptr (ClipProbe) stopped =
      clip_probe_sweep (&data, 1, 1, NULL, NULL, stop_after_three, NULL, &error);
  check_error ("stopped", stopped, error, CLIP_ERROR_CANCELLED, "after 3 fits");
  g_clear_error (&error);
  data.n = 16; /* four of each class */
  g_autoptr (ClipProbe) few = clip_probe_sweep (&data, 1, 1, NULL, NULL, NULL, NULL, &error);
  check_error ("few", few, error, CLIP_ERROR_CONFIG, "16 samples of 4 classes");
  free_data (&data);
}

/* One feature among many: an error, not a fit that converged at once. */
static void
test_not_finite (void)
{
  static const struct {
    const char *name;
    float feature;
    const char *said;
  } cases[] = {
    { "NaN", NAN, "class 2: feature 3 is nan" },
    { "infinity", INFINITY, "class 2: feature 3 is inf" },
    { "beyond single precision", 3e38f, "too large" },
  };
  for (guint c = 0; c < G_N_ELEMENTS (cases); c++) {
    ClipProbeData data = make_data (80, 12, 4, 2);
    g_autoptr (GError) error = NULL;
    for (int i = 0; i < (cases[c].feature < INFINITY ? 80 : 3); i += 4)
      ((float *) data.features)[(i + 2) % 80 * 12 + 3] = cases[c].feature;
    g_autoptr (ClipProbe) fit = clip_probe_fit (&data, 1, 1, &error);
    check_error (cases[c].name, fit, error, CLIP_ERROR_FORMAT, cases[c].said);
    g_clear_error (&error);
    g_autoptr (ClipProbe) sweep = clip_probe_sweep (&data, 1, 1, NULL, NULL, NULL, NULL, &error);
    check_error (cases[c].name, sweep, error, CLIP_ERROR_FORMAT, cases[c].said);
    free_data (&data);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/probe/golden", test_golden);
  g_test_add_func ("/probe/threads", test_threads);
  g_test_add_func ("/probe/sweep", test_sweep);
  g_test_add_func ("/probe/not-finite", test_not_finite);
  return g_test_run ();
}
