/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip train: takes the steps that a configuration asks for, and writes into its output folder
 *
 *   settings.json                      the configuration, complete
 *   log.jsonl, curves.svg              loss, accuracy, throughput
 *   checkpoint-00001000.safetensors …  from where the run can go on
 *   model.safetensors                  the model, for --model
 *
 * Several processes (mpirun, srun) take each step together; rank 0 writes.
 */
#include "core/train/log.h"
#include "core/train/plot.h"
#include "core/train/trainer.h"
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"
#include "gst/cli/train-eval.h"
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct {
  char *config, **changes;
  int threads;
  gboolean resume, reference;
} options = { .threads = -1 };

static const GOptionEntry entries[] = {
  { "config", 'c', 0, G_OPTION_ARG_FILENAME, &options.config,
    "What to do: a JSON file (docs/training.md)", "FILE" },
  { "resume", 'r', 0, G_OPTION_ARG_NONE, &options.resume,
    "Go on from the newest checkpoint in the output folder; begin where there is none", NULL },
  { "set", 's', 0, G_OPTION_ARG_FILENAME_ARRAY, &options.changes,
    "Another value for entries of the configuration: optimizer.rate=1e-3 data.0.weight=2",
    "KEY=VALUE…" },
  { "threads", 't', 0, G_OPTION_ARG_INT, &options.threads,
    "As the configuration's entry: 0 for every processor; the result does not depend on it", "N" },
  { "reference", 0, 0, G_OPTION_ARG_NONE, &options.reference,
    "Print what a configuration may say, as a table in Markdown, and end", NULL },
  { NULL },
};

/* ---------------------------------------------------------------------------------------- signals */

static volatile sig_atomic_t stopping;

static void
stop (int number)
{
  stopping = 1;
}

/* The first SIGINT or SIGTERM ends the run after the step, the second at once. A full disk or a limit is an error of
 * write (), not a signal. */
static void
set_signals (void)
{
  const struct sigaction action = { .sa_handler = stop, .sa_flags = SA_RESETHAND };
  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  signal (SIGXFSZ, SIG_IGN);
  signal (SIGPIPE, SIG_IGN);
}

/* --------------------------------------------------------------------------------------------- run */

typedef struct {
  ClipSettings *settings;
  ClipRanks *ranks;
  ClipTrainer *trainer;
  ClipLog *log;
  TrainEval *eval;   /* NULL: none, or another rank's */
  gboolean first;    /* this is rank 0, which writes */
  int begun;         /* the step this process began after */
  gint64 saved;      /* the step that was last written down, -1: none */
  gboolean complete; /* and the model and the curves with it */
  ClipStep step;     /* the last one */
  double loss;       /* running mean, for the eye */
  double seconds;
} Run;

static void
run_clear (Run *run)
{
  g_clear_pointer (&run->log, clip_log_close);
  g_clear_pointer (&run->eval, train_eval_free);
  g_clear_pointer (&run->trainer, clip_trainer_free);
  g_clear_pointer (&run->ranks, clip_ranks_free);
  g_clear_pointer (&run->settings, clip_settings_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

static void
print_warning (const char *message, gpointer data)
{
  terminal_warn ("%s", message);
}

static gboolean
show_progress (const char *task, double fraction, gpointer data)
{
  terminal_progress (task, fraction);
  return !stopping;
}

static char *
output_path (const Run *run, const char *name)
{
  return g_build_filename (run->settings->output, name, NULL);
}

static gboolean
make_output (Run *run, GError **error)
{
  if (!run->first)
    return TRUE;
  if (!options.resume && clip_trainer_has_state (run->settings)) {
    g_set_error (
        error, CLIP_ERROR, CLIP_ERROR_CONFIG,
        "%s: holds the checkpoints of a run already: --resume goes on with it, another output "
        "begins anew",
        run->settings->output);
    return FALSE;
  }
  if (g_mkdir_with_parents (run->settings->output, 0777) != 0) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: cannot be made", run->settings->output);
    return FALSE;
  }
  return TRUE;
}

static gboolean
open_files (Run *run, GError **error)
{
  if (!run->first)
    return TRUE;
  g_autofree char *settings = output_path (run, "settings.json");
  g_autofree char *text = clip_settings_to_json (run->settings);
  g_autofree char *log = output_path (run, "log.jsonl");
  if (!g_file_set_contents (settings, text, -1, error))
    return FALSE;
  run->log = clip_log_open (log, run->settings, run->begun, error);
  return run->log != NULL;
}

static gboolean
begin (Run *run, GError **error)
{
  g_autoptr (GPtrArray) changes = g_ptr_array_new_with_free_func (g_free);
  for (char **change = options.changes; change && *change; change++)
    g_ptr_array_add (changes, g_strdup (*change));
  if (options.threads >= 0)
    g_ptr_array_add (changes, g_strdup_printf ("threads=%d", options.threads));
  g_ptr_array_add (changes, NULL);

  run->settings = clip_settings_read (options.config, (const char *const *) changes->pdata, error);
  if (!run->settings || !make_output (run, error))
    return FALSE;
  if (run->first && run->settings->eval.shards &&
      !(run->eval = train_eval_new (run->settings, error)))
    return FALSE;
  run->trainer =
      clip_trainer_new (run->settings, run->ranks, print_warning, show_progress, NULL, error);
  if (!run->trainer || (options.resume && !clip_trainer_resume (run->trainer, error)))
    return FALSE;
  run->begun = clip_trainer_get_step (run->trainer);
  run->saved = run->begun > 0 ? run->begun : -1;
  return open_files (run, error);
}

static gboolean
draw (Run *run, GError **error)
{
  g_autofree char *log = output_path (run, "log.jsonl");
  g_autofree char *curves = output_path (run, "curves.svg");
  const ClipPlotRun runs[] = { { log, NULL } };
  return clip_plot_write (curves, runs, 1, error);
}

/* Writes the state and the model down. */
static gboolean
save (Run *run, GError **error)
{
  if (!run->first)
    return TRUE;
  g_autofree char *model = output_path (run, "model.safetensors");
  if (!clip_trainer_save (run->trainer, error))
    return FALSE;
  run->saved = clip_trainer_get_step (run->trainer);
  run->complete = clip_trainer_write_model (run->trainer, model, error) && draw (run, error);
  return run->complete;
}

/* How well the model does by now, on what it does not learn from. */
static gboolean
evaluate (Run *run, GError **error)
{
  double top1;
  g_autofree char *model = output_path (run, "model.safetensors");
  return clip_trainer_write_model (run->trainer, model, error) &&
         train_eval_run (run->eval, &top1, model, error) &&
         clip_log_accuracy (run->log, run->step.step, top1, error);
}

/* The run itself goes on where something could not be written: by the next time there may be room again. */
static void
report_unsaved (const Run *run, const GError *problem)
{
  if (run->saved >= 0)
    terminal_warn ("%s; the checkpoint of step %d is still there", problem->message,
                   (int) run->saved);
  else
    terminal_warn ("%s", problem->message);
}

static void
after_step (Run *run)
{
  static char task[96]; /* the bar knows its task by this address */
  g_autoptr (GError) problem = NULL;
  const ClipStep *step = &run->step;
  const int n = clip_trainer_get_n_steps (run->trainer);
  run->seconds += step->seconds;
  run->loss = step->step == run->begun + 1 ? step->loss : 0.95 * run->loss + 0.05 * step->loss;
  if (run->log && !clip_log_step (run->log, step, &problem))
    terminal_warn ("%s", problem->message);
  if (run->first) {
    g_snprintf (task, sizeof task, "step %d of %d  loss %.3f  %.0f pairs/s", step->step, n,
                run->loss, step->pairs / step->seconds);
    terminal_progress (task, (double) (step->step - run->begun) / (n - run->begun));
  }
  g_clear_error (&problem);
  if (run->eval && (step->step % run->settings->eval.every == 0 || step->step == n) &&
      !evaluate (run, &problem))
    terminal_warn ("%s", problem->message);
  g_clear_error (&problem);
  if (step->step % run->settings->checkpoint_every == 0 && step->step < n && !save (run, &problem))
    report_unsaved (run, problem);
}

/* Whether any rank was told to stop. */
static gboolean
agree_to_stop (Run *run, gboolean *stops, GError **error)
{
  double n = stopping;
  if (clip_ranks_get_n (run->ranks) > 1 && !clip_ranks_sum_doubles (run->ranks, &n, 1, error))
    return FALSE;
  *stops = n > 0;
  return TRUE;
}

static gboolean
take_steps (Run *run, gboolean *stopped, GError **error)
{
  *stopped = FALSE;
  while (clip_trainer_get_step (run->trainer) < clip_trainer_get_n_steps (run->trainer) &&
         !*stopped) {
    if (!clip_trainer_step (run->trainer, &run->step, error))
      return FALSE;
    after_step (run);
    if (!agree_to_stop (run, stopped, error))
      return FALSE;
  }
  return (run->complete && run->saved == clip_trainer_get_step (run->trainer)) || save (run, error);
}

static void
print_result (const Run *run, gboolean stopped)
{
  const int steps = clip_trainer_get_step (run->trainer);
  gint64 learning;
  const gint64 parameters = clip_trainer_get_n_parameters (run->trainer, &learning);
  g_autofree char *model = output_path (run, "model.safetensors");
  g_autofree char *checkpoint = clip_trainer_state_path (run->trainer);
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  json_line_begin (line, NULL, '{');
  json_line_string (line, "model", model);
  json_line_string (line, "checkpoint", checkpoint);
  json_line_int (line, "steps", steps);
  json_line_int (line, "of", clip_trainer_get_n_steps (run->trainer));
  json_line_string (line, "ended", stopped ? "stopped" : "done");
  if (steps > run->begun) {
    json_line_float (line, "loss", run->loss);
    json_line_float (line, "logit_scale", run->step.logit_scale);
    json_line_float (line, "seconds", run->seconds);
    json_line_float (line, "pairs_per_second",
                     (double) (steps - run->begun) * run->step.pairs / run->seconds);
    json_line_int (line, "broken", run->step.broken);
  }
  json_line_int (line, "samples", clip_trainer_get_n_samples (run->trainer));
  json_line_int (line, "parameters", parameters);
  json_line_int (line, "learning", learning);
  json_line_int (line, "processes", clip_ranks_get_n (run->ranks));
  json_line_int (line, "activation_bytes", clip_trainer_get_memory (run->trainer));
  json_line_end (line, '}');
  json_line_print (line);
}

static int
run_train (char **arguments, guint n)
{
  if (options.reference) {
    g_autofree char *text = clip_settings_describe ();
    fputs (text, stdout);
    return CLI_OK;
  }
  if (n > 0)
    return usage_error ("'%s' is one argument too many: train takes --config FILE", arguments[0]);
  if (!options.config)
    return usage_error ("--config is missing");
  if (options.threads < -1)
    return usage_error ("--threads is %d, expected 0 or more", options.threads);

  g_autoptr (GError) error = NULL;
  g_auto (Run) run = { 0 };
  gboolean stopped = FALSE;
  set_signals ();
  run.ranks = clip_ranks_new (&error);
  if (run.ranks) {
    run.first = clip_ranks_get_rank (run.ranks) == 0;
    if (begin (&run, &error) && take_steps (&run, &stopped, &error)) {
      if (run.first)
        print_result (&run, stopped);
      return CLI_OK;
    }
  }
  terminal_report ("%s", error->message);
  if (run.ranks && !clip_ranks_fail (run.ranks, error))
    clip_ranks_abort (run.ranks, CLI_FAILED);
  return CLI_FAILED;
}

const CliCommand command_train = {
  .name = "train",
  .arguments = "--config FILE",
  .summary = "Learn a model from images and texts",
  .description =
      "The last line is one JSON object: where the model is, and how it went.\n"
      "SIGINT and SIGTERM end the run after writing it down; --resume goes on from there.\n\n"
      "Examples:\n  gst-clip train --config examples/train-scratch.json\n"
      "  gst-clip train --config run.json --resume --set steps=20000\n"
      "  mpirun -n 4 gst-clip train --config run.json",
  .options = { entries },
  .run = run_train,
};
