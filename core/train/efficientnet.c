/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * EfficientNet-Lite's trunk in training; what it computes stands in core/model/efficientnet.c. Names are timm's. Blocks for
 * freezing: 0 the stem, 1 … n the inverted bottlenecks, n + 1 conv_head. Each convolution's output stays on the tape, and
 * each bottleneck's, which the next adds to its own; activations are read through their BatchNorm.
 *
 *   stem        y = conv_stem (pixels)                                        out = relu6 (bn1 (y))          [R/2, R/2, S]
 *   bottleneck  y1 = conv_pw (x), y2 = conv_dw (relu6 (bn1 (y1))), y3 = conv_pwl (relu6 (bn2 (y2)))
 *               x = bn3 (y3) (+ x where s = 1 and out = in)                                                  [h, w, out]
 *   head        y = conv_head (x)                                             pooled = mean of relu6 (bn2 (y))       [F]
 */
#include "core/base/error.h"
#include "core/model/conv.h"
#include "core/train/convlayer.h"
#include "core/train/frozen.h"
#include "core/train/layers.h"
#include "core/train/pool.h"
#include "core/train/trainable.h"

#include <string.h>

#define TRUNK "visual.trunk."
#define STEM_KERNEL 3
#define STEM_STRIDE 2

typedef struct {
  ClipConvLayer expand; /* no channels: absent */
  ClipConvLayer depthwise, project;
  gboolean residual;
} Block;

typedef struct {
  ClipTrunk trunk;
  ClipParameters *parameters;
  ClipBatchNormMode mode;
  int size; /* R */
  ClipConvLayer stem, head;
  int n_blocks;
  Block *blocks;
} EfficientNet;

typedef struct {
  ClipConvPass expand, depthwise, project;
} BlockPass;

typedef struct {
  int batch;
  int first; /* the first block that is trained */
  ClipConvPass stem, head;
  BlockPass *blocks;
} Pass;

/* ---------------------------------------------------------------------------------------------------------- forward */

static void
layer_forward (const EfficientNet *net, ClipTape *tape, ClipConvPass *pass,
               const ClipConvLayer *layer, const ClipMap *in, int batch, gboolean learn)
{
  clip_conv_layer_forward (pass, tape, layer, in, batch,
                           learn && net->mode == CLIP_BATCH_NORM_BATCH &&
                               layer->norm.weight->trained);
}

/* The passes, and x = what comes out. */
static void
block_forward (const EfficientNet *net, ClipTape *tape, BlockPass *pass, const Block *block,
               float *x, const ClipMap *in, int batch, gboolean learn)
{
  ClipMap wide = *in;
  if (block->expand.conv.out) {
    layer_forward (net, tape, &pass->expand, &block->expand, in, batch, learn);
    wide = pass->expand.out;
  }
  layer_forward (net, tape, &pass->depthwise, &block->depthwise, &wide, batch, learn);
  layer_forward (net, tape, &pass->project, &block->project, &pass->depthwise.out, batch, learn);
  ClipMap out = pass->project.out;
  if (block->residual)
    out.z = in->x;
  const ClipConv *conv = &block->project.conv;
  clip_map_make (tape, x, &out, (gsize) batch * conv->out_size * conv->out_size, conv->out);
}

static gsize
out_floats (gconstpointer data, int block)
{
  const EfficientNet *net = data;
  const ClipConv *conv = block == 0 ? &net->stem.conv : &net->blocks[block - 1].project.conv;
  return (gsize) conv->out_size * conv->out_size * conv->out;
}

static int
out_channels (gconstpointer data, int block)
{
  const EfficientNet *net = data;
  return block == 0 ? net->stem.conv.out : net->blocks[block - 1].project.conv.out;
}

static void
head_forward (const EfficientNet *net, ClipTape *tape, ClipConvPass *pass, float *pooled,
              const ClipMap *in, int batch, gboolean learn)
{
  layer_forward (net, tape, pass, &net->head, in, batch, learn);
  clip_pool_forward (tape, pooled, &pass->out, net->head.conv.out_size, net->head.conv.out_size,
                     net->trunk.width, batch);
}

static void
run_frozen (gconstpointer data, ClipTape *tape, float *y, const ClipMap *in, int batch, int i)
{
  const EfficientNet *net = data;
  if (i == 0) {
    ClipConvPass pass;
    float *innermost = clip_tape_floats (tape, (gsize) batch * net->size * net->size * 3);
    clip_pixels_innermost (tape, innermost, in->x, net->size, batch);
    const ClipMap pixels = clip_map_plain (innermost, 3);
    layer_forward (net, tape, &pass, &net->stem, &pixels, batch, FALSE);
    clip_map_make (tape, y, &pass.out,
                   clip_conv_layer_floats (&net->stem, batch) / net->stem.conv.out,
                   net->stem.conv.out);
  } else if (i <= net->n_blocks) {
    BlockPass pass;
    block_forward (net, tape, &pass, &net->blocks[i - 1], y, in, batch, FALSE);
  } else {
    ClipConvPass pass;
    head_forward (net, tape, &pass, y, in, batch, FALSE);
  }
}

static gpointer
forward (ClipTrunk *trunk, ClipTape *tape, float *pooled, const void *in, int batch, int length,
         gboolean learn)
{
  EfficientNet *net = (EfficientNet *) trunk;
  const int first = clip_train_deepest (net->parameters, CLIP_PART_IMAGE);
  const ClipFrozen frozen = { net, net->size, net->n_blocks, out_channels, out_floats, run_frozen };
  if (!learn || first == G_MAXINT) {
    clip_frozen_forward (&frozen, tape, pooled, trunk->width, in, batch, net->n_blocks + 2);
    return NULL;
  }
  Pass *pass = clip_tape_take (tape, sizeof *pass);
  *pass = (Pass){ .batch = batch, .first = first };
  pass->blocks = clip_tape_take (tape, net->n_blocks * sizeof *pass->blocks);
  memset (pass->blocks, 0, net->n_blocks * sizeof *pass->blocks);

  ClipMap x;
  if (first > 0) {
    const gsize floats = out_floats (net, first - 1);
    float *out = clip_tape_floats (tape, batch * floats);
    clip_frozen_forward (&frozen, tape, out, floats, in, batch, first);
    x = clip_map_plain (out, out_channels (net, first - 1));
  } else {
    float *innermost = clip_tape_floats (tape, (gsize) batch * net->size * net->size * 3);
    clip_pixels_innermost (tape, innermost, in, net->size, batch);
    x = clip_map_plain (innermost, 3);
    layer_forward (net, tape, &pass->stem, &net->stem, &x, batch, TRUE);
    x = pass->stem.out;
  }
  for (int i = MAX (first, 1); i <= net->n_blocks; i++) {
    float *out = clip_tape_floats (tape, batch * out_floats (net, i));
    block_forward (net, tape, &pass->blocks[i - 1], &net->blocks[i - 1], out, &x, batch, TRUE);
    x = clip_map_plain (out, out_channels (net, i));
  }
  head_forward (net, tape, &pass->head, pooled, &x, batch, TRUE);
  return pass;
}

/* --------------------------------------------------------------------------------------------------------- backward */

static void
block_backward (ClipTape *tape, BlockPass *pass, const Block *block, ClipSink *below)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  ClipSink sink = clip_conv_pass_sink (&pass->depthwise, tape, NULL);
  clip_conv_layer_backward (&pass->project, tape, &sink);
  if (block->expand.conv.out) {
    sink = clip_conv_pass_sink (&pass->expand, tape, NULL);
    clip_conv_layer_backward (&pass->depthwise, tape, &sink);
    clip_conv_layer_backward (&pass->expand, tape, below);
  } else {
    clip_conv_layer_backward (&pass->depthwise, tape, below);
  }
  clip_tape_release (tape, mark);
}

static void
backward (ClipTrunk *trunk, ClipTape *tape, gpointer saved, const float *d_pooled)
{
  const EfficientNet *net = (const EfficientNet *) trunk;
  Pass *pass = saved;
  const ClipTapeMark mark = clip_tape_mark (tape);
  const int size = net->head.conv.out_size;
  ClipSink sink = clip_conv_pass_sink (&pass->head, tape, NULL);
  clip_pool_backward (tape, &sink, d_pooled, size, size, trunk->width, pass->batch);
  /* From the head to the first block that is trained: each is given the sink of the one below. */
  for (int i = net->n_blocks + 1; i > 0 && i >= pass->first; i--) {
    const gboolean adds = i <= net->n_blocks && net->blocks[i - 1].residual;
    ClipSink *below = NULL;
    if (i > pass->first) {
      sink = clip_conv_pass_sink (i == 1 ? &pass->stem : &pass->blocks[i - 2].project, tape,
                                  adds ? pass->blocks[i - 1].project.g : NULL);
      below = &sink;
    }
    if (i == net->n_blocks + 1)
      clip_conv_layer_backward (&pass->head, tape, below);
    else
      block_backward (tape, &pass->blocks[i - 1], &net->blocks[i - 1], below);
  }
  if (pass->first == 0)
    clip_conv_layer_backward (&pass->stem, tape, NULL);
  clip_tape_release (tape, mark);
}

/* ---------------------------------------------------------------------------------------------------------- binding */

static gboolean
first_dimension (const ClipWeights *weights, int *n, const char *format, const char *name)
{
  gint64 shape[4];
  g_autofree char *full = g_strdup_printf (format, name);
  if (!clip_weights_shape (weights, shape, "%s", full) || shape[0] < 1 || shape[0] > G_MAXUINT16)
    return FALSE;
  *n = shape[0];
  return TRUE;
}

static void
bind_layer (ClipConvLayer *layer, const ClipConvBinding *binding, ClipConv conv, gboolean depthwise,
            gboolean relu6, const char *name, const char *conv_name, const char *norm_name)
{
  g_autofree char *full_conv = g_strconcat (name, conv_name, NULL),
                  *full_norm = g_strconcat (name, norm_name, NULL);
  clip_conv_layer_bind (layer, binding, conv, depthwise, relu6 ? 0 : -INFINITY,
                        relu6 ? 6 : INFINITY, full_conv, full_norm);
}

static ClipConv
pointwise (int in, int out, int size)
{
  return (ClipConv){
    .kernel = 1, .stride = 1, .in = in, .out = out, .in_size = size, .out_size = size
  };
}

static ClipConv
same (int in, int out, int size, int kernel, int stride)
{
  return (ClipConv){
    .kernel = kernel,
    .stride = stride,
    .pad = clip_same_pad (size, kernel, stride),
    .in = in,
    .out = out,
    .in_size = size,
    .out_size = clip_same_size (size, stride),
  };
}

/* FALSE with the failure of the weights. */
static gboolean
bind_block (Block *block, const ClipConvBinding *binding, int in, int size, int stride,
            const char *name)
{
  ClipWeights *weights = binding->parameters->weights;
  gint64 shape[4] = { 0 };
  int out = 0;
  /* An expanding block has conv_pw, conv_dw, conv_pwl; one that does not, conv_dw, conv_pw. */
  const gboolean expands = first_dimension (weights, &out, "%sconv_pwl.weight", name);
  if ((!expands && !first_dimension (weights, &out, "%sconv_pw.weight", name)) ||
      !clip_weights_shape (weights, shape, "%sconv_dw.weight", name) || shape[0] < 1 ||
      shape[0] > G_MAXUINT16 || shape[2] != shape[3] || shape[2] < 1 ||
      shape[2] > CLIP_DEPTHWISE_MAX || (!expands && shape[0] != in)) {
    clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                       "tensor %sconv_dw.weight: missing or of an unexpected shape, expected "
                       "[M, 1, k, k], k ≤ %d",
                       name, CLIP_DEPTHWISE_MAX);
    return FALSE;
  }
  const int middle = shape[0];
  *block = (Block){ .residual = stride == 1 && in == out };
  if (expands)
    bind_layer (&block->expand, binding, pointwise (in, middle, size), FALSE, TRUE, name, "conv_pw",
                "bn1");
  bind_layer (&block->depthwise, binding, same (middle, middle, size, shape[2], stride), TRUE, TRUE,
              name, "conv_dw", expands ? "bn2" : "bn1");
  bind_layer (&block->project, binding, pointwise (middle, out, clip_same_size (size, stride)),
              FALSE, FALSE, name, expands ? "conv_pwl" : "conv_pw", expands ? "bn3" : "bn2");
  return TRUE;
}

static void
bind_trunk (EfficientNet *net, float epsilon)
{
  static const int stage_strides[] = { 1, 2, 2, 2, 1, 2, 1 };
  ClipWeights *weights = net->parameters->weights;
  ClipConvBinding binding = { net->parameters, CLIP_PART_IMAGE, 0, epsilon };
  int channels = 0;
  if (!first_dimension (weights, &channels, "%sconv_stem.weight", TRUNK) ||
      !first_dimension (weights, &net->trunk.width, "%sconv_head.weight", TRUNK)) {
    clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                       "tensors " TRUNK "conv_stem.weight, conv_head.weight: missing or empty");
    return;
  }
  bind_layer (&net->stem, &binding, same (3, channels, net->size, STEM_KERNEL, STEM_STRIDE), FALSE,
              TRUE, TRUNK, "conv_stem", "bn1");
  int size = net->stem.conv.out_size;
  GArray *blocks = g_array_new (FALSE, TRUE, sizeof (Block));
  for (guint stage = 0; stage < G_N_ELEMENTS (stage_strides); stage++) {
    g_autofree char *format = g_strdup_printf (TRUNK "blocks.%u.%%d.conv_dw.weight", stage);
    const int n = clip_weights_count (weights, format);
    if (n == 0)
      clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                         "tensor " TRUNK "blocks.%u.0.conv_dw.weight is missing", stage);
    for (int i = 0; i < n; i++) {
      g_autofree char *name = g_strdup_printf (TRUNK "blocks.%u.%d.", stage, i);
      Block block;
      binding.block = blocks->len + 1;
      if (!bind_block (&block, &binding, channels, size, i == 0 ? stage_strides[stage] : 1, name))
        break;
      /* The stem's output is only read through its BatchNorm. */
      if (blocks->len == 0 && block.residual)
        clip_weights_fail (weights, CLIP_ERROR_UNSUPPORTED,
                           "tensor %sconv_dw.weight: a first block that adds to its input", name);
      channels = block.project.conv.out;
      size = block.project.conv.out_size;
      g_array_append_val (blocks, block);
    }
  }
  net->n_blocks = blocks->len;
  net->blocks = (Block *) g_array_free (blocks, FALSE);
  binding.block = net->n_blocks + 1;
  bind_layer (&net->head, &binding, pointwise (channels, net->trunk.width, size), FALSE, TRUE,
              TRUNK, "conv_head", "bn2");
}

static void
net_free (ClipTrunk *trunk)
{
  EfficientNet *net = (EfficientNet *) trunk;
  g_free (net->blocks);
  g_free (net);
}

ClipTrunk *
clip_train_efficientnet_new (ClipParameters *parameters, const ClipConfig *config)
{
  EfficientNet *net = g_new0 (EfficientNet, 1);
  *net = (EfficientNet){
    .trunk = { .kind = "efficientnet", .forward = forward, .backward = backward, .free = net_free },
    .parameters = parameters,
    .mode = CLIP_BATCH_NORM_RUNNING,
    .size = config->image.image_size,
  };
  bind_trunk (net, config->image.norm_epsilon);
  return &net->trunk;
}

void
clip_train_efficientnet_set_batch_norm (ClipTrunk *trunk, ClipBatchNormMode mode)
{
  ((EfficientNet *) trunk)->mode = mode;
}
