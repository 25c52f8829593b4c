/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unigram tokenizers of tokenizer.json, and SigLIP's and CLIPA's ways with texts. */
#include "core/text/normalize.h"
#include "tests/golden-tokens.h"

static void
test_golden (void)
{
  assert_golden_vocabulary ("unigram-t5.json", "unigram-t5.jsonl");
  assert_golden_vocabulary ("unigram-xlm.json", "unigram-xlm.jsonl");
  assert_golden_vocabulary ("siglip.model", "siglip.jsonl");
  assert_golden_vocabulary ("spaces.model", "spaces.jsonl");
}

#define UNIGRAM(vocab)                                                                             \
  "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":" vocab                                 \
  "},\"pre_tokenizer\":{\"type\":\"Metaspace\"}}"

/* The examples of the model's papers and papers' programs: what wins is the sum. */
static void
test_viterbi (void)
{
  static const struct {
    const char *name, *vocab, *text, *ids;
  } cases[] = {
    { "sum",
      "[[\"<unk>\",0],[\"\u2581\",0],[\"a\",0],[\"b\",0],[\"c\",0],[\"d\",0],[\"cd\",1],[\"ab\",2],"
      "[\"abc\",5],[\"abcd\",10]]",
      "abcdacd", "1 9 2 6" },
    { "unknown ones are one", "[[\"<unk>\",0],[\"\u2581a\",-1],[\"b\",-2]]", "axxbx", "1 0 2 0" },
    { "unknown, though a longer piece begins so", "[[\"<unk>\",0],[\"\u2581\",-1],[\"xy\",-1]]",
      "xzxy", "1 0 2" },
    { "the last of two that are the same", "[[\"<unk>\",0],[\"\u2581a\",-1],[\"\u2581a\",-5]]", "a",
      "2" },
    { "nothing", "[[\"<unk>\",0],[\"\u2581a\",-1]]", "", "" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *text = g_strdup_printf (UNIGRAM ("%s"), cases[i].vocab);
    g_autoptr (GBytes) bytes = g_bytes_new_static (text, strlen (text));
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_parse (bytes, cases[i].name, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (clip_tokenizer_get_kind (tokenizer), ==, "unigram");
    assert_tokens (tokenizer, cases[i].text, cases[i].ids, 0);
  }
}

/* Files of SentencePiece's own: each says what is wrong with it. */
#define PIECE(text) "\n\6\n\4" text
static void
test_sentencepiece_refused (void)
{
  static const struct {
    const char *bytes;
    gsize length;
    const char *message;
  } cases[] = {
#define BYTES(text) text, sizeof text - 1
    { BYTES (PIECE ("abcd") "\n\7"), "cut short, after 1 pieces" },
    { BYTES (PIECE ("abcd") "\n\3\n\4a"), "piece 1 is damaged" },
    { BYTES (PIECE ("abcd") "\n\2\30\1"), "piece 1: expected a text in UTF-8" },
    { BYTES (PIECE ("a\377bc")), "piece 0: expected a text in UTF-8" },
    { BYTES (PIECE ("abcd") "\n\10\n\1a\25\0\0\300\177"), "piece 1: expected a text" },
    { BYTES (PIECE ("abcd") "\n\5\n\1a\30\4"), "piece 1 is a symbol of its user's" },
    { BYTES (PIECE ("abcd") "\n\5\n\1a\30\6"), "piece 1 is a byte" },
    { BYTES (PIECE ("abcd") "\22\2\30\2"), "of kind BPE" },
    { BYTES (PIECE ("abcd") "\22\3\300\2\7"), "unk_id 7" },
    { BYTES (PIECE ("abcd")), "eos_id 2" },
    { BYTES (PIECE ("abcd") "\22\3\230\2\1"), "byte_fallback" },
    { BYTES (PIECE ("abcd") "\32\2\50\0"), "spaces that stay spaces" },
    { BYTES (PIECE ("abcd") "\22\3\320\2\0\32\3\22\1x"), "precompiled_charsmap is damaged" },
#undef BYTES
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *found = refusal (cases[i].bytes, cases[i].length);
    if (!strstr (found, cases[i].message))
      g_test_message ("%u: expected \"%s\", found \"%s\"", i, cases[i].message, found);
    g_assert_nonnull (strstr (found, cases[i].message));
  }
}

static void
test_refused (void)
{
#define CHARSMAP(text)                                                                             \
  "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",0]]},\"normalizer\":{\"type\":" \
  "\"Precompiled\",\"precompiled_charsmap\":\"" text "\"},\"pre_tokenizer\":{\"type\":"            \
  "\"Metaspace\"}}"
  static const struct {
    const char *text, *message;
  } cases[] = {
    { UNIGRAM ("{}"), "vocab is an object, expected an array" },
    { UNIGRAM ("[[\"a\",1,2]]"), "element 0: expected a piece and its score" },
    { UNIGRAM ("[]"), "0 pieces, unk_id is 0" },
    { UNIGRAM ("[\"a\"]"), "element 0: expected a piece and its score" },
    { UNIGRAM ("[[\"a\",\"b\"]]"), "element 0" },
    { UNIGRAM ("[[\"a\",0],[1,2]]"), "element 1" },
    { UNIGRAM ("[[\"a\",1e300]]"), "score 1e+300" },
    { "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0]]}}", "unk_id is -1" },
    { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":true,\"vocab\":[[\"a\",0]]}"
      "}",
      "byte_fallback" },
    { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",0]]}}",
      "expected the pre_tokenizer Metaspace" },
    { "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",0]]},\"pre_tokenizer\":{"
      "\"type\":\"Metaspace\",\"replacement\":\"_\"}}",
      "Metaspace" },
    { CHARSMAP ("AAAA"), "precompiled_charsmap is damaged" },
    { CHARSMAP ("/////wAAAAA="), "precompiled_charsmap is damaged" },
    { CHARSMAP ("BAAAAAAAAABh"), "precompiled_charsmap is damaged" }, /* ends without a NUL */
    { CHARSMAP ("BAAAAP////8A"), "" }, /* a trie that leads nowhere */
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *found = refusal (cases[i].text, strlen (cases[i].text));
    if (*cases[i].message ? !strstr (found, cases[i].message) : *found)
      g_error ("%s: \"%s\", expected \"%s\"", cases[i].text, found, cases[i].message);
  }
}

static void
test_canonical (void)
{
  static const char *const cases[][2] = {
    { "A photo of a Cat.", "a photo of a cat" },
    { "snake_case, kebab-case!", "snake case kebabcase" },
    { " \u201cquoted\u201d  (it's) ", "quoted its" },
    { "&lt;b&gt; caf\u00c9", "b caf\u00e9" },
    { "...", "" },
    { "\u732b\u3002", "\u732b\u3002" }, /* of ASCII only */
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *found = clip_normalize_canonical (cases[i][0]);
    g_assert_cmpstr (found, ==, cases[i][1]);
  }
}

/* SigLIP's texts end with their end token, also behind it; CLIPA's have padding instead of it. */
static void
test_adapt (void)
{
  static const struct {
    ClipClean clean;
    gboolean no_end;
    const char *text, *ids;
    int n;
  } cases[] = {
    { CLIP_CLEAN_NONE, FALSE, "a Cat.", "4 6 3 1 0 0", 4 },
    { CLIP_CLEAN_CANONICAL, FALSE, "A cat.", "4 5 1 1 1 1", 3 },
    { CLIP_CLEAN_CANONICAL, FALSE, "a a a a a a a a", "4 4 4 4 4 1", 6 },
    { CLIP_CLEAN_NONE, TRUE, "a cat", "4 5 0 0 0 0", 3 },
    { CLIP_CLEAN_NONE, TRUE, "a a a a a a a a", "4 4 4 4 4 0", 6 },
  };
  static const char json[] = "{\"model\":{\"type\":\"Unigram\",\"unk_id\":3,\"vocab\":[[\"<pad>\","
                             "0],[\"</s>\",0],[\"x\",0],["
                             "\"<unk>\",0],[\"\u2581a\",-1],[\"\u2581cat\",-1],[\"\u2581\",-90]]},"
                             "\"pre_tokenizer\":{\"type\":"
                             "\"Metaspace\"},\"post_processor\":{\"type\":\"TemplateProcessing\","
                             "\"single\":[{\"Sequence\":{"
                             "\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"</"
                             "s>\"}}],\"special_tokens\":{\"</s>\":{\"ids\":[1]}}}}";
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes = g_bytes_new_static (json, strlen (json));
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_parse (bytes, "f", &error);
    g_assert_no_error (error);
    clip_tokenizer_adapt (tokenizer, cases[i].clean, cases[i].no_end);
    gint32 tokens[6];
    const int n = clip_tokenizer_encode_padded (tokenizer, tokens, 6, cases[i].text, NULL);
    g_autofree char *found = describe_ids (tokens, 6);
    g_assert_cmpstr (found, ==, cases[i].ids);
    g_assert_cmpint (n, ==, cases[i].n);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/unigram/golden", test_golden);
  g_test_add_func ("/unigram/viterbi", test_viterbi);
  g_test_add_func ("/unigram/refused", test_refused);
  g_test_add_func ("/unigram/sentencepiece-refused", test_sentencepiece_refused);
  g_test_add_func ("/unigram/canonical", test_canonical);
  g_test_add_func ("/unigram/adapt", test_adapt);
  return g_test_run ();
}
