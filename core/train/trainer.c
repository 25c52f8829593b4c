/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One step, with B pairs on this rank and N texts of a classifier:
 *
 *   image side   pixels, or features that are known      → [B, E]
 *   text side    B captions and N texts                  → [B + N, E]
 *   loss         captions · contrast (images, captions)
 *              + classifier · contrast (images, N texts; targets of the classifier's probabilities)
 *              + anchor · distance of texts and of captions to where goals put them
 *              + teacher · distill (images, captions; targets of the teacher's embeddings)
 *              + keep_text, keep_image · distance of pooled features to those of the tower as it was
 *   backward     both sides; gradients are summed over ranks, BatchNorm's running statistics averaged
 */
#include "core/train/trainer.h"
#include "core/base/error.h"
#include "core/model/layers.h"
#include "core/model/tower.h"
#include "core/text/tokenizer.h"
#include "core/train/cache.h"
#include "core/train/distill.h"
#include "core/train/guide.h"
#include "core/train/layers.h"
#include "core/train/memo.h"
#include "core/train/student.h"
#include "core/train/random.h"
#include "core/train/redraw.h"
#include "core/train/save.h"
#include "core/train/state.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define MAX_FAILED 20 /* steps in a row whose gradient is not finite */

struct _ClipTrainer {
  const ClipSettings *settings;
  ClipRanks *ranks;
  ClipWarning warning;
  ClipTrainProgress progress;
  gpointer user_data;

  ClipOrigin *origin;
  ClipStudent *student;
  ClipTape *tape;
  ClipOptimizer *optimizer;
  ClipOptimizerConfig optimizer_config;
  ClipDataSetConfig *sets;
  ClipData *data;
  ClipGuide *guide;
  ClipRedraw *redraw;
  ClipMemo *memo; /* NULL: the text trunk learns */
  char *settings_text;
  char *trunk; /* identify_trunk (); NULL until then */
  int batch;   /* B: of this rank */
  int step, n_steps, failed;
};

/* ------------------------------------------------------------------------------------------- new */

static void
warn (ClipTrainer *trainer, const char *message)
{
  if (trainer->warning)
    trainer->warning (message, trainer->user_data);
}

static gboolean
make_student (ClipTrainer *trainer, GError **error)
{
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  trainer->origin = clip_origin_new (trainer->settings, warnings, error);
  for (guint i = 0; i < warnings->len; i++)
    warn (trainer, warnings->pdata[i]);
  if (!trainer->origin)
    return FALSE;
  trainer->student = clip_student_new (trainer->origin, trainer->settings, error);
  return trainer->student != NULL;
}

/* A digest of the values of @part, or of all where it is CLIP_PART_N. */
static char *
digest_values (const ClipTrainer *trainer, ClipPart part)
{
  const GPtrArray *list = trainer->student->parameters->list;
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  for (guint i = 0; i < list->len; i++) {
    const ClipParameter *parameter = list->pdata[i];
    if (part != CLIP_PART_N && parameter->spec.part != part)
      continue;
    g_checksum_update (checksum, (const guchar *) parameter->name, -1);
    g_checksum_update (checksum, (const guchar *) parameter->value, parameter->n * sizeof (float));
  }
  return g_strndup (g_checksum_get_string (checksum), 16);
}

/* image@DIGEST: tells one image trunk from another. A pass over its values, made where somebody asks. */
static const char *
identify_trunk (ClipTrainer *trainer)
{
  if (!trainer->trunk) {
    g_autofree char *digest = digest_values (trainer, CLIP_PART_IMAGE);
    trainer->trunk = g_strconcat ("image@", digest, NULL);
  }
  return trainer->trunk;
}

static gboolean
agree_on_values (ClipTrainer *trainer, GError **error)
{
  if (clip_ranks_get_n (trainer->ranks) == 1)
    return TRUE;
  g_autofree char *all = digest_values (trainer, CLIP_PART_N);
  return clip_ranks_agree (trainer->ranks, all, strlen (all), "initial weights", error);
}

/* All ranks begin with the same values; and what of the settings only the model tells to be of no use. */
static gboolean
check_student (ClipTrainer *trainer, GError **error)
{
  const ClipSettings *settings = trainer->settings;
  const ClipStudent *student = trainer->student;
  const struct {
    gboolean bad;
    const char *problem;
  } rules[] = {
    { (settings->caption_noise > 0 || settings->name_noise > 0) && student->text.trunk_learns,
      "loss.text_noise is for a text tower that stays as it is, but this one learns: freeze.text "
      "is to be \"all\"" },
    { settings->keep_text > 0 && !student->text.trunk_learns,
      "loss.keep_text is for a text tower that learns, but freeze.text keeps this one" },
    { settings->keep_image > 0 && !student->image.trunk_learns,
      "loss.keep_image is for an image tower that learns, but freeze.image keeps this one" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    if (rules[i].bad)
      return clip_fail (error, CLIP_ERROR_CONFIG, "%s: %s", settings->path, rules[i].problem);
  return agree_on_values (trainer, error);
}

typedef struct {
  ClipTrainer *trainer;
  char *task;
} Caching;

static gboolean
encode (float *pooled, const float *pixels, int n, gpointer data, GError **error)
{
  ClipTrainer *trainer = ((Caching *) data)->trainer;
  ClipTrunk *trunk = trainer->student->image.trunk;
  const ClipTapeMark mark = clip_tape_mark (trainer->tape);
  trunk->forward (trunk, trainer->tape, pooled, pixels, n, 0, FALSE);
  clip_tape_release (trainer->tape, mark);
  return TRUE;
}

static gboolean
tell_progress (guint done, guint total, gpointer data)
{
  const Caching *caching = data;
  const ClipTrainer *trainer = caching->trainer;
  return !trainer->progress ||
         trainer->progress (caching->task, (double) done / total, trainer->user_data);
}

static void
warn_caching (const char *message, gpointer data)
{
  warn (((Caching *) data)->trainer, message);
}

/* Features that another run kept are of a trunk, which has to be this one; of others nothing is known. */
static gboolean
check_features (ClipTrainer *trainer, int index, GError **error)
{
  const char *path = trainer->sets[index].features;
  if (!path)
    return TRUE;
  g_autoptr (ClipCheckpoint) file = clip_checkpoint_open (path, error);
  if (!file)
    return FALSE;
  const char *of = clip_checkpoint_get_metadata (file, CLIP_CACHE_MODEL);
  return !of || g_str_equal (of, identify_trunk (trainer)) ||
         clip_fail (error, CLIP_ERROR_CONFIG,
                    "%s: features of another model (%s), expected those of %s", path, of,
                    trainer->trunk);
}

/* The set of pictures @index becomes one of features. */
static gboolean
use_cache (ClipTrainer *trainer, int index, GError **error)
{
  const ClipSettings *settings = trainer->settings;
  const ClipSetSettings *item = &settings->sets[index];
  ClipDataSetConfig *set = &trainer->sets[index];
  if (!item->cache.file)
    return check_features (trainer, index, error);
  if (trainer->student->image.trunk_learns)
    return clip_fail (
        error, CLIP_ERROR_CONFIG,
        "%s: data.%d.cache keeps what a frozen image tower gives, but this one learns: "
        "freeze.image is to be \"all\"",
        settings->path, index);
  const char *model = identify_trunk (trainer);
  g_autofree char *task = g_strdup_printf ("features of %s", set->name);
  const ClipCacheConfig config = { item->cache.file,  model,          trainer->student->image.width,
                                   item->cache.views, settings->seed, settings->workers };
  Caching caching = { trainer, task };
  /* rank 0 makes it, the others find it */
  const gboolean first = clip_ranks_get_rank (trainer->ranks) == 0;
  if ((first &&
       !clip_cache_make (&config, set, encode, tell_progress, warn_caching, &caching, error)) ||
      !clip_ranks_agree (trainer->ranks, model, strlen (model), "image tower", error) ||
      (!first && !clip_cache_make (&config, set, encode, NULL, NULL, &caching, error)))
    return FALSE;
  set->shards = NULL;
  set->list = set->classes = NULL;
  set->features = item->cache.file;
  return TRUE;
}

static gboolean
make_data (ClipTrainer *trainer, GError **error)
{
  const ClipSettings *settings = trainer->settings;
  const ClipConfig *config = &trainer->student->config;
  trainer->sets = g_new (ClipDataSetConfig, settings->n_sets);
  for (int i = 0; i < settings->n_sets; i++) {
    trainer->sets[i] = settings->sets[i].data;
    ClipAugment *augment = &trainer->sets[i].augment;
    augment->size = config->image.image_size;
    memcpy (augment->mean, config->preprocess.mean, sizeof augment->mean);
    memcpy (augment->std, config->preprocess.std, sizeof augment->std);
    if (!use_cache (trainer, i, error))
      return FALSE;
  }
  const ClipDataConfig data = {
    .sets = trainer->sets,
    .n_sets = settings->n_sets,
    .tokenizer = trainer->origin->tokenizer,
    .context_length = config->text.context_length,
    .batch = trainer->batch,
    .seed = settings->seed,
    .clean = settings->keep_image > 0 && trainer->student->image.trunk_learns,
    .workers = settings->workers,
    .width = trainer->student->image.width,
  };
  trainer->data =
      clip_data_new (&data, trainer->ranks, trainer->warning, trainer->user_data, error);
  return trainer->data != NULL;
}

static gboolean
make_guide (ClipTrainer *trainer, GError **error)
{
  char task[] = "captions";
  Caching caching = { trainer, task };
  const ClipGuideConfig config = {
    trainer->settings, trainer->sets, trainer->origin, trainer->student,
    trainer->memo,     trainer->tape, tell_progress,   &caching,
  };
  trainer->guide = clip_guide_new (&config, error);
  return trainer->guide != NULL;
}

static gboolean
set_lengths (ClipTrainer *trainer, GError **error)
{
  const ClipSettings *settings = trainer->settings;
  const int n = clip_ranks_get_n (trainer->ranks);
  trainer->batch = settings->batch / n;
  return settings->batch % n == 0 ||
         clip_fail (error, CLIP_ERROR_CONFIG, "%s: batch is %d, which %d processes cannot share",
                    settings->path, settings->batch, n);
}

static void
make_optimizer (ClipTrainer *trainer)
{
  const ClipSettings *settings = trainer->settings;
  const double samples = (double) clip_data_get_n (trainer->data);
  trainer->n_steps =
      settings->steps > 0
          ? settings->steps
          : (int) CLAMP (ceil (settings->epochs * samples / settings->batch), 1, 1e9);
  trainer->optimizer_config = settings->optimizer;
  trainer->optimizer_config.total_steps = trainer->n_steps;
  trainer->optimizer =
      clip_optimizer_new (trainer->student->parameters, &trainer->optimizer_config);
}

ClipTrainer *
clip_trainer_new (const ClipSettings *settings, ClipRanks *ranks, ClipWarning warning,
                  ClipTrainProgress progress, gpointer data, GError **error)
{
  g_autoptr (ClipTrainer) trainer = g_new0 (ClipTrainer, 1);
  trainer->settings = settings;
  trainer->ranks = ranks;
  trainer->warning = warning;
  trainer->progress = progress;
  trainer->user_data = data;
  trainer->settings_text = clip_settings_to_json (settings);
  if (!clip_ranks_agree (ranks, trainer->settings_text, strlen (trainer->settings_text),
                         "configuration", error) ||
      !set_lengths (trainer, error) || !make_student (trainer, error) ||
      !check_student (trainer, error))
    return NULL;
  trainer->tape = clip_tape_new (settings->threads);
  if (!make_data (trainer, error)) /* first: the others read caches that it makes */
    return NULL;
  if (!trainer->student->text.trunk_learns)
    trainer->memo =
        clip_memo_new (&trainer->student->text, clip_tokenizer_get_pad (trainer->origin->tokenizer),
                       clip_threads_get_n (trainer->tape->threads));
  if (!make_guide (trainer, error))
    return NULL;
  trainer->redraw = clip_redraw_new (settings, trainer->tape, trainer->student->image.width, error);
  if (!trainer->redraw)
    return NULL;
  make_optimizer (trainer);
  if (trainer->student->parameters->n_gradients == 0)
    return clip_fail_null (error, CLIP_ERROR_CONFIG, "%s: every part of the model is frozen",
                           settings->path);
  return g_steal_pointer (&trainer);
}

void
clip_trainer_free (ClipTrainer *trainer)
{
  if (!trainer)
    return;
  clip_data_free (trainer->data);
  clip_guide_free (trainer->guide);
  clip_memo_free (trainer->memo);
  clip_redraw_free (trainer->redraw);
  clip_optimizer_free (trainer->optimizer);
  clip_student_free (trainer->student);
  clip_origin_free (trainer->origin);
  clip_tape_free (trainer->tape);
  g_free (trainer->sets);
  g_free (trainer->settings_text);
  g_free (trainer->trunk);
  g_free (trainer);
}

/* ------------------------------------------------------------------------------------------ step */

/* A normal number for each, of a standard deviation relative to the root mean square of @x [width]. */
static void
add_noise (float *x, int width, double noise, guint64 state)
{
  double square = 0;
  for (int i = 0; i < width; i++)
    square += (double) x[i] * x[i];
  const double deviation = noise * sqrt (square / width);
  for (int i = 0; i < width; i++)
    x[i] += (float) (deviation * clip_random_normal (&state));
}

/* Pooled features of texts, known; noise is drawn for the place of each among those of all ranks. */
static const float *
add_text_noise (ClipTrainer *trainer, const float *clean, const ClipBatch *batch, int n)
{
  const ClipSettings *settings = trainer->settings;
  const int width = trainer->student->text.width, extra = n - batch->n;
  const int first = settings->batch + clip_ranks_get_rank (trainer->ranks) * extra;
  if (settings->caption_noise == 0 && settings->name_noise == 0)
    return clean;
  float *noisy = clip_tape_floats (trainer->tape, (gsize) n * width);
  memcpy (noisy, clean, (gsize) n * width * sizeof *noisy);
  for (int i = 0; i < n; i++) {
    const gboolean caption = i < batch->n;
    add_noise (noisy + (gsize) i * width, width,
               caption ? settings->caption_noise : settings->name_noise,
               clip_random_key (settings->seed ^ 0x6e6f697365, trainer->step,
                                caption ? batch->position[i] : first + i - batch->n));
  }
  return noisy;
}

/* @extra rows follow the batch's own. @clean: their pooled features without noise, NULL where the trunk learns. */
static ClipRows
text_rows (ClipTrainer *trainer, const ClipBatch *batch, const ClipGuideTexts *extra,
           const float **clean)
{
  const int n = batch->n + extra->n, length = MAX (batch->length, extra->length);
  const gint32 pad = clip_tokenizer_get_pad (trainer->origin->tokenizer);
  gint32 *tokens = clip_tape_take (trainer->tape, (gsize) n * length * sizeof *tokens);
  for (int b = 0; b < n; b++) {
    const gboolean own = b < batch->n;
    const int long_ = own ? batch->length : extra->length;
    const gint32 *from =
        own ? batch->tokens + (gsize) b * long_ : extra->tokens + (gsize) (b - batch->n) * long_;
    for (int i = 0; i < length; i++)
      tokens[(gsize) b * length + i] = i < long_ ? from[i] : pad;
  }
  *clean = NULL;
  if (!trainer->memo)
    return (ClipRows){ n, n, tokens, length * sizeof *tokens, length, NULL };
  float *pooled = clip_tape_floats (trainer->tape, (gsize) n * trainer->student->text.width);
  clip_memo_pool (trainer->memo, trainer->tape, pooled, tokens, n, length);
  *clean = pooled;
  return (ClipRows){ n, 0, NULL, 0, length, add_text_noise (trainer, pooled, batch, n) };
}

typedef struct {
  ClipPass image, text;
  const float *clean_text;          /* pooled; NULL: the text trunk learns */
  float *d_image, *d_text;          /* of features */
  float *d_pooled, *d_image_pooled; /* of pooled features of texts, of images; NULL: none */
  double d_scale;
} Pass;

/* @own: [n] rows of this rank's batch whose pairs take part in the loss over captions. */
static int
caption_rows (ClipTrainer *trainer, const ClipBatch *batch, int *own)
{
  int n = 0;
  for (int b = 0; b < batch->n; b++)
    if (batch->set[b] < 0 || trainer->settings->sets[batch->set[b]].captions)
      own[n++] = b;
  return n;
}

/* The most that a rank has of what this one has @n of. */
static gboolean
most_of_ranks (ClipTrainer *trainer, int *most, int n, GError **error)
{
  const int n_ranks = clip_ranks_get_n (trainer->ranks);
  g_autofree int *counts = g_new (int, n_ranks);
  if (!clip_ranks_gather (trainer->ranks, counts, &n, sizeof n, error))
    return FALSE;
  *most = 0;
  for (int i = 0; i < n_ranks; i++)
    *most = MAX (*most, counts[i]);
  return TRUE;
}

/* Where sets without captions take part, ranks have unequal numbers of pairs: those with fewer have rows that are not there. */
static gboolean
captions_loss (ClipTrainer *trainer, Pass *pass, const ClipBatch *batch, ClipStep *report,
               GError **error)
{
  ClipTape *tape = trainer->tape;
  const float weight = trainer->settings->captions;
  const int E = trainer->student->config.embed_dim;
  int *rows = clip_tape_take (tape, batch->n * sizeof *rows);
  const int n = caption_rows (trainer, batch, rows);
  int B;
  if (weight == 0)
    return TRUE;
  if (!most_of_ranks (trainer, &B, n, error))
    return FALSE;
  if (B == 0)
    return TRUE;
  const gboolean all = n == batch->n;
  guint64 *keys = clip_tape_take (tape, B * sizeof *keys);
  for (int i = 0; i < B; i++)
    keys[i] = i >= n                              ? CLIP_NO_KEY
              : trainer->settings->equal_captions ? batch->text_key[rows[i]]
                                                  : (guint64) batch->position[rows[i]];
  float *image = pass->image.features, *text = pass->text.features, *d_image = pass->d_image,
        *d_text = pass->d_text;
  if (!all) {
    image = clip_tape_zeros (tape, (gsize) B * E);
    text = clip_tape_zeros (tape, (gsize) B * E);
    d_image = clip_tape_zeros (tape, (gsize) B * E);
    d_text = clip_tape_zeros (tape, (gsize) B * E);
    clip_gather_rows (image, pass->image.features, rows, n, E);
    clip_gather_rows (text, pass->text.features, rows, n, E);
  }
  const ClipContrast contrast = {
    .images = B,
    .texts = B,
    .embed_dim = E,
    .image = image,
    .text = text,
    .image_key = keys,
    .text_key = keys,
    .logit_scale = *trainer->student->logit_scale->value,
    .image_weight = 0.5f,
    .text_weight = 0.5f,
  };
  ClipContrastResult result = { 0 };
  if (!clip_contrast (&result, tape, trainer->ranks, &contrast, weight, d_image, d_text, error))
    return FALSE;
  if (!all) {
    clip_train_scatter_rows (tape, pass->d_image, d_image, rows, n, E);
    clip_train_scatter_rows (tape, pass->d_text, d_text, rows, n, E);
  }
  report->captions = result.loss;
  report->accuracy = result.accuracy;
  report->loss += weight * result.loss;
  pass->d_scale += weight * result.d_logit_scale;
  return TRUE;
}

static gboolean
all_losses (ClipTrainer *trainer, Pass *pass, const ClipBatch *batch, const ClipGuideTexts *extra,
            ClipStep *report, GError **error)
{
  const ClipSettings *settings = trainer->settings;
  ClipGuideBatch guided = { trainer->tape,
                            trainer->ranks,
                            batch,
                            extra,
                            &pass->image,
                            &pass->text,
                            pass->d_image,
                            pass->d_text,
                            pass->d_pooled,
                            pass->d_image_pooled,
                            *trainer->student->logit_scale->value,
                            NULL,
                            pass->clean_text };
  guided.clean = clip_guide_pool_clean (trainer->guide, &guided);
  ClipContrastResult classifier = { 0 }, teacher = { 0 };
  if (!captions_loss (trainer, pass, batch, report, error) ||
      !clip_guide_classify (trainer->guide, &classifier, &guided, error) ||
      !clip_guide_anchor_names (trainer->guide, &report->anchor_names, &guided, error) ||
      !clip_guide_anchor_captions (trainer->guide, &report->anchor_captions, &guided, error) ||
      !clip_guide_teach (trainer->guide, &teacher, &guided, error) ||
      !clip_guide_keep (trainer->guide, &report->keep_text, &guided, error) ||
      !clip_guide_keep_image (trainer->guide, &report->keep_image, &guided, error))
    return FALSE;
  report->classifier = classifier.loss;
  report->teacher = teacher.loss;
  report->loss += settings->classifier.weight * classifier.loss +
                  settings->anchor.names * report->anchor_names +
                  settings->anchor.captions * report->anchor_captions +
                  settings->teacher.weight * teacher.loss +
                  settings->keep_text * report->keep_text +
                  settings->keep_image * report->keep_image;
  pass->d_scale += settings->classifier.weight * classifier.d_logit_scale +
                   settings->teacher.weight * teacher.d_logit_scale;
  return TRUE;
}

/* The mean over ranks of what each has seen of its own part of the batch. */
static gboolean
share_statistics (ClipTrainer *trainer, GError **error)
{
  const int n_ranks = clip_ranks_get_n (trainer->ranks);
  const ClipParameters *parameters = trainer->student->parameters;
  if (n_ranks == 1 || !trainer->student->image.statistics)
    return TRUE;
  for (guint i = 0; i < parameters->list->len; i++) {
    const ClipParameter *parameter = parameters->list->pdata[i];
    if (!parameter->spec.buffer)
      continue;
    if (!clip_ranks_sum (trainer->ranks, parameter->value, parameter->n, error))
      return FALSE;
    for (gsize j = 0; j < parameter->n; j++)
      parameter->value[j] /= n_ranks;
  }
  return TRUE;
}

static gboolean
find_gradients (ClipTrainer *trainer, const ClipBatch *batch, ClipStep *report, GError **error)
{
  ClipStudent *student = trainer->student;
  ClipParameters *parameters = student->parameters;
  ClipTape *tape = trainer->tape;
  const int size = student->config.image.image_size, micro = trainer->settings->micro_batch,
            E = student->config.embed_dim;
  const ClipRows images = {
    batch->n, batch->n_pixels, batch->pixels, 3 * (gsize) size * size * sizeof (float),
    0,        batch->pooled
  };
  const ClipGuideTexts extra =
      clip_guide_draw (trainer->guide, tape, trainer->step, clip_ranks_get_rank (trainer->ranks));
  const float *clean_text;
  const ClipRows texts = text_rows (trainer, batch, &extra, &clean_text);

  clip_parameters_zero_gradients (parameters);
  Pass pass = {
    .image = clip_side_forward (&student->image, tape, &images, micro),
    .text = clip_side_forward (&student->text, tape, &texts, micro),
    .clean_text = clean_text,
    .d_image = clip_tape_zeros (tape, (gsize) images.n * E),
    .d_text = clip_tape_zeros (tape, (gsize) texts.n * E),
    .d_pooled = clip_guide_keeps (trainer->guide)
                    ? clip_tape_zeros (tape, (gsize) texts.n * student->text.width)
                    : NULL,
    .d_image_pooled = clip_guide_keeps_image (trainer->guide)
                          ? clip_tape_zeros (tape, (gsize) images.n * student->image.width)
                          : NULL,
  };
  if (!all_losses (trainer, &pass, batch, &extra, report, error))
    return FALSE;
  clip_side_backward (&student->text, tape, &pass.text, pass.d_text, pass.d_pooled);
  clip_side_backward (&student->image, tape, &pass.image, pass.d_image, pass.d_image_pooled);
  if (!clip_ranks_sum (trainer->ranks, parameters->gradients, parameters->n_gradients, error) ||
      !share_statistics (trainer, error))
    return FALSE;
  if (student->logit_scale->gradient)
    *student->logit_scale->gradient += (float) pass.d_scale; /* the whole, on every rank */
  return TRUE;
}

gboolean
clip_trainer_learn (ClipTrainer *trainer, ClipStep *step, const ClipBatch *batch, GError **error)
{
  const gint64 start = g_get_monotonic_time ();
  *step = (ClipStep){ .step = trainer->step + 1, .pairs = trainer->settings->batch };
  const ClipTapeMark mark = clip_tape_mark (trainer->tape);
  clip_redraw_run (trainer->redraw, trainer->tape, batch, trainer->step,
                   clip_ranks_get_rank (trainer->ranks));
  const gboolean ok = find_gradients (trainer, batch, step, error);
  clip_tape_release (trainer->tape, mark);
  if (!ok)
    return FALSE;
  step->rate = clip_optimizer_get_rate (trainer->optimizer, trainer->step);
  step->gradient_norm = clip_optimizer_step (trainer->optimizer, trainer->tape, trainer->step);
  trainer->step++;
  step->logit_scale = exp ((double) *trainer->student->logit_scale->value);
  step->broken = clip_data_get_n_broken (trainer->data);
  step->seconds = (g_get_monotonic_time () - start) * 1e-6;

  trainer->failed = isfinite (step->gradient_norm) ? 0 : trainer->failed + 1;
  return trainer->failed < MAX_FAILED ||
         clip_fail (
             error, CLIP_ERROR_CONFIG,
             "%s: the gradient was not finite in the last %d steps, up to step %d: "
             "optimizer.rate may be too high, optimizer.warmup or optimizer.clip_norm too low",
             trainer->settings->path, MAX_FAILED, trainer->step);
}

gboolean
clip_trainer_step (ClipTrainer *trainer, ClipStep *step, GError **error)
{
  const gint64 start = g_get_monotonic_time ();
  const ClipBatch *batch = clip_data_next (trainer->data, error);
  const double waited = (g_get_monotonic_time () - start) * 1e-6;
  if (!batch || !clip_trainer_learn (trainer, step, batch, error))
    return FALSE;
  step->waited = waited;
  step->seconds += waited;
  return TRUE;
}

/* -------------------------------------------------------------------------------------- questions */

int
clip_trainer_get_step (const ClipTrainer *trainer)
{
  return trainer->step;
}

int
clip_trainer_get_n_steps (const ClipTrainer *trainer)
{
  return trainer->n_steps;
}

gint64
clip_trainer_get_n_samples (const ClipTrainer *trainer)
{
  return clip_data_get_n (trainer->data);
}

gint64
clip_trainer_get_n_parameters (const ClipTrainer *trainer, gint64 *learning)
{
  const GPtrArray *list = trainer->student->parameters->list;
  gint64 all = 0;
  *learning = 0;
  for (guint i = 0; i < list->len; i++) {
    const ClipParameter *parameter = list->pdata[i];
    all += parameter->spec.buffer ? 0 : parameter->n;
    *learning += parameter->trained ? parameter->n : 0;
  }
  return all;
}

gint64
clip_trainer_get_memory (const ClipTrainer *trainer)
{
  return trainer->tape->peak;
}

/* ------------------------------------------------------------------------------------------ files */

static ClipState
state_of (const ClipTrainer *trainer)
{
  return (ClipState){ trainer->student->parameters, trainer->optimizer,
                      trainer->settings->optimizer.average > 0, trainer->settings_text,
                      trainer->step };
}

char *
clip_trainer_state_path (const ClipTrainer *trainer)
{
  return clip_state_path (trainer->settings->output, trainer->step);
}

gboolean
clip_trainer_has_state (const ClipSettings *settings)
{
  g_autoptr (GArray) steps = clip_state_list (settings->output);
  return steps->len > 0;
}

gboolean
clip_trainer_save (ClipTrainer *trainer, GError **error)
{
  const ClipSettings *settings = trainer->settings;
  const ClipState state = state_of (trainer);
  if (!clip_state_write (&state, settings->output, error))
    return FALSE;
  clip_state_prune (settings->output, trainer->step, settings->keep);
  return TRUE;
}

gboolean
clip_trainer_resume (ClipTrainer *trainer, GError **error)
{
  const char *folder = trainer->settings->output;
  g_autoptr (GArray) steps = clip_state_list (folder);
  ClipState state = state_of (trainer);
  gboolean found = FALSE;
  for (guint i = 0; i < steps->len && !found; i++) {
    g_autoptr (GError) problem = NULL;
    found = clip_state_read (&state, folder, g_array_index (steps, int, i), &problem);
    if (found)
      break;
    if (g_error_matches (problem, CLIP_ERROR, CLIP_ERROR_CONFIG) || i + 1 == steps->len) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
    g_autofree char *text = g_strdup_printf ("%s; going on from the one before", problem->message);
    warn (trainer, text);
  }
  if (!clip_ranks_agree (trainer->ranks, &state.step, sizeof state.step, "step to go on from",
                         error))
    return FALSE;
  trainer->step = state.step;
  if (found)
    clip_data_seek (trainer->data, trainer->step);
  return trainer->step <= trainer->n_steps ||
         clip_fail (error, CLIP_ERROR_CONFIG, "%s: the run in %s has done %d steps, more than %d",
                    trainer->settings->path, folder, trainer->step, trainer->n_steps);
}

gboolean
clip_trainer_write_model (ClipTrainer *trainer, const char *path, GError **error)
{
  const gboolean averaged = trainer->settings->optimizer.average > 0;
  return clip_save_model (path, trainer->student, trainer->origin,
                          averaged ? clip_optimizer_get_average (trainer->optimizer) : NULL, error);
}
