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
gboolean eval_incomplete;

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
  g_autoptr (GError) problem = NULL;
  const gboolean ok =
      clip_walk (session, (const char *const *) shards, how, &funcs, count, &problem);
  terminal_clear ();
  if (!ok && count->unread == 0) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return FALSE;
  }
  if (count->unread > 0) {
    terminal_warn ("%u shards could not be read", count->unread);
    eval_incomplete = TRUE;
  }
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
  json_line_int (line, "unread_shards", count->unread);
}

/* ----------------------------------------------------------------------------------------------------------- folder */

typedef struct {
  char *name;
  GPtrArray *shards; /* paths, NULL-terminated */
} Set;

static void
set_free (gpointer data)
{
  Set *set = data;
  g_free (set->name);
  g_ptr_array_unref (set->shards);
  g_free (set);
}

static int
compare_sets (const void *a, const void *b)
{
  return strcmp ((*(const Set *const *) a)->name, (*(const Set *const *) b)->name);
}

static int
compare_paths (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static gboolean
has_name (gconstpointer set, gconstpointer name)
{
  return g_str_equal (((const Set *) set)->name, name);
}

/* Length of NAME where @file is NAME-0000.tar, or that packed; 0: it is no shard. */
static gsize
name_length (const char *file)
{
  static const char *const suffixes[] = { ".tar",     ".tar.gz",  ".tar.bz2", ".tar.xz",
                                          ".tar.zst", ".tar.lz4", NULL };
  const char *dash = strrchr (file, '-');
  const gsize digits = dash ? strspn (dash + 1, "0123456789") : 0;
  return digits > 0 && g_strv_contains (suffixes, dash + 1 + digits) ? dash - file : 0;
}

/* The sets whose shards lie in @folder, in order of their names. */
static GPtrArray *
find_sets (const char *folder, GError **error)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, error);
  if (!dir)
    return NULL;
  GPtrArray *sets = g_ptr_array_new_with_free_func (set_free);
  for (const char *file; (file = g_dir_read_name (dir));) {
    const gsize length = name_length (file);
    if (length == 0)
      continue;
    g_autofree char *name = g_strndup (file, length);
    guint at;
    if (!g_ptr_array_find_with_equal_func (sets, name, has_name, &at)) {
      Set *set = g_new (Set, 1);
      set->name = g_strdup (name);
      set->shards = g_ptr_array_new_with_free_func (g_free);
      at = sets->len;
      g_ptr_array_add (sets, set);
    }
    g_ptr_array_add (((Set *) sets->pdata[at])->shards, g_build_filename (folder, file, NULL));
  }
  for (guint i = 0; i < sets->len; i++) {
    Set *set = sets->pdata[i];
    g_ptr_array_sort (set->shards, compare_paths);
    g_ptr_array_add (set->shards, NULL);
  }
  g_ptr_array_sort (sets, compare_sets);
  return sets;
}

/* Zero-shot where the set has classes, retrieval where it has none. What goes wrong is told, and the others go on. */
static void
eval_set (JsonLine *line, ClipSession *session, const char *folder, const Set *set)
{
  g_autofree char *classes = g_strdup_printf ("%s/%s.classes.txt", folder, set->name);
  char **shards = (char **) set->shards->pdata;
  g_autoptr (GError) error = NULL;
  json_line_begin (line, NULL, '{');
  json_line_string (line, "set", set->name);
  if (!(g_file_test (classes, G_FILE_TEST_EXISTS)
            ? eval_zero_shot (line, session, shards, classes, set->name, &error)
            : eval_retrieval (line, session, shards, set->name, &error))) {
    terminal_report ("%s", error->message);
    printf ("%-20s %6s  failed\n", set->name, "-");
    json_line_string (line, "error", error->message);
    eval_incomplete = TRUE;
  }
  json_line_end (line, '}');
  fflush (stdout);
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
    eval_set (line, session, folder, sets->pdata[i]);
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
  if (n == 1 && (eval_options.shards || eval_options.train_shards || eval_options.classes ||
                 !zero || eval_options.corruptions || eval_options.per_class ||
                 eval_options.confusion || eval_options.seed != 0))
    return usage_error ("'%s' is not after --shards; a folder goes with --prompts and --limit only",
                        arguments[0]);
  if (eval_options.limit < 0)
    return usage_error ("--limit is %d, expected 0 (all) or more", eval_options.limit);
  if (n == 1)
    return CLI_OK;
  if (!eval_options.shards)
    return usage_error ("nothing to evaluate on: give --shards, or a folder of them");
  if (eval_options.seed != 0 && !eval_options.corruptions && !eval_options.probe)
    return usage_error (
        "--seed goes with --corruptions or --probe, without which nothing is random");
  if (eval_options.retrieval &&
      (eval_options.probe || eval_options.train_shards || eval_options.classes ||
       eval_options.prompts || eval_options.corruptions || eval_options.per_class ||
       eval_options.confusion))
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
  return eval_incomplete ? CLI_FAILED : CLI_OK;
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
