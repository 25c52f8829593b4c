/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip eval: what a classification came to, whoever classified. */
#include "core/eval/confusion.h"
#include "gst/cli/eval.h"
#include "gst/cli/terminal.h"
#include <math.h>
#include <stdio.h>

ClipClasses *
eval_load_classes (const char *path, GError **error)
{
  g_autoptr (ClipClasses) classes = clip_classes_load (path, error);
  if (!classes ||
      (eval_options.confusion && !clip_confusion_check (eval_options.confusion, classes->n, error)))
    return NULL;
  return g_steal_pointer (&classes);
}

typedef struct {
  double top1, top5, mean_per_class;
} Shares;

/* Computes them and adds them to @line. */
static Shares
add_shares (JsonLine *line, const ClipClasses *classes, const GArray *answers)
{
  const ClipAnswer *a = (const ClipAnswer *) answers->data;
  const Shares shares = { clip_top_k (a, answers->len, 1), clip_top_k (a, answers->len, 5),
                          clip_mean_per_class (a, answers->len, classes->n) };
  json_line_float (line, "top1", shares.top1);
  json_line_float (line, "top5", shares.top5);
  json_line_float (line, "mean_per_class", shares.mean_per_class);
  return shares;
}

/* A row for each class; what it is most often taken for, and how often. */
static void
print_classes (JsonLine *line, const ClipClasses *classes, const GArray *answers)
{
  g_autofree ClipClassResult *results = g_new (ClipClassResult, classes->n);
  clip_class_results (results, classes->n, (const ClipAnswer *) answers->data, answers->len);
  printf ("\n%-28s %6s %6s %6s  %s\n", "class", "images", "top-1", "top-5", "most often taken for");
  json_line_begin (line, "per_class", '[');
  for (int c = 0; c < classes->n; c++) {
    const ClipClassResult *r = &results[c];
    const double top1 = r->n ? (double) r->top1 / r->n : NAN;
    const double top5 = r->n ? (double) r->top5 / r->n : NAN;
    if (r->n > 0)
      printf ("%-28s %6d %6.1f %6.1f", classes->names[c], r->n, 100 * top1, 100 * top5);
    else
      printf ("%-28s %6d %6s %6s", classes->names[c], 0, "-", "-");
    if (r->confused >= 0)
      printf ("  %s (%d)", classes->names[r->confused], r->confused_n);
    putchar ('\n');
    json_line_begin (line, NULL, '{');
    json_line_string (line, "name", classes->names[c]);
    json_line_int (line, "images", r->n);
    json_line_float (line, "top1", top1);
    json_line_float (line, "top5", top5);
    json_line_end (line, '}');
  }
  json_line_end (line, ']');
}

void
eval_answers (JsonLine *line, const ClipClasses *classes, const GArray *answers)
{
  const Shares shares = add_shares (line, classes, answers);
  printf ("%-16s %6.1f %%\n%-16s %6.1f %%\n%-16s %6.1f %%\n", "top-1", 100 * shares.top1, "top-5",
          100 * shares.top5, "mean per class", 100 * shares.mean_per_class);
  if (eval_options.per_class)
    print_classes (line, classes, answers);
  g_autoptr (GError) error = NULL;
  if (eval_options.confusion &&
      !clip_confusion_write (eval_options.confusion, (const char *const *) classes->names,
                             classes->n, (const ClipAnswer *) answers->data, answers->len,
                             &error)) {
    terminal_report ("%s", error->message);
    eval_incomplete = TRUE;
  }
}

void
eval_answers_row (JsonLine *line, const ClipClasses *classes, const GArray *answers)
{
  const Shares shares = add_shares (line, classes, answers);
  printf ("  top-1 %5.1f  top-5 %5.1f  mean per class %5.1f\n", 100 * shares.top1,
          100 * shares.top5, 100 * shares.mean_per_class);
}
