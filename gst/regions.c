/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ROI metas of a frame → boxes, cut at its edges, the largest n → pixels [n, 3, R, R] → features [n, E]
 *                      → scores [n, L] → a param "classification" of each meta
 *
 * A crop is a frame of its own whose planes begin at its first pixel and whose rows are as far apart
 * as the whole frame's: nothing is copied. Where chroma is subsampled it begins at a whole sample of
 * it, so a box may grow by one pixel to the left and to the top.
 *
 * Detections have no identity from frame to frame: their labels go by the threshold alone, without
 * what is kept over time.
 */
#include "gst/regions.h"

#include "gst/frame.h"

void
clip_regions_clear (ClipRegions *regions)
{
  g_free (regions->pixels);
  g_free (regions->features);
  *regions = (ClipRegions){ 0 };
}

/* --------------------------------------------------------------------------------------------------------- finding */

/* How many pixels share a chroma sample, as a power of two. */
static void
subsampling (const GstVideoInfo *format, int *across, int *down)
{
  *across = *down = 0;
  for (guint c = 0; c < GST_VIDEO_INFO_N_COMPONENTS (format); c++) {
    *across = MAX (*across, (int) GST_VIDEO_FORMAT_INFO_W_SUB (format->finfo, c));
    *down = MAX (*down, (int) GST_VIDEO_FORMAT_INFO_H_SUB (format->finfo, c));
  }
}

/* Returns FALSE where nothing is left of it. What is unsigned there may have been meant as less than 0, and is outside. */
static gboolean
cut (ClipRegion *region, GstVideoRegionOfInterestMeta *meta, const GstVideoInfo *format)
{
  const gint64 right = MIN ((gint64) meta->x + meta->w, format->width);
  const gint64 bottom = MIN ((gint64) meta->y + meta->h, format->height);
  int across, down;
  if (right <= meta->x || bottom <= meta->y)
    return FALSE;
  subsampling (format, &across, &down);
  region->meta = meta;
  region->x = (int) meta->x >> across << across;
  region->y = (int) meta->y >> down << down;
  region->width = (int) right - region->x;
  region->height = (int) bottom - region->y;
  return TRUE;
}

static int
by_area (gconstpointer a, gconstpointer b)
{
  const ClipRegion *x = a, *y = b;
  const gint64 first = (gint64) x->width * x->height, second = (gint64) y->width * y->height;
  return (first < second) - (first > second);
}

void
clip_regions_find (ClipRegions *regions, GstBuffer *buffer, const GstVideoInfo *format)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (ClipRegion));
  gpointer state = NULL, meta;
  regions->n_skipped = 0;
  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
                                                   GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    ClipRegion region;
    if (cut (&region, meta, format))
      g_array_append_val (all, region);
    else
      regions->n_skipped++;
  }
  g_array_sort (all, by_area);
  regions->n = MIN (all->len, CLIP_REGIONS_MAX);
  regions->n_skipped += all->len - regions->n;
  for (guint i = 0; i < regions->n; i++)
    regions->found[i] = g_array_index (all, ClipRegion, i);
}

/* ----------------------------------------------------------------------------------------------------- classifying */

static void
make_room (ClipRegions *regions, gsize n_pixels, gsize n_features)
{
  if (regions->n <= regions->room)
    return;
  regions->room = regions->n;
  regions->pixels = g_renew (float, regions->pixels, (gsize) regions->room *n_pixels);
  regions->features = g_renew (float, regions->features, (gsize) regions->room *n_features);
}

/* @pixels: [3, R, R] of one region. */
static void
read_crop (float *pixels, const ClipRegion *region, const ClipInference *inference,
           const GstVideoFrame *frame)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  const guint8 *planes[GST_VIDEO_MAX_PLANES] = { NULL };
  ClipFrameInfo crop = inference->frame;
  crop.width = region->width;
  crop.height = region->height;
  /* Its size is another each time, and tables take less time than pixels: they are not kept. Whatever this could fail
   * for, the whole frame would have before. */
  g_autoptr (ClipPreprocess) preprocess =
      clip_preprocess_new (&clip_model_get_info (inference->model)->preprocess, &crop, NULL);
  g_return_if_fail (preprocess);
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (frame); c++) {
    const guint plane = GST_VIDEO_FORMAT_INFO_PLANE (format, c);
    const int x = region->x >> GST_VIDEO_FORMAT_INFO_W_SUB (format, c);
    const int y = region->y >> GST_VIDEO_FORMAT_INFO_H_SUB (format, c);
    planes[plane] = (const guint8 *) frame->data[plane] + (gssize) y * frame->info.stride[plane] +
                    (gssize) x * GST_VIDEO_FORMAT_INFO_PSTRIDE (format, c);
  }
  clip_preprocess_run (preprocess, pixels, planes, frame->info.stride);
}

gboolean
clip_regions_classify (ClipRegions *regions, ClipInference *inference, GstClockTime *cost,
                       GstBuffer *buffer)
{
  const ClipModelInfo *info = clip_model_get_info (inference->model);
  const gsize n_pixels = 3 * (gsize) info->image_width * info->image_height;
  GstVideoFrame frame;
  *cost = 0;
  if (regions->n == 0)
    return TRUE;
  if (!clip_frame_map (&frame, buffer, &inference->format))
    return FALSE;
  make_room (regions, n_pixels, info->embed_dim);
  for (guint i = 0; i < regions->n; i++)
    read_crop (regions->pixels + i * n_pixels, &regions->found[i], inference, &frame);
  gst_video_frame_unmap (&frame);
  *cost = clip_inference_encode (inference->session, regions->features, regions->pixels,
                                 (int) regions->n);
  return TRUE;
}

/* ------------------------------------------------------------------------------------------------------- attaching */

static void
remove_param (GstVideoRegionOfInterestMeta *meta, const char *element)
{
  for (GList *item = meta->params, *next; item; item = next) {
    GstStructure *param = item->data;
    next = item->next;
    if (gst_structure_has_name (param, CLIP_REGIONS_PARAM) &&
        g_strcmp0 (gst_structure_get_string (param, "element"), element) == 0) {
      gst_structure_free (param);
      meta->params = g_list_delete_link (meta->params, item);
    }
  }
}

static GstStructure *
describe (const ClipMetaLabel *labels, guint n, const char *element, const ClipModelInfo *model)
{
  GstStructure *param = gst_structure_new (CLIP_REGIONS_PARAM, "element", G_TYPE_STRING, element,
                                           "model", G_TYPE_STRING, model->id, NULL);
  if (n > 0)
    gst_structure_set (param, "label", G_TYPE_STRING, labels[0].name, "confidence", G_TYPE_DOUBLE,
                       (double) labels[0].score, NULL);
  clip_meta_set_labels (param, "labels", "scores", labels, n);
  return param;
}

void
clip_regions_attach (const ClipRegions *regions, ClipClassifier *classifier,
                     const ClipReporting *reporting, const char *element,
                     const ClipModelInfo *model)
{
  const ClipLabels *names = clip_classifier_get_labels (classifier);
  const guint n_names = clip_labels_get_n (names);
  g_autofree float *scores = g_new (float, n_names);
  g_autofree ClipScore *top = g_new (ClipScore, n_names);
  g_autofree ClipMetaLabel *labels = g_new (ClipMetaLabel, n_names);
  for (guint i = 0; i < regions->n; i++) {
    GstVideoRegionOfInterestMeta *meta = regions->found[i].meta;
    clip_classifier_score (classifier, scores, regions->features + i * (gsize) model->embed_dim,
                           reporting->scoring);
    const guint n =
        clip_classifier_top (classifier, top, reporting->top_k, scores, reporting->threshold);
    for (guint t = 0; t < n; t++)
      labels[t] = (ClipMetaLabel){ clip_labels_get (names, top[t].label)->name, top[t].score };
    remove_param (meta, element);
    gst_video_region_of_interest_meta_add_param (meta, describe (labels, n, element, model));
  }
}
