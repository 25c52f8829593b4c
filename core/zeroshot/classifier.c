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
#include "core/base/unit.h"
#include "core/model/blas.h"
#include "core/text/template.h"
#include "core/zeroshot/pictured.h"
#include "core/zeroshot/scores.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Stands for "anything else" in independent scoring when the user names no background. */
static const char *const builtin_background[] = { "a photo.", "a picture of something.",
                                                  "an empty scene.", NULL };

/* Texts encoded between two calls of the progress callback. */
#define BATCH 64

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

/* Texts on their way to the text tower, and the row each belongs to. */
typedef struct {
  ClipClassifier *classifier;
  ClipSession *session;
  ClipTokenizer *tokenizer;
  int context_length; /* T */
  gint32 *tokens;     /* [BATCH, T] */
  float *features;    /* [BATCH, E] */
  guint rows[BATCH];
  int n;             /* texts waiting */
  guint warned;      /* row + 1 of the label that was last warned of; 0: none */
  guint done, total; /* texts */
  ClipProgress progress;
  gpointer data;
} Encoder;

static gboolean
encoder_flush (Encoder *e, GError **error)
{
  const int E = e->classifier->embed_dim;
  if (e->n > 0)
    clip_encode_text (e->session, e->features, e->tokens, e->n, e->context_length);
  for (int i = 0; i < e->n; i++) {
    float *feature = e->features + (gsize) i * E;
    clip_unit (feature, feature, E);
    cblas_saxpy (E, 1.f, feature, 1, e->classifier->embeddings + (gsize) e->rows[i] * E, 1);
  }
  e->done += e->n;
  e->n = 0;
  if (e->progress && !e->progress (e->done, e->total, e->data))
    return clip_fail (error, CLIP_ERROR_CANCELLED,
                      "encoding of labels was cancelled after %u of %u texts", e->done, e->total);
  return TRUE;
}

static gboolean
encoder_add (Encoder *e, guint row, const char *name, const char *template, GError **error)
{
  g_autofree char *text = clip_template_fill (template, name);
  gboolean truncated;
  clip_tokenizer_encode_padded (e->tokenizer, e->tokens + (gsize) e->n * e->context_length,
                                e->context_length, text, &truncated);
  if (truncated && e->warned != row + 1) {
    e->warned = row + 1; /* once for all of its texts */
    g_ptr_array_add (e->classifier->warnings,
                     g_strdup_printf ("label \"%s\": cut to the model's %d tokens: \"%s\"", name,
                                      e->context_length, text));
  }
  e->rows[e->n++] = row;
  return e->n < BATCH || encoder_flush (e, error);
}

static const char *const *
label_texts (const ClipLabel *label, const char *const *templates)
{
  return label->prompts ? (const char *const *) label->prompts : templates;
}

static gboolean
encode_labels (Encoder *e, const char *const *templates, GError **error)
{
  ClipClassifier *self = e->classifier;
  for (guint l = 0; l < self->n_labels; l++)
    e->total +=
        g_strv_length ((char **) label_texts (clip_labels_get (self->labels, l), templates));
  e->total += self->n_rows - self->n_labels;

  for (guint l = 0; l < self->n_labels; l++) {
    const ClipLabel *label = clip_labels_get (self->labels, l);
    for (const char *const *text = label_texts (label, templates); *text; text++)
      if (!encoder_add (e, l, label->name, *text, error))
        return FALSE;
  }
  for (guint r = self->n_labels; r < self->n_rows; r++)
    if (!encoder_add (e, r, "background", builtin_background[r - self->n_labels], error))
      return FALSE;
  if (!encoder_flush (e, error))
    return FALSE;
  for (guint r = 0; r < self->n_rows; r++) {
    float *row = self->embeddings + (gsize) r * self->embed_dim;
    clip_unit (row, row, self->embed_dim);
  }
  return TRUE;
}

ClipClassifier *
clip_classifier_new (ClipSession *session, ClipLabels *labels, const char *const *templates,
                     ClipProgress progress, gpointer data, GError **error)
{
  ClipModel *model = clip_session_get_model (session);
  const ClipModelInfo *info = clip_model_get_info (model);
  ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, error);
  if (!tokenizer)
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

  g_autofree gint32 *tokens = g_new (gint32, (gsize) BATCH * info->context_length);
  g_autofree float *features = g_new (float, (gsize) BATCH * info->embed_dim);
  Encoder encoder = {
    .classifier = self,
    .session = session,
    .tokenizer = tokenizer,
    .context_length = info->context_length,
    .tokens = tokens,
    .features = features,
    .progress = progress,
    .data = data,
  };
  if (!encode_labels (&encoder, templates, error) ||
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
