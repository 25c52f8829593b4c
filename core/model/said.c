/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration files → ClipSaid. Each format is three tables: members that say a number, members that say one of a few
 * words, and members that must have the one value that can be run here. */
#include "core/model/said.h"
#include "core/base/error.h"
#include "core/base/json.h"

#include <math.h>
#include <string.h>

#define MAX_SIZE (1 << 24) /* of anything counted here */

const ClipSaid clip_said_nothing = {
  .n = { [0 ... CLIP_SAYS_N - 1] = CLIP_UNSAID },
  .image_epsilon = NAN,
  .text_epsilon = NAN,
  .mean = { NAN, NAN, NAN },
  .std = { NAN, NAN, NAN },
};

static void
add_floats (float *to, const float *from, int n)
{
  if (!isnan (from[0]))
    memcpy (to, from, n * sizeof (float));
}

void
clip_said_add (ClipSaid *said, const ClipSaid *from)
{
  /* Heads can be said in two ways; the later word counts. */
  if (from->n[CLIP_SAYS_IMAGE_HEAD_WIDTH] != CLIP_UNSAID)
    said->n[CLIP_SAYS_IMAGE_HEADS] = CLIP_UNSAID;
  for (int i = 0; i < CLIP_SAYS_N; i++)
    said->n[i] = from->n[i] == CLIP_UNSAID ? said->n[i] : from->n[i];
  add_floats (&said->image_epsilon, &from->image_epsilon, 1);
  add_floats (&said->text_epsilon, &from->text_epsilon, 1);
  add_floats (said->mean, from->mean, 3);
  add_floats (said->std, from->std, 3);
}

/* ----------------------------------------------------------------------------------- tables */

/* Sections are paths of member names, "" the root. Later rows win. */
typedef struct {
  const char *section, *name;
  ClipSays says;
  int min;
} Number;

typedef struct {
  const char *section, *name;
  gsize offset; /* of a float in ClipSaid */
} Fraction;

typedef struct {
  const char *word; /* may have '*' and '?' */
  int value;
} Word;

#define REFUSED -2 /* a word that others further down would let through */

typedef struct {
  const char *section, *name;
  ClipSays says;
  const Word *words;
} Choice;

/* A boolean, kept as 0 or 1. */
typedef struct {
  const char *section, *name;
  ClipSays says;
} Flag;

/* @allowed: JSON text, may have '*'. Absent and null are always allowed. */
typedef struct {
  const char *section, *name, *allowed[3];
} Demand;

static const Word activations[] = {
  { "quick_gelu", CLIP_ACTIVATION_QUICK_GELU },
  { "gelu", CLIP_ACTIVATION_GELU },
  { "gelu_pytorch_tanh", CLIP_ACTIVATION_GELU_TANH },
  { 0 },
};
/* Their activation (EfficientNet-Lite has always the same), as timm defines them: SigLIP was trained with GELU by tanh, but its
 * first models run with the exact one there. */
static const Word timm_models[] = {
  { "*_rope_*", REFUSED },
  { "vit_pe_*", REFUSED }, /* rotary positions, which no tensor gives away */
  { "*_rpn_*", REFUSED },  /* norms behind what they are in front of elsewhere */
  { "tf_efficientnet_lite?", CLIP_ACTIVATION_RELU6 },
  { "tf_efficientnet_lite?.*", CLIP_ACTIVATION_RELU6 },
  { "vit_base_patch32_siglip_*", CLIP_ACTIVATION_GELU_TANH },
  { "vit_large_patch16_siglip_512*", CLIP_ACTIVATION_GELU_TANH },
  { "vit_so400m_patch16_siglip_*", CLIP_ACTIVATION_GELU_TANH },
  { "vit_giantopt_patch16_siglip_*", CLIP_ACTIVATION_GELU_TANH },
  { "vit_*_clip_quickgelu_*", CLIP_ACTIVATION_QUICK_GELU },
  { "vit_*", CLIP_ACTIVATION_GELU },
  { 0 },
};
static const Word timm_vits[] = { { "vit_*", TRUE }, { "*", FALSE }, { 0 } };
static const Word timm_map_heads[] = {
  { "", FALSE }, { "avg", FALSE }, { "token", FALSE }, { "map", TRUE }, { 0 }
};
static const Word timm_pools[] = {
  { "avg", CLIP_POOL_AVERAGE }, { "token", CLIP_POOL_TOKEN }, { "*", CLIP_UNSAID }, { 0 }
};
static const Word pools[] = { { "tok", CLIP_POOL_TOKEN }, { "avg", CLIP_POOL_AVERAGE }, { 0 } };
/* OpenCLIP gives it to whatever activation there is: PyTorch's GELU is the only one that takes it. */
static const Word approximations[] = { { "none", CLIP_ACTIVATION_GELU },
                                       { "tanh", CLIP_ACTIVATION_GELU_TANH },
                                       { 0 } };
static const Word text_pools[] = {
  { "argmax", CLIP_TEXT_POOL_END },
  { "eos", CLIP_TEXT_POOL_END },
  { "first", CLIP_TEXT_POOL_FIRST },
  { "last", CLIP_TEXT_POOL_LAST },
  { 0 },
};
static const Word bert_pools[] = {
  { "mean_pooler", CLIP_TEXT_POOL_MEAN },
  { "cls_pooler", CLIP_TEXT_POOL_POOLER },
  { "cls_last_hidden_state_pooler", CLIP_TEXT_POOL_FIRST },
  { 0 },
};
static const Word bert_heads[] = { { "mlp", 2 }, { "linear", 1 }, { 0 } };
static const Word bert_types[] = {
  { "bert", FALSE }, { "roberta", TRUE }, { "xlm-roberta", TRUE }, { "camembert", TRUE }, { 0 }
};
static const Word cleanings[] = {
  { "lower", CLIP_CLEAN_LOWER },           { "lowercase", CLIP_CLEAN_CASE }, /* a word of ours */
  { "whitespace", CLIP_CLEAN_WHITESPACE }, { "canonicalize", CLIP_CLEAN_CANONICAL }, { 0 },
};
static const Word filters[] = { { "bicubic", CLIP_FILTER_BICUBIC },
                                { "bilinear", CLIP_FILTER_BILINEAR },
                                { 0 } };
static const Word resize_modes[] = {
  { "shortest", CLIP_RESIZE_SHORTEST },
  { "squash", CLIP_RESIZE_SQUASH },
  { "longest", CLIP_RESIZE_LONGEST },
  { 0 },
};

static const Number openclip_numbers[] = {
  { "model_cfg", "embed_dim", CLIP_SAYS_EMBED_DIM, 1 },
  { "model_cfg/vision_cfg", "patch_size", CLIP_SAYS_PATCH_SIZE, 1 },
  { "model_cfg/vision_cfg", "width", CLIP_SAYS_IMAGE_WIDTH, 1 },
  { "model_cfg/vision_cfg", "head_width", CLIP_SAYS_IMAGE_HEAD_WIDTH, 1 },
  { "model_cfg/text_cfg", "context_length", CLIP_SAYS_CONTEXT_LENGTH, 1 },
  { "model_cfg/text_cfg", "vocab_size", CLIP_SAYS_VOCAB_SIZE, 1 },
  { "model_cfg/text_cfg", "width", CLIP_SAYS_TEXT_WIDTH, 1 },
  { "model_cfg/text_cfg", "layers", CLIP_SAYS_TEXT_LAYERS, 1 },
  { "model_cfg/text_cfg", "heads", CLIP_SAYS_TEXT_HEADS, 1 },
  { "model_cfg/text_cfg", "eos_id", CLIP_SAYS_END_TOKEN, 1 },
  { "model_cfg/text_cfg/hf_model_config", "vocab_size", CLIP_SAYS_VOCAB_SIZE, 1 },
  { "model_cfg/text_cfg/hf_model_config", "hidden_size", CLIP_SAYS_TEXT_WIDTH, 1 },
  { "model_cfg/text_cfg/hf_model_config", "num_hidden_layers", CLIP_SAYS_TEXT_LAYERS, 1 },
  { "model_cfg/text_cfg/hf_model_config", "num_attention_heads", CLIP_SAYS_TEXT_HEADS, 1 },
  { "model_cfg/text_cfg/hf_model_config", "pad_token_id", CLIP_SAYS_PAD_TOKEN, 0 },
  { 0 },
};
static const Fraction openclip_fractions[] = {
  { "model_cfg/vision_cfg/norm_kwargs", "eps", G_STRUCT_OFFSET (ClipSaid, image_epsilon) },
  { "model_cfg/text_cfg/norm_kwargs", "eps", G_STRUCT_OFFSET (ClipSaid, text_epsilon) },
  { "model_cfg/text_cfg/hf_model_config", "layer_norm_eps",
    G_STRUCT_OFFSET (ClipSaid, text_epsilon) },
  { 0 },
};
static const Choice openclip_choices[] = {
  { "model_cfg/vision_cfg", "pool_type", CLIP_SAYS_POOL, pools },
  { "model_cfg/vision_cfg", "timm_model_name", CLIP_SAYS_IMAGE_ACTIVATION, timm_models },
  { "model_cfg/vision_cfg", "timm_model_name", CLIP_SAYS_TIMM_VIT, timm_vits },
  { "model_cfg/vision_cfg", "timm_pool", CLIP_SAYS_MAP_HEAD, timm_map_heads },
  { "model_cfg/vision_cfg", "timm_pool", CLIP_SAYS_POOL, timm_pools },
  { "model_cfg/vision_cfg/act_kwargs", "approximate", CLIP_SAYS_IMAGE_ACTIVATION, approximations },
  { "model_cfg/text_cfg", "pool_type", CLIP_SAYS_TEXT_POOL, text_pools },
  { "model_cfg/text_cfg", "pooler_type", CLIP_SAYS_BERT_POOL, bert_pools }, /* before 2023 */
  { "model_cfg/text_cfg", "hf_pooler_type", CLIP_SAYS_BERT_POOL, bert_pools },
  { "model_cfg/text_cfg", "proj", CLIP_SAYS_HEAD_LAYERS, bert_heads }, /* before 2023 */
  { "model_cfg/text_cfg", "hf_proj_type", CLIP_SAYS_HEAD_LAYERS, bert_heads },
  { "model_cfg/text_cfg/hf_model_config", "model_type", CLIP_SAYS_ROBERTA, bert_types },
  { "model_cfg/text_cfg/tokenizer_kwargs", "clean", CLIP_SAYS_CLEAN, cleanings },
  { "model_cfg/text_cfg/act_kwargs", "approximate", CLIP_SAYS_TEXT_ACTIVATION, approximations },
  { "preprocess_cfg", "interpolation", CLIP_SAYS_FILTER, filters },
  { "preprocess_cfg", "resize_mode", CLIP_SAYS_RESIZE_MODE, resize_modes },
  { 0 },
};
static const Flag openclip_flags[] = {
  { "model_cfg/vision_cfg", "no_ln_pre", CLIP_SAYS_NO_LN_PRE },
  { "model_cfg/vision_cfg", "final_ln_after_pool", CLIP_SAYS_NORM_AFTER_POOL },
  { "model_cfg/vision_cfg", "global_average_pool",
    CLIP_SAYS_POOL }, /* before there was pool_type */
  { "model_cfg/text_cfg", "no_causal_mask", CLIP_SAYS_NO_CAUSAL_MASK },
  { "model_cfg/text_cfg", "proj_bias", CLIP_SAYS_PROJECTION_BIAS },
  { "model_cfg/text_cfg/tokenizer_kwargs", "strip_sep_token", CLIP_SAYS_NO_END_TOKEN },
  { 0 },
};
static const Demand openclip_demands[] = {
  { "model_cfg/vision_cfg", "timm_proj", { "\"linear\"", "\"none\"", "\"mlp\"" } },
  { "model_cfg/vision_cfg", "attentional_pool", { "false" } },
  { "model_cfg/vision_cfg", "act_kwargs", { "{}", "{\"approximate\":*}" } },
  { "model_cfg/text_cfg", "act_kwargs", { "{}", "{\"approximate\":*}" } },
  { "model_cfg/text_cfg", "embed_cls", { "false" } },
  { "model_cfg/text_cfg/hf_model_config", "hidden_act", { "\"gelu\"" } },
  { "model_cfg/text_cfg/hf_model_config", "position_embedding_type", { "\"absolute\"" } },
  { "preprocess_cfg", "mode", { "\"RGB\"" } },
  { "preprocess_cfg", "fill_color", { "0", "[0*]" } },
  { 0 },
};

/* The members that end in _dict are those of files written before 2023; both may be there. */
static const Number huggingface_numbers[] = {
  { "", "projection_dim", CLIP_SAYS_EMBED_DIM, 1 },
  { "vision_config", "image_size", CLIP_SAYS_IMAGE_SIZE, 1 },
  { "vision_config", "patch_size", CLIP_SAYS_PATCH_SIZE, 1 },
  { "vision_config", "hidden_size", CLIP_SAYS_IMAGE_WIDTH, 1 },
  { "vision_config", "num_hidden_layers", CLIP_SAYS_IMAGE_LAYERS, 1 },
  { "vision_config", "num_attention_heads", CLIP_SAYS_IMAGE_HEADS, 1 },
  { "vision_config_dict", "image_size", CLIP_SAYS_IMAGE_SIZE, 1 },
  { "vision_config_dict", "patch_size", CLIP_SAYS_PATCH_SIZE, 1 },
  { "vision_config_dict", "hidden_size", CLIP_SAYS_IMAGE_WIDTH, 1 },
  { "vision_config_dict", "num_hidden_layers", CLIP_SAYS_IMAGE_LAYERS, 1 },
  { "vision_config_dict", "num_attention_heads", CLIP_SAYS_IMAGE_HEADS, 1 },
  { "text_config", "max_position_embeddings", CLIP_SAYS_CONTEXT_LENGTH, 1 },
  { "text_config", "vocab_size", CLIP_SAYS_VOCAB_SIZE, 1 },
  { "text_config", "hidden_size", CLIP_SAYS_TEXT_WIDTH, 1 },
  { "text_config", "num_hidden_layers", CLIP_SAYS_TEXT_LAYERS, 1 },
  { "text_config", "num_attention_heads", CLIP_SAYS_TEXT_HEADS, 1 },
  { "text_config", "eos_token_id", CLIP_SAYS_END_TOKEN, 1 },
  { "text_config_dict", "max_position_embeddings", CLIP_SAYS_CONTEXT_LENGTH, 1 },
  { "text_config_dict", "vocab_size", CLIP_SAYS_VOCAB_SIZE, 1 },
  { "text_config_dict", "hidden_size", CLIP_SAYS_TEXT_WIDTH, 1 },
  { "text_config_dict", "num_hidden_layers", CLIP_SAYS_TEXT_LAYERS, 1 },
  { "text_config_dict", "num_attention_heads", CLIP_SAYS_TEXT_HEADS, 1 },
  { "text_config_dict", "eos_token_id", CLIP_SAYS_END_TOKEN, 1 },
  { 0 },
};
static const Fraction huggingface_fractions[] = {
  { "vision_config", "layer_norm_eps", G_STRUCT_OFFSET (ClipSaid, image_epsilon) },
  { "vision_config_dict", "layer_norm_eps", G_STRUCT_OFFSET (ClipSaid, image_epsilon) },
  { "text_config", "layer_norm_eps", G_STRUCT_OFFSET (ClipSaid, text_epsilon) },
  { "text_config_dict", "layer_norm_eps", G_STRUCT_OFFSET (ClipSaid, text_epsilon) },
  { 0 },
};
static const Choice huggingface_choices[] = {
  { "vision_config", "hidden_act", CLIP_SAYS_IMAGE_ACTIVATION, activations },
  { "vision_config_dict", "hidden_act", CLIP_SAYS_IMAGE_ACTIVATION, activations },
  { "text_config", "hidden_act", CLIP_SAYS_TEXT_ACTIVATION, activations },
  { "text_config_dict", "hidden_act", CLIP_SAYS_TEXT_ACTIVATION, activations },
  { 0 },
};
static const Demand huggingface_demands[] = {
  { "", "model_type", { "\"clip\"", "\"siglip\"" } },
  { "vision_config", "vision_use_head", { "true" } },
  { 0 },
};

/* Members' names have dots, nothing nests. */
static const Number gguf_numbers[] = {
  { "", "clip.vision.projection_dim", CLIP_SAYS_EMBED_DIM, 1 },
  { "", "clip.vision.image_size", CLIP_SAYS_IMAGE_SIZE, 1 },
  { "", "clip.vision.patch_size", CLIP_SAYS_PATCH_SIZE, 1 },
  { "", "clip.vision.embedding_length", CLIP_SAYS_IMAGE_WIDTH, 1 },
  { "", "clip.vision.block_count", CLIP_SAYS_IMAGE_LAYERS, 1 },
  { "", "clip.vision.attention.head_count", CLIP_SAYS_IMAGE_HEADS, 1 },
  { "", "clip.text.projection_dim", CLIP_SAYS_EMBED_DIM, 1 },
  { "", "clip.text.context_length", CLIP_SAYS_CONTEXT_LENGTH, 1 },
  { "", "clip.text.embedding_length", CLIP_SAYS_TEXT_WIDTH, 1 },
  { "", "clip.text.block_count", CLIP_SAYS_TEXT_LAYERS, 1 },
  { "", "clip.text.attention.head_count", CLIP_SAYS_TEXT_HEADS, 1 },
  { 0 },
};
static const Fraction gguf_fractions[] = {
  { "", "clip.vision.attention.layer_norm_epsilon", G_STRUCT_OFFSET (ClipSaid, image_epsilon) },
  { "", "clip.text.attention.layer_norm_epsilon", G_STRUCT_OFFSET (ClipSaid, text_epsilon) },
  { 0 },
};
static const Demand gguf_demands[] = {
  { "", "general.architecture", { "\"clip\"" } },
  { "", "clip.has_vision_encoder", { "true" } },
  { "", "clip.has_text_encoder", { "true" } },
  { "", "clip.use_silu", { "false" } },
  { 0 },
};

static const Demand preprocessor_demands[] = {
  { "", "do_resize", { "true" } },          { "", "do_rescale", { "true" } },
  { "", "rescale_factor", { "0.00392*" } }, /* 1/255 */
  { "", "do_normalize", { "true" } },       { 0 },
};

/* ---------------------------------------------------------------------------------- reading */

/* @section of @root; NULL where it, or one above it, is absent. */
static gboolean
find_section (JsonObject *root, const char *section, JsonObject **found, const char *what,
              GError **error)
{
  g_auto (GStrv) names = g_strsplit (section, "/", -1);
  *found = root;
  for (int i = 0; names[i] && *found; i++) {
    JsonObject *inner = NULL;
    if (!clip_json_get_object (*found, names[i], &inner, what, error))
      return FALSE;
    *found = inner;
  }
  return TRUE;
}

static gboolean
read_numbers (ClipSaid *said, JsonObject *root, const Number *rows, const char *what,
              GError **error)
{
  for (const Number *row = rows; row && row->section; row++) {
    JsonObject *section;
    if (!find_section (root, row->section, &section, what, error) ||
        !clip_json_get_int (section, row->name, row->min, MAX_SIZE, &said->n[row->says], what,
                            error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_fractions (ClipSaid *said, JsonObject *root, const Fraction *rows, const char *what,
                GError **error)
{
  for (const Fraction *row = rows; row && row->section; row++) {
    JsonObject *section;
    float *value = &G_STRUCT_MEMBER (float, said, row->offset);
    if (!find_section (root, row->section, &section, what, error) ||
        !clip_json_get_float (section, row->name, value, what, error))
      return FALSE;
    if (*value < 0)
      return clip_fail (error, CLIP_ERROR_CONFIG, "%s: %s is %g, expected 0 or more", what,
                        row->name, *value);
  }
  return TRUE;
}

static void
refuse_word (GError **refusal, const Choice *row, const char *found, const char *what)
{
  g_autoptr (GString) words = g_string_new (NULL);
  for (const Word *word = row->words; word->word; word++)
    if (word->value != REFUSED)
      g_string_append_printf (words, "%s%s", words->len ? ", " : "", word->word);
  clip_fail (refusal, CLIP_ERROR_UNSUPPORTED, "%s: %s is \"%s\", supported are: %s", what,
             row->name, found, words->str);
}

static gboolean
read_choices (ClipSaid *said, JsonObject *root, const Choice *rows, const char *what,
              GError **refusal, GError **error)
{
  for (const Choice *row = rows; row && row->section; row++) {
    JsonObject *section;
    const char *found = NULL;
    if (!find_section (root, row->section, &section, what, error) ||
        !clip_json_get_string (section, row->name, &found, what, error))
      return FALSE;
    if (!found)
      continue;
    const Word *word = row->words;
    while (word->word && !g_pattern_match_simple (word->word, found))
      word++;
    if (word->word && word->value != REFUSED)
      said->n[row->says] = word->value;
    else if (!*refusal)
      refuse_word (refusal, row, found, what);
  }
  return TRUE;
}

static gboolean
read_flags (ClipSaid *said, JsonObject *root, const Flag *rows, const char *what, GError **error)
{
  for (const Flag *row = rows; row->section; row++) {
    JsonObject *section;
    if (!find_section (root, row->section, &section, what, error))
      return FALSE;
    if (!section || !json_object_has_member (section, row->name) ||
        json_object_get_null_member (section, row->name))
      continue;
    gboolean value = FALSE;
    if (!clip_json_get_boolean (section, row->name, &value, what, error))
      return FALSE;
    said->n[row->says] = value;
  }
  return TRUE;
}

static gboolean
check_demands (JsonObject *root, const Demand *rows, const char *what, GError **refusal,
               GError **error)
{
  for (const Demand *row = rows; row && row->section; row++) {
    JsonObject *section;
    if (!find_section (root, row->section, &section, what, error))
      return FALSE;
    JsonNode *node = section ? json_object_get_member (section, row->name) : NULL;
    if (!node || JSON_NODE_HOLDS_NULL (node))
      continue;
    g_autofree char *found = json_to_string (node, FALSE);
    gboolean allowed = FALSE;
    for (guint i = 0; i < G_N_ELEMENTS (row->allowed) && row->allowed[i]; i++)
      allowed |= g_pattern_match_simple (row->allowed[i], found);
    if (!allowed && !*refusal)
      clip_fail (refusal, CLIP_ERROR_UNSUPPORTED, "%s: %s is %.60s, supported is only %s%s%s", what,
                 row->name, found, row->allowed[0], row->allowed[1] ? " or " : "",
                 row->allowed[1] ? row->allowed[1] : "");
  }
  return TRUE;
}

/* Three numbers. */
static gboolean
read_colour (float colour[3], JsonObject *object, const char *name, const char *what,
             GError **error)
{
  JsonArray *array = NULL;
  if (!clip_json_get_array (object, name, &array, what, error))
    return FALSE;
  if (!array)
    return TRUE;
  if (json_array_get_length (array) != 3)
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: %s has %u elements, expected 3", what, name,
                      json_array_get_length (array));
  for (int i = 0; i < 3; i++) {
    JsonNode *node = json_array_get_element (array, i);
    const double value =
        JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) != G_TYPE_STRING
            ? json_node_get_double (node)
            : NAN;
    if (!(fabs (value) <= 1e6))
      return clip_fail (error, CLIP_ERROR_CONFIG,
                        "%s: element %d of %s is not a number of reasonable size", what, i, name);
    colour[i] = (float) value;
  }
  return TRUE;
}

static gboolean
read_colours (ClipSaid *said, JsonObject *object, const char *mean, const char *std,
              const char *what, GError **error)
{
  if (!read_colour (said->mean, object, mean, what, error) ||
      !read_colour (said->std, object, std, what, error))
    return FALSE;
  for (int i = 0; i < 3; i++) {
    if (said->std[i] <= 0)
      return clip_fail (error, CLIP_ERROR_CONFIG, "%s: %s is %g, expected more than 0", what, std,
                        said->std[i]);
  }
  return TRUE;
}

/* 0 where it is no size. */
static int
element (JsonArray *array, guint index)
{
  JsonNode *node = json_array_get_element (array, index);
  const gint64 value = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_int (node) : 0;
  return value > 0 && value <= MAX_SIZE ? (int) value : 0;
}

/* A number, [height, width] or { "height": n, "width": n }; anything else leaves both alone. */
static gboolean
read_sides (int *height, int *width, JsonObject *object, const char *name, const char *what,
            GError **error)
{
  JsonNode *node = object ? json_object_get_member (object, name) : NULL;
  if (node && JSON_NODE_HOLDS_VALUE (node)) {
    if (!clip_json_get_int (object, name, 1, MAX_SIZE, height, what, error))
      return FALSE;
    *width = *height;
  } else if (node && JSON_NODE_HOLDS_OBJECT (node)) {
    JsonObject *sides = json_node_get_object (node);
    if (!clip_json_get_int (sides, "height", 1, MAX_SIZE, height, what, error) ||
        !clip_json_get_int (sides, "width", 1, MAX_SIZE, width, what, error))
      return FALSE;
  } else if (node && JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *sides = json_node_get_array (node);
    const gboolean pair = json_array_get_length (sides) == 2;
    *height = pair ? element (sides, 0) : 0;
    *width = pair ? element (sides, 1) : 0;
    if (*height < 1 || *width < 1)
      return clip_fail (error, CLIP_ERROR_CONFIG, "%s: %s is an array, expected two sizes in it",
                        what, name);
  }
  return (*height == CLIP_UNSAID) == (*width == CLIP_UNSAID) ||
         clip_fail (error, CLIP_ERROR_CONFIG, "%s: %s has one side, expected height and width",
                    what, name);
}

static gboolean
read_square (int *size, JsonObject *object, const char *name, const char *what, GError **error)
{
  int height = CLIP_UNSAID, width = CLIP_UNSAID;
  if (!read_sides (&height, &width, object, name, what, error))
    return FALSE;
  if (height != width)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: %s is %d×%d, only squares are supported",
                      what, name, width, height);
  if (height != CLIP_UNSAID)
    *size = height;
  return TRUE;
}

/* A number of blocks, or an array of the numbers in four stages. */
static gboolean
read_layers (ClipSaid *said, JsonObject *vision, const char *what, GError **error)
{
  JsonNode *node = vision ? json_object_get_member (vision, "layers") : NULL;
  if (!node || !JSON_NODE_HOLDS_ARRAY (node))
    return clip_json_get_int (vision, "layers", 1, MAX_SIZE, &said->n[CLIP_SAYS_IMAGE_LAYERS], what,
                              error);
  JsonArray *stages = json_node_get_array (node);
  const guint n = json_array_get_length (stages);
  for (guint i = 0; i < 4 && n == 4; i++)
    said->n[CLIP_SAYS_IMAGE_STAGE_1 + i] = element (stages, i);
  for (guint i = 0; i < 4; i++) {
    if (said->n[CLIP_SAYS_IMAGE_STAGE_1 + i] < 1)
      return clip_fail (error, CLIP_ERROR_CONFIG,
                        "%s: layers is an array of %u, expected four numbers of blocks", what, n);
  }
  return TRUE;
}

/* ---------------------------------------------------------------------------------- formats */

/* What Hugging Face's configuration of a model of this name would say. */
static void
add_hf_model (ClipSaid *said, const char *name)
{
  static const struct {
    const char *pattern;
    int roberta, heads;
  } models[] = {
    { "*roberta-base", TRUE, 12 },      { "*roberta-large", TRUE, 16 },
    { "*camembert-base", TRUE, 12 },    { "*bert-base-*", FALSE, 12 },
    { "*bert-large-*", FALSE, 16 },     { "*MiniLM-L*", CLIP_UNSAID, 12 },
    { "*roberta*", TRUE, CLIP_UNSAID },
  };
  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    if (!g_pattern_match_simple (models[i].pattern, name))
      continue;
    said->n[CLIP_SAYS_ROBERTA] = models[i].roberta;
    said->n[CLIP_SAYS_TEXT_HEADS] = models[i].heads;
    return;
  }
}

static gboolean
read_openclip (ClipSaid *said, JsonObject *root, gboolean defaults, const char *what,
               GError **refusal, GError **error)
{
  JsonObject *model, *preprocess, *vision, *text, *hf_text;
  const char *pool_type = "argmax", *hf_model = NULL;
  gboolean quick_gelu = FALSE, has_quick_gelu;
  if (!find_section (root, "model_cfg", &model, what, error) ||
      !find_section (root, "preprocess_cfg", &preprocess, what, error) ||
      !find_section (root, "model_cfg/vision_cfg", &vision, what, error) ||
      !find_section (root, "model_cfg/text_cfg", &text, what, error) ||
      !find_section (root, "model_cfg/text_cfg/hf_model_config", &hf_text, what, error) ||
      !clip_json_get_string (text, "pool_type", &pool_type, what, error) ||
      !clip_json_get_string (text, "hf_model_name", &hf_model, what, error) ||
      !clip_json_get_boolean (model, "quick_gelu", &quick_gelu, what, error))
    return FALSE;
  has_quick_gelu = model && json_object_has_member (model, "quick_gelu") &&
                   !json_object_get_null_member (model, "quick_gelu");
  if (model && (defaults || has_quick_gelu))
    said->n[CLIP_SAYS_IMAGE_ACTIVATION] = said->n[CLIP_SAYS_TEXT_ACTIVATION] =
        quick_gelu ? CLIP_ACTIVATION_QUICK_GELU : CLIP_ACTIVATION_GELU;
  if (model && defaults) {
    const gboolean timm = vision && json_object_has_member (vision, "timm_model_name");
    said->n[timm ? CLIP_SAYS_POOL : CLIP_SAYS_IMAGE_HEAD_WIDTH] = timm ? CLIP_POOL_AVERAGE : 64;
    said->n[CLIP_SAYS_CONTEXT_LENGTH] = 77;
    said->n[CLIP_SAYS_TEXT_POOL] = CLIP_TEXT_POOL_END;
    said->n[CLIP_SAYS_BERT_POOL] = CLIP_TEXT_POOL_MEAN;
    said->n[CLIP_SAYS_NO_CAUSAL_MASK] = FALSE;
  }
  if (hf_model)
    add_hf_model (said, hf_model);
  if (preprocess && defaults) {
    said->n[CLIP_SAYS_FILTER] = CLIP_FILTER_BICUBIC;
    said->n[CLIP_SAYS_RESIZE_MODE] = CLIP_RESIZE_SHORTEST;
  }
  said->n[CLIP_SAYS_END_TOKEN] = 2; /* OpenCLIP's default */
  if (!read_numbers (said, root, openclip_numbers, what, error))
    return FALSE;
  if (!g_str_equal (pool_type, "eos")) /* it counts for no other */
    said->n[CLIP_SAYS_END_TOKEN] = CLIP_UNSAID;
  return read_layers (said, vision, what, error) &&
         read_fractions (said, root, openclip_fractions, what, error) &&
         read_flags (said, root, openclip_flags, what, error) &&
         read_choices (said, root, openclip_choices, what, refusal, error) &&
         read_colours (said, preprocess, "mean", "std", what, error) &&
         read_sides (&said->n[CLIP_SAYS_IMAGE_SIZE], &said->n[CLIP_SAYS_IMAGE_ACROSS], vision,
                     "image_size", what, error) &&
         read_sides (&said->n[CLIP_SAYS_PREPROCESS_SIZE], &said->n[CLIP_SAYS_PREPROCESS_ACROSS],
                     preprocess, "size", what, error);
}

static gboolean
read_huggingface (ClipSaid *said, JsonObject *root, const char *what, GError **refusal,
                  GError **error)
{
  const char *type = "clip";
  JsonObject *text = NULL;
  int tokens = 0;
  if (!clip_json_get_string (root, "model_type", &type, what, error) ||
      !clip_json_get_object (root, "text_config", &text, what, error) ||
      !clip_json_get_int (text, "vocab_size", 0, G_MAXINT, &tokens, what, error))
    return FALSE;
  const gboolean siglip = g_str_equal (type, "siglip");
  said->n[CLIP_SAYS_IMAGE_ACTIVATION] = said->n[CLIP_SAYS_TEXT_ACTIVATION] =
      siglip ? CLIP_ACTIVATION_GELU_TANH : CLIP_ACTIVATION_QUICK_GELU;
  said->image_epsilon = said->text_epsilon = siglip ? 1e-6f : 1e-5f;
  said->n[CLIP_SAYS_MAP_HEAD] = said->n[CLIP_SAYS_NO_CAUSAL_MASK] = siglip;
  said->n[CLIP_SAYS_CLEAN] = !siglip                       ? CLIP_UNSAID
                             : tokens == CLIP_GEMMA_TOKENS ? CLIP_CLEAN_CASE
                                                           : CLIP_CLEAN_CANONICAL;
  said->n[CLIP_SAYS_TEXT_POOL] = siglip ? CLIP_TEXT_POOL_LAST : CLIP_TEXT_POOL_END;
  said->n[CLIP_SAYS_END_TOKEN] = 49407;
  if (!read_numbers (said, root, huggingface_numbers, what, error))
    return FALSE;
  said->n[CLIP_SAYS_IMAGE_ACROSS] = said->n[CLIP_SAYS_IMAGE_SIZE];
  /* 2 in files written before 2023; the highest id is meant */
  if (siglip || said->n[CLIP_SAYS_END_TOKEN] == 2)
    said->n[CLIP_SAYS_END_TOKEN] = CLIP_UNSAID;
  return read_fractions (said, root, huggingface_fractions, what, error) &&
         read_choices (said, root, huggingface_choices, what, refusal, error);
}

static gboolean
read_gguf (ClipSaid *said, JsonObject *root, const char *what, GError **error)
{
  gboolean gelu = FALSE;
  if (!clip_json_get_boolean (root, "clip.use_gelu", &gelu, what, error))
    return FALSE;
  if (json_object_has_member (root, "clip.use_gelu"))
    said->n[CLIP_SAYS_IMAGE_ACTIVATION] = said->n[CLIP_SAYS_TEXT_ACTIVATION] =
        gelu ? CLIP_ACTIVATION_GELU : CLIP_ACTIVATION_QUICK_GELU;
  if (!read_numbers (said, root, gguf_numbers, what, error))
    return FALSE;
  said->n[CLIP_SAYS_IMAGE_ACROSS] = said->n[CLIP_SAYS_IMAGE_SIZE];
  return read_fractions (said, root, gguf_fractions, what, error) &&
         read_colours (said, root, "clip.vision.image_mean", "clip.vision.image_std", what, error);
}

/* size is what the short side becomes (a number, or "shortest_edge"), or both sides; crop_size is what is cut out. */
static gboolean
read_preprocessor (ClipSaid *said, JsonObject *root, const char *what, GError **error)
{
  int shortest = CLIP_UNSAID, square = CLIP_UNSAID, crop = CLIP_UNSAID, resample = CLIP_UNSAID;
  gboolean do_crop = TRUE;
  JsonNode *size = json_object_get_member (root, "size");
  if (!read_square (&square, root, "size", what, error) ||
      !read_square (&crop, root, "crop_size", what, error) ||
      !clip_json_get_boolean (root, "do_center_crop", &do_crop, what, error) ||
      !clip_json_get_int (root, "resample", 0, 5, &resample, what, error) ||
      !read_colours (said, root, "image_mean", "image_std", what, error))
    return FALSE;
  if (size && JSON_NODE_HOLDS_OBJECT (size) &&
      !clip_json_get_int (json_node_get_object (size), "shortest_edge", 1, MAX_SIZE, &shortest,
                          what, error))
    return FALSE;
  if (size && JSON_NODE_HOLDS_VALUE (size)) {
    shortest = square;
    square = CLIP_UNSAID;
  }

  if (resample != CLIP_UNSAID && resample != 2 && resample != 3)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: resample is %d, supported are 3 (bicubic) and 2 (bilinear)", what,
                      resample);
  said->n[CLIP_SAYS_FILTER] = resample == 2 ? CLIP_FILTER_BILINEAR : CLIP_FILTER_BICUBIC;
  said->n[CLIP_SAYS_RESIZE_MODE] =
      square != CLIP_UNSAID ? CLIP_RESIZE_SQUASH : CLIP_RESIZE_SHORTEST;
  const int resized = square != CLIP_UNSAID ? square : shortest;
  if (resized != CLIP_UNSAID && do_crop && crop != CLIP_UNSAID && crop != resized)
    return clip_fail (
        error, CLIP_ERROR_UNSUPPORTED,
        "%s: pictures are resized to %d and cropped to %d, supported is only the same size", what,
        resized, crop);
  if (!do_crop && square == CLIP_UNSAID)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: do_center_crop is false, supported is that only with a size of "
                      "height and width",
                      what);
  said->n[CLIP_SAYS_PREPROCESS_SIZE] = said->n[CLIP_SAYS_PREPROCESS_ACROSS] =
      resized != CLIP_UNSAID ? resized : crop;
  return TRUE;
}

static gboolean
has_members (JsonObject *root, const char *const *names)
{
  for (; *names; names++) {
    if (json_object_has_member (root, *names))
      return TRUE;
  }
  return FALSE;
}

/* A model_cfg alone, as OpenCLIP keeps them beside its code, is put where an open_clip_config.json has it. */
static JsonNode *
wrap (JsonNode *node)
{
  static const char *const whole[] = { "model_cfg", "preprocess_cfg", NULL };
  static const char *const part[] = { "vision_cfg", "text_cfg", "embed_dim", "quick_gelu", NULL };
  JsonObject *object = json_node_get_object (node);
  if (has_members (object, whole) || !has_members (object, part))
    return node;
  JsonNode *outer = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (outer, json_object_new ());
  json_object_set_member (json_node_get_object (outer), "model_cfg", node);
  return outer;
}

gboolean
clip_said_read (ClipSaid *said, const ClipSource *source, GError **refusal, GError **error)
{
  static const struct {
    const char *const members[4]; /* one of them makes a file of this format */
    const Demand *demands;
  } formats[] = {
    [CLIP_SOURCE_HUGGINGFACE] = { { "vision_config", "vision_config_dict", "text_config" },
                                  huggingface_demands },
    [CLIP_SOURCE_PREPROCESSOR] = { { "image_mean", "size", "do_resize" }, preprocessor_demands },
    [CLIP_SOURCE_GGUF] = { { "clip.has_vision_encoder", "clip.has_text_encoder",
                             "clip.vision.image_size" },
                           gguf_demands },
    [CLIP_SOURCE_OPENCLIP] = { { "model_cfg", "preprocess_cfg" }, openclip_demands },
    [CLIP_SOURCE_OVERRIDE] = { { "model_cfg", "preprocess_cfg" }, openclip_demands },
  };
  const char *what = source->what;
  gsize length;
  const char *text = g_bytes_get_data (source->text, &length);
  *said = clip_said_nothing;
  g_autoptr (JsonNode) node = clip_json_parse (text, length, what, error);
  if (!node)
    return FALSE;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: is no JSON object", what);
  if (source->format == CLIP_SOURCE_OPENCLIP || source->format == CLIP_SOURCE_OVERRIDE)
    node = wrap (node);

  JsonObject *root = json_node_get_object (node);
  if (!has_members (root, formats[source->format].members))
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: has no %s, expected the configuration of a CLIP model", what,
                      formats[source->format].members[0]);
  if (!check_demands (root, formats[source->format].demands, what, refusal, error))
    return FALSE;
  switch (source->format) {
  case CLIP_SOURCE_HUGGINGFACE:
    return read_huggingface (said, root, what, refusal, error);
  case CLIP_SOURCE_GGUF:
    return read_gguf (said, root, what, error);
  case CLIP_SOURCE_PREPROCESSOR:
    return read_preprocessor (said, root, what, error);
  default:
    return read_openclip (said, root, source->format == CLIP_SOURCE_OPENCLIP, what, refusal, error);
  }
}
