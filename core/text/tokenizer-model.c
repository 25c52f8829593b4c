/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The model of a tokenizer.json: its vocabulary, and how words are cut by it. The two lists that make up nearly all of a file are
 * read from its text as they stand, without a tree.
 *
 *   BPE         vocab { symbol: id }, merges [ "left right" | [left, right] … ], in the byte alphabet; with byte_fallback of
 *               characters
 *   WordPiece   vocab { piece: id }
 *   Unigram     vocab [ [piece, score] … ], whose ids are their places
 */
#include "core/base/error.h"
#include "core/text/tokenizer.h"

#include <math.h>
#include <string.h>

const char *const clip_tokenizer_lists[CLIP_LIST_N] = { "vocab", "merges" };

GHashTable *
clip_tokenizer_vocabulary_from_json (ClipJsonReader *reader, const char *name, GError **error)
{
  g_autoptr (GHashTable) vocabulary = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const ClipJsonToken first = clip_json_next (reader);
  if (first != CLIP_JSON_OBJECT)
    return clip_fail_null (error, CLIP_ERROR_CONFIG,
                           "%s: vocab is %s, expected an object of tokens and ids", name,
                           clip_json_token_name (first));
  while (clip_json_next (reader) == CLIP_JSON_STRING) {
    g_autofree char *token = clip_json_dup_string (reader);
    int id;
    if (clip_json_next (reader) != CLIP_JSON_NUMBER ||
        !clip_json_read_index (reader, CLIP_MAX_TOKENS - 1, &id))
      return clip_fail_null (error, CLIP_ERROR_FORMAT,
                             "%s: token \"%.60s\": expected an id below %d", name, token,
                             CLIP_MAX_TOKENS);
    g_hash_table_insert (vocabulary, g_steal_pointer (&token), GINT_TO_POINTER (id));
  }
  return g_steal_pointer (&vocabulary);
}

GHashTable *
clip_tokenizer_vocabulary_from_file (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const char *text = g_bytes_get_data (bytes, &size);
  ClipJsonReader reader;
  return clip_json_read (&reader, text ? text : "", size, name, error)
             ? clip_tokenizer_vocabulary_from_json (&reader, name, error)
             : NULL;
}

/* ------------------------------------------------------------------------------------------------------------ models */

/* "left right" or ["left", "right"], whose token @reader has read, → @merge, with what is kept in @strings. */
static gboolean
read_merge (ClipBpeMerge *merge, ClipJsonReader *reader, ClipJsonToken token, GStringChunk *strings)
{
  const char **const sides[] = { &merge->left, &merge->right };
  if (token == CLIP_JSON_ARRAY) {
    for (guint i = 0; i < G_N_ELEMENTS (sides); i++) {
      if (clip_json_next (reader) != CLIP_JSON_STRING)
        return FALSE;
      *sides[i] = clip_json_keep_string (reader, strings);
    }
    return clip_json_next (reader) == CLIP_JSON_CLOSE;
  }
  if (token != CLIP_JSON_STRING)
    return FALSE;
  const char *text = clip_json_keep_string (reader, strings), *space = strchr (text, ' ');
  if (!space || space == text || !space[1] || strchr (space + 1, ' '))
    return FALSE;
  merge->left = g_string_chunk_insert_len (strings, text, space - text);
  merge->right = space + 1;
  return TRUE;
}

/* Of ClipBpeMerge; none where @reader has nothing to read. */
static GArray *
read_merges (ClipJsonReader *reader, GStringChunk *strings, const char *name, GError **error)
{
  g_autoptr (GArray) merges = g_array_new (FALSE, FALSE, sizeof (ClipBpeMerge));
  const ClipJsonToken first = reader->p ? clip_json_next (reader) : CLIP_JSON_ARRAY;
  if (first != CLIP_JSON_ARRAY)
    return clip_fail_null (error, CLIP_ERROR_CONFIG, "%s: merges is %s, expected an array", name,
                           clip_json_token_name (first));
  for (ClipJsonToken token; reader->p && (token = clip_json_next (reader)) != CLIP_JSON_CLOSE;) {
    ClipBpeMerge merge = { .line = merges->len + 1 };
    if (!read_merge (&merge, reader, token, strings))
      return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: merge %u: expected two symbols", name,
                             merge.line);
    g_array_append_val (merges, merge);
  }
  return g_steal_pointer (&merges);
}

static gboolean
read_bpe (ClipTokenizer *tokenizer, JsonObject *model, ClipJsonReader *list, GHashTable *vocabulary,
          const char *name, GError **error)
{
  const char *suffix = "", *prefix = "", *unknown = NULL;
  gboolean fuse = FALSE, byte_fallback = FALSE, ignore_merges = FALSE;
  if (!clip_json_get_string (model, "end_of_word_suffix", &suffix, name, error) ||
      !clip_json_get_string (model, "continuing_subword_prefix", &prefix, name, error) ||
      !clip_json_get_string (model, "unk_token", &unknown, name, error) ||
      !clip_json_get_boolean (model, "fuse_unk", &fuse, name, error) ||
      !clip_json_get_boolean (model, "byte_fallback", &byte_fallback, name, error) ||
      !clip_json_get_boolean (model, "ignore_merges", &ignore_merges, name, error))
    return FALSE;
  if (*prefix || ignore_merges || (*suffix && (byte_fallback || !g_str_equal (suffix, "</w>"))))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: BPE with %s is not supported", name,
                      *prefix         ? "continuing_subword_prefix"
                      : ignore_merges ? "ignore_merges"
                                      : "such an end_of_word_suffix");

  g_autoptr (GStringChunk) strings = g_string_chunk_new (65536);
  g_autoptr (GArray) merges = read_merges (list, strings, name, error);
  if (!merges)
    return FALSE;
  const ClipBpeMerge *table = (const ClipBpeMerge *) (void *) merges->data;
  const gint32 id = clip_vocabulary_find (vocabulary, unknown);
  tokenizer->openai = *suffix != '\0';
  tokenizer->characters = byte_fallback;
  tokenizer->bpe =
      byte_fallback
          ? clip_bpe_new_characters (vocabulary, table, merges->len, id, fuse, name, error)
          : clip_bpe_new (vocabulary, table, merges->len, suffix, id, fuse, name, error);
  return tokenizer->bpe != NULL;
}

static gboolean
read_wordpiece (ClipTokenizer *tokenizer, JsonObject *model, GHashTable *vocabulary,
                const char *name, GError **error)
{
  const char *prefix = "##", *unknown = "[UNK]";
  int max_characters = 100;
  if (!clip_json_get_string (model, "continuing_subword_prefix", &prefix, name, error) ||
      !clip_json_get_string (model, "unk_token", &unknown, name, error) ||
      !clip_json_get_int (model, "max_input_chars_per_word", 1, 1 << 16, &max_characters, name,
                          error))
    return FALSE;
  gint32 id = clip_vocabulary_find (vocabulary, unknown);
  if (id < 0)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: unk_token \"%s\" is not in the vocabulary",
                      name, unknown);
  tokenizer->wordpiece = clip_wordpiece_new (vocabulary, prefix, id, (guint) max_characters);
  return TRUE;
}

/* [[piece, score], …] → @pieces, of ClipUnigramPiece, whose texts are kept in @strings. */
static gboolean
read_pieces (GArray *pieces, ClipJsonReader *reader, GStringChunk *strings, const char *name,
             GError **error)
{
  const ClipJsonToken first = reader->p ? clip_json_next (reader) : CLIP_JSON_ARRAY;
  if (first != CLIP_JSON_ARRAY)
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: vocab is %s, expected an array", name,
                      clip_json_token_name (first));
  for (ClipJsonToken token; reader->p && (token = clip_json_next (reader)) != CLIP_JSON_CLOSE;) {
    ClipUnigramPiece piece = { 0 };
    gboolean good = token == CLIP_JSON_ARRAY && clip_json_next (reader) == CLIP_JSON_STRING;
    if (good)
      piece.text = clip_json_keep_string (reader, strings);
    good = good && clip_json_next (reader) == CLIP_JSON_NUMBER;
    if (good)
      piece.score = clip_json_read_number (reader);
    if (!good || clip_json_next (reader) != CLIP_JSON_CLOSE)
      return clip_fail (error, CLIP_ERROR_FORMAT,
                        "%s: vocab: element %u: expected a piece and its score", name, pieces->len);
    if (!(fabs (piece.score) < 1e9))
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: vocab: element %u: score %g", name,
                        pieces->len, piece.score);
    g_array_append_val (pieces, piece);
  }
  return TRUE;
}

/* Of @vocabulary only those that may have a meaning beyond that of a piece: "<pad>", "[PAD]". */
static gboolean
read_unigram (ClipTokenizer *tokenizer, JsonObject *model, ClipJsonReader *list,
              GHashTable **vocabulary, const char *name, GError **error)
{
  int unknown = -1;
  gboolean byte_fallback = FALSE;
  if (!clip_json_get_int (model, "unk_id", 0, CLIP_MAX_TOKENS - 1, &unknown, name, error) ||
      !clip_json_get_boolean (model, "byte_fallback", &byte_fallback, name, error))
    return FALSE;
  if (byte_fallback)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: a unigram model with byte_fallback is not supported", name);
  g_autoptr (GArray) pieces = g_array_new (FALSE, FALSE, sizeof (ClipUnigramPiece));
  g_autoptr (GStringChunk) strings = g_string_chunk_new (65536);
  if (!read_pieces (pieces, list, strings, name, error))
    return FALSE;
  if (pieces->len > CLIP_MAX_TOKENS || unknown < 0 || (guint) unknown >= pieces->len)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: vocab has %u pieces, unk_id is %d, expected one of them", name,
                      pieces->len, unknown);
  *vocabulary = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < pieces->len; i++) {
    const char *text = g_array_index (pieces, ClipUnigramPiece, i).text;
    if (*text == '<' || *text == '[')
      g_hash_table_insert (*vocabulary, g_strdup (text), GINT_TO_POINTER ((int) i));
  }
  tokenizer->vocab_size = (int) pieces->len;
  tokenizer->unigram =
      clip_unigram_new ((const ClipUnigramPiece *) (void *) pieces->data, pieces->len, unknown);
  return TRUE;
}

gboolean
clip_tokenizer_read_model (ClipTokenizer *tokenizer, JsonObject *model,
                           ClipJsonReader lists[CLIP_LIST_N], GHashTable **vocabulary,
                           const char *name, GError **error)
{
  const char *type = "";
  if (!clip_json_get_string (model, "type", &type, name, error))
    return FALSE;
  /* older files leave out the type of BPE */
  const gboolean bpe = g_str_equal (type, "BPE") || (!*type && lists[CLIP_LIST_MERGES].p);
  if (g_str_equal (type, "Unigram"))
    return read_unigram (tokenizer, model, &lists[CLIP_LIST_VOCAB], vocabulary, name, error);
  if (!bpe && !g_str_equal (type, "WordPiece"))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: model \"%s\" is not supported, only BPE, WordPiece and Unigram", name,
                      type);
  if (!lists[CLIP_LIST_VOCAB].p)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: model has no vocab", name);
  *vocabulary = clip_tokenizer_vocabulary_from_json (&lists[CLIP_LIST_VOCAB], name, error);
  if (!*vocabulary)
    return FALSE;
  return bpe ? read_bpe (tokenizer, model, &lists[CLIP_LIST_MERGES], *vocabulary, name, error)
             : read_wordpiece (tokenizer, model, *vocabulary, name, error);
}
