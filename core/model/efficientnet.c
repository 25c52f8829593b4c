/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Image tower: EfficientNet-Lite (Tan & Le 2019; no squeeze-and-excite, ReLU6) under OpenCLIP's names for timm trunks.
 * Pictures are [row, column, channel], so that a 1×1 convolution is a matrix product over positions and a depthwise one
 * runs along channels. Every BatchNorm is folded into its convolution while loading. Padding is TensorFlow's SAME.
 *
 *   x = relu6 (conv_stem (pixels))                      3×3, stride 2                       [R/2, R/2, S]
 *   for each block
 *     wide = relu6 (expand (x))                         1×1; absent in the first stage      [h, w, M]
 *     wide = relu6 (depthwise (wide))                   k×k, stride s                       [h/s, w/s, M]
 *     x = project (wide) (+ x where s = 1 and out = in) 1×1                                 [h/s, w/s, out]
 *   pooled = mean over positions of relu6 (conv_head (x))                                   [F]
 *   feature = head.proj (pooled)                                                            [E]
 *
 * Expansion and depthwise convolution are one step: core/model/widen.h. In int8 are the blocks that expand, the head, the last
 * projection, and the first block where it does not add what it reads: the convolution of pixels takes the place of its
 * expansion. Sizes, numbers and strides of blocks come from the tensors and the resolution; only the strides of the
 * seven stages are written down, for no tensor tells them.
 */
#include "core/model/rounding.h"
#include "core/model/widen-i8.h"

#include <string.h>

#define MAX_BATCH 8
/* Numbers of all pictures of a batch together: a block of more runs picture by picture, a picture for each thread. */
#define LARGE (640 * 1024)

typedef struct {
  ClipWiden widen; /* x [h, w, in] → [h/s, w/s, M] */
  int out;         /* channels */
  gboolean residual;
  ClipLinear project; /* [out, M] */
} Block;

/* The most any step needs, of one image. */
typedef struct {
  gsize x, wide;
} Floats;

typedef struct {
  ClipTower tower;
  int size, embed_dim;
  int features; /* F */
  ClipStem stem;
  gboolean first_i8; /* the first block begins with the pixels, and there is no stem.conv */
  int n_blocks;
  int n_large; /* blocks that run picture by picture, the first ones */
  Block *blocks;
  ClipLinear head; /* [F, out of the last block] */
  ClipLinear proj; /* [E, F] */
  gsize positions; /* int8: the most that a projection has, of one image */
  Floats large, small;
  gsize scratch_floats; /* the most any step needs, of one worker */
} EfficientNet;

typedef struct {
  float *x, *y;     /* [B, h, w, C]: a block's input and output, in turns */
  float *small;     /* [B, h, w, C]: what the large blocks make */
  float *wide;      /* [B, h/s, w/s, M]; then conv_head's output */
  float *pooled;    /* [B, F] */
  ClipQuant *quant; /* [B, h/s, w/s] of bytes whose steps are in the weights they meet; int8 only */
} Workspace;

/* @step: images that the large blocks see at once */
static void
layout (ClipArena *arena, Workspace *w, const EfficientNet *net, int step, int batch)
{
  const gsize x = MAX (step * net->large.x, batch * net->small.x);
  w->x = clip_arena_floats (arena, x);
  w->y = clip_arena_floats (arena, x);
  w->small = clip_arena_floats (arena, batch * net->small.x);
  w->wide = clip_arena_floats (arena, MAX (step * net->large.wide, batch * net->small.wide));
  w->pooled = clip_arena_floats (arena, (gsize) batch * net->features);
  w->quant = clip_arena_take (arena, batch * net->positions * sizeof (ClipQuant));
}

/* y = project (what @w has widened) (+ y) */
static void
project (ClipSession *session, float *y, const Block *block, const Workspace *w, int positions,
         ClipLinearOp op)
{
  const int middle = block->widen.middle;
  const ClipReducedRows bytes = { (const guint32 *) w->wide, middle / 4, w->quant };
  if (block->widen.i8)
    clip_linear_reduced (session, y, block->out, bytes, &block->project, positions, op);
  else
    clip_linear (session, y, block->out, w->wide, middle, &block->project, 1, positions, op);
}

/* w.x = block (x) */
static void
run_block (ClipSession *session, const Block *block, Workspace *w, const float *x, int batch)
{
  const ClipWiden *widen = &block->widen;
  const int positions = batch * widen->out_size * widen->out_size;
  if (widen->i8)
    clip_widen_i8_run (session, (guint8 *) w->wide, x, widen, batch);
  else
    clip_widen_run (session, w->wide, x, widen, batch);
  if (block->residual) {
    project (session, w->x, block, w, positions, CLIP_LINEAR_ADD);
    return;
  }
  project (session, w->y, block, w, positions, CLIP_LINEAR_STORE);
  float *y = w->x;
  w->x = w->y;
  w->y = y;
}

/* ------------------------------------------------------------------------------------------------------------ tower */

/* The blocks from @first to before @end; the first one has @pixels */
static void
run_blocks (const EfficientNet *net, ClipSession *session, Workspace *w, const float *pixels,
            int first, int end, int batch)
{
  if (first == 0 && !net->first_i8)
    clip_stem_run (session, w->x, pixels, &net->stem, batch, CLIP_LINEAR_RELU6);
  for (int i = first; i < end; i++)
    run_block (session, &net->blocks[i], w, i == 0 && net->first_i8 ? pixels : w->x, batch);
}

/* The stem and the large blocks: pictures meet when the threads together keep all of them in their caches. Eight pictures at
 * once took 6 % more of the whole time. */
static void
run_large (const EfficientNet *net, ClipSession *session, Workspace *w, const float *pixels,
           int step, int batch)
{
  const ClipWiden *last = &net->blocks[net->n_large - 1].widen;
  const gsize picture = 3 * (gsize) net->size * net->size,
              small = (gsize) last->out_size * last->out_size * net->blocks[net->n_large - 1].out;
  for (int b = 0; b < batch; b += step) {
    const int n = MIN (step, batch - b);
    run_blocks (net, session, w, pixels + b * picture, 0, net->n_large, n);
    memcpy (w->small + b * small, w->x, n * small * sizeof *w->x);
  }
  w->x = w->small;
}

/* Everything up to the mean over positions; the result, [B, F], lies in the session's arena. */
static const float *
run (const EfficientNet *net, ClipSession *session, const void *in, int batch)
{
  Workspace w;
  ClipArena measure = { 0 };
  const int step = MIN (batch, clip_threads_get_n (session->threads));
  layout (&measure, &w, net, step, batch);
  clip_arena_reserve (&session->arena, measure.used);
  layout (&session->arena, &w, net, step, batch);
  clip_session_reserve_scratch (session, net->scratch_floats);

  for (gsize i = 0; i < batch * net->positions; i++)
    w.quant[i] = (ClipQuant){ 1, 0 };
  run_large (net, session, &w, in, step, batch);
  run_blocks (net, session, &w, NULL, net->n_large, net->n_blocks, batch);

  const Block *last = &net->blocks[net->n_blocks - 1];
  const int positions = last->widen.out_size * last->widen.out_size, features = net->features;
  clip_linear (session, w.wide, features, w.x, last->out, &net->head, 1, batch * positions,
               CLIP_LINEAR_RELU6);
  for (int b = 0; b < batch; b++)
    clip_mean_rows (session->kernels, w.pooled + (gsize) b * features,
                    w.wide + (gsize) b * positions * features, positions, features);
  return w.pooled;
}

static void
pool (const ClipTower *tower, ClipSession *session, float *out, const void *in, int batch,
      int length)
{
  const EfficientNet *net = (const EfficientNet *) tower;
  const float *pooled = run (net, session, in, batch);
  memcpy (out, pooled, (gsize) batch * net->features * sizeof *out);
}

static void
forward (const ClipTower *tower, ClipSession *session, float *out, const void *in, int batch,
         int length)
{
  const EfficientNet *net = (const EfficientNet *) tower;
  clip_linear (session, out, net->embed_dim, run (net, session, in, batch), net->features,
               &net->proj, 1, batch, CLIP_LINEAR_STORE);
}

static void
net_free (ClipTower *tower)
{
  EfficientNet *net = (EfficientNet *) tower;
  for (int i = 0; i < net->n_blocks; i++)
    g_free (net->blocks[i].widen.i8);
  g_free (net->blocks);
  g_free (net);
}

/* ---------------------------------------------------------------------------------------------------------- binding */

#define TRUNK "visual.trunk."
#define STEM TRUNK "conv_stem"
#define STEM_NORM TRUNK "bn1"

typedef struct {
  gboolean i8;
  float epsilon;
  const ClipPreprocessConfig *preprocess;
  float *means; /* int8: of what the block in hand reads (core/model/rounding.h) */
} Bind;

/* A 1×1 convolution; in int8 of inputs that count @step each and have the means[in]. */
static ClipLinear
bind_pointwise (ClipWeights *weights, gboolean i8, int out, int in, float epsilon, const char *conv,
                const char *norm, float step, const float *means)
{
  if (!i8)
    return clip_bind_conv (weights, out, in, 1, epsilon, conv, norm, CLIP_PRECISION_F32);
  ClipLinear layer = clip_bind_folded (weights, out, in, epsilon, conv, norm);
  float *w = (float *) layer.weight.data;
  if (w && means)
    clip_rounding_correct ((float *) layer.bias, &layer.weight, means);
  for (gsize i = 0; w && i < (gsize) out * in; i++)
    w[i] *= step;
  if (w && clip_reduce_pack (weights, &layer.reduced, &layer.weight, CLIP_PRECISION_INT8)) {
    clip_weights_release (weights, w, (gsize) out * in);
    layer.weight.data = NULL;
  }
  return layer;
}

/* Sizes of the block @name behind @in channels of size×size; FALSE: @weights failed. */
static gboolean
measure_block (Block *block, ClipWeights *weights, int in, int size, int stride, gboolean *expands,
               const char *name)
{
  g_autofree char *dw_weight = g_strconcat (name, ".conv_dw.weight", NULL),
                  *pw_weight = g_strconcat (name, ".conv_pw.weight", NULL),
                  *last_weight = g_strconcat (name, ".conv_pwl.weight", NULL);
  gint64 shape[4];
  int out = 0;
  *expands = clip_conv_outputs (weights, &out, last_weight);
  if ((!*expands && !clip_conv_outputs (weights, &out, pw_weight)) ||
      !clip_weights_shape (weights, shape, "%s", dw_weight) || shape[0] < 1 ||
      shape[0] > G_MAXUINT16 || shape[2] != shape[3] || shape[2] < 1 ||
      shape[2] > CLIP_DEPTHWISE_MAX) {
    clip_weights_fail (
        weights, CLIP_ERROR_TENSOR,
        "tensor %s: missing or of an unexpected shape, expected [M, 1, k, k], k ≤ %d", dw_weight,
        CLIP_DEPTHWISE_MAX);
    return FALSE;
  }
  *block = (Block){
    .widen = { .in = in,
               .middle = shape[0],
               .kernel = shape[2],
               .stride = stride,
               .in_size = size,
               .out_size = clip_same_size (size, stride),
               .pad = clip_same_pad (size, shape[2], stride) },
    .out = out,
    .residual = stride == 1 && in == out,
  };
  if (!*expands && block->widen.middle != in)
    clip_weights_fail (weights, CLIP_ERROR_TENSOR, "tensor %s has %d channels, expected %d",
                       dw_weight, block->widen.middle, in);
  return clip_weights_ok (weights, NULL);
}

/* From pixels on: no block that expands, nor one that adds what it reads. */
static gboolean
first_fits (const Block *block, gboolean expands)
{
  return !expands && !block->residual && block->widen.kernel <= CLIP_QUADS_KERNEL_MAX &&
         block->widen.stride <= 2 && block->widen.middle % 4 == 0;
}

/* @net: where this is the first one; otherwise NULL */
static void
bind_block (Block *block, ClipWeights *weights, Bind *bind, EfficientNet *net, int in, int size,
            int stride, const char *name)
{
  gboolean expands;
  if (!measure_block (block, weights, in, size, stride, &expands, name))
    return;
  /* An expanding block has conv_pw, conv_dw, conv_pwl; one that does not, conv_dw, conv_pw. */
  g_autofree char *pointwise = g_strconcat (name, ".conv_pw", NULL),
                  *depthwise = g_strconcat (name, ".conv_dw", NULL),
                  *last = g_strconcat (name, ".conv_pwl", NULL);
  g_autofree char *bn1 = g_strconcat (name, ".bn1", NULL), *bn2 = g_strconcat (name, ".bn2", NULL),
                  *bn3 = g_strconcat (name, ".bn3", NULL);
  ClipWidenNames names = expands ? (ClipWidenNames){ pointwise, bn1, depthwise, bn2 }
                                 : (ClipWidenNames){ NULL, NULL, depthwise, bn1 };
  ClipWiden *widen = &block->widen;
  if (bind->i8 && net && first_fits (block, expands)) {
    net->first_i8 = TRUE;
    names.expand = STEM;
    names.expand_norm = STEM_NORM;
    clip_widen_i8_bind_first (widen, weights, bind->epsilon, &names, &net->stem, bind->preprocess);
  } else if (bind->i8 && clip_widen_i8_fits (widen, &names)) {
    clip_widen_i8_bind (widen, weights, bind->epsilon, &names, bind->means);
  } else {
    clip_widen_bind (widen, weights, bind->epsilon, &names);
  }
  g_autofree float *wide_means =
      clip_norm_means_relu6 (weights, widen->middle, names.depthwise_norm);
  block->project =
      bind_pointwise (weights, widen->i8 != NULL, block->out, widen->middle, bind->epsilon,
                      expands ? last : pointwise, expands ? bn3 : bn2, CLIP_WIDEN_STEP, wide_means);
  float *means = clip_norm_means (weights, block->out, expands ? bn3 : bn2);
  for (int c = 0; means && bind->means && block->residual && c < block->out; c++)
    means[c] += bind->means[c];
  g_free (bind->means);
  bind->means = means;
}

/* Room for what @block computes. */
static void
need (EfficientNet *net, const Block *block)
{
  const ClipWiden *widen = &block->widen;
  net->scratch_floats = MAX (net->scratch_floats, clip_linear_scratch (widen->middle));
  net->scratch_floats = MAX (net->scratch_floats, widen->i8 ? clip_widen_i8_scratch (widen)
                                                            : clip_widen_scratch (widen));
  if (widen->i8)
    net->positions = MAX (net->positions, (gsize) widen->out_size * widen->out_size);
}

/* Whether what a batch expands in this block is more than a second-level cache holds beside other things. */
static gboolean
is_large (const Block *block)
{
  const ClipWiden *widen = &block->widen;
  return (gsize) MAX_BATCH * widen->in_size * widen->in_size * widen->middle > LARGE;
}

static void
bind_blocks (EfficientNet *net, ClipWeights *weights, Bind *bind, int *channels, int *size)
{
  static const int stage_strides[] = { 1, 2, 2, 2, 1, 2, 1 };
  GArray *blocks = g_array_new (FALSE, TRUE, sizeof (Block));
  for (guint stage = 0; stage < G_N_ELEMENTS (stage_strides); stage++) {
    g_autofree char *format = g_strdup_printf (TRUNK "blocks.%u.%%d.conv_dw.weight", stage);
    const int n = clip_weights_count (weights, format);
    if (n == 0)
      clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                         "tensor " TRUNK "blocks.%u.0.conv_dw.weight is missing", stage);
    for (int i = 0; i < n && clip_weights_ok (weights, NULL); i++) {
      g_autofree char *name = g_strdup_printf (TRUNK "blocks.%u.%d", stage, i);
      Block block = { 0 };
      bind_block (&block, weights, bind, stage == 0 && i == 0 ? net : NULL, *channels, *size,
                  i == 0 ? stage_strides[stage] : 1, name);
      g_array_append_val (blocks, block);
      if (!clip_weights_ok (weights, NULL))
        break;
      *channels = block.out;
      *size = block.widen.out_size;
      need (net, &block);
    }
  }
  net->n_blocks = blocks->len;
  net->blocks = (Block *) g_array_free (blocks, FALSE);
}

/* Which blocks are large, and what they and the small ones make. */
static void
divide (EfficientNet *net)
{
  net->n_large = 1;
  while (net->n_large < net->n_blocks && is_large (&net->blocks[net->n_large]))
    net->n_large++;
  for (int i = 0; i < net->n_blocks; i++) {
    const Block *block = &net->blocks[i];
    const gsize positions = (gsize) block->widen.out_size * block->widen.out_size;
    Floats *floats = i < net->n_large ? &net->large : &net->small;
    floats->x = MAX (floats->x, positions * block->out);
    floats->wide = MAX (floats->wide, positions * block->widen.middle);
    if (i == net->n_large - 1) /* what they pass on */
      net->small.x = MAX (net->small.x, positions * block->out);
  }
}

static void
bind_trunk (EfficientNet *net, ClipWeights *weights, Bind *bind)
{
  int channels = 0;
  if (!clip_conv_outputs (weights, &channels, STEM ".weight") ||
      !clip_conv_outputs (weights, &net->features, TRUNK "conv_head.weight")) {
    clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                       "tensors " STEM ".weight, conv_head.weight: missing or empty");
    return;
  }
  net->stem = (ClipStem){
    .size = net->size,
    .out_size = clip_same_size (net->size, 2),
    .pad = clip_same_pad (net->size, 3, 2),
  };
  const int stem_size = net->stem.out_size, stem_channels = channels;
  int size = stem_size;
  bind->means = clip_norm_means_relu6 (weights, channels, STEM_NORM);
  bind_blocks (net, weights, bind, &channels, &size);
  divide (net);
  if (!net->first_i8) {
    net->stem.conv = clip_bind_conv (weights, stem_channels, 3 * 3 * 3, 1, bind->epsilon, STEM,
                                     STEM_NORM, CLIP_PRECISION_F32);
    net->large.x = MAX (net->large.x, (gsize) stem_size * stem_size * stem_channels);
    net->scratch_floats = MAX (net->scratch_floats, clip_stem_scratch (&net->stem));
  }

  net->head = bind_pointwise (weights, bind->i8, net->features, channels, bind->epsilon,
                              TRUNK "conv_head", TRUNK "bn2", 1, bind->means);
  g_free (bind->means);
  net->small.wide = MAX (net->small.wide, (gsize) size * size * net->features);
  net->scratch_floats = MAX (net->scratch_floats, MAX (clip_linear_scratch (channels),
                                                       clip_linear_scratch (net->features)));
}

ClipTower *
clip_efficientnet_new (ClipWeights *weights, const ClipConfig *config, GError **error)
{
  EfficientNet *net = g_new0 (EfficientNet, 1);
  *net = (EfficientNet){
    .tower = { "efficientnet", MAX_BATCH, forward, net_free, pool },
    .size = config->image.image_size,
    .embed_dim = config->embed_dim,
  };
  const gboolean i8 =
      clip_weights_get_precision (weights) == CLIP_PRECISION_INT8 && clip_widen_i8_pays ();
  net->tower.precision = i8 ? CLIP_PRECISION_INT8 : CLIP_PRECISION_F32;
  bind_trunk (net, weights, &(Bind){ i8, config->image.norm_epsilon, &config->preprocess });
  net->tower.pooled_width = net->features;
  net->proj.weight =
      clip_weights_matrix (weights, net->embed_dim, net->features, "visual.head.proj.weight");
  net->proj.bias = clip_weights_vector_optional (weights, net->embed_dim, "visual.head.proj.bias");
  clip_linear_pack (weights, &net->proj, net->tower.precision);
  if (!clip_weights_ok (weights, error)) {
    net_free (&net->tower);
    return NULL;
  }
  return &net->tower;
}
