/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * WordPiece (as in BERT, Devlin et al. 2018):
 *
 *   words = text split at white space; each punctuation character is a word of its own
 *   ids   = from the left, the longest piece of the vocabulary that fits; pieces after the first carry the prefix "##"
 *   a word that ends up with no piece somewhere, or is too long, is one unknown token
 */
#include "core/text/wordpiece.h"
#include "core/text/normalize.h"

#include <string.h>

struct _ClipWordpiece {
  GHashTable *vocabulary;
  char *prefix;
  gint32 unknown;
  guint max_characters;
};

ClipWordpiece *
clip_wordpiece_new (GHashTable *vocabulary, const char *prefix, gint32 unknown,
                    guint max_characters)
{
  ClipWordpiece *wordpiece = g_new0 (ClipWordpiece, 1);
  wordpiece->vocabulary = g_hash_table_ref (vocabulary);
  wordpiece->prefix = g_strdup (prefix);
  wordpiece->unknown = unknown;
  wordpiece->max_characters = max_characters;
  return wordpiece;
}

void
clip_wordpiece_free (ClipWordpiece *wordpiece)
{
  g_hash_table_unref (wordpiece->vocabulary);
  g_free (wordpiece->prefix);
  g_free (wordpiece);
}

/* Appends the longest piece at the start of @piece, whose first @fixed bytes (the prefix) must be in it. Shortens @piece
 * to it; returns FALSE where there is none. */
static gboolean
longest_piece (const ClipWordpiece *wordpiece, GArray *ids, GString *piece, gsize fixed)
{
  while (piece->len > fixed) {
    gpointer value;
    if (g_hash_table_lookup_extended (wordpiece->vocabulary, piece->str, NULL, &value)) {
      gint32 id = GPOINTER_TO_INT (value);
      g_array_append_val (ids, id);
      return TRUE;
    }
    g_string_truncate (piece, (gsize) (g_utf8_prev_char (piece->str + piece->len) - piece->str));
  }
  return FALSE;
}

void
clip_wordpiece_encode_word (const ClipWordpiece *wordpiece, GArray *ids, const char *word,
                            gsize length)
{
  guint before = ids->len;
  gboolean known = g_utf8_strlen (word, (gssize) length) <= (glong) wordpiece->max_characters;
  g_autoptr (GString) piece = g_string_new (NULL);
  for (gsize done = 0; known && done < length;) {
    g_string_assign (piece, done > 0 ? wordpiece->prefix : "");
    gsize fixed = piece->len;
    g_string_append_len (piece, word + done, (gssize) (length - done));
    known = longest_piece (wordpiece, ids, piece, fixed);
    done += piece->len - fixed;
  }
  if (!known) {
    g_array_set_size (ids, before);
    g_array_append_val (ids, wordpiece->unknown);
  }
}

/* Unicode's P*, and all ASCII symbols. */
static gboolean
is_punctuation (gunichar c)
{
  GUnicodeType type = g_unichar_type (c);
  return c < 0x80 ? g_ascii_ispunct ((char) c)
                  : type >= G_UNICODE_CONNECT_PUNCTUATION && type <= G_UNICODE_OPEN_PUNCTUATION;
}

void
clip_wordpiece_encode (const ClipWordpiece *wordpiece, GArray *ids, const char *text)
{
  const char *word = text;
  for (const char *p = text;;) {
    gunichar c = g_utf8_get_char (p);
    gboolean punctuation = is_punctuation (c), space = clip_is_space (c);
    if ((punctuation || space || c == 0) && p > word)
      clip_wordpiece_encode_word (wordpiece, ids, word, (gsize) (p - word));
    if (c == 0)
      break;
    const char *next = g_utf8_next_char (p);
    if (punctuation)
      clip_wordpiece_encode_word (wordpiece, ids, p, (gsize) (next - p));
    if (punctuation || space)
      word = next;
    p = next;
  }
}
