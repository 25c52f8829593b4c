/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Vocabulary files → tokenizers. What a file is, its first bytes say:
 *
 *   gzip       inflated (up to a bound), then one of the others
 *   {          tokenizer.json
 *   a piece    of SentencePiece's own file, spiece.model
 *   merges     "#version" in the first line, or two words in the second: CLIP's scheme gives the ids,
 *              256 bytes, 256 bytes with "</w>", one token for each merge, start and end of text
 *   otherwise  a WordPiece vocab.txt, the line number is the id
 *
 * and its folder: vocab.json gives the ids of the merges.txt beside it, tokenizer_config.json the options of a vocab.txt.
 */
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "core/text/lines.h"
#include "core/text/normalize.h"
#include "core/text/tokenizer.h"

#include <gio/gio.h>
#include <string.h>

#define MAX_INFLATED (64 * 1024 * 1024) /* twenty times the longest vocabulary known */
/* OpenAI's file is longer than its tokenizer, which stops here; it is known by its first line. */
#define CLIP_MERGES (49152 - 256 - 2)
#define CLIP_HEADER "bpe_simple_vocab_16e6"

/* ------------------------------------------------------------------------------------------------------------ gzip */

static GBytes *
inflate (GBytes *bytes, const char *name, GError **error)
{
  g_autoptr (GZlibDecompressor) gzip = g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP);
  g_autoptr (GByteArray) out = g_byte_array_new ();
  gsize size, done = 0;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  for (GConverterResult result = G_CONVERTER_CONVERTED; result != G_CONVERTER_FINISHED;) {
    guint8 piece[16384];
    gsize read, written;
    g_autoptr (GError) refused = NULL;
    result = g_converter_convert (G_CONVERTER (gzip), data + done, size - done, piece, sizeof piece,
                                  G_CONVERTER_INPUT_AT_END, &read, &written, &refused);
    if (result == G_CONVERTER_ERROR)
      return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: gzip: %s", name, refused->message);
    done += read;
    if (out->len + written > MAX_INFLATED)
      return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: gzip: unpacks to more than %d bytes",
                             name, MAX_INFLATED);
    g_byte_array_append (out, piece, (guint) written);
  }
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

/* ---------------------------------------------------------------------------------------------------------- merges */

/* "left right" of each line but the first, a header, cut in place; blank lines are skipped. */
static GArray *
parse_merges (char **lines, const char *name, GError **error)
{
  g_autoptr (GArray) merges = g_array_new (FALSE, FALSE, sizeof (ClipBpeMerge));
  const guint most = lines[0] && strstr (lines[0], CLIP_HEADER) ? CLIP_MERGES : G_MAXUINT;
  for (guint i = 1; lines[0] && lines[i] && merges->len < most; i++) {
    if (!*lines[i])
      continue;
    char *space = strchr (lines[i], ' ');
    if (!space || space == lines[i] || !space[1] || strchr (space + 1, ' '))
      return clip_fail_null (error, CLIP_ERROR_FORMAT,
                             "%s: line %u: expected two symbols, found \"%.40s\"", name, i + 1,
                             lines[i]);
    *space = '\0';
    ClipBpeMerge merge = { .left = lines[i], .right = space + 1, .line = i + 1 };
    g_array_append_val (merges, merge);
  }
  return g_steal_pointer (&merges);
}

/* OpenAI's ids. */
static GHashTable *
clip_vocabulary (const GArray *merges)
{
  GHashTable *vocabulary = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  gint32 id = 0;
  for (int i = 0; i < 4 * 256;
       i++) { /* bytes that stand for themselves, then the others; both again with "</w>" */
    gboolean end_of_word = i >= 512, printable = i % 512 < 256;
    gunichar symbol = clip_bpe_symbol ((guint8) i);
    char token[7] = { 0 };
    if (printable != (symbol < 256))
      continue;
    g_unichar_to_utf8 (symbol, token);
    g_hash_table_insert (vocabulary, g_strconcat (token, end_of_word ? "</w>" : "", NULL),
                         GINT_TO_POINTER (id++));
  }
  for (guint i = 0; i < merges->len; i++) {
    const ClipBpeMerge *merge = &g_array_index (merges, ClipBpeMerge, i);
    g_hash_table_insert (vocabulary, g_strconcat (merge->left, merge->right, NULL),
                         GINT_TO_POINTER (id++));
  }
  g_hash_table_insert (vocabulary, g_strdup (CLIP_START), GINT_TO_POINTER (id++));
  g_hash_table_insert (vocabulary, g_strdup (CLIP_END), GINT_TO_POINTER (id++));
  return vocabulary;
}

static gboolean
has_suffix (GHashTable *vocabulary)
{
  GHashTableIter iter;
  gpointer token;
  g_hash_table_iter_init (&iter, vocabulary);
  while (g_hash_table_iter_next (&iter, &token, NULL)) {
    if (g_str_has_suffix (token, "</w>"))
      return TRUE;
  }
  return FALSE;
}

static int
vocabulary_size (GHashTable *vocabulary)
{
  GHashTableIter iter;
  gpointer id;
  int size = 0;
  g_hash_table_iter_init (&iter, vocabulary);
  while (g_hash_table_iter_next (&iter, NULL, &id))
    size = MAX (size, GPOINTER_TO_INT (id) + 1);
  return size;
}

/* Byte-pair encoding by OpenAI's rules where symbols carry "</w>", by those of GPT-2 and RoBERTa otherwise. */
static ClipTokenizer *
from_merges (GHashTable *vocabulary, const GArray *merges, const char *name, GError **error)
{
  static const char *const roberta[] = { "<mask>", "<pad>", "<unk>" };
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_new ();
  tokenizer->openai = tokenizer->lower = has_suffix (vocabulary);
  const char *start = tokenizer->openai ? CLIP_START : "<s>",
             *end = tokenizer->openai ? CLIP_END : "</s>";
  tokenizer->start = clip_vocabulary_find (vocabulary, start);
  tokenizer->end = clip_vocabulary_find (vocabulary, end);
  if (tokenizer->start < 0 || tokenizer->end < 0)
    return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: %s is not in the vocabulary", name,
                           tokenizer->start < 0 ? start : end);
  clip_tokenizer_add_token (tokenizer, start, tokenizer->start);
  clip_tokenizer_add_token (tokenizer, end, tokenizer->end);
  for (guint i = 0; i < G_N_ELEMENTS (roberta) && !tokenizer->openai; i++) {
    const gint32 id = clip_vocabulary_find (vocabulary, roberta[i]);
    if (id >= 0)
      clip_tokenizer_add_token (tokenizer, roberta[i], id)->strip_left = i == 0;
  }
  tokenizer->vocab_size = vocabulary_size (vocabulary);
  tokenizer->pad = MAX (clip_vocabulary_find (vocabulary, "<pad>"), 0);

  gint32 unknown = clip_vocabulary_find (vocabulary, "<unk>");
  tokenizer->bpe = clip_bpe_new (vocabulary, (const ClipBpeMerge *) merges->data, merges->len,
                                 tokenizer->openai ? "</w>" : "",
                                 unknown >= 0 ? unknown : tokenizer->end, FALSE, name, error);
  if (!tokenizer->bpe)
    return NULL;
  return clip_tokenizer_finish (g_steal_pointer (&tokenizer), name, error);
}

static ClipTokenizer *
parse_clip_merges (char **lines, const char *name, GError **error)
{
  g_autoptr (GArray) merges = parse_merges (lines, name, error);
  if (!merges)
    return NULL;
  g_autoptr (GHashTable) vocabulary = clip_vocabulary (merges);
  return from_merges (vocabulary, merges, name, error);
}

static ClipTokenizer *
load_merges_and_vocab (const char *merges_path, const char *vocab_path, GError **error)
{
  g_autoptr (GBytes) vocab_bytes = clip_bytes_map (vocab_path, error);
  g_autoptr (GHashTable) vocabulary =
      vocab_bytes ? clip_tokenizer_vocabulary_from_file (vocab_bytes, vocab_path, error) : NULL;
  g_autoptr (GBytes) merges_bytes = vocabulary ? clip_bytes_map (merges_path, error) : NULL;
  g_auto (GStrv) lines =
      merges_bytes ? clip_lines_split (merges_bytes, merges_path, CLIP_ERROR_FORMAT, error) : NULL;
  g_autoptr (GArray) merges = lines ? parse_merges (lines, merges_path, error) : NULL;
  return merges ? from_merges (vocabulary, merges, merges_path, error) : NULL;
}

/* -------------------------------------------------------------------------------------------------------- vocab.txt */

typedef struct {
  gboolean lower, strip_accents, ideographs;
} BertOptions;

static ClipTokenizer *
parse_pieces (char **lines, const BertOptions *options, const char *name, GError **error)
{
  static const char *const special[] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" };
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_new ();
  g_autoptr (GHashTable) vocabulary = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  guint n = g_strv_length (lines);
  for (guint i = 0; i < n; i++) {
    if (!*lines[i])
      return clip_fail_null (error, CLIP_ERROR_FORMAT,
                             "%s: line %u: expected a word piece, found nothing", name, i + 1);
    g_hash_table_insert (vocabulary, g_strdup (lines[i]), GINT_TO_POINTER (i));
  }
  for (guint i = 0; i < G_N_ELEMENTS (special); i++) {
    gint32 id = clip_vocabulary_find (vocabulary, special[i]);
    if (id >= 0)
      clip_tokenizer_add_token (tokenizer, special[i], id);
    else if (i > 0 && i < 4)
      return clip_fail_null (error, CLIP_ERROR_FORMAT,
                             "%s: neither merges nor a WordPiece vocabulary: no piece %s", name,
                             special[i]);
  }
  tokenizer->vocab_size = (int) n;
  tokenizer->pad = MAX (clip_vocabulary_find (vocabulary, "[PAD]"), 0);
  tokenizer->start = clip_vocabulary_find (vocabulary, "[CLS]");
  tokenizer->end = clip_vocabulary_find (vocabulary, "[SEP]");
  clip_tokenizer_add_bert_normalizers (tokenizer, TRUE, options->ideographs, options->strip_accents,
                                       options->lower);
  tokenizer->wordpiece =
      clip_wordpiece_new (vocabulary, "##", clip_vocabulary_find (vocabulary, "[UNK]"), 100);
  return clip_tokenizer_finish (g_steal_pointer (&tokenizer), name, error);
}

static gboolean
read_bert_options (const char *path, BertOptions *options, GError **error)
{
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  if (!bytes)
    return FALSE;
  gsize size;
  const char *text = g_bytes_get_data (bytes, &size);
  g_autoptr (JsonNode) root = clip_json_parse (text ? text : "", size, path, error);
  if (!root)
    return FALSE;
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  if (!clip_json_get_boolean (object, "do_lower_case", &options->lower, path, error))
    return FALSE;
  options->strip_accents = options->lower; /* unless said otherwise */
  return clip_json_get_boolean (object, "strip_accents", &options->strip_accents, path, error) &&
         clip_json_get_boolean (object, "tokenize_chinese_chars", &options->ideographs, path,
                                error);
}

/* ------------------------------------------------------------------------------------------------------------ files */

static ClipTokenizer *
parse (GBytes *bytes, const BertOptions *options, const char *name, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_autoptr (GBytes) inflated = NULL;
  if (size >= 2 && data[0] == 0x1F && data[1] == 0x8B) {
    inflated = inflate (bytes, name, error);
    if (!inflated)
      return NULL;
    data = g_bytes_get_data (inflated, &size);
  }
  if (clip_tokenizer_is_sentencepiece (inflated ? inflated : bytes))
    return clip_tokenizer_from_sentencepiece (inflated ? inflated : bytes, name, error);
  while (size > 0 && g_ascii_isspace (*data))
    data++, size--;
  if (size > 0 && *data == '{')
    return clip_tokenizer_from_json (inflated ? inflated : bytes, name, error);
  g_auto (GStrv) lines =
      clip_lines_split (inflated ? inflated : bytes, name, CLIP_ERROR_FORMAT, error);
  if (!lines)
    return NULL;
  gboolean merges =
      lines[0] && (strstr (lines[0], "#version") || (lines[1] && strchr (lines[1], ' ')));
  return merges ? parse_clip_merges (lines, name, error)
                : parse_pieces (lines, options, name, error);
}

static const BertOptions uncased = { .lower = TRUE, .strip_accents = TRUE, .ideographs = TRUE };

ClipTokenizer *
clip_tokenizer_parse (GBytes *bytes, const char *name, GError **error)
{
  return parse (bytes, &uncased, name, error);
}

ClipTokenizer *
clip_tokenizer_clip (void)
{
  static gsize once = 0;
  if (g_once_init_enter (&once)) {
    g_autoptr (GBytes) bytes = clip_bytes_clip_merges ();
    ClipTokenizer *tokenizer = clip_tokenizer_parse (bytes, "CLIP's merges", NULL);
    g_assert (tokenizer); /* our own bytes */
    g_once_init_leave (&once, (gsize) tokenizer);
  }
  return clip_tokenizer_ref ((ClipTokenizer *) once);
}

/* DIRECTORY/name where that file exists, else NULL. */
static char *
existing (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  return g_file_test (path, G_FILE_TEST_EXISTS) ? g_steal_pointer (&path) : NULL;
}

static ClipTokenizer *
load_file (const char *path, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (path), *base = g_path_get_basename (path);
  g_autofree char *vocab = existing (directory, "vocab.json"),
                  *merges = existing (directory, "merges.txt");
  g_autofree char *config = existing (directory, "tokenizer_config.json");
  if ((g_str_equal (base, "vocab.json") || g_str_equal (base, "merges.txt")) && vocab && merges)
    return load_merges_and_vocab (merges, vocab, error);

  if (g_str_equal (base, "sentencepiece.bpe.model"))
    return clip_fail_null (error, CLIP_ERROR_UNSUPPORTED,
                           "%s: XLM-RoBERTa's ids are others than this file's: expected its "
                           "tokenizer.json",
                           path);

  BertOptions options = uncased;
  if (g_str_equal (base, "vocab.txt") && config && !read_bert_options (config, &options, error))
    return NULL;
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  return bytes ? parse (bytes, &options, path, error) : NULL;
}

/* The file that makes @directory's tokenizer, the best first; NULL if there is none. */
static char *
find_in_directory (const char *directory)
{
  static const char *const names[][2] = {
    /* the second is needed too */
    { "tokenizer.json" },
    { "spiece.model" },
    { "merges.txt", "vocab.json" },
    { "vocab.txt" },
    { "bpe_simple_vocab_16e6.txt.gz" },
    { "bpe_simple_vocab_16e6.txt" },
    { "merges.txt" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *path = existing (directory, names[i][0]);
    g_autofree char *partner = path && names[i][1] ? existing (directory, names[i][1]) : NULL;
    if (path && (partner || !names[i][1]))
      return g_steal_pointer (&path);
  }
  return NULL;
}

gboolean
clip_tokenizer_in_directory (const char *directory)
{
  g_autofree char *path = find_in_directory (directory);
  return path != NULL;
}

ClipTokenizer *
clip_tokenizer_load (const char *path, GError **error)
{
  g_return_val_if_fail (path, NULL);
  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    return load_file (path, error);
  g_autofree char *file = find_in_directory (path);
  if (!file)
    return clip_fail_null (
        error, CLIP_ERROR_TOKENIZER,
        "%s: no vocabulary: expected tokenizer.json, spiece.model, vocab.json and merges.txt, "
        "vocab.txt or bpe_simple_vocab_16e6.txt.gz",
        path);
  return load_file (file, error);
}
