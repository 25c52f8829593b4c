/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranks and what is counted with them, on cases that can be checked by eye. */
#include "core/eval/metrics.h"

#include <math.h>

static void
test_rank (void)
{
  static const struct {
    const char *name;
    int n;
    float scores[5];
    guint8 right[5];
    int rank;
  } cases[] = {
    { "first", 3, { 3, 2, 1 }, { 1, 0, 0 }, 0 },
    { "last", 3, { 3, 2, 1 }, { 0, 0, 1 }, 2 },
    { "the best of several", 4, { 1, 4, 3, 2 }, { 1, 0, 1, 0 }, 1 },
    { "right ones do not count against each other", 4, { 1, 4, 3, 2 }, { 1, 1, 1, 0 }, 0 },
    { "equal: in order", 3, { 1, 1, 1 }, { 0, 0, 1 }, 2 },
    { "equal: first", 3, { 1, 1, 1 }, { 1, 0, 0 }, 0 },
    { "none", 3, { 1, 2, 3 }, { 0, 0, 0 }, G_MAXINT },
    { "NaN is not right", 3, { 1, NAN, 3 }, { 0, 1, 0 }, G_MAXINT },
    { "NaN is not right, alone", 1, { NAN }, { 1 }, G_MAXINT },
    { "NaN does not count", 3, { NAN, 2, NAN }, { 0, 1, 0 }, 0 },
    { "infinity is not right", 3, { 1, INFINITY, 3 }, { 0, 1, 0 }, G_MAXINT },
    { "infinity does not count", 3, { INFINITY, 2, 3 }, { 0, 1, 0 }, 1 },
    { "nothing", 0, { 0 }, { 0 }, G_MAXINT },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const int rank = clip_rank (cases[i].scores, cases[i].right, cases[i].n);
    if (rank != cases[i].rank)
      g_error ("%s: rank %d, expected %d", cases[i].name, rank, cases[i].rank);
  }
}

static void
test_answer (void)
{
  static const struct {
    const char *name;
    float scores[4];
    int truth, answer, rank;
  } cases[] = {
    { "right", { 0, 9, 1, 2 }, 1, 1, 0 },
    { "wrong", { 0, 9, 1, 2 }, 2, 1, 2 },
    { "equal: the first", { 5, 5, 5, 5 }, 2, 0, 2 },
    { "equal and first", { 5, 5, 5, 5 }, 0, 0, 0 },
    { "NaN", { NAN, NAN, NAN, NAN }, 0, -1, G_MAXINT },
    { "own NaN", { 1, NAN, 0, 0 }, 1, 0, G_MAXINT },
    { "infinite", { INFINITY, 1, 2, 0 }, 2, 2, 0 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const ClipAnswer answer = clip_answer (cases[i].scores, 4, cases[i].truth);
    if (answer.answer != cases[i].answer || answer.rank != cases[i].rank)
      g_error ("%s: answer %d, rank %d, expected %d, %d", cases[i].name, answer.answer, answer.rank,
               cases[i].answer, cases[i].rank);
  }
}

/* Three samples of class 0, one of class 1, none of class 2, one of class 3. */
static const ClipAnswer answers[] = {
  { 0, 0, 0 }, { 0, 2, 1 }, { 0, 2, 6 }, { 1, 1, 0 }, { 3, 0, 4 },
};

static void
test_classes (void)
{
  const gsize n = G_N_ELEMENTS (answers);
  g_assert_cmpfloat (clip_top_k (answers, n, 1), ==, 2 / 5.);
  g_assert_cmpfloat (clip_top_k (answers, n, 5), ==, 4 / 5.);
  g_assert_cmpfloat (clip_top_k (answers, 0, 5), ==, 0);
  g_assert_cmpfloat_with_epsilon (clip_mean_per_class (answers, n, 4), (1 / 3. + 1 + 0) / 3, 1e-15);
  g_assert_cmpfloat (clip_mean_per_class (answers, 0, 4), ==, 0);

  ClipClassResult r[4];
  clip_class_results (r, 4, answers, n);
  static const ClipClassResult expected[4] = {
    { 3, 1, 2, 2, 2, 2 },
    { 1, 1, 1, 1, -1, 0 },
    { 0, 0, 0, 2, -1, 0 },
    { 1, 0, 1, 0, 0, 1 },
  };
  for (int c = 0; c < 4; c++)
    if (memcmp (&r[c], &expected[c], sizeof *r) != 0)
      g_error ("class %d: n %d, top-1 %d, top-5 %d, answered %d, confused with %d %d times", c,
               r[c].n, r[c].top1, r[c].top5, r[c].answered, r[c].confused, r[c].confused_n);

  guint counts[16];
  clip_confusion (counts, 4, answers, n);
  static const guint matrix[16] = { 1, 0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0 };
  g_assert_cmpmem (counts, sizeof counts, matrix, sizeof matrix);
}

/* Three images at 0°, 30°, 90° with two captions each; the last of image 1 and the first of image 2 are the same text. */
static void
test_retrieval (void)
{
  static const float degrees_image[] = { 0, 30, 90 };
  static const float degrees_text[] = { 5, 200, 80, 50, 50, 190 };
  static const int first[] = { 0, 2, 4, 6 }, same[] = { 0, 1, 2, 3, 3, 5 };
  static const int different[] = { 0, 1, 2, 3, 4, 5 };
  float images[3 * 2], texts[6 * 2];
  for (int i = 0; i < 3; i++) {
    images[2 * i] = cos (degrees_image[i] * G_PI / 180);
    images[2 * i + 1] = sin (degrees_image[i] * G_PI / 180);
  }
  for (int t = 0; t < 6; t++) {
    texts[2 * t] = cos (degrees_text[t] * G_PI / 180);
    texts[2 * t + 1] = sin (degrees_text[t] * G_PI / 180);
  }
  ClipRetrieval r = { images, texts, first, same, 3, 2 };
  ClipRecall to_text, to_image;
  clip_retrieve (&r, &to_text, &to_image);
  /* image 0: text 0 (5°) first. Image 1 (30°): 50° at once, 20° off. Image 2 (90°): 80° comes first, then 50°. */
  g_assert_cmpuint (to_text.n, ==, 3);
  g_assert_cmpfloat_with_epsilon (to_text.r1, 2 / 3., 1e-15);
  g_assert_cmpfloat (to_text.r5, ==, 1);
  /* texts 5° → 0; 200° → 90 (not 0); 80° → 90 (not 30); 50° → 30: right for both of its owners; 190° → 90: right */
  g_assert_cmpuint (to_image.n, ==, 6);
  g_assert_cmpfloat_with_epsilon (to_image.r1, 4 / 6., 1e-15);
  g_assert_cmpfloat (to_image.r5, ==, 1);

  r.same =
      different; /* then 50° belongs to one image a piece, and the text of image 2 finds image 1 */
  clip_retrieve (&r, &to_text, &to_image);
  g_assert_cmpfloat_with_epsilon (to_text.r1, 2 / 3., 1e-15);
  g_assert_cmpfloat_with_epsilon (to_image.r1, 3 / 6., 1e-15);

  /* An image whose embedding is no number finds nothing and is not found, few as they are. */
  images[0] = NAN;
  clip_retrieve (&r, &to_text, &to_image);
  g_assert_cmpfloat_with_epsilon (to_text.r5, 2 / 3., 1e-15);
  g_assert_cmpfloat_with_epsilon (to_image.r10, 4 / 6., 1e-15);

  r.n_images = 0;
  clip_retrieve (&r, &to_text, &to_image);
  g_assert_cmpuint (to_text.n + to_image.n, ==, 0);
  g_assert_cmpfloat (to_text.r1, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/metrics/rank", test_rank);
  g_test_add_func ("/metrics/answer", test_answer);
  g_test_add_func ("/metrics/classes", test_classes);
  g_test_add_func ("/metrics/retrieval", test_retrieval);
  return g_test_run ();
}
