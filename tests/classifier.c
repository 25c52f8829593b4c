/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Zero-shot classifier against the same formula written out in double precision, with the embedded
 * default model. */
#include "core/zeroshot/labels.h"

#include <cblas.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static ClipSession *session; /* of the default model */
static int E;

/* ----------------------------------------------------------------------------------------------------------
 * meaning */

static void
normalise (double *x)
{
  double sum = 0.0;
  for (int i = 0; i < E; i++)
    sum += x[i] * x[i];
  for (int i = 0; i < E; i++)
    x[i] /= sqrt (sum);
}

/* w[E] = normalise (Σ normalise (text tower (text))) */
static void
embed_texts (double *w, const char *const *texts)
{
  g_autoptr (GError) error = NULL;
  ClipModel *model = clip_session_get_model (session);
  ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, &error);
  g_assert_no_error (error);
  const int T = clip_model_get_info (model)->context_length;
  g_autofree gint32 *tokens = g_new (gint32, T);
  g_autofree float *feature = g_new (float, E);
  g_autofree double *unit = g_new (double, E);
  memset (w, 0, E * sizeof *w);
  for (; *texts; texts++) {
    clip_tokenizer_encode_padded (tokenizer, tokens, T, *texts, NULL);
    clip_encode_text (session, feature, tokens, 1, T);
    for (int i = 0; i < E; i++)
      unit[i] = feature[i];
    normalise (unit);
    for (int i = 0; i < E; i++)
      w[i] += unit[i];
  }
  normalise (w);
}

static double
logit (const double *w, const float *feature)
{
  double dot = 0.0, norm = 0.0;
  for (int i = 0; i < E; i++) {
    dot += w[i] * feature[i];
    norm += (double) feature[i] * feature[i];
  }
  return clip_model_get_info (clip_session_get_model (session))->logit_scale * dot / sqrt (norm);
}

/* A direction that is not close to any label, and one that is. */
static void
fill_feature (float *feature, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  for (int i = 0; i < E; i++)
    feature[i] = (float) g_rand_double_range (rand, -3.0, 3.0);
}

/* Logits reach 100 · 1; float32 features and rows leave about 1e-5 of a logit. */
#define TOLERANCE 1e-4

static ClipClassifier *
make (const char *labels_text, const char *background_text, const char *const *templates)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipLabels) labels = clip_labels_parse (labels_text, &error);
  g_assert_no_error (error);
  g_autoptr (ClipLabels) background =
      background_text ? clip_labels_parse (background_text, &error) : NULL;
  g_assert_no_error (error);
  g_autoptr (ClipLabels) all = clip_labels_join (labels, background, TRUE, &error);
  g_assert_no_error (error);
  ClipClassifier *classifier = clip_classifier_new (session, all, templates, NULL, NULL, &error);
  g_assert_no_error (error);
  return classifier;
}

/* ------------------------------------------------------------------------------------------------------------
 * tests */

static void
test_exclusive (void)
{
  const char *const templates[] = { "a photo of a {}.", "{}", NULL };
  const char *const texts[3][3] = { { "a photo of a cat.", "cat" },
                                    { "a photo of a red car.", "red car" },
                                    { "a photo of a Straße.", "Straße" } };
  g_autoptr (ClipClassifier) classifier = make ("cat;red car", "Straße", templates);
  g_autofree float *feature = g_new (float, E);
  g_autofree double *w = g_new (double, E);
  for (guint32 seed = 0; seed < 8; seed++) {
    fill_feature (feature, seed);
    float scores[3], logits[3];
    clip_classifier_score (classifier, scores, feature, CLIP_SCORING_EXCLUSIVE);
    clip_classifier_logits (classifier, logits, feature);
    double expected[3], sum = 0.0;
    for (int l = 0; l < 3; l++) {
      embed_texts (w, texts[l]);
      g_assert_cmpfloat_with_epsilon (logits[l], logit (w, feature), TOLERANCE);
      sum += expected[l] = exp (logit (w, feature));
    }
    for (int l = 0; l < 3; l++)
      g_assert_cmpfloat_with_epsilon (scores[l], expected[l] / sum, TOLERANCE);
    g_assert_cmpfloat_with_epsilon (scores[0] + scores[1] + scores[2], 1.0, 1e-6);
  }
}

/* A temperature divides the logits; built-in backgrounds too, so that scores are the softmax of the quotients. */
static void
test_temperature (void)
{
  static const float none[] = { NAN, NAN, NAN };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipClassifier) plain = make ("cat;red car;Straße", NULL, NULL);
  g_autoptr (ClipLabels) labels =
      clip_labels_calibrated (clip_classifier_get_labels (plain), 2.5f, none);
  g_autoptr (ClipClassifier) warm = clip_classifier_new (session, labels, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_autofree float *feature = g_new (float, E);
  fill_feature (feature, 3);
  float before[3], logits[3], scores[3];
  clip_classifier_logits (plain, before, feature);
  clip_classifier_logits (warm, logits, feature);
  clip_classifier_score (warm, scores, feature, CLIP_SCORING_EXCLUSIVE);
  double sum = 0;
  for (int l = 0; l < 3; l++) {
    g_assert_cmpfloat_with_epsilon (logits[l], before[l] / 2.5, TOLERANCE);
    sum += exp (before[l] / 2.5);
  }
  for (int l = 0; l < 3; l++)
    g_assert_cmpfloat_with_epsilon (scores[l], exp (before[l] / 2.5) / sum, TOLERANCE);
}

static void
test_independent (void)
{
  const char *const templates[] = { "{}", NULL };
  g_autoptr (ClipClassifier) classifier = make ("cat;red car", "wall;sky", templates);
  const char *const texts[4][2] = { { "cat" }, { "red car" }, { "wall" }, { "sky" } };
  g_autofree float *feature = g_new (float, E);
  g_autofree double *w = g_new (double, E);
  fill_feature (feature, 42);
  double e[4];
  for (int l = 0; l < 4; l++) {
    embed_texts (w, texts[l]);
    e[l] = exp (logit (w, feature));
  }
  float scores[4];
  clip_classifier_score (classifier, scores, feature, CLIP_SCORING_INDEPENDENT);
  g_assert_cmpfloat_with_epsilon (scores[0], e[0] / (e[0] + e[2] + e[3]), TOLERANCE);
  g_assert_cmpfloat_with_epsilon (scores[1], e[1] / (e[1] + e[2] + e[3]), TOLERANCE);
  g_assert_cmpfloat (scores[2], ==, 0.f);
  g_assert_cmpfloat (scores[3], ==, 0.f);

  /* a label's independent score does not depend on which other labels there are */
  g_autoptr (ClipClassifier) alone = make ("cat", "wall;sky", templates);
  float score[3];
  clip_classifier_score (alone, score, feature, CLIP_SCORING_INDEPENDENT);
  g_assert_cmpfloat_with_epsilon (score[0], scores[0], 1e-6);
}

static void
test_builtin_background (void)
{
  g_autoptr (ClipClassifier) classifier = make ("cat", NULL, NULL);
  g_assert_nonnull (strstr (clip_classifier_get_warnings (classifier)[0], "no rival"));
  g_autofree float *feature = g_new (float, E);
  fill_feature (feature, 7);
  float score;
  clip_classifier_score (classifier, &score, feature, CLIP_SCORING_EXCLUSIVE);
  g_assert_cmpfloat (score, ==, 1.f);
  clip_classifier_score (classifier, &score, feature, CLIP_SCORING_INDEPENDENT);
  g_assert_cmpfloat (score, >, 0.f);
  g_assert_cmpfloat (score, <, 1.f);
}

static void
test_scale_of_feature (void)
{
  g_autoptr (ClipClassifier) classifier = make ("cat;dog;a very tall tree", NULL, NULL);
  g_autofree float *feature = g_new (float, E);
  fill_feature (feature, 3);
  float small[3], large[3];
  clip_classifier_score (classifier, small, feature, CLIP_SCORING_EXCLUSIVE);
  for (int i = 0; i < E; i++)
    feature[i] *= 1024.f;
  clip_classifier_score (classifier, large, feature, CLIP_SCORING_EXCLUSIVE);
  g_assert_cmpmem (small, sizeof small, large, sizeof large);

  memset (feature, 0, E * sizeof *feature); /* no direction at all: uniform, not NaN */
  clip_classifier_score (classifier, small, feature, CLIP_SCORING_EXCLUSIVE);
  for (int l = 0; l < 3; l++)
    g_assert_cmpfloat_with_epsilon (small[l], 1.0 / 3.0, 1e-6);
}

static void
test_top (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "clip-test-top-XXXXXX", NULL);
  g_assert_cmpint (g_close (g_mkstemp (path), NULL), ==, TRUE);
  g_file_set_contents (path,
                       "[\"a\", {\"name\": \"b\", \"threshold\": 0.05}, \"c\", {\"name\": \"d\", "
                       "\"background\": true}, "
                       "{\"name\": \"e\", \"threshold\": 0.9}]",
                       -1, &error);
  g_assert_no_error (error);
  g_autoptr (ClipLabels) labels = clip_labels_load (path, &error);
  g_assert_no_error (error);
  g_unlink (path);
  const char *const templates[] = { "{}", NULL };
  g_autoptr (ClipClassifier) classifier =
      clip_classifier_new (session, labels, templates, NULL, NULL, &error);
  g_assert_no_error (error);

  const float scores[] = { 0.2f, 0.1f, 0.2f, 0.4f, 0.8f };
  static const struct {
    guint n;
    float threshold;
    guint n_expected, expected[5];
  } cases[] = {
    { 0, 0.0f, 3, { 0, 2, 1 } }, /* equal scores in label order; d is background; e misses its own
                                    threshold */
    { 2, 0.0f, 2, { 0, 2 } },    { 1, 0.0f, 1, { 0 } },
    { 0, 0.2f, 3, { 0, 2, 1 } }, /* reached, not passed; b has a threshold of its own */
    { 0, 0.5f, 1, { 1 } },
  };
  for (guint c = 0; c < G_N_ELEMENTS (cases); c++) {
    ClipScore top[5];
    const guint n = clip_classifier_top (classifier, top, cases[c].n, scores, cases[c].threshold);
    g_assert_cmpuint (n, ==, cases[c].n_expected);
    for (guint i = 0; i < n; i++) {
      g_assert_cmpuint (top[i].label, ==, cases[c].expected[i]);
      g_assert_cmpfloat (top[i].score, ==, scores[top[i].label]);
    }
  }
}

static gboolean
stop_after_100 (guint done, guint total, gpointer data)
{
  *(guint *) data = total;
  return done < 100;
}

static void
test_cancel (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (int i = 0; i < 500; i++)
    g_string_append_printf (text, "label %d;", i);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipLabels) labels = clip_labels_parse (text->str, &error);
  g_assert_no_error (error);
  const char *const templates[] = { "{}", "a {}", NULL };
  guint total = 0;
  g_assert_null (clip_classifier_new (session, labels, templates, stop_after_100, &total, &error));
  g_assert_error (error, CLIP_ERROR, CLIP_ERROR_CANCELLED);
  g_assert_cmpuint (total, >=, 1000);
}

static void
test_long_label (void)
{
  g_autoptr (GString) text = g_string_new ("short;");
  for (int i = 0; i < 200; i++)
    g_string_append (text, "word ");
  const char *const templates[] = { "{}", NULL };
  g_autoptr (ClipClassifier) classifier = make (text->str, NULL, templates);
  const char *const *warnings = clip_classifier_get_warnings (classifier);
  g_assert_cmpuint (g_strv_length ((char **) warnings), ==, 1);
  g_assert_nonnull (strstr (warnings[0], "word word"));

  /* with more templates still one warning a label */
  g_autoptr (ClipClassifier) default_prompts = make (text->str, NULL, NULL);
  warnings = clip_classifier_get_warnings (default_prompts);
  g_assert_cmpuint (g_strv_length ((char **) warnings), ==, 1);
}

/* A label without any text would score as a label that is like nothing. */
static void
test_bad_templates (void)
{
  static const char *const cases[][3] = { { NULL }, { "{}", "a photo" }, { "{} or {}" } };
  g_autoptr (ClipLabels) labels = clip_labels_parse ("cat;dog", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (clip_classifier_new (session, labels, cases[i], NULL, NULL, &error));
    g_assert_error (error, CLIP_ERROR, CLIP_ERROR_LABELS);
    g_assert_nonnull (strstr (error->message, i == 1 ? "template 2" : "template 1"));
  }
}

static void
test_all_background (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipLabels) labels = clip_labels_parse ("a;b", &error);
  g_autoptr (ClipLabels) background = clip_labels_join (NULL, labels, TRUE, &error);
  g_assert_no_error (error);
  g_assert_null (clip_classifier_new (session, background, NULL, NULL, NULL, &error));
  g_assert_error (error, CLIP_ERROR, CLIP_ERROR_LABELS);
}

/* Scoring happens in streaming threads, beside others: it must not wake OpenBLAS's own. */
static gpointer
score_in_thread (gpointer data)
{
  g_autofree float *feature = g_new (float, E);
  float scores[2];
  fill_feature (feature, 5);
  openblas_set_num_threads (2);
  clip_classifier_score (data, scores, feature, CLIP_SCORING_EXCLUSIVE);
  return GINT_TO_POINTER (openblas_get_num_threads ());
}

static void
test_one_thread (void)
{
  g_autoptr (ClipClassifier) classifier = make ("cat;dog", NULL, NULL);
  GThread *thread = g_thread_new ("score", score_in_thread, classifier);
  g_assert_cmpint (GPOINTER_TO_INT (g_thread_join (thread)), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (NULL, NULL, &error);
  g_assert_no_error (error);
  session = clip_session_new (model, 1);
  E = clip_model_get_info (model)->embed_dim;

  g_test_add_func ("/classifier/exclusive", test_exclusive);
  g_test_add_func ("/classifier/temperature", test_temperature);
  g_test_add_func ("/classifier/independent", test_independent);
  g_test_add_func ("/classifier/builtin-background", test_builtin_background);
  g_test_add_func ("/classifier/scale-of-feature", test_scale_of_feature);
  g_test_add_func ("/classifier/top", test_top);
  g_test_add_func ("/classifier/cancel", test_cancel);
  g_test_add_func ("/classifier/long-label", test_long_label);
  g_test_add_func ("/classifier/bad-templates", test_bad_templates);
  g_test_add_func ("/classifier/all-background", test_all_background);
  g_test_add_func ("/classifier/one-thread", test_one_thread);
  const int status = g_test_run ();
  clip_session_free (session);
  return status;
}
