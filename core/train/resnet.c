/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CLIP's ModifiedResNet in training, attention pooling and its c_proj included: W = E. Blocks for freezing: 0 the stem,
 * 1 … n the bottlenecks, n + 1 the pooling. Each convolution's output stays on the tape, and the means of squares, and each
 * bottleneck's output; activations are read through their BatchNorm.
 *
 *   stem        y1 = conv1 (pixels) 3×3, stride 2; y2, y3 3×3 of relu (bn1 (y1)), relu (bn2 (y2))
 *               x = halve (relu (bn3 (y3)))                                                            [R/4, R/4, C]
 *   bottleneck  y1 = conv1 (x) 1×1, y2 = conv2 (relu (bn1 (y1))) 3×3
 *               y3 = conv3 (halve (relu (bn2 (y2)))) 1×1, shortcut = downsample (halve (x)) 1×1 and BatchNorm, or x
 *               x = relu (bn3 (y3) + shortcut)                                                         [n/s, n/s, 4·P]
 *   pooled = attention pooling of x                                                                    [E]
 */
#include "core/base/error.h"
#include "core/train/attnpool.h"
#include "core/train/convlayer.h"
#include "core/train/frozen.h"
#include "core/train/pool.h"
#include "core/train/trainable.h"

#include <string.h>

#define VISUAL "visual."
#define STAGES 4

typedef struct {
  ClipConvLayer conv1, conv2, conv3;
  ClipConvLayer downsample; /* no channels: x is added as it is */
  gboolean halves;
} Block;

typedef struct {
  ClipTrunk trunk;
  ClipParameters *parameters;
  ClipBatchNormMode mode;
  int size; /* R */
  ClipConvLayer stem[3];
  int n_blocks;
  Block *blocks;
  ClipAttentionPool pool;
} ResNet;

typedef struct {
  ClipConvPass conv1, conv2, conv3, downsample;
  ClipMap out; /* x, made: what the ReLU has let through */
} BlockPass;

typedef struct {
  int batch;
  int first; /* the first block that is trained */
  ClipConvPass stem[3];
  BlockPass *blocks;
  gpointer pool;
} Pass;

static gsize
positions_of (const ClipConv *conv, int batch)
{
  return (gsize) batch * conv->out_size * conv->out_size;
}

/* The output of a block, 0 the stem. */
static int
out_channels (gconstpointer data, int block)
{
  const ResNet *net = data;
  return block == 0 ? net->stem[2].conv.out : net->blocks[block - 1].conv3.conv.out;
}

static gsize
out_floats (gconstpointer data, int block)
{
  const ResNet *net = data;
  const gsize size =
      block == 0 ? net->stem[2].conv.out_size / 2 : net->blocks[block - 1].conv3.conv.out_size;
  return size * size * out_channels (net, block);
}

/* ---------------------------------------------------------------------------------------------------------- forward */

static void
layer_forward (const ResNet *net, ClipTape *tape, ClipConvPass *pass, const ClipConvLayer *layer,
               const ClipMap *in, int batch, gboolean learn)
{
  clip_conv_layer_forward (pass, tape, layer, in, batch,
                           learn && net->mode == CLIP_BATCH_NORM_BATCH &&
                               layer->norm.weight->trained);
}

/* Means of squares of 2×2, on the tape. */
static ClipMap
halve (ClipTape *tape, const ClipMap *x, int size, int channels, int batch)
{
  float *y = clip_tape_floats (tape, (gsize) batch * (size / 2) * (size / 2) * channels);
  clip_pool_forward (tape, y, x, 2, size, channels, batch);
  return clip_map_plain (y, channels);
}

static void
stem_forward (const ResNet *net, ClipTape *tape, ClipConvPass pass[3], float *x,
              const float *pixels, int batch, gboolean learn)
{
  float *innermost = clip_tape_floats (tape, (gsize) batch * net->size * net->size * 3);
  clip_pixels_innermost (tape, innermost, pixels, net->size, batch);
  ClipMap map = clip_map_plain (innermost, 3);
  for (int i = 0; i < 3; i++) {
    layer_forward (net, tape, &pass[i], &net->stem[i], &map, batch, learn);
    map = pass[i].out;
  }
  clip_pool_forward (tape, x, &map, 2, net->stem[2].conv.out_size, net->stem[2].conv.out, batch);
}

static void
block_forward (const ResNet *net, ClipTape *tape, BlockPass *pass, const Block *block, float *x,
               const ClipMap *in, int batch, gboolean learn)
{
  const ClipConv *conv = &block->conv2.conv;
  layer_forward (net, tape, &pass->conv1, &block->conv1, in, batch, learn);
  layer_forward (net, tape, &pass->conv2, &block->conv2, &pass->conv1.out, batch, learn);
  ClipMap map = pass->conv2.out;
  if (block->halves)
    map = halve (tape, &map, conv->out_size, conv->out, batch);
  layer_forward (net, tape, &pass->conv3, &block->conv3, &map, batch, learn);

  const int out = block->conv3.conv.out;
  ClipMap sum = clip_normed_map (&pass->conv3.normed, pass->conv3.y, out, 0, INFINITY);
  if (block->downsample.conv.out) {
    map = *in;
    if (block->halves)
      map = halve (tape, &map, conv->in_size, block->downsample.conv.in, batch);
    layer_forward (net, tape, &pass->downsample, &block->downsample, &map, batch, learn);
    float *shift = clip_tape_floats (tape, out);
    for (int c = 0; c < out; c++)
      shift[c] = pass->conv3.normed.shift[c] + pass->downsample.normed.shift[c];
    sum.shift = shift;
    sum.z = pass->downsample.y;
    sum.z_scale = pass->downsample.normed.scale;
  } else {
    sum.z = in->x;
  }
  clip_map_make (tape, x, &sum, positions_of (&block->conv3.conv, batch), out);
  pass->out = clip_map_plain (x, out);
  pass->out.low = 0;
}

static void
run_frozen (gconstpointer data, ClipTape *tape, float *y, const ClipMap *in, int batch, int i)
{
  const ResNet *net = data;
  BlockPass pass;
  ClipConvPass stem[3];
  if (i == 0)
    stem_forward (net, tape, stem, y, in->x, batch, FALSE);
  else if (i <= net->n_blocks)
    block_forward (net, tape, &pass, &net->blocks[i - 1], y, in, batch, FALSE);
  else
    clip_attention_pool_forward (tape, y, in->x, &net->pool, batch);
}

static gpointer
forward (ClipTrunk *trunk, ClipTape *tape, float *pooled, const void *in, int batch, int length,
         gboolean learn)
{
  ResNet *net = (ResNet *) trunk;
  const int first = clip_train_deepest (net->parameters, CLIP_PART_IMAGE);
  const ClipFrozen frozen = { net, net->size, net->n_blocks, out_channels, out_floats, run_frozen };
  if (!learn || first == G_MAXINT) {
    clip_frozen_forward (&frozen, tape, pooled, trunk->width, in, batch, net->n_blocks + 2);
    return NULL;
  }
  Pass *pass = clip_tape_take (tape, sizeof *pass);
  *pass = (Pass){ .batch = batch, .first = first };
  pass->blocks = clip_tape_take (tape, net->n_blocks * sizeof *pass->blocks);

  const int last_frozen = MAX (first - 1, 0);
  const gsize floats = out_floats (net, last_frozen);
  float *out = clip_tape_floats (tape, batch * floats);
  if (first > 0)
    clip_frozen_forward (&frozen, tape, out, floats, in, batch, first);
  else
    stem_forward (net, tape, pass->stem, out, in, batch, TRUE);
  ClipMap x = clip_map_plain (out, out_channels (net, last_frozen));
  for (int i = last_frozen + 1; i <= net->n_blocks; i++) {
    out = clip_tape_floats (tape, batch * out_floats (net, i));
    block_forward (net, tape, &pass->blocks[i - 1], &net->blocks[i - 1], out, &x, batch, TRUE);
    x = clip_map_plain (out, out_channels (net, i));
  }
  pass->pool = clip_attention_pool_forward (tape, pooled, x.x, &net->pool, batch);
  return pass;
}

/* --------------------------------------------------------------------------------------------------------- backward */

/* A sink that only keeps what it is given. */
static ClipSink
plain_sink (ClipTape *tape, gsize floats)
{
  return (ClipSink){ .g = clip_tape_floats (tape, floats) };
}

/* Of what enters the ReLU at a block's end; both convolutions' BatchNorms see that gradient. @g: where a residual's is. */
static ClipSink
block_sink (ClipTape *tape, BlockPass *pass, const Block *block, float *g)
{
  ClipSink sink = clip_conv_pass_sink (&pass->conv3, tape, g);
  sink.gate = &pass->out;
  if (block->downsample.conv.out) {
    ClipSink other = clip_conv_pass_sink (&pass->downsample, tape, sink.g);
    sink.norms[sink.n_norms++] = other.norms[0];
  }
  return sink;
}

/* @below: (nullable): the sink of x */
static void
block_backward (ClipTape *tape, BlockPass *pass, const Block *block, ClipSink *below, int batch)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const ClipConv *conv = &block->conv2.conv;
  ClipSink sink = clip_conv_pass_sink (&pass->conv2, tape, NULL);
  if (block->halves) {
    ClipSink halved = plain_sink (tape, positions_of (&block->conv3.conv, batch) * conv->out);
    clip_conv_layer_backward (&pass->conv3, tape, &halved);
    clip_pool_backward (tape, &sink, halved.g, 2, conv->out_size, conv->out, batch);
  } else {
    clip_conv_layer_backward (&pass->conv3, tape, &sink);
  }
  sink = clip_conv_pass_sink (&pass->conv1, tape, NULL);
  clip_conv_layer_backward (&pass->conv2, tape, &sink);

  /* The shortcut's share comes first, the other is added and goes through the ReLU below. */
  if (block->downsample.conv.out && below) {
    ClipSink share = { .g = below->g };
    if (block->halves) {
      ClipSink halved = plain_sink (tape, positions_of (&block->downsample.conv, batch) *
                                              block->downsample.conv.in);
      clip_conv_layer_backward (&pass->downsample, tape, &halved);
      clip_pool_backward (tape, &share, halved.g, 2, conv->in_size, block->downsample.conv.in,
                          batch);
    } else {
      clip_conv_layer_backward (&pass->downsample, tape, &share);
    }
    below->add = TRUE;
  } else if (block->downsample.conv.out) {
    clip_conv_layer_backward (&pass->downsample, tape, NULL);
  }
  clip_conv_layer_backward (&pass->conv1, tape, below);
  clip_tape_release (tape, mark);
}

static void
stem_backward (const ResNet *net, ClipTape *tape, Pass *pass, const float *dx)
{
  const ClipConv *conv = &net->stem[2].conv;
  ClipSink sink = clip_conv_pass_sink (&pass->stem[2], tape, NULL);
  clip_pool_backward (tape, &sink, dx, 2, conv->out_size, conv->out, pass->batch);
  for (int i = 2; i > 0; i--) {
    sink = clip_conv_pass_sink (&pass->stem[i - 1], tape, NULL);
    clip_conv_layer_backward (&pass->stem[i], tape, &sink);
  }
  clip_conv_layer_backward (&pass->stem[0], tape, NULL);
}

/* The sink of block @block's output, above which block @block + 1 adds to its input or does not. */
static ClipSink
sink_of (const ResNet *net, ClipTape *tape, Pass *pass, int block)
{
  if (block == 0)
    return plain_sink (tape, pass->batch * out_floats (net, 0));
  const Block *above = block < net->n_blocks ? &net->blocks[block] : NULL;
  const gboolean adds = above && !above->downsample.conv.out;
  return block_sink (tape, &pass->blocks[block - 1], &net->blocks[block - 1],
                     adds ? pass->blocks[block].conv3.g : NULL);
}

static void
backward (ClipTrunk *trunk, ClipTape *tape, gpointer saved, const float *d_pooled)
{
  const ResNet *net = (const ResNet *) trunk;
  Pass *pass = saved;
  const ClipTapeMark mark = clip_tape_mark (tape);
  ClipSink sink = { 0 };
  for (int i = net->n_blocks + 1; i > 0 && i >= pass->first; i--) {
    ClipSink *below = NULL;
    if (i > pass->first) {
      sink = sink_of (net, tape, pass, i - 1);
      below = &sink;
    }
    if (i == net->n_blocks + 1)
      clip_attention_pool_backward (tape, below, d_pooled, pass->pool, &net->pool, pass->batch);
    else
      block_backward (tape, &pass->blocks[i - 1], &net->blocks[i - 1], below, pass->batch);
  }
  if (pass->first == 0)
    stem_backward (net, tape, pass, sink.g);
  clip_tape_release (tape, mark);
}

/* ---------------------------------------------------------------------------------------------------------- binding */

/* The first dimension; 0 with a failure of the weights where it is missing. */
static int
outputs (ClipWeights *weights, const char *prefix, const char *conv)
{
  gint64 shape[4];
  if (clip_weights_shape (weights, shape, "%s%s.weight", prefix, conv) && shape[0] > 0 &&
      shape[0] <= G_MAXUINT16)
    return shape[0];
  clip_weights_fail (weights, CLIP_ERROR_TENSOR, "tensor %s%s.weight: missing or empty", prefix,
                     conv);
  return 0;
}

static void
bind_layer (ClipConvLayer *layer, const ClipConvBinding *binding, int kernel, int stride, int in,
            int size, gboolean relu, const char *prefix, const char *conv, const char *norm)
{
  g_autofree char *full_conv = g_strconcat (prefix, conv, NULL),
                  *full_norm = g_strconcat (prefix, norm, NULL);
  const ClipConv shape = {
    .kernel = kernel,
    .stride = stride,
    .pad = kernel / 2,
    .in = in,
    .out = outputs (binding->parameters->weights, prefix, conv),
    .in_size = size,
    .out_size = clip_padded_size (size, kernel, stride, kernel / 2),
  };
  clip_conv_layer_bind (layer, binding, shape, FALSE, relu ? 0 : -INFINITY, INFINITY, full_conv,
                        full_norm);
}

/* A block that halves, or whose output is not as wide as its input, has a convolution on its shortcut. */
static void
bind_block (Block *block, const ClipConvBinding *binding, int in, int size, const char *prefix)
{
  const int left = block->halves ? size / 2 : size;
  bind_layer (&block->conv1, binding, 1, 1, in, size, TRUE, prefix, "conv1", "bn1");
  bind_layer (&block->conv2, binding, 3, 1, block->conv1.conv.out, size, TRUE, prefix, "conv2",
              "bn2");
  bind_layer (&block->conv3, binding, 1, 1, block->conv2.conv.out, left, FALSE, prefix, "conv3",
              "bn3");
  if (block->halves || block->conv3.conv.out != in)
    bind_layer (&block->downsample, binding, 1, 1, in, left, FALSE, prefix, "downsample.0",
                "downsample.1");
}

static void
bind_trunk (ResNet *net, const ClipConfig *config)
{
  static const char *const convs[] = { "conv1", "conv2", "conv3" }, *const norms[] = { "bn1", "bn2",
                                                                                       "bn3" };
  const ClipImageConfig *image = &config->image;
  ClipWeights *weights = net->parameters->weights;
  ClipConvBinding binding = { net->parameters, CLIP_PART_IMAGE, 0, image->norm_epsilon };
  int channels = 3, size = net->size;
  for (int i = 0; i < 3; i++) {
    bind_layer (&net->stem[i], &binding, 3, i == 0 ? 2 : 1, channels, size, TRUE, VISUAL, convs[i],
                norms[i]);
    channels = net->stem[i].conv.out;
    size = net->stem[i].conv.out_size;
  }
  size /= 2;
  GArray *blocks = g_array_new (FALSE, TRUE, sizeof (Block));
  for (int stage = 0; stage < STAGES; stage++) {
    g_autofree char *format = g_strdup_printf (VISUAL "layer%d.%%d.conv1.weight", stage + 1);
    const int n = clip_weights_count (weights, format);
    for (int i = 0; i < n && clip_weights_ok (weights, NULL); i++) {
      g_autofree char *prefix = g_strdup_printf (VISUAL "layer%d.%d.", stage + 1, i);
      Block block = { .halves = stage > 0 && i == 0 };
      binding.block = blocks->len + 1;
      bind_block (&block, &binding, channels, size, prefix);
      channels = block.conv3.conv.out;
      size = block.conv3.conv.out_size;
      g_array_append_val (blocks, block);
    }
  }
  net->n_blocks = blocks->len;
  net->blocks = (Block *) g_array_free (blocks, FALSE);
  if (channels < 1 || image->heads < 1 || channels % image->heads)
    clip_weights_fail (weights, CLIP_ERROR_TENSOR, "has %d channels at its end, %d heads", channels,
                       image->heads);
  clip_attention_pool_bind (&net->pool, net->parameters, CLIP_PART_IMAGE, net->n_blocks + 1, size,
                            channels, image->heads, net->trunk.width, VISUAL "attnpool");
}

static void
net_free (ClipTrunk *trunk)
{
  ResNet *net = (ResNet *) trunk;
  g_free (net->blocks);
  g_free (net);
}

ClipTrunk *
clip_train_resnet_new (ClipParameters *parameters, const ClipConfig *config)
{
  ResNet *net = g_new0 (ResNet, 1);
  *net = (ResNet){
    .trunk = { .kind = "resnet", .forward = forward, .backward = backward, .free = net_free },
    .parameters = parameters,
    .mode = CLIP_BATCH_NORM_BATCH,
    .size = config->image.image_size,
  };
  net->trunk.width = outputs (parameters->weights, VISUAL, "attnpool.c_proj");
  bind_trunk (net, config);
  return &net->trunk;
}

void
clip_train_resnet_set_batch_norm (ClipTrunk *trunk, ClipBatchNormMode mode)
{
  ((ResNet *) trunk)->mode = mode;
}
