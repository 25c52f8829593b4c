/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of texts that are true of classes. */
#include "core/train/names.h"
#include "tests/testing.h"

#include <glib/gstdio.h>
#include <string.h>

static ClipNames *
load_without (const char *content, const char *const *without, GError **error)
{
  char *path;
  const int file = g_file_open_tmp ("names-XXXXXX.tsv", &path, NULL);
  g_assert_cmpint (file, >=, 0);
  g_assert_true (g_file_set_contents (path, content, -1, NULL));
  ClipNames *names = clip_names_load (path, without, error);
  if (*error)
    g_assert_true (g_str_has_prefix ((*error)->message, path));
  g_close (file, NULL);
  g_unlink (path);
  g_free (path);
  return names;
}

static ClipNames *
load (const char *content, GError **error)
{
  return load_without (content, NULL, error);
}

static const char table[] = "# class, synset, kind, text\n"
                            "0\tn1\tname\ttench\n"
                            "0\tn1\tname\tTinca tinca\n"
                            "0\tn0\thypernym\tfish\n"
                            "1\tn2\tname\tgoldfish\n"
                            "1\tn0\thypernym\tfish\n"
                            "1\tn2\tgloss\tsmall golden\n"
                            "2\tn3\tname\trobin\n"
                            "2\tn4\thypernym\tbird\n";

static void
test_targets (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipNames) names = load (table, &error);
  g_assert_no_error (error);
  g_assert_cmpint (clip_names_get_n_classes (names), ==, 3);
  g_assert_cmpuint (clip_names_get_n_texts (names), ==, 7);
  static const struct {
    const char *text;
    float target;
  } expected[] = {
    { "tench", .5f },         { "Tinca tinca", .5f }, { "fish", .75f }, { "goldfish", .25f },
    { "small golden", .25f }, { "robin", .25f },      { "bird", .25f },
  };
  const float p[2][3] = { { .5f, .25f, .25f }, { 0, 0, 1 } };
  const guint texts[] = { 0, 1, 2, 3, 4, 5, 6 };
  float y[2][7];
  clip_names_targets (names, &y[0][0], &p[0][0], 2, texts, 7);
  for (guint i = 0; i < 7; i++) {
    g_assert_cmpstr (clip_names_get_text (names, i), ==, expected[i].text);
    g_assert_cmpfloat (y[0][i], ==, expected[i].target);
    g_assert_cmpfloat (y[1][i], ==, i >= 5);
  }
}

static void
test_draw (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipNames) names = load (table, &error);
  g_assert_no_error (error);
  const ClipNamesDraw hypernyms = { .share = { [CLIP_HYPERNYM] = 1 } };
  guint64 state = 1, again = 1;
  guint texts[7], same[7];
  int fish = 0;
  for (int round = 0; round < 1000; round++) {
    clip_names_draw (names, texts, 1, &hypernyms, &state);
    clip_names_draw (names, same, 1, &hypernyms, &again);
    g_assert_cmpuint (texts[0], ==, same[0]);
    fish += texts[0] == 2; /* of two classes, as often as the other, of one */
  }
  g_assert_cmpint (fish, >, 450);
  g_assert_cmpint (fish, <, 550);

  /* All of them: each once. */
  clip_names_draw (names, texts, 7, &hypernyms, &state);
  guint seen = 0;
  for (int i = 0; i < 7; i++)
    seen |= 1 << texts[i];
  g_assert_cmpuint (seen, ==, 127);

  /* Names: each class has one before any has two, the first one more often where that is asked for. */
  for (int first = 0; first < 2; first++) {
    const ClipNamesDraw draw = { .share = { [CLIP_NAME] = 1 }, .first = first * .5 };
    int tench = 0;
    for (int round = 0; round < 1000; round++) {
      clip_names_draw (names, texts, 3, &draw, &state);
      seen = 0;
      for (int i = 0; i < 3; i++)
        seen |= 1 << clip_names_get_only_class (names, texts[i]);
      g_assert_cmpuint (seen, ==, 7);
      tench += texts[0] == 0 || texts[1] == 0 || texts[2] == 0;
    }
    g_assert_cmpint (tench, >, first ? 700 : 450);
    g_assert_cmpint (tench, <, first ? 800 : 550);
  }
}

static void
test_without (void)
{
  g_autoptr (GError) error = NULL;
  const char *without[] = { "fish", "Tinca tinca", NULL };
  g_autoptr (ClipNames) names = load_without (table, without, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (clip_names_get_n_texts (names), ==, 5);
  g_assert_cmpstr (clip_names_get_text (names, 1), ==, "goldfish");
  without[1] = "robin";
  ClipNames *refused = load_without (table, without, &error);
  check_error ("a name", refused, error, CLIP_ERROR_FORMAT, "class 2 of 3 has no name");
  g_clear_error (&error);
  without[1] = "whale";
  refused = load_without (table, without, &error);
  check_error ("absent", refused, error, CLIP_ERROR_CONFIG, "has no text \"whale\" to leave out");
}

static void
test_errors (void)
{
  static const struct {
    const char *content, *message;
  } cases[] = {
    { "0\tn1\tname\ta\n1 n2 name b\n", ":2: 1 fields" },
    { "-1\tn1\tname\ta\n", ":1: class is \"-1\"" },
    { "0\tn1\tnoun\ta\n", ":1: kind is \"noun\"" },
    { "0\tn1\tname\t \n", ":1: the text is empty" },
    { "0\tn1\tname\ta\n2\tn1\tname\tb\n", "class 1 of 3 has no name" },
    { "0\tn1\tgloss\ta\n", "class 0 of 1 has no name" },
    { "", "holds no texts" },
    { "0\tn1\tname\t\xff\n", "is not valid UTF-8" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_null (load (cases[i].content, &error));
    g_assert_error (error, CLIP_ERROR, CLIP_ERROR_FORMAT);
    if (!strstr (error->message, cases[i].message))
      g_error ("case %u: %s, expected %s", i, error->message, cases[i].message);
  }
}

static void
test_shared (void)
{
  const char *shared = g_getenv ("CLIP_SHARED");
  g_autofree char *path =
      g_build_filename (shared ? shared : "../shared", "data", "train", "imagenet-names.tsv", NULL);
  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_test_skip ("no shared data");
    return;
  }
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipNames) names = clip_names_load (path, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (clip_names_get_n_classes (names), ==, 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/names/targets", test_targets);
  g_test_add_func ("/names/draw", test_draw);
  g_test_add_func ("/names/without", test_without);
  g_test_add_func ("/names/errors", test_errors);
  g_test_add_func ("/names/shared", test_shared);
  return g_test_run ();
}
