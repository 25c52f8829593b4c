/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/text/wordpiece and the tokenizers made of it. */
#include "tests/golden-tokens.h"

#include <glib/gstdio.h>

static void
test_reference (gconstpointer file)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *golden = shared_path ("conformance/lite/tokens.jsonl");
  g_autofree char *vocabulary = shared_path (file);
  if (!golden || !vocabulary)
    return;
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_load (vocabulary, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (clip_tokenizer_get_kind (tokenizer), ==, "wordpiece");
  g_assert_cmpint (clip_tokenizer_get_vocab_size (tokenizer), ==, 30522);
  g_assert_cmpuint (assert_golden_tokens (tokenizer, golden, 0), ==, 373);
}

static void
test_golden (void)
{
  assert_golden_vocabulary ("toy-bert.json", "toy-bert.jsonl");
  assert_golden_vocabulary ("toy-bert-cased.json", "toy-bert-cased.jsonl");
}

#define TEXT(literal) literal, sizeof (literal) - 1
#define PIECES                                                                                     \
  "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\naffable\n,\n\xC3\xA9\ne\n\xE4\xB8\xAD\nA\n"

static void
test_pieces (void)
{
  static const char text[] = PIECES;
  g_autoptr (GBytes) bytes = g_bytes_new_static (text, sizeof text - 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_parse (bytes, "f", &error);
  g_assert_no_error (error);
  g_assert_cmpint (clip_tokenizer_get_vocab_size (tokenizer), ==, 13);
  g_assert_cmpint (clip_tokenizer_get_pad (tokenizer), ==, 0);
  assert_tokens (tokenizer, "", "2 3", 0);
  assert_tokens (tokenizer, "UNaffable,affable", "2 4 5 6 8 7 3", 0);
  assert_tokens (tokenizer, "unable unx x", "2 4 6 1 1 3",
                 0);                                  /* a word is known whole or not at all */
  assert_tokens (tokenizer, "\xC3\xA9", "2 10 3", 0); /* without its accent */
  assert_tokens (tokenizer, "e\xE4\xB8\xAD\x65", "2 10 11 10 3", 0); /* an ideograph is a word */
  assert_tokens (tokenizer, "un[SEP]un [UNK]", "2 4 3 4 1 3", 0);
  assert_tokens (tokenizer, "un\xFFun", "2 1 3",
                 0); /* bytes that are no UTF-8 read as U+FFFD, which BERT drops: unun */

  g_autoptr (GString) word = g_string_new ("un"); /* 100 characters at most */
  while (word->len < 98)
    g_string_append (word, "able");
  assert_tokens (tokenizer, word->str, "2 4 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6 6 3", 0);
  g_string_append (word, "able");
  assert_tokens (tokenizer, word->str, "2 1 3", 0);
}

/* tokenizer_config.json beside a vocab.txt. */
static void
test_config (void)
{
  static const struct {
    const char *config, *tokens; /* of "A é 中e" */
  } cases[] = {
    { "{}", "2 1 10 11 10 3" },
    { "{\"do_lower_case\": false, \"model_max_length\": 1000000000000000019884624838656}",
      "2 12 9 11 10 3" },
    { "{\"do_lower_case\": false, \"strip_accents\": true}", "2 12 10 11 10 3" },
    { "{\"strip_accents\": false, \"tokenize_chinese_chars\": false}", "2 1 9 1 3" },
  };
  g_autofree char *directory = g_dir_make_tmp ("wordpiece-XXXXXX", NULL);
  g_autofree char *vocab = g_build_filename (directory, "vocab.txt", NULL);
  g_autofree char *config = g_build_filename (directory, "tokenizer_config.json", NULL);
  g_autoptr (GError) error = NULL;
  g_assert_true (g_file_set_contents (vocab, PIECES, -1, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_assert_true (g_file_set_contents (config, cases[i].config, -1, NULL));
    g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_load (directory, &error);
    g_assert_no_error (error);
    assert_tokens (tokenizer, "A \xC3\xA9 \xE4\xB8\xAD\x65", cases[i].tokens, 0);
  }
  g_assert_true (g_file_set_contents (config, "{\"do_lower_case\": \"yes\"}", -1, NULL));
  g_assert_null (clip_tokenizer_load (directory, &error));
  g_autofree char *expected =
      g_strdup_printf ("%s: do_lower_case is \"yes\", expected true or false", config);
  g_assert_cmpstr (error->message, ==, expected);
  g_unlink (config);
  g_unlink (vocab);
  g_rmdir (directory);
}

static void
test_malformed (void)
{
  static const struct {
    const char *text;
    gsize length;
    const char *message;
  } cases[] = {
    { TEXT (""), "f: neither merges nor a WordPiece vocabulary: no piece [UNK]" },
    { TEXT ("[PAD]\n[UNK]\n[CLS]\na\n"),
      "f: neither merges nor a WordPiece vocabulary: no piece [SEP]" },
    { TEXT ("[PAD]\n\n[UNK]\n"), "f: line 2: expected a word piece, found nothing" },
    { TEXT ("[PAD]\n\xC3(\n"), "f: line 2: not valid UTF-8" },
    { TEXT ("[PAD]\na\0b\n"), "f: line 2: a NUL byte" },
    { TEXT ("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}"),
      "f: unk_token \"[UNK]\" is not in the vocabulary" },
    { TEXT ("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0}}}"),
      "f: expected the pre_tokenizer BertPreTokenizer" },
    { TEXT ("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0},\"max_input_chars_per_"
            "word\":0}}"),
      "f: max_input_chars_per_word is 0, expected an integer from 1 to 65536" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *message = refusal (cases[i].text, cases[i].length);
    g_assert_cmpstr (message, ==, cases[i].message);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/wordpiece/reference/directory", "conformance/lite", test_reference);
  g_test_add_data_func ("/wordpiece/reference/tokenizer.json", "conformance/lite/tokenizer.json",
                        test_reference);
  g_test_add_data_func ("/wordpiece/reference/vocab.txt", "conformance/lite/vocab.txt",
                        test_reference);
  g_test_add_func ("/wordpiece/golden", test_golden);
  g_test_add_func ("/wordpiece/pieces", test_pieces);
  g_test_add_func ("/wordpiece/config", test_config);
  g_test_add_func ("/wordpiece/malformed", test_malformed);
  return g_test_run ();
}
