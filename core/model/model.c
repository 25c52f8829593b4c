/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ClipModel: name → files (store.c) → tensors (checkpoint/) → weights, configuration → two towers, tokenizer.
 *
 * One process holds one copy of a model: a table maps what was loaded (path, identity and time of each file, options) to
 * the model, as long as somebody holds a reference to it. Who asks for a model that is being loaded waits for it.
 */
#include "core/model/tower.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/model/identity.h"
#include "core/model/precision.h"
#include "core/model/resolution.h"
#include "core/model/store.h"
#include "core/text/tokenizer.h"
#include "core/text/tokens.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

struct _ClipModel {
  int references; /* under @lock */
  char *key;
  ClipWeights *weights;
  ClipConfig config;
  ClipTower *image, *text;
  ClipTokenizer *tokenizer; /* NULL: then */
  GError *no_tokenizer;     /* says why */
  GPtrArray *warnings;      /* of char *, NULL-terminated */
  char *source, *id;
  ClipModelInfo info;
};

static GMutex lock;
static GCond loaded;
static GHashTable *models; /* key → ClipModel, or NULL while it is being loaded; under @lock */

/* ----------------------------------------------------------------------------------- pieces */

static ClipTower *(*const image_towers[]) (ClipWeights *, const ClipConfig *, GError **) = {
  [CLIP_IMAGE_VIT] = clip_vit_new,
  [CLIP_IMAGE_RESNET] = clip_resnet_new,
  [CLIP_IMAGE_EFFICIENTNET] = clip_efficientnet_new,
};
static ClipTower *(*const text_towers[]) (ClipWeights *, const ClipConfig *, GError **) = {
  [CLIP_TEXT_CLIP] = clip_text_new,
  [CLIP_TEXT_BERT] = clip_bert_new,
};

#define OPENCLIP_CONFIG "open_clip_config.json"
#define HUGGINGFACE_CONFIG "config.json"
#define PREPROCESSOR_CONFIG "preprocessor_config.json"

static void
clear_source (gpointer source)
{
  g_bytes_unref (((ClipSource *) source)->text);
  g_free ((char *) ((ClipSource *) source)->what);
}

static gboolean
add_file (GArray *sources, ClipSourceFormat format, const char *path, gboolean tentative,
          GError **error)
{
  GBytes *text = clip_bytes_map (path, error);
  if (!text)
    return FALSE;
  const ClipSource source = { format, g_strdup (path), text, tentative };
  g_array_append_val (sources, source);
  return TRUE;
}

/* A checkpoint in Hugging Face's naming is described by config.json, another by open_clip_config.json; repositories have
 * both. Where only the other kind is there, that one tells. */
static gboolean
add_companions (GArray *sources, const ClipStored *stored, const char *naming, GError **error)
{
  g_autofree char *openclip = clip_stored_companion (stored, OPENCLIP_CONFIG);
  g_autofree char *huggingface = clip_stored_companion (stored, HUGGINGFACE_CONFIG);
  g_autofree char *preprocessor = clip_stored_companion (stored, PREPROCESSOR_CONFIG);
  const gboolean prefer_huggingface = g_str_equal (naming, "huggingface");
  if (openclip && !(prefer_huggingface && huggingface))
    return add_file (sources, CLIP_SOURCE_OPENCLIP, openclip, stored->bare, error);
  return (!huggingface ||
          add_file (sources, CLIP_SOURCE_HUGGINGFACE, huggingface, stored->bare, error)) &&
         (!preprocessor ||
          add_file (sources, CLIP_SOURCE_PREPROCESSOR, preprocessor, stored->bare, error));
}

/* What the file says of itself, under @key. */
static void
add_inside (GArray *sources, ClipSourceFormat format, const ClipCheckpoint *checkpoint,
            const char *key)
{
  const char *text = clip_checkpoint_get_metadata (checkpoint, key);
  if (!text)
    return;
  const ClipSource source = {
    format, g_strdup_printf ("%s: %s", clip_checkpoint_get_name (checkpoint), key),
    g_bytes_new_static (text, strlen (text))
  };
  g_array_append_val (sources, source);
}

static gboolean
add_size (GArray *sources, const char *size, GError **error)
{
  ClipSource source;
  if (!clip_resolution_to_source (&source, size, error))
    return FALSE;
  g_array_append_val (sources, source);
  return TRUE;
}

static gboolean
read_config (ClipModel *model, const ClipStored *stored, const ClipModelOptions *options,
             GError **error)
{
  const ClipCheckpoint *checkpoint = clip_weights_get_checkpoint (model->weights);
  g_autoptr (GArray) sources = g_array_new (FALSE, FALSE, sizeof (ClipSource));
  g_array_set_clear_func (sources, clear_source);
  add_inside (sources, CLIP_SOURCE_OPENCLIP, checkpoint, "clip.config");
  add_inside (sources, CLIP_SOURCE_GGUF, checkpoint, "gguf");
  if (sources->len == 0 &&
      !add_companions (sources, stored, clip_weights_get_naming (model->weights), error))
    return FALSE;
  return (!options->config ||
          add_file (sources, CLIP_SOURCE_OVERRIDE, options->config, FALSE, error)) &&
         (!options->image_size || add_size (sources, options->image_size, error)) &&
         clip_config_read (
             &model->config, model->weights, stored->weights ? stored->weights : stored->name,
             (const ClipSource *) sources->data, sources->len, model->warnings, error);
}

/* The vocabulary in our own files, beside the weights, or CLIP's where its size fits; NULL without @error where there is
 * none. */
static ClipTokenizer *
find_tokenizer (ClipModel *model, const ClipStored *stored, GError **error)
{
  const ClipCheckpoint *checkpoint = clip_weights_get_checkpoint (model->weights);
  const ClipTensor *own = clip_checkpoint_find (checkpoint, "clip.tokenizer");
  if (own && own->dtype == CLIP_DTYPE_U8) {
    g_autofree char *name =
        g_strdup_printf ("%s: clip.tokenizer", clip_checkpoint_get_name (checkpoint));
    g_autoptr (GBytes) bytes = g_bytes_new_static (own->data, own->size);
    return clip_tokenizer_parse (bytes, name, error);
  }
  const ClipTensor *tokens = clip_checkpoint_find (checkpoint, "clip.tokens");
  if (tokens && tokens->dtype == CLIP_DTYPE_U8) { /* GGUF */
    g_autoptr (GBytes) lines = g_bytes_new_static (tokens->data, tokens->size);
    g_autoptr (GBytes) merges =
        clip_tokens_to_merges (lines, clip_checkpoint_get_name (checkpoint), error);
    return merges ? clip_tokenizer_parse (merges, clip_checkpoint_get_name (checkpoint), error)
                  : NULL;
  }
  if (stored->directory && clip_tokenizer_in_directory (stored->directory))
    return clip_tokenizer_load (stored->directory, error);
  return NULL;
}

static gboolean
fits (ClipModel *model, ClipTokenizer *tokenizer, GError **error)
{
  const int size = clip_tokenizer_get_vocab_size (tokenizer), rows = model->config.text.vocab_size;
  return size <= rows || clip_fail (error, CLIP_ERROR_TOKENIZER,
                                    "%s: the vocabulary has %d tokens, the text tower embeds %d",
                                    model->source, size, rows);
}

/* CLIP's own, which all models share but those that treat texts in another way. */
static ClipTokenizer *
tokenizer_of_clip (const ClipTextConfig *text)
{
  if (!text->clean && !text->no_end_token)
    return clip_tokenizer_clip ();
  g_autoptr (GBytes) bytes = clip_bytes_clip_merges ();
  ClipTokenizer *tokenizer = clip_tokenizer_parse (bytes, "CLIP's merges", NULL);
  clip_tokenizer_adapt (tokenizer, text->clean, text->no_end_token);
  return tokenizer;
}

static gboolean
add_tokenizer (ClipModel *model, const ClipStored *stored, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_autoptr (ClipTokenizer) tokenizer = find_tokenizer (model, stored, &problem);
  if (tokenizer && fits (model, tokenizer, &problem)) {
    const ClipTextConfig *text = &model->config.text;
    clip_tokenizer_adapt (tokenizer, text->clean, text->no_end_token);
    model->tokenizer = g_steal_pointer (&tokenizer);
    return TRUE;
  }
  if (g_error_matches (problem, CLIP_ERROR,
                       CLIP_ERROR_UNSUPPORTED)) { /* pictures and given tokens can do without */
    g_ptr_array_add (model->warnings,
                     g_strdup_printf ("%s: texts cannot be encoded", problem->message));
    model->no_tokenizer = g_steal_pointer (&problem);
    return TRUE;
  }
  if (problem && !stored->bare) {
    g_propagate_error (error, g_steal_pointer (&problem));
    return FALSE;
  }
  if (problem) {
    const ClipCheckpoint *checkpoint = clip_weights_get_checkpoint (model->weights);
    const gboolean inside = clip_checkpoint_find (checkpoint, "clip.tokenizer") ||
                            clip_checkpoint_find (checkpoint, "clip.tokens");
    g_ptr_array_add (model->warnings,
                     g_strdup_printf ("%s (ignored%s)", problem->message,
                                      inside ? "" : ": it belongs to another model"));
  }

  if (model->config.text.kind == CLIP_TEXT_CLIP && model->config.text.vocab_size == 49408)
    model->tokenizer = tokenizer_of_clip (&model->config.text);
  else
    clip_fail (
        &model->no_tokenizer, CLIP_ERROR_TOKENIZER,
        "%s: brings no vocabulary for its %d tokens (tokenizer.json, spiece.model, vocab.txt, or "
        "vocab.json and merges.txt)",
        model->source, model->config.text.vocab_size);
  return TRUE;
}

/* ------------------------------------------------------------------------------------- info */

/* A tower that is computed in another precision than was asked for is nothing to fail for; but it is said. */
static void
check_precision (ClipModel *model, const ClipTower *tower, const char *what)
{
  const ClipPrecision asked = clip_weights_get_precision (model->weights);
  if (asked != tower->precision)
    g_ptr_array_add (model->warnings,
                     g_strdup_printf ("precision %s: the %s tower (%s) is computed in %s",
                                      clip_precision_name (asked), what, tower->kind,
                                      clip_precision_name (tower->precision)));
}

static void
fill_info (ClipModel *model, const ClipStored *stored)
{
  const ClipCheckpoint *checkpoint = clip_weights_get_checkpoint (model->weights);
  const ClipConfig *config = &model->config;
  const ClipCount count = clip_count_parameters (checkpoint);
  model->id = clip_identify (checkpoint, config, stored->name);
  g_ptr_array_add (model->warnings, NULL);
  model->info = (ClipModelInfo){
    .source = model->source,
    .id = model->id,
    .container = clip_checkpoint_get_container (checkpoint),
    .naming = clip_weights_get_naming (model->weights),
    .precision = clip_precision_name (model->image->precision),
    .weights = clip_dtype_name (count.dtype),
    .embed_dim = config->embed_dim,
    .pooled_width = model->image->pool ? model->image->pooled_width : config->embed_dim,
    .image_width = config->preprocess.width,
    .image_height = config->preprocess.height,
    .context_length = config->text.context_length,
    .vocab_size = config->text.vocab_size,
    .logit_scale = config->logit_scale,
    .logit_bias = config->sigmoid ? config->logit_bias : NAN,
    .image = { model->image->kind, clip_activation_name (config->image.activation),
               config->image.width, config->image.layers, config->image.heads,
               config->image.patch_size, count.image,
               clip_precision_name (model->image->precision) },
    .text = { model->text->kind, clip_activation_name (config->text.activation), config->text.width,
              config->text.layers, config->text.heads, 0, count.text,
              clip_precision_name (model->text->precision) },
    .preprocess = config->preprocess,
    .n_parameters = count.all,
    .mapped_bytes = clip_checkpoint_get_size (checkpoint),
    .heap_bytes =
        clip_weights_get_heap_bytes (model->weights) + clip_checkpoint_get_heap_bytes (checkpoint),
    .warnings = (const char *const *) model->warnings->pdata,
  };
}

/* ------------------------------------------------------------------------------------- load */

static void
free_model (ClipModel *model)
{
  if (model->image)
    model->image->free (model->image);
  if (model->text)
    model->text->free (model->text);
  g_clear_pointer (&model->tokenizer, clip_tokenizer_unref);
  g_clear_error (&model->no_tokenizer);
  clip_weights_free (model->weights);
  g_ptr_array_unref (model->warnings);
  g_free (model->source);
  g_free (model->id);
  g_free (model->key);
  g_free (model);
}

static ClipCheckpoint *
open_checkpoint (const ClipStored *stored, GError **error)
{
  if (stored->weights)
    return clip_checkpoint_open (stored->weights, error);
  g_autoptr (GBytes) embedded = clip_bytes_default_model ();
  return clip_checkpoint_parse (embedded, "default", error);
}

static gboolean
fill (ClipModel *model, const ClipStored *stored, const ClipModelOptions *options, GError **error)
{
  ClipCheckpoint *checkpoint = open_checkpoint (stored, error);
  model->weights = checkpoint ? clip_weights_new (checkpoint, error) : NULL;
  if (!model->weights || !read_config (model, stored, options, error))
    return FALSE;
  clip_weights_set_precision (
      model->weights, clip_precision_choose (options->precision, checkpoint, model->warnings));
  model->image = image_towers[model->config.image.kind](model->weights, &model->config, error);
  if (!model->image)
    return FALSE;
  model->text = text_towers[model->config.text.kind](model->weights, &model->config, error);
  if (!model->text || !add_tokenizer (model, stored, error))
    return FALSE;
  if (options->precision != CLIP_PRECISION_AUTO) {
    check_precision (model, model->image, "image");
    check_precision (model, model->text, "text");
  }
  char *unused = clip_weights_describe_unused (model->weights);
  if (unused)
    g_ptr_array_add (model->warnings, unused);
  fill_info (model, stored);
  return TRUE;
}

/* Takes @key. */
static ClipModel *
load (const ClipStored *stored, const ClipModelOptions *options, char *key, GError **error)
{
  ClipModel *model = g_new0 (ClipModel, 1);
  model->references = 1;
  model->key = key;
  model->warnings = g_ptr_array_new_with_free_func (g_free);
  model->source = g_strdup (!stored->weights ? "default"
                            : stored->bare   ? stored->weights
                                             : stored->directory);
  if (fill (model, stored, options, error))
    return model;
  free_model (model);
  return NULL;
}

/* A file that was replaced or changed is another. */
static void
append_stamp (GString *key, const char *path)
{
  GStatBuf status;
  if (!path || g_stat (path, &status) != 0)
    g_string_append (key, "-|");
  else
    g_string_append_printf (
        key, "%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT ".%09ld|", path,
        (guint64) status.st_ino, (guint64) status.st_size, (gint64) status.st_mtim.tv_sec,
        (long) status.st_mtim.tv_nsec);
}

static char *
make_key (const ClipStored *stored, const ClipModelOptions *options)
{
  GString *key = g_string_new (NULL);
  append_stamp (key, stored->weights);
  static const char *const companions[] = {
    OPENCLIP_CONFIG,
    HUGGINGFACE_CONFIG,
    PREPROCESSOR_CONFIG,
    "tokenizer.json",
    "spiece.model",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "bpe_simple_vocab_16e6.txt",
    "bpe_simple_vocab_16e6.txt.gz",
  };
  for (guint i = 0; i < G_N_ELEMENTS (companions) && stored->directory; i++) {
    g_autofree char *path = clip_stored_companion (stored, companions[i]);
    append_stamp (key, path);
  }
  g_autofree char *config =
      options->config ? g_canonicalize_filename (options->config, NULL) : NULL;
  append_stamp (key, config);
  g_string_append_printf (key, "%s|", options->image_size ? options->image_size : "");
  g_string_append (key, stored->bare ? "file" : "directory");
  g_string_append_printf (key, "|%s", clip_precision_name (options->precision));
  return g_string_free (key, FALSE);
}

ClipModel *
clip_model_load (const char *name, const ClipModelOptions *options, GError **error)
{
  g_auto (ClipStored) stored = { 0 };
  const ClipModelOptions defaults = { 0 };
  options = options ? options : &defaults;
  g_return_val_if_fail (options->precision <= CLIP_PRECISION_INT8, NULL);
  if (!clip_store_find (&stored, name, error))
    return NULL;
  g_autofree char *key = make_key (&stored, options);

  g_mutex_lock (&lock);
  if (!models)
    models = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gpointer model;
  while (g_hash_table_lookup_extended (models, key, NULL, &model) && !model)
    g_cond_wait (&loaded, &lock);
  if (g_hash_table_contains (models, key)) {
    ((ClipModel *) model)->references++;
    g_mutex_unlock (&lock);
    return model;
  }
  g_hash_table_insert (models, g_strdup (key), NULL);
  g_mutex_unlock (&lock);

  model = load (&stored, options, g_strdup (key), error);

  g_mutex_lock (&lock);
  if (model)
    g_hash_table_insert (models, g_strdup (key), model);
  else
    g_hash_table_remove (models, key); /* who waits tries for himself */
  g_cond_broadcast (&loaded);
  g_mutex_unlock (&lock);
  return model;
}

ClipModel *
clip_model_ref (ClipModel *model)
{
  g_return_val_if_fail (model, NULL);
  g_mutex_lock (&lock);
  model->references++;
  g_mutex_unlock (&lock);
  return model;
}

void
clip_model_unref (ClipModel *model)
{
  if (!model)
    return;
  g_mutex_lock (&lock);
  const gboolean last = --model->references == 0;
  if (last)
    g_hash_table_remove (models, model->key);
  g_mutex_unlock (&lock);
  if (last)
    free_model (model);
}

const ClipModelInfo *
clip_model_get_info (const ClipModel *model)
{
  return &model->info;
}

ClipTokenizer *
clip_model_get_tokenizer (const ClipModel *model, GError **error)
{
  if (!model->tokenizer && error)
    *error = g_error_copy (model->no_tokenizer);
  return model->tokenizer;
}

const ClipConfig *
clip_model_get_config (const ClipModel *model)
{
  return &model->config;
}

const ClipWeights *
clip_model_get_weights (const ClipModel *model)
{
  return model->weights;
}

const char *
clip_model_get_key (const ClipModel *model)
{
  return model->key;
}

const ClipTower *
clip_model_get_image_tower (const ClipModel *model)
{
  return model->image;
}

const ClipTower *
clip_model_get_text_tower (const ClipModel *model)
{
  return model->text;
}
