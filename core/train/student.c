/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/student.h"
#include "core/model/resolution.h"

#include <math.h>
#include <string.h>

static ClipTrunk *(*const image_trunks[]) (ClipParameters *, const ClipConfig *) = {
  [CLIP_IMAGE_VIT] = clip_train_vit_new,
  [CLIP_IMAGE_EFFICIENTNET] = clip_train_efficientnet_new,
  [CLIP_IMAGE_RESNET] = clip_train_resnet_new,
};
static ClipTrunk *(*const text_trunks[]) (ClipParameters *, const ClipConfig *) = {
  [CLIP_TEXT_CLIP] = clip_train_text_new,
  [CLIP_TEXT_BERT] = clip_train_bert_new,
};

ClipTrunk *
clip_image_trunk_new (ClipParameters *parameters, const ClipConfig *config)
{
  if (config->image.image_width || clip_resolution_is_resized (&config->image))
    clip_weights_fail (parameters->weights, CLIP_ERROR_UNSUPPORTED,
                       "has pictures that are no squares, or positions for pictures of another "
                       "size, which can be used but not trained (gst-clip convert --image-size "
                       "stores them for another)");
  return image_trunks[config->image.kind](parameters, config);
}

ClipTrunk *
clip_text_trunk_new (ClipParameters *parameters, const ClipConfig *config)
{
  return text_trunks[config->text.kind](parameters, config);
}

/* Without a word from the configuration, a ResNet, which is trained from scratch, takes the statistics of each batch. */
static void
set_batch_norm (ClipStudent *student, int mode)
{
  const ClipImageKind kind = student->config.image.kind;
  if (mode < 0)
    mode = kind == CLIP_IMAGE_RESNET ? CLIP_BATCH_NORM_BATCH : CLIP_BATCH_NORM_RUNNING;
  if (kind == CLIP_IMAGE_RESNET)
    clip_train_resnet_set_batch_norm (student->image.trunk, mode);
  if (kind == CLIP_IMAGE_EFFICIENTNET)
    clip_train_efficientnet_set_batch_norm (student->image.trunk, mode);
  student->image.statistics = kind != CLIP_IMAGE_VIT && mode == CLIP_BATCH_NORM_BATCH;
}

static void
freeze (ClipParameters *parameters, const ClipSettings *settings)
{
  for (int part = 0; part < CLIP_PART_N; part++)
    if (settings->optimizer.rate[part] == 0)
      clip_parameters_freeze (parameters, part, G_MAXINT);
  if (settings->freeze_image >= 0)
    clip_parameters_freeze (parameters, CLIP_PART_IMAGE, settings->freeze_image);
  if (settings->freeze_text >= 0)
    clip_parameters_freeze (parameters, CLIP_PART_TEXT, settings->freeze_text);
}

ClipStudent *
clip_student_new (const ClipOrigin *origin, const ClipSettings *settings, GError **error)
{
  g_autoptr (ClipStudent) student = g_new0 (ClipStudent, 1);
  ClipParameters *parameters = student->parameters = clip_parameters_new (origin->weights);
  const ClipConfig *config = &student->config;
  student->config = origin->config;
  ClipTrunk *image = clip_image_trunk_new (parameters, config),
            *text = clip_text_trunk_new (parameters, config);
  student->image =
      (ClipSide){ image,
                  clip_train_head_new (parameters, config, CLIP_PART_IMAGE_HEAD, image->width),
                  parameters, image->width, config->embed_dim };
  student->text =
      (ClipSide){ text, clip_train_head_new (parameters, config, CLIP_PART_TEXT_HEAD, text->width),
                  parameters, text->width, config->embed_dim };
  student->logit_scale = clip_parameters_add (
      parameters, (ClipParameterSpec){ .part = CLIP_PART_SCALE }, "logit_scale");
  set_batch_norm (student, settings->batch_norm);
  freeze (parameters, settings);
  if (!clip_parameters_finish (parameters, error))
    return NULL;
  if (!isnan (settings->logit_scale))
    *student->logit_scale->value = logf (settings->logit_scale);
  student->image.trunk_learns = clip_parameters_any_trained (parameters, CLIP_PART_IMAGE, G_MAXINT);
  student->image.head_learns =
      clip_parameters_any_trained (parameters, CLIP_PART_IMAGE_HEAD, G_MAXINT);
  student->text.trunk_learns = clip_parameters_any_trained (parameters, CLIP_PART_TEXT, G_MAXINT);
  student->text.head_learns =
      clip_parameters_any_trained (parameters, CLIP_PART_TEXT_HEAD, G_MAXINT);
  return g_steal_pointer (&student);
}

void
clip_student_free (ClipStudent *student)
{
  if (!student)
    return;
  ClipSide *sides[] = { &student->image, &student->text };
  for (guint i = 0; i < G_N_ELEMENTS (sides); i++) {
    if (sides[i]->trunk)
      sides[i]->trunk->free (sides[i]->trunk);
    clip_train_head_free (sides[i]->head);
  }
  clip_parameters_free (student->parameters);
  g_free (student);
}

/* ---------------------------------------------------------------------------------- micro-batches */

typedef struct {
  gpointer trunk, head; /* what their backward needs */
} Saved;

/* Rows @first … @first + @n of a pass → its pooled and features there. */
static Saved
run_forward (ClipSide *side, ClipTape *tape, const ClipPass *pass, int first, int n, gboolean learn)
{
  const ClipRows *rows = &pass->rows;
  const int n_raw = CLAMP (rows->n_raw - first, 0, n);
  float *pooled = pass->pooled + (gsize) first * side->width;
  Saved saved = { 0 };
  if (n_raw > 0)
    saved.trunk = side->trunk->forward (side->trunk, tape, pooled,
                                        (const guint8 *) rows->raw + first * rows->raw_size, n_raw,
                                        rows->length, learn && side->trunk_learns);
  if (n_raw < n)
    memcpy (pooled + (gsize) n_raw * side->width,
            rows->known + (gsize) (first + n_raw - rows->n_raw) * side->width,
            (gsize) (n - n_raw) * side->width * sizeof *pooled);
  saved.head =
      clip_train_head_forward (side->head, tape, pass->features + (gsize) first * side->embed_dim,
                               pooled, n, learn && (side->trunk_learns || side->head_learns));
  return saved;
}

static void
run_backward (ClipSide *side, ClipTape *tape, const ClipPass *pass, Saved saved, int first, int n,
              const float *d_features, const float *d_pooled)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const int n_raw = CLAMP (pass->rows.n_raw - first, 0, n);
  const gboolean deep = side->trunk_learns && n_raw > 0;
  float *d = deep ? clip_tape_floats (tape, (gsize) n * side->width) : NULL;
  if (side->head_learns || deep)
    clip_train_head_backward (side->head, tape, saved.head, d,
                              d_features + (gsize) first * side->embed_dim, n);
  for (gsize i = 0; deep && d_pooled && i < (gsize) n * side->width; i++)
    d[i] += d_pooled[(gsize) first * side->width + i];
  if (deep)
    side->trunk->backward (side->trunk, tape, saved.trunk, d);
  clip_tape_release (tape, mark);
}

/* Running statistics out of @parameters, or back in. */
static float *
keep_statistics (ClipParameters *parameters, ClipTape *tape, float *kept)
{
  gsize n = 0;
  float *all = kept;
  for (int pass = 0; pass < 2; pass++) {
    for (guint i = 0; i < parameters->list->len; i++) {
      const ClipParameter *parameter = parameters->list->pdata[i];
      if (!parameter->spec.buffer)
        continue;
      if (pass && kept)
        memcpy (parameter->value, all + n, parameter->n * sizeof *all);
      else if (pass)
        memcpy (all + n, parameter->value, parameter->n * sizeof *all);
      n += parameter->n;
    }
    if (pass == 0 && !kept)
      all = clip_tape_floats (tape, n);
    n = 0;
  }
  return all;
}

ClipPass
clip_side_forward (ClipSide *side, ClipTape *tape, const ClipRows *rows, int micro)
{
  ClipPass pass = {
    .rows = *rows,
    .micro = micro > 0 ? MIN (micro, rows->n) : rows->n,
    .pooled = clip_tape_floats (tape, (gsize) rows->n * side->width),
    .features = clip_tape_floats (tape, (gsize) rows->n * side->embed_dim),
  };
  if (pass.micro == rows->n) {
    const Saved saved = run_forward (side, tape, &pass, 0, rows->n, TRUE);
    pass.trunk_saved = saved.trunk;
    pass.head_saved = saved.head;
    return pass;
  }
  /* Where BatchNorm sees the batch, features must come from that way too; its running statistics wait for the second. */
  const ClipTapeMark mark = clip_tape_mark (tape);
  const gboolean statistics = side->statistics && side->trunk_learns;
  float *kept = statistics ? keep_statistics (side->parameters, tape, NULL) : NULL;
  for (int first = 0; first < rows->n; first += pass.micro) {
    const ClipTapeMark inner = clip_tape_mark (tape);
    run_forward (side, tape, &pass, first, MIN (pass.micro, rows->n - first), statistics);
    clip_tape_release (tape, inner);
  }
  if (kept)
    keep_statistics (side->parameters, tape, kept);
  clip_tape_release (tape, mark);
  return pass;
}

void
clip_side_backward (ClipSide *side, ClipTape *tape, const ClipPass *pass, const float *d_features,
                    const float *d_pooled)
{
  const int n = pass->rows.n;
  if (!side->trunk_learns && !side->head_learns)
    return;
  if (pass->micro == n) {
    run_backward (side, tape, pass, (Saved){ pass->trunk_saved, pass->head_saved }, 0, n,
                  d_features, d_pooled);
    return;
  }
  for (int first = 0; first < n; first += pass->micro) {
    const ClipTapeMark mark = clip_tape_mark (tape);
    const int rows = MIN (pass->micro, n - first);
    const Saved saved = run_forward (side, tape, pass, first, rows, TRUE);
    run_backward (side, tape, pass, saved, first, rows, d_features, d_pooled);
    clip_tape_release (tape, mark);
  }
}
