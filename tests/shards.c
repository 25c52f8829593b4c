/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * WebDataset shards.
 *
 *   samples : which members make a sample, and what they say
 *   broken  : a text that is not UTF-8, a class that is no number: named, and the next sample comes
 *   cut     : for every length that a shard may be cut to: the samples before, then one BROKEN or the END
 *   expand  : globs and braces
 */
#include "core/train/shards.h"
#include "tests/shard-writer.h"
#include "tests/testing.h"

/* "KEY image captions|… class; …", broken samples as "!MESSAGE" after the path */
static char *
read_all (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipShards) shards = clip_shards_open (path, &error);
  if (!shards)
    return g_strdup_printf ("!%s\n", error->message + strlen (path) + 2);
  GString *all = g_string_new (NULL);
  for (;;) {
    ClipSample sample;
    g_autoptr (GError) reason = NULL;
    const ClipShardsStatus status = clip_shards_next (shards, &sample, &reason);
    if (status == CLIP_SHARDS_END)
      return g_string_free (all, FALSE);
    if (all->len)
      g_string_append (all, "; ");
    if (status == CLIP_SHARDS_BROKEN) {
      g_assert_true (g_error_matches (reason, CLIP_ERROR, CLIP_ERROR_FORMAT));
      g_assert_true (g_str_has_prefix (reason->message, path));
      g_string_append_printf (all, "!%s", reason->message + strlen (path));
      continue;
    }
    g_assert_no_error (reason);
    g_assert_cmpstr (sample.shard, ==, path);
    g_autofree char *captions = sample.captions ? g_strjoinv ("|", sample.captions) : NULL;
    g_autofree char *image = sample.image ? g_strndup (g_bytes_get_data (sample.image, NULL),
                                                       g_bytes_get_size (sample.image))
                                          : g_strdup ("-");
    g_string_append_printf (all, "%s %s %s %d", sample.key, image, captions ? captions : "-",
                            sample.class);
  }
}

static void
test_samples (void)
{
  static const struct {
    const char *expected;
    Member members[7];
  } cases[] = {
    { "", { { "a/", "" } } },
    { "a I one 7", { { "a.jpg", "I" }, { "a.txt", "one\n" }, { "a.cls", " 7\n" } } },
    { "a I one|two -1", { { "a.txt", "\n one\r\n\n two " }, { "a.PNG", "I" } } },
    { "a I - -1; b J - -1", { { "a.jpeg", "I" }, { "b.webp", "J" } } },
    { "d.e/a I x -1", { { "d.e/a.jpg", "I" }, { "d.e/a.txt", "x" } } },
    { "./a I x -1", { { "./a.jpg", "I" }, { "./a.txt", "x" } } },
    /* up to the first dot: what follows is the extension, here one that means nothing */
    { "a I - -1", { { "a.jpg", "I" }, { "a.b.txt", "x" } } },
    { "a I - -1; ab - x -1", { { "a.jpg", "I" }, { "ab.txt", "x" } } },
    { "ab I - -1; a - x -1", { { "ab.jpg", "I" }, { "a.txt", "x" } } },
    /* members of a sample are adjacent */
    { "a I - -1; b J - -1; a - x -1", { { "a.jpg", "I" }, { "b.jpg", "J" }, { "a.txt", "x" } } },
    { "a - - -1", { { "a.json", "{}" } } },
    { "a - - 0", { { "a.txt", " \n" }, { "a.cls", "0" } } },
    { "b I - -1", { { "README", "no extension" }, { ".hidden.jpg", "no key" }, { "b.jpg", "I" } } },
    { "a K - -1", { { "a.jpg", "I" }, { "a.png", "K" } } },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (int gzip = 0; gzip < 2; gzip++) {
      g_autofree char *path = temporary_path ("samples.tar");
      write_shard (path, gzip, cases[i].members);
      g_autofree char *found = read_all (path);
      if (strcmp (found, cases[i].expected))
        g_error ("case %u: \"%s\", expected \"%s\"", i, found, cases[i].expected);
    }
}

static void
test_broken (void)
{
  static const struct {
    const char *expected;
    Member members[5];
  } cases[] = {
    { "!: a: .txt is not valid UTF-8; b J - -1",
      { { "a.jpg", "I" }, { "a.txt", "caf\xe9" }, { "b.jpg", "J" } } },
    { "!: a: .cls is not a class index; b J - -1",
      { { "a.cls", "seven" }, { "a.jpg", "I" }, { "b.jpg", "J" } } },
    { "!: a: .cls is not a class index", { { "a.cls", "-1" } } },
    { "!: a: .cls is not a class index", { { "a.cls", "99999999999" } } },
    { "!: a: .cls is not a class index", { { "a.cls", "" } } },
    { "!: a: .txt is not valid UTF-8", { { "a.txt", NULL, "a\0b", 3 } } },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = temporary_path ("broken.tar");
    write_shard (path, FALSE, cases[i].members);
    g_autofree char *found = read_all (path);
    if (strcmp (found, cases[i].expected))
      g_error ("case %u: \"%s\", expected \"%s\"", i, found, cases[i].expected);
  }
}

static void
test_cut (void)
{
  g_autofree char *noise = g_malloc (3000);
  for (int i = 0; i < 3000; i++)
    noise[i] = 1 + (i * 2654435761u >> 13) % 250;
  const Member members[] = {
    { "a.jpg", NULL, noise, 1000 },
    { "a.txt", "one" },
    { "b.jpg", NULL, noise + 1000, 1000 },
    { "b.txt", "two" },
    { "c.jpg", NULL, noise + 2000, 1000 },
    { "c.txt", "three" },
    { NULL },
  };
  for (int gzip = 0; gzip < 2; gzip++) {
    g_autofree char *path = temporary_path ("whole.tar"), *all = NULL;
    gsize size;
    write_shard (path, gzip, members);
    g_assert_true (g_file_get_contents (path, &all, &size, NULL));
    int most = 0;
    for (gsize length = 0; length <= size; length += length + 13 < size ? 13 : 1) {
      g_autoptr (GBytes) bytes = g_bytes_new (all, length);
      g_autoptr (ClipShards) shards = clip_shards_parse (bytes, "cut.tar");
      int n = 0, n_broken = 0;
      for (;;) {
        ClipSample sample;
        g_autoptr (GError) reason = NULL;
        const ClipShardsStatus status = clip_shards_next (shards, &sample, &reason);
        if (status == CLIP_SHARDS_END)
          break;
        g_assert_cmpint (n_broken, ==, 0);
        if (status == CLIP_SHARDS_BROKEN) {
          g_assert_nonnull (strstr (reason->message, "damaged or cut short"));
          n_broken++;
          continue;
        }
        const char key[] = { "abc"[n], '\0' };
        g_assert_cmpstr (sample.key, ==, key);
        g_assert_cmpint (memcmp (g_bytes_get_data (sample.image, NULL), noise + 1000 * n, 1000), ==,
                         0);
        n++;
      }
      /* the more there is, the more can be read; but what is torn may belong to the sample before it */
      g_assert_cmpint (n, >=, most - 1);
      g_assert_true (n == 3 || n_broken == 1 || !gzip);
      most = MAX (most, n);
    }
    g_assert_cmpint (most, ==, 3);
  }
}

static void
test_expand (void)
{
  static const struct {
    const char *patterns[3], *expected; /* NULL: an error that names the pattern */
  } cases[] = {
    { { "a-0000.tar" }, "a-0000.tar" },
    { { "a-*.tar" }, "a-0000.tar a-0001.tar a-0002.tar" },
    { { "a-{0000..0002}.tar" }, "a-0000.tar a-0001.tar a-0002.tar" },
    { { "{b,a}-000{1..2}.tar" }, "b-0001.tar b-0002.tar a-0001.tar a-0002.tar" },
    { { "b-?00[12].tar", "a-0001.tar" }, "b-0001.tar b-0002.tar a-0001.tar" },
    { { "x[1].tar" }, "x[1].tar" },
    { { "{b}-0001.tar" }, "b-0001.tar" },
    { { "a-{0001..0003}.tar" }, NULL },
    { { "a-{2..1}.tar" }, NULL },
    { { "none*.tar" }, NULL },
    { { "a-{0001.tar" }, NULL },
    { { "" }, NULL },
  };
  static const char *const files[] = { "a-0000.tar", "a-0001.tar", "a-0002.tar",
                                       "b-0001.tar", "b-0002.tar", "x[1].tar" };
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *path = temporary_path (files[i]);
    g_assert_true (g_file_set_contents (path, "", 0, NULL));
  }
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *a = temporary_path (cases[i].patterns[0]),
                    *b = temporary_path (cases[i].patterns[1] ?: "");
    const char *const patterns[] = { cases[i].patterns[0][0] ? a : "",
                                     cases[i].patterns[1] ? b : NULL, NULL };
    g_auto (GStrv) paths = clip_shards_expand (patterns, &error);
    if (!cases[i].expected) {
      check_error (cases[i].patterns[0], paths, error, CLIP_ERROR_IO, "no such file");
      continue;
    }
    g_assert_no_error (error);
    for (char **path = paths; *path; path++) {
      char *base = g_path_get_basename (*path);
      g_free (*path);
      *path = base;
    }
    g_autofree char *found = g_strjoinv (" ", paths);
    g_assert_cmpstr (found, ==, cases[i].expected);
  }
}

static void
test_missing (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = temporary_path ("missing.tar");
  ClipShards *shards = clip_shards_open (path, &error);
  check_error ("missing", shards, error, CLIP_ERROR_IO, path);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/shards/samples", test_samples);
  g_test_add_func ("/shards/broken", test_broken);
  g_test_add_func ("/shards/cut", test_cut);
  g_test_add_func ("/shards/expand", test_expand);
  g_test_add_func ("/shards/missing", test_missing);
  return g_test_run ();
}
