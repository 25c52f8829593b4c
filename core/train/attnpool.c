/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/attnpool.h"

#include "core/train/attention.h"
#include "core/train/product.h"

#include <string.h>

typedef struct {
  float *tokens;        /* [B, T, F] */
  float *q;             /* [B, F] */
  float *kv;            /* [B, T, 2·F] */
  float *probabilities; /* of clip_train_attention_forward () */
  float *attended;      /* [B, F] */
  ClipSequences sequences;
} Saved;

void
clip_attention_pool_bind (ClipAttentionPool *pool, ClipParameters *parameters, ClipPart part,
                          int block, int size, int features, int heads, int out, const char *name)
{
  const ClipParameterSpec position = {
    .part = part,
    .block = block,
    .n_dims = 2,
    .shape = { (gint64) size * size + 1, features },
  };
  *pool = (ClipAttentionPool){
    .size = size,
    .features = features,
    .heads = heads,
    .out = out,
    .position = clip_parameters_add (parameters, position, "%s.positional_embedding", name),
    .q = clip_train_linear_add (parameters, part, block, features, features, "%s.q_proj", name),
    .k = clip_train_linear_add (parameters, part, block, features, features, "%s.k_proj", name),
    .v = clip_train_linear_add (parameters, part, block, features, features, "%s.v_proj", name),
    .c = clip_train_linear_add (parameters, part, block, out, features, "%s.c_proj", name),
  };
}

/* ----------------------------------------------------------------------------------------------------------- tokens */

typedef struct {
  const ClipKernels *kernels;
  const ClipAttentionPool *pool;
  float *tokens;  /* forward; or their gradient */
  const float *x; /* forward */
  ClipSink *sink; /* backward */
} Tokens;

static gsize
token_floats (const ClipAttentionPool *pool)
{
  return ((gsize) pool->size * pool->size + 1) * pool->features;
}

static void
make_tokens (void *data, int image, int worker)
{
  const Tokens *t = data;
  const gsize floats = token_floats (t->pool), features = t->pool->features;
  const int positions = t->pool->size * t->pool->size;
  float *tokens = t->tokens + image * floats;
  const float *x = t->x + (gsize) image * positions * features;
  clip_mean_rows (t->kernels, tokens, x, positions, features);
  memcpy (tokens + features, x, positions * features * sizeof *x);
  t->kernels->add (tokens, t->pool->position->value, floats);
}

/* Each position has its own token's gradient and a share of the mean's. */
static void
give_back (void *data, int image, int worker)
{
  const Tokens *t = data;
  const gsize features = t->pool->features;
  const int positions = t->pool->size * t->pool->size;
  float *mean = t->tokens + image * token_floats (t->pool);
  float *g = t->sink->g + (gsize) image * positions * features;
  for (gsize c = 0; c < features; c++)
    mean[c] /= positions;
  for (int i = 0; i < positions; i++, g += features) {
    const float *token = mean + (i + 1) * features;
    if (t->sink->add)
      t->kernels->add (g, token, features);
    else
      memcpy (g, token, features * sizeof *g);
    t->kernels->add (g, mean, features);
  }
  clip_sink_done (t->sink, t->kernels, image, (gsize) image * positions, positions, 0, features);
}

/* ------------------------------------------------------------------------------------------------------------ passes */

static ClipAttention
attention_of (const ClipAttentionPool *pool, const Saved *s)
{
  return (ClipAttention){
    .y = s->attended,
    .y_stride = pool->features,
    .q = s->q,
    .q_stride = pool->features,
    .k = s->kv,
    .v = s->kv + pool->features,
    .kv_stride = 2 * pool->features,
    .keys = &s->sequences,
    .one_query = TRUE,
    .heads = pool->heads,
    .head_size = pool->features / pool->heads,
  };
}

gpointer
clip_attention_pool_forward (ClipTape *tape, float *y, const float *x,
                             const ClipAttentionPool *pool, int batch)
{
  const gsize features = pool->features, floats = token_floats (pool);
  const int length = floats / features;
  Saved *s = clip_tape_take (tape, sizeof *s);
  s->tokens = clip_tape_floats (tape, batch * floats);
  s->q = clip_tape_floats (tape, batch * features);
  s->kv = clip_tape_floats (tape, 2 * batch * floats);
  s->attended = clip_tape_floats (tape, batch * features);
  s->sequences.n = batch;
  s->sequences.start = clip_tape_take (tape, (batch + 1) * sizeof (int));
  for (int b = 0; b <= batch; b++)
    s->sequences.start[b] = b * length;

  Tokens t = { .kernels = tape->kernels, .pool = pool, .tokens = s->tokens, .x = x };
  clip_threads_run (tape->threads, make_tokens, &t, batch);
  clip_train_linear_forward (tape, s->q, features, s->tokens, floats, &pool->q, batch, FALSE);
  clip_train_linear_forward (tape, s->kv, 2 * features, s->tokens, features, &pool->k,
                             batch * length, FALSE);
  clip_train_linear_forward (tape, s->kv + features, 2 * features, s->tokens, features, &pool->v,
                             batch * length, FALSE);
  const ClipAttention attention = attention_of (pool, s);
  s->probabilities = clip_tape_floats (tape, clip_train_attention_size (&attention));
  clip_train_attention_forward (tape, &attention, s->probabilities);
  clip_train_linear_forward (tape, y, pool->out, s->attended, features, &pool->c, batch, FALSE);
  return s;
}

void
clip_attention_pool_backward (ClipTape *tape, ClipSink *dx, const float *dy, gpointer saved,
                              const ClipAttentionPool *pool, int batch)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const gsize features = pool->features, floats = token_floats (pool);
  const int length = floats / features;
  const Saved *s = saved;
  float *d_attended = clip_tape_floats (tape, batch * features);
  float *dq = clip_tape_floats (tape, batch * features);
  float *dkv = clip_tape_floats (tape, 2 * batch * floats);
  float *d_tokens = clip_tape_floats (tape, batch * floats);
  clip_train_linear_backward (tape, d_attended, features, dy, pool->out, s->attended, features,
                              &pool->c, batch, FALSE);
  const ClipAttention attention = attention_of (pool, s);
  const ClipAttentionGradient d = { dq, features, dkv, dkv + features, 2 * features };
  clip_train_attention_backward (tape, &attention, s->probabilities, d_attended, &d);
  clip_train_linear_backward (tape, d_tokens, features, dkv, 2 * features, s->tokens, features,
                              &pool->k, batch * length, FALSE);
  clip_train_linear_backward (tape, d_tokens, features, dkv + features, 2 * features, s->tokens,
                              features, &pool->v, batch * length, TRUE);
  clip_train_linear_backward (tape, d_tokens, floats, dq, features, s->tokens, floats, &pool->q,
                              batch, TRUE);
  if (pool->position->gradient)
    clip_sum_rows (tape, pool->position->gradient, d_tokens, floats, batch, floats);
  if (dx) {
    Tokens t = { .kernels = tape->kernels, .pool = pool, .tokens = d_tokens, .sink = dx };
    clip_sink_begin (dx, tape, batch, features);
    clip_threads_run (tape->threads, give_back, &t, batch);
    clip_sink_end (dx, tape);
  }
  clip_tape_release (tape, mark);
}
