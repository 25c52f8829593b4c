/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How weights begin, as in openai/CLIP's model.py. N: normal, U: uniform; C width of the tower, n layers, in: inputs.
 *
 *   text   token_embedding N(0.02), positional_embedding N(0.01), projection N(C^-½)
 *          attn.in_proj N(C^-½), attn.out_proj and mlp.c_proj N(C^-½ (2n)^-½), mlp.c_fc N((2C)^-½)
 *   ViT    class_embedding, positional_embedding, proj N(C^-½); blocks as PyTorch has them: attn.in_proj U(√(6 / 4C)),
 *          others U(in^-½)
 *   ResNet convolutions U(in^-½); BatchNorm 1, 0, mean 0, variance 1, but each block's last gain 0; attention pooling N(C^-½)
 *   BERT   N(0.02), biases 0; its projection U(in^-½)
 *   biases of linear layers U(in^-½), of attention 0; LayerNorm 1, 0; logit_scale ln (1 / 0.07)
 */
#include "core/train/fresh.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "core/checkpoint/container.h"
#include "core/train/draw.h"

#include <math.h>
#include <string.h>

#define MAX_WIDTH (1 << 16)
#define MAX_LAYERS 1024
#define MAX_TOKENS (1 << 24)

typedef struct {
  int embed_dim;
  struct {
    gboolean resnet;
    int image_size, patch_size, width, layers, stages[4], head_width;
    float mlp_ratio;
  } image;
  struct {
    gboolean bert;
    int context_length, vocab_size, width, layers, mlp_width, types;
    float mlp_ratio;
  } text;
} Plan;

/* ----------------------------------------------------------------------------------------- layers */

static ClipDraw
kaiming (gint64 inputs)
{
  return CLIP_UNIFORM (1 / sqrt (inputs));
}

static void
draw_norm (ClipDraws *draws, const char *prefix, const char *name, gint64 n)
{
  clip_draws_add (draws, CLIP_CONSTANT (1), CLIP_SHAPE (n), "%s%s.weight", prefix, name);
  clip_draws_add (draws, CLIP_CONSTANT (0), CLIP_SHAPE (n), "%s%s.bias", prefix, name);
}

static void
draw_linear (ClipDraws *draws, ClipDraw weight, ClipDraw bias, const char *prefix, const char *name,
             gint64 out, gint64 in)
{
  clip_draws_add (draws, weight, CLIP_SHAPE (out, in), "%s%s.weight", prefix, name);
  clip_draws_add (draws, bias, CLIP_SHAPE (out), "%s%s.bias", prefix, name);
}

typedef struct {
  ClipDraw in_proj, out_proj, c_fc, c_proj;
} BlockDraws;

static void
draw_blocks (ClipDraws *draws, const BlockDraws *d, const char *prefix, int layers, gint64 width,
             gint64 mlp_width)
{
  for (int i = 0; i < layers; i++) {
    g_autofree char *block = g_strdup_printf ("%s.resblocks.%d.", prefix, i);
    draw_norm (draws, block, "ln_1", width);
    clip_draws_add (draws, d->in_proj, CLIP_SHAPE (3 * width, width), "%sattn.in_proj_weight",
                    block);
    clip_draws_add (draws, CLIP_CONSTANT (0), CLIP_SHAPE (3 * width), "%sattn.in_proj_bias", block);
    draw_linear (draws, d->out_proj, CLIP_CONSTANT (0), block, "attn.out_proj", width, width);
    draw_norm (draws, block, "ln_2", width);
    draw_linear (draws, d->c_fc, kaiming (width), block, "mlp.c_fc", mlp_width, width);
    draw_linear (draws, d->c_proj, kaiming (mlp_width), block, "mlp.c_proj", width, mlp_width);
  }
}

/* ----------------------------------------------------------------------------------- image towers */

static void
draw_vit (ClipDraws *draws, const Plan *plan)
{
  const gint64 width = plan->image.width, patch = plan->image.patch_size;
  const gint64 grid = plan->image.image_size / patch;
  const gint64 mlp_width = (gint64) (width * plan->image.mlp_ratio);
  const ClipDraw scaled = CLIP_NORMAL (1 / sqrt (width));
  const BlockDraws blocks = { CLIP_UNIFORM (sqrt (6. / (4 * width))), kaiming (width),
                              kaiming (width), kaiming (mlp_width) };
  clip_draws_add (draws, kaiming (3 * patch * patch), CLIP_SHAPE (width, 3, patch, patch),
                  "visual.conv1.weight");
  clip_draws_add (draws, scaled, CLIP_SHAPE (width), "visual.class_embedding");
  clip_draws_add (draws, scaled, CLIP_SHAPE (grid * grid + 1, width),
                  "visual.positional_embedding");
  draw_norm (draws, "visual.", "ln_pre", width);
  draw_blocks (draws, &blocks, "visual.transformer", plan->image.layers, width, mlp_width);
  draw_norm (draws, "visual.", "ln_post", width);
  clip_draws_add (draws, scaled, CLIP_SHAPE (width, plan->embed_dim), "visual.proj");
}

/* A convolution k × k without bias, and the BatchNorm behind it. */
static void
draw_conv (ClipDraws *draws, const char *prefix, const char *conv, const char *norm, gint64 out,
           gint64 in, gint64 k, double gain)
{
  clip_draws_add (draws, kaiming (in * k * k), CLIP_SHAPE (out, in, k, k), "%s%s.weight", prefix,
                  conv);
  clip_draws_add (draws, CLIP_CONSTANT (gain), CLIP_SHAPE (out), "%s%s.weight", prefix, norm);
  clip_draws_add (draws, CLIP_CONSTANT (0), CLIP_SHAPE (out), "%s%s.bias", prefix, norm);
  clip_draws_add (draws, CLIP_CONSTANT (0), CLIP_SHAPE (out), "%s%s.running_mean", prefix, norm);
  clip_draws_add (draws, CLIP_CONSTANT (1), CLIP_SHAPE (out), "%s%s.running_var", prefix, norm);
}

static void
draw_resnet (ClipDraws *draws, const Plan *plan)
{
  const gint64 width = plan->image.width, features = 32 * width;
  const gint64 grid = plan->image.image_size / 32;
  draw_conv (draws, "visual.", "conv1", "bn1", width / 2, 3, 3, 1);
  draw_conv (draws, "visual.", "conv2", "bn2", width / 2, width / 2, 3, 1);
  draw_conv (draws, "visual.", "conv3", "bn3", width, width / 2, 3, 1);
  gint64 in = width;
  for (int stage = 0; stage < 4; stage++) {
    const gint64 planes = width << stage;
    for (int i = 0; i < plan->image.stages[stage]; i++) {
      g_autofree char *block = g_strdup_printf ("visual.layer%d.%d.", stage + 1, i);
      draw_conv (draws, block, "conv1", "bn1", planes, in, 1, 1);
      draw_conv (draws, block, "conv2", "bn2", planes, planes, 3, 1);
      draw_conv (draws, block, "conv3", "bn3", 4 * planes, planes, 1, 0);
      if (i == 0)
        draw_conv (draws, block, "downsample.0", "downsample.1", 4 * planes, in, 1, 1);
      in = 4 * planes;
    }
  }

  static const char *const layers[] = { "q_proj", "k_proj", "v_proj", "c_proj" };
  const ClipDraw scaled = CLIP_NORMAL (1 / sqrt (features));
  clip_draws_add (draws, scaled, CLIP_SHAPE (grid * grid + 1, features),
                  "visual.attnpool.positional_embedding");
  for (guint i = 0; i < G_N_ELEMENTS (layers); i++)
    draw_linear (draws, scaled, kaiming (features), "visual.attnpool.", layers[i],
                 i == 3 ? plan->embed_dim : features, features);
}

/* ------------------------------------------------------------------------------------ text towers */

static void
draw_text (ClipDraws *draws, const Plan *plan)
{
  const gint64 width = plan->text.width;
  const double scale = 1 / sqrt (width), depth = 1 / sqrt (2. * plan->text.layers);
  const BlockDraws blocks = { CLIP_NORMAL (scale), CLIP_NORMAL (scale * depth),
                              CLIP_NORMAL (1 / sqrt (2 * width)), CLIP_NORMAL (scale * depth) };
  clip_draws_add (draws, CLIP_NORMAL (0.02), CLIP_SHAPE (plan->text.vocab_size, width),
                  "token_embedding.weight");
  clip_draws_add (draws, CLIP_NORMAL (0.01), CLIP_SHAPE (plan->text.context_length, width),
                  "positional_embedding");
  draw_blocks (draws, &blocks, "transformer", plan->text.layers, width,
               (gint64) (width * plan->text.mlp_ratio));
  draw_norm (draws, "", "ln_final", width);
  clip_draws_add (draws, CLIP_NORMAL (scale), CLIP_SHAPE (width, plan->embed_dim),
                  "text_projection");
}

static void
draw_bert (ClipDraws *draws, const Plan *plan)
{
  const gint64 width = plan->text.width, hidden = (width + plan->embed_dim) / 2;
  const ClipDraw normal = CLIP_NORMAL (0.02), zero = CLIP_CONSTANT (0);
  const struct {
    const char *name;
    int rows;
  } tables[] = {
    { "word", plan->text.vocab_size },
    { "position", plan->text.context_length },
    { "token_type", plan->text.types },
  };
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    clip_draws_add (draws, normal, CLIP_SHAPE (tables[i].rows, width),
                    "text.transformer.embeddings.%s_embeddings.weight", tables[i].name);
  draw_norm (draws, "text.transformer.embeddings.", "LayerNorm", width);
  for (int i = 0; i < plan->text.layers; i++) {
    g_autofree char *layer = g_strdup_printf ("text.transformer.encoder.layer.%d.", i);
    draw_linear (draws, normal, zero, layer, "attention.self.query", width, width);
    draw_linear (draws, normal, zero, layer, "attention.self.key", width, width);
    draw_linear (draws, normal, zero, layer, "attention.self.value", width, width);
    draw_linear (draws, normal, zero, layer, "attention.output.dense", width, width);
    draw_norm (draws, layer, "attention.output.LayerNorm", width);
    draw_linear (draws, normal, zero, layer, "intermediate.dense", plan->text.mlp_width, width);
    draw_linear (draws, normal, zero, layer, "output.dense", width, plan->text.mlp_width);
    draw_norm (draws, layer, "output.LayerNorm", width);
  }
  clip_draws_add (draws, kaiming (width), CLIP_SHAPE (hidden, width), "text.proj.0.weight");
  clip_draws_add (draws, kaiming (hidden), CLIP_SHAPE (plan->embed_dim, hidden),
                  "text.proj.2.weight");
}

/* ------------------------------------------------------------------------------------------- plan */

static gboolean
read_stages (Plan *plan, JsonArray *stages, const char *what, GError **error)
{
  const guint n = json_array_get_length (stages);
  gboolean good = n == 4;
  for (guint i = 0; i < 4 && good; i++) {
    JsonNode *node = json_array_get_element (stages, i);
    const gint64 blocks = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_int (node) : 0;
    good = blocks >= 1 && blocks <= MAX_LAYERS;
    plan->image.stages[i] = (int) blocks;
  }
  plan->image.resnet = TRUE;
  return good || clip_fail (error, CLIP_ERROR_CONFIG,
                            "%s: vision_cfg: layers is an array of %u, expected four numbers of "
                            "blocks, 1 to %d each",
                            what, n, MAX_LAYERS);
}

static gboolean
check_image (const Plan *plan, const char *what, GError **error)
{
  const int unit = plan->image.resnet ? 32 : plan->image.patch_size;
  const int pooled = plan->image.width * (plan->image.resnet ? 32 : 1);
  if (plan->image.image_size % unit != 0)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: vision_cfg: image_size is %d, expected a multiple of %d", what,
                      plan->image.image_size, unit);
  if (pooled % plan->image.head_width != 0 || (plan->image.resnet && plan->image.width % 2 != 0))
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: vision_cfg: width is %d, expected %s, in heads of %d", what,
                      plan->image.width, plan->image.resnet ? "an even number" : "a multiple",
                      plan->image.head_width);
  if (!(plan->image.mlp_ratio * plan->image.width >= 1 && plan->image.mlp_ratio <= 64))
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: vision_cfg: mlp_ratio is %g, expected 1/%d to 64", what,
                      plan->image.mlp_ratio, plan->image.width);
  return TRUE;
}

static gboolean
read_image (Plan *plan, JsonObject *vision, const char *what, GError **error)
{
  if (json_object_has_member (vision, "timm_model_name"))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: vision_cfg: timm_model_name: can be drawn are ViT and ModifiedResNet",
                      what);
  JsonNode *layers = json_object_get_member (vision, "layers");
  if (layers && JSON_NODE_HOLDS_ARRAY (layers)) {
    if (!read_stages (plan, json_node_get_array (layers), what, error))
      return FALSE;
    plan->image.width = 64;
  } else if (!clip_json_get_int (vision, "layers", 1, MAX_LAYERS, &plan->image.layers, what,
                                 error)) {
    return FALSE;
  }
  return clip_json_get_int (vision, "image_size", 1, 4096, &plan->image.image_size, what, error) &&
         clip_json_get_int (vision, "width", 1, MAX_WIDTH, &plan->image.width, what, error) &&
         clip_json_get_int (vision, "patch_size", 1, 1024, &plan->image.patch_size, what, error) &&
         clip_json_get_int (vision, "head_width", 1, MAX_WIDTH, &plan->image.head_width, what,
                            error) &&
         clip_json_get_float (vision, "mlp_ratio", &plan->image.mlp_ratio, what, error) &&
         check_image (plan, what, error);
}

static gboolean
read_bert (Plan *plan, JsonObject *bert, const char *what, GError **error)
{
  plan->text.bert = TRUE;
  plan->text.vocab_size = 30522;
  plan->text.width = 768;
  plan->text.mlp_width = 3072;
  plan->text.context_length = 512;
  plan->text.types = 2;
  return clip_json_get_int (bert, "vocab_size", 1, MAX_TOKENS, &plan->text.vocab_size, what,
                            error) &&
         clip_json_get_int (bert, "hidden_size", 1, MAX_WIDTH, &plan->text.width, what, error) &&
         clip_json_get_int (bert, "num_hidden_layers", 1, MAX_LAYERS, &plan->text.layers, what,
                            error) &&
         clip_json_get_int (bert, "intermediate_size", 1, MAX_WIDTH, &plan->text.mlp_width, what,
                            error) &&
         clip_json_get_int (bert, "max_position_embeddings", 1, MAX_WIDTH,
                            &plan->text.context_length, what, error) &&
         clip_json_get_int (bert, "type_vocab_size", 2, 2, &plan->text.types, what, error);
}

static gboolean
read_text (Plan *plan, JsonObject *text, const char *what, GError **error)
{
  JsonObject *bert = NULL;
  int heads = 8;
  if (!clip_json_get_object (text, "hf_model_config", &bert, what, error))
    return FALSE;
  if (bert)
    return read_bert (plan, bert, what, error);
  if (json_object_has_member (text, "hf_model_name"))
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: text_cfg: hf_model_name without hf_model_config, which tells its sizes",
                      what);
  if (!clip_json_get_int (text, "context_length", 1, MAX_WIDTH, &plan->text.context_length, what,
                          error) ||
      !clip_json_get_int (text, "vocab_size", 1, MAX_TOKENS, &plan->text.vocab_size, what, error) ||
      !clip_json_get_int (text, "width", 1, MAX_WIDTH, &plan->text.width, what, error) ||
      !clip_json_get_int (text, "layers", 1, MAX_LAYERS, &plan->text.layers, what, error) ||
      !clip_json_get_int (text, "heads", 1, MAX_WIDTH, &heads, what, error) ||
      !clip_json_get_float (text, "mlp_ratio", &plan->text.mlp_ratio, what, error))
    return FALSE;
  if (plan->text.width % heads != 0)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: text_cfg: width is %d, which %d heads do not divide", what,
                      plan->text.width, heads);
  return (plan->text.mlp_ratio * plan->text.width >= 1 && plan->text.mlp_ratio <= 64) ||
         clip_fail (error, CLIP_ERROR_CONFIG, "%s: text_cfg: mlp_ratio is %g, expected 1/%d to 64",
                    what, plan->text.mlp_ratio, plan->text.width);
}

/* What a configuration leaves out has OpenCLIP's value. */
static gboolean
read_plan (Plan *plan, JsonNode *node, const char *what, GError **error)
{
  *plan = (Plan){
    .image = { .image_size = 224,
               .patch_size = 16,
               .width = 768,
               .layers = 12,
               .head_width = 64,
               .mlp_ratio = 4 },
    .text = { .context_length = 77,
              .vocab_size = 49408,
              .width = 512,
              .layers = 12,
              .mlp_ratio = 4 },
  };
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: is no JSON object", what);
  JsonObject *model = json_node_get_object (node), *vision = NULL, *text = NULL;
  if (!clip_json_get_object (model, "model_cfg", &model, what, error) ||
      !clip_json_get_object (model, "vision_cfg", &vision, what, error) ||
      !clip_json_get_object (model, "text_cfg", &text, what, error) ||
      !clip_json_get_int (model, "embed_dim", 1, MAX_WIDTH, &plan->embed_dim, what, error))
    return FALSE;
  if (!vision || !text || !plan->embed_dim)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: has no %s, expected the model_cfg of a CLIP model", what,
                      !vision ? "vision_cfg"
                      : !text ? "text_cfg"
                              : "embed_dim");
  return read_image (plan, vision, what, error) && read_text (plan, text, what, error);
}

/* The configuration as a file has it, with "model_cfg" around what is only that. */
static char *
whole_config (JsonNode *node)
{
  g_autofree char *text = json_to_string (node, FALSE);
  return json_object_has_member (json_node_get_object (node), "model_cfg")
             ? g_steal_pointer (&text)
             : g_strdup_printf ("{\"model_cfg\":%s}", text);
}

ClipCheckpoint *
clip_fresh_model (const char *config, const char *what, guint64 seed, GError **error)
{
  Plan plan;
  g_autoptr (JsonNode) node = clip_json_parse (config, strlen (config), what, error);
  if (!node || !read_plan (&plan, node, what, error))
    return NULL;
  g_autoptr (ClipDraws) draws = clip_draws_new ();
  (plan.image.resnet ? draw_resnet : draw_vit) (draws, &plan);
  (plan.text.bert ? draw_bert : draw_text) (draws, &plan);
  clip_draws_add (draws, CLIP_CONSTANT (log (1 / 0.07)), (ClipDrawShape){ 0 }, "logit_scale");
  ClipCheckpoint *checkpoint = clip_draws_finish (draws, what, seed, error);
  if (checkpoint) {
    g_autofree char *whole = whole_config (node);
    clip_checkpoint_add_metadata (checkpoint, "clip.config", whole);
  }
  return checkpoint;
}
