/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Virtual features have the mean, the spread and the direction that they are said to have. */
#include "core/train/virtual.h"
#include "core/train/random.h"
#include "tests/testing.h"

#include <math.h>
#include <string.h>

#define CHECK_NEAR(found, expected, tolerance)                                                     \
  do {                                                                                             \
    const double found_ = (found), expected_ = (expected);                                         \
    if (!(fabs (found_ - expected_) <= (tolerance)))                                               \
      g_error ("%s is %g, expected %g", #found, found_, expected_);                                \
  } while (0)

#define W 6
#define K 3
#define N 5000
#define DRAWS 20000

/* Features far above zero, so that nothing is cut off: μ = 100, and a covariance that is not diagonal. */
static float features[N][W], drawn[DRAWS][W], weight[K][W];

static void
make_features (void)
{
  guint64 state = 3;
  for (int i = 0; i < N; i++) {
    double z[W];
    for (int w = 0; w < W; w++)
      z[w] = clip_random_normal (&state);
    for (int w = 0; w < W; w++)
      features[i][w] = 100 + (w + 1) * z[w] + (w ? 2 * z[w - 1] : 0);
  }
  for (int c = 0; c < K; c++)
    for (int w = 0; w < W; w++)
      weight[c][w] = clip_random_normal (&state);
}

static void
moments (double *mean, double covariance[W][W], float (*x)[W], int n)
{
  memset (mean, 0, W * sizeof *mean);
  memset (covariance, 0, W * sizeof *covariance);
  for (int i = 0; i < n; i++)
    for (int w = 0; w < W; w++)
      mean[w] += x[i][w] / (double) n;
  for (int i = 0; i < n; i++)
    for (int a = 0; a < W; a++)
      for (int b = 0; b < W; b++)
        covariance[a][b] += (x[i][a] - mean[a]) * (x[i][b] - mean[b]) / n;
}

static void
test_moments (void)
{
  g_autoptr (ClipTape) tape = clip_tape_new (2);
  const ClipVirtualConfig config = { { 4, 4 }, .5 };
  g_autoptr (ClipVirtual) virtual = clip_virtual_new (tape, &config, &weight[0][0], K,
                                                      &features[0][0], N, W);
  double mean[W], covariance[W][W], drawn_mean[W], drawn_covariance[W][W];
  moments (mean, covariance, features, N);
  static int classes[DRAWS];
  for (int c = 0; c < K; c++) {
    for (int i = 0; i < DRAWS; i++)
      classes[i] = c;
    clip_virtual_draw (virtual, tape, &drawn[0][0], classes, DRAWS, 17 + c);
    moments (drawn_mean, drawn_covariance, drawn, DRAWS);
    double direction[W] = { 0 }, variance = 0;
    for (int a = 0; a < W; a++)
      for (int b = 0; b < W; b++)
        direction[a] += covariance[a][b] * weight[c][b];
    for (int a = 0; a < W; a++)
      variance += direction[a] * weight[c][a];
    for (int a = 0; a < W; a++) {
      /* 20,000 draws of deviation up to 3: five standard errors are 0.1 */
      CHECK_NEAR (drawn_mean[a], mean[a] + 4 * direction[a] / sqrt (variance), .15);
      for (int b = 0; b < W; b++)
        CHECK_NEAR (drawn_covariance[a][b], .25 * covariance[a][b],
                    .05 * sqrt (covariance[a][a] * covariance[b][b]));
    }
  }
}

static void
test_bits (void)
{
  const ClipVirtualConfig config = { { 0, 40 }, 1 };
  static const int classes[64] = { 0, 1, 2, 1 };
  static float y[2][64][W];
  for (int i = 0; i < 2; i++) {
    g_autoptr (ClipTape) tape = clip_tape_new (1 + 2 * i);
    g_autoptr (ClipVirtual) virtual = clip_virtual_new (tape, &config, &weight[0][0], K,
                                                        &features[0][0], N, W);
    clip_virtual_draw (virtual, tape, &y[i][0][0], classes, 64, 5);
  }
  g_assert_cmpmem (y[0], sizeof y[0], y[1], sizeof y[1]);
  for (int i = 0; i < 64 * W; i++)
    g_assert_cmpfloat ((&y[0][0][0])[i], >=, 0);
}

/* Fewer pictures than dimensions: finite all the same. */
static void
test_singular (void)
{
  const ClipVirtualConfig config = { { 4, 13 }, .85 };
  g_autoptr (ClipTape) tape = clip_tape_new (1);
  g_autoptr (ClipVirtual) virtual = clip_virtual_new (tape, &config, &weight[0][0], K,
                                                      &features[0][0], 3, W);
  const int classes[8] = { 0, 1, 2 };
  float y[8][W];
  clip_virtual_draw (virtual, tape, &y[0][0], classes, 8, 5);
  for (int i = 0; i < 8 * W; i++)
    g_assert_true (isfinite ((&y[0][0])[i]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  make_features ();
  g_test_add_func ("/virtual/moments", test_moments);
  g_test_add_func ("/virtual/bits", test_bits);
  g_test_add_func ("/virtual/singular", test_singular);
  return g_test_run ();
}
