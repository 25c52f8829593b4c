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
 * Expansion and depthwise convolution are one step: a task makes some channels of some rows, and what is expanded never
 * leaves its scratch. Sizes, numbers and strides of blocks come from the tensors and the resolution; only the strides of
 * the seven stages are written down, for no tensor tells them.
 */
#include "core/model/conv.h"

#include <string.h>

#define MAX_BATCH 8

typedef struct {
  int in, middle, out; /* channels */
  int kernel, stride;
  int in_size, out_size; /* rows and columns */
  int pad;               /* rows above, columns to the left */
  gboolean residual;
  ClipLinear expand;           /* [M, in]; no rows: x is taken as it is */
  const float *depthwise;      /* per panel of channels: [k, k, panel] */
  const float *depthwise_bias; /* [M] */
  ClipLinear project;          /* [out, M] */
} Block;

typedef struct {
  ClipTower tower;
  int size, embed_dim;
  int features; /* F */
  ClipStem stem;
  int n_blocks;
  Block *blocks;
  ClipLinear head; /* [F, out of the last block] */
  ClipLinear proj; /* [E, F] */
  gsize x_floats, wide_floats,
      scratch_floats; /* the most any step needs, of one image or one worker */
} EfficientNet;

typedef struct {
  float *x, *y;  /* [B, h, w, C]: a block's input and output, in turns */
  float *wide;   /* [B, h/s, w/s, M]; then conv_head's output */
  float *pooled; /* [B, F] */
} Workspace;

static void
layout (ClipArena *arena, Workspace *w, const EfficientNet *net, int batch)
{
  w->x = clip_arena_floats (arena, batch * net->x_floats);
  w->y = clip_arena_floats (arena, batch * net->x_floats);
  w->wide = clip_arena_floats (arena, batch * net->wide_floats);
  w->pooled = clip_arena_floats (arena, (gsize) batch * net->features);
}

/* TensorFlow's SAME: out = ⌈n / s⌉, the odd one of the padding goes behind. */
static int
same_size (int n, int stride)
{
  return (n + stride - 1) / stride;
}

static int
same_pad (int n, int kernel, int stride)
{
  return MAX ((same_size (n, stride) - 1) * stride + kernel - n, 0) / 2;
}

/* --------------------------------------------------------------------------------------------- expand and depthwise */

/* Channels of a panel: long enough for the products, short enough for several tasks in the narrowest blocks. */
#define PANEL 96
/* Floats of expanded rows a task keeps: they are to stay in the second-level cache. */
#define BAND_FLOATS (96 * 1024)

/* Output rows of a band: as many as keep its input rows within BAND_FLOATS, all of a small picture. */
static int
band_rows (const Block *block)
{
  const int width = block->in_size + block->kernel, panel = MIN (PANEL, block->middle);
  const int in_rows = BAND_FLOATS / (width * panel);
  return CLAMP ((in_rows - block->kernel) / block->stride + 1, 1, block->out_size);
}

static int
in_rows (const Block *block, int out_rows)
{
  return (out_rows - 1) * block->stride + block->kernel;
}

static int
padded_width (const Block *block)
{
  return (block->out_size - 1) * block->stride + block->kernel + block->stride;
}

static gsize
block_scratch (const Block *block)
{
  return (gsize) in_rows (block, band_rows (block)) * padded_width (block) *
         MIN (PANEL, block->middle);
}

typedef struct {
  ClipSession *session;
  const Block *block;
  float *y;       /* [B, h/s, w/s, M] */
  const float *x; /* [B, h, w, in] */
  int band, n_bands, n_panels;
} Widen;

/* band[rows, padded width, n] = the channels @first … of rows @top … of the expanded picture, zero outside of it. */
static void
expand_band (const Widen *widen, float *band, const float *x, int top, int rows, int first, int n)
{
  const Block *block = widen->block;
  const int size = block->in_size, in = block->in;
  const gsize line = (gsize) padded_width (block) * n, before = (gsize) block->pad * n,
              inside = (gsize) size * n;
  for (int row = top; row < top + rows; row++, band += line) {
    if (row < 0 || row >= size) {
      memset (band, 0, line * sizeof *band);
      continue;
    }
    const float *in_row = x + (gsize) row * size * in;
    memset (band, 0, before * sizeof *band);
    memset (band + before + inside, 0, (line - before - inside) * sizeof *band);
    if (block->expand.weight.rows)
      clip_linear_part (widen->session->kernels, band + before, n, in_row, in, &block->expand,
                        (ClipLinearPart){ first, n, 0, in }, size, CLIP_LINEAR_RELU6);
    else
      for (int column = 0; column < size; column++)
        memcpy (band + before + (gsize) column * n, in_row + (gsize) column * in + first,
                n * sizeof *band);
  }
}

static void
widen_some (void *data, int task, int worker)
{
  const Widen *widen = data;
  const Block *block = widen->block;
  const int band_index = task % widen->n_bands, panel = task / widen->n_bands % widen->n_panels;
  const int image = task / widen->n_bands / widen->n_panels;
  const int first = panel * PANEL, n = MIN (PANEL, block->middle - first);
  const int row = band_index * widen->band, rows = MIN (widen->band, block->out_size - row);
  const int width = padded_width (block), top = row * block->stride - block->pad;
  float *band = clip_session_scratch (widen->session, worker);

  expand_band (widen, band, widen->x + (gsize) image * block->in_size * block->in_size * block->in,
               top, in_rows (block, rows), first, n);
  const float *weight = block->depthwise + (gsize) first * block->kernel * block->kernel;
  for (int i = 0; i < rows; i++) {
    const float *window[CLIP_DEPTHWISE_MAX];
    for (int j = 0; j < block->kernel; j++)
      window[j] = band + (gsize) (i * block->stride + j) * width * n;
    float *y = widen->y +
               (((gsize) image * block->out_size + row + i) * block->out_size) * block->middle +
               first;
    widen->session->kernels->depthwise (y, block->middle, window, weight,
                                        block->depthwise_bias + first, block->kernel, block->stride,
                                        block->out_size, n);
  }
}

static void
run_block (ClipSession *session, const Block *block, Workspace *w, int batch)
{
  Widen widen = { session, block, w->wide, w->x, band_rows (block) };
  widen.n_bands = (block->out_size + widen.band - 1) / widen.band;
  widen.n_panels = (block->middle + PANEL - 1) / PANEL;
  clip_threads_run (session->threads, widen_some, &widen, batch * widen.n_bands * widen.n_panels);

  const int positions = batch * block->out_size * block->out_size;
  clip_session_count (session,
                      (guint64) batch * block->in_size * block->in_size *
                              block->expand.weight.rows * block->in +
                          (guint64) positions * block->middle * block->kernel * block->kernel);
  if (block->residual) {
    clip_linear (session, w->x, block->out, w->wide, block->middle, &block->project, 1, positions,
                 CLIP_LINEAR_ADD);
    return;
  }
  clip_linear (session, w->y, block->out, w->wide, block->middle, &block->project, 1, positions,
               CLIP_LINEAR_STORE);
  float *x = w->x;
  w->x = w->y;
  w->y = x;
}

/* ------------------------------------------------------------------------------------------------------------ tower */

/* Everything up to the mean over positions; the result, [B, F], lies in the session's arena. */
static const float *
run (const EfficientNet *net, ClipSession *session, const void *in, int batch)
{
  Workspace w;
  ClipArena measure = { 0 };
  layout (&measure, &w, net, batch);
  clip_arena_reserve (&session->arena, measure.used);
  layout (&session->arena, &w, net, batch);
  clip_session_reserve_scratch (session, net->scratch_floats);

  clip_stem_run (session, w.x, in, &net->stem, batch, CLIP_LINEAR_RELU6);
  for (int i = 0; i < net->n_blocks; i++)
    run_block (session, &net->blocks[i], &w, batch);

  const Block *last = &net->blocks[net->n_blocks - 1];
  const int positions = last->out_size * last->out_size, features = net->features;
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
  g_free (net->blocks);
  g_free (net);
}

/* ---------------------------------------------------------------------------------------------------------- binding */

#define TRUNK "visual.trunk."

/* [M, k, k], which is released, to panels of [k, k, channels] */
static const float *
arrange_depthwise (ClipWeights *weights, float *w, int channels, int taps)
{
  float *arranged = clip_weights_alloc (weights, (gsize) channels * taps);
  for (int first = 0; arranged && w && first < channels; first += PANEL) {
    const int n = MIN (PANEL, channels - first);
    for (int t = 0; t < taps; t++)
      for (int c = 0; c < n; c++)
        arranged[(gsize) first * taps + t * n + c] = w[(gsize) (first + c) * taps + t];
  }
  if (arranged && w)
    clip_weights_release (weights, w, (gsize) channels * taps);
  return arranged;
}

static void
bind_block (Block *block, ClipWeights *weights, float epsilon, int in, int size, int stride,
            const char *name)
{
  /* An expanding block has conv_pw, conv_dw, conv_pwl; one that does not, conv_dw, conv_pw. */
  g_autofree char *depthwise = g_strconcat (name, ".conv_dw", NULL),
                  *pointwise = g_strconcat (name, ".conv_pw", NULL);
  g_autofree char *last = g_strconcat (name, ".conv_pwl", NULL);
  g_autofree char *bn1 = g_strconcat (name, ".bn1", NULL), *bn2 = g_strconcat (name, ".bn2", NULL);
  g_autofree char *bn3 = g_strconcat (name, ".bn3", NULL);
  g_autofree char *dw_weight = g_strconcat (depthwise, ".weight", NULL),
                  *last_weight = g_strconcat (last, ".weight", NULL);
  g_autofree char *pw_weight = g_strconcat (pointwise, ".weight", NULL);
  gint64 shape[4];
  int out = 0;
  const gboolean expands = clip_conv_outputs (weights, &out, last_weight);
  if ((!expands && !clip_conv_outputs (weights, &out, pw_weight)) ||
      !clip_weights_shape (weights, shape, "%s", dw_weight) || shape[0] < 1 ||
      shape[0] > G_MAXUINT16 || shape[2] != shape[3] || shape[2] < 1 ||
      shape[2] > CLIP_DEPTHWISE_MAX) {
    clip_weights_fail (
        weights, CLIP_ERROR_TENSOR,
        "tensor %s: missing or of an unexpected shape, expected [M, 1, k, k], k ≤ %d", dw_weight,
        CLIP_DEPTHWISE_MAX);
    return;
  }
  *block = (Block){
    .in = in,
    .middle = shape[0],
    .out = out,
    .kernel = shape[2],
    .stride = stride,
    .in_size = size,
    .out_size = same_size (size, stride),
    .pad = same_pad (size, shape[2], stride),
    .residual = stride == 1 && in == out,
  };
  if (expands)
    block->expand = clip_bind_conv (weights, block->middle, in, 1, epsilon, pointwise, bn1);
  else if (block->middle != in)
    clip_weights_fail (weights, CLIP_ERROR_TENSOR, "tensor %s has %d channels, expected %d",
                       dw_weight, block->middle, in);
  const int taps = block->kernel * block->kernel;
  const ClipLinear dw =
      clip_bind_folded (weights, block->middle, taps, epsilon, depthwise, expands ? bn2 : bn1);
  block->depthwise = arrange_depthwise (weights, (float *) dw.weight.data, block->middle, taps);
  block->depthwise_bias = dw.bias;
  block->project = clip_bind_conv (weights, out, block->middle, 1, epsilon,
                                   expands ? last : pointwise, expands ? bn3 : bn2);
}

static void
bind_trunk (EfficientNet *net, ClipWeights *weights, float epsilon)
{
  static const int stage_strides[] = { 1, 2, 2, 2, 1, 2, 1 };
  int channels = 0;
  if (!clip_conv_outputs (weights, &channels, TRUNK "conv_stem.weight") ||
      !clip_conv_outputs (weights, &net->features, TRUNK "conv_head.weight")) {
    clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                       "tensors " TRUNK "conv_stem.weight, conv_head.weight: missing or empty");
    return;
  }
  net->stem = (ClipStem){
    .conv =
        clip_bind_conv (weights, channels, 3 * 3 * 3, 1, epsilon, TRUNK "conv_stem", TRUNK "bn1"),
    .size = net->size,
    .out_size = same_size (net->size, 2),
    .pad = same_pad (net->size, 3, 2),
  };

  int size = net->stem.out_size;
  net->x_floats = (gsize) size * size * channels;
  net->scratch_floats = clip_stem_scratch (&net->stem);
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
      bind_block (&block, weights, epsilon, channels, size, i == 0 ? stage_strides[stage] : 1,
                  name);
      if (!clip_weights_ok (weights, NULL))
        break;
      channels = block.out;
      size = block.out_size;
      const gsize positions = (gsize) size * size;
      net->x_floats = MAX (net->x_floats, positions * channels);
      net->wide_floats = MAX (net->wide_floats, positions * block.middle);
      net->scratch_floats = MAX (net->scratch_floats,
                                 MAX (block_scratch (&block), clip_linear_scratch (block.middle)));
      g_array_append_val (blocks, block);
    }
  }
  net->n_blocks = blocks->len;
  net->blocks = (Block *) g_array_free (blocks, FALSE);

  net->head =
      clip_bind_conv (weights, net->features, channels, 1, epsilon, TRUNK "conv_head", TRUNK "bn2");
  net->wide_floats = MAX (net->wide_floats, (gsize) size * size * net->features);
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
  bind_trunk (net, weights, config->image.norm_epsilon);
  net->tower.pooled_width = net->features;
  net->proj.weight =
      clip_weights_matrix (weights, net->embed_dim, net->features, "visual.head.proj.weight");
  net->proj.bias = clip_weights_vector_optional (weights, net->embed_dim, "visual.head.proj.bias");
  clip_linear_pack (weights, &net->proj, CLIP_PRECISION_F32);
  if (!clip_weights_ok (weights, error)) {
    net_free (&net->tower);
    return NULL;
  }
  return &net->tower;
}
