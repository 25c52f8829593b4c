/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trunk that is trained: the BERT and RoBERTa of core/model/bert.c, where their rows are pooled by the mean.
 *
 *   n = tokens that are no padding, wherever it stands
 *   x = norm (word[ids] + position + token_type[0])                  [n, C]
 *   x = blocks (x), post-norm, bidirectional                         [n, C]
 *   pooled = mean of the n rows                                      [C]
 *
 * A batch is packed: no work is done on padding, and nothing is masked.
 */
#include "core/train/block.h"
#include "core/train/product.h"
#include "core/train/trainable.h"

#include <string.h>

#define TRUNK "text.transformer."

typedef struct {
  ClipTrunk trunk;
  ClipParameters *parameters;
  int vocabulary, pad_token;
  int first_position; /* RoBERTa's; -1: BERT, whose positions are places in the text */
  ClipParameter *words, *position, *type; /* [vocabulary, C], [≥ positions, C], [types, C] */
  ClipTrainNorm norm;
  ClipTrainBlocks blocks;
} Bert;

typedef struct {
  int deepest;
  ClipSequences sequences;
  ClipLookup lookups[3];
  float *embedded; /* [rows, C]: what entered norm */
  ClipBlocksPass blocks;
} Saved;

static void
pack (const Bert *bert, ClipTape *tape, Saved *saved, const gint32 *ids, int batch, int length)
{
  saved->sequences = (ClipSequences){ batch, clip_tape_take (tape, (batch + 1) * sizeof (int)) };
  int *token = clip_tape_take (tape, (gsize) batch * length * sizeof *token),
      *place = clip_tape_take (tape, (gsize) batch * length * sizeof *place), n = 0;
  for (int b = 0; b < batch; b++, ids += length) {
    saved->sequences.start[b] = n;
    for (int i = 0; i < length; i++) {
      if (!clip_bert_reads (ids, i, bert->vocabulary, bert->pad_token))
        continue;
      token[n] = clip_token_row (bert->vocabulary, ids[i]);
      place[n] =
          bert->first_position < 0 ? i : bert->first_position + n - saved->sequences.start[b];
      n++;
    }
  }
  saved->sequences.start[batch] = n;
  saved->lookups[0] = (ClipLookup){ bert->words, token };
  saved->lookups[1] = (ClipLookup){ bert->position, place };
  saved->lookups[2] = (ClipLookup){ bert->type, NULL };
}

typedef struct {
  const ClipKernels *kernels;
  const ClipSequences *sequences;
  float *pooled, *x;
  int width;
} Mean;

static void
mean_range (void *data, int first, int end)
{
  const Mean *m = data;
  const int *start = m->sequences->start;
  for (int b = first; b < end; b++)
    clip_mean_rows (m->kernels, m->pooled + (gsize) b * m->width,
                    m->x + (gsize) start[b] * m->width, start[b + 1] - start[b], m->width);
}

static void
mean_range_backward (void *data, int first, int end)
{
  const Mean *m = data;
  const int *start = m->sequences->start;
  for (int b = first; b < end; b++) {
    const float *d = m->pooled + (gsize) b * m->width;
    float *row = m->x + (gsize) start[b] * m->width;
    for (int c = 0; c < m->width; c++)
      row[c] = d[c] / (start[b + 1] - start[b]);
    for (int i = start[b] + 1; i < start[b + 1]; i++)
      memcpy (m->x + (gsize) i * m->width, row, m->width * sizeof *row);
  }
}

static gpointer
forward (ClipTrunk *trunk, ClipTape *tape, float *pooled, const void *in, int batch, int length,
         gboolean learn)
{
  Bert *bert = (Bert *) trunk;
  const int width = trunk->width;
  const ClipTapeMark start = clip_tape_mark (tape);
  Saved *saved = clip_tape_take (tape, sizeof *saved);
  *saved = (Saved){ learn ? clip_train_deepest (bert->parameters, CLIP_PART_TEXT) : G_MAXINT };
  pack (bert, tape, saved, in, batch, length);
  const int rows = saved->sequences.start[batch];
  float *x = clip_tape_floats (tape, (gsize) rows * width);
  saved->embedded = saved->deepest == 0 ? clip_tape_floats (tape, (gsize) rows * width) : x;
  clip_train_embed_forward (tape, saved->embedded, saved->lookups, 3, width, rows);
  clip_train_norm_forward (tape, x, saved->embedded, &bert->norm, bert->blocks.shape.epsilon, width,
                           rows);
  x = clip_train_blocks_forward (tape, &bert->blocks, &saved->blocks, x, &saved->sequences, NULL,
                                 saved->deepest - 1);
  Mean mean = { tape->kernels, &saved->sequences, pooled, x, width };
  clip_for_ranges (tape, mean_range, &mean, batch, 8);
  if (saved->deepest < G_MAXINT)
    return saved;
  clip_tape_release (tape, start);
  return NULL;
}

static void
backward (ClipTrunk *trunk, ClipTape *tape, gpointer data, const float *d_pooled)
{
  Bert *bert = (Bert *) trunk;
  const Saved *saved = data;
  const int width = trunk->width, batch = saved->sequences.n, rows = saved->sequences.start[batch];
  const ClipTapeMark mark = clip_tape_mark (tape);
  float *d = clip_tape_floats (tape, (gsize) rows * width);
  Mean mean = { tape->kernels, &saved->sequences, (float *) d_pooled, d, width };
  clip_for_ranges (tape, mean_range_backward, &mean, batch, 8);
  d = clip_train_blocks_backward (tape, &bert->blocks, &saved->blocks, d);
  if (saved->deepest == 0) {
    clip_train_norm_backward (tape, d, d, saved->embedded, &bert->norm, bert->blocks.shape.epsilon,
                              width, rows, FALSE);
    clip_train_embed_backward (tape, d, saved->lookups, 3, width, rows);
  }
  clip_tape_release (tape, mark);
}

static void
bert_free (ClipTrunk *trunk)
{
  Bert *bert = (Bert *) trunk;
  g_free (bert->blocks.blocks);
  g_free (bert);
}

static void
add_block (ClipParameters *parameters, ClipTrainBlock *block, const ClipBlockShape *shape, int i)
{
  static const char *const parts[] = { "query", "key", "value" };
  const int width = shape->width, number = i + 1;
  const ClipPart part = CLIP_PART_TEXT;
  g_autofree char *name = g_strdup_printf (TRUNK "encoder.layer.%d", i);
  for (int j = 0; j < 3; j++)
    block->qkv[j] = clip_train_linear_add (parameters, part, number, width, width,
                                           "%s.attention.self.%s", name, parts[j]);
  block->out = clip_train_linear_add (parameters, part, number, width, width,
                                      "%s.attention.output.dense", name);
  block->norm1 =
      clip_train_norm_add (parameters, part, number, width, "%s.attention.output.LayerNorm", name);
  block->fc = clip_train_linear_add (parameters, part, number, shape->mlp_width, width,
                                     "%s.intermediate.dense", name);
  block->proj = clip_train_linear_add (parameters, part, number, width, shape->mlp_width,
                                       "%s.output.dense", name);
  block->norm2 = clip_train_norm_add (parameters, part, number, width, "%s.output.LayerNorm", name);
}

/* A table of at least @n rows: as many as the file has. */
static ClipParameter *
add_table (ClipParameters *parameters, int n, int width, gboolean decay, const char *what)
{
  gint64 shape[4];
  if (clip_weights_shape (parameters->weights, shape, TRUNK "embeddings.%s_embeddings.weight",
                          what) &&
      shape[0] < n)
    clip_weights_fail (parameters->weights, CLIP_ERROR_TENSOR,
                       "tensor " TRUNK
                       "embeddings.%s_embeddings.weight has %d rows, expected %d at "
                       "least",
                       what, (int) shape[0], n);
  else if (clip_weights_shape (parameters->weights, shape, TRUNK "embeddings.%s_embeddings.weight",
                               what))
    n = CLAMP (shape[0], n, G_MAXINT);
  const ClipParameterSpec spec = { CLIP_PART_TEXT, 0, .decay = decay, .n_dims = 2,
                                   .shape = { n, width } };
  return clip_parameters_add (parameters, spec, TRUNK "embeddings.%s_embeddings.weight", what);
}

ClipTrunk *
clip_train_bert_new (ClipParameters *parameters, const ClipConfig *config)
{
  const ClipTextConfig *c = &config->text;
  if (c->pool != CLIP_TEXT_POOL_MEAN)
    clip_weights_fail (
        parameters->weights, CLIP_ERROR_UNSUPPORTED,
        "has a text tower of BERT's kind that pools by its first token, which can be "
        "used but not trained");
  Bert *bert = g_new0 (Bert, 1);
  *bert = (Bert){
    .trunk = { "bert", c->width, forward, backward, bert_free },
    .parameters = parameters,
    .vocabulary = c->vocab_size,
    .pad_token = c->pad_token,
    .first_position = c->roberta ? c->pad_token + 1 : -1,
    .blocks = { { c->width, c->heads, c->mlp_width, c->activation, c->norm_epsilon, FALSE },
                TRUE,
                c->layers,
                g_new0 (ClipTrainBlock, c->layers) },
  };
  bert->words = add_table (parameters, c->vocab_size, c->width, TRUE, "word");
  bert->position = add_table (parameters, MAX (bert->first_position, 0) + c->context_length,
                              c->width, FALSE, "position");
  bert->type = add_table (parameters, 1, c->width, FALSE, "token_type");
  bert->norm =
      clip_train_norm_add (parameters, CLIP_PART_TEXT, 0, c->width, TRUNK "embeddings.LayerNorm");
  for (int i = 0; i < c->layers; i++)
    add_block (parameters, &bert->blocks.blocks[i], &bert->blocks.shape, i);
  return &bert->trunk;
}
