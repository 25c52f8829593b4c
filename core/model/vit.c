/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Image tower: Vision Transformer (Dosovitskiy et al. 2020, as in Radford et al. 2021).
 *
 *   patches = pixels [3, H, W] cut into squares of P×P           [N, 3·P·P], N = ⌊H / P⌋ · ⌊W / P⌋
 *   x = concat (class, conv1 (patches)) + position               [T, C], T = N + 1
 *   x = ln_pre (x)                                               some do without
 *   x = block (x), for all blocks but the last                   no mask
 *   y = last block (x), the class token's row only               [C]
 *   feature = proj (ln_post (y))                                 [E]
 *
 * or, of a tower that pools by the average: y = mean of the patches' rows of ln_post (last block (x)), or ln_post of that mean;
 * or, of some of timm's: feature = fc2 (gelu (fc1 (ln_post (y)))), a projection of two layers;
 * or, of SigLIP's (Zhai et al. 2023), which has no class and no projection: feature = pooling (ln_post (last block (x))), by the
 * attention of a learned query, E = C. SigLIP's conv1 has a bias. Pixels beyond the last whole patch are not looked at.
 */
#include "core/model/block.h"
#include "core/model/positions.h"

#include <string.h>

/* Tokens that are computed together: more would not make the products faster, only the workspace larger. */
#define MAX_TOKENS 1024
#define MAX_BATCH 16

typedef struct {
  ClipTower tower;
  int width, height, patch; /* W, H, P */
  ClipGrid grid;            /* N = columns · rows */
  int tokens;               /* T */
  int first_patch;          /* 1 behind a class token, else 0 */
  int layers, embed_dim;
  ClipBlockShape shape;

  ClipLinear conv1;             /* [C, 3·P·P] */
  const float *class_embedding; /* [C]; NULL: there is none */
  const float *position;        /* [T, C] */
  gboolean no_ln_pre, norm_after_pool;
  ClipPool pool;
  ClipNorm ln_pre, ln_post;
  ClipBlock *blocks;  /* [layers] */
  const float *probe; /* [C]; with CLIP_POOL_MAP */
  ClipBlock map;
  ClipLinear widen; /* [projection_mlp, C]; no rows where the projection is one layer */
  ClipLinear proj;  /* [E, C] or [E, projection_mlp]; no rows: there is none */
} Vit;

typedef struct {
  float *patches; /* [B·N, 3·P·P] */
  float *x;       /* [B·T, C] */
  float *y;       /* [B, C] */
  float *hidden;  /* [B, projection_mlp] */
  int *start;     /* [B + 1] */
  ClipBlockWorkspace block;
} Workspace;

static void
layout (ClipArena *arena, Workspace *w, const Vit *vit, int batch)
{
  const gsize rows = (gsize) batch * vit->tokens;
  w->patches = clip_arena_floats (arena, (gsize) batch * (vit->tokens - vit->first_patch) *
                                             vit->conv1.weight.cols);
  w->x = clip_arena_floats (arena, rows * vit->shape.width);
  w->y = clip_arena_floats (arena, (gsize) batch * vit->shape.width);
  w->hidden = clip_arena_floats (arena, (gsize) batch * vit->widen.weight.rows);
  w->start = clip_arena_take (arena, (batch + 1) * sizeof (int));
  clip_block_layout (arena, &w->block, &vit->shape, rows, batch);
}

typedef struct {
  const Vit *vit;
  float *patches;
  const float *pixels; /* [B, 3, H, W] */
} Cut;

/* One row of patches of one image: a patch is [3, P, P]. */
static void
cut_patches (void *data, int task, int worker)
{
  const Cut *cut = data;
  const gsize width = cut->vit->width, height = cut->vit->height, patch = cut->vit->patch;
  const gsize columns = cut->vit->grid.columns, rows = cut->vit->grid.rows;
  const gsize image = task / rows, row = task % rows;
  float *y = cut->patches + task * columns * 3 * patch * patch;
  for (gsize column = 0; column < columns; column++) {
    for (gsize channel = 0; channel < 3; channel++) {
      const float *in =
          cut->pixels + ((image * 3 + channel) * height + row * patch) * width + column * patch;
      for (gsize line = 0; line < patch; line++, y += patch)
        memcpy (y, in + line * width, patch * sizeof *y);
    }
  }
}

static void
norm (const Vit *vit, ClipSession *session, float *x, const ClipNorm *weights, int rows)
{
  const int width = vit->shape.width;
  clip_norm_rows (session, x, width, x, width, weights, vit->shape.epsilon, width, rows);
}

/* y[B, C] of x[B·T, C], what the last block takes. */
static void
end_with_token (const Vit *vit, ClipSession *session, const Workspace *w,
                const ClipSequences *sequences)
{
  clip_block_pick (session, &w->block, &vit->shape, &vit->blocks[vit->layers - 1], w->y, w->x,
                   sequences, w->start);
  norm (vit, session, w->y, &vit->ln_post, sequences->n);
}

static void
end_with_average (const Vit *vit, ClipSession *session, const Workspace *w,
                  const ClipSequences *sequences)
{
  const int width = vit->shape.width, batch = sequences->n;
  clip_block_pre_norm (session, &w->block, &vit->shape, &vit->blocks[vit->layers - 1], w->x,
                       sequences);
  if (!vit->norm_after_pool)
    norm (vit, session, w->x, &vit->ln_post, batch * vit->tokens);
  for (int b = 0; b < batch; b++)
    clip_mean_rows (session->kernels, w->y + (gsize) b * width,
                    w->x + ((gsize) b * vit->tokens + vit->first_patch) * width,
                    vit->tokens - vit->first_patch, width);
  if (vit->norm_after_pool)
    norm (vit, session, w->y, &vit->ln_post, batch);
}

static void
end_with_map (const Vit *vit, ClipSession *session, const Workspace *w,
              const ClipSequences *sequences)
{
  clip_block_pre_norm (session, &w->block, &vit->shape, &vit->blocks[vit->layers - 1], w->x,
                       sequences);
  norm (vit, session, w->x, &vit->ln_post, sequences->n * vit->tokens);
  clip_block_pool (session, &w->block, &vit->shape, &vit->map, w->y, w->x, vit->probe, sequences);
}

/* Everything up to the projection: w.y. The workspace lies in the session's arena. */
static Workspace
run (const Vit *vit, ClipSession *session, const void *in, int batch)
{
  const int width = vit->shape.width, tokens = vit->tokens, n_patches = tokens - vit->first_patch;
  Workspace w;
  ClipArena measure = { 0 };
  layout (&measure, &w, vit, batch);
  clip_arena_reserve (&session->arena, measure.used);
  layout (&session->arena, &w, vit, batch);
  const int widest = MAX (vit->conv1.weight.cols, vit->widen.weight.rows);
  clip_session_reserve_scratch (
      session, MAX (clip_block_scratch (&vit->shape, tokens), clip_linear_scratch (widest)));
  for (int b = 0; b <= batch; b++)
    w.start[b] = b * tokens;
  const ClipSequences sequences = { batch, w.start };

  Cut cut = { vit, w.patches, in };
  clip_threads_run (session->threads, cut_patches, &cut, batch * vit->grid.rows);

  /* Positions first: the patches are added to them. */
  for (int b = 0; b < batch; b++) {
    float *x = w.x + (gsize) b * tokens * width;
    memcpy (x, vit->position, (gsize) tokens * width * sizeof *x);
    if (vit->class_embedding)
      session->kernels->add (x, vit->class_embedding, width);
  }
  for (int b = 0; b < batch; b++)
    clip_linear (session, w.x + ((gsize) b * tokens + vit->first_patch) * width, width,
                 w.patches + (gsize) b * n_patches * vit->conv1.weight.cols, vit->conv1.weight.cols,
                 &vit->conv1, 1, n_patches, CLIP_LINEAR_ADD);
  if (!vit->no_ln_pre)
    norm (vit, session, w.x, &vit->ln_pre, batch * tokens);
  for (int i = 0; i < vit->layers - 1; i++)
    clip_block_pre_norm (session, &w.block, &vit->shape, &vit->blocks[i], w.x, &sequences);
  static void (*const ends[]) (const Vit *, ClipSession *, const Workspace *,
                               const ClipSequences *) = {
    [CLIP_POOL_TOKEN] = end_with_token,
    [CLIP_POOL_AVERAGE] = end_with_average,
    [CLIP_POOL_MAP] = end_with_map,
  };
  ends[vit->pool](vit, session, &w, &sequences);
  return w;
}

static void
pool (const ClipTower *tower, ClipSession *session, float *out, const void *in, int batch,
      int length)
{
  const Vit *vit = (const Vit *) tower;
  const Workspace w = run (vit, session, in, batch);
  memcpy (out, w.y, (gsize) batch * vit->shape.width * sizeof *out);
}

static void
forward (const ClipTower *tower, ClipSession *session, float *out, const void *in, int batch,
         int length)
{
  const Vit *vit = (const Vit *) tower;
  if (!vit->proj.weight.rows) {
    pool (tower, session, out, in, batch, length);
    return;
  }
  const Workspace w = run (vit, session, in, batch);
  const int hidden = vit->widen.weight.rows;
  if (hidden)
    clip_linear (session, w.hidden, hidden, w.y, vit->shape.width, &vit->widen, 1, batch,
                 CLIP_LINEAR_GELU);
  clip_linear (session, out, vit->embed_dim, hidden ? w.hidden : w.y, vit->proj.weight.cols,
               &vit->proj, 1, batch, CLIP_LINEAR_STORE);
}

static void
vit_free (ClipTower *tower)
{
  Vit *vit = (Vit *) tower;
  g_free (vit->blocks);
  g_free (vit);
}

static void
bind_projection (Vit *vit, ClipWeights *weights, const ClipImageConfig *image)
{
  const int width = image->width, hidden = image->projection_mlp, out = vit->embed_dim;
  const ClipPrecision precision = clip_weights_get_precision (weights);
  if (image->no_projection)
    return;
  if (hidden) {
    vit->widen = clip_bind_linear (weights, hidden, width, "visual.head.mlp.fc1");
    vit->proj.weight = clip_weights_matrix (weights, out, hidden, "visual.head.mlp.fc2.weight");
    vit->proj.bias = clip_weights_vector_optional (weights, out, "visual.head.mlp.fc2.bias");
    clip_linear_pack (weights, &vit->widen, precision);
  } else {
    vit->proj.weight = clip_weights_matrix (weights, out, width, "visual.proj");
    vit->proj.bias = clip_weights_vector_optional (weights, out, "visual.proj.bias");
  }
  clip_linear_pack (weights, &vit->proj, precision);
}

ClipTower *
clip_vit_new (ClipWeights *weights, const ClipConfig *config, GError **error)
{
  const ClipImageConfig *image = &config->image;
  const int width = image->width;
  const ClipGrid grid = clip_resolution_grid (image);
  const int tokens = grid.columns * grid.rows + !image->no_class_token;
  const ClipPrecision precision = clip_weights_get_precision (weights);
  Vit *vit = g_new0 (Vit, 1);
  *vit = (Vit){
    .tower = { "vit", CLAMP (MAX_TOKENS / tokens, 1, MAX_BATCH), forward, vit_free,
               image->no_projection ? NULL : pool, image->no_projection ? 0 : width, precision },
    .width = clip_image_width (image),
    .height = image->image_size,
    .patch = image->patch_size,
    .grid = grid,
    .tokens = tokens,
    .first_patch = !image->no_class_token,
    .layers = image->layers,
    .embed_dim = config->embed_dim,
    .no_ln_pre = image->no_ln_pre,
    .pool = image->pool,
    .norm_after_pool = image->norm_after_pool,
    .shape = { width, image->heads, image->mlp_width, image->activation, image->norm_epsilon,
               FALSE },
  };
  vit->conv1.weight =
      clip_weights_matrix (weights, width, 3 * vit->patch * vit->patch, "visual.conv1.weight");
  if (image->patch_bias)
    vit->conv1.bias = clip_weights_vector (weights, width, "visual.conv1.bias");
  if (!image->no_class_token)
    vit->class_embedding = clip_weights_vector (weights, width, "visual.class_embedding");
  vit->position =
      clip_positions_bind (weights, image, vit->first_patch, width, "visual.positional_embedding");
  if (!vit->no_ln_pre)
    vit->ln_pre = clip_bind_norm (weights, width, "visual.ln_pre");
  vit->blocks =
      clip_blocks_bind (weights, &vit->shape, vit->layers, "visual.transformer.resblocks");
  vit->ln_post = clip_bind_norm (weights, width, "visual.ln_post");
  if (image->pool == CLIP_POOL_MAP) {
    vit->probe = clip_weights_floats (weights, width, "visual.map.probe");
    vit->map = clip_block_pool_bind (weights, &vit->shape, "visual.map");
    clip_block_pack (weights, &vit->map, precision);
  }
  bind_projection (vit, weights, image);
  clip_linear_pack (weights, &vit->conv1, precision);
  for (int i = 0; i < vit->layers; i++)
    clip_block_pack (weights, &vit->blocks[i], precision);
  if (!clip_weights_ok (weights, error)) {
    vit_free (&vit->tower);
    return NULL;
  }
  return &vit->tower;
}
