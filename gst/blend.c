/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst_video_blend () unpacks and packs whole rows of the frame, however narrow the picture is: the
 * side of a box, one pixel wide, would cost as much as a picture of the frame's width. So it is given
 * a view of only those columns that the picture covers.
 */
#include "gst/blend.h"

/* Columns at which chroma of every subsampling (up to 4:1:1 and 4:1:0), and packed pairs, begin. */
#define ALIGNMENT 8

/* Whether a column is at a constant number of bytes. (Packed 4:1:1 has six bytes for four.) */
static gboolean
has_columns (const GstVideoFormatInfo *format)
{
  return !GST_VIDEO_FORMAT_INFO_HAS_PALETTE (format) &&
         !GST_VIDEO_FORMAT_INFO_IS_COMPLEX (format) && !GST_VIDEO_FORMAT_INFO_IS_TILED (format) &&
         GST_VIDEO_FORMAT_INFO_FORMAT (format) != GST_VIDEO_FORMAT_IYU1;
}

/* *@view is columns *@x … *@x + @width of @frame, or some more; *@x becomes what it is in the view. */
static void
view_columns (GstVideoFrame *view, const GstVideoFrame *frame, int *x, int width)
{
  const GstVideoFormatInfo *format = frame->info.finfo;
  *view = *frame;
  const int left = MAX (*x, 0) / ALIGNMENT * ALIGNMENT;
  const int right = (*x + width + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (!has_columns (format) || right <= left || left >= frame->info.width)
    return;
  for (guint plane = 0; plane < GST_VIDEO_FORMAT_INFO_N_PLANES (format); plane++) {
    int components[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component (format, plane, components);
    const int first = components[0];
    view->data[plane] = (guint8 *) frame->data[plane] +
                        (gsize) GST_VIDEO_FORMAT_INFO_SCALE_WIDTH (format, first, left) *
                            GST_VIDEO_FORMAT_INFO_PSTRIDE (format, first);
  }
  view->info.width = MIN (right, frame->info.width) - left;
  *x -= left;
}

static void
blend_rectangle (GstVideoFrame *frame, GstVideoOverlayRectangle *rectangle)
{
  int x, y;
  guint width, height;
  gst_video_overlay_rectangle_get_render_rectangle (rectangle, &x, &y, &width, &height);
  const GstVideoOverlayFormatFlags flags = gst_video_overlay_rectangle_get_flags (rectangle);
  GstBuffer *pixels = GST_VIDEO_INFO_IS_YUV (&frame->info)
                          ? gst_video_overlay_rectangle_get_pixels_unscaled_ayuv (rectangle, flags)
                          : gst_video_overlay_rectangle_get_pixels_unscaled_argb (rectangle, flags);
  const GstVideoMeta *meta = gst_buffer_get_video_meta (pixels);
  GstVideoInfo info;
  GstVideoFrame picture, view;
  gst_video_info_set_format (&info, meta->format, meta->width, meta->height);
  if (!gst_video_frame_map (&picture, &info, pixels, GST_MAP_READ))
    return;
  view_columns (&view, frame, &x, (int) width);
  gst_video_blend (&view, &picture, x, y, gst_video_overlay_rectangle_get_global_alpha (rectangle));
  gst_video_frame_unmap (&picture);
}

void
clip_blend (GstVideoFrame *frame, GstVideoOverlayComposition *composition)
{
  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles (composition); i++)
    blend_rectangle (frame, gst_video_overlay_composition_get_rectangle (composition, i));
}
