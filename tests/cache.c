/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Features of a frozen trunk, kept in a file.
 *
 *   made      : rows are what the trunk gives for each view, rounded to half precision; texts are the captions
 *   resumed   : after an interruption only what is missing is computed, and the file is the same to the byte
 *   refused   : a file of another model, other data, another augmentation
 */
#include "core/train/cache.h"
#include "core/train/random.h"
#include "core/train/set.h"
#include "tests/shard-writer.h"
#include "tests/testing.h"

#include <math.h>

#define R 8
#define W 4
#define N 150 /* samples, one of them broken: some batches of 64 pictures */
#define BROKEN 77

typedef struct {
  int n_encoded; /* pictures */
  int stop_at;   /* samples; 0: never */
  int n_warnings;
} Log;

/* means of the channels, and the first number, times 1000 */
static gboolean
encode (float *pooled, const float *pixels, int n, gpointer data, GError **error)
{
  Log *log = data;
  log->n_encoded += n;
  for (int i = 0; i < n; i++, pixels += 3 * R * R, pooled += W) {
    for (int c = 0; c < 3; c++) {
      pooled[c] = 0;
      for (int k = 0; k < R * R; k++)
        pooled[c] += pixels[c * R * R + k] / (R * R);
    }
    pooled[3] = 1000 * pixels[0];
  }
  return TRUE;
}

static gboolean
progress (guint done, guint total, gpointer data)
{
  const Log *log = data;
  g_assert_cmpuint (total, ==, N);
  return !log->stop_at || (int) done < log->stop_at;
}

static void
warning (const char *message, gpointer data)
{
  Log *log = data;
  log->n_warnings++;
  g_assert_nonnull (strstr (message, ": k077: picture cannot be decoded"));
}

static ClipDataSetConfig
make_set (char *shards[2])
{
  static char name[] = "set";
  g_autoptr (GPtrArray) strings = g_ptr_array_new_with_free_func (g_free);
  Member members[2 * N + 1] = { 0 };
  for (int i = 0; i < N; i++) {
    gsize size;
    char *picture = encode_picture (&size, "png", 12, 10, i);
    char *image = g_strdup_printf ("k%03d.png", i), *text = g_strdup_printf ("k%03d.txt", i),
         *captions = g_strdup_printf ("number %d\nthe\t%dth\n", i, i);
    members[2 * i] = (Member){ image, NULL, picture, i == BROKEN ? 40 : size };
    members[2 * i + 1] = (Member){ text, captions };
    for (char **string = (char *[]){ picture, image, text, captions, NULL }; *string; string++)
      g_ptr_array_add (strings, *string);
  }
  write_shard (shards[0], FALSE, members);
  return (ClipDataSetConfig){
    .name = name,
    .weight = 1,
    .shards = shards,
    .augment = { .size = R,
                 .std = { 1, 1, 1 },
                 .scale = { 0.5, 1 },
                 .ratio = { 1, 1 },
                 .flip = 0.5 },
  };
}

static void
test_made (void)
{
  g_autofree char *shard = temporary_path ("made.tar"), *path = temporary_path ("made.safetensors");
  char *shards[2] = { shard };
  const ClipDataSetConfig config = make_set (shards);
  const ClipCacheConfig cache = { path, "m@1", W, 3, 9, 2 };
  Log log = { 0 };
  g_autoptr (GError) error = NULL;
  clip_cache_make (&cache, &config, encode, progress, warning, &log, &error);
  g_assert_no_error (error);
  g_assert_cmpint (log.n_encoded, ==, 3 * N);
  g_assert_cmpint (log.n_warnings, ==, 1);
  g_autofree char *part = g_strconcat (path, ".part", NULL);
  g_assert_false (g_file_test (part, G_FILE_TEST_EXISTS));

  g_autoptr (ClipSet) set = clip_set_load (&config, NULL, NULL, &error);
  const ClipDataSetConfig cached = { .name = config.name, .features = path };
  g_autoptr (ClipSet) features = clip_set_load (&cached, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (features->samples->len, ==, N - 1);
  g_assert_cmpint (features->views, ==, 3);
  for (int i = 0, row = 0; i < N; i++) {
    if (i == BROKEN)
      continue;
    const ClipSetSample *sample = clip_set_get (features, row);
    g_autofree char *first = g_strdup_printf ("number %d", i),
                    *second = g_strdup_printf ("the %dth", i);
    g_assert_cmpstr (sample->captions[0], ==, first);
    g_assert_cmpstr (sample->captions[1], ==, second);
    g_assert_null (sample->captions[2]);
    /* each draw is one of the views */
    for (int draw = 0; draw < 4; draw++) {
      float found[W], pixels[3 * R * R], expected[W];
      gboolean is_view = FALSE;
      clip_set_pooled (features, found, NULL, row, draw);
      for (int view = 0; view < 3; view++) {
        clip_set_pixels (set, pixels, NULL, i, clip_random_key (9, i, view), NULL);
        encode (expected, pixels, 1, &log, NULL);
        gboolean same = TRUE;
        for (int c = 0; c < W;
             c++) /* half precision: 11 bits, of which rounding takes a half of the last */
          same &= fabsf (found[c] - expected[c]) <= 0x1p-11f * fabsf (expected[c]);
        is_view |= same;
      }
      g_assert_true (is_view);
    }
    row++;
  }

  log = (Log){ 0 }; /* it is there: nothing is done */
  g_assert_true (clip_cache_make (&cache, &config, encode, progress, warning, &log, &error));
  g_assert_cmpint (log.n_encoded, ==, 0);
}

static void
test_resumed (void)
{
  g_autofree char *shard = temporary_path ("made.tar"),
                  *whole = temporary_path ("whole.safetensors"),
                  *path = temporary_path ("resumed.safetensors"),
                  *part = g_strconcat (path, ".part", NULL);
  char *shards[2] = { shard };
  const ClipDataSetConfig config = make_set (shards);
  ClipCacheConfig cache = { whole, "m@1", W, 2, 9, 1 };
  Log log = { 0 };
  g_autoptr (GError) error = NULL;
  clip_cache_make (&cache, &config, encode, NULL, NULL, &log, &error);
  g_assert_no_error (error);

  cache.path = path;
  log = (Log){ .stop_at = 60 };
  const gboolean done = clip_cache_make (&cache, &config, encode, progress, NULL, &log, &error);
  check_error ("cancelled", done ? path : NULL, error, CLIP_ERROR_CANCELLED, path);
  g_clear_error (&error);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  const int before = log.n_encoded;

  /* cut within a record, as a process that is killed leaves it */
  g_autofree char *bytes = NULL;
  gsize size;
  g_assert_true (g_file_get_contents (part, &bytes, &size, NULL));
  g_assert_cmpuint (size, ==, 65 + before / 2 * (1 + 2 * 2 * W));
  g_assert_true (g_file_set_contents (part, bytes, size - 3, NULL));

  ClipCacheConfig other = cache;
  other.model = "m@2";
  const gboolean mistaken = clip_cache_make (&other, &config, encode, NULL, NULL, &log, &error);
  check_error ("another part", mistaken ? path : NULL, error, CLIP_ERROR_CONFIG, part);
  g_clear_error (&error);

  log = (Log){ 0 };
  clip_cache_make (&cache, &config, encode, progress, warning, &log, &error);
  g_assert_no_error (error);
  g_assert_cmpint (log.n_encoded, ==, 2 * N - before + 2);
  g_autofree char *found = NULL, *expected = NULL;
  gsize found_size, expected_size;
  g_assert_true (g_file_get_contents (path, &found, &found_size, NULL));
  g_assert_true (g_file_get_contents (whole, &expected, &expected_size, NULL));
  g_assert_cmpmem (found, found_size, expected, expected_size);
}

static void
test_refused (void)
{
  g_autofree char *shard = temporary_path ("refused.tar"),
                  *path = temporary_path ("refused.safetensors");
  char *shards[2] = { shard };
  const ClipDataSetConfig config = make_set (shards);
  const ClipCacheConfig cache = { path, "m@1", W, 1, 9, 1 };
  Log log = { 0 };
  g_autoptr (GError) error = NULL;
  clip_cache_make (&cache, &config, encode, NULL, NULL, &log, &error);
  g_assert_no_error (error);
  static const char *const messages[] = { "another model (m@1), expected m@2",
                                          "another augmentation (size 8",
                                          "another augmentation (size 8",
                                          "another number of views (1), expected 2",
                                          "other data (150 samples" };
  for (guint i = 0; i < G_N_ELEMENTS (messages); i++) {
    ClipDataSetConfig other = config;
    ClipCacheConfig asked = cache;
    if (i == 0)
      asked.model = "m@2";
    else if (i == 1)
      asked.seed = 10;
    else if (i == 2)
      other.augment.flip = 0;
    else if (i == 3)
      asked.views = 2;
    else {
      const Member members[] = { { "k000.png", "x" }, { "k000.txt", "y" }, { NULL } };
      write_shard (shard, FALSE, members);
    }
    g_autoptr (GError) reason = NULL;
    const gboolean made = clip_cache_make (&asked, &other, encode, NULL, NULL, &log, &reason);
    check_error (messages[i], made ? path : NULL, reason, CLIP_ERROR_CONFIG, messages[i]);
    g_assert_nonnull (strstr (reason->message, "delete it, or name another file"));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cache/made", test_made);
  g_test_add_func ("/cache/resumed", test_resumed);
  g_test_add_func ("/cache/refused", test_refused);
  return g_test_run ();
}
