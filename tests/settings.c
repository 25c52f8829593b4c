/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Training configurations: what is read, what is refused and how that is said, what comes back, and that the reference in
 * docs/training.md is the tables' own. */
#include "core/train/settings.h"
#include "tests/testing.h"

#define WHOLE                                                                                      \
  "{\"init\": \"default\", \"output\": \"out\", \"steps\": 10, \"data\": [{\"shards\": "           \
  "\"a.tar\"}]"

static char *
write_config (const char *text)
{
  char *path = temporary_path ("run.json");
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

static const struct {
  const char *name, *text, *change;
  ClipError code;
  const char *message;
} refusals[] = {
  { "no JSON", "{", NULL, CLIP_ERROR_FORMAT, "run.json: line 1" },
  { "no object", "[]", NULL, CLIP_ERROR_CONFIG, "the whole is [], expected an object" },
  { "unknown", WHOLE ", \"bach\": 3}", NULL, CLIP_ERROR_CONFIG,
    "there is no bach; did you mean 'batch'?" },
  { "unknown inside", WHOLE ", \"optimizer\": {\"weight_deacy\": 3}}", NULL, CLIP_ERROR_CONFIG,
    "there is no optimizer.weight_deacy; did you mean 'weight_decay'?" },
  { "unknown, like nothing", WHOLE ", \"xyzzyxyzzy\": 3}", NULL, CLIP_ERROR_CONFIG,
    "there is no xyzzyxyzzy" },
  { "type", WHOLE ", \"batch\": \"many\"}", NULL, CLIP_ERROR_CONFIG,
    "batch is \"many\", expected an integer, 2 at least (pairs)" },
  { "fraction", WHOLE ", \"batch\": 2.5}", NULL, CLIP_ERROR_CONFIG,
    "batch is 2.5, expected an integer" },
  { "range", WHOLE ", \"optimizer\": {\"average\": 1}}", NULL, CLIP_ERROR_CONFIG,
    "optimizer.average is 1, expected a number from 0 to 0.999999 (a step)" },
  { "flag", WHOLE ", \"loss\": {\"equal_captions\": 1}}", NULL, CLIP_ERROR_CONFIG,
    "loss.equal_captions is 1, expected true or false" },
  { "word", WHOLE ", \"batch_norm\": \"none\"}", NULL, CLIP_ERROR_CONFIG,
    "batch_norm is \"none\", expected \"batch\" or \"running\"" },
  { "blocks", WHOLE ", \"freeze\": {\"text\": \"some\"}}", NULL, CLIP_ERROR_CONFIG,
    "freeze.text is \"some\", expected a number of blocks or \"all\"" },
  { "numbers", WHOLE ", \"optimizer\": {\"betas\": [0.9]}}", NULL, CLIP_ERROR_CONFIG,
    "optimizer.betas is [0.9], expected an array of 2 numbers" },
  { "strings", "{\"data\": [{\"shards\": [1]}]}", NULL, CLIP_ERROR_CONFIG,
    "data.0.shards is [1], expected a string or an array of strings" },
  { "bare where none may be", WHOLE ", \"optimizer\": 3}", NULL, CLIP_ERROR_CONFIG,
    "optimizer is 3, expected an object" },
  { "rate", WHOLE ", \"optimizer\": {\"rate\": -1}}", NULL, CLIP_ERROR_CONFIG,
    "optimizer.rate is -1, expected a number from 0 to 10" },
  { "no beginning", WHOLE "}", "init=null", CLIP_ERROR_CONFIG,
    "expected one of model, init.model" },
  { "two beginnings", WHOLE ", \"model\": {}}", NULL, CLIP_ERROR_CONFIG, "expected one of model" },
  { "half a beginning", WHOLE "}", "init={\"image\": \"a\"}", CLIP_ERROR_CONFIG,
    "init.image and init.text go together" },
  { "no output", WHOLE "}", "output=null", CLIP_ERROR_CONFIG, "output is missing" },
  { "no length", WHOLE "}", "steps=0", CLIP_ERROR_CONFIG, "expected one of steps and epochs" },
  { "two lengths", WHOLE "}", "epochs=2", CLIP_ERROR_CONFIG, "expected one of steps and epochs" },
  { "no data", WHOLE "}", "data=[]", CLIP_ERROR_CONFIG, "data is empty" },
  { "set without a source", WHOLE "}", "data.0.shards=null", CLIP_ERROR_CONFIG,
    "data.0 has none of shards, list and features" },
  { "set of two sources", WHOLE "}", "data.0.list=a.csv", CLIP_ERROR_CONFIG,
    "data.0 has several of" },
  { "template", WHOLE "}", "data.0.templates=a photo", CLIP_ERROR_CONFIG,
    "data.0.templates has \"a photo\", expected {} in it" },
  { "weights", WHOLE "}", "data.0.weight=0", CLIP_ERROR_CONFIG, "the weights of all data are 0" },
  { "classifier without names", WHOLE "}", "loss.classifier.file=a", CLIP_ERROR_CONFIG,
    "loss.classifier.names is missing" },
  { "names without classifier", WHOLE "}", "loss.classifier.names=a", CLIP_ERROR_CONFIG,
    "loss.classifier.file is missing" },
  { "eval without classes", WHOLE "}", "eval.shards=a", CLIP_ERROR_CONFIG,
    "eval.classes is missing" },
  { "change without value", WHOLE "}", "steps", CLIP_ERROR_CONFIG, "expected KEY=VALUE" },
  { "change of no set", WHOLE "}", "data.7.weight=1", CLIP_ERROR_CONFIG, "has no data.7.weight" },
};

static void
test_refusals (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *path = write_config (refusals[i].text);
    const char *changes[] = { refusals[i].change, NULL };
    g_autoptr (ClipSettings) settings = clip_settings_read (path, changes, &error);
    check_error (refusals[i].name, settings, error, refusals[i].code, refusals[i].message);
  }
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipSettings) settings = clip_settings_read ("/nowhere/run.json", NULL, &error);
  check_error ("no file", settings, error, CLIP_ERROR_IO, "/nowhere/run.json");
}

static ClipSettings *
read_config (const char *text, const char *const *changes)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = write_config (text);
  ClipSettings *settings = clip_settings_read (path, changes, &error);
  g_assert_no_error (error);
  return settings;
}

static void
test_values (void)
{
  const char *changes[] = { "optimizer.rate.text=2e-3",
                            "data.0.weight=3",
                            "optimizer.betas=[0.9, 0.99]",
                            "freeze.image=all",
                            "freeze.text=2",
                            "loss.teacher=x",
                            NULL };
  g_autoptr (ClipSettings) settings = read_config (WHOLE "}", changes);
  g_autofree char *folder = g_path_get_dirname (settings->path);
  g_autofree char *shards = g_build_filename (folder, "a.tar", NULL);
  g_autofree char *output = g_build_filename (folder, "out", NULL);
  g_assert_cmpstr (settings->init, ==, "default");
  g_assert_cmpstr (settings->output, ==, output);
  g_assert_cmpstr (settings->sets[0].data.shards[0], ==, shards);
  g_assert_cmpstr (settings->sets[0].data.name, ==, "0");
  g_assert_cmpfloat (settings->sets[0].data.weight, ==, 3);
  g_assert_cmpfloat (settings->sets[0].data.augment.flip, ==, 0.5);
  g_assert_cmpfloat (settings->optimizer.rate[CLIP_PART_TEXT], ==, 2e-3f);
  g_assert_cmpfloat (settings->optimizer.rate[CLIP_PART_IMAGE], ==, 5e-4f);
  g_assert_cmpfloat (settings->optimizer.beta2, ==, 0.99f);
  g_assert_cmpint (settings->freeze_image, ==, G_MAXINT);
  g_assert_cmpint (settings->freeze_text, ==, 2);
  g_assert_cmpint (settings->batch_norm, ==, -1);
  g_assert_cmpstr (settings->teacher.model, ==, "x");
}

/* A rate for all, then one of them otherwise. */
static void
test_bare (void)
{
  const char *changes[] = { "optimizer={\"rate\": 0.25}", NULL };
  g_autoptr (ClipSettings) settings = read_config (WHOLE "}", changes);
  for (int i = 0; i < CLIP_PART_N; i++)
    g_assert_cmpfloat (settings->optimizer.rate[i], ==, 0.25f);
}

/* What is written is read the same, and from another folder too. */
static void
test_echo (void)
{
  const char *changes[] = { "optimizer.rate=1e-3", "batch_norm=running", "freeze.text=all", NULL };
  g_autoptr (ClipSettings) settings = read_config (WHOLE "}", changes);
  g_autofree char *text = clip_settings_to_json (settings);
  g_autofree char *path = temporary_path ("again/settings.json");
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;
  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  g_autoptr (ClipSettings) again = clip_settings_read (path, NULL, &error);
  g_assert_no_error (error);
  g_autofree char *other = clip_settings_to_json (again);
  g_assert_cmpstr (text, ==, other);
  g_assert_nonnull (strstr (text, "\"image\" : 0.001,"));
}

static void
test_differences (void)
{
  static const struct {
    const char *change, *expected;
  } cases[] = {
    { "steps=20", NULL },
    { "threads=7", NULL },
    { "output=elsewhere", NULL },
    { "eval.every=5", NULL },
    { "batch=32", "batch (256, now 32)" },
    { "data.0.augment.flip=0", "data.0.augment.flip (0.5, now 0)" },
    { "freeze.text=1", "freeze.text (null, now 1)" },
  };
  g_autoptr (ClipSettings) before = read_config (WHOLE "}", NULL);
  g_autofree char *text = clip_settings_to_json (before);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *changes[] = { cases[i].change, NULL };
    g_autoptr (ClipSettings) now = read_config (WHOLE "}", changes);
    g_autofree char *other = clip_settings_to_json (now);
    g_autofree char *differences = clip_settings_differences (text, other);
    g_assert_cmpstr (differences, ==, cases[i].expected);
  }
}

static void
test_reference (void)
{
  g_autofree char *reference = clip_settings_describe ();
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "docs", "training.md", NULL);
  g_autofree char *docs = NULL;
  g_assert_true (g_file_get_contents (path, &docs, NULL, NULL));
  if (!strstr (docs, reference))
    g_error ("docs/training.md has not the table of `gst-clip train --reference`");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/settings/refusals", test_refusals);
  g_test_add_func ("/settings/values", test_values);
  g_test_add_func ("/settings/bare", test_bare);
  g_test_add_func ("/settings/echo", test_echo);
  g_test_add_func ("/settings/differences", test_differences);
  g_test_add_func ("/settings/reference", test_reference);
  return g_test_run ();
}
