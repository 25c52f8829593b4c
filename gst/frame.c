/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/frame.h"

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
clip_frame_read (float *pixels, ClipPreprocess *preprocess, GstBuffer *buffer,
                 const GstVideoInfo *format)
{
  const GstMapFlags flags = GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF;
  GstVideoFrame frame;
  if (!has_format (buffer, format) || !gst_video_frame_map (&frame, format, buffer, flags))
    return FALSE;
  clip_preprocess_run (preprocess, pixels, (const guint8 *const *) frame.data, frame.info.stride);
  gst_video_frame_unmap (&frame);
  return TRUE;
}
