/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip train as a process: what it writes, how it ends, and that it goes on to the same bits after SIGKILL, SIGTERM, a
 * full disk; two processes against one.
 */
#include "core/base/json.h"
#include "core/checkpoint/checkpoint.h"
#include "tests/training.h"

#include <gio/gio.h>
#include <math.h>
#include <signal.h>

typedef struct {
  int status; /* -1: ended by a signal */
  char *out, *err;
} Result;

static void
result_clear (Result *result)
{
  g_free (result->out);
  g_free (result->err);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

/* `gst-clip train --config run.json …` with the output folder @output, by way of @shell where that is given: a command in
 * which "$@" stands for this one. */
static GPtrArray *
make_command (const char *shell, const char *output, const char *const *more)
{
  GPtrArray *command = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *config = temporary_path ("run.json");
  if (shell) {
    const char *const words[] = { "sh", "-c", shell, "sh" };
    for (guint i = 0; i < G_N_ELEMENTS (words); i++)
      g_ptr_array_add (command, g_strdup (words[i]));
  }
  const char *const words[] = { g_getenv ("GST_CLIP_PROGRAM"), "train", "--config", config,
                                "--set" };
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    g_ptr_array_add (command, g_strdup (words[i]));
  g_ptr_array_add (command, g_strdup_printf ("output=%s", output));
  for (guint i = 0; more && more[i]; i++)
    g_ptr_array_add (command, g_strdup (more[i]));
  g_ptr_array_add (command, NULL);
  return command;
}

static Result
run (const char *shell, const char *output, const char *const *more)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) command = make_command (shell, output, more);
  g_autoptr (GSubprocess) process =
      g_subprocess_newv ((const char *const *) command->pdata,
                         G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
  g_assert_no_error (error);
  Result result = { 0 };
  g_subprocess_communicate_utf8 (process, NULL, NULL, &result.out, &result.err, &error);
  g_assert_no_error (error);
  result.status =
      g_subprocess_get_if_exited (process) ? g_subprocess_get_exit_status (process) : -1;
  return result;
}

static void
expect (const Result *result, int status)
{
  if (result->status != status)
    g_error ("status %d, expected %d; stdout: %s; stderr: %s", result->status, status, result->out,
             result->err);
}

static char *
in_folder (const char *output, const char *name)
{
  g_autofree char *path = temporary_path (output);
  return g_build_filename (path, name, NULL);
}

static gboolean
exists (const char *output, const char *name)
{
  g_autofree char *path = in_folder (output, name);
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static GBytes *
contents (const char *output, const char *name)
{
  g_autofree char *path = in_folder (output, name);
  char *data;
  gsize size;
  if (!g_file_get_contents (path, &data, &size, NULL))
    g_error ("%s is not there", path);
  return g_bytes_new_take (data, size);
}

static void
assert_same_tensors (const char *a, const char *b, const char *name)
{
  g_autoptr (GBytes) x = contents (a, name), y = contents (b, name);
  g_autoptr (GBytes) p = training_tensors (x), q = training_tensors (y);
  g_assert_cmpmem (g_bytes_get_data (p, NULL), g_bytes_get_size (p), g_bytes_get_data (q, NULL),
                   g_bytes_get_size (q));
}

#define LAST "checkpoint-00000040.safetensors"

/* What each test compares with: a run that nothing disturbed, in whole/. */
static void
make_whole (void)
{
  if (exists ("whole", LAST))
    return;
  g_auto (Result) result = run (NULL, "whole", NULL);
  expect (&result, 0);
}

static void
test_files (void)
{
  make_whole ();
  g_autoptr (GBytes) log = contents ("whole", "log.jsonl");
  g_autofree char *text = g_strndup (g_bytes_get_data (log, NULL), g_bytes_get_size (log));
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_assert_cmpint (g_strv_length (lines), ==, 4 + 1); /* of 40 steps, one in 10 */
  for (int i = 0; i < 4; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = clip_json_parse (lines[i], strlen (lines[i]), "log", &error);
    g_assert_no_error (error);
    JsonObject *line = json_node_get_object (node);
    static const char *const members[] = {
      "loss",          "captions",         "accuracy", "logit_scale", "rate",
      "gradient_norm", "pairs_per_second", "waited",   "seconds",     "broken"
    };
    g_assert_cmpint (json_object_get_int_member (line, "step"), ==, 10 * (i + 1));
    for (guint m = 0; m < G_N_ELEMENTS (members); m++)
      g_assert_true (json_object_has_member (line, members[m]));
  }
  g_assert_true (exists ("whole", "checkpoint-00000030.safetensors"));
  g_assert_false (exists ("whole", "checkpoint-00000020.safetensors"));
  g_assert_true (exists ("whole", "settings.json"));
  g_assert_true (exists ("whole", "curves.svg"));
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder ("whole", "model.safetensors");
  g_autoptr (ClipModel) model = clip_model_load (path, NULL, &error);
  g_assert_no_error (error);
}

static void
test_last_line (void)
{
  g_auto (Result) result = run (NULL, "line", (const char *[]){ "--set", "steps=3", NULL });
  expect (&result, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = clip_json_parse (result.out, strlen (result.out), "stdout", &error);
  g_assert_no_error (error);
  JsonObject *line = json_node_get_object (node);
  g_assert_cmpint (json_object_get_int_member (line, "steps"), ==, 3);
  g_assert_cmpstr (json_object_get_string_member (line, "ended"), ==, "done");
  g_assert_cmpint (json_object_get_int_member (line, "samples"), ==, 32);
  g_assert_cmpstr (result.err, ==, "");
}

/* Accuracy on held-out pictures, here the same ones, changes nothing in what is learnt. */
static void
test_eval (void)
{
  g_autofree char *classes = temporary_path ("classes.txt");
  g_autoptr (GString) names = g_string_new (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (training_names); i++)
    g_string_append_printf (names, "%s\n", training_names[i]);
  g_assert_true (g_file_set_contents (classes, names->str, -1, NULL));
  make_whole ();
  g_auto (Result) result =
      run (NULL, "eval",
           (const char *[]){ "eval={\"shards\": \"shard.tar\", \"classes\": \"classes.txt\", "
                             "\"every\": 20, \"prompts\": \"none\"}",
                             NULL });
  expect (&result, 0);
  g_assert_cmpstr (result.err, ==, "");
  assert_same_tensors ("whole", "eval", LAST);
  g_autoptr (GBytes) log = contents ("eval", "log.jsonl");
  g_autofree char *text = g_strndup (g_bytes_get_data (log, NULL), g_bytes_get_size (log));
  const char *first = strstr (text, "{\"step\":20,\"top1\":"),
             *last = strstr (text, "{\"step\":40,\"top1\":");
  g_assert_nonnull (first);
  g_assert_nonnull (last);
  const double top1 = g_ascii_strtod (strstr (last, "top1") + strlen ("top1\":"), NULL);
  g_test_message ("top-1 %g", top1);
  g_assert_cmpfloat (top1, >, 0.5); /* chance: 1 in 8 */
}

/* Ended at any moment, again and again, by a signal that cannot be caught. */
static void
test_killed (void)
{
  make_whole ();
  const char *const more[] = { "checkpoint_every=1", "--resume", NULL };
  gboolean killed = FALSE, finished = FALSE;
  for (int i = 0; i < 100 && !finished; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GPtrArray) command = make_command (NULL, "killed", more);
    g_autoptr (GSubprocess) process = g_subprocess_newv (
        (const char *const *) command->pdata,
        G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error);
    g_assert_no_error (error);
    /* at least one step further than the time before, then somewhere */
    const gint64 began = g_get_monotonic_time ();
    while (g_get_monotonic_time () - began < (80 + 37 * i % 150) * 1000)
      g_usleep (1000);
    g_subprocess_force_exit (process);
    g_subprocess_wait (process, NULL, &error);
    g_assert_no_error (error);
    finished = g_subprocess_get_if_exited (process);
    killed = killed || !finished;
  }
  g_assert_true (killed);
  g_auto (Result) result = run (NULL, "killed", more);
  expect (&result, 0);
  assert_same_tensors ("whole", "killed", LAST);
}

static void
test_stopped (void)
{
  make_whole ();
  const char *const more[] = { "steps=40", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) command = make_command (NULL, "stopped", more);
  g_autoptr (GSubprocess) process = g_subprocess_newv ((const char *const *) command->pdata,
                                                       G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  g_assert_no_error (error);
  for (int i = 0; i < 5000 && !exists ("stopped", "log.jsonl"); i++)
    g_usleep (1000);
  g_subprocess_send_signal (process, SIGTERM);
  g_autofree char *out = NULL;
  g_subprocess_communicate_utf8 (process, NULL, NULL, &out, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 0);
  g_assert_nonnull (strstr (out, "\"ended\": \"stopped\""));

  g_auto (Result) refused = run (NULL, "stopped", NULL);
  expect (&refused, 1);
  g_assert_nonnull (strstr (refused.err, "--resume goes on with it"));
  g_auto (Result) result = run (NULL, "stopped", (const char *[]){ "--resume", NULL });
  expect (&result, 0);
  assert_same_tensors ("whole", "stopped", LAST);
}

/* Files may not be larger than what a state takes: the run goes on, says so, and what was written before is there. */
static void
test_full_disk (void)
{
  make_whole ();
  g_auto (Result) first =
      run (NULL, "full", (const char *[]){ "steps=40", "checkpoint_every=10", NULL });
  expect (&first, 0);
  g_autofree char *last = in_folder ("full", LAST);
  g_assert_cmpint (g_remove (last), ==, 0);
  g_auto (Result) full =
      run ("ulimit -f 16; exec \"$@\"", "full", (const char *[]){ "--resume", NULL });
  expect (&full, 1);
  g_assert_nonnull (strstr (full.err, "cannot be written"));
  g_assert_false (exists ("full", LAST));
  g_assert_true (exists ("full", "checkpoint-00000030.safetensors"));
  g_auto (Result) result = run (NULL, "full", (const char *[]){ "--resume", NULL });
  expect (&result, 0);
  assert_same_tensors ("whole", "full", LAST);
}

/* The largest difference of the values of two states, relative to the largest value. */
static double
difference (const char *a, const char *b, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *of_a = in_folder (a, name);
  g_autofree char *of_b = in_folder (b, name);
  g_autofree ClipArray *x = clip_array_read (of_a, "values", "F32", &error);
  g_assert_no_error (error);
  g_autofree ClipArray *y = clip_array_read (of_b, "values", "F32", &error);
  g_assert_no_error (error);
  g_assert_cmpint (x->shape[0], ==, y->shape[0]);
  double most = 0, largest = 0;
  for (gint64 i = 0; i < x->shape[0]; i++) {
    const double p = ((const float *) x->data)[i], q = ((const float *) y->data)[i];
    most = MAX (most, fabs (p - q));
    largest = MAX (largest, fabs (p));
  }
  return most / largest;
}

static void
test_ranks (void)
{
  g_autofree char *mpirun = g_find_program_in_path ("mpirun");
  const char *module = g_getenv ("GST_CLIP_MPI_MODULE");
  if (!mpirun || !module || !*module) {
    g_test_skip ("no mpirun, or built without MPI");
    return;
  }
  /* a set without captions: processes have unequal numbers of pairs */
  const char *const more[] = { "steps=10",
                               "data=[{\"shards\": \"shard.tar\"}, {\"shards\": \"shard.tar\", "
                               "\"captions\": false, \"weight\": 0.6}]",
                               NULL };
  g_auto (Result) one = run (NULL, "one", more);
  g_auto (Result) two = run (
      "ASAN_OPTIONS=detect_leaks=0 exec mpirun --allow-run-as-root --oversubscribe -n 2 \"$@\"",
      "two", more);
  expect (&one, 0);
  expect (&two, 0);
  /* sums in another order, and AdamW's first steps enlarge what is near 0 */
  const double found = difference ("one", "two", "checkpoint-00000010.safetensors");
  g_test_message ("one process against two: %g", found);
  g_assert_cmpfloat (found, <, 1e-3);

  g_auto (Result) shared = run (
      "ASAN_OPTIONS=detect_leaks=0 exec mpirun --allow-run-as-root --oversubscribe -n 3 \"$@\"",
      "three", more);
  g_assert_cmpint (shared.status, !=, 0);
  g_assert_nonnull (strstr (shared.err, "batch is 8, which 3 processes cannot share"));
}

static void
test_usage (void)
{
  static const struct {
    const char *argument, *message;
    int status;
  } cases[] = {
    { "batch=0", "batch is 0, expected an integer, 2 at least", 1 },
    { "bath=4", "there is no bath; did you mean 'batch'?", 1 },
    { "--threads=-4", "--threads is -4", 2 },
    { "--resum", "did you mean --resume?", 2 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Result) result = run (NULL, "usage", (const char *[]){ cases[i].argument, NULL });
    expect (&result, cases[i].status);
    if (!strstr (result.err, cases[i].message))
      g_error ("%s: stderr is %s, expected %s", cases[i].argument, result.err, cases[i].message);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  training_write_data ();
  g_test_add_func ("/train-command/files", test_files);
  g_test_add_func ("/train-command/last-line", test_last_line);
  g_test_add_func ("/train-command/eval", test_eval);
  g_test_add_func ("/train-command/killed", test_killed);
  g_test_add_func ("/train-command/stopped", test_stopped);
  g_test_add_func ("/train-command/full-disk", test_full_disk);
  g_test_add_func ("/train-command/ranks", test_ranks);
  g_test_add_func ("/train-command/usage", test_usage);
  return g_test_run ();
}
