/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tower that can be trained: trunk and head apart, so that what a frozen trunk gives can be computed once and kept.
 *
 *   trunk   pixels [B, 3, R, R] or tokens [B, T] → pooled [B, W]      before the projection
 *   head    pooled [B, W] → features [B, E]                           not normalised
 *
 * Each forward is the same function as that of core/model, and a test holds them together. It leaves on the tape what its
 * backward needs; backward adds to the gradients of the parameters that are trained and goes no deeper than the deepest
 * of these. Work is cut into tasks by sizes alone, so results do not depend on the number of threads.
 */
#pragma once
#include "core/train/parameters.h"
#include "core/train/tape.h"

typedef struct _ClipTrunk ClipTrunk;

struct _ClipTrunk {
  const char *kind; /* as ClipTower's */
  int width;        /* W */
  /* @in: pixels, or tokens padded to @length as clip_encode_text () takes them. @learn: FALSE: no backward will follow,
   * nothing is kept, BatchNorm uses running statistics. Returns what backward needs (NULL where nothing is trained). */
  gpointer (*forward) (ClipTrunk *trunk, ClipTape *tape, float *pooled, const void *in, int batch,
                       int length, gboolean learn);
  /* @d_pooled: [B, W] */
  void (*backward) (ClipTrunk *trunk, ClipTape *tape, gpointer saved, const float *d_pooled);
  void (*free) (ClipTrunk *trunk);
};

/* Each adds its parameters to @parameters, by whose weights it is measured. Values are not there before
 * clip_parameters_finish (). Failures are those of the weights. */
ClipTrunk *clip_train_vit_new (ClipParameters *parameters, const ClipConfig *config);
ClipTrunk *clip_train_resnet_new (ClipParameters *parameters,
                                  const ClipConfig *config); /* pooled: after attention pooling */
ClipTrunk *clip_train_efficientnet_new (ClipParameters *parameters, const ClipConfig *config);
ClipTrunk *clip_train_text_new (ClipParameters *parameters, const ClipConfig *config);
ClipTrunk *clip_train_bert_new (ClipParameters *parameters, const ClipConfig *config);

/* How BatchNorm behaves where @learn: with the statistics of the batch (and updates its running ones), or with the running
 * ones, as fine-tuning with small batches wants. */
typedef enum { CLIP_BATCH_NORM_BATCH, CLIP_BATCH_NORM_RUNNING } ClipBatchNormMode;
void clip_train_resnet_set_batch_norm (ClipTrunk *trunk,
                                       ClipBatchNormMode mode); /* initially BATCH */
void clip_train_efficientnet_set_batch_norm (ClipTrunk *trunk,
                                             ClipBatchNormMode mode); /* initially RUNNING */

/* The projection: one linear layer with or without bias, linear – GELU – linear (BERT's "mlp"), or nothing (W = E). Which
 * one it is the names in the weights tell. @part: CLIP_PART_IMAGE_HEAD or CLIP_PART_TEXT_HEAD. */
typedef struct _ClipHead ClipHead;
ClipHead *clip_train_head_new (ClipParameters *parameters, const ClipConfig *config, ClipPart part,
                               int width);
void clip_train_head_free (ClipHead *head);
gpointer clip_train_head_forward (ClipHead *head, ClipTape *tape, float *features,
                                  const float *pooled, int batch, gboolean learn);
/* @d_pooled: (nullable): where the trunk is not trained */
void clip_train_head_backward (ClipHead *head, ClipTape *tape, gpointer saved, float *d_pooled,
                               const float *d_features, int batch);
