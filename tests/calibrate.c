/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/zeroshot/calibrate: temperatures are the likeliest ones, thresholds those of tables. */
#include "core/zeroshot/calibrate.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- temperature */

#define N 4000
#define L 5

/* Examples drawn from what a temperature says of random logits. */
static ClipExamples
examples_new (float *logits, int *truth, double temperature)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  for (guint i = 0; i < N; i++) {
    double p[L], sum = 0;
    for (guint l = 0; l < L; l++) {
      logits[i * L + l] = g_rand_double_range (random, -6, 6);
      sum += p[l] = exp (logits[i * L + l] / temperature);
    }
    double draw = g_rand_double (random) * sum;
    truth[i] = 0;
    while (truth[i] < L - 1 && (draw -= p[truth[i]]) >= 0)
      truth[i]++;
  }
  return (ClipExamples){ .n = N, .n_labels = L, .values = logits, .truth = truth };
}

/* The negative log-likelihood, as it is defined. */
static double
cost (const ClipExamples *examples, gboolean sigmoid, double temperature)
{
  double total = 0;
  for (guint i = 0; i < examples->n; i++) {
    const float *z = examples->values + (gsize) i * examples->n_labels;
    double sum = 0;
    for (guint l = 0; l < examples->n_labels; l++) {
      const double own = l == (guint) examples->truth[i] ? -z[l] : z[l];
      if (sigmoid)
        total += log1p (exp (own / temperature));
      sum += exp (z[l] / temperature);
    }
    if (!sigmoid)
      total += log (sum) - z[examples->truth[i]] / temperature;
  }
  return total;
}

static void
test_temperature (void)
{
  static const double temperatures[] = { .5, 1, 3 };
  g_autofree float *logits = g_new (float, N *L);
  g_autofree int *truth = g_new (int, N);
  for (guint i = 0; i < G_N_ELEMENTS (temperatures); i++)
    for (int sigmoid = 0; sigmoid < 2; sigmoid++) {
      const ClipExamples examples = examples_new (logits, truth, temperatures[i]);
      const double found = clip_calibrate_temperature (&examples, sigmoid);
      g_test_message ("drawn with %g, sigmoid %d: found %g", temperatures[i], sigmoid, found);
      /* 4000 draws: a standard error of one to two per cent */
      if (!sigmoid)
        g_assert_cmpfloat_with_epsilon (found, temperatures[i], .08 * temperatures[i]);
      if (found > CLIP_MIN_TEMPERATURE * 1.01 && found < CLIP_MAX_TEMPERATURE / 1.01) {
        g_assert_cmpfloat (cost (&examples, sigmoid, found), <,
                           cost (&examples, sigmoid, found * 1.01));
        g_assert_cmpfloat (cost (&examples, sigmoid, found), <,
                           cost (&examples, sigmoid, found / 1.01));
      }
    }
}

static void
test_bounds (void)
{
  static const float right[] = { 2, 1, 0, 3 }, wrong[] = { 1, 2, 3, 0 };
  static const int truth[] = { 0, 1 };
  const ClipExamples all = { 2, 2, right, truth }, none = { 2, 2, wrong, truth };
  g_assert_cmpfloat_with_epsilon (clip_calibrate_temperature (&all, FALSE), CLIP_MIN_TEMPERATURE,
                                  1e-9);
  g_assert_cmpfloat_with_epsilon (clip_calibrate_temperature (&none, FALSE), CLIP_MAX_TEMPERATURE,
                                  1e-9);
}

/* ---------------------------------------------------------------------------------- thresholds from examples */

static void
test_threshold (void)
{
  static const struct {
    const char *name;
    guint n;
    float scores[6];
    int truth[6]; /* 0: has the label */
    float threshold;
    double f1;
  } cases[] = {
    { "apart", 4, { .75f, .25f, 1, .5f }, { 0, 1, 0, 1 }, .625f, 1 },
    { "one wrong above", 4, { .75f, .25f, 1, .5f }, { 0, 1, 1, 0 }, .375f, .8 },
    { "all have it", 2, { .5f, .75f }, { 0, 0 }, .25f, 1 },
    { "equal scores are not parted", 4, { .5f, .5f, .5f, .25f }, { 0, 1, 1, 1 }, .375f, .5 },
    { "none has it", 2, { .5f, .75f }, { 1, 1 }, NAN, 0 },
    { "scores of nothing", 2, { 0, 0 }, { 0, 1 }, NAN, 0 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const ClipExamples examples = { cases[i].n, 1, cases[i].scores, cases[i].truth };
    double f1;
    const float found = clip_calibrate_threshold (&examples, 0, &f1);
    const gboolean same = isnan (found) ? isnan (cases[i].threshold) : found == cases[i].threshold;
    if (!same || fabs (f1 - cases[i].f1) > 1e-12)
      g_error ("%s: found %g, F1 %g, expected %g, %g", cases[i].name, found, f1, cases[i].threshold,
               cases[i].f1);
  }
}

/* ----------------------------------------------------------------------------------- thresholds from footage */

#define SECOND G_GUINT64_CONSTANT (1000000000)

static const struct {
  const char *name;
  const char *scores; /* tenths, a second apart; '|' begins another scene */
  ClipSteadiness settings;
  double alarms;
  float threshold; /* NaN: none will do */
  guint count;
} cases[] = {
  { "none may be", "131514", { 0 }, 0, .501f, 0 },
  { "less than one is none", "131514", { 0 }, .9, .501f, 0 },
  { "one", "131514", { 0 }, 1, .401f, 1 },
  { "two", "131514", { 0 }, 2, .301f, 2 },
  /* Half of the time is the limit: at .1 the label would be on always, and go on once. */
  { "as many as there are", "131514", { 0 }, 9, .101f, 3 },
  { "each scene begins anew", "15|51", { 0 }, 1, .501f, 0 },
  { "each scene counts", "151|151", { 0 }, 2, .101f, 2 },
  { "hysteresis joins alarms", "5353111111", { .hysteresis = .2f }, 1, .3f, 1 },
  { "min-on leaves short ones out", "1511441111", { .min_on = SECOND }, 0, .401f, 0 },
  { "smoothing takes the peak off", "0000900000", { .smoothing = SECOND * 1000 }, 0, .001f, 0 },
};

static float
score_of (char tenth)
{
  return (float) (tenth - '0') / 10;
}

static void
test_alarms (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (ClipLabels) labels = clip_labels_parse ("a", NULL);
    float scores[16], threshold;
    guint64 times[16];
    gboolean first[16];
    guint n = 0, count;
    for (const char *c = cases[i].scores; *c; c++) {
      if (*c == '|')
        continue;
      scores[n] = score_of (*c);
      times[n] = n * SECOND;
      first[n++] = c == cases[i].scores || c[-1] == '|';
    }
    const ClipFootage footage = { n, scores, times, first };
    clip_calibrate_alarms (&threshold, &count, labels, &footage, &cases[i].settings,
                           cases[i].alarms);
    if (fabsf (threshold - cases[i].threshold) > 1e-6f || count != cases[i].count)
      g_error ("%s: found %g, %u alarms, expected %g, %u", cases[i].name, threshold, count,
               cases[i].threshold, cases[i].count);
  }
}

/* Of several labels each has its own; backgrounds have none, and a score of 1 has none that would do. */
static void
test_labels (void)
{
  g_autoptr (ClipLabels) named = clip_labels_parse ("a;b;c", NULL);
  g_autoptr (ClipLabels) rivals = clip_labels_parse ("d", NULL);
  g_autoptr (ClipLabels) labels = clip_labels_join (named, rivals, TRUE, NULL);
  static const float scores[] = { .25f, .5f, 1, .25f, .125f, .75f, 0, .25f };
  static const guint64 times[] = { 0, 1800 * SECOND };
  static const gboolean first[] = { TRUE, FALSE };
  const ClipFootage footage = { 2, scores, times, first };
  const ClipSteadiness settings = { 0 };
  float thresholds[4];
  guint counts[4];
  g_assert_cmpfloat (clip_footage_get_hours (&footage), ==, .5);
  clip_calibrate_alarms (thresholds, counts, labels, &footage, &settings, 0);
  g_assert_cmpfloat_with_epsilon (thresholds[0], .251f, 1e-6);
  g_assert_cmpfloat_with_epsilon (thresholds[1], .751f, 1e-6);
  g_assert_true (isnan (thresholds[2]));
  g_assert_true (isnan (thresholds[3]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/calibrate/temperature", test_temperature);
  g_test_add_func ("/calibrate/bounds", test_bounds);
  g_test_add_func ("/calibrate/threshold", test_threshold);
  g_test_add_func ("/calibrate/alarms", test_alarms);
  g_test_add_func ("/calibrate/labels", test_labels);
  return g_test_run ();
}
