/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configurations from tensors and files: tiny models of every kind are made here, files beside them are texts. */
#include "core/checkpoint/safetensors.h"
#include "core/model/config.h"
#include "tests/testing.h"

#include <glib/gstdio.h>
#include <math.h>

/* A tensor of zeros. */
typedef struct {
  const char *name;
  int n_dims;
  gint64 shape[4];
} Shape;

#define VIT                                                                                        \
  { "visual.class_embedding", 1, { 128 } }, { "visual.positional_embedding", 2, { 10, 128 } },     \
      { "visual.conv1.weight", 4, { 128, 3, 8, 8 } }, { "visual.ln_pre.weight", 1, { 128 } },      \
      { "visual.transformer.resblocks.0.attn.in_proj_weight", 2, { 384, 128 } },                   \
      { "visual.transformer.resblocks.1.attn.in_proj_weight", 2, { 384, 128 } },                   \
      { "visual.transformer.resblocks.0.mlp.c_fc.weight", 2, { 512, 128 } },                       \
      { "visual.proj", 2, { 128, 32 } },                                                           \
  {                                                                                                \
    "logit_scale", 0                                                                               \
  }
#define TEXT                                                                                       \
  { "positional_embedding", 2, { 16, 64 } }, { "token_embedding.weight", 2, { 100, 64 } },         \
      { "transformer.resblocks.0.attn.in_proj_weight", 2, { 192, 64 } },                           \
      { "transformer.resblocks.0.mlp.c_fc.weight", 2, { 256, 64 } },                               \
  {                                                                                                \
    "text_projection", 2,                                                                          \
    {                                                                                              \
      64, 32                                                                                       \
    }                                                                                              \
  }
#define LITE_STAGE(stage, kernel)                                                                  \
  {                                                                                                \
    "visual.trunk.blocks." #stage ".0.conv_dw.weight", 4,                                          \
    {                                                                                              \
      8, 1, kernel, kernel                                                                         \
    }                                                                                              \
  }
#define LITE                                                                                       \
  { "visual.trunk.conv_stem.weight", 4, { 8, 3, 3, 3 } }, LITE_STAGE (0, 3), LITE_STAGE (1, 3),    \
      LITE_STAGE (2, 5), LITE_STAGE (3, 3), LITE_STAGE (4, 5), LITE_STAGE (5, 5),                  \
      LITE_STAGE (6, 3), { "visual.trunk.conv_head.weight", 4, { 40, 8, 1, 1 } },                  \
      { "visual.head.proj.weight", 2, { 32, 40 } },                                                \
  {                                                                                                \
    "logit_scale", 0                                                                               \
  }
#define RESNET_STAGE(stage, inner)                                                                 \
  {                                                                                                \
    "visual.layer" #stage ".0.conv1.weight", 4,                                                    \
    {                                                                                              \
      inner, 8, 1, 1                                                                               \
    }                                                                                              \
  }
#define RESNET                                                                                     \
  RESNET_STAGE (1, 4), RESNET_STAGE (2, 8), RESNET_STAGE (3, 16), RESNET_STAGE (4, 32),            \
      { "visual.layer2.1.conv1.weight", 4, { 8, 8, 1, 1 } },                                       \
      { "visual.attnpool.positional_embedding", 2, { 10, 128 } },                                  \
      { "visual.attnpool.c_proj.weight", 2, { 32, 128 } },                                         \
  {                                                                                                \
    "logit_scale", 0                                                                               \
  }
#define BERT                                                                                       \
  { "text.transformer.embeddings.word_embeddings.weight", 2, { 100, 384 } },                       \
      { "text.transformer.embeddings.position_embeddings.weight", 2, { 128, 384 } },               \
      { "text.transformer.embeddings.token_type_embeddings.weight", 2, { 2, 384 } },               \
      { "text.transformer.encoder.layer.0.attention.self.query.weight", 2, { 384, 384 } },         \
      { "text.transformer.encoder.layer.0.intermediate.dense.weight", 2, { 768, 384 } },           \
      { "text.proj.0.weight", 2, { 48, 384 } },                                                    \
  {                                                                                                \
    "text.proj.2.weight", 2,                                                                       \
    {                                                                                              \
      32, 48                                                                                       \
    }                                                                                              \
  }

/* RoBERTa of @width, 100 of whose positions are for texts; its layers and its head follow. */
#define ROBERTA(width)                                                                             \
  { "text.transformer.embeddings.word_embeddings.weight", 2, { 200, width } },                     \
      { "text.transformer.embeddings.position_embeddings.weight", 2, { 102, width } },             \
      { "text.transformer.embeddings.token_type_embeddings.weight", 2, { 1, width } },             \
  {                                                                                                \
    "text.transformer.encoder.layer.0.intermediate.dense.weight", 2,                               \
    {                                                                                              \
      256, width                                                                                   \
    }                                                                                              \
  }
#define LAYER(n)                                                                                   \
  {                                                                                                \
    "text.transformer.encoder.layer." #n ".attention.self.query.weight", 2,                        \
    {                                                                                              \
      1, 1                                                                                         \
    }                                                                                              \
  }
#define POOLER                                                                                     \
  {                                                                                                \
    "text.transformer.pooler.dense.weight", 2,                                                     \
    {                                                                                              \
      64, 64                                                                                       \
    }                                                                                              \
  }

static const Shape vit_text[] = { VIT, TEXT, { 0 } };
#define SIGLIP                                                                                     \
  { "visual.trunk.pos_embed", 3, { 1, 9, 128 } },                                                  \
      { "visual.trunk.patch_embed.proj.weight", 4, { 128, 3, 8, 8 } },                             \
      { "visual.trunk.patch_embed.proj.bias", 1, { 128 } },                                        \
      { "visual.trunk.blocks.0.attn.qkv.weight", 2, { 384, 128 } },                                \
      { "visual.trunk.blocks.0.mlp.fc1.weight", 2, { 300, 128 } },                                 \
      { "visual.trunk.attn_pool.latent", 3, { 1, 1, 128 } }, { "logit_bias", 1, { 1 } },           \
  {                                                                                                \
    "logit_scale", 1,                                                                              \
    {                                                                                              \
      1                                                                                            \
    }                                                                                              \
  }
#define SIGLIP_TEXT                                                                                \
  { "text.positional_embedding", 2, { 16, 128 } },                                                 \
      { "text.token_embedding.weight", 2, { 100, 128 } },                                          \
      { "text.transformer.resblocks.0.attn.in_proj_weight", 2, { 384, 128 } },                     \
      { "text.transformer.resblocks.0.mlp.c_fc.weight", 2, { 256, 128 } },                         \
      { "text.text_projection.weight", 2, { 128, 128 } },                                          \
  {                                                                                                \
    "text.text_projection.bias", 1,                                                                \
    {                                                                                              \
      128                                                                                          \
    }                                                                                              \
  }
static const Shape siglip[] = { SIGLIP, SIGLIP_TEXT, { 0 } };
/* clang-format off */
#define SIGLIP_HUGGINGFACE(tokens) { \
  { "vision_model.embeddings.position_embedding.weight", 2, { 9, 128 } }, \
  { "vision_model.embeddings.patch_embedding.weight", 4, { 128, 3, 8, 8 } }, \
  { "vision_model.embeddings.patch_embedding.bias", 1, { 128 } }, \
  { "vision_model.encoder.layers.0.self_attn.q_proj.weight", 2, { 128, 128 } }, \
  { "vision_model.encoder.layers.0.mlp.fc1.weight", 2, { 300, 128 } }, \
  { "vision_model.head.probe", 3, { 1, 1, 128 } }, \
  { "text_model.embeddings.position_embedding.weight", 2, { 16, 128 } }, \
  { "text_model.embeddings.token_embedding.weight", 2, { tokens, 128 } }, \
  { "text_model.encoder.layers.0.self_attn.q_proj.weight", 2, { 128, 128 } }, \
  { "text_model.encoder.layers.0.mlp.fc1.weight", 2, { 256, 128 } }, \
  { "text_model.head.weight", 2, { 128, 128 } }, \
  { "text_model.head.bias", 1, { 128 } }, \
  { "logit_scale", 1, { 1 } }, \
  { "logit_bias", 1, { 1 } }, \
  { 0 } \
}
/* clang-format on */
static const Shape siglip_huggingface[] = SIGLIP_HUGGINGFACE (100);
static const Shape siglip2_huggingface[] = SIGLIP_HUGGINGFACE (256000);
/* As OpenCLIP names them behind `custom_text`. */
static const Shape vit_text_bias[] = {
  VIT,
  { "text.positional_embedding", 2, { 16, 64 } },
  { "text.token_embedding.weight", 2, { 100, 64 } },
  { "text.transformer.resblocks.0.attn.in_proj_weight", 2, { 192, 64 } },
  { "text.transformer.resblocks.0.mlp.c_fc.weight", 2, { 256, 64 } },
  { "text.text_projection.weight", 2, { 32, 64 } },
  { "text.text_projection.bias", 1, { 32 } },
  { 0 }
};
static const Shape vit_10_text[] = {
  { "visual.class_embedding", 1, { 128 } },
  { "visual.positional_embedding", 2, { 11, 128 } },
  { "visual.conv1.weight", 4, { 128, 3, 8, 8 } },
  { "visual.ln_pre.weight", 1, { 128 } },
  { "visual.transformer.resblocks.0.attn.in_proj_weight", 2, { 384, 128 } },
  { "visual.transformer.resblocks.0.mlp.c_fc.weight", 2, { 512, 128 } },
  { "visual.proj", 2, { 128, 32 } },
  { "logit_scale", 0 },
  TEXT,
  { 0 }
};
static const Shape vit_bert[] = { VIT, BERT, { 0 } };
static const Shape resnet_text[] = { RESNET, TEXT, { 0 } };
static const Shape vit_roberta[] = { VIT,       ROBERTA (64),
                                     LAYER (0), { "text.proj.weight", 2, { 32, 64 } },
                                     POOLER,    { 0 } };
static const Shape vit_roberta_bare[] = { VIT, ROBERTA (32), LAYER (0), { 0 } };
static const Shape vit_roberta_base[] = { VIT,
                                          ROBERTA (768),
                                          LAYER (0),
                                          LAYER (1),
                                          LAYER (2),
                                          LAYER (3),
                                          LAYER (4),
                                          LAYER (5),
                                          LAYER (6),
                                          LAYER (7),
                                          LAYER (8),
                                          LAYER (9),
                                          LAYER (10),
                                          LAYER (11),
                                          { "text.proj.0.weight", 2, { 40, 768 } },
                                          { "text.proj.2.weight", 2, { 32, 40 } },
                                          { 0 } };
static const Shape resnet_bert[] = { RESNET, BERT, { 0 } };
static const Shape lite_text[] = { LITE, TEXT, { 0 } };
static const Shape lite_bert[] = { LITE, BERT, { 0 } };

static ClipWeights *
make (const Shape *shapes, GError **error)
{
  g_autoptr (GArray) tensors = g_array_new (FALSE, TRUE, sizeof (ClipTensor));
  static guint8 zeros[1 << 26]; /* what is not written of it costs nothing */
  for (; shapes->name; shapes++) {
    ClipTensor tensor = { .name = shapes->name,
                          .dtype = CLIP_DTYPE_F16,
                          .n_dims = shapes->n_dims,
                          .data = zeros,
                          .size = 2 };
    for (int i = 0; i < shapes->n_dims; i++) {
      tensor.shape[i] = shapes->shape[i];
      tensor.size *= shapes->shape[i];
    }
    g_assert_cmpuint (tensor.size, <=, sizeof zeros);
    g_array_append_val (tensors, tensor);
  }
  g_autofree char *path = temporary_path ("model.safetensors");
  if (!clip_safetensors_write (path, (const ClipTensor *) tensors->data, tensors->len, NULL, error))
    return NULL;
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_open (path, error);
  g_unlink (path);
  return checkpoint ? clip_weights_new (g_steal_pointer (&checkpoint), error) : NULL;
}

/* One model, its files, and what must come of them, as "key=value" words of describe (). */
typedef struct {
  const char *name;
  const Shape *shapes;
  const char *called;   /* what the model is called */
  const char *texts[3]; /* configuration files, of @formats */
  ClipSourceFormat formats[3];
  gboolean tentative;
  const char *expected;    /* each word must be in describe () */
  const char *warnings[5]; /* parts of the warnings, in order */
  ClipError code;          /* with @message */
  const char *message;     /* part of it; NULL: no error */
} Case;

static char *
describe (const ClipConfig *c)
{
  static const char *const kinds[] = { [CLIP_IMAGE_VIT] = "vit",
                                       [CLIP_IMAGE_EFFICIENTNET] = "efficientnet",
                                       [CLIP_IMAGE_RESNET] = "resnet" };
  static const char *const rows[] = { "end", "first", "last", "mean", "pooler" };
  return g_strdup_printf (
      "E=%d R=%d W=%d stored=%dx%d P=%d C=%d layers=%d heads=%d mlp=%d act=%s eps=%g "
      "stages=%d,%d,%d,%d pool=%d "
      "kind=%s | "
      "T=%d V=%d C=%d "
      "layers=%d "
      "heads=%d mlp=%d act=%s eps=%g pad=%d end=%d kind=%s rows=%s mask=%d bias=%d clean=%d "
      "no-end=%d head=%d | size=%d "
      "filter=%d mode=%d mean=%g "
      "std=%g "
      "scale=%g sigmoid=%d ",
      c->embed_dim, c->image.image_size, clip_image_width (&c->image), c->image.stored_columns,
      c->image.stored_rows, c->image.patch_size, c->image.width, c->image.layers, c->image.heads,
      c->image.mlp_width, clip_activation_name (c->image.activation), c->image.norm_epsilon,
      c->image.stages[0], c->image.stages[1], c->image.stages[2], c->image.stages[3], c->image.pool,
      kinds[c->image.kind], c->text.context_length, c->text.vocab_size, c->text.width,
      c->text.layers, c->text.heads, c->text.mlp_width, clip_activation_name (c->text.activation),
      c->text.norm_epsilon, c->text.pad_token, c->text.end_token,
      c->text.kind == CLIP_TEXT_CLIP ? "clip"
      : c->text.roberta              ? "roberta"
                                     : "bert",
      rows[c->text.pool], !c->text.no_causal_mask, c->text.projection_bias, c->text.clean,
      c->text.no_end_token, c->text.head_layers, c->preprocess.height, c->preprocess.filter,
      c->preprocess.resize_mode, c->preprocess.mean[0], c->preprocess.std[2], c->logit_scale,
      c->sigmoid);
}

#define OPENCLIP                                                                                   \
  {                                                                                                \
    CLIP_SOURCE_OPENCLIP, CLIP_SOURCE_OVERRIDE                                                     \
  }
#define HUGGINGFACE                                                                                \
  {                                                                                                \
    CLIP_SOURCE_HUGGINGFACE, CLIP_SOURCE_PREPROCESSOR, CLIP_SOURCE_OVERRIDE                        \
  }
#define OPENAI_PREPROCESSOR                                                                        \
  "{\"size\":24,\"crop_size\":24,\"resample\":3,\"image_mean\":[0,0,0],\"image_std\":[1,1,1]}"
#define PREPROCESSOR                                                                               \
  {                                                                                                \
    CLIP_SOURCE_PREPROCESSOR                                                                       \
  }
#define PREPROCESS "\"preprocess_cfg\":{\"mean\":[0.5,0.5,0.5],\"std\":[0.25,0.25,0.25]}"
#define ASSUMED_HEADS "heads of the image tower: 2 of 64 assumed"
#define ASSUMED_ACTIVATION "QuickGELU assumed"
#define ASSUMED_RESIZE "bicubic, short side"
#define ASSUMED_MEAN "OpenAI's assumed"

static const Case cases[] = {
  { "nothing beside it",
    vit_text,
    "x/model",
    { 0 },
    { 0 },
    0,
    "E=32 R=24 P=8 C=128 layers=2 heads=2 mlp=512 act=quick_gelu eps=1e-05 kind=vit | T=16 V=100 "
    "C=64 layers=1 heads=1 "
    "mlp=256 act=quick_gelu eps=1e-05 pad=0 kind=clip | size=24 filter=0 mode=0 mean=0.481455 "
    "std=0.275777 scale=1",
    { ASSUMED_HEADS, ASSUMED_ACTIVATION, ASSUMED_RESIZE, ASSUMED_MEAN } },
  { "known by name",
    vit_text,
    "hub/laion--CLIP-ViT-B-32-DataComp.XL/a.safetensors",
    { 0 },
    { 0 },
    0,
    "act=gelu" },
  { "known: QuickGELU", vit_text, "ViT-B-32_metaclip_400m", { 0 }, { 0 }, 0, "act=quick_gelu" },
  { "known: mean",
    vit_text,
    "ViT-L-14/laion2b_s32b_b82k",
    { 0 },
    { 0 },
    0,
    "act=gelu mean=0.5 std=0.5" },
  { "known: squash", vit_text, "dfn5b.safetensors", { 0 }, { 0 }, 0, "act=quick_gelu mode=1" },
  { "a far directory is no name",
    vit_text,
    "/laion/a/b/c/model",
    { 0 },
    { 0 },
    0,
    "act=quick_gelu",
    { ASSUMED_HEADS, ASSUMED_ACTIVATION, ASSUMED_RESIZE, ASSUMED_MEAN } },
  { "openclip",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"embed_dim\":32,\"vision_cfg\":{\"width\":128,\"layers\":2,\"image_size\":"
      "24,"
      "\"patch_size\":8,\"head_width\":32},\"text_cfg\":{\"context_length\":16,\"heads\":4}}"
      "," PREPROCESS "}" },
    OPENCLIP,
    0,
    "heads=4 act=gelu heads=4 mode=0 mean=0.5 std=0.25" },
  { "openclip, QuickGELU, squash",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"quick_gelu\":true,\"text_cfg\":{\"context_length\":16}},"
      "\"preprocess_cfg\":{\"interpolation\":\"bilinear\",\"resize_mode\":\"squash\",\"size\":[24,"
      "24],\"mean\":[0,0,0],\"std\":[1,1,1]}}" },
    OPENCLIP,
    0,
    "heads=2 act=quick_gelu filter=1 mode=1 mean=0 std=1" },
  { "openclip without preprocess_cfg",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16}}}" },
    OPENCLIP,
    0,
    "act=gelu mean=0.481455",
    { ASSUMED_RESIZE, ASSUMED_MEAN } },
  { "override wins",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16}}," PREPROCESS "}",
      "{\"model_cfg\":{\"quick_gelu\":true,\"vision_cfg\":{\"head_width\":16}},\"preprocess_cfg\":{"
      "\"mean\":[0,0,0]}}" },
    OPENCLIP,
    0,
    "heads=8 act=quick_gelu mean=0 std=0.25" },
  { "override is silent",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"quick_gelu\":true,\"vision_cfg\":{\"head_width\":32},"
      "\"text_cfg\":{\"context_length\":16}}," PREPROCESS "}",
      "{\"model_cfg\":{}}" },
    OPENCLIP,
    0,
    "heads=4 act=quick_gelu" },
  { "override may be a bare model_cfg",
    vit_text,
    "metaclip",
    { "{\"quick_gelu\":false}" },
    { CLIP_SOURCE_OVERRIDE },
    0,
    "act=gelu" },
  { "override says nothing by null",
    vit_text,
    "metaclip",
    { "{\"model_cfg\":{\"quick_gelu\":null}}" },
    { CLIP_SOURCE_OVERRIDE },
    0,
    "act=quick_gelu" },
  { "huggingface",
    vit_text,
    "x",
    { "{\"model_type\":\"clip\",\"projection_dim\":32,\"vision_config\":{\"hidden_size\":128,"
      "\"num_attention_heads\":4,\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-6},\"text_config\":{"
      "\"num_attention_heads\":2}}",
      "{\"size\":24,\"crop_size\":24,\"resample\":3,\"image_mean\":[0.1,0.2,0.3],\"image_std\":[0."
      "1,0.2,0.3]}" },
    HUGGINGFACE,
    0,
    "heads=4 act=gelu eps=1e-06 heads=2 act=quick_gelu eps=1e-05 mean=0.1 std=0.3" },
  { "huggingface, an end token that is not the highest id",
    vit_text,
    "x",
    { "{\"vision_config\":{\"num_attention_heads\":2},\"text_config\":{\"eos_token_id\":98}}",
      OPENAI_PREPROCESSOR },
    HUGGINGFACE,
    0,
    "end=98" },
  { "huggingface, 2 was written before 2023 and means the highest id",
    vit_text,
    "x",
    { "{\"vision_config\":{\"num_attention_heads\":2},\"text_config\":{\"eos_token_id\":2}}",
      OPENAI_PREPROCESSOR },
    HUGGINGFACE,
    0,
    "end=0" },
  { "huggingface, a default end token beyond the vocabulary",
    vit_text,
    "x",
    { "{\"vision_config\":{\"num_attention_heads\":2},\"text_config\":{}}", OPENAI_PREPROCESSOR },
    HUGGINGFACE,
    0,
    "end=0" },
  { "openclip, pool_type eos",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16,\"pool_type\":\"eos\",\"eos_id\":97}},"
      "\"preprocess_cfg\":{\"mean\":[0,0,0],\"std\":[1,1,1]}}" },
    OPENCLIP,
    0,
    "end=97" },
  { "openclip, pool_type eos with OpenCLIP's default",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16,\"pool_type\":\"eos\"}},"
      "\"preprocess_cfg\":{\"mean\":[0,0,0],\"std\":[1,1,1]}}" },
    OPENCLIP,
    0,
    "end=2" },
  { "openclip, eos_id counts for pool_type eos only",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16,\"eos_id\":97}},"
      "\"preprocess_cfg\":{\"mean\":[0,0,0],\"std\":[1,1,1]}}" },
    OPENCLIP,
    0,
    "end=0" },
  { "openclip, no causal mask, the last row, GELU by tanh (CLIPA)",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"act_kwargs\":{\"approximate\":\"none\"}},\"text_cfg\":{"
      "\"context_length\":16,\"no_causal_mask\":true,\"pool_type\":\"last\",\"tokenizer_kwargs\":{"
      "\"strip_sep_token\":true},\"act_kwargs\":{"
      "\"approximate\":\"tanh\"}}}," PREPROCESS "}" },
    OPENCLIP,
    0,
    "act=gelu act=gelu_tanh rows=last mask=0 bias=0 clean=0 no-end=1" },
  { "SigLIP, nothing beside it",
    siglip,
    "x",
    { 0 },
    { 0 },
    0,
    "E=128 R=24 P=8 C=128 layers=1 heads=2 mlp=300 act=gelu eps=1e-06 pool=2 kind=vit | T=16 V=100 "
    "C=128 layers=1 heads=2 mlp=256 act=gelu eps=1e-06 rows=last mask=0 bias=1 | size=24 filter=0 "
    "mode=1 "
    "mean=0.5 std=0.5 scale=1 sigmoid=1" },
  { "SigLIP, OpenCLIP's configuration",
    siglip,
    "x",
    { "{\"model_cfg\":{\"embed_dim\":128,\"init_logit_bias\":-10,\"custom_text\":true,\"vision_"
      "cfg\":{"
      "\"image_size\":26,\"timm_model_name\":\"vit_base_patch16_siglip_224\","
      "\"timm_model_pretrained\":false,\"timm_pool\":\"map\",\"timm_proj\":\"none\"},\"text_cfg\":{"
      "\"context_length\":16,\"vocab_size\":100,\"width\":128,\"heads\":4,\"layers\":1,"
      "\"no_causal_mask\":true,\"proj_bias\":true,\"pool_type\":\"last\",\"norm_kwargs\":{\"eps\":"
      "1e-6},"
      "\"act_kwargs\":{\"approximate\":\"tanh\"}}},\"preprocess_cfg\":{\"size\":[26,26],\"mean\":["
      "0.5,"
      "0.5,0.5],\"std\":[0.5,0.5,0.5],\"interpolation\":\"bicubic\",\"resize_mode\":\"squash\"}}" },
    OPENCLIP,
    0,
    "R=26 heads=2 act=gelu eps=1e-06 pool=2 heads=4 act=gelu_tanh eps=1e-06 rows=last mask=0 "
    "bias=1 size=26 "
    "mode=1 mean=0.5" },
  { "SigLIP, a timm model with GELU by tanh",
    siglip,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"timm_model_name\":\"vit_so400m_patch16_siglip_384.v2_"
      "webli\"},"
      "\"text_cfg\":{\"context_length\":16}}}" },
    OPENCLIP,
    0,
    "act=gelu_tanh act=gelu rows=end mask=1" },
  { "SigLIP 2 of Hugging Face, nothing beside it",
    siglip2_huggingface,
    "x",
    { 0 },
    { 0 },
    0,
    "act=gelu_tanh V=256000 act=gelu_tanh rows=last mask=0 bias=1 clean=4" },
  { "SigLIP 2 of Hugging Face",
    siglip2_huggingface,
    "x",
    { "{\"model_type\":\"siglip\",\"text_config\":{\"vocab_size\":256000},\"vision_config\":{}}" },
    HUGGINGFACE,
    0,
    "V=256000 rows=last mask=0 clean=4" },
  { "and written by us",
    siglip2_huggingface,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16,\"tokenizer_kwargs\":{\"clean\":"
      "\"lowercase\"}}}}" },
    OPENCLIP,
    0,
    "clean=4" },
  { "SigLIP 2 of OpenCLIP",
    siglip2_huggingface,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16,\"tokenizer_kwargs\":{\"clean\":"
      "\"canonicalize\"}}}}" },
    OPENCLIP,
    0,
    "clean=3" },
  { "SigLIP of Hugging Face",
    siglip_huggingface,
    "x",
    { "{\"model_type\":\"siglip\",\"text_config\":{\"model_type\":\"siglip_text_model\"},\"vision_"
      "config\":{"
      "\"num_attention_heads\":4}}",
      "{\"do_normalize\":true,\"do_rescale\":true,\"do_resize\":true,\"image_mean\":[0.5,0.5,0.5],"
      "\"image_std\":[0.5,0.5,0.5],\"resample\":3,\"rescale_factor\":0.00392156862745098,\"size\":{"
      "\"height\":24,\"width\":24}}" },
    HUGGINGFACE,
    0,
    "R=24 heads=4 act=gelu_tanh eps=1e-06 pool=2 heads=2 act=gelu_tanh eps=1e-06 end=0 rows=last "
    "mask=0 "
    "bias=1 mode=1 mean=0.5 sigmoid=1" },
  { "openclip, the first row, causal",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16,\"pool_type\":\"first\"}}," PREPROCESS
      "}" },
    OPENCLIP,
    0,
    "rows=first mask=1" },
  { "openclip, a projection with bias",
    vit_text_bias,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16,\"proj_bias\":true}}," PREPROCESS "}" },
    OPENCLIP,
    0,
    "E=32 rows=end mask=1 bias=1" },
  { "huggingface, old members win",
    vit_text,
    "x",
    { "{\"text_config\":{\"num_attention_heads\":8},\"text_config_dict\":"
      "{\"num_attention_heads\":4,\"hidden_act\":\"gelu\"},\"vision_config_dict\":null}",
      "{\"size\":{\"shortest_edge\":24},\"crop_size\":{\"height\":24,\"width\":24},\"resample\":"
      "2}" },
    HUGGINGFACE,
    0,
    "heads=4 act=gelu filter=1",
    { ASSUMED_HEADS, ASSUMED_MEAN } },
  { "huggingface, squash",
    vit_text,
    "openai",
    { "{\"do_center_crop\":false,\"size\":{\"height\":24,\"width\":24}}" },
    PREPROCESSOR,
    0,
    "mode=1" },
  { "lite and bert",
    lite_bert,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"timm_model_name\":\"tf_efficientnet_lite0.in1k\","
      "\"image_size\":160},\"text_cfg\":{\"context_length\":20,\"hf_model_config\":{\"num_"
      "attention_heads\":6,\"pad_token_id\":1,"
      "\"layer_norm_eps\":1e-5}}},\"preprocess_cfg\":{\"size\":160,\"mean\":[0,0,0],\"std\":[1,1,1]"
      "}}" },
    OPENCLIP,
    0,
    "R=160 P=0 C=40 layers=7 act=relu6 eps=0.001 kind=efficientnet T=20 V=100 C=384 heads=6 "
    "mlp=768 act=gelu eps=1e-05 pad=1 "
    "kind=bert rows=mean clean=0 head=2 size=160" },
  { "lite and bert, nothing beside it",
    lite_bert,
    "x",
    { 0 },
    { 0 },
    0,
    "R=224 T=77 heads=12 eps=1e-12 pad=0 mean=0.498039 std=0.501961",
    { "224 assumed", "heads of the text tower: 12 of 32", ASSUMED_RESIZE,
      "EfficientNet-Lite, 127/255" } },
  { "towers combine",
    vit_bert,
    "openai",
    { 0 },
    { 0 },
    0,
    "act=quick_gelu kind=vit act=gelu kind=bert",
    { "heads of the text" } },
  { "towers combine",
    lite_text,
    "openai",
    { 0 },
    { 0 },
    0,
    "act=relu6 kind=efficientnet act=quick_gelu kind=clip",
    { "224 assumed" } },
  { "multilingual, as LAION publishes it: no configuration of towers",
    vit_roberta_base,
    "x/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k/open_clip_pytorch_model.bin",
    { OPENAI_PREPROCESSOR },
    PREPROCESSOR,
    0,
    "act=gelu kind=vit T=77 V=200 C=768 layers=12 heads=12 mlp=256 act=gelu eps=1e-05 pad=1 "
    "kind=roberta rows=mean clean=1 head=2 size=24 filter=0 mode=0" },
  { "the one that has QuickGELU",
    vit_roberta_base,
    "x/CLIP-ViT-B-32-roberta-base-laion2B-s12B-b32k/open_clip_pytorch_model.bin",
    { OPENAI_PREPROCESSOR },
    PREPROCESSOR,
    0,
    "act=quick_gelu kind=vit act=gelu kind=roberta" },
  { "roberta, linear, nothing beside it",
    vit_roberta,
    "openai",
    { 0 },
    { 0 },
    0,
    "T=77 C=64 heads=1 eps=1e-05 pad=1 kind=roberta rows=mean clean=1 head=1",
    { "texts are pooled: their mean assumed", "heads of the text" } },
  { "roberta, as OpenCLIP has it",
    vit_roberta,
    "x",
    { "{\"model_cfg\":{\"quick_gelu\":true,\"text_cfg\":{\"hf_model_name\":\"FacebookAI/"
      "xlm-roberta-"
      "large\",\"hf_tokenizer_name\":\"\",\"hf_pooler_type\":\"cls_pooler\",\"hf_proj_type\":"
      "\"linear\",\"context_length\":100,\"tokenizer_kwargs\":{\"clean\":\"canonicalize\"}}}"
      "," PREPROCESS "}" },
    OPENCLIP,
    0,
    "act=quick_gelu T=100 heads=16 pad=1 kind=roberta rows=pooler clean=3 head=1" },
  { "roberta, as OpenCLIP had it before 2023",
    vit_roberta_base,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"hf_model_name\":\"xlm-roberta-base\",\"hf_tokenizer_name\":"
      "\"xlm-roberta-base\",\"proj\":\"mlp\",\"pooler_type\":\"mean_pooler\"}}," PREPROCESS "}" },
    OPENCLIP,
    0,
    "heads=12 kind=roberta rows=mean head=2" },
  { "roberta without its pooler, without a projection",
    vit_roberta_bare,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"hf_pooler_type\":\"cls_pooler\",\"hf_proj_type\":null,"
      "\"hf_model_config\":{\"model_type\":\"camembert\",\"num_attention_heads\":2,\"pad_token_"
      "id\":3,"
      "\"layer_norm_eps\":1e-6}}}," PREPROCESS "}" },
    OPENCLIP,
    0,
    "E=32 T=77 C=32 heads=2 eps=1e-06 pad=3 kind=roberta rows=first head=0" },
  { "bert with one token type",
    vit_roberta,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"heads\":2,\"hf_pooler_type\":\"cls_last_hidden_state_"
      "pooler\","
      "\"tokenizer_kwargs\":{\"clean\":\"lower\"},\"hf_model_config\":{\"model_type\":\"bert\"}}}"
      "," PREPROCESS "}" },
    OPENCLIP,
    0,
    "T=77 heads=2 eps=1e-12 pad=0 kind=bert rows=first clean=2 head=1" },
  { "resnet, nothing beside it",
    resnet_text,
    "x",
    { 0 },
    { 0 },
    0,
    "E=32 R=96 P=0 C=4 layers=5 heads=2 act=relu eps=1e-05 stages=1,2,1,1 kind=resnet "
    "act=quick_gelu "
    "size=96 mean=0.481455 std=0.275777",
    { ASSUMED_ACTIVATION, ASSUMED_RESIZE, ASSUMED_MEAN } },
  { "resnet, as OpenCLIP writes it",
    resnet_bert,
    "x",
    { "{\"model_cfg\":{\"embed_dim\":32,\"vision_cfg\":{\"image_size\":96,\"layers\":[1,2,1,1],"
      "\"width\":4,\"patch_size\":null,\"head_width\":32},\"text_cfg\":{\"heads\":12}},"
      "\"preprocess_cfg\":{\"size\":96,\"mean\":[0,0,0],\"std\":[1,1,1]}}" },
    OPENCLIP,
    0,
    "R=96 heads=4 act=relu kind=resnet heads=12 act=gelu kind=bert mean=0" },
  { "resnet, known by name",
    resnet_text,
    "hub/timm--resnet50_clip.yfcc15m/a.safetensors",
    { 0 },
    { 0 },
    0,
    "heads=2 act=relu kind=resnet act=quick_gelu" },
  { "another model's file is ignored",
    vit_text,
    "openai",
    { "{\"model_cfg\":{\"embed_dim\":512,\"quick_gelu\":false}}" },
    OPENCLIP,
    TRUE,
    "act=quick_gelu",
    { "embedding length is 512, expected 32 as the tensors have it (ignored" } },
  { "a stranger's file is ignored",
    vit_text,
    "openai",
    { "[1]" },
    HUGGINGFACE,
    TRUE,
    "act=quick_gelu",
    { "no JSON object (ignored" } },
  { "a broken file is ignored",
    vit_text,
    "openai",
    { "{" },
    HUGGINGFACE,
    TRUE,
    "act=quick_gelu",
    { "(ignored" } },

  { "another size: positions are resized",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":48},\"text_cfg\":{\"context_length\":16}}"
      "," PREPROCESS "}" },
    OPENCLIP,
    0,
    "R=48 W=48 stored=3x3 size=48",
    { "is 48, expected 24 as the tensors have it: its positions are resized" } },
  { "another size of a resnet",
    resnet_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":128},\"text_cfg\":{\"context_length\":16}}"
      "," PREPROCESS "}" },
    OPENCLIP,
    0,
    "R=128 W=128 stored=3x3 size=128",
    { "is 128, expected 96" } },
  { "no square",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":[16,48]},\"text_cfg\":{\"context_length\":16}"
      "}," PREPROCESS "}" },
    OPENCLIP,
    0,
    "R=16 W=48 stored=3x3 size=16",
    { "is 48×16, expected 24" } },
  { "a grid that is no square",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":[8,72]},\"text_cfg\":{\"context_length\":16}}"
      "," PREPROCESS "}" },
    OPENCLIP,
    0,
    "R=8 W=72 stored=9x1 size=8" },
  { "another size of a grid that is no square",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":[8,72]},\"text_cfg\":{\"context_length\":16}}"
      "," PREPROCESS "}",
      "{\"vision_cfg\":{\"image_size\":[16,32]}}" },
    OPENCLIP,
    0,
    "R=16 W=32 stored=9x1 size=16" },
  { "no square of patches, told",
    vit_10_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":[16,40]},\"text_cfg\":{\"context_length\":16}"
      "}," PREPROCESS "}" },
    OPENCLIP,
    0,
    "R=16 W=40 stored=5x2 size=16" },

  /* Errors. */
  { "no multiple of the patches",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":340},\"text_cfg\":{\"context_length\":16}}"
      "," PREPROCESS "}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "image size is 340, expected a multiple of 8, the size of its patches" },
  { "no multiple of a resnet's positions",
    resnet_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":112},\"text_cfg\":{\"context_length\":16}}"
      "," PREPROCESS "}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "image size is 112, expected a multiple of 32" },
  { "a resnet's picture that is no square",
    resnet_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":[96,128]},\"text_cfg\":{\"context_length\":"
      "16}}," PREPROCESS "}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "128×96, expected a square" },
  { "a lite's picture that is no square",
    lite_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":[96,128]},\"text_cfg\":{\"context_length\":"
      "16}}," PREPROCESS "}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "128×96, expected a square" },
  { "too large",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":8192},\"text_cfg\":{\"context_length\":16}}"
      "," PREPROCESS "}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "8192, expected 8 to 4096" },
  { "no square of patches",
    vit_10_text,
    "x",
    { 0 },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "its positions are those of 10 patches, which are no square" },
  { "no square of patches, told others",
    vit_10_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":24},\"text_cfg\":{\"context_length\":16}}"
      "," PREPROCESS "}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "10 patches, which are no square" },
  { "two sizes",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":[24]}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "image_size is an array, expected two sizes" },
  { "Hugging Face's image size",
    vit_text,
    "x",
    { "{\"vision_config\":{\"image_size\":48}}" },
    HUGGINGFACE,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "image size is 48, expected 24" },
  { "embed_dim",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"embed_dim\":512}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "file 0: the embedding length is 512, expected 32" },
  { "blocks",
    resnet_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"layers\":[1,2,3,1]},\"text_cfg\":{\"context_length\":16}}"
      "}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "number of blocks in stage 3 is 3, expected 1" },
  { "a number of blocks for a resnet",
    resnet_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"layers\":12},\"text_cfg\":{\"context_length\":16}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "number of image layers is 12, expected 5" },
  { "blocks of stages for a ViT",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"layers\":[3,4,6,3]},\"text_cfg\":{\"context_length\":16}}"
      "}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "number of blocks in stage 1 is 3, expected 0" },
  { "three stages",
    resnet_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"layers\":[1,2,1]}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "layers is an array of 3, expected four numbers" },
  { "a stage without blocks",
    resnet_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"layers\":[1,2,\"a\",1]}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "expected four numbers" },
  { "resnet's heads",
    resnet_text,
    "x",
    { "{\"vision_cfg\":{\"head_width\":48}}" },
    { CLIP_SOURCE_OVERRIDE },
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "128 wide, no multiple of heads of 48" },
  { "preprocessing size",
    vit_text,
    "x",
    { "{\"size\":25}" },
    PREPROCESSOR,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "is 25, expected 24" },
  { "override's size",
    lite_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"image_size\":160}},\"preprocess_cfg\":{\"size\":128}}" },
    { CLIP_SOURCE_OVERRIDE },
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "image size is 160, but pictures are made 128" },
  { "huge image",
    lite_text,
    "x",
    { "{\"preprocess_cfg\":{\"size\":1000000}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "1000000" },
  { "heads",
    vit_text,
    "x",
    { "{\"vision_config\":{\"num_attention_heads\":3}}" },
    HUGGINGFACE,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "128 wide, which 3 heads do not divide" },
  { "head width",
    vit_text,
    "x",
    { "{\"vision_cfg\":{\"head_width\":80}}" },
    { CLIP_SOURCE_OVERRIDE },
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "no multiple of heads of 80" },
  { "no heads",
    vit_text,
    "x",
    { "{\"vision_config\":{\"num_attention_heads\":0}}" },
    HUGGINGFACE,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "num_attention_heads is 0" },
  { "context too long",
    vit_bert,
    "openai",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":129}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "context length is 129, expected 1 to 128" },
  { "context too long for RoBERTa, whose first positions are not for texts",
    vit_roberta,
    "openai",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":101}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "context length is 101, expected 1 to 100" },
  { "another projection",
    vit_roberta,
    "openai",
    { "{\"model_cfg\":{\"text_cfg\":{\"hf_proj_type\":\"mlp\"}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "(mlp: 2, linear: 1) is 2, expected 1" },
  { "max pooling, which OpenCLIP does over padding",
    vit_roberta,
    "openai",
    { "{\"model_cfg\":{\"text_cfg\":{\"hf_pooler_type\":\"max_pooler\"}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "supported are: mean_pooler, cls_pooler, cls_last_hidden_state_pooler" },
  { "another encoder of Hugging Face's",
    vit_roberta,
    "openai",
    { "{\"model_cfg\":{\"text_cfg\":{\"hf_model_config\":{\"model_type\":\"mt5\"}}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "model_type is \"mt5\", supported are: bert, roberta" },
  { "relative positions",
    vit_roberta,
    "openai",
    { "{\"model_cfg\":{\"text_cfg\":{\"hf_model_config\":{\"position_embedding_type\":\"relative_"
      "key\"}}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "position_embedding_type is" },
  { "padding token",
    vit_bert,
    "openai",
    { "{\"model_cfg\":{\"text_cfg\":{\"hf_model_config\":{\"pad_token_id\":100}}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "padding token is 100" },
  { "not JSON",
    vit_text,
    "x",
    { "{\"model_cfg\"" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_FORMAT,
    "file 0" },
  { "not an object",
    vit_text,
    "x",
    { "7" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "no JSON object" },
  { "another file",
    vit_text,
    "x",
    { "{\"name\":1}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "has no model_cfg" },
  { "section of the wrong type",
    vit_text,
    "x",
    { "{\"model_cfg\":[]}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "model_cfg is []" },
  { "number of the wrong type",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"embed_dim\":\"512\"}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "embed_dim is \"512\"" },
  { "boolean of the wrong type",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"quick_gelu\":1}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "quick_gelu is 1" },
  { "mean of two",
    vit_text,
    "x",
    { "{\"preprocess_cfg\":{\"mean\":[0,0]}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "2 elements" },
  { "mean of words",
    vit_text,
    "x",
    { "{\"preprocess_cfg\":{\"mean\":[0,\"a\",0]}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "element 1" },
  { "mean of lists",
    vit_text,
    "x",
    { "{\"preprocess_cfg\":{\"mean\":[0,0,[]]}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "element 2" },
  { "std of zero",
    vit_text,
    "x",
    { "{\"preprocess_cfg\":{\"std\":[1,1,0]}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "std is 0" },
  { "size of lists",
    vit_text,
    "x",
    { "{\"preprocess_cfg\":{\"size\":[[],{}]}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "two sizes" },
  { "size not square",
    vit_text,
    "x",
    { "{\"size\":{\"height\":24,\"width\":48}}" },
    PREPROCESSOR,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "48×24" },
  { "resize and crop differ",
    vit_text,
    "x",
    { "{\"size\":32,\"crop_size\":24}" },
    PREPROCESSOR,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "resized to 32 and cropped to 24" },
  { "no crop",
    vit_text,
    "x",
    { "{\"size\":24,\"do_center_crop\":false}" },
    PREPROCESSOR,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "do_center_crop" },
  { "Lanczos",
    vit_text,
    "x",
    { "{\"size\":24,\"resample\":1}" },
    PREPROCESSOR,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "resample is 1" },
  { "activation",
    vit_text,
    "x",
    { "{\"vision_config\":{\"hidden_act\":\"gelu_new\"}}" },
    HUGGINGFACE,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "hidden_act is \"gelu_new\", supported are: quick_gelu, gelu" },
  { "model type",
    vit_text,
    "x",
    { "{\"model_type\":\"siglip2\",\"vision_config\":{}}" },
    HUGGINGFACE,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "model_type is \"siglip2\"" },
  { "SigLIP's configuration for another model",
    vit_text,
    "x",
    { "{\"model_type\":\"siglip\",\"vision_config\":{}}" },
    HUGGINGFACE,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "the attention pooling is 1, expected 0 as the tensors have it" },
  { "pooling",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"pool_type\":\"none\"},\"text_cfg\":{\"context_length\":16}"
      "}"
      "}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "pool_type is \"none\", supported are: tok, avg" },
  { "no ln_pre, though the tensors have it",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"no_ln_pre\":true},\"text_cfg\":{\"context_length\":16}}"
      "}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "the no_ln_pre is 1, expected 0 as the tensors have it" },
  { "refused, though only beside it",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"embed_dim\":32,\"text_cfg\":{\"context_length\":16,\"embed_cls\":"
      "true}}}" },
    OPENCLIP,
    TRUE,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "embed_cls" },
  { "text pooling",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16,\"pool_type\":\"none\"}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "pool_type is \"none\", supported are: argmax, eos, first, last" },
  { "a bias that the tensors have not",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16,\"proj_bias\":true}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_CONFIG,
    "the proj_bias is 1, expected 0 as the tensors have it" },
  { "GELU with something else",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"text_cfg\":{\"context_length\":16,\"act_kwargs\":{\"inplace\":true}}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "act_kwargs is" },
  { "timm ViT with rotary positions",
    vit_text,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"timm_model_name\":\"vit_pe_core_tiny_patch16_384\"},"
      "\"text_cfg\":{\"context_length\":16}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "timm_model_name is \"vit_pe_core_tiny_patch16_384\", supported are: tf_" },
  { "timm model",
    lite_bert,
    "x",
    { "{\"model_cfg\":{\"vision_cfg\":{\"timm_model_name\":\"efficientnet_lite0\"}}}" },
    OPENCLIP,
    0,
    0,
    { 0 },
    CLIP_ERROR_UNSUPPORTED,
    "timm_model_name" },
};

static void
check_warnings (const Case *c, GPtrArray *warnings)
{
  guint n = 0;
  while (n < G_N_ELEMENTS (c->warnings) && c->warnings[n])
    n++;
  for (guint i = 0; i < MIN (n, warnings->len); i++) {
    if (!strstr (warnings->pdata[i], c->warnings[i]))
      g_error ("%s: warning \"%s\", expected \"%s\"", c->name, (char *) warnings->pdata[i],
               c->warnings[i]);
  }
  if (warnings->len != n)
    g_error ("%s: %u warnings, expected %u (the first: %s)", c->name, warnings->len, n,
             warnings->len ? (char *) warnings->pdata[0] : "-");
}

/* The words of @expected, in their order. */
static void
check_description (const Case *c, const ClipConfig *config)
{
  g_autofree char *text = describe (config);
  g_auto (GStrv) words = g_strsplit (c->expected, " ", -1);
  const char *at = text;
  for (char **word = words; *word; word++) {
    g_autofree char *whole = g_strconcat (*word, " ", NULL);
    const char *found = strstr (at, whole);
    if (!found)
      g_error ("%s: no \"%s\" (in this order) in \"%s\"", c->name, *word, text);
    at = found;
  }
}

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Case *c = &cases[i];
    ClipSource sources[3];
    guint n = 0;
    static const char *const names[] = { "file 0", "file 1", "file 2" };
    for (; n < 3 && c->texts[n]; n++)
      sources[n] =
          (ClipSource){ c->formats[n], names[n],
                        g_bytes_new_static (c->texts[n], strlen (c->texts[n])), c->tentative };
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipWeights) weights = make (c->shapes, &error);
    g_assert_no_error (error);
    g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
    ClipConfig config;
    const gboolean ok =
        clip_config_read (&config, weights, c->called, sources, n, warnings, &error);
    if (c->message) {
      check_error (c->name, ok ? c : NULL, error, c->code, c->message);
    } else if (!ok) {
      g_error ("%s: %s", c->name, error->message);
    } else {
      check_description (c, &config);
      check_warnings (c, warnings);
    }
    for (guint j = 0; j < n; j++)
      g_bytes_unref (sources[j].text);
  }
}

/* Models that are refused, or damaged, by their tensors alone. */
static void
test_tensors (void)
{
  static const struct {
    const char *name;
    Shape shapes[32];
    ClipError code;
    const char *message;
  } refused[] = {
    { "ResNet without attention pooling",
      { RESNET_STAGE (1, 4), RESNET_STAGE (2, 8), RESNET_STAGE (3, 16), RESNET_STAGE (4, 32),
        TEXT },
      CLIP_ERROR_TENSOR,
      "visual.attnpool.positional_embedding is missing" },
    { "ResNet of three stages",
      { RESNET_STAGE (1, 4), RESNET_STAGE (2, 8), RESNET_STAGE (3, 16), TEXT },
      CLIP_ERROR_TENSOR,
      "visual.layer4.0.conv1.weight is missing" },
    { "ResNet of another width",
      { RESNET_STAGE (1, 4),
        RESNET_STAGE (2, 8),
        RESNET_STAGE (3, 16),
        RESNET_STAGE (4, 32),
        { "visual.attnpool.positional_embedding", 2, { 10, 64 } },
        { "visual.attnpool.c_proj.weight", 2, { 32, 64 } },
        TEXT },
      CLIP_ERROR_UNSUPPORTED,
      "width 4 that pools over 10 positions of 64 channels" },
    { "ResNet that pools over no square",
      { RESNET_STAGE (1, 4),
        RESNET_STAGE (2, 8),
        RESNET_STAGE (3, 16),
        RESNET_STAGE (4, 32),
        { "visual.attnpool.positional_embedding", 2, { 12, 128 } },
        { "visual.attnpool.c_proj.weight", 2, { 32, 128 } },
        TEXT },
      CLIP_ERROR_UNSUPPORTED,
      "over 12 positions" },
    { "CoCa", { VIT, TEXT, { "text.cls_emb", 1, { 1 } } }, CLIP_ERROR_UNSUPPORTED, "CoCa" },
    { "timm ViT with registers",
      { { "visual.trunk.reg_token", 1, { 1 } }, TEXT },
      CLIP_ERROR_UNSUPPORTED,
      "a timm ViT with registers" },
    { "timm ViT with convolutions in front",
      { { "visual.trunk.patch_embed.backbone.0.conv.weight", 1, { 1 } }, TEXT },
      CLIP_ERROR_UNSUPPORTED,
      "MobileCLIP-B" },
    { "a class token and attention pooling",
      { SIGLIP, SIGLIP_TEXT, { "visual.trunk.cls_token", 3, { 1, 1, 128 } } },
      CLIP_ERROR_UNSUPPORTED,
      "with a class token and with attention pooling" },
    { "another timm model",
      { { "visual.trunk.stem.weight", 1, { 1 } }, TEXT },
      CLIP_ERROR_UNSUPPORTED,
      "neither a ViT nor EfficientNet-Lite" },
    { "no image tower",
      { { "visual.x", 1, { 1 } }, TEXT },
      CLIP_ERROR_UNSUPPORTED,
      "no known image tower" },
    { "no text tower", { VIT }, CLIP_ERROR_UNSUPPORTED, "no known text tower" },
    { "EfficientNet-B",
      { LITE, BERT, { "visual.trunk.blocks.0.0.se.conv_reduce.weight", 1, { 1 } } },
      CLIP_ERROR_UNSUPPORTED,
      "squeeze-and-excitation" },
    { "MobileNetV2",
      { { "visual.trunk.conv_stem.weight", 4, { 8, 3, 3, 3 } },
        LITE_STAGE (0, 3),
        LITE_STAGE (1, 3),
        LITE_STAGE (2, 3),
        BERT },
      CLIP_ERROR_UNSUPPORTED,
      "stage 2" },
    { "RoBERTa without positions for texts",
      { VIT,
        { "text.transformer.embeddings.word_embeddings.weight", 2, { 100, 32 } },
        { "text.transformer.embeddings.position_embeddings.weight", 2, { 2, 32 } },
        { "text.transformer.embeddings.token_type_embeddings.weight", 2, { 1, 32 } },
        { "text.transformer.encoder.layer.0.intermediate.dense.weight", 2, { 8, 32 } },
        LAYER (0) },
      CLIP_ERROR_CONFIG,
      "the context length is 0, expected 1 to 0" },
    { "a projection with bias",
      { VIT, ROBERTA (64), LAYER (0), { "text.proj.bias", 1, { 8 } } },
      CLIP_ERROR_UNSUPPORTED,
      "a text projection with bias" },
    { "embedding lengths",
      { VIT,
        { "token_embedding.weight", 2, { 100, 64 } },
        { "positional_embedding", 2, { 16, 64 } },
        { "transformer.resblocks.0.mlp.c_fc.weight", 2, { 1, 1 } },
        { "text_projection", 2, { 64, 48 } } },
      CLIP_ERROR_TENSOR,
      "text embeddings 48" },
    { "no layers",
      { VIT,
        { "token_embedding.weight", 2, { 100, 64 } },
        { "positional_embedding", 2, { 16, 64 } },
        { "transformer.resblocks.0.mlp.c_fc.weight", 2, { 1, 1 } },
        { "text_projection", 2, { 64, 32 } } },
      CLIP_ERROR_TENSOR,
      "0 text layers" },
    { "missing",
      { { "visual.class_embedding", 1, { 8 } }, TEXT },
      CLIP_ERROR_TENSOR,
      "visual.positional_embedding is missing" },
    { "empty",
      { { "visual.class_embedding", 1, { 8 } },
        { "visual.positional_embedding", 2, { 0, 8 } },
        TEXT },
      CLIP_ERROR_TENSOR,
      "dimension 0 is 0" },
    { "not a square",
      { { "visual.class_embedding", 1, { 8 } },
        { "visual.positional_embedding", 2, { 12, 8 } },
        { "visual.conv1.weight", 4, { 8, 3, 8, 8 } },
        { "visual.transformer.resblocks.0.attn.in_proj_weight", 2, { 24, 8 } },
        { "visual.transformer.resblocks.0.mlp.c_fc.weight", 2, { 8, 8 } },
        { "visual.proj", 2, { 8, 32 } },
        TEXT },
      CLIP_ERROR_CONFIG,
      "those of 11 patches" },
    { "patches that are no squares",
      { { "visual.class_embedding", 1, { 8 } },
        { "visual.positional_embedding", 2, { 10, 8 } },
        { "visual.conv1.weight", 4, { 8, 3, 8, 4 } },
        { "visual.transformer.resblocks.0.mlp.c_fc.weight", 2, { 8, 8 } },
        { "visual.proj", 2, { 8, 8 } },
        TEXT },
      CLIP_ERROR_UNSUPPORTED,
      "10 positions for patches of 3×8×4" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipWeights) weights = make (refused[i].shapes, &error);
    g_assert_no_error (error);
    g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
    ClipConfig config;
    const gboolean ok = clip_config_read (&config, weights, "x", NULL, 0, warnings, &error);
    check_error (refused[i].name, ok ? weights : NULL, error, refused[i].code, refused[i].message);
  }
}

/* Deep and huge texts are refused quickly, wherever they come from. */
static void
test_hostile (void)
{
  g_autoptr (GString) deep = g_string_new (NULL);
  for (int i = 0; i < 1000000; i++)
    g_string_append (deep, "{\"a\":");
  g_autoptr (GString) huge = g_string_new ("{\"model_cfg\":{\"embed_dim\":");
  for (int i = 0; i < 1000000; i++)
    g_string_append_c (huge, '9');
  g_string_append (huge, "}}");
  const struct {
    const char *name;
    const GString *text;
    ClipError code;
  } texts[] = { { "deep", deep, CLIP_ERROR_FORMAT }, { "huge", huge, CLIP_ERROR_CONFIG } };
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipWeights) weights = make (vit_text, &error);
    g_autoptr (GBytes) text = g_bytes_new_static (texts[i].text->str, texts[i].text->len);
    const ClipSource source = { CLIP_SOURCE_OPENCLIP, "file", text };
    g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
    ClipConfig config;
    const gboolean ok = clip_config_read (&config, weights, "x", &source, 1, warnings, &error);
    check_error (texts[i].name, ok ? weights : NULL, error, texts[i].code, "file");
    g_assert_cmpuint (strlen (error->message), <, 1000);
  }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/cases", test_cases);
  g_test_add_func ("/config/tensors", test_tensors);
  g_test_add_func ("/config/hostile", test_hostile);
  return g_test_run ();
}
