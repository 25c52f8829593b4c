/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * buffer → planes, mapped for reading where they lie → pixels [3, R, R] → feature [E]
 */
#include "gst/inference.h"

#include "gst/frame.h"

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

gboolean
clip_inference_set_format (ClipInference *inference, const GstVideoInfo *format, ClipYuvOrder order,
                           GError **error)
{
  ClipFrameInfo frame = clip_frame_info (format);
  frame.yuv_order = order;
  g_clear_pointer (&inference->preprocess, clip_preprocess_free);
  inference->format = *format;
  inference->preprocess =
      clip_preprocess_new (&clip_model_get_info (inference->model)->preprocess, &frame, error);
  return inference->preprocess != NULL;
}

gboolean
clip_inference_run (ClipInference *inference, float *feature, GstBuffer *buffer)
{
  if (!clip_frame_read (inference->pixels, inference->preprocess, buffer, &inference->format))
    return FALSE;
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
