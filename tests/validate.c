/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pipelines with our elements × scenarios (tests/validate/NAME.scenario), while the rules of streams are watched.
 *
 * The scenarios are in the language of gst-validate; the actions in the table below are what is understood of it here.
 */
#include "tests/element-harness.h"
#include "tests/stream-rules.h"
#include "tests/testing.h"

#define PATIENCE (60 * G_USEC_PER_SEC)

/* Scenarios seek in the first 4 seconds. */
#define RECORDING                                                                                  \
  "filesrc name=file ! qtdemux name=demux  jpegdec name=decode ! videoconvertscale ! "             \
  "capsfilter name=size caps-change-mode=delayed"
#define FILM                                                                                       \
  "filesrc name=file ! qtdemux name=demux  h264parse name=decode ! avdec_h264 ! "                  \
  "videoconvertscale ! capsfilter name=size caps-change-mode=delayed "                             \
  "caps=video/x-raw,width=160,height=90"
#define CAMERA                                                                                     \
  "videotestsrc is-live=true pattern=ball ! video/x-raw,framerate=25/1 ! "                         \
  "videoconvertscale ! "                                                                           \
  "capsfilter name=size caps-change-mode=delayed "                                                 \
  "caps=video/x-raw,format=I420,width=160,height=120"

static const struct {
  const char *name, *source, *mode;
  StreamResults results;
  const char *text; /* of cliptext, with its properties */
} pipelines[] = {
  { "recording-inline", RECORDING, "inline", RESULTS_OWN, "cliptext name=t ! application/x-json" },
  { "recording-live", RECORDING, "live", RESULTS_HELD,
    "cliptext name=t ! application/x-subtitle-vtt" },
  { "recording-auto", RECORDING, "auto", RESULTS_OWN,
    "cliptext name=t max-duration=80000000 ! text/x-raw,format=utf8" },
  { "film-inline", FILM, "inline", RESULTS_OWN, "cliptext name=t ! application/x-subtitle-vtt" },
  { "film-live", FILM, "live", RESULTS_HELD,
    "cliptext name=t max-duration=0 ! text/x-raw,format=pango-markup" },
  { "camera-inline", CAMERA, "inline", RESULTS_OWN, "cliptext name=t events=true ! text/csv" },
  { "camera-live", CAMERA, "live", RESULTS_HELD,
    "cliptext name=t max-duration=80000000 ! text/x-raw,format=utf8" },
  { "camera-auto", CAMERA, "auto", RESULTS_HELD,
    "cliptext name=t events=true ! application/x-json" },
};

typedef struct {
  guint pipeline;       /* row of the table */
  const char *scenario; /* NULL: none */
} Case;

typedef struct {
  GstElement *pipeline, *classifier, *overlay, *text;
  StreamResults results;
  GstBus *bus;
  StreamRules *rules;
  double rate;
  GstMessageType seen; /* of what actions and the end wait for, not taken yet */
} Run;

/* ------------------------------------------------------------------------------------------------------------ waiting */

/* Takes what is on the bus. Nothing may warn, let alone fail. */
static void
read_bus (Run *run, GstClockTime patience)
{
  g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
      run->bus, patience,
      GST_MESSAGE_ERROR | GST_MESSAGE_WARNING | GST_MESSAGE_EOS | GST_MESSAGE_SEGMENT_DONE);
  if (!message)
    return;
  const GstMessageType type = GST_MESSAGE_TYPE (message);
  if (type == GST_MESSAGE_ERROR || type == GST_MESSAGE_WARNING) {
    g_autoptr (GError) error = NULL;
    g_autofree char *details = NULL;
    if (type == GST_MESSAGE_ERROR)
      gst_message_parse_error (message, &error, &details);
    else
      gst_message_parse_warning (message, &error, &details);
    g_error ("%s: %s (%s)", GST_MESSAGE_SRC_NAME (message), error->message, details);
  }
  run->seen |= type;
}

static void
wait_for_message (Run *run, GstMessageType type)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;
  while (!(run->seen & type)) {
    if (g_get_monotonic_time () > end)
      g_error ("no %s", gst_message_type_get_name (type));
    read_bus (run, 20 * GST_MSECOND);
  }
  run->seen &= ~type;
}

static void
wait_for_position (Run *run, GstClockTime position)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;
  gint64 now = -1;
  while (!gst_element_query_position (run->pipeline, GST_FORMAT_TIME, &now) || now < 0 ||
         (run->rate > 0 ? (guint64) now < position : (guint64) now > position)) {
    if (g_get_monotonic_time () > end)
      g_error ("position %" GST_TIME_FORMAT ", waiting for %" GST_TIME_FORMAT, GST_TIME_ARGS (now),
               GST_TIME_ARGS (position));
    read_bus (run, 5 * GST_MSECOND);
  }
}

static void
wait_for_state (Run *run)
{
  const GstStateChangeReturn result =
      gst_element_get_state (run->pipeline, NULL, NULL, PATIENCE * GST_USECOND);
  read_bus (run, 0);
  g_assert_true (result == GST_STATE_CHANGE_SUCCESS || result == GST_STATE_CHANGE_NO_PREROLL);
}

static void
wait_for_frames (Run *run, guint n)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;
  const guint before = stream_rules_count (run->rules, run->overlay);
  while (stream_rules_count (run->rules, run->overlay) < before + n) {
    g_assert_cmpint (g_get_monotonic_time (), <, end);
    read_bus (run, 5 * GST_MSECOND);
  }
}

/* ------------------------------------------------------------------------------------------------------------- actions */

static GstClockTime
time_of (const GstStructure *action, const char *field)
{
  double seconds;
  return gst_structure_get_double (action, field, &seconds)
             ? (GstClockTime) (seconds * GST_SECOND + 0.5)
             : GST_CLOCK_TIME_NONE;
}

static void
set_state (Run *run, GstState state)
{
  g_assert_cmpint (gst_element_set_state (run->pipeline, state), !=, GST_STATE_CHANGE_FAILURE);
  wait_for_state (run);
}

static void
ignore (Run *run, const GstStructure *action)
{
}

static void
seek (Run *run, const GstStructure *action)
{
  const GstClockTime start = time_of (action, "start"), stop = time_of (action, "stop");
  GValue flags = G_VALUE_INIT;
  g_value_init (&flags, GST_TYPE_SEEK_FLAGS);
  g_assert_true (gst_value_deserialize (&flags, gst_structure_get_string (action, "flags")));
  const GstSeekFlags how = g_value_get_flags (&flags);
  if (!gst_structure_get_double (action, "rate", &run->rate))
    run->rate = 1;
  run->seen = 0;
  g_assert_true (gst_element_seek (
      run->pipeline, run->rate, GST_FORMAT_TIME, how, GST_SEEK_TYPE_SET, start,
      stop == GST_CLOCK_TIME_NONE ? GST_SEEK_TYPE_NONE : GST_SEEK_TYPE_SET, stop));
  if (!(how & GST_SEEK_FLAG_FLUSH))
    return;
  wait_for_state (run);
  if (how & GST_SEEK_FLAG_ACCURATE)
    stream_rules_expect_position (run->rules, run->overlay, run->rate > 0 ? start : stop);
}

static void
pause_for (Run *run, const GstStructure *action)
{
  const GstClockTime duration = time_of (action, "duration");
  set_state (run, GST_STATE_PAUSED);
  if (!GST_CLOCK_TIME_IS_VALID (duration))
    return;
  g_usleep (GST_TIME_AS_USECONDS (duration));
  set_state (run, GST_STATE_PLAYING);
}

static void
play (Run *run, const GstStructure *action)
{
  set_state (run, GST_STATE_PLAYING);
}

static void
change_state (Run *run, const GstStructure *action)
{
  static const char *const names[] = {
    [GST_STATE_NULL] = "null", [GST_STATE_READY] = "ready", [GST_STATE_PAUSED] = "paused"
  };
  const char *name = gst_structure_get_string (action, "state");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_strcmp0 (names[i], name) == 0) {
      set_state (run, (GstState) i);
      return;
    }
  g_error ("no state %s", name);
}

static void
set_property (Run *run, const GstStructure *action)
{
  const char *name = gst_structure_get_string (action, "target-element-name");
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (run->pipeline), name);
  g_assert_nonnull (element);
  gst_util_set_object_arg (G_OBJECT (element), gst_structure_get_string (action, "property-name"),
                           gst_structure_get_string (action, "property-value"));
}

static void
wait (Run *run, const GstStructure *action)
{
  const gint64 end = g_get_monotonic_time () + GST_TIME_AS_USECONDS (time_of (action, "duration"));
  while (g_get_monotonic_time () < end)
    read_bus (run, 5 * GST_MSECOND);
}

static void
send_eos (Run *run, const GstStructure *action)
{
  g_assert_true (gst_element_send_event (run->pipeline, gst_event_new_eos ()));
}

static const struct {
  const char *name;
  void (*act) (Run *, const GstStructure *);
} actions[] = {
  { "description", ignore },
  { "seek", seek },
  { "pause", pause_for },
  { "play", play },
  { "set-state", change_state },
  { "set-property", set_property },
  { "wait", wait },
  { "eos", send_eos },
};

static void
act (Run *run, const char *line)
{
  g_autoptr (GstStructure) action = gst_structure_from_string (line, NULL);
  if (!action)
    g_error ("no action: %s", line);
  const GstClockTime position = time_of (action, "playback-time");
  const char *message = gst_structure_get_string (action, "on-message");
  if (GST_CLOCK_TIME_IS_VALID (position))
    wait_for_position (run, position);
  if (message)
    wait_for_message (run,
                      g_str_equal (message, "eos") ? GST_MESSAGE_EOS : GST_MESSAGE_SEGMENT_DONE);
  g_test_message ("%s", line);
  for (guint i = 0; i < G_N_ELEMENTS (actions); i++)
    if (gst_structure_has_name (action, actions[i].name)) {
      actions[i].act (run, action);
      return;
    }
  g_error ("unknown action: %s", line);
}

static void
act_scenario (Run *run, const char *name)
{
  g_autofree char *file = g_strconcat (name, ".scenario", NULL);
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "validate", file, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  g_auto (GStrv) lines = g_strsplit (g_strchomp (text), "\n", 0);
  for (char **line = lines; *line; line++)
    act (run, *line);
}

/* ----------------------------------------------------------------------------------------------------------- pipelines */

/* A minute of a ball, each frame a key unit: longer than a test takes on a slow machine. */
static char *
recording (void)
{
  char *path = temporary_path ("ball.mov");
  g_autoptr (GError) error = NULL;
  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return path;
  g_autofree char *line = g_strdup_printf ("videotestsrc num-buffers=1500 pattern=ball ! "
                                           "video/x-raw,width=160,height=120,framerate=25/1 "
                                           "! jpegenc ! qtmux ! filesink location=\"%s\"",
                                           path);
  g_autoptr (GstElement) pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_autoptr (GstMessage) message =
      gst_bus_timed_pop_filtered (bus, PATIENCE * GST_USECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return path;
}

static gboolean
has_element (const char *name)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (name);
  return factory != NULL;
}

/* NULL: the test is skipped. */
static char *
file_of (const char *source)
{
  if (!g_str_equal (source, FILM))
    return recording ();
  if (has_element ("avdec_h264"))
    return shared_path ("data/video/car-detection.mp4");
  g_test_skip ("no decoder of H.264");
  return NULL;
}

static GstElement *
classifier_of (guint row)
{
  const char *mode = pipelines[row].mode;
  g_autofree char *property = g_strconcat ("mode=", mode, NULL);
  const char *const properties[] = { "name=c", "labels=a;b;c", "threshold=0", property, NULL };
  return classifier_new (properties);
}

/* Of the first stream, in each start: a link in the pipeline's description is made only once. */
static void
link_decoder (GstElement *demux, GstPad *pad, gpointer decoder)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (decoder, "sink");
  if (!gst_pad_is_linked (sink))
    g_assert_cmpint (gst_pad_link (pad, sink), ==, GST_PAD_LINK_OK);
}

static void
set_file (GstElement *pipeline, const char *path)
{
  g_autoptr (GstElement) file = gst_bin_get_by_name (GST_BIN (pipeline), "file");
  g_autoptr (GstElement) demux = gst_bin_get_by_name (GST_BIN (pipeline), "demux");
  g_autoptr (GstElement) decode = gst_bin_get_by_name (GST_BIN (pipeline), "decode");
  g_object_set (file, "location", path, NULL);
  g_signal_connect_object (demux, "pad-added", G_CALLBACK (link_decoder), decode, 0);
}

/* Returns FALSE where the test is skipped. */
static gboolean
run_new (Run *run, const Case *test)
{
  const guint row = test->pipeline;
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strdup_printf ("%s, %s", pipelines[row].name, test->scenario);
  const gboolean is_file = !g_str_equal (pipelines[row].source, CAMERA);
  g_autofree char *path = is_file ? file_of (pipelines[row].source) : NULL;
  if (is_file && !path)
    return FALSE;
  g_autofree char *line = g_strdup_printf (
      "%s ! identity name=before %s name=o ! tee name=split allow-not-linked=true  "
      "split. ! queue max-size-buffers=4 ! fakesink name=video sync=true  split. ! queue ! %s ! "
      "fakesink sync=true",
      pipelines[row].source, has_element ("clipoverlay") ? "clipoverlay" : "identity",
      pipelines[row].text);
  *run = (Run){ .rate = 1, .results = pipelines[row].results };
  run->pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  run->bus = gst_element_get_bus (run->pipeline);
  run->classifier = gst_object_ref (classifier_of (row));
  run->overlay = gst_bin_get_by_name (GST_BIN (run->pipeline), "o");
  run->text = gst_bin_get_by_name (GST_BIN (run->pipeline), "t");
  g_autoptr (GstElement) before = gst_bin_get_by_name (GST_BIN (run->pipeline), "before");
  if (path)
    set_file (run->pipeline, path);
  gst_bin_add (GST_BIN (run->pipeline), run->classifier);
  g_assert_true (gst_element_link_many (before, run->classifier, run->overlay, NULL));
  run->rules = stream_rules_new (name);
  stream_rules_watch_results (run->rules, run->classifier, run->results);
  stream_rules_watch (run->rules, run->overlay, TRUE);
  stream_rules_watch (run->rules, run->text, FALSE);
  return TRUE;
}

static void
run_end (Run *run)
{
  g_assert_cmpuint (stream_rules_count (run->rules, run->text), >, 0);
  g_assert_cmpint (gst_element_set_state (run->pipeline, GST_STATE_NULL), ==,
                   GST_STATE_CHANGE_SUCCESS);
  stream_rules_free (run->rules);
  gst_object_unref (run->classifier);
  gst_object_unref (run->overlay);
  gst_object_unref (run->text);
  gst_object_unref (run->bus);
  gst_object_unref (run->pipeline);
}

/* --------------------------------------------------------------------------------------------------------------- tests */

static void
test_scenario (gconstpointer data)
{
  const Case *test = data;
  Run run;
  if (!run_new (&run, test))
    return;
  set_state (&run, GST_STATE_PLAYING);
  act_scenario (&run, test->scenario);
  wait_for_message (&run, GST_MESSAGE_EOS);
  run_end (&run);
}

/* Of seven frames one is missing, told as a gap, and another one is no picture. */
static GstPadProbeReturn
make_gaps (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  guint *n = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  const guint at = (*n)++ % 7;
  if (at == 3) {
    gst_pad_push_event (pad,
                        gst_event_new_gap (GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer)));
    return GST_PAD_PROBE_DROP;
  }
  if (at == 5) {
    buffer = gst_buffer_make_writable (buffer);
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
    info->data = buffer;
  }
  return GST_PAD_PROBE_OK;
}

static void
test_gaps (gconstpointer data)
{
  const Case *test = data;
  guint n = 0;
  Run run;
  if (!run_new (&run, test))
    return;
  g_autoptr (GstElement) before = gst_bin_get_by_name (GST_BIN (run.pipeline), "before");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (before, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, make_gaps, &n, NULL);
  set_state (&run, GST_STATE_PLAYING);
  wait_for_frames (&run, 20);
  send_eos (&run, NULL);
  wait_for_message (&run, GST_MESSAGE_EOS);
  run_end (&run);
}

/* ------------------------------------------------------------------------------------------- elements come and go */

typedef struct {
  void (*work) (gpointer);
  gpointer data;
  GMutex lock;
  GCond changed;
  gboolean done;
} Pause;

static GstPadProbeReturn
work_in_pause (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Pause *pause = data;
  pause->work (pause->data);
  g_mutex_lock (&pause->lock);
  pause->done = TRUE;
  g_cond_signal (&pause->changed);
  g_mutex_unlock (&pause->lock);
  return GST_PAD_PROBE_REMOVE;
}

/* Calls @work between two frames of @pad. */
static void
between_frames (GstPad *pad, void (*work) (gpointer), gpointer data)
{
  Pause pause = { .work = work, .data = data };
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_IDLE, work_in_pause, &pause, NULL);
  g_mutex_lock (&pause.lock);
  while (!pause.done)
    g_cond_wait (&pause.changed, &pause.lock);
  g_mutex_unlock (&pause.lock);
}

static void
take_out (gpointer data)
{
  GstElement **chain = data; /* before, classifier, overlay */
  gst_element_unlink (chain[0], chain[1]);
  gst_element_unlink (chain[1], chain[2]);
  g_assert_true (gst_element_link (chain[0], chain[2]));
}

static void
put_back (gpointer data)
{
  GstElement **chain = data;
  gst_element_unlink (chain[0], chain[2]);
  g_assert_true (gst_element_link_many (chain[0], chain[1], chain[2], NULL));
}

static void
remove_element (Run *run, GstElement *element)
{
  gst_bin_remove (GST_BIN (run->pipeline), element);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
}

static void
add_element (Run *run, GstElement *element)
{
  gst_bin_add (GST_BIN (run->pipeline), element);
  g_assert_true (gst_element_sync_state_with_parent (element));
}

/* clipclassify is taken out of a pipeline that plays, and put back. */
static void
test_filter (gconstpointer data)
{
  Run run;
  if (!run_new (&run, data))
    return;
  g_autoptr (GstElement) before = gst_bin_get_by_name (GST_BIN (run.pipeline), "before");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (before, "src");
  GstElement *chain[] = { before, run.classifier, run.overlay };
  set_state (&run, GST_STATE_PLAYING);
  for (int i = 0; i < 6; i++) {
    wait_for_frames (&run, 3);
    between_frames (pad, take_out, chain);
    remove_element (&run, run.classifier);
    wait_for_frames (&run, 3);
    add_element (&run, run.classifier);
    between_frames (pad, put_back, chain);
  }
  wait_for_frames (&run, 3);
  send_eos (&run, NULL);
  wait_for_message (&run, GST_MESSAGE_EOS);
  run_end (&run);
}

static void
unlink_peer (gpointer data)
{
  GstPad *pad = data;
  g_autoptr (GstPad) peer = gst_pad_get_peer (pad);
  gst_pad_unlink (pad, peer);
}

/* Another cliptext comes to a pipeline that plays, and goes. */
static void
test_branch (gconstpointer data)
{
  Run run;
  if (!run_new (&run, data))
    return;
  g_autoptr (GstElement) split = gst_bin_get_by_name (GST_BIN (run.pipeline), "split");
  set_state (&run, GST_STATE_PLAYING);
  for (int i = 0; i < 6; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GstElement) branch = gst_parse_bin_from_description (
        "queue ! cliptext name=t2 ! application/x-subtitle-vtt ! fakesink sync=true async=false",
        TRUE, &error);
    g_assert_no_error (error);
    gst_object_ref_sink (branch);
    g_autoptr (GstElement) text = gst_bin_get_by_name (GST_BIN (branch), "t2");
    stream_rules_watch (run.rules, text, FALSE);
    add_element (&run, branch);
    g_autoptr (GstPad) pad = gst_element_request_pad_simple (split, "src_%u");
    g_autoptr (GstPad) sink = gst_element_get_static_pad (branch, "sink");
    g_assert_cmpint (gst_pad_link (pad, sink), ==, GST_PAD_LINK_OK);
    wait_for_frames (&run, 4);
    between_frames (pad, unlink_peer, pad);
    remove_element (&run, branch);
    gst_element_release_request_pad (split, pad);
    g_assert_cmpuint (stream_rules_count (run.rules, text), >, 0);
  }
  send_eos (&run, NULL);
  wait_for_message (&run, GST_MESSAGE_EOS);
  run_end (&run);
}

static const struct {
  const char *name;
  void (*test) (gconstpointer);
  gboolean seeks; /* of what is seekable; of the film there is nothing else to learn */
} tests[] = {
  { "seeks", test_scenario, TRUE },    { "backwards", test_scenario, TRUE },
  { "segments", test_scenario, TRUE }, { "scrub", test_scenario, TRUE },
  { "eos", test_scenario, TRUE },      { "states", test_scenario, FALSE },
  { "formats", test_scenario, FALSE }, { "pauses", test_scenario, FALSE },
  { "gaps", test_gaps, FALSE },        { "filter", test_filter, FALSE },
  { "branch", test_branch, FALSE },
};

static void
add_tests (void)
{
  for (guint row = 0; row < G_N_ELEMENTS (pipelines); row++)
    for (guint i = 0; i < G_N_ELEMENTS (tests); i++) {
      const char *source = pipelines[row].source;
      if (tests[i].seeks ? g_str_equal (source, CAMERA) : g_str_equal (source, FILM))
        continue;
      Case *test = g_new (Case, 1);
      *test = (Case){ row, tests[i].name };
      g_autofree char *path =
          g_strdup_printf ("/validate/%s/%s", pipelines[row].name, tests[i].name);
      g_test_add_data_func_full (path, test, (GTestDataFunc) tests[i].test, g_free);
    }
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
