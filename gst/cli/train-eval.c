/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/cli/train-eval.h"
#include "gst/cli/terminal.h"
#include "core/eval/classes.h"
#include "core/eval/metrics.h"
#include "core/eval/walk.h"

struct _TrainEval {
  const ClipSettings *settings;
  ClipClasses *classes;
  char **templates;
  gboolean warned; /* what labels had to be cut, once */
};

TrainEval *
train_eval_new (const ClipSettings *settings, GError **error)
{
  g_autoptr (TrainEval) eval = g_new0 (TrainEval, 1);
  eval->settings = settings;
  eval->templates = clip_prompts_load (settings->eval.prompts, error);
  eval->classes = eval->templates ? clip_classes_load (settings->eval.classes, error) : NULL;
  return eval->classes ? g_steal_pointer (&eval) : NULL;
}

void
train_eval_free (TrainEval *eval)
{
  if (!eval)
    return;
  g_clear_pointer (&eval->classes, clip_classes_free);
  g_strfreev (eval->templates);
  g_free (eval);
}

typedef struct {
  const ClipClasses *classes;
  ClipClassifier *classifier;
  float *scores; /* [classes] */
  GArray *answers;
} Answers;

static void
classify (const ClipWalkSample *sample, gpointer data)
{
  Answers *answers = data;
  clip_classes_score (answers->classes, answers->classifier, answers->scores, sample->features);
  const ClipAnswer answer = clip_answer (answers->scores, answers->classes->n, sample->class);
  g_array_append_val (answers->answers, answer);
}

gboolean
train_eval_run (TrainEval *eval, double *top1, const char *path, GError **error)
{
  g_autoptr (ClipModel) model = clip_model_load (path, NULL, error);
  if (!model)
    return FALSE;
  g_autoptr (ClipSession) session = clip_session_new (model, eval->settings->threads);
  g_autoptr (ClipClassifier) classifier = clip_classifier_new (
      session, eval->classes->labels, (const char *const *) eval->templates, NULL, NULL, error);
  if (!classifier)
    return FALSE;
  if (!eval->warned)
    terminal_warn_all (clip_classifier_get_warnings (classifier));
  eval->warned = TRUE;
  g_autofree float *scores = g_new (float, eval->classes->n);
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (ClipAnswer));
  Answers answers = { eval->classes, classifier, scores, found };
  const ClipWalkOptions how = { .n_classes = eval->classes->n };
  const ClipWalkFuncs funcs = { .found = classify, .data = &answers };
  ClipWalkCount count;
  if (!clip_walk (session, (const char *const *) eval->settings->eval.shards, &how, &funcs, &count,
                  error))
    return FALSE;
  *top1 = clip_top_k ((const ClipAnswer *) (void *) found->data, found->len, 1);
  return TRUE;
}
