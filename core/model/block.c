/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/block.h"

/* LayerScale: layer (x) is multiplied by scale[out], which may as well be done to the layer. */
static void
scale_outputs (ClipWeights *weights, ClipLinear *layer, const float *scale)
{
  const int out = layer->weight.rows, in = layer->weight.cols;
  float *weight = scale ? clip_weights_alloc (weights, (gsize) out * in) : NULL,
        *bias = scale ? clip_weights_alloc (weights, out) : NULL;
  if (!weight || !bias)
    return;
  for (int o = 0; o < out; o++) {
    float *row = weight + (gsize) o * in;
    clip_matrix_row (clip_kernels (), row, &layer->weight, o);
    for (int i = 0; i < in; i++)
      row[i] *= scale[o];
    bias[o] = scale[o] * layer->bias[o];
  }
  layer->weight = (ClipMatrix){ .dtype = CLIP_DTYPE_F32, .rows = out, .cols = in, .data = weight };
  layer->bias = bias;
}

ClipBlock *
clip_blocks_bind (ClipWeights *weights, const ClipBlockShape *shape, int layers, const char *prefix)
{
  const int width = shape->width, mlp_width = shape->mlp_width;
  ClipBlock *blocks = g_new0 (ClipBlock, layers);
  for (int i = 0; i < layers; i++) {
    ClipBlock *block = &blocks[i];
    block->norm1 = clip_bind_norm (weights, width, "%s.%d.ln_1", prefix, i);
    block->norm2 = clip_bind_norm (weights, width, "%s.%d.ln_2", prefix, i);
    block->qkv[0] = clip_bind_linear (weights, width, width, "%s.%d.attn.q", prefix, i);
    block->qkv[1] = clip_bind_linear (weights, width, width, "%s.%d.attn.k", prefix, i);
    block->qkv[2] = clip_bind_linear (weights, width, width, "%s.%d.attn.v", prefix, i);
    block->out = clip_bind_linear (weights, width, width, "%s.%d.attn.out_proj", prefix, i);
    block->fc = clip_bind_linear (weights, mlp_width, width, "%s.%d.mlp.c_fc", prefix, i);
    block->proj = clip_bind_linear (weights, width, mlp_width, "%s.%d.mlp.c_proj", prefix, i);
    scale_outputs (weights, &block->out,
                   clip_weights_vector_optional (weights, width, "%s.%d.ls_1.gamma", prefix, i));
    scale_outputs (weights, &block->proj,
                   clip_weights_vector_optional (weights, width, "%s.%d.ls_2.gamma", prefix, i));
  }
  return blocks;
}

ClipBlock
clip_block_pool_bind (ClipWeights *weights, const ClipBlockShape *shape, const char *prefix)
{
  const int width = shape->width, mlp_width = shape->mlp_width;
  ClipBlock block = { .norm2 = clip_bind_norm (weights, width, "%s.norm", prefix) };
  block.qkv[0] = clip_bind_linear (weights, width, width, "%s.attn.q", prefix);
  block.qkv[1] = clip_bind_linear (weights, width, width, "%s.attn.k", prefix);
  block.qkv[2] = clip_bind_linear (weights, width, width, "%s.attn.v", prefix);
  block.out = clip_bind_linear (weights, width, width, "%s.attn.out_proj", prefix);
  block.fc = clip_bind_linear (weights, mlp_width, width, "%s.mlp.c_fc", prefix);
  block.proj = clip_bind_linear (weights, width, mlp_width, "%s.mlp.c_proj", prefix);
  return block;
}

void
clip_block_pack (ClipWeights *weights, ClipBlock *block, ClipPrecision precision)
{
  for (int i = 0; i < 3; i++)
    clip_linear_pack (weights, &block->qkv[i], precision);
  clip_linear_pack (weights, &block->out, precision);
  clip_linear_pack (weights, &block->fc, precision);
  clip_linear_pack (weights, &block->proj, precision);
}

void
clip_block_layout (ClipArena *arena, ClipBlockWorkspace *workspace, const ClipBlockShape *shape,
                   int rows, int batch)
{
  workspace->narrow = clip_arena_floats (arena, (gsize) rows * shape->width);
  workspace->wide =
      clip_arena_floats (arena, (gsize) rows * MAX (3 * shape->width, shape->mlp_width));
  workspace->query = clip_arena_floats (arena, (gsize) batch * shape->width);
}

gsize
clip_block_scratch (const ClipBlockShape *shape, int length)
{
  const gsize linear =
      MAX (clip_linear_scratch (shape->width), clip_linear_scratch (shape->mlp_width));
  return MAX (linear, clip_attention_scratch (length, shape->width / shape->heads));
}

/* narrow = MHA (in), before the output projection */
static void
attend (ClipSession *session, const ClipBlockWorkspace *w, const ClipBlockShape *shape,
        const ClipBlock *block, const float *in, const ClipSequences *sequences)
{
  const int width = shape->width, rows = sequences->start[sequences->n];
  clip_linear (session, w->wide, 3 * width, in, width, block->qkv, 3, rows, CLIP_LINEAR_STORE);
  const ClipAttention attention = {
    .y = w->narrow,
    .y_stride = width,
    .q = w->wide,
    .q_stride = 3 * width,
    .k = w->wide + width,
    .v = w->wide + 2 * width,
    .kv_stride = 3 * width,
    .keys = sequences,
    .causal = shape->causal,
    .heads = shape->heads,
    .head_size = width / shape->heads,
  };
  clip_attention (session, &attention);
}

/* narrow[B, C] = MHA of one query for each sequence, before the output projection; wide is k | v. @stride: floats from one
 * query to the next, 0 where all have the same. */
static void
attend_once (ClipSession *session, const ClipBlockWorkspace *w, const ClipBlockShape *shape,
             gsize stride, const ClipSequences *sequences)
{
  const int width = shape->width;
  const ClipAttention attention = {
    .y = w->narrow,
    .y_stride = width,
    .q = w->query,
    .q_stride = stride,
    .k = w->wide,
    .v = w->wide + width,
    .kv_stride = 2 * width,
    .keys = sequences,
    .one_query = TRUE,
    .heads = shape->heads,
    .head_size = width / shape->heads,
  };
  clip_attention (session, &attention);
}

/* x += proj (act (fc (in))) */
static void
mlp (ClipSession *session, const ClipBlockWorkspace *w, const ClipBlockShape *shape,
     const ClipBlock *block, float *x, const float *in, int rows)
{
  const int width = shape->width, mlp_width = shape->mlp_width;
  clip_linear (session, w->wide, mlp_width, in, width, &block->fc, 1, rows,
               clip_linear_op (shape->activation));
  clip_linear (session, x, width, w->wide, mlp_width, &block->proj, 1, rows, CLIP_LINEAR_ADD);
}

static void
norm (ClipSession *session, const ClipBlockShape *shape, float *y, const float *x,
      const ClipNorm *weights, int rows)
{
  clip_norm_rows (session, y, shape->width, x, shape->width, weights, shape->epsilon, shape->width,
                  rows);
}

void
clip_block_pre_norm (ClipSession *session, const ClipBlockWorkspace *w, const ClipBlockShape *shape,
                     const ClipBlock *block, float *x, const ClipSequences *sequences)
{
  const int width = shape->width, rows = sequences->start[sequences->n];
  norm (session, shape, w->narrow, x, &block->norm1, rows);
  attend (session, w, shape, block, w->narrow, sequences);
  clip_linear (session, x, width, w->narrow, width, &block->out, 1, rows, CLIP_LINEAR_ADD);
  norm (session, shape, w->narrow, x, &block->norm2, rows);
  mlp (session, w, shape, block, x, w->narrow, rows);
}

void
clip_block_post_norm (ClipSession *session, const ClipBlockWorkspace *w,
                      const ClipBlockShape *shape, const ClipBlock *block, float *x,
                      const ClipSequences *sequences)
{
  const int width = shape->width, rows = sequences->start[sequences->n];
  attend (session, w, shape, block, x, sequences);
  clip_linear (session, x, width, w->narrow, width, &block->out, 1, rows, CLIP_LINEAR_ADD);
  norm (session, shape, x, x, &block->norm1, rows);
  mlp (session, w, shape, block, x, x, rows);
  norm (session, shape, x, x, &block->norm2, rows);
}

void
clip_block_pick (ClipSession *session, const ClipBlockWorkspace *w, const ClipBlockShape *shape,
                 const ClipBlock *block, float *y, const float *x, const ClipSequences *sequences,
                 const int *picked)
{
  const int width = shape->width, batch = sequences->n, rows = sequences->start[batch];
  norm (session, shape, w->narrow, x, &block->norm1, rows);
  clip_linear (session, w->wide, 2 * width, w->narrow, width, block->qkv + 1, 2, rows,
               CLIP_LINEAR_STORE);
  clip_gather_rows (y, w->narrow, picked, batch, width);
  clip_linear (session, w->query, width, y, width, &block->qkv[0], 1, batch, CLIP_LINEAR_STORE);
  attend_once (session, w, shape, width, sequences);
  clip_gather_rows (y, x, picked, batch, width);
  clip_linear (session, y, width, w->narrow, width, &block->out, 1, batch, CLIP_LINEAR_ADD);
  norm (session, shape, w->narrow, y, &block->norm2, batch);
  mlp (session, w, shape, block, y, w->narrow, batch);
}

void
clip_block_pool (ClipSession *session, const ClipBlockWorkspace *w, const ClipBlockShape *shape,
                 const ClipBlock *block, float *y, const float *x, const float *probe,
                 const ClipSequences *sequences)
{
  const int width = shape->width, batch = sequences->n, rows = sequences->start[batch];
  clip_linear (session, w->wide, 2 * width, x, width, block->qkv + 1, 2, rows, CLIP_LINEAR_STORE);
  clip_linear (session, w->query, width, probe, width, &block->qkv[0], 1, 1, CLIP_LINEAR_STORE);
  attend_once (session, w, shape, 0, sequences);
  clip_linear (session, y, width, w->narrow, width, &block->out, 1, batch, CLIP_LINEAR_STORE);
  norm (session, shape, w->narrow, y, &block->norm2, batch);
  mlp (session, w, shape, block, y, w->narrow, batch);
}
