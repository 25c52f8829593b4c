/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ROI metas, GstAnalyticsODMtd → rectangles, cut at the frame's edges
 *
 * What is said of a detection stands at it: with a ROI meta as a GstStructure among its params, with
 * the other as related classes (analytics.c).
 */
#include "gst/detection.h"

#include "gst/analytics.h"

#include <math.h>

/* --------------------------------------------------------------------------------------------------------- finding */

typedef struct {
  gint64 x, y, width, height; /* as the detector has it: anything */
} Rectangle;

/* Returns FALSE where nothing is left of it. */
static gboolean
cut (ClipDetection *detection, const Rectangle *from, int width, int height)
{
  const gint64 left = MAX (from->x, 0), right = MIN (from->x + from->width, width);
  const gint64 top = MAX (from->y, 0), bottom = MIN (from->y + from->height, height);
  if (right <= left || bottom <= top)
    return FALSE;
  detection->x = (int) left;
  detection->y = (int) top;
  detection->width = (int) (right - left);
  detection->height = (int) (bottom - top);
  return TRUE;
}

/* What is unsigned there may have been meant as less than 0, and is outside. */
static guint
find_rois (GArray *found, GstBuffer *buffer, int width, int height)
{
  gpointer state = NULL, meta;
  guint n_outside = 0;
  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
                                                   GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    GstVideoRegionOfInterestMeta *roi = meta;
    const Rectangle rectangle = { roi->x, roi->y, roi->w, roi->h };
    ClipDetection detection = {
      .type = roi->roi_type, .roi_id = roi->id, .mtd_id = -1, .roi = roi
    };
    if (cut (&detection, &rectangle, width, height))
      g_array_append_val (found, detection);
    else
      n_outside++;
  }
  return n_outside;
}

static guint
hash_rectangle (gconstpointer key)
{
  const ClipDetection *d = key;
  return ((d->x * 31u + d->y) * 31u + d->width) * 31u + d->height;
}

static gboolean
same_rectangle (gconstpointer a, gconstpointer b)
{
  const ClipDetection *x = a, *y = b;
  return x->x == y->x && x->y == y->y && x->width == y->width && x->height == y->height;
}

/* Of each rectangle of @found, its index + 1. */
static GHashTable *
index_rectangles (const GArray *found)
{
  GHashTable *table = g_hash_table_new_full (hash_rectangle, same_rectangle, g_free, NULL);
  for (guint i = 0; i < found->len; i++)
    g_hash_table_insert (
        table, g_memdup2 (&g_array_index (found, ClipDetection, i), sizeof (ClipDetection)),
        GUINT_TO_POINTER (i + 1));
  return table;
}

/* @rois: those in @found that no object joined yet. */
static void
add_object (GArray *found, GHashTable *rois, const ClipDetection *object)
{
  const guint same = GPOINTER_TO_UINT (g_hash_table_lookup (rois, object));
  if (same == 0) {
    g_array_append_val (found, *object);
    return;
  }
  ClipDetection *roi = &g_array_index (found, ClipDetection, same - 1);
  roi->mtd_id = object->mtd_id;
  roi->relations = object->relations;
  g_hash_table_remove (rois, object);
}

/* After find_rois (). */
static guint
find_objects (GArray *found, GstBuffer *buffer, int width, int height)
{
  g_autoptr (GHashTable) rois = NULL;
  ClipAnalyticsObject object;
  gpointer state = NULL;
  guint n_outside = 0;
  while (clip_analytics_next_object (buffer, &state, &object)) {
    const Rectangle rectangle = { object.x, object.y, object.width, object.height };
    ClipDetection detection = {
      .type = object.type, .roi_id = -1, .mtd_id = object.id, .relations = object.relations
    };
    if (!rois)
      rois = index_rectangles (found);
    if (cut (&detection, &rectangle, width, height))
      add_object (found, rois, &detection);
    else
      n_outside++;
  }
  return n_outside;
}

GArray *
clip_detections_find (GstBuffer *buffer, int width, int height, guint *n_outside)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (ClipDetection));
  guint n = find_rois (found, buffer, width, height);
  n += find_objects (found, buffer, width, height);
  if (n_outside)
    *n_outside = n;
  return found;
}

/* ------------------------------------------------------------------------------------------------------- attaching */

static gboolean
is_by (const GstStructure *param, const char *element)
{
  return gst_structure_has_name (param, CLIP_DETECTION_PARAM) &&
         (!element || g_strcmp0 (gst_structure_get_string (param, "element"), element) == 0);
}

static void
remove_param (GstVideoRegionOfInterestMeta *roi, const char *element)
{
  for (GList *item = roi->params, *next; item; item = next) {
    next = item->next;
    if (is_by (item->data, element)) {
      gst_structure_free (item->data);
      roi->params = g_list_delete_link (roi->params, item);
    }
  }
}

void
clip_detection_attach (const ClipDetection *detection, const GstStructure *param,
                       const ClipMetaLabel *labels, guint n_labels)
{
  if (detection->roi) {
    remove_param (detection->roi, gst_structure_get_string (param, "element"));
    gst_video_region_of_interest_meta_add_param (detection->roi, gst_structure_copy (param));
  }
  if (detection->relations)
    clip_analytics_classify_object (detection->relations, (guint) detection->mtd_id, labels,
                                    n_labels);
}

/* --------------------------------------------------------------------------------------------------------- reading */

static gboolean
read_param (const GstVideoRegionOfInterestMeta *roi, const char *element, ClipMetaLabel *label)
{
  for (GList *item = roi->params; item; item = item->next) {
    const GstStructure *param = item->data;
    double score;
    if (!is_by (param, element) || !gst_structure_get_double (param, "confidence", &score))
      continue;
    *label = (ClipMetaLabel){ gst_structure_get_string (param, "label"), (float) score };
    if (label->name && isfinite (score))
      return TRUE;
  }
  return FALSE;
}

gboolean
clip_detection_read (const ClipDetection *detection, const char *element, ClipMetaLabel *label)
{
  return (detection->roi && read_param (detection->roi, element, label)) ||
         (detection->relations &&
          clip_analytics_read_object (detection->relations, (guint) detection->mtd_id, label));
}
