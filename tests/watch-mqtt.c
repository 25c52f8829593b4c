/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip watch --mqtt, run as a user runs it:
 *
 *   film     : what is printed is published; or not, for a reason that is told
 *   camera   : a broker that is killed and comes back has every event in the end
 */
#include "tests/broker.h"
#include "tests/camera.h"
#include "tests/media.h"

#define CAPS "video/x-raw,format=I420,width=160,height=90,framerate=10/1"
#define FILM                                                                                       \
  "concat name=c ! jpegenc ! matroskamux name=m "                                                  \
  "videotestsrc pattern=circular num-buffers=10 ! " CAPS " ! c. "                                  \
  "videotestsrc pattern=ball num-buffers=10 ! " CAPS " ! c. m. "
#define LABELS "a spiral;a ball"
#define N_EVENTS 4
#define WATCH "watch --labels '" LABELS "' --threshold 0.5 film.mkv --mqtt "

/* The next events at the broker are @lines from @next on, in their order; some may come again. Returns: how many lines there are. */
static guint
expect_events (Listener *listener, const char *topic, GPtrArray *lines, guint next)
{
  while (next < lines->len) {
    g_autofree char *text = listener_next (listener, topic);
    gboolean known = FALSE;
    for (guint i = 0; i <= next && !known; i++)
      known = g_str_equal (text, lines->pdata[i]);
    if (!known)
      g_error ("event %u is %s, expected %s", next, text, (char *) lines->pdata[next]);
    next += g_str_equal (text, lines->pdata[next]);
  }
  return next;
}

static void
test_film (void)
{
  g_auto (Broker) broker = { 0 };
  g_auto (Listener) listener = { 0 };
  if (!make_media ("film.mkv", FILM) || !start_listening (&broker, &listener))
    return;
  g_autofree char *line =
      g_strdup_printf (WATCH "mqtt://localhost:%s/home/front%%20door", broker.port);
  g_auto (Result) result = run (line);
  check (line, &result, 0, "a ball", NULL);
  g_auto (GStrv) texts = g_strsplit (result.out, "\n", -1);
  g_autoptr (GPtrArray) lines = g_ptr_array_new ();
  for (guint i = 0; texts[i] && *texts[i]; i++)
    g_ptr_array_add (lines, texts[i]);
  g_assert_cmpuint (lines->len, ==, N_EVENTS);
  expect_events (&listener, "home/front door", lines, 0);
}

/* Whatever happens to the broker: the film is watched to its end. */
static void
test_undelivered (void)
{
  if (!have_broker () || !make_media ("film.mkv", FILM))
    return;
  g_auto (Broker) broker = broker_new ("door", "secret");
  g_autofree char *absent = free_port ();
  const struct {
    const char *user, *password, *port;
    int status;
    const char *err;
  } cases[] = {
    { "door:secret@", NULL, broker.port, 0, NULL },
    { "door@", "secret", broker.port, 0, NULL },
    { "door:secret@", "wrong", broker.port, 0, NULL }, /* the address comes first */
    { "door:public@", NULL, broker.port, 1, "not authorised. The user is door" },
    { "door@", "public", broker.port, 1, "not authorised. The user is door" },
    { "", NULL, broker.port, 1, "not authorised. No user was named" },
    { "", NULL, absent, 1, "refused; events wait" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *line =
        g_strdup_printf (WATCH "mqtt://%s127.0.0.1:%s/t", cases[i].user, cases[i].port);
    if (cases[i].password)
      g_setenv ("GST_CLIP_MQTT_PASSWORD", cases[i].password, TRUE);
    g_auto (Result) result = run (line);
    g_unsetenv ("GST_CLIP_MQTT_PASSWORD");
    check (line, &result, cases[i].status, "a ball", cases[i].err);
    g_autoptr (GPtrArray) lines = parse_lines (result.out);
    g_assert_cmpuint (lines->len, ==, N_EVENTS);
    if (cases[i].status)
      check (line, &result, 1, "a ball", "/t: 4 events were not delivered");
    g_assert_null (strstr (result.err, "secret"));
    g_assert_null (strstr (result.err, "public"));
  }
}

static void
test_command_line (void)
{
  static const struct {
    const char *address;
    int status;
    const char *err;
  } cases[] = {
    { "http://h/t", 2, "--mqtt: the address is not of MQTT, expected mqtt[s]://" },
    { "mqtt://h", 2, "--mqtt: the address names no topic" },
    { "mqtt://u:secret@h:x/t", 2, "--mqtt: the address has a bad port" },
    { "mqtt://h/t", 1, "mqtt://h/t: this gst-clip was built without libmosquitto" },
  };
  const gboolean without = g_str_equal (g_getenv ("GST_CLIP_MQTT"), "no");
  if (!make_media ("film.mkv", FILM))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (cases) - !without; i++) {
    g_autofree char *line = g_strconcat (WATCH, cases[i].address, NULL);
    g_auto (Result) result = run (line);
    check (line, &result, cases[i].status, NULL, cases[i].err);
    g_assert_null (strstr (result.err, "secret"));
  }
}

/* -------------------------------------------------------------------------------------------------------------- camera */

static void
read_events (GPtrArray *lines, GDataInputStream *output, guint n)
{
  for (guint i = 0; i < n; i++) {
    char *line = g_data_input_stream_read_line (output, NULL, NULL, NULL);
    g_assert_nonnull (line);
    g_ptr_array_add (lines, line);
  }
}

static void
test_restart (void)
{
  if (!have_broker ())
    return;
  g_autofree char *port = free_port ();
  GSubprocess *camera = start_camera (port, "0.4");
  if (!camera) {
    g_test_skip ("no Python with GstRtspServer");
    return;
  }
  g_auto (Broker) broker = broker_new (NULL, NULL);
  g_auto (Listener) listener = listener_new (&broker);
  g_autofree char *uri = g_strdup_printf ("rtspt://127.0.0.1:%s/camera", port);
  g_autofree char *address = g_strdup_printf ("mqtt://127.0.0.1:%s/door", broker.port);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) watch = g_subprocess_new (
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, program, "watch",
      "--labels", LABELS, "--threshold", "0.5", "--max-rate", "0", "--mqtt", address, uri, NULL);
  g_assert_no_error (error);
  g_autoptr (GDataInputStream) output = output_of (watch);
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  read_events (lines, output, 5);
  broker_kill (&broker);
  read_events (lines, output, 5);
  broker_start (&broker);
  read_events (lines, output, 5);
  /* What the broker had for a listener that was not back yet would be gone with it. */
  const guint n_seen = expect_events (&listener, "door", lines, 0);
  broker_kill (&broker);
  read_events (lines, output, 1);
  broker_start (&broker);
  g_subprocess_send_signal (watch, SIGINT);
  char *line;
  while ((line = g_data_input_stream_read_line (output, NULL, NULL, NULL)))
    g_ptr_array_add (lines, line);
  g_subprocess_wait (watch, NULL, NULL);
  g_assert_true (g_subprocess_get_if_exited (watch));
  g_assert_cmpint (g_subprocess_get_exit_status (watch), ==, 0);
  expect_events (&listener, "door", lines, n_seen);
  stop_camera (camera);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  find_program ();

  g_test_add_func ("/watch-mqtt/command-line", test_command_line);
  if (!g_str_equal (g_getenv ("GST_CLIP_MQTT"), "no")) {
    g_test_add_func ("/watch-mqtt/film", test_film);
    g_test_add_func ("/watch-mqtt/undelivered", test_undelivered);
    g_test_add_func ("/watch-mqtt/restart", test_restart);
  }
  return run_and_clean ();
}
