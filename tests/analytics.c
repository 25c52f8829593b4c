/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mirror of a result in GStreamer's analytics metas says the same as ClipMeta. */
#include "tests/element-harness.h"

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#include <string.h>

#define CAPS "video/x-raw,format=RGB,width=40,height=30,framerate=25/1"
static const char *const properties[] = { "labels=a red car;a dog;a cat;a wall", "threshold=0",
                                          "embedding=true", "interval=2", NULL };

static void
expect_classes (GstBuffer *buffer, const ClipMeta *meta, guint skipped)
{
  GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta (buffer);
  g_assert_nonnull (relations);
  GstAnalyticsMtd mtd;
  gpointer state = NULL;
  guint n = 0;
  while (gst_analytics_relation_meta_iterate (relations, &state,
                                              gst_analytics_cls_mtd_get_mtd_type (), &mtd)) {
    GstAnalyticsClsMtd *cls = (GstAnalyticsClsMtd *) &mtd;
    if (n++ < skipped)
      continue;
    const ClipMetaLabel *label = &meta->labels[n - 1 - skipped];
    g_assert_cmpuint (gst_analytics_cls_mtd_get_length (cls), ==, 1);
    g_assert_cmpfloat (gst_analytics_cls_mtd_get_level (cls, 0), ==, label->score);
    g_assert_cmpstr (g_quark_to_string (gst_analytics_cls_mtd_get_quark (cls, 0)), ==, label->name);
  }
  g_assert_cmpuint (n, ==, meta->n_labels + skipped);
}

static void
expect_tensor (GstBuffer *buffer, const ClipMeta *meta)
{
#if GST_CHECK_VERSION(1, 26, 0)
  const GstTensor *tensor = NULL;
#if GST_CHECK_VERSION(1, 28, 0)
  GstAnalyticsMtd mtd;
  gpointer state = NULL;
  g_assert_true (
      gst_analytics_relation_meta_iterate (gst_buffer_get_analytics_relation_meta (buffer), &state,
                                           gst_analytics_tensor_mtd_get_mtd_type (), &mtd));
  tensor = gst_analytics_tensor_mtd_get_tensor ((GstAnalyticsTensorMtd *) &mtd);
#else
  GstTensorMeta *tensors = gst_buffer_get_tensor_meta (buffer);
  g_assert_nonnull (tensors);
  tensor = gst_tensor_meta_get (tensors, 0);
#endif
  g_assert_nonnull (tensor);
  g_assert_cmpstr (g_quark_to_string (tensor->id), ==, "clip-embedding");
  g_assert_cmpint (tensor->data_type, ==, GST_TENSOR_DATA_TYPE_FLOAT32);
  g_assert_cmpuint (tensor->num_dims, ==, 2);
  g_assert_cmpuint (tensor->dims[0], ==, 1);
  g_assert_cmpuint (tensor->dims[1], ==, meta->n_embedding);
  GstMapInfo map;
  g_assert_true (gst_buffer_map (tensor->data, &map, GST_MAP_READ));
  g_assert_cmpmem (map.data, map.size, meta->embedding, meta->n_embedding * sizeof (float));
  gst_buffer_unmap (tensor->data, &map);
#endif
}

static void
test_mirror (void)
{
  g_auto (Bench) bench = bench_new (CAPS, properties);
  for (int n = 0; n < 4; n++) {
    g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (CAPS, n, n));
    g_autoptr (GstBuffer) copy = gst_buffer_copy_deep (out);
    g_autoptr (ClipMeta) meta = clip_meta_read (copy, NULL);
    g_assert_cmpuint (meta->n_labels, ==, 4);
    expect_classes (out, meta, 0);
    expect_classes (copy, meta, 0);
    expect_tensor (out, meta);
    /* 1.26's GstTensorMeta has no transform function: copies go without. */
#if GST_CHECK_VERSION(1, 28, 0)
    expect_tensor (copy, meta);
#endif
  }
}

/* A detector's relation meta is extended, not doubled. */
static void
test_extends (void)
{
  g_auto (Bench) bench = bench_new (CAPS, properties);
  GstBuffer *in = frame_new (CAPS, 0, 0);
  GstAnalyticsClsMtd cls;
  GstAnalyticsRelationMeta *relations = gst_buffer_add_analytics_relation_meta (in);
  gst_analytics_relation_meta_add_one_cls_mtd (relations, 0.5f, g_quark_from_string ("upstream"),
                                               &cls);
  g_autoptr (GstBuffer) out = bench_process (&bench, in);
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  expect_classes (out, meta, 1);
}

static void
add_tests (void)
{
  g_test_add_func ("/analytics/mirror", test_mirror);
  g_test_add_func ("/analytics/extends", test_extends);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}

#else

int
main (int argc, char **argv)
{
  g_print ("1..0 # SKIP built without gstreamer-analytics\n");
  return 0;
}

#endif
