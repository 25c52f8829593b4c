/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trunk that is trained: CLIP's causal text transformer of core/model/text.c.
 *
 *   n = 1 + place of the end token
 *   x = token_embedding[ids[0 … n-1]] + position[0 … n-1]             [n, C]
 *   x = blocks (x), of the last one the end token's row only          [C]
 *   pooled = ln_final (x)                                             [C]
 *
 * A batch is packed: no work is done on padding.
 */
#include "core/train/block.h"
#include "core/train/trainable.h"

typedef struct {
  ClipTrunk trunk;
  ClipParameters *parameters;
  int vocabulary, end_token;
  ClipParameter *token_embedding, *position; /* [vocabulary, C], [context, C] */
  ClipTrainBlocks blocks;
  ClipTrainNorm ln_final;
} Text;

typedef struct {
  int deepest;
  ClipSequences sequences;
  int *end; /* [B]: rows of the end tokens */
  ClipLookup lookups[2];
  ClipBlocksPass blocks;
  float *last; /* [B, C]: what entered ln_final */
} Saved;

static void
pack (const Text *text, ClipTape *tape, Saved *saved, const gint32 *ids, int batch, int length)
{
  saved->sequences = (ClipSequences){ batch, clip_tape_take (tape, (batch + 1) * sizeof (int)) };
  saved->end = clip_tape_take (tape, batch * sizeof *saved->end);
  int *start = saved->sequences.start;
  start[0] = 0;
  for (int b = 0; b < batch; b++) {
    start[b + 1] = start[b] + clip_text_length (ids + (gsize) b * length, length, text->vocabulary,
                                                text->end_token);
    saved->end[b] = start[b + 1] - 1;
  }
  int *token = clip_tape_take (tape, start[batch] * sizeof *token),
      *place = clip_tape_take (tape, start[batch] * sizeof *place);
  for (int b = 0; b < batch; b++) {
    for (int i = 0; i < start[b + 1] - start[b]; i++) {
      token[start[b] + i] = clip_token_row (text->vocabulary, ids[(gsize) b * length + i]);
      place[start[b] + i] = i;
    }
  }
  saved->lookups[0] = (ClipLookup){ text->token_embedding, token };
  saved->lookups[1] = (ClipLookup){ text->position, place };
}

static gpointer
forward (ClipTrunk *trunk, ClipTape *tape, float *pooled, const void *in, int batch, int length,
         gboolean learn)
{
  Text *text = (Text *) trunk;
  const int width = trunk->width;
  const ClipTapeMark start = clip_tape_mark (tape);
  Saved *saved = clip_tape_take (tape, sizeof *saved);
  *saved = (Saved){ learn ? clip_train_deepest (text->parameters, CLIP_PART_TEXT) : G_MAXINT };
  pack (text, tape, saved, in, batch, length);
  const int rows = saved->sequences.start[batch];
  float *x = clip_tape_floats (tape, (gsize) rows * width);
  clip_train_embed_forward (tape, x, saved->lookups, 2, width, rows);
  saved->last = clip_train_blocks_forward (tape, &text->blocks, &saved->blocks, x,
                                           &saved->sequences, saved->end, saved->deepest - 1);
  clip_train_norm_forward (tape, pooled, saved->last, &text->ln_final, text->blocks.shape.epsilon,
                           width, batch);
  if (saved->deepest < G_MAXINT)
    return saved;
  clip_tape_release (tape, start);
  return NULL;
}

static void
backward (ClipTrunk *trunk, ClipTape *tape, gpointer data, const float *d_pooled)
{
  Text *text = (Text *) trunk;
  const Saved *saved = data;
  const int width = trunk->width, batch = saved->sequences.n;
  const ClipTapeMark mark = clip_tape_mark (tape);
  float *d = clip_tape_floats (tape, (gsize) batch * width);
  clip_train_norm_backward (tape, d, d_pooled, saved->last, &text->ln_final,
                            text->blocks.shape.epsilon, width, batch, FALSE);
  d = clip_train_blocks_backward (tape, &text->blocks, &saved->blocks, d);
  if (saved->deepest == 0)
    clip_train_embed_backward (tape, d, saved->lookups, 2, width, saved->sequences.start[batch]);
  clip_tape_release (tape, mark);
}

static void
text_free (ClipTrunk *trunk)
{
  Text *text = (Text *) trunk;
  g_free (text->blocks.blocks);
  g_free (text);
}

ClipTrunk *
clip_train_text_new (ClipParameters *parameters, const ClipConfig *config)
{
  const ClipTextConfig *c = &config->text;
  const ClipPart part = CLIP_PART_TEXT;
  if (c->no_causal_mask || c->pool != CLIP_TEXT_POOL_END || c->projection_bias ||
      c->activation == CLIP_ACTIVATION_GELU_TANH)
    clip_weights_fail (parameters->weights, CLIP_ERROR_UNSUPPORTED,
                       "has a text tower without causal mask or end token, or with a projection "
                       "that has a bias, or GELU by tanh, which can be used but not trained");
  Text *text = g_new0 (Text, 1);
  *text = (Text){
    .trunk = { "text", c->width, forward, backward, text_free },
    .parameters = parameters,
    .vocabulary = c->vocab_size,
    .end_token = c->end_token,
  };
  const ClipParameterSpec token = { part, 0, .decay = TRUE, .n_dims = 2,
                                    .shape = { c->vocab_size, c->width } },
                          position = { part, 0, .n_dims = 2,
                                       .shape = { c->context_length, c->width } };
  text->token_embedding = clip_parameters_add (parameters, token, "token_embedding.weight");
  text->position = clip_parameters_add (parameters, position, "positional_embedding");
  const ClipBlockShape shape = { c->width,      c->heads,        c->mlp_width,
                                 c->activation, c->norm_epsilon, TRUE };
  text->blocks =
      clip_train_blocks_add (parameters, part, &shape, c->layers, "transformer.resblocks");
  text->ln_final = clip_train_norm_add (parameters, part, c->layers + 1, c->width, "ln_final");
  return &text->trunk;
}
