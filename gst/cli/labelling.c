/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/cli/labelling.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"
#include <gst/gst.h>

static struct {
  char *labels, *labels_file, *background, *prompts, *scoring_name;
  int scoring;
} wanted;

static struct {
  double threshold, hysteresis, smoothing, min_on, min_off;
  int top_k;
} reporting = { .threshold = 0.2 };

static const char *const scorings[] = { "exclusive", "independent",
                                        NULL }; /* in the order of ClipScoring */

const GOptionEntry labelling_options[] = {
  { "labels", 'l', 0, G_OPTION_ARG_FILENAME, &wanted.labels, "What to look for, separated by ';'",
    "A;B…" },
  { "labels-file", 0, 0, G_OPTION_ARG_FILENAME, &wanted.labels_file,
    "The same, a label a line or JSON with prompts, images, thresholds and backgrounds", "FILE" },
  { "background", 'b', 0, G_OPTION_ARG_FILENAME, &wanted.background,
    "What else may be seen: competes for the score, is not reported", "A;B…" },
  { "prompts", 'p', 0, G_OPTION_ARG_FILENAME, &wanted.prompts,
    "Texts that labels are put into: a set ('gst-clip prompts' lists them), or a file with one a "
    "line "
    "(default " CLIP_DEFAULT_PROMPTS ")",
    "SET" },
  { "scoring", 0, 0, G_OPTION_ARG_FILENAME, &wanted.scoring_name,
    "exclusive (default): scores of all labels sum to 1; independent: each label against the "
    "background",
    "HOW" },
  { NULL },
};

const GOptionEntry reporting_options[] = {
  { "threshold", 0, 0, G_OPTION_ARG_DOUBLE, &reporting.threshold,
    "Smallest score that is reported (default 0.2)", "X" },
  { "top-k", 'k', 0, G_OPTION_ARG_INT, &reporting.top_k,
    "Report the K best labels (default 0: all)", "K" },
  { "smoothing", 0, 0, G_OPTION_ARG_DOUBLE, &reporting.smoothing,
    "Time constant over which scores are smoothed, in seconds (default 0: none)", "S" },
  { "hysteresis", 0, 0, G_OPTION_ARG_DOUBLE, &reporting.hysteresis,
    "How far below the threshold a reported label may fall (default 0)", "X" },
  { "min-on", 0, 0, G_OPTION_ARG_DOUBLE, &reporting.min_on,
    "Report a label once its score has sufficed for so many seconds (default 0)", "S" },
  { "min-off", 0, 0, G_OPTION_ARG_DOUBLE, &reporting.min_off,
    "Report a label until its score has not sufficed for so many seconds (default 0)", "S" },
  { NULL },
};

#define LONGEST 86400.0 /* seconds */

/* Numbers of clipclassify's properties: an option of the same name, times in seconds there and in ns here. */
static const struct {
  const char *name;
  const double *value;
  double max;
  gboolean is_time;
} numbers[] = {
  { "threshold", &reporting.threshold, 1, FALSE },
  { "hysteresis", &reporting.hysteresis, 1, FALSE },
  { "smoothing", &reporting.smoothing, LONGEST, TRUE },
  { "min-on", &reporting.min_on, LONGEST, TRUE },
  { "min-off", &reporting.min_off, LONGEST, TRUE },
};

int
labelling_check_scoring (void)
{
  wanted.scoring =
      wanted.scoring_name ? options_choice ("--scoring", wanted.scoring_name, scorings) : 0;
  return wanted.scoring < 0 ? CLI_USAGE : CLI_OK;
}

gboolean
labelling_given (void)
{
  return wanted.labels || wanted.labels_file;
}

int
labelling_check (void)
{
  if (labelling_check_scoring () != CLI_OK)
    return CLI_USAGE;
  if (!labelling_given ())
    return usage_error ("no labels: give --labels or --labels-file");
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (!(*numbers[i].value >= 0 && *numbers[i].value <= numbers[i].max))
      return usage_error ("--%s is %g, expected 0 … %g", numbers[i].name, *numbers[i].value,
                          numbers[i].max);
  if (reporting.top_k < 0)
    return usage_error ("--top-k is %d, expected 0 (all) or more", reporting.top_k);
  return CLI_OK;
}

ClipScoring
labelling_scoring (void)
{
  return (ClipScoring) wanted.scoring;
}

ClipLabels *
labelling_load (ClipLabels *otherwise, GError **error)
{
  g_autoptr (ClipLabels) named = NULL, filed = NULL, background = NULL, all = NULL;

  if (wanted.labels && !(named = clip_labels_parse (wanted.labels, error)))
    return NULL;
  if (wanted.labels_file && !(filed = clip_labels_load (wanted.labels_file, error)))
    return NULL;
  if (!labelling_given () && otherwise)
    named = clip_labels_ref (otherwise);
  if (!(all = clip_labels_join (named, filed, FALSE, error)) || !wanted.background)
    return g_steal_pointer (&all);
  if (!(background = clip_labels_parse (wanted.background, error))) {
    g_prefix_error (error, "--background: ");
    return NULL;
  }
  return clip_labels_join (all, background, TRUE, error);
}

char **
labelling_load_prompts (GError **error)
{
  return clip_prompts_load (wanted.prompts ? wanted.prompts : CLIP_DEFAULT_PROMPTS, error);
}

gboolean
labelling_have_elements (void)
{
  static const char *const elements[] = { "clipclassify", "cliptext" };
  for (guint i = 0; i < G_N_ELEMENTS (elements); i++) {
    g_autoptr (GstElementFactory) factory = gst_element_factory_find (elements[i]);
    if (!factory) {
      terminal_report ("GStreamer finds no element %s: where its plugin is in a folder of its own, "
                       "set GST_PLUGIN_PATH",
                       elements[i]);
      return FALSE;
    }
  }
  return TRUE;
}

void
labelling_configure (gpointer element)
{
  g_object_set (element, "labels", wanted.labels, "labels-file", wanted.labels_file, "background",
                wanted.background, "prompts",
                wanted.prompts ? wanted.prompts : CLIP_DEFAULT_PROMPTS, "scoring", wanted.scoring,
                "top-k", (guint) reporting.top_k, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (numbers[i].is_time)
      g_object_set (element, numbers[i].name, (guint64) (*numbers[i].value * 1e9), NULL);
    else
      g_object_set (element, numbers[i].name, *numbers[i].value, NULL);
}
