/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trunk that is trained: the Vision Transformer of core/model/vit.c.
 *
 *   patches = pixels [3, R, R] cut into g×g squares of P×P, behind a row of zeros     [T, 3·P·P], T = g·g + 1
 *   x = conv1 (patches) + position; x[0] += class                                     [T, C]
 *   x = blocks (ln_pre (x)), of the last one the class token's row only               [C]
 *   pooled = ln_post (x)                                                              [C]
 */
#include "core/train/block.h"
#include "core/train/product.h"
#include "core/train/trainable.h"

#include <string.h>

typedef struct {
  ClipTrunk trunk;
  ClipParameters *parameters;
  int size, patch, grid;                     /* R, P, g */
  int tokens;                                /* T */
  ClipTrainLinear conv1;                     /* [C, 3·P·P], no bias */
  ClipParameter *class_embedding, *position; /* [C], [T, C] */
  ClipTrainNorm ln_pre, ln_post;
  ClipTrainBlocks blocks;
} Vit;

typedef struct {
  int batch, deepest;
  float *patches;  /* [B·T, 3·P·P] */
  float *embedded; /* [B·T, C]: what entered ln_pre */
  ClipSequences sequences;
  ClipBlocksPass blocks;
  float *last; /* [B, C]: what entered ln_post */
} Saved;

/* ------------------------------------------------------------------------------------------- stem */

typedef struct {
  const Vit *vit;
  float *y;
  const float *x;
  int batch;
} Stem;

/* Images @first … @end - 1. */
static void
cut_patches (void *data, int first, int end)
{
  const Stem *stem = data;
  const gsize size = stem->vit->size, patch = stem->vit->patch, grid = stem->vit->grid;
  const gsize area = 3 * patch * patch;
  for (gsize image = first; image < (gsize) end; image++) {
    float *y = stem->y + image * stem->vit->tokens * area;
    memset (y, 0, area * sizeof *y);
    y += area;
    for (gsize row = 0; row < grid; row++)
      for (gsize column = 0; column < grid; column++)
        for (gsize line = 0; line < 3 * patch; line++, y += patch)
          memcpy (y,
                  stem->x +
                      ((image * 3 + line / patch) * size + row * patch + line % patch) * size +
                      column * patch,
                  patch * sizeof *y);
  }
}

static void
add_positions (void *data, int first, int end)
{
  const Stem *stem = data;
  const Vit *vit = stem->vit;
  const ClipKernels *kernels = clip_kernels ();
  const gsize n = (gsize) vit->tokens * vit->trunk.width;
  for (gsize image = first; image < (gsize) end; image++) {
    kernels->add (stem->y + image * n, vit->position->value, n);
    kernels->add (stem->y + image * n, vit->class_embedding->value, vit->trunk.width);
  }
}

/* Gradients of positions and class, some tokens of all images. */
static void
add_positions_backward (void *data, int first, int end)
{
  const Stem *stem = data;
  const Vit *vit = stem->vit;
  const ClipKernels *kernels = clip_kernels ();
  const gsize width = vit->trunk.width, n = vit->tokens * width;
  for (gsize image = 0; image < (gsize) stem->batch; image++) {
    const float *d = stem->x + image * n;
    if (vit->position->gradient)
      kernels->add (vit->position->gradient + first * width, d + first * width,
                    (end - first) * width);
    if (first == 0 && vit->class_embedding->gradient)
      kernels->add (vit->class_embedding->gradient, d, width);
  }
}

/* ------------------------------------------------------------------------------------------- trunk */

static gpointer
forward (ClipTrunk *trunk, ClipTape *tape, float *pooled, const void *in, int batch, int length,
         gboolean learn)
{
  Vit *vit = (Vit *) trunk;
  const int width = trunk->width, area = vit->conv1.in, rows = batch * vit->tokens;
  const float epsilon = vit->blocks.shape.epsilon;
  const ClipTapeMark start = clip_tape_mark (tape);
  Saved *saved = clip_tape_take (tape, sizeof *saved);
  *saved = (Saved){ .batch = batch,
                    .deepest =
                        learn ? clip_train_deepest (vit->parameters, CLIP_PART_IMAGE) : G_MAXINT };
  saved->sequences = (ClipSequences){ batch, clip_tape_take (tape, (batch + 1) * sizeof (int)) };
  for (int b = 0; b <= batch; b++)
    saved->sequences.start[b] = b * vit->tokens;
  float *x = clip_tape_floats (tape, (gsize) rows * width);
  saved->embedded = saved->deepest == 0 ? clip_tape_floats (tape, (gsize) rows * width) : x;

  const ClipTapeMark mark = clip_tape_mark (tape);
  saved->patches = clip_tape_floats (tape, (gsize) rows * area);
  Stem stem = { vit, saved->patches, in, batch };
  clip_for_ranges (tape, cut_patches, &stem, batch, 1);
  clip_train_linear_forward (tape, saved->embedded, width, saved->patches, area, &vit->conv1, rows,
                             FALSE);
  stem.y = saved->embedded;
  clip_for_ranges (tape, add_positions, &stem, batch, 1);
  if (saved->deepest > 0)
    clip_tape_release (tape, mark);

  clip_train_norm_forward (tape, x, saved->embedded, &vit->ln_pre, epsilon, width, rows);
  saved->last = clip_train_blocks_forward (tape, &vit->blocks, &saved->blocks, x, &saved->sequences,
                                           saved->sequences.start, saved->deepest - 1);
  clip_train_norm_forward (tape, pooled, saved->last, &vit->ln_post, epsilon, width, batch);
  if (saved->deepest < G_MAXINT)
    return saved;
  clip_tape_release (tape, start);
  return NULL;
}

static void
backward (ClipTrunk *trunk, ClipTape *tape, gpointer data, const float *d_pooled)
{
  Vit *vit = (Vit *) trunk;
  const Saved *saved = data;
  const int width = trunk->width, rows = saved->batch * vit->tokens;
  const float epsilon = vit->blocks.shape.epsilon;
  const ClipTapeMark mark = clip_tape_mark (tape);
  float *d = clip_tape_floats (tape, (gsize) saved->batch * width);
  clip_train_norm_backward (tape, d, d_pooled, saved->last, &vit->ln_post, epsilon, width,
                            saved->batch, FALSE);
  d = clip_train_blocks_backward (tape, &vit->blocks, &saved->blocks, d);
  if (saved->deepest == 0) {
    clip_train_norm_backward (tape, d, d, saved->embedded, &vit->ln_pre, epsilon, width, rows,
                              FALSE);
    clip_train_linear_backward (tape, NULL, 0, d, width, saved->patches, vit->conv1.in, &vit->conv1,
                                rows, FALSE);
    Stem stem = { vit, NULL, d, saved->batch };
    clip_for_ranges (tape, add_positions_backward, &stem, vit->tokens, 8);
  }
  clip_tape_release (tape, mark);
}

static void
vit_free (ClipTrunk *trunk)
{
  Vit *vit = (Vit *) trunk;
  g_free (vit->blocks.blocks);
  g_free (vit);
}

ClipTrunk *
clip_train_vit_new (ClipParameters *parameters, const ClipConfig *config)
{
  const ClipImageConfig *image = &config->image;
  const int width = image->width, patch = image->patch_size, grid = image->image_size / patch;
  const ClipPart part = CLIP_PART_IMAGE;
  gint64 timm[4];
  if (image->no_ln_pre || image->pool != CLIP_POOL_TOKEN || image->patch_bias ||
      image->activation == CLIP_ACTIVATION_GELU_TANH ||
      clip_weights_shape (parameters->weights, timm, "visual.trunk.pos_embed"))
    clip_weights_fail (
        parameters->weights, CLIP_ERROR_UNSUPPORTED,
        "has a ViT without ln_pre, or one that pools by the average or by attention, "
        "or has a bias for its patches, or GELU by tanh, or timm's names, which can be used but "
        "not trained");
  Vit *vit = g_new0 (Vit, 1);
  *vit = (Vit){
    .trunk = { "vit", width, forward, backward, vit_free },
    .parameters = parameters,
    .size = image->image_size,
    .patch = patch,
    .grid = grid,
    .tokens = grid * grid + 1,
  };
  const ClipParameterSpec conv1 = { part, 0, .decay = TRUE, .n_dims = 4,
                                    .shape = { width, 3, patch, patch } },
                          class = { part, 0, .n_dims = 1, .shape = { width } },
                          position = { part, 0, .n_dims = 2, .shape = { vit->tokens, width } };
  vit->conv1 = (ClipTrainLinear){
    .weight = clip_parameters_add (parameters, conv1, "visual.conv1.weight"),
    .out = width,
    .in = 3 * patch * patch,
  };
  vit->class_embedding = clip_parameters_add (parameters, class, "visual.class_embedding");
  vit->position = clip_parameters_add (parameters, position, "visual.positional_embedding");
  vit->ln_pre = clip_train_norm_add (parameters, part, 0, width, "visual.ln_pre");
  const ClipBlockShape shape = {
    width, image->heads, image->mlp_width, image->activation, image->norm_epsilon, FALSE
  };
  vit->blocks = clip_train_blocks_add (parameters, part, &shape, image->layers,
                                       "visual.transformer.resblocks");
  vit->ln_post = clip_train_norm_add (parameters, part, image->layers + 1, width, "visual.ln_post");
  return &vit->trunk;
}
