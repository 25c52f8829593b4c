/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A live source of 1920×1080 at 60 frames a second through clipclassify, with a ViT-B/16 of random weights or another
 * model: what reaches the sink, what is dropped there as late (20 ms, as video sinks have it), how long frames are in the
 * element, how old the results are that they carry. A line without the element comes first: what the machine, with what
 * else it does, can do at all.
 *
 *   GST_PLUGIN_PATH=build/gst build/tests/bench-live [SECONDS [MODEL [PROPERTY=VALUE…]]]
 */
#include "gst/clipmeta.h"
#include "tests/bench/timing.h"
#include "tests/random-model.h"

#include <gst/gst.h>
#include <stdio.h>

#define FRAME_RATE 60
#define SOURCE                                                                                     \
  "videotestsrc is-live=true pattern=blue ! "                                                      \
  "video/x-raw,format=I420,width=1920,height=1080,framerate=60/1 ! "
#define SINK "fakesink name=sink sync=true qos=true max-lateness=20000000"

typedef struct {
  GstElement *pipeline, *sink, *element; /* element: NULL without one */
  GstClockTime entered;
  GArray *stays, *ages; /* of GstClockTime: in the element; of results */
} Run;

static char *
write_model (void)
{
  g_autoptr (GError) error = NULL;
  RandomModel model = random_model ();
  char *path = temporary_path ("vit-b-16.safetensors");
  random_vit (&model, CLIP_DTYPE_F16, 14, 16, 768, 12, 3072, 512);
  random_text (&model, CLIP_DTYPE_F16, 512, 77, 64, 1, 256, 512);
  clip_safetensors_write (path, (const ClipTensor *) (void *) model.tensors->data,
                          model.tensors->len, NULL, &error);
  g_assert_no_error (error);
  random_model_clear (&model);
  return path;
}

static GstPadProbeReturn
enter (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  ((Run *) data)->entered = gst_util_get_timestamp ();
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
leave (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Run *run = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  const GstClockTime stay = gst_util_get_timestamp () - run->entered;
  g_autoptr (ClipMeta) meta = clip_meta_read (buffer, NULL);
  g_array_append_val (run->stays, stay);
  if (meta) {
    const GstClockTime age = GST_BUFFER_PTS (buffer) - meta->pts;
    g_array_append_val (run->ages, age);
  }
  return GST_PAD_PROBE_OK;
}

static void
add_probe (Run *run, const char *name, GstPadProbeCallback callback)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (run->element, name);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, callback, run, NULL);
}

static Run
run_new (const char *model, char **properties)
{
  g_autoptr (GError) error = NULL;
  Run run = { .stays = g_array_new (FALSE, FALSE, sizeof (GstClockTime)),
              .ages = g_array_new (FALSE, FALSE, sizeof (GstClockTime)) };
  run.pipeline = gst_parse_launch (
      model ? SOURCE "clipclassify name=element embedding=true ! " SINK : SOURCE SINK, &error);
  g_assert_no_error (error);
  run.sink = gst_bin_get_by_name (GST_BIN (run.pipeline), "sink");
  if (!model)
    return run;
  run.element = gst_bin_get_by_name (GST_BIN (run.pipeline), "element");
  g_object_set (run.element, "model", model, NULL);
  for (; *properties; properties++) {
    g_auto (GStrv) pair = g_strsplit (*properties, "=", 2);
    gst_util_set_object_arg (G_OBJECT (run.element), pair[0], pair[1]);
  }
  add_probe (&run, "sink", enter);
  add_probe (&run, "src", leave);
  return run;
}

static void
run_clear (Run *run)
{
  gst_element_set_state (run->pipeline, GST_STATE_NULL);
  g_clear_object (&run->element);
  gst_object_unref (run->sink);
  gst_object_unref (run->pipeline);
  g_array_unref (run->stays);
  g_array_unref (run->ages);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const GstClockTime x = *(const GstClockTime *) a, y = *(const GstClockTime *) b;
  return (x > y) - (x < y);
}

static void
print_times (const char *what, GArray *times)
{
  if (times->len == 0)
    return;
  g_array_sort (times, compare);
  const GstClockTime *values = (const GstClockTime *) (void *) times->data;
  const guint middle = times->len / 2, late = times->len * 99 / 100, last = times->len - 1;
  printf ("  %s: median %.1f, 99 %% %.1f, most %.1f ms\n", what, values[middle] * 1e-6,
          values[late] * 1e-6, values[last] * 1e-6);
}

static double
load_average (void)
{
  double load = 0;
  return getloadavg (&load, 1) == 1 ? load : 0;
}

static void
measure (const char *name, const char *model, char **properties, double duration)
{
  Run run = run_new (model, properties);
  guint64 rendered = 0, dropped = 0;
  g_autoptr (GstStructure) counts = NULL, stats = NULL;
  g_autoptr (GstBus) bus = gst_element_get_bus (run.pipeline);
  gst_element_set_state (run.pipeline, GST_STATE_PLAYING);
  gst_element_get_state (run.pipeline, NULL, NULL, GST_CLOCK_TIME_NONE);
  const double before = seconds (CLOCK_PROCESS_CPUTIME_ID);
  g_autoptr (GstMessage) error =
      gst_bus_timed_pop_filtered (bus, duration * GST_SECOND, GST_MESSAGE_ERROR);
  g_assert_null (error);
  const double processors = (seconds (CLOCK_PROCESS_CPUTIME_ID) - before) / duration;
  g_object_get (run.sink, "stats", &counts, NULL);
  gst_structure_get (counts, "rendered", G_TYPE_UINT64, &rendered, "dropped", G_TYPE_UINT64,
                     &dropped, NULL);
  printf ("%s: %.1f frames a second at the sink, %" G_GUINT64_FORMAT " late, %.2f processors, load "
          "%.1f\n",
          name, rendered / duration, dropped, processors, load_average ());
  gst_element_set_state (run.pipeline, GST_STATE_NULL);
  print_times ("in the element", run.stays);
  print_times ("age of the result", run.ages);
  if (run.element) {
    g_object_get (run.element, "stats", &stats, NULL);
    g_autofree char *text = gst_structure_to_string (stats);
    printf ("  %s\n", text);
  }
  run_clear (&run);
}

int
main (int argc, char **argv)
{
  static char *none[] = { NULL };
  gst_init (&argc, &argv);
  const double duration = argc > 1 ? g_ascii_strtod (argv[1], NULL) : 60;
  g_autofree char *model = argc > 2 ? g_strdup (argv[2]) : write_model ();
  measure ("without", NULL, none, MIN (duration, 10));
  measure ("with", model, argc > 3 ? argv + 3 : none, duration);
  return 0;
}
