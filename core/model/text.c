/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text tower of CLIP (Radford et al. 2021), and its kin: a transformer, causal mostly.
 *
 *   p = first position of the end token                              of some towers: 0, or the last, padding or not
 *   n = p + 1                                                        causal: what follows p changes nothing; else T
 *   x = token_embedding[ids[0 … n-1]] + position[0 … n-1]            [n, C]
 *   x = block (x), for all blocks but the last                       [n, C]
 *   y = last block (x), the row p only                               [C]
 *   feature = text_projection (ln_final (y))                         [E], some with bias
 *
 * The end token is the highest id of a text, unless the configuration names another; a text without it is its first token.
 * A batch is packed: no work is done on padding, unless it is read as any token is, as OpenCLIP's towers without mask do.
 * Of a causal tower the tokens that a text begins with as the one before it in the batch does are not computed again: their
 * rows, keys and values are the same. So sorted texts ("a photo of a cat." … "a photo of a dog.") cost little but their ends.
 */
#include "core/model/block.h"

#include <string.h>

#define MAX_BATCH 64

typedef struct {
  ClipTower tower;
  int layers, embed_dim;
  int context;   /* longest text */
  int end_token; /* 0: the highest id */
  ClipTextPool pool;
  ClipBlockShape shape;

  ClipMatrix token_embedding; /* [vocabulary, C] */
  const float *position;      /* [context, C] */
  ClipBlock *blocks;          /* [layers] */
  ClipNorm ln_final;
  ClipLinear projection; /* [E, C] */
} Text;

/* How the texts of a batch are rows. */
typedef struct {
  int start[MAX_BATCH + 1];
  int key_start[MAX_BATCH + 1];
  int shared[MAX_BATCH]; /* tokens whose rows are those of the text before */
  int picked[MAX_BATCH]; /* the token of each text that becomes its feature */
} Rows;

typedef struct {
  int *keys; /* [key_start[B]] */
  float *x;  /* [rows, C] */
  float *y;  /* [B, C] */
  ClipBlockWorkspace block;
} Workspace;

static void
layout (ClipArena *arena, Workspace *w, const Text *text, const Rows *r, int batch)
{
  const int rows = r->start[batch];
  w->keys = clip_arena_take (arena, r->key_start[batch] * sizeof *w->keys);
  w->x = clip_arena_floats (arena, (gsize) rows * text->shape.width);
  w->y = clip_arena_floats (arena, (gsize) batch * text->shape.width);
  clip_block_layout (arena, &w->block, &text->shape, MAX (rows, batch),
                     batch); /* texts may share all rows */
}

static void
embed (const Text *text, const ClipKernels *kernels, float *x, const gint32 *ids, int from, int to)
{
  const int width = text->shape.width;
  for (int i = from; i < to; i++, x += width) {
    clip_matrix_row (kernels, x, &text->token_embedding,
                     clip_token_row (text->token_embedding.rows, ids[i]));
    kernels->add (x, text->position + (gsize) i * width, width);
  }
}

/* The row of a text that becomes its feature. */
static int
picked_row (const Text *text, const gint32 *ids, int length)
{
  switch (text->pool) {
  case CLIP_TEXT_POOL_FIRST:
    return 0;
  case CLIP_TEXT_POOL_LAST:
    return length - 1;
  default:
    return clip_text_length (ids, length, text->token_embedding.rows, text->end_token) - 1;
  }
}

static int
count_common (const gint32 *a, const gint32 *b, int length)
{
  int n = 0;
  while (n < length && a[n] == b[n])
    n++;
  return n;
}

static void
find_rows (Rows *rows, const Text *text, const gint32 *ids, int batch, int length)
{
  const gboolean causal = text->shape.causal;
  int before = 0;
  rows->start[0] = rows->key_start[0] = 0;
  for (int b = 0; b < batch; b++, ids += length) {
    rows->picked[b] = picked_row (text, ids, length);
    const int n = causal ? rows->picked[b] + 1 : length;
    rows->shared[b] = causal && b > 0 ? count_common (ids, ids - length, MIN (n, before)) : 0;
    rows->start[b + 1] = rows->start[b] + n - rows->shared[b];
    rows->key_start[b + 1] = rows->key_start[b] + n;
    before = n;
  }
}

/* @keys: the row of each token of each text. Tokens become rows in @picked. */
static void
fill_keys (int *keys, Rows *rows, int batch)
{
  for (int b = 0; b < batch; b++) {
    int *own = keys + rows->key_start[b];
    const int n = rows->key_start[b + 1] - rows->key_start[b], shared = rows->shared[b];
    if (shared > 0)
      memcpy (own, keys + rows->key_start[b - 1], shared * sizeof *own);
    for (int i = shared; i < n; i++)
      own[i] = rows->start[b] + i - shared;
    rows->picked[b] = own[rows->picked[b]];
  }
}

static void
forward (const ClipTower *tower, ClipSession *session, float *out, const void *in, int batch,
         int length)
{
  const Text *text = (const Text *) tower;
  const gint32 *ids = in;
  const int width = text->shape.width;
  Rows rows;
  find_rows (&rows, text, ids, batch, length);

  Workspace w;
  ClipArena measure = { 0 };
  layout (&measure, &w, text, &rows, batch);
  clip_arena_reserve (&session->arena, measure.used);
  layout (&session->arena, &w, text, &rows, batch);
  clip_session_reserve_scratch (session, clip_block_scratch (&text->shape, text->context));

  fill_keys (w.keys, &rows, batch);
  const ClipSequences sequences = { batch, rows.start, text->shape.causal ? w.keys : NULL,
                                    rows.key_start };
  for (int b = 0; b < batch; b++)
    embed (text, session->kernels, w.x + (gsize) rows.start[b] * width, ids + (gsize) b * length,
           rows.shared[b], rows.shared[b] + rows.start[b + 1] - rows.start[b]);
  for (int i = 0; i < text->layers - 1; i++)
    clip_block_pre_norm (session, &w.block, &text->shape, &text->blocks[i], w.x, &sequences);
  clip_block_pick (session, &w.block, &text->shape, &text->blocks[text->layers - 1], w.y, w.x,
                   &sequences, rows.picked);

  clip_norm_rows (session, w.y, width, w.y, width, &text->ln_final, text->shape.epsilon, width,
                  batch);
  clip_linear (session, out, text->embed_dim, w.y, width, &text->projection, 1, batch,
               CLIP_LINEAR_STORE);
}

static void
text_free (ClipTower *tower)
{
  Text *text = (Text *) tower;
  g_free (text->blocks);
  g_free (text);
}

ClipTower *
clip_text_new (ClipWeights *weights, const ClipConfig *config, GError **error)
{
  const ClipTextConfig *c = &config->text;
  const int width = c->width;
  const ClipPrecision precision = clip_weights_get_precision (weights);
  Text *text = g_new0 (Text, 1);
  *text = (Text){
    .tower = { "text", MAX_BATCH, forward, text_free, .precision = precision },
    .layers = c->layers,
    .embed_dim = config->embed_dim,
    .context = c->context_length,
    .end_token = c->end_token,
    .pool = c->pool,
    .shape = { width, c->heads, c->mlp_width, c->activation, c->norm_epsilon, !c->no_causal_mask },
  };
  text->token_embedding =
      clip_weights_matrix (weights, c->vocab_size, width, "token_embedding.weight");
  text->position =
      clip_weights_floats (weights, (gsize) c->context_length * width, "positional_embedding");
  text->blocks = clip_blocks_bind (weights, &text->shape, text->layers, "transformer.resblocks");
  text->ln_final = clip_bind_norm (weights, width, "ln_final");
  text->projection.weight =
      clip_weights_matrix (weights, text->embed_dim, width, "text_projection");
  if (c->projection_bias)
    text->projection.bias = clip_weights_vector (weights, text->embed_dim, "text_projection.bias");
  if (clip_precision_is_reduced (precision)) {
    for (int i = 0; i < text->layers; i++)
      clip_block_pack (weights, &text->blocks[i], precision);
    clip_linear_pack (weights, &text->projection, precision);
  }
  if (!clip_weights_ok (weights, error)) {
    text_free (&text->tower);
    return NULL;
  }
  return &text->tower;
}
