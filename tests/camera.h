/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A camera that is a process of its own, in Python. */
#pragma once
#include "tests/program.h"

static inline GDataInputStream *
output_of (GSubprocess *process)
{
  return g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
}

/* rtsp://127.0.0.1:PORT/camera shows a test card, and, where @seconds is given, darkness and the test card in turns of so many. NULL:
 * there is no Python with GstRtspServer. */
static inline GSubprocess *
start_camera (const char *port, const char *seconds)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *script = g_test_build_filename (G_TEST_DIST, "rtsp-server.py", NULL);
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  /* it has no use for our plugin, and cannot load one that has sanitizers */
  g_subprocess_launcher_unsetenv (launcher, "GST_PLUGIN_PATH");
  g_subprocess_launcher_unsetenv (launcher, "GST_REGISTRY");
  GSubprocess *process = g_subprocess_launcher_spawn (launcher, &error, "/usr/bin/python3", script,
                                                      port, seconds, NULL);
  g_assert_no_error (error);
  g_autoptr (GDataInputStream) lines = output_of (process);
  g_autofree char *line = g_data_input_stream_read_line (lines, NULL, NULL, NULL);
  if (line)
    return process;
  g_object_unref (process);
  return NULL;
}

static inline void
stop_camera (GSubprocess *camera)
{
  g_subprocess_force_exit (camera);
  g_subprocess_wait (camera, NULL, NULL);
  g_object_unref (camera);
}

static inline char *
free_port (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  return g_strdup_printf ("%u", g_socket_listener_add_any_inet_port (listener, NULL, NULL));
}
