/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clipclassify and labels: what cannot start says why, once; label sets change while frames go on; messages tell of it. */
#include "tests/element-harness.h"
#include "tests/tiny-model.h"
#include "core/clip.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define CAPS "video/x-raw,format=RGB,width=40,height=30,framerate=25/1"

/* ----------------------------------------------------------------------------------------------------------- start */

static void
test_start_errors (void)
{
  g_autofree char *nowhere = g_build_filename (g_get_tmp_dir (), "no-such-model.safetensors", NULL);
  g_autofree char *no_model = g_strconcat ("model=", nowhere, NULL);
  g_autofree char *no_config = g_strconcat ("model-config=", nowhere, NULL);
  g_autofree char *no_file = g_strconcat ("labels-file=", nowhere, NULL);
  g_autofree char *no_prompts = g_strconcat ("prompts=", nowhere, NULL);
  const struct {
    const char *name;
    const char *properties[4];
    GQuark domain;
    int code; /* -1: any */
    const char *text;
  } cases[] = {
    { "missing model", { no_model, "labels=a" }, GST_RESOURCE_ERROR, -1, "no-such-model" },
    { "unknown name",
      { "model=no-such-name", "labels=a" },
      GST_RESOURCE_ERROR,
      -1,
      "no-such-name" },
    { "missing configuration", { no_config, "labels=a" }, GST_RESOURCE_ERROR, -1, "no-such-model" },
    { "no image size",
      { "image-size=large", "labels=a" },
      GST_LIBRARY_ERROR,
      GST_LIBRARY_ERROR_SETTINGS,
      "expected pixels" },
    { "image size of no patches",
      { "image-size=33", "labels=a" },
      GST_LIBRARY_ERROR,
      GST_LIBRARY_ERROR_SETTINGS,
      "multiple of 8" },
    { "nothing to do", { NULL }, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "labels" },
    { "only background",
      { "background=a wall" },
      GST_LIBRARY_ERROR,
      GST_LIBRARY_ERROR_SETTINGS,
      "labels" },
    { "empty label", { "labels=a;;b" }, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "" },
    { "duplicate label", { "labels=a;b;a" }, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "a" },
    { "label and background",
      { "labels=a;b", "background=b" },
      GST_LIBRARY_ERROR,
      GST_LIBRARY_ERROR_SETTINGS,
      "b" },
    { "missing labels file", { no_file }, GST_RESOURCE_ERROR, -1, "no-such-model" },
    { "missing prompts file", { "labels=a", no_prompts }, 0, -1, "no-such-model" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_test_message ("%s", cases[i].name);
    GstElement *element = gst_object_ref_sink (classifier_new (cases[i].properties));
    g_autoptr (GstBus) bus = gst_bus_new ();
    g_autoptr (GError) error = NULL;
    gst_element_set_bus (element, bus);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==,
                     GST_STATE_CHANGE_FAILURE);
    g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    g_autoptr (GstMessage) second = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
    g_assert_nonnull (message);
    g_assert_null (second);
    gst_message_parse_error (message, &error, NULL);
    if ((cases[i].domain && error->domain != cases[i].domain) ||
        (cases[i].code >= 0 && error->code != cases[i].code) ||
        !strstr (error->message, cases[i].text))
      g_error ("%s: found %s %d \"%s\"", cases[i].name, g_quark_to_string (error->domain),
               error->code, error->message);

    /* The same element works once the reason is gone. */
    g_object_set (element, "model", tiny_model (), "model-config", NULL, "image-size", NULL,
                  "labels", "a", "background", NULL, "labels-file", NULL, "prompts", "none", NULL);
    g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), !=,
                     GST_STATE_CHANGE_FAILURE);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, NULL);
    gst_object_unref (element);
  }
}

static void
test_embedding_only (void)
{
  static const char *const properties[] = { "embedding=true", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (CAPS, 0, 0));
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  g_assert_cmpuint (meta->n_labels, ==, 0);
  g_assert_cmpuint (meta->n_embedding, ==, TINY_EMBED);
}

/* Pictures that are larger and no squares: another embedding, of another model. */
static void
test_image_size (void)
{
  static const char *const sizes[] = { "image-size=32", "image-size=48x40" };
  float first[TINY_EMBED];
  g_autofree char *id = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const char *const properties[] = { "embedding=true", sizes[i], NULL };
    g_auto (Bench) bench = bench_new (CAPS, properties);
    g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (CAPS, 0, 1));
    g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
    g_autoptr (GstStructure) info = NULL;
    int width, height;
    g_object_get (bench.element, "model-info", &info, NULL);
    g_assert_true (gst_structure_get_int (info, "image-width", &width));
    g_assert_true (gst_structure_get_int (info, "image-height", &height));
    g_assert_cmpint (width, ==, i ? 48 : 32);
    g_assert_cmpint (height, ==, i ? 40 : 32);
    if (i == 0) {
      memcpy (first, meta->embedding, sizeof first);
      id = g_strdup (gst_structure_get_string (info, "id"));
      continue;
    }
    g_assert_cmpstr (gst_structure_get_string (info, "id"), !=, id);
    double cosine = 0;
    for (int e = 0; e < TINY_EMBED; e++)
      cosine += (double) first[e] * meta->embedding[e];
    g_assert_cmpfloat (cosine, <, 1 - 1e-6);
    g_assert_cmpfloat (cosine, >, 0.5); /* it is the same picture */
  }
}

static void
test_restart (void)
{
  static const char *const properties[] = { "labels=a;b", "threshold=0", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_autoptr (GstStructure) info = NULL, none = NULL;
  for (int i = 0; i < 3; i++) {
    gst_harness_set_src_caps_str (bench.harness, CAPS);
    g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (CAPS, 0, 0));
    g_assert_cmpuint (bench_stat (&bench, "frames"), ==, 1);
    gst_element_set_state (bench.element, GST_STATE_NULL);
    gst_harness_play (bench.harness);
  }
  g_object_get (bench.element, "model-info", &info, NULL);
  g_assert_nonnull (info);
  int length;
  g_assert_true (gst_structure_get_int (info, "embedding-length", &length));
  g_assert_cmpint (length, ==, TINY_EMBED);
  gst_element_set_state (bench.element, GST_STATE_NULL);
  g_object_get (bench.element, "model-info", &none, NULL);
  g_assert_null (none);
}

static void
test_labels_file (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  const int file = g_file_open_tmp ("labels-XXXXXX", &path, &error);
  g_assert_no_error (error);
  g_close (file, NULL);
  g_file_set_contents (path, "# things\na car\na dog\n", -1, NULL);
  g_autofree char *property = g_strconcat ("labels-file=", path, NULL);
  const char *properties[] = { property, "labels=a cat", "background=a wall;a floor", "threshold=0",
                               NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (CAPS, 0, 0));
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  g_assert_cmpuint (meta->n_labels, ==, 3);
  g_remove (path);
}

/* What was cut is named in a warning, at the start and later. */
static void
test_long_label (void)
{
  g_autofree char *name = g_strnfill (300, 'x');
  g_autofree char *property = g_strdup_printf ("labels=%s;b", name);
  const char *properties[] = { property, NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  for (int i = 0; i < 2; i++) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
        bench.bus, 20 * GST_SECOND, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
    g_autoptr (GError) warning = NULL;
    g_assert_true (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING);
    gst_message_parse_warning (message, &warning, NULL);
    g_assert_nonnull (strstr (warning->message, name));
    g_object_set (bench.element, "prompts", "none", NULL);
  }
}

/* --------------------------------------------------------------------------------------------------------- playing */

static gboolean
has_label (const ClipMeta *meta, const char *name)
{
  for (guint i = 0; i < meta->n_labels; i++)
    if (strcmp (meta->labels[i].name, name) == 0)
      return TRUE;
  return FALSE;
}

/* Pushes frames until one carries @name; every frame before carries the labels that were set before, all of them. */
static void
push_until (Bench *bench, const char *name, const char *before, guint n_before)
{
  const gint64 end = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  for (int n = 0; g_get_monotonic_time () < end; n++) {
    g_autoptr (GstBuffer) out = bench_process (bench, frame_new (CAPS, n, n));
    g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
    g_assert_nonnull (meta);
    if (has_label (meta, name))
      return;
    g_assert_true (has_label (meta, before));
    g_assert_cmpuint (meta->n_labels, ==, n_before);
    g_usleep (1000);
  }
  g_error ("\"%s\" never came", name);
}

static void
test_change (void)
{
  static const char *const properties[] = { "labels=a;b", "threshold=0", "interval=1000", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  push_until (&bench, "a", "a", 2);
  g_object_set (bench.element, "labels", "c;d;e", NULL);
  push_until (&bench, "c", "a", 2); /* held frames, too */
  /* The newest of many wins. */
  for (int i = 0; i < 50; i++) {
    g_autofree char *labels = g_strdup_printf ("f;g;h%d", i);
    g_object_set (bench.element, "labels", labels, "prompts", i % 2 ? "none" : "video", NULL);
  }
  /* In this order: one label alone is none, and the element may look between the two. */
  g_object_set (bench.element, "background", "a wall", "labels", "last", NULL);
  const gint64 end = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  for (gboolean found = FALSE; !found;) {
    g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (CAPS, 0, 0));
    g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
    found = has_label (meta, "last") && meta->n_labels == 1;
    g_assert_cmpint (g_get_monotonic_time (), <, end);
  }
  g_autoptr (GstMessage) warning = bench_pop (&bench, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
  g_assert_null (warning);
}

/* Labels arrive even if they change faster than they are encoded: no two encodings in a row are given up. */
static void
test_haste (void)
{
  static const char *const properties[] = { "labels=a;b", "threshold=0", "top-k=1", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_autoptr (GString) many = g_string_new (NULL);
  for (int i = 0; i < 500; i++)
    g_string_append_printf (many, "label %d;", i);
  const gint64 end = g_get_monotonic_time () + 20 * G_USEC_PER_SEC;
  for (gboolean found = FALSE; !found;) {
    g_object_set (bench.element, "labels", many->str, NULL);
    g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (CAPS, 0, 0));
    g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
    found = g_str_has_prefix (meta->labels[0].name, "label");
    g_assert_cmpint (g_get_monotonic_time (), <, end);
  }
}

static void
test_bad_change (void)
{
  static const char *const properties[] = { "labels=a;b", "threshold=0", NULL };
  static const struct {
    const char *property, *value;
  } cases[] = { { "labels", "c;;d" },
                { "labels", "" },
                { "labels-file", "/no/such/labels" },
                { "prompts", "/no/such/prompts" },
                { "background", "a" } };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Bench) bench = bench_new (CAPS, properties);
    push_until (&bench, "a", "a", 2);
    g_object_set (bench.element, cases[i].property, cases[i].value, NULL);
    g_autoptr (GstMessage) warning = gst_bus_timed_pop_filtered (
        bench.bus, 20 * GST_SECOND, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
    g_assert_nonnull (warning);
    g_assert_cmpint (GST_MESSAGE_TYPE (warning), ==, GST_MESSAGE_WARNING);
    push_until (&bench, "b", "b", 2);
  }
}

static guint
n_reported (Bench *bench)
{
  g_autoptr (GstBuffer) out = bench_process (bench, frame_new (CAPS, 0, 3));
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  for (guint i = 1; i < meta->n_labels; i++)
    g_assert_cmpfloat (meta->labels[i].score, <=, meta->labels[i - 1].score);
  return meta->n_labels;
}

static void
test_reporting (void)
{
  static const char *const properties[] = { "labels=a;b;c;d;e", "threshold=0", "interval=1000",
                                            NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_assert_cmpuint (n_reported (&bench), ==, 5);
  g_object_set (bench.element, "top-k", 2, NULL);
  g_assert_cmpuint (n_reported (&bench), ==, 2);
  g_object_set (bench.element, "top-k", 100, NULL);
  g_assert_cmpuint (n_reported (&bench), ==, 5);
  g_object_set (bench.element, "threshold", 1.0, NULL);
  g_assert_cmpuint (n_reported (&bench), ==, 0);
  g_object_set (bench.element, "threshold", 0.0, "top-k", 0, NULL);
  gst_util_set_object_arg (G_OBJECT (bench.element), "scoring", "independent");
  g_assert_cmpuint (n_reported (&bench), ==, 5);
}

/* A thread that changes everything all the time; run it under a sanitizer to learn something. */
static gpointer
disturb (gpointer data)
{
  Bench *bench = data;
  for (int i = 0; i < 300; i++) {
    g_autofree char *labels = g_strdup_printf ("x%d;y;z", i);
    g_autoptr (GstStructure) stats = NULL, info = NULL;
    g_object_set (bench->element, "labels", labels, "threshold", (i % 10) / 10.0, "top-k", i % 4,
                  "interval", 1 + i % 3, "embedding", i % 2, "scoring", i / 2 % 2, NULL);
    g_object_get (bench->element, "stats", &stats, "model-info", &info, NULL);
    g_usleep (500);
  }
  return NULL;
}

static void
test_concurrency (void)
{
  static const char *const properties[] = { "labels=a;b;c", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  GThread *thread = g_thread_new ("disturb", disturb, &bench);
  for (int n = 0; n < 200; n++)
    gst_buffer_unref (bench_process (&bench, frame_new (CAPS, n, n)));
  g_thread_join (thread);
}

/* -------------------------------------------------------------------------------------------------------- messages */

static guint
length_of (const GstStructure *structure, const char *field)
{
  const GValue *value = gst_structure_get_value (structure, field);
  g_assert_true (value && GST_VALUE_HOLDS_ARRAY (value));
  return gst_value_array_get_size (value);
}

static void
expect_message (Bench *bench, guint n_labels, guint n_appeared, guint n_disappeared,
                GstClockTime pts)
{
  g_autoptr (GstMessage) message = bench_pop (bench, GST_MESSAGE_ELEMENT);
  g_assert_nonnull (message);
  const GstStructure *structure = gst_message_get_structure (message);
  g_autofree char *text = gst_structure_to_string (structure);
  g_test_message ("%s", text);
  GstClockTime time;
  g_assert_true (gst_structure_has_name (structure, "clipclassify"));
  g_assert_cmpuint (length_of (structure, "labels"), ==, n_labels);
  g_assert_cmpuint (length_of (structure, "scores"), ==, n_labels);
  g_assert_cmpuint (length_of (structure, "appeared"), ==, n_appeared);
  g_assert_cmpuint (length_of (structure, "disappeared"), ==, n_disappeared);
  g_assert_true (gst_structure_get_uint64 (structure, "pts", &time));
  g_assert_cmpuint (time, ==, pts);
  g_assert_true (gst_structure_get_uint64 (structure, "running-time", &time));
  g_assert_true (gst_structure_get_uint64 (structure, "stream-time", &time));
}

static void
test_messages (void)
{
  static const char *const properties[] = { "labels=a;b", "threshold=0", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  gst_buffer_unref (bench_process (&bench, frame_new (CAPS, 0, 0)));
  expect_message (&bench, 2, 2, 0, 0);
  gst_buffer_unref (bench_process (&bench, frame_new (CAPS, 1, 1)));
  g_assert_null (bench_pop (&bench, GST_MESSAGE_ELEMENT));
  g_object_set (bench.element, "threshold", 1.0, NULL);
  gst_buffer_unref (bench_process (&bench, frame_new (CAPS, 2, 2)));
  expect_message (&bench, 0, 0, 2, 80 * GST_MSECOND);
  g_object_set (bench.element, "threshold", 0.0, "top-k", 1, NULL);
  gst_buffer_unref (bench_process (&bench, frame_new (CAPS, 3, 3)));
  expect_message (&bench, 1, 1, 0, 120 * GST_MSECOND);
  g_object_set (bench.element, "messages", FALSE, "top-k", 0, NULL);
  gst_buffer_unref (bench_process (&bench, frame_new (CAPS, 4, 4)));
  g_assert_null (bench_pop (&bench, GST_MESSAGE_ELEMENT));
}

/* UTC: from the buffer's reference timestamp; from the clock in a live pipeline; else there is none. */
static void
test_utc (void)
{
  static const char *const properties[] = { "labels=a;b", "threshold=0", NULL };
  for (int kind = 0; kind < 4; kind++) {
    g_auto (Bench) bench = bench_new (CAPS, properties);
    GstBuffer *frame = frame_new (CAPS, 0, 0);
    static const char *const caps_strings[] = { "timestamp/x-unix", "timestamp/x-ntp" };
    static const GstClockTime offsets[] = { 0, G_GUINT64_CONSTANT (2208988800) * GST_SECOND };
    if (kind < 2) {
      g_autoptr (GstCaps) caps = gst_caps_from_string (caps_strings[kind]);
      gst_buffer_add_reference_timestamp_meta (
          frame, caps, offsets[kind] + 1700000000 * GST_SECOND + 250 * GST_MSECOND,
          GST_CLOCK_TIME_NONE);
    } else if (kind == 2) {
      gst_harness_use_systemclock (bench.harness);
      gst_harness_query_latency (bench.harness);
      gst_element_set_base_time (bench.element,
                                 gst_clock_get_time (GST_ELEMENT_CLOCK (bench.element)));
    }
    gst_buffer_unref (bench_process (&bench, frame));
    g_autoptr (GstMessage) message = bench_pop (&bench, GST_MESSAGE_ELEMENT);
    const char *utc = gst_structure_get_string (gst_message_get_structure (message), "utc");
    if (kind < 2) {
      g_assert_cmpstr (utc, ==, "2023-11-14T22:13:20.250000Z");
    } else if (kind == 2) {
      g_autoptr (GDateTime) date = g_date_time_new_from_iso8601 (utc, NULL);
      g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
      g_assert_nonnull (date);
      g_assert_cmpint (ABS (g_date_time_difference (now, date)), <, 10 * G_TIME_SPAN_SECOND);
    } else {
      g_assert_null (utc);
    }
  }
}

static void
push_at_utc (Bench *bench, int n, GstClockTime utc)
{
  g_autoptr (GstCaps) caps = gst_caps_new_empty_simple ("timestamp/x-unix");
  GstBuffer *frame = frame_new (CAPS, n, n);
  gst_buffer_add_reference_timestamp_meta (frame, caps, utc, GST_CLOCK_TIME_NONE);
  gst_buffer_unref (bench_process (bench, frame));
}

/* A message that a held frame brings tells the time of the frame that was classified, as its PTS does. */
static void
test_utc_held (void)
{
  static const char *const properties[] = { "labels=a;b", "threshold=0", "interval=9", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  push_at_utc (&bench, 0, 1700000000 * GST_SECOND);
  gst_message_unref (bench_pop (&bench, GST_MESSAGE_ELEMENT));
  g_object_set (bench.element, "top-k", 1, NULL);
  push_at_utc (&bench, 1, 1700000001 * GST_SECOND);
  g_autoptr (GstMessage) message = bench_pop (&bench, GST_MESSAGE_ELEMENT);
  g_assert_cmpstr (gst_structure_get_string (gst_message_get_structure (message), "utc"), ==,
                   "2023-11-14T22:13:20Z");
}

/* ---------------------------------------------------------------------------------------------------- over time */

static guint64
time_at (const GstStructure *structure, const char *field, guint i)
{
  g_assert_cmpuint (length_of (structure, field), >, i);
  return g_value_get_uint64 (
      gst_value_array_get_value (gst_structure_get_value (structure, field), i));
}

static float
score_at (const GstStructure *structure, const char *field, guint i)
{
  g_assert_cmpuint (length_of (structure, field), >, i);
  return g_value_get_float (
      gst_value_array_get_value (gst_structure_get_value (structure, field), i));
}

/* A label is reported once it has been there for min-on, and its message says since when; until min-off is over, and the
 * message says how long, and how well, it was seen. */
static void
test_durations (void)
{
  static const char *const properties[] = { "labels=a;b",      "threshold=0",      "top-k=1",
                                            "min-on=80000000", "min-off=80000000", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  float score = 0;
  for (int n = 0; n < 4; n++) {
    g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (CAPS, n, 7));
    g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
    g_assert_cmpuint (meta->n_labels, ==, n < 2 ? 0 : 1);
    score = n < 2 ? 0 : meta->labels[0].score;
  }
  g_autoptr (GstMessage) on = bench_pop (&bench, GST_MESSAGE_ELEMENT);
  g_assert_nonnull (on);
  g_assert_cmpuint (length_of (gst_message_get_structure (on), "appeared"), ==, 1);
  g_assert_cmpuint (length_of (gst_message_get_structure (on), "began"), ==, 0);
  g_assert_cmpuint (time_at (gst_message_get_structure (on), "since", 0), ==, 0);

  g_object_set (bench.element, "threshold", 1.0, NULL);
  for (int n = 4; n < 8; n++) {
    g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (CAPS, n, 7));
    g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
    g_assert_cmpuint (meta->n_labels, ==, n < 6 ? 1 : 0);
  }
  g_autoptr (GstMessage) off = bench_pop (&bench, GST_MESSAGE_ELEMENT);
  g_assert_nonnull (off);
  const GstStructure *structure = gst_message_get_structure (off);
  g_assert_cmpuint (length_of (structure, "disappeared"), ==, 1);
  g_assert_cmpuint (length_of (structure, "since"), ==, 0);
  g_assert_cmpuint (time_at (structure, "began", 0), ==, 0);
  g_assert_cmpuint (time_at (structure, "durations", 0), ==, 4 * 40 * GST_MSECOND);
  /* The same picture all the time, but for the rounding of the mean: 2^-24 of it. */
  g_assert_cmpfloat (score_at (structure, "peaks", 0), ==, score);
  g_assert_cmpfloat_with_epsilon (score_at (structure, "means", 0), score, 1e-6);
  g_assert_null (bench_pop (&bench, GST_MESSAGE_ELEMENT));
}

/* What is seen to the end ends there, with its numbers: at the end of the stream, and where the element stops. */
static void
test_end (void)
{
  static const char *const properties[] = { "labels=a", "threshold=0", NULL };
  static const char *const silent[] = { "labels=a", "threshold=0", "messages=false", NULL };
  for (int kind = 0; kind < 3; kind++) {
    g_auto (Bench) bench = bench_new (CAPS, kind == 2 ? silent : properties);
    for (int n = 0; n < 3; n++)
      gst_buffer_unref (bench_process (&bench, frame_new (CAPS, n, 7)));
    if (kind < 2)
      gst_message_unref (bench_pop (&bench, GST_MESSAGE_ELEMENT));
    if (kind == 0)
      g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_eos ()));
    else
      gst_element_set_state (bench.element, GST_STATE_READY);
    g_autoptr (GstMessage) message = bench_pop (&bench, GST_MESSAGE_ELEMENT);
    if (kind == 2) {
      g_assert_null (message);
      continue;
    }
    g_assert_nonnull (message);
    const GstStructure *structure = gst_message_get_structure (message);
    g_assert_cmpuint (length_of (structure, "labels"), ==, 0);
    g_assert_cmpuint (length_of (structure, "disappeared"), ==, 1);
    g_assert_cmpuint (time_at (structure, "began", 0), ==, 0);
    g_assert_cmpuint (time_at (structure, "durations", 0), ==, 3 * 40 * GST_MSECOND);
    g_assert_cmpfloat (score_at (structure, "peaks", 0), ==, 1); /* it is alone */
    g_assert_cmpfloat (score_at (structure, "means", 0), ==, 1);
    gst_element_set_state (bench.element, GST_STATE_READY);
    g_assert_null (bench_pop (&bench, GST_MESSAGE_ELEMENT)); /* once */
  }
}

static float
score_of (Bench *bench, int n, const char *name)
{
  g_autoptr (GstBuffer) out = bench_process (bench, frame_new (CAPS, n, n));
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  for (guint i = 0; i < meta->n_labels; i++)
    if (strcmp (meta->labels[i].name, name) == 0)
      return meta->labels[i].score;
  g_error ("frame %d: \"%s\" is not there", n, name);
}

/* Smoothed scores follow from those of an element that does not smooth, and begin anew with a segment. */
static void
test_smoothing (void)
{
  static const char *const properties[] = { "labels=a;b;c", "threshold=0", NULL };
  static const char *const smooth[] = { "labels=a;b;c", "threshold=0", "smoothing=100000000",
                                        "hysteresis=0.5", NULL };
  g_auto (Bench) plain_bench = bench_new (CAPS, properties), bench = bench_new (CAPS, smooth);
  const double keep = exp (-40. / 100);
  double expected = 0;
  for (int n = 0; n < 12; n++) {
    const float score = score_of (&plain_bench, n, "b");
    if (n == 8) {
      GstSegment segment;
      gst_segment_init (&segment, GST_FORMAT_TIME);
      g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_segment (&segment)));
    }
    const gboolean first = n == 0 || n == 8;
    expected = first ? score : score + (expected - score) * keep;
    const float found = score_of (&bench, n, "b");
    /* rounded to float at each step: 2^-24 */
    g_assert_cmpfloat_with_epsilon (found, expected, 1e-6);
    if (first)
      g_assert_cmpfloat (found, ==, score);
  }
}

static void
add_tests (void)
{
  g_test_add_func ("/labels/start-errors", test_start_errors);
  g_test_add_func ("/labels/embedding-only", test_embedding_only);
  g_test_add_func ("/labels/image-size", test_image_size);
  g_test_add_func ("/labels/restart", test_restart);
  g_test_add_func ("/labels/file", test_labels_file);
  g_test_add_func ("/labels/long", test_long_label);
  g_test_add_func ("/labels/change", test_change);
  g_test_add_func ("/labels/haste", test_haste);
  g_test_add_func ("/labels/bad-change", test_bad_change);
  g_test_add_func ("/labels/reporting", test_reporting);
  g_test_add_func ("/labels/concurrency", test_concurrency);
  g_test_add_func ("/labels/messages", test_messages);
  g_test_add_func ("/labels/utc", test_utc);
  g_test_add_func ("/labels/utc-held", test_utc_held);
  g_test_add_func ("/labels/durations", test_durations);
  g_test_add_func ("/labels/end", test_end);
  g_test_add_func ("/labels/smoothing", test_smoothing);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
