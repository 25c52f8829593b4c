/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One small interface for every tower; image and text towers combine freely. A tower is immutable; what changes during a
 * forward pass lives in the session. */
#pragma once
#include "core/model/config.h"

typedef struct _ClipTower ClipTower;

struct _ClipTower {
  const char *kind;   /* ClipTowerInfo.kind */
  int max_batch;      /* rows a forward pass takes at once; the session cuts larger batches */
  /* @out: [B, E] features, not normalised. @in: pixels [B, 3, H, W] float, or tokens [B, T] gint32 with T = @length. */
  void (*forward) (const ClipTower *tower, ClipSession *session, float *out, const void *in, int batch, int length);
  void (*free) (ClipTower *tower);
  /* Image towers: as forward (), but the P floats that enter the projection; NULL: there is none, P = E. */
  void (*pool) (const ClipTower *tower, ClipSession *session, float *out, const void *in, int batch, int length);
  int pooled_width; /* P; 0 where there is no pool () */
  ClipPrecision precision; /* of its products; AUTO is F32 */
};

/* Each takes what it needs from @weights, which must outlive the tower; NULL with @error. */
ClipTower *clip_vit_new (ClipWeights *weights, const ClipConfig *config, GError **error);
ClipTower *clip_resnet_new (ClipWeights *weights, const ClipConfig *config, GError **error);
ClipTower *clip_efficientnet_new (ClipWeights *weights, const ClipConfig *config, GError **error);
ClipTower *clip_text_new (ClipWeights *weights, const ClipConfig *config, GError **error);
ClipTower *clip_bert_new (ClipWeights *weights, const ClipConfig *config, GError **error);

/* What a session needs of its model (model.c). */
const ClipConfig *clip_model_get_config (const ClipModel *model);
const ClipWeights *clip_model_get_weights (const ClipModel *model);
/* The model's files with size and time of each, and the options it was loaded with. */
const char *clip_model_get_key (const ClipModel *model);
const ClipTower *clip_model_get_image_tower (const ClipModel *model);
const ClipTower *clip_model_get_text_tower (const ClipModel *model);
