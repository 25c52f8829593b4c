/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text → token ids, the same for every vocabulary:
 *
 *   [start] + ids of the words of the normalised text + [end]
 *
 * What a word is: OpenAI's pattern for CLIP, GPT-2's for other byte-level encodings, white space and punctuation for
 * WordPiece; for a unigram model a '▁', which stands for a space, and what follows it; all of it for a byte-pair encoding of characters. Added tokens ("<|endoftext|>", "[SEP]") in a text are single tokens.
 */
#include "core/text/tokenizer.h"
#include "core/base/error.h"
#include "core/text/normalize.h"

#include <string.h>

/* ---------------------------------------------------------------------------------------------------------- object */

static void
clear_added (gpointer token)
{
  g_free (((ClipAddedToken *) token)->text);
}

ClipTokenizer *
clip_tokenizer_new (void)
{
  ClipTokenizer *tokenizer = g_new0 (ClipTokenizer, 1);
  g_atomic_ref_count_init (&tokenizer->references);
  tokenizer->start = tokenizer->end = -1;
  tokenizer->normalizers = g_array_new (FALSE, FALSE, sizeof (ClipNormalizer));
  tokenizer->added = g_array_new (FALSE, FALSE, sizeof (ClipAddedToken));
  g_array_set_clear_func (tokenizer->added, clear_added);
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
  g_clear_pointer (&tokenizer->bpe, clip_bpe_free);
  g_clear_pointer (&tokenizer->wordpiece, clip_wordpiece_free);
  g_clear_pointer (&tokenizer->unigram, clip_unigram_free);
  g_clear_pointer (&tokenizer->charsmap, clip_charsmap_free);
  g_array_unref (tokenizer->normalizers);
  g_array_unref (tokenizer->added);
  g_free (tokenizer);
}

ClipAddedToken *
clip_tokenizer_add_token (ClipTokenizer *tokenizer, const char *token, gint32 id)
{
  const ClipAddedToken added = { g_strdup (token), strlen (token), id, FALSE, FALSE };
  g_array_append_val (tokenizer->added, added);
  tokenizer->added_starts[(guint8) *token] = 1;
  if (tokenizer->openai) { /* found in any case */
    tokenizer->added_starts[(guint8) g_ascii_tolower (*token)] = 1;
    tokenizer->added_starts[(guint8) g_ascii_toupper (*token)] = 1;
  }
  tokenizer->vocab_size = MAX (tokenizer->vocab_size, id + 1);
  return &g_array_index (tokenizer->added, ClipAddedToken, tokenizer->added->len - 1);
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
  const ClipAddedToken *x = a, *y = b;
  return x->length != y->length ? (x->length < y->length) - (x->length > y->length)
                                : strcmp (x->text, y->text);
}

ClipTokenizer *
clip_tokenizer_finish (ClipTokenizer *tokenizer, const char *name, GError **error)
{
  g_autoptr (ClipTokenizer) self = tokenizer;
  const gint32 largest = MAX (MAX (self->start, self->end), self->pad);
  if (largest >= self->vocab_size)
    return clip_fail_null (error, CLIP_ERROR_FORMAT,
                           "%s: start, end or padding token has the id %d, expected one below %d",
                           name, largest, self->vocab_size);
  g_array_sort (self->added, longer_first);
  if (self->bpe)
    self->words = self->openai ? clip_words_openai : clip_words_gpt2;
  return g_steal_pointer (&self);
}

void
clip_tokenizer_adapt (ClipTokenizer *tokenizer, ClipClean clean, gboolean no_end)
{
  tokenizer->clean = clean;
  if (clean == CLIP_CLEAN_CANONICAL && tokenizer->unigram && tokenizer->end >= 0)
    tokenizer->pad = tokenizer->end;
  if (no_end && tokenizer->end >= 0)
    tokenizer->end = tokenizer->pad;
}

const char *
clip_tokenizer_get_kind (const ClipTokenizer *tokenizer)
{
  return tokenizer->bpe ? "bpe" : tokenizer->unigram ? "unigram" : "wordpiece";
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
  char *result =
      tokenizer->charsmap ? clip_charsmap_apply (tokenizer->charsmap, text) : g_strdup (text);
  for (guint i = 0; i < tokenizer->normalizers->len; i++) {
    char *next = g_array_index (tokenizer->normalizers, ClipNormalizer, i) (result);
    g_free (result);
    result = next;
  }
  if (tokenizer->bpe && tokenizer->prefix_space && *result && *result != ' ') {
    char *spaced = g_strconcat (" ", result, NULL);
    g_free (result);
    result = spaced;
  }
  return result;
}

/* The added token that @text begins with, or NULL. */
static const ClipAddedToken *
find_added (const ClipTokenizer *tokenizer, const char *text)
{
  if (!tokenizer->added_starts[(guint8) *text])
    return NULL;
  for (guint i = 0; i < tokenizer->added->len; i++) {
    const ClipAddedToken *added = &g_array_index (tokenizer->added, ClipAddedToken, i);
    if (tokenizer->openai ? g_ascii_strncasecmp (text, added->text, added->length) == 0
                          : strncmp (text, added->text, added->length) == 0)
      return added;
  }
  return NULL;
}

/* @text is normal: a '▁' in front of it, and for each space. */
static void
encode_whole (const ClipTokenizer *tokenizer, GArray *ids, const char *text)
{
  g_autoptr (GString) marked = g_string_new (NULL);
  if (*text && tokenizer->prefix_space)
    g_string_append (marked, CLIP_WORD_MARK);
  for (; *text; text++) {
    if (*text == ' ')
      g_string_append (marked, CLIP_WORD_MARK);
    else
      g_string_append_c (marked, *text);
  }
  clip_unigram_encode (tokenizer->unigram, ids, marked->str, marked->len);
}

/* @text is normal. Each '▁' begins a word, whether it was a space or not. */
static void
encode_unigram (const ClipTokenizer *tokenizer, GArray *ids, const char *text)
{
  g_autoptr (GString) marked = g_string_new (NULL);
  gboolean inside = FALSE; /* a word, with @split_spaces */
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    const gboolean space =
        tokenizer->split_spaces ? clip_is_space (g_utf8_get_char (p)) : *p == ' ';
    const gboolean mark = g_str_has_prefix (p, CLIP_WORD_MARK);
    const gboolean first = tokenizer->split_spaces ? !inside : p == text;
    if (first && !space && !mark && tokenizer->prefix_space)
      g_string_append (marked, CLIP_WORD_MARK);
    if (space && !tokenizer->split_spaces)
      g_string_append (marked, CLIP_WORD_MARK);
    else if (!space)
      g_string_append_len (marked, p, g_utf8_next_char (p) - p);
    inside = !space;
  }
  for (const char *word = marked->str; *word;) {
    const char *next = strstr (word + 1, CLIP_WORD_MARK);
    const gsize length = next ? (gsize) (next - word) : strlen (word);
    clip_unigram_encode (tokenizer->unigram, ids, word, length);
    word += length;
  }
}

/* @text holds added tokens only with OpenAI's rules, where they are words like others. */
static void
encode_plain (const ClipTokenizer *tokenizer, GArray *ids, const char *text)
{
  g_autofree char *normal = normalize (tokenizer, text);
  if (tokenizer->wordpiece) {
    clip_wordpiece_encode (tokenizer->wordpiece, ids, normal);
    return;
  }
  if (tokenizer->unigram) {
    (tokenizer->whole ? encode_whole : encode_unigram) (tokenizer, ids, normal);
    return;
  }
  if (tokenizer->characters) {
    clip_bpe_encode (tokenizer->bpe, ids, normal, strlen (normal));
    return;
  }
  for (const char *p = normal; *p;) {
    const ClipAddedToken *added = tokenizer->openai ? find_added (tokenizer, p) : NULL;
    gsize length = added ? added->length : tokenizer->words (p);
    if (added)
      g_array_append_val (ids, added->id);
    else
      clip_bpe_encode (tokenizer->bpe, ids, p, length);
    p = length > 0 ? p + length : g_utf8_next_char (p);
  }
}

/* Where the white space that ends at @end begins, not before @start. */
static const char *
space_before (const char *start, const char *end)
{
  while (end > start && clip_is_space (g_utf8_get_char (g_utf8_prev_char (end))))
    end = g_utf8_prev_char (end);
  return end;
}

static const char *
space_after (const char *text)
{
  while (clip_is_space (g_utf8_get_char (text)))
    text = g_utf8_next_char (text);
  return text;
}

/* Cuts out added tokens, encodes what lies between. */
static void
encode_text (const ClipTokenizer *tokenizer, GArray *ids, const char *text)
{
  const char *done = text;
  for (const char *p = text; *p && !tokenizer->openai;) {
    const ClipAddedToken *added = find_added (tokenizer, p);
    if (!added) {
      p++; /* by bytes: a token's first byte is a character's first byte */
      continue;
    }
    const char *end = added->strip_left ? space_before (done, p) : p;
    g_autofree char *between = g_strndup (done, (gsize) (end - done));
    encode_plain (tokenizer, ids, between);
    g_array_append_val (ids, added->id);
    p += added->length;
    done = p = added->strip_right ? space_after (p) : p;
  }
  encode_plain (tokenizer, ids, done);
}

GArray *
clip_tokenizer_encode (const ClipTokenizer *tokenizer, const char *text)
{
  g_return_val_if_fail (tokenizer && text, NULL);
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autofree char *valid = g_utf8_validate (text, -1, NULL) ? NULL : g_utf8_make_valid (text, -1);
  if (tokenizer->start >= 0)
    g_array_append_val (ids, tokenizer->start);
  g_autofree char *clean = clip_normalize_clean (valid ? valid : text, tokenizer->clean);
  encode_text (tokenizer, ids, clean);
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
