/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip label: labels of whole archives, in files beside the videos.
 *
 *   {"file", "status": "labelled" | "skipped", "outputs": [path …], "duration": seconds | null, "elapsed"}   a video
 *
 * Jobs (label-job.c) run on GStreamer's threads, --jobs of them at once; all here happens in the main loop.
 */
#include "gst/cli/jsonline.h"
#include "gst/cli/label-job.h"
#include "gst/cli/labelling.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"
#include <glib-unix.h>
#include <signal.h>

#define MAX_JOBS 64
#define DRAW 100 /* ms between two looks at the progress */

static struct {
  char *formats, *output;
  double every;
  gboolean mux, keyframes, events, force;
  int jobs;
} options = { .every = -1 };

static const GOptionEntry entries[] = {
  { "format", 'f', 0, G_OPTION_ARG_FILENAME, &options.formats,
    "What is written: json (default), vtt, csv, or several, as json,vtt", "F,…" },
  { "mux", 0, 0, G_OPTION_ARG_NONE, &options.mux,
    "Write a Matroska copy with the labels as a subtitle track", NULL },
  { "events", 'e', 0, G_OPTION_ARG_NONE, &options.events,
    "JSON and CSV: a line for each time that a label was seen, not for each result", NULL },
  { "every", 0, 0, G_OPTION_ARG_DOUBLE, &options.every,
    "Classify a frame every S seconds, 0: every frame (default 1; with --keyframes 0)", "S" },
  { "keyframes", 0, 0, G_OPTION_ARG_NONE, &options.keyframes, "Decode and classify keyframes only",
    NULL },
  { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output,
    "Write into this folder (default: beside each video)", "DIR" },
  { "jobs", 'j', 0, G_OPTION_ARG_INT, &options.jobs,
    "Videos at once (default 0: one for each processor)", "N" },
  { "force", 0, 0, G_OPTION_ARG_NONE, &options.force, "Label videos again whose files are complete",
    NULL },
  { NULL },
};

static const LabelOutput *const formats[] = { &label_json, &label_vtt, &label_csv };

typedef struct {
  LabelPlan plan;
  GPtrArray *items;
  guint next;         /* of items: not begun */
  GPtrArray *running; /* of LabelJob */
  guint n_jobs;
  guint64 size, done; /* bytes: of all that is to be labelled, and was */
  gint64 started;
  int status;
  GMainLoop *loop;
} Archive;

/* --------------------------------------------------------------------------------------------------------------- plan */

static int
add_format (LabelPlan *plan, guint *n, const char *word)
{
  const char *names[G_N_ELEMENTS (formats) + 1] = { NULL };
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    names[i] = formats[i]->name;
  const int choice = options_choice ("--format", word, names);
  if (choice < 0)
    return CLI_USAGE;
  for (guint i = 0; i < *n; i++)
    if (plan->outputs[i] == formats[choice])
      return CLI_OK;
  plan->outputs[(*n)++] = formats[choice];
  return CLI_OK;
}

static int
make_plan (LabelPlan *plan, guint n_jobs)
{
  guint n = 0;
  g_auto (GStrv) words = g_strsplit (options.formats ? options.formats : "", ",", -1);
  for (char **word = words; *word; word++)
    if (add_format (plan, &n, *word) != CLI_OK)
      return CLI_USAGE;
  if (options.mux)
    plan->outputs[n++] = &label_copy;
  if (n == 0)
    plan->outputs[n++] = &label_json;
  plan->every = options.every >= 0 ? options.every : options.keyframes ? 0 : 1;
  plan->keyframes = options.keyframes;
  plan->events = options.events;
  plan->threads = MAX (1, g_get_num_processors () / n_jobs);
  return CLI_OK;
}

/* --------------------------------------------------------------------------------------------------------------- jobs */

static void
print_item (const Archive *archive, const ArchiveItem *item, const LabelJob *job)
{
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  json_line_begin (line, NULL, '{');
  json_line_string (line, "file", item->file);
  json_line_string (line, "status", job ? "labelled" : "skipped");
  json_line_begin (line, "outputs", '[');
  for (guint i = 0; archive->plan.outputs[i]; i++) {
    g_autofree char *path = g_strconcat (item->stem, archive->plan.outputs[i]->suffix, NULL);
    json_line_string (line, NULL, path);
  }
  json_line_end (line, ']');
  if (job) {
    json_line_time (line, "duration", label_job_duration (job));
    json_line_time (line, "elapsed",
                    (guint64) (g_get_monotonic_time () - archive->started) * GST_USECOND);
  }
  json_line_end (line, '}');
  json_line_print (line);
}

static gboolean
is_complete (const Archive *archive, const ArchiveItem *item)
{
  for (guint i = 0; archive->plan.outputs[i]; i++)
    if (!archive_has (item, archive->plan.outputs[i]->suffix))
      return FALSE;
  return TRUE;
}

static void begin_next (Archive *archive);

static void
job_done (LabelJob *job, const GError *error, const GError *damage, gpointer data)
{
  Archive *archive = data;
  if (!error)
    print_item (archive, label_job_item (job), job);
  if (error || damage) {
    terminal_report ("%s", error ? error->message : damage->message);
    archive->status = CLI_FAILED;
  }
  archive->done += label_job_item (job)->size;
  g_ptr_array_remove (archive->running, job);
  begin_next (archive);
}

static void
begin_next (Archive *archive)
{
  while (archive->next < archive->items->len && archive->running->len < archive->n_jobs) {
    const ArchiveItem *item = g_ptr_array_index (archive->items, archive->next++);
    g_ptr_array_add (archive->running, label_job_new (&archive->plan, item, job_done, archive));
  }
  if (archive->running->len == 0)
    g_main_loop_quit (archive->loop);
}

static gboolean
draw (gpointer data)
{
  Archive *archive = data;
  double done = (double) archive->done;
  for (guint i = 0; i < archive->running->len; i++) {
    LabelJob *job = g_ptr_array_index (archive->running, i);
    done += label_job_progress (job) * (double) label_job_item (job)->size;
  }
  terminal_progress ("labelling", done / (double) MAX (archive->size, 1));
  return G_SOURCE_CONTINUE;
}

static gboolean
interrupt (gpointer data)
{
  Archive *archive = data;
  archive->status = CLI_FAILED;
  terminal_report (
      "interrupted; what is complete is kept, and the same command goes on from there");
  g_main_loop_quit (archive->loop);
  return G_SOURCE_REMOVE;
}

/* What is there already is told first: the bar is about the rest. */
static void
skip_complete (Archive *archive)
{
  guint i = 0;
  while (i < archive->items->len) {
    const ArchiveItem *item = g_ptr_array_index (archive->items, i);
    if (!options.force && is_complete (archive, item)) {
      print_item (archive, item, NULL);
      g_ptr_array_remove_index (archive->items, i);
    } else {
      archive->size += item->size;
      i++;
    }
  }
}

static void
label_all (Archive *archive)
{
  archive->running = g_ptr_array_new_with_free_func ((GDestroyNotify) label_job_free);
  archive->loop = g_main_loop_new (NULL, FALSE);
  archive->started = g_get_monotonic_time ();
  const guint sources[] = { g_timeout_add (DRAW, draw, archive),
                            g_unix_signal_add (SIGINT, interrupt, archive),
                            g_unix_signal_add (SIGTERM, interrupt, archive) };
  begin_next (archive);
  if (archive->running->len > 0)
    g_main_loop_run (archive->loop);
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++) {
    GSource *source = g_main_context_find_source_by_id (NULL, sources[i]);
    if (source)
      g_source_destroy (source);
  }
  g_ptr_array_unref (archive->running);
  g_main_loop_unref (archive->loop);
}

/* ------------------------------------------------------------------------------------------------------------ command */

static int
check_options (guint n)
{
  const int status = labelling_check ();
  if (status != CLI_OK)
    return status;
  if (options.every != -1 && !(options.every >= 0 && options.every <= 86400))
    return usage_error ("--every is %g, expected 0 … 86400 seconds", options.every);
  if (options.jobs < 0 || options.jobs > MAX_JOBS)
    return usage_error ("--jobs is %d, expected 0 … %d", options.jobs, MAX_JOBS);
  if (n == 0)
    return usage_error ("no file given");
  return CLI_OK;
}

/* The videos; NULL after saying why not. What is quickly known to be wrong comes first. */
static GPtrArray *
find_items (char **arguments, int *status)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipLabels) labels = labelling_load (NULL, &error);
  g_auto (GStrv) templates = labels ? labelling_load_prompts (&error) : NULL;
  gboolean complete = TRUE;
  GPtrArray *items = templates ? archive_find (arguments, options.output, &complete, &error) : NULL;
  *status = items && complete ? CLI_OK : CLI_FAILED;
  if (!items)
    terminal_report ("%s", error->message);
  return items;
}

static int
run (char **arguments, guint n)
{
  int status = check_options (n);
  if (status != CLI_OK)
    return status;
  gst_init (NULL, NULL);
  Archive archive = { 0 };
  archive.n_jobs = options.jobs ? (guint) options.jobs : MIN (g_get_num_processors (), MAX_JOBS);
  if ((status = make_plan (&archive.plan, archive.n_jobs)) != CLI_OK)
    return status;
  if (!labelling_have_elements ())
    return CLI_FAILED;
  g_autoptr (GPtrArray) items = find_items (arguments, &archive.status);
  if (!items)
    return CLI_FAILED;
  archive.items = items;
  skip_complete (&archive);
  if (items->len == 0)
    return archive.status;
  /* held for all jobs: elements share it */
  g_autoptr (ClipModel) model = options_load_model (NULL, FALSE);
  if (!model)
    return CLI_FAILED;
  signal (SIGXFSZ, SIG_IGN); /* write () says so then */
  label_all (&archive);
  return archive.status;
}

const CliCommand command_label = {
  .name = "label",
  .arguments = "FILE|DIR…",
  .summary = "Label archives of videos: JSON lines, WebVTT, CSV or a track in a copy",
  .description = "Videos whose files are complete are skipped: an interrupted command goes on when "
                 "given again.\n\n"
                 "Example:\n  gst-clip label --labels \"a car;a person\" --background \"an empty "
                 "road\" --format vtt --events archive/",
  .options = { labelling_options, reporting_options, entries, model_options, session_options },
  .run = run,
};
