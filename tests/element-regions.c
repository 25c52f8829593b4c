/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clipclassify and detections from upstream: which are classified in each setting, and what their metas carry then. */
#include "tests/element-harness.h"

#define CAPS "video/x-raw,format=I420,width=160,height=120,framerate=25/1"
#define LABELS "labels=a red car;a dog;a cat"

/* Frame @n; its regions are 0 whole, 1 a part, 2 one pixel, 3 outside, 4 empty. */
static GstBuffer *
frame_with_regions (int n)
{
  static const guint boxes[][4] = {
    { 0, 0, 160, 120 }, { 31, 17, 60, 70 }, { 159, 119, 1, 1 }, { 500, 0, 9, 9 }, { 9, 9, 0, 0 }
  };
  GstBuffer *frame = frame_new (CAPS, n, n);
  for (guint i = 0; i < G_N_ELEMENTS (boxes); i++)
    gst_buffer_add_video_region_of_interest_meta (frame, "thing", boxes[i][0], boxes[i][1],
                                                  boxes[i][2], boxes[i][3])
        ->id = (int) i;
  return frame;
}

/* The only classification of region @id, NULL where it has none. */
static const GstStructure *
classification (GstBuffer *buffer, int id)
{
  GstVideoRegionOfInterestMeta *meta = gst_buffer_get_video_region_of_interest_meta_id (buffer, id);
  const GstStructure *found = NULL;
  g_assert_nonnull (meta);
  for (GList *item = meta->params; item; item = item->next)
    if (gst_structure_has_name (item->data, "classification")) {
      g_assert_null (found);
      found = item->data;
    }
  return found;
}

static void
test_settings (void)
{
  static const struct {
    const char *regions;
    gboolean frame, detections;
  } cases[] = {
    { "regions=frame", TRUE, FALSE },
    { "regions=detections", FALSE, TRUE },
    { "regions=both", TRUE, TRUE },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const char *properties[] = { LABELS, "threshold=0", "interval=2", cases[i].regions, NULL };
    g_auto (Bench) bench = bench_new (CAPS, properties);
    g_test_message ("%s", cases[i].regions);
    for (int n = 0; n < 3; n++) {
      const gboolean chosen = n % 2 == 0;
      g_autoptr (GstBuffer) out = bench_process (&bench, frame_with_regions (n));
      g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
      g_assert_cmpint (meta != NULL, ==, cases[i].frame);
      /* Where a detection is on another frame than its own, nothing is known. */
      for (int id = 0; id < 5; id++)
        g_assert_cmpint (classification (out, id) != NULL, ==,
                         cases[i].detections && chosen && id < 3);
    }
    g_assert_cmpuint (bench_stat (&bench, "inferences"), ==, 2);
    g_assert_cmpuint (bench_stat (&bench, "regions"), ==, cases[i].detections ? 2 * 3 : 0);
    g_assert_cmpuint (bench_stat (&bench, "regions-skipped"), ==, cases[i].detections ? 2 * 2 : 0);
  }
}

/* A detection as large as the frame has the frame's labels; the part has others. */
static void
test_labels (void)
{
  static const char *const properties[] = { LABELS, "threshold=0", "regions=both", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_autoptr (GstBuffer) out = bench_process (&bench, frame_with_regions (1));
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  const GstStructure *whole = classification (out, 0), *part = classification (out, 1);
  const GValue *labels = gst_structure_get_value (whole, "labels");
  const GValue *scores = gst_structure_get_value (whole, "scores");
  double confidence, other;
  g_assert_cmpuint (meta->n_labels, ==, 3);
  g_assert_cmpuint (gst_value_array_get_size (labels), ==, 3);
  for (guint i = 0; i < 3; i++) {
    g_assert_cmpstr (g_value_get_string (gst_value_array_get_value (labels, i)), ==,
                     meta->labels[i].name);
    g_assert_cmpfloat (g_value_get_float (gst_value_array_get_value (scores, i)), ==,
                       meta->labels[i].score);
  }
  g_assert_true (gst_structure_get_double (whole, "confidence", &confidence));
  g_assert_true (gst_structure_get_double (part, "confidence", &other));
  g_assert_cmpfloat (confidence, ==, meta->labels[0].score);
  g_assert_cmpfloat (confidence, !=, other);
  g_assert_cmpstr (gst_structure_get_string (whole, "label"), ==, meta->labels[0].name);
  g_assert_cmpstr (gst_structure_get_string (whole, "element"), ==, meta->element);
  g_assert_cmpstr (gst_structure_get_string (whole, "model"), ==, meta->model);
}

/* What others said stays, what this element said of a frame that comes again is replaced. Where no label reaches the
 * threshold there is none. */
static void
test_params (void)
{
  static const char *const properties[] = { LABELS, "threshold=0", "regions=detections", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  GstBuffer *frame = frame_with_regions (0);
  gst_video_region_of_interest_meta_add_param (
      gst_buffer_get_video_region_of_interest_meta_id (frame, 0),
      gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5, NULL));
  GstBuffer *again = bench_process (&bench, frame);
  g_object_set (bench.element, "threshold", 1.0, NULL);
  g_autoptr (GstBuffer) out = bench_process (&bench, again);
  const GstStructure *found = classification (out, 0);
  g_assert_nonnull (found);
  g_assert_false (gst_structure_has_field (found, "label"));
  g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (found, "labels")), ==, 0);
  GstVideoRegionOfInterestMeta *meta = gst_buffer_get_video_region_of_interest_meta_id (out, 0);
  g_assert_nonnull (gst_video_region_of_interest_meta_get_param (meta, "detection"));
}

/* Another branch of a tee keeps its metas as they are. */
static void
test_shared (void)
{
  static const char *const properties[] = { LABELS, "threshold=0", "regions=detections", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_autoptr (GstBuffer) in = frame_with_regions (0);
  g_autoptr (GstBuffer) out = bench_process (&bench, gst_buffer_ref (in));
  g_assert_null (classification (in, 0));
  g_assert_nonnull (classification (out, 0));
}

static void
test_thousands (void)
{
  static const char *const properties[] = { LABELS, "threshold=0", "regions=detections", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  for (int n = 0; n < 2; n++) {
    GstBuffer *frame = frame_with_regions (n);
    for (guint i = 0; i < 5000; i++)
      gst_buffer_add_video_region_of_interest_meta (frame, "thing", i % 160, i % 120, 5, 5)->id = 9;
    g_autoptr (GstBuffer) out = bench_process (&bench, frame);
    g_assert_nonnull (classification (out, 0));
    g_assert_nonnull (classification (out, 1));
    g_assert_null (classification (out, 2)); /* one pixel, smaller than the others */
  }
  g_assert_cmpuint (bench_stat (&bench, "regions"), ==, 2 * 32);
  g_assert_cmpuint (bench_stat (&bench, "regions-skipped"), ==, 2 * (5005 - 32));
}

/* A frame without detections costs nothing, and does not keep a budget waiting. */
static void
test_none (void)
{
  static const char *const properties[] = { LABELS, "threshold=0", "regions=detections",
                                            "cpu-budget=0.99", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_autoptr (GstBuffer) without = bench_process (&bench, frame_new (CAPS, 0, 0));
  g_assert_cmpuint (bench_stat (&bench, "inferences"), ==, 0);
  g_autoptr (GstBuffer) with = bench_process (&bench, frame_with_regions (1));
  g_assert_nonnull (classification (with, 0));
  g_assert_cmpuint (bench_stat (&bench, "inferences"), ==, 1);
}

static void
test_live (void)
{
  static const char *const properties[] = { LABELS, "threshold=0", "regions=detections",
                                            "mode=live", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  for (int n = 0; n < 3; n++) {
    g_autoptr (GstBuffer) out = bench_process (&bench, frame_with_regions (n));
    g_assert_null (classification (out, 0));
  }
  g_autoptr (GstMessage) message = bench_pop (&bench, GST_MESSAGE_WARNING);
  g_autoptr (GstMessage) second = bench_pop (&bench, GST_MESSAGE_WARNING);
  g_autoptr (GError) error = NULL;
  g_assert_nonnull (message);
  g_assert_null (second);
  gst_message_parse_warning (message, &error, NULL);
  g_assert_error (error, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS);
  g_assert_cmpuint (bench_stat (&bench, "regions"), ==, 0);
}

static void
add_tests (void)
{
  g_test_add_func ("/element-regions/settings", test_settings);
  g_test_add_func ("/element-regions/labels", test_labels);
  g_test_add_func ("/element-regions/params", test_params);
  g_test_add_func ("/element-regions/shared", test_shared);
  g_test_add_func ("/element-regions/thousands", test_thousands);
  g_test_add_func ("/element-regions/none", test_none);
  g_test_add_func ("/element-regions/live", test_live);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
