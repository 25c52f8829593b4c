/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tokenizer.json of Hugging Face's tokenizers → a tokenizer. What is read:
 *
 *   model           BPE over bytes (pre_tokenizer ByteLevel), WordPiece, Unigram (Metaspace, with WhitespaceSplit or without)
 *   normalizer      NFC NFD NFKC NFKD Lowercase StripAccents Strip BertNormalizer, Precompiled, Replace of several spaces by one,
 *                   and sequences of them
 *   post_processor  TemplateProcessing, RobertaProcessing, BertProcessing: the tokens at both ends
 *   added_tokens    cut out of the text before anything else; padding.pad_id
 *
 * A BPE model whose words end in "</w>" is CLIP's. For it OpenAI's own cleaning and pattern are used, not the file's
 * approximation of them (which leaves curly quotes, ligatures and "&amp;" as they are): that is how the weights were
 * trained. The file decides whether text is lower-cased, and gives the ids. What else a file asks for is refused.
 */
#include "core/base/error.h"
#include "core/text/normalize.h"
#include "core/text/tokenizer.h"

#include <math.h>
#include <string.h>

#define MAX_TOKENS (1 << 24) /* ids beyond are not from any tokenizer */

static gint32
lookup (GHashTable *vocabulary, const char *token)
{
  gpointer id;
  return token && g_hash_table_lookup_extended (vocabulary, token, NULL, &id) ? GPOINTER_TO_INT (id)
                                                                              : -1;
}

GHashTable *
clip_tokenizer_vocabulary_from_json (JsonObject *object, const char *name, GError **error)
{
  g_autoptr (GHashTable) vocabulary = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  JsonObjectIter iter;
  const char *token;
  JsonNode *node;
  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &token, &node)) {
    gint64 id = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64
                    ? json_node_get_int (node)
                    : -1;
    if (id < 0 || id >= MAX_TOKENS)
      return clip_fail_null (error, CLIP_ERROR_FORMAT,
                             "%s: token \"%.60s\": expected an id below %d", name, token,
                             MAX_TOKENS);
    g_hash_table_insert (vocabulary, g_strdup (token), GINT_TO_POINTER ((int) id));
  }
  return g_steal_pointer (&vocabulary);
}

/* -------------------------------------------------------------------------------------------------- small accessors */

/* "type" of @object, "" where there is none. */
static const char *
type_of (JsonObject *object)
{
  const char *type = "";
  clip_json_get_string (object, "type", &type, "", NULL);
  return type;
}

/* Calls @visit for @object, or for each of the objects in its array @list if it is a Sequence. */
typedef gboolean (*Visit) (ClipTokenizer *tokenizer, JsonObject *object, const char *name,
                           GError **error);

static gboolean
visit_sequence (ClipTokenizer *tokenizer, JsonObject *object, const char *list, Visit visit,
                const char *name, GError **error)
{
  JsonArray *array = NULL;
  if (!object)
    return TRUE;
  if (!g_str_equal (type_of (object), "Sequence"))
    return visit (tokenizer, object, name, error);
  if (!clip_json_get_array (object, list, &array, name, error))
    return FALSE;
  for (guint i = 0; array && i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    if (!JSON_NODE_HOLDS_OBJECT (node))
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: %s: expected objects", name, list);
    if (!visit_sequence (tokenizer, json_node_get_object (node), list, visit, name, error))
      return FALSE;
  }
  return TRUE;
}

/* ------------------------------------------------------------------------------------------------------- normalizer */

static gboolean
add_bert_normalizer (ClipTokenizer *tokenizer, JsonObject *object, const char *name, GError **error)
{
  gboolean clean = TRUE, ideographs = TRUE, lower = TRUE;
  if (!clip_json_get_boolean (object, "clean_text", &clean, name, error) ||
      !clip_json_get_boolean (object, "handle_chinese_chars", &ideographs, name, error) ||
      !clip_json_get_boolean (object, "lowercase", &lower, name, error))
    return FALSE;
  gboolean strip_accents = lower; /* unless said otherwise */
  if (!clip_json_get_boolean (object, "strip_accents", &strip_accents, name, error))
    return FALSE;
  clip_tokenizer_add_bert_normalizers (tokenizer, clean, ideographs, strip_accents, lower);
  return TRUE;
}

/* SentencePiece's table; it comes first of all. */
static gboolean
add_charsmap (ClipTokenizer *tokenizer, JsonObject *object, const char *name, GError **error)
{
  const char *text = NULL;
  if (!clip_json_get_string (object, "precompiled_charsmap", &text, name, error))
    return FALSE;
  if (!text || !*text) /* an empty one changes nothing */
    return TRUE;
  if (tokenizer->charsmap || tokenizer->normalizers->len > 0)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: normalizer \"Precompiled\" is supported only as the first", name);
  gsize size;
  guint8 *bytes = g_base64_decode (text, &size);
  tokenizer->charsmap = clip_charsmap_new (bytes, size);
  return tokenizer->charsmap ||
         clip_fail (error, CLIP_ERROR_FORMAT, "%s: precompiled_charsmap is damaged", name);
}

/* Strip at both ends, or only behind: what is in front is no token where a '▁' is put there anyway. */
static gboolean
add_strip (ClipTokenizer *tokenizer, JsonObject *object, const char *name, GError **error)
{
  gboolean left = TRUE, right = TRUE;
  if (!clip_json_get_boolean (object, "strip_left", &left, name, error) ||
      !clip_json_get_boolean (object, "strip_right", &right, name, error))
    return FALSE;
  if (!right)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: normalizer \"Strip\" is supported only with strip_right", name);
  clip_tokenizer_add_normalizer (tokenizer, left ? clip_normalize_strip : clip_normalize_strip_end);
  return TRUE;
}

static gboolean
add_replace (ClipTokenizer *tokenizer, JsonObject *object, const char *name, GError **error)
{
  JsonObject *pattern = NULL;
  const char *regex = "", *content = "";
  if (!clip_json_get_object (object, "pattern", &pattern, name, error) ||
      !clip_json_get_string (pattern, "Regex", &regex, name, error) ||
      !clip_json_get_string (object, "content", &content, name, error))
    return FALSE;
  const gboolean mark = g_str_equal (content, CLIP_WORD_MARK);
  if (!g_str_equal (regex, " {2,}") || !(mark || g_str_equal (content, " ")))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: normalizer \"Replace\" is supported only of \" {2,}\" by one space",
                      name);
  clip_tokenizer_add_normalizer (tokenizer,
                                 mark ? clip_normalize_squeeze_mark : clip_normalize_squeeze);
  return TRUE;
}

static gboolean
add_normalizer (ClipTokenizer *tokenizer, JsonObject *object, const char *name, GError **error)
{
  static const struct {
    const char *type;
    ClipNormalizer normalizer;
  } table[] = {
    { "NFC", clip_normalize_nfc },
    { "NFD", clip_normalize_nfd },
    { "NFKC", clip_normalize_nfkc },
    { "NFKD", clip_normalize_nfkd },
    { "Lowercase", clip_normalize_lower_each },
    { "StripAccents", clip_normalize_strip_marks },
  };
  static const struct {
    const char *type;
    gboolean (*add) (ClipTokenizer *, JsonObject *, const char *, GError **);
  } others[] = {
    { "BertNormalizer", add_bert_normalizer },
    { "Precompiled", add_charsmap },
    { "Strip", add_strip },
    { "Replace", add_replace },
  };
  const char *type = type_of (object);
  if (tokenizer->openai) {
    tokenizer->lower |= g_str_equal (type, "Lowercase");
    return TRUE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    if (g_str_equal (type, others[i].type))
      return others[i].add (tokenizer, object, name, error);
  }
  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    if (g_str_equal (type, table[i].type)) {
      clip_tokenizer_add_normalizer (tokenizer, table[i].normalizer);
      return TRUE;
    }
  }
  return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: normalizer \"%s\" is not supported", name,
                    type);
}

/* ---------------------------------------------------------------------------------------------------- pre-tokenizer */

/* With "first" only the text's first word has a '▁' that was no space, not what follows an added token: no text is known that would
 * have one. */
static gboolean
read_metaspace (ClipTokenizer *tokenizer, JsonObject *object, const char *name, GError **error)
{
  const char *mark = CLIP_WORD_MARK, *scheme = "always";
  gboolean prefix = TRUE, split = TRUE;
  if (!clip_json_get_string (object, "replacement", &mark, name, error) ||
      !clip_json_get_string (object, "prepend_scheme", &scheme, name, error) ||
      !clip_json_get_boolean (object, "add_prefix_space", &prefix, name, error) ||
      !clip_json_get_boolean (object, "split", &split, name, error))
    return FALSE;
  const gboolean first = g_str_equal (scheme, "first");
  if (!g_str_equal (mark, CLIP_WORD_MARK) || (first && tokenizer->split_spaces) || !split)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: pre_tokenizer \"Metaspace\" is supported only with \"" CLIP_WORD_MARK
                      "\" in front of each word, or of none",
                      name);
  tokenizer->prefix_space = prefix && !g_str_equal (scheme, "never");
  return TRUE;
}

static gboolean
read_pre_tokenizer (ClipTokenizer *tokenizer, JsonObject *object, const char *name, GError **error)
{
  const char *type = type_of (object);
  gboolean use_regex = TRUE;
  if (tokenizer->unigram && g_str_equal (type, "Metaspace"))
    return read_metaspace (tokenizer, object, name, error);
  if (tokenizer->unigram && g_str_equal (type, "WhitespaceSplit")) {
    tokenizer->split_spaces = TRUE;
    return TRUE;
  }
  if (tokenizer->bpe && g_str_equal (type, "ByteLevel")) {
    if (!clip_json_get_boolean (object, "add_prefix_space", &tokenizer->prefix_space, name,
                                error) ||
        !clip_json_get_boolean (object, "use_regex", &use_regex, name, error))
      return FALSE;
    tokenizer->byte_level = TRUE;
    if (use_regex || tokenizer->openai)
      return TRUE;
  }
  if ((tokenizer->bpe && tokenizer->openai && g_str_equal (type, "Split")) ||
      (tokenizer->wordpiece && g_str_equal (type, "BertPreTokenizer")))
    return TRUE;
  return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                    "%s: pre_tokenizer \"%s\" is not supported with this model", name, type);
}

/* ------------------------------------------------------------------------------------------------------------ model */

/* "left right" or ["left", "right"] → @merge, whose strings go to @strings. */
static gboolean
read_merge (ClipBpeMerge *merge, JsonNode *node, GStringChunk *strings)
{
  if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *pair = json_node_get_array (node);
    for (guint i = 0; i < 2; i++) {
      JsonNode *side = json_array_get_length (pair) == 2 ? json_array_get_element (pair, i) : NULL;
      if (!side || !JSON_NODE_HOLDS_VALUE (side) ||
          json_node_get_value_type (side) != G_TYPE_STRING)
        return FALSE;
      *(i == 0 ? &merge->left : &merge->right) = json_node_get_string (side);
    }
    return TRUE;
  }
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return FALSE;
  const char *text = json_node_get_string (node), *space = strchr (text, ' ');
  if (!space || space == text || !space[1] || strchr (space + 1, ' '))
    return FALSE;
  merge->left = g_string_chunk_insert_len (strings, text, space - text);
  merge->right = space + 1;
  return TRUE;
}

static gboolean
read_bpe (ClipTokenizer *tokenizer, JsonObject *model, GHashTable *vocabulary, const char *name,
          GError **error)
{
  JsonArray *array = NULL;
  const char *suffix = "", *prefix = "", *unknown = NULL;
  gboolean fuse = FALSE, byte_fallback = FALSE, ignore_merges = FALSE;
  if (!clip_json_get_array (model, "merges", &array, name, error) ||
      !clip_json_get_string (model, "end_of_word_suffix", &suffix, name, error) ||
      !clip_json_get_string (model, "continuing_subword_prefix", &prefix, name, error) ||
      !clip_json_get_string (model, "unk_token", &unknown, name, error) ||
      !clip_json_get_boolean (model, "fuse_unk", &fuse, name, error) ||
      !clip_json_get_boolean (model, "byte_fallback", &byte_fallback, name, error) ||
      !clip_json_get_boolean (model, "ignore_merges", &ignore_merges, name, error))
    return FALSE;
  if (*prefix || byte_fallback || ignore_merges || (*suffix && !g_str_equal (suffix, "</w>")))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: BPE with %s is not supported", name,
                      *prefix         ? "continuing_subword_prefix"
                      : byte_fallback ? "byte_fallback"
                      : ignore_merges ? "ignore_merges"
                                      : "such an end_of_word_suffix");

  guint n = array ? json_array_get_length (array) : 0;
  g_autofree ClipBpeMerge *merges = g_new0 (ClipBpeMerge, MAX (n, 1));
  g_autoptr (GStringChunk) strings = g_string_chunk_new (65536);
  for (guint i = 0; i < n; i++) {
    merges[i].line = i + 1;
    if (!read_merge (&merges[i], json_array_get_element (array, i), strings))
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: merge %u: expected two symbols", name,
                        i + 1);
  }
  tokenizer->openai = *suffix != '\0';
  tokenizer->bpe =
      clip_bpe_new (vocabulary, merges, n, suffix, lookup (vocabulary, unknown), fuse, name, error);
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
  gint32 id = lookup (vocabulary, unknown);
  if (id < 0)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: unk_token \"%s\" is not in the vocabulary",
                      name, unknown);
  tokenizer->wordpiece = clip_wordpiece_new (vocabulary, prefix, id, (guint) max_characters);
  return TRUE;
}

/* [[piece, score], …] → a model and the pieces' ids. */
static gboolean
read_unigram (ClipTokenizer *tokenizer, JsonObject *model, GHashTable **vocabulary,
              const char *name, GError **error)
{
  JsonArray *array = NULL;
  int unknown = -1;
  gboolean byte_fallback = FALSE;
  if (!clip_json_get_array (model, "vocab", &array, name, error) ||
      !clip_json_get_int (model, "unk_id", 0, MAX_TOKENS - 1, &unknown, name, error) ||
      !clip_json_get_boolean (model, "byte_fallback", &byte_fallback, name, error))
    return FALSE;
  if (byte_fallback)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: a unigram model with byte_fallback is not supported", name);
  const guint n = array ? json_array_get_length (array) : 0;
  if (n > MAX_TOKENS || unknown < 0 || (guint) unknown >= n)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: vocab has %u pieces, unk_id is %d, expected one of them", name, n,
                      unknown);
  g_autofree ClipUnigramPiece *pieces = g_new0 (ClipUnigramPiece, n);
  *vocabulary = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < n; i++) {
    JsonNode *node = json_array_get_element (array, i);
    JsonArray *pair = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
    JsonNode *piece = pair && json_array_get_length (pair) == 2 ? json_array_get_element (pair, 0)
                                                                : NULL,
             *score = piece ? json_array_get_element (pair, 1) : NULL;
    if (!piece || !JSON_NODE_HOLDS_VALUE (piece) ||
        json_node_get_value_type (piece) != G_TYPE_STRING || !JSON_NODE_HOLDS_VALUE (score) ||
        json_node_get_value_type (score) == G_TYPE_STRING)
      return clip_fail (error, CLIP_ERROR_FORMAT,
                        "%s: vocab: element %u: expected a piece and its score", name, i);
    pieces[i] = (ClipUnigramPiece){ json_node_get_string (piece), json_node_get_double (score) };
    if (!(fabs (pieces[i].score) < 1e9))
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: vocab: element %u: score %g", name, i,
                        pieces[i].score);
    g_hash_table_insert (*vocabulary, g_strdup (pieces[i].text), GINT_TO_POINTER ((int) i));
  }
  tokenizer->unigram = clip_unigram_new (pieces, n, unknown);
  return TRUE;
}

static gboolean
read_model (ClipTokenizer *tokenizer, JsonObject *model, GHashTable **vocabulary, const char *name,
            GError **error)
{
  JsonObject *vocab = NULL;
  const char *type = type_of (model);
  /* older files leave out the type of BPE */
  gboolean bpe = g_str_equal (type, "BPE") || (!*type && json_object_has_member (model, "merges"));
  if (g_str_equal (type, "Unigram"))
    return read_unigram (tokenizer, model, vocabulary, name, error);
  if (!bpe && !g_str_equal (type, "WordPiece"))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: model \"%s\" is not supported, only BPE, WordPiece and Unigram", name,
                      type);
  if (!clip_json_get_object (model, "vocab", &vocab, name, error))
    return FALSE;
  if (!vocab)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: model has no vocab", name);
  *vocabulary = clip_tokenizer_vocabulary_from_json (vocab, name, error);
  if (!*vocabulary)
    return FALSE;
  return bpe ? read_bpe (tokenizer, model, *vocabulary, name, error)
             : read_wordpiece (tokenizer, model, *vocabulary, name, error);
}

/* ------------------------------------------------------------------------------------------------- tokens around */

static gboolean
read_added_tokens (ClipTokenizer *tokenizer, JsonArray *array, const char *name, GError **error)
{
  for (guint i = 0; array && i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
    const char *content = "";
    int id = -1;
    gboolean left = FALSE, right = FALSE;
    if (!clip_json_get_string (object, "content", &content, name, error) ||
        !clip_json_get_boolean (object, "lstrip", &left, name, error) ||
        !clip_json_get_boolean (object, "rstrip", &right, name, error) ||
        !clip_json_get_int (object, "id", 0, MAX_TOKENS - 1, &id, name, error))
      return FALSE;
    if (!*content || id < 0)
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: added token %u: expected its content and id",
                        name, i + 1);
    ClipAddedToken *token = clip_tokenizer_add_token (tokenizer, content, id);
    token->strip_left = left;
    token->strip_right = right;
  }
  return TRUE;
}

/* The id of ["<s>", 0], -1 where there is none. */
static gboolean
read_pair (JsonObject *object, const char *member, gint32 *id, const char *name, GError **error)
{
  JsonArray *pair = NULL;
  if (!clip_json_get_array (object, member, &pair, name, error))
    return FALSE;
  JsonNode *node =
      pair && json_array_get_length (pair) == 2 ? json_array_get_element (pair, 1) : NULL;
  gint64 value =
      node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64
          ? json_node_get_int (node)
          : -1;
  if (value < 0 || value >= MAX_TOKENS)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: post_processor: expected \"%s\": [token, id]",
                      name, member);
  *id = (gint32) value;
  return TRUE;
}

/* The one id behind a SpecialToken of a template. */
static gboolean
template_token (JsonObject *processor, JsonObject *special, gint32 *id, const char *name,
                GError **error)
{
  JsonObject *tokens = NULL, *token = NULL;
  JsonArray *ids = NULL;
  const char *key = "";
  if (!clip_json_get_string (special, "id", &key, name, error) ||
      !clip_json_get_object (processor, "special_tokens", &tokens, name, error) ||
      !clip_json_get_object (tokens, key, &token, name, error) ||
      !clip_json_get_array (token, "ids", &ids, name, error))
    return FALSE;
  JsonNode *node = ids && json_array_get_length (ids) == 1 ? json_array_get_element (ids, 0) : NULL;
  gint64 value =
      node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64
          ? json_node_get_int (node)
          : -1;
  if (*id >= 0)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: post_processor puts several tokens on one side", name);
  if (value < 0 || value >= MAX_TOKENS)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: post_processor: special token \"%s\" has no id", name, key);
  *id = (gint32) value;
  return TRUE;
}

static gboolean
read_template (ClipTokenizer *tokenizer, JsonObject *processor, const char *name, GError **error)
{
  JsonArray *single = NULL;
  gboolean behind = FALSE;
  if (!clip_json_get_array (processor, "single", &single, name, error))
    return FALSE;
  for (guint i = 0; single && i < json_array_get_length (single); i++) {
    JsonNode *node = json_array_get_element (single, i);
    JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL,
               *special = NULL;
    if (!clip_json_get_object (object, "SpecialToken", &special, name, error))
      return FALSE;
    if (!special)
      behind = TRUE; /* the text itself */
    else if (!template_token (processor, special, behind ? &tokenizer->end : &tokenizer->start,
                              name, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_post_processor (ClipTokenizer *tokenizer, JsonObject *object, const char *name, GError **error)
{
  const char *type = type_of (object);
  if (g_str_equal (type, "ByteLevel")) /* offsets only */
    return TRUE;
  if (g_str_equal (type, "TemplateProcessing"))
    return read_template (tokenizer, object, name, error);
  if (g_str_equal (type, "RobertaProcessing") || g_str_equal (type, "BertProcessing"))
    return read_pair (object, "cls", &tokenizer->start, name, error) &&
           read_pair (object, "sep", &tokenizer->end, name, error);
  return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: post_processor \"%s\" is not supported",
                    name, type);
}

/* ------------------------------------------------------------------------------------------------------------- file */

static gboolean
read_tokenizer (ClipTokenizer *tokenizer, JsonObject *root, const char *name, GError **error)
{
  JsonObject *model = NULL, *normalizer = NULL, *pre_tokenizer = NULL, *post_processor = NULL,
             *padding = NULL;
  JsonArray *added = NULL;
  g_autoptr (GHashTable) vocabulary = NULL;
  if (!clip_json_get_object (root, "model", &model, name, error))
    return FALSE;
  if (!model)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: no model: not a tokenizer.json%s", name,
                      json_object_get_size (root) > 100
                          ? ", and a vocab.json needs the merges.txt beside it"
                          : "");
  if (!read_model (tokenizer, model, &vocabulary, name, error) ||
      !clip_json_get_object (root, "normalizer", &normalizer, name, error) ||
      !visit_sequence (tokenizer, normalizer, "normalizers", add_normalizer, name, error) ||
      !clip_json_get_object (root, "pre_tokenizer", &pre_tokenizer, name, error) ||
      !visit_sequence (tokenizer, pre_tokenizer, "pretokenizers", read_pre_tokenizer, name,
                       error) ||
      !clip_json_get_object (root, "post_processor", &post_processor, name, error) ||
      !visit_sequence (tokenizer, post_processor, "processors", read_post_processor, name, error) ||
      !clip_json_get_array (root, "added_tokens", &added, name, error) ||
      !read_added_tokens (tokenizer, added, name, error))
    return FALSE;
  if (tokenizer->bpe ? !tokenizer->byte_level : !pre_tokenizer)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: expected the pre_tokenizer %s", name,
                      tokenizer->bpe       ? "ByteLevel"
                      : tokenizer->unigram ? "Metaspace"
                                           : "BertPreTokenizer");

  if (tokenizer->openai && tokenizer->start < 0 && tokenizer->end < 0) { /* no post_processor */
    tokenizer->start = lookup (vocabulary, CLIP_START);
    tokenizer->end = lookup (vocabulary, CLIP_END);
  }
  if (tokenizer->openai && (tokenizer->start < 0 || tokenizer->end < 0))
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: CLIP's start and end tokens are not in it",
                      name);
  GHashTableIter iter;
  gpointer id;
  g_hash_table_iter_init (&iter, vocabulary);
  while (g_hash_table_iter_next (&iter, NULL, &id))
    tokenizer->vocab_size = MAX (tokenizer->vocab_size, GPOINTER_TO_INT (id) + 1);

  tokenizer->pad = MAX (MAX (lookup (vocabulary, "[PAD]"), lookup (vocabulary, "<pad>")), 0);
  return clip_json_get_object (root, "padding", &padding, name, error) &&
         clip_json_get_int (padding, "pad_id", 0, MAX_TOKENS - 1, &tokenizer->pad, name, error);
}

ClipTokenizer *
clip_tokenizer_from_json (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const char *text = g_bytes_get_data (bytes, &size);
  g_autoptr (JsonNode) root = clip_json_parse (text ? text : "", size, name, error);
  if (!root)
    return NULL;
  if (!JSON_NODE_HOLDS_OBJECT (root))
    return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: expected an object", name);
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_new ();
  if (!read_tokenizer (tokenizer, json_node_get_object (root), name, error))
    return NULL;
  return clip_tokenizer_finish (g_steal_pointer (&tokenizer), name, error);
}
