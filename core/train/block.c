/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/block.h"

#include "core/train/product.h"

#include <string.h>

ClipTrainBlocks
clip_train_blocks_add (ClipParameters *parameters, ClipPart part, const ClipBlockShape *shape,
                       int layers, const char *prefix)
{
  const int width = shape->width, mlp_width = shape->mlp_width;
  ClipTrainBlocks blocks = { *shape, FALSE, layers, g_new0 (ClipTrainBlock, layers) };
  for (int i = 0; i < layers; i++) {
    ClipTrainBlock *block = &blocks.blocks[i];
    const int number = i + 1;
    g_autofree char *name = g_strdup_printf ("%s.%d", prefix, i);
    gint64 scale[4];
    if (clip_weights_shape (parameters->weights, scale, "%s.ls_1.gamma", name))
      clip_weights_fail (parameters->weights, CLIP_ERROR_UNSUPPORTED,
                         "has LayerScale, which can be used but not trained");
    block->norm1 = clip_train_norm_add (parameters, part, number, width, "%s.ln_1", name);
    const ClipParameterSpec weight = { part,          number,      CLIP_ORDER_QKV,
                                       .decay = TRUE, .n_dims = 2, .shape = { 3 * width, width } },
                            bias = { part, number, CLIP_ORDER_QKV, .n_dims = 1,
                                     .shape = { 3 * width } };
    block->qkv[0] = (ClipTrainLinear){
      .weight = clip_parameters_add (parameters, weight, "%s.attn.in_proj_weight", name),
      .bias = clip_parameters_add (parameters, bias, "%s.attn.in_proj_bias", name),
      .out = 3 * width,
      .in = width,
    };
    block->out =
        clip_train_linear_add (parameters, part, number, width, width, "%s.attn.out_proj", name);
    block->norm2 = clip_train_norm_add (parameters, part, number, width, "%s.ln_2", name);
    block->fc =
        clip_train_linear_add (parameters, part, number, mlp_width, width, "%s.mlp.c_fc", name);
    block->proj =
        clip_train_linear_add (parameters, part, number, width, mlp_width, "%s.mlp.c_proj", name);
  }
  return blocks;
}

/* What one block keeps; @n: rows of all that comes after the attention. */
typedef struct _ClipBlockKept {
  const float *x;       /* [rows, C] */
  float *qkv;           /* [rows, 3C] */
  float *query;         /* [B, C]: where rows are picked; q of the others is not computed */
  float *probabilities; /* NULL: not kept */
  float *attended;      /* [n, C] */
  float *middle;        /* [n, C] */
  float *hidden;        /* [n, M] */
  float *last;          /* [n, C]: post-norm */
} Kept;

/* A block at work. */
typedef struct {
  ClipTape *tape;
  const ClipBlockShape *shape;
  const ClipTrainBlock *block;
  const ClipSequences *sequences;
  const int *picked;
  int width, mlp_width, rows, n;
  gboolean post_norm;
} Pass;

static Pass
pass_of (ClipTape *tape, const ClipTrainBlocks *blocks, int i, const ClipSequences *sequences,
         const int *picked)
{
  const int rows = sequences->start[sequences->n];
  const gboolean picks = picked && i == blocks->layers - 1;
  return (Pass){
    .tape = tape,
    .shape = &blocks->shape,
    .block = &blocks->blocks[i],
    .sequences = sequences,
    .picked = picks ? picked : NULL,
    .width = blocks->shape.width,
    .mlp_width = blocks->shape.mlp_width,
    .rows = rows,
    .n = picks ? sequences->n : rows,
    .post_norm = blocks->post_norm,
  };
}

static ClipAttention
attention_of (const Pass *p, const Kept *k)
{
  return (ClipAttention){
    .y = k->attended,
    .y_stride = p->width,
    .q = p->picked ? k->query : k->qkv,
    .q_stride = p->picked ? p->width : 3 * p->width,
    .k = k->qkv + p->width,
    .v = k->qkv + 2 * p->width,
    .kv_stride = 3 * p->width,
    .keys = p->sequences,
    .one_query = p->picked != NULL,
    .causal = p->shape->causal && !p->picked,
    .heads = p->shape->heads,
    .head_size = p->width / p->shape->heads,
  };
}

static Kept *
take (const Pass *p, const float *x, gboolean learn)
{
  ClipTape *tape = p->tape;
  const gsize width = p->width;
  Kept *k = clip_tape_take (tape, sizeof *k);
  *k = (Kept){
    .x = x,
    .qkv = clip_tape_floats (tape, p->rows * 3 * width),
    .query = p->picked ? clip_tape_floats (tape, p->n * width) : NULL,
    .attended = clip_tape_floats (tape, p->n * width),
    .middle = clip_tape_floats (tape, p->n * width),
    .hidden = clip_tape_floats (tape, (gsize) p->n * p->mlp_width),
    .last = p->post_norm ? clip_tape_floats (tape, p->n * width) : NULL,
  };
  const ClipAttention a = attention_of (p, k);
  if (learn)
    k->probabilities = clip_tape_floats (tape, clip_train_attention_size (&a));
  return k;
}

/* y[n, C] = norm (x) in memory of its own */
static float *
normalized (const Pass *p, const float *x, const ClipTrainNorm *norm, int rows)
{
  float *y = clip_tape_floats (p->tape, (gsize) rows * p->width);
  clip_train_norm_forward (p->tape, y, x, norm, p->shape->epsilon, p->width, rows);
  return y;
}

/* ------------------------------------------------------------------------------------------ forward */

/* q, k and v of @x [rows, C], then what they attend to. */
static void
attend (const Pass *p, Kept *k, const float *x)
{
  ClipTape *tape = p->tape;
  const int width = p->width;
  const ClipTrainLinear *qkv = p->block->qkv;
  if (p->post_norm) {
    for (int i = 0; i < 3; i++)
      clip_train_linear_forward (tape, k->qkv + i * width, 3 * width, x, width, &qkv[i], p->rows,
                                 FALSE);
  } else if (p->picked) {
    const ClipTrainLinear q = clip_train_linear_rows (qkv, 0, width),
                          kv = clip_train_linear_rows (qkv, width, 2 * width);
    float *some = clip_tape_floats (tape, (gsize) p->n * width);
    clip_gather_rows (some, x, p->picked, p->n, width);
    clip_train_linear_forward (tape, k->query, width, some, width, &q, p->n, FALSE);
    clip_train_linear_forward (tape, k->qkv + width, 3 * width, x, width, &kv, p->rows, FALSE);
  } else {
    clip_train_linear_forward (tape, k->qkv, 3 * width, x, width, qkv, p->rows, FALSE);
  }
  const ClipAttention a = attention_of (p, k);
  clip_train_attention_forward (tape, &a, k->probabilities);
}

/* y[n, C] = base + proj (act (fc (x))) */
static void
mlp (const Pass *p, Kept *k, float *y, const float *base, const float *x)
{
  ClipTape *tape = p->tape;
  const gsize hidden = (gsize) p->n * p->mlp_width;
  clip_train_linear_forward (tape, k->hidden, p->mlp_width, x, p->width, &p->block->fc, p->n,
                             FALSE);
  float *active = clip_tape_floats (tape, hidden);
  clip_train_activation_forward (tape, active, k->hidden, p->shape->activation, hidden);
  clip_train_copy (tape, y, base, (gsize) p->n * p->width);
  clip_train_linear_forward (tape, y, p->width, active, p->mlp_width, &p->block->proj, p->n, TRUE);
}

/* y may be x */
static void
forward (const Pass *p, Kept *k, float *y)
{
  ClipTape *tape = p->tape;
  const ClipTrainBlock *block = p->block;
  ClipTapeMark mark = clip_tape_mark (tape);
  attend (p, k, p->post_norm ? k->x : normalized (p, k->x, &block->norm1, p->rows));
  clip_tape_release (tape, mark);

  if (p->picked)
    clip_gather_rows (k->middle, k->x, p->picked, p->n, p->width);
  else
    clip_train_copy (tape, k->middle, k->x, (gsize) p->n * p->width);
  clip_train_linear_forward (tape, k->middle, p->width, k->attended, p->width, &block->out, p->n,
                             TRUE);

  mark = clip_tape_mark (tape);
  if (p->post_norm) {
    const float *x = normalized (p, k->middle, &block->norm1, p->n);
    mlp (p, k, k->last, x, x);
    clip_train_norm_forward (tape, y, k->last, &block->norm2, p->shape->epsilon, p->width, p->n);
  } else {
    mlp (p, k, y, k->middle, normalized (p, k->middle, &block->norm2, p->n));
  }
  clip_tape_release (tape, mark);
}

float *
clip_train_blocks_forward (ClipTape *tape, const ClipTrainBlocks *blocks, ClipBlocksPass *pass,
                           float *x, const ClipSequences *sequences, const int *picked, int first)
{
  *pass = (ClipBlocksPass){ sequences, picked, first };
  pass->kept = clip_tape_take (tape, blocks->layers * sizeof *pass->kept);
  for (int i = 0; i < blocks->layers; i++) {
    const Pass p = pass_of (tape, blocks, i, sequences, picked);
    const gboolean learn = i >= first;
    float *y = learn || p.picked ? clip_tape_floats (tape, (gsize) p.n * p.width) : x;
    const ClipTapeMark mark = clip_tape_mark (tape);
    pass->kept[i] = take (&p, x, learn);
    forward (&p, pass->kept[i], y);
    if (!learn)
      clip_tape_release (tape, mark);
    x = y;
  }
  return x;
}

/* ----------------------------------------------------------------------------------------- backward */

/* From d [n, C] of the output to dx [n, C] of what entered fc, @x; the hidden layer is spent. */
static void
mlp_backward (const Pass *p, Kept *k, float *dx, const float *d, const float *x, gboolean add)
{
  ClipTape *tape = p->tape;
  const gsize hidden = (gsize) p->n * p->mlp_width;
  const ClipTrainLinear *fc = &p->block->fc, *proj = &p->block->proj;
  float *d_hidden = clip_tape_floats (tape, hidden);
  clip_product_nn (tape, d_hidden, p->mlp_width, d, p->width, proj->weight->value, p->mlp_width,
                   p->n, p->mlp_width, p->width, FALSE);
  clip_train_activation_backward (tape, d_hidden, k->hidden, p->shape->activation, hidden);
  clip_train_linear_backward (tape, NULL, 0, d, p->width, k->hidden, p->mlp_width, proj, p->n,
                              FALSE);
  clip_train_linear_backward (tape, dx, p->width, d_hidden, p->mlp_width, x, p->width, fc, p->n,
                              add);
}

/* From d [n, C] of what the output projection gives to dx [rows, C] of what entered q, k and v, @x. */
static void
attend_backward (const Pass *p, Kept *k, float *dx, const float *d, const float *x, gboolean add)
{
  ClipTape *tape = p->tape;
  const int width = p->width;
  const ClipTrainLinear *qkv = p->block->qkv;
  float *d_attended = clip_tape_floats (tape, (gsize) p->n * width),
        *d_qkv = clip_tape_floats (tape, (gsize) p->rows * 3 * width);
  clip_train_linear_backward (tape, d_attended, width, d, width, k->attended, width, &p->block->out,
                              p->n, FALSE);

  const ClipAttention a = attention_of (p, k);
  const ClipAttentionGradient gradient = {
    .q = p->picked ? clip_tape_floats (tape, (gsize) p->n * width) : d_qkv,
    .q_stride = a.q_stride,
    .k = d_qkv + width,
    .v = d_qkv + 2 * width,
    .kv_stride = 3 * width,
  };
  clip_train_attention_backward (tape, &a, k->probabilities, d_attended, &gradient);

  if (p->post_norm) {
    for (int i = 0; i < 3; i++)
      clip_train_linear_backward (tape, dx, width, d_qkv + i * width, 3 * width, x, width, &qkv[i],
                                  p->rows, add || i > 0);
  } else if (p->picked) {
    const ClipTrainLinear q = clip_train_linear_rows (qkv, 0, width),
                          kv = clip_train_linear_rows (qkv, width, 2 * width);
    float *some = clip_tape_floats (tape, (gsize) p->n * width), *d_some = d_attended;
    clip_gather_rows (some, x, p->picked, p->n, width);
    clip_train_linear_backward (tape, d_some, width, gradient.q, width, some, width, &q, p->n,
                                FALSE);
    clip_train_linear_backward (tape, dx, width, d_qkv + width, 3 * width, x, width, &kv, p->rows,
                                add);
    clip_train_scatter_rows (tape, dx, d_some, p->picked, p->n, width);
  } else {
    clip_train_linear_backward (tape, dx, width, d_qkv, 3 * width, x, width, qkv, p->rows, add);
  }
}

/* @d becomes the gradient of x. */
static void
backward_post_norm (const Pass *p, Kept *k, float *d)
{
  ClipTape *tape = p->tape;
  const ClipTrainBlock *block = p->block;
  const float epsilon = p->shape->epsilon;
  clip_train_norm_backward (tape, d, d, k->last, &block->norm2, epsilon, p->width, p->n, FALSE);
  ClipTapeMark mark = clip_tape_mark (tape);
  mlp_backward (p, k, d, d, normalized (p, k->middle, &block->norm1, p->n), TRUE);
  clip_tape_release (tape, mark);
  clip_train_norm_backward (tape, d, d, k->middle, &block->norm1, epsilon, p->width, p->n, FALSE);
  mark = clip_tape_mark (tape);
  attend_backward (p, k, d, d, k->x, TRUE);
  clip_tape_release (tape, mark);
}

/* @dx [rows, C] becomes the gradient of x; it is @d where no rows are picked, else zero. */
static void
backward_pre_norm (const Pass *p, Kept *k, float *dx, float *d)
{
  ClipTape *tape = p->tape;
  const ClipTrainBlock *block = p->block;
  const float epsilon = p->shape->epsilon;
  ClipTapeMark mark = clip_tape_mark (tape);
  float *dn = clip_tape_floats (tape, (gsize) p->n * p->width);
  mlp_backward (p, k, dn, d, normalized (p, k->middle, &block->norm2, p->n), FALSE);
  clip_train_norm_backward (tape, d, dn, k->middle, &block->norm2, epsilon, p->width, p->n, TRUE);
  clip_tape_release (tape, mark);

  mark = clip_tape_mark (tape);
  dn = clip_tape_floats (tape, (gsize) p->rows * p->width);
  attend_backward (p, k, dn, d, normalized (p, k->x, &block->norm1, p->rows), FALSE);
  clip_train_norm_backward (tape, dx, dn, k->x, &block->norm1, epsilon, p->width, p->rows,
                            !p->picked);
  clip_tape_release (tape, mark);
  if (p->picked)
    clip_train_scatter_rows (tape, dx, d, p->picked, p->n, p->width);
}

float *
clip_train_blocks_backward (ClipTape *tape, const ClipTrainBlocks *blocks,
                            const ClipBlocksPass *pass, float *d)
{
  for (int i = blocks->layers - 1; i >= MAX (pass->first, 0); i--) {
    const Pass p = pass_of (tape, blocks, i, pass->sequences, pass->picked);
    if (p.post_norm) {
      backward_post_norm (&p, pass->kept[i], d);
      continue;
    }
    float *dx = p.picked ? clip_tape_floats (tape, (gsize) p.rows * p.width) : d;
    backward_pre_norm (&p, pass->kept[i], dx, d);
    d = dx;
  }
  return d;
}
