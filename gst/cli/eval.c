/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip eval: how good a model is on WebDataset shards.
 *
 *   zero-shot     --classes         top-1, top-5, mean per class; with --corruptions the same under each of them
 *   retrieval     --retrieval       recall@1, 5, 10 both ways
 *   linear probe  --probe           logistic regression on the features of --train-shards
 *   a folder      FOLDER            a row for each set of shards in it
 *
 * A table for the eye, and as the last line one JSON object with all shares as fractions.
 */
#include "gst/cli/eval.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"
#include <stdio.h>
#include <string.h>

EvalOptions eval_options;

static const GOptionEntry entries[] = {
  { "shards", 's', 0, G_OPTION_ARG_FILENAME_ARRAY, &eval_options.shards,
    "WebDataset tars with key.jpg and key.cls or key.txt; patterns are allowed", "FILE…" },
  { "classes", 'c', 0, G_OPTION_ARG_FILENAME, &eval_options.classes,
    "Names of the classes that key.cls counts from 0, one a line", "FILE" },
  { "prompts", 'p', 0, G_OPTION_ARG_FILENAME, &eval_options.prompts,
    "Texts that names are put into: a set or a file (default " CLIP_DEFAULT_PROMPTS ")", "SET" },
  { "retrieval", 0, 0, G_OPTION_ARG_NONE, &eval_options.retrieval,
    "Images find their captions (key.txt), captions their images", NULL },
  { "probe", 0, 0, G_OPTION_ARG_NONE, &eval_options.probe,
    "Linear probe: logistic regression on image features of --train-shards", NULL },
  { "train-shards", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &eval_options.train_shards,
    "What --probe is fitted on, with the same classes", "FILE…" },
  { "corruptions", 0, 0, G_OPTION_ARG_NONE, &eval_options.corruptions,
    "Zero-shot under 15 corruptions in 5 severities too (76 times the work)", NULL },
  { "per-class", 0, 0, G_OPTION_ARG_NONE, &eval_options.per_class, "Print a row for each class",
    NULL },
  { "confusion", 0, 0, G_OPTION_ARG_FILENAME, &eval_options.confusion,
    "Draw which classes are taken for which", "FILE.png|.svg" },
  { "limit", 0, 0, G_OPTION_ARG_INT, &eval_options.limit,
    "Only the first N samples of --shards (default 0: all)", "N" },
  { "seed", 0, 0, G_OPTION_ARG_INT, &eval_options.seed,
    "Of corruptions and of the samples the probe's penalty is chosen on (default 0)", "N" },
  { NULL },
};

/* ---------------------------------------------------------------------------------------------------------- walking */

static void
tell_broken (const char *message, gpointer data)
{
  terminal_report ("%s", message);
}

static gboolean
show_encoding (double fraction, gpointer data)
{
  terminal_progress ("encoding images", fraction);
  return TRUE;
}

gboolean
eval_show_texts (guint done, guint total, gpointer data)
{
  terminal_progress ("encoding texts", (double) done / MAX (total, 1));
  return TRUE;
}

gboolean
eval_walk (ClipSession *session, char **shards, const ClipWalkOptions *how,
           void (*found) (const ClipWalkSample *, gpointer), gpointer data, ClipWalkCount *count,
           GError **error)
{
  const ClipWalkFuncs funcs = { found, tell_broken, show_encoding, data };
  const gboolean ok = clip_walk (session, (const char *const *) shards, how, &funcs, count, error);
  terminal_clear ();
  if (!ok)
    return FALSE;
  if (count->broken > 0)
    terminal_warn ("%u of %u samples were broken and left out", count->broken,
                   count->broken + count->found);
  if (count->found > 0)
    return TRUE;
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_FORMAT, "%s: no sample that can be evaluated",
               shards[0]);
  return FALSE;
}

void
eval_add_count (JsonLine *line, const ClipWalkCount *count)
{
  json_line_int (line, "images", count->found);
  json_line_int (line, "broken", count->broken);
}

/* ----------------------------------------------------------------------------------------------------------- folder */

static int
compare_names (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* Names of the sets whose shards lie in @folder: NAME-0000.tar, NAME-0000.tar.gz … */
static GPtrArray *
find_sets (const char *folder, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  if (!dir)
    return NULL;
  GPtrArray *sets = g_ptr_array_new_with_free_func (g_free);
  for (const char *file; (file = g_dir_read_name (dir));) {
    const char *dash = strrchr (file, '-');
    const gsize digits = dash ? strspn (dash + 1, "0123456789") : 0;
    if (digits == 0 || !g_str_has_prefix (dash + 1 + digits, ".tar"))
      continue;
    char *name = g_strndup (file, dash - file);
    if (g_ptr_array_find_with_equal_func (sets, name, g_str_equal, NULL))
      g_free (name);
    else
      g_ptr_array_add (sets, name);
  }
  g_ptr_array_sort (sets, compare_names);
  return sets;
}

/* Zero-shot where the set has classes, retrieval where it has none. */
static gboolean
eval_set (JsonLine *line, ClipSession *session, const char *folder, const char *set, GError **error)
{
  g_autofree char *shards = g_strdup_printf ("%s/%s-[0-9]*.tar*", folder, set);
  g_autofree char *classes = g_strdup_printf ("%s/%s.classes.txt", folder, set);
  char *patterns[] = { shards, NULL };
  json_line_begin (line, NULL, '{');
  json_line_string (line, "set", set);
  const gboolean ok = g_file_test (classes, G_FILE_TEST_EXISTS)
                          ? eval_zero_shot (line, session, patterns, classes, set, error)
                          : eval_retrieval (line, session, patterns, set, error);
  json_line_end (line, '}');
  fflush (stdout);
  return ok;
}

static gboolean
eval_folder (JsonLine *line, ClipSession *session, const char *folder, GError **error)
{
  g_autoptr (GPtrArray) sets = find_sets (folder, error);
  if (!sets)
    return FALSE;
  if (sets->len == 0) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_NOT_FOUND, "%s: no shards (NAME-0000.tar) there",
                 folder);
    return FALSE;
  }
  printf ("%-20s %6s  %%\n", "set", "images");
  json_line_begin (line, "sets", '[');
  for (guint i = 0; i < sets->len; i++)
    if (!eval_set (line, session, folder, sets->pdata[i], error))
      return FALSE;
  json_line_end (line, ']');
  return TRUE;
}

/* ----------------------------------------------------------------------------------------------------- command line */

static int
check_options (char **arguments, guint n)
{
  const gboolean zero = !eval_options.retrieval && !eval_options.probe;
  if (n > 1)
    return usage_error ("'%s': one folder at a time", arguments[1]);
  if (n == 1 && (eval_options.shards || eval_options.classes || !zero || eval_options.corruptions ||
                 eval_options.per_class || eval_options.confusion))
    return usage_error ("'%s' is not after --shards; a folder goes with --prompts and --limit only",
                        arguments[0]);
  if (eval_options.limit < 0)
    return usage_error ("--limit is %d, expected 0 (all) or more", eval_options.limit);
  if (n == 1)
    return CLI_OK;
  if (!eval_options.shards)
    return usage_error ("nothing to evaluate on: give --shards, or a folder of them");
  if (eval_options.retrieval &&
      (eval_options.probe || eval_options.classes || eval_options.prompts ||
       eval_options.corruptions || eval_options.per_class || eval_options.confusion))
    return usage_error ("--retrieval goes with --shards and --limit only");
  if (!eval_options.retrieval && !eval_options.classes)
    return usage_error ("no --classes, which name what is shown; or give --retrieval");
  if (!eval_options.probe != !eval_options.train_shards)
    return usage_error ("--probe and --train-shards go together");
  if (eval_options.probe && (eval_options.corruptions || eval_options.prompts))
    return usage_error (
        "--corruptions and --prompts go with the zero-shot evaluation, not with --probe");
  if (eval_options.confusion && !g_str_has_suffix (eval_options.confusion, ".png") &&
      !g_str_has_suffix (eval_options.confusion, ".svg"))
    return usage_error ("--confusion is '%s', expected a name that ends in .png or .svg",
                        eval_options.confusion);
  return CLI_OK;
}

static int
run (char **arguments, guint n)
{
  const int status = check_options (arguments, n);
  if (status != CLI_OK)
    return status;
  g_autoptr (ClipModel) model = options_load_model (NULL, FALSE);
  if (!model)
    return CLI_FAILED;
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipSession) session = options_open_session (model);
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  json_line_begin (line, NULL, '{');
  json_line_string (line, "model", clip_model_get_info (model)->id);
  const gboolean ok =
      n == 1                   ? eval_folder (line, session, arguments[0], &error)
      : eval_options.retrieval ? eval_retrieval (line, session, eval_options.shards, NULL, &error)
      : eval_options.probe
          ? eval_probe (line, session, &error)
          : eval_zero_shot (line, session, eval_options.shards, eval_options.classes, NULL, &error);
  if (!ok) {
    terminal_report ("%s", error->message);
    return CLI_FAILED;
  }
  json_line_end (line, '}');
  json_line_print (line);
  return CLI_OK;
}

const CliCommand command_eval = {
  .name = "eval",
  .arguments = "[FOLDER]",
  .summary = "Measure a model: zero-shot, retrieval, linear probe, corruptions",
  .description =
      "Prints a table, and as the last line one JSON object with all shares as fractions. FOLDER "
      "stands\n"
      "for all the shards in it (NAME-0000.tar): zero-shot where there is a NAME.classes.txt, else "
      "retrieval.\n\n"
      "Examples:\n  gst-clip eval --shards val-*.tar --classes val.classes.txt --per-class\n"
      "  gst-clip eval --shards test.tar --classes names.txt --probe --train-shards "
      "train-*.tar.gz\n"
      "  gst-clip eval --shards flickr8k-test-0000.tar --retrieval",
  .options = { entries, model_options, session_options },
  .run = run,
};
