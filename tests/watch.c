/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip watch, run as a user runs it:
 *
 *   file    : rings for 3 s, which are called a spiral, then a ball for 3 s: two events, in time, each begun and ended
 *   camera  : an RTSP server that goes away and comes back: the label ends and starts again; Ctrl-C ends it for good
 */
#include "tests/camera.h"
#include "tests/media.h"
#include "tests/program.h"

#include <signal.h>

#define CAPS "video/x-raw,format=I420,width=160,height=90,framerate=10/1"
#define FILM                                                                                       \
  "concat name=c ! jpegenc ! matroskamux name=m "                                                  \
  "videotestsrc pattern=circular num-buffers=30 ! " CAPS " ! c. "                                  \
  "videotestsrc pattern=ball num-buffers=30 ! " CAPS " ! c. m. "
#define LABELS "a spiral;a ball"

/* Of an event that ended, also one that was open to the end: 0.5 is the threshold. */
static void
expect_scores (JsonObject *event)
{
  const double peak = json_object_get_double_member (event, "peak");
  const double mean = json_object_get_double_member (event, "mean");
  g_assert_cmpfloat (peak, <=, 1);
  g_assert_cmpfloat (peak, >=, mean);
  g_assert_cmpfloat (mean, >=, 0.5);
}

static void
expect_event (JsonNode *node, const char *kind, const char *label, double start, double end)
{
  JsonObject *event = json_node_get_object (node);
  g_assert_cmpstr (json_object_get_string_member (event, "event"), ==, kind);
  g_assert_cmpstr (json_object_get_string_member (event, "label"), ==, label);
  g_assert_cmpfloat_with_epsilon (json_object_get_double_member (event, "start"), start, 0.25);
  if (end >= 0) {
    g_assert_cmpfloat_with_epsilon (json_object_get_double_member (event, "end"), end, 0.25);
    expect_scores (event);
  }
  g_assert_false (json_object_has_member (event, "start-utc")); /* a film has no date */
}

static void
test_file (void)
{
  if (!make_media ("film.mkv", FILM))
    return;
  g_auto (Result) result = run ("watch --labels '" LABELS "' --threshold 0.5 film.mkv");
  if (result.status != 0)
    g_error ("status %d: %s", result.status, result.err);
  g_autoptr (GPtrArray) lines = parse_lines (result.out);
  g_assert_cmpuint (lines->len, ==, 4);
  expect_event (lines->pdata[0], "start", "a spiral", 0, -1);
  expect_event (lines->pdata[1], "end", "a spiral", 0, 3);
  expect_event (lines->pdata[2], "start", "a ball", 3, -1);
  expect_event (lines->pdata[3], "end", "a ball", 3, 6);
}

static void
test_command_line (void)
{
  static const struct {
    const char *line;
    int status;
    const char *err;
  } cases[] = {
    { "watch x.mkv", 2, "no labels" },
    { "watch --labels 'a;b'", 2, "one argument" },
    { "watch --labels 'a;b' x y", 2, "one argument" },
    { "watch --labels 'a;b' --max-rate -1 x", 2, "--max-rate is -1, expected 0 … 1000" },
    { "watch --labels 'a;b' none.mkv", 1, "none.mkv" },
    { "watch --labels 'a;b' nonsense://x", 1, "nonsense" },
    { "watch --labels 'a;b' rtspt://127.0.0.1:1/none", 1,
      "none: Could not open" }, /* never was there */
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Result) result = run (cases[i].line);
    check (cases[i].line, &result, cases[i].status, NULL, cases[i].err);
  }
}

/* -------------------------------------------------------------------------------------------------------------- camera */

static void
expect_line (GDataInputStream *lines, const char *kind)
{
  g_autofree char *line = g_data_input_stream_read_line (lines, NULL, NULL, NULL);
  g_assert_nonnull (line);
  g_autoptr (JsonNode) node = json_from_string (line, NULL);
  JsonObject *event = json_node_get_object (node);
  g_assert_cmpstr (json_object_get_string_member (event, "event"), ==, kind);
  g_assert_cmpstr (json_object_get_string_member (event, "label"), ==, "a spiral");
  g_assert_true (json_object_has_member (event, "start-utc")); /* it is live */
  if (g_str_equal (kind, "end")) {
    g_assert_true (json_object_has_member (event, "end-utc"));
    expect_scores (event);
  }
}

static void
test_camera (void)
{
  g_autofree char *port = free_port ();
  g_autofree char *uri = g_strdup_printf ("rtspt://127.0.0.1:%s/camera", port);
  GSubprocess *camera = start_camera (port, NULL);
  if (!camera) {
    g_test_skip ("no Python with GstRtspServer");
    return;
  }
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) watch =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error,
                        program, "watch", "--labels", LABELS, "--threshold", "0.5", uri, NULL);
  g_assert_no_error (error);
  g_autoptr (GDataInputStream) lines = output_of (watch);
  expect_line (lines, "start");
  stop_camera (camera);
  expect_line (lines, "end");
  camera = start_camera (port, NULL);
  g_assert_nonnull (camera);
  expect_line (lines, "start");
  g_subprocess_send_signal (watch, SIGINT);
  expect_line (lines, "end");
  g_subprocess_wait (watch, NULL, NULL);
  g_assert_true (g_subprocess_get_if_exited (watch));
  g_assert_cmpint (g_subprocess_get_exit_status (watch), ==, 0);
  stop_camera (camera);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  find_program ();

  g_test_add_func ("/watch/command-line", test_command_line);
  g_test_add_func ("/watch/file", test_file);
  g_test_add_func ("/watch/camera", test_camera);
  return run_and_clean ();
}
