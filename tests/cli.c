/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program gst-clip, run as a user runs it:
 *
 *   command line : a table of invocations, their exit status and what they say
 *   bad input    : a table of files that are not what they should be: status 1, the file named, nothing on stdout
 *   media        : pictures and videos made here by GStreamer: lines, times, one bad file among good ones, cut files
 *   conformance  : on ../shared, pixels and tokens identical, features within 2e-5, the same for any thread count
 *
 * The embedded default model is used where the model does not matter.
 */
#include "core/clip.h"
#include "tests/media.h"
#include "tests/program.h"
#include "tests/testing.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <json-glib/json-glib.h>
#include <math.h>

/* ----------------------------------------------------------------------------------------------------- command line */

static void
test_command_line (void)
{
  static const struct {
    const char *line;
    int status;
    const char *out, *err; /* stdout and stderr contain this; NULL: are empty */
  } cases[] = {
    { "", 2, NULL, "Commands:" },
    { "--help", 0, "Commands:", NULL },
    { "help", 0, "Commands:", NULL },
    { "--version", 0, "gst-clip ", NULL },
    { "help classify", 0, "--labels", NULL },
    { "classify --help", 0, "--labels", NULL },
    { "help clasify", 2, NULL, "did you mean 'classify'?" },
    { "clasify", 2, NULL, "did you mean 'classify'?" },
    { "frobnicate", 2, NULL, "unknown command 'frobnicate'" },
    { "--frobnicate", 2, NULL, "unknown option '--frobnicate'" },
    { "classify --lables a x.png", 2, NULL, "did you mean --labels?" },
    { "classify --label=a x.png", 2, NULL, "did you mean --labels?" },
    { "classify x.png", 2, NULL, "no labels" },
    { "classify --labels a", 2, NULL, "no file" },
    { "classify --labels a --interval 0 x.png", 2, NULL, "--interval is 0, expected 1 or more" },
    { "classify --labels a --interval often x.png", 2, NULL, "often" },
    { "classify --labels a --top-k -1 x.png", 2, NULL, "--top-k is -1" },
    { "classify --labels a --threshold 1.5 x.png", 2, NULL, "--threshold is 1.5, expected 0 … 1" },
    { "classify --labels a --threshold nan x.png", 2, NULL, "--threshold is nan" },
    { "classify --labels a --scoring both x.png", 2, NULL,
      "expected one of exclusive, independent" },
    { "classify --labels a --threads -2 x.png", 2, NULL, "--threads is -2" },
    { "classify --labels a --precision f17 x.png", 2, NULL, "--precision is 'f17'" },
    { "classify --labels", 2, NULL, "--labels" },
    { "embed", 2, NULL, "nothing to embed" },
    { "embed x.png", 2, NULL, "'x.png' is neither after --image nor after --text" },
    { "embed --tensors x.safetensors", 2, NULL, "--output" },
    { "embed --text a --output x", 2, NULL, "--tensors and --output" },
    { "embed --text a --tensors x --output y", 2, NULL, "--tensors goes without" },
    { "embed --raw --tensors x --output y", 2, NULL, "--raw" },
    { "tokenize", 2, NULL, "no text" },
    { "tokenize --vocab x --model y z", 2, NULL, "--vocab and --model" },
    { "preprocess x.png", 2, NULL, "no --output" },
    { "preprocess --output x", 2, NULL, "no image" },
    { "inspect a b", 2, NULL, "one argument too many" },
    { "inspect --model a b", 2, NULL, "both name a model" },
    { "inspect", 0, "\"embed_dim\": ", NULL },
    { "inspect --image-size 96", 0, "\"image_size\": 96, ", NULL },
    { "inspect --image-size 96x64", 1, NULL, "96×64, expected a square" },
    { "inspect --image-size 96x64 default", 1, NULL, "96×64, expected a square" },
    { "inspect --image-size 9", 1, NULL, "image size is 9, expected 32 to 4096" },
    { "embed --image-size big --text a", 1, NULL, "image size \"big\": expected pixels" },
    { "prompts none", 0, "\"templates\": [\"{}\"]", NULL },
    { "prompts", 0, "\"name\": \"" CLIP_DEFAULT_PROMPTS "\"", NULL },
    { "vocab x.txt", 2, NULL, "no --output" },
    { "vocab --output x y.txt", 2, NULL, "--size is 0, expected 514 or more" },
    { "vocab --size 513 --output x y.txt", 2, NULL, "--size is 513, expected 514" },
    { "vocab --size 600 --output x", 2, NULL, "no captions" },
    { "vocab --size 600 --min-count 0 --output x y.txt", 2, NULL, "--min-count is 0" },
    { "convert", 2, NULL, "convert takes two arguments" },
    { "convert default", 2, NULL, "convert takes two arguments" },
    { "convert a b c", 2, NULL, "'c' is one argument too many" },
    { "convert --auto f8 a b", 2, NULL, "--auto is 'f8', expected one of as-is, f32" },
    { "convert --precision f8 a b", 2, NULL, "--precision is 'f8', expected one of keep, f32" },
    { "bench x", 2, NULL, "'x' is one argument too many" },
    { "bench --batch 0", 2, NULL, "--batch 0: expected 1" },
    { "bench --duration 0", 2, NULL, "--duration 0: expected seconds" },
    { "bench --duration 0.01 --json --plot /no/such/folder/x.svg", 1,
      "\"image_ms\": ", "/no/such/folder" },
    { "calibrate -e x", 2, NULL, "give --output" },
    { "calibrate -l a -o x", 2, NULL, "nothing to learn from" },
    { "calibrate -n 1 -o x y.mkv", 2, NULL, "no labels" },
    { "calibrate -l a -n 1 -o x", 2, NULL, "--false-alarms and videos go together" },
    { "calibrate -l a -e x -o x y.mkv", 2, NULL, "--false-alarms and videos go together" },
    { "calibrate -l a -n 1 --hysteresis 2 -o x y.mkv", 2, NULL, "--hysteresis: expected 0 … 1" },
    { "calibrate -l a -n 1 --min-on=-1 -o x y.mkv", 2, NULL, "expected seconds" },
    { "calibrate -e /no/such -o x", 1, NULL, "/no/such: " },
    { "tokenize -- --text", 0, "\"text\": \"--text\"", NULL },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Result) result = run (cases[i].line);
    check (cases[i].line, &result, cases[i].status, cases[i].out, cases[i].err);
  }
}

/* The last line tells all; times are in order, and the share is of the ceiling beside it. */
static void
test_bench (void)
{
  g_autofree char *plot = g_build_filename (g_get_tmp_dir (), "clip-test-bench.svg", NULL);
  g_autofree char *line = g_strdup_printf ("bench -t 1 -b 2 -d 0.01 --json --plot %s", plot);
  g_auto (Result) result = run (line);
  check (line, &result, 0, "\"image_ms\": ", NULL);
  g_autoptr (GPtrArray) parsed = parse_lines (result.out);
  g_assert_cmpuint (parsed->len, ==, 1);
  JsonObject *object = line_at (parsed, 0);
  g_assert_cmpint (json_object_get_int_member (object, "batch"), ==, 2);
  static const char *const towers[] = { "image", "text" };
  for (guint i = 0; i < G_N_ELEMENTS (towers); i++) {
    static const char *const in_order[] = { "min_ms", "ms", "p99_ms" };
    double last = 0;
    for (guint k = 0; k < G_N_ELEMENTS (in_order); k++) {
      g_autofree char *name = g_strdup_printf ("%s_%s", towers[i], in_order[k]);
      const double value = json_object_get_double_member (object, name);
      if (!(value >= last && value > 0))
        g_error ("%s is %g after %g", name, value, last);
      last = value;
    }
    g_autofree char *share = g_strconcat (towers[i], "_share", NULL),
                    *rate = g_strconcat (towers[i], "_gflops", NULL),
                    *peak = g_strconcat (towers[i], "_peak_gflops", NULL);
    if (!json_object_get_null_member (object, share))
      g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object, share) *
                                          json_object_get_double_member (object, peak),
                                      json_object_get_double_member (object, rate),
                                      1e-4 * json_object_get_double_member (object, rate));
  }
  g_autofree char *svg = NULL;
  g_assert_true (g_file_get_contents (plot, &svg, NULL, NULL));
  g_assert_nonnull (strstr (svg, "Per image"));
  g_unlink (plot);
}

/* A list option takes values one by one, in a row, or both; "-" is standard input. */
static void
test_lists (void)
{
  static const char *const lines[] = {
    "embed --text one --text two --text three",
    "embed --text one two three",
    "embed --text=one two --threads 1 --text three",
    "embed --threads=1 --text one - three",
  };
  for (guint i = 0; i < G_N_ELEMENTS (lines); i++) {
    g_auto (GStrv) arguments = NULL;
    g_assert_true (g_shell_parse_argv (lines[i], NULL, &arguments, NULL));
    g_auto (Result) result = run_argv ((const char *const *) arguments, "two\n");
    check (lines[i], &result, 0, "embedding", NULL);
    g_autoptr (GPtrArray) parsed = parse_lines (result.out);
    static const char *const names[] = { "one", "two", "three" };
    g_assert_cmpuint (parsed->len, ==, 3);
    for (guint j = 0; j < 3; j++)
      g_assert_cmpstr (json_object_get_string_member (line_at (parsed, j), "text"), ==, names[j]);
  }
}

static double
length_of (JsonObject *line)
{
  double square = 0;
  JsonArray *values = json_object_get_array_member (line, "embedding");
  for (guint i = 0; i < json_array_get_length (values); i++)
    square += json_array_get_double_element (values, i) * json_array_get_double_element (values, i);
  return sqrt (square);
}

static void
test_embed_text (void)
{
  g_auto (Result) unit = run ("embed --text \"a dog\"");
  g_auto (Result) raw = run ("embed --raw --text \"a dog\"");
  g_autoptr (GPtrArray) unit_lines = parse_lines (unit.out), raw_lines = parse_lines (raw.out);
  g_assert_cmpfloat_with_epsilon (length_of (line_at (unit_lines, 0)), 1, 1e-6);
  g_assert_false (fabs (length_of (line_at (raw_lines, 0)) - 1) < 1e-3);
}

/* A vocabulary from files and standard input, and what the tokenizer makes of it. */
static void
test_vocab (void)
{
  static const struct {
    const char *line, *input;
    int status;
    const char *out, *err;
  } cases[] = {
    { "vocab --size 517 -o merges.txt captions.txt", NULL, 0,
      "{\"file\": \"merges.txt\", \"vocab_size\": 517, \"merges\": 3, \"captions\": 3, \"words\": "
      "3, "
      "\"skipped\": 0}",
      NULL },
    { "tokenize --vocab merges.txt 'Cat sat'", NULL, 0, "\"ids\": [515, 66, 512, 82, 512, 516]",
      NULL },
    { "vocab -s 516 -o merges.txt -", "the sat\nthe cat\nthe cat\r\n", 0, "\"merges\": 2", NULL },
    { "tokenize --vocab merges.txt 'the cat'", NULL, 0, "\"ids\": [514, 83, 513, 66, 512, 515]",
      NULL },
    { "vocab -s 600 -o merges.txt list.tsv captions.txt", NULL, 0, "\"words\": 5",
      "merges.txt: 519 tokens instead of 600: no other pair is seen 2 times" },
    { "vocab -s 515 -o merges.txt latin-1.txt", NULL, 0, "\"skipped\": 2",
      "latin-1.txt: not UTF-8, skipped: 2 of 4 lines, the first is line 2" },
    { "vocab -s 600 -o other.txt captions.txt missing.txt", NULL, 1, NULL,
      "missing.txt: cannot be read" },
    { "vocab -s 600 -o other.txt .", NULL, 1, NULL, ".: cannot be read" },
    { "vocab -s 600 -o other.txt -", "\n \n", 1, NULL, "no words in 2 lines" },
    { "vocab -s 600 -o missing/other.txt captions.txt", NULL, 1, NULL,
      "missing/other.txt: cannot be written" },
    { "vocab -s 600 -o . captions.txt", NULL, 1, NULL, ".: cannot be written" },
    { "tokenize --vocab other.txt a", NULL, 1, NULL, "other.txt" }, /* nothing was written */
  };
  write_file ("captions.txt", "the cat\nthe cat\nthe sat\n", -1);
  write_file ("list.tsv", "a.jpg\ta hat\nb.jpg\tb\ta hat\n", -1);
  write_file ("latin-1.txt", "the\ncaf\xE9\nthe\n\xFF", -1);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (GStrv) arguments = NULL;
    g_assert_true (g_shell_parse_argv (cases[i].line, NULL, &arguments, NULL));
    g_auto (Result) result = run_argv ((const char *const *) arguments, cases[i].input);
    check (cases[i].line, &result, cases[i].status, cases[i].out, cases[i].err);
  }
}

/* Conversions of the embedded model: what is written, what is said, and that nothing is replaced unasked. */
static void
test_convert (void)
{
  static const struct {
    const char *line;
    int status;
    const char *out, *err; /* stdout and stderr contain this; NULL: are empty */
  } cases[] = {
    { "convert default kept.safetensors", 0, "\"tokenizer\": \"wordpiece\"}", NULL },
    { "convert default kept.safetensors", 1, NULL, "kept.safetensors: is there already (--force" },
    { "convert --force --precision f16 default kept.safetensors", 0,
      "\"f16\": {\"tensors\": ", NULL },
    { "convert --force kept.safetensors kept.safetensors", 1, NULL,
      "kept.safetensors: cannot be written: is the model that is read" },
    { "convert default .", 1, NULL, ".: cannot be written: is no regular file" },
    { "convert default /dev/null", 1, NULL, "/dev/null: cannot be written: is no regular file" },
    { "convert default missing/x.safetensors", 1, NULL,
      "missing/x.safetensors: cannot be written" },
    { "convert missing.safetensors x.safetensors", 1, NULL, "missing.safetensors: " },
    { "inspect x.safetensors", 1, NULL, "x.safetensors: " }, /* nothing was written */
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Result) result = run (cases[i].line);
    check (cases[i].line, &result, cases[i].status, cases[i].out, cases[i].err);
  }

  /* The same weights, with nothing beside them. */
  g_auto (Result) made = run ("convert default same.safetensors");
  g_auto (Result) before = run ("embed --text \"a caf\xC3\xA9\"");
  g_auto (Result) after = run ("embed --model same.safetensors --text \"a caf\xC3\xA9\"");
  check ("convert default same.safetensors", &made, 0, "\"file\": \"same.safetensors\"", NULL);
  g_assert_cmpstr (after.out, ==, before.out);
}

/* What cannot be printed is not a success. */
static void
test_full_disk (void)
{
  if (!g_file_test ("/dev/full", G_FILE_TEST_EXISTS)) {
    g_test_skip ("no /dev/full");
    return;
  }
  g_autofree char *quoted = g_shell_quote (program);
  g_autofree char *script = g_strdup_printf ("%s prompts >/dev/full", quoted);
  const char *argv[] = { "/bin/sh", "-c", script, NULL };
  int status;
  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                               NULL, NULL, &status, NULL));
  g_assert_false (g_spawn_check_wait_status (status, NULL));
}

/* ------------------------------------------------------------------------------------------------------------ media */

#define PICTURE(FORMAT)                                                                            \
  "videotestsrc num-buffers=1 ! video/x-raw,format=" FORMAT ",width=97,height=61"
#define VIDEO                                                                                      \
  "videotestsrc pattern=ball num-buffers=60 ! "                                                    \
  "video/x-raw,format=I420,width=160,height=90,framerate=10/1"

static gboolean
make_all (void)
{
  return make_media ("rgb.png", PICTURE ("RGB") " ! pngenc") &&
         make_media ("rgba.png", PICTURE ("RGBA") " ! pngenc") &&
         make_media ("grey.png", PICTURE ("GRAY8") " ! pngenc") &&
         make_media ("picture.jpg", PICTURE ("I420") " ! jpegenc") &&
         make_media ("video.mkv", VIDEO " ! jpegenc ! matroskamux") &&
         make_media ("video.avi", VIDEO " ! jpegenc ! avimux") &&
         make_media ("video.mov", VIDEO " ! jpegenc ! qtmux faststart=true");
}

/* Times a frame every half second, and every label best first with scores that sum to 1. */
static void
test_classify (void)
{
  if (!make_all ())
    return;
  static const char *const videos[] = { "video.mkv", "video.avi", "video.mov" };
  for (guint v = 0; v < G_N_ELEMENTS (videos); v++) {
    g_autofree char *line =
        g_strdup_printf ("classify --labels 'a ball;a dog;the night' --interval 5 %s", videos[v]);
    g_auto (Result) result = run (line);
    check (line, &result, 0, "labels", NULL);
    g_autoptr (GPtrArray) lines = parse_lines (result.out);
    g_assert_cmpuint (lines->len, ==, 12);
    for (guint i = 0; i < lines->len; i++) {
      JsonObject *object = line_at (lines, i);
      JsonArray *labels = json_object_get_array_member (object, "labels");
      double sum = 0, last = 1;
      g_assert_cmpstr (json_object_get_string_member (object, "file"), ==, videos[v]);
      g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object, "pts"), i * 0.5, 1e-3);
      g_assert_cmpuint (json_array_get_length (labels), ==, 3);
      for (guint j = 0; j < 3; j++) {
        double score =
            json_object_get_double_member (json_array_get_object_element (labels, j), "score");
        g_assert_cmpfloat (score, <=, last);
        sum += last = score;
      }
      g_assert_cmpfloat_with_epsilon (sum, 1, 1e-5);
    }
  }

  g_auto (Result) picture =
      run ("classify -l 'a ball;a dog;the night' -k 1 --background 'a test card' picture.jpg");
  g_autoptr (GPtrArray) lines = parse_lines (picture.out);
  g_assert_cmpuint (lines->len, ==, 1);
  g_assert_true (json_object_get_null_member (line_at (lines, 0), "pts"));
  g_assert_cmpuint (
      json_array_get_length (json_object_get_array_member (line_at (lines, 0), "labels")), ==, 1);
}

/* Pictures in folders of their own, told apart by the thresholds learned from them. */
static void
test_calibrate_examples (void)
{
  static const char *const names[] = { "a ball", "a spiral" };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = g_build_filename (folder, "examples", names[i], NULL);
    g_autofree char *still = g_strdup_printf ("still-%u.png", i);
    g_autofree char *description =
        g_strdup_printf ("videotestsrc num-buffers=1 pattern=%s ! "
                         "video/x-raw,format=RGB,width=97,height=61 ! pngenc",
                         i == 0 ? "ball" : "circular");
    g_assert_cmpint (g_mkdir_with_parents (path, 0700), ==, 0);
    if (!make_media (still, description))
      return;
    g_autofree char *from = g_build_filename (folder, still, NULL);
    g_autofree char *to = g_build_filename (path, "1.png", NULL);
    g_autofree char *bytes = NULL;
    gsize length;
    g_assert_true (g_file_get_contents (from, &bytes, &length, NULL));
    g_assert_true (g_file_set_contents (to, bytes, length, NULL));
  }
  g_auto (Result) result = run ("calibrate -e examples -o examples.json");
  check ("calibrate -e", &result, 0, "\"examples\": 2", "every example is surely right");
  g_auto (Result) found = run (
      "classify --labels-file examples.json 'examples/a ball/1.png' 'examples/a spiral/1.png'");
  g_autoptr (GPtrArray) lines = parse_lines (found.out);
  g_assert_cmpuint (lines->len, ==, G_N_ELEMENTS (names));
  for (guint i = 0; i < lines->len; i++) {
    JsonArray *labels = json_object_get_array_member (line_at (lines, i), "labels");
    g_assert_cmpuint (json_array_get_length (labels), ==, 1);
    g_assert_cmpstr (
        json_object_get_string_member (json_array_get_object_element (labels, 0), "label"), ==,
        names[i]);
  }
  g_auto (Result) other = run ("calibrate -e examples -l 'a bell;a spiral' -o examples.json");
  check ("calibrate -l", &other, 1, NULL, "examples/a ball: no label is called so");
}

/* Thresholds at which nothing goes on in the footage, written with all that the labels were given with. */
static void
test_calibrate_footage (void)
{
  if (!make_all ())
    return;
  write_file ("given.json",
              "[{\"name\": \"a ball\", \"prompts\": [\"a ball\", \"a {} in the dark\"]}, "
              "\"snow\", {\"name\": \"night\", \"background\": true}]",
              -1);
  g_auto (Result) result =
      run ("calibrate --labels-file given.json -n 0 -o learned.json video.mkv video.avi");
  check ("calibrate -n 0", &result, 0, "\"alarms\": 0", "less than one false alarm");
  g_auto (Result) found = run ("classify --labels-file learned.json video.mkv video.avi");
  g_autoptr (GPtrArray) lines = parse_lines (found.out);
  g_assert_cmpuint (lines->len, ==, 120);
  for (guint i = 0; i < lines->len; i++)
    g_assert_cmpuint (
        json_array_get_length (json_object_get_array_member (line_at (lines, i), "labels")), ==, 0);
  g_autofree char *path = g_build_filename (folder, "learned.json", NULL), *text = NULL;
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "a {} in the dark"));
  g_assert_nonnull (strstr (text, "\"background\": true"));
  g_auto (Result) still = run ("calibrate -l 'a;b' -n 0 -o learned.json picture.jpg");
  check ("calibrate a picture", &still, 1, NULL, "pictures have no time");
}

/* Labels of any script come out byte by byte as they went in, also those that run from right to left, with their marks, and those
 * that are in no normal form. */
static void
test_scripts (void)
{
  static const char *const labels[] = {
    "\u0635\u0648\u0631\u0629 \u0642\u0637\u0629", /* Arabic, the same with vowels, with marks of direction */
    "\u0635\u064f\u0648\u0631\u064e\u0629\u064c",
    "\u200f\u0642\u0637\u0629\u200f \u202b(cat)\u202c",
    "\u05ea\u05de\u05d5\u05e0\u05d4 \u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", /* Hebrew, its points out of order */
    "\u092c\u093f\u0932\u094d\u0932\u0940 \u0958", /* Hindi, a letter that every normal form takes apart */
    "\u4e00\u53ea\u732b\u7684\u7167\u7247",        /* Chinese */
    "\u0e41\u0e21\u0e27\u0e2a\u0e2d\u0e07\u0e15\u0e31\u0e27", /* Thai */
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 e\u0301 \u212b \ufb01sh",
    NULL,
  };
  if (!make_all ())
    return;
  g_autofree char *listed = g_strjoinv (";", (char **) labels),
                  *lines = g_strjoinv ("\n", (char **) labels),
                  *quoted = g_strjoinv ("\",\"", (char **) labels),
                  *json = g_strconcat ("[\"", quoted, "\"]", NULL),
                  *option = g_strconcat ("--labels=", listed, NULL);
  write_file ("scripts.txt", lines, strlen (lines));
  write_file ("scripts.json", json, strlen (json));
  const char *const ways[] = { option, "--labels-file=scripts.txt", "--labels-file=scripts.json" };
  for (guint w = 0; w < G_N_ELEMENTS (ways); w++) {
    const char *const arguments[] = { "classify", ways[w], "picture.jpg", NULL };
    g_auto (Result) result = run_argv (arguments, NULL);
    check (ways[w], &result, 0, "labels", NULL);
    g_autoptr (GPtrArray) objects = parse_lines (result.out);
    JsonArray *found = json_object_get_array_member (line_at (objects, 0), "labels");
    g_assert_cmpuint (json_array_get_length (found), ==, G_N_ELEMENTS (labels) - 1);
    for (guint i = 0; labels[i]; i++) {
      const char *name =
          json_object_get_string_member (json_array_get_object_element (found, i), "label");
      if (!g_strv_contains (labels, name))
        g_error ("%s: label \"%s\" is none of those that were given", ways[w], name);
      if (!strstr (result.out, labels[i]))
        g_error ("%s: \"%s\" is not in the output as it was given: %s", ways[w], labels[i],
                 result.out);
    }
  }
}

/* One bad file is named, the others are done. */
static void
test_bad_among_good (void)
{
  if (!make_all ())
    return;
  const char *line = "classify -l 'a;b' rgb.png missing.png rgba.png grey.png . picture.jpg";
  g_auto (Result) result = run (line);
  check (line, &result, 1, "picture.jpg", "missing.png: ");
  g_autoptr (GPtrArray) lines = parse_lines (result.out);
  g_assert_cmpuint (lines->len, ==, 4);

  /* a tensor with a row missing would be wrong: none is written */
  const char *preprocess = "preprocess -o partial.safetensors rgb.png missing.png";
  g_auto (Result) none = run (preprocess);
  check (preprocess, &none, 1, NULL, "missing.png: ");
  g_autofree char *path = g_build_filename (folder, "partial.safetensors", NULL);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

/* Videos cut short: their frames up to the cut, the file named, status 1. */
static void
test_cut_videos (void)
{
  if (!make_all ())
    return;
  static const struct {
    const char *name, *cut;
    double part;
    guint at_least; /* frames */
  } cases[] = {
    { "video.mov", "half.mov", 0.5, 10 },
    { "video.mov", "header.mov", 0.01, 0 },
    { "video.mkv", "half.mkv", 0.5, 10 },
    { "video.avi", "half.avi", 0.5, 10 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    cut_file (cases[i].cut, cases[i].name, cases[i].part);
    g_autofree char *line = g_strdup_printf ("classify -l 'a;b' %s", cases[i].cut);
    g_auto (Result) result = run (line);
    check (line, &result, 1, "", cases[i].cut);
    g_autoptr (GPtrArray) lines = parse_lines (result.out);
    g_assert_cmpuint (lines->len, >=, cases[i].at_least);
    g_assert_cmpuint (lines->len, <, 60);
  }
}

/* -------------------------------------------------------------------------------------------------------- bad input */

static void
test_bad_input (void)
{
  static const float zeros[4 * 3 * 5];
  static const gint32 ids[] = { 101, 1000000, 102 };
  const ClipArray wrong_shape = { "pixels", "F32", 4, { 1, 3, 4, 5 }, zeros };
  const ClipArray wrong_id = { "tokens", "I32", 2, { 1, 3 }, ids };
  const ClipArray other = { "something", "F32", 1, { 4 }, zeros };
  g_autofree char *shape_path = g_build_filename (folder, "shape.safetensors", NULL);
  g_autofree char *id_path = g_build_filename (folder, "id.safetensors", NULL);
  g_autofree char *other_path = g_build_filename (folder, "other.safetensors", NULL);
  g_assert_true (clip_arrays_write (shape_path, &wrong_shape, 1, NULL));
  g_assert_true (clip_arrays_write (id_path, &wrong_id, 1, NULL));
  g_assert_true (clip_arrays_write (other_path, &other, 1, NULL));
  cut_file ("cut.safetensors", "other.safetensors", 0.6);
  write_file ("text.txt", "just a text\n", -1);
  write_file ("nul.txt", "a dog\na\0cat\n", 12);
  write_file ("twice.txt", "a dog\na cat\na dog\n", -1);
  write_file ("broken.json", "[\"a dog\", ", -1);
  write_file ("nothing", "", 0);
  write_file ("noise", "\x93\xfe\x01\x80\x55\xaa\x12\x00\x77\xf0\xf1\xf2", 12);
  if (!make_all () || !make_media ("sound.wav", "audiotestsrc num-buffers=9 ! wavenc"))
    return;
  cut_file ("cut.png", "rgb.png", 0.5);
  cut_file ("cut.jpg", "picture.jpg", 0.6);

  static const struct {
    const char *line, *err;
  } cases[] = {
    { "inspect missing.safetensors", "missing.safetensors" },
    { "inspect no-such-model", "no-such-model" },
    { "inspect other.safetensors", "other.safetensors" },
    { "inspect cut.safetensors", "cut.safetensors" },
    { "inspect text.txt", "text.txt" },
    { "inspect nothing", "nothing" },
    { "inspect --model-config broken.json", "broken.json" },
    { "embed --model cut.safetensors --text a", "cut.safetensors" },
    { "tokenize --vocab missing.txt a", "missing.txt" },
    { "tokenize --vocab noise a", "noise" },
    { "embed --tensors missing.safetensors -o out.safetensors", "missing.safetensors" },
    { "embed --tensors shape.safetensors -o out.safetensors",
      "shape.safetensors: pixels is [1, 3, 4, 5], expected" },
    { "embed --tensors id.safetensors -o out.safetensors",
      "id.safetensors: tokens holds the id 1000000" },
    { "embed --tensors other.safetensors -o out.safetensors", "other.safetensors: has neither" },
    { "embed --tensors cut.safetensors -o out.safetensors", "cut.safetensors" },
    { "embed --image text.txt", "text.txt" },
    { "embed --image video.mov", "video.mov: not an image" },
    { "preprocess -o missing/out.safetensors rgb.png", "missing/out.safetensors" },
    { "preprocess -o out.safetensors cut.png", "cut.png" },
    { "preprocess -o out.safetensors cut.jpg", "cut.jpg" },
    { "preprocess -o out.safetensors nothing", "nothing" },
    { "classify -l a missing.png", "missing.png" },
    { "classify -l a noise", "noise" },
    { "classify -l a .", "is a directory" },
    { "classify -l a sound.wav", "sound.wav: there is no video in it" },
    { "classify -l 'a;b;a' rgb.png", "a" },
    { "classify -l ';' rgb.png", "label" },
    { "classify --labels-file nul.txt rgb.png", "nul.txt" },
    { "classify --labels-file twice.txt rgb.png", "twice.txt" },
    { "classify --labels-file missing.txt rgb.png", "missing.txt" },
    { "classify --labels-file broken.json rgb.png", "broken.json" },
    { "classify --labels-file noise rgb.png", "noise" },
    { "classify -l a --prompts no-such-set rgb.png", "no-such-set" },
    { "prompts no-such-set", "no-such-set" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Result) result = run (cases[i].line);
    check (cases[i].line, &result, 1, NULL, cases[i].err);
  }
  g_autofree char *out = g_build_filename (folder, "out.safetensors", NULL);
  g_assert_false (g_file_test (out, G_FILE_TEST_EXISTS));

  static const char *const not_utf8[] = { "tokenize", "caf\xe9", "tea", NULL };
  g_auto (Result) result = run_argv (not_utf8, NULL);
  check ("tokenize caf\\xe9 tea", &result, 1, "\"tea\"", "text 1: not UTF-8");
}

/* ------------------------------------------------------------------------------------------------------ conformance */

static const struct {
  const char *model, *expected;
} models[] = {
  { "vit/openclip.safetensors", "vit/expected.safetensors" },
  { "vit/hf", "vit/expected.safetensors" },
  { "vit_full/hf", "vit_full/expected.safetensors" },
  { "lite", "lite/expected.safetensors" },
};

static ClipArray *
read_array (const char *path, const char *name, const char *dtype)
{
  g_autoptr (GError) error = NULL;
  ClipArray *array = clip_array_read (path, name, dtype, &error);
  g_assert_no_error (error);
  g_assert_nonnull (array);
  return array;
}

static gsize
count_of (const ClipArray *array)
{
  gsize n = 1;
  for (int i = 0; i < array->n_dims; i++)
    n *= array->shape[i];
  return n;
}

static void
test_preprocess (void)
{
  g_autofree char *conformance = shared_path ("conformance");
  if (!conformance)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autofree char *line = g_strdup_printf (
        "preprocess --model %1$s/%2$s --output pixels.safetensors %1$s/images/0.png "
        "%1$s/images/1.png "
        "%1$s/images/2.png %1$s/images/3.png %1$s/images/4.png %1$s/images/5.png %1$s/images/6.png",
        conformance, models[i].model);
    g_auto (Result) result = run (line);
    g_assert_cmpint (result.status, ==, 0);
    g_autofree char *got_path = g_build_filename (folder, "pixels.safetensors", NULL);
    g_autofree char *expected_path = g_build_filename (conformance, models[i].expected, NULL);
    g_autofree ClipArray *got = read_array (got_path, "pixels", "F32");
    g_autofree ClipArray *expected = read_array (expected_path, "pixels", "F32");
    g_assert_cmpmem (got->shape, sizeof got->shape, expected->shape, sizeof expected->shape);
    g_assert_cmpmem (got->data, count_of (got) * 4, expected->data, count_of (expected) * 4);
  }
}

static void
test_features (void)
{
  static const char *const names[] = { "image_features", "text_features" };
  g_autofree char *conformance = shared_path ("conformance");
  if (!conformance)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autofree char *expected_path = g_build_filename (conformance, models[i].expected, NULL);
    g_autofree char *single = NULL;
    gsize single_length = 0;
    for (int threads = 1; threads <= 3; threads++) {
      g_autofree char *line = g_strdup_printf (
          "embed --precision f32 --model %s/%s --threads %d --tensors %s --output out-%u-%d",
          conformance, models[i].model, threads, expected_path, i, threads);
      g_autofree char *name = g_strdup_printf ("out-%u-%d", i, threads);
      g_autofree char *path = g_build_filename (folder, name, NULL), *bytes = NULL;
      gsize length;
      g_auto (Result) result = run (line);
      g_assert_cmpint (result.status, ==, 0);
      g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
      if (threads > 1) {
        g_assert_cmpmem (bytes, length, single, single_length);
        continue;
      }
      single = g_steal_pointer (&bytes);
      single_length = length;
      for (guint k = 0; k < G_N_ELEMENTS (names); k++) {
        g_autofree ClipArray *got = read_array (path, names[k], "F32");
        g_autofree ClipArray *expected = read_array (expected_path, names[k], "F32");
        const float *a = got->data, *b = expected->data;
        double difference = 0, largest = 0;
        g_assert_cmpmem (got->shape, sizeof got->shape, expected->shape, sizeof expected->shape);
        for (gsize j = 0; j < count_of (got); j++) {
          difference = MAX (difference, fabs (a[j] - b[j]));
          largest = MAX (largest, fabs (b[j]));
        }
        if (!(difference <= 2e-5 * largest))
          g_error ("%s, %s: differs by %g, the largest is %g", models[i].model, names[k],
                   difference, largest);
      }
    }
  }
}

/* Texts with line ends cannot come through standard input: all are arguments. */
static void
test_tokens (void)
{
  static const struct {
    const char *option, *vocab, *expected;
  } cases[] = {
    { "--vocab", "bpe_simple_vocab_16e6.txt.gz", "tokens.jsonl" },
    { "--model", "vit_full/hf", "tokens.jsonl" },
    { "--model", "lite", "lite/tokens.jsonl" },
    { "--vocab", "lite/vocab.txt", "lite/tokens.jsonl" },
    { "--vocab", "lite/tokenizer.json", "lite/tokens.jsonl" },
  };
  g_autofree char *conformance = shared_path ("conformance");
  if (!conformance)
    return;
  for (guint c = 0; c < G_N_ELEMENTS (cases); c++) {
    g_autofree char *vocab = g_build_filename (conformance, cases[c].vocab, NULL);
    g_autofree char *expected_path = g_build_filename (conformance, cases[c].expected, NULL),
                    *text = NULL;
    g_assert_true (g_file_get_contents (expected_path, &text, NULL, NULL));
    g_autoptr (GPtrArray) expected = parse_lines (text);
    g_autoptr (GPtrArray) arguments = g_ptr_array_new ();
    g_ptr_array_add (arguments, (gpointer) "tokenize");
    g_ptr_array_add (arguments, (gpointer) cases[c].option);
    g_ptr_array_add (arguments, vocab);
    g_ptr_array_add (arguments, (gpointer) "--");
    for (guint i = 0; i < expected->len; i++)
      g_ptr_array_add (arguments,
                       (gpointer) json_object_get_string_member (line_at (expected, i), "text"));
    g_ptr_array_add (arguments, NULL);

    g_auto (Result) result = run_argv ((const char *const *) arguments->pdata, NULL);
    g_autoptr (GPtrArray) got = parse_lines (result.out);
    g_assert_cmpint (result.status, ==, 0);
    g_assert_cmpuint (got->len, ==, expected->len);
    for (guint i = 0; i < got->len; i++) {
      g_autofree char *a = json_to_string (json_object_get_member (line_at (got, i), "ids"), FALSE);
      g_autofree char *b =
          json_to_string (json_object_get_member (line_at (expected, i), "ids"), FALSE);
      g_assert_cmpstr (a, ==, b);
      g_assert_cmpstr (json_object_get_string_member (line_at (got, i), "text"), ==,
                       json_object_get_string_member (line_at (expected, i), "text"));
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  program = g_getenv ("GST_CLIP_PROGRAM");
  g_assert_nonnull (program);
  folder = g_dir_make_tmp ("gst-clip-XXXXXX", NULL);

  g_test_add_func ("/cli/command-line", test_command_line);
  g_test_add_func ("/cli/lists", test_lists);
  g_test_add_func ("/cli/bench", test_bench);
  g_test_add_func ("/cli/embed-text", test_embed_text);
  g_test_add_func ("/cli/vocab", test_vocab);
  g_test_add_func ("/cli/convert", test_convert);
  g_test_add_func ("/cli/full-disk", test_full_disk);
  g_test_add_func ("/cli/classify", test_classify);
  g_test_add_func ("/cli/calibrate/examples", test_calibrate_examples);
  g_test_add_func ("/cli/calibrate/footage", test_calibrate_footage);
  g_test_add_func ("/cli/scripts", test_scripts);
  g_test_add_func ("/cli/bad-among-good", test_bad_among_good);
  g_test_add_func ("/cli/cut-videos", test_cut_videos);
  g_test_add_func ("/cli/bad-input", test_bad_input);
  g_test_add_func ("/cli/conformance/preprocess", test_preprocess);
  g_test_add_func ("/cli/conformance/features", test_features);
  g_test_add_func ("/cli/conformance/tokens", test_tokens);
  int status = g_test_run ();

  g_autoptr (GDir) files = g_dir_open (folder, 0, NULL);
  for (const char *name; (name = g_dir_read_name (files));) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_remove (path);
  }
  g_rmdir (folder);
  g_free (folder);
  return status;
}
