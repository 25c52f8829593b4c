/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A model's configuration, in this order:
 *
 *   tensors   → which towers there are, and every size
 *   known     → what is known of published checkpoints (known.c)
 *   sources   → configuration files (said.c); each must agree with the tensors, later ones win
 *   assumed   → OpenAI's values for what nobody said, with a warning
 */
#include "core/model/config.h"
#include "core/model/resolution.h"
#include "core/model/said.h"
#include "core/base/error.h"

#include <math.h>
#include <string.h>

#define SUPPORTED                                                                                  \
  "supported are ViT, SigLIP, ModifiedResNet and EfficientNet-Lite image towers, "                 \
  "CLIP, SigLIP, BERT and RoBERTa text towers"

const char *
clip_activation_name (ClipActivation activation)
{
  static const char *const names[] = { "quick_gelu", "gelu", "relu6", "relu", "gelu_tanh" };
  return names[activation];
}

/* --------------------------------------------------------------------------------- refusals */

/* Tensors (their names begin so) of models that would load, and be silently wrong without what these stand for. */
static const struct {
  const char *prefix, *what;
} strangers[] = {
  { "visual.attn_pool", "attentional pooling (CoCa)" },
  { "visual.trunk.reg_token", "a timm ViT with registers" },
  { "visual.trunk.patch_embed.backbone.", "a timm ViT behind convolutions (MobileCLIP-B)" },
  { "visual.trunk.blocks.0.attn.q_norm.", "norms inside attention" },
  { "visual.trunk.blocks.0.attn.q_proj.", "EVA's attention" },
  { "visual.trunk.blocks.0.attn.q_bias", "EVA's attention" },
  { "visual.trunk.attn_pool.q_norm.", "norms inside attention" },
  { "visual.transformer.resblocks.0.attn.ln_", "norms inside attention" },
  { "visual.patchnorm_pre_ln.", "patch norms" },
  { "visual.trunk.blocks.0.0.se.", "squeeze-and-excitation (EfficientNet-B, MobileNetV3)" },
  { "text.proj.bias", "a text projection with bias" },
  { "text.proj.0.bias", "a text projection with bias" },
  { "text.proj.2.bias", "a text projection with bias" },
  { "visual_projection.bias", "an image projection with bias" },
  { "cls_emb", "a text tower with a class token (CoCa)" },
  { "text.cls_emb", "a text tower with a class token (CoCa)" },
  { "text_decoder.", "a text decoder (CoCa)" },
};

static const char *
find_prefix (const ClipCheckpoint *checkpoint, const char *prefix)
{
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (checkpoint); i++) {
    const char *name = clip_checkpoint_get_tensor (checkpoint, i)->name;
    if (g_str_has_prefix (name, prefix))
      return name;
  }
  return NULL;
}

static gboolean
refuse_strangers (ClipWeights *weights, GError **error)
{
  const ClipCheckpoint *checkpoint = clip_weights_get_checkpoint (weights);
  for (guint i = 0; i < G_N_ELEMENTS (strangers); i++) {
    const char *name = find_prefix (checkpoint, strangers[i].prefix);
    if (name)
      return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: has %s (tensor %s), " SUPPORTED,
                        clip_checkpoint_get_name (checkpoint), strangers[i].what, name);
  }
  return TRUE;
}

/* ----------------------------------------------------------------------------------- shapes */

/* Dimension @index of a tensor; a failure of @weights where it is absent, 0 or out of all proportion. */
static int
dimension (ClipWeights *weights, const char *name, int index)
{
  gint64 shape[4];
  if (!clip_weights_shape (weights, shape, "%s", name)) {
    clip_weights_fail (weights, CLIP_ERROR_TENSOR, "tensor %s is missing", name);
    return 0;
  }
  if (shape[index] < 1 || shape[index] > 1 << 24) {
    clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                       "tensor %s: dimension %d is %" G_GINT64_FORMAT ", expected 1 to 2^24", name,
                       index, shape[index]);
    return 0;
  }
  return (int) shape[index];
}

static gboolean
has (const ClipWeights *weights, const char *name)
{
  gint64 shape[4];
  return clip_weights_shape (weights, shape, "%s", name);
}

/* [T, C], or [1, T, C] as timm has it. */
static int
count_positions (ClipWeights *weights)
{
  static const char name[] = "visual.positional_embedding";
  gint64 shape[4];
  const gboolean found = clip_weights_shape (weights, shape, name);
  return dimension (weights, name, found && shape[0] == 1 && shape[2] > 1 ? 1 : 0);
}

static gboolean
measure_vit (ClipConfig *config, ClipWeights *weights)
{
  const int tokens = count_positions (weights);
  const int channels = dimension (weights, "visual.conv1.weight", 1);
  const int patch_height = dimension (weights, "visual.conv1.weight", 2);
  ClipImageConfig *image = &config->image;
  image->kind = CLIP_IMAGE_VIT;
  image->width = dimension (weights, "visual.conv1.weight", 0);
  image->patch_size = dimension (weights, "visual.conv1.weight", 3);
  image->layers = clip_weights_count (weights, "visual.transformer.resblocks.%d.attn.q.weight");
  image->mlp_width = dimension (weights, "visual.transformer.resblocks.0.mlp.c_fc.weight", 0);
  const gboolean map = has (weights, "visual.map.probe"),
                 timm = has (weights, "visual.trunk.pos_embed"),
                 mlp = has (weights, "visual.head.mlp.fc1.weight");
  image->no_ln_pre = !has (weights, "visual.ln_pre.weight");
  image->no_class_token = !has (weights, "visual.class_embedding");
  image->norm_after_pool = has (weights, "visual.trunk.fc_norm.weight");
  image->pool = map                                               ? CLIP_POOL_MAP
                : image->no_class_token || image->norm_after_pool ? CLIP_POOL_AVERAGE
                                                                  : CLIP_POOL_TOKEN;
  /* timm's, but for its copies of CLIP, which are those with ln_pre. */
  image->norm_epsilon = map || (timm && image->no_ln_pre) ? 1e-6f : 1e-5f;
  image->no_projection = map && !mlp && !has (weights, "visual.proj");
  image->patch_bias = has (weights, "visual.conv1.bias");
  image->projection_mlp = mlp ? dimension (weights, "visual.head.mlp.fc1.weight", 0) : 0;
  config->embed_dim = image->no_projection ? image->width
                      : mlp                ? dimension (weights, "visual.head.mlp.fc2.weight", 0)
                                           : dimension (weights, "visual.proj", 0);
  if (!clip_weights_ok (weights, NULL))
    return FALSE;
  if (map && !image->no_class_token) {
    clip_weights_fail (weights, CLIP_ERROR_UNSUPPORTED,
                       "has a ViT with a class token and with attention pooling, supported are "
                       "either of them");
    return FALSE;
  }
  const int patches = tokens - !image->no_class_token, grid = (int) round (sqrt (patches));
  if (channels != 3 || patch_height != image->patch_size || grid < 1 || image->patch_size > 1024 ||
      grid * image->patch_size > 32768) {
    clip_weights_fail (weights, CLIP_ERROR_UNSUPPORTED,
                       "has %d positions for patches of %d×%d×%d, supported are square patches of "
                       "3 colours%s",
                       tokens, channels, patch_height, image->patch_size,
                       image->no_class_token ? "" : ", and a class token");
    return FALSE;
  }
  image->stored_columns = grid * grid == patches ? grid : patches;
  image->stored_rows = grid * grid == patches ? grid : 0; /* nothing here tells how many */
  return TRUE;
}

/* Its pooling has a position for each 32×32 pixels, and one for their mean. */
static gboolean
measure_resnet (ClipConfig *config, ClipWeights *weights)
{
  ClipImageConfig *image = &config->image;
  image->kind = CLIP_IMAGE_RESNET;
  image->width = dimension (weights, "visual.layer1.0.conv1.weight", 0);
  image->norm_epsilon = 1e-5f;
  image->activation = CLIP_ACTIVATION_RELU;
  for (guint i = 0; i < G_N_ELEMENTS (image->stages); i++) {
    g_autofree char *format = g_strdup_printf ("visual.layer%u.%%d.conv1.weight", i + 1);
    image->stages[i] = clip_weights_count (weights, format);
    image->layers += image->stages[i];
    if (image->stages[i] == 0)
      clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                         "tensor visual.layer%u.0.conv1.weight is missing", i + 1);
  }
  const int positions = dimension (weights, "visual.attnpool.positional_embedding", 0);
  const int features = dimension (weights, "visual.attnpool.positional_embedding", 1);
  config->embed_dim = dimension (weights, "visual.attnpool.c_proj.weight", 0);
  if (!clip_weights_ok (weights, NULL))
    return FALSE;

  const int grid = (int) round (sqrt (positions - 1));
  if (grid < 1 || grid > 128 || grid * grid != positions - 1 || features != 32 * image->width) {
    clip_weights_fail (weights, CLIP_ERROR_UNSUPPORTED,
                       "has a ModifiedResNet of width %d that pools over %d positions of %d "
                       "channels, supported are a square and its mean, of 32 times the width",
                       image->width, positions, features);
    return FALSE;
  }
  image->stored_columns = image->stored_rows = grid;
  return TRUE;
}

/* The kernels of its stages tell EfficientNet-Lite from MobileNetV2, whose tensors have the same names. */
static gboolean
measure_efficientnet (ClipConfig *config, ClipWeights *weights)
{
  static const int kernels[] = { 3, 3, 5, 3, 5, 5, 3 };
  ClipImageConfig *image = &config->image;
  for (guint stage = 0; stage < G_N_ELEMENTS (kernels); stage++) {
    gint64 shape[4] = { 0 };
    clip_weights_shape (weights, shape, "visual.trunk.blocks.%u.0.conv_dw.weight", stage);
    if (shape[2] != kernels[stage] || shape[3] != kernels[stage]) {
      clip_weights_fail (weights, CLIP_ERROR_UNSUPPORTED,
                         "stage %u of its timm image tower has kernels of %d×%d, expected %d×%d as "
                         "in EfficientNet-Lite, " SUPPORTED,
                         stage, (int) shape[2], (int) shape[3], kernels[stage], kernels[stage]);
      return FALSE;
    }
    g_autofree char *format = g_strdup_printf ("visual.trunk.blocks.%u.%%d.conv_dw.weight", stage);
    image->layers += clip_weights_count (weights, format);
  }
  image->kind = CLIP_IMAGE_EFFICIENTNET;
  image->width = dimension (weights, "visual.trunk.conv_head.weight", 0);
  image->norm_epsilon = 1e-3f;
  image->activation = CLIP_ACTIVATION_RELU6;
  config->embed_dim = dimension (weights, "visual.head.proj.weight", 0);
  return clip_weights_ok (weights, NULL);
}

static gboolean
measure_text (ClipConfig *config, ClipWeights *weights)
{
  ClipTextConfig *text = &config->text;
  text->kind = CLIP_TEXT_CLIP;
  text->context_length = dimension (weights, "positional_embedding", 0);
  text->vocab_size = dimension (weights, "token_embedding.weight", 0);
  text->width = dimension (weights, "token_embedding.weight", 1);
  text->layers = clip_weights_count (weights, "transformer.resblocks.%d.attn.q.weight");
  text->mlp_width = dimension (weights, "transformer.resblocks.0.mlp.c_fc.weight", 0);
  text->norm_epsilon = 1e-5f;
  text->projection_bias = has (weights, "text_projection.bias");
  return clip_weights_ok (weights, NULL);
}

#define EMBEDDINGS "text.transformer.embeddings."
#define LAYER_0 "text.transformer.encoder.layer.0."

static gboolean
measure_bert (ClipConfig *config, ClipWeights *weights)
{
  ClipTextConfig *text = &config->text;
  text->kind = CLIP_TEXT_BERT;
  text->vocab_size = dimension (weights, EMBEDDINGS "word_embeddings.weight", 0);
  text->width = dimension (weights, EMBEDDINGS "word_embeddings.weight", 1);
  text->layers =
      clip_weights_count (weights, "text.transformer.encoder.layer.%d.attention.self.query.weight");
  text->mlp_width = dimension (weights, LAYER_0 "intermediate.dense.weight", 0);
  text->activation = CLIP_ACTIVATION_GELU;
  text->context_length =
      dimension (weights, EMBEDDINGS "position_embeddings.weight", 0); /* at most */
  /* RoBERTa's tensors have the same names, its positions another meaning; it has one token type, BERT has two. */
  text->roberta = dimension (weights, EMBEDDINGS "token_type_embeddings.weight", 0) == 1;
  text->head_layers = has (weights, "text.proj.0.weight") ? 2 : has (weights, "text.proj.weight");
  return clip_weights_ok (weights, NULL);
}

static int
bert_embed_dim (const ClipConfig *config, ClipWeights *weights)
{
  static const char *const last[] = { NULL, "text.proj.weight", "text.proj.2.weight" };
  const char *name = last[config->text.head_layers];
  return name ? dimension (weights, name, 0) : config->text.width;
}

static gboolean
measure (ClipConfig *config, ClipWeights *weights)
{
  const ClipCheckpoint *checkpoint = clip_weights_get_checkpoint (weights);
  if (has (weights, "visual.class_embedding") || has (weights, "visual.positional_embedding")) {
    if (!measure_vit (config, weights))
      return FALSE;
  } else if (has (weights, "visual.layer1.0.conv1.weight")) {
    if (!measure_resnet (config, weights))
      return FALSE;
  } else if (has (weights, "visual.trunk.conv_stem.weight")) {
    if (!measure_efficientnet (config, weights))
      return FALSE;
  } else {
    const char *trunk = find_prefix (checkpoint, "visual.trunk.");
    clip_weights_fail (
        weights, CLIP_ERROR_UNSUPPORTED, "has %s%s, " SUPPORTED,
        trunk ? "a timm image tower that is neither a ViT nor EfficientNet-Lite, with tensor "
              : "no known image tower",
        trunk ? trunk : "");
    return FALSE;
  }

  int embed_dim;
  if (has (weights, "token_embedding.weight")) {
    if (!measure_text (config, weights))
      return FALSE;
    embed_dim = dimension (weights, "text_projection", 0);
  } else if (has (weights, EMBEDDINGS "word_embeddings.weight")) {
    if (!measure_bert (config, weights))
      return FALSE;
    embed_dim = bert_embed_dim (config, weights);
  } else {
    clip_weights_fail (weights, CLIP_ERROR_UNSUPPORTED, "has no known text tower, " SUPPORTED);
    return FALSE;
  }
  if (clip_weights_ok (weights, NULL) && embed_dim != config->embed_dim)
    clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                       "image embeddings have %d elements, text embeddings %d", config->embed_dim,
                       embed_dim);
  if (clip_weights_ok (weights, NULL) && (config->image.layers < 1 || config->text.layers < 1))
    clip_weights_fail (weights, CLIP_ERROR_TENSOR,
                       "has %d image and %d text layers, expected 1 of each at least",
                       config->image.layers, config->text.layers);
  return clip_weights_ok (weights, NULL);
}

/* ---------------------------------------------------------------------------------- sources */

/* What tensors tell, a source can only repeat. */
static gboolean
check_agreement (const ClipSaid *said, const ClipConfig *config, const char *what, GError **error)
{
  const ClipImageConfig *image = &config->image;
  const gboolean vit = image->kind == CLIP_IMAGE_VIT, resnet = image->kind == CLIP_IMAGE_RESNET,
                 clip = config->text.kind == CLIP_TEXT_CLIP, bert = !clip;
  const struct {
    ClipSays says;
    const char *name;
    gboolean told; /* by tensors, for this kind of tower */
    int found;
  } rows[] = {
    { CLIP_SAYS_EMBED_DIM, "embedding length", TRUE, config->embed_dim },
    { CLIP_SAYS_PATCH_SIZE, "patch size", vit, image->patch_size },
    { CLIP_SAYS_IMAGE_WIDTH, "image width", vit || resnet, image->width },
    { CLIP_SAYS_NO_LN_PRE, "no_ln_pre", vit, image->no_ln_pre },
    { CLIP_SAYS_MAP_HEAD, "attention pooling", vit, image->pool == CLIP_POOL_MAP },
    { CLIP_SAYS_IMAGE_LAYERS, "number of image layers", vit || resnet, image->layers },
    { CLIP_SAYS_IMAGE_STAGE_1, "number of blocks in stage 1", vit || resnet, image->stages[0] },
    { CLIP_SAYS_IMAGE_STAGE_2, "number of blocks in stage 2", vit || resnet, image->stages[1] },
    { CLIP_SAYS_IMAGE_STAGE_3, "number of blocks in stage 3", vit || resnet, image->stages[2] },
    { CLIP_SAYS_IMAGE_STAGE_4, "number of blocks in stage 4", vit || resnet, image->stages[3] },
    { CLIP_SAYS_CONTEXT_LENGTH, "context length", clip, config->text.context_length },
    { CLIP_SAYS_VOCAB_SIZE, "vocabulary size", TRUE, config->text.vocab_size },
    { CLIP_SAYS_TEXT_WIDTH, "text width", TRUE, config->text.width },
    { CLIP_SAYS_TEXT_LAYERS, "number of text layers", TRUE, config->text.layers },
    { CLIP_SAYS_PROJECTION_BIAS, "proj_bias", clip, config->text.projection_bias },
    { CLIP_SAYS_HEAD_LAYERS, "number of layers of the text projection (mlp: 2, linear: 1)", bert,
      config->text.head_layers },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    const int n = said->n[rows[i].says];
    if (rows[i].told && n != CLIP_UNSAID && n != rows[i].found)
      return clip_fail (error, CLIP_ERROR_CONFIG,
                        "%s: the %s is %d, expected %d as the tensors have it", what, rows[i].name,
                        n, rows[i].found);
  }
  return TRUE;
}

static void warn (GPtrArray *warnings, const char *format, ...) G_GNUC_PRINTF (2, 3);
static void
warn (GPtrArray *warnings, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_ptr_array_add (warnings, g_strdup_vprintf (format, args));
  va_end (args);
}

/* OpenCLIP resizes positions to the size its configuration says, others do not. */
static gboolean
check_size (const ClipSaid *said, const ClipConfig *config, const ClipSource *source,
            GPtrArray *warnings, GError **error)
{
  g_autofree char *other = clip_resolution_describe_other (&config->image, said);
  const gboolean resizes =
      source->format == CLIP_SOURCE_OPENCLIP || source->format == CLIP_SOURCE_OVERRIDE;
  if (other && (source->tentative || !resizes))
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: %s", source->what, other);
  if (other && source->format == CLIP_SOURCE_OPENCLIP)
    warn (warnings, "%s: %s: its positions are resized", source->what, other);
  return TRUE;
}

static gboolean
read_source (ClipSaid *said, ClipConfig *config, const ClipSource *source, GPtrArray *warnings,
             GError **error)
{
  ClipSaid here;
  g_autoptr (GError) problem = NULL;
  g_autoptr (GError) refusal = NULL;
  if (!clip_said_read (&here, source, &refusal, &problem) ||
      !check_agreement (&here, config, source->what, &problem) ||
      !check_size (&here, config, source, warnings, &problem)) {
    if (!source->tentative) {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
    warn (warnings, "%s (ignored: it belongs to another model)", problem->message);
    return TRUE;
  }
  if (refusal) {
    g_propagate_error (error, g_steal_pointer (&refusal));
    return FALSE;
  }
  clip_resolution_learn (&config->image, &here);
  clip_said_add (said, &here);
  return TRUE;
}

/* ------------------------------------------------------------------------------ assumptions */

static gboolean
check_heads (int heads, int width, const char *tower, const char *what, GError **error)
{
  return width % heads == 0 ||
         clip_fail (error, CLIP_ERROR_CONFIG,
                    "%s: the %s tower is %d wide, which %d heads do not divide", what, tower, width,
                    heads);
}

/* Every published ResNet has heads of 64. */
static gboolean
apply_image_heads (ClipConfig *config, const ClipSaid *said, const char *what, GPtrArray *warnings,
                   GError **error)
{
  const int said_heads = said->n[CLIP_SAYS_IMAGE_HEADS],
            said_width = said->n[CLIP_SAYS_IMAGE_HEAD_WIDTH];
  const gboolean vit = config->image.kind == CLIP_IMAGE_VIT;
  const int width = (vit ? 1 : 32) * config->image.width, /* a ResNet's pooling attends */
      head_width = said_width == CLIP_UNSAID ? 64 : said_width;
  config->image.heads = said_heads == CLIP_UNSAID ? MAX (width / head_width, 1) : said_heads;
  /* timm's are 64 wide, too, but for those of the sizes in known.c. */
  if (vit && said_heads == CLIP_UNSAID && said_width == CLIP_UNSAID &&
      said->n[CLIP_SAYS_TIMM_VIT] != TRUE)
    warn (warnings, "no configuration tells the heads of the image tower: %d of 64 assumed",
          config->image.heads);
  if (said_heads == CLIP_UNSAID && width % head_width != 0)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: the image tower is %d wide, no multiple of heads of %d", what, width,
                      head_width);
  return check_heads (config->image.heads, width, "image", what, error);
}

/* Every published CLIP text tower has heads of 64; of BERT's kin, MiniLM, 384 wide, has twelve of 32. */
static gboolean
apply_text_heads (ClipConfig *config, const ClipSaid *said, const char *what, GPtrArray *warnings,
                  GError **error)
{
  ClipTextConfig *text = &config->text;
  const int said_heads = said->n[CLIP_SAYS_TEXT_HEADS];
  const gboolean bert = text->kind == CLIP_TEXT_BERT;
  text->heads = said_heads == CLIP_UNSAID
                    ? MAX (text->width / (bert && text->width == 384 ? 32 : 64), 1)
                    : said_heads;
  if (said_heads == CLIP_UNSAID && bert)
    warn (warnings, "no configuration tells the heads of the text tower: %d of %d assumed",
          text->heads, text->width / text->heads);
  return check_heads (text->heads, text->width, "text", what, error);
}

static void
apply_activations (ClipConfig *config, const ClipSaid *said, GPtrArray *warnings)
{
  const gboolean vit = config->image.kind == CLIP_IMAGE_VIT,
                 clip = config->text.kind == CLIP_TEXT_CLIP;
  const int image = said->n[CLIP_SAYS_IMAGE_ACTIVATION], text = said->n[CLIP_SAYS_TEXT_ACTIVATION];
  if (vit)
    config->image.activation = image == CLIP_UNSAID ? CLIP_ACTIVATION_QUICK_GELU : image;
  if (clip)
    config->text.activation = text == CLIP_UNSAID ? CLIP_ACTIVATION_QUICK_GELU : text;
  if ((vit && image == CLIP_UNSAID) || (clip && text == CLIP_UNSAID))
    warn (warnings, "no configuration tells the activation: QuickGELU assumed, as in OpenAI's "
                    "models (models trained with "
                    "OpenCLIP mostly have GELU)");
  if (!isnan (said->image_epsilon) && vit)
    config->image.norm_epsilon = said->image_epsilon;
  if (!isnan (said->text_epsilon))
    config->text.norm_epsilon = said->text_epsilon;
}

/* What BERT's kin has beside sizes; until here its context length is the number of its positions. */
static gboolean
apply_bert (ClipConfig *config, const ClipWeights *weights, const ClipSaid *said, const char *what,
            GPtrArray *warnings, GError **error)
{
  ClipTextConfig *text = &config->text;
  const int *n = said->n, positions = text->context_length;
  const gboolean pooler = has (weights, "text.transformer.pooler.dense.weight");
  if (n[CLIP_SAYS_ROBERTA] != CLIP_UNSAID)
    text->roberta = n[CLIP_SAYS_ROBERTA];
  text->norm_epsilon = text->roberta ? 1e-5f : 1e-12f;
  text->pad_token = n[CLIP_SAYS_PAD_TOKEN] == CLIP_UNSAID ? text->roberta : n[CLIP_SAYS_PAD_TOKEN];
  /* OpenCLIP cleans BERT's texts, too; here they go as they are to its own rules, unless a configuration says otherwise. */
  text->clean = MAX (n[CLIP_SAYS_CLEAN], text->roberta ? CLIP_CLEAN_WHITESPACE : CLIP_CLEAN_NONE);
  text->pool = n[CLIP_SAYS_BERT_POOL] == CLIP_UNSAID ? CLIP_TEXT_POOL_MEAN : n[CLIP_SAYS_BERT_POOL];
  if (text->pool == CLIP_TEXT_POOL_POOLER && !pooler)
    text->pool = CLIP_TEXT_POOL_FIRST; /* as OpenCLIP's does then */
  if (n[CLIP_SAYS_BERT_POOL] == CLIP_UNSAID && pooler)
    warn (warnings, "no configuration tells how texts are pooled: their mean assumed");

  const int first = text->roberta ? text->pad_token + 1 : 0, most = positions - first,
            length = n[CLIP_SAYS_CONTEXT_LENGTH];
  text->context_length = length == CLIP_UNSAID ? MIN (most, 77) : length; /* OpenCLIP's default */
  if (text->context_length > most || most < 1)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: the context length is %d, expected 1 to %d as the tensors have it", what,
                      text->context_length, most);
  return text->pad_token < text->vocab_size ||
         clip_fail (error, CLIP_ERROR_CONFIG, "%s: the padding token is %d, expected one of %d",
                    what, text->pad_token, text->vocab_size);
}

static gboolean
apply_sizes (ClipConfig *config, const ClipWeights *weights, const ClipSaid *said, const char *what,
             GPtrArray *warnings, GError **error)
{
  ClipImageConfig *image = &config->image;
  ClipTextConfig *text = &config->text;
  if (image->kind == CLIP_IMAGE_VIT && image->pool == CLIP_POOL_TOKEN &&
      said->n[CLIP_SAYS_POOL] == CLIP_POOL_AVERAGE)
    image->pool = CLIP_POOL_AVERAGE;
  image->norm_after_pool |= said->n[CLIP_SAYS_NORM_AFTER_POOL] == 1;
  if (!clip_resolution_apply (image, said, what, warnings, error))
    return FALSE;
  text->no_causal_mask = text->kind == CLIP_TEXT_CLIP && said->n[CLIP_SAYS_NO_CAUSAL_MASK] == 1;
  text->pool = text->kind == CLIP_TEXT_CLIP ? MAX (said->n[CLIP_SAYS_TEXT_POOL], CLIP_TEXT_POOL_END)
                                            : CLIP_TEXT_POOL_END;
  /* Its own tokenizer does the rest. */
  text->clean = said->n[CLIP_SAYS_CLEAN] >= CLIP_CLEAN_CANONICAL ? said->n[CLIP_SAYS_CLEAN] : 0;
  text->no_end_token = said->n[CLIP_SAYS_NO_END_TOKEN] == 1;
  /* One beyond the vocabulary is a default that nobody adapted. */
  const int end = said->n[CLIP_SAYS_END_TOKEN];
  text->end_token = text->kind == CLIP_TEXT_CLIP && end < text->vocab_size ? MAX (end, 0) : 0;
  return text->kind != CLIP_TEXT_BERT || apply_bert (config, weights, said, what, warnings, error);
}

static void
apply_preprocess (ClipConfig *config, const ClipSaid *said, GPtrArray *warnings)
{
  ClipPreprocessConfig *preprocess = &config->preprocess;
  const int filter = said->n[CLIP_SAYS_FILTER], mode = said->n[CLIP_SAYS_RESIZE_MODE];
  preprocess->width = clip_image_width (&config->image);
  preprocess->height = config->image.image_size;
  preprocess->filter = filter == CLIP_UNSAID ? CLIP_FILTER_BICUBIC : filter;
  preprocess->resize_mode = mode == CLIP_UNSAID ? CLIP_RESIZE_SHORTEST : mode;
  if (filter == CLIP_UNSAID && mode == CLIP_UNSAID)
    warn (warnings,
          "no configuration tells how pictures are resized: bicubic, short side to %d, centre "
          "cropped assumed",
          MIN (preprocess->width, preprocess->height));

  /* EfficientNet was trained on (u8 - 127) / 128. */
  const gboolean lite = config->image.kind == CLIP_IMAGE_EFFICIENTNET;
  const float mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f },
              std[3] = { 0.26862954f, 0.26130258f, 0.27577711f };
  for (int i = 0; i < 3; i++) {
    preprocess->mean[i] = !isnan (said->mean[0]) ? said->mean[i] : lite ? 127.f / 255 : mean[i];
    preprocess->std[i] = !isnan (said->std[0]) ? said->std[i] : lite ? 128.f / 255 : std[i];
  }
  if (isnan (said->mean[0]) || isnan (said->std[0]))
    warn (warnings, "no configuration tells mean and standard deviation of the pixels: %s assumed",
          lite ? "those of EfficientNet-Lite, 127/255 and 128/255," : "OpenAI's");
}

static gboolean
read_logit_scale (ClipConfig *config, ClipWeights *weights, const char *what, GPtrArray *warnings,
                  GError **error)
{
  const float *logarithm = clip_weights_vector_optional (weights, 1, "logit_scale"),
              *bias = clip_weights_vector_optional (weights, 1, "logit_bias");
  if (!clip_weights_ok (weights, error))
    return FALSE;
  if (!logarithm)
    warn (warnings, "no tensor logit_scale: 100 assumed");
  config->logit_scale = logarithm ? expf (*logarithm) : 100;
  config->sigmoid = bias != NULL;
  config->logit_bias = bias ? *bias : 0;
  return (config->logit_scale > 0 && config->logit_scale < 1e6f) ||
         clip_fail (error, CLIP_ERROR_TENSOR,
                    "%s: logit_scale is %g, expected the logarithm of 0 to 10^6", what, *logarithm);
}

gboolean
clip_config_read (ClipConfig *config, ClipWeights *weights, const char *name,
                  const ClipSource *sources, guint n_sources, GPtrArray *warnings, GError **error)
{
  const char *what = clip_checkpoint_get_name (clip_weights_get_checkpoint (weights));
  ClipSaid said;
  *config = (ClipConfig){ 0 };
  if (!refuse_strangers (weights, error))
    return FALSE;
  if (!measure (config, weights))
    return clip_weights_ok (weights, error);
  clip_said_known (&said, name, clip_weights_get_naming (weights), config);
  for (guint i = 0; i < n_sources; i++) {
    if (!read_source (&said, config, &sources[i], warnings, error))
      return FALSE;
  }
  if (!apply_sizes (config, weights, &said, what, warnings, error) ||
      (config->image.kind != CLIP_IMAGE_EFFICIENTNET &&
       !apply_image_heads (config, &said, what, warnings, error)) ||
      !apply_text_heads (config, &said, what, warnings, error))
    return FALSE;
  apply_activations (config, &said, warnings);
  apply_preprocess (config, &said, warnings);
  return read_logit_scale (config, weights, what, warnings, error);
}
