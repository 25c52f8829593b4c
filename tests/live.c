/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clipclassify in live mode: video never waits, results ride on later frames and tell whose they are, whatever a pipeline
 * does meanwhile. */
#include "tests/element-harness.h"

#include <string.h>

#define CAPS "video/x-raw,format=RGB,width=40,height=30,framerate=25/1"
#define FRAME (40 * GST_MSECOND)
#define PATIENCE (20 * G_USEC_PER_SEC)

static const char *const live[] = { "mode=live", "labels=a red car;a dog;a cat", "threshold=0",
                                    "embedding=true", NULL };
static const char *const inline_[] = { "mode=inline", "labels=a red car;a dog;a cat", "threshold=0",
                                       "embedding=true", NULL };
static const char *const automatic[] = { "mode=auto", "labels=a red car;a dog;a cat", "threshold=0",
                                         NULL };
/* Takes about ten milliseconds a frame, so that frames come in between. */
static const char *const slow[] = { "mode=live", "model=default", "labels=a car;a dog",
                                    "threshold=0", NULL };

/* Pushes frame @n. Returns: (transfer full) (nullable): its meta, which is well-formed. */
static ClipMeta *
pass (Bench *bench, int n)
{
  g_autoptr (GstBuffer) out = bench_process (bench, frame_new (CAPS, n, n));
  ClipMeta *meta = clip_meta_read (out, NULL);
  if (!meta)
    return NULL;
  g_assert_true (meta->held);
  g_assert_cmpuint (meta->pts, <, n * FRAME);
  g_assert_cmpuint (meta->pts % FRAME, ==, 0);
  return meta;
}

/* Pushes frames from @n on until one has a meta of frame @from or a later one. */
static ClipMeta *
pass_until (Bench *bench, int *n, int from)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;
  while (g_get_monotonic_time () < end) {
    g_autoptr (ClipMeta) meta = pass (bench, (*n)++);
    if (meta && meta->pts >= from * FRAME)
      return g_steal_pointer (&meta);
    g_usleep (1000);
  }
  g_error ("no result of frame %d or later within %d frames", from, *n);
}

static guint64
sum_of_stats (Bench *bench)
{
  static const char *const fields[] = { "inferences", "held",      "paced",  "skipped",
                                        "budgeted",   "unchanged", "dropped" };
  guint64 sum = 0;
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    sum += bench_stat (bench, fields[i]);
  return sum;
}

/* Each frame was classified, spared, dropped, or is one of three: the last, which waits, and those that waited and were under
 * way when it came; they may be answered meanwhile, which the next frame would learn. */
static void
check_stats (Bench *bench)
{
  const guint64 sum = sum_of_stats (bench), frames = bench_stat (bench, "frames");
  g_assert_cmpuint (sum, <=, frames);
  g_assert_cmpuint (sum + 3, >=, frames);
}

/* ------------------------------------------------------------------------------------------------------- behaviour */

/* What a frame in live mode says of another is to the bit what inline mode says of that one. Ten times, from frame @n on. */
static void
compare_with_inline (int n)
{
  g_auto (Bench) bench = bench_new (CAPS, live), other = bench_new (CAPS, inline_);
  for (int i = 0; i < 10; i++) {
    g_autoptr (ClipMeta) meta = pass_until (&bench, &n, n);
    const int source = meta->pts / FRAME;
    g_autoptr (GstBuffer) out = bench_process (&other, frame_new (CAPS, source, source));
    g_autoptr (ClipMeta) expected = clip_meta_read (out, NULL);
    g_assert_false (expected->held);
    g_assert_cmpuint (meta->n_labels, ==, 3);
    g_assert_cmpuint (meta->running_time, ==, meta->pts);
    g_assert_cmpuint (meta->stream_time, ==, meta->pts);
    g_assert_cmpmem (meta->embedding, meta->n_embedding * sizeof (float), expected->embedding,
                     expected->n_embedding * sizeof (float));
  }
  check_stats (&bench);
}

static void
test_results (void)
{
  compare_with_inline (0);
}

static gpointer
compare_in_thread (gpointer data)
{
  for (int i = 0; i < 5; i++)
    compare_with_inline (GPOINTER_TO_INT (data) + 200 * i);
  return NULL;
}

/* Streams on one worker, which come and go, get their own results. */
static void
test_several (void)
{
  GThread *threads[4];
  tiny_model (); /* written before they need it */
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("stream", compare_in_thread, GINT_TO_POINTER (10000 * i));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

/* Frames that come faster than they can be classified pass, and the newest of them are. */
static void
test_haste (void)
{
  g_auto (Bench) bench = bench_new (CAPS, slow);
  int n = 0;
  while (bench_stat (&bench, "inferences") < 5)
    clip_meta_free (pass (&bench, n++));
  g_assert_cmpuint (bench_stat (&bench, "dropped"), >, 0);
  g_assert_cmpuint (bench_stat (&bench, "last-latency"), >, 0);
  check_stats (&bench);
}

/* A harness says that it is live. */
static void
test_auto_live (void)
{
  g_auto (Bench) bench = bench_new (CAPS, automatic);
  int n = 0;
  g_autoptr (ClipMeta) first = pass (&bench, n++);
  g_autoptr (ClipMeta) later = pass_until (&bench, &n, 0);
  g_assert_null (first);
  g_assert_nonnull (later);
}

typedef struct {
  guint n, classified;
} Count;

static GstPadProbeReturn
count (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Count *counts = data;
  g_autoptr (ClipMeta) meta = clip_meta_read (GST_PAD_PROBE_INFO_BUFFER (info), NULL);
  counts->n++;
  counts->classified += meta && !meta->held;
  return GST_PAD_PROBE_OK;
}

static GstElement *
pipeline_new (const char *const *properties, const char *format, ...)
{
  g_autoptr (GError) error = NULL;
  va_list args;
  va_start (args, format);
  g_autofree char *line = g_strdup_vprintf (format, args);
  va_end (args);
  GstElement *pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "c");
  g_object_set (element, "model", tiny_model (), NULL);
  for (; *properties; properties++) {
    g_auto (GStrv) pair = g_strsplit (*properties, "=", 2);
    gst_util_set_object_arg (G_OBJECT (element), pair[0], pair[1]);
  }
  return pipeline;
}

static void
expect_eos (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message =
      gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
}

static void
end (GstElement *pipeline)
{
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  gst_object_unref (pipeline);
}

static void
test_auto_recording (void)
{
  GstElement *pipeline =
      pipeline_new (automatic, "videotestsrc num-buffers=50 ! clipclassify name=c ! "
                               "fakesink name=sink");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  Count counts = { 0 };
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, count, &counts, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  expect_eos (pipeline);
  end (pipeline);
  g_assert_cmpuint (counts.n, ==, 50);
  g_assert_cmpuint (counts.classified, ==, 50);
}

/* What inline mode waits for is not reported in live mode, and what is reported then changes with the frames. */
static void
test_latency (void)
{
  g_auto (Bench) bench = bench_new (CAPS, slow);
  int n = 0;
  gst_harness_set_upstream_latency (bench.harness, 10 * GST_MSECOND);
  g_assert_cmpuint (gst_harness_query_latency (bench.harness), ==, 10 * GST_MSECOND);
  clip_meta_free (pass_until (&bench, &n, 0));
  g_autoptr (GstMessage) message = bench_pop (&bench, GST_MESSAGE_LATENCY);
  g_assert_nonnull (message);
  const GstClockTime reported = gst_harness_query_latency (bench.harness) - 10 * GST_MSECOND;
  g_assert_cmpuint (reported, >, 0);
}

static void
test_max_age (void)
{
  g_auto (Bench) bench = bench_new (CAPS, live);
  int n = 0;
  g_object_set (bench.element, "interval", 1000000, NULL);
  g_autoptr (ClipMeta) meta = pass_until (&bench, &n, 0);
  g_assert_cmpuint (meta->pts, ==, 0);
  g_object_set (bench.element, "max-age", (n + 1) * FRAME, NULL);
  g_autoptr (ClipMeta) young = pass (&bench, n), last = pass (&bench, n + 1),
                       old = pass (&bench, n + 2);
  g_assert_nonnull (young);
  g_assert_nonnull (last);
  g_assert_null (old);
}

/* Nothing of before a flush, a new segment or a discontinuity comes after it, however fast or slow the worker is. */
static void
test_scenes (void)
{
  g_auto (Bench) bench = bench_new (CAPS, live);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  int n = 0;
  for (int i = 0; i < 300; i++) {
    if (i % 2) {
      g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_flush_start ()));
      g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_flush_stop (TRUE)));
    }
    g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_segment (&segment)));
    const int first = n;
    for (int j = 0; j < 4; j++) {
      g_autoptr (ClipMeta) meta = pass (&bench, n++);
      if (meta)
        g_assert_cmpuint (meta->pts, >=, first * FRAME);
      g_usleep (i * 3);
    }
  }
  clip_meta_free (pass_until (&bench, &n, n));
  check_stats (&bench);
}

/* A clock is set back by an hour in mid-stream, while the sink says that frames are late: they are classified as ever, one a
 * second at least, and nothing of before comes after. */
static void
test_clock_jumps (void)
{
  const int hour = 3600 * 25;
  for (int mode = 0; mode < 2; mode++) {
    g_auto (Bench) bench = bench_new (CAPS, mode ? live : inline_);
    gst_harness_query_latency (bench.harness); /* which tells that it is live */
    for (int n = hour; n < hour + 25; n++)
      gst_buffer_unref (bench_process (&bench, frame_new (CAPS, n, n)));
    gst_harness_push_upstream_event (
        bench.harness,
        gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1, GST_SECOND, (hour + 25) * FRAME));
    const guint64 skipped = bench_stat (&bench, "skipped");
    for (int n = 0; n < 75; n++) {
      g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (CAPS, n, n));
      g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
      if (meta)
        g_assert_cmpuint (meta->pts, <=, n * FRAME);
    }
    g_assert_cmpuint (bench_stat (&bench, "skipped") - skipped, ==, 75 - 3);
    check_stats (&bench);
  }
}

/* Without a PTS nothing is known of a frame's time, and its result says so. */
static void
test_timeless (void)
{
  for (int mode = 0; mode < 2; mode++) {
    g_auto (Bench) bench = bench_new (CAPS, mode ? live : inline_);
    g_object_set (bench.element, "max-rate", 5, 1, "max-age", GST_SECOND, NULL);
    const gint64 end = g_get_monotonic_time () + PATIENCE;
    for (int n = 0, n_results = 0; n_results < 20; n++) {
      GstBuffer *frame = frame_new (CAPS, n, n);
      GST_BUFFER_PTS (frame) = GST_BUFFER_DURATION (frame) = GST_CLOCK_TIME_NONE;
      g_autoptr (GstBuffer) out = bench_process (&bench, frame);
      g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
      if (meta) {
        g_assert_cmpuint (meta->pts, ==, GST_CLOCK_TIME_NONE);
        g_assert_cmpuint (meta->running_time, ==, GST_CLOCK_TIME_NONE);
        g_assert_cmpuint (meta->stream_time, ==, GST_CLOCK_TIME_NONE);
        n_results++;
      }
      g_assert_cmpint (g_get_monotonic_time (), <, end);
    }
    check_stats (&bench);
  }
}

static void
test_gaps (void)
{
  g_auto (Bench) bench = bench_new (CAPS, live);
  int n = 0;
  clip_meta_free (pass_until (&bench, &n, 0));
  const guint64 frames = bench_stat (&bench, "frames");
  GstBuffer *gap = frame_new (CAPS, n, n);
  GST_BUFFER_FLAG_SET (gap, GST_BUFFER_FLAG_GAP);
  g_autoptr (GstBuffer) out = bench_process (&bench, gap);
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  g_assert_null (meta);
  g_assert_cmpuint (bench_stat (&bench, "frames"), ==, frames);
}

/* Caps change while frames of others are waiting and under way. */
static void
test_renegotiation (void)
{
  static const char *const formats[] = { "I420", "RGB", "NV12", "GRAY8", "P010_10LE" };
  g_auto (Bench) bench = bench_new (NULL, live);
  for (int i = 0; i < 100; i++) {
    g_autofree char *caps = video_caps (formats[i % 5], 50 + i % 13 * 20, 60 + i % 7 * 30);
    gst_harness_set_src_caps_str (bench.harness, caps);
    for (int j = 0; j < i % 4; j++)
      gst_buffer_unref (bench_process (&bench, frame_new (caps, i, i)));
  }
  gst_harness_set_src_caps_str (bench.harness, CAPS);
  int n = 200;
  clip_meta_free (pass_until (&bench, &n, 200));
  check_stats (&bench);
}

static void
test_unusable_frames (void)
{
  g_auto (Bench) bench = bench_new (CAPS, live);
  int n = 0;
  clip_meta_free (pass_until (&bench, &n, 0));
  GstBuffer *bad = gst_buffer_new_allocate (NULL, 100, NULL);
  g_assert_cmpint (gst_harness_push (bench.harness, bad), ==, GST_FLOW_ERROR);
  g_autoptr (GstMessage) message = bench_pop (&bench, GST_MESSAGE_ERROR);
  g_autoptr (GstMessage) second = bench_pop (&bench, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  g_assert_null (second);
}

/* The frame itself goes on at once: nobody keeps it from being written to or reused. */
static void
test_no_reference (void)
{
  g_auto (Bench) bench = bench_new (CAPS, slow);
  for (int n = 0; n < 50; n++) {
    GstBuffer *in = frame_new (CAPS, n, n);
    g_autoptr (GstBuffer) out = bench_process (&bench, in);
    g_assert_true (out == in);
    g_assert_true (gst_buffer_is_writable (out));
    g_assert_true (gst_buffer_is_all_memory_writable (out));
  }
}

static void
test_eos (void)
{
  g_auto (Bench) bench = bench_new (CAPS, slow);
  int n = 0;
  for (int i = 0; i < 3; i++)
    clip_meta_free (pass (&bench, n++));
  g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_eos ()));
}

/* All at once: labels a thousand times a second, every other property, statistics. */
static gpointer
disturb (gpointer data)
{
  Bench *bench = data;
  for (int i = 0; i < 500; i++) {
    g_autofree char *labels = g_strdup_printf ("x%d;y;z", i);
    g_autoptr (GstStructure) stats = NULL;
    g_object_set (bench->element, "labels", labels, "threshold", (i % 10) / 10.0, "interval",
                  1 + i % 3, "max-rate", i % 4 * 20, 1, "change-threshold", i % 2 / 100.0,
                  "cpu-budget", i % 3 / 2.0, "max-age", (guint64) (i % 2 * GST_SECOND), NULL);
    g_object_get (bench->element, "stats", &stats, NULL);
    g_usleep (1000);
  }
  return NULL;
}

static void
test_concurrency (void)
{
  g_auto (Bench) bench = bench_new (CAPS, live);
  GThread *thread = g_thread_new ("disturb", disturb, &bench);
  for (int n = 0; n < 1000; n++) {
    clip_meta_free (pass (&bench, n));
    g_usleep (300);
  }
  g_thread_join (thread);
  g_object_set (bench.element, "labels", "the last one;b", "threshold", 0.0, "interval", 1,
                "max-rate", 0, 1, "change-threshold", 0.0, "cpu-budget", 0.0, NULL);
  const gint64 end = g_get_monotonic_time () + PATIENCE;
  gboolean found = FALSE;
  for (int n = 1000; !found; n++) {
    g_autoptr (ClipMeta) meta = pass (&bench, n);
    for (guint i = 0; meta && i < meta->n_labels; i++)
      found |= strcmp (meta->labels[i].name, "the last one") == 0;
    g_assert_cmpint (g_get_monotonic_time (), <, end);
  }
  check_stats (&bench);
}

/* Frames that a rule spared, in both modes. */
static void
test_rules (void)
{
  static const struct {
    const char *property, *value, *field;
    guint64 expected; /* of 50 frames, 2 seconds */
  } cases[] = { { "interval", "5", "held", 40 },
                { "max-rate", "5/1", "paced", 40 },
                { "change-threshold", "1", "unchanged", 49 } };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (int mode = 0; mode < 2; mode++) {
      g_auto (Bench) bench = bench_new (CAPS, mode ? live : inline_);
      gst_util_set_object_arg (G_OBJECT (bench.element), cases[i].property, cases[i].value);
      for (int n = 0; n < 50; n++)
        gst_buffer_unref (bench_process (&bench, frame_new (CAPS, n, n)));
      g_test_message ("%s=%s", cases[i].property, cases[i].value);
      g_assert_cmpuint (bench_stat (&bench, cases[i].field), ==, cases[i].expected);
      check_stats (&bench);
    }
}

/* ------------------------------------------------------------------------------------------------------- pipelines */

#define LIVE_SOURCE "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=60/1 ! "

typedef struct {
  GMutex lock;
  GCond changed;
  guint with_meta;     /* frames at the sink */
  GstClockTime newest; /* PTS of what they tell of */
} Seen;

static GstPadProbeReturn
see (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Seen *seen = data;
  g_autoptr (ClipMeta) meta = clip_meta_read (GST_PAD_PROBE_INFO_BUFFER (info), NULL);
  if (!meta)
    return GST_PAD_PROBE_OK;
  g_mutex_lock (&seen->lock);
  seen->with_meta++;
  seen->newest = meta->pts;
  g_cond_signal (&seen->changed);
  g_mutex_unlock (&seen->lock);
  return GST_PAD_PROBE_OK;
}

static void
watch (GstElement *pipeline, Seen *seen)
{
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, see, seen, NULL);
}

static void
wait_for_results (Seen *seen, guint n)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;
  g_mutex_lock (&seen->lock);
  const guint before = seen->with_meta;
  while (seen->with_meta < before + n)
    if (!g_cond_wait_until (&seen->changed, &seen->lock, end))
      g_error ("%u frames with a result, expected %u", seen->with_meta - before, n);
  g_mutex_unlock (&seen->lock);
}

static void
test_states (void)
{
  static const GstState states[] = { GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_PLAYING,
                                     GST_STATE_READY,   GST_STATE_PAUSED, GST_STATE_READY,
                                     GST_STATE_PLAYING, GST_STATE_NULL };
  GstElement *pipeline =
      pipeline_new (automatic, LIVE_SOURCE "clipclassify name=c ! fakesink sync=true name=sink");
  Seen seen = { 0 };
  watch (pipeline, &seen);
  for (guint i = 0; i < 5 * G_N_ELEMENTS (states); i++) {
    const GstState state = states[i % G_N_ELEMENTS (states)];
    g_assert_cmpint (gst_element_set_state (pipeline, state), !=, GST_STATE_CHANGE_FAILURE);
    g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, 20 * GST_SECOND), !=,
                     GST_STATE_CHANGE_FAILURE);
    if (state == GST_STATE_PLAYING)
      wait_for_results (&seen, i % 3 ? 1 : 10);
  }
  end (pipeline);
}

static void
test_seeks (void)
{
  static const double rates[] = { 1, 2, 0.5, -1, -2, 1 };
  for (int mode = 0; mode < 2; mode++) {
    GstElement *pipeline = pipeline_new (
        mode ? live : inline_, "videotestsrc ! video/x-raw,width=160,height=120,framerate=60/1 ! "
                               "clipclassify name=c ! fakesink sync=true name=sink");
    Seen seen = { 0 };
    watch (pipeline, &seen);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    wait_for_results (&seen, 3);
    for (guint i = 0; i < 2 * G_N_ELEMENTS (rates); i++) {
      const double rate = rates[i % G_N_ELEMENTS (rates)];
      const GstClockTime from = 5 * GST_SECOND + i * GST_SECOND, to = from + 100 * GST_SECOND;
      const GstClockTime start = rate > 0 ? from : 0, stop = rate > 0 ? to : from;
      g_assert_true (gst_element_seek (pipeline, rate, GST_FORMAT_TIME,
                                       GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE,
                                       GST_SEEK_TYPE_SET, start, GST_SEEK_TYPE_SET, stop));
      g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, 20 * GST_SECOND), ==,
                       GST_STATE_CHANGE_SUCCESS);
      wait_for_results (&seen, 5);
      g_mutex_lock (&seen.lock);
      const GstClockTime newest = seen.newest;
      g_mutex_unlock (&seen.lock);
      if (newest < (rate > 0 ? from : 0) || newest > (rate > 0 ? to : from))
        g_error ("rate %g: a result of %" GST_TIME_FORMAT, rate, GST_TIME_ARGS (newest));
    }
    end (pipeline);
  }
}

static GstPadProbeReturn
swap_source (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstElement **elements = data; /* from, to, classifier; NULL once done */
  gst_element_unlink (elements[0], elements[2]);
  g_assert_true (gst_element_link (elements[1], elements[2]));
  return GST_PAD_PROBE_REMOVE;
}

/* The classifier gets its frames from one source, then from the other, of another size, while both play. */
static void
test_relink (void)
{
  GstElement *pipeline =
      pipeline_new (automatic, LIVE_SOURCE
                    "tee name=a allow-not-linked=true  videotestsrc is-live=true pattern=ball ! "
                    "video/x-raw,width=320,height=200,framerate=60/1 ! tee name=b "
                    "allow-not-linked=true  clipclassify name=c ! fakesink async=false name=sink");
  Seen seen = { 0 };
  watch (pipeline, &seen);
  g_autoptr (GstElement) a = gst_bin_get_by_name (GST_BIN (pipeline), "a");
  g_autoptr (GstElement) b = gst_bin_get_by_name (GST_BIN (pipeline), "b");
  g_autoptr (GstElement) c = gst_bin_get_by_name (GST_BIN (pipeline), "c");
  g_assert_true (gst_element_link (a, c));
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (int i = 0; i < 10; i++) {
    wait_for_results (&seen, 5);
    GstElement *elements[] = { i % 2 ? b : a, i % 2 ? a : b, c };
    g_autoptr (GstPad) sink = gst_element_get_static_pad (c, "sink");
    g_autoptr (GstPad) peer = gst_pad_get_peer (sink);
    gst_pad_add_probe (peer, GST_PAD_PROBE_TYPE_IDLE, swap_source, elements, NULL);
    for (gboolean done = FALSE; !done; g_usleep (1000)) {
      g_autoptr (GstPad) now = gst_pad_get_peer (sink);
      done = now && now != peer;
    }
    gst_element_release_request_pad (elements[0], peer);
  }
  wait_for_results (&seen, 5);
  end (pipeline);
}

static gpointer
stop (gpointer data)
{
  gst_element_set_state (data, GST_STATE_NULL);
  return NULL;
}

/* NULL from another thread, at any time of a start. */
static void
test_stop_while_loading (void)
{
  GstElement *pipeline =
      pipeline_new (live, LIVE_SOURCE "clipclassify name=c ! fakesink name=sink");
  for (int i = 0; i < 40; i++) {
    GThread *thread = g_thread_new ("stop", stop, pipeline);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    g_usleep (i * 500);
    g_thread_join (thread);
    gst_element_set_state (pipeline, GST_STATE_NULL);
  }
  end (pipeline);
}

static void
add_tests (void)
{
  g_test_add_func ("/live/results", test_results);
  g_test_add_func ("/live/several", test_several);
  g_test_add_func ("/live/haste", test_haste);
  g_test_add_func ("/live/auto-live", test_auto_live);
  g_test_add_func ("/live/auto-recording", test_auto_recording);
  g_test_add_func ("/live/latency", test_latency);
  g_test_add_func ("/live/max-age", test_max_age);
  g_test_add_func ("/live/scenes", test_scenes);
  g_test_add_func ("/live/clock-jumps", test_clock_jumps);
  g_test_add_func ("/live/timeless", test_timeless);
  g_test_add_func ("/live/gaps", test_gaps);
  g_test_add_func ("/live/renegotiation", test_renegotiation);
  g_test_add_func ("/live/unusable-frames", test_unusable_frames);
  g_test_add_func ("/live/no-reference", test_no_reference);
  g_test_add_func ("/live/eos", test_eos);
  g_test_add_func ("/live/concurrency", test_concurrency);
  g_test_add_func ("/live/rules", test_rules);
  g_test_add_func ("/live/states", test_states);
  g_test_add_func ("/live/seeks", test_seeks);
  g_test_add_func ("/live/relink", test_relink);
  g_test_add_func ("/live/stop-while-loading", test_stop_while_loading);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
