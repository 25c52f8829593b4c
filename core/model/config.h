/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model's configuration: from tensor shapes where they tell, from config.json / open_clip_config.json where they
 * cannot, from a table of known exceptions, else OpenAI's values with a warning. */
#pragma once
#include "core/model/weights.h"
#include "core/text/normalize.h"

typedef enum {
  CLIP_ACTIVATION_QUICK_GELU,
  CLIP_ACTIVATION_GELU,
  CLIP_ACTIVATION_RELU6,
  CLIP_ACTIVATION_RELU,
  CLIP_ACTIVATION_GELU_TANH,
} ClipActivation;
const char *clip_activation_name (ClipActivation activation);

typedef enum { CLIP_IMAGE_VIT, CLIP_IMAGE_EFFICIENTNET, CLIP_IMAGE_RESNET } ClipImageKind;
typedef enum {
  CLIP_POOL_TOKEN,   /* the class token */
  CLIP_POOL_AVERAGE, /* the mean of the patches */
  CLIP_POOL_MAP,     /* a learned query attends to the patches (SigLIP's "multi-head attention pooling") */
} ClipPool;
typedef enum { CLIP_TEXT_CLIP, CLIP_TEXT_BERT } ClipTextKind;
typedef enum {
  CLIP_TEXT_POOL_END, CLIP_TEXT_POOL_FIRST, CLIP_TEXT_POOL_LAST, /* which row is the text's */
  CLIP_TEXT_POOL_MEAN,   /* of all rows but padding's (BERT) */
  CLIP_TEXT_POOL_POOLER, /* BERT's own layer behind the first row */
} ClipTextPool;

typedef struct {
  ClipImageKind kind;
  int image_size;              /* R: height of pictures, and their width but of a ViT that has image_width */
  int patch_size;              /* P; 0 for convolutional towers */
  int width, layers, heads;    /* C, blocks, H (C / head width; of a ResNet's pooling 32·C / head width) */
  int mlp_width;               /* rows of c_fc: 4·C usually */
  ClipActivation activation;
  float norm_epsilon;          /* LayerNorm 1e-5; BatchNorm of ResNet 1e-5, of EfficientNet 1e-3 */
  int stages[4];               /* ResNet: blocks of each stage, layers in all */
  gboolean no_ln_pre;          /* ViT */
  ClipPool pool;               /* ViT */
  gboolean norm_after_pool;    /* ViT: ln_post; otherwise before, which is the same for a token */
  gboolean no_class_token;     /* ViT: with CLIP_POOL_MAP or _AVERAGE */
  gboolean no_projection;      /* ViT: with CLIP_POOL_MAP */
  gboolean patch_bias;         /* ViT: conv1 has one */
  int projection_mlp;          /* ViT: hidden units of a projection of two layers with GELU between; 0: it is one */
  int image_width;             /* ViT: of pictures that are no squares; 0: they are */
  int stored_columns, stored_rows; /* ViT, ResNet: grid of the positions in the file; 0: that of the pictures */
} ClipImageConfig;

static inline int
clip_image_width (const ClipImageConfig *image)
{
  return image->image_width ? image->image_width : image->image_size;
}

typedef struct {
  ClipTextKind kind;
  int context_length, vocab_size;
  int width, layers, heads, mlp_width;
  ClipActivation activation;
  float norm_epsilon;          /* 1e-5; BERT 1e-12 */
  int pad_token;               /* BERT: pads are not tokens */
  int end_token;               /* CLIP: its first place is where the text ends; 0: the first place of the highest id */
  ClipTextPool pool;           /* CLIP: one of the first three; BERT: FIRST, MEAN or POOLER */
  gboolean no_causal_mask;     /* CLIP: every token sees all tokens, padding among them */
  gboolean projection_bias;    /* CLIP */
  ClipClean clean;             /* by its tokenizer */
  gboolean no_end_token;       /* its tokenizer writes padding in the end token's place (CLIPA) */
  gboolean roberta;            /* BERT: positions are those of tokens without padding, from pad_token + 1 on */
  int head_layers;             /* BERT, of its projection: 2 (mlp), 1 (linear), 0 (none) */
} ClipTextConfig;

typedef struct {
  int embed_dim; /* E */
  float logit_scale; /* exp of the stored one */
  gboolean sigmoid;  /* scores are sigmoid (logit_scale · cos + logit_bias), otherwise softmax (logit_scale · cos) */
  float logit_bias;
  ClipImageConfig image;
  ClipTextConfig text;
  ClipPreprocessConfig preprocess;
} ClipConfig;

/* Where a configuration comes from. Later ones in an array are asked later, and win. */
typedef enum {
  CLIP_SOURCE_HUGGINGFACE,  /* config.json */
  CLIP_SOURCE_PREPROCESSOR, /* preprocessor_config.json */
  CLIP_SOURCE_OPENCLIP,     /* open_clip_config.json; what it leaves out has OpenCLIP's default value */
  CLIP_SOURCE_OVERRIDE,     /* the same format, but silence says nothing */
  CLIP_SOURCE_GGUF,         /* what such a file says of itself */
} ClipSourceFormat;

typedef struct {
  ClipSourceFormat format;
  const char *what;   /* names it in messages */
  GBytes *text;       /* JSON */
  gboolean tentative; /* it only lies beside the weights: ignored, with a warning, where it describes another model */
} ClipSource;

/*
 * clip_config_read:
 * @name: what the model is called (a path will do), for the table of known exceptions
 * @warnings: of char *; what had to be assumed is appended
 *
 * CLIP_ERROR_UNSUPPORTED for a model that needs what is not here, CLIP_ERROR_CONFIG where a source contradicts the tensors.
 */
gboolean clip_config_read (ClipConfig *config, ClipWeights *weights, const char *name, const ClipSource *sources,
                           guint n_sources, GPtrArray *warnings, GError **error);
