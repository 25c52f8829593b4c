/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * On the pictures and clips of ../shared, decoded by GStreamer:
 *
 *   pixels : the seven images preprocessed for three models equal the reference's, every bit
 *   yuv    : planes resized first against every pixel converted first, on frames of the clips
 */
#include "core/clip.h"
#include "tests/testing.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <math.h>

/* @description ends in an appsink named "sink"; @path fills its %s. Skips the test where an element is missing. */
static GstElement *
start (const char *description, const char *path, GstElement **sink)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strdup_printf (description, path);
  GstElement *pipeline = gst_parse_launch (text, &error);
  if (!pipeline || error) {
    g_test_skip (error->message);
    gst_clear_object (&pipeline);
    return NULL;
  }
  *sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  return pipeline;
}

static void
stop (GstElement *pipeline, GstElement *sink)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (sink);
  gst_object_unref (pipeline);
}

static ClipColorMatrix
color_matrix (const GstVideoInfo *info)
{
  switch (GST_VIDEO_INFO_COLORIMETRY (info).matrix) {
  case GST_VIDEO_COLOR_MATRIX_BT709:
    return CLIP_COLOR_MATRIX_BT709;
  case GST_VIDEO_COLOR_MATRIX_BT2020:
    return CLIP_COLOR_MATRIX_BT2020;
  default:
    return CLIP_COLOR_MATRIX_BT601;
  }
}

static void
preprocess (float *pixels, GstSample *sample, const ClipPreprocessConfig *config,
            ClipYuvOrder order)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  g_assert_true (gst_video_info_from_caps (&info, gst_sample_get_caps (sample)));
  g_assert_true (gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ));
  const ClipFrameInfo what = {
    .format = gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (&info)),
    .width = GST_VIDEO_INFO_WIDTH (&info),
    .height = GST_VIDEO_INFO_HEIGHT (&info),
    .matrix = color_matrix (&info),
    .full_range = GST_VIDEO_INFO_COLORIMETRY (&info).range == GST_VIDEO_COLOR_RANGE_0_255,
    .yuv_order = order,
    .premultiply_alpha = TRUE,
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipPreprocess) run = clip_preprocess_new (config, &what, &error);
  g_assert_no_error (error);
  clip_preprocess_run (run, pixels, (const guint8 *const *) frame.data, frame.info.stride);
  gst_video_frame_unmap (&frame);
}

static void
test_pixels (void)
{
  static const struct {
    const char *model;
    int size;
    float mean[3], std[3];
  } cases[] = {
    { "vit",
      48,
      { 0.48145466f, 0.4578275f, 0.40821073f },
      { 0.26862954f, 0.26130258f, 0.27577711f } },
    { "rn",
      64,
      { 0.48145466f, 0.4578275f, 0.40821073f },
      { 0.26862954f, 0.26130258f, 0.27577711f } },
    { "lite",
      160,
      { 127 / 255.0f, 127 / 255.0f, 127 / 255.0f },
      { 128 / 255.0f, 128 / 255.0f, 128 / 255.0f } },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const int size = cases[i].size;
    ClipPreprocessConfig config = { .width = size, .height = size };
    memcpy (config.mean, cases[i].mean, sizeof config.mean);
    memcpy (config.std, cases[i].std, sizeof config.std);
    g_autofree char *name =
        g_build_filename ("conformance", cases[i].model, "expected.safetensors", NULL);
    g_autofree char *path = shared_path (name);
    if (!path)
      return;
    g_autoptr (GError) error = NULL;
    g_autofree ClipArray *expected = clip_array_read (path, "pixels", "F32", &error);
    g_assert_no_error (error);
    g_assert_cmpint (expected->shape[0], ==, 7);
    g_assert_cmpint (expected->shape[3], ==, size);
    const gsize n = 3 * (gsize) size * size;
    g_autofree float *pixels = g_new (float, n);
    for (int image = 0; image < 7; image++) {
      g_autofree char *png = g_strdup_printf ("conformance/images/%d.png", image);
      g_autofree char *png_path = shared_path (png);
      GstElement *sink, *pipeline = start ("filesrc location=\"%s\" ! pngdec ! appsink name=sink",
                                           png_path, &sink);
      if (!pipeline)
        return;
      g_autoptr (GstSample) sample = gst_app_sink_pull_sample (GST_APP_SINK (sink));
      g_assert_nonnull (sample);
      preprocess (pixels, sample, &config, CLIP_YUV_RESIZE_FIRST);
      const float *reference = (const float *) expected->data + image * n;
      for (gsize p = 0; p < n; p++)
        if (pixels[p] != reference[p])
          g_error ("%s, %s: value %d is %.9g, expected %.9g", cases[i].model, png, (int) p,
                   pixels[p], reference[p]);
      stop (pipeline, sink);
    }
  }
}

/* Planes resized first are not what a picture of the frame would give: chroma is filtered at half the resolution, and
 * values are rounded and clipped at another place. The mean absolute difference stays below one level. */
static void
test_yuv (void)
{
  static const char *const clips[] = { "bottle-detection", "car-detection",
                                       "one-by-one-person-detection" };
  const ClipPreprocessConfig config = { .width = 224, .height = 224, .std = { 1, 1, 1 } };
  const gsize n = 3 * 224 * 224;
  g_autofree float *first = g_new (float, n), *last = g_new (float, n);
  for (gsize i = 0; i < G_N_ELEMENTS (clips); i++) {
    g_autofree char *name = g_strdup_printf ("data/video/%s.mp4", clips[i]);
    g_autofree char *path = shared_path (name);
    if (!path)
      return;
    GstElement *sink,
        *pipeline = start ("filesrc location=\"%s\" ! decodebin ! video/x-raw ! appsink name=sink "
                           "sync=false max-buffers=2",
                           path, &sink);
    if (!pipeline)
      return;
    double sum = 0, worst = 0;
    int frames = 0, compared = 0;
    g_autofree char *caps = NULL;
    for (GstSample *sample; (sample = gst_app_sink_pull_sample (GST_APP_SINK (sink)));
         gst_sample_unref (sample)) {
      if (frames++ % 12 != 0)
        continue;
      if (!caps)
        caps = gst_caps_to_string (gst_sample_get_caps (sample));
      preprocess (first, sample, &config, CLIP_YUV_RESIZE_FIRST);
      preprocess (last, sample, &config, CLIP_YUV_CONVERT_FIRST);
      for (gsize p = 0; p < n; p++) {
        const double difference = fabs ((double) first[p] - last[p]);
        sum += difference;
        worst = MAX (worst, difference);
      }
      compared++;
    }
    stop (pipeline, sink);
    if (compared == 0) {
      g_test_skip ("no decoder");
      return;
    }
    const double mean = 255 * sum / compared / n;
    g_test_message (
        "%s: %d of %d frames, mean absolute difference %.4f of a level, at most %.0f levels; %s",
        clips[i], compared, frames, mean, worst * 255, caps);
    if (!(mean < 1))
      g_error ("%s: mean absolute difference %g levels, expected below 1", clips[i], mean);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/image-conformance/pixels", test_pixels);
  g_test_add_func ("/image-conformance/yuv", test_yuv);
  return g_test_run ();
}
