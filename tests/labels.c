/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/zeroshot/labels: what is a label set, and what an unusable one is told. */
#include "core/zeroshot/labels.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define TEXT(literal) literal, sizeof (literal) - 1

/* "cat|dog(2 prompts)|street(background, threshold 0.5)" */
static char *
describe (ClipLabels *labels)
{
  GString *text = g_string_new (NULL);
  for (guint i = 0; labels && i < clip_labels_get_n (labels); i++) {
    const ClipLabel *label = clip_labels_get (labels, i);
    g_string_append_printf (text, "%s%s", i > 0 ? "|" : "", label->name);
    for (guint p = 0; label->prompts && label->prompts[p]; p++)
      g_string_append_printf (text, "<%s>", label->prompts[p]);
    if (!isnan (label->threshold))
      g_string_append_printf (text, "@%g", label->threshold);
    for (guint p = 0; label->images && label->images[p]; p++)
      g_string_append_printf (text, "[%s]", label->images[p]);
    if (!isnan (label->image_weight))
      g_string_append_printf (text, "*%g", label->image_weight);
    if (!isnan (label->release))
      g_string_append_printf (text, "~%g", label->release);
    if (label->background)
      g_string_append (text, "(background)");
  }
  if (labels && clip_labels_get_temperature (labels) != 1)
    g_string_append_printf (text, "/%g", clip_labels_get_temperature (labels));
  return g_string_free (text, FALSE);
}

static void
assert_labels (ClipLabels *labels, GError *error, const char *expected)
{
  g_autofree char *found = labels ? describe (labels) : g_strdup (error->message);
  g_assert_cmpint (labels != NULL, ==, error == NULL);
  g_assert_cmpstr (found, ==, expected);
}

static void
test_string (void)
{
  static const struct {
    const char *text, *expected; /* labels, or the message */
  } cases[] = {
    { "cat", "cat" },
    { "cat;dog", "cat|dog" },
    { " cat ; a dog\n  bird ", "cat|a dog|bird" },
    { "cat;dog;", "cat|dog" },
    { "cat;dog;\n", "cat|dog" },
    { "cat\r\ndog\r\n\r\n", "cat|dog" },
    { "cat;\ndog;  \r\nbird", "cat|dog|bird" },
    { "Katze;кошка;猫", "Katze|кошка|猫" },
    { "cat;Cat", "cat|Cat" },
    { "#1 sign", "#1 sign" },
    { "", "labels: no labels" },
    { " \n", "labels: no labels" },
    { ";", "labels: label 1: empty label" },
    { "cat;;dog", "labels: label 2: empty label" },
    { "cat; \xC2\xA0 ;dog", "labels: label 2: empty label" },
    { "cat\n\ndog", "labels: label 2: empty label" },
    { "cat;dog;;", "labels: label 3: empty label" },
    { "cat;dog; cat", "labels: label 3: \"cat\" is also label 1" },
    { "cat;d\xFFog", "labels: label 2: not valid UTF-8" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipLabels) labels = clip_labels_parse (cases[i].text, &error);
    assert_labels (labels, error, cases[i].expected);
    if (!labels)
      g_assert_error (error, CLIP_ERROR, CLIP_ERROR_LABELS);
  }
}

static void
test_file (void)
{
  static const struct {
    const char *text;
    gsize length;
    const char *expected;
  } cases[] = {
    { TEXT ("cat\ndog\n"), "cat|dog" },
    { TEXT ("cat\ndog"), "cat|dog" },
    { TEXT ("\xEF\xBB\xBF# pets\r\n cat\r\n  # and\r\ndog; and cat\r\n\r\n"), "cat|dog; and cat" },
    { TEXT (""), "f: no labels" },
    { TEXT ("# nothing\n"), "f: no labels" },
    { TEXT ("cat\n\ndog\n"), "f: line 2: empty label" },
    { TEXT ("# pets\ncat\ndog\ncat\n"), "f: line 4: \"cat\" is also line 2" },
    { TEXT ("cat\nd\0g\n"), "f: line 2: a NUL byte" },
    { TEXT ("cat\ndog\n\xE9t\xE9\n"), "f: line 3: not valid UTF-8" },
    { TEXT ("cat\ndog\n\xC3"), "f: line 3: not valid UTF-8" },

    { TEXT ("[\"cat\", \"dog\"]"), "cat|dog" },
    { TEXT ("\xEF\xBB\xBF\r\n[\"cat\"]\r\n"), "cat" },
    { TEXT ("[{\"name\": \"cat\", \"prompts\": [\"a cat\", \"two cats\"], \"threshold\": 0.25, "
            "\"background\": false},"
            " {\"name\": \" street \", \"background\": true, \"prompts\": null}, \"dog\"]"),
      "cat<a cat><two cats>@0.25|street(background)|dog" },
    { TEXT ("[]"), "f: no labels" },
    { TEXT ("{\"labels\": [\"cat\", {\"name\": \"dog\"}]}"), "cat|dog" },
    { TEXT ("{\"temperature\": 0.5, \"labels\": [\"cat\"]}"), "cat/0.5" },
    { TEXT ("{\"labels\": []}"), "f: no labels" },
    { TEXT ("{\"temperature\": 0.5}"), "f: no labels" },
    { TEXT ("{\"temperature\": 0, \"labels\": [\"cat\"]}"),
      "f: temperature is 0, expected more than 0" },
    { TEXT ("{\"temperature\": \"low\", \"labels\": [\"cat\"]}"),
      "f: temperature is \"low\", expected a number" },
    { TEXT ("{\"labels\": \"cat\"}"), "f: labels is \"cat\", expected an array" },
    { TEXT ("{\"labels\": [7]}"), "f: label 1: expected a string or an object" },
    { TEXT ("{\"label\": [\"cat\"]}"),
      "f: unknown member \"label\", expected temperature or labels" },
    { TEXT ("[\"cat\", 7]"), "f: label 2: expected a string or an object" },
    { TEXT ("[\"cat\", \" \"]"), "f: label 2: empty label" },
    { TEXT ("[\"cat\", {\"name\": \"cat\"}]"), "f: label 2: \"cat\" is also label 1" },
    { TEXT ("[\"cat\",\n 'dog']"), "f: line 2, byte 2: expected a value" },
    { TEXT ("[\"c\\u0000t\"]"), "f: line 1, byte 4: a NUL character" },
    { TEXT ("[{}]"), "f: label 1: no name" },
    { TEXT ("[{\"name\": 3}]"), "f: label 1: name is 3, expected a string" },
    { TEXT ("[{\"name\": \"cat\", \"treshold\": 0.5}]"),
      "f: label 1: unknown member \"treshold\", expected name, prompts, images, "
      "image-weight, threshold, release or background" },
    { TEXT ("[{\"name\": \"cat\", \"threshold\": 1.5}]"),
      "f: label 1: threshold is 1.5, expected 0 to 1" },
    { TEXT ("[{\"name\": \"cat\", \"threshold\": -0.1}]"),
      "f: label 1: threshold is -0.1, expected 0 to 1" },
    { TEXT ("[{\"name\": \"cat\", \"threshold\": \"high\"}]"),
      "f: label 1: threshold is \"high\", expected a number" },
    { TEXT ("[{\"name\": \"cat\", \"threshold\": 0.5, \"release\": 0.25},"
            " {\"name\": \"dog\", \"release\": 0.75}]"),
      "cat@0.5~0.25|dog~0.75" },
    { TEXT ("[{\"name\": \"cat\", \"threshold\": 0.5, \"release\": 0.75}]"),
      "f: label 1: release is 0.75, expected 0 to the threshold, 0.5" },
    { TEXT ("[{\"name\": \"cat\", \"release\": -1}]"),
      "f: label 1: release is -1, expected 0 to 1" },
    { TEXT ("[{\"name\": \"cat\", \"background\": 1}]"),
      "f: label 1: background is 1, expected true or false" },
    { TEXT ("[{\"name\": \"cat\", \"prompts\": \"a cat\"}]"),
      "f: label 1: prompts is \"a cat\", expected an array" },
    { TEXT ("[{\"name\": \"cat\", \"prompts\": []}]"), "f: label 1: prompts is empty" },
    { TEXT ("[{\"name\": \"cat\", \"images\": [\"a.jpg\", \"/b/c.png\"]}]"),
      "cat[./a.jpg][/b/c.png]" },
    { TEXT ("[{\"name\": \"cat\", \"images\": [\"a.jpg\"], \"prompts\": []}]"), "cat[./a.jpg]" },
    { TEXT ("[{\"name\": \"cat\", \"images\": [\"a.jpg\"], \"image-weight\": 0.25}]"),
      "cat[./a.jpg]*0.25" },
    { TEXT ("[{\"name\": \"cat\", \"images\": []}]"), "f: label 1: images is empty" },
    { TEXT ("[{\"name\": \"cat\", \"images\": [\"a.jpg\", 1]}]"),
      "f: label 1: image 2: expected a path" },
    { TEXT ("[{\"name\": \"cat\", \"images\": [\"a.jpg\"], \"image-weight\": 2}]"),
      "f: label 1: image-weight is 2, expected 0 to 1" },
    { TEXT ("[{\"name\": \"cat\", \"image-weight\": 0.5}]"),
      "f: label 1: image-weight without images, expected both to mix" },
    { TEXT ("[{\"name\": \"cat\", \"images\": [\"a\"], \"prompts\": [], \"image-weight\": 1}]"),
      "f: label 1: image-weight without prompts, expected both to mix" },
    { TEXT ("[{\"name\": \"cat\", \"prompts\": [\"a cat\", \"\"]}]"),
      "f: label 1: prompt 2: expected some text" },
    { TEXT ("[{\"name\": \"cat\", \"prompts\": [[]]}]"),
      "f: label 1: prompt 1: expected some text" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes = g_bytes_new (cases[i].text, cases[i].length);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipLabels) labels = clip_labels_parse_bytes (bytes, "f", &error);
    assert_labels (labels, error, cases[i].expected);
  }
}

static void
test_load (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  g_close (g_file_open_tmp ("labels-XXXXXX", &path, &error), NULL);
  g_assert_true (g_file_set_contents (path, "cat\ncat\n", -1, &error));
  g_assert_null (clip_labels_load (path, &error));
  g_autofree char *expected = g_strdup_printf ("%s: line 2: \"cat\" is also line 1", path);
  g_assert_cmpstr (error->message, ==, expected);
  g_clear_error (&error);
  g_unlink (path);
  g_assert_null (clip_labels_load (path, &error));
  g_assert_error (error, CLIP_ERROR, CLIP_ERROR_IO);
}

static void
test_join (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipLabels) a = clip_labels_parse ("cat;dog", NULL),
                         b = clip_labels_parse ("street;sky", NULL);
  g_autoptr (ClipLabels) ab = clip_labels_join (a, b, TRUE, &error);
  assert_labels (ab, error, "cat|dog|street(background)|sky(background)");
  g_autoptr (ClipLabels) ba = clip_labels_join (b, a, FALSE, &error);
  assert_labels (ba, error, "street|sky|cat|dog");
  g_autoptr (ClipLabels) only_a = clip_labels_join (a, NULL, TRUE, &error);
  assert_labels (only_a, error, "cat|dog");
  g_autoptr (ClipLabels) only_b = clip_labels_join (NULL, b, TRUE, &error);
  assert_labels (only_b, error, "street(background)|sky(background)");
  g_assert_null (clip_labels_join (NULL, NULL, TRUE, &error));
  g_clear_error (&error);
  g_assert_null (clip_labels_join (ab, a, FALSE, &error));
  g_assert_cmpstr (error->message, ==, "labels: label 5: \"cat\" is also label 1");
}

static void
test_many (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  for (int i = 0; i < 10000; i++)
    g_string_append_printf (text, "label number %d\n", i);
  gint64 start = g_get_monotonic_time ();
  g_autoptr (ClipLabels) labels = clip_labels_parse (text->str, NULL);
  g_test_message ("10,000 labels in %.1f ms", (double) (g_get_monotonic_time () - start) / 1000);
  g_assert_cmpuint (clip_labels_get_n (labels), ==, 10000);
  g_assert_cmpstr (clip_labels_get (labels, 9999)->name, ==, "label number 9999");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/labels/string", test_string);
  g_test_add_func ("/labels/file", test_file);
  g_test_add_func ("/labels/load", test_load);
  g_test_add_func ("/labels/join", test_join);
  g_test_add_func ("/labels/many", test_many);
  return g_test_run ();
}
