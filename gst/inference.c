/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * buffer → planes, mapped for reading where they lie → pixels [3, H, W]; pixels [B, 3, H, W] → features [B, E]
 */
#include "gst/inference.h"

#include "gst/frame.h"

#include <time.h>

void
clip_inference_init (ClipInference *inference, ClipModel *model, int threads)
{
  *inference = (ClipInference){ .model = clip_model_ref (model), .threads = threads };
  clip_inference_wake (inference);
}

void
clip_inference_clear (ClipInference *inference)
{
  clip_inference_sleep (inference);
  g_clear_pointer (&inference->preprocess, clip_preprocess_free);
  g_clear_pointer (&inference->model, clip_model_unref);
}

void
clip_inference_sleep (ClipInference *inference)
{
  g_clear_pointer (&inference->session, clip_session_free);
}

void
clip_inference_wake (ClipInference *inference)
{
  if (!inference->session)
    inference->session = clip_session_new (inference->model, inference->threads);
}

gboolean
clip_inference_set_format (ClipInference *inference, const GstVideoInfo *format, ClipYuvOrder order,
                           GError **error)
{
  inference->frame = clip_frame_info (format);
  inference->frame.yuv_order = order;
  g_clear_pointer (&inference->preprocess, clip_preprocess_free);
  inference->format = *format;
  inference->preprocess = clip_preprocess_new (&clip_model_get_info (inference->model)->preprocess,
                                               &inference->frame, error);
  return inference->preprocess != NULL;
}

static GstClockTime
thread_cpu_time (void)
{
  struct timespec time;
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &time);
  return GST_TIMESPEC_TO_TIME (time);
}

GstClockTime
clip_inference_encode (ClipSession *session, float *features, const float *pixels, int batch)
{
  const GstClockTime start = thread_cpu_time ();
  clip_encode_image (session, features, pixels, batch);
  /* The session's other threads are as busy as this one. */
  return (thread_cpu_time () - start) * clip_session_get_threads (session);
}

gsize
clip_inference_n_pixels (const ClipInference *inference)
{
  const ClipModelInfo *info = clip_model_get_info (inference->model);
  return 3 * (gsize) info->image_width * info->image_height;
}

gboolean
clip_inference_read (const ClipInference *inference, float *pixels, GstBuffer *buffer)
{
  return clip_frame_read (pixels, inference->preprocess, buffer, &inference->format);
}

GstClockTime
clip_inference_warm_up (ClipInference *inference)
{
  g_autofree float *pixels = g_new0 (float, clip_inference_n_pixels (inference));
  g_autofree float *feature = g_new (float, clip_model_get_info (inference->model)->embed_dim);
  const GstClockTime start = gst_util_get_timestamp ();
  clip_encode_image (inference->session, feature, pixels, 1);
  return gst_util_get_timestamp () - start;
}
