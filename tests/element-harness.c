/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/element-harness.h"
#include "tests/tiny-model.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static char *model = NULL;
static int n_leaks = 0;

const char *
tiny_model (void)
{
  if (!model)
    model = tiny_model_new (1);
  return model;
}

GstElement *
classifier_new (const char *const *properties)
{
  GstElement *element = gst_element_factory_make ("clipclassify", NULL);
  g_assert_nonnull (element);
  g_object_set (element, "model", tiny_model (), NULL);
  gst_util_set_object_arg (G_OBJECT (element), "mode", "inline"); /* a harness says that it is live */
  for (; properties && *properties; properties++) {
    g_auto (GStrv) pair = g_strsplit (*properties, "=", 2);
    gst_util_set_object_arg (G_OBJECT (element), pair[0], pair[1]);
  }
  return element;
}

Bench
bench_new (const char *caps, const char *const *properties)
{
  GstElement *element = gst_object_ref_sink (classifier_new (properties));
  GstBus *bus = gst_bus_new ();
  gst_element_set_bus (element, bus);
  Bench bench = { gst_harness_new_with_element (element, "sink", "src"), element, bus };
  gst_object_unref (element); /* the harness holds it */
  if (caps)
    gst_harness_set_src_caps_str (bench.harness, caps);
  return bench;
}

void
bench_clear (Bench *bench)
{
  gst_element_set_bus (bench->element, NULL);
  gst_bus_set_flushing (bench->bus, TRUE);
  gst_object_unref (bench->bus);
  gst_harness_teardown (bench->harness);
}

char *
video_caps (const char *format, int width, int height)
{
  return g_strdup_printf ("video/x-raw,format=%s,width=%d,height=%d,framerate=25/1", format, width,
                          height);
}

static GstVideoInfo
info_of (const char *caps_string)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (caps_string);
  GstVideoInfo info;
  g_assert_true (gst_video_info_from_caps (&info, caps));
  return info;
}

GstBuffer *
frame_new (const char *caps, int n, guint32 seed)
{
  const GstVideoInfo info = info_of (caps);
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
  GstMapInfo map;
  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  guint32 state = seed * 2654435761u + 1;
  for (gsize i = 0; i < map.size; i++) {
    state = state * 1664525 + 1013904223; /* Numerical Recipes' generator */
    map.data[i] = state >> 24;
  }
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = n * 40 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 40 * GST_MSECOND;
  return buffer;
}

GstBuffer *
frame_pad (const char *caps, GstBuffer *tight, int padding)
{
  GstVideoInfo from = info_of (caps);
  gsize offsets[GST_VIDEO_MAX_PLANES] = { 0 }, size = padding;
  int strides[GST_VIDEO_MAX_PLANES] = { 0 };
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES (&from); plane++) {
    int components[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component (from.finfo, plane, components);
    const int rows = GST_VIDEO_INFO_COMP_HEIGHT (&from, components[0]);
    offsets[plane] = size;
    strides[plane] = from.stride[plane] + padding;
    size += strides[plane] * (gsize) rows + padding;
  }
  GstBuffer *padded = gst_buffer_new_allocate (NULL, size, NULL);
  gst_buffer_memset (padded, 0, 0xaa, size);
  gst_buffer_add_video_meta_full (padded, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (&from),
                                  from.width, from.height, GST_VIDEO_INFO_N_PLANES (&from), offsets,
                                  strides);
  GstVideoFrame source, target;
  g_assert_true (gst_video_frame_map (&source, &from, tight, GST_MAP_READ));
  g_assert_true (gst_video_frame_map (&target, &from, padded, GST_MAP_WRITE));
  /* Whole rows: gst_video_frame_copy () leaves out the last chroma sample of packed formats of odd width. */
  for (guint plane = 0; plane < GST_VIDEO_INFO_N_PLANES (&from); plane++) {
    int components[GST_VIDEO_MAX_COMPONENTS];
    gst_video_format_info_component (from.finfo, plane, components);
    for (int y = 0; y < GST_VIDEO_INFO_COMP_HEIGHT (&from, components[0]); y++)
      memcpy ((guint8 *) target.data[plane] + y * strides[plane],
              (guint8 *) source.data[plane] + y * from.stride[plane], from.stride[plane]);
  }
  gst_video_frame_unmap (&source);
  gst_video_frame_unmap (&target);
  GST_BUFFER_PTS (padded) = GST_BUFFER_PTS (tight);
  return padded;
}

GstBuffer *
bench_process (Bench *bench, GstBuffer *buffer)
{
  g_assert_cmpint (gst_harness_push (bench->harness, buffer), ==, GST_FLOW_OK);
  GstBuffer *out = gst_harness_pull (bench->harness);
  g_assert_nonnull (out);
  return out;
}

GstMessage *
bench_pop (Bench *bench, GstMessageType type)
{
  return gst_bus_pop_filtered (bench->bus, type);
}

guint64
bench_stat (Bench *bench, const char *field)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 value;
  g_object_get (bench->element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, field, &value));
  return value;
}

/* The tracer logs what is left while GStreamer is being deinitialised. */
static void
count_leaks (GstDebugCategory *category, GstDebugLevel level, const char *file,
             const char *function, int line, GObject *object, GstDebugMessage *message,
             gpointer data)
{
  const char *text = gst_debug_message_get (message);
  if (!strstr (text, "object-alive"))
    return;
  n_leaks++;
  g_printerr ("# left: %s\n", text);
}

/* A folder of links to those of GStreamer's plugins that tests use. To look through all that are installed takes long, and
 * some of them have leaks of their own. */
static char *
link_plugins (void)
{
  static const char *const names[] = {
    "app",       "coreelements", "coretracers",     "isomp4",    "jpeg",        "libav",
    "matroska",  "multifile",    "pango",           "subparse",  "tcp",         "videoconvertscale",
    "videocrop", "videofilter",  "videoparsersbad", "videorate", "videotestsrc"
  };
  char *folder = g_dir_make_tmp ("plugins-XXXXXX", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *target = g_strdup_printf (GST_PLUGINS_DIR "/libgst%s.so", names[i]);
    g_autofree char *link = g_strdup_printf ("%s/libgst%s.so", folder, names[i]);
    g_assert_cmpint (symlink (target, link), ==, 0);
  }
  return folder;
}

static void
remove_folder (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir));) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    g_unlink (path);
  }
  g_dir_close (dir);
  g_rmdir (folder);
}

int
run_element_tests (int argc, char **argv, void (*add_tests) (void))
{
  g_autofree char *plugins = link_plugins ();
  g_setenv ("GST_PLUGIN_SYSTEM_PATH_1_0", plugins, TRUE);
  g_setenv ("GST_TRACERS", "leaks", TRUE);
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  gst_debug_remove_log_function (gst_debug_log_default);
  gst_debug_add_log_function (count_leaks, NULL, NULL);
  gst_debug_set_active (TRUE);
  gst_debug_set_threshold_for_name ("GST_TRACER", GST_LEVEL_TRACE);
  add_tests ();
  const int status = g_test_run ();
  g_clear_pointer (&model, tiny_model_remove);
  gst_deinit ();
  remove_folder (plugins);
  return status ? status : n_leaks != 0;
}
