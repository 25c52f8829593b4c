/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Anchors and their head decide as the classifier does that they are made of. */
#include "core/train/anchors.h"
#include "core/train/random.h"
#include "tests/testing.h"

#include <math.h>

#define W 24
#define K 12
#define N 400

static float features[N][W], weight[K][W], bias[K];

static void
make (void)
{
  guint64 state = 5;
  for (int i = 0; i < N; i++)
    for (int w = 0; w < W; w++)
      features[i][w] =
          1 + (0.2 + 0.1 * w) * clip_random_normal (&state) + (w ? features[i][w - 1] : 0) / 2;
  for (int c = 0; c < K; c++) {
    bias[c] = clip_random_normal (&state);
    for (int w = 0; w < W; w++)
      weight[c][w] = clip_random_normal (&state);
  }
}

static int
decide (const double *logits)
{
  int best = 0;
  for (int c = 1; c < K; c++)
    best = logits[c] > logits[best] ? c : best;
  return best;
}

/* Share of the features that both give to the same class; with room for all directions, the logits themselves agree. */
static double
agreement (const ClipAnchors *anchors, gboolean exact)
{
  const int E = anchors->embed_dim;
  int same = 0;
  double ratio = 0;
  for (int i = 0; i < N; i++) {
    double image[64], logits[K], cosines[K], mean = 0;
    for (int e = 0; e < E; e++) {
      image[e] = anchors->bias[e];
      for (int w = 0; w < W; w++)
        image[e] += (double) anchors->head[e * W + w] * features[i][w];
    }
    for (int c = 0; c < K; c++) {
      logits[c] = bias[c];
      cosines[c] = 0;
      for (int w = 0; w < W; w++)
        logits[c] += (double) weight[c][w] * features[i][w];
      for (int e = 0; e < E; e++)
        cosines[c] += image[e] * anchors->anchors[c * E + e];
      mean += logits[c] / K;
    }
    same += decide (logits) == decide (cosines);
    for (int c = 0; c < K && exact; c++) {
      if (ratio == 0)
        ratio = cosines[c] / (logits[c] - mean);
      if (fabs (cosines[c] - ratio * (logits[c] - mean)) > 2e-4)
        g_error ("feature %d, class %d: %g, expected %g", i, c, cosines[c],
                 ratio * (logits[c] - mean));
    }
  }
  return same / (double) N;
}

static ClipAnchors *
new_anchors (int embed_dim, double ridge)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipTape) tape = clip_tape_new (2);
  ClipAnchors *anchors = clip_anchors_new (tape, &weight[0][0], bias, K, &features[0][0], N, W,
                                           embed_dim, ridge, &error);
  g_assert_no_error (error);
  return anchors;
}

static void
test_exact (void)
{
  static const int sizes[] = { K, K + 1, 40 };
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (ClipAnchors) anchors = new_anchors (sizes[i], i * .1);
    g_assert_cmpfloat (anchors->kept, >, .999999);
    g_assert_cmpfloat (agreement (anchors, TRUE), ==, 1);
    for (int c = 0; c < K; c++) {
      double square = 0;
      for (int e = 0; e < sizes[i]; e++)
        square += pow (anchors->anchors[c * sizes[i] + e], 2);
      g_assert_cmpfloat (fabs (square - 1), <, 1e-5);
    }
    for (int w = 0; w < W; w++) /* the last component tells nothing of an image */
      g_assert_cmpfloat (anchors->head[(sizes[i] - 1) * W + w], ==, 0);
  }
}

/* With fewer directions, more is lost the fewer there are. */
static void
test_fewer (void)
{
  double before = 0, kept = 0;
  for (int embed_dim = 3; embed_dim <= 11; embed_dim += 4) {
    g_autoptr (ClipAnchors) anchors = new_anchors (embed_dim, 0);
    const double now = agreement (anchors, FALSE);
    g_assert_cmpfloat (now, >, before);
    g_assert_cmpfloat (anchors->kept, >, kept);
    before = now;
    kept = anchors->kept;
  }
  g_assert_cmpfloat (before, >, .85);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  make ();
  g_test_add_func ("/anchors/exact", test_exact);
  g_test_add_func ("/anchors/fewer", test_fewer);
  return g_test_run ();
}
