/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Detections as crops: which are found, that a crop is what a frame of these pixels alone would be, what is attached. */
#include "tests/element-harness.h"
#include "gst/frame.h"
#include "gst/shot.h"

#include <string.h>
#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

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

#ifdef HAVE_ANALYTICS
static void
add_object (GstBuffer *buffer, guint x, guint y, guint width, guint height)
{
  GstAnalyticsRelationMetaInitParams room = { 6000, 1 << 20 }; /* it grows slowly */
  GstAnalyticsODMtd object;
  g_assert_true (gst_analytics_relation_meta_add_od_mtd (
      gst_buffer_add_analytics_relation_meta_full (buffer, &room), g_quark_from_string ("thing"),
      (int) x, (int) y, (int) width, (int) height, 0.5f, &object));
}
#endif

/* How a detection can be attached. */
static void (*const kinds[]) (GstBuffer *, guint, guint, guint, guint) = {
  add,
#ifdef HAVE_ANALYTICS
  add_object,
#endif
};

typedef struct {
  const char *name, *format;
  guint in[4];
  int out[4]; /* no width: skipped */
} FindCase;

static void
expect_found (const FindCase *cases, guint n,
              void (*attach) (GstBuffer *, guint, guint, guint, guint))
{
  for (guint i = 0; i < n; i++) {
    g_autofree char *caps = video_caps (cases[i].format, 40, 30);
    const GstVideoInfo info = info_of (caps);
    g_autoptr (GstBuffer) buffer = gst_buffer_new ();
    const guint *in = cases[i].in;
    const int *out = cases[i].out;
    ClipRegions regions;
    attach (buffer, in[0], in[1], in[2], in[3]);
    clip_regions_find (&regions, buffer, &info);
    g_assert_cmpuint (regions.n + regions.n_skipped, ==, 1);
    const ClipDetection none = { 0 }, *found = regions.n ? &regions.found[0] : &none;
    if (found->x != out[0] || found->y != out[1] || found->width != out[2] ||
        found->height != out[3])
      g_error ("%s: found %d×%d at %d, %d, expected %d×%d at %d, %d", cases[i].name, found->width,
               found->height, found->x, found->y, out[2], out[3], out[0], out[1]);
  }
}

static void
test_find (void)
{
  static const FindCase cases[] = {
    { "inside", "RGB", { 5, 7, 11, 13 }, { 5, 7, 11, 13 } },
    { "one pixel", "RGB", { 39, 29, 1, 1 }, { 39, 29, 1, 1 } },
    { "one pixel, odd", "I420", { 39, 29, 1, 1 }, { 38, 28, 2, 2 } },
    { "chroma across only", "YUY2", { 5, 7, 11, 13 }, { 4, 7, 12, 13 } },
    { "whole chroma", "Y444", { 5, 7, 11, 13 }, { 5, 7, 11, 13 } },
    { "beyond right and bottom", "RGB", { 30, 20, 100, 100 }, { 30, 20, 10, 10 } },
    { "larger than the frame", "RGB", { 0, 0, G_MAXINT, G_MAXINT }, { 0, 0, 40, 30 } },
    { "its end is no int", "RGB", { 39, 1, G_MAXINT, 1 }, { 39, 1, 1, 1 } },
    { "right of the frame", "RGB", { 40, 0, 5, 5 }, { 0 } },
    { "below the frame", "RGB", { 0, 30, 5, 5 }, { 0 } },
    { "far outside", "RGB", { G_MAXINT, G_MAXINT, G_MAXINT, G_MAXINT }, { 0 } },
    { "no width", "RGB", { 5, 5, 0, 5 }, { 0 } },
    { "no height", "RGB", { 5, 5, 5, 0 }, { 0 } },
  };
  static const FindCase unsigned_cases[] = {
    { "as large as can be", "RGB", { 0, 0, G_MAXUINT, G_MAXUINT }, { 0, 0, 40, 30 } },
    { "left of the frame", "RGB", { (guint) -3, 0, 5, 5 }, { 0 } },
    { "as far outside as can be", "RGB", { G_MAXUINT, G_MAXUINT, G_MAXUINT, G_MAXUINT }, { 0 } },
  };
  for (guint kind = 0; kind < G_N_ELEMENTS (kinds); kind++)
    expect_found (cases, G_N_ELEMENTS (cases), kinds[kind]);
  expect_found (unsigned_cases, G_N_ELEMENTS (unsigned_cases), add);
#ifdef HAVE_ANALYTICS
  static const FindCase signed_cases[] = {
    { "beyond left", "RGB", { (guint) -3, 4, 5, 5 }, { 0, 4, 2, 5 } },
    { "beyond top", "RGB", { 4, (guint) -3, 5, 5 }, { 4, 0, 5, 2 } },
    { "beyond all", "I420", { (guint) -3, (guint) -3, 100, 100 }, { 0, 0, 40, 30 } },
    { "left of the frame", "RGB", { (guint) -5, 4, 5, 5 }, { 0 } },
    { "as far left as can be", "RGB", { (guint) G_MININT, (guint) G_MININT, 5, 5 }, { 0 } },
    { "of negative size", "RGB", { 20, 20, (guint) -5, (guint) -5 }, { 0 } },
    { "of the most negative size", "RGB", { 20, 20, (guint) G_MININT, 5 }, { 0 } },
  };
  expect_found (signed_cases, G_N_ELEMENTS (signed_cases), add_object);
#endif
}

#if defined HAVE_ANALYTICS && GST_CHECK_VERSION(1, 26, 0)
/* The upright rectangle around it. */
static void
test_rotated (void)
{
  const GstVideoInfo info = info_of ("video/x-raw,format=RGB,width=40,height=30,framerate=25/1");
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  GstAnalyticsODMtd object;
  ClipRegions regions;
  g_assert_true (gst_analytics_relation_meta_add_oriented_od_mtd (
      gst_buffer_add_analytics_relation_meta (buffer), g_quark_from_string ("thing"), 10, 10, 20,
      10, (float) G_PI_2, 0.5f, &object));
  clip_regions_find (&regions, buffer, &info);
  g_assert_cmpuint (regions.n, ==, 1);
  g_assert_cmpint (regions.found[0].x, ==, 15);
  g_assert_cmpint (regions.found[0].y, ==, 5);
  g_assert_cmpint (regions.found[0].width, ==, 10);
  g_assert_cmpint (regions.found[0].height, ==, 20);
}
#endif

static void
test_too_many (void)
{
  const GstVideoInfo info = info_of ("video/x-raw,format=RGB,width=400,height=300,framerate=25/1");
  for (guint kind = 0; kind < G_N_ELEMENTS (kinds); kind++) {
    g_autoptr (GstBuffer) buffer = gst_buffer_new ();
    ClipRegions regions;
    for (guint i = 0; i < 5000; i++)
      kinds[kind](buffer, i % 100, 0, 1 + i * 37 % 200, 1);
    clip_regions_find (&regions, buffer, &info);
    g_assert_cmpuint (regions.n, ==, CLIP_REGIONS_MAX);
    g_assert_cmpuint (regions.n_skipped, ==, 5000 - CLIP_REGIONS_MAX);
    /* Each of 200 widths is there 25 times: 25 of 200, then those of 199. */
    for (guint i = 0; i < regions.n; i++)
      g_assert_cmpint (regions.found[i].width, ==, i < 25 ? 200 : 199);
  }
}

#ifdef HAVE_ANALYTICS
/* One of each kind with the same rectangle are one; others are not. */
static void
test_both_kinds (void)
{
  static const struct {
    int width, roi, mtd;
  } expected[] = { { 9, 2, -1 }, { 8, 1, 0 }, { 8, -1, 1 }, { 7, 0, -1 }, { 6, -1, 2 } };
  const GstVideoInfo info = info_of ("video/x-raw,format=RGB,width=40,height=30,framerate=25/1");
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  ClipRegions regions;
  for (guint i = 0; i < 3; i++)
    gst_buffer_add_video_region_of_interest_meta (buffer, "thing", 1, 1, 7 + i, 5)->id = (int) i;
  add_object (buffer, 1, 1, 8, 5);
  add_object (buffer, 1, 1, 8, 5);
  add_object (buffer, 1, 1, 6, 5);
  clip_regions_find (&regions, buffer, &info);
  g_assert_cmpuint (regions.n, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < regions.n; i++) {
    const ClipDetection *found = &regions.found[i];
    g_assert_cmpint (found->width, ==, expected[i].width);
    g_assert_cmpint (found->roi_id, ==, expected[i].roi);
    g_assert_cmpint (found->mtd_id, ==, expected[i].mtd);
    g_assert_cmpint (found->roi != NULL, ==, expected[i].roi >= 0);
    g_assert_cmpint (found->relations != NULL, ==, expected[i].mtd >= 0);
  }
}
#endif

/* ----------------------------------------------------------------------------------------------------------- crops */

/* A frame of a region's pixels alone. */
static GstBuffer *
copy_crop (GstBuffer *buffer, const GstVideoInfo *info, const char *caps,
           const ClipDetection *region)
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
  g_autoptr (GstBuffer) tight = frame_new (caps, 0, 3);
  g_autoptr (GstBuffer) buffer =
      padded ? frame_pad (caps, tight, 22) : gst_buffer_copy_deep (tight);
  const ClipTimes times = { 0 };
  ClipInference whole, alone;
  ClipShot all, one;
  clip_inference_init (&whole, model, 1);
  clip_inference_init (&alone, model, 1);
  clip_shot_init (&all, model);
  clip_shot_init (&one, model);
  g_assert_true (clip_inference_set_format (&whole, &info, order, NULL));
  add (buffer, 0, 0, 67, 45);
  add (buffer, 13, 9, 31, 22);
  add (buffer, 40, 11, 27, 34); /* to the frame's last pixel */
  add (buffer, 66, 44, 1, 1);
  add (buffer, 7, 0, 1, 45);
  g_assert_true (clip_shot_read (&all, &whole, CLIP_SUBJECT_BOTH, buffer, &times));
  g_assert_cmpuint (all.regions.n, ==, 5);
  g_assert_cmpuint (clip_shot_n (&all), ==, 6);
  clip_shot_encode (&all, whole.session);
  for (guint i = 0; i < all.regions.n; i++) {
    const ClipDetection *region = &all.regions.found[i];
    g_autofree char *crop_size = video_caps (format, region->width, region->height);
    /* Colours that caps do not name follow from the size. */
    g_autofree char *colorimetry = gst_video_colorimetry_to_string (&info.colorimetry);
    g_autofree char *crop_caps = colorimetry
                                     ? g_strdup_printf ("%s,colorimetry=%s", crop_size, colorimetry)
                                     : g_strdup (crop_size);
    const GstVideoInfo crop_info = info_of (crop_caps);
    g_autoptr (GstBuffer) crop = copy_crop (buffer, &info, crop_caps, region);
    g_assert_true (clip_inference_set_format (&alone, &crop_info, order, NULL));
    g_assert_true (clip_shot_read (&one, &alone, CLIP_SUBJECT_FRAME, crop, &times));
    clip_shot_encode (&one, alone.session);
    const guint n_bytes = g_array_get_element_size (one.pixels);
    if (memcmp (all.pixels->data + (1 + i) * (gsize) n_bytes, one.pixels->data, n_bytes) != 0)
      g_error ("%s, order %d, %d×%d at %d, %d: other pixels than those of a frame of its own",
               format, order, region->width, region->height, region->x, region->y);
    const float *feature = clip_shot_get_feature (&one);
    const float *of_region =
        clip_shot_get_region_features (&all) + (gsize) i * (gsize) model_info->embed_dim;
    for (int e = 0; e < model_info->embed_dim; e++)
      g_assert_cmpfloat (of_region[e], ==, feature[e]);
  }
  clip_shot_clear (&all);
  clip_shot_clear (&one);
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
  const ClipTimes times = { 0 };
  ClipInference inference;
  ClipShot shot;
  clip_inference_init (&inference, model, 1);
  clip_shot_init (&shot, model);
  g_assert_true (clip_inference_set_format (&inference, &info, CLIP_YUV_RESIZE_FIRST, NULL));
  g_assert_true (clip_shot_read (&shot, &inference, CLIP_SUBJECT_DETECTIONS, small, &times));
  g_assert_cmpuint (clip_shot_n (&shot), ==, 0);
  add (small, 0, 0, 40, 30);
  for (ClipSubject subject = CLIP_SUBJECT_FRAME; subject <= CLIP_SUBJECT_BOTH; subject++)
    g_assert_false (clip_shot_read (&shot, &inference, subject, small, &times));
  clip_shot_clear (&shot);
  clip_inference_clear (&inference);
}

static void
add_tests (void)
{
  g_test_add_func ("/regions/find", test_find);
#if defined HAVE_ANALYTICS && GST_CHECK_VERSION(1, 26, 0)
  g_test_add_func ("/regions/rotated", test_rotated);
#endif
  g_test_add_func ("/regions/too-many", test_too_many);
#ifdef HAVE_ANALYTICS
  g_test_add_func ("/regions/both-kinds", test_both_kinds);
#endif
  g_test_add_func ("/regions/crops", test_crops);
  g_test_add_func ("/regions/unusable-frame", test_unusable_frame);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
