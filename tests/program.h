/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs gst-clip as a user runs it. */
#pragma once
#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <string.h>

static const char *program; /* path of gst-clip */
static char *folder;        /* where it runs, and where the files of these tests are made */

typedef struct {
  int status;
  char *out, *err;
} Result;

static inline void
result_clear (Result *result)
{
  g_free (result->out);
  g_free (result->err);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

static inline char *
text_of (GBytes *bytes)
{
  gsize length;
  const char *data = g_bytes_get_data (bytes, &length);
  return g_strndup (data ? data : "", length);
}

static inline Result
run_argv (const char *const *arguments, const char *input)
{
  Result result;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_ptr_array_add (argv, (gpointer) program);
  for (; *arguments; arguments++)
    g_ptr_array_add (argv, (gpointer) *arguments);
  g_ptr_array_add (argv, NULL);

  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                 G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_subprocess_launcher_set_cwd (launcher, folder);
  g_autoptr (GSubprocess) process =
      g_subprocess_launcher_spawnv (launcher, (const char *const *) argv->pdata, &error);
  g_assert_no_error (error);
  g_autoptr (GBytes) bytes = g_bytes_new_static (input ? input : "", input ? strlen (input) : 0),
                     out = NULL, err = NULL;
  g_subprocess_communicate (process, bytes, NULL, &out, &err, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process)); /* no signal */
  result.status = g_subprocess_get_exit_status (process);
  result.out = text_of (out);
  result.err = text_of (err);
  return result;
}

/* @line: arguments, quoted as in a shell */
static inline Result
run (const char *line)
{
  g_auto (GStrv) arguments = NULL;
  g_autoptr (GError) error = NULL;
  if (*line) {
    g_shell_parse_argv (line, NULL, &arguments, &error);
    g_assert_no_error (error);
  }
  static const char *const none[] = { NULL };
  return run_argv (arguments ? (const char *const *) arguments : none, NULL);
}

static inline void
check (const char *line, const Result *result, int status, const char *out, const char *err)
{
  if (result->status != status)
    g_error ("gst-clip %s: exit status %d, expected %d\n%s%s", line, result->status, status,
             result->out, result->err);
  if (out ? !strstr (result->out, out) : *result->out != 0)
    g_error ("gst-clip %s: stdout \"%s\", expected \"%s\"", line, result->out, out ? out : "");
  if (err ? !strstr (result->err, err) : *result->err != 0)
    g_error ("gst-clip %s: stderr \"%s\", expected \"%s\"", line, result->err, err ? err : "");
}

/* Each line of @out, parsed. */
static inline GPtrArray *
parse_lines (const char *out)
{
  GPtrArray *lines = g_ptr_array_new_with_free_func ((GDestroyNotify) json_node_unref);
  g_auto (GStrv) texts = g_strsplit (out, "\n", -1);
  guint n = g_strv_length (texts);
  g_assert_true (n == 0 || *texts[n - 1] == 0); /* the last line is whole */
  for (guint i = 0; i + 1 < n; i++) {
    g_autoptr (GError) error = NULL;
    JsonNode *node = json_from_string (texts[i], &error);
    g_assert_no_error (error);
    g_ptr_array_add (lines, node);
  }
  return lines;
}

static inline JsonObject *
line_at (GPtrArray *lines, guint index)
{
  return json_node_get_object (g_ptr_array_index (lines, index));
}

static inline void
write_file (const char *name, const void *bytes, gssize length)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;
  g_file_set_contents (path, bytes, length, &error);
  g_assert_no_error (error);
}

static inline void
make_test_folder (void)
{
  folder = g_dir_make_tmp ("gst-clip-XXXXXX", NULL);
  g_assert_nonnull (folder);
}

static inline void
find_program (void)
{
  program = g_getenv ("GST_CLIP_PROGRAM");
  g_assert_nonnull (program);
  make_test_folder ();
}

/* The tests, then their folder. Returns: what the test's program exits with. */
static inline int
run_and_clean (void)
{
  const int status = g_test_run ();
  const char *remove[] = { "rm", "-r", folder, NULL };
  g_spawn_sync (NULL, (char **) remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                NULL);
  g_free (folder);
  return status;
}
