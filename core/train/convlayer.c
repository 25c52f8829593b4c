/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/convlayer.h"

#include <string.h>

void
clip_conv_layer_bind (ClipConvLayer *layer, const ClipConvBinding *binding, ClipConv conv,
                      gboolean depthwise, float low, float high, const char *conv_name,
                      const char *norm_name)
{
  ClipParameterSpec spec = {
    .part = binding->part,
    .block = binding->block,
    .order = depthwise ? CLIP_ORDER_DEPTHWISE : CLIP_ORDER_CONV,
    .decay = TRUE,
    .n_dims = 4,
    .shape = { conv.out, conv.kernel, conv.kernel, conv.in },
  };
  if (depthwise) {
    spec.n_dims = 3;
    memcpy (spec.shape, (gint64[4]){ conv.kernel, conv.kernel, conv.in }, sizeof spec.shape);
  }
  conv.weight = clip_parameters_add (binding->parameters, spec, "%s.weight", conv_name);
  *layer = (ClipConvLayer){ .conv = conv, .depthwise = depthwise, .low = low, .high = high };
  clip_batch_norm_bind (&layer->norm, binding->parameters, conv.out, binding->epsilon,
                        binding->part, binding->block, norm_name);
}

void
clip_conv_layer_forward (ClipConvPass *pass, ClipTape *tape, const ClipConvLayer *layer,
                         const ClipMap *in, int batch, gboolean learn_norm)
{
  /* Small pieces of their own would each begin a block of the tape, where the large ones fill theirs. */
  const gsize floats = clip_conv_layer_floats (layer, batch);
  float *y = clip_tape_floats (tape, floats + CLIP_NORMED_FLOATS * layer->conv.out);
  *pass = (ClipConvPass){
    .layer = layer,
    .in = *in,
    .y = y,
    .normed = clip_batch_norm_in (y + floats, &layer->norm),
    .batch = batch,
  };
  const ClipTapeMark mark = clip_tape_mark (tape);
  const ClipPartials moments = (layer->depthwise ? clip_depthwise_forward : clip_conv_forward) (
      tape, pass->y, in, &layer->conv, batch, learn_norm);
  if (learn_norm)
    clip_batch_norm_learn (&pass->normed, tape, &layer->norm, &moments);
  else
    clip_batch_norm_run (&pass->normed, &layer->norm);
  clip_tape_release (tape, mark);
  pass->out = clip_normed_map (&pass->normed, pass->y, layer->conv.out, layer->low, layer->high);
}

ClipSink
clip_conv_pass_sink (ClipConvPass *pass, ClipTape *tape, float *g)
{
  const ClipConvLayer *layer = pass->layer;
  const int channels = layer->conv.out;
  const gsize floats = g ? 0 : clip_conv_layer_floats (layer, pass->batch);
  float *memory = clip_tape_floats (tape, floats + 2 * channels);
  pass->g = g ? g : memory;
  pass->sum = memory + floats;
  pass->dot = pass->sum + channels;
  const gboolean clamps = layer->low > -INFINITY || layer->high < INFINITY;
  return (ClipSink){
    .g = pass->g,
    .add = g != NULL,
    .gate = clamps ? &pass->out : NULL,
    .n_norms = 1,
    .norms = { { .y = pass->y, .mean = pass->normed.mean, .sum = pass->sum, .dot = pass->dot } },
  };
}

void
clip_conv_layer_backward (ClipConvPass *pass, ClipTape *tape, ClipSink *dx)
{
  const ClipConvLayer *layer = pass->layer;
  const ClipTapeMark mark = clip_tape_mark (tape);
  const ClipMap dy = clip_batch_norm_backward (tape, &layer->norm, &pass->normed, pass->g, pass->y,
                                               pass->sum, pass->dot);
  if (layer->depthwise) {
    clip_depthwise_backward (tape, dx, &layer->conv, &dy, &pass->in, pass->batch);
  } else {
    clip_conv_weight (tape, &layer->conv, &dy, &pass->in, pass->batch);
    if (dx)
      clip_conv_input (tape, dx, &layer->conv, &dy, pass->batch);
  }
  clip_tape_release (tape, mark);
}

/* ---------------------------------------------------------------------------------------------------------- making */

typedef struct {
  const ClipKernels *kernels;
  float *y;
  const ClipMap *map;
  gsize positions;
  int channels, step;
} Make;

static void
make_some (void *data, int task, int worker)
{
  const Make *make = data;
  const gsize first = (gsize) task * make->step;
  make->kernels->blend (make->y + first * make->channels, make->channels, make->map, first,
                        MIN ((gsize) make->step, make->positions - first), make->channels);
}

void
clip_map_make (ClipTape *tape, float *y, const ClipMap *map, gsize positions, int channels)
{
  Make make = { tape->kernels, y, map, positions, channels, MAX (32768 / channels, 1) };
  clip_threads_run (tape->threads, make_some, &make, (positions + make.step - 1) / make.step);
}
