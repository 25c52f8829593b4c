/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * labels → GstAnalyticsClsMtd each; embedding → GstTensorMeta (1.26), GstAnalyticsTensorMtd (1.28),
 * [1, E] float32. Of an object: it RELATE_TO and CONTAIN the Cls, which IS_PART_OF it.
 *
 * One Cls per label instead of one with all labels: upstream's overlay draws a detection's first
 * Cls, and others join the labels of one Cls into one string. A relation meta that is there
 * already, from a detector, is extended.
 */
#include "gst/analytics.h"

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#include <math.h>

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

static void
add_class (GstAnalyticsRelationMeta *relations, const ClipMetaLabel *label, GstAnalyticsClsMtd *cls)
{
  gst_analytics_relation_meta_add_one_cls_mtd (relations, label->score,
                                               g_quark_from_string (label->name), cls);
}

void
clip_analytics_add (GstBuffer *buffer, const ClipMeta *meta)
{
  GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta (buffer);
  GstAnalyticsClsMtd cls;
  if (!relations)
    relations = gst_buffer_add_analytics_relation_meta (buffer);
  for (guint i = 0; i < meta->n_labels; i++)
    add_class (relations, &meta->labels[i], &cls);
  if (meta->embedding_bytes)
    add_embedding (buffer, relations, meta);
}

gboolean
clip_analytics_next_object (GstBuffer *buffer, gpointer *state, ClipAnalyticsObject *object)
{
  /* It is among all metas of the buffer, which may be thousands: looked for once. */
  gpointer relations = *state ? object->relations : gst_buffer_get_analytics_relation_meta (buffer);
  GstAnalyticsMtd mtd;
  if (!relations || !gst_analytics_relation_meta_iterate (
                        relations, state, gst_analytics_od_mtd_get_mtd_type (), &mtd))
    return FALSE;
  GstAnalyticsODMtd *od = (GstAnalyticsODMtd *) &mtd;
  object->relations = relations;
  object->id = mtd.id;
  object->type = gst_analytics_od_mtd_get_obj_type (od);
  return gst_analytics_od_mtd_get_location (od, &object->x, &object->y, &object->width,
                                            &object->height, NULL);
}

void
clip_analytics_classify_object (gpointer relations, guint id, const ClipMetaLabel *labels,
                                guint n_labels)
{
  const GstAnalyticsRelTypes has =
      GST_ANALYTICS_REL_TYPE_RELATE_TO | GST_ANALYTICS_REL_TYPE_CONTAIN;
  for (guint i = 0; i < MIN (n_labels, CLIP_ANALYTICS_CLASSES); i++) {
    GstAnalyticsClsMtd cls;
    add_class (relations, &labels[i], &cls);
    gst_analytics_relation_meta_set_relation (relations, has, id, cls.id);
    gst_analytics_relation_meta_set_relation (relations, GST_ANALYTICS_REL_TYPE_IS_PART_OF, cls.id,
                                              id);
  }
}

gboolean
clip_analytics_read_object (gpointer relations, guint id, ClipMetaLabel *label)
{
  GstAnalyticsMtd mtd;
  gpointer state = NULL;
  if (!gst_analytics_relation_meta_get_direct_related (
          relations, id, GST_ANALYTICS_REL_TYPE_RELATE_TO, gst_analytics_cls_mtd_get_mtd_type (),
          &state, &mtd))
    return FALSE;
  GstAnalyticsClsMtd *cls = (GstAnalyticsClsMtd *) &mtd;
  if (gst_analytics_cls_mtd_get_length (cls) == 0)
    return FALSE;
  *label = (ClipMetaLabel){ g_quark_to_string (gst_analytics_cls_mtd_get_quark (cls, 0)),
                            gst_analytics_cls_mtd_get_level (cls, 0) };
  return label->name && isfinite (label->score);
}

#else

void
clip_analytics_add (GstBuffer *buffer, const ClipMeta *meta)
{
}

gboolean
clip_analytics_next_object (GstBuffer *buffer, gpointer *state, ClipAnalyticsObject *object)
{
  return FALSE;
}

void
clip_analytics_classify_object (gpointer relations, guint id, const ClipMetaLabel *labels,
                                guint n_labels)
{
}

gboolean
clip_analytics_read_object (gpointer relations, guint id, ClipMetaLabel *label)
{
  return FALSE;
}

#endif
