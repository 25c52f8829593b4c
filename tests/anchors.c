/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Anchors and a head in closed form decide as the classifier does that they are made of. */
#include "core/train/anchors.h"
#include "core/train/random.h"
#include "tests/testing.h"

#include <glib/gstdio.h>
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

/* What the classes are called: "one N" for each, "kind N" for three of them. */
static ClipNames *
write_names (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  for (int c = 0; c < K; c++)
    g_string_append_printf (text, "%d\tn\tname\tone %d\n%d\tn\thypernym\tkind %d\n", c, c, c,
                            c / 3);
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "anchors-names.tsv", NULL);
  g_assert_true (g_file_set_contents (path, text->str, -1, NULL));
  ClipNames *names = clip_names_load (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_unlink (path), ==, 0);
  return names;
}

typedef struct {
  ClipNames *names;
  ClipClosedHead *head;
  float *anchors;
  int E;
} Closed;

static void
closed_clear (Closed *closed)
{
  clip_names_free (closed->names);
  clip_closed_head_free (closed->head);
  g_free (closed->anchors);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Closed, closed_clear)

static Closed
closed_new (int embed_dim, double ridge)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipTape) tape = clip_tape_new (2);
  g_autoptr (GArray) like = g_array_new (FALSE, FALSE, sizeof features[0]),
                     centre = g_array_new (FALSE, FALSE, sizeof features[0]);
  g_array_append_vals (like, features, N);
  g_array_append_vals (centre, features, 30);
  ClipArray w = { .n_dims = 2, .shape = { K, W }, .data = &weight[0][0] },
            b = { .n_dims = 1, .shape = { K }, .data = bias };
  const ClipPooledClassifier classifier = { K, W, &w, &b };
  Closed closed = { .names = write_names (), .E = embed_dim };
  closed.head = clip_closed_head_new (tape, &classifier, like, centre, embed_dim, ridge, &error);
  g_assert_no_error (error);
  closed.anchors = clip_anchors_find (tape, closed.head, &classifier, closed.names, like);
  return closed;
}

static void
embed (const Closed *closed, double *image, int i)
{
  for (int e = 0; e < closed->E; e++) {
    image[e] = closed->head->bias[e];
    for (int w = 0; w < W; w++)
      image[e] += (double) closed->head->head[e * W + w] * features[i][w];
  }
}

static double
similarity (const Closed *closed, const double *image, const char *name)
{
  for (guint t = 0; t < clip_names_get_n_texts (closed->names); t++) {
    double sum = 0;
    for (int e = 0; e < closed->E; e++)
      sum += image[e] * closed->anchors[(gsize) t * closed->E + e];
    if (g_str_equal (clip_names_get_text (closed->names, t), name))
      return sum;
  }
  g_error ("%s: no such text", name);
}

/* Share of the features that both give to the same class; with room for all directions, the logits themselves agree. */
static double
agreement (const Closed *closed, gboolean exact)
{
  int same = 0;
  double ratio = 0;
  for (int i = 0; i < N; i++) {
    double image[64], logits[K], found[K], mean = 0;
    embed (closed, image, i);
    for (int c = 0; c < K; c++) {
      g_autofree char *name = g_strdup_printf ("one %d", c);
      found[c] = similarity (closed, image, name);
      logits[c] = bias[c];
      for (int w = 0; w < W; w++)
        logits[c] += (double) weight[c][w] * features[i][w];
      mean += logits[c] / K;
    }
    same += decide (logits) == decide (found);
    for (int c = 0; c < K && exact; c++) {
      const double expected = logits[c] - mean;
      if (ratio == 0)
        ratio = found[c] / expected;
      if (fabs (found[c] - ratio * expected) > 3e-4)
        g_error ("feature %d, class %d: %g, expected %g", i, c, found[c], ratio * expected);
    }
  }
  return same / (double) N;
}

static void
test_exact (void)
{
  static const int sizes[] = { K + 1, K + 2, 40 };
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_auto (Closed) closed = closed_new (sizes[i], i * .1);
    const int E = sizes[i];
    g_assert_cmpfloat (closed.head->kept, >, .999999);
    g_assert_cmpfloat (agreement (&closed, TRUE), ==, 1);
    for (guint t = 0; t < clip_names_get_n_texts (closed.names); t++) {
      double square = 0;
      for (int e = 0; e < E; e++)
        square += pow (closed.anchors[t * E + e], 2);
      g_assert_cmpfloat (fabs (square - 1), <, 1e-5);
    }
    for (int w = 0; w < W; w++) { /* the last components tell nothing of an image */
      g_assert_cmpfloat (closed.head->head[(E - 1) * W + w], ==, 0);
      g_assert_cmpfloat (closed.head->head[(E - 2) * W + w], ==, 0);
    }
    double mean = 0; /* of the first 30, which are the centre */
    for (int n = 0; n < 30; n++) {
      double image[64];
      embed (&closed, image, n);
      mean += image[0] / 30;
      g_assert_cmpfloat (image[E - 2], >, 0);
      g_assert_cmpfloat (image[E - 1], ==, 0);
    }
    g_assert_cmpfloat (fabs (mean), <, 1e-4);
  }
}

/* A kind is there where one of its classes is: as often as a straight line can tell. */
static void
test_kinds (void)
{
  g_auto (Closed) closed = closed_new (40, .01);
  int same = 0;
  for (int i = 0; i < N; i++) {
    double image[64], logits[K], found[K];
    embed (&closed, image, i);
    for (int c = 0; c < K; c++) {
      logits[c] = bias[c];
      for (int w = 0; w < W; w++)
        logits[c] += (double) weight[c][w] * features[i][w];
      g_autofree char *name = g_strdup_printf ("kind %d", c / 3);
      found[c] = similarity (&closed, image, name);
    }
    same += decide (logits) / 3 == decide (found) / 3;
  }
  g_assert_cmpfloat (same / (double) N, >, .5); /* chance: one of four */
}

/* With fewer directions, more is lost the fewer there are. */
static void
test_fewer (void)
{
  double before = 0, kept = 0;
  for (int embed_dim = 4; embed_dim <= 12; embed_dim += 4) {
    g_auto (Closed) closed = closed_new (embed_dim, 0);
    const double now = agreement (&closed, FALSE);
    g_assert_cmpfloat (now, >, before);
    g_assert_cmpfloat (closed.head->kept, >, kept);
    before = now;
    kept = closed.head->kept;
  }
  g_assert_cmpfloat (before, >, .85);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  make ();
  g_test_add_func ("/anchors/exact", test_exact);
  g_test_add_func ("/anchors/kinds", test_kinds);
  g_test_add_func ("/anchors/fewer", test_fewer);
  return g_test_run ();
}
