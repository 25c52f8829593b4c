/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Learned byte pairs: a small example worked out by hand, random ones against the plain algorithm, and what the tokenizer
 * makes of the files.
 */
#include "core/text/learn.h"
#include "core/base/error.h"
#include "core/text/tokenizer.h"
#include "tests/testing.h"

#include <string.h>

static void
add (ClipLearner *learner, const char *caption, int times)
{
  for (int i = 0; i < times; i++)
    g_assert_true (clip_learner_add (learner, caption, strlen (caption)));
}

/* Without the header. */
static char *
learn (const ClipLearner *learner, int size, guint64 min_count, int *learned)
{
  g_autoptr (GError) error = NULL;
  char *text = clip_learner_run (learner, size, min_count, learned, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (text, "#version: "));
  char *merges = strchr (text, '\n') + 1;
  memmove (text, merges, strlen (merges) + 1);
  return text;
}

static ClipTokenizer *
load (const char *merges)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = temporary_path ("merges.txt"),
                  *text = g_strconcat ("#version: 0.2\n", merges, NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  ClipTokenizer *tokenizer = clip_tokenizer_load (path, &error);
  g_assert_no_error (error);
  return tokenizer;
}

/* ---------------------------------------------------------------------------------------------------------- by hand */

/*
 * low ×5, lower ×2, newest ×6, widest ×3 (Sennrich et al. 2016). Among equals the lower left id: e = 68 before s = 82 (es
 * and st</w> are seen 9 times each); e before n = 77 and w = 86 (ew, ne, west</w>: 6 times each) and so on; symbols that
 * merges made come after those of bytes.
 */
static ClipLearner *
example (void)
{
  ClipLearner *learner = clip_learner_new ();
  add (learner, "low", 5);
  add (learner, "lower", 2);
  add (learner, "newest", 6);
  add (learner, "widest", 3);
  return learner;
}

#define FIRST                                                                                      \
  "e s\nes t</w>\nl o\ne w\nn ew\nnew est</w>\nlo w</w>\nd est</w>\ni dest</w>\nw idest</w>\n"

static void
test_example (void)
{
  static const struct {
    int size;
    guint64 min_count;
    int learned;
    const char *merges;
  } cases[] = {
    { 514, 1, 514, "" },
    { 515, 1, 515, "e s\n" },
    { 517, 2, 517, "e s\nes t</w>\nl o\n" },
    { 1000, 3, 524, FIRST },
    { 1000, 2, 527, FIRST "e r</w>\nw er</w>\nlo wer</w>\n" },
    { 1000, 1, 527, FIRST "e r</w>\nw er</w>\nlo wer</w>\n" },
    { 1000, 10, 514, "" },
    { G_MAXINT, 2, 527, FIRST "e r</w>\nw er</w>\nlo wer</w>\n" },
  };
  g_autoptr (ClipLearner) learner = example ();
  g_assert_cmpuint (clip_learner_get_n_words (learner), ==, 4);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    int learned;
    g_autofree char *merges = learn (learner, cases[i].size, cases[i].min_count, &learned);
    g_assert_cmpstr (merges, ==, cases[i].merges);
    g_assert_cmpint (learned, ==, cases[i].learned);
  }
}

static void
test_tokens (void)
{
  static const struct {
    const char *text;
    gint32 ids[10];
  } cases[] = {
    { "low", { 525, 518, 526 } },
    { "Newest lower", { 525, 517, 524, 526 } },
    { "lowest", { 525, 514, 86, 513, 526 } },
    { "wide", { 525, 86, 72, 67, 68 + 256, 526 } },
  };
  int learned;
  g_autoptr (ClipLearner) learner = example ();
  g_autofree char *merges = learn (learner, 527, 1, &learned);
  g_autoptr (ClipTokenizer) tokenizer = load (merges);
  g_assert_cmpint (clip_tokenizer_get_vocab_size (tokenizer), ==, 527);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GArray) ids = clip_tokenizer_encode (tokenizer, cases[i].text);
    for (guint k = 0; k < ids->len; k++)
      g_assert_cmpint (g_array_index (ids, gint32, k), ==, cases[i].ids[k]);
  }
}

/* ------------------------------------------------------------------------------------------------------------ words */

/* What is a word, and what is none: the learned text has the pairs of the words on the right, no others. */
static void
test_words (void)
{
  static const struct {
    const char *caption;
    guint n_words;
  } cases[] = {
    { "", 0 },
    { " \t ", 0 },
    { "a A a", 1 },
    { "Caf\xC3\xA9 CAF\xC3\x89 cafe\xCC\x81", 1 }, /* lower case, composed */
    { "cats &amp; dogs", 3 },
    { "12 21", 2 }, /* a word for each digit */
    { "it's", 2 },
    { "<|startoftext|> a <|ENDOFTEXT|>", 1 },
    { "\xE6\x9D\xB1\xE4\xBA\xAC", 1 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (ClipLearner) learner = clip_learner_new ();
    add (learner, cases[i].caption, 2);
    if (clip_learner_get_n_words (learner) != cases[i].n_words)
      g_error ("\"%s\": %u words, expected %u", cases[i].caption,
               clip_learner_get_n_words (learner), cases[i].n_words);
  }
  g_autoptr (ClipLearner) learner = clip_learner_new ();
  g_autofree char *shorter = g_strnfill (256, 'x'), *longer = g_strnfill (257, 'y');
  add (learner, shorter, 1);
  add (learner, longer, 1);
  g_assert_cmpuint (clip_learner_get_n_words (learner), ==, 1);
}

static void
test_invalid (void)
{
  static const struct {
    const char *caption;
    gsize length;
  } cases[] = { { "a \xFF", 3 }, { "a\0b", 3 }, { "caf\xC3", 4 }, { "\xED\xA0\x80", 3 } };
  g_autoptr (ClipLearner) learner = clip_learner_new ();
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_false (clip_learner_add (learner, cases[i].caption, cases[i].length));
  g_assert_cmpuint (clip_learner_get_n_words (learner), ==, 0);
  g_assert_true (clip_learner_add (learner, "caf\xC3\xA9", 3)); /* not NUL-terminated */
  g_assert_cmpuint (clip_learner_get_n_words (learner), ==, 1);
}

/* --------------------------------------------------------------------------------------------------- against plainly */

typedef struct {
  GPtrArray *symbols; /* char * */
  int count;
} PlainWord;

static void
plain_word_clear (gpointer word)
{
  g_ptr_array_unref (((PlainWord *) word)->symbols);
}

static int
id_of (GPtrArray *tokens, const char *token)
{
  guint id;
  g_assert_true (g_ptr_array_find_with_equal_func (tokens, token, g_str_equal, &id));
  return (int) id;
}

/* Of ASCII letters and digits only: @tokens begin with '!' … '~', those of a word's end 256 later. */
static GPtrArray *
plain_tokens (void)
{
  GPtrArray *tokens = g_ptr_array_new_with_free_func (g_free);
  for (int i = 0; i < 512; i++)
    g_ptr_array_add (tokens, i % 256 < 94
                                 ? g_strdup_printf ("%c%s", '!' + i % 256, i < 256 ? "" : "</w>")
                                 : g_strdup_printf ("(%d)", i));
  return tokens;
}

/* Counts every pair of every word anew for each merge. */
static char *
learn_plainly (GArray *words, guint n_merges, int min_count)
{
  g_autoptr (GPtrArray) tokens = plain_tokens ();
  g_autoptr (GString) text = g_string_new (NULL);
  while (tokens->len < 512 + n_merges) {
    g_autoptr (GHashTable) counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    for (guint w = 0; w < words->len; w++) {
      const PlainWord *word = &g_array_index (words, PlainWord, w);
      for (guint i = 0; i + 1 < word->symbols->len; i++) {
        char *pair = g_strdup_printf ("%s %s", (char *) word->symbols->pdata[i],
                                      (char *) word->symbols->pdata[i + 1]);
        const int before = GPOINTER_TO_INT (g_hash_table_lookup (counts, pair));
        g_hash_table_replace (counts, pair, GINT_TO_POINTER (before + word->count));
      }
    }
    GHashTableIter iter;
    gpointer pair, count;
    g_auto (GStrv) best = NULL;
    int best_count = 0, best_left = 0, best_right = 0;
    g_hash_table_iter_init (&iter, counts);
    while (g_hash_table_iter_next (&iter, &pair, &count)) {
      g_auto (GStrv) parts = g_strsplit (pair, " ", 2);
      const int n = GPOINTER_TO_INT (count), left = id_of (tokens, parts[0]),
                right = id_of (tokens, parts[1]);
      if (n < MAX (min_count, best_count) ||
          (n == best_count && (left > best_left || (left == best_left && right > best_right))))
        continue;
      g_strfreev (best);
      best = g_steal_pointer (&parts);
      best_count = n;
      best_left = left;
      best_right = right;
    }
    if (!best)
      break;
    g_string_append_printf (text, "%s %s\n", best[0], best[1]);
    for (guint w = 0; w < words->len; w++) {
      GPtrArray *symbols = g_array_index (words, PlainWord, w).symbols;
      for (guint i = 0; i + 1 < symbols->len; i++) {
        if (g_str_equal (symbols->pdata[i], best[0]) &&
            g_str_equal (symbols->pdata[i + 1], best[1])) {
          g_free (symbols->pdata[i]);
          symbols->pdata[i] = g_strconcat (best[0], best[1], NULL);
          g_ptr_array_remove_index (symbols, i + 1);
        }
      }
    }
    g_autofree char *joined = g_strconcat (best[0], best[1], NULL);
    g_assert_false (g_ptr_array_find_with_equal_func (tokens, joined, g_str_equal, NULL));
    g_ptr_array_add (tokens, g_steal_pointer (&joined));
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Words over few letters have runs, overlaps and equal counts. */
static void
test_against_plain (void)
{
  int n_tokens = 0;
  for (int round = 0; round < 60; round++) {
    const int n_words = g_test_rand_int_range (1, 15), letters = g_test_rand_int_range (1, 4);
    g_autoptr (GArray) words = g_array_new (FALSE, TRUE, sizeof (PlainWord));
    g_array_set_clear_func (words, plain_word_clear);
    g_autoptr (ClipLearner) learner = clip_learner_new (), reversed = clip_learner_new ();
    g_autoptr (GPtrArray) captions = g_ptr_array_new_with_free_func (g_free);
    for (int i = 0; i < n_words; i++) {
      PlainWord word = { g_ptr_array_new_with_free_func (g_free), g_test_rand_int_range (1, 4) };
      char text[21] = { 0 };
      const int length = g_test_rand_int_range (1, 20);
      for (int k = 0; k < length; k++) {
        text[k] = (char) ('a' + g_test_rand_int_range (0, letters));
        g_ptr_array_add (word.symbols,
                         g_strdup_printf ("%c%s", text[k], k + 1 < length ? "" : "</w>"));
      }
      g_array_append_val (words, word);
      for (int k = 0; k < word.count; k++)
        g_ptr_array_add (captions, g_strdup (text));
    }
    for (guint i = 0; i < captions->len; i++) {
      add (learner, captions->pdata[i], 1);
      add (reversed, captions->pdata[captions->len - 1 - i], 1);
    }

    int learned, again;
    const int n_merges = g_test_rand_int_range (0, 60), min_count = g_test_rand_int_range (1, 4);
    g_autofree char *merges = learn (learner, 514 + n_merges, min_count, &learned);
    g_autofree char *other = learn (reversed, 514 + n_merges, min_count, &again);
    g_autofree char *expected = learn_plainly (words, n_merges, min_count);
    g_assert_cmpstr (merges, ==, expected);
    g_assert_cmpstr (merges, ==, other); /* whatever order the captions come in */
    g_assert_cmpint (learned, <=, 514 + n_merges);

    /* The tokenizer cuts each word as it was cut while learning. */
    g_autoptr (ClipTokenizer) tokenizer = load (merges);
    g_assert_cmpint (clip_tokenizer_get_vocab_size (tokenizer), ==, learned);
    for (guint w = 0, c = 0; w < words->len; w++) {
      const PlainWord *word = &g_array_index (words, PlainWord, w);
      g_autoptr (GArray) ids = clip_tokenizer_encode (tokenizer, captions->pdata[c]);
      g_assert_cmpuint (ids->len - 2, ==, word->symbols->len);
      n_tokens += (int) ids->len - 2;
      c += word->count;
    }
  }
  g_assert_cmpint (n_tokens, >, 0);
}

/* ------------------------------------------------------------------------------------------------------------- limits */

static gboolean
stop_at (guint done, guint total, gpointer data)
{
  g_assert_cmpuint (done, <=, total);
  return done < GPOINTER_TO_UINT (data);
}

static void
test_cancel (void)
{
  g_autoptr (ClipLearner) learner = clip_learner_new ();
  for (int i = 0; i < 1000; i++) {
    char word[8] = { 0 };
    for (int k = 0; k < 7; k++)
      word[k] = (char) ('a' + g_test_rand_int_range (0, 26));
    add (learner, word, 2);
  }
  int learned = -1;
  g_autoptr (GError) error = NULL;
  g_autofree char *text =
      clip_learner_run (learner, 1000, 1, &learned, stop_at, GUINT_TO_POINTER (100), &error);
  check_error ("cancelled", text, error, CLIP_ERROR_CANCELLED, "stopped after 128 merges");
  g_autofree char *whole =
      clip_learner_run (learner, 1000, 1, &learned, stop_at, GUINT_TO_POINTER (G_MAXUINT), NULL);
  g_assert_nonnull (whole);
  g_assert_cmpint (learned, ==, 1000);
}

/* More merges than OpenAI's tokenizer uses of its own, longer file. */
static void
test_large (void)
{
  static const struct {
    const char *header;
    int size;
  } cases[] = {
    { "#version: 0.2", 514 + 256 * 256 },
    { "\"bpe_simple_vocab_16e6.txt#version: 0.2", 49408 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GString) text = g_string_new (cases[i].header);
    for (int left = 0; left < 256; left++)
      for (int right = 0; right < 256; right++) {
        g_string_append_c (text, '\n');
        g_string_append_unichar (text, clip_bpe_symbol ((guint8) left));
        g_string_append_c (text, ' ');
        g_string_append_unichar (text, clip_bpe_symbol ((guint8) right));
      }
    g_autoptr (GError) error = NULL;
    g_autofree char *path = temporary_path ("large.txt");
    g_assert_true (g_file_set_contents (path, text->str, -1, NULL));
    g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_load (path, &error);
    g_assert_no_error (error);
    g_assert_cmpint (clip_tokenizer_get_vocab_size (tokenizer), ==, cases[i].size);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/learn/example", test_example);
  g_test_add_func ("/learn/tokens", test_tokens);
  g_test_add_func ("/learn/words", test_words);
  g_test_add_func ("/learn/invalid", test_invalid);
  g_test_add_func ("/learn/against-plain", test_against_plain);
  g_test_add_func ("/learn/cancel", test_cancel);
  g_test_add_func ("/learn/large", test_large);
  return g_test_run ();
}
