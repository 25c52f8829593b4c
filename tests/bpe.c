/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/text/bpe and the tokenizers made of it: CLIP's own, toy vocabularies, files that are none. */
#include "tests/golden-tokens.h"

/* ------------------------------------------------------------------------------------------------------ CLIP's own */

static void
test_reference (gconstpointer file)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *golden = shared_file ("conformance/tokens.jsonl");
  g_autofree char *merges = file ? shared_file (file) : NULL;
  if (!golden || (file && !merges)) {
    g_test_skip ("../shared is not here");
    return;
  }
  g_autoptr (ClipTokenizer) tokenizer =
      file ? clip_tokenizer_load (merges, &error) : clip_tokenizer_clip ();
  g_assert_no_error (error);
  g_assert_cmpstr (clip_tokenizer_get_kind (tokenizer), ==, "bpe");
  g_assert_cmpint (clip_tokenizer_get_vocab_size (tokenizer), ==, 49408);
  /* one of its lines was cut to the context of CLIP */
  g_assert_cmpuint (assert_golden_tokens (tokenizer, golden, 77), ==, 373);
}

static void
test_truncation (void)
{
  static const struct {
    const char *text;
    int context;
    const char *tokens;
    int n;
    gboolean truncated;
  } cases[] = {
    { "a cat", 6, "49406 320 2368 49407 0 0", 4, FALSE },
    { "a cat", 4, "49406 320 2368 49407", 4, FALSE },
    { "a cat", 3, "49406 320 49407", 3, TRUE },
    { "a cat", 2, "49406 49407", 2, TRUE },
    { "a cat", 1, "49407", 1, TRUE },
    { "", 3, "49406 49407 0", 2, FALSE },
  };
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_clip ();
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    gint32 tokens[6];
    gboolean truncated = -1;
    int n = clip_tokenizer_encode_padded (tokenizer, tokens, cases[i].context, cases[i].text,
                                          &truncated);
    g_autofree char *found = describe_ids (tokens, cases[i].context);
    g_assert_cmpstr (found, ==, cases[i].tokens);
    g_assert_cmpint (n, ==, cases[i].n);
    g_assert_cmpint (truncated, ==, cases[i].truncated);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/bpe/reference/embedded", NULL, test_reference);
  g_test_add_data_func ("/bpe/reference/file", "conformance/bpe_simple_vocab_16e6.txt.gz",
                        test_reference);
  g_test_add_func ("/bpe/truncation", test_truncation);
  return g_test_run ();
}
