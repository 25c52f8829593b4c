/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A training run as an object that takes steps:
 *
 *   settings ─▶ origin (tensors) ─▶ student (towers) ─▶ step: batch → features → losses → gradients → AdamW
 *   data     ─▶                                         state: everything that the next step depends on, in a file
 *
 * Several processes that train together each have one, and call the same functions in the same order.
 */
#pragma once
#include "core/train/settings.h"

G_BEGIN_DECLS

typedef struct _ClipTrainer ClipTrainer;

/* What a step was. Of all ranks, but for the seconds. */
typedef struct {
  int step;    /* from 1 */
  double loss; /* the weighted sum of */
  double captions, classifier, anchor_names, anchor_captions, teacher, keep_text, keep_image;
  double accuracy;        /* share of images whose best caption is their own */
  double logit_scale;     /* after the step, not its logarithm */
  double rate;            /* the highest learning rate of what learns */
  double gradient_norm;   /* before it was clipped; not finite: the step changed nothing */
  int pairs, broken;      /* samples that were skipped so far, of this rank */
  double seconds, waited; /* the step took; of which for data */
} ClipStep;

/* Beginning may take minutes, where features of a frozen trunk are computed to be kept. FALSE ends it with
 * CLIP_ERROR_CANCELLED; what was computed is not lost. */
typedef gboolean (*ClipTrainProgress) (const char *task, double fraction, gpointer data);

/* @warning: broken samples, what had to be assumed. @settings and @ranks must outlive it. */
CLIP_API ClipTrainer *clip_trainer_new (const ClipSettings *settings, ClipRanks *ranks,
                                        ClipWarning warning, ClipTrainProgress progress,
                                        gpointer data, GError **error);
CLIP_API void clip_trainer_free (ClipTrainer *trainer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipTrainer, clip_trainer_free)

CLIP_API int clip_trainer_get_step (const ClipTrainer *trainer); /* steps done */
CLIP_API int clip_trainer_get_n_steps (const ClipTrainer *trainer);
CLIP_API gint64 clip_trainer_get_n_samples (const ClipTrainer *trainer);
/* Parameters that learn, and all. */
CLIP_API gint64 clip_trainer_get_n_parameters (const ClipTrainer *trainer, gint64 *learning);
CLIP_API gint64
clip_trainer_get_memory (const ClipTrainer *trainer); /* bytes of activations, so far at most */

CLIP_API gboolean clip_trainer_step (ClipTrainer *trainer, ClipStep *step, GError **error);
/* A step on a batch that is not of the data's. */
gboolean clip_trainer_learn (ClipTrainer *trainer, ClipStep *step, const ClipBatch *batch,
                             GError **error);

/* The file of the state as it is now, whether it was written or not; g_free () */
CLIP_API char *clip_trainer_state_path (const ClipTrainer *trainer);
/* Writes the state down in the output folder, then removes all but the newest that are to be kept. By rank 0 alone. */
CLIP_API gboolean clip_trainer_save (ClipTrainer *trainer, GError **error);
/* Goes on from the newest state that is whole; one that is damaged is a warning. Nothing is there: stays at step 0. */
CLIP_API gboolean clip_trainer_resume (ClipTrainer *trainer, GError **error);
/* Whether there is any in the output folder. */
CLIP_API gboolean clip_trainer_has_state (const ClipSettings *settings);
/* The model as it is now, as one file: clip_model_load () reads it. By rank 0 alone. */
CLIP_API gboolean clip_trainer_write_model (ClipTrainer *trainer, const char *path, GError **error);

G_END_DECLS
