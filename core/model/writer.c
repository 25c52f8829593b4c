/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/writer.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/model/precision.h"
#include "core/text/lines.h"
#include "core/text/tokenizer.h"
#include "core/text/tokens.h"

#include <string.h>

gboolean
clip_model_write (const char *path, const ClipTensor *tensors, guint n, const ClipModelText *text,
                  ClipTensorSource source, gpointer data, GError **error)
{
  const struct {
    const char *key, *value;
  } known[] = {
    { "clip.format", "1" },
    { "clip.config", text->config },
    { "clip.name", text->name },
    { "clip.license", text->license },
    { CLIP_PRECISION_METADATA, text->precision },
  };
  const char *metadata[2 * G_N_ELEMENTS (known) + 1] = { NULL };
  for (guint i = 0, at = 0; i < G_N_ELEMENTS (known); i++)
    if (known[i].value) {
      metadata[at++] = known[i].key;
      metadata[at++] = known[i].value;
    }
  g_autofree ClipTensor *all = g_new (ClipTensor, n + 1);
  memcpy (all, tensors, n * sizeof *all);
  if (text->vocabulary) {
    ClipTensor *vocabulary = &all[n++];
    *vocabulary = (ClipTensor){ .name = "clip.tokenizer", .dtype = CLIP_DTYPE_U8, .n_dims = 1 };
    vocabulary->data = g_bytes_get_data (text->vocabulary, &vocabulary->size);
    vocabulary->shape[0] = vocabulary->size;
  }
  return clip_safetensors_write_from (path, all, n, metadata, source, data, error);
}

static int
compare_ids (gconstpointer a, gconstpointer b, gpointer vocabulary)
{
  const int x = GPOINTER_TO_INT (g_hash_table_lookup (vocabulary, a)),
            y = GPOINTER_TO_INT (g_hash_table_lookup (vocabulary, b));
  return (x > y) - (x < y);
}

/* The tokens of a vocab.json in the order of their ids, a line each. */
static GBytes *
tokens_in_order (const char *path, GError **error)
{
  g_autoptr (GBytes) json = clip_bytes_map (path, error);
  g_autoptr (GHashTable) vocabulary =
      json ? clip_tokenizer_vocabulary_from_file (json, path, error) : NULL;
  if (!vocabulary)
    return NULL;
  g_autoptr (GList) tokens = g_hash_table_get_keys (vocabulary);
  tokens = g_list_sort_with_data (tokens, compare_ids, vocabulary);
  GString *lines = g_string_new (NULL);
  for (const GList *token = tokens; token; token = token->next)
    g_string_append_printf (lines, "%s\n", (const char *) token->data);
  return g_string_free_to_bytes (lines);
}

/* The merges where they say all: where the ids are those that CLIP's order gives them. NULL without @error where not. */
static GBytes *
merges_alone (const char *merges_path, const char *vocab_path, GError **error)
{
  g_autoptr (GBytes) tokens = tokens_in_order (vocab_path, error);
  g_autoptr (GBytes) derived = tokens ? clip_tokens_to_merges (tokens, vocab_path, NULL) : NULL;
  g_autoptr (GBytes) merges = derived ? clip_bytes_map (merges_path, error) : NULL;
  if (!merges)
    return NULL;
  g_auto (GStrv) ours = clip_lines_split (derived, vocab_path, CLIP_ERROR_FORMAT, error);
  g_auto (GStrv) theirs = clip_lines_split (merges, merges_path, CLIP_ERROR_FORMAT, error);
  if (!theirs || !*theirs || g_strv_length (ours) != g_strv_length (theirs))
    return NULL;
  return g_strv_equal ((const char *const *) ours + 1, (const char *const *) theirs + 1)
             ? g_steal_pointer (&derived)
             : NULL;
}

GBytes *
clip_model_find_vocabulary (const ClipCheckpoint *checkpoint, const ClipStored *stored,
                            GError **error)
{
  static const char *const names[] = { "tokenizer.json", "spiece.model", "vocab.txt",
                                       "bpe_simple_vocab_16e6.txt",
                                       "bpe_simple_vocab_16e6.txt.gz" };
  const ClipTensor *own = clip_checkpoint_find (checkpoint, "clip.tokenizer"),
                   *tokens = clip_checkpoint_find (checkpoint, "clip.tokens");
  if (own && own->dtype == CLIP_DTYPE_U8)
    return g_bytes_new (own->data, own->size);
  if (tokens && tokens->dtype == CLIP_DTYPE_U8) {
    g_autoptr (GBytes) lines = g_bytes_new_static (tokens->data, tokens->size);
    return clip_tokens_to_merges (lines, clip_checkpoint_get_name (checkpoint), error);
  }
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = clip_stored_companion (stored, names[i]);
    if (path)
      return clip_bytes_map (path, error);
  }
  g_autofree char *merges_path = clip_stored_companion (stored, "merges.txt"),
                  *vocab_path = clip_stored_companion (stored, "vocab.json");
  if (merges_path && vocab_path) {
    g_autoptr (GError) problem = NULL;
    GBytes *merges = merges_alone (merges_path, vocab_path, &problem);
    if (problem)
      g_propagate_error (error, g_steal_pointer (&problem));
    if (merges || problem)
      return merges;
  }
  return clip_fail_null (
      error, CLIP_ERROR_TOKENIZER,
      "%s: its vocabulary is no single file that another could carry: expected a "
      "tokenizer.json, a vocab.txt or CLIP's merges",
      stored->directory ? stored->directory : stored->name);
}
