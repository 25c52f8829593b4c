/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The projection from pooled features [B, W] to the embedding [B, E], whichever the weights have:
 *
 *   y = x · Wᵀ (+ bias)                        CLIP's own, a linear head
 *   y = W2 · gelu (W1 · x (+ b1)) (+ b2)       an MLP
 *   y = x                                      none
 */
#include "core/train/layers.h"
#include "core/train/product.h"
#include "core/train/trainable.h"

#include <string.h>

/* Names of the layers, without ".weight"; where both have no such ending it is the tensor's whole name. */
static const struct {
  ClipPart part;
  ClipOrder order;
  const char *first, *second; /* second: NULL: a single layer */
} kinds[] = {
  { CLIP_PART_IMAGE_HEAD, CLIP_ORDER_PLAIN, "visual.head.proj", NULL },
  { CLIP_PART_IMAGE_HEAD, CLIP_ORDER_TRANSPOSED, "visual.proj", NULL },
  { CLIP_PART_IMAGE_HEAD, CLIP_ORDER_PLAIN, "visual.head.mlp.fc1", "visual.head.mlp.fc2" },
  { CLIP_PART_TEXT_HEAD, CLIP_ORDER_TRANSPOSED, "text_projection", NULL },
  { CLIP_PART_TEXT_HEAD, CLIP_ORDER_PLAIN, "text.proj", NULL },
  { CLIP_PART_TEXT_HEAD, CLIP_ORDER_PLAIN, "text.proj.0", "text.proj.2" },
};

struct _ClipHead {
  int n_layers; /* 0, 1, 2 */
  int width, embed_dim, hidden;
  ClipTrainLinear layers[2];
};

typedef struct {
  const float *pooled; /* [B, W]: a copy */
  float *hidden;       /* [B, hidden], before GELU */
} Saved;

static const char *
ending_of (ClipOrder order)
{
  return order == CLIP_ORDER_TRANSPOSED ? "" : ".weight";
}

static ClipTrainLinear
add_layer (ClipParameters *parameters, ClipPart part, ClipOrder order, const char *name, int out,
           int in)
{
  gint64 shape[4];
  const ClipParameterSpec weight = { part,          0,           order,
                                     .decay = TRUE, .n_dims = 2, .shape = { out, in } },
                          bias = { part, 0, .n_dims = 1, .shape = { out } };
  ClipTrainLinear layer = {
    .weight = clip_parameters_add (parameters, weight, "%s%s", name, ending_of (order)),
    .out = out,
    .in = in,
  };
  if (clip_weights_shape (parameters->weights, shape, "%s.bias", name))
    layer.bias = clip_parameters_add (parameters, bias, "%s.bias", name);
  return layer;
}

ClipHead *
clip_train_head_new (ClipParameters *parameters, const ClipConfig *config, ClipPart part, int width)
{
  ClipHead *head = g_new0 (ClipHead, 1);
  head->width = width;
  head->embed_dim = config->embed_dim;
  for (guint i = 0; i < G_N_ELEMENTS (kinds) && head->n_layers == 0; i++) {
    const char *first = kinds[i].first, *second = kinds[i].second;
    gint64 shape[4];
    if (kinds[i].part != part ||
        !clip_weights_shape (parameters->weights, shape, "%s%s", first, ending_of (kinds[i].order)))
      continue;
    head->n_layers = second ? 2 : 1;
    head->hidden = second ? CLAMP (shape[0], 1, G_MAXINT32) : head->embed_dim;
    head->layers[0] = add_layer (parameters, part, kinds[i].order, first, head->hidden, width);
    if (second)
      head->layers[1] =
          add_layer (parameters, part, kinds[i].order, second, head->embed_dim, head->hidden);
  }
  if (head->n_layers == 0 && width != head->embed_dim)
    clip_weights_fail (parameters->weights, CLIP_ERROR_TENSOR,
                       "no projection from %d %s features to %d", width,
                       part == CLIP_PART_IMAGE_HEAD ? "image" : "text", head->embed_dim);
  return head;
}

void
clip_train_head_free (ClipHead *head)
{
  g_free (head);
}

gpointer
clip_train_head_forward (ClipHead *head, ClipTape *tape, float *features, const float *pooled,
                         int batch, gboolean learn)
{
  const gsize n_in = (gsize) batch * head->width, n_hidden = (gsize) batch * head->hidden;
  const int embed_dim = head->embed_dim;
  if (head->n_layers == 0) {
    clip_train_copy (tape, features, pooled, n_in);
    return NULL;
  }
  Saved *saved = NULL;
  if (learn) {
    saved = clip_tape_take (tape, sizeof *saved);
    float *copy = clip_tape_floats (tape, n_in);
    clip_train_copy (tape, copy, pooled, n_in);
    *saved = (Saved){ copy, head->n_layers == 2 ? clip_tape_floats (tape, n_hidden) : NULL };
  }
  const ClipTapeMark mark = clip_tape_mark (tape);
  const ClipTrainLinear *layers = head->layers;
  if (head->n_layers == 1) {
    clip_train_linear_forward (tape, features, embed_dim, pooled, head->width, &layers[0], batch,
                               FALSE);
  } else {
    float *hidden = saved ? saved->hidden : clip_tape_floats (tape, n_hidden),
          *active = clip_tape_floats (tape, n_hidden);
    clip_train_linear_forward (tape, hidden, head->hidden, pooled, head->width, &layers[0], batch,
                               FALSE);
    clip_train_activation_forward (tape, active, hidden, CLIP_ACTIVATION_GELU, n_hidden);
    clip_train_linear_forward (tape, features, embed_dim, active, head->hidden, &layers[1], batch,
                               FALSE);
  }
  clip_tape_release (tape, mark);
  return saved;
}

void
clip_train_head_backward (ClipHead *head, ClipTape *tape, gpointer data, float *d_pooled,
                          const float *d_features, int batch)
{
  const Saved *saved = data;
  const int width = head->width, hidden = head->hidden, embed_dim = head->embed_dim;
  const ClipTrainLinear *layers = head->layers;
  if (head->n_layers == 0) {
    if (d_pooled)
      clip_train_copy (tape, d_pooled, d_features, (gsize) batch * width);
    return;
  }
  if (head->n_layers == 1) {
    clip_train_linear_backward (tape, d_pooled, width, d_features, embed_dim, saved->pooled, width,
                                &layers[0], batch, FALSE);
    return;
  }
  const ClipTapeMark mark = clip_tape_mark (tape);
  float *d_hidden = clip_tape_floats (tape, (gsize) batch * hidden);
  clip_product_nn (tape, d_hidden, hidden, d_features, embed_dim, layers[1].weight->value, hidden,
                   batch, hidden, embed_dim, FALSE);
  clip_train_activation_backward (tape, d_hidden, saved->hidden, CLIP_ACTIVATION_GELU,
                                  (gsize) batch * hidden);
  clip_train_linear_backward (tape, NULL, 0, d_features, embed_dim, saved->hidden, hidden,
                              &layers[1], batch, FALSE);
  clip_train_linear_backward (tape, d_pooled, width, d_hidden, hidden, saved->pooled, width,
                              &layers[0], batch, FALSE);
  clip_tape_release (tape, mark);
}
