/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/text/prompts: the built-in sets, and files of templates. */
#include "core/clip.h"

#include <glib/gstdio.h>
#include <string.h>

static void
test_sets (void)
{
  static const struct {
    const char *name;
    guint n; /* 0: ours, any number */
    const char *first, *last;
  } published[] = {
    { "none", 1, "{}", "{}" },
    { "photo", 1, "a photo of a {}.", "a photo of a {}." },
    { "video", 0 },
    { "imagenet-7", 7, "itap of a {}.", "a photo of the small {}." },
    { "imagenet-80", 80, "a bad photo of a {}.", "a tattoo of the {}." },
  };
  const ClipPromptSet *set = clip_prompt_sets ();
  for (guint i = 0; i < G_N_ELEMENTS (published); i++, set++) {
    g_assert_cmpstr (set->name, ==, published[i].name);
    g_assert_nonnull (set->description);
    guint n = g_strv_length ((char **) set->templates);
    if (published[i].n > 0) {
      g_assert_cmpuint (n, ==, published[i].n);
      g_assert_cmpstr (set->templates[0], ==, published[i].first);
      g_assert_cmpstr (set->templates[n - 1], ==, published[i].last);
    }
    g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
    for (guint t = 0; t < n; t++) {
      const char *place = strstr (set->templates[t], "{}");
      g_assert_nonnull (place);
      g_assert_null (strstr (place + 1, "{}"));
      g_assert_true (g_hash_table_add (seen, (char *) set->templates[t]));
    }
    g_autoptr (GError) error = NULL;
    g_auto (GStrv) loaded = clip_prompts_load (set->name, &error);
    g_assert_no_error (error);
    g_assert_true (g_strv_equal ((const char *const *) loaded, set->templates));
  }
  g_assert_null (set->name);

  g_auto (GStrv) usual = clip_prompts_load (CLIP_DEFAULT_PROMPTS, NULL);
  g_assert_nonnull (usual);
}

static void
test_file (void)
{
  static const struct {
    const char *text,
        *expected; /* templates joined by '|', or the message behind the file's name */
  } cases[] = {
    { "a photo of {}.\n", "a photo of {}." },
    { "\xEF\xBB\xBF# ours\r\n\r\n {} at night \r\n{}\r\n", "{} at night|{}" },
    { "", ": no templates" },
    { "{}\na photo\n", ": line 2: expected one \"{}\", found \"a photo\"" },
    { "{} and {}\n", ": line 1: expected one \"{}\", found \"{} and {}\"" },
    { "{}\n\xFF\n", ": line 2: not valid UTF-8" },
  };
  g_autofree char *path = NULL;
  g_close (g_file_open_tmp ("prompts-XXXXXX", &path, NULL), NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_assert_true (g_file_set_contents (path, cases[i].text, -1, NULL));
    g_auto (GStrv) templates = clip_prompts_load (path, &error);
    g_autofree char *found = templates ? g_strjoinv ("|", templates) : g_strdup (error->message);
    g_autofree char *expected = g_strconcat (templates ? "" : path, cases[i].expected, NULL);
    g_assert_cmpstr (found, ==, expected);
    if (!templates)
      g_assert_error (error, CLIP_ERROR, CLIP_ERROR_LABELS);
  }
  g_unlink (path);

  g_autoptr (GError) error = NULL;
  g_assert_null (clip_prompts_load ("no-such-set", &error));
  g_assert_cmpstr (
      error->message, ==,
      "no-such-set: neither a prompt set (none, photo, video, imagenet-7, imagenet-80) nor a file");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/prompts/sets", test_sets);
  g_test_add_func ("/prompts/file", test_file);
  return g_test_run ();
}
