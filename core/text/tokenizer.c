/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text → token ids, the same for every vocabulary:
 *
 *   [start] + ids of the words of the normalised text + [end]
 *
 * What a word is: OpenAI's pattern for CLIP, GPT-2's for other byte-level encodings, white space and punctuation for
 * WordPiece. Added tokens ("<|endoftext|>", "[SEP]") in a text are single tokens.
 */
#include "core/text/tokenizer.h"
#include "core/base/error.h"
#include "core/text/normalize.h"

#include <string.h>

/* %s: added tokens. Caseless: after lower-casing that matters for "'ſ" alone. */
#define OPENAI_WORDS                                                                               \
  "(%s)|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^" CLIP_SPACE_CLASS "\\p{L}\\p{N}]+"
#define GPT2_WORDS                                                                                 \
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" CLIP_SPACE_CLASS                              \
  "\\p{L}\\p{N}]+|[" CLIP_SPACE_CLASS "]+(?![^" CLIP_SPACE_CLASS "])|[" CLIP_SPACE_CLASS "]+"

/* ---------------------------------------------------------------------------------------------------------- object */

ClipTokenizer *
clip_tokenizer_new (void)
{
  ClipTokenizer *tokenizer = g_new0 (ClipTokenizer, 1);
  g_atomic_ref_count_init (&tokenizer->references);
  tokenizer->start = tokenizer->end = -1;
  tokenizer->normalizers = g_array_new (FALSE, FALSE, sizeof (ClipNormalizer));
  tokenizer->added_ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return tokenizer;
}

ClipTokenizer *
clip_tokenizer_ref (ClipTokenizer *tokenizer)
{
  g_return_val_if_fail (tokenizer, NULL);
  g_atomic_ref_count_inc (&tokenizer->references);
  return tokenizer;
}

void
clip_tokenizer_unref (ClipTokenizer *tokenizer)
{
  g_return_if_fail (tokenizer);
  if (!g_atomic_ref_count_dec (&tokenizer->references))
    return;
  g_clear_pointer (&tokenizer->added, g_regex_unref);
  g_clear_pointer (&tokenizer->words, g_regex_unref);
  g_clear_pointer (&tokenizer->bpe, clip_bpe_free);
  g_clear_pointer (&tokenizer->wordpiece, clip_wordpiece_free);
  g_array_unref (tokenizer->normalizers);
  g_hash_table_unref (tokenizer->added_ids);
  g_free (tokenizer);
}

void
clip_tokenizer_add_token (ClipTokenizer *tokenizer, const char *token, gint32 id)
{
  /* OpenAI's pattern is matched against lower-cased text, whatever the case */
  char *key = tokenizer->openai ? clip_normalize_lower (token, TRUE) : g_strdup (token);
  g_hash_table_insert (tokenizer->added_ids, key, GINT_TO_POINTER (id));
  tokenizer->vocab_size = MAX (tokenizer->vocab_size, id + 1);
}

void
clip_tokenizer_add_normalizer (ClipTokenizer *tokenizer, ClipNormalizer normalizer)
{
  g_array_append_val (tokenizer->normalizers, normalizer);
}

char *
clip_normalize_lower_each (const char *text)
{
  return clip_normalize_lower (text, FALSE);
}

void
clip_tokenizer_add_bert_normalizers (ClipTokenizer *tokenizer, gboolean clean, gboolean ideographs,
                                     gboolean strip_accents, gboolean lower)
{
  if (clean)
    clip_tokenizer_add_normalizer (tokenizer, clip_normalize_bert_clean);
  if (ideographs)
    clip_tokenizer_add_normalizer (tokenizer, clip_normalize_bert_ideographs);
  if (strip_accents) {
    clip_tokenizer_add_normalizer (tokenizer, clip_normalize_nfd);
    clip_tokenizer_add_normalizer (tokenizer, clip_normalize_strip_marks);
  }
  if (lower)
    clip_tokenizer_add_normalizer (tokenizer, clip_normalize_lower_each);
}

static int
longer_first (gconstpointer a, gconstpointer b)
{
  const char *x = *(const char *const *) a, *y = *(const char *const *) b;
  gsize n = strlen (x), m = strlen (y);
  return n != m ? (n < m) - (n > m) : strcmp (x, y);
}

/* "a\.b|c": the added tokens, the longer ones first, since the first alternative that matches is taken. */
static char *
added_pattern (const ClipTokenizer *tokenizer)
{
  guint n;
  g_autofree const char **tokens =
      (const char **) g_hash_table_get_keys_as_array (tokenizer->added_ids, &n);
  g_autoptr (GString) pattern = g_string_new (NULL);
  qsort (tokens, n, sizeof *tokens, longer_first);
  for (guint i = 0; i < n; i++) {
    g_autofree char *escaped = g_regex_escape_string (tokens[i], -1);
    g_string_append_printf (pattern, "%s%s", i > 0 ? "|" : "", escaped);
  }
  return g_string_free (g_steal_pointer (&pattern), FALSE);
}

ClipTokenizer *
clip_tokenizer_finish (ClipTokenizer *tokenizer, const char *name, GError **error)
{
  g_autoptr (ClipTokenizer) self = tokenizer;
  g_autoptr (GError) refused = NULL;
  const gint32 largest = MAX (MAX (self->start, self->end), self->pad);
  if (largest >= self->vocab_size)
    return clip_fail_null (error, CLIP_ERROR_FORMAT,
                           "%s: start, end or padding token has the id %d, expected one below %d",
                           name, largest, self->vocab_size);
  g_autofree char *added = added_pattern (self);
  g_autofree char *words = self->openai ? g_strdup_printf (OPENAI_WORDS, added) : NULL;
  /* no G_REGEX_OPTIMIZE: the first match would compile the pattern further, and threads share it */
  if (self->bpe)
    self->words =
        g_regex_new (words ? words : GPT2_WORDS, words ? G_REGEX_CASELESS : 0, 0, &refused);
  if (!refused && !self->openai && *added)
    self->added = g_regex_new (added, 0, 0, &refused);
  if (refused)
    return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: added tokens: %s", name,
                           refused->message);
  return g_steal_pointer (&self);
}

const char *
clip_tokenizer_get_kind (const ClipTokenizer *tokenizer)
{
  return tokenizer->bpe ? "bpe" : "wordpiece";
}

int
clip_tokenizer_get_vocab_size (const ClipTokenizer *tokenizer)
{
  return tokenizer->vocab_size;
}

gint32
clip_tokenizer_get_start (const ClipTokenizer *tokenizer)
{
  return tokenizer->start;
}

gint32
clip_tokenizer_get_end (const ClipTokenizer *tokenizer)
{
  return tokenizer->end;
}

gint32
clip_tokenizer_get_pad (const ClipTokenizer *tokenizer)
{
  return tokenizer->pad;
}

/* ---------------------------------------------------------------------------------------------------------- encode */

static char *
normalize (const ClipTokenizer *tokenizer, const char *text)
{
  if (tokenizer->openai)
    return clip_normalize_openai (text, tokenizer->lower);
  char *result = g_strdup (text);
  for (guint i = 0; i < tokenizer->normalizers->len; i++) {
    char *next = g_array_index (tokenizer->normalizers, ClipNormalizer, i) (result);
    g_free (result);
    result = next;
  }
  if (tokenizer->prefix_space && *result && *result != ' ') {
    char *spaced = g_strconcat (" ", result, NULL);
    g_free (result);
    result = spaced;
  }
  return result;
}

/* The id of the added token @text[0 … length). */
static gint32
added_id (const ClipTokenizer *tokenizer, const char *text, gsize length)
{
  g_autofree char *token = g_strndup (text, length);
  g_autofree char *lower = tokenizer->openai ? clip_normalize_lower (token, TRUE) : NULL;
  return GPOINTER_TO_INT (g_hash_table_lookup (tokenizer->added_ids, lower ? lower : token));
}

static void
encode_plain (const ClipTokenizer *tokenizer, GArray *ids, const char *text)
{
  g_autofree char *normal = normalize (tokenizer, text);
  if (tokenizer->wordpiece) {
    clip_wordpiece_encode (tokenizer->wordpiece, ids, normal);
    return;
  }
  g_autoptr (GMatchInfo) match = NULL;
  g_regex_match (tokenizer->words, normal, 0, &match);
  for (; g_match_info_matches (match); g_match_info_next (match, NULL)) {
    int from, to;
    if (tokenizer->openai && g_match_info_fetch_pos (match, 1, &from, &to) && from >= 0 &&
        to > from) {
      gint32 id = added_id (tokenizer, normal + from, (gsize) (to - from));
      g_array_append_val (ids, id);
    } else if (g_match_info_fetch_pos (match, 0, &from, &to)) {
      clip_bpe_encode (tokenizer->bpe, ids, normal + from, (gsize) (to - from));
    }
  }
}

/* Cuts out added tokens, encodes what lies between. */
static void
encode_text (const ClipTokenizer *tokenizer, GArray *ids, const char *text)
{
  g_autoptr (GMatchInfo) match = NULL;
  int done = 0, from, to;
  if (tokenizer->added)
    g_regex_match (tokenizer->added, text, 0, &match);
  for (; match && g_match_info_matches (match); g_match_info_next (match, NULL), done = to) {
    g_match_info_fetch_pos (match, 0, &from, &to);
    g_autofree char *between = g_strndup (text + done, (gsize) (from - done));
    encode_plain (tokenizer, ids, between);
    gint32 id = added_id (tokenizer, text + from, (gsize) (to - from));
    g_array_append_val (ids, id);
  }
  encode_plain (tokenizer, ids, text + done);
}

GArray *
clip_tokenizer_encode (const ClipTokenizer *tokenizer, const char *text)
{
  g_return_val_if_fail (tokenizer && text, NULL);
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autofree char *valid = g_utf8_validate (text, -1, NULL) ? NULL : g_utf8_make_valid (text, -1);
  if (tokenizer->start >= 0)
    g_array_append_val (ids, tokenizer->start);
  encode_text (tokenizer, ids, valid ? valid : text);
  if (tokenizer->end >= 0)
    g_array_append_val (ids, tokenizer->end);
  return ids;
}

int
clip_tokenizer_encode_padded (const ClipTokenizer *tokenizer, gint32 *tokens, int context_length,
                              const char *text, gboolean *truncated)
{
  g_return_val_if_fail (tokenizer && tokens && text && context_length > 0, 0);
  g_autoptr (GArray) ids = clip_tokenizer_encode (tokenizer, text);
  int n = (int) MIN (ids->len, (guint) context_length);
  for (int i = 0; i < context_length; i++)
    tokens[i] = i < n ? g_array_index (ids, gint32, i) : tokenizer->pad;
  if (truncated)
    *truncated = ids->len > (guint) context_length;
  if (ids->len > (guint) context_length && tokenizer->end >= 0)
    tokens[n - 1] = tokenizer->end;
  return n;
}
