/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * detections in a frame → the largest n → pixels [n, 3, R, R]
 *
 * A crop is a frame of its own whose planes begin at its first pixel and whose rows are as far apart
 * as the whole frame's: nothing is copied. Where chroma is subsampled it begins at a whole sample of
 * it, so a box may grow by one pixel to the left and to the top.
 */
#include "gst/regions.h"

#include "gst/frame.h"

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

static void
align (ClipDetection *detection, int across, int down)
{
  const int x = detection->x >> across << across, y = detection->y >> down << down;
  detection->width += detection->x - x;
  detection->height += detection->y - y;
  detection->x = x;
  detection->y = y;
}

static int
by_area (gconstpointer a, gconstpointer b)
{
  const ClipDetection *x = a, *y = b;
  const gint64 first = (gint64) x->width * x->height, second = (gint64) y->width * y->height;
  return (first < second) - (first > second);
}

void
clip_regions_find (ClipRegions *regions, GstBuffer *buffer, const GstVideoInfo *format)
{
  int across, down;
  subsampling (format, &across, &down);
  g_autoptr (GArray) all =
      clip_detections_find (buffer, format->width, format->height, &regions->n_skipped);
  for (guint i = 0; i < all->len; i++)
    align (&g_array_index (all, ClipDetection, i), across, down);
  g_array_sort (all, by_area);
  regions->n = MIN (all->len, CLIP_REGIONS_MAX);
  regions->n_skipped += all->len - regions->n;
  for (guint i = 0; i < regions->n; i++)
    regions->found[i] = g_array_index (all, ClipDetection, i);
}

/* --------------------------------------------------------------------------------------------------------- reading */

/* @pixels: [3, R, R] of one region. */
static void
read_crop (float *pixels, const ClipDetection *region, const ClipInference *inference,
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
clip_regions_read (const ClipRegions *regions, const ClipInference *inference, float *pixels,
                   GstBuffer *buffer)
{
  GstVideoFrame frame;
  if (regions->n == 0)
    return TRUE;
  if (!clip_frame_map (&frame, buffer, &inference->format))
    return FALSE;
  for (guint i = 0; i < regions->n; i++)
    read_crop (pixels + i * clip_inference_n_pixels (inference), &regions->found[i], inference,
               &frame);
  gst_video_frame_unmap (&frame);
  return TRUE;
}
