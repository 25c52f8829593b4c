/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The five towers in double precision, as the papers have them: one picture or text at a time, every token of every block,
 * masks, BatchNorm by itself, nothing folded or skipped. Weights are read from a RandomModel by the names they are stored
 * under. Everything returned is g_malloc ()ed.
 */
#pragma once
#include "tests/random-model.h"

static inline const ClipTensor *
ref_find (const RandomModel *model, const char *name)
{
  for (guint i = 0; i < model->tensors->len; i++) {
    const ClipTensor *tensor = &g_array_index (model->tensors, ClipTensor, i);
    if (g_str_equal (tensor->name, name))
      return tensor;
  }
  return NULL;
}

static inline double
ref_half (guint16 half)
{
  const int exponent = half >> 10 & 31;
  const double magnitude =
      exponent ? ldexp (1024 + (half & 1023), exponent - 25) : ldexp (half & 1023, -24);
  return half & 0x8000 ? -magnitude : magnitude;
}

static inline double
ref_bfloat (guint16 half)
{
  const guint32 bits = (guint32) half << 16;
  float value;
  memcpy (&value, &bits, sizeof value);
  return value;
}

static inline double *ref_tensor (const RandomModel *model, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

static inline double *
ref_tensor (const RandomModel *model, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *name = g_strdup_vprintf (format, args),
                  *scale_name = g_strconcat (name, ".scale", NULL);
  va_end (args);
  const ClipTensor *tensor = ref_find (model, name), *scale = ref_find (model, scale_name);
  if (!tensor)
    g_error ("no tensor %s", name);
  const gsize n = tensor->size / clip_dtype_size (tensor->dtype), cols = n / tensor->shape[0];
  double *y = g_new (double, n);
  for (gsize i = 0; i < n; i++) {
    if (tensor->dtype == CLIP_DTYPE_F32)
      y[i] = ((const float *) tensor->data)[i];
    else if (tensor->dtype == CLIP_DTYPE_F16)
      y[i] = ref_half (((const guint16 *) tensor->data)[i]);
    else if (tensor->dtype == CLIP_DTYPE_BF16)
      y[i] = ref_bfloat (((const guint16 *) tensor->data)[i]);
    else
      y[i] = (double) ((const float *) scale->data)[i / cols] * ((const gint8 *) tensor->data)[i];
  }
  return y;
}

/* y[rows, out] = x[rows, in] · W[first … first + out - 1]ᵀ + b; @bias NULL: none */
static inline double *
ref_linear_part (const RandomModel *model, const double *x, int rows, int out, int in, int first,
                 const char *weight, const char *bias)
{
  g_autofree double *w = ref_tensor (model, "%s", weight),
                    *b = bias ? ref_tensor (model, "%s", bias) : NULL;
  double *y = g_new (double, rows *out);
  for (int r = 0; r < rows; r++) {
    for (int o = 0; o < out; o++) {
      double sum = b ? b[first + o] : 0;
      for (int i = 0; i < in; i++)
        sum += x[r * in + i] * w[(first + o) * in + i];
      y[r * out + o] = sum;
    }
  }
  return y;
}

static inline double *
ref_linear (const RandomModel *model, const double *x, int rows, int out, int in,
            const char *prefix, const char *layer)
{
  RANDOM_NAME ("%s%s", prefix, layer);
  return ref_linear_part (model, x, rows, out, in, 0, weight, ref_find (model, bias) ? bias : NULL);
}

/* y[C] = x[C] · w[C, E], as OpenAI stores projections */
static inline double *
ref_project (const RandomModel *model, const double *x, int width, int embed_dim, const char *name)
{
  g_autofree double *w = ref_tensor (model, "%s", name);
  double *y = g_new0 (double, embed_dim);
  for (int i = 0; i < width; i++)
    for (int o = 0; o < embed_dim; o++)
      y[o] += x[i] * w[i * embed_dim + o];
  return y;
}

static inline double *
ref_norm (const RandomModel *model, const double *x, int rows, int width, double epsilon,
          const char *prefix, const char *layer)
{
  RANDOM_NAME ("%s%s", prefix, layer);
  g_autofree double *w = ref_tensor (model, "%s", weight), *b = ref_tensor (model, "%s", bias);
  double *y = g_new (double, rows *width);
  for (int r = 0; r < rows; r++, x += width) {
    double mean = 0, variance = 0;
    for (int i = 0; i < width; i++)
      mean += x[i] / width;
    for (int i = 0; i < width; i++)
      variance += (x[i] - mean) * (x[i] - mean) / width;
    for (int i = 0; i < width; i++)
      y[r * width + i] = (x[i] - mean) / sqrt (variance + epsilon) * w[i] + b[i];
  }
  return y;
}

static inline void
ref_activate (double *x, int n, ClipActivation activation)
{
  for (int i = 0; i < n; i++)
    x[i] = activation == CLIP_ACTIVATION_QUICK_GELU ? x[i] / (1 + exp (-1.702 * x[i]))
           : activation == CLIP_ACTIVATION_GELU_TANH
               ? 0.5 * x[i] * (1 + tanh (sqrt (M_2_PI) * (x[i] + 0.044715 * pow (x[i], 3))))
               : 0.5 * x[i] * (1 + erf (x[i] * M_SQRT1_2));
}

static inline void
ref_add (double *x, const double *y, int n)
{
  for (int i = 0; i < n; i++)
    x[i] += y[i];
}

/* Of @keys tokens the first ones are there; causal: query i sees keys 0 … i. */
static inline double *
ref_attention (const double *q, const double *k, const double *v, int tokens, int keys, int width,
               int heads, gboolean causal)
{
  const int size = width / heads;
  double *y = g_new0 (double, tokens *width);
  for (int h = 0; h < heads; h++) {
    for (int i = 0; i < tokens; i++) {
      g_autofree double *p = g_new (double, keys);
      const int seen = causal ? MIN (i + 1, keys) : keys;
      double sum = 0;
      for (int j = 0; j < seen; j++) {
        p[j] = 0;
        for (int d = h * size; d < (h + 1) * size; d++)
          p[j] += q[i * width + d] * k[j * width + d];
        sum += p[j] = exp (p[j] / sqrt (size));
      }
      for (int j = 0; j < seen; j++)
        for (int d = h * size; d < (h + 1) * size; d++)
          y[i * width + d] += p[j] / sum * v[j * width + d];
    }
  }
  return y;
}

/* LayerScale: y[rows, C] is multiplied by gamma[C] where there is one. */
static inline void
ref_scale (const RandomModel *model, double *y, int rows, int width, const char *block,
           const char *layer)
{
  g_autofree char *name = g_strconcat (block, layer, ".gamma", NULL);
  if (!ref_find (model, name))
    return;
  g_autofree double *gamma = ref_tensor (model, "%s", name);
  for (int i = 0; i < rows * width; i++)
    y[i] *= gamma[i % width];
}

/* CLIP's block, x[tokens, C] in place. */
static inline void
ref_block (const RandomModel *model, double *x, int tokens, const char *prefix, int index,
           int width, int heads, int mlp_width, ClipActivation activation, gboolean causal)
{
  g_autofree char *block = g_strdup_printf ("%s.%d.", prefix, index);
  g_autofree char *weight = g_strconcat (block, "attn.in_proj_weight", NULL);
  g_autofree char *bias = g_strconcat (block, "attn.in_proj_bias", NULL);
  g_autofree double *normed = ref_norm (model, x, tokens, width, 1e-5, block, "ln_1");
  g_autofree double *q = ref_linear_part (model, normed, tokens, width, width, 0, weight, bias);
  g_autofree double *k = ref_linear_part (model, normed, tokens, width, width, width, weight, bias);
  g_autofree double *v =
      ref_linear_part (model, normed, tokens, width, width, 2 * width, weight, bias);
  g_autofree double *attended = ref_attention (q, k, v, tokens, tokens, width, heads, causal);
  g_autofree double *out =
      ref_linear (model, attended, tokens, width, width, block, "attn.out_proj");
  ref_scale (model, out, tokens, width, block, "ls_1");
  ref_add (x, out, tokens * width);
  g_autofree double *normed2 = ref_norm (model, x, tokens, width, 1e-5, block, "ln_2");
  g_autofree double *hidden =
      ref_linear (model, normed2, tokens, mlp_width, width, block, "mlp.c_fc");
  ref_activate (hidden, tokens * mlp_width, activation);
  g_autofree double *proj =
      ref_linear (model, hidden, tokens, width, mlp_width, block, "mlp.c_proj");
  ref_scale (model, proj, tokens, width, block, "ls_2");
  ref_add (x, proj, tokens * width);
}

static inline double *
ref_vit (const RandomModel *model, const float *pixels, const ClipConfig *config)
{
  const ClipImageConfig *c = &config->image;
  const int grid = c->image_size / c->patch_size, tokens = grid * grid + 1, width = c->width,
            p = c->patch_size;
  g_autofree double *conv = ref_tensor (model, "visual.conv1.weight");
  g_autofree double *bias = c->patch_bias ? ref_tensor (model, "visual.conv1.bias") : NULL;
  g_autofree double *class = ref_tensor (model, "visual.class_embedding");
  g_autofree double *x = ref_tensor (model, "visual.positional_embedding");
  ref_add (x, class, width);
  for (int t = 1; t < tokens && bias; t++)
    ref_add (x + t * width, bias, width);
  for (int t = 1; t < tokens; t++)
    for (int o = 0; o < width; o++)
      for (int i = 0; i < 3 * p * p; i++) {
        const int row = (t - 1) / grid * p + i / p % p, column = (t - 1) % grid * p + i % p;
        x[t * width + o] += conv[o * 3 * p * p + i] *
                            pixels[(i / (p * p) * c->image_size + row) * c->image_size + column];
      }
  g_autofree double *y = c->no_ln_pre
                             ? g_memdup2 (x, tokens * width * sizeof *x)
                             : ref_norm (model, x, tokens, width, 1e-5, "visual.", "ln_pre");
  for (int i = 0; i < c->layers; i++)
    ref_block (model, y, tokens, "visual.transformer.resblocks", i, width, c->heads, c->mlp_width,
               c->activation, FALSE);
  g_autofree double *post = ref_norm (model, y, tokens, width, 1e-5, "visual.", "ln_post");
  if (c->pool == CLIP_POOL_AVERAGE) {
    const double *rows = c->norm_after_pool ? y : post;
    g_autofree double *mean = g_new0 (double, width);
    for (int t = 1; t < tokens; t++)
      for (int i = 0; i < width; i++)
        mean[i] += rows[t * width + i] / (tokens - 1);
    g_autofree double *normed = ref_norm (model, mean, 1, width, 1e-5, "visual.", "ln_post");
    return ref_project (model, c->norm_after_pool ? normed : mean, width, config->embed_dim,
                        "visual.proj");
  }
  return ref_project (model, post, width, config->embed_dim, "visual.proj");
}

static inline double *
ref_text (const RandomModel *model, const gint32 *ids, int length, const ClipConfig *config)
{
  const ClipTextConfig *c = &config->text;
  const int width = c->width;
  g_autofree double *words = ref_tensor (model, "token_embedding.weight");
  g_autofree double *position = ref_tensor (model, "positional_embedding");
  g_autofree double *x = g_new (double, length *width);
  int end = 0;
  for (int t = length - 1; t >= 0; t--) /* the first of several */
    end = (c->end_token ? ids[t] == c->end_token : ids[t] >= ids[end] || t == length - 1) ? t : end;
  const int row = c->pool == CLIP_TEXT_POOL_FIRST  ? 0
                  : c->pool == CLIP_TEXT_POOL_LAST ? length - 1
                                                   : end;
  for (int t = 0; t < length; t++) {
    for (int i = 0; i < width; i++)
      x[t * width + i] = words[ids[t] * width + i] + position[t * width + i];
  }
  for (int i = 0; i < c->layers; i++)
    ref_block (model, x, length, "transformer.resblocks", i, width, c->heads, c->mlp_width,
               c->activation, !c->no_causal_mask);
  g_autofree double *y = ref_norm (model, x + row * width, 1, width, 1e-5, "", "ln_final");
  double *projected = ref_project (model, y, width, config->embed_dim, "text_projection");
  g_autofree double *bias = c->projection_bias ? ref_tensor (model, "text_projection.bias") : NULL;
  for (int i = 0; bias && i < config->embed_dim; i++)
    projected[i] += bias[i];
  return projected;
}

static inline double *
ref_bert (const RandomModel *model, const gint32 *ids, int length, const ClipConfig *config)
{
  const ClipTextConfig *c = &config->text;
  const int width = c->width;
  g_autofree double *words =
      ref_tensor (model, "text.transformer.embeddings.word_embeddings.weight");
  g_autofree double *position =
      ref_tensor (model, "text.transformer.embeddings.position_embeddings.weight");
  g_autofree double *type =
      ref_tensor (model, "text.transformer.embeddings.token_type_embeddings.weight");
  g_autofree double *sum = g_new (double, length *width);
  int used = 0; /* no token attends to padding: it is left out from the start */
  for (int t = 0; t < length; t++) {
    if (t > 0 && ids[t] == c->pad_token)
      continue;
    for (int i = 0; i < width; i++)
      sum[used * width + i] = words[ids[t] * width + i] + type[i] +
                              position[(c->roberta ? c->pad_token + 1 + used : t) * width + i];
    used++;
  }
  length = used;
  double *x = ref_norm (model, sum, length, width, c->norm_epsilon, "text.transformer.embeddings.",
                        "LayerNorm");
  for (int l = 0; l < c->layers; l++) {
    g_autofree char *layer = g_strdup_printf ("text.transformer.encoder.layer.%d.", l);
    g_autofree double *q =
        ref_linear (model, x, length, width, width, layer, "attention.self.query");
    g_autofree double *k = ref_linear (model, x, length, width, width, layer, "attention.self.key");
    g_autofree double *v =
        ref_linear (model, x, length, width, width, layer, "attention.self.value");
    g_autofree double *attended = ref_attention (q, k, v, length, used, width, c->heads, FALSE);
    g_autofree double *out =
        ref_linear (model, attended, length, width, width, layer, "attention.output.dense");
    ref_add (x, out, length * width);
    g_autofree double *normed =
        ref_norm (model, x, length, width, c->norm_epsilon, layer, "attention.output.LayerNorm");
    g_autofree double *hidden =
        ref_linear (model, normed, length, c->mlp_width, width, layer, "intermediate.dense");
    ref_activate (hidden, length * c->mlp_width, CLIP_ACTIVATION_GELU);
    g_autofree double *proj =
        ref_linear (model, hidden, length, width, c->mlp_width, layer, "output.dense");
    ref_add (normed, proj, length * width);
    g_free (x);
    x = ref_norm (model, normed, length, width, c->norm_epsilon, layer, "output.LayerNorm");
  }
  const int counted = c->pool == CLIP_TEXT_POOL_MEAN ? used : 1;
  double *pooled = g_new0 (double, width);
  for (int t = 0; t < counted; t++)
    for (int i = 0; i < width; i++)
      pooled[i] += x[t * width + i] / counted;
  g_free (x);
  if (c->pool == CLIP_TEXT_POOL_POOLER) {
    g_autofree double *first = pooled;
    pooled = ref_linear (model, first, 1, width, width, "text.transformer.", "pooler.dense");
    for (int i = 0; i < width; i++)
      pooled[i] = tanh (pooled[i]);
  }
  const int head = ref_find (model, "text.proj.0.weight")->shape[0];
  g_autofree double *hidden = ref_linear (model, pooled, 1, head, width, "text.", "proj.0");
  g_free (pooled);
  ref_activate (hidden, head, CLIP_ACTIVATION_GELU);
  return ref_linear (model, hidden, 1, config->embed_dim, head, "text.", "proj.2");
}

typedef struct {
  int stride;
  int pad;        /* rows above and columns to the left of x; TF_SAME: TensorFlow's */
  double epsilon; /* of BatchNorm */
  double top;     /* of the clamp from 0 on; 0: there is none */
} RefConv;

#define TF_SAME (-1)

/* x[channels, n, n] → y[out, ⌈n/s⌉, ⌈n/s⌉], BatchNorm, clamp; frees @x. */
static inline double *
ref_conv (const RandomModel *model, double *x, int *n, RefConv spec, const char *prefix,
          const char *conv, const char *norm)
{
  RANDOM_NAME ("%s%s", prefix, norm);
  g_autofree char *kernel_name = g_strconcat (prefix, conv, ".weight", NULL);
  const ClipTensor *tensor = ref_find (model, kernel_name);
  const int out = tensor->shape[0], in = tensor->shape[1], k = tensor->shape[2], size = *n;
  const int stride = spec.stride, out_size = (size + stride - 1) / stride;
  const int pad = spec.pad == TF_SAME ? MAX ((out_size - 1) * stride + k - size, 0) / 2 : spec.pad;
  g_autofree double *w = ref_tensor (model, "%s", kernel_name),
                    *mean = ref_tensor (model, "%s.running_mean", name);
  g_autofree double *variance = ref_tensor (model, "%s.running_var", name),
                    *scale = ref_tensor (model, "%s", weight);
  g_autofree double *shift = ref_tensor (model, "%s", bias);
  const gboolean depthwise = in == 1;
  double *y = g_new (double, out *out_size *out_size);
  for (int o = 0; o < out; o++)
    for (int row = 0; row < out_size; row++)
      for (int column = 0; column < out_size; column++) {
        double sum = 0;
        for (int c = 0; c < in; c++)
          for (int i = 0; i < k; i++)
            for (int j = 0; j < k; j++) {
              const int r = row * stride - pad + i, q = column * stride - pad + j;
              if (r >= 0 && r < size && q >= 0 && q < size)
                sum += w[((o * in + c) * k + i) * k + j] *
                       x[((depthwise ? o : c) * size + r) * size + q];
            }
        sum = (sum - mean[o]) / sqrt (variance[o] + spec.epsilon) * scale[o] + shift[o];
        y[(o * out_size + row) * out_size + column] = spec.top ? CLAMP (sum, 0, spec.top) : sum;
      }
  g_free (x);
  *n = out_size;
  return y;
}

/* x[channels, n, n] → means over 2×2; frees @x. */
static inline double *
ref_halve (double *x, int channels, int n)
{
  const int half = n / 2;
  double *y = g_new (double, channels *half *half);
  for (int i = 0; i < channels * half * half; i++) {
    const double *square = x + (i / (half * half) * n + i / half % half * 2) * n + i % half * 2;
    y[i] = (square[0] + square[1] + square[n] + square[n + 1]) / 4;
  }
  g_free (x);
  return y;
}

static inline double *
ref_resnet (const RandomModel *model, const float *pixels, const ClipConfig *config)
{
  const ClipImageConfig *c = &config->image;
  const RefConv plain = { 1, TF_SAME, 1e-5, 0 }, relu = { 1, TF_SAME, 1e-5, INFINITY },
                strided = { 2, 1, 1e-5, INFINITY };
  int n = c->image_size, channels = c->width;
  double *x = g_new (double, 3 * n * n);
  for (int i = 0; i < 3 * n * n; i++)
    x[i] = pixels[i];
  x = ref_conv (model, x, &n, strided, "visual.", "conv1", "bn1");
  x = ref_conv (model, x, &n, relu, "visual.", "conv2", "bn2");
  x = ref_conv (model, x, &n, relu, "visual.", "conv3", "bn3");
  x = ref_halve (x, channels, n);
  n /= 2;
  for (int s = 0; s < 4; s++)
    for (int i = 0; i < c->stages[s]; i++) {
      g_autofree char *prefix = g_strdup_printf ("visual.layer%d.%d.", s + 1, i);
      const int planes = c->width << s;
      const gboolean halves = s > 0 && i == 0;
      double *inner = g_memdup2 (x, channels * n * n * sizeof *x);
      inner = ref_conv (model, inner, &n, relu, prefix, "conv1", "bn1");
      inner = ref_conv (model, inner, &n, relu, prefix, "conv2", "bn2");
      if (halves) {
        inner = ref_halve (inner, planes, n);
        x = ref_halve (x, channels, n);
        n /= 2;
      }
      inner = ref_conv (model, inner, &n, plain, prefix, "conv3", "bn3");
      if (i == 0)
        x = ref_conv (model, x, &n, plain, prefix, "downsample.0", "downsample.1");
      channels = 4 * planes;
      ref_add (x, inner, channels * n * n);
      for (int j = 0; j < channels * n * n; j++)
        x[j] = MAX (x[j], 0);
      g_free (inner);
    }

  const int tokens = n * n + 1;
  double *t = ref_tensor (model, "visual.attnpool.positional_embedding"); /* [T, F] */
  for (int i = 0; i < channels; i++)
    for (int p = 0; p < n * n; p++) {
      t[i] += x[i * n * n + p] / (n * n);
      t[(p + 1) * channels + i] += x[i * n * n + p];
    }
  g_free (x);
  g_autofree double *q =
      ref_linear (model, t, tokens, channels, channels, "visual.attnpool.", "q_proj");
  g_autofree double *k =
      ref_linear (model, t, tokens, channels, channels, "visual.attnpool.", "k_proj");
  g_autofree double *v =
      ref_linear (model, t, tokens, channels, channels, "visual.attnpool.", "v_proj");
  g_free (t);
  g_autofree double *attended = ref_attention (q, k, v, tokens, tokens, channels, c->heads, FALSE);
  return ref_linear (model, attended, 1, config->embed_dim, channels, "visual.attnpool.", "c_proj");
}

static inline double *
ref_efficientnet (const RandomModel *model, const float *pixels, const ClipConfig *config,
                  const RandomStage *stages)
{
  static const int strides[7] = { 1, 2, 2, 2, 1, 2, 1 };
  const RefConv plain = { 1, TF_SAME, 1e-3, 0 }, relu6 = { 1, TF_SAME, 1e-3, 6 },
                strided = { 2, TF_SAME, 1e-3, 6 };
  int n = config->image.image_size;
  double *x = g_new (double, 3 * n * n);
  for (int i = 0; i < 3 * n * n; i++)
    x[i] = pixels[i];
  x = ref_conv (model, x, &n, strided, "visual.trunk.", "conv_stem", "bn1");
  for (int s = 0; s < 7; s++) {
    for (int i = 0; i < stages[s].repeat; i++) {
      g_autofree char *prefix = g_strdup_printf ("visual.trunk.blocks.%d.%d.", s, i);
      const gboolean expands = stages[s].expansion > 1;
      const int before = stages[s].out * n * n;
      g_autofree double *shortcut = i > 0 ? g_memdup2 (x, before * sizeof *x) : NULL;
      if (expands)
        x = ref_conv (model, x, &n, relu6, prefix, "conv_pw", "bn1");
      x = ref_conv (model, x, &n, i == 0 && strides[s] == 2 ? strided : relu6, prefix, "conv_dw",
                    expands ? "bn2" : "bn1");
      x = ref_conv (model, x, &n, plain, prefix, expands ? "conv_pwl" : "conv_pw",
                    expands ? "bn3" : "bn2");
      if (shortcut)
        ref_add (x, shortcut, before);
    }
  }
  x = ref_conv (model, x, &n, relu6, "visual.trunk.", "conv_head", "bn2");
  const int features = ref_find (model, "visual.trunk.conv_head.weight")->shape[0];
  g_autofree double *pooled = g_new0 (double, features);
  for (int c = 0; c < features; c++)
    for (int i = 0; i < n * n; i++)
      pooled[c] += x[c * n * n + i] / (n * n);
  g_free (x);
  return ref_linear (model, pooled, 1, config->embed_dim, features, "visual.", "head.proj");
}
