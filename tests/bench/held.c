/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an element costs a 1080p frame that it does not classify: processor time per frame above that of `identity`, the
 * median of some rounds taking turns. Frames share their memory, so that a copy of pixels would show.
 *
 *   GST_PLUGIN_PATH=build/gst build/tests/bench-held
 */
#include "tests/bench/timing.h"

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include <stdio.h>

#define FRAMES 5000
#define ROUNDS 9

static const char *const elements[] = {
  "identity",
  "clipclassify labels=a;b mode=inline interval=1000000000 messages=false",
  "clipclassify labels=a;b mode=live interval=1000000000 messages=false",
  "clipclassify labels=a;b mode=inline change-threshold=0.02 messages=false",
};

/* Microseconds per frame. @carrying: (inout): counts those with a result. */
static double
run (GstHarness *harness, GstBuffer *frame, GstClockTime *pts, guint *carrying)
{
  const double start = seconds (CLOCK_THREAD_CPUTIME_ID);
  for (int i = 0; i < FRAMES; i++) {
    GstBuffer *buffer = gst_buffer_copy (frame);
    GST_BUFFER_PTS (buffer) = *pts;
    *pts += GST_SECOND / 60;
    gst_harness_push (harness, buffer);
    buffer = gst_harness_pull (harness);
    *carrying += gst_buffer_get_custom_meta (buffer, "GstClipMeta") != NULL;
    gst_buffer_unref (buffer);
  }
  return (seconds (CLOCK_THREAD_CPUTIME_ID) - start) * 1e6 / FRAMES;
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  GstBuffer *frame = gst_buffer_new_allocate (NULL, 1920 * 1080 * 3 / 2, NULL);
  gst_buffer_memset (frame, 0, 128, 1920 * 1080 * 3 / 2);
  GstHarness *harnesses[G_N_ELEMENTS (elements)];
  GstClockTime pts[G_N_ELEMENTS (elements)] = { 0 };
  guint carrying[G_N_ELEMENTS (elements)] = { 0 };
  double times[G_N_ELEMENTS (elements)][ROUNDS];
  for (guint i = 0; i < G_N_ELEMENTS (elements); i++) {
    harnesses[i] = gst_harness_new_parse (elements[i]);
    gst_harness_set_src_caps_str (harnesses[i],
                                  "video/x-raw,format=I420,width=1920,height=1080,framerate=60/1");
    run (harnesses[i], frame, &pts[i], &carrying[i]);
  }
  for (int round = 0; round < ROUNDS; round++)
    for (guint i = 0; i < G_N_ELEMENTS (elements); i++)
      times[i][round] = run (harnesses[i], frame, &pts[i], &carrying[i]);
  for (guint i = 0; i < G_N_ELEMENTS (elements); i++) {
    const double usual = median (times[i], ROUNDS);
    printf ("%-72s %6.2f us a frame, %6.2f above identity; %u of %u frames carry a result\n",
            elements[i], usual, usual - times[0][ROUNDS / 2], carrying[i], (ROUNDS + 1) * FRAMES);
    gst_harness_teardown (harnesses[i]);
  }
  gst_buffer_unref (frame);
  return 0;
}
