/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *   model        settings' JSON → fresh.c draws a checkpoint
 *   init         name → store → checkpoint, and what clip_model_load () makes of its configuration and vocabulary
 *   init.image,  two checkpoints → join.c makes one of them
 *   init.text
 *
 * Then, the same for all: checkpoint + open_clip_config.json → ClipWeights, ClipConfig.
 */
#include "core/train/origin.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "core/checkpoint/container.h"
#include "core/model/config-json.h"
#include "core/model/store.h"
#include "core/model/tower.h"
#include "core/model/writer.h"
#include "core/text/tokenizer.h"
#include "core/train/fresh.h"
#include "core/train/join.h"
#include "core/train/published.h"

#include <string.h>

void
clip_origin_free (ClipOrigin *origin)
{
  if (!origin)
    return;
  clip_weights_free (origin->weights);
  g_free (origin->config_text);
  g_free (origin->name);
  if (origin->tokenizer)
    clip_tokenizer_unref (origin->tokenizer);
  g_clear_pointer (&origin->vocabulary, g_bytes_unref);
  g_free (origin);
}

/* ------------------------------------------------------------------------------------- vocabulary */

/* The settings' own vocabulary goes before the model's. */
static gboolean
read_vocabulary (ClipOrigin *origin, const ClipSettings *settings, GError **error)
{
  if (!settings->tokenizer)
    return TRUE;
  origin->vocabulary = clip_bytes_map (settings->tokenizer, error);
  if (origin->vocabulary)
    origin->tokenizer = clip_tokenizer_parse (origin->vocabulary, settings->tokenizer, error);
  return origin->tokenizer != NULL;
}

static gboolean
check_vocabulary (ClipOrigin *origin, const ClipSettings *settings, GError **error)
{
  const int rows = origin->config.text.vocab_size;
  if (!origin->tokenizer && rows == 49408 && origin->config.text.kind == CLIP_TEXT_CLIP)
    origin->tokenizer = clip_tokenizer_clip ();
  if (!origin->tokenizer)
    return clip_fail (
        error, CLIP_ERROR_TOKENIZER,
        "%s: tokenizer is missing: the text tower has %d tokens, OpenAI's vocabulary 49408",
        settings->path, rows);
  const int size = clip_tokenizer_get_vocab_size (origin->tokenizer);
  return size <= rows ||
         clip_fail (error, CLIP_ERROR_TOKENIZER,
                    "%s: the vocabulary has %d tokens, the text tower embeds %d",
                    settings->tokenizer ? settings->tokenizer : origin->name, size, rows);
}

/* ----------------------------------------------------------------------------------- configuration */

/* The object @name of @parent, made where it is not there. */
static JsonObject *
inner (JsonObject *parent, const char *name)
{
  JsonNode *node = json_object_get_member (parent, name);
  if (!node || !JSON_NODE_HOLDS_OBJECT (node))
    json_object_set_object_member (parent, name, json_object_new ());
  return json_object_get_object_member (parent, name);
}

/* An open_clip_config.json, also of a model_cfg alone, with what the settings say otherwise. */
static char *
complete_config (const char *text, int vocab_size, int image_size)
{
  g_autoptr (JsonNode) root = json_from_string (text, NULL);
  JsonObject *object = json_node_get_object (root);
  if (!json_object_has_member (object, "model_cfg")) {
    JsonObject *whole = json_object_new ();
    json_object_set_object_member (whole, "model_cfg", json_object_ref (object));
    json_node_take_object (root, whole);
    object = whole;
  }
  JsonObject *model = inner (object, "model_cfg");
  JsonObject *words = inner (model, "text_cfg");
  if (vocab_size > 0 && !json_object_has_member (words, "vocab_size") &&
      !json_object_has_member (words, "hf_model_config"))
    json_object_set_int_member (words, "vocab_size", vocab_size);
  if (image_size > 0) {
    JsonArray *size = json_array_new ();
    json_array_add_int_element (size, image_size);
    json_array_add_int_element (size, image_size);
    json_object_set_int_member (inner (model, "vision_cfg"), "image_size", image_size);
    json_object_set_array_member (inner (object, "preprocess_cfg"), "size", size);
  }
  return json_to_string (root, TRUE);
}

/* @text, which says how pictures are prepared, whether it did or not. */
static char *
say_preprocessing (const char *text, const ClipConfig *config)
{
  g_autofree char *complete = clip_config_to_json (config);
  g_autoptr (JsonNode) from = json_from_string (complete, NULL), to = json_from_string (text, NULL);
  JsonObject *own = inner (json_node_get_object (to), "preprocess_cfg"),
             *all = json_object_get_object_member (json_node_get_object (from), "preprocess_cfg");
  g_autoptr (GList) members = json_object_get_members (all);
  for (GList *member = members; member; member = member->next)
    if (!json_object_has_member (own, member->data))
      json_object_set_member (own, member->data, json_object_dup_member (all, member->data));
  return json_to_string (to, TRUE);
}

/* Takes @checkpoint. */
static gboolean
read_tensors (ClipOrigin *origin, ClipCheckpoint *checkpoint, const char *name, GPtrArray *warnings,
              GError **error)
{
  origin->weights = checkpoint ? clip_weights_new (checkpoint, error) : NULL;
  if (!origin->weights)
    return FALSE;
  g_autoptr (GBytes) text = g_bytes_new_static (origin->config_text, strlen (origin->config_text));
  g_autofree char *what = g_strdup_printf ("%s: configuration", name);
  const ClipSource source = { CLIP_SOURCE_OPENCLIP, what, text };
  return clip_config_read (&origin->config, origin->weights, name, &source, 1, warnings, error);
}

/* ---------------------------------------------------------------------------------------- origins */

static gboolean
begin_from_scratch (ClipOrigin *origin, const ClipSettings *settings, GPtrArray *warnings,
                    GError **error)
{
  g_autofree char *what = g_strdup_printf ("%s: model", settings->path);
  origin->config_text = complete_config (
      settings->model, origin->tokenizer ? clip_tokenizer_get_vocab_size (origin->tokenizer) : 0,
      settings->image_size);
  ClipCheckpoint *checkpoint = clip_fresh_model (origin->config_text, what, settings->seed, error);
  /* Nobody said how pictures are prepared, and that is no assumption: what is drawn now is trained so. */
  g_autoptr (GPtrArray) assumed = g_ptr_array_new_with_free_func (g_free);
  if (!read_tensors (origin, checkpoint, what, assumed, error))
    return FALSE;
  char *said = say_preprocessing (origin->config_text, &origin->config);
  g_free (origin->config_text);
  origin->config_text = said;
  return TRUE;
}

static char *
find_config (const ClipCheckpoint *checkpoint, const ClipStored *stored, const ClipConfig *config,
             GError **error)
{
  const char *own = clip_checkpoint_get_metadata (checkpoint, "clip.config");
  if (own)
    return g_strdup (own);
  g_autofree char *path = clip_stored_companion (stored, "open_clip_config.json");
  if (!path || stored->bare)
    return clip_config_to_json (config);
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  gsize size;
  const char *text = bytes ? g_bytes_get_data (bytes, &size) : NULL;
  return text ? g_strndup (text, size) : NULL;
}

static gboolean
begin_with_model (ClipOrigin *origin, const ClipSettings *settings, GPtrArray *warnings,
                  GError **error)
{
  g_auto (ClipStored) stored = { 0 };
  g_autoptr (ClipModel) model = clip_model_load (settings->init, NULL, error);
  if (!model || !clip_store_find (&stored, settings->init, error))
    return FALSE;
  const ClipModelInfo *info = clip_model_get_info (model);
  for (guint i = 0; info->warnings[i]; i++)
    g_ptr_array_add (warnings, g_strdup_printf ("%s: %s", info->source, info->warnings[i]));
  g_autoptr (GBytes) embedded = stored.weights ? NULL : clip_bytes_default_model ();
  g_autoptr (ClipCheckpoint) checkpoint = stored.weights
                                              ? clip_checkpoint_open (stored.weights, error)
                                              : clip_checkpoint_parse (embedded, "default", error);
  if (!checkpoint)
    return FALSE;
  origin->name = g_strdup (stored.name);
  g_autofree char *text = find_config (checkpoint, &stored, clip_model_get_config (model), error);
  if (!text)
    return FALSE;
  origin->config_text = complete_config (text, 0, settings->image_size);
  if (!origin->tokenizer) {
    ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, error);
    if (!tokenizer)
      return FALSE;
    origin->tokenizer = clip_tokenizer_ref (tokenizer);
    if (tokenizer != clip_tokenizer_clip () /* which everybody has */ &&
        !(origin->vocabulary = clip_model_find_vocabulary (checkpoint, &stored, error)))
      return FALSE;
  }
  g_autoptr (GPtrArray) again = g_ptr_array_new_with_free_func (g_free); /* the same warnings */
  return read_tensors (origin, g_steal_pointer (&checkpoint), info->source, again, error);
}

/* A tower that stands alone, under the names its publishers gave it; both have things that CLIP has no use for. */
static const struct {
  const char *has, *strip, *prefix, *without[2];
  ClipTake take;
} bare_towers[] = {
  { "conv_stem.weight", "", "visual.trunk.", { "classifier." }, CLIP_TAKE_IMAGE },
  { "embeddings.word_embeddings.weight",
    "",
    "text.transformer.",
    { "pooler.", "cls." },
    CLIP_TAKE_TEXT },
  { "bert.embeddings.word_embeddings.weight",
    "bert.",
    "text.transformer.",
    { "pooler.", "cls." },
    CLIP_TAKE_TEXT },
  { "roberta.embeddings.word_embeddings.weight",
    "roberta.",
    "text.transformer.",
    { "pooler.", "lm_head." },
    CLIP_TAKE_TEXT },
};

/* @bare under OpenCLIP's names, or NULL where it is none of these. */
static ClipCheckpoint *
rename_bare (const ClipCheckpoint *bare, ClipTake take)
{
  for (guint i = 0; i < G_N_ELEMENTS (bare_towers); i++) {
    if (bare_towers[i].take != take || !clip_checkpoint_find (bare, bare_towers[i].has))
      continue;
    ClipCheckpoint *renamed = clip_checkpoint_new_like (bare);
    for (guint t = 0; t < clip_checkpoint_get_n_tensors (bare); t++) {
      ClipTensor tensor = *clip_checkpoint_get_tensor (bare, t);
      const char *name = tensor.name;
      if (g_str_has_prefix (name, bare_towers[i].strip))
        name += strlen (bare_towers[i].strip);
      gboolean wanted = TRUE;
      for (guint w = 0; w < 2 && bare_towers[i].without[w]; w++)
        wanted = wanted && !g_str_has_prefix (name, bare_towers[i].without[w]);
      g_autofree char *full = g_strconcat (bare_towers[i].prefix, name, NULL);
      tensor.name = full;
      if (wanted)
        clip_checkpoint_add (renamed, &tensor, NULL);
    }
    return renamed;
  }
  return NULL;
}

typedef struct {
  ClipCheckpoint *checkpoint;
  ClipConfig config; /* where known: it is of a whole model */
  gboolean known;
  GBytes *vocabulary; /* NULL: none was found, or CLIP's own */
} Tower;

static void
tower_clear (Tower *tower)
{
  g_clear_pointer (&tower->checkpoint, clip_checkpoint_free);
  g_clear_pointer (&tower->vocabulary, g_bytes_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Tower, tower_clear)

static gboolean
open_tower (Tower *tower, const char *name, ClipTake take, GError **error)
{
  g_auto (ClipStored) stored = { 0 };
  g_autoptr (GError) problem = NULL;
  if (!clip_store_find (&stored, name, error))
    return FALSE;
  g_autoptr (GBytes) embedded = stored.weights ? NULL : clip_bytes_default_model ();
  tower->checkpoint = stored.weights ? clip_checkpoint_open (stored.weights, error)
                                     : clip_checkpoint_parse (embedded, "default", error);
  if (!tower->checkpoint)
    return FALSE;
  tower->vocabulary = stored.directory || !stored.weights
                          ? clip_model_find_vocabulary (tower->checkpoint, &stored, NULL)
                          : NULL;
  g_autoptr (ClipCheckpoint) published = clip_published_rename (tower->checkpoint);
  ClipCheckpoint *renamed = rename_bare (published ? published : tower->checkpoint, take);
  if (renamed) {
    clip_checkpoint_free (tower->checkpoint);
    tower->checkpoint = renamed;
    return TRUE;
  }
  g_autoptr (ClipModel) model = clip_model_load (name, NULL, error);
  if (!model)
    return FALSE;
  tower->known = TRUE;
  tower->config = *clip_model_get_config (model);
  return TRUE;
}

/* Towers and heads that fit them. */
static ClipCheckpoint *
join (Tower *image, Tower *text, const ClipSettings *settings, GError **error)
{
  const ClipMergePart towers[] = { { g_steal_pointer (&image->checkpoint), CLIP_TAKE_IMAGE },
                                   { g_steal_pointer (&text->checkpoint), CLIP_TAKE_TEXT } };
  ClipCheckpoint *joined = clip_checkpoint_merge (towers, 2, settings->path, error);
  if (!joined)
    return NULL;
  ClipCheckpoint *heads =
      clip_fresh_heads (joined, settings->embed_dim, settings->text_hidden, settings->seed, error);
  if (!heads) {
    clip_checkpoint_free (joined);
    return NULL;
  }
  const ClipMergePart parts[] = { { joined, CLIP_TAKE_ALL }, { heads, CLIP_TAKE_ALL } };
  return clip_checkpoint_merge (parts, 2, settings->path, error);
}

/* What tensors do not tell of a tower, its own model's configuration does; of bare ones the usual is assumed. */
static gboolean
begin_with_towers (ClipOrigin *origin, const ClipSettings *settings, GPtrArray *warnings,
                   GError **error)
{
  g_auto (Tower) image = { 0 };
  g_auto (Tower) text = { 0 };
  if (!open_tower (&image, settings->init_image, CLIP_TAKE_IMAGE, error) ||
      !open_tower (&text, settings->init_text, CLIP_TAKE_TEXT, error))
    return FALSE;
  const gboolean own = !origin->tokenizer && text.vocabulary;
  if (own) {
    origin->vocabulary = g_bytes_ref (text.vocabulary);
    origin->tokenizer = clip_tokenizer_parse (text.vocabulary, settings->init_text, error);
    if (!origin->tokenizer)
      return FALSE;
  }
  ClipCheckpoint *checkpoint = join (&image, &text, settings, error);
  origin->weights = checkpoint ? clip_weights_new (checkpoint, error) : NULL;
  if (!origin->weights)
    return FALSE;
  ClipConfig *config = &origin->config;
  g_autoptr (GPtrArray) assumed = g_ptr_array_new_with_free_func (g_free);
  if (!clip_config_read (config, origin->weights, settings->path, NULL, 0, assumed, error))
    return FALSE;
  if (image.known) {
    config->image = image.config.image;
    config->preprocess = image.config.preprocess;
  }
  if (text.known)
    config->text = text.config.text;
  if (own)
    clip_tokenizer_adapt (origin->tokenizer, config->text.clean, config->text.no_end_token);
  if (!image.known || !text.known)
    for (guint i = 0; i < assumed->len; i++)
      g_ptr_array_add (warnings,
                       g_strdup_printf ("%s: %s", settings->path, (char *) assumed->pdata[i]));
  if (settings->image_size > 0)
    config->image.image_size = config->preprocess.width = config->preprocess.height =
        settings->image_size;
  origin->config_text = clip_config_to_json (config);
  return TRUE;
}

ClipOrigin *
clip_origin_new (const ClipSettings *settings, GPtrArray *warnings, GError **error)
{
  g_autoptr (ClipOrigin) origin = g_new0 (ClipOrigin, 1);
  if (!read_vocabulary (origin, settings, error))
    return NULL;
  const gboolean ok = settings->model  ? begin_from_scratch (origin, settings, warnings, error)
                      : settings->init ? begin_with_model (origin, settings, warnings, error)
                                       : begin_with_towers (origin, settings, warnings, error);
  if (!ok)
    return NULL;
  if (!origin->name)
    origin->name = g_path_get_basename (settings->output);
  const int size = origin->config.image.image_size;
  if (settings->image_size > 0 && settings->image_size != size)
    return clip_fail_null (error, CLIP_ERROR_CONFIG,
                           "%s: image_size is %d, but the image tower takes %d", settings->path,
                           settings->image_size, size);
  return check_vocabulary (origin, settings, error) ? g_steal_pointer (&origin) : NULL;
}
