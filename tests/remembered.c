/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows of labels on disk: found again to the bit where nothing they depend on has changed, never where anything has, whatever
 * became of the file, whoever else writes it.
 */
#include "core/zeroshot/remembered.h"
#include "core/model/tower.h"
#include "tests/testing.h"
#include "tests/tiny-model.h"

#include <gio/gio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
enum { ROWS = 3, E = 5 };

static const char *program;
static char *cache; /* XDG_CACHE_HOME */

static char *
folder (void)
{
  return g_build_filename (cache, "gst-clip", "labels", NULL);
}

static char *
path_of (const char *key)
{
  g_autofree char *in = folder (), *name = g_strconcat (key, ".safetensors", NULL);
  return g_build_filename (in, name, NULL);
}

static guint
count_files (void)
{
  g_autofree char *in = folder ();
  g_autoptr (GDir) dir = g_dir_open (in, 0, NULL);
  guint n = 0;
  while (dir && g_dir_read_name (dir))
    n++;
  return n;
}

static void
forget_all (void)
{
  g_autofree char *ours = g_build_filename (cache, "gst-clip", NULL);
  remove_tree (ours);
}

static void
fill_rows (float *rows, gsize n)
{
  for (gsize i = 0; i < n; i++)
    rows[i] = 0.25f * i - 1.5f;
}

/* Whether KEY is found; what is found must be what was kept. */
static gboolean
finds (const char *what)
{
  float rows[ROWS * E], expected[ROWS * E];
  fill_rows (expected, ROWS * E);
  memset (rows, 0xff, sizeof rows);
  if (!clip_remembered_find (rows, ROWS, E, KEY))
    return FALSE;
  for (int i = 0; i < ROWS * E; i++)
    if (!(rows[i] == expected[i]))
      g_error ("%s: number %d is %g, kept was %g", what, i, rows[i], expected[i]);
  return TRUE;
}

static void
keep (void)
{
  float rows[ROWS * E];
  fill_rows (rows, ROWS * E);
  clip_remembered_keep (rows, ROWS, E, KEY);
}

/* ------------------------------------------------------------------------------------------------------- one file */

static void
test_kept (void)
{
  float rows[ROWS * E];
  forget_all ();
  g_assert_false (finds ("nothing there"));
  keep ();
  g_assert_true (finds ("kept"));
  g_assert_cmpuint (count_files (), ==, 1);
  g_assert_false (clip_remembered_find (rows, ROWS, E, "another"));
  g_assert_false (clip_remembered_find (rows, E, ROWS, KEY));
  g_assert_false (clip_remembered_find (rows, 1, E, KEY));

  /* under another name it is not what that name says */
  g_autofree char *path = path_of (KEY), *other = path_of ("another");
  g_assert_cmpint (g_rename (path, other), ==, 0);
  g_assert_false (clip_remembered_find (rows, ROWS, E, "another"));
  g_assert_false (finds ("renamed"));
}

static void
test_off (void)
{
  forget_all ();
  keep ();
  g_setenv ("GST_CLIP_CACHE", "off", TRUE);
  g_assert_false (finds ("off"));
  forget_all ();
  keep ();
  g_assert_cmpuint (count_files (), ==, 0);
  g_unsetenv ("GST_CLIP_CACHE");
  keep ();
  g_assert_true (finds ("on"));
}

/* Each bit of the file turned, each length it may have lost its end at, and more than was there. */
static void
test_damaged (void)
{
  forget_all ();
  keep ();
  g_autofree char *path = path_of (KEY), *bytes = NULL;
  gsize size;
  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  const gsize data = size - ROWS * E * sizeof (float);
  guint noticed = 0;
  for (gsize bit = 0; bit < 8 * size; bit++) {
    bytes[bit / 8] ^= 1 << bit % 8;
    g_assert_true (
        g_file_set_contents_full (path, bytes, size, G_FILE_SET_CONTENTS_NONE, 0666, NULL));
    bytes[bit / 8] ^= 1 << bit % 8;
    const gboolean found = finds ("a bit turned");
    if (found && bit / 8 >= data)
      g_error ("bit %" G_GSIZE_FORMAT " of the rows turned, and they were found", bit - 8 * data);
    noticed += !found;
  }
  /* what is left are spellings of the same */
  g_test_message ("%u of %" G_GSIZE_FORMAT " bits noticed", noticed, 8 * size);
  g_assert_cmpuint (noticed, >, 8 * size * 9 / 10);

  for (gsize length = 0; length < size; length++) {
    g_assert_true (
        g_file_set_contents_full (path, bytes, length, G_FILE_SET_CONTENTS_NONE, 0666, NULL));
    if (finds ("cut"))
      g_error ("%" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " bytes, and they were found", length,
               size);
  }
  keep ();
  g_assert_true (finds ("kept over it"));

  const gsize larger = 1 << 20;
  g_autofree char *more = g_malloc0 (larger);
  memcpy (more, bytes, size);
  g_assert_true (g_file_set_contents (path, more, larger, NULL));
  g_assert_false (finds ("a megabyte behind it"));
  keep ();
  g_assert_true (finds ("kept over it"));
}

/* What is no file of ours at all. */
static void
test_other_things (void)
{
  g_autofree char *path = path_of (KEY);
  static const char *const contents[] = { "", "rows", "{}", "PK\3\4", "\x80\2}q" };
  for (guint i = 0; i < G_N_ELEMENTS (contents); i++) {
    g_assert_true (g_file_set_contents (path, contents[i], -1, NULL));
    g_assert_false (finds (contents[i]));
  }
  g_unlink (path);
  g_assert_cmpint (mkfifo (path, 0600), ==, 0); /* who opens it would wait */
  g_assert_false (finds ("a pipe"));
  g_unlink (path);
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  g_assert_false (finds ("a folder"));
  keep ();
  g_assert_false (finds ("a folder, which a file does not replace"));
  g_rmdir (path);
  keep ();
  g_assert_true (finds ("kept at last"));
}

/* ------------------------------------------------------------------------------------------------------ the folder */

/* A file of @size bytes, of which none is on the disk, last used @age seconds ago. */
static char *
put_old (const char *key, gsize size, int age)
{
  char *path = path_of (key);
  const struct utimbuf times = { time (NULL) - age, time (NULL) - age };
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_cmpint (truncate (path, size), ==, 0);
  g_assert_cmpint (utime (path, &times), ==, 0);
  return path;
}

static gboolean
is_there (const char *path)
{
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
test_bounded (void)
{
  forget_all ();
  keep ();
  g_autofree char *in = folder (), *kept = path_of (KEY);
  const gsize size = 16 << 20;
  g_autofree char *oldest = put_old ("oldest", size, 500), *old = put_old ("old", size, 400),
                  *left = put_old ("x.safetensors.AbCdEf", size, 300),
                  *newer = put_old ("newer", size, 200);
  put_file (in, "README", "not ours", -1);
  const struct utimbuf long_ago = { 1, 1 };
  g_assert_cmpint (utime (kept, &long_ago), ==, 0);
  g_assert_true (finds ("used, so that it is the newest"));
  float rows[ROWS * E] = { 0 };
  clip_remembered_keep (rows, ROWS, E, "another");
  g_assert_false (is_there (oldest));
  g_assert_true (is_there (old) && is_there (left) && is_there (newer) && is_there (kept));
  g_assert_cmpuint (count_files (), ==, 6);
  g_free (put_old ("more", 2 * size, 100));
  clip_remembered_keep (rows, ROWS, E, "another");
  g_assert_false (is_there (old) || is_there (left));
  g_assert_true (is_there (newer) && is_there (kept));

  /* what does not fit is not written */
  const guint n = 17 << 20;
  g_autofree float *many = g_new0 (float, n);
  clip_remembered_keep (many, n, 1, "huge");
  g_assert_true (is_there (newer) && is_there (kept));
  g_assert_cmpuint (count_files (), ==, 5);
}

/* What this program does as another process, with a cache of its own: "write" does so many times. */
static int
run_as (const char *what)
{
  if (g_str_equal (what, "write")) {
    for (int i = 0; i < 60; i++) {
      keep ();
      if (!finds ("while others write"))
        return 1;
    }
    return 0;
  }
  keep ();
  return finds (what) ? 2 : 0;
}

static GSubprocess *
start (const char *what, const char *variable, const char *value)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GError) error = NULL;
  g_subprocess_launcher_setenv (launcher, "XDG_CACHE_HOME", cache, TRUE);
  if (variable)
    g_subprocess_launcher_unsetenv (launcher, "XDG_CACHE_HOME");
  if (variable)
    g_subprocess_launcher_setenv (launcher, variable, value, TRUE);
  GSubprocess *process =
      g_subprocess_launcher_spawn (launcher, &error, program, "--as", what, NULL);
  g_assert_no_error (error);
  return process;
}

static int
end (GSubprocess *process)
{
  g_assert_true (g_subprocess_wait (process, NULL, NULL));
  const int status =
      g_subprocess_get_if_exited (process) ? g_subprocess_get_exit_status (process) : -1;
  g_object_unref (process);
  return status;
}

static void
test_writers (void)
{
  forget_all ();
  GSubprocess *writers[3];
  for (guint i = 0; i < G_N_ELEMENTS (writers); i++)
    writers[i] = start ("write", NULL, NULL);
  for (int i = 0; i < 200; i++)
    finds ("while others write");
  for (guint i = 0; i < G_N_ELEMENTS (writers); i++)
    g_assert_cmpint (end (writers[i]), ==, 0);
  g_assert_true (finds ("when they are done"));
  g_assert_cmpuint (count_files (), ==, 1);
}

/* Where nothing can be written, nothing is found, and nothing else happens. */
static void
test_no_place (void)
{
  g_assert_cmpint (end (start ("a file for a folder", "XDG_CACHE_HOME", "/dev/null")), ==, 0);
  g_assert_cmpint (end (start ("no home", "HOME", "/dev/null")), ==, 0);
  forget_all ();
  if (geteuid () == 0) /* may write anywhere */
    return;
  g_autofree char *locked = g_build_filename (cache, "locked", NULL);
  g_assert_cmpint (g_mkdir (locked, 0500), ==, 0);
  g_assert_cmpint (end (start ("read-only", "XDG_CACHE_HOME", locked)), ==, 0);
}

/* ------------------------------------------------------------------------------------------------------ the key */

typedef struct {
  const char *text;
  guint row;
} Text;

static char *
key_of (ClipModel *model, const Text *texts, guint n, guint n_rows)
{
  g_autoptr (ClipTexts) made = clip_texts_new (model, NULL);
  for (guint i = 0; i < n; i++)
    clip_texts_add (made, texts[i].row, texts[i].text);
  return clip_remembered_key (model, made, n_rows);
}

static const Text texts[] = { { "a red car", 0 }, { "a car", 0 }, { "a dog", 1 } };

static char *
key_of_model (const char *name, ClipPrecision precision)
{
  g_autoptr (GError) error = NULL;
  const ClipModelOptions options = { .precision = precision };
  g_autoptr (ClipModel) model = clip_model_load (name, &options, &error);
  g_assert_no_error (error);
  return key_of (model, texts, G_N_ELEMENTS (texts), 2);
}

static void
test_key_of_texts (void)
{
  static const struct {
    const char *what;
    Text texts[4];
    guint n, n_rows;
  } cases[] = {
    { "another word", { { "a red car", 0 }, { "a car", 0 }, { "a cat", 1 } }, 3, 2 },
    { "another order", { { "a car", 0 }, { "a red car", 0 }, { "a dog", 1 } }, 3, 2 },
    { "of another row", { { "a red car", 0 }, { "a car", 1 }, { "a dog", 1 } }, 3, 2 },
    { "one less", { { "a red car", 0 }, { "a car", 0 } }, 2, 2 },
    { "one more", { { "a red car", 0 }, { "a car", 0 }, { "a dog", 1 }, { "a dog", 1 } }, 4, 2 },
    { "one more row", { { "a red car", 0 }, { "a car", 0 }, { "a dog", 1 } }, 3, 3 },
  };
  g_autoptr (ClipModel) model = clip_model_load (NULL, NULL, NULL);
  g_autofree char *key = key_of (model, texts, G_N_ELEMENTS (texts), 2),
                  *again = key_of (model, texts, G_N_ELEMENTS (texts), 2);
  g_assert_cmpstr (key, ==, again);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *other = key_of (model, cases[i].texts, cases[i].n, cases[i].n_rows);
    if (g_str_equal (key, other))
      g_error ("%s: the same key %s", cases[i].what, key);
  }
}

static void
replace (const char *directory, const char *name, const char *old, const char *new)
{
  g_autofree char *path = g_build_filename (directory, name, NULL), *text = NULL;
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_auto (GStrv) parts = g_strsplit (text, old, 2);
  if (g_strv_length (parts) != 2)
    g_error ("%s: no \"%s\" in it", path, old);
  g_autofree char *changed = g_strjoinv (new, parts);
  put_file (directory, name, changed, -1);
}

/* Each file of a model. */
static void
test_key_of_model (void)
{
  char *directory = tiny_model_new (1), *other = tiny_model_new (2);
  g_autofree char *key = key_of_model (directory, CLIP_PRECISION_F32),
                  *again = key_of_model (directory, CLIP_PRECISION_F32),
                  *int8 = key_of_model (directory, CLIP_PRECISION_INT8),
                  *weights = key_of_model (other, CLIP_PRECISION_F32);
  g_assert_cmpstr (key, ==, again);
  g_assert_cmpstr (key, !=, int8);
  g_assert_cmpstr (key, !=, weights);
  replace (directory, "merges.txt", "d o\ndo g</w>", "d o\no g</w>");
  replace (directory, "vocab.json", "\"dog</w>\"", "\"og</w>\"");
  g_autofree char *vocabulary = key_of_model (directory, CLIP_PRECISION_F32);
  g_assert_cmpstr (key, !=, vocabulary);
  replace (directory, "open_clip_config.json", "{", "{\n");
  g_autofree char *config = key_of_model (directory, CLIP_PRECISION_F32);
  g_assert_cmpstr (vocabulary, !=, config);
  tiny_model_remove (directory);
  tiny_model_remove (other);
}

/* ------------------------------------------------------------------------------------------------- the classifier */

/* 24 labels, one of them longer than any context. */
static ClipLabels *
make_labels (const char *last)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (int i = 0; i < 22; i++)
    g_string_append_printf (text, "thing number %d;", i);
  for (int i = 0; i < 100; i++)
    g_string_append (text, "long ");
  g_string_append_printf (text, ";%s", last);
  ClipLabels *labels = clip_labels_parse (text->str, NULL);
  g_assert_nonnull (labels);
  return labels;
}

/* Returns the operations it took. */
static guint64
classify (float *logits, ClipSession *session, const char *last, const char *const *templates)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipLabels) labels = make_labels (last);
  const int embed_dim = clip_model_get_info (clip_session_get_model (session))->embed_dim;
  const guint64 before = clip_session_get_operations (session);
  g_autoptr (ClipClassifier) classifier =
      clip_classifier_new (session, labels, templates, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_strv_length ((char **) clip_classifier_get_warnings (classifier)), ==, 1);
  g_autofree float *feature = g_new (float, embed_dim);
  for (int i = 0; i < embed_dim; i++)
    feature[i] = sinf (i);
  clip_classifier_logits (classifier, logits, feature);
  return clip_session_get_operations (session) - before;
}

static void
test_classifier (void)
{
  static const char *const two[] = { "a photo of {}.", "{} at night", "{}", NULL },
                           *const other[] = { "a photo of {}.", "{} at night", "{}!", NULL };
  forget_all ();
  g_autoptr (ClipModel) model = clip_model_load (NULL, NULL, NULL);
  g_autoptr (ClipSession) session = clip_session_new (model, 2);
  float cold[24], warm[24], changed[24];
  const guint64 operations = classify (cold, session, "a dog", two);
  g_assert_cmpuint (operations, >, 0);
  g_assert_cmpuint (classify (warm, session, "a dog", two), ==, 0);
  g_assert_cmpmem (warm, sizeof warm, cold, sizeof cold);
  g_assert_cmpuint (classify (changed, session, "a cat", two), >, 0);
  g_assert_cmpfloat (changed[23], !=, cold[23]);
  g_assert_cmpuint (classify (changed, session, "a dog", other), >, 0);
  g_assert_cmpuint (count_files (), ==, 3);

  g_autofree char *in = folder ();
  g_autoptr (GDir) dir = g_dir_open (in, 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir));)
    put_file (in, name, "?", 1);
  g_assert_cmpuint (classify (warm, session, "a dog", two), ==, operations);
  g_assert_cmpmem (warm, sizeof warm, cold, sizeof cold);
  g_assert_cmpuint (classify (warm, session, "a dog", two), ==, 0);

  /* what is quickly computed is not worth a file */
  forget_all ();
  g_autoptr (ClipLabels) few = clip_labels_parse ("a cat;a dog", NULL);
  g_autoptr (ClipClassifier) small = clip_classifier_new (session, few, two, NULL, NULL, NULL);
  g_assert_nonnull (small);
  g_assert_cmpuint (count_files (), ==, 0);
}

int
main (int argc, char **argv)
{
  if (argc > 2 && g_str_equal (argv[1], "--as"))
    return run_as (argv[2]);
  program = argv[0];
  cache = temporary_path ("cache");
  g_setenv ("XDG_CACHE_HOME", cache, TRUE);
  g_unsetenv ("GST_CLIP_CACHE");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/remembered/kept", test_kept);
  g_test_add_func ("/remembered/off", test_off);
  g_test_add_func ("/remembered/damaged", test_damaged);
  g_test_add_func ("/remembered/other-things", test_other_things);
  g_test_add_func ("/remembered/bounded", test_bounded);
  g_test_add_func ("/remembered/writers", test_writers);
  g_test_add_func ("/remembered/no-place", test_no_place);
  g_test_add_func ("/remembered/key-of-texts", test_key_of_texts);
  g_test_add_func ("/remembered/key-of-model", test_key_of_model);
  g_test_add_func ("/remembered/classifier", test_classifier);
  const int status = g_test_run ();
  g_free (cache);
  return status;
}
