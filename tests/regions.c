/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Detections as crops: which are found, that a crop is what a frame of these pixels alone would be, what is attached. */
#include "tests/element-harness.h"
#include "gst/frame.h"
#include "gst/regions.h"

#include <string.h>

static GstVideoInfo
info_of (const char *caps_string)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (caps_string);
  GstVideoInfo info;
  g_assert_true (gst_video_info_from_caps (&info, caps));
  return info;
}

static void
add (GstBuffer *buffer, guint x, guint y, guint width, guint height)
{
  gst_buffer_add_video_region_of_interest_meta (buffer, "thing", x, y, width, height);
}

static void
test_find (void)
{
  static const struct {
    const char *name, *format;
    guint in[4];
    int out[4]; /* no width: skipped */
  } cases[] = {
    { "inside", "RGB", { 5, 7, 11, 13 }, { 5, 7, 11, 13 } },
    { "one pixel", "RGB", { 39, 29, 1, 1 }, { 39, 29, 1, 1 } },
    { "one pixel, odd", "I420", { 39, 29, 1, 1 }, { 38, 28, 2, 2 } },
    { "chroma across only", "YUY2", { 5, 7, 11, 13 }, { 4, 7, 12, 13 } },
    { "whole chroma", "Y444", { 5, 7, 11, 13 }, { 5, 7, 11, 13 } },
    { "beyond right and bottom", "RGB", { 30, 20, 100, 100 }, { 30, 20, 10, 10 } },
    { "as large as can be", "RGB", { 0, 0, G_MAXUINT, G_MAXUINT }, { 0, 0, 40, 30 } },
    { "right of the frame", "RGB", { 40, 0, 5, 5 }, { 0 } },
    { "below the frame", "RGB", { 0, 30, 5, 5 }, { 0 } },
    { "left of the frame", "RGB", { (guint) -3, 0, 5, 5 }, { 0 } },
    { "far outside", "RGB", { G_MAXUINT, G_MAXUINT, G_MAXUINT, G_MAXUINT }, { 0 } },
    { "no width", "RGB", { 5, 5, 0, 5 }, { 0 } },
    { "no height", "RGB", { 5, 5, 5, 0 }, { 0 } },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *caps = video_caps (cases[i].format, 40, 30);
    const GstVideoInfo info = info_of (caps);
    g_autoptr (GstBuffer) buffer = gst_buffer_new ();
    const guint *in = cases[i].in;
    const int *out = cases[i].out;
    ClipRegions regions = { 0 };
    add (buffer, in[0], in[1], in[2], in[3]);
    clip_regions_find (&regions, buffer, &info);
    g_assert_cmpuint (regions.n + regions.n_skipped, ==, 1);
    const ClipRegion none = { 0 }, *found = regions.n ? &regions.found[0] : &none;
    if (found->x != out[0] || found->y != out[1] || found->width != out[2] ||
        found->height != out[3])
      g_error ("%s: found %d×%d at %d, %d, expected %d×%d at %d, %d", cases[i].name, found->width,
               found->height, found->x, found->y, out[2], out[3], out[0], out[1]);
  }
}

static void
test_too_many (void)
{
  const GstVideoInfo info = info_of ("video/x-raw,format=RGB,width=400,height=300,framerate=25/1");
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  ClipRegions regions = { 0 };
  for (guint i = 0; i < 5000; i++)
    add (buffer, i % 100, 0, 1 + i * 37 % 200, 1);
  clip_regions_find (&regions, buffer, &info);
  g_assert_cmpuint (regions.n, ==, CLIP_REGIONS_MAX);
  g_assert_cmpuint (regions.n_skipped, ==, 5000 - CLIP_REGIONS_MAX);
  /* Each of 200 widths is there 25 times: 25 of 200, then those of 199. */
  for (guint i = 0; i < regions.n; i++)
    g_assert_cmpint (regions.found[i].width, ==, i < 25 ? 200 : 199);
}

/* ----------------------------------------------------------------------------------------------------------- crops */

/* A frame of a region's pixels alone. */
static GstBuffer *
copy_crop (GstBuffer *buffer, const GstVideoInfo *info, const char *caps, const ClipRegion *region)
{
  GstBuffer *crop = frame_new (caps, 0, 77);
  GstVideoInfo crop_info = info_of (caps), frame_info = *info;
  GstVideoFrame from, to;
  g_assert_true (gst_video_frame_map (&from, &frame_info, buffer, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&to, &crop_info, crop, GST_MAP_WRITE));
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (&to); c++) {
    const int step = GST_VIDEO_FRAME_COMP_PSTRIDE (&to, c);
    const int plane = GST_VIDEO_FRAME_COMP_PLANE (&to, c);
    const int left = region->x >> info->finfo->w_sub[c], top = region->y >> info->finfo->h_sub[c];
    /* with the components beside it */
    for (int y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (&to, c); y++)
      memcpy ((guint8 *) to.data[plane] + y * to.info.stride[plane],
              (guint8 *) from.data[plane] + (top + y) * from.info.stride[plane] + left * step,
              GST_VIDEO_FRAME_COMP_WIDTH (&to, c) * step);
  }
  gst_video_frame_unmap (&from);
  gst_video_frame_unmap (&to);
  return crop;
}

static void
expect_crops (ClipModel *model, const char *format, ClipYuvOrder order, gboolean padded)
{
  g_autofree char *caps = video_caps (format, 67, 45);
  const GstVideoInfo info = info_of (caps);
  const ClipModelInfo *model_info = clip_model_get_info (model);
  const gsize n_pixels = 3 * (gsize) model_info->image_width * model_info->image_height;
  g_autoptr (GstBuffer) tight = frame_new (caps, 0, 3);
  g_autoptr (GstBuffer) buffer =
      padded ? frame_pad (caps, tight, 22) : gst_buffer_copy_deep (tight);
  ClipInference whole, alone;
  ClipRegions regions = { 0 };
  GstClockTime cost;
  clip_inference_init (&whole, model, 1);
  clip_inference_init (&alone, model, 1);
  g_assert_true (clip_inference_set_format (&whole, &info, order, NULL));
  add (buffer, 0, 0, 67, 45);
  add (buffer, 13, 9, 31, 22);
  add (buffer, 40, 11, 27, 34); /* to the frame's last pixel */
  add (buffer, 66, 44, 1, 1);
  add (buffer, 7, 0, 1, 45);
  clip_regions_find (&regions, buffer, &info);
  g_assert_cmpuint (regions.n, ==, 5);
  g_assert_true (clip_regions_classify (&regions, &whole, &cost, buffer));
  for (guint i = 0; i < regions.n; i++) {
    const ClipRegion *region = &regions.found[i];
    g_autofree char *crop_size = video_caps (format, region->width, region->height);
    /* Colours that caps do not name follow from the size. */
    g_autofree char *colorimetry = gst_video_colorimetry_to_string (&info.colorimetry);
    g_autofree char *crop_caps = colorimetry
                                     ? g_strdup_printf ("%s,colorimetry=%s", crop_size, colorimetry)
                                     : g_strdup (crop_size);
    const GstVideoInfo crop_info = info_of (crop_caps);
    g_autofree float *feature = g_new (float, model_info->embed_dim);
    g_autoptr (GstBuffer) crop = copy_crop (buffer, &info, crop_caps, region);
    g_assert_true (clip_inference_set_format (&alone, &crop_info, order, NULL));
    g_assert_true (clip_inference_run (&alone, feature, &cost, crop));
    if (memcmp (regions.pixels + i * n_pixels, alone.pixels, n_pixels * sizeof (float)) != 0)
      g_error ("%s, order %d, %d×%d at %d, %d: other pixels than those of a frame of its own",
               format, order, region->width, region->height, region->x, region->y);
    for (int e = 0; e < model_info->embed_dim; e++)
      g_assert_cmpfloat (regions.features[i * model_info->embed_dim + e], ==, feature[e]);
  }
  clip_regions_clear (&regions);
  clip_inference_clear (&whole);
  clip_inference_clear (&alone);
}

static void
test_crops (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (tiny_model (), NULL, &error);
  g_assert_no_error (error);
  for (const char *const *format = clip_preprocess_formats (); *format; format++)
    for (int padded = 0; padded < 2; padded++) {
      expect_crops (model, *format, CLIP_YUV_RESIZE_FIRST, padded);
      expect_crops (model, *format, CLIP_YUV_CONVERT_FIRST, padded);
    }
}

static void
test_unusable_frame (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (tiny_model (), NULL, &error);
  g_assert_no_error (error);
  const GstVideoInfo info = info_of ("video/x-raw,format=RGB,width=40,height=30,framerate=25/1");
  g_autoptr (GstBuffer) small = gst_buffer_new_allocate (NULL, 100, NULL);
  ClipInference inference;
  ClipRegions regions = { 0 };
  GstClockTime cost;
  clip_inference_init (&inference, model, 1);
  g_assert_true (clip_inference_set_format (&inference, &info, CLIP_YUV_RESIZE_FIRST, NULL));
  add (small, 0, 0, 40, 30);
  clip_regions_find (&regions, small, &info);
  g_assert_cmpuint (regions.n, ==, 1);
  g_assert_false (clip_regions_classify (&regions, &inference, &cost, small));
  clip_regions_clear (&regions);
  clip_inference_clear (&inference);
}

static void
add_tests (void)
{
  g_test_add_func ("/regions/find", test_find);
  g_test_add_func ("/regions/too-many", test_too_many);
  g_test_add_func ("/regions/crops", test_crops);
  g_test_add_func ("/regions/unusable-frame", test_unusable_frame);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
