/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/config-json.h"
#include "core/base/json.h"

static void
add_int (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

static void
add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

/* FALSE is what a reader takes it for anyway. */
static void
add_flag (JsonBuilder *builder, const char *name, gboolean value)
{
  if (!value)
    return;
  json_builder_set_member_name (builder, name);
  json_builder_add_boolean_value (builder, TRUE);
}

static void
begin (JsonBuilder *builder, const char *name)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_object (builder);
}

/* 1e-12, not 9.999999960041972e-13 */
static double
decimal (float x)
{
  char text[32];
  return g_ascii_strtod (g_ascii_formatd (text, sizeof text, "%.7g", x), NULL);
}

static void
add_approximation (JsonBuilder *builder, ClipActivation activation)
{
  if (activation != CLIP_ACTIVATION_GELU_TANH)
    return;
  begin (builder, "act_kwargs");
  add_string (builder, "approximate", "tanh");
  json_builder_end_object (builder);
}

static void
add_epsilon (JsonBuilder *builder, float epsilon)
{
  if (epsilon == 1e-5f)
    return;
  begin (builder, "norm_kwargs");
  json_builder_set_member_name (builder, "eps");
  json_builder_add_double_value (builder, decimal (epsilon));
  json_builder_end_object (builder);
}

/* Of EfficientNet-Lite 0 … 4, which have 16, 21, 21, 24 and 30 blocks; 1 and 2 differ in width alone, which the tensors tell. */
static const char *
lite_name (int layers)
{
  return layers <= 16   ? "tf_efficientnet_lite0"
         : layers <= 21 ? "tf_efficientnet_lite1"
         : layers <= 24 ? "tf_efficientnet_lite3"
                        : "tf_efficientnet_lite4";
}

/* A number of a square; OpenCLIP has the height first. */
static void
add_image_size (JsonBuilder *builder, const ClipImageConfig *image)
{
  if (!image->image_width) {
    add_int (builder, "image_size", image->image_size);
    return;
  }
  json_builder_set_member_name (builder, "image_size");
  json_builder_begin_array (builder);
  json_builder_add_int_value (builder, image->image_size);
  json_builder_add_int_value (builder, image->image_width);
  json_builder_end_array (builder);
}

/* What only timm's ViTs have. Where both towers have one activation a flag tells, otherwise the image tower's name does. */
static void
add_timm (JsonBuilder *builder, const ClipImageConfig *image, gboolean quick_gelu)
{
  static const char *const pools[] = { "token", "avg", "map" }; /* ClipPool */
  const gboolean quick = image->activation == CLIP_ACTIVATION_QUICK_GELU;
  const gboolean named = image->activation != CLIP_ACTIVATION_GELU_TANH && quick != quick_gelu;
  if (named)
    add_string (builder, "timm_model_name",
                quick ? "vit_base_patch16_clip_quickgelu_224" : "vit_base_patch16_224");
  if (named || image->pool == CLIP_POOL_MAP)
    add_string (builder, "timm_pool", pools[image->pool]);
  if (image->no_projection || image->projection_mlp)
    add_string (builder, "timm_proj", image->no_projection ? "none" : "mlp");
}

static void
add_vision (JsonBuilder *builder, const ClipImageConfig *image, gboolean quick_gelu)
{
  begin (builder, "vision_cfg");
  add_image_size (builder, image);
  switch (image->kind) {
  case CLIP_IMAGE_EFFICIENTNET:
    add_string (builder, "timm_model_name", lite_name (image->layers));
    json_builder_set_member_name (builder, "timm_model_pretrained");
    json_builder_add_boolean_value (builder, FALSE);
    add_string (builder, "timm_pool", "");
    add_string (builder, "timm_proj", "linear");
    break;
  case CLIP_IMAGE_RESNET:
    json_builder_set_member_name (builder, "layers");
    json_builder_begin_array (builder);
    for (guint i = 0; i < G_N_ELEMENTS (image->stages); i++)
      json_builder_add_int_value (builder, image->stages[i]);
    json_builder_end_array (builder);
    add_int (builder, "width", image->width);
    add_int (builder, "head_width", 32 * image->width / image->heads);
    break;
  case CLIP_IMAGE_VIT:
    add_int (builder, "layers", image->layers);
    add_int (builder, "width", image->width);
    add_int (builder, "patch_size", image->patch_size);
    add_int (builder, "head_width", image->width / image->heads);
    json_builder_set_member_name (builder, "mlp_ratio");
    json_builder_add_double_value (builder, (double) image->mlp_width / image->width);
    add_flag (builder, "no_ln_pre", image->no_ln_pre && image->pool != CLIP_POOL_MAP);
    add_flag (builder, "final_ln_after_pool", image->norm_after_pool);
    if (image->pool == CLIP_POOL_AVERAGE)
      add_string (builder, "pool_type", "avg");
    add_timm (builder, image, quick_gelu);
    add_approximation (builder, image->activation);
    add_epsilon (builder, image->norm_epsilon);
    break;
  }
  json_builder_end_object (builder);
}

static void
add_bert (JsonBuilder *builder, const ClipTextConfig *text)
{
  static const char *const poolers[] = {
    [CLIP_TEXT_POOL_MEAN] = "mean_pooler",
    [CLIP_TEXT_POOL_POOLER] = "cls_pooler",
    [CLIP_TEXT_POOL_FIRST] = "cls_last_hidden_state_pooler",
  };
  add_string (builder, "hf_pooler_type", poolers[text->pool]);
  json_builder_set_member_name (builder, "hf_proj_type");
  if (text->head_layers)
    json_builder_add_string_value (builder, text->head_layers == 2 ? "mlp" : "linear");
  else
    json_builder_add_null_value (builder);
  begin (builder, "hf_model_config");
  add_string (builder, "model_type", text->roberta ? "roberta" : "bert");
  add_string (builder, "hidden_act", "gelu");
  add_int (builder, "hidden_size", text->width);
  add_int (builder, "num_hidden_layers", text->layers);
  add_int (builder, "num_attention_heads", text->heads);
  add_int (builder, "intermediate_size", text->mlp_width);
  add_int (builder, "vocab_size", text->vocab_size);
  add_int (builder, "pad_token_id", text->pad_token);
  json_builder_set_member_name (builder, "layer_norm_eps");
  json_builder_add_double_value (builder, decimal (text->norm_epsilon));
  json_builder_end_object (builder);
}

static void
add_tokenizer (JsonBuilder *builder, const ClipTextConfig *text)
{
  static const char *const cleanings[] = {
    [CLIP_CLEAN_WHITESPACE] = "whitespace",
    [CLIP_CLEAN_LOWER] = "lower",
    [CLIP_CLEAN_CASE] = "lowercase",
    [CLIP_CLEAN_CANONICAL] = "canonicalize",
  };
  if (!text->clean && !text->no_end_token)
    return;
  begin (builder, "tokenizer_kwargs");
  if (text->clean)
    add_string (builder, "clean", cleanings[text->clean]);
  add_flag (builder, "strip_sep_token", text->no_end_token);
  json_builder_end_object (builder);
}

static void
add_text (JsonBuilder *builder, const ClipTextConfig *text)
{
  begin (builder, "text_cfg");
  add_int (builder, "context_length", text->context_length);
  if (text->kind == CLIP_TEXT_BERT) {
    add_bert (builder, text);
  } else {
    add_int (builder, "vocab_size", text->vocab_size);
    add_int (builder, "width", text->width);
    add_int (builder, "heads", text->heads);
    add_int (builder, "layers", text->layers);
    if (text->end_token > 0 && text->pool == CLIP_TEXT_POOL_END) {
      add_int (builder, "eos_id", text->end_token);
      add_string (builder, "pool_type", "eos");
    }
    if (text->pool != CLIP_TEXT_POOL_END)
      add_string (builder, "pool_type", text->pool == CLIP_TEXT_POOL_FIRST ? "first" : "last");
    add_flag (builder, "no_causal_mask", text->no_causal_mask);
    add_flag (builder, "proj_bias", text->projection_bias);
    add_approximation (builder, text->activation);
    add_epsilon (builder, text->norm_epsilon);
  }
  add_tokenizer (builder, text);
  json_builder_end_object (builder);
}

static void
add_preprocess (JsonBuilder *builder, const ClipPreprocessConfig *preprocess)
{
  static const char *const filters[] = { "bicubic", "bilinear" };         /* ClipFilter */
  static const char *const modes[] = { "shortest", "squash", "longest" }; /* ClipResizeMode */
  const float *const colours[] = { preprocess->mean, preprocess->std };
  begin (builder, "preprocess_cfg");
  for (int i = 0; i < 2; i++) {
    json_builder_set_member_name (builder, i ? "std" : "mean");
    json_builder_begin_array (builder);
    for (int c = 0; c < 3; c++)
      json_builder_add_double_value (builder, colours[i][c]);
    json_builder_end_array (builder);
  }
  json_builder_set_member_name (builder, "size");
  json_builder_begin_array (builder);
  json_builder_add_int_value (builder, preprocess->height); /* as OpenCLIP has it */
  json_builder_add_int_value (builder, preprocess->width);
  json_builder_end_array (builder);
  add_string (builder, "interpolation", filters[preprocess->filter]);
  add_string (builder, "resize_mode", modes[preprocess->resize_mode]);
  json_builder_end_object (builder);
}

char *
clip_config_to_json (const ClipConfig *config)
{
  const ClipActivation activation =
      config->text.kind == CLIP_TEXT_CLIP ? config->text.activation : config->image.activation;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  json_builder_begin_object (builder);
  begin (builder, "model_cfg");
  add_int (builder, "embed_dim", config->embed_dim);
  json_builder_set_member_name (builder, "quick_gelu");
  json_builder_add_boolean_value (builder, activation == CLIP_ACTIVATION_QUICK_GELU);
  if (config->sigmoid) {
    json_builder_set_member_name (builder, "init_logit_bias");
    json_builder_add_double_value (builder, decimal (config->logit_bias));
  }
  add_vision (builder, &config->image, activation == CLIP_ACTIVATION_QUICK_GELU);
  add_text (builder, &config->text);
  json_builder_end_object (builder);
  add_preprocess (builder, &config->preprocess);
  json_builder_end_object (builder);
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  return json_to_string (root, TRUE);
}
