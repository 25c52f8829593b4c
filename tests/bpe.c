/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/text/bpe and the tokenizers made of it: CLIP's own, toy vocabularies, files that are none. */
#include "tests/golden-tokens.h"

#include <gio/gio.h>
#include <glib/gstdio.h>

/* ------------------------------------------------------------------------------------------------------ CLIP's own */

static void
test_reference (gconstpointer file)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *golden = shared_path ("conformance/tokens.jsonl");
  g_autofree char *merges = file ? shared_path (file) : NULL;
  if (!golden || (file && !merges))
    return;
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

/* --------------------------------------------------------------------------------------------- other vocabularies */

static void
test_golden (void)
{
  assert_golden_vocabulary (NULL, "clip.jsonl");
  assert_golden_vocabulary ("toy-clip.json", "toy-clip.jsonl");
  assert_golden_vocabulary ("toy-roberta.json", "toy-roberta.jsonl");
  assert_golden_vocabulary ("gemma.json", "gemma.jsonl");
}

#define CHARACTERS(model)                                                                          \
  "{\"model\":{\"type\":\"BPE\",\"byte_fallback\":true," model                                     \
  "},\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"}}"

/* Byte pairs of characters. Ids by hand: a merge is of symbols, not of what they stand for. */
static void
test_characters (void)
{
  static const struct {
    const char *name, *json, *text, *ids;
  } cases[] = {
    { "merges",
      CHARACTERS ("\"vocab\":{\"a\":0,\"b\":1,\"\u2581\":2,\"ab\":3,\"\u2581ab\":4},"
                  "\"merges\":[\"a b\",\"\u2581 ab\"]"),
      "ab ab  b", "3 4 2 2 1" },
    { "bytes of what it lacks",
      CHARACTERS ("\"vocab\":{\"a\":0,\"<0xC3>\":1,\"<0xA9>\":2,\"\u00c3\":3},\"merges\":[]"),
      "a\u00e9a\u00c3", "0 1 2 0 3" },
    { "a byte that it lacks, too: unknown, and several are one",
      CHARACTERS ("\"vocab\":{\"a\":0,\"<0xC3>\":1,\"<unk>\":2},\"merges\":[],"
                  "\"unk_token\":\"<unk>\",\"fuse_unk\":true"),
      "\u00e9\u00e8a\u00e9", "2 0 2" },
    { "or each is one",
      CHARACTERS ("\"vocab\":{\"a\":0,\"<0xC3>\":1,\"<unk>\":2},\"merges\":[],"
                  "\"unk_token\":\"<unk>\""),
      "\u00e9\u00e8a\u00e9", "2 2 0 2" },
    { "or left out", CHARACTERS ("\"vocab\":{\"a\":0,\"<0xC3>\":1},\"merges\":[]"), "\u00e9a",
      "0" },
    { "nothing", CHARACTERS ("\"vocab\":{\"a\":0},\"merges\":[]"), "", "" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes = g_bytes_new_static (cases[i].json, strlen (cases[i].json));
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_parse (bytes, cases[i].name, &error);
    g_assert_no_error (error);
    assert_tokens (tokenizer, cases[i].text, cases[i].ids, 0);
  }
}

/* SigLIP 2's ways: OpenCLIP cleans, Hugging Face's only lowers the case; padded with <pad>, <eos> at the end of what is cut. */
static void
test_gemma_adapted (void)
{
  static const struct {
    ClipClean clean;
    const char *text, *as;
  } cases[] = {
    { CLIP_CLEAN_CASE, "A PHOTO  of a Cat!", "a photo  of a cat!" },
    { CLIP_CLEAN_CANONICAL, "A PHOTO  of a Cat!", "a photo of a cat" },
    { CLIP_CLEAN_NONE, "a photo of a cat", "a photo of a cat" },
  };
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "text", "gemma.json", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipTokenizer) plain = clip_tokenizer_load (path, &error);
    g_autoptr (ClipTokenizer) adapted = clip_tokenizer_load (path, &error);
    g_assert_no_error (error);
    clip_tokenizer_adapt (adapted, cases[i].clean, FALSE);
    gint32 expected[64], found[64];
    const int n = clip_tokenizer_encode_padded (plain, expected, 64, cases[i].as, NULL);
    g_assert_cmpint (clip_tokenizer_encode_padded (adapted, found, 64, cases[i].text, NULL), ==, n);
    g_autofree char *one = describe_ids (expected, 64), *other = describe_ids (found, 64);
    g_assert_cmpstr (other, ==, one);
    g_assert_cmpint (found[n - 1], ==, 1);
    g_assert_cmpint (found[63], ==, 0);
    g_assert_cmpint (clip_tokenizer_encode_padded (adapted, found, 3, cases[i].text, NULL), ==, 3);
    g_assert_cmpint (found[2], ==, 1);
  }
}

/* CLIP's scheme with two merges: ids 0-255 bytes, 256-511 bytes that end a word, 512 "lo", 513 "low</w>", 514, 515. */
static void
test_merges (void)
{
  static const char text[] = "#version: 0.2\r\nl o\r\nlo w</w>\r\n\r\n";
  g_autoptr (GBytes) bytes = g_bytes_new_static (text, sizeof text - 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_parse (bytes, "f", &error);
  g_assert_no_error (error);
  g_assert_cmpint (clip_tokenizer_get_vocab_size (tokenizer), ==, 516);
  g_assert_cmpint (clip_tokenizer_get_start (tokenizer), ==, 514);
  g_assert_cmpint (clip_tokenizer_get_end (tokenizer), ==, 515);
  /* 'l' is 75: the 76th printable character from '!' on; '!' at a word's end is 256, 0xC3 0xA9 is é */
  assert_tokens (tokenizer, "low lo l!", "514 513 75 334 331 256 515", 0);
  assert_tokens (tokenizer, "\xC3\xA9<|EndOfText|>", "514 127 358 515 515", 0);
}

static void
write_file (const char *directory, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

/* The toy vocabulary of Hugging Face's test of its CLIP tokenizer, and what it expects there. */
static void
test_vocab_json (void)
{
  static const char vocab[] =
      "{\"l\":0,\"o\":1,\"w\":2,\"e\":3,\"r\":4,\"s\":5,\"t\":6,\"i\":7,\"d\":8,\"n\":9,\"lo\":10,"
      "\"l</w>\":11,"
      "\"w</w>\":12,\"r</w>\":13,\"t</w>\":14,\"low</w>\":15,\"er</w>\":16,\"lowest</"
      "w>\":17,\"newer</w>\":18,"
      "\"wider\":19,\"<unk>\":20,\"<|startoftext|>\":21,\"<|endoftext|>\":22}";
  g_autofree char *directory = g_dir_make_tmp ("bpe-XXXXXX", NULL);
  g_autofree char *merges = g_build_filename (directory, "merges.txt", NULL);
  g_autofree char *json = g_build_filename (directory, "vocab.json", NULL);
  const char *const paths[] = { directory, merges, json };
  g_autoptr (GError) error = NULL;

  g_assert_false (clip_tokenizer_in_directory (directory));
  g_assert_null (clip_tokenizer_load (directory, &error));
  g_assert_error (error, CLIP_ERROR, CLIP_ERROR_TOKENIZER);
  g_clear_error (&error);

  write_file (directory, "vocab.json", vocab);
  write_file (directory, "merges.txt", "#version: 0.2\nl o\nlo w</w>\ne r</w>\n");
  g_assert_true (clip_tokenizer_in_directory (directory));
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_load (paths[i], &error);
    g_assert_no_error (error);
    g_assert_cmpint (clip_tokenizer_get_vocab_size (tokenizer), ==, 23);
    assert_tokens (tokenizer, "lower newer", "21 10 2 16 9 3 2 16 22", 0);
    assert_tokens (tokenizer, "lowX", "21 10 2 20 22", 0);
  }

  write_file (directory, "merges.txt", "#version: 0.2\nl o\no x\n");
  g_assert_null (clip_tokenizer_load (directory, &error));
  g_autofree char *expected =
      g_strdup_printf ("%s: merge 3, \"o x\": \"x\" is not in the vocabulary", merges);
  g_assert_cmpstr (error->message, ==, expected);
  g_clear_error (&error);

  write_file (directory, "vocab.json", "{\"l\": \"zero\"}");
  g_assert_null (clip_tokenizer_load (directory, &error));
  g_assert_error (error, CLIP_ERROR, CLIP_ERROR_FORMAT);
  g_unlink (merges);
  g_unlink (json);
  g_rmdir (directory);
}

/* ------------------------------------------------------------------------------------------------------- bad files */

#define TEXT(literal) literal, sizeof (literal) - 1
#define BYTE_LEVEL "\"pre_tokenizer\":{\"type\":\"ByteLevel\"}"

static void
test_malformed (void)
{
  static const struct {
    const char *text;
    gsize length;
    const char *message;
  } cases[] = {
    { TEXT ("#version: 0.2\nl o\nl\n"), "f: line 3: expected two symbols, found \"l\"" },
    { TEXT ("#version: 0.2\nl o w\n"), "f: line 2: expected two symbols, found \"l o w\"" },
    { TEXT ("#version: 0.2\nl \n"), "f: line 2: expected two symbols, found \"l \"" },
    { TEXT ("#version: 0.2\n l\n"), "f: line 2: expected two symbols, found \" l\"" },
    { TEXT ("#version: 0.2\nlo w\n"), "f: merge 2, \"lo w\": \"lo\" is not in the vocabulary" },
    { TEXT ("#version: 0.2\nl o\n\xFF o\n"), "f: line 3: not valid UTF-8" },
    { TEXT ("#version: 0.2\nl o\nl\0 o\n"), "f: line 3: a NUL byte" },
    { TEXT ("\x1F\x8B"), "f: gzip: Need more input" },
    { TEXT ("\x1F\x8B\x08\x00garbage garbage"), "f: gzip: Invalid compressed data" },
    { TEXT ("{"), "f: line 1, byte 2: expected a string" },
    { TEXT ("{}"), "f: no model: not a tokenizer.json" },
    { TEXT ("{\"model\":7}"), "f: model is 7, expected an object" },
    { TEXT ("{\"model\":{\"type\":\"WordLevel\",\"vocab\":[]}}"),
      "f: model \"WordLevel\" is not supported, only BPE, WordPiece and Unigram" },
    { TEXT ("{\"model\":{\"type\":\"BPE\"}}"), "f: model has no vocab" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":[]}}"),
      "f: vocab is an array, expected an object of tokens and ids" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":{}}}"),
      "f: merges is an object, expected an array" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":1.5}}}"),
      "f: token \"a\": expected an id below 16777216" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":[]}}}"),
      "f: token \"a\": expected an id below 16777216" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1}}}"),
      "f: token \"a\": expected an id below 16777216" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":4294967296}}}"),
      "f: token \"a\": expected an id below 16777216" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}"),
      "f: merge 1: expected two symbols" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"b\",\"c\"]]}}"),
      "f: merge 1: expected two symbols" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"b\"]]}}"),
      "f: merge 1, \"a b\": \"b\" is not in the vocabulary" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"byte_fallback\":true}}"),
      "f: BPE with byte_fallback: expected the normalizer Replace of \" \" by \"\u2581\"" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"byte_fallback\":true}," BYTE_LEVEL "}"),
      "f: pre_tokenizer \"ByteLevel\" is not supported with this model" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"byte_fallback\":true,"
            "\"end_of_word_suffix\":\"</w>\"}}"),
      "f: BPE with such an end_of_word_suffix is not supported" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"ignore_merges\":true}}"),
      "f: BPE with ignore_merges is not supported" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}"),
      "f: expected the pre_tokenizer ByteLevel" },
    { TEXT (
          "{\"model\":{\"type\":\"BPE\",\"vocab\":{}},\"pre_tokenizer\":{\"type\":\"Metaspace\"}}"),
      "f: pre_tokenizer \"Metaspace\" is not supported with this model" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{}}," BYTE_LEVEL
            ",\"normalizer\":{\"type\":\"Nmt\"}}"),
      "f: normalizer \"Nmt\" is not supported" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{}}," BYTE_LEVEL
            ",\"post_processor\":{\"type\":\"Odd\"}}"),
      "f: post_processor \"Odd\" is not supported" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{}}," BYTE_LEVEL
            ",\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"<s>\",0]}}"),
      "f: post_processor: expected \"sep\": [token, id]" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{}}," BYTE_LEVEL
            ",\"post_processor\":{\"type\":"
            "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"a\"}}]}}"),
      "f: post_processor: special token \"a\" has no id" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{}}," BYTE_LEVEL
            ",\"added_tokens\":[{\"id\":3}]}"),
      "f: added token 1: expected its content and id" },
    { TEXT ("{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"end_of_word_suffix\":\"</w>\"}," BYTE_LEVEL
            "}"),
      "f: CLIP's start and end tokens are not in it" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *message = refusal (cases[i].text, cases[i].length);
    g_assert_cmpstr (message, ==, cases[i].message);
  }
}

static GBytes *
gzip (const void *data, gsize size)
{
  g_autoptr (GConverter) compressor =
      G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, 1));
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GOutputStream) stream = g_converter_output_stream_new (memory, compressor);
  g_assert_true (g_output_stream_write_all (stream, data, size, NULL, NULL, NULL));
  g_assert_true (g_output_stream_close (stream, NULL, NULL));
  return g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (memory));
}

static void
test_gzip (void)
{
  static const char text[] = "#version: 0.2\nl o\n";
  g_autoptr (GBytes) small = gzip (text, sizeof text - 1);
  gsize size;
  const char *data = g_bytes_get_data (small, &size);
  g_autofree char *message = refusal (data, size);
  g_assert_cmpstr (message, ==, "");
  for (gsize cut = 2; cut < size; cut++) {
    g_autofree char *refused = refusal (data, cut);
    g_assert_cmpstr (refused, !=, "");
  }

  gsize much = 65 * 1024 * 1024;
  g_autofree char *zeros = g_malloc0 (much);
  g_autoptr (GBytes) bomb = gzip (zeros, much);
  data = g_bytes_get_data (bomb, &size);
  g_autofree char *refused = refusal (data, size);
  g_assert_cmpstr (refused, ==, "f: gzip: unpacks to more than 67108864 bytes");
}

/* ------------------------------------------------------------------------------------------------------- algorithm */

/* The plain version: find the lowest rank, merge all its occurrences from the left, again. @word: one letter a symbol,
 * tokens joined by '|'. */
static char *
merge_plainly (const char *word, const ClipBpeMerge *merges, guint n)
{
  g_autoptr (GPtrArray) symbols = g_ptr_array_new_with_free_func (g_free);
  for (; *word; word++)
    g_ptr_array_add (symbols, g_strndup (word, 1));
  for (;;) {
    guint best = n;
    for (guint i = 0; i + 1 < symbols->len; i++) {
      for (guint m = 0; m < best; m++) {
        if (g_str_equal (symbols->pdata[i], merges[m].left) &&
            g_str_equal (symbols->pdata[i + 1], merges[m].right))
          best = m;
      }
    }
    if (best == n)
      break;
    for (guint i = 0; i + 1 < symbols->len; i++) {
      if (g_str_equal (symbols->pdata[i], merges[best].left) &&
          g_str_equal (symbols->pdata[i + 1], merges[best].right)) {
        char *joined = g_strconcat (symbols->pdata[i], symbols->pdata[i + 1], NULL);
        g_ptr_array_remove_index (symbols, i + 1);
        g_free (symbols->pdata[i]);
        symbols->pdata[i] = joined;
      }
    }
  }
  g_ptr_array_add (symbols, NULL);
  return g_strjoinv ("|", (char **) symbols->pdata);
}

/* Random merges over "abc" (each of tokens that exist already, as in any trained file), random words. */
static void
test_against_plain (void)
{
  for (int round = 0; round < 200; round++) {
    g_autoptr (GPtrArray) tokens = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GHashTable) ids = g_hash_table_new (g_str_hash, g_str_equal);
    ClipBpeMerge merges[30];
    guint n = 0;
    for (const char *letter = "abc"; *letter; letter++)
      g_ptr_array_add (tokens, g_strndup (letter, 1));
    for (int i = 0; i < 30; i++) {
      const char *left = tokens->pdata[g_test_rand_int_range (0, (int) tokens->len)];
      const char *right = tokens->pdata[g_test_rand_int_range (0, (int) tokens->len)];
      char *joined = g_strconcat (left, right, NULL);
      if (g_ptr_array_find_with_equal_func (tokens, joined, g_str_equal, NULL)) {
        g_free (joined);
        continue;
      }
      merges[n++] = (ClipBpeMerge){ .left = left, .right = right };
      g_ptr_array_add (tokens, joined);
    }
    for (guint i = 0; i < tokens->len; i++)
      g_hash_table_insert (ids, tokens->pdata[i], GUINT_TO_POINTER (i));
    g_autoptr (ClipBpe) bpe = clip_bpe_new (ids, merges, n, "", -1, FALSE, "f", NULL);
    g_assert_nonnull (bpe);

    for (int i = 0; i < 20; i++) {
      char word[101] = { 0 };
      int length = g_test_rand_int_range (0, i < 10 ? 12 : 100);
      for (int k = 0; k < length; k++)
        word[k] = (char) ('a' + g_test_rand_int_range (0, 3));
      g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (gint32));
      g_autoptr (GString) joined = g_string_new (NULL);
      clip_bpe_encode (bpe, found, word, (gsize) length);
      for (guint k = 0; k < found->len; k++)
        g_string_append_printf (joined, "%s%s", k > 0 ? "|" : "",
                                (char *) tokens->pdata[g_array_index (found, gint32, k)]);
      g_autofree char *expected = merge_plainly (word, merges, n);
      g_assert_cmpstr (joined->str, ==, expected);
    }
  }
}

/* The published patterns; \\s as in Python (PCRE's has U+180E too); no U+0345 in the third class (see words.c). */
#define SPACE                                                                                      \
  "\\x09-\\x0D\\x20\\x85\\xA0\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{" \
  "3000}"
#define OPENAI "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^" SPACE "\\x{345}\\p{L}\\p{N}]+"
#define GPT2                                                                                       \
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" SPACE "\\p{L}\\p{N}]+"                        \
  "|[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+"

static void
test_words (void)
{
  static const struct {
    ClipWords words;
    const char *pattern;
    GRegexCompileFlags flags;
  } cases[] = { { clip_words_openai, OPENAI, G_REGEX_CASELESS }, { clip_words_gpt2, GPT2, 0 } };
  static const char *const pieces[] = {
    " ",    " ",  "  ", "\n",     "\t",      "\u00A0",     "\u2003", "\u3000", "\xC2\x85", "\u180E",
    "\x1C", "a",  "B",  "\u00E9", "\u4E2D",  "\u02B0",     "1",      "\u00BD", "\u2167",   "\u0661",
    "!",    "_",  "$",  "\u0301", "\u200D",  "\u0345",     "'",      "'s",     "'S",       "'re",
    "'LL",  "'d", "'x", "\u017F", "'\u017F", "\U0001F642", "-",
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GRegex) regex = g_regex_new (cases[i].pattern, cases[i].flags, 0, NULL);
    g_assert_nonnull (regex);
    for (int round = 0; round < 5000; round++) {
      g_autoptr (GString) text = g_string_new (NULL), found = g_string_new (NULL),
                          expected = g_string_new (NULL);
      for (int n = g_test_rand_int_range (0, 8); n > 0; n--)
        g_string_append (text, pieces[g_test_rand_int_range (0, G_N_ELEMENTS (pieces))]);
      for (const char *p = text->str; *p;) {
        gsize length = cases[i].words (p);
        if (length > 0)
          g_string_append_printf (found, "%.*s|", (int) length, p);
        p = length > 0 ? p + length : g_utf8_next_char (p);
      }
      g_autoptr (GMatchInfo) match = NULL;
      g_regex_match (regex, text->str, 0, &match);
      for (; g_match_info_matches (match); g_match_info_next (match, NULL)) {
        g_autofree char *word = g_match_info_fetch (match, 0);
        g_string_append_printf (expected, "%s|", word);
      }
      g_assert_cmpstr (found->str, ==, expected->str);
    }
  }
}

/* Words without end: the time must grow with the length, not with its square (that would take minutes here). */
static void
test_long (void)
{
  static const char *const units[] = { "a", "ab",       "e\xCC\x81", "!", "\xE4\xB8\xAD",
                                       "1", "\xCD\x85", "' " };
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_clip ();
  for (guint i = 0; i < G_N_ELEMENTS (units); i++) {
    g_autoptr (GString) text = g_string_new (NULL);
    while (text->len < 300000)
      g_string_append (text, units[i]);
    gint64 start = g_get_monotonic_time ();
    g_autoptr (GArray) ids = clip_tokenizer_encode (tokenizer, text->str);
    double seconds = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
    g_test_message ("300 kB of \"%s\": %u tokens, %.2f s", units[i], ids->len, seconds);
    g_assert_cmpfloat (seconds, <, 10);
  }
}

static gpointer
encode_many (gpointer data)
{
  for (int i = 0; i < 300; i++) {
    assert_tokens (data, "A photo of a <|endoftext|> na\xC3\xAFve cat.",
                   "49406 320 1125 539 320 49407 1097 35689 563 2368 269 49407", 0);
  }
  return NULL;
}

static void
test_threads (void)
{
  GThread *threads[4];
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new (NULL, encode_many, clip_tokenizer_clip ());
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++) {
    ClipTokenizer *tokenizer = clip_tokenizer_clip ();
    clip_tokenizer_unref (tokenizer);
    clip_tokenizer_unref (tokenizer); /* that of the thread */
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
  g_test_add_func ("/bpe/golden", test_golden);
  g_test_add_func ("/bpe/characters", test_characters);
  g_test_add_func ("/bpe/gemma-adapted", test_gemma_adapted);
  g_test_add_func ("/bpe/merges", test_merges);
  g_test_add_func ("/bpe/vocab.json", test_vocab_json);
  g_test_add_func ("/bpe/malformed", test_malformed);
  g_test_add_func ("/bpe/gzip", test_gzip);
  g_test_add_func ("/bpe/against-plain", test_against_plain);
  g_test_add_func ("/bpe/words", test_words);
  g_test_add_func ("/bpe/long", test_long);
  g_test_add_func ("/bpe/threads", test_threads);
  return g_test_run ();
}
