/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A vocabulary in CLIP's order → the merges it was made by, for files (GGUF) that have the one and not the others:
 *
 *   256 bytes | the same at the end of a word | a token a merge | start, end
 *
 * Merge i made token 512 + i of two tokens before it. Which two: those that the merges before it leave of that token's text.
 */
#include "core/text/tokens.h"
#include "core/base/error.h"
#include "core/text/bpe.h"
#include "core/text/lines.h"
#include "core/text/tokenizer.h"

#include <string.h>

#define BYTES 256
#define END_OF_WORD "</w>"
#define MAX_SYMBOLS 128 /* of a token; CLIP's longest has fewer than 30 */

typedef struct {
  const char *name;
  char **tokens;
  guint n;
  GHashTable *ids;   /* token → id + 1 */
  GHashTable *pairs; /* left << 32 | right → what they become */
} Vocabulary;

/* The tokens of single bytes, in their order: those that stand for themselves, then the others. */
static gboolean
check_bytes (const Vocabulary *vocabulary)
{
  guint id = 0;
  for (int i = 0; i < 2 * BYTES; i++) {
    const gunichar symbol = clip_bpe_symbol ((guint8) i);
    char token[7] = { 0 };
    if ((i < BYTES) != (symbol < BYTES))
      continue;
    g_unichar_to_utf8 (symbol, token);
    g_autofree char *last = g_strconcat (token, END_OF_WORD, NULL);
    if (!g_str_equal (vocabulary->tokens[id], token) ||
        !g_str_equal (vocabulary->tokens[BYTES + id], last))
      return FALSE;
    id++;
  }
  return TRUE;
}

/* Ids of the characters of @token; their number, or 0 where one of them is no token. */
static int
split (const Vocabulary *vocabulary, gint64 symbols[MAX_SYMBOLS], const char *token)
{
  int n = 0;
  const gsize length = strlen (token),
              end = g_str_has_suffix (token, END_OF_WORD) && length > strlen (END_OF_WORD)
                        ? length - strlen (END_OF_WORD)
                        : length;
  for (const char *c = token; c < token + end && n < MAX_SYMBOLS;) {
    const char *next = g_utf8_next_char (c);
    g_autofree char *symbol = g_strndup (c, next == token + end ? token + length - c : next - c);
    const gint64 id = GPOINTER_TO_INT (g_hash_table_lookup (vocabulary->ids, symbol)) - 1;
    if (id < 0 || id >= 2 * BYTES)
      return 0;
    symbols[n++] = id;
    c = next;
    if (n == MAX_SYMBOLS && c < token + end)
      return 0;
  }
  return n;
}

/* Byte-pair encoding with the pairs so far. */
static int
merge (const Vocabulary *vocabulary, gint64 *symbols, int n)
{
  for (;;) {
    gint64 best = G_MAXINT64;
    int at = -1;
    for (int i = 0; i + 1 < n; i++) {
      const gint64 pair = symbols[i] << 32 | symbols[i + 1];
      const gint64 *made = g_hash_table_lookup (vocabulary->pairs, &pair);
      if (made && *made < best) {
        best = *made;
        at = i;
      }
    }
    if (at < 0)
      return n;
    symbols[at] = best;
    memmove (symbols + at + 1, symbols + at + 2, (n - at - 2) * sizeof *symbols);
    n--;
  }
}

static void
add_pair (Vocabulary *vocabulary, gint64 left, gint64 right, gint64 made)
{
  gint64 *entry = g_new (gint64, 2);
  entry[0] = left << 32 | right;
  entry[1] = made;
  g_hash_table_insert (vocabulary->pairs, entry, entry + 1);
}

static GBytes *
derive (Vocabulary *vocabulary, GError **error)
{
  g_autoptr (GString) text = g_string_new ("#version: 0.2\n");
  for (guint i = 2 * BYTES; i + 2 < vocabulary->n; i++) {
    gint64 symbols[MAX_SYMBOLS];
    const int n = merge (vocabulary, symbols, split (vocabulary, symbols, vocabulary->tokens[i]));
    if (n != 2)
      return clip_fail_null (error, CLIP_ERROR_TOKENIZER,
                             "%s: token %u, \"%.40s\", is not made of two before it, expected a "
                             "vocabulary like CLIP's",
                             vocabulary->name, i, vocabulary->tokens[i]);
    g_string_append_printf (text, "%s %s\n", vocabulary->tokens[symbols[0]],
                            vocabulary->tokens[symbols[1]]);
    add_pair (vocabulary, symbols[0], symbols[1], i);
  }
  return g_string_free_to_bytes (g_steal_pointer (&text));
}

GBytes *
clip_tokens_to_merges (GBytes *tokens, const char *name, GError **error)
{
  g_auto (GStrv) lines = clip_lines_split (tokens, name, CLIP_ERROR_TOKENIZER, error);
  if (!lines)
    return NULL;
  Vocabulary vocabulary = { .name = name, .tokens = lines, .n = g_strv_length (lines) };
  if (vocabulary.n < 2 * BYTES + 2 || !check_bytes (&vocabulary) ||
      !g_str_equal (lines[vocabulary.n - 2], CLIP_START) ||
      !g_str_equal (lines[vocabulary.n - 1], CLIP_END))
    return clip_fail_null (error, CLIP_ERROR_TOKENIZER,
                           "%s: its %u tokens are not in the order of CLIP's, expected 256 bytes, "
                           "the same with " END_OF_WORD ", merges, " CLIP_START " and " CLIP_END,
                           name, vocabulary.n);
  vocabulary.ids = g_hash_table_new (g_str_hash, g_str_equal);
  vocabulary.pairs = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  for (guint i = 0; i < vocabulary.n; i++)
    g_hash_table_insert (vocabulary.ids, lines[i], GINT_TO_POINTER (i + 1));
  GBytes *merges = derive (&vocabulary, error);
  g_hash_table_unref (vocabulary.ids);
  g_hash_table_unref (vocabulary.pairs);
  return merges;
}
