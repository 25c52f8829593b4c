/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Zero-shot classifier (Radford et al. 2021, §3.1): labels × prompts become one matrix, an image
 * feature becomes scores.
 *
 *   for each label:  w = normalise (Σ_templates normalise (text tower (template with the label)))    [E]
 *   (of labels with pictures: pictured.c)
 *   logits = logit_scale / temperature · W · normalise (feature)                                     [L]
 *   exclusive:       scores = softmax (logits) over labels and backgrounds
 *   independently:   score_l = exp logit_l / (exp logit_l + Σ_backgrounds exp logit_b)
 *   of a model with a logit_bias (SigLIP): score_l = sigmoid (logit_l + logit_bias / temperature)
 */
#include "core/base/error.h"
#include "core/model/blas.h"
#include "core/text/template.h"
#include "core/zeroshot/pictured.h"
#include "core/zeroshot/remembered.h"
#include "core/zeroshot/scores.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Stands for "anything else" in independent scoring when the user names no background. */
static const char *const builtin_background[] = { "a photo.", "a picture of something.",
                                                  "an empty scene.", NULL };

struct _ClipClassifier {
  int ref_count;
  ClipLabels *labels;
  guint n_labels; /* L */
  guint n_rows;   /* L + built-in backgrounds */
  int embed_dim;  /* E */
  float logit_scale;
  float logit_bias;     /* NaN: labels compete; else scores are sigmoids */
  float *embeddings;    /* [n_rows, E], unit rows: the labels', then the built-in backgrounds' */
  gboolean *background; /* [n_rows] */
  GPtrArray *warnings;  /* of char *, NULL-terminated */
};

static gboolean
is_sigmoid (const ClipClassifier *self)
{
  return !isnan (self->logit_bias);
}

/* ------------------------------------------------------------------------------------------------
 * encoding of labels */

/* Texts of labels on their way to rows. */
typedef struct {
  ClipClassifier *classifier;
  ClipSession *session;
  ClipTexts *texts;
  guint total; /* texts */
  ClipProgress progress;
  gpointer data;
} Encoder;

static const char *const *
label_texts (const ClipLabel *label, const char *const *templates)
{
  return label->prompts ? (const char *const *) label->prompts : templates;
}

static gboolean
add_text (Encoder *e, guint row, const char *name, const char *template, gboolean warn)
{
  g_autofree char *text = clip_template_fill (template, name);
  if (clip_texts_add (e->texts, row, text))
    return TRUE;
  if (warn)
    g_ptr_array_add (
        e->classifier->warnings,
        g_strdup_printf ("label \"%s\": cut to the model's %d tokens: \"%s\"", name,
                         clip_model_get_info (clip_session_get_model (e->session))->context_length,
                         text));
  return FALSE;
}

/* A label that is cut is warned of once for all of its texts. */
static void
add_label (Encoder *e, guint row, const char *const *templates)
{
  const ClipLabel *label = clip_labels_get (e->classifier->labels, row);
  gboolean whole = TRUE;
  for (const char *const *text = label_texts (label, templates); *text; text++)
    whole = add_text (e, row, label->name, *text, whole) && whole;
}

/* Labels whose texts are made between two calls of the progress callback. */
#define LABELS 64

static gboolean
add_texts (Encoder *e, const char *const *templates, GError **error)
{
  const ClipClassifier *self = e->classifier;
  for (guint l = 0; l < self->n_labels; l++)
    e->total +=
        g_strv_length ((char **) label_texts (clip_labels_get (self->labels, l), templates));
  e->total += self->n_rows - self->n_labels;

  for (guint l = 0; l < self->n_labels; l++) {
    if (l % LABELS == 0 && e->progress && !e->progress (0, e->total, e->data))
      return clip_fail (error, CLIP_ERROR_CANCELLED,
                        "encoding of labels was cancelled after 0 of %u texts", e->total);
    add_label (e, l, templates);
  }
  for (guint r = self->n_labels; r < self->n_rows; r++)
    add_text (e, r, "background", builtin_background[r - self->n_labels], TRUE);
  return TRUE;
}

/* Rows that took as much are worth a file: a tenth of a second, or more, of one core. */
#define MANY_OPERATIONS G_GUINT64_CONSTANT (10000000000)

static gboolean
find_rows (Encoder *e, GError **error)
{
  const ClipClassifier *self = e->classifier;
  const guint64 before = clip_session_get_operations (e->session);
  g_autofree char *key =
      clip_remembered_key (clip_session_get_model (e->session), e->texts, self->n_rows);
  if (clip_remembered_find (self->embeddings, self->n_rows, self->embed_dim, key))
    return TRUE;
  if (!clip_texts_encode (e->texts, self->embeddings, self->n_rows, e->session, e->progress,
                          e->data, error))
    return FALSE;
  if (clip_session_get_operations (e->session) - before >= MANY_OPERATIONS)
    clip_remembered_keep (self->embeddings, self->n_rows, self->embed_dim, key);
  return TRUE;
}

ClipClassifier *
clip_classifier_new (ClipSession *session, ClipLabels *labels, const char *const *templates,
                     ClipProgress progress, gpointer data, GError **error)
{
  ClipModel *model = clip_session_get_model (session);
  const ClipModelInfo *info = clip_model_get_info (model);
  g_autoptr (ClipTexts) texts = clip_texts_new (model, error);
  if (!texts)
    return NULL;
  g_auto (GStrv) default_templates = NULL;
  if (!templates) {
    default_templates = clip_prompts_load (CLIP_DEFAULT_PROMPTS, error);
    if (!default_templates)
      return NULL;
    templates = (const char *const *) default_templates;
  }
  for (guint i = 0; i == 0 || templates[i]; i++) {
    const char *hole = templates[i] ? strstr (templates[i], "{}") : NULL;
    if (!hole || strstr (hole + 2, "{}"))
      return clip_fail_null (error, CLIP_ERROR_LABELS,
                             "template %u is %s%s%s, expected a text with one \"{}\"", i + 1,
                             templates[i] ? "\"" : "", templates[i] ? templates[i] : "missing",
                             templates[i] ? "\"" : "");
  }

  g_autoptr (ClipClassifier) self = g_new0 (ClipClassifier, 1);
  self->ref_count = 1;
  self->labels = clip_labels_ref (labels);
  self->n_labels = clip_labels_get_n (labels);
  self->embed_dim = info->embed_dim;
  self->logit_scale = info->logit_scale / clip_labels_get_temperature (labels);
  self->logit_bias = info->logit_bias / clip_labels_get_temperature (labels);
  self->warnings = g_ptr_array_new_with_free_func (g_free);

  guint n_background = 0;
  for (guint l = 0; l < self->n_labels; l++)
    n_background += clip_labels_get (labels, l)->background;
  if (n_background == self->n_labels)
    return clip_fail_null (error, CLIP_ERROR_LABELS,
                           "%u labels, all of them background: nothing could ever be reported",
                           self->n_labels);
  if (self->n_labels == 1 && !is_sigmoid (self))
    g_ptr_array_add (
        self->warnings,
        g_strdup_printf ("label \"%s\" has no rival: its exclusive score is always 1; name "
                         "another label or a background",
                         clip_labels_get (labels, 0)->name));

  self->n_rows = self->n_labels;
  if (n_background == 0 && !is_sigmoid (self))
    self->n_rows += g_strv_length ((char **) builtin_background);
  self->background = g_new (gboolean, self->n_rows);
  for (guint r = 0; r < self->n_rows; r++)
    self->background[r] = r >= self->n_labels || clip_labels_get (labels, r)->background;
  self->embeddings = g_new0 (float, (gsize) self->n_rows * self->embed_dim);

  Encoder encoder = { self, session, texts, 0, progress, data };
  if (!add_texts (&encoder, templates, error) || !find_rows (&encoder, error) ||
      !clip_pictured_rows (self->embeddings, session, labels,
                           self->embeddings + (gsize) self->n_labels * self->embed_dim,
                           self->n_rows - self->n_labels, progress, data, error))
    return NULL;
  g_ptr_array_add (self->warnings, NULL);
  return g_steal_pointer (&self);
}

ClipClassifier *
clip_classifier_ref (ClipClassifier *classifier)
{
  g_atomic_int_inc (&classifier->ref_count);
  return classifier;
}

void
clip_classifier_unref (ClipClassifier *classifier)
{
  if (!g_atomic_int_dec_and_test (&classifier->ref_count))
    return;
  clip_labels_unref (classifier->labels);
  g_ptr_array_unref (classifier->warnings);
  g_free (classifier->background);
  g_free (classifier->embeddings);
  g_free (classifier);
}

ClipLabels *
clip_classifier_get_labels (const ClipClassifier *classifier)
{
  return classifier->labels;
}

const char *const *
clip_classifier_get_warnings (const ClipClassifier *classifier)
{
  return (const char *const *) classifier->warnings->pdata;
}

/* -----------------------------------------------------------------------------------------------------------
 * scoring */

/* log Σ exp over the rows for which @mask is set (NULL: all of the first @n) */
static double
log_sum_exp (const float *x, guint n, const gboolean *mask)
{
  float max = -INFINITY;
  for (guint i = 0; i < n; i++)
    if (!mask || mask[i])
      max = MAX (max, x[i]);
  double sum = 0.0;
  for (guint i = 0; i < n; i++)
    if (!mask || mask[i])
      sum += exp ((double) x[i] - max);
  return max + log (sum);
}

/* @logits: [@rows] of the first rows */
static void
compute_logits (const ClipClassifier *self, float *logits, const float *feature, guint rows)
{
  const float norm = MAX (cblas_snrm2 (self->embed_dim, feature, 1), 1e-12f);
  clip_sgemv (logits, self->embeddings, feature, (int) rows, self->embed_dim,
              self->logit_scale / norm);
  for (guint r = 0; r < rows && is_sigmoid (self); r++)
    logits[r] += self->logit_bias;
}

void
clip_classifier_logits (const ClipClassifier *self, float *logits, const float *feature)
{
  compute_logits (self, logits, feature, self->n_labels);
}

void
clip_classifier_score (const ClipClassifier *self, float *scores, const float *feature,
                       ClipScoring scoring)
{
  const guint L = self->n_labels;
  g_autofree float *logits = g_new (float, self->n_rows);
  compute_logits (self, logits, feature, self->n_rows);

  if (is_sigmoid (self)) {
    for (guint l = 0; l < L; l++)
      scores[l] = scoring == CLIP_SCORING_INDEPENDENT && self->background[l]
                      ? 0.f
                      : (float) (1.0 / (1.0 + exp (-(double) logits[l])));
  } else if (scoring == CLIP_SCORING_EXCLUSIVE) {
    const double total = log_sum_exp (logits, L, NULL);
    for (guint l = 0; l < L; l++)
      scores[l] = (float) exp (logits[l] - total);
  } else {
    const double rivals = log_sum_exp (logits, self->n_rows, self->background);
    for (guint l = 0; l < L; l++)
      scores[l] = self->background[l] ? 0.f : (float) (1.0 / (1.0 + exp (rivals - logits[l])));
  }
}

static int
compare_scores (const void *a, const void *b)
{
  const ClipScore *x = a, *y = b;
  if (x->score != y->score)
    return x->score < y->score ? 1 : -1;
  return x->label < y->label ? -1 : 1;
}

void
clip_scores_rank (ClipScore *scores, guint n)
{
  if (n > 0)
    qsort (scores, n, sizeof *scores, compare_scores);
}

guint
clip_classifier_top (const ClipClassifier *self, ClipScore *top, guint n, const float *scores,
                     float threshold)
{
  g_autofree ClipScore *passed = g_new (ClipScore, self->n_labels);
  guint n_passed = 0;
  for (guint l = 0; l < self->n_labels; l++) {
    const float own = clip_labels_get (self->labels, l)->threshold;
    if (!self->background[l] && scores[l] >= (isnan (own) ? threshold : own))
      passed[n_passed++] = (ClipScore){ l, scores[l] };
  }
  clip_scores_rank (passed, n_passed);
  if (n > 0)
    n_passed = MIN (n_passed, n);
  if (n_passed > 0)
    memcpy (top, passed, n_passed * sizeof *top);
  return n_passed;
}
