/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip classify: zero-shot labels of images and of the frames of videos.
 *
 *   {"file", "pts": seconds | null, "labels": [{"label", "score"} …]}   best first
 */
#include "gst/cli/frames.h"
#include "gst/cli/jsonline.h"
#include "gst/cli/labelling.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"

static struct {
  double threshold;
  int interval, top_k;
} options = { .interval = 1 };

static const GOptionEntry entries[] = {
  { "threshold", 0, 0, G_OPTION_ARG_DOUBLE, &options.threshold,
    "Leave out labels that score less (default 0)", "X" },
  { "interval", 'i', 0, G_OPTION_ARG_INT, &options.interval,
    "Classify every N-th frame of a video (default 1)", "N" },
  { "top-k", 'k', 0, G_OPTION_ARG_INT, &options.top_k, "Print the K best labels (default 0: all)",
    "K" },
  { NULL },
};

typedef struct {
  ClipClassifier *classifier;
  ClipScoring scoring;
  JsonLine *line;
  float *scores;  /* [L] */
  ClipScore *top; /* [L] */
} Printer;

static void
print_labels (const FrameName *name, const float *feature, gpointer data)
{
  Printer *printer = data;
  ClipLabels *labels = clip_classifier_get_labels (printer->classifier);
  clip_classifier_score (printer->classifier, printer->scores, feature, printer->scoring);
  guint n = clip_classifier_top (printer->classifier, printer->top, options.top_k, printer->scores,
                                 (float) options.threshold);

  json_line_begin (printer->line, NULL, '{');
  json_line_string (printer->line, "file", name->file);
  json_line_time (printer->line, "pts", name->time);
  json_line_begin (printer->line, "labels", '[');
  for (guint i = 0; i < n; i++) {
    json_line_begin (printer->line, NULL, '{');
    json_line_string (printer->line, "label",
                      clip_labels_get (labels, printer->top[i].label)->name);
    json_line_float (printer->line, "score", printer->top[i].score);
    json_line_end (printer->line, '}');
  }
  json_line_end (printer->line, ']');
  json_line_end (printer->line, '}');
  json_line_print (printer->line);
}

static gboolean
show_progress (guint done, guint total, gpointer data)
{
  terminal_progress ("encoding labels", (double) done / MAX (total, 1));
  return TRUE;
}

static ClipClassifier *
make_classifier (ClipSession *session, ClipLabels *labels, char **templates, GError **error)
{
  ClipClassifier *classifier = clip_classifier_new (
      session, labels, (const char *const *) templates, show_progress, NULL, error);
  terminal_clear ();
  terminal_warn_all (classifier ? clip_classifier_get_warnings (classifier) : NULL);
  return classifier;
}

static int
run (char **arguments, guint n)
{
  int status = labelling_check ();
  if (status != CLI_OK)
    return status;
  if (options.interval < 1)
    return usage_error ("--interval is %d, expected 1 or more", options.interval);
  if (options.top_k < 0)
    return usage_error ("--top-k is %d, expected 0 (all) or more", options.top_k);
  if (!(options.threshold >= 0 && options.threshold <= 1))
    return usage_error ("--threshold is %g, expected 0 … 1", options.threshold);
  if (n == 0)
    return usage_error ("no file given");

  /* what is quickly known to be wrong comes before the model, which takes its time */
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipLabels) labels = labelling_load (NULL, &error);
  g_auto (GStrv) templates = labels ? labelling_load_prompts (&error) : NULL;
  if (!templates) {
    terminal_report ("%s", error->message);
    return CLI_FAILED;
  }
  g_autoptr (ClipModel) model = options_load_model (NULL, FALSE);
  if (!model)
    return CLI_FAILED;
  g_autoptr (ClipSession) session = options_open_session (model);
  g_autoptr (ClipClassifier) classifier = make_classifier (session, labels, templates, &error);
  if (!classifier) {
    terminal_report ("%s", error->message);
    return CLI_FAILED;
  }

  /* a classifier may add a background of its own */
  guint n_labels = clip_labels_get_n (clip_classifier_get_labels (classifier));
  g_autofree float *scores = g_new (float, n_labels);
  g_autofree ClipScore *top = g_new (ClipScore, n_labels);
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  Printer printer = { classifier, labelling_scoring (), line, scores, top };
  g_autoptr (Frames) frames =
      frames_new (arguments, n, &clip_model_get_info (model)->preprocess, options.interval);
  return frames_encode (frames, session, "classifying", print_labels, &printer) ? CLI_OK
                                                                                : CLI_FAILED;
}

const CliCommand command_classify = {
  .name = "classify",
  .arguments = "FILE…",
  .summary = "Say which labels fit images and the frames of videos, without training",
  .description =
      "Example:\n  gst-clip classify --labels \"a car;an empty road\" --interval 25 video.mp4",
  .options = { labelling_options, entries, model_options, session_options },
  .run = run,
};
