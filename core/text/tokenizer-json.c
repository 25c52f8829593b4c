/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tokenizer.json of Hugging Face's tokenizers → a tokenizer. What is read:
 *
 *   model           BPE over bytes (pre_tokenizer ByteLevel) or characters (byte_fallback, spaces replaced by '▁'), WordPiece, Unigram (Metaspace, with WhitespaceSplit or without):
 *                   tokenizer-model.c
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

#include <string.h>

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
  const char *regex = "", *string = "", *content = "";
  if (!clip_json_get_object (object, "pattern", &pattern, name, error) ||
      !clip_json_get_string (pattern, "Regex", &regex, name, error) ||
      !clip_json_get_string (pattern, "String", &string, name, error) ||
      !clip_json_get_string (object, "content", &content, name, error))
    return FALSE;
  const gboolean mark = g_str_equal (content, CLIP_WORD_MARK);
  if (tokenizer->characters && mark && g_str_equal (string, " ")) {
    clip_tokenizer_add_normalizer (tokenizer, clip_normalize_mark);
    tokenizer->marked = TRUE;
    return TRUE;
  }
  if (!g_str_equal (regex, " {2,}") || !(mark || g_str_equal (content, " ")))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: normalizer \"Replace\" is supported only of \" {2,}\" by one space, and "
                      "for BPE with byte_fallback of \" \" by \"" CLIP_WORD_MARK "\"",
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
  /* at spaces, of which none is left */
  if (tokenizer->marked && g_str_equal (type, "Split")) {
    JsonObject *pattern = NULL;
    const char *string = "";
    if (!clip_json_get_object (object, "pattern", &pattern, name, error) ||
        !clip_json_get_string (pattern, "String", &string, name, error))
      return FALSE;
    if (g_str_equal (string, " "))
      return TRUE;
  }
  if (tokenizer->bpe && !tokenizer->characters && g_str_equal (type, "ByteLevel")) {
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
        !clip_json_get_int (object, "id", 0, CLIP_MAX_TOKENS - 1, &id, name, error))
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
  if (value < 0 || value >= CLIP_MAX_TOKENS)
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
  if (value < 0 || value >= CLIP_MAX_TOKENS)
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
read_tokenizer (ClipTokenizer *tokenizer, JsonObject *root, ClipJsonReader lists[CLIP_LIST_N],
                const char *name, GError **error)
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
  if (!clip_tokenizer_read_model (tokenizer, model, lists, &vocabulary, name, error) ||
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
  if (tokenizer->characters && !tokenizer->marked)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: BPE with byte_fallback: expected the normalizer Replace of \" \" by "
                      "\"" CLIP_WORD_MARK "\"",
                      name);
  if (!tokenizer->characters && (tokenizer->bpe ? !tokenizer->byte_level : !pre_tokenizer))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: expected the pre_tokenizer %s", name,
                      tokenizer->bpe       ? "ByteLevel"
                      : tokenizer->unigram ? "Metaspace"
                                           : "BertPreTokenizer");

  if (tokenizer->openai && tokenizer->start < 0 && tokenizer->end < 0) { /* no post_processor */
    tokenizer->start = clip_vocabulary_find (vocabulary, CLIP_START);
    tokenizer->end = clip_vocabulary_find (vocabulary, CLIP_END);
  }
  if (tokenizer->openai && (tokenizer->start < 0 || tokenizer->end < 0))
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: CLIP's start and end tokens are not in it",
                      name);
  GHashTableIter iter;
  gpointer id;
  g_hash_table_iter_init (&iter, vocabulary);
  while (g_hash_table_iter_next (&iter, NULL, &id))
    tokenizer->vocab_size = MAX (tokenizer->vocab_size, GPOINTER_TO_INT (id) + 1);

  tokenizer->pad = MAX (
      MAX (clip_vocabulary_find (vocabulary, "[PAD]"), clip_vocabulary_find (vocabulary, "<pad>")),
      0);
  return clip_json_get_object (root, "padding", &padding, name, error) &&
         clip_json_get_int (padding, "pad_id", 0, CLIP_MAX_TOKENS - 1, &tokenizer->pad, name,
                            error);
}

ClipTokenizer *
clip_tokenizer_from_json (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const char *text = g_bytes_get_data (bytes, &size);
  ClipJsonReader lists[CLIP_LIST_N];
  g_autoptr (JsonNode) root = clip_json_parse_apart (
      text ? text : "", size, "model", clip_tokenizer_lists, lists, CLIP_LIST_N, name, error);
  if (!root)
    return NULL;
  if (!JSON_NODE_HOLDS_OBJECT (root))
    return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: expected an object", name);
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_new ();
  if (!read_tokenizer (tokenizer, json_node_get_object (root), lists, name, error))
    return NULL;
  return clip_tokenizer_finish (g_steal_pointer (&tokenizer), name, error);
}
