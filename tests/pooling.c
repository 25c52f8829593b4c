/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attention pooling, which makes neither keys nor values, against attention as it is defined, with keys and values of all tokens in
 * double precision; the same bits for any number of threads, and for a picture by itself.
 */
#include "core/model/pooling.h"
#include "tests/random-model.h"

#define MAX_BATCH 3
#define PREFIX "visual.attnpool."

typedef struct {
  const char *name;
  ClipDtype dtype; /* of the weights */
  ClipPrecision precision;
  int tokens, features, heads, batch;
  double most; /* of the error, in deviations of the result */
} Case;

static const Case cases[] = {
  { "f32", CLIP_DTYPE_F32, CLIP_PRECISION_F32, 50, 128, 2, 3, 1e-5 },
  { "f32-many-heads", CLIP_DTYPE_F32, CLIP_PRECISION_F32, 5, 96, 12, 2, 1e-5 },
  { "f32-odd", CLIP_DTYPE_F32, CLIP_PRECISION_F32, 17, 35, 5, 3, 1e-5 },
  { "f32-of-f16", CLIP_DTYPE_F16, CLIP_PRECISION_F32, 2, 64, 1, 1, 1e-5 },
  { "f32-of-i8", CLIP_DTYPE_I8, CLIP_PRECISION_F32, 10, 80, 5, 2, 1e-5 },
  /* three products one after the other, each rounded to 2^-9 and to a 255th of the range */
  { "bf16", CLIP_DTYPE_F32, CLIP_PRECISION_BF16, 50, 128, 2, 3, 0.03 },
  { "int8", CLIP_DTYPE_F32, CLIP_PRECISION_INT8, 50, 128, 2, 3, 0.06 },
  { "int8-odd", CLIP_DTYPE_I8, CLIP_PRECISION_INT8, 17, 35, 5, 3, 0.06 },
};

/* W x + b of the layer NAME */
static void
project (ClipWeights *weights, double *y, const double *x, int n, const char *name)
{
  const ClipMatrix matrix = clip_weights_matrix (weights, n, n, PREFIX "%s.weight", name);
  const float *bias = clip_weights_vector (weights, n, PREFIX "%s.bias", name);
  g_autofree float *row = g_new (float, n);
  for (int r = 0; r < n; r++) {
    clip_matrix_row (clip_kernels (), row, &matrix, r);
    y[r] = bias[r];
    for (int c = 0; c < n; c++)
      y[r] += row[c] * x[c];
  }
}

/* y[F] of one picture's x[T, F] */
static void
define (const Case *c, ClipWeights *weights, double *y, const float *x)
{
  const int n = c->features, size = n / c->heads;
  g_autofree double *q = g_new0 (double, n), *k = g_new0 (double, c->tokens *n),
                    *v = g_new0 (double, c->tokens *n), *p = g_new0 (double, c->tokens),
                    *token = g_new0 (double, n);
  for (int t = 0; t < c->tokens; t++) {
    for (int i = 0; i < n; i++)
      token[i] = x[t * n + i];
    if (t == 0)
      project (weights, q, token, n, "q_proj");
    project (weights, k + t * n, token, n, "k_proj");
    project (weights, v + t * n, token, n, "v_proj");
  }
  for (int h = 0; h < c->heads; h++) {
    double sum = 0;
    for (int t = 0; t < c->tokens; t++) {
      double score = 0;
      for (int i = h * size; i < (h + 1) * size; i++)
        score += q[i] * k[t * n + i];
      sum += p[t] = exp (score / sqrt (size));
    }
    for (int i = h * size; i < (h + 1) * size; i++) {
      y[i] = 0;
      for (int t = 0; t < c->tokens; t++)
        y[i] += p[t] / sum * v[t * n + i];
    }
  }
}

static void
run (const ClipPooling *pooling, float *y, const float *x, int batch, int threads)
{
  ClipSession session = { .threads = clip_threads_new (threads), .kernels = clip_kernels () };
  ClipPoolingWorkspace w;
  ClipArena measure = { 0 };
  clip_pooling_layout (&measure, &w, pooling, batch);
  clip_arena_reserve (&session.arena, measure.used);
  clip_pooling_layout (&session.arena, &w, pooling, batch);
  clip_session_reserve_scratch (&session, clip_pooling_scratch (pooling));
  clip_pooling_run (&session, &w, y, x, pooling, batch);
  clip_threads_free (session.threads);
  clip_arena_clear (&session.arena);
  clip_arena_clear (&session.scratch);
  clip_arena_clear (&session.reduced);
}

static void
check (const Case *c, const float *y, const double *expected, gsize n)
{
  double squares = 0;
  for (gsize i = 0; i < n; i++)
    squares += expected[i] * expected[i];
  const double most = c->most * sqrt (squares / n);
  for (gsize i = 0; i < n; i++)
    if (!(fabs (y[i] - expected[i]) <= most))
      g_error ("%s: feature %" G_GSIZE_FORMAT " is %.9g, expected %.9g within %.3g", c->name, i,
               y[i], expected[i], most);
}

static void
test_case (const void *data)
{
  const Case *c = data;
  const gsize n = c->features, picture = c->tokens * n, all = c->batch * n;
  RandomModel model = random_model ();
  random_vector (&model, 0, 1, "visual.sign", 1);
  random_linear (&model, c->dtype, n, n, PREFIX, "q_proj");
  random_linear (&model, c->dtype, n, n, PREFIX, "k_proj");
  random_linear (&model, c->dtype, n, n, PREFIX, "v_proj");
  g_autoptr (ClipWeights) weights = random_weights (&model);
  g_autofree float *x = g_new0 (float, c->batch *picture), *y = g_new (float, all),
                   *again = g_new (float, all);
  g_autofree double *expected = g_new0 (double, all);
  for (gsize i = 0; i < c->batch * picture; i++)
    x[i] = 0.5f + random_next (&model);
  for (int b = 0; b < c->batch; b++)
    define (c, weights, expected + b * n, x + b * picture);

  ClipPooling pooling = { c->tokens, c->features, c->heads };
  clip_pooling_bind (&pooling, weights, c->precision, PREFIX);
  g_assert_true (clip_weights_ok (weights, NULL));
  run (&pooling, y, x, c->batch, 1);
  check (c, y, expected, all);
  for (int threads = 2; threads <= 3; threads++) {
    run (&pooling, again, x, c->batch, threads);
    g_assert_cmpmem (again, all * sizeof *y, y, all * sizeof *y);
  }
  for (int b = 0; b < c->batch && clip_kernels ()->gemm;
       b++) { /* OpenBLAS sums in orders of its own */
    run (&pooling, again, x + b * picture, 1, 1);
    g_assert_cmpmem (again, n * sizeof *y, y + b * n, n * sizeof *y);
  }
  clip_pooling_clear (&pooling);
  random_model_clear (&model);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/pooling/%s", cases[i].name);
    g_test_add_data_func (path, &cases[i], test_case);
  }
  return g_test_run ();
}
