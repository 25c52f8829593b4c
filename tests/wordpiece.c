/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/text/wordpiece and the tokenizers made of it. */
#include "tests/golden-tokens.h"

static void
test_reference (gconstpointer file)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *golden = shared_file ("conformance/lite/tokens.jsonl");
  g_autofree char *vocabulary = shared_file (file);
  if (!golden || !vocabulary) {
    g_test_skip ("../shared is not here");
    return;
  }
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_load (vocabulary, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (clip_tokenizer_get_kind (tokenizer), ==, "wordpiece");
  g_assert_cmpint (clip_tokenizer_get_vocab_size (tokenizer), ==, 30522);
  g_assert_cmpuint (assert_golden_tokens (tokenizer, golden, 0), ==, 373);
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
  return g_test_run ();
}
