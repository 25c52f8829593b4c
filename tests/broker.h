/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mosquitto of its own in the folder of the tests, which may be killed and comes back, and who listens to it. */
#pragma once
#include "tests/program.h"
#include <signal.h>
#include <sys/prctl.h>

typedef struct {
  GSubprocess *process; /* NULL: it is not there */
  char *port, *configuration;
} Broker;

/* Lines "TOPIC TEXT". It stays subscribed over a restart of the broker, and gives up after a minute. */
typedef struct {
  GSubprocess *process;
  GDataInputStream *lines;
} Listener;

static inline char *
find_tool (const char *name)
{
  g_autofree char *path = g_find_program_in_path (name);
  g_autofree char *system = g_build_filename ("/usr/sbin", name, NULL);
  if (!path && g_file_test (system, G_FILE_TEST_IS_EXECUTABLE))
    return g_steal_pointer (&system);
  return g_steal_pointer (&path);
}

/* FALSE, and the test is skipped, where there is no mosquitto. */
static inline gboolean
have_broker (void)
{
  static const char *const tools[] = { "mosquitto", "mosquitto_sub", "mosquitto_pub",
                                       "mosquitto_passwd" };
  for (guint i = 0; i < G_N_ELEMENTS (tools); i++) {
    g_autofree char *path = find_tool (tools[i]);
    g_autofree char *missing = g_strdup_printf ("%s is not installed", tools[i]);
    if (!path) {
      g_test_skip (missing);
      return FALSE;
    }
  }
  return TRUE;
}

/* A test that fails leaves nobody behind. */
static inline void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static inline GSubprocess *
start_tool (const char *name, GSubprocessFlags flags, const char *const *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = find_tool (name);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_ptr_array_add (argv, path);
  for (; *arguments; arguments++)
    g_ptr_array_add (argv, (gpointer) *arguments);
  g_ptr_array_add (argv, NULL);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (flags);
  g_subprocess_launcher_set_child_setup (launcher, die_with_parent, NULL, NULL);
  GSubprocess *process =
      g_subprocess_launcher_spawnv (launcher, (const char *const *) argv->pdata, &error);
  g_assert_no_error (error);
  return process;
}

static inline void
run_tool (const char *name, const char *const *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = start_tool (name, G_SUBPROCESS_FLAGS_STDERR_SILENCE, arguments);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
}

static inline void
wait_for_port (const char *port)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  for (int i = 0; i < 200; i++) {
    g_autoptr (GSocketConnection) connection = g_socket_client_connect_to_host (
        client, "127.0.0.1", (guint16) g_ascii_strtoull (port, NULL, 10), NULL, NULL);
    if (connection)
      return;
    g_usleep (50000);
  }
  g_error ("nobody listens at port %s", port);
}

static inline void
broker_start (Broker *broker)
{
  const char *const arguments[] = { "-c", broker->configuration, NULL };
  broker->process =
      start_tool ("mosquitto",
                  G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, arguments);
  wait_for_port (broker->port);
}

/* As a power cut does. */
static inline void
broker_kill (Broker *broker)
{
  g_subprocess_send_signal (broker->process, SIGKILL);
  g_subprocess_wait (broker->process, NULL, NULL);
  g_clear_object (&broker->process);
}

/* @user: (nullable): with @password, the only one that it lets in. */
static inline Broker
broker_new (const char *user, const char *password)
{
  Broker broker = { 0 };
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  broker.port = g_strdup_printf ("%u", g_socket_listener_add_any_inet_port (listener, NULL, NULL));
  g_socket_listener_close (listener);
  g_autofree char *passwords = g_build_filename (folder, "passwords", NULL);
  g_autofree char *home = g_strdup_printf ("%s/%s/", folder, broker.port);
  g_mkdir_with_parents (home, 0700);
  if (user) {
    const char *const arguments[] = { "-c", "-b", passwords, user, password, NULL };
    run_tool ("mosquitto_passwd", arguments);
  }
  g_autoptr (GString) text = g_string_new (NULL);
  g_string_append_printf (text, "listener %s 127.0.0.1\nallow_anonymous %s\n", broker.port,
                          user ? "false" : "true");
  if (user)
    g_string_append_printf (text, "password_file %s\n", passwords);
  /* Root stays root, to write here. */
  g_string_append_printf (text, "user root\npersistence true\npersistence_location %s\n", home);
  g_autofree char *name = g_strconcat (broker.port, ".conf", NULL);
  write_file (name, text->str, (gssize) text->len);
  broker.configuration = g_build_filename (folder, name, NULL);
  broker_start (&broker);
  return broker;
}

/* Another line of its configuration, which it reads when it starts. */
static inline void
broker_configure (Broker *broker, const char *name, const char *value)
{
  g_autofree char *before = NULL;
  g_assert_true (g_file_get_contents (broker->configuration, &before, NULL, NULL));
  g_autofree char *text = g_strdup_printf ("%s%s %s\n", before, name, value);
  g_assert_true (g_file_set_contents (broker->configuration, text, -1, NULL));
}

static inline void
broker_clear (Broker *broker)
{
  if (broker->process)
    broker_kill (broker);
  g_free (broker->port);
  g_free (broker->configuration);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Broker, broker_clear)

/* The broker writes down who has subscribed, so that it still knows after it was killed. */
static inline void
broker_save (Broker *broker)
{
  g_autofree char *path = g_build_filename (folder, broker->port, "mosquitto.db", NULL);
  g_subprocess_send_signal (broker->process, SIGUSR1);
  for (int i = 0; i < 200 && !g_file_test (path, G_FILE_TEST_EXISTS); i++)
    g_usleep (50000);
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
}

static inline char *
listener_read (Listener *listener)
{
  return g_data_input_stream_read_line (listener->lines, NULL, NULL, NULL);
}

/* Of a @broker that lets everybody in; from now on no message is missed, whether the broker is there or not. */
static inline Listener
listener_new (Broker *broker)
{
  const char *const greeting[] = { "-p", broker->port, "-t", "greeting", "-m", "x", "-r", NULL };
  run_tool ("mosquitto_pub", greeting);
  const char *const arguments[] = { "-p", broker->port, "-i", "listener", "-c", "-q", "1",
                                    "-t", "#",          "-v", "-W",       "60", NULL };
  Listener listener = { start_tool (
      "mosquitto_sub", G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE,
      arguments) };
  listener.lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (listener.process));
  g_autofree char *line = listener_read (&listener);
  g_assert_cmpstr (line, ==, "greeting x");
  broker_save (broker);
  return listener;
}

/* The next text of @topic. */
static inline char *
listener_next (Listener *listener, const char *topic)
{
  g_autofree char *prefix = g_strconcat (topic, " ", NULL);
  char *line;
  while ((line = listener_read (listener))) {
    g_autofree char *owned = line;
    if (g_str_has_prefix (line, prefix))
      return g_strdup (line + strlen (prefix));
  }
  g_error ("nothing came to %s any more", topic);
}

static inline void
listener_clear (Listener *listener)
{
  if (!listener->process)
    return;
  g_subprocess_force_exit (listener->process);
  g_subprocess_wait (listener->process, NULL, NULL);
  g_object_unref (listener->lines);
  g_object_unref (listener->process);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Listener, listener_clear)

/* A broker and who listens to it. FALSE, and the test is skipped, where there is no mosquitto. */
static inline gboolean
start_listening (Broker *broker, Listener *listener)
{
  if (!have_broker ())
    return FALSE;
  *broker = broker_new (NULL, NULL);
  *listener = listener_new (broker);
  return TRUE;
}
