/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AdamW against torch.optim.AdamW (golden/optimizer.py), the schedule, layer decay, what a bad gradient and padding do. */
#include "core/train/optimizer.h"
#include "core/base/arena.h"
#include "tests/golden/optimizer.h"

#include <math.h>
#include <string.h>

typedef struct {
  const char *name;
  ClipPart part;
  int block, n;
  gboolean decay, trained, buffer;
} Row;

/* Parameters without a checkpoint: as clip_parameters_finish () lays them out. */
static ClipParameters *
make_parameters (const Row *rows, int n_rows)
{
  ClipParameters *parameters = clip_parameters_new (NULL);
  const int unit = CLIP_ALIGNMENT / sizeof (float);
  for (int i = 0; i < n_rows; i++) {
    const ClipParameterSpec spec = { rows[i].part,  rows[i].block,  CLIP_ORDER_PLAIN,
                                     rows[i].decay, rows[i].buffer, 1,
                                     { rows[i].n } };
    ClipParameter *parameter = clip_parameters_add (parameters, spec, "%s", rows[i].name);
    parameter->trained = rows[i].trained;
    const gsize all = (rows[i].n + unit - 1) / unit * unit;
    parameters->n_values += all;
    parameters->n_gradients += rows[i].trained ? all : 0;
  }
  parameters->values = clip_aligned_alloc (parameters->n_values * sizeof (float));
  parameters->gradients = clip_aligned_alloc (parameters->n_gradients * sizeof (float));
  memset (parameters->values, 0, parameters->n_values * sizeof (float));
  memset (parameters->gradients, 0, parameters->n_gradients * sizeof (float));
  float *value = parameters->values, *gradient = parameters->gradients;
  for (int i = 0; i < n_rows; i++) {
    ClipParameter *parameter = parameters->list->pdata[i];
    const gsize all = (rows[i].n + unit - 1) / unit * unit;
    parameter->value = value;
    value += all;
    parameter->gradient = rows[i].trained ? gradient : NULL;
    gradient += rows[i].trained ? all : 0;
  }
  return parameters;
}

static ClipParameter *
parameter_at (const ClipParameters *parameters, int i)
{
  return parameters->list->pdata[i];
}

static void
check_near (const char *what, int step, int i, double found, double expected, double tolerance)
{
  if (!(fabs (found - expected) <= tolerance))
    g_error ("%s, step %d, element %d: %.9g, expected %.9g ± %.2g", what, step, i, found, expected,
             tolerance);
}

static const ClipOptimizerConfig golden_config = {
  .rate = { [CLIP_PART_IMAGE] = 1e-2f, [CLIP_PART_TEXT] = 3e-3f, [CLIP_PART_SCALE] = 2e-2f },
  .layer_decay = 1,
  .weight_decay = 0.2f,
  .beta1 = 0.9f,
  .beta2 = 0.98f,
  .epsilon = 1e-6f,
  .clip_norm = 0.25f,
  .warmup_steps = 5,
  .total_steps = 20,
  .average = 0.9f,
};

static const Row golden_rows[] = {
  { "matrix", CLIP_PART_IMAGE, 1, 19, TRUE, TRUE },
  { "gain", CLIP_PART_TEXT, 1, 16, FALSE, TRUE },
  { "logit_scale", CLIP_PART_SCALE, 0, 1, FALSE, TRUE },
};

static void
run_golden (ClipParameters *parameters, ClipOptimizer *optimizer, ClipTape *tape)
{
  for (int p = 0; p < 3; p++) {
    ClipParameter *parameter = parameter_at (parameters, p);
    for (gsize i = 0; i < parameter->n; i++)
      parameter->value[i] = p == 2 ? 2.659260f : cos (0.23 * i + p);
  }
  memcpy (clip_optimizer_get_average (optimizer), parameters->values,
          parameters->n_values * sizeof (float));
  for (int step = 0; step < 20; step++) {
    for (int p = 0; p < 3; p++) {
      ClipParameter *parameter = parameter_at (parameters, p);
      for (gsize i = 0; i < parameter->n; i++)
        parameter->gradient[i] = sin (0.37 * i + 0.91 * step + 1.3 * p) * 0.05 * (p + 1);
    }
    const double norm = clip_optimizer_step (optimizer, tape, step);
    check_near ("norm", step, 0, norm, golden_norms[step], 1e-6 * norm);
  }
}

/* Both compute in float32, in another order: a few roundings a step, relative to the largest of an array; what m forgets
 * of a gradient leaves the rounding behind that it brought. */
static void
test_golden (void)
{
  static const struct {
    const float *w, *average, *first, *second;
  } golden[3] = {
    { golden_w0, golden_average0, golden_first0, golden_second0 },
    { golden_w1, golden_average1, golden_first1, golden_second1 },
    { golden_w2, golden_average2, golden_first2, golden_second2 },
  };
  g_autoptr (ClipParameters) parameters = make_parameters (golden_rows, 3);
  g_autoptr (ClipTape) tape = clip_tape_new (2);
  g_autoptr (ClipOptimizer) optimizer = clip_optimizer_new (parameters, &golden_config);
  run_golden (parameters, optimizer, tape);
  for (int p = 0; p < 3; p++) {
    const ClipParameter *parameter = parameter_at (parameters, p);
    const gsize value = parameter->value - parameters->values,
                gradient = parameter->gradient - parameters->gradients;
    const struct {
      const char *name;
      const float *found, *expected;
    } arrays[] = {
      { "w", parameter->value, golden[p].w },
      { "average", clip_optimizer_get_average (optimizer) + value, golden[p].average },
      { "m", clip_optimizer_get_first (optimizer) + gradient, golden[p].first },
      { "v", clip_optimizer_get_second (optimizer) + gradient, golden[p].second },
    };
    for (guint a = 0; a < G_N_ELEMENTS (arrays); a++) {
      float largest = a == 2 ? (1 - 0.9f) * 0.05f * (p + 1) : 0;
      for (gsize i = 0; i < parameter->n; i++)
        largest = MAX (largest, fabsf (arrays[a].expected[i]));
      for (gsize i = 0; i < parameter->n; i++)
        check_near (arrays[a].name, 20, i, arrays[a].found[i], arrays[a].expected[i],
                    1e-6 * largest);
    }
  }
  for (gsize i = 19; i < 32; i++)
    g_assert_cmpfloat (parameters->values[i], ==, 0); /* between two parameters */
}

static void
test_schedule (void)
{
  static const ClipOptimizerConfig config = { .warmup_steps = 4, .total_steps = 12 };
  static const ClipOptimizerConfig cold = { .total_steps = 8 };
  static const struct {
    const ClipOptimizerConfig *config;
    int step;
    double factor;
  } cases[] = {
    { &config, 0, 0.25 },        { &config, 3, 1 },  { &config, 4, 1 },
    { &config, 8, 0.5 },         { &config, 12, 0 }, { &config, 99, 0 },
    { &config, 6, 0.853553391 }, { &cold, 0, 1 },    { &cold, 4, 0.5 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check_near ("factor", cases[i].step, i, clip_schedule (cases[i].config, cases[i].step),
                cases[i].factor, 1e-8);
}

/* The first step of AdamW is of size η wherever the gradient is not tiny. */
static void
test_layer_decay (void)
{
  static const Row rows[] = {
    { "image.0", CLIP_PART_IMAGE, 0, 5, TRUE, TRUE },
    { "image.1", CLIP_PART_IMAGE, 1, 5, TRUE, TRUE },
    { "image.3", CLIP_PART_IMAGE, 3, 5, TRUE, TRUE },
    { "text.2", CLIP_PART_TEXT, 2, 5, TRUE, TRUE },
    { "frozen", CLIP_PART_TEXT, 1, 5, TRUE, FALSE },
    { "head", CLIP_PART_IMAGE_HEAD, 0, 5, TRUE, TRUE },
    { "running", CLIP_PART_IMAGE, 1, 5, FALSE, FALSE, TRUE },
  };
  static const double expected[] = { 1e-3 / 8, 1e-3 / 4, 1e-3, 2e-3, 0, 4e-3, 0 };
  const ClipOptimizerConfig config = {
    .rate = { [CLIP_PART_IMAGE] = 1e-3f, [CLIP_PART_TEXT] = 2e-3f, [CLIP_PART_IMAGE_HEAD] = 4e-3f },
    .layer_decay = 0.5f,
    .beta1 = 0.9f,
    .beta2 = 0.999f,
    .epsilon = 1e-8f,
    .total_steps = 100,
    .average = 0.5f,
  };
  g_autoptr (ClipParameters) parameters = make_parameters (rows, G_N_ELEMENTS (rows));
  g_autoptr (ClipTape) tape = clip_tape_new (1);
  g_autoptr (ClipOptimizer) optimizer = clip_optimizer_new (parameters, &config);
  for (gsize i = 0; i < parameters->n_gradients; i++)
    parameters->gradients[i] = 0.5f;
  parameter_at (parameters, 6)->value[0] = 2; /* statistics moved on */
  g_assert_cmpfloat (clip_optimizer_step (optimizer, tape, 0), >, 0);
  for (guint i = 0; i < G_N_ELEMENTS (rows) - 1; i++)
    check_near (rows[i].name, 0, 0, -parameter_at (parameters, i)->value[4], expected[i], 1e-8);
  const gsize running = parameter_at (parameters, 6)->value - parameters->values;
  check_near ("average", 0, 0, clip_optimizer_get_average (optimizer)[running], 1, 0);
}

/* A gradient that is no number leaves everything as it was; logit_scale stays in its range. */
static void
test_guards (void)
{
  static const float bad[] = { NAN, INFINITY, -INFINITY, 1e30f };
  g_autoptr (ClipParameters) parameters = make_parameters (golden_rows, 3);
  g_autoptr (ClipTape) tape = clip_tape_new (1);
  g_autoptr (ClipOptimizer) optimizer = clip_optimizer_new (parameters, &golden_config);
  ClipParameter *matrix = parameter_at (parameters, 0), *scale = parameter_at (parameters, 2);
  for (guint k = 0; k < 3; k++) {
    matrix->gradient[7] = bad[k];
    g_assert_false (isfinite (clip_optimizer_step (optimizer, tape, 0)));
    for (gsize i = 0; i < parameters->n_gradients; i++) {
      g_assert_cmpfloat (parameters->values[i], ==, 0);
      g_assert_cmpfloat (clip_optimizer_get_first (optimizer)[i], ==, 0);
    }
  }
  matrix->gradient[7] = bad[3]; /* whose square is no float, and is clipped */
  check_near ("norm", 0, 0, clip_optimizer_step (optimizer, tape, 0) / 1e30f, 1, 1e-6);
  g_assert_true (isfinite (matrix->value[7]));

  scale->value[0] = 4.605f;
  memset (parameters->gradients, 0, parameters->n_gradients * sizeof (float));
  scale->gradient[0] = -1;
  for (int step = 0; step < 4; step++)
    clip_optimizer_step (optimizer, tape, step);
  check_near ("logit_scale", 4, 0, scale->value[0], log (100), 1e-6);
  scale->value[0] = 0.001f;
  scale->gradient[0] = 100;
  for (int step = 0; step < 10; step++)
    clip_optimizer_step (optimizer, tape, step);
  check_near ("logit_scale", 10, 0, scale->value[0], 0, 0);
}

/* Several pieces a parameter, several threads: the same bits. */
static void
test_threads (void)
{
  static const Row rows[] = { { "large", CLIP_PART_IMAGE, 1, 300001, TRUE, TRUE },
                              { "small", CLIP_PART_TEXT, 1, 77, TRUE, TRUE } };
  g_autofree float *first = NULL;
  for (int threads = 1; threads <= 3; threads++) {
    g_autoptr (ClipParameters) parameters = make_parameters (rows, 2);
    g_autoptr (ClipTape) tape = clip_tape_new (threads);
    g_autoptr (ClipOptimizer) optimizer = clip_optimizer_new (parameters, &golden_config);
    for (int step = 0; step < 3; step++) {
      for (int p = 0; p < 2; p++) {
        ClipParameter *parameter = parameter_at (parameters, p);
        for (gsize i = 0; i < parameter->n; i++)
          parameter->gradient[i] = sin (i + step);
      }
      clip_optimizer_step (optimizer, tape, step);
    }
    const gsize bytes = parameters->n_values * sizeof (float);
    if (!first)
      first = g_memdup2 (parameters->values, bytes);
    g_assert_cmpmem (parameters->values, bytes, first, bytes);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/optimizer/golden", test_golden);
  g_test_add_func ("/optimizer/schedule", test_schedule);
  g_test_add_func ("/optimizer/layer-decay", test_layer_decay);
  g_test_add_func ("/optimizer/guards", test_guards);
  g_test_add_func ("/optimizer/threads", test_threads);
  return g_test_run ();
}
