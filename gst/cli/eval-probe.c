/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip eval: logistic regression on what the image tower's projection reads. */
#include "core/eval/metrics.h"
#include "core/eval/probe.h"
#include "gst/cli/eval.h"
#include "gst/cli/terminal.h"
#include <stdio.h>

typedef struct {
  GArray *features; /* float [N, P] */
  GArray *classes;  /* int [N] */
  int width;        /* P */
  ClipWalkCount count;
} Table;

static void
table_clear (Table *table)
{
  g_clear_pointer (&table->features, g_array_unref);
  g_clear_pointer (&table->classes, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Table, table_clear)

static void
collect (const ClipWalkSample *sample, gpointer data)
{
  Table *table = data;
  g_array_append_vals (table->features, sample->features, table->width);
  g_array_append_val (table->classes, sample->class);
}

static gboolean
read_table (Table *table, ClipSession *session, char **shards, int n_classes, guint limit,
            GError **error)
{
  const ClipWalkOptions how = { .pooled = TRUE, .n_classes = n_classes, .limit = limit };
  table->width = clip_model_get_info (clip_session_get_model (session))->pooled_width;
  table->features = g_array_new (FALSE, FALSE, sizeof (float));
  table->classes = g_array_new (FALSE, FALSE, sizeof (int));
  return eval_walk (session, shards, &how, collect, table, &table->count, error);
}

static gboolean
show_fit (const ClipProbeStep *step, guint done, guint expected, gpointer data)
{
  terminal_progress ("fitting",
                     (double) done / (expected + 1)); /* the last fit comes after the sweep */
  return TRUE;
}

static void
print_sweep (const GArray *steps, double chosen)
{
  printf ("%12s %12s\n", "lambda", "validation %");
  for (guint i = 0; i < steps->len; i++) {
    const ClipProbeStep *step = &g_array_index (steps, ClipProbeStep, i);
    printf ("%12.4g %12.1f%s%s\n", step->lambda, 100 * step->accuracy,
            step->lambda == chosen ? "  chosen" : "", step->converged ? "" : "  not converged");
  }
}

static GArray *
answer (const ClipProbe *probe, const Table *table)
{
  GArray *answers = g_array_new (FALSE, FALSE, sizeof (ClipAnswer));
  const guint n = table->classes->len;
  g_autofree float *scores = g_new (float, (gsize) n * probe->n_classes);
  clip_probe_score (probe, scores, (const float *) table->features->data, n);
  for (guint i = 0; i < n; i++) {
    const ClipAnswer one = clip_answer (scores + (gsize) i * probe->n_classes, probe->n_classes,
                                        g_array_index (table->classes, int, i));
    g_array_append_val (answers, one);
  }
  return answers;
}

gboolean
eval_probe (JsonLine *line, ClipSession *session, GError **error)
{
  g_autoptr (ClipClasses) classes = eval_load_classes (eval_options.classes, error);
  g_auto (Table) train = { 0 }, test = { 0 };
  if (!classes)
    return FALSE;
  if (classes->n < 2) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_LABELS, "%s: one class, expected two at least",
                 eval_options.classes);
    return FALSE;
  }
  if (!read_table (&train, session, eval_options.train_shards, classes->n, 0, error) ||
      !read_table (&test, session, eval_options.shards, classes->n, eval_options.limit, error))
    return FALSE;
  const ClipProbeData data = { (const float *) train.features->data,
                               (const int *) train.classes->data, train.classes->len, train.width,
                               classes->n };
  g_autoptr (GArray) steps = g_array_new (FALSE, FALSE, sizeof (ClipProbeStep));
  double lambda;
  terminal_progress ("fitting", 0);
  g_autoptr (ClipProbe) probe =
      clip_probe_sweep (&data, eval_options.seed, clip_session_get_threads (session), &lambda,
                        steps, show_fit, NULL, error);
  terminal_clear ();
  if (!probe)
    return FALSE;
  if (!probe->converged)
    terminal_warn ("the fit had not converged after %d iterations", probe->iterations);

  printf ("linear probe, %u images to fit, %u to test, %d classes, %d features\n",
          train.count.found, test.count.found, classes->n, train.width);
  print_sweep (steps, lambda);
  eval_add_count (line, &test.count);
  json_line_int (line, "train_images", train.count.found);
  json_line_int (line, "train_broken", train.count.broken);
  json_line_int (line, "classes", classes->n);
  json_line_float (line, "lambda", lambda);
  g_autoptr (GArray) answers = answer (probe, &test);
  eval_answers (line, classes, answers);
  return TRUE;
}
