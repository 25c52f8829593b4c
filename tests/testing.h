/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the tests of files and models. */
#pragma once
#include "core/clip.h"

#include <string.h>

/* Fails unless @result is NULL and @error is of @code and has @message in it. */
static inline void
check_error (const char *name, const void *result, const GError *error, ClipError code, const char *message)
{
  if (result || !error)
    g_error ("%s: succeeded, expected an error with \"%s\"", name, message);
  if (error->domain != CLIP_ERROR || error->code != (int) code || !strstr (error->message, message))
    g_error ("%s: error %d \"%s\", expected %d with \"%s\"", name, error->code, error->message, code, message);
}

/* A path in a folder of this process's own (g_test_init () with G_TEST_OPTION_ISOLATE_DIRS is not needed for it). */
static inline char *
temporary_path (const char *name)
{
  static char *folder;
  if (!folder)
    folder = g_dir_make_tmp ("gst-clip-XXXXXX", NULL);
  return g_build_filename (folder, name, NULL);
}

/* A path below ../shared, or NULL (the test is skipped then) where that folder is absent. */
static inline char *
shared_path (const char *name)
{
  const char *shared = g_getenv ("CLIP_SHARED");
  g_autofree char *path = g_build_filename (shared ? shared : "../shared", name, NULL);
  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&path);
  g_test_skip ("no ../shared");
  return NULL;
}
