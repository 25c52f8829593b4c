/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip eval: zero-shot classification, of pictures as they are and corrupted. */
#include "core/eval/corruptions.h"
#include "gst/cli/eval.h"
#include "gst/cli/terminal.h"
#include <stdio.h>

enum {
  VARIANTS = 1 + CLIP_CORRUPTIONS * CLIP_SEVERITIES
}; /* in the order of ClipWalkOptions.corruptions */

typedef struct {
  const ClipClasses *classes;
  const ClipClassifier *classifier;
  int width;                 /* E */
  float *scores;             /* [classes] */
  int n_variants;            /* 1 or VARIANTS */
  GArray *answers[VARIANTS]; /* ClipAnswer of each picture */
  ClipWalkCount count;
} ZeroShot;

static void
zero_shot_clear (ZeroShot *zero)
{
  g_clear_pointer (&zero->scores, g_free);
  for (int v = 0; v < zero->n_variants; v++)
    g_clear_pointer (&zero->answers[v], g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ZeroShot, zero_shot_clear)

static void
classify (const ClipWalkSample *sample, gpointer data)
{
  ZeroShot *zero = data;
  for (int v = 0; v < zero->n_variants; v++) {
    clip_classes_score (zero->classes, zero->classifier, zero->scores,
                        sample->features + (gsize) v * zero->width);
    const ClipAnswer answer = clip_answer (zero->scores, zero->classes->n, sample->class);
    g_array_append_val (zero->answers[v], answer);
  }
}

static double
top1 (const GArray *answers)
{
  return clip_top_k ((const ClipAnswer *) answers->data, answers->len, 1);
}

/* Top-1 under each corruption; drop: what of the clean top-1 is lost on average, in per cent of it. */
static void
print_corruptions (JsonLine *line, const ZeroShot *zero)
{
  const double clean = top1 (zero->answers[0]);
  double total = 0;
  printf ("\n%-20s %6s %6s %6s %6s %6s %6s %6s\n", "top-1 at severity", "1", "2", "3", "4", "5",
          "mean", "drop");
  json_line_begin (line, "corruptions", '{');
  for (guint c = 0; c < CLIP_CORRUPTIONS; c++) {
    const char *name = clip_corruption_get_name (clip_corruption (c));
    double mean = 0;
    printf ("%-20s", name);
    json_line_begin (line, name, '[');
    for (guint s = 0; s < CLIP_SEVERITIES; s++) {
      const double share = top1 (zero->answers[1 + c * CLIP_SEVERITIES + s]);
      printf (" %6.1f", 100 * share);
      json_line_float (line, NULL, share);
      mean += share / CLIP_SEVERITIES;
    }
    json_line_end (line, ']');
    printf (" %6.1f %6.1f\n", 100 * mean, clean > 0 ? 100 * (1 - mean / clean) : 0);
    total += mean / CLIP_CORRUPTIONS;
  }
  json_line_end (line, '}');
  const double drop = clean > 0 ? 1 - total / clean : 0;
  printf ("%-20s %41.1f %6.1f\n", "all", 100 * total, 100 * drop);
  json_line_float (line, "corrupted_top1", total);
  json_line_float (line, "relative_drop", drop);
}

gboolean
eval_zero_shot (JsonLine *line, ClipSession *session, char **shards, const char *classes_file,
                const char *set, GError **error)
{
  const char *prompts = eval_options.prompts ? eval_options.prompts : CLIP_DEFAULT_PROMPTS;
  g_auto (GStrv) templates = clip_prompts_load (prompts, error);
  g_autoptr (ClipClasses) classes = templates ? eval_load_classes (classes_file, error) : NULL;
  if (!classes)
    return FALSE;
  g_autoptr (ClipClassifier) classifier = clip_classifier_new (
      session, classes->labels, (const char *const *) templates, eval_show_texts, NULL, error);
  terminal_clear ();
  if (!classifier)
    return FALSE;
  terminal_warn_all (clip_classifier_get_warnings (classifier));

  g_auto (ZeroShot) zero = {
    .classes = classes,
    .classifier = classifier,
    .width = clip_model_get_info (clip_session_get_model (session))->embed_dim,
    .scores = g_new (float, classes->n),
    .n_variants = eval_options.corruptions ? VARIANTS : 1,
  };
  for (int v = 0; v < zero.n_variants; v++)
    zero.answers[v] = g_array_new (FALSE, FALSE, sizeof (ClipAnswer));
  const ClipWalkOptions how = { .corruptions = eval_options.corruptions,
                                .n_classes = classes->n,
                                .seed = eval_options.seed,
                                .limit = eval_options.limit };
  if (!eval_walk (session, shards, &how, classify, &zero, &zero.count, error))
    return FALSE;

  eval_add_count (line, &zero.count);
  json_line_int (line, "classes", classes->n);
  json_line_string (line, "prompts", prompts);
  if (set) {
    printf ("%-20s %6u", set, zero.count.found);
    eval_answers_row (line, classes, zero.answers[0]);
    return TRUE;
  }
  printf ("zero-shot, %u images, %d classes, prompts %s\n", zero.count.found, classes->n, prompts);
  eval_answers (line, classes, zero.answers[0]);
  if (eval_options.corruptions)
    print_corruptions (line, &zero);
  return TRUE;
}
