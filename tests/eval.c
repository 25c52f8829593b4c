/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip eval on shards made here, with a tiny model whose own answers are the truth:
 *
 *   classes   : all are right, or none where the truth is shifted; broken samples and shards are named and left out
 *   retrieval : shares of a handful of images; equal captions are one
 *   probe     : two kinds of pictures that a line can tell apart
 *   folder    : every set in it, each with its own shards, also where another fails
 *   options   : what is refused
 */
#include "tests/program.h"
#include "core/clip.h"
#include "tests/shard-writer.h"
#include "tests/testing.h"
#include "tests/tiny-model.h"

#include <glib/gstdio.h>
#include <math.h>

enum { IMAGES = 10, CLASSES = 4, SIDE = 40 };

static char *model_path;
static GPtrArray *pictures; /* GBytes: PNG */
static int answers[IMAGES]; /* of the model, among the classes */
static const char *const names[] = { "cat", "a dog", "# house; tree", "car", NULL };

static void
write_set (const char *name, const Member *members)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  write_shard (path, g_str_has_suffix (name, ".gz"), members);
}

/* Pictures 0 … @n - 1, each with what @text says of it as KEY.@extension. */
static void
write_pictures (const char *name, int n, const char *extension, const char *const *texts)
{
  g_autofree Member *members = g_new0 (Member, 2 * n + 1);
  g_autoptr (GPtrArray) strings = g_ptr_array_new_with_free_func (g_free);
  for (int i = 0; i < n; i++) {
    char *picture = g_strdup_printf ("%03d.png", i),
         *text = g_strdup_printf ("%03d.%s", i, extension);
    g_ptr_array_add (strings, picture);
    g_ptr_array_add (strings, text);
    GBytes *bytes = pictures->pdata[i % pictures->len];
    members[2 * i] =
        (Member){ picture, NULL, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes) };
    members[2 * i + 1] = (Member){ text, texts[i] };
  }
  write_set (name, members);
}

/* Runs `gst-clip eval` with the tiny model; the last line, parsed. */
static JsonNode *
evaluate_with_status (const char *arguments, int status, const char *err)
{
  g_autofree char *line = g_strdup_printf ("eval --model %s %s", model_path, arguments);
  g_auto (Result) result = run (line);
  check (line, &result, status, "\n{\"model\": ", err);
  g_autofree char *json = g_strdup (strrchr (g_strchomp (result.out), '\n') + 1);
  g_autoptr (GError) error = NULL;
  JsonNode *node = json_from_string (json, &error);
  g_assert_no_error (error);
  return node;
}

static JsonNode *
evaluate (const char *arguments, const char *err)
{
  return evaluate_with_status (arguments, 0, err);
}

static void
check_number (const char *what, JsonNode *node, const char *path, double expected)
{
  g_autofree char *expression = g_strconcat ("$.", path, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) found = json_path_query (expression, node, &error);
  g_assert_no_error (error);
  JsonArray *array = json_node_get_array (found);
  const double value =
      json_array_get_length (array) == 1 ? json_array_get_double_element (array, 0) : NAN;
  if (!(fabs (value - expected) < 1e-6)) {
    g_autofree char *text = json_to_string (node, FALSE);
    g_error ("%s: %s is %g, expected %g\n%s", what, path, value, expected, text);
  }
}

/* ---------------------------------------------------------------------------------------------------------- fixture */

static void
make_pictures (void)
{
  pictures = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  for (int i = 0; i < IMAGES; i++) {
    gsize size;
    char *png = encode_picture (&size, "png", SIDE, SIDE + i, 25 * i);
    g_ptr_array_add (pictures, g_bytes_new_take (png, size));
  }
}

/* The library's own way from pixels to the best label. */
static void
ask_model (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (model_path, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (ClipSession) session = clip_session_new (model, 1);
  g_autoptr (ClipLabels) labels = clip_labels_parse ("cat\na dog\n# house, tree\ncar", &error);
  g_assert_no_error (error);
  /* the same texts: a list that is written down cannot have a ';' in a name */
  ((ClipLabel *) clip_labels_get (labels, 2))->name[7] = ';';
  static const char *const templates[] = { "a photo of a {}.", NULL };
  g_autoptr (ClipClassifier) classifier =
      clip_classifier_new (session, labels, templates, NULL, NULL, &error);
  g_assert_no_error (error);
  const ClipModelInfo *info = clip_model_get_info (model);
  g_autofree float *pixels = g_new (float, 3 * info->image_width * info->image_height),
                   *feature = g_new (float, info->embed_dim);
  for (int i = 0; i < IMAGES; i++) {
    const ClipFrameInfo frame = { "RGB", SIDE, SIDE + i };
    g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (&info->preprocess, &frame, &error);
    g_autofree guint8 *rgb = g_malloc (3 * SIDE * (SIDE + i));
    for (int p = 0; p < SIDE * (SIDE + i); p++) { /* as encode_picture () has it */
      rgb[3 * p] = p % SIDE + 25 * i;
      rgb[3 * p + 1] = 7 * (p / SIDE);
      rgb[3 * p + 2] = 255 - p % SIDE;
    }
    const guint8 *planes[] = { rgb };
    const int strides[] = { 3 * SIDE };
    float scores[CLASSES];
    ClipScore best;
    clip_preprocess_run (preprocess, pixels, planes, strides);
    clip_encode_image (session, feature, pixels, 1);
    clip_classifier_score (classifier, scores, feature, CLIP_SCORING_EXCLUSIVE);
    clip_classifier_top (classifier, &best, 1, scores, 0);
    answers[i] = best.label;
  }
}

static void
write_classes_shard (const char *name, int shift)
{
  char *texts[IMAGES];
  for (int i = 0; i < IMAGES; i++)
    texts[i] = g_strdup_printf ("%d", (answers[i] + shift) % CLASSES);
  write_pictures (name, IMAGES, "cls", (const char *const *) texts);
  for (int i = 0; i < IMAGES; i++)
    g_free (texts[i]);
}

/* ------------------------------------------------------------------------------------------------------- zero-shot */

static void
test_classes (void)
{
  static const char with[] = "--classes names.txt --prompts photo --shards ";
  write_classes_shard ("right-0000.tar", 0);
  write_classes_shard ("wrong-0000.tar.gz", 1);
  g_autofree char *right_line = g_strconcat (with, "right-0000.tar", NULL);
  g_autofree char *wrong_line = g_strconcat (with, "wrong-0000.tar.gz --per-class", NULL);
  g_autofree char *both_line =
      g_strconcat (with, "right-0000.tar wrong-0000.tar.gz --threads 3", NULL);
  g_autofree char *limit_line =
      g_strconcat (with, "right-0000.tar wrong-0000.tar.gz --limit 12", NULL);
  g_autoptr (JsonNode) right = evaluate (right_line, NULL), wrong = evaluate (wrong_line, NULL),
                       both = evaluate (both_line, NULL), limit = evaluate (limit_line, NULL);
  check_number ("right", right, "images", IMAGES);
  check_number ("right", right, "broken", 0);
  check_number ("right", right, "classes", CLASSES);
  check_number ("right", right, "top1", 1);
  check_number ("right", right, "top5", 1);
  check_number ("right", right, "mean_per_class", 1);
  check_number ("wrong", wrong, "top1", 0);
  check_number ("wrong", wrong, "top5", 1); /* there are but four */
  check_number ("wrong", wrong, "mean_per_class", 0);
  int second = 0; /* images said to be of class 1 */
  for (int i = 0; i < IMAGES; i++)
    second += (answers[i] + 1) % CLASSES == 1;
  check_number ("wrong", wrong, "per_class[1].images", second);
  check_number ("both", both, "top1", .5);
  check_number ("limit", limit, "images", 12);
  check_number ("limit", limit, "top1", 10 / 12.);
}

/* Two classes of one name: the first is the answer. */
static void
test_same_name (void)
{
  write_file ("same.txt", "cat\ncat\n", -1);
  Member members[5] = { { "a.png" }, { "a.cls", "0" }, { "b.png" }, { "b.cls", "1" } };
  for (int i = 0; i < 4; i += 2) {
    members[i].data = g_bytes_get_data (pictures->pdata[0], NULL);
    members[i].size = g_bytes_get_size (pictures->pdata[0]);
  }
  write_set ("same-0000.tar", members);
  g_autoptr (JsonNode) node =
      evaluate ("--shards same-0000.tar --classes same.txt", "has no rival");
  check_number ("same name", node, "top1", .5);
  check_number ("same name", node, "top5", 1);
}

static void
test_broken (void)
{
  gsize size = g_bytes_get_size (pictures->pdata[0]);
  const void *png = g_bytes_get_data (pictures->pdata[0], NULL);
  g_autofree char *truth = g_strdup_printf ("%d", answers[0]);
  const Member members[] = {
    { "cut.png", NULL, png, size / 2 },
    { "cut.cls", truth },
    { "good.png", NULL, png, size },
    { "good.cls", truth },
    { "none.png", NULL, png, size },
    { "beyond.png", NULL, png, size },
    { "beyond.cls", "4" },
    { "text.png", "no picture at all" },
    { "text.cls", "0" },
    { "word.png", NULL, png, size },
    { "word.cls", "dog" },
    { "alone.cls", "0" },
    { NULL },
  };
  static const char *const said[] = {
    "cut",           "none: no class", "beyond: class 4, expected 0 … 3",
    "text",          "word",           "alone: no picture",
    "6 of 7 samples"
  };
  write_set ("broken-0000.tar", members);
  for (guint i = 0; i < G_N_ELEMENTS (said); i++) {
    g_autoptr (JsonNode) node =
        evaluate ("--shards broken-0000.tar --classes names.txt --prompts photo", said[i]);
    check_number (said[i], node, "images", 1);
    check_number (said[i], node, "broken", 6);
    check_number (said[i], node, "top1", 1);
  }
}

/* A shard that cannot be opened, between others: these count, and the exit status tells. */
static void
test_unread (void)
{
  g_autofree char *directory = g_build_filename (folder, "directory-0000.tar", NULL);
  g_assert_cmpint (g_mkdir (directory, 0755), ==, 0);
  static const char *const said[] = { "directory-0000.tar", "1 shards could not be read" };
  for (guint i = 0; i < G_N_ELEMENTS (said); i++) {
    g_autoptr (JsonNode) node = evaluate_with_status (
        "--shards right-0000.tar directory-0000.tar wrong-0000.tar.gz --classes names.txt "
        "--prompts photo",
        1, said[i]);
    check_number (said[i], node, "images", 2 * IMAGES);
    check_number (said[i], node, "unread_shards", 1);
    check_number (said[i], node, "top1", .5);
  }
}

/* Texts that the model has no room for are named. */
static void
test_warnings (void)
{
  g_autoptr (GString) text = g_string_new ("cat\n");
  for (int i = 0; i < 90; i++)
    g_string_append (text, "x ");
  g_string_append (text, "\nc\nd\n");
  write_file ("long.txt", text->str, -1);
  g_autoptr (JsonNode) node = evaluate (
      "--shards right-0000.tar --classes long.txt --prompts photo", "cut to the model's 77 tokens");
  check_number ("long", node, "images", IMAGES);
}

static void
test_corruptions (void)
{
  g_autoptr (JsonNode) one =
      evaluate ("--shards right-0000.tar --classes names.txt --prompts photo "
                "--corruptions --limit 3 --threads 1",
                NULL);
  g_autoptr (JsonNode) two =
      evaluate ("--shards right-0000.tar --classes names.txt --prompts photo "
                "--corruptions --limit 3 --threads 2",
                NULL);
  g_autofree char *a = json_to_string (one, FALSE), *b = json_to_string (two, FALSE);
  g_assert_cmpstr (a, ==, b);
  /* what is random does not depend on how the path was typed */
  g_autoptr (JsonNode) ten =
      evaluate ("--shards right-0000.tar --classes names.txt --prompts photo "
                "--corruptions",
                NULL);
  g_autoptr (JsonNode) typed = evaluate ("--shards ./sets/../right-0000.tar --classes names.txt "
                                         "--prompts photo --corruptions",
                                         NULL);
  g_autofree char *c = json_to_string (ten, FALSE), *d = json_to_string (typed, FALSE);
  g_assert_cmpstr (c, ==, d);
  check_number ("corruptions", one, "top1", 1);
  JsonObject *all = json_object_get_object_member (json_node_get_object (one), "corruptions");
  g_assert_cmpuint (json_object_get_size (all), ==, 15);
  g_autoptr (GList) members = json_object_get_values (all);
  double mean = 0;
  for (GList *member = members; member; member = member->next) {
    JsonArray *severities = json_node_get_array (member->data);
    g_assert_cmpuint (json_array_get_length (severities), ==, 5);
    for (guint s = 0; s < 5; s++)
      mean += json_array_get_double_element (severities, s) / 75;
  }
  check_number ("corruptions", one, "corrupted_top1", mean);
  check_number ("corruptions", one, "relative_drop", 1 - mean);
}

static void
test_confusion (void)
{
  static const struct {
    const char *file, *begins;
  } cases[] = { { "confusion.png", "\x89PNG" }, { "confusion.svg", "<svg " } };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *line = g_strdup_printf (
        "--shards right-0000.tar --classes names.txt --prompts photo --confusion %s",
        cases[i].file);
    g_autoptr (JsonNode) node = evaluate (line, NULL);
    g_autofree char *path = g_build_filename (folder, cases[i].file, NULL), *text = NULL;
    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    g_assert_true (g_str_has_prefix (text, cases[i].begins));
  }
}

/* ------------------------------------------------------------------------------------- retrieval, probe, folder */

static void
test_retrieval (void)
{
  static const char *const texts[IMAGES] = {
    /* twelve captions, eleven texts */
    "a cat\n\na dog on a car\na house", "b", "c", "d", "e", "f", "g", "h", "a tree", "a tree"
  };
  write_pictures ("captions-0000.tar", IMAGES, "txt", texts);
  g_autoptr (JsonNode) node = evaluate ("--shards captions-0000.tar --retrieval", NULL);
  check_number ("retrieval", node, "images", IMAGES);
  check_number ("retrieval", node, "captions", IMAGES + 2);
  check_number ("retrieval", node, "text_to_image.r10", 1); /* ten images in all */
  check_number ("retrieval", node, "first_caption.image_to_text.r10", 1);
  check_number ("retrieval", node, "first_caption.text_to_image.r10", 1);
  g_autoptr (JsonNode) one = evaluate ("--shards captions-0000.tar --retrieval --limit 1", NULL);
  check_number ("one image", one, "image_to_text.r1", 1);
  check_number ("one image", one, "first_caption.text_to_image.r1", 1);
}

static void
test_probe (void)
{
  enum { N = 40 };
  const char *texts[N];
  write_file ("two.txt", "dark\nbright\n", -1);
  for (int i = 0; i < N; i++) /* pictures come again and again: red from 0 or from 125 up */
    texts[i] = i % IMAGES < IMAGES / 2 ? "0" : "1";
  write_pictures ("train-0000.tar", N, "cls", texts);
  g_autoptr (JsonNode) node = evaluate (
      "--probe --train-shards train-0000.tar --shards train-0000.tar --classes two.txt --limit 10",
      NULL);
  check_number ("probe", node, "train_images", N);
  check_number ("probe", node, "images", 10);
  check_number ("probe", node, "top1", 1);
}

static void
test_folder (void)
{
  static const char *const texts[] = { "a cat", "a dog" };
  static const char names_text[] = "cat\na dog\n# house; tree\ncar\n";
  write_classes_shard ("sets/b-0000.tar", 0);
  write_classes_shard ("sets/b-0001.tar", 1);
  write_classes_shard ("sets/b-0002.tar.part", 1); /* half a download: not of the set */
  write_classes_shard ("sets/b-1-0000.tar", 1);    /* of another set */
  write_file ("sets/b.classes.txt", names_text, -1);
  write_file ("sets/b-1.classes.txt", names_text, -1);
  write_pictures ("sets/a-captions-0000.tar", 2, "txt", texts);
  g_autoptr (JsonNode) node = evaluate ("--prompts photo sets", NULL);
  check_number ("folder", node, "sets[0].images", 2);
  check_number ("folder", node, "sets[0].image_to_text.r5", 1);
  check_number ("folder", node, "sets[1].images", 2 * IMAGES);
  check_number ("folder", node, "sets[1].top1", .5);
  check_number ("folder", node, "sets[2].images", IMAGES);
  check_number ("folder", node, "sets[2].top1", 0);

  /* one that cannot be evaluated, before others that can */
  write_classes_shard ("sets/a-none-0000.tar", 0); /* neither classes nor captions */
  g_autoptr (JsonNode) partly = evaluate_with_status ("--prompts photo sets", 1, "a-none-0000.tar");
  check_number ("partly", partly, "sets[0].images", 2);
  check_number ("partly", partly, "sets[2].images", 2 * IMAGES);
  check_number ("partly", partly, "sets[3].top1", 0);
  g_autofree char *none = g_build_filename (folder, "sets", "a-none-0000.tar", NULL);
  g_remove (none);
}

/* ---------------------------------------------------------------------------------------------------------- options */

static void
test_options (void)
{
  static const struct {
    const char *line;
    int status;
    const char *err;
  } cases[] = {
    { "eval", 2, "nothing to evaluate on" },
    { "eval --shards right-0000.tar", 2, "no --classes" },
    { "eval --shards right-0000.tar --classes names.txt --probe", 2, "--probe and --train-shards" },
    { "eval --shards right-0000.tar --retrieval --classes names.txt", 2, "--retrieval goes with" },
    { "eval --shards right-0000.tar --classes names.txt --confusion x.gif", 2, ".png or .svg" },
    { "eval --shards right-0000.tar --classes names.txt --limit -1", 2, "--limit is -1" },
    { "eval sets --classes names.txt", 2, "'sets'" },
    { "eval sets --seed 1", 2, "'sets'" },
    { "eval sets --train-shards right-0000.tar", 2, "'sets'" },
    { "eval --shards right-0000.tar --classes names.txt --seed 1", 2, "--seed goes with" },
    { "eval --shards right-0000.tar --classes names.txt --threads 1025", 2,
      "--threads is 1025, expected 0 … 1024" },
    { "eval --shards right-0000.tar --classes names.txt --confusion missing/x.png", 1,
      "missing/x.png: cannot be written" },
    { "eval --shards right-0000.tar --classes names.txt --confusion folder.svg", 1,
      "folder.svg: is a directory" },
    { "eval --shards right-0000.tar --classes many.txt --confusion x.png", 1,
      "8193 classes, expected 8192" },
    { "eval --clases names.txt", 2, "did you mean --classes?" },
    { "eval --shards missing.tar --classes names.txt", 1, "missing.tar" },
    { "eval --shards right-0000.tar --classes missing.txt", 1, "missing.txt" },
    { "eval --shards right-0000.tar --classes empty.txt", 1, "empty.txt" },
    { "eval --shards right-0000.tar --classes gap.txt", 1, "gap.txt: line 2: empty" },
    { "eval --shards right-0000.tar --retrieval", 1, "no caption" },
    { "eval --shards names.txt --classes names.txt", 1, "names.txt" },
    { "eval empty", 1, "no shards" },
    { "eval missing", 1, "missing" },
  };
  g_autofree char *empty = g_build_filename (folder, "empty", NULL);
  g_mkdir (empty, 0755);
  g_autofree char *picture = g_build_filename (folder, "folder.svg", NULL);
  g_mkdir (picture, 0755);
  g_autoptr (GString) many = g_string_new (NULL);
  for (int i = 0; i <= 8192; i++)
    g_string_append_printf (many, "%d\n", i);
  write_file ("many.txt", many->str, -1);
  write_file ("empty.txt", "\n", -1);
  write_file ("gap.txt", "cat\n\ndog\n", -1);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *line = g_strdup_printf ("%s --model %s", cases[i].line, model_path);
    g_auto (Result) result = run (line);
    check (cases[i].line, &result, cases[i].status, NULL, cases[i].err);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  program = g_getenv ("GST_CLIP_PROGRAM");
  g_assert_nonnull (program);
  folder = g_dir_make_tmp ("gst-clip-XXXXXX", NULL);
  model_path = tiny_model_new (1);
  make_pictures ();
  ask_model ();
  g_autofree char *sets = g_build_filename (folder, "sets", NULL);
  g_assert_cmpint (g_mkdir (sets, 0755), ==, 0);
  g_autofree char *list = g_strjoinv ("\n", (char **) names);
  write_file ("names.txt", list, -1);

  g_test_add_func ("/eval/classes", test_classes);
  g_test_add_func ("/eval/same-name", test_same_name);
  g_test_add_func ("/eval/broken", test_broken);
  g_test_add_func ("/eval/unread", test_unread);
  g_test_add_func ("/eval/warnings", test_warnings);
  g_test_add_func ("/eval/corruptions", test_corruptions);
  g_test_add_func ("/eval/confusion", test_confusion);
  g_test_add_func ("/eval/retrieval", test_retrieval);
  g_test_add_func ("/eval/probe", test_probe);
  g_test_add_func ("/eval/folder", test_folder);
  g_test_add_func ("/eval/options", test_options);
  const int status = g_test_run ();

  remove_tree (folder);
  g_free (folder);
  tiny_model_remove (model_path);
  g_ptr_array_unref (pictures);
  return status;
}
