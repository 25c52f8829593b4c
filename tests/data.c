/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Training data.
 *
 *   same      : a step's batch, whatever the number of workers, after a seek, and after other steps
 *   ranks     : the union over ranks is the batch of one process
 *   epochs    : each sample once in an epoch, in another order each time
 *   mixture   : sets have their shares of every batch, to a pair, and in the long run
 *   broken    : samples are named once and replaced by good ones, always the same
 *   text      : captions, names of classes, templates, keys
 *   features  : rows, views, noise, classes
 *   errors    : what is refused, by name
 */
#include "core/train/data.h"
#include "core/checkpoint/safetensors.h"
#include "core/text/tokenizer.h"
#include "tests/ranks.h"
#include "tests/shard-writer.h"
#include "tests/testing.h"

#include <math.h>
#include <stdio.h>

#define S(literal) ((char *) (literal)) /* the configuration's strings are not const */
#define R 8
#define W 5

static const char *program;

static const ClipAugment augment = {
  .size = R,
  .std = { 1, 1, 1 },
  .scale = { 0.5, 1 },
  .ratio = { 0.75, 1.333 },
  .flip = 0.5,
};

/* ------------------------------------------------------------------------------------------- fixtures */

/* @n samples "KEYi": a picture of its own and one caption; those in @broken cannot be decoded. */
static void
write_samples (const char *path, const char *key, int n, int red, const char *broken)
{
  g_autoptr (GPtrArray) strings = g_ptr_array_new_with_free_func (g_free);
  g_autofree Member *members = g_new0 (Member, 2 * n + 1);
  for (int i = 0; i < n; i++) {
    gsize size;
    char *picture = encode_picture (&size, "png", 20, 16, red + 3 * i);
    char *image = g_strdup_printf ("%s%d.png", key, i),
         *text = g_strdup_printf ("%s%d.txt", key, i),
         *caption = g_strdup_printf ("%s number %d", key, i);
    const gboolean bad = broken && strchr (broken, '0' + i);
    members[2 * i] = (Member){ image, NULL, picture, bad ? size / 2 : size };
    members[2 * i + 1] = (Member){ text, caption };
    for (char **string = (char *[]){ picture, image, text, caption, NULL }; *string; string++)
      g_ptr_array_add (strings, *string);
  }
  write_shard (path, FALSE, members);
}

/* features[i, v, c] = 100 i + 10 v + c; class[i] = i % 3 */
static void
write_features (const char *path, int n, int views, const char *texts)
{
  g_autofree float *features = g_new (float, n *views *W);
  g_autofree gint64 *class = g_new (gint64, n);
  for (int i = 0; i < n; i++) {
    class[i] = i % 3;
    for (int v = 0; v < views; v++)
      for (int c = 0; c < W; c++)
        features[(i * views + v) * W + c] = 100 * i + 10 * v + c;
  }
  const ClipTensor tensors[] = {
    { "features", CLIP_DTYPE_F32, 3, { n, views, W }, features, n * views * W * sizeof (float) },
    { "class", CLIP_DTYPE_I64, 1, { n }, class, n * sizeof *class },
    { "texts",
      CLIP_DTYPE_U8,
      1,
      { texts ? strlen (texts) : 0 },
      texts,
      texts ? strlen (texts) : 0 },
  };
  g_autoptr (GError) error = NULL;
  clip_safetensors_write (path, tensors, texts ? 3 : 2, NULL, &error);
  g_assert_no_error (error);
}

typedef struct {
  ClipDataSetConfig sets[3];
  char *patterns[3][2];
  ClipDataConfig config;
} Setup;

/* Two sets of pictures, 10 and 7 of them, and one of 6 features; weights 3, 1, 2. */
static void
set_up (Setup *setup, const char *folder, ClipTokenizer *tokenizer, int batch)
{
  static char *templates[] = { S ("a photo of {}."), S ("{}"), NULL };
  *setup = (Setup){ 0 };
  for (int k = 0; k < 3; k++) {
    setup->patterns[k][0] =
        g_build_filename (folder, k < 2 ? (k ? "b.tar" : "a.tar") : "f.safetensors", NULL);
    setup->sets[k] = (ClipDataSetConfig){ .name = S (k < 2 ? (k ? "b" : "a") : "f"),
                                          .weight = (double[]){ 3, 1, 2 }[k],
                                          .augment = augment };
    if (k < 2)
      setup->sets[k].shards = setup->patterns[k];
    else
      setup->sets[k].features = setup->patterns[k][0];
  }
  setup->sets[1].templates = templates;
  setup->sets[2].noise = 0.5;
  setup->config = (ClipDataConfig){ setup->sets, 3, tokenizer, 16, batch, 42, 2 };
}

static void
tear_down (Setup *setup)
{
  for (int k = 0; k < 3; k++)
    g_free (setup->patterns[k][0]);
}

static void
write_all (const char *folder)
{
  g_autofree char *a = g_build_filename (folder, "a.tar", NULL),
                  *b = g_build_filename (folder, "b.tar", NULL),
                  *f = g_build_filename (folder, "f.safetensors", NULL);
  write_samples (a, "cat", 10, 0, NULL);
  write_samples (b, "dog", 7, 100, NULL);
  write_features (f, 6, 2, "one\ntwo\tzwei\nthree\nfour\nfive\nsix\n");
}

static char *
fixtures (void)
{
  char *a = temporary_path ("a.tar"), *folder = g_path_get_dirname (a);
  write_all (folder);
  g_free (a);
  return folder;
}

static ClipData *
open_data (const Setup *setup, ClipRanks *ranks)
{
  g_autoptr (GError) error = NULL;
  ClipData *data = clip_data_new (&setup->config, ranks, NULL, NULL, &error);
  g_assert_no_error (error);
  return data;
}

static const ClipBatch *
next (ClipData *data)
{
  g_autoptr (GError) error = NULL;
  const ClipBatch *batch = clip_data_next (data, &error);
  g_assert_no_error (error);
  return batch;
}

static int
compare_lines (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static guint64
hash (const void *data, gsize size)
{
  guint64 state = 7;
  for (const guint8 *at = data; size--; at++)
    state = (state ^ *at) * 0x100000001b3u;
  return state;
}

/* A line for each pair, sorted: position, sample, set, class, key, and all numbers. */
static char *
describe (const ClipBatch *batch)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  for (int i = 0; i < batch->n; i++) {
    const gboolean pixels = i < batch->n_pixels;
    const float *image =
        pixels ? batch->pixels + i * 3 * R * R : batch->pooled + (i - batch->n_pixels) * W;
    int length = batch->length; /* padding is CLIP's 0 */
    while (length > 0 && batch->tokens[i * batch->length + length - 1] == 0)
      length--;
    g_ptr_array_add (
        lines, g_strdup_printf (
                   "%03d %d %d %d %016" G_GINT64_MODIFIER "x %016" G_GINT64_MODIFIER
                   "x %016" G_GINT64_MODIFIER "x",
                   batch->position[i], batch->sample[i], batch->set[i], batch->class[i],
                   batch -> text_key[i], hash (image, (pixels ? 3 * R * R : W) * sizeof *image),
                   hash (batch->tokens + i * batch->length, length * sizeof (gint32))));
  }
  qsort (lines->pdata, lines->len, sizeof (char *), compare_lines);
  g_ptr_array_add (lines, NULL);
  return g_strjoinv ("\n", (char **) lines->pdata);
}

/* ---------------------------------------------------------------------------------------------- tests */

static void
test_same (void)
{
  enum { STEPS = 12 };
  g_autofree char *folder = fixtures ();
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_clip ();
  Setup setup;
  set_up (&setup, folder, tokenizer, 9);
  char *expected[STEPS];
  g_autoptr (ClipData) data = open_data (&setup, NULL);
  for (int s = 0; s < STEPS; s++) {
    expected[s] = describe (next (data));
    g_assert_true (s == 0 || strcmp (expected[s], expected[s - 1]));
  }
  clip_data_seek (data, 3);
  g_autofree char *again = describe (next (data));
  g_assert_cmpstr (again, ==, expected[3]);

  for (int workers = 1; workers <= 5; workers += 2) {
    setup.config.workers = workers;
    g_autoptr (ClipData) other = open_data (&setup, NULL);
    clip_data_seek (other, workers);
    for (int s = workers; s < STEPS; s++) {
      g_autofree char *found = describe (next (other));
      g_assert_cmpstr (found, ==, expected[s]);
    }
  }

  setup.config.seed++;
  g_autoptr (ClipData) other = open_data (&setup, NULL);
  g_autofree char *differs = describe (next (other));
  g_assert_cmpstr (differs, !=, expected[0]);
  for (int s = 0; s < STEPS; s++)
    g_free (expected[s]);
  tear_down (&setup);
}

static void
run_rank_task (const char *folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipRanks) ranks = clip_ranks_new (&error);
  g_assert_no_error (error);
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_clip ();
  Setup setup;
  set_up (&setup, folder, tokenizer, 12 / clip_ranks_get_n (ranks));
  g_autoptr (ClipData) data = open_data (&setup, ranks);
  for (int s = 0; s < 4; s++) {
    g_autofree char *all = describe (next (data));
    g_auto (GStrv) lines = g_strsplit (all, "\n", -1);
    for (char **line = lines; *line; line++)
      printf ("= %d %s\n", s, *line);
  }
  fflush (stdout);
  clip_data_free (g_steal_pointer (&data));
  tear_down (&setup);
}

static void
test_ranks (void)
{
  g_autofree char *folder = fixtures ();
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_clip ();
  Setup setup;
  set_up (&setup, folder, tokenizer, 12);
  g_autoptr (ClipData) data = open_data (&setup, NULL);
  g_autoptr (GPtrArray) expected = g_ptr_array_new_with_free_func (g_free);
  for (int s = 0; s < 4; s++) {
    g_autofree char *all = describe (next (data));
    g_auto (GStrv) lines = g_strsplit (all, "\n", -1);
    for (char **line = lines; *line; line++)
      g_ptr_array_add (expected, g_strdup_printf ("= %d %s", s, *line));
  }
  tear_down (&setup);
  for (int n = 2; n <= 3; n++) {
    int status;
    g_autofree char *output = run_ranks (program, n, folder, &status);
    if (!output)
      return;
    g_autoptr (GPtrArray) found = g_ptr_array_new ();
    g_auto (GStrv) lines = g_strsplit (output, "\n", -1);
    for (char **line = lines; *line; line++)
      if (g_str_has_prefix (*line, "= "))
        g_ptr_array_add (found, *line);
    qsort (found->pdata, found->len, sizeof (char *), compare_lines);
    if (status != 0 || found->len != expected->len)
      g_error ("%d ranks: status %d, %u pairs, expected %u:\n%s", n, status, found->len,
               expected->len, output);
    for (guint i = 0; i < found->len; i++)
      g_assert_cmpstr (found->pdata[i], ==, expected->pdata[i]);
  }
}

static void
test_epochs (void)
{
  g_autofree char *folder = fixtures ();
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_clip ();
  Setup setup;
  set_up (&setup, folder, tokenizer, 4);
  setup.config.n_sets = 1;
  g_autoptr (ClipData) data = open_data (&setup, NULL);
  g_assert_cmpint (clip_data_get_n (data), ==, 10);
  int order[40];
  for (int s = 0; s < 10; s++) {
    const ClipBatch *batch = next (data);
    memcpy (order + 4 * s, batch->sample, 4 * sizeof (int));
  }
  for (int epoch = 0; epoch < 4; epoch++) {
    guint seen = 0;
    for (int i = 0; i < 10; i++)
      seen |= 1u << order[10 * epoch + i];
    g_assert_cmphex (seen, ==, 0x3ff);
    g_assert_true (epoch == 0 || memcmp (order, order + 10 * epoch, 10 * sizeof (int)));
  }
  tear_down (&setup);
}

static void
test_mixture (void)
{
  g_autofree char *folder = fixtures ();
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_clip ();
  for (int batch = 1; batch <= 32; batch = 3 * batch + 1) {
    Setup setup;
    set_up (&setup, folder, tokenizer, batch);
    g_autoptr (ClipData) data = open_data (&setup, NULL);
    int total[3] = { 0 };
    const int steps = 300 / batch;
    for (int s = 0; s < steps; s++) {
      const ClipBatch *b = next (data);
      int n[3] = { 0 };
      for (int i = 0; i < batch; i++) {
        n[b->set[i]]++;
        total[b->set[i]]++;
        g_assert_cmpint (i < b->n_pixels, ==, b->set[i] != 2);
        const int first = b->set[i] == 0   ? 0
                          : b->set[i] == 1 ? 10
                                           : 17,
                  size = b->set[i] == 0   ? 10
                         : b->set[i] == 1 ? 7
                                          : 6;
        g_assert_cmpint (b->sample[i], >=, first);
        g_assert_cmpint (b->sample[i], <, first + size);
      }
      for (int k = 0; k < 3; k++)
        g_assert_cmpfloat (fabs (n[k] - batch * (double[]){ 3, 1, 2 }[k] / 6), <=, 1);
    }
    for (int k = 0; k < 3;
         k++) /* golden-ratio steps fill [0, 1) evenly: the discrepancy is below 3 here */
      g_assert_cmpfloat (fabs (total[k] - steps * batch * (double[]){ 3, 1, 2 }[k] / 6), <=, 3);
    tear_down (&setup);
  }
}

static void
collect (const char *message, gpointer data)
{
  g_ptr_array_add (data, g_strdup (message));
}

static void
test_broken (void)
{
  g_autofree char *path = temporary_path ("broken.tar");
  write_samples (path, "owl", 6, 0, "025");
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_clip ();
  char *shards[] = { path, NULL };
  const ClipDataSetConfig set = {
    .name = S ("owls"), .weight = 1, .shards = shards, .augment = augment
  };
  ClipDataConfig config = { &set, 1, tokenizer, 16, 6, 1, 2 };
  char *expected[5] = { NULL };
  for (int first = 0; first < 5; first++) { /* the same after a resume, which has not met them */
    g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipData) data = clip_data_new (&config, NULL, collect, messages, &error);
    g_assert_no_error (error);
    clip_data_seek (data, first);
    for (int s = first; s < 5; s++) {
      const ClipBatch *batch = next (data);
      for (int i = 0; i < 6; i++)
        g_assert_true (batch->sample[i] == 1 || batch->sample[i] == 3 || batch->sample[i] == 4);
      g_autofree char *found = describe (batch);
      if (!expected[s])
        expected[s] = g_strdup (found);
      g_assert_cmpstr (found, ==, expected[s]);
    }
    g_assert_cmpint (clip_data_get_n_broken (data), ==, 3);
    g_assert_cmpuint (messages->len, ==, 3);
    for (guint i = 0; i < 3; i++)
      g_assert_true (g_str_has_prefix (messages->pdata[i], path) &&
                     strstr (messages->pdata[i], ": owl"));
  }
  for (int s = 0; s < 5; s++)
    g_free (expected[s]);

  write_samples (path, "owl", 3, 0, "012");
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipData) data = clip_data_new (&config, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  const ClipBatch *batch = clip_data_next (data, &error);
  check_error ("all broken", batch, error, CLIP_ERROR_FORMAT, "owls: no picture of");
}

/* The texts that pairs have in 10 steps, each once, sorted. */
static char *
texts_of (const ClipDataSetConfig *set, ClipTokenizer *tokenizer)
{
  static const char *const candidates[] = { "",         "red",          "green",         "a cat",
                                            "a dog",    "my red",       "my green",      "my a cat",
                                            "my a dog", "this is red",  "this is green", "one",
                                            "two",      "this is a cat" };
  const ClipDataConfig config = { set, 1, tokenizer, 16, 8, 1, 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipData) data = clip_data_new (&config, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  gboolean seen[G_N_ELEMENTS (candidates)] = { FALSE };
  for (int s = 0; s < 10; s++) {
    const ClipBatch *batch = next (data);
    for (int i = 0; i < batch->n; i++) {
      gboolean known = FALSE;
      for (guint c = 0; c < G_N_ELEMENTS (candidates); c++) {
        gint32 tokens[16];
        clip_tokenizer_encode_padded (tokenizer, tokens, 16, candidates[c], NULL);
        if (memcmp (tokens, batch->tokens + i * batch->length, batch->length * sizeof *tokens) == 0)
          known = seen[c] = TRUE;
      }
      g_assert_true (known);
    }
  }
  GString *all = g_string_new (NULL);
  for (guint c = 0; c < G_N_ELEMENTS (candidates); c++)
    if (seen[c])
      g_string_append_printf (all, "%s%s", all->len ? "|" : "", candidates[c]);
  return g_string_free (all, FALSE);
}

static void
test_text (void)
{
  g_autofree char *path = temporary_path ("text.tar"), *classes = temporary_path ("classes.txt"),
                  *list = temporary_path ("list.csv"), *file = temporary_path ("one.png");
  gsize size;
  g_autofree char *picture = encode_picture (&size, "png", 9, 9, 0);
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_clip ();
  g_assert_true (g_file_set_contents (classes, "red\ngreen\n", -1, NULL));
  g_assert_true (g_file_set_contents (file, picture, size, NULL));
  g_assert_true (
      g_file_set_contents (list, "filepath,title\none.png,one\none.png,two\n", -1, NULL));
  const Member members[] = { { "a.png", NULL, picture, size }, { "a.cls", "0" },
                             { "b.png", NULL, picture, size }, { "b.cls", "1" },
                             { "c.png", NULL, picture, size }, { "c.txt", "a cat\na dog\n" },
                             { "d.png", NULL, picture, size }, /* neither: left out */
                             { "e.txt", "no picture" },        { NULL } };
  write_shard (path, TRUE, members);
  char *shards[] = { path, NULL };
  static char *templates[] = { S ("this is {}"), NULL }, *two[] = { S ("{}"), S ("my {}"), NULL };
  ClipDataSetConfig set = {
    .name = S ("t"), .weight = 1, .shards = shards, .classes = classes, .augment = augment
  };
  g_autofree char *plain = texts_of (&set, tokenizer);
  g_assert_cmpstr (plain, ==, "red|green|a cat|a dog");
  set.classes = NULL; /* then only c has a text */
  set.templates = two;
  g_autofree char *mine = texts_of (&set, tokenizer);
  g_assert_true (strstr (mine, "a cat") && strstr (mine, "my a cat") && !strstr (mine, "red"));
  set.templates = templates;
  set.classes = classes;
  const ClipDataConfig config = { &set, 1, tokenizer, 16, 30, 1, 1 };
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (ClipData) data = clip_data_new (&config, NULL, collect, messages, NULL);
  g_assert_cmpuint (messages->len, ==, 2);
  g_assert_nonnull (strstr (messages->pdata[0], ": d: no caption"));
  g_assert_nonnull (strstr (messages->pdata[1], ": e: no picture"));
  g_assert_cmpint (clip_data_get_n_broken (data), ==, 2);
  /* keys are equal where texts are, whatever the template, and class is unknown: it is of the set's own names */
  const ClipBatch *batch = next (data);
  for (int i = 0; i < batch->n; i++) {
    g_assert_cmpint (batch->class[i], ==, -1);
    for (int j = 0; j < i; j++)
      if (batch->sample[i] < 2 && batch->sample[j] < 2)
        g_assert_cmpint (batch->text_key[i] == batch->text_key[j], ==,
                         batch->sample[i] == batch->sample[j]);
  }
  const ClipDataSetConfig listed = {
    .name = S ("l"), .weight = 1, .list = list, .augment = augment
  };
  g_autofree char *rows = texts_of (&listed, tokenizer);
  g_assert_cmpstr (rows, ==, "one|two");
}

static void
test_features (void)
{
  g_autofree char *path = temporary_path ("features.safetensors");
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_clip ();
  write_features (path, 6, 2, NULL);
  ClipDataSetConfig set = { .name = S ("f"), .weight = 1, .features = path };
  const ClipDataConfig config = { &set, 1, tokenizer, 16, 50, 1, 1 };
  double deviation = 0; /* of noise */
  for (int noise = 0; noise < 2; noise++) {
    set.noise = noise * 0.1;
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipData) data = clip_data_new (&config, NULL, NULL, NULL, &error);
    g_assert_no_error (error);
    const ClipBatch *batch = next (data);
    g_assert_cmpint (batch->n_pixels, ==, 0);
    int views[2] = { 0 };
    for (int i = 0; i < batch->n; i++) {
      g_assert_cmpint (batch->class[i], ==, batch->sample[i] % 3);
      const float *row = batch->pooled + i * W;
      const int view = row[0] - 100 * batch->sample[i] > 5;
      views[view]++;
      for (int c = 0; c < W; c++) {
        const double expected = 100 * batch->sample[i] + 10 * view + c, off = row[c] - expected;
        if (noise)
          deviation += off * off / (batch->n * W);
        else
          g_assert_cmpfloat (row[c], ==, expected);
      }
    }
    if (!noise)
      g_assert_true (views[0] > 10 && views[1] > 10);
  }
  /* 0.1 of √(170.8² + 5²) = 170.9, which is that of 100 i + 10 v; of 250 draws: to 4.5 %, here three times that. (Views are
   * mistaken then: off by 10, which is less than the tolerance.) */
  g_assert_cmpfloat_with_epsilon (sqrt (deviation), 17.1, 2.6);
}

static void
test_errors (void)
{
  g_autofree char *folder = fixtures ();
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_clip ();
  g_autofree char *empty = temporary_path ("empty.tar"), *classes = temporary_path ("two.txt"),
                  *wide = temporary_path ("wide.safetensors"),
                  *short_texts = temporary_path ("texts.safetensors");
  const Member none[] = { { "a.json", "{}" }, { NULL } };
  write_shard (empty, FALSE, none);
  g_assert_true (g_file_set_contents (classes, "red\ngreen\n", -1, NULL));
  const float numbers[8] = { 0 };
  const ClipTensor tensor = { "features", CLIP_DTYPE_F32, 2, { 2, 4 }, numbers, sizeof numbers };
  g_assert_true (clip_safetensors_write (wide, &tensor, 1, NULL, NULL));
  write_features (short_texts, 6, 1, "one\ntwo");
  char *empty_shards[] = { empty, NULL }, *missing[] = { S ("/nowhere/x-{0..1}.tar"), NULL };
  static char *bad_template[] = { S ("no place"), NULL };

  enum { EMPTY, MISSING, NO_CLASS, WIDTH, SIZE, TEXTS, TEMPLATE, WEIGHT, SOURCE, NOISE, CROP, N };
  static const struct {
    ClipError code;
    const char *message;
  } expected[N] = {
    [EMPTY] = { CLIP_ERROR_FORMAT, "a: " },
    [MISSING] = { CLIP_ERROR_IO, "/nowhere/x-0.tar: no such file" },
    [NO_CLASS] = { CLIP_ERROR_FORMAT, "row 2: class 2, expected 0 to 1" },
    [WIDTH] = { CLIP_ERROR_CONFIG, "f: features are 5 wide, those of sets before it are 4" },
    [SIZE] = { CLIP_ERROR_CONFIG, "b: pictures are 9 pixels wide, those of sets before it are 8" },
    [TEXTS] = { CLIP_ERROR_TENSOR, "texts is [7] u8, expected a line for each" },
    [TEMPLATE] = { CLIP_ERROR_CONFIG, "b: template \"no place\" has no {}" },
    [WEIGHT] = { CLIP_ERROR_CONFIG, "no set has a weight above 0" },
    [SOURCE] = { CLIP_ERROR_CONFIG, "a: neither shards nor list nor features" },
    [NOISE] = { CLIP_ERROR_CONFIG, "f: noise is -1" },
    [CROP] = { CLIP_ERROR_CONFIG, "a: scale is 0" },
  };
  for (int i = 0; i < N; i++) {
    Setup setup;
    set_up (&setup, folder, tokenizer, 4);
    ClipDataSetConfig *a = &setup.sets[0], *b = &setup.sets[1], *f = &setup.sets[2];
    switch (i) {
    case EMPTY:
      a->shards = empty_shards;
      break;
    case MISSING:
      a->shards = missing;
      break;
    case NO_CLASS:
      f->classes = classes;
      break;
    case WIDTH:
      a->shards = NULL;
      a->features = wide;
      break;
    case SIZE:
      b->augment.size = 9;
      break;
    case TEXTS:
      f->features = short_texts;
      break;
    case TEMPLATE:
      b->templates = bad_template;
      break;
    case WEIGHT:
      a->weight = b->weight = f->weight = 0;
      break;
    case SOURCE:
      a->shards = NULL;
      break;
    case NOISE:
      f->noise = -1;
      break;
    case CROP:
      a->augment.scale[0] = 0;
      break;
    }
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipData) data = clip_data_new (&setup.config, NULL, NULL, NULL, &error);
    check_error (expected[i].message, data, error, expected[i].code, expected[i].message);
    tear_down (&setup);
  }
}

int
main (int argc, char **argv)
{
  program = argv[0];
  const char *folder = rank_task (argc, argv);
  if (folder) {
    run_rank_task (folder);
    return 0;
  }
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/data/same", test_same);
  g_test_add_func ("/data/ranks", test_ranks);
  g_test_add_func ("/data/epochs", test_epochs);
  g_test_add_func ("/data/mixture", test_mixture);
  g_test_add_func ("/data/broken", test_broken);
  g_test_add_func ("/data/text", test_text);
  g_test_add_func ("/data/features", test_features);
  g_test_add_func ("/data/errors", test_errors);
  return g_test_run ();
}
