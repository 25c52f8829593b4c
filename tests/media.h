/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures and videos, made by GStreamer in the folder of the tests. */
#pragma once
#include "tests/program.h"
#include <gst/gst.h>

/* Runs a pipeline that writes @name into the folder; FALSE, and the test is skipped, where an element is missing. */
static inline gboolean
make_media (const char *name, const char *description)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autofree char *text = g_strdup_printf ("%s ! filesink location=%s", description, path);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline =
      gst_parse_launch_full (text, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (!pipeline) {
    g_assert_error (error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT);
    g_test_skip (error->message);
    return FALSE;
  }
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_autoptr (GstMessage) message =
      gst_bus_timed_pop_filtered (bus, 60 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_nonnull (message);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_EOS);
  return TRUE;
}

/* The first @part of file @name, as @cut. */
static inline void
cut_file (const char *cut, const char *name, double part)
{
  g_autofree char *path = g_build_filename (folder, name, NULL), *bytes = NULL;
  gsize length;
  g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
  write_file (cut, bytes, (gssize) (length * part));
}
