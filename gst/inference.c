/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * buffer → planes, mapped for reading where they lie → pixels [3, R, R] → feature [E]
 */
#include "gst/inference.h"

void
clip_inference_init (ClipInference *inference, ClipModel *model, int threads)
{
  const gsize size = clip_model_get_info (model)->image_size;
  *inference = (ClipInference){
    .model = clip_model_ref (model),
    .session = clip_session_new (model, threads),
    .pixels = g_new0 (float, 3 * size * size),
  };
}

void
clip_inference_clear (ClipInference *inference)
{
  g_clear_pointer (&inference->preprocess, clip_preprocess_free);
  g_clear_pointer (&inference->session, clip_session_free);
  g_clear_pointer (&inference->model, clip_model_unref);
  g_clear_pointer (&inference->pixels, g_free);
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

gboolean
clip_inference_set_format (ClipInference *inference, const GstVideoInfo *format, ClipYuvOrder order,
                           GError **error)
{
  const ClipFrameInfo frame = {
    .format = GST_VIDEO_INFO_NAME (format),
    .width = format->width,
    .height = format->height,
    .matrix = matrix_of (format),
    .full_range = format->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255,
    .yuv_order = order,
  };
  g_clear_pointer (&inference->preprocess, clip_preprocess_free);
  inference->format = *format;
  inference->preprocess =
      clip_preprocess_new (&clip_model_get_info (inference->model)->preprocess, &frame, error);
  return inference->preprocess != NULL;
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
clip_inference_run (ClipInference *inference, float *feature, GstBuffer *buffer)
{
  const GstMapFlags flags = GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF;
  GstVideoFrame frame;
  if (!has_format (buffer, &inference->format) ||
      !gst_video_frame_map (&frame, &inference->format, buffer, flags))
    return FALSE;
  clip_preprocess_run (inference->preprocess, inference->pixels, (const guint8 *const *) frame.data,
                       frame.info.stride);
  gst_video_frame_unmap (&frame);
  clip_encode_image (inference->session, feature, inference->pixels, 1);
  return TRUE;
}

GstClockTime
clip_inference_warm_up (ClipInference *inference, float *feature)
{
  const GstClockTime start = gst_util_get_timestamp ();
  clip_encode_image (inference->session, feature, inference->pixels, 1);
  return gst_util_get_timestamp () - start;
}
