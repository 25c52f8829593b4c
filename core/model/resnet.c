/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Image tower: CLIP's ModifiedResNet (Radford et al. 2021, after He et al. 2016): three convolutions before the first
 * stage, pictures are halved by 2×2 means instead of strides, and attention pools at the end. Pictures are [row, column,
 * channel]; every BatchNorm is folded into its convolution while loading.
 *
 *   x = relu (conv1 (pixels))                              3×3, stride 2                [R/2, R/2, C/2]
 *   x = halve (relu (conv3 (relu (conv2 (x)))))            3×3                          [R/4, R/4, C]
 *   for each block, n×n, that halves in front of stages 2 to 4 (s = 2) and does not elsewhere (s = 1)
 *     inner = relu (conv2 (relu (conv1 (x))))              1×1, 3×3                     [n, n, P]
 *     x = relu (shortcut (x) + conv3 (halve (inner)))      1×1                          [n/s, n/s, 4·P]
 *     where shortcut (x) = x, or downsample (halve (x))    1×1
 *   tokens = concat (mean over positions of x, x) + position                            [T, F], T = (R/32)² + 1, F = 32·C
 *   feature = c_proj (MHA (q_proj (tokens[0]), k_proj (tokens), v_proj (tokens)))       [E]     pooling.h
 *
 * In the first blocks pictures are larger than weights, and pass one by one (or one for each thread), so that they stay in caches; in
 * the others weights are larger, and meet all pictures of a batch.
 *
 * The numbers of blocks and all widths come from the tensors; 4·P and F = 32·C are what published towers have. In bf16 and
 * int8 all layers but conv1 of the pixels are reduced (reduced.h, conv-narrow.h).
 */
#include "core/model/conv-narrow.h"
#include "core/model/pooling.h"
#include "core/model/positions.h"

#include <string.h>

#define MAX_BATCH 8
/* Floats of pictures that are computed together, if there are as many threads. */
#define MAX_FLOATS (32 << 20)

typedef struct {
  int size;              /* n */
  gboolean halves;       /* s = 2 */
  ClipLinear conv1;      /* [P, in] */
  ClipLinear conv2;      /* [P, 3·3·P] */
  ClipLinear conv3;      /* [out, P] */
  ClipLinear downsample; /* [out, in]; no rows: x is added as it is */
} Block;

typedef struct {
  gsize outer, inner; /* the most that a picture has outside of blocks and inside */
} Floats;

typedef struct {
  ClipTower tower;
  int embed_dim;
  ClipStem stem;           /* conv1: [C/2, 3·3·3] */
  ClipLinear conv2, conv3; /* [C/2, 3·3·C/2], [C, 3·3·C/2] */
  int n_blocks, n_first;   /* n_first: blocks in which pictures are larger than weights */
  Block *blocks;
  ClipPooling pooling;
  const float *position; /* [T, F] */
  ClipLinear c_proj;     /* [E, F] */
  Floats first, rest;    /* of the stem and the first blocks; of the others */
  gsize passed_floats;   /* of a picture, from the first blocks to the others */
  gsize scratch_floats;
} ResNet;

typedef struct {
  float *x, *y; /* [B, n, n, 4·P]: a block's input and output, in turns */
  float *a, *b; /* [B, n, n, P]: within a block */
} Pictures;

typedef struct {
  Pictures first, rest; /* first: of some pictures of the batch */
  float *tokens;        /* [B, T, F] */
  float *attended;      /* [B, F] */
  ClipPoolingWorkspace pooling;
} Workspace;

static Pictures
layout_pictures (ClipArena *arena, const Floats *floats, int n)
{
  Pictures p;
  p.x = clip_arena_floats (arena, n * floats->outer);
  p.y = clip_arena_floats (arena, n * floats->outer);
  p.a = clip_arena_floats (arena, n * floats->inner);
  p.b = clip_arena_floats (arena, n * floats->inner);
  return p;
}

static void
layout (ClipArena *arena, Workspace *w, const ResNet *net, int step, int batch)
{
  const gsize features = net->pooling.features;
  w->first = layout_pictures (arena, &net->first, step);
  w->rest = layout_pictures (arena, &net->rest, batch);
  w->tokens = clip_arena_floats (arena, batch * net->pooling.tokens * features);
  w->attended = clip_arena_floats (arena, batch * features);
  clip_pooling_layout (arena, &w->pooling, &net->pooling, batch);
}

/* ----------------------------------------------------------------------------------------------------------- blocks */

static void
run_stem (ClipSession *session, const ResNet *net, Pictures *p, const float *pixels, int batch)
{
  const int n = net->stem.out_size;
  clip_stem_run (session, p->a, pixels, &net->stem, batch, CLIP_LINEAR_RELU);
  clip_conv3 (session, p->b, p->a, &net->conv2, n, batch, CLIP_LINEAR_RELU);
  clip_conv3 (session, p->y, p->b, &net->conv3, n, batch, CLIP_LINEAR_RELU);
  clip_halve (session, p->x, p->y, n, net->conv3.weight.rows, batch);
}

static void
run_block (ClipSession *session, const Block *block, Pictures *p, int batch)
{
  const int n = block->size, in = block->conv1.weight.cols, inner = block->conv1.weight.rows,
            out = block->conv3.weight.rows;
  const int all = batch * n * n, positions = block->halves ? all / 4 : all;
  clip_linear (session, p->a, inner, p->x, in, &block->conv1, 1, all, CLIP_LINEAR_RELU);
  clip_conv3 (session, p->b, p->a, &block->conv2, n, batch, CLIP_LINEAR_RELU);
  const float *x = p->x, *middle = p->b;
  if (block->halves) {
    clip_halve (session, p->a, p->b, n, inner, batch);
    clip_halve (session, p->b, p->x, n, in, batch);
    x = p->b;
    middle = p->a;
  }
  if (block->downsample.weight.rows) {
    clip_linear (session, p->y, out, x, in, &block->downsample, 1, positions, CLIP_LINEAR_STORE);
    float *y = p->y;
    p->y = p->x;
    p->x = y;
  }
  clip_linear (session, p->x, out, middle, inner, &block->conv3, 1, positions,
               CLIP_LINEAR_ADD_RELU);
}

/* The stem and the first blocks of @step pictures at a time. */
static void
run_first (ClipSession *session, const ResNet *net, Workspace *w, const float *pixels, int step,
           int batch)
{
  const gsize size = 3 * (gsize) net->stem.size * net->stem.size, passed = net->passed_floats;
  for (int done = 0; done < batch; done += step) {
    Pictures p = w->first;
    const int n = MIN (step, batch - done);
    run_stem (session, net, &p, pixels + done * size, n);
    for (int i = 0; i < net->n_first; i++)
      run_block (session, &net->blocks[i], &p, n);
    memcpy (w->rest.x + done * passed, p.x, n * passed * sizeof *p.x);
  }
}

/* ------------------------------------------------------------------------------------------------------------- tower */

static void
pool (ClipSession *session, const ResNet *net, Workspace *w, float *out, int batch)
{
  const int tokens = net->pooling.tokens, positions = tokens - 1, features = net->pooling.features;
  const gsize image = (gsize) tokens * features;
  for (int b = 0; b < batch; b++) {
    float *y = w->tokens + b * image;
    const float *x = w->rest.x + (gsize) b * positions * features;
    clip_mean_rows (session->kernels, y, x, positions, features);
    memcpy (y + features, x, (gsize) positions * features * sizeof *y);
    session->kernels->add (y, net->position, image);
  }

  clip_pooling_run (session, &w->pooling, w->attended, w->tokens, &net->pooling, batch);
  clip_linear (session, out, net->embed_dim, w->attended, features, &net->c_proj, 1, batch,
               CLIP_LINEAR_STORE);
}

static void
forward (const ClipTower *tower, ClipSession *session, float *out, const void *in, int batch,
         int length)
{
  const ResNet *net = (const ResNet *) tower;
  Workspace w;
  ClipArena measure = { 0 };
  const int step = MIN (batch, clip_threads_get_n (session->threads));
  layout (&measure, &w, net, step, batch);
  clip_arena_reserve (&session->arena, measure.used);
  layout (&session->arena, &w, net, step, batch);
  clip_session_reserve_scratch (session, net->scratch_floats);

  run_first (session, net, &w, in, step, batch);
  for (int i = net->n_first; i < net->n_blocks; i++)
    run_block (session, &net->blocks[i], &w.rest, batch);
  pool (session, net, &w, out, batch);
}

static void
net_free (ClipTower *tower)
{
  ResNet *net = (ResNet *) tower;
  clip_pooling_clear (&net->pooling);
  g_free (net->blocks);
  g_free (net);
}

/* ----------------------------------------------------------------------------------------------------------- binding */

#define VISUAL "visual."
#define POOL VISUAL "attnpool."
#define TAPS 9

static void
need (Floats *floats, gsize outer, gsize inner)
{
  floats->outer = MAX (floats->outer, outer);
  floats->inner = MAX (floats->inner, inner);
}

static void
need_scratch (ResNet *net, gsize floats)
{
  net->scratch_floats = MAX (net->scratch_floats, floats);
}

/* What a convolution makes; 0 with a failure. */
static int
channels_of (ClipWeights *weights, const char *prefix, const char *conv)
{
  int n = 0;
  g_autofree char *tensor = g_strconcat (prefix, conv, ".weight", NULL);
  if (!clip_conv_outputs (weights, &n, tensor))
    clip_weights_fail (weights, CLIP_ERROR_TENSOR, "tensor %s: missing or empty", tensor);
  return n;
}

/* 3×3 over pictures of n×n; 1×1 where @n is 0. */
static ClipLinear
bind_conv (const ResNet *net, ClipWeights *weights, int out, int in, int n, float epsilon,
           const char *prefix, const char *conv, const char *norm)
{
  const ClipPrecision precision = net->tower.precision;
  g_autofree char *conv_name = g_strconcat (prefix, conv, NULL),
                  *norm_name = g_strconcat (prefix, norm, NULL);
  return n ? clip_bind_conv3 (weights, out, in, n, epsilon, conv_name, norm_name, precision)
           : clip_bind_conv (weights, out, in, 1, epsilon, conv_name, norm_name, precision);
}

/* Returns the channels that leave it. */
static int
bind_stem (ResNet *net, ClipWeights *weights, int size, float epsilon)
{
  const int half = channels_of (weights, VISUAL, "conv1"),
            width = channels_of (weights, VISUAL, "conv3"), n = size / 2;
  net->stem = (ClipStem){
    .conv = clip_bind_conv (weights, half, 3 * TAPS, 1, epsilon, VISUAL "conv1", VISUAL "bn1",
                            CLIP_PRECISION_F32),
    .size = size,
    .out_size = n,
    .pad = 1,
  };
  net->conv2 = bind_conv (net, weights, half, half, n, epsilon, VISUAL, "conv2", "bn2");
  net->conv3 = bind_conv (net, weights, width, half, n, epsilon, VISUAL, "conv3", "bn3");
  if (!clip_weights_ok (weights, NULL))
    return 0;
  need (&net->first, (gsize) n * n * width, (gsize) n * n * half);
  net->passed_floats = (gsize) n * n * width / 4;
  need_scratch (net, clip_stem_scratch (&net->stem));
  need_scratch (net,
                MAX (clip_conv3_scratch (&net->conv2, n), clip_conv3_scratch (&net->conv3, n)));
  return width;
}

static gboolean
pictures_are_larger (const Block *block)
{
  const gsize in = block->conv1.weight.cols, inner = block->conv1.weight.rows,
              out = block->conv3.weight.rows, positions = (gsize) block->size * block->size;
  return positions * in > inner * (in + TAPS * inner + out) + block->downsample.weight.rows * in;
}

/* A block that halves, or whose output is not as wide as its input, has a convolution on its shortcut. */
static void
bind_block (ResNet *net, Block *block, ClipWeights *weights, float epsilon, int in,
            const char *prefix)
{
  const int inner = channels_of (weights, prefix, "conv1"),
            out = channels_of (weights, prefix, "conv3"), n = block->size;
  block->conv1 = bind_conv (net, weights, inner, in, 0, epsilon, prefix, "conv1", "bn1");
  block->conv2 = bind_conv (net, weights, inner, inner, n, epsilon, prefix, "conv2", "bn2");
  block->conv3 = bind_conv (net, weights, out, inner, 0, epsilon, prefix, "conv3", "bn3");
  if (block->halves || out != in)
    block->downsample =
        bind_conv (net, weights, out, in, 0, epsilon, prefix, "downsample.0", "downsample.1");
  if (!clip_weights_ok (weights, NULL))
    return;
  const gsize positions = (gsize) n * n, left = block->halves ? positions / 4 : positions;
  if (net->n_first == net->n_blocks - 1 && pictures_are_larger (block)) {
    net->n_first++;
    net->passed_floats = left * out;
  }
  need (net->n_first == net->n_blocks ? &net->first : &net->rest, MAX (positions * in, left * out),
        MAX (positions * inner, left * in));
  need_scratch (net,
                MAX (clip_conv3_scratch (&block->conv2, n), clip_linear_scratch (MAX (in, inner))));
}

/* Returns the channels of the last picture. */
static int
bind_trunk (ResNet *net, ClipWeights *weights, const ClipImageConfig *image)
{
  int channels = bind_stem (net, weights, image->image_size, image->norm_epsilon),
      size = image->image_size / 4;
  net->blocks = g_new0 (Block, image->layers);
  for (guint stage = 0; stage < G_N_ELEMENTS (image->stages); stage++) {
    for (int i = 0; i < image->stages[stage] && clip_weights_ok (weights, NULL); i++) {
      g_autofree char *prefix = g_strdup_printf (VISUAL "layer%u.%d.", stage + 1, i);
      Block *block = &net->blocks[net->n_blocks++];
      block->size = size;
      block->halves = stage > 0 && i == 0;
      bind_block (net, block, weights, image->norm_epsilon, channels, prefix);
      channels = block->conv3.weight.rows;
      size = block->halves ? size / 2 : size;
    }
  }
  need (&net->rest, net->passed_floats, 0);
  return channels;
}

static void
bind_pool (ResNet *net, ClipWeights *weights, const ClipImageConfig *image)
{
  const int features = net->pooling.features;
  net->position = clip_positions_bind (weights, image, 1, features, POOL "positional_embedding");
  clip_pooling_bind (&net->pooling, weights, net->tower.precision, POOL);
  net->c_proj = clip_bind_linear (weights, net->embed_dim, features, POOL "c_proj");
  clip_linear_pack (weights, &net->c_proj, net->tower.precision);
  need_scratch (net, clip_pooling_scratch (&net->pooling));
}

/* Floats are multiplied where there is no product in bf16: nothing would be gained by rounding them. */
static ClipPrecision
usable_precision (ClipPrecision asked)
{
  const gboolean usable =
      asked == CLIP_PRECISION_INT8 || (asked == CLIP_PRECISION_BF16 && clip_kernels ()->gemm_bf16);
  return usable ? asked : CLIP_PRECISION_F32;
}

ClipTower *
clip_resnet_new (ClipWeights *weights, const ClipConfig *config, GError **error)
{
  const ClipImageConfig *image = &config->image;
  const int grid = image->image_size / 32;
  ResNet *net = g_new0 (ResNet, 1);
  *net = (ResNet){
    .tower = { "resnet", MAX_BATCH, forward, net_free,
               .precision = usable_precision (clip_weights_get_precision (weights)) },
    .embed_dim = config->embed_dim,
    .pooling = { grid * grid + 1, 32 * image->width, image->heads },
  };
  const int channels = bind_trunk (net, weights, image);
  if (channels != net->pooling.features)
    clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                       "its last block has %d channels, expected %d, 32 times those of the first",
                       channels, net->pooling.features);
  bind_pool (net, weights, image);
  if (!clip_weights_ok (weights, error)) {
    net_free (&net->tower);
    return NULL;
  }
  const gsize floats =
      2 * (net->first.outer + net->first.inner + net->rest.outer + net->rest.inner);
  net->tower.max_batch = CLAMP (MAX_FLOATS / floats, 1, MAX_BATCH);
  return &net->tower;
}
