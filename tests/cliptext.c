/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cliptext: every format, from frames with labels to bytes; what is open at a seek or the end; real muxers, sinks, readers. */
#include "tests/labelled.h"
#include "tests/element-harness.h"
#include "tests/testing.h"

#include <gio/gio.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <json-glib/json-glib.h>
#include <math.h>

#define VIDEO "video/x-raw,format=GRAY8,width=4,height=1,framerate=10/1"
#define JSON "application/x-json"
#define VTT "application/x-subtitle-vtt"
#define CSV "text/csv"
#define UTF8 "text/x-raw,format=utf8"
#define PANGO "text/x-raw,format=pango-markup"

/* ------------------------------------------------------------------------------------------------------------ helpers */

static GstHarness *
harness_new (const char *caps, const char *properties)
{
  g_autofree char *description = g_strdup_printf ("cliptext %s", properties ? properties : "");
  GstHarness *harness = gst_harness_new_parse (description);
  gst_harness_set_sink_caps_str (harness, caps);
  gst_harness_set_src_caps_str (harness, VIDEO);
  return harness;
}

/* All buffers so far, one after the other; each of whole lines, but those of text/x-raw, which are shown as
 * "FIRST…LAST TEXT;" in units of 100 ms. */
static char *
pull_all (GstHarness *harness, const char *caps)
{
  GString *text = g_string_new (NULL);
  const gboolean timed = g_str_has_prefix (caps, "text/x-raw");
  GstBuffer *buffer;
  while ((buffer = gst_harness_try_pull (harness))) {
    GstMapInfo map;
    gst_buffer_map (buffer, &map, GST_MAP_READ);
    if (timed)
      g_string_append_printf (text, "%g…%g %.*s;", (double) GST_BUFFER_PTS (buffer) / FRAME_TIME,
                              (double) (GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer)) /
                                  FRAME_TIME,
                              (int) map.size, map.data);
    else {
      g_assert_cmpint (map.data[map.size - 1], ==, '\n');
      g_assert_true (g_utf8_validate ((char *) map.data, (gssize) map.size, NULL));
      g_string_append_len (text, (char *) map.data, (gssize) map.size);
    }
    gst_buffer_unmap (buffer, &map);
    gst_buffer_unref (buffer);
  }
  return g_string_free (text, FALSE);
}

static void
push (GstHarness *harness, int n, const char *what)
{
  g_assert_cmpint (gst_harness_push (harness, labelled_frame (n, what, 4, 0)), ==, GST_FLOW_OK);
}

static void
push_eos (GstHarness *harness)
{
  g_assert_true (gst_harness_push_event (harness, gst_event_new_eos ()));
}

static void
push_segment (GstHarness *harness, double rate, int from, int until)
{
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = rate;
  segment.start = segment.time = from * FRAME_TIME;
  if (until)
    segment.stop = until * FRAME_TIME;
  g_assert_true (gst_harness_push_event (harness, gst_event_new_segment (&segment)));
}

static void
push_flush (GstHarness *harness)
{
  g_assert_true (gst_harness_push_event (harness, gst_event_new_flush_start ()));
  g_assert_true (gst_harness_push_event (harness, gst_event_new_flush_stop (TRUE)));
}

/* --------------------------------------------------------------------------------------------------- from frames to text */

#define HEAD "{\"element\": \"first\", \"model\": \"tiny@0123456789abcdef\", "
#define HEAD2 "{\"element\": \"second\", \"model\": \"tiny@0123456789abcdef\", "
#define TIMES(t) "\"pts\": " t ", \"running-time\": " t ", \"stream-time\": " t ", "
#define CSV_HEAD "element,model,pts,running-time,stream-time,utc,label,score\r\n"
#define CSV_EVENTS_HEAD "element,model,label,start,end,start-utc,end-utc,peak,mean,results\r\n"
#define MODEL "tiny@0123456789abcdef"

static const struct {
  const char *name, *caps, *properties;
  const char *frames[10];
  const char *expected;
} cases[] = {
  { "json",
    JSON,
    NULL,
    { "a .5,b .25", "=0 a .5,b .25", "", "=2 " },
    HEAD TIMES ("0.0") "\"labels\": [{\"label\": \"a\", \"score\": 0.5}, {\"label\": \"b\", "
                       "\"score\": 0.25}]}\n" HEAD TIMES ("0.2") "\"labels\": []}\n" },
  { "json of a late result",
    JSON,
    NULL,
    { "-", "-", "=0 a .5", "=0 a .5", "=2 a .5" },
    HEAD TIMES ("0.0") "\"labels\": [{\"label\": \"a\", \"score\": 0.5}]}\n" HEAD TIMES (
        "0.2") "\"labels\": [{\"label\": \"a\", \"score\": 0.5}]}\n" },
  { "json of two",
    JSON,
    NULL,
    { "a .5|b .5", "=0 a .5|b 1" },
    HEAD TIMES ("0.0") "\"labels\": [{\"label\": \"a\", \"score\": 0.5}]}\n" HEAD2
        TIMES ("0.0") "\"labels\": [{\"label\": \"b\", \"score\": 0.5}]}\n" HEAD2 TIMES (
            "0.1") "\"labels\": "
                   "[{\"label"
                   "\": "
                   "\"b\", "
                   "\"score"
                   "\": "
                   "1}]}\n" },
  { "json of one of two",
    JSON,
    "element=second",
    { "a .5|b .5", "=0 a .5|=0 b .5" },
    HEAD2 TIMES ("0.0") "\"labels\": [{\"label\": \"b\", \"score\": 0.5}]}\n" },
  { "json events",
    JSON,
    "events=true",
    { "a .5", "=0 a .5", "a 1,b .5", "b .5" },
    HEAD
    "\"label\": \"a\", \"start\": 0.0, \"end\": 0.3, \"peak\": 1, \"mean\": 0.75, \"results\": "
    "2}\n" HEAD "\"label\": \"b\", \"start\": 0.2, \"end\": 0.4, \"peak\": 0.5, \"mean\": 0.5, "
    "\"results\": 2}\n" },
  { "json events of a late result",
    JSON,
    "events=true",
    { "-", "-", "=1 a .5", "=1 a .5", "=3 b .5" },
    HEAD
    "\"label\": \"a\", \"start\": 0.1, \"end\": 0.3, \"peak\": 0.5, \"mean\": 0.5, \"results\": "
    "1}\n" HEAD "\"label\": \"b\", \"start\": 0.3, \"end\": 0.5, \"peak\": 0.5, \"mean\": 0.5, "
    "\"results\": 1}\n" },
  { "json events end with the metadata",
    JSON,
    "events=true",
    { "a .5", "gap", "-", "-" },
    HEAD
    "\"label\": \"a\", \"start\": 0.0, \"end\": 0.2, \"peak\": 0.5, \"mean\": 0.5, \"results\": "
    "1}\n" },
  { "json no frame", JSON, NULL, { NULL }, "" },
  { "csv",
    CSV,
    NULL,
    { "a .5,b \"2\"\x01 .25", "=0 a .5,b .25", "" },
    CSV_HEAD "first," MODEL ",0.0,0.0,0.0,,a,0.5\r\nfirst," MODEL
             ",0.0,0.0,0.0,,\"b \"\"2\"\"\x01\",0.25\r\nfirst," MODEL ",0.2,0.2,0.2,,,\r\n" },
  { "csv events",
    CSV,
    "events=true",
    { "a .5", "a .25" },
    CSV_EVENTS_HEAD "first," MODEL ",a,0.0,0.2,,,0.5,0.375,2\r\n" },
  { "csv no frame", CSV, NULL, { NULL }, CSV_HEAD },
  { "vtt",
    VTT,
    NULL,
    { "a .5", "=0 a .5", "b .5,a .25", "a .5,b .25", "", "b .5" },
    "WEBVTT\n\n00:00:00.000 --> 00:00:00.200\na\n\n00:00:00.200 --> 00:00:00.400\nb\na\n\n"
    "00:00:00.500 --> 00:00:00.600\nb\n\n" },
  { "vtt escapes",
    VTT,
    NULL,
    { "<b> --> & \"x\" .5" },
    "WEBVTT\n\n00:00:00.000 --> 00:00:00.100\n&lt;b&gt; --&gt; &amp; \"x\"\n\n" },
  { "vtt lines",
    VTT,
    NULL,
    { "a\n\n\r\tb .5,\n .4" },
    "WEBVTT\n\n00:00:00.000 --> 00:00:00.100\na b\n\n" },
  { "vtt no frame", VTT, NULL, { NULL }, "WEBVTT\n\n" },
  { "vtt of two",
    VTT,
    NULL,
    { "a .5|b .5,a .4", "=0 a .5|" },
    "WEBVTT\n\n00:00:00.000 --> 00:00:00.100\na\nb\n\n00:00:00.100 --> 00:00:00.200\na\n\n" },
  { "utf8",
    UTF8,
    "max-duration=1000000000",
    { "a .5,<b> & .25", "=0 a .5", "a .5", "", "=3 ", "b .5" },
    "0…1 a\n<b> &;1…3 a;5…6 b;" },
  { "pango", PANGO, NULL, { "a<b>&'\" .5" }, "0…1 a&lt;b&gt;&amp;&apos;&quot;;" },
  { "utf8 in pieces",
    UTF8,
    "max-duration=300000000",
    { "a .5", "=0 a .5", "a .5", "a .5", "a .5", "b .5" },
    "0…3 a;3…5 a;5…6 b;" },
  { "utf8 by frame",
    UTF8,
    "max-duration=0",
    { "a .5", "=0 a .5", "", "b .5" },
    "0…1 a;1…2 a;3…4 b;" },
  { "utf8 over gaps", UTF8, NULL, { "a .5", "gap", "gap", "=0 a .5", "-" }, "0…4 a;" },
  /* What frames 0 and 1 are was told before: the text begins after them. */
  { "utf8 of a late result", UTF8, NULL, { "-", "-", "=1 a .5", "=1 a .5" }, "2…4 a;" },
  { "right to left, Chinese, emoji",
    UTF8,
    NULL,
    { "كلب .5,חתול .4,狗 .3,🐕 .2" },
    "0…1 كلب\nחתול\n狗\n🐕;" },
};

static void
test_table (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GstHarness *harness = harness_new (cases[i].caps, cases[i].properties);
    for (int n = 0; cases[i].frames[n]; n++)
      push (harness, n, cases[i].frames[n]);
    push_eos (harness);
    g_autofree char *text = pull_all (harness, cases[i].caps);
    if (!g_str_equal (text, cases[i].expected))
      g_error ("%s:\n%s\nexpected:\n%s", cases[i].name, text, cases[i].expected);
    gst_harness_teardown (harness);
  }
}

/* Text and gaps follow each other without a hole, whatever the format; events come in order. */
static void
test_gaps (void)
{
  static const char *const caps[] = { JSON, CSV, VTT, UTF8, PANGO };
  static const char *const frames[] = { "-",    "a .5", "=1 a .5", "",        "=3 ",    "gap",
                                        "b .5", "b .5", "b .5",    "=8 b .5", "=9 c .5" };
  for (guint i = 0; i < G_N_ELEMENTS (caps); i++) {
    GstHarness *harness = harness_new (caps[i], NULL);
    GstClockTime told = 0;
    for (guint n = 0; n <= G_N_ELEMENTS (frames); n++) {
      if (n < G_N_ELEMENTS (frames))
        push (harness, (int) n, frames[n]);
      else
        push_eos (harness);
      /* The harness keeps events and buffers apart; within a frame they follow by time. */
      GstBuffer *buffer;
      while ((buffer = gst_harness_try_pull (harness))) {
        if (GST_BUFFER_DURATION_IS_VALID (buffer)) {
          g_assert_cmpuint (GST_BUFFER_PTS (buffer), >=, told);
          told = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
        }
        gst_buffer_unref (buffer);
      }
      GstEvent *event;
      while ((event = gst_harness_try_pull_event (harness))) {
        GstClockTime start, duration;
        if (GST_EVENT_TYPE (event) == GST_EVENT_GAP) {
          gst_event_parse_gap (event, &start, &duration);
          g_assert_cmpuint (start, <=, told); /* a text of the same frame may have been after it */
          told = MAX (told, start + duration);
        }
        gst_event_unref (event);
      }
      /* Only a subtitle that is open is waited for: a file's texts are told when they are known. */
      if (!g_str_has_prefix (caps[i], "text/x-raw"))
        g_assert_cmpuint (told, ==, MIN (n + 1, G_N_ELEMENTS (frames)) * FRAME_TIME);
    }
    g_assert_cmpuint (told, ==, G_N_ELEMENTS (frames) * FRAME_TIME);
    gst_harness_teardown (harness);
  }
}

static void
test_stream (void)
{
  static const GstEventType order[] = { GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT };
  GstHarness *harness = harness_new (VTT, NULL);
  push (harness, 0, "-");
  for (guint i = 0; i < G_N_ELEMENTS (order); i++) {
    g_autoptr (GstEvent) event = gst_harness_pull_event (harness);
    g_assert_cmpstr (GST_EVENT_TYPE_NAME (event), ==, gst_event_type_get_name (order[i]));
    if (order[i] == GST_EVENT_STREAM_START) {
      GstStreamFlags flags;
      gst_event_parse_stream_flags (event, &flags);
      g_assert_true (flags & GST_STREAM_FLAG_SPARSE);
    }
  }
  gst_harness_teardown (harness);
}

/* ------------------------------------------------------------------------------------------------- segments, flushes, caps */

static void
expect_text (GstHarness *harness, const char *caps, const char *expected)
{
  g_autofree char *text = pull_all (harness, caps);
  g_assert_cmpstr (text, ==, expected);
}

/* A flush forgets: what follows is a new file. */
static void
test_flush (void)
{
  GstHarness *harness = harness_new (VTT, NULL);
  push (harness, 0, "a .5");
  expect_text (harness, VTT, "WEBVTT\n\n");
  push_flush (harness);
  push_segment (harness, 1, 5, 0);
  push (harness, 5, "b .5");
  push (harness, 6, "=5 b .5");
  push_eos (harness);
  expect_text (harness, VTT, "WEBVTT\n\n00:00:00.500 --> 00:00:00.700\nb\n\n");
  gst_harness_teardown (harness);
}

/* A new segment ends what is open, in the old one's time; cues and events stay inside of it. */
static void
test_segments (void)
{
  GstHarness *harness = harness_new (JSON, "events=true");
  push (harness, 0, "a .5");
  push_segment (harness, 1, 5, 8);
  expect_text (harness, JSON,
               HEAD "\"label\": \"a\", \"start\": 0.0, \"end\": 0.1, \"peak\": 0.5, \"mean\": 0.5, "
                    "\"results\": 1}\n");
  push (harness, 4, "b .5"); /* before it */
  push (harness, 5, "c .5");
  push (harness, 7, "c .5");
  push (harness, 8, "d .5"); /* behind it */
  g_assert_true (gst_harness_push_event (
      harness, gst_event_new_segment_done (GST_FORMAT_TIME, 8 * FRAME_TIME)));
  expect_text (harness, JSON,
               HEAD "\"label\": \"c\", \"start\": 0.5, \"end\": 0.8, \"peak\": 0.5, \"mean\": 0.5, "
                    "\"results\": 2}\n");
  gst_harness_teardown (harness);

  /* WebVTT is timed by the stream, not by the segment. */
  harness = harness_new (VTT, NULL);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = 2 * FRAME_TIME;
  segment.time = 3600 * GST_SECOND;
  g_assert_true (gst_harness_push_event (harness, gst_event_new_segment (&segment)));
  push (harness, 2, "a .5");
  push_eos (harness);
  expect_text (harness, VTT, "WEBVTT\n\n01:00:00.000 --> 01:00:00.100\na\n\n");
  gst_harness_teardown (harness);
}

static void
test_backwards (void)
{
  static const struct {
    const char *caps, *properties, *expected;
  } backwards[] = {
    { VTT, NULL,
      "WEBVTT\n\n00:00:00.300 --> 00:00:00.500\na\n\n00:00:00.100 --> 00:00:00.300\nb\n\n" },
    { UTF8, NULL, "3…5 a;1…3 b;" },
    { UTF8, "max-duration=0", "4…5 a;3…4 a;2…3 b;1…2 b;" },
    { JSON, "events=true",
      HEAD "\"label\": \"a\", \"start\": 0.3, \"end\": 0.5, \"peak\": 0.5, \"mean\": 0.5, "
           "\"results\": 2}\n" HEAD
           "\"label\": \"b\", \"start\": 0.1, \"end\": 0.3, \"peak\": 0.5, \"mean\": 0.5, "
           "\"results\": 2}\n" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (backwards); i++) {
    GstHarness *harness = harness_new (backwards[i].caps, backwards[i].properties);
    push_segment (harness, -1, 0, 5);
    push (harness, 4, "a .5");
    push (harness, 3, "a .5");
    push (harness, 2, "b .5");
    push (harness, 1, "b .5");
    push_eos (harness);
    expect_text (harness, backwards[i].caps, backwards[i].expected);
    gst_harness_teardown (harness);
  }
}

/* A clock was set back inside of a segment: what was seen before ended there, and nothing lasts from now to then. */
static void
test_time_turns (void)
{
  static const struct {
    const char *caps, *properties, *expected;
  } turns[] = {
    { VTT, NULL,
      "WEBVTT\n\n00:00:01.000 --> 00:00:01.200\na\n\n00:00:00.500 --> 00:00:00.700\na\n\n" },
    { UTF8, NULL, "10…12 a;5…7 a;" },
    { JSON, "events=true",
      HEAD "\"label\": \"a\", \"start\": 1.0, \"end\": 1.2, \"peak\": 0.5, \"mean\": 0.5, "
           "\"results\": 2}\n" HEAD
           "\"label\": \"a\", \"start\": 0.5, \"end\": 0.7, \"peak\": 0.5, \"mean\": 0.5, "
           "\"results\": 2}\n" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (turns); i++) {
    GstHarness *harness = harness_new (turns[i].caps, turns[i].properties);
    push (harness, 10, "a .5");
    push (harness, 11, "a .5");
    push (harness, 5, "a .5");
    push (harness, 6, "a .5");
    push_eos (harness);
    expect_text (harness, turns[i].caps, turns[i].expected);
    gst_harness_teardown (harness);
  }
}

/* Frames without times, and a segment in bytes: lines as ever, cues of no length are none. */
static void
test_timeless (void)
{
  static const char *const caps[] = { JSON, VTT };
  for (guint i = 0; i < G_N_ELEMENTS (caps); i++) {
    GstHarness *harness = harness_new (caps[i], NULL);
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_BYTES);
    g_assert_true (gst_harness_push_event (harness, gst_event_new_segment (&segment)));
    GstBuffer *frame = labelled_frame (0, "a .5", 4, 0);
    GST_BUFFER_PTS (frame) = GST_BUFFER_DURATION (frame) = GST_CLOCK_TIME_NONE;
    g_assert_cmpint (gst_harness_push (harness, frame), ==, GST_FLOW_OK);
    push_eos (harness);
    expect_text (harness, caps[i],
                 i ? "WEBVTT\n\n"
                   : HEAD TIMES ("0.0") "\"labels\": [{\"label\": \"a\", \"score\": 0.5}]}\n");
    gst_harness_teardown (harness);
  }
}

/* Another element is linked, which wants something else. */
static void
test_renegotiation (void)
{
  GstHarness *harness = harness_new (VTT, NULL);
  push (harness, 0, "a .5");
  expect_text (harness, VTT, "WEBVTT\n\n");
  gst_harness_set_sink_caps_str (harness, CSV);
  gst_harness_push_upstream_event (harness, gst_event_new_reconfigure ());
  push (harness, 1, "b .5");
  g_autofree char *text = pull_all (harness, CSV);
  g_assert_cmpstr (text, ==,
                   "00:00:00.000 --> 00:00:00.100\na\n\n" CSV_HEAD "first," MODEL
                   ",0.1,0.1,0.1,,b,0.5\r\n");
  gst_harness_set_sink_caps_str (harness, "audio/x-raw");
  gst_harness_push_upstream_event (harness, gst_event_new_reconfigure ());
  g_assert_cmpint (gst_harness_push (harness, labelled_frame (2, "a .5", 4, 0)), ==,
                   GST_FLOW_NOT_NEGOTIATED);
  gst_harness_teardown (harness);
}

static void
test_latency (void)
{
  static const struct {
    const char *caps, *properties;
    GstClockTime added;
  } latencies[] = {
    { JSON, NULL, 0 },
    { JSON, "events=true", 0 },
    { VTT, NULL, 0 }, /* nobody can wait for the end of a scene */
    { VTT, "max-duration=2000000000", 2 * GST_SECOND },
    { UTF8, NULL, 500 * GST_MSECOND },
    { UTF8, "max-duration=0", 0 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (latencies); i++) {
    GstHarness *harness = harness_new (latencies[i].caps, latencies[i].properties);
    gst_harness_set_upstream_latency (harness, 10 * GST_MSECOND);
    g_assert_cmpuint (gst_harness_query_latency (harness), ==,
                      10 * GST_MSECOND + latencies[i].added);
    gst_harness_teardown (harness);
  }
}

/* A date comes from the frame, and of a late result from the frame that it is of. */
static void
test_dates (void)
{
  g_autoptr (GstCaps) unix_time = gst_caps_new_empty_simple ("timestamp/x-unix");
  GstHarness *harness = harness_new (JSON, NULL);
  for (int n = 0; n < 2; n++) {
    GstBuffer *frame = labelled_frame (n, n ? "=0 a .5" : "-", 4, 0);
    gst_buffer_add_reference_timestamp_meta (
        frame, unix_time, 1000000000 * GST_SECOND + n * FRAME_TIME, GST_CLOCK_TIME_NONE);
    g_assert_cmpint (gst_harness_push (harness, frame), ==, GST_FLOW_OK);
  }
  expect_text (harness, JSON,
               HEAD TIMES ("0.0") "\"utc\": \"2001-09-09T01:46:40Z\", \"labels\": [{\"label\": "
                                  "\"a\", \"score\": 0.5}]}\n");
  gst_harness_teardown (harness);
}

/* A tee keeps what its branches agree on: cliptext must not be the one that objects. */
static void
test_allocation (void)
{
  GstHarness *harness = harness_new (JSON, NULL);
  g_autoptr (GstCaps) caps = gst_caps_from_string (VIDEO);
  GstQuery *query = gst_query_new_allocation (caps, FALSE);
  g_assert_true (gst_pad_peer_query (harness->srcpad, query));
  g_assert_true (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  gst_query_unref (query);
  gst_harness_teardown (harness);
}

/* ------------------------------------------------------------------------------------------------------------- readers */

static const char *const awkward[] = {
  "say \"cheese\"", "back\\slash", "semi;colon, comma", "<i>markup</i> & more",
  "كلب في الحديقة", "כלב בגן",     "花园里的狗",        "🐕‍🦺 👩🏽‍🚒",
  "tab\tand\x01",   "' --> '",
};

static void
push_awkward (GstHarness *harness)
{
  for (guint i = 0; i < G_N_ELEMENTS (awkward); i++) {
    GstBuffer *frame = plain_frame ((int) i, 4, 0);
    const ClipMetaLabel label = { awkward[i], i == 0 ? NAN : 0.5f };
    const ClipMeta meta = { .element = "\"first\",\n",
                            .pts = GST_BUFFER_PTS (frame),
                            .running_time = GST_CLOCK_TIME_NONE,
                            .stream_time = GST_CLOCK_TIME_NONE,
                            .labels = &label,
                            .n_labels = 1 };
    clip_meta_add (frame, &meta);
    g_assert_cmpint (gst_harness_push (harness, frame), ==, GST_FLOW_OK);
  }
  push_eos (harness);
}

static void
test_json_glib (void)
{
  GstHarness *harness = harness_new (JSON, NULL);
  push_awkward (harness);
  g_autofree char *text = pull_all (harness, JSON);
  g_auto (GStrv) lines = g_strsplit (text, "\n", 0);
  g_assert_cmpuint (g_strv_length (lines), ==, G_N_ELEMENTS (awkward) + 1);
  for (guint i = 0; i < G_N_ELEMENTS (awkward); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = json_from_string (lines[i], &error);
    g_assert_no_error (error);
    JsonObject *object = json_node_get_object (node);
    JsonObject *label =
        json_array_get_object_element (json_object_get_array_member (object, "labels"), 0);
    g_assert_cmpstr (json_object_get_string_member (object, "element"), ==, "\"first\",\n");
    g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object, "pts"), 0.1 * i, 1e-9);
    g_assert_true (json_object_get_null_member (object, "model"));
    g_assert_true (json_object_get_null_member (object, "running-time"));
    g_assert_cmpstr (json_object_get_string_member (label, "label"), ==, awkward[i]);
    g_assert_cmpint (json_object_get_null_member (label, "score"), ==, i == 0);
  }
  gst_harness_teardown (harness);
}

/* Fields of a CSV file, after RFC 4180; rows end with NULL. */
static GPtrArray *
parse_csv (const char *text)
{
  GPtrArray *fields = g_ptr_array_new_with_free_func (g_free);
  while (*text) {
    g_autoptr (GString) field = g_string_new (NULL);
    if (*text == '"') {
      for (text++; *text != '"' || text[1] == '"'; text++) {
        g_assert_true (*text);
        g_string_append_c (field, *text);
        text += *text == '"';
      }
      text++;
    } else
      for (; !strchr (",\r", *text); text++)
        g_string_append_c (field, *text);
    g_ptr_array_add (fields, g_strdup (field->str));
    if (*text == ',') {
      text++;
      continue;
    }
    g_assert_true (g_str_has_prefix (text, "\r\n"));
    text += 2;
    g_ptr_array_add (fields, NULL);
  }
  return fields;
}

static void
test_csv_rows (void)
{
  GstHarness *harness = harness_new (CSV, NULL);
  push_awkward (harness);
  g_autofree char *text = pull_all (harness, CSV);
  g_autoptr (GPtrArray) fields = parse_csv (text);
  g_assert_cmpuint (fields->len, ==, 9 * (G_N_ELEMENTS (awkward) + 1));
  for (guint i = 0; i < G_N_ELEMENTS (awkward); i++) {
    char **row = (char **) fields->pdata + 9 * (i + 1);
    g_assert_cmpstr (row[0], ==, "\"first\",\n");
    g_assert_cmpstr (row[1], ==, "");
    g_assert_cmpfloat_with_epsilon (g_ascii_strtod (row[2], NULL), 0.1 * i, 1e-9);
    g_assert_cmpstr (row[6], ==, awkward[i]);
    g_assert_cmpstr (row[7], ==, i == 0 ? "" : "0.5");
    g_assert_null (row[8]);
  }
  gst_harness_teardown (harness);
}

/* Texts as people read them: without white space that is not shown, and without @levels of markup. */
static char *
plain (const char *text, int levels)
{
  static const char *const entities[][2] = { { "&lt;", "<" },    { "&gt;", ">" },
                                             { "&quot;", "\"" }, { "&apos;", "'" },
                                             { "&#39;", "'" },   { "&amp;", "&" } };
  GString *string = g_string_new (text);
  for (; levels > 0; levels--)
    for (guint i = 0; i < G_N_ELEMENTS (entities); i++)
      g_string_replace (string, entities[i][0], entities[i][1], 0);
  g_string_replace (string, "\t", " ", 0);
  g_string_replace (string, "\x01", "", 0);
  return g_strchomp (g_string_free (string, FALSE));
}

/* Pulls one text after the other of what is @awkward, 100 ms each; @levels of escapes are left in by the reader itself. */
static void
expect_awkward (GstElement *pipeline, int levels)
{
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < G_N_ELEMENTS (awkward); i++) {
    GstSample *sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 20 * GST_SECOND);
    if (!sample)
      g_error ("text %u is missing: %s", i, awkward[i]);
    GstBuffer *buffer = gst_sample_get_buffer (sample);
    const GstStructure *caps = gst_caps_get_structure (gst_sample_get_caps (sample), 0);
    const gboolean marked_up =
        g_str_equal (gst_structure_get_string (caps, "format"), "pango-markup");
    GstMapInfo map;
    gst_buffer_map (buffer, &map, GST_MAP_READ);
    g_autofree char *raw = g_strndup ((char *) map.data, map.size);
    g_autofree char *text = plain (raw, levels + marked_up), *expected = plain (awkward[i], 0);
    gst_buffer_unmap (buffer, &map);
    g_assert_cmpstr (text, ==, expected);
    g_assert_cmpuint (GST_BUFFER_PTS (buffer), ==, i * FRAME_TIME);
    g_assert_cmpuint (GST_BUFFER_DURATION (buffer), ==, FRAME_TIME);
    gst_sample_unref (sample);
  }
  g_assert_null (gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 20 * GST_SECOND));
  g_assert_true (gst_app_sink_is_eos (GST_APP_SINK (sink)));
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static GstElement *
launch (const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *description = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (description, &error);
  g_assert_no_error (error);
  return pipeline;
}

static GstMessage *
run_to_end (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstMessage *message =
      gst_bus_timed_pop_filtered (bus, 30 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return message;
}

static void
write_vtt (const char *path)
{
  g_autoptr (GError) error = NULL;
  GstHarness *harness = harness_new (VTT, NULL);
  push_awkward (harness);
  g_autofree char *text = pull_all (harness, VTT);
  g_assert_true (g_file_set_contents (path, text, -1, &error));
  g_assert_no_error (error);
  gst_harness_teardown (harness);
}

static void
test_subparse (void)
{
  g_autofree char *path = temporary_path ("awkward.vtt");
  write_vtt (path);
  g_autoptr (GstElement) pipeline =
      launch ("filesrc location=\"%s\" ! subparse ! appsink name=sink sync=false", path);
  expect_awkward (pipeline, 1); /* subparse does not know WebVTT's entities */
}

/* Another reader of WebVTT, where Python has it. */
static void
test_webvtt_py (void)
{
  static const char *const program =
      "import sys, webvtt\n"
      "for c in webvtt.read(sys.argv[1]): print(c.start, c.end, c.text)\n";
  g_autofree char *path = temporary_path ("awkward.vtt"), *out = NULL, *err = NULL;
  g_autoptr (GError) error = NULL;
  int status;
  write_vtt (path);
  const char *python = g_getenv ("GST_CLIP_PYTHON") ? g_getenv ("GST_CLIP_PYTHON") : "python3";
  const char *probe[] = { python, "-c", "import webvtt", NULL };
  const char *argv[] = { python, "-c", program, path, NULL };
  if (!g_spawn_sync (NULL, (char **) probe, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, &err,
                     &status, NULL) ||
      status != 0) {
    g_test_skip ("no Python with webvtt");
    return;
  }
  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out,
                               NULL, &status, &error));
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  g_auto (GStrv) lines = g_strsplit (out, "\n", 0);
  g_assert_cmpuint (g_strv_length (lines), ==, G_N_ELEMENTS (awkward) + 1);
  for (guint i = 0; i < G_N_ELEMENTS (awkward); i++) {
    g_autofree char *text = plain (lines[i], 1), *label = plain (awkward[i], 0);
    g_autofree char *expected = g_strdup_printf ("00:00:0%u.%u00 00:00:0%u.%u00 %s", i / 10, i % 10,
                                                 (i + 1) / 10, (i + 1) % 10, label);
    g_assert_cmpstr (text, ==, expected);
  }
}

/* ------------------------------------------------------------------------------------------------------------ pipelines */

#define SOURCE "appsrc name=source format=time caps=" PICTURE
#define PICTURE "video/x-raw,format=I420,width=160,height=120,framerate=10/1"
#define PICTURE_SIZE (160 * 120 * 3 / 2)

/* Feeds frames and ends the stream; the queue of appsrc takes them all. */
static void
feed (GstElement *pipeline, const char *const *frames, guint n)
{
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  for (guint i = 0; i < n; i++)
    gst_app_src_push_buffer (GST_APP_SRC (source),
                             labelled_frame ((int) i, frames[i], PICTURE_SIZE, 128));
}

static void
feed_awkward (GstElement *pipeline)
{
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  g_object_set (source, "max-bytes", (guint64) 0, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (awkward); i++) {
    GstBuffer *frame = plain_frame ((int) i, PICTURE_SIZE, 128);
    const ClipMetaLabel label = { awkward[i], 0.5f };
    const ClipMeta meta = {
      .element = "first", .pts = GST_BUFFER_PTS (frame), .labels = &label, .n_labels = 1
    };
    clip_meta_add (frame, &meta);
    gst_app_src_push_buffer (GST_APP_SRC (source), frame);
  }
  gst_app_src_end_of_stream (GST_APP_SRC (source));
}

/* Muxed beside the video and read back. */
static void
test_muxers (void)
{
  static const struct {
    const char *name, *mux, *demux;
  } muxers[] = {
    { "matroskamux",
      "matroskamux name=m ! filesink name=file t. ! queue ! jpegenc ! queue ! m. t. ! queue ! "
      "cliptext ! m.",
      "matroskademux name=d d.subtitle_0 ! queue ! appsink name=sink sync=false d.video_0 ! queue "
      "! "
      "fakesink" },
    { "mp4mux",
      "mp4mux name=m ! filesink name=file t. ! queue ! fakesink t. ! queue ! cliptext ! m.",
      "qtdemux name=d d.subtitle_0 ! queue ! appsink name=sink sync=false" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (muxers); i++) {
    g_autofree char *path = temporary_path (muxers[i].name);
    g_autoptr (GstElement) writer = launch (SOURCE " ! tee name=t %s", muxers[i].mux);
    g_autoptr (GstElement) file = gst_bin_get_by_name (GST_BIN (writer), "file");
    g_object_set (file, "location", path, NULL);
    feed_awkward (writer);
    g_autoptr (GstMessage) message = run_to_end (writer);
    g_assert_cmpstr (GST_MESSAGE_TYPE_NAME (message), ==, "eos");
    g_autoptr (GstElement) reader = launch ("filesrc location=\"%s\" ! %s", path, muxers[i].demux);
    expect_awkward (reader, 0);
  }
}

static gboolean
is_grey (GstBuffer *buffer)
{
  GstMapInfo map;
  gst_buffer_map (buffer, &map, GST_MAP_READ);
  gboolean grey = TRUE;
  for (gsize i = 0; i < map.size; i++)
    grey &= map.data[i] == 128;
  gst_buffer_unmap (buffer, &map);
  return grey;
}

/* Upstream's overlay waits for the text, and shows it just as long as the label was seen. */
static void
test_textoverlay (void)
{
  static const char *const frames[] = { "", "",           "a dog .5", "=2 a dog .5", "a dog .5", "",
                                        "", "a <cat> .5", "" };
  if (!gst_registry_find_feature (gst_registry_get (), "textoverlay", GST_TYPE_ELEMENT_FACTORY)) {
    g_test_skip ("no textoverlay");
    return;
  }
  g_autoptr (GstElement) pipeline =
      launch (SOURCE " ! tee name=t t. ! queue ! o.video_sink t. ! queue ! cliptext ! o.text_sink "
                     "textoverlay name=o ! appsink name=sink sync=false");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  feed (pipeline, frames, G_N_ELEMENTS (frames));
  gst_app_src_end_of_stream (GST_APP_SRC (source));
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++) {
    GstSample *sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 20 * GST_SECOND);
    g_assert_nonnull (sample);
    if (is_grey (gst_sample_get_buffer (sample)) != !*frames[i])
      g_error ("frame %u, \"%s\", is %sgrey", i, frames[i], *frames[i] ? "" : "not ");
    gst_sample_unref (sample);
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/* Who connects late begins with the header, and reads whole lines. */
static void
test_tcp (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = launch (
      SOURCE " ! cliptext ! " CSV " ! tcpserversink name=sink host=127.0.0.1 port=0 sync=false");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  static const char *const frames[] = { "a .5", "b .5", "c .5", "d .5" };
  feed (pipeline, frames, 2);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, 20 * GST_SECOND), ==,
                   GST_STATE_CHANGE_SUCCESS);
  int port;
  g_object_get (sink, "current-port", &port, NULL);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection =
      g_socket_client_connect_to_host (client, "127.0.0.1", (guint16) port, NULL, &error);
  g_assert_no_error (error);
  for (guint handles = 0; !handles;) /* until the server knows of it */
    g_object_get (sink, "num-handles", &handles, NULL);
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  for (int n = 2; n < 4; n++)
    gst_app_src_push_buffer (GST_APP_SRC (source),
                             labelled_frame (n, frames[n], PICTURE_SIZE, 128));
  g_autoptr (GDataInputStream) stream =
      g_data_input_stream_new (g_io_stream_get_input_stream (G_IO_STREAM (connection)));
  g_data_input_stream_set_newline_type (stream, G_DATA_STREAM_NEWLINE_TYPE_CR_LF);
  for (int i = 0;; i++) {
    g_autofree char *line = g_data_input_stream_read_line (stream, NULL, NULL, &error);
    g_assert_no_error (error);
    if (i == 0) {
      g_autofree char *whole = g_strconcat (line, "\r\n", NULL);
      g_assert_cmpstr (whole, ==, CSV_HEAD);
    } else
      g_assert_true (g_str_has_prefix (line, "first," MODEL ",0."));
    if (g_str_has_suffix (line, ",d,0.5"))
      break;
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

/* Each of several files is one of WebVTT. */
static void
test_several_files (void)
{
  g_autofree char *pattern = temporary_path ("several-%d.vtt");
  g_autoptr (GstElement) pipeline =
      launch (SOURCE " ! cliptext ! " VTT
                     " ! multifilesink next-file=max-size max-file-size=100 location=%s",
              pattern);
  static const char *const frames[] = { "a .5", "b .5", "c .5", "d .5", "e .5", "f .5" };
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  feed (pipeline, frames, G_N_ELEMENTS (frames));
  gst_app_src_end_of_stream (GST_APP_SRC (source));
  g_autoptr (GstMessage) message = run_to_end (pipeline);
  g_assert_cmpstr (GST_MESSAGE_TYPE_NAME (message), ==, "eos");
  int n = 0, cues = 0;
  for (;; n++) {
    g_autofree char *path = g_strdup_printf (pattern, n), *text = NULL;
    if (!g_file_get_contents (path, &text, NULL, NULL))
      break;
    g_assert_true (g_str_has_prefix (text, "WEBVTT\n\n00:"));
    for (const char *arrow = text; (arrow = strstr (arrow, " --> ")); arrow++)
      cues++;
  }
  g_assert_cmpint (n, >, 1);
  g_assert_cmpint (cues, ==, G_N_ELEMENTS (frames));
}

/* The disk is full: an error of the sink, and the end. */
static void
test_full_disk (void)
{
  static const char *const frames[] = { "a .5", "b .5", "c .5" };
  if (!g_file_test ("/dev/full", G_FILE_TEST_EXISTS)) {
    g_test_skip ("no /dev/full");
    return;
  }
  g_autoptr (GstElement) pipeline =
      launch (SOURCE " ! cliptext ! filesink location=/dev/full buffer-mode=unbuffered");
  feed (pipeline, frames, G_N_ELEMENTS (frames));
  g_autoptr (GstMessage) message = run_to_end (pipeline);
  g_assert_cmpstr (GST_MESSAGE_TYPE_NAME (message), ==, "error");
}

/* What classifies, behind a tee, with frames between that carry results on. */
static void
test_clipclassify (void)
{
  g_autofree char *path = temporary_path ("lines");
  g_autoptr (GstElement) pipeline = launch (
      "videotestsrc num-buffers=20 pattern=snow ! video/x-raw,width=40,height=30,framerate=10/1 ! "
      "clipclassify name=one model=\"%s\" labels=\"a;b\" threshold=0 interval=4 ! clipclassify "
      "name=two model=\"%s\" labels=\"c;d\" threshold=0 interval=10 ! tee name=t t. ! queue ! "
      "fakesink t. ! queue ! cliptext ! filesink location=\"%s\"",
      tiny_model (), tiny_model (), path);
  g_autoptr (GstMessage) message = run_to_end (pipeline);
  g_assert_cmpstr (GST_MESSAGE_TYPE_NAME (message), ==, "eos");
  g_autofree char *text = NULL;
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_auto (GStrv) lines = g_strsplit (text, "\n", 0);
  int one = 0, two = 0;
  for (char **line = lines; *line; line++) {
    one += g_str_has_prefix (*line, "{\"element\": \"one\"");
    two += g_str_has_prefix (*line, "{\"element\": \"two\"");
  }
  g_assert_cmpint (one, ==, 5);
  g_assert_cmpint (two, ==, 2);
}

static void
add_tests (void)
{
  g_test_add_func ("/cliptext/table", test_table);
  g_test_add_func ("/cliptext/gaps", test_gaps);
  g_test_add_func ("/cliptext/stream", test_stream);
  g_test_add_func ("/cliptext/flush", test_flush);
  g_test_add_func ("/cliptext/segments", test_segments);
  g_test_add_func ("/cliptext/backwards", test_backwards);
  g_test_add_func ("/cliptext/time-turns", test_time_turns);
  g_test_add_func ("/cliptext/timeless", test_timeless);
  g_test_add_func ("/cliptext/renegotiation", test_renegotiation);
  g_test_add_func ("/cliptext/latency", test_latency);
  g_test_add_func ("/cliptext/dates", test_dates);
  g_test_add_func ("/cliptext/allocation", test_allocation);
  g_test_add_func ("/cliptext/json-glib", test_json_glib);
  g_test_add_func ("/cliptext/csv-rows", test_csv_rows);
  g_test_add_func ("/cliptext/subparse", test_subparse);
  g_test_add_func ("/cliptext/webvtt-py", test_webvtt_py);
  g_test_add_func ("/cliptext/muxers", test_muxers);
  g_test_add_func ("/cliptext/textoverlay", test_textoverlay);
  g_test_add_func ("/cliptext/tcp", test_tcp);
  g_test_add_func ("/cliptext/several-files", test_several_files);
  g_test_add_func ("/cliptext/full-disk", test_full_disk);
  g_test_add_func ("/cliptext/clipclassify", test_clipclassify);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
