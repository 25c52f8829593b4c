/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text tower: BERT (Devlin et al. 2018), RoBERTa (Liu et al. 2019) and XLM-RoBERTa, with a pooler and a head, as OpenCLIP
 * wraps Hugging Face encoders.
 *
 *   n = tokens that are no padding, wherever it stands               the first one always is
 *   x = norm (word[ids] + position + token_type[0])                  [n, C]
 *   blocks, post-norm, bidirectional                                 [n, C]
 *   pooled = mean of the n rows, [CLS] and [SEP] among them          [C]
 *          | the first row | tanh (dense (the first row))
 *   feature = proj.2 (gelu (proj.0 (pooled))) | proj (pooled) | pooled        [E], no biases
 *
 * A position is a token's place in the text; RoBERTa counts tokens that are no padding, from one behind the padding token's
 * id. A batch is packed: no work is done on padding, and nothing is masked.
 */
#include "core/model/block.h"

#include <math.h>
#include <string.h>

#define MAX_BATCH 64

typedef struct {
  ClipTower tower;
  int layers, embed_dim, head_width;
  int context; /* longest text */
  int pad_token;
  gboolean roberta;
  ClipTextPool pool;
  ClipBlockShape shape;

  ClipMatrix words; /* [vocabulary, C] */
  const float
      *position; /* [context, C], from the first one on that a text uses; token_type[0] added */
  ClipNorm norm;
  ClipBlock *blocks; /* [layers] */
  ClipLinear dense;  /* [C, C], with CLIP_TEXT_POOL_POOLER */
  ClipLinear head[2];
  int head_layers; /* 2: [head width, C], [E, head width]; 1: [E, C]; 0: none, E = C */
} Bert;

typedef struct {
  float *x;      /* [rows, C] */
  float *first;  /* [B, C]: first rows, with CLIP_TEXT_POOL_POOLER */
  float *pooled; /* [B, C] */
  float *hidden; /* [B, head width] */
  ClipBlockWorkspace block;
} Workspace;

static void
layout (ClipArena *arena, Workspace *w, const Bert *bert, int rows, int batch)
{
  w->x = clip_arena_floats (arena, (gsize) rows * bert->shape.width);
  w->first = clip_arena_floats (arena, (gsize) batch * bert->shape.width);
  w->pooled = clip_arena_floats (arena, (gsize) batch * bert->shape.width);
  w->hidden = clip_arena_floats (arena, (gsize) batch * bert->head_width);
  clip_block_layout (arena, &w->block, &bert->shape, rows, batch);
}

static int
used_length (const Bert *bert, const gint32 *ids, int length)
{
  int n = 0;
  for (int i = 0; i < length; i++)
    n += clip_bert_reads (ids, i, bert->words.rows, bert->pad_token);
  return n;
}

/* @length: of @ids, padding among them */
static void
embed (const Bert *bert, const ClipKernels *kernels, float *x, const gint32 *ids, int length)
{
  const int width = bert->shape.width;
  for (int i = 0, n = 0; i < length; i++) {
    if (!clip_bert_reads (ids, i, bert->words.rows, bert->pad_token))
      continue;
    const gsize place = bert->roberta ? n : i;
    clip_matrix_row (kernels, x, &bert->words, clip_token_row (bert->words.rows, ids[i]));
    kernels->add (x, bert->position + place * width, width);
    x += width;
    n++;
  }
}

static void
pool (const Bert *bert, ClipSession *session, Workspace *w, const ClipSequences *sequences)
{
  const int width = bert->shape.width, batch = sequences->n, *start = sequences->start;
  if (bert->pool == CLIP_TEXT_POOL_MEAN) {
    for (int b = 0; b < batch; b++)
      clip_mean_rows (session->kernels, w->pooled + (gsize) b * width,
                      w->x + (gsize) start[b] * width, start[b + 1] - start[b], width);
    return;
  }
  const gboolean dense = bert->pool == CLIP_TEXT_POOL_POOLER;
  clip_gather_rows (dense ? w->first : w->pooled, w->x, start, batch, width);
  if (!dense)
    return;
  clip_linear (session, w->pooled, width, w->first, width, &bert->dense, 1, batch,
               CLIP_LINEAR_STORE);
  for (gsize i = 0; i < (gsize) batch * width; i++)
    w->pooled[i] = tanhf (w->pooled[i]);
}

static void
project (const Bert *bert, ClipSession *session, float *out, Workspace *w, int batch)
{
  const int width = bert->shape.width, last = bert->head_layers - 1;
  const float *x = w->pooled;
  if (last < 0) {
    memcpy (out, x, (gsize) batch * width * sizeof *out);
    return;
  }
  if (last > 0) {
    clip_linear (session, w->hidden, bert->head_width, x, width, &bert->head[0], 1, batch,
                 CLIP_LINEAR_GELU);
    x = w->hidden;
  }
  clip_linear (session, out, bert->embed_dim, x, last > 0 ? bert->head_width : width,
               &bert->head[last], 1, batch, CLIP_LINEAR_STORE);
}

static void
forward (const ClipTower *tower, ClipSession *session, float *out, const void *in, int batch,
         int length)
{
  const Bert *bert = (const Bert *) tower;
  const gint32 *ids = in;
  const int width = bert->shape.width;
  int start[MAX_BATCH + 1] = { 0 };
  for (int b = 0; b < batch; b++)
    start[b + 1] = start[b] + used_length (bert, ids + (gsize) b * length, length);
  const ClipSequences sequences = { batch, start };

  Workspace w;
  ClipArena measure = { 0 };
  layout (&measure, &w, bert, start[batch], batch);
  clip_arena_reserve (&session->arena, measure.used);
  layout (&session->arena, &w, bert, start[batch], batch);
  clip_session_reserve_scratch (session, MAX (clip_block_scratch (&bert->shape, bert->context),
                                              clip_linear_scratch (bert->head_width)));

  for (int b = 0; b < batch; b++)
    embed (bert, session->kernels, w.x + (gsize) start[b] * width, ids + (gsize) b * length,
           length);
  clip_norm_rows (session, w.x, width, w.x, width, &bert->norm, bert->shape.epsilon, width,
                  start[batch]);
  for (int i = 0; i < bert->layers; i++)
    clip_block_post_norm (session, &w.block, &bert->shape, &bert->blocks[i], w.x, &sequences);

  pool (bert, session, &w, &sequences);
  project (bert, session, out, &w, batch);
}

static void
bert_free (ClipTower *tower)
{
  Bert *bert = (Bert *) tower;
  g_free (bert->blocks);
  g_free (bert);
}

#define TRUNK "text.transformer."

static ClipBlock *
bind_blocks (ClipWeights *weights, const ClipBlockShape *shape, int layers)
{
  const int width = shape->width, mlp_width = shape->mlp_width;
  ClipBlock *blocks = g_new0 (ClipBlock, layers);
  for (int i = 0; i < layers; i++) {
    ClipBlock *block = &blocks[i];
    g_autofree char *name = g_strdup_printf (TRUNK "encoder.layer.%d", i);
    block->qkv[0] = clip_bind_linear (weights, width, width, "%s.attention.self.query", name);
    block->qkv[1] = clip_bind_linear (weights, width, width, "%s.attention.self.key", name);
    block->qkv[2] = clip_bind_linear (weights, width, width, "%s.attention.self.value", name);
    block->out = clip_bind_linear (weights, width, width, "%s.attention.output.dense", name);
    block->norm1 = clip_bind_norm (weights, width, "%s.attention.output.LayerNorm", name);
    block->fc = clip_bind_linear (weights, mlp_width, width, "%s.intermediate.dense", name);
    block->proj = clip_bind_linear (weights, width, mlp_width, "%s.output.dense", name);
    block->norm2 = clip_bind_norm (weights, width, "%s.output.LayerNorm", name);
  }
  return blocks;
}

/* [n, C]: the rows of a table from @first on. */
static float *
bind_rows (ClipWeights *weights, int first, int n, int width, const char *name)
{
  gint64 shape[4];
  const gboolean found = clip_weights_shape (weights, shape, "%s", name);
  const ClipMatrix table =
      clip_weights_matrix (weights, found ? shape[0] : first + n, width, "%s", name);
  float *rows = clip_weights_alloc (weights, (gsize) n * width);
  if (rows && table.rows < first + n) {
    clip_weights_fail (weights, CLIP_ERROR_TENSOR, "tensor %s has %d rows, expected %d at least",
                       name, table.rows, first + n);
    return NULL;
  }
  for (int r = 0; rows && r < n; r++)
    clip_matrix_row (clip_kernels (), rows + (gsize) r * width, &table, first + r);
  return rows;
}

static void
bind_head (Bert *bert, ClipWeights *weights)
{
  const int width = bert->shape.width;
  gint64 shape[4];
  if (bert->head_layers == 1)
    bert->head[0].weight =
        clip_weights_matrix (weights, bert->embed_dim, width, "text.proj.weight");
  if (bert->head_layers < 2)
    return;
  if (clip_weights_shape (weights, shape, "text.proj.0.weight"))
    bert->head_width = CLAMP (shape[0], 1, G_MAXINT32);
  bert->head[0].weight =
      clip_weights_matrix (weights, bert->head_width, width, "text.proj.0.weight");
  bert->head[1].weight =
      clip_weights_matrix (weights, bert->embed_dim, bert->head_width, "text.proj.2.weight");
}

static void
bind (Bert *bert, ClipWeights *weights, int vocab_size)
{
  const int width = bert->shape.width;
  bert->words =
      clip_weights_matrix (weights, vocab_size, width, TRUNK "embeddings.word_embeddings.weight");
  float *position = bind_rows (weights, bert->roberta ? bert->pad_token + 1 : 0, bert->context,
                               width, TRUNK "embeddings.position_embeddings.weight");
  const float *type =
      bind_rows (weights, 0, 1, width, TRUNK "embeddings.token_type_embeddings.weight");
  for (int i = 0; position && type && i < bert->context; i++)
    clip_kernels ()->add (position + (gsize) i * width, type, width);
  bert->position = position;
  bert->norm = clip_bind_norm (weights, width, TRUNK "embeddings.LayerNorm");
  bert->blocks = bind_blocks (weights, &bert->shape, bert->layers);
  if (bert->pool == CLIP_TEXT_POOL_POOLER)
    bert->dense = clip_bind_linear (weights, width, width, TRUNK "pooler.dense");
  bind_head (bert, weights);
}

ClipTower *
clip_bert_new (ClipWeights *weights, const ClipConfig *config, GError **error)
{
  const ClipTextConfig *text = &config->text;
  const ClipPrecision precision = clip_weights_get_precision (weights);
  Bert *bert = g_new0 (Bert, 1);
  *bert = (Bert){
    .tower = { text->roberta ? "roberta" : "bert", MAX_BATCH, forward, bert_free,
               .precision = precision },
    .layers = text->layers,
    .embed_dim = config->embed_dim,
    .head_width = text->width,
    .context = text->context_length,
    .pad_token = text->pad_token,
    .roberta = text->roberta,
    .pool = text->pool,
    .head_layers = text->head_layers,
    .shape = { text->width, text->heads, text->mlp_width, text->activation, text->norm_epsilon,
               FALSE },
  };
  bind (bert, weights, text->vocab_size);
  if (clip_precision_is_reduced (precision)) {
    for (int i = 0; i < bert->layers; i++)
      clip_block_pack (weights, &bert->blocks[i], precision);
    clip_linear_pack (weights, &bert->dense, precision);
    for (int i = 0; i < bert->head_layers; i++)
      clip_linear_pack (weights, &bert->head[i], precision);
  }
  if (!clip_weights_ok (weights, error)) {
    bert_free (&bert->tower);
    return NULL;
  }
  return &bert->tower;
}
