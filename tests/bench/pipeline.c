/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A whole pipeline, as fast as it goes: a 1080p H.264 file → decodebin → clipclassify → fakesink, with the default model,
 * without the element and with some settings of it, taking turns; medians of frames a second on the clock, and of
 * processor time a frame. Decoders use all processors; so does the element.
 *
 *   GST_PLUGIN_PATH=build/gst build/tests/bench-pipeline [VIDEO [ROUNDS]]
 *
 * Without VIDEO, ten seconds of moving colour bars, 1920×1080 at 30 frames a second, are encoded first.
 */
#include "tests/bench/timing.h"
#include "tests/testing.h"

#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_ROUNDS 99

static const char *const settings[] = {
  "", /* without the element */
  "mode=inline max-rate=1/1",
  "mode=inline max-rate=5/1",
  "mode=inline max-rate=5/1 precision=f32",
  "mode=inline",
  "mode=inline precision=f32",
};

typedef struct {
  double frames_per_second, milliseconds; /* of processor time a frame */
} Speed;

static GstElement *
parse (const char *format, ...)
{
  g_autoptr (GError) error = NULL;
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  GstElement *pipeline = gst_parse_launch (text, &error);
  if (error)
    g_error ("%s: %s", text, error->message);
  return pipeline;
}

static void
wait_for (GstElement *pipeline, GstMessageType wanted)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message =
      gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, wanted | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_autoptr (GError) error = NULL;
    gst_message_parse_error (message, &error, NULL);
    g_error ("%s", error->message);
  }
}

static char *
write_video (void)
{
  char *path = temporary_path ("bench.mp4");
  GstElement *pipeline =
      parse ("videotestsrc num-buffers=300 pattern=smpte75 horizontal-speed=4 ! "
             "video/x-raw,format=I420,width=1920,height=1080,framerate=30/1 ! openh264enc "
             "bitrate=8000000 gop-size=60 ! h264parse ! mp4mux ! filesink location=%s",
             path);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for (pipeline, GST_MESSAGE_EOS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return path;
}

static GstPadProbeReturn
count (GstPad *pad, GstPadProbeInfo *info, gpointer frames)
{
  ++*(guint *) frames;
  return GST_PAD_PROBE_OK;
}

/* The model is loaded, and the first frame classified, before time is taken. */
static Speed
run (const char *video, const char *properties)
{
  guint frames = 0;
  GstElement *pipeline =
      parse ("filesrc location=\"%s\" ! decodebin ! %s %s ! fakesink name=sink sync=false", video,
             *properties ? "clipclassify messages=false labels=\"colour bars;a street;a room\""
                         : "identity",
             properties);
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  wait_for (pipeline, GST_MESSAGE_ASYNC_DONE);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, count, &frames, NULL);
  const double start = seconds (CLOCK_MONOTONIC), start_cpu = seconds (CLOCK_PROCESS_CPUTIME_ID);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for (pipeline, GST_MESSAGE_EOS);
  const double elapsed = seconds (CLOCK_MONOTONIC) - start,
               spent = seconds (CLOCK_PROCESS_CPUTIME_ID) - start_cpu;
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return (Speed){ frames / elapsed, spent * 1e3 / frames };
}

int
main (int argc, char **argv)
{
  static double rates[G_N_ELEMENTS (settings)][MOST_ROUNDS],
      times[G_N_ELEMENTS (settings)][MOST_ROUNDS];
  gst_init (&argc, &argv);
  const int rounds = argc > 2 ? CLAMP (atoi (argv[2]), 1, MOST_ROUNDS) : 3;
  g_autofree char *video = argc > 1 ? g_strdup (argv[1]) : write_video ();
  for (int round = 0; round < rounds; round++)
    for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
      const Speed speed = run (video, settings[i]);
      rates[i][round] = speed.frames_per_second;
      times[i][round] = speed.milliseconds;
    }
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    printf ("%-40s %7.1f frames/s  %6.2f ms of processor time a frame\n",
            *settings[i] ? settings[i] : "without clipclassify", median (rates[i], rounds),
            median (times[i], rounds));
  return 0;
}
