/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The metadata: written and read back, by anybody; and whether it comes through real pipelines. */
#include "tests/element-harness.h"

#include <gst/app/gstappsink.h>
#include <string.h>

static const ClipMetaLabel two_labels[] = { { "a car", 0.75f }, { "größer; \"odd\"", 0.25f } };
static const float embedding[] = { 0.5f, -0.5f, 0.5f, -0.5f };

static void
add_meta (GstBuffer *buffer, const char *element, gboolean with_embedding)
{
  g_autoptr (GBytes) bytes =
      with_embedding ? g_bytes_new_static (embedding, sizeof embedding) : NULL;
  const ClipMeta meta = { .element = element,
                          .model = "tiny@0123456789abcdef",
                          .held = with_embedding,
                          .pts = 5,
                          .running_time = 6,
                          .stream_time = GST_CLOCK_TIME_NONE,
                          .labels = two_labels,
                          .n_labels = 2,
                          .embedding_bytes = bytes };
  clip_meta_add (buffer, &meta);
}

static void
expect_meta (const ClipMeta *meta, const char *element, gboolean with_embedding)
{
  g_assert_nonnull (meta);
  g_assert_cmpstr (meta->element, ==, element);
  g_assert_cmpstr (meta->model, ==, "tiny@0123456789abcdef");
  g_assert_cmpint (meta->held, ==, with_embedding);
  g_assert_cmpuint (meta->pts, ==, 5);
  g_assert_cmpuint (meta->running_time, ==, 6);
  g_assert_cmpuint (meta->stream_time, ==, GST_CLOCK_TIME_NONE);
  g_assert_cmpuint (meta->n_labels, ==, 2);
  for (int i = 0; i < 2; i++) {
    g_assert_cmpstr (meta->labels[i].name, ==, two_labels[i].name);
    g_assert_cmpfloat (meta->labels[i].score, ==, two_labels[i].score);
  }
  if (with_embedding)
    g_assert_cmpmem (meta->embedding, meta->n_embedding * sizeof (float), embedding,
                     sizeof embedding);
  else
    g_assert_true (!meta->embedding && !meta->embedding_bytes && meta->n_embedding == 0);
}

static void
test_round_trip (void)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  g_assert_null (clip_meta_read (buffer, NULL));
  add_meta (buffer, "first", TRUE);
  add_meta (buffer, "second", FALSE);
  g_autoptr (GstBuffer) copy = gst_buffer_copy_deep (buffer);
  gst_clear_buffer (&buffer);
  g_autoptr (ClipMeta) any = clip_meta_read (copy, NULL);
  g_autoptr (ClipMeta) first = clip_meta_read (copy, "first");
  g_autoptr (ClipMeta) second = clip_meta_read (copy, "second");
  g_assert_null (clip_meta_read (copy, "third"));
  gst_clear_buffer (&copy); /* what was read stays */
  expect_meta (any, "first", TRUE);
  expect_meta (first, "first", TRUE);
  expect_meta (second, "second", FALSE);
}

/* All that a buffer carries, in the order of attaching. */
static void
test_iterate (void)
{
  static const char *const names[] = { "first", "second", "second" };
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  gpointer state = NULL;
  g_assert_null (clip_meta_next (buffer, &state));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    add_meta (buffer, names[i], i == 1);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (ClipMeta) meta = clip_meta_next (buffer, &state);
    expect_meta (meta, names[i], i == 1);
  }
  g_assert_null (clip_meta_next (buffer, &state));
}

/* Fields that another program wrote in another way count as absent. */
static void
test_strange_fields (void)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  add_meta (buffer, "first", FALSE);
  GstStructure *structure =
      gst_custom_meta_get_structure (gst_buffer_get_custom_meta (buffer, CLIP_META_NAME));
  gst_structure_set (structure, "scores", G_TYPE_INT, 5, "pts", G_TYPE_STRING, "x", "embedding",
                     G_TYPE_INT, 1, NULL);
  g_autoptr (ClipMeta) meta = clip_meta_read (buffer, NULL);
  g_assert_cmpuint (meta->n_labels, ==, 0);
  g_assert_cmpuint (meta->pts, ==, GST_CLOCK_TIME_NONE);
  g_assert_cmpuint (meta->n_embedding, ==, 0);

  gst_structure_remove_all_fields (structure);
  g_autoptr (ClipMeta) empty = clip_meta_read (buffer, NULL);
  g_assert_true (empty && !empty->element && !empty->model && !empty->held && empty->n_labels == 0);
}

/* ------------------------------------------------------------------------------------------------------- pipelines */

static void
test_pipelines (void)
{
  static const char *const tails[] = {
    "identity",
    "tee name=t ! queue ! videoconvert ! videoscale ! video/x-raw,format=RGB,width=100,height=50 ! "
    "identity name=x "
    "t. ! queue ! fakesink async=false x.",
    "videoconvert ! video/x-raw,format=NV12 ! videoscale ! video/x-raw,width=64,height=48",
    "videoflip method=clockwise ! videocrop left=7 ! video/x-raw,format=I420",
    "videorate ! video/x-raw,framerate=50/1 ! queue",
    "jpegenc",
    "identity single-segment=true ! videobalance saturation=0.5 ! gamma gamma=2",
    "clipclassify name=second embedding=true labels=x;y ! queue",
  };
  for (guint i = 0; i < G_N_ELEMENTS (tails); i++) {
    g_autofree char *description =
        g_strdup_printf ("videotestsrc num-buffers=6 pattern=snow ! "
                         "video/x-raw,format=I420,width=80,height=60,framerate=25/1 ! "
                         "clipclassify name=first model=\"%s\" labels=\"a car;a dog\" threshold=0 "
                         "embedding=true interval=2 ! %s ! "
                         "appsink name=sink sync=false",
                         tiny_model (), tails[i]);
    g_autoptr (GError) error = NULL;
    g_test_message ("%s", tails[i]);
    g_autoptr (GstElement) pipeline = gst_parse_launch (description, &error);
    g_assert_no_error (error);
    g_autoptr (GstElement) second = gst_bin_get_by_name (GST_BIN (pipeline), "second");
    if (second)
      g_object_set (second, "model", tiny_model (), NULL);
    g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    int n = 0;
    GstSample *sample;
    while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink)))) {
      g_autoptr (ClipMeta) meta = clip_meta_read (gst_sample_get_buffer (sample), "first");
      g_autoptr (ClipMeta) other = clip_meta_read (gst_sample_get_buffer (sample), "second");
      g_assert_nonnull (meta);
      g_assert_cmpuint (meta->n_labels, ==, 2);
      g_assert_cmpuint (meta->n_embedding, >, 0);
      g_assert_true (!second || other);
      if (second && !meta->held) /* two elements, one model */
        g_assert_cmpmem (meta->embedding, meta->n_embedding * sizeof (float), other->embedding,
                         other->n_embedding * sizeof (float));
      gst_sample_unref (sample);
      n++;
    }
    g_assert_cmpint (n, >=, 6);
    gst_element_set_state (pipeline, GST_STATE_NULL);
  }
}

static void
add_tests (void)
{
  g_test_add_func ("/meta/round-trip", test_round_trip);
  g_test_add_func ("/meta/iterate", test_iterate);
  g_test_add_func ("/meta/strange-fields", test_strange_fields);
  g_test_add_func ("/meta/pipelines", test_pipelines);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
