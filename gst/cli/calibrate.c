/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip calibrate: labels ─▶ labels with thresholds, and a temperature.
 *
 *   examples   DIR/LABEL/PICTURE ─▶ logits [N, L] ─▶ temperature ─▶ scores ─▶ the threshold of each label
 *   footage    FILE…             ─▶ scores [N, L] over time      ─▶ the threshold at which it goes on seldom enough
 *
 * Given both, the temperature is learned from the examples and the thresholds from the footage.
 */
#include "core/zeroshot/calibrate.h"
#include "core/zeroshot/labels.h"
#include "gst/cli/examples.h"
#include "gst/cli/frames.h"
#include "gst/cli/jsonline.h"
#include "gst/cli/labelling.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"

#include <math.h>
#include <string.h>

static struct {
  char *examples, *output;
  double alarms, smoothing, hysteresis, min_on, min_off;
  int interval;
} options = { .alarms = -1, .interval = 1 };

static const GOptionEntry entries[] = {
  { "examples", 'e', 0, G_OPTION_ARG_FILENAME, &options.examples,
    "Learn from the pictures in this folder, which has one of its own for each label; without "
    "--labels its folders are the labels",
    "DIR" },
  { "false-alarms", 'n', 0, G_OPTION_ARG_DOUBLE, &options.alarms,
    "Learn from videos: a label may go on so many times an hour", "N" },
  { "interval", 'i', 0, G_OPTION_ARG_INT, &options.interval,
    "Classify every N-th frame of the videos (default 1)", "N" },
  { "smoothing", 0, 0, G_OPTION_ARG_DOUBLE, &options.smoothing,
    "As clipclassify will have it, in seconds (default 0)", "S" },
  { "hysteresis", 0, 0, G_OPTION_ARG_DOUBLE, &options.hysteresis, "Likewise, 0 … 1 (default 0)",
    "X" },
  { "min-on", 0, 0, G_OPTION_ARG_DOUBLE, &options.min_on, "Likewise, in seconds (default 0)", "S" },
  { "min-off", 0, 0, G_OPTION_ARG_DOUBLE, &options.min_off, "Likewise, in seconds (default 0)",
    "S" },
  { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, "The labels file to write", "FILE" },
  { NULL },
};

/* What is known of a run. */
typedef struct {
  ClipSession *session;
  ClipScoring scoring;
  char **templates;
  ClipLabels *labels; /* with what was learned so far */
  Examples *examples; /* (nullable) */

  GArray *features; /* [N, E] of the footage, or of the examples that could be read */
  GArray *truth;    /* [N] int: of examples */
  GArray *times;    /* [N] guint64: of footage */
  GArray *first;    /* [N] gboolean: likewise */
  const char *file; /* of the last one */

  float *thresholds; /* [L] */
  double *f1;        /* [L] of the examples */
  guint *alarms;     /* [L] of the footage */
  double hours;
} Run;

static void
run_clear (Run *run)
{
  g_clear_pointer (&run->session, clip_session_free);
  g_clear_pointer (&run->templates, g_strfreev);
  g_clear_pointer (&run->labels, clip_labels_unref);
  g_clear_pointer (&run->examples, examples_free);
  g_clear_pointer (&run->features, g_array_unref);
  g_clear_pointer (&run->truth, g_array_unref);
  g_clear_pointer (&run->times, g_array_unref);
  g_clear_pointer (&run->first, g_array_unref);
  g_free (run->thresholds);
  g_free (run->f1);
  g_free (run->alarms);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

static const ClipModelInfo *
info_of (const Run *run)
{
  return clip_model_get_info (clip_session_get_model (run->session));
}

/* ------------------------------------------------------------------------------------------------ learning */

static void
keep_feature (const FrameName *name, const float *feature, gpointer data)
{
  Run *run = data;
  const gboolean first = name->file != run->file;
  g_array_append_vals (run->features, feature, info_of (run)->embed_dim);
  g_array_append_val (run->times, name->time);
  g_array_append_val (run->first, first);
  if (run->examples) {
    const int truth = examples_get_label (run->examples, name->file);
    g_array_append_val (run->truth, truth);
  }
  run->file = name->file;
}

/* The features of @files, instead of those before. FALSE: some could not be read, which was told. */
static gboolean
look (Run *run, char **files, guint n, guint interval)
{
  g_autoptr (Frames) frames = frames_new (files, n, &info_of (run)->preprocess, interval);
  GArray *const arrays[] = { run->features, run->truth, run->times, run->first };
  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++)
    g_array_set_size (arrays[i], 0);
  run->file = NULL;
  return frames_encode (frames, run->session, interval ? "watching" : "looking at examples",
                        keep_feature, run);
}

typedef void (*ValuesFunc) (const ClipClassifier *classifier, float *values, const float *feature,
                            ClipScoring scoring);

static void
compute_logits (const ClipClassifier *classifier, float *values, const float *feature,
                ClipScoring scoring)
{
  clip_classifier_logits (classifier, values, feature);
}

/* Returns: (transfer full): [N, L], by the labels as they are now; NULL with @error. */
static float *
compute (Run *run, ValuesFunc func, GError **error)
{
  g_autoptr (ClipClassifier) classifier = clip_classifier_new (
      run->session, run->labels, (const char *const *) run->templates, NULL, NULL, error);
  if (!classifier)
    return NULL;
  const guint L = clip_labels_get_n (run->labels), E = info_of (run)->embed_dim;
  float *values = g_new (float, (gsize) run->times->len *L);
  for (guint i = 0; i < run->times->len; i++)
    func (classifier, values + (gsize) i * L, &g_array_index (run->features, float, (gsize) i *E),
          run->scoring);
  return values;
}

static void
set_labels (Run *run, float temperature)
{
  g_autoptr (ClipLabels) before = run->labels;
  run->labels = clip_labels_calibrated (before, temperature, run->thresholds);
}

static gboolean
learn_from_examples (Run *run, GError **error)
{
  g_autoptr (ClipLabels) labels = clip_labels_ref (run->labels);
  ClipExamples examples = { .n = run->truth->len,
                            .n_labels = clip_labels_get_n (labels),
                            .truth = (const int *) run->truth->data };
  /* What is learned goes by the model's own logits. */
  set_labels (run, 1);
  g_autofree float *logits = compute (run, compute_logits, error);
  if (!logits)
    return FALSE;
  examples.values = logits;
  const double temperature =
      clip_calibrate_temperature (&examples, !isnan (info_of (run)->logit_bias));
  set_labels (run, (float) temperature);
  g_autofree float *scores = compute (run, clip_classifier_score, error);
  if (!scores)
    return FALSE;
  examples.values = scores;
  for (guint l = 0; l < examples.n_labels; l++)
    if (!clip_labels_get (labels, l)->background) {
      const float learned = clip_calibrate_threshold (&examples, l, &run->f1[l]);
      if (!isnan (learned))
        run->thresholds[l] = learned;
    }
  set_labels (run, NAN);
  if (temperature < CLIP_MIN_TEMPERATURE * 1.001)
    terminal_warn ("%s: every example is surely right: temperature %g is as low as it may be; more "
                   "and harder examples would tell more",
                   options.examples, CLIP_MIN_TEMPERATURE);
  return TRUE;
}

static gboolean
check_thresholds (const Run *run, GError **error)
{
  for (guint l = 0; l < clip_labels_get_n (run->labels); l++) {
    const ClipLabel *label = clip_labels_get (run->labels, l);
    if (label->background || !isnan (run->thresholds[l]))
      continue;
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_LABELS,
                 "\"%s\" has a score of 1 too often for %g false alarms an hour, whatever its "
                 "threshold: name rivals, or a background that the footage shows",
                 label->name, options.alarms);
    return FALSE;
  }
  return TRUE;
}

static gboolean
learn_from_footage (Run *run, GError **error)
{
  const ClipSteadiness settings = { .smoothing = (guint64) (options.smoothing * 1e9),
                                    .hysteresis = (float) options.hysteresis,
                                    .min_on = (guint64) (options.min_on * 1e9),
                                    .min_off = (guint64) (options.min_off * 1e9) };
  g_autofree float *scores = compute (run, clip_classifier_score, error);
  if (!scores)
    return FALSE;
  const ClipFootage footage = { .n = run->times->len,
                                .scores = scores,
                                .times = (const guint64 *) run->times->data,
                                .first = (const gboolean *) run->first->data };
  run->hours = clip_footage_get_hours (&footage);
  clip_calibrate_alarms (run->thresholds, run->alarms, run->labels, &footage, &settings,
                         options.alarms * run->hours);
  if (!check_thresholds (run, error))
    return FALSE;
  set_labels (run, NAN);
  if (options.alarms * run->hours < 1)
    terminal_warn ("%.3g h of footage are less than one false alarm's worth at %g an hour: no "
                   "label goes on in it at all, and how seldom is a guess",
                   run->hours, options.alarms);
  return TRUE;
}

/* -------------------------------------------------------------------------------------------------- output */

static void
write_strings (JsonLine *line, const char *name, char **strings, gboolean paths)
{
  if (!strings)
    return;
  json_line_begin (line, name, '[');
  for (; *strings; strings++) {
    /* The file that names them may lie elsewhere. */
    g_autofree char *path = paths ? g_canonicalize_filename (*strings, NULL) : NULL;
    json_line_string (line, NULL, paths ? path : *strings);
  }
  json_line_end (line, ']');
}

static void
write_label (JsonLine *line, const ClipLabel *label)
{
  json_line_begin (line, NULL, '{');
  json_line_string (line, "name", label->name);
  write_strings (line, "prompts", label->prompts, FALSE);
  write_strings (line, "images", label->images, TRUE);
  if (!isnan (label->image_weight))
    json_line_float (line, "image-weight", label->image_weight);
  if (!isnan (label->threshold))
    json_line_float (line, "threshold", label->threshold);
  if (!isnan (label->release))
    json_line_float (line, "release",
                     MIN (label->release, isnan (label->threshold) ? 1 : label->threshold));
  if (label->background)
    json_line_bool (line, "background", TRUE);
  json_line_end (line, '}');
}

static gboolean
write_file (const Run *run, GError **error)
{
  g_autoptr (JsonLine) line = json_line_new (TRUE);
  json_line_begin (line, NULL, '{');
  json_line_float (line, "temperature", clip_labels_get_temperature (run->labels));
  json_line_begin (line, "labels", '[');
  for (guint i = 0; i < clip_labels_get_n (run->labels); i++)
    write_label (line, clip_labels_get (run->labels, i));
  json_line_end (line, ']');
  json_line_end (line, '}');
  g_autofree char *text = json_line_take (line);
  return g_file_set_contents (options.output, text, -1, error);
}

static void
print (const Run *run, guint n_examples)
{
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  json_line_begin (line, NULL, '{');
  json_line_string (line, "file", options.output);
  json_line_float (line, "temperature", clip_labels_get_temperature (run->labels));
  if (n_examples > 0)
    json_line_int (line, "examples", n_examples);
  if (options.alarms >= 0)
    json_line_float (line, "hours", (float) run->hours);
  json_line_begin (line, "labels", '[');
  for (guint i = 0; i < clip_labels_get_n (run->labels); i++) {
    const ClipLabel *label = clip_labels_get (run->labels, i);
    if (label->background)
      continue;
    json_line_begin (line, NULL, '{');
    json_line_string (line, "label", label->name);
    json_line_float (line, "threshold", label->threshold);
    if (options.alarms >= 0)
      json_line_int (line, "alarms", run->alarms[i]);
    else
      json_line_float (line, "f1", (float) run->f1[i]);
    json_line_end (line, '}');
  }
  json_line_end (line, ']');
  json_line_end (line, '}');
  json_line_print (line);
}

/* ------------------------------------------------------------------------------------------------------ run */

/* The labels that were given, or else the folders' names; --background's last. */
static ClipLabels *
load_labels (const Examples *examples, GError **error)
{
  g_autoptr (ClipLabels) names = NULL;
  if (!labelling_given () && !(names = examples_get_names (examples, error)))
    return NULL;
  return labelling_load (names, error);
}

static gboolean
prepare (Run *run, GError **error)
{
  if (options.examples && !(run->examples = examples_open (options.examples, error)))
    return FALSE;
  run->templates = labelling_load_prompts (error);
  run->labels = run->templates ? load_labels (run->examples, error) : NULL;
  if (!run->labels || (run->examples && !examples_match (run->examples, run->labels, error)))
    return FALSE;
  const guint L = clip_labels_get_n (run->labels);
  run->thresholds = g_new (float, L);
  run->f1 = g_new0 (double, L);
  run->alarms = g_new0 (guint, L);
  for (guint l = 0; l < L; l++)
    run->thresholds[l] = clip_labels_get (run->labels, l)->threshold;
  run->features = g_array_new (FALSE, FALSE, sizeof (float));
  run->truth = g_array_new (FALSE, FALSE, sizeof (int));
  run->times = g_array_new (FALSE, FALSE, sizeof (guint64));
  run->first = g_array_new (FALSE, FALSE, sizeof (gboolean));
  return TRUE;
}

static gboolean
refuse_stills (const Run *run, GError **error)
{
  for (guint i = 0; i < run->times->len; i++)
    if (g_array_index (run->times, guint64, i) == CLIP_NO_TIME) {
      g_set_error (error, CLIP_ERROR, CLIP_ERROR_UNSUPPORTED,
                   "pictures have no time for --false-alarms to count in: expected videos");
      return FALSE;
    }
  if (run->times->len > 0)
    return TRUE;
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "no frame could be read");
  return FALSE;
}

static gboolean
learn (Run *run, char **files, guint n, guint *n_examples, gboolean *whole, GError **error)
{
  if (run->examples) {
    char **pictures = examples_get_files (run->examples);
    *whole &= look (run, pictures, g_strv_length (pictures), 0);
    *n_examples = run->truth->len;
    if (*n_examples == 0) {
      g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: no picture could be read",
                   options.examples);
      return FALSE;
    }
    if (!learn_from_examples (run, error))
      return FALSE;
    g_clear_pointer (&run->examples, examples_free);
  }
  if (options.alarms < 0)
    return TRUE;
  *whole &= look (run, files, n, options.interval);
  return refuse_stills (run, error) && learn_from_footage (run, error);
}

static const char *
check_options (guint n)
{
  if (!options.output)
    return "no file to write: give --output";
  if (!options.examples && options.alarms < 0)
    return "nothing to learn from: give --examples, or --false-alarms and videos";
  if (!labelling_given () && !options.examples)
    return "no labels: give --labels, --labels-file or --examples";
  if ((options.alarms >= 0) != (n > 0))
    return "--false-alarms and videos go together";
  if (options.interval < 1)
    return "--interval: expected 1 or more";
  if (!(options.hysteresis >= 0 && options.hysteresis <= 1))
    return "--hysteresis: expected 0 … 1";
  const double seconds[] = { options.smoothing, options.min_on, options.min_off };
  for (guint i = 0; i < G_N_ELEMENTS (seconds); i++)
    if (!(seconds[i] >= 0 && seconds[i] < 1e9))
      return "--smoothing, --min-on, --min-off: expected seconds, 0 or more";
  return NULL;
}

static int
run (char **arguments, guint n)
{
  if (labelling_check_scoring () != CLI_OK)
    return CLI_USAGE;
  const char *wrong = check_options (n);
  if (wrong)
    return usage_error ("%s", wrong);

  g_autoptr (GError) error = NULL;
  g_auto (Run) state = { .scoring = labelling_scoring () };
  g_autoptr (ClipModel) model = NULL;
  guint n_examples = 0;
  gboolean whole = TRUE;
  if (prepare (&state, &error)) {
    if (!(model = options_load_model (NULL, FALSE)))
      return CLI_FAILED;
    state.session = options_open_session (model);
    if (learn (&state, arguments, n, &n_examples, &whole, &error) && write_file (&state, &error)) {
      print (&state, n_examples);
      return whole ? CLI_OK : CLI_FAILED;
    }
  }
  terminal_clear ();
  terminal_report ("%s", error->message);
  return CLI_FAILED;
}

const CliCommand command_calibrate = {
  .name = "calibrate",
  .arguments = "[VIDEO…]",
  .summary = "Learn the thresholds of labels from examples or from footage",
  .description =
      "Examples:\n  gst-clip calibrate --examples pictures/ --output labels.json\n"
      "  gst-clip calibrate --labels \"a car;an empty road\" --false-alarms 2 --output labels.json "
      "night.mp4",
  .options = { labelling_options, entries, model_options, session_options },
  .run = run,
};
