/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * labels → GstAnalyticsClsMtd each; embedding → GstTensorMeta (1.26), GstAnalyticsTensorMtd (1.28),
 * [1, E] float32.
 *
 * One Cls per label instead of one with all labels: upstream's overlay draws a detection's first
 * Cls, and others join the labels of one Cls into one string. A relation meta that is there
 * already, from a detector, is extended.
 */
#include "gst/analytics.h"

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>

#define TENSOR_ID "clip-embedding"

#if GST_CHECK_VERSION(1, 26, 0)
static GstBuffer *
wrap_embedding (const ClipMeta *meta)
{
  return gst_buffer_new_wrapped_bytes (meta->embedding_bytes);
}
#endif

#if GST_CHECK_VERSION(1, 28, 0)
static void
add_embedding (GstBuffer *buffer, GstAnalyticsRelationMeta *relations, const ClipMeta *meta)
{
  gsize dims[] = { 1, g_bytes_get_size (meta->embedding_bytes) / sizeof (float) };
  GstBuffer *data = wrap_embedding (meta);
  GstAnalyticsTensorMtd tensor;
  if (!gst_analytics_relation_meta_add_tensor_mtd_simple (
          relations, g_quark_from_static_string (TENSOR_ID), GST_TENSOR_DATA_TYPE_FLOAT32, data,
          GST_TENSOR_DIM_ORDER_ROW_MAJOR, G_N_ELEMENTS (dims), dims, &tensor))
    gst_buffer_unref (data);
}
#elif GST_CHECK_VERSION(1, 26, 0)
static void
add_embedding (GstBuffer *buffer, GstAnalyticsRelationMeta *relations, const ClipMeta *meta)
{
  gsize dims[] = { 1, g_bytes_get_size (meta->embedding_bytes) / sizeof (float) };
  GstTensor **tensors = g_new (GstTensor *, 1); /* taken by the meta */
  tensors[0] = gst_tensor_new_simple (g_quark_from_static_string (TENSOR_ID),
                                      GST_TENSOR_DATA_TYPE_FLOAT32, wrap_embedding (meta),
                                      GST_TENSOR_DIM_ORDER_ROW_MAJOR, G_N_ELEMENTS (dims), dims);
  gst_tensor_meta_set (gst_buffer_add_tensor_meta (buffer), 1, tensors);
}
#else
static void
add_embedding (GstBuffer *buffer, GstAnalyticsRelationMeta *relations, const ClipMeta *meta)
{
}
#endif

void
clip_analytics_add (GstBuffer *buffer, const ClipMeta *meta)
{
  GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta (buffer);
  if (!relations)
    relations = gst_buffer_add_analytics_relation_meta (buffer);
  for (guint i = 0; i < meta->n_labels; i++) {
    GstAnalyticsClsMtd cls;
    gst_analytics_relation_meta_add_one_cls_mtd (relations, meta->labels[i].score,
                                                 g_quark_from_string (meta->labels[i].name), &cls);
  }
  if (meta->embedding_bytes)
    add_embedding (buffer, relations, meta);
}

#else

void
clip_analytics_add (GstBuffer *buffer, const ClipMeta *meta)
{
}

#endif
