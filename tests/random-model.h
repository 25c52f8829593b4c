/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints of any shape with random weights, under OpenCLIP's names, for tests and benchmarks. Weights are scaled by
 * 1/√inputs, so that activations stay in the range of a trained model's. */
#pragma once
#include "core/checkpoint/safetensors.h"
#include "core/model/weights.h"
#include "core/train/random.h"
#include "tests/testing.h"

#include <glib/gstdio.h>
#include <math.h>

typedef struct {
  GArray *tensors; /* of ClipTensor */
  GPtrArray *heap; /* their names and data */
  guint64 state;
} RandomModel;

static inline RandomModel
random_model (void)
{
  return (RandomModel){ g_array_new (FALSE, TRUE, sizeof (ClipTensor)),
                        g_ptr_array_new_with_free_func (g_free), 1 };
}

static inline void
random_model_clear (RandomModel *model)
{
  g_array_unref (model->tensors);
  g_ptr_array_unref (model->heap);
}

/* Uniform in -1 … 1: Knuth's linear congruence, high bits. */
static inline float
random_next (RandomModel *model)
{
  model->state = model->state * 6364136223846793005u + 1442695040888963407u;
  return (gint32) (model->state >> 32) * 0x1p-31f;
}

/* A normal number's nearest half; tiny ones become 0. */
static inline guint16
half_of (float value)
{
  guint32 bits;
  memcpy (&bits, &value, sizeof bits);
  const int exponent = (int) (bits >> 23 & 0xff) - 127 + 15;
  if (exponent <= 0)
    return 0;
  return (bits >> 16 & 0x8000) | ((exponent << 10 | (bits >> 13 & 0x3ff)) + (bits >> 12 & 1));
}

/* values = centre ± scale. Returns the data. @dtype: F32, F16, BF16 or I8 (with its scales beside it). */
static inline const void *
random_tensor (RandomModel *model, ClipDtype dtype, float centre, float scale, const char *name,
               int n_dims, gint64 a, gint64 b, gint64 c, gint64 d)
{
  const gint64 shape[4] = { a, b, c, d };
  gsize n = 1;
  for (int i = 0; i < n_dims; i++)
    n *= shape[i];
  ClipTensor tensor = { g_strdup (name), dtype, n_dims,
                        { a, b, c, d },  NULL,  n * clip_dtype_size (dtype) };
  void *data = g_malloc (tensor.size);
  for (gsize i = 0; i < n; i++) {
    const float value = centre + scale * random_next (model);
    guint32 bits;
    memcpy (&bits, &value, sizeof bits);
    if (dtype == CLIP_DTYPE_F32)
      ((float *) data)[i] = value;
    else if (dtype == CLIP_DTYPE_F16)
      ((guint16 *) data)[i] = half_of (value);
    else if (dtype == CLIP_DTYPE_BF16)
      ((guint16 *) data)[i] = bits >> 16;
    else
      ((gint8 *) data)[i] = lrintf (127 * value / (fabsf (centre) + scale));
  }
  tensor.data = data;
  g_ptr_array_add (model->heap, (char *) tensor.name);
  g_ptr_array_add (model->heap, data);
  g_array_append_val (model->tensors, tensor);
  if (dtype == CLIP_DTYPE_I8) {
    g_autofree char *scales = g_strconcat (name, ".scale", NULL);
    random_tensor (model, CLIP_DTYPE_F32, scale / 127, scale / 1270, scales, 1, a, 1, 1, 1);
  }
  return data;
}

static inline void
random_matrix (RandomModel *model, ClipDtype dtype, const char *name, gint64 out, gint64 in)
{
  random_tensor (model, dtype, 0, sqrt (3. / in), name, 2, out, in, 1, 1);
}

static inline void
random_vector (RandomModel *model, float centre, float scale, const char *name, gint64 n)
{
  random_tensor (model, CLIP_DTYPE_F32, centre, scale, name, 1, n, 1, 1, 1);
}

/* NAME, NAME.weight and NAME.bias as `name`, `weight` and `bias` */
#define RANDOM_NAME(...)                                                                           \
  g_autofree char *name = g_strdup_printf (__VA_ARGS__);                                           \
  g_autofree char *weight = g_strconcat (name, ".weight", NULL),                                   \
                  *bias = g_strconcat (name, ".bias", NULL)

static inline void
random_linear (RandomModel *model, ClipDtype dtype, gint64 out, gint64 in, const char *prefix,
               const char *layer)
{
  RANDOM_NAME ("%s%s", prefix, layer);
  random_matrix (model, dtype, weight, out, in);
  random_vector (model, 0, 0.2f, bias, out);
}

static inline void
random_norm (RandomModel *model, gint64 n, const char *prefix, const char *layer)
{
  RANDOM_NAME ("%s%s", prefix, layer);
  random_vector (model, 1, 0.3f, weight, n);
  random_vector (model, 0, 0.2f, bias, n);
}

/* The blocks of CLIP's transformers. */
static inline void
random_blocks (RandomModel *model, ClipDtype dtype, const char *prefix, int layers, int width,
               int mlp_width)
{
  for (int i = 0; i < layers; i++) {
    g_autofree char *block = g_strdup_printf ("%s.%d.", prefix, i);
    g_autofree char *in_weight = g_strconcat (block, "attn.in_proj_weight", NULL);
    g_autofree char *in_bias = g_strconcat (block, "attn.in_proj_bias", NULL);
    random_norm (model, width, block, "ln_1");
    random_matrix (model, dtype, in_weight, 3 * width, width);
    random_vector (model, 0, 0.2f, in_bias, 3 * width);
    random_linear (model, dtype, width, width, block, "attn.out_proj");
    random_norm (model, width, block, "ln_2");
    random_linear (model, dtype, mlp_width, width, block, "mlp.c_fc");
    random_linear (model, dtype, width, mlp_width, block, "mlp.c_proj");
  }
}

static inline void
random_vit (RandomModel *model, ClipDtype dtype, int grid, int patch, int width, int layers,
            int mlp_width, int embed_dim)
{
  random_tensor (model, dtype, 0, sqrt (3. / (3 * patch * patch)), "visual.conv1.weight", 4, width,
                 3, patch, patch);
  random_vector (model, 0, 0.5f, "visual.class_embedding", width);
  random_tensor (model, CLIP_DTYPE_F32, 0, 0.5f, "visual.positional_embedding", 2, grid * grid + 1,
                 width, 1, 1);
  random_norm (model, width, "visual.", "ln_pre");
  random_blocks (model, dtype, "visual.transformer.resblocks", layers, width, mlp_width);
  random_norm (model, width, "visual.", "ln_post");
  /* stored [in, out] */
  random_tensor (model, dtype == CLIP_DTYPE_I8 ? CLIP_DTYPE_F32 : dtype, 0, sqrt (3. / width),
                 "visual.proj", 2, width, embed_dim, 1, 1);
}

static inline void
random_text (RandomModel *model, ClipDtype dtype, int vocabulary, int context, int width,
             int layers, int mlp_width, int embed_dim)
{
  random_matrix (model, dtype, "token_embedding.weight", vocabulary, width);
  random_tensor (model, CLIP_DTYPE_F32, 0, 0.5f, "positional_embedding", 2, context, width, 1, 1);
  random_blocks (model, dtype, "transformer.resblocks", layers, width, mlp_width);
  random_norm (model, width, "", "ln_final");
  random_tensor (model, dtype == CLIP_DTYPE_I8 ? CLIP_DTYPE_F32 : dtype, 0, sqrt (3. / width),
                 "text_projection", 2, width, embed_dim, 1, 1);
}

static inline void
random_bert (RandomModel *model, ClipDtype dtype, int vocabulary, int context, int width,
             int layers, int mlp_width, int head_width, int embed_dim)
{
  random_matrix (model, dtype, "text.transformer.embeddings.word_embeddings.weight", vocabulary,
                 width);
  random_matrix (model, dtype, "text.transformer.embeddings.position_embeddings.weight", context,
                 width);
  random_matrix (model, dtype, "text.transformer.embeddings.token_type_embeddings.weight", 2,
                 width);
  random_norm (model, width, "text.transformer.embeddings.", "LayerNorm");
  for (int i = 0; i < layers; i++) {
    g_autofree char *layer = g_strdup_printf ("text.transformer.encoder.layer.%d.", i);
    random_linear (model, dtype, width, width, layer, "attention.self.query");
    random_linear (model, dtype, width, width, layer, "attention.self.key");
    random_linear (model, dtype, width, width, layer, "attention.self.value");
    random_linear (model, dtype, width, width, layer, "attention.output.dense");
    random_norm (model, width, layer, "attention.output.LayerNorm");
    random_linear (model, dtype, mlp_width, width, layer, "intermediate.dense");
    random_linear (model, dtype, width, mlp_width, layer, "output.dense");
    random_norm (model, width, layer, "output.LayerNorm");
  }
  random_matrix (model, dtype, "text.proj.0.weight", head_width, width);
  random_matrix (model, dtype, "text.proj.2.weight", embed_dim, head_width);
}

/* @gain: BatchNorm's γ on the mean */
static inline void
random_conv_of (RandomModel *model, ClipDtype dtype, float gain, const char *prefix,
                const char *conv, const char *norm, int out, int in, int kernel)
{
  RANDOM_NAME ("%s%s", prefix, norm);
  g_autofree char *w = g_strconcat (prefix, conv, ".weight", NULL),
                  *mean = g_strconcat (name, ".running_mean", NULL);
  g_autofree char *variance = g_strconcat (name, ".running_var", NULL);
  random_tensor (model, dtype, 0, sqrt (6. / (in * kernel * kernel)), w, 4, out, in, kernel,
                 kernel);
  random_vector (model, gain, 0.3f * gain, weight, out);
  random_vector (model, 0.2f, 0.4f, bias, out);
  random_vector (model, 0.1f, 0.3f, mean, out);
  random_vector (model, 1, 0.5f, variance, out);
}

static inline void
random_conv (RandomModel *model, ClipDtype dtype, const char *prefix, const char *conv,
             const char *norm, int out, int in, int kernel)
{
  random_conv_of (model, dtype, 1, prefix, conv, norm, out, in, kernel);
}

typedef struct {
  int repeat, kernel, expansion, out;
} RandomStage;

static const RandomStage random_lite0[7] = {
  { 1, 3, 1, 16 },  { 2, 3, 6, 24 },  { 2, 5, 6, 40 },  { 3, 3, 6, 80 },
  { 3, 5, 6, 112 }, { 4, 5, 6, 192 }, { 1, 3, 6, 320 },
};

static inline void
random_efficientnet (RandomModel *model, ClipDtype dtype, int stem, const RandomStage *stages,
                     int features, int embed_dim)
{
  int in = stem;
  random_conv (model, dtype, "visual.trunk.", "conv_stem", "bn1", stem, 3, 3);
  for (int s = 0; s < 7; s++) {
    for (int i = 0; i < stages[s].repeat; i++) {
      g_autofree char *prefix = g_strdup_printf ("visual.trunk.blocks.%d.%d.", s, i);
      const int middle = in * stages[s].expansion;
      const gboolean expands = stages[s].expansion > 1;
      if (expands)
        random_conv (model, dtype, prefix, "conv_pw", "bn1", middle, in, 1);
      random_conv (model, dtype, prefix, "conv_dw", expands ? "bn2" : "bn1", middle, 1,
                   stages[s].kernel);
      random_conv (model, dtype, prefix, expands ? "conv_pwl" : "conv_pw", expands ? "bn3" : "bn2",
                   stages[s].out, middle, 1);
      in = stages[s].out;
    }
  }
  random_conv (model, dtype, "visual.trunk.", "conv_head", "bn2", features, in, 1);
  random_linear (model, dtype, embed_dim, features, "visual.", "head.proj");
}

/* As in trained ones, blocks add little to what they read: what grew with each of them would end in attention that sees one
 * position alone, and turns to another at the slightest error. */
static inline void
random_resnet (RandomModel *model, ClipDtype dtype, int width, const int stages[4], int grid,
               int embed_dim)
{
  const int features = 32 * width;
  int in = width;
  random_conv (model, dtype, "visual.", "conv1", "bn1", width / 2, 3, 3);
  random_conv (model, dtype, "visual.", "conv2", "bn2", width / 2, width / 2, 3);
  random_conv (model, dtype, "visual.", "conv3", "bn3", width, width / 2, 3);
  for (int s = 0; s < 4; s++) {
    const int planes = width << s;
    for (int i = 0; i < stages[s]; i++) {
      g_autofree char *prefix = g_strdup_printf ("visual.layer%d.%d.", s + 1, i);
      random_conv (model, dtype, prefix, "conv1", "bn1", planes, in, 1);
      random_conv (model, dtype, prefix, "conv2", "bn2", planes, planes, 3);
      random_conv_of (model, dtype, 0.2f, prefix, "conv3", "bn3", 4 * planes, planes, 1);
      if (i == 0)
        random_conv (model, dtype, prefix, "downsample.0", "downsample.1", 4 * planes, in, 1);
      in = 4 * planes;
    }
  }
  random_tensor (model, CLIP_DTYPE_F32, 0, 0.5f, "visual.attnpool.positional_embedding", 2,
                 grid * grid + 1, features, 1, 1);
  random_linear (model, dtype, features, features, "visual.attnpool.", "q_proj");
  random_linear (model, dtype, features, features, "visual.attnpool.", "k_proj");
  random_linear (model, dtype, features, features, "visual.attnpool.", "v_proj");
  random_linear (model, dtype, embed_dim, features, "visual.attnpool.", "c_proj");
}

/* -------------------------------------------------------------------- numbers that a script has, too */

/* As numbers () in golden/gradients.py: SplitMix64 from the hash of a name; g_free () */
static inline float *
named_numbers (const char *name, gsize n, float scale)
{
  guint64 state = 0xcbf29ce484222325u;
  for (; *name; name++)
    state = (state ^ (guint8) *name) * 0x100000001b3u;
  float *x = g_new (float, n);
  for (gsize i = 0; i < n; i++)
    x[i] = scale * ((clip_random_next (&state) >> 40) * 0x1p-23 - 1);
  return x;
}

/* As weights () there, of the shape that @like has. */
static inline void
named_tensor (RandomModel *model, const char *name, const ClipTensor *like)
{
  ClipTensor tensor = *like;
  const gsize n = like->size / sizeof (float);
  tensor.name = g_strdup (name);
  float *x = named_numbers (name, n, 1);
  double centre = 0, scale = 0.2;
  if (like->n_dims > 1)
    scale = sqrt (3. / (n / like->shape[0]));
  else if (g_str_has_suffix (name, ".running_var"))
    centre = 1, scale = 0.5;
  else if (g_str_has_suffix (name, ".weight"))
    centre = 1, scale = 0.3;
  for (gsize i = 0; i < n; i++)
    x[i] = centre + scale * x[i];
  tensor.data = x;
  g_ptr_array_add (model->heap, (char *) tensor.name);
  g_ptr_array_add (model->heap, x);
  g_array_append_val (model->tensors, tensor);
}

/* By way of a file that is gone at once; the mapping stays. */
static inline ClipWeights *
random_weights (const RandomModel *model)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = temporary_path ("random.safetensors");
  clip_safetensors_write (path, (const ClipTensor *) (void *) model->tensors->data,
                          model->tensors->len, NULL, &error);
  g_assert_no_error (error);
  ClipCheckpoint *checkpoint = clip_checkpoint_open (path, &error);
  g_assert_no_error (error);
  g_unlink (path);
  ClipWeights *weights = clip_weights_new (checkpoint, &error);
  g_assert_no_error (error);
  return weights;
}
