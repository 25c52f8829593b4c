/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/guide.h"
#include "core/base/error.h"
#include "core/model/layers.h"
#include "core/model/tower.h"
#include "core/text/template.h"
#include "core/text/tokenizer.h"
#include "core/train/contrast.h"
#include "core/train/distill.h"
#include "core/train/goals.h"
#include "core/train/layers.h"
#include "core/train/product.h"
#include "core/train/random.h"

#include <math.h>
#include <string.h>

/* A tower as it was in the beginning, or another one that is to be kept; NULLs where none is. */
typedef struct {
  ClipOrigin *origin; /* NULL: the one of the training itself */
  ClipParameters *parameters;
  ClipTrunk *trunk;
} Before;

struct _ClipGuide {
  const ClipSettings *settings;
  const ClipOrigin *origin;
  int image_width, text_width, embed_dim;

  ClipNames *names; /* NULL: no classifier */
  ClipPooledClassifier *classifier;
  ClipGoals *goals; /* NULL: none */

  ClipModel *teacher; /* NULL: none */
  ClipSession *session;

  Before text, image; /* as they were */
};

/* ------------------------------------------------------------------------------------------- new */

static gboolean
open_classifier (ClipGuide *guide, GError **error)
{
  const ClipSettings *settings = guide->settings;
  guide->names = clip_names_load (settings->classifier.names,
                                  (const char *const *) settings->classifier.without, error);
  guide->classifier = guide->names ? clip_pooled_classifier_read (settings->classifier.file,
                                                                  guide->image_width, error)
                                   : NULL;
  if (!guide->classifier)
    return FALSE;
  const int classes = clip_names_get_n_classes (guide->names);
  const guint texts = clip_names_get_n_texts (guide->names);
  if (guide->classifier->classes != classes)
    return clip_fail (error, CLIP_ERROR_TENSOR, "%s: has %d classes, expected the %d of %s",
                      settings->classifier.file, guide->classifier->classes, classes,
                      settings->classifier.names);
  return (guint) settings->classifier.texts <= texts ||
         clip_fail (error, CLIP_ERROR_CONFIG,
                    "%s: loss.classifier.texts is %d, expected at most the %u of %s",
                    settings->path, settings->classifier.texts, texts, settings->classifier.names);
}

static gboolean
open_goals (ClipGuide *guide, const ClipGuideConfig *config, GError **error)
{
  const ClipGoalsConfig goals = {
    guide->settings, config->sets,      config->student, guide->origin->tokenizer,
    config->memo,    guide->classifier, guide->names,
  };
  guide->goals = clip_goals_new (config->tape, &goals, config->progress, config->data, error);
  return guide->goals != NULL;
}

/* A batch has the tokens of one vocabulary, and pixels of one size. */
static gboolean
open_teacher (ClipGuide *guide, GError **error)
{
  const ClipSettings *settings = guide->settings;
  const ClipConfig *own = &guide->origin->config;
  guide->teacher = clip_model_load (settings->teacher.model, NULL, error);
  if (!guide->teacher)
    return FALSE;
  const ClipConfig *config = clip_model_get_config (guide->teacher);
  const ClipTokenizer *tokenizer = clip_model_get_tokenizer (guide->teacher, error);
  if (!tokenizer)
    return FALSE;
  const char *probe = "A photo of 2 black-and-white dogs, running; café!";
  g_autoptr (GArray) a = clip_tokenizer_encode (tokenizer, probe),
                     b = clip_tokenizer_encode (guide->origin->tokenizer, probe);
  if (a->len != b->len || memcmp (a->data, b->data, a->len * sizeof (gint32)) != 0)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: loss.teacher.model is %s, which has another vocabulary", settings->path,
                      settings->teacher.model);
  if (config->text.context_length < own->text.context_length)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: loss.teacher.model is %s, which reads %d tokens, expected the %d of the "
                      "model that is trained",
                      settings->path, settings->teacher.model, config->text.context_length,
                      own->text.context_length);
  gboolean same = config->image.image_size == own->image.image_size &&
                  config->image.image_width == own->image.image_width;
  for (int c = 0; c < 3; c++)
    same &= config->preprocess.mean[c] == own->preprocess.mean[c] &&
            config->preprocess.std[c] == own->preprocess.std[c];
  if (!same)
    return clip_fail (
        error, CLIP_ERROR_CONFIG,
        "%s: loss.teacher.model is %s, for pictures of %d², expected the same size, mean "
        "and deviation as the model that is trained (%d²)",
        settings->path, settings->teacher.model, config->image.image_size, own->image.image_size);
  for (int i = 0; i < settings->n_sets; i++)
    if (settings->sets[i].data.features || settings->sets[i].cache.file)
      return clip_fail (error, CLIP_ERROR_CONFIG,
                        "%s: data.%d has features or a cache, of which a teacher sees no picture",
                        settings->path, i);
  guide->session = clip_session_new (guide->teacher, settings->threads);
  return TRUE;
}

static gboolean
keep (Before *before, const ClipOrigin *origin, ClipPart part, GError **error)
{
  before->parameters = clip_parameters_new (origin->weights);
  before->trunk = (part == CLIP_PART_TEXT ? clip_text_trunk_new : clip_image_trunk_new) (
      before->parameters, &origin->config);
  clip_parameters_freeze (before->parameters, part, G_MAXINT);
  return clip_parameters_finish (before->parameters, error);
}

/* loss.keep_image_of has the place of init.image. */
static gboolean
keep_image (ClipGuide *guide, GError **error)
{
  const ClipOrigin *origin = guide->origin;
  if (guide->settings->keep_image_of) {
    ClipSettings settings = *guide->settings;
    settings.init_image = settings.keep_image_of;
    g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
    origin = guide->image.origin = clip_origin_new (&settings, warnings, error);
    if (!origin)
      return FALSE;
  }
  if (!keep (&guide->image, origin, CLIP_PART_IMAGE, error))
    return FALSE;
  return guide->image.trunk->width == guide->image_width ||
         clip_fail (error, CLIP_ERROR_CONFIG,
                    "%s: loss.keep_image_of is %s, which gives %d numbers, expected the %d of %s",
                    guide->settings->path, guide->settings->keep_image_of,
                    guide->image.trunk->width, guide->image_width, guide->settings->init_image);
}

static void
before_clear (Before *before)
{
  if (before->trunk)
    before->trunk->free (before->trunk);
  clip_parameters_free (before->parameters);
  clip_origin_free (before->origin);
}

ClipGuide *
clip_guide_new (const ClipGuideConfig *config, GError **error)
{
  const ClipSettings *settings = config->settings;
  const ClipStudent *student = config->student;
  g_autoptr (ClipGuide) guide = g_new0 (ClipGuide, 1);
  guide->settings = settings;
  guide->origin = config->origin;
  guide->image_width = student->image.width;
  guide->text_width = student->text.width;
  guide->embed_dim = student->config.embed_dim;
  const gboolean keeps = settings->keep_text > 0 && student->text.trunk_learns,
                 keeps_image = settings->keep_image > 0 && student->image.trunk_learns,
                 has_goals = settings->anchor.names > 0 || settings->anchor.captions > 0;
  if ((settings->classifier.file && !open_classifier (guide, error)) ||
      (has_goals && !open_goals (guide, config, error)) ||
      (settings->teacher.model && !open_teacher (guide, error)) ||
      (keeps && !keep (&guide->text, guide->origin, CLIP_PART_TEXT, error)) ||
      (keeps_image && !keep_image (guide, error)))
    return NULL;
  return g_steal_pointer (&guide);
}

void
clip_guide_free (ClipGuide *guide)
{
  if (!guide)
    return;
  clip_names_free (guide->names);
  clip_pooled_classifier_free (guide->classifier);
  clip_goals_free (guide->goals);
  clip_session_free (guide->session);
  clip_model_unref (guide->teacher);
  before_clear (&guide->text);
  before_clear (&guide->image);
  g_free (guide);
}

gboolean
clip_guide_keeps (const ClipGuide *guide)
{
  return guide->text.trunk != NULL;
}

gboolean
clip_guide_keeps_image (const ClipGuide *guide)
{
  return guide->image.trunk != NULL;
}

const float *
clip_guide_pool_clean (ClipGuide *guide, const ClipGuideBatch *batch)
{
  enum { ROWS = 16 }; /* at a time: what lies between layers is large */
  const ClipBatch *data = batch->batch;
  const gsize width = guide->image_width, size = guide->origin->config.image.image_size;
  const int known = data->n - data->n_pixels;
  float *pooled = clip_tape_floats (batch->tape, data->n * width);
  memcpy (pooled, batch->image->pooled, data->n_pixels * width * sizeof *pooled);
  if (known > 0)
    memcpy (pooled + data->n_pixels * width, data->pooled_clean, known * width * sizeof *pooled);
  for (int first = 0; guide->image.trunk && first < data->n_pixels; first += ROWS) {
    const ClipTapeMark mark = clip_tape_mark (batch->tape);
    guide->image.trunk->forward (guide->image.trunk, batch->tape, pooled + first * width,
                                 data->clean + first * 3 * size * size,
                                 MIN (ROWS, data->n_pixels - first), 0, FALSE);
    clip_tape_release (batch->tape, mark);
  }
  return pooled;
}

/* ------------------------------------------------------------------------------------- classifier */

/* @text in one of the templates. */
static char *
draw_template (char *const *templates, const char *text, guint64 *state)
{
  if (!templates || !templates[0])
    return g_strdup (text);
  return clip_template_fill (
      templates[clip_random_below (state, g_strv_length ((char **) templates))], text);
}

/* A kind of many classes ("bird") beside names of these would spread what a picture is over both: where goals say where it
 * is to lie, it takes no part in the contrast. */
static void
draw_names (const ClipGuide *guide, ClipGuideTexts *drawn, guint64 *state)
{
  const ClipNamesDraw *all = &guide->settings->classifier.draw;
  drawn->n_contrast = drawn->n;
  if (guide->settings->anchor.names == 0) {
    clip_names_draw (guide->names, drawn->texts, drawn->n, all, state);
    return;
  }
  ClipNamesDraw sharp = *all;
  sharp.share[CLIP_HYPERNYM] = 0;
  const ClipNamesDraw kinds = { .share = { [CLIP_HYPERNYM] = 1 } };
  const double rest = sharp.share[CLIP_NAME] + sharp.share[CLIP_GLOSS],
               sum = rest + all->share[CLIP_HYPERNYM];
  drawn->n_contrast = sum > 0 ? (int) lround (drawn->n * rest / sum) : drawn->n;
  clip_names_draw (guide->names, drawn->texts, drawn->n_contrast, &sharp, state);
  clip_names_draw (guide->names, drawn->texts + drawn->n_contrast, drawn->n - drawn->n_contrast,
                   &kinds, state);
}

ClipGuideTexts
clip_guide_draw (ClipGuide *guide, ClipTape *tape, int step, int rank)
{
  const ClipSettings *settings = guide->settings;
  const int context = guide->origin->config.text.context_length;
  ClipGuideTexts drawn = { 0 };
  if (!guide->names)
    return drawn;
  drawn.n = settings->classifier.texts;
  drawn.texts = clip_tape_take (tape, drawn.n * sizeof *drawn.texts);
  drawn.tokens = clip_tape_take (tape, (gsize) drawn.n * context * sizeof *drawn.tokens);
  guint64 state = clip_random_key (settings->seed ^ 0x6e616d6573, step, rank);
  draw_names (guide, &drawn, &state);
  for (int i = 0; i < drawn.n; i++) {
    g_autofree char *text = draw_template (
        settings->classifier.templates, clip_names_get_text (guide->names, drawn.texts[i]), &state);
    const int length = clip_tokenizer_encode_padded (
        guide->origin->tokenizer, drawn.tokens + (gsize) i * context, context, text, NULL);
    drawn.length = MAX (drawn.length, length);
  }
  for (int i = 1; i < drawn.n; i++)
    memmove (drawn.tokens + (gsize) i * drawn.length, drawn.tokens + (gsize) i * context,
             drawn.length * sizeof *drawn.tokens);
  return drawn;
}

gboolean
clip_guide_classify (ClipGuide *guide, ClipContrastResult *result, const ClipGuideBatch *batch,
                     GError **error)
{
  if (!guide->names)
    return TRUE;
  const int B = batch->batch->n, N = batch->extra->n_contrast, W = guide->image_width,
            E = guide->embed_dim, K = guide->classifier->classes;
  if (N == 0)
    return TRUE;
  ClipTape *tape = batch->tape;
  float *p = clip_tape_floats (tape, (gsize) B * K), *y = clip_tape_floats (tape, (gsize) B * N);
  clip_product_nt (tape, p, K, batch->clean, W, guide->classifier->weight->data, W,
                   guide->classifier->bias->data, B, K, W, FALSE);
  clip_softmax_rows (tape, p, B, K, 1 / guide->settings->classifier.temperature);
  clip_names_targets (guide->names, y, p, B, batch->extra->texts, N);
  const ClipContrast contrast = {
    .images = B,
    .texts = N,
    .embed_dim = E,
    .image = batch->image->features,
    .text = batch->text->features + (gsize) B * E,
    .soft = y,
    .logit_scale = batch->logit_scale,
    .image_weight = 0.5f,
    .text_weight = 0.5f,
  };
  return clip_contrast (result, tape, batch->ranks, &contrast, guide->settings->classifier.weight,
                        batch->d_image, batch->d_text + (gsize) B * E, error);
}

/* ------------------------------------------------------------------------------------------ goals */

/* Texts and where they have to lie. */
typedef struct {
  int n, *rows; /* of the batch's texts */
  float *goal;  /* [n, E] */
} Pulled;

static Pulled
pulled_new (ClipTape *tape, gsize n, gsize width)
{
  return (Pulled){ 0, clip_tape_take (tape, n * sizeof (int)), clip_tape_floats (tape, n * width) };
}

static gboolean
pull (const ClipGuide *guide, double *loss, const ClipGuideBatch *batch, const Pulled *pulled,
      float weight, GError **error)
{
  const int E = guide->embed_dim, n = pulled->n;
  ClipTape *tape = batch->tape;
  float *text = clip_tape_floats (tape, (gsize) n * E),
        *d_text = clip_tape_zeros (tape, (gsize) n * E);
  clip_gather_rows (text, batch->text->features, pulled->rows, n, E);
  if (!clip_stay_close (loss, tape, batch->ranks, text, pulled->goal, n, E, weight, d_text, error))
    return FALSE;
  clip_train_scatter_rows (tape, batch->d_text, d_text, pulled->rows, n, E);
  return TRUE;
}

gboolean
clip_guide_anchor_names (ClipGuide *guide, double *loss, const ClipGuideBatch *batch,
                         GError **error)
{
  const ClipGuideTexts *extra = batch->extra;
  const gsize E = guide->embed_dim;
  const float weight = guide->settings->anchor.names;
  if (weight == 0)
    return TRUE;
  Pulled pulled = pulled_new (batch->tape, extra->n, E);
  for (; pulled.n < extra->n; pulled.n++) {
    memcpy (pulled.goal + pulled.n * E, clip_goals_get_name (guide->goals, extra->texts[pulled.n]),
            E * sizeof (float));
    pulled.rows[pulled.n] = batch->batch->n + pulled.n;
  }
  return pull (guide, loss, batch, &pulled, weight, error);
}

gboolean
clip_guide_anchor_captions (ClipGuide *guide, double *loss, const ClipGuideBatch *batch,
                            GError **error)
{
  const ClipBatch *data = batch->batch;
  const gsize E = guide->embed_dim, V = guide->text_width;
  const float weight = guide->settings->anchor.captions;
  if (weight == 0)
    return TRUE;
  Pulled pulled = pulled_new (batch->tape, data->n, E);
  float *text = clip_tape_floats (batch->tape, data->n * V);
  for (int set = 0; set < guide->settings->n_sets; set++) {
    const int first = pulled.n;
    if (!clip_goals_has_set (guide->goals, set))
      continue;
    for (int b = 0; b < data->n; b++)
      if (data->set[b] == set)
        pulled.rows[pulled.n++] = b;
    if (pulled.n == first)
      continue;
    clip_gather_rows (text, batch->clean_text, pulled.rows + first, pulled.n - first, (int) V);
    clip_goals_find_captions (guide->goals, batch->tape, pulled.goal + first * E, set, text,
                              pulled.n - first);
  }
  return pull (guide, loss, batch, &pulled, weight, error);
}

/* ------------------------------------------------------------------------------- teacher, keeping */

gboolean
clip_guide_teach (ClipGuide *guide, ClipContrastResult *result, const ClipGuideBatch *batch,
                  GError **error)
{
  if (!guide->teacher)
    return TRUE;
  const ClipConfig *config = clip_model_get_config (guide->teacher);
  const ClipBatch *data = batch->batch;
  const int B = data->n, F = config->embed_dim;
  float *image = clip_tape_floats (batch->tape, (gsize) B * F),
        *text = clip_tape_floats (batch->tape, (gsize) B * F);
  clip_encode_image (guide->session, image, data->pixels, B);
  clip_encode_text (guide->session, text, data->tokens, B, data->length);
  const ClipTeacher teacher = { F, image, text, config->logit_scale };
  const ClipContrast contrast = {
    .images = B,
    .texts = B,
    .embed_dim = guide->embed_dim,
    .image = batch->image->features,
    .text = batch->text->features,
    .logit_scale = batch->logit_scale,
    .image_weight = 0.5f,
    .text_weight = 0.5f,
  };
  return clip_distill (result, batch->tape, batch->ranks, &contrast, &teacher,
                       guide->settings->teacher.weight, batch->d_image, batch->d_text, error);
}

gboolean
clip_guide_keep (ClipGuide *guide, double *loss, const ClipGuideBatch *batch, GError **error)
{
  if (!guide->text.trunk)
    return TRUE;
  const ClipRows *rows = &batch->text->rows;
  float *original = clip_tape_floats (batch->tape, (gsize) rows->n * guide->text_width);
  guide->text.trunk->forward (guide->text.trunk, batch->tape, original, rows->raw, rows->n,
                              rows->length, FALSE);
  return clip_stay_close (loss, batch->tape, batch->ranks, batch->text->pooled, original, rows->n,
                          guide->text_width, guide->settings->keep_text, batch->d_pooled, error);
}

gboolean
clip_guide_keep_image (ClipGuide *guide, double *loss, const ClipGuideBatch *batch, GError **error)
{
  if (!guide->image.trunk)
    return TRUE;
  return clip_stay_near (loss, batch->tape, batch->ranks, batch->image->pooled, batch->clean,
                         batch->batch->n_pixels, guide->image_width, guide->settings->keep_image,
                         batch->d_image_pooled, error);
}
