/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Towers of different origin become one model: checkpoints are merged, heads that fit are drawn.
 *
 *   ClipCheckpoint *towers = clip_checkpoint_merge (…the image tower of one, the text tower of another…);
 *   ClipCheckpoint *heads = clip_fresh_heads (towers, 512, 448, seed, error);
 *   ClipCheckpoint *model = clip_checkpoint_merge (…towers, heads…);
 */
#pragma once
#include "core/checkpoint/checkpoint.h"

typedef enum {
  CLIP_TAKE_IMAGE = 1, /* the image tower and its projection */
  CLIP_TAKE_TEXT = 2,  /* the text tower, its projection, its vocabulary */
  CLIP_TAKE_REST = 4,  /* logit_scale, whatever else there is, and metadata */
  CLIP_TAKE_ALL = 7,
} ClipTake;

typedef struct {
  ClipCheckpoint *checkpoint;
  ClipTake take;
} ClipMergePart;

/*
 * clip_checkpoint_merge:
 * @parts: (transfer full): their checkpoints, also on failure; what was read from them stays where it is
 *
 * Tensors of later parts stand for those of the same name in earlier ones, and add to them. A part that has a projection
 * replaces that of earlier ones, whatever kind it is. CLIP_ERROR_TENSOR where two parts bring different towers of a kind.
 */
ClipCheckpoint *clip_checkpoint_merge (const ClipMergePart *parts, guint n, const char *name,
                                       GError **error);

/*
 * clip_fresh_heads:
 * @towers: whatever it has for projections is not looked at
 * @text_hidden: of BERT's projection, W → hidden → E: the width between; 0: (W + E) / 2 as in OpenCLIP; -1: one layer, W → E
 *
 * Projections of both towers to @embed_dim, whichever these have, and logit_scale ln (1 / 0.07).
 */
#define CLIP_ONE_LAYER -1
ClipCheckpoint *clip_fresh_heads (const ClipCheckpoint *towers, int embed_dim, int text_hidden,
                                  guint64 seed, GError **error);
