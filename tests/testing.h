/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the tests of files and models. */
#pragma once
#include "core/clip.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdlib.h>
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

static inline void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *inner = g_build_filename (path, name, NULL);
    remove_tree (inner);
  }
  g_remove (path);
}

static char *temporary_folder;

static inline void
remove_temporary_folder (void)
{
  remove_tree (temporary_folder);
  g_clear_pointer (&temporary_folder, g_free);
}

/* A path in a folder of this process's own, which is removed at its end. */
static inline char *
temporary_path (const char *name)
{
  if (!temporary_folder) {
    temporary_folder = g_dir_make_tmp ("gst-clip-XXXXXX", NULL);
    g_assert_nonnull (temporary_folder);
    atexit (remove_temporary_folder);
  }
  return g_build_filename (temporary_folder, name, NULL);
}

/* For models whose numbers are compared with a reference's. */
static const ClipModelOptions in_floats G_GNUC_UNUSED = { .precision = CLIP_PRECISION_F32 };

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

/* @length: -1: up to its NUL */
static inline void
put_file (const char *directory, const char *name, const char *text, gssize length)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autoptr (GError) error = NULL;
  g_file_set_contents (path, text, length, &error);
  g_assert_no_error (error);
}

/* @array: [rows, columns] float32. The measure is max |a - b| / max |b|. */
static inline void
check_close (const char *what, const float *a, const ClipArray *array, double tolerance)
{
  const float *b = array->data;
  const gsize n = array->shape[0] * array->shape[1];
  double difference = 0, scale = 0;
  for (gsize i = 0; i < n; i++) {
    difference = isnan (a[i]) ? INFINITY : MAX (difference, fabs ((double) a[i] - b[i]));
    scale = MAX (scale, fabs ((double) b[i]));
  }
  g_test_message ("%s: relative error %.3g", what, difference / scale);
  if (!(difference <= tolerance * scale))
    g_error ("%s: relative error %.3g, expected %.3g at most; first values %g %g, expected %g %g", what,
             difference / scale, tolerance, a[0], a[1], b[0], b[1]);
}
