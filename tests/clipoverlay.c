/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clipoverlay: what is drawn and what is left alone, in every format; when it is drawn again; who lays it over; bad input. */
#include "tests/labelled.h"
#include "tests/element-harness.h"

#include <gst/app/gstappsink.h>
#include <math.h>
#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#define WIDTH 320
#define HEIGHT 240
#define BESIDE "memory:SystemMemory,meta:GstVideoOverlayComposition"
#define CAPS "video/x-raw,format=I420,width=320,height=240,framerate=10/1"
#define LABELS "a red car .75,כלב .5,狗 .25"

static GstHarness *
harness_new (const char *caps, const char *properties)
{
  g_autofree char *description = g_strdup_printf ("clipoverlay %s", properties ? properties : "");
  GstHarness *harness = gst_harness_new_parse (description);
  gst_harness_set_src_caps_str (harness, caps);
  return harness;
}

static GstElement *
element_of (GstHarness *harness)
{
  return gst_harness_find_element (harness, "clipoverlay");
}

static guint64
renders (GstHarness *harness)
{
  g_autoptr (GstElement) element = element_of (harness);
  g_autoptr (GstStructure) stats = NULL;
  guint64 n;
  g_object_get (element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, "renders", &n));
  return n;
}

static GstBuffer *
process (GstHarness *harness, GstBuffer *frame)
{
  g_assert_cmpint (gst_harness_push (harness, frame), ==, GST_FLOW_OK);
  GstBuffer *out = gst_harness_pull (harness);
  g_assert_nonnull (out);
  return out;
}

/* The smallest rectangle outside of which both are the same to the bit, in units of the frame's width and height. */
typedef struct {
  double left, top, right, bottom;
  int bytes; /* that differ */
} Changed;

static Changed
compare (const char *caps_string, GstBuffer *a, GstBuffer *b)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (caps_string);
  GstVideoInfo info;
  GstVideoFrame x, y;
  Changed changed = { 1, 1, 0, 0, 0 };
  g_assert_true (gst_video_info_from_caps (&info, caps));
  g_assert_true (gst_video_frame_map (&x, &info, a, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&y, &info, b, GST_MAP_READ));
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES (&info); plane++) {
    int components[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component (info.finfo, plane, components);
    const int rows = GST_VIDEO_INFO_COMP_HEIGHT (&info, components[0]);
    const int bytes = GST_VIDEO_INFO_PLANE_STRIDE (&info, plane);
    for (int row = 0; row < rows; row++)
      for (int i = 0; i < bytes; i++) {
        const gsize at = (gsize) row * bytes + i;
        if (((guint8 *) x.data[plane])[at] == ((guint8 *) y.data[plane])[at])
          continue;
        changed.left = MIN (changed.left, (double) i / bytes);
        changed.right = MAX (changed.right, (double) (i + 1) / bytes);
        changed.top = MIN (changed.top, (double) row / rows);
        changed.bottom = MAX (changed.bottom, (double) (row + 1) / rows);
        changed.bytes++;
      }
  }
  gst_video_frame_unmap (&x);
  gst_video_frame_unmap (&y);
  return changed;
}

static void
expect_within (const char *name, Changed changed, double left, double top, double right,
               double bottom)
{
  const double some = 100;
  if (changed.bytes < some || changed.left < left || changed.top < top || changed.right > right ||
      changed.bottom > bottom)
    g_error ("%s: %d bytes changed in %.3f…%.3f × %.3f…%.3f, expected some in %.3f…%.3f × "
             "%.3f…%.3f",
             name, changed.bytes, changed.left, changed.right, changed.top, changed.bottom, left,
             right, top, bottom);
}

/* --------------------------------------------------------------------------------------------------------- what is drawn */

/* Noise, in bits that the format has: rows that are drawn upon are unpacked and packed, which clears the others. */
static GstBuffer *
noise (const char *caps, int n, guint8 even, guint8 odd)
{
  GstBuffer *frame = frame_new (caps, n, (guint32) n);
  GstMapInfo map;
  gst_buffer_map (frame, &map, GST_MAP_READWRITE);
  for (gsize i = 0; i < map.size; i++)
    map.data[i] &= i % 2 ? odd : even;
  gst_buffer_unmap (frame, &map);
  return frame;
}

static void
test_formats (void)
{
  static const struct {
    const char *name;
    guint8 even, odd; /* bits in use of these bytes */
  } formats[] = {
    { "I420", 255, 255 },      { "YV12", 255, 255 },      { "NV12", 255, 255 },
    { "NV21", 255, 255 },      { "Y42B", 255, 255 },      { "Y444", 255, 255 },
    { "YUY2", 255, 255 },      { "UYVY", 255, 255 },      { "AYUV", 255, 255 },
    { "RGB", 255, 255 },       { "BGR", 255, 255 },       { "RGBx", 255, 255 },
    { "BGRx", 255, 255 },      { "xRGB", 255, 255 },      { "RGBA", 255, 255 },
    { "ARGB", 255, 255 },      { "BGRA", 255, 255 },      { "GRAY8", 255, 255 },
    { "RGB16", 255, 255 },     { "v308", 255, 255 },      { "I420_10LE", 255, 3 },
    { "P010_10LE", 192, 255 }, { "GRAY16_LE", 255, 255 }, { "Y444_16LE", 255, 255 },
  };
  GstHarness *harness = gst_harness_new ("clipoverlay");
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_autofree char *caps = video_caps (formats[i].name, WIDTH, HEIGHT);
    gst_harness_set_src_caps_str (harness, caps);
    GstBuffer *frame = noise (caps, (int) i, formats[i].even, formats[i].odd);
    g_autoptr (GstBuffer) before = gst_buffer_copy_deep (frame);
    add_labels (frame, "first", 0, 0, LABELS);
    g_autoptr (GstBuffer) after = process (harness, frame);
    expect_within (formats[i].name, compare (caps, before, after), 0.01, 0.01, 0.6, 0.4);
  }
  gst_harness_teardown (harness);
}

static void
test_positions (void)
{
  static const struct {
    const char *properties;
    double left, top, right, bottom;
  } positions[] = {
    { "position=top-left", 0.01, 0.01, 0.6, 0.4 },
    { "position=top-right", 0.4, 0.01, 0.99, 0.4 },
    { "position=bottom-left", 0.01, 0.6, 0.6, 0.99 },
    { "position=bottom-right", 0.4, 0.6, 0.99, 0.99 },
    { "font=\"Sans 6\"", 0.01, 0.01, 0.4, 0.3 },
    { "max-labels=1", 0.01, 0.01, 0.6, 0.16 },
    { "bars=false", 0.01, 0.01, 0.6, 0.35 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (positions); i++) {
    GstHarness *harness = harness_new (CAPS, positions[i].properties);
    GstBuffer *frame = frame_new (CAPS, 0, 1);
    g_autoptr (GstBuffer) before = gst_buffer_copy_deep (frame);
    add_labels (frame, "first", 0, 0, LABELS);
    g_autoptr (GstBuffer) after = process (harness, frame);
    expect_within (positions[i].properties, compare (CAPS, before, after), positions[i].left,
                   positions[i].top, positions[i].right, positions[i].bottom);
    gst_harness_teardown (harness);
  }
}

/* What is drawn in grey stays grey: half transparent colours do not tint a picture in Y'CbCr. */
static void
test_grey (void)
{
  GstHarness *harness =
      harness_new ("video/x-raw,format=Y444,width=320,height=240,framerate=10/1",
                   "background-color=0x80000000 bar-color=0x80ffffff opacity=0.7");
  GstBuffer *frame = plain_frame (0, (gsize) 3 * WIDTH * HEIGHT, 128);
  add_labels (frame, "first", 0, 0, "a red car .75");
  g_autoptr (GstBuffer) out = process (harness, frame);
  GstMapInfo map;
  gst_buffer_map (out, &map, GST_MAP_READ);
  guint8 darkest = 255, least = 255, most = 0;
  for (gsize i = 0; i < map.size; i++) {
    if (i < (gsize) WIDTH * HEIGHT)
      darkest = MIN (darkest, map.data[i]);
    else {
      least = MIN (least, map.data[i]);
      most = MAX (most, map.data[i]);
    }
  }
  gst_buffer_unmap (out, &map);
  /* 0.5 · 0.7 of black (16) over 128 is 89; two roundings */
  g_assert_cmpuint (darkest, >=, 86);
  g_assert_cmpuint (darkest, <=, 92);
  g_assert_cmpuint (least, >=, 127);
  g_assert_cmpuint (most, <=, 129);
  gst_harness_teardown (harness);
}

/* Nothing to draw: the buffer itself goes on, and nothing is even mapped. */
static void
test_nothing (void)
{
  static const char *const nothing[] = { "-", "", "gap" };
  GstHarness *harness = harness_new (CAPS, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (nothing); i++) {
    GstBuffer *frame = labelled_frame ((int) i, nothing[i], WIDTH * HEIGHT * 3 / 2, 7);
    g_autoptr (GstBuffer) out = process (harness, frame);
    g_assert_true (out == frame);
  }
  gst_harness_teardown (harness);
}

/* A frame that another branch of a tee has, too, is not drawn upon there. */
static void
test_shared (void)
{
  GstHarness *harness = harness_new (CAPS, NULL);
  g_autoptr (GstBuffer) kept = frame_new (CAPS, 0, 1);
  g_autoptr (GstBuffer) before = gst_buffer_copy_deep (kept);
  GstBuffer *frame = gst_buffer_copy (kept); /* shares the memory */
  add_labels (frame, "first", 0, 0, LABELS);
  g_autoptr (GstBuffer) out = process (harness, frame);
  g_assert_cmpint (compare (CAPS, before, kept).bytes, ==, 0);
  g_assert_cmpint (compare (CAPS, before, out).bytes, >, 0);
  gst_harness_teardown (harness);
}

/* ---------------------------------------------------------------------------------------------------- when it is drawn */

/* A sink that lays over. */
static GstHarness *
composing_new (const char *properties)
{
  g_autofree char *description = g_strdup_printf ("clipoverlay %s", properties ? properties : "");
  GstHarness *harness = gst_harness_new_parse (description);
  gst_harness_set_sink_caps_str (harness, "video/x-raw;video/x-raw(" BESIDE ")");
  gst_harness_add_propose_allocation_meta (harness, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE,
                                           NULL);
  gst_harness_set_src_caps_str (harness, CAPS);
  return harness;
}

static GstVideoOverlayComposition *
composition_of (GstBuffer *buffer)
{
  GstVideoOverlayCompositionMeta *meta = gst_buffer_get_video_overlay_composition_meta (buffer);
  return meta ? meta->overlay : NULL;
}

/* Frames that look the same share one drawing; a change below a percent is none. */
static void
test_again (void)
{
  static const struct {
    const char *frame;
    gboolean again;
  } steps[] = {
    { "a .5,b .25", TRUE },       { "=0 a .5,b .25", FALSE }, { "a .5,b .25", FALSE },
    { "a .5004,b .2498", FALSE }, { "a .51,b .25", TRUE },    { "b .51,a .25", TRUE },
    { "=5 b .51,a .25", FALSE },  { "b .51", TRUE },          { "=7 b .51", FALSE },
    { "b .51|c .3", TRUE },       { "=9 b .51|c .3", FALSE },
  };
  GstHarness *harness = composing_new (NULL);
  g_autoptr (GstBuffer) last = NULL;
  guint64 expected = 0;
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++) {
    GstBuffer *frame = labelled_frame ((int) i, steps[i].frame, WIDTH * HEIGHT * 3 / 2, 7);
    g_autoptr (GstBuffer) before = gst_buffer_copy_deep (frame);
    g_autoptr (GstBuffer) out = process (harness, frame);
    g_assert_nonnull (composition_of (out));
    g_assert_cmpint (compare (CAPS, before, out).bytes, ==, 0);
    if (last)
      g_assert_cmpint (composition_of (out) == composition_of (last), ==, !steps[i].again);
    expected += steps[i].again;
    g_assert_cmpuint (renders (harness), ==, expected);
    gst_clear_buffer (&last);
    last = g_steal_pointer (&out);
  }
  gst_harness_teardown (harness);
}

static void
test_properties (void)
{
  static const char *const changes[][2] = {
    { "position", "bottom-left" }, { "font", "Serif Bold 12" }, { "text-color", "0xff00ff00" },
    { "opacity", "0.5" },          { "max-labels", "1" },       { "bars", "false" },
  };
  GstHarness *harness = composing_new (NULL);
  g_autoptr (GstElement) element = element_of (harness);
  for (guint i = 0; i <= G_N_ELEMENTS (changes); i++) {
    for (int n = 0; n < 2; n++) {
      g_autoptr (GstBuffer) out =
          process (harness, labelled_frame ((int) (2 * i + n), LABELS, WIDTH * HEIGHT * 3 / 2, 7));
      g_assert_nonnull (composition_of (out));
      g_assert_cmpuint (renders (harness), ==, i + 1);
    }
    if (i < G_N_ELEMENTS (changes))
      gst_util_set_object_arg (G_OBJECT (element), changes[i][0], changes[i][1]);
  }
  /* nobody's labels */
  g_object_set (element, "element", "another", NULL);
  g_autoptr (GstBuffer) out =
      process (harness, labelled_frame (99, LABELS, WIDTH * HEIGHT * 3 / 2, 7));
  g_assert_null (composition_of (out));
  gst_harness_teardown (harness);
}

/* --------------------------------------------------------------------------------------------------- who lays it over */

static char **
drawable_formats (void)
{
  g_autoptr (GstCaps) caps =
      gst_caps_from_string (GST_VIDEO_CAPS_MAKE (GST_VIDEO_OVERLAY_COMPOSITION_BLEND_FORMATS));
  const GValue *formats = gst_structure_get_value (gst_caps_get_structure (caps, 0), "format");
  GPtrArray *names = g_ptr_array_new ();
  for (guint i = 0; i < gst_value_list_get_size (formats); i++)
    g_ptr_array_add (names, g_value_dup_string (gst_value_list_get_value (formats, i)));
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

/* Clears the bits that the format does not use, by GStreamer's unpacking and packing: blends a picture without colour. */
static void
clear_unused_bits (const GstVideoInfo *info, GstBuffer *frame)
{
  const int width = info->width, height = info->height;
  GstBuffer *pixels = gst_buffer_new_allocate (NULL, (gsize) 4 * width * height, NULL);
  gst_buffer_memset (pixels, 0, 0, (gsize) 4 * width * height);
  gst_buffer_add_video_meta (pixels, GST_VIDEO_FRAME_FLAG_NONE,
                             GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, width, height);
  GstVideoOverlayRectangle *rectangle = gst_video_overlay_rectangle_new_raw (
      pixels, 0, 0, width, height, GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  GstVideoOverlayComposition *composition = gst_video_overlay_composition_new (rectangle);
  GstVideoFrame mapped;
  g_assert_true (gst_video_frame_map (&mapped, info, frame, GST_MAP_READWRITE));
  g_assert_true (gst_video_overlay_composition_blend (composition, &mapped));
  gst_video_frame_unmap (&mapped);
  gst_video_overlay_composition_unref (composition);
  gst_video_overlay_rectangle_unref (rectangle);
  gst_buffer_unref (pixels);
}

/* In each format there is, at odd places: the same as GStreamer's own blending of what a sink is given. (Of even width: at odd
 * ones, blending by whole rows swaps the last chroma of NV61.) */
static void
test_blending (void)
{
  g_auto (GStrv) formats = drawable_formats ();
  g_assert_cmpuint (g_strv_length (formats), >, 80);
  GstHarness *harnesses[2];
  for (int beside = 0; beside < 2; beside++) {
    GstHarness *harness = harnesses[beside] =
        gst_harness_new_parse ("clipoverlay font=\"Sans 7\" opacity=0.8");
    gst_harness_set_sink_caps_str (harness, beside ? "video/x-raw(" BESIDE ")" : "video/x-raw");
    gst_harness_add_propose_allocation_meta (harness, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE,
                                             NULL);
  }
  for (char **format = formats; *format; format++) {
    g_autofree char *caps = video_caps (*format, 174, 121);
    g_autoptr (GstCaps) parsed = gst_caps_from_string (caps);
    GstVideoInfo info;
    GstVideoFrame mapped;
    GstBuffer *outs[2];
    g_assert_true (gst_video_info_from_caps (&info, parsed));
    for (int beside = 0; beside < 2; beside++) {
      gst_harness_set_src_caps_str (harnesses[beside], caps);
      GstBuffer *frame = frame_new (caps, 0, 5);
      clear_unused_bits (&info, frame);
      add_labels (frame, "first", 0, 0, "a .5,b .25");
      gst_buffer_add_video_region_of_interest_meta (frame, "a dog", 101, 61, 13, 17);
      gst_buffer_add_video_region_of_interest_meta (frame, "a cat", 151, 99, 100, 100);
      outs[beside] = process (harnesses[beside], frame);
    }
    g_assert_true (gst_video_frame_map (&mapped, &info, outs[1], GST_MAP_READWRITE));
    g_assert_true (gst_video_overlay_composition_blend (composition_of (outs[1]), &mapped));
    gst_video_frame_unmap (&mapped);
    GstMapInfo map;
    gst_buffer_map (outs[1], &map, GST_MAP_READ);
    if (gst_buffer_memcmp (outs[0], 0, map.data, map.size) != 0)
      g_error ("%s: drawn in another way than GStreamer does", *format);
    gst_buffer_unmap (outs[1], &map);
    gst_buffer_unref (outs[0]);
    gst_buffer_unref (outs[1]);
  }
  for (int beside = 0; beside < 2; beside++)
    gst_harness_teardown (harnesses[beside]);
}

static void
test_negotiation (void)
{
  static const struct {
    const char *sink_caps;
    gboolean composes, feature, attached;
  } sinks[] = {
    { NULL, FALSE, FALSE, FALSE }, /* any caps: a file, a fakesink */
    { "video/x-raw", FALSE, FALSE, FALSE },
    { "video/x-raw", TRUE, FALSE, FALSE },
    { "video/x-raw;video/x-raw(ANY)", TRUE, FALSE, FALSE },
    { "video/x-raw;video/x-raw(" BESIDE ")", FALSE, TRUE, FALSE },
    { "video/x-raw;video/x-raw(" BESIDE ")", TRUE, TRUE, TRUE },
    { "video/x-raw(" BESIDE ");video/x-raw", TRUE, TRUE, TRUE },
    { "video/x-raw(" BESIDE ")", FALSE, TRUE, FALSE },
  };
  for (guint i = 0; i < G_N_ELEMENTS (sinks); i++) {
    GstHarness *harness = gst_harness_new ("clipoverlay");
    if (sinks[i].sink_caps)
      gst_harness_set_sink_caps_str (harness, sinks[i].sink_caps);
    if (sinks[i].composes)
      gst_harness_add_propose_allocation_meta (harness, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE,
                                               NULL);
    gst_harness_set_src_caps_str (harness, CAPS);
    GstBuffer *frame = labelled_frame (0, LABELS, WIDTH * HEIGHT * 3 / 2, 7);
    g_autoptr (GstBuffer) before = gst_buffer_copy_deep (frame);
    g_autoptr (GstBuffer) out = process (harness, frame);
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (harness->sinkpad);
    const gboolean feature = gst_caps_features_contains (
        gst_caps_get_features (caps, 0), GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION);
    const gboolean attached = composition_of (out) != NULL;
    const gboolean drawn = compare (CAPS, before, out).bytes > 0;
    if (attached != sinks[i].attached || feature != sinks[i].feature || drawn == attached)
      g_error ("sink %u (%s): feature %d, attached %d, drawn %d; expected %d, %d", i,
               sinks[i].sink_caps, feature, attached, drawn, sinks[i].feature, sinks[i].attached);
    gst_harness_teardown (harness);
  }
}

static void
add_composition (GstBuffer *buffer, int x, int y)
{
  GstBuffer *pixels = gst_buffer_new_allocate (NULL, 4 * 16 * 16, NULL);
  gst_buffer_memset (pixels, 0, 0xff, 4 * 16 * 16);
  gst_buffer_add_video_meta (pixels, GST_VIDEO_FRAME_FLAG_NONE,
                             GST_VIDEO_OVERLAY_COMPOSITION_FORMAT_RGB, 16, 16);
  GstVideoOverlayRectangle *rectangle = gst_video_overlay_rectangle_new_raw (
      pixels, x, y, 16, 16, GST_VIDEO_OVERLAY_FORMAT_FLAG_NONE);
  GstVideoOverlayComposition *composition = gst_video_overlay_composition_new (rectangle);
  gst_buffer_add_video_overlay_composition_meta (buffer, composition);
  gst_video_overlay_composition_unref (composition);
  gst_video_overlay_rectangle_unref (rectangle);
  gst_buffer_unref (pixels);
}

/* Pictures that another element lays over stay: for the sink, or drawn with ours. */
static void
test_others (void)
{
  for (int drawn = 0; drawn < 2; drawn++)
    for (int labels = 0; labels < 2; labels++) {
      GstHarness *harness = gst_harness_new ("clipoverlay");
      if (!drawn)
        gst_harness_add_propose_allocation_meta (harness,
                                                 GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
      gst_harness_set_sink_caps_str (harness, drawn ? "video/x-raw" : "video/x-raw(" BESIDE ")");
      gst_harness_set_src_caps_str (harness, "video/x-raw(" BESIDE
                                             "),format=I420,width=320,height=240,framerate=10/1");
      GstBuffer *frame = labelled_frame (0, labels ? LABELS : "-", WIDTH * HEIGHT * 3 / 2, 7);
      add_composition (frame, 300, 220);
      g_autoptr (GstBuffer) before = gst_buffer_copy_deep (frame);
      g_autoptr (GstBuffer) out = process (harness, frame);
      const Changed changed = compare (CAPS, before, out);
      GstVideoOverlayComposition *composition = composition_of (out);
      if (drawn) {
        g_assert_null (composition);
        expect_within ("theirs", changed, labels ? 0.01 : 300.0 / 320, labels ? 0.01 : 220.0 / 240,
                       316.0 / 320, 236.0 / 240);
        g_assert_cmpfloat (changed.bottom, >, 0.9);
      } else {
        g_assert_cmpint (changed.bytes, ==, 0);
        g_assert_cmpuint (gst_video_overlay_composition_n_rectangles (composition), ==, 1 + labels);
      }
      gst_harness_teardown (harness);
    }
}

/* --------------------------------------------------------------------------------------------------------------- boxes */

static void
test_boxes (void)
{
  static const struct {
    const char *name;
    guint x, y, width, height;
    int rectangles; /* four strips, and the name */
  } boxes[] = {
    { "inside", 100, 100, 50, 40, 5 },
    { "at the edge", 300, 220, 20, 20, 5 },
    { "larger", 0, 0, G_MAXUINT, G_MAXUINT, 5 },
    { "beyond", 310, 230, G_MAXUINT, G_MAXUINT, 5 },
    { "outside", 320, 0, 10, 10, 0 },
    { "far outside", G_MAXUINT, G_MAXUINT, G_MAXUINT, G_MAXUINT, 0 },
    { "no width", 10, 10, 0, 10, 0 },
    { "no height", 10, 10, 10, 0, 0 },
    { "", 10, 100, 1, 1, 1 },
    { "", 10, 100, 2, 2, 2 },
    { "", 10, 100, 100, 1, 1 },
    { "a dog/כלב/狗", 10, 100, 100, 100, 5 },
  };
  GstHarness *harness = composing_new (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (boxes); i++) {
    GstBuffer *frame = plain_frame ((int) i, WIDTH * HEIGHT * 3 / 2, 7);
    gst_buffer_add_video_region_of_interest_meta_id (frame, g_quark_from_string (boxes[i].name),
                                                     boxes[i].x, boxes[i].y, boxes[i].width,
                                                     boxes[i].height);
    g_autoptr (GstBuffer) out = process (harness, frame);
    GstVideoOverlayComposition *composition = composition_of (out);
    const int n = composition ? (int) gst_video_overlay_composition_n_rectangles (composition) : 0;
    if (n != boxes[i].rectangles)
      g_error ("box %u \"%s\": %d rectangles, expected %d", i, boxes[i].name, n,
               boxes[i].rectangles);
    for (int r = 0; r < n; r++) {
      int x, y;
      guint width, height;
      gst_video_overlay_rectangle_get_render_rectangle (
          gst_video_overlay_composition_get_rectangle (composition, (guint) r), &x, &y, &width,
          &height);
      if (x < 0 || y < 0 || x + (int) width > WIDTH || y + (int) height > HEIGHT)
        g_error ("box %u \"%s\": a rectangle at %d, %d of %u×%u", i, boxes[i].name, x, y, width,
                 height);
    }
  }
  gst_harness_teardown (harness);

  /* Only its lines are drawn: not what is in it. */
  harness = harness_new (CAPS, NULL);
  GstBuffer *frame = plain_frame (0, WIDTH * HEIGHT * 3 / 2, 7);
  g_autoptr (GstBuffer) before = gst_buffer_copy_deep (frame);
  gst_buffer_add_video_region_of_interest_meta (frame, "", 160, 120, 64, 48);
  g_autoptr (GstBuffer) out = process (harness, frame);
  expect_within ("box", compare (CAPS, before, out), 0.5, 0.5, 0.7, 0.7);
  GstMapInfo map;
  gst_buffer_map (out, &map, GST_MAP_READ);
  g_assert_cmpuint (map.data[120 * WIDTH + 160], !=, 7);
  g_assert_cmpuint (map.data[167 * WIDTH + 223], !=, 7);
  g_assert_cmpuint (map.data[140 * WIDTH + 190], ==, 7);
  gst_buffer_unmap (out, &map);
  gst_harness_teardown (harness);
}

/* A box without a type has a fifth rectangle, its text, where clipclassify found a label for it. */
static void
test_classified_boxes (void)
{
  static const struct {
    const char *properties, *param, *element;
    double confidence;
    int rectangles;
  } cases[] = {
    { NULL, "classification", "first", 0.5, 5 },
    { "element=first", "classification", "first", 0.5, 5 },
    { "element=second", "classification", "first", 0.5, 4 },
    { NULL, "detection", "first", 0.5, 4 },
    { NULL, "classification", "first", NAN, 4 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *harness = composing_new (cases[i].properties);
    GstBuffer *frame = plain_frame (0, WIDTH * HEIGHT * 3 / 2, 7);
    gst_video_region_of_interest_meta_add_param (
        gst_buffer_add_video_region_of_interest_meta (frame, "", 10, 100, 100, 100),
        gst_structure_new (cases[i].param, "label", G_TYPE_STRING, "a dog/כלב/狗", "confidence",
                           G_TYPE_DOUBLE, cases[i].confidence, "element", G_TYPE_STRING,
                           cases[i].element, NULL));
    g_autoptr (GstBuffer) out = process (harness, frame);
    const int n = (int) gst_video_overlay_composition_n_rectangles (composition_of (out));
    if (n != cases[i].rectangles)
      g_error ("case %u: %d rectangles, expected %d", i, n, cases[i].rectangles);
    gst_harness_teardown (harness);
  }
}

#ifdef HAVE_ANALYTICS
/* The same, of GstAnalyticsODMtd: the first related class is shown. Where a ROI meta has its rectangle, they are one. */
static void
test_objects (void)
{
  static const struct {
    const char *name, *properties, *type;
    int x, width;
    float score;        /* 0: no class; a class of an unrelated object is always there */
    gboolean roi, same; /* a ROI meta, too, in the same place */
    int rectangles;
  } cases[] = {
    { "without a name", NULL, "", 10, 100, 0, FALSE, FALSE, 4 },
    { "type", NULL, "dog", 10, 100, 0, FALSE, FALSE, 5 },
    { "class", NULL, "", 10, 100, 0.5f, FALSE, FALSE, 5 },
    { "class, by anyone", "element=first", "", 10, 100, 0.5f, FALSE, FALSE, 5 },
    { "no score", NULL, "", 10, 100, NAN, FALSE, FALSE, 4 },
    { "no boxes", "boxes=false", "dog", 10, 100, 0.5f, FALSE, FALSE, 0 },
    { "beyond the left", NULL, "", -50, 100, 0.5f, FALSE, FALSE, 5 },
    { "outside", NULL, "", -50, 50, 0.5f, FALSE, FALSE, 0 },
    { "empty", NULL, "", 10, 0, 0.5f, FALSE, FALSE, 0 },
    { "two places", NULL, "", 10, 100, 0.5f, TRUE, FALSE, 9 },
    { "one place", NULL, "", 10, 100, 0.5f, TRUE, TRUE, 5 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *harness = composing_new (cases[i].properties);
    GstBuffer *frame = plain_frame (0, WIDTH * HEIGHT * 3 / 2, 7);
    GstAnalyticsRelationMeta *relations = gst_buffer_add_analytics_relation_meta (frame);
    GstAnalyticsClsMtd alone, cls;
    GstAnalyticsODMtd object;
    gst_analytics_relation_meta_add_one_cls_mtd (relations, 0.9f, g_quark_from_string ("a cat"),
                                                 &alone);
    gst_analytics_relation_meta_add_od_mtd (relations, g_quark_from_string (cases[i].type),
                                            cases[i].x, 100, cases[i].width, 100, 0.5f, &object);
    if (cases[i].score != 0) {
      gst_analytics_relation_meta_add_one_cls_mtd (relations, cases[i].score,
                                                   g_quark_from_string ("a dog"), &cls);
      gst_analytics_relation_meta_set_relation (relations, GST_ANALYTICS_REL_TYPE_RELATE_TO,
                                                object.id, cls.id);
    }
    if (cases[i].roi)
      gst_buffer_add_video_region_of_interest_meta (
          frame, "", cases[i].same ? (guint) cases[i].x : 150, 100, (guint) cases[i].width, 100);
    g_autoptr (GstBuffer) out = process (harness, frame);
    GstVideoOverlayComposition *composition = composition_of (out);
    const int n = composition ? (int) gst_video_overlay_composition_n_rectangles (composition) : 0;
    if (n != cases[i].rectangles)
      g_error ("%s: %d rectangles, expected %d", cases[i].name, n, cases[i].rectangles);
    gst_harness_teardown (harness);
  }
}
#endif

static void
test_thousands (void)
{
  GstHarness *harness = harness_new (CAPS, "max-labels=1000");
  for (int n = 0; n < 3; n++) {
    GstBuffer *frame = plain_frame (n, WIDTH * HEIGHT * 3 / 2, 7);
    for (guint i = 0; i < 3000; i++)
      gst_buffer_add_video_region_of_interest_meta (frame, "dog", i % 400, i / 10, i % 50, 20 + n);
    ClipMetaLabel labels[1000];
    for (guint i = 0; i < G_N_ELEMENTS (labels); i++)
      labels[i] = (ClipMetaLabel){ i % 2 ? "a" : "a label \xff\n of bad text", i / 1000.0f };
    const ClipMeta meta = { .labels = labels, .n_labels = G_N_ELEMENTS (labels) };
    clip_meta_add (frame, &meta);
    g_autoptr (GstBuffer) out = process (harness, frame);
    g_assert_cmpuint (renders (harness), ==, n + 1);
  }
  gst_harness_teardown (harness);
}

/* Frames in which nothing fits, and others, one after the other. */
static void
test_sizes (void)
{
  static const struct {
    int width, height;
    const char *more;
    gboolean drawn;
  } sizes[] = {
    { 1, 1, "", FALSE },
    { 320, 240, "", TRUE },
    { 16, 16, "", FALSE },
    { 1, 4000, "", FALSE },
    { 4000, 1, "", FALSE },
    { 1920, 1080, "", TRUE },
    { 160, 120, "", TRUE },
    { 320, 240, ",pixel-aspect-ratio=(fraction)16/11", TRUE },
    { 320, 240, ",pixel-aspect-ratio=(fraction)1/2147483647", FALSE },
    { 320, 240, ",pixel-aspect-ratio=(fraction)2147483647/1", FALSE },
    { 321, 241, ",interlace-mode=interleaved", TRUE },
  };
  GstHarness *harness = gst_harness_new ("clipoverlay");
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *plain = video_caps ("I420", sizes[i].width, sizes[i].height);
    g_autofree char *caps = g_strconcat (plain, sizes[i].more, NULL);
    gst_harness_set_src_caps_str (harness, caps);
    GstBuffer *frame = frame_new (caps, (int) i, i);
    g_autoptr (GstBuffer) before = gst_buffer_copy_deep (frame);
    add_labels (frame, "first", 0, 0, LABELS);
    g_autoptr (GstBuffer) out = process (harness, frame);
    const int bytes = compare (caps, before, out).bytes;
    if ((bytes > 0) != sizes[i].drawn)
      g_error ("%s: %d bytes are drawn, expected %s", caps, bytes,
               sizes[i].drawn ? "some" : "none");
  }
  gst_harness_teardown (harness);
}

static void
test_unusable_frame (void)
{
  GstHarness *harness = harness_new (CAPS, NULL);
  g_autoptr (GstElement) element = element_of (harness);
  g_autoptr (GstBus) bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  g_assert_cmpint (gst_harness_push (harness, labelled_frame (0, LABELS, 100, 0)), ==,
                   GST_FLOW_ERROR);
  g_autoptr (GstMessage) message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (harness);
}

/* Behind clipclassify, with elements between that make new frames. */
static void
test_clipclassify (void)
{
  g_autofree char *description = g_strdup_printf (
      "videotestsrc num-buffers=30 ! video/x-raw,format=NV12,width=320,height=240,framerate=25/1 ! "
      "clipclassify model=\"%s\" labels=\"a;b;c\" threshold=0 interval=10 ! videoconvert ! "
      "video/x-raw,format=RGBx ! clipoverlay name=overlay ! videoconvert ! video/x-raw,format=I420 "
      "! "
      "appsink name=sink sync=false",
      tiny_model ());
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (description, &error);
  g_assert_no_error (error);
  g_autoptr (GstElement) overlay = gst_bin_get_by_name (GST_BIN (pipeline), "overlay");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstSample *sample;
  guint64 n = 0, frames, drawn;
  while ((sample = gst_app_sink_pull_sample (GST_APP_SINK (sink)))) {
    gst_sample_unref (sample);
    n++;
  }
  g_autoptr (GstStructure) stats = NULL;
  g_object_get (overlay, "stats", &stats, NULL);
  gst_structure_get (stats, "frames", G_TYPE_UINT64, &frames, "renders", G_TYPE_UINT64, &drawn,
                     NULL);
  g_assert_cmpuint (n, ==, 30);
  g_assert_cmpuint (frames, ==, 30);
  g_assert_cmpuint (drawn, >=, 1);
  g_assert_cmpuint (drawn, <=, 3); /* one for each classified frame, at most */
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
add_tests (void)
{
  g_test_add_func ("/clipoverlay/formats", test_formats);
  g_test_add_func ("/clipoverlay/positions", test_positions);
  g_test_add_func ("/clipoverlay/grey", test_grey);
  g_test_add_func ("/clipoverlay/nothing", test_nothing);
  g_test_add_func ("/clipoverlay/shared", test_shared);
  g_test_add_func ("/clipoverlay/again", test_again);
  g_test_add_func ("/clipoverlay/properties", test_properties);
  g_test_add_func ("/clipoverlay/blending", test_blending);
  g_test_add_func ("/clipoverlay/negotiation", test_negotiation);
  g_test_add_func ("/clipoverlay/others", test_others);
  g_test_add_func ("/clipoverlay/boxes", test_boxes);
  g_test_add_func ("/clipoverlay/classified-boxes", test_classified_boxes);
#ifdef HAVE_ANALYTICS
  g_test_add_func ("/clipoverlay/objects", test_objects);
#endif
  g_test_add_func ("/clipoverlay/thousands", test_thousands);
  g_test_add_func ("/clipoverlay/sizes", test_sizes);
  g_test_add_func ("/clipoverlay/unusable-frame", test_unusable_frame);
  g_test_add_func ("/clipoverlay/clipclassify", test_clipclassify);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
