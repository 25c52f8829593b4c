/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of lines {"text": …, "ids": [start, …, end]}: every text must give these ids. */
#pragma once
#include "core/base/json.h"
#include "core/text/tokenizer.h"
#include "tests/testing.h"

#include <string.h>

static inline char *
describe_ids (const gint32 *ids, guint n)
{
  GString *text = g_string_new (NULL);
  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "%s%d", i > 0 ? " " : "", ids[i]);
  return g_string_free (text, FALSE);
}

/* @expected: "1 2 3"; @limit: 0, or cut as for a context of that length */
static inline void
assert_tokens (const ClipTokenizer *tokenizer, const char *text, const char *expected, guint limit)
{
  g_autoptr (GArray) ids = clip_tokenizer_encode (tokenizer, text);
  if (limit > 0 && ids->len > limit) {
    g_array_set_size (ids, limit);
    g_array_index (ids, gint32, limit - 1) = clip_tokenizer_get_end (tokenizer);
  }
  g_autofree char *found = describe_ids ((const gint32 *) ids->data, ids->len);
  if (!g_str_equal (found, expected))
    g_test_message ("\"%s\"\n  expected %s\n  found    %s", text, expected, found);
  g_assert_cmpstr (found, ==, expected);
}

/* Returns how many lines there were. */
static inline guint
assert_golden_tokens (const ClipTokenizer *tokenizer, const char *path, guint limit)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *contents = NULL;
  g_file_get_contents (path, &contents, NULL, &error);
  g_assert_no_error (error);
  g_auto (GStrv) lines = g_strsplit (contents, "\n", -1);
  guint n = 0;
  for (; lines[n] && *lines[n]; n++) {
    g_autoptr (JsonNode) node = clip_json_parse (lines[n], strlen (lines[n]), path, &error);
    g_assert_no_error (error);
    JsonObject *object = json_node_get_object (node);
    JsonArray *array = json_object_get_array_member (object, "ids");
    g_autoptr (GString) expected = g_string_new (NULL);
    for (guint i = 0; i < json_array_get_length (array); i++)
      g_string_append_printf (expected, "%s%d", i > 0 ? " " : "",
                              (int) json_array_get_int_element (array, i));
    assert_tokens (tokenizer, json_object_get_string_member (object, "text"), expected->str, limit);
  }
  return n;
}

/* @vocabulary and @golden: files of tests/golden/text; @vocabulary NULL: CLIP's own. */
static inline void
assert_golden_vocabulary (const char *vocabulary, const char *golden)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "text", golden, NULL);
  g_autofree char *file =
      vocabulary ? g_test_build_filename (G_TEST_DIST, "golden", "text", vocabulary, NULL) : NULL;
  g_autoptr (ClipTokenizer) tokenizer =
      file ? clip_tokenizer_load (file, &error) : clip_tokenizer_clip ();
  g_assert_no_error (error);
  g_assert_cmpuint (assert_golden_tokens (tokenizer, path, 0), >, 0);
}

/* What clip_tokenizer_parse () says of the bytes: "" or the message. */
static inline char *
refusal (const char *bytes, gsize length)
{
  g_autoptr (GBytes) copy =
      g_bytes_new (bytes, length); /* so that a sanitizer sees reads past the end */
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_parse (copy, "f", &error);
  g_assert_true (!tokenizer == !!error);
  if (error)
    g_assert_cmpint (error->domain, ==, CLIP_ERROR);
  return g_strdup (error ? error->message : "");
}
