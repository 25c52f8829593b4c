/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/frame.h"

#define MAX_SIZE 32768

GstCaps *
clip_frame_caps (void)
{
  GValue formats = G_VALUE_INIT;
  g_value_init (&formats, GST_TYPE_LIST);
  for (const char *const *name = clip_preprocess_formats (); *name; name++) {
    GValue format = G_VALUE_INIT;
    g_value_init (&format, G_TYPE_STRING);
    g_value_set_static_string (&format, *name);
    gst_value_list_append_and_take_value (&formats, &format);
  }
  GstStructure *structure = gst_structure_new_empty ("video/x-raw");
  gst_structure_take_value (structure, "format", &formats);
  gst_structure_set (structure, "width", GST_TYPE_INT_RANGE, 1, MAX_SIZE, "height",
                     GST_TYPE_INT_RANGE, 1, MAX_SIZE, "framerate", GST_TYPE_FRACTION_RANGE, 0, 1,
                     G_MAXINT, 1, NULL);
  GstCaps *caps = gst_caps_new_empty ();
  gst_caps_append_structure (caps, structure);
  return caps;
}

static ClipColorMatrix
matrix_of (const GstVideoInfo *format)
{
  switch (format->colorimetry.matrix) {
  case GST_VIDEO_COLOR_MATRIX_BT709:
  case GST_VIDEO_COLOR_MATRIX_SMPTE240M: /* differs from BT.709 in the third decimal */
    return CLIP_COLOR_MATRIX_BT709;
  case GST_VIDEO_COLOR_MATRIX_BT2020:
    return CLIP_COLOR_MATRIX_BT2020;
  default:
    return CLIP_COLOR_MATRIX_BT601;
  }
}

ClipFrameInfo
clip_frame_info (const GstVideoInfo *format)
{
  return (ClipFrameInfo){
    .format = GST_VIDEO_INFO_NAME (format),
    .width = format->width,
    .height = format->height,
    .matrix = matrix_of (format),
    .full_range = format->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255,
  };
}

/* A buffer's video meta may contradict the caps; it is the caps that the tables were made for. */
static gboolean
has_format (GstBuffer *buffer, const GstVideoInfo *format)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  return !meta || (meta->format == GST_VIDEO_INFO_FORMAT (format) &&
                   meta->width >= (guint) format->width && meta->height >= (guint) format->height);
}

gboolean
clip_frame_map (GstVideoFrame *frame, GstBuffer *buffer, const GstVideoInfo *format)
{
  const GstMapFlags flags = GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF;
  return has_format (buffer, format) && gst_video_frame_map (frame, format, buffer, flags);
}

gboolean
clip_frame_read (float *pixels, ClipPreprocess *preprocess, GstBuffer *buffer,
                 const GstVideoInfo *format)
{
  GstVideoFrame frame;
  if (!clip_frame_map (&frame, buffer, format))
    return FALSE;
  clip_preprocess_run (preprocess, pixels, (const guint8 *const *) frame.data, frame.info.stride);
  gst_video_frame_unmap (&frame);
  return TRUE;
}

void
clip_frame_refuse_crop (GstQuery *query)
{
  guint i;
  if (gst_query_find_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, &i))
    gst_query_remove_nth_allocation_meta (query, i);
}
