/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GGUF: whether each type of block becomes the numbers that the format's own package makes of it (golden/gguf-files.safetensors),
 * whether a model of ../shared written as clip.cpp writes it is the model it was, and what is refused, in files written here.
 */
#include "core/base/bytes.h"
#include "core/model/config.h"
#include "core/model/convert.h"
#include "core/text/tokens.h"
#include "tests/gguf-writer.h"
#include "tests/reference.h"

#include <gio/gio.h>

/* ---------------------------------------------------------------------------------------- golden */

static ClipCheckpoint *
open_golden (void)
{
  g_autofree char *path =
      g_test_build_filename (G_TEST_DIST, "golden", "gguf-files.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  ClipCheckpoint *golden = clip_checkpoint_open (path, &error);
  g_assert_no_error (error);
  return golden;
}

/* Of a tensor in any float type; g_free () */
static float *
floats_of (const ClipTensor *tensor)
{
  const gsize n = tensor->size / clip_dtype_size (tensor->dtype);
  float *y = g_new (float, n);
  for (gsize i = 0; i < n; i++) {
    if (tensor->dtype == CLIP_DTYPE_F32)
      y[i] = ((const float *) tensor->data)[i];
    else if (tensor->dtype == CLIP_DTYPE_F16)
      y[i] = ref_half (((const guint16 *) tensor->data)[i]);
    else
      y[i] = ref_bfloat (((const guint16 *) tensor->data)[i]);
  }
  return y;
}

static void
test_golden (void)
{
  g_autoptr (ClipCheckpoint) golden = open_golden ();
  const ClipTensor *file = clip_checkpoint_find (golden, "types.gguf");
  g_autoptr (GBytes) bytes = g_bytes_new (file->data, file->size);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (bytes, "types.gguf", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (clip_checkpoint_get_container (ours), ==, "gguf");
  guint n = 0;
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (golden); i++) {
    const ClipTensor *expected = clip_checkpoint_get_tensor (golden, i);
    if (!g_str_has_prefix (expected->name, "types.gguf:"))
      continue;
    const ClipTensor *found = clip_checkpoint_find (ours, expected->name + strlen ("types.gguf:"));
    if (!found)
      g_error ("%s is missing", expected->name);
    g_assert_cmpint (found->n_dims, ==, expected->n_dims);
    for (int d = 0; d < found->n_dims; d++)
      g_assert_cmpint (found->shape[d], ==, expected->shape[d]);
    g_autofree float *values = floats_of (found);
    for (gsize k = 0; k < expected->size / sizeof (float); k++) {
      const float value = ((const float *) expected->data)[k];
      if (values[k] != value)
        g_error ("%s: element %zu is %.9g, expected %.9g", expected->name, k, values[k], value);
    }
    n++;
  }
  g_assert_cmpuint (n, ==, 18);
  g_assert_cmpuint (clip_checkpoint_get_n_tensors (ours), ==, n + 1); /* the tokens */
  const ClipTensor *tokens = clip_checkpoint_find (ours, "clip.tokens");
  g_assert_cmpmem (tokens->data, tokens->size, "a\nb</w>\n\xc3\xa9\n", 11);
}

/* Each type of value, as the package writes it. */
static void
test_pairs (void)
{
  static const char *const members[] = {
    "\"general.architecture\":\"clip\"",
    "\"clip.has_text_encoder\":true",
    "\"clip.use_gelu\":false",
    "\"clip.vision.image_size\":224",
    "\"clip.vision.image_mean\":[0.5,0.25,0.125]",
    "\"clip.u16\":65535",
    "\"clip.i16\":-2",
    "\"clip.i32\":-3",
    "\"clip.u64\":1099511627776",
    "\"clip.i64\":-1099511627776",
    "\"clip.f64\":0.1",
    "\"clip.string\":\"a \\\"caf\xc3\xa9\\\"\"",
  };
  g_autoptr (ClipCheckpoint) golden = open_golden ();
  const ClipTensor *file = clip_checkpoint_find (golden, "types.gguf");
  g_autoptr (GBytes) bytes = g_bytes_new (file->data, file->size);
  g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (bytes, "types.gguf", NULL);
  const char *text = clip_checkpoint_get_metadata (ours, "gguf");
  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    if (!strstr (text, members[i]))
      g_error ("%s is missing in %s", members[i], text);
  }
}

/* Every prefix of a file is refused; every file with a byte changed is refused or read within its bounds. */
static void
test_damaged (void)
{
  g_autoptr (ClipCheckpoint) golden = open_golden ();
  const ClipTensor *file = clip_checkpoint_find (golden, "types.gguf");
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  for (gsize size = 0; size < file->size; size += size < 3000 ? 1 : 97) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) cut = g_bytes_new (file->data, size);
    g_autoptr (ClipCheckpoint) none = clip_checkpoint_parse (cut, "x.gguf", &error);
    check_error ("cut", none, error, CLIP_ERROR_FORMAT, "x.gguf: ");
  }
  for (int i = 0; i < 3000; i++) {
    guint8 *copy = g_memdup2 (file->data, file->size);
    copy[g_rand_int_range (random, 0, 3000)] = g_rand_int (random);
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) changed = g_bytes_new_take (copy, file->size);
    g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (changed, "x.gguf", &error);
    g_assert_true ((ours == NULL) == (error != NULL));
    for (guint k = 0; ours && k < clip_checkpoint_get_n_tensors (ours); k++) {
      const ClipTensor *tensor = clip_checkpoint_get_tensor (ours, k);
      g_free (g_memdup2 (tensor->data, tensor->size)); /* ASan watches */
    }
  }
}

/* --------------------------------------------------------------------------------------- refused */

/* A file with the tensors a [2, 32] and b [2, 32], both q8_0 (68 bytes each, b at 96), and one thing that is not so; 0: it is. */
typedef struct {
  const char *name;
  const char *message; /* part of it; NULL: the file is sound */
  ClipError code;      /* IO: FORMAT is expected */
  guint32 version, alignment, type, n_dims;
  gint64 rows, cols, place;
  const char *called; /* b */
  const char *key;    /* of a pair with the value 5 */
  guint32 key_type;
  gsize cut; /* bytes at the end */
} Case;

static const Case cases[] = {
  { "sound" },
  { "version 1", .version = 1 },
  { "version 2", .version = 2 },
  { "version 4", "version 4, supported are 1 to 3", CLIP_ERROR_UNSUPPORTED, .version = 4 },
  { "big-endian", "big-endian", CLIP_ERROR_UNSUPPORTED, .version = 3u << 24 },
  { "aligned to 64", .alignment = 64, .place = 128 },
  { "aligned to 8", .alignment = 8, .place = 72 },
  { "aligned to 7", "general.alignment is 7, expected a multiple of 8", .alignment = 7 },
  { "aligned to 2^31", "general.alignment is 2147483648", .alignment = 1u << 31 },
  { "unaligned", "tensor b begins at byte 97 of the data, expected a multiple of 32", .place = 97 },
  { "overlap", "tensors a and b overlap", .place = 64 },
  { "beyond", "tensor b has 68 bytes from byte 128 on, but there are 164 bytes", .place = 128 },
  { "far beyond", "bytes of data: the file is cut short", .place = -32 },
  { "cut", "tensor b has 68 bytes from byte 96 on, but there are 163 bytes", .cut = 1 },
  { "removed type", "tensor b is of type 4, supported are f32, f16, q4_0", CLIP_ERROR_UNSUPPORTED,
    .type = 4 },
  { "iq2_xxs", "tensor b is of type 16, supported", CLIP_ERROR_UNSUPPORTED, .type = 16 },
  { "no type", "tensor b is of type 4294967295", CLIP_ERROR_UNSUPPORTED, .type = G_MAXUINT32 },
  { "rows of 31", "tensor b has rows of 31 elements, expected a multiple of 32 as q8_0",
    .cols = 31 },
  { "no multiple of 256", "rows of 32 elements, expected a multiple of 256 as q6_K", .type = 14 },
  { "nine dimensions", "tensor b has 9 dimensions, expected at most 8", .n_dims = 9 },
  { "2^32 dimensions", "tensor b has 4294967295 dimensions", .n_dims = G_MAXUINT32 },
  { "2^64 elements", "which no memory holds", .rows = G_MAXINT64, .cols = 32 },
  { "2^60 elements", "tensor b has ", .rows = 1ll << 54, .cols = 32 },
  { "negative", "has a dimension of 18446744073709551615", .rows = -1 },
  { "twice", "tensor a is there twice", .called = "a" },
  { "not UTF-8", "a tensor's name at byte ", .called = "\xff" },
  { "a number", .key = "clip.x", .key_type = GGUF_U32 },
  { "ignored", .key = "llama.x", .key_type = GGUF_U32 },
  { "unknown value", "the value of llama.x has the unknown type 13", .key = "llama.x",
    .key_type = 13 },
  { "unknown value that is kept", "the value of clip.x has the unknown type 99", .key = "clip.x",
    .key_type = 99 },
};

static GBytes *
make_file (const Case *c)
{
  static const guint8 data[68];
  const gint64 shape[] = { 2, 32 }, rows = c->rows ? c->rows : 2, cols = c->cols ? c->cols : 32;
  const guint32 n_dims = c->n_dims ? c->n_dims : 2;
  Gguf file = gguf_new (c->version ? c->version : 3);
  if (c->alignment) {
    gguf_u32 (&file, "general.alignment", c->alignment);
    file.alignment = CLAMP (c->alignment, 8, 64);
  }
  if (c->key) {
    gguf_key (&file, c->key, c->key_type);
    gguf_bytes (file.out, 5, 4);
  }
  gguf_tensor (&file, "a", 8, 2, shape, data, sizeof data);
  gguf_text (&file, c->called ? c->called : "b");
  gguf_bytes (file.out, n_dims, 4);
  for (guint32 i = 0; i < MIN (n_dims, 9); i++)
    gguf_count (&file, i == 0 ? cols : i == 1 ? rows : 1);
  gguf_bytes (file.out, c->type ? c->type : 8, 4);
  gguf_bytes (file.out, c->place ? c->place : 96, 8);
  file.n_tensors++;
  /* The data of b are at 96, or where they are said to be in a sound file. */
  while (file.data->len < (c->message || !c->place ? 96 : c->place))
    gguf_bytes (file.data, 0, 1);
  g_byte_array_append (file.data, data, sizeof data - c->cut);
  return gguf_end (&file);
}

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GBytes) bytes = make_file (&cases[i]);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (bytes, "x.gguf", &error);
    if (cases[i].message) {
      check_error (cases[i].name, ours, error, cases[i].code ? cases[i].code : CLIP_ERROR_FORMAT,
                   cases[i].message);
      g_assert_true (g_str_has_prefix (error->message, "x.gguf: "));
    } else if (!ours) {
      g_error ("%s: %s", cases[i].name, error->message);
    } else {
      const ClipTensor *b = clip_checkpoint_find (ours, "b");
      g_assert_cmpint (b->shape[0], ==, 2);
      g_assert_cmpint (b->shape[1], ==, 32);
    }
  }
}

/* Counts without anything behind them: neither time nor memory is spent on what is not there. */
static void
test_counts (void)
{
  static const struct {
    const char *name;
    guint64 n_tensors, n_pairs;
    const char *key;
    guint32 type, element;
    guint64 n;
    const char *message;
  } rows[] = {
    { "tensors", 1ull << 60, 0, NULL, 0, 0, 0, "says it has 1152921504606846976 tensors" },
    { "pairs", 0, 65537, NULL, 0, 0, 0, "65537 pairs of key and value, expected at most 65536" },
    { "tensors that are not there", 65536, 0, NULL, 0, 0, 0, "cut short" },
    { "numbers", 0, 1, "x", GGUF_ARRAY, GGUF_U32, 1ull << 62, "cut short" },
    { "kept numbers", 0, 1, "clip.x", GGUF_ARRAY, GGUF_U32, G_MAXUINT64, "cut short" },
    { "kept strings", 0, 1, "clip.x", GGUF_ARRAY, GGUF_STRING, 5, "cut short" },
    { "strings", 0, 1, "x", GGUF_ARRAY, GGUF_STRING, G_MAXUINT64, "cut short" },
    { "arrays", 0, 1, "x", GGUF_ARRAY, GGUF_ARRAY, G_MAXUINT64, "cut short" },
    { "tokens", 0, 1, "tokenizer.ggml.tokens", GGUF_ARRAY, GGUF_STRING, G_MAXUINT64, "cut short" },
    { "a string", 0, 1, "clip.x", GGUF_STRING, 0, 0, "begins a string of" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Gguf file = gguf_new (3);
    if (rows[i].key) {
      gguf_key (&file, rows[i].key, rows[i].type);
      gguf_bytes (file.out, rows[i].element, 4);
      gguf_bytes (file.out, rows[i].type == GGUF_STRING ? G_MAXUINT64 : rows[i].n, 8);
    }
    file.n_tensors = rows[i].n_tensors;
    file.n_pairs = 0;
    g_autoptr (GBytes) bytes = gguf_end (&file);
    guint8 *data = g_memdup2 (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
    memcpy (data + 8, &rows[i].n_tensors, 8);
    memcpy (data + 16, &rows[i].n_pairs, 8);
    g_autoptr (GBytes) changed = g_bytes_new_take (data, g_bytes_get_size (bytes));
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (changed, "x.gguf", &error);
    check_error (rows[i].name, ours, error, CLIP_ERROR_FORMAT, rows[i].message);
  }
}

static void
test_nesting (void)
{
  for (int depth = 1; depth < 100; depth += 3) {
    Gguf file = gguf_new (3);
    gguf_key (&file, "x", GGUF_ARRAY);
    for (int i = 1; i < depth; i++) {
      gguf_bytes (file.out, GGUF_ARRAY, 4);
      gguf_bytes (file.out, 1, 8);
    }
    gguf_bytes (file.out, GGUF_U32, 4);
    gguf_bytes (file.out, 0, 8);
    g_autoptr (GBytes) bytes = gguf_end (&file);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (bytes, "x.gguf", &error);
    if (depth <= 4)
      g_assert_no_error (error);
    else
      check_error ("nesting", ours, error, CLIP_ERROR_FORMAT, "nests deeper than 4 arrays");
  }
}

/* ---------------------------------------------------------------------------------------- tokens */

/* CLIP's own merges, and the vocabulary they make. */
static GBytes *
make_tokens (const char *merges)
{
  GString *tokens = g_string_new (NULL);
  for (int end = 0; end < 2; end++) {
    for (int i = 0; i < 512; i++) { /* those that stand for themselves, then the others */
      const int byte = i % 256;
      const gboolean itself =
          (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
      int others = 0;
      for (int b = 0; b < byte; b++)
        others += !((b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae);
      if (itself != (i < 256))
        continue;
      g_string_append_unichar (tokens, itself ? byte : 256 + others);
      g_string_append (tokens, end ? "</w>\n" : "\n");
    }
  }
  g_auto (GStrv) lines = g_strsplit (merges, "\n", -1);
  for (int i = 1; lines[i] && *lines[i]; i++) {
    g_auto (GStrv) pair = g_strsplit (lines[i], " ", 2);
    g_string_append_printf (tokens, "%s%s\n", pair[0], pair[1]);
  }
  g_string_append (tokens, "<|startoftext|>\n<|endoftext|>\n");
  return g_string_free_to_bytes (tokens);
}

static char *
clip_merges (void)
{
  g_autoptr (GBytes) packed = clip_bytes_clip_merges ();
  g_autoptr (GConverter) gzip =
      G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP));
  const gsize room = 4 << 20;
  char *text = g_malloc (room + 1);
  gsize size, read, written;
  const void *data = g_bytes_get_data (packed, &size);
  const GConverterResult result = g_converter_convert (
      gzip, data, size, text, room, G_CONVERTER_INPUT_AT_END, &read, &written, NULL);
  g_assert_cmpint (result, ==, G_CONVERTER_FINISHED);
  text[written] = '\0';
  return text;
}

static void
test_merges (void)
{
  g_autofree char *merges = clip_merges ();
  g_autoptr (GBytes) tokens = make_tokens (merges);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) derived = clip_tokens_to_merges (tokens, "x", &error);
  g_assert_no_error (error);
  gsize size;
  const char *text = g_bytes_get_data (derived, &size), *a = strchr (text, '\n'),
             *b = strchr (merges, '\n');
  g_assert_cmpmem (a, size - (a - text), b, strlen (b)); /* all but the header */
}

static void
test_no_merges (void)
{
  static const struct {
    const char *name, *merges, *message;
  } rows[] = {
    { "three symbols", "\nab c\n", "token 512, \"abc\", is not made of two" },
    { "the same again", "\na b\na b\n", "token 513, \"ab\", is not made of two" },
    { "no such byte", "\na \xe6\x9d\xb1\n", "token 512, " },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GBytes) tokens = make_tokens (rows[i].merges);
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) derived = clip_tokens_to_merges (tokens, "x", &error);
    check_error (rows[i].name, derived, error, CLIP_ERROR_TOKENIZER, rows[i].message);
  }
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) other = g_bytes_new_static ("[PAD]\n[UNK]\n", 12);
  g_autoptr (GBytes) derived = clip_tokens_to_merges (other, "x", &error);
  check_error ("WordPiece", derived, error, CLIP_ERROR_TOKENIZER,
               "its 2 tokens are not in the order of CLIP's");
}

/* ----------------------------------------------------------------------------------------- model */

enum { TYPE_F32 = 0, TYPE_F16 = 1, TYPE_Q4_0 = 2, TYPE_Q8_0 = 8 };

/* As clip.cpp calls what CLIPModel calls @name; NULL: it leaves that out. */
static char *
clip_cpp_name (const char *name)
{
  static const char *const replaced[][2] = {
    { "text_model", "t" },   { "vision_model", "v" }, { "encoder.layers", "blk" },
    { "embeddings.", "" },   { "_proj", "" },         { "self_attn.", "attn_" },
    { "layer_norm", "ln" },  { "layernorm", "ln" },   { "mlp.fc1", "ffn_down" },
    { "mlp.fc2", "ffn_up" }, { "embedding", "embd" }, { "final", "post" },
    { "layrnorm", "ln" },
  };
  if (g_str_equal (name, "logit_scale") || g_str_has_suffix (name, "position_ids"))
    return NULL;
  GString *text = g_string_new (name);
  for (guint i = 0; i < G_N_ELEMENTS (replaced) && !strstr (name, "projection"); i++)
    g_string_replace (text, replaced[i][0], replaced[i][1], 0);
  return g_string_free (text, FALSE);
}

/* A half of @x or a little more, and what it is. */
static guint16
scale_of (float *x)
{
  guint16 bits = half_of (*x);
  while (ref_half (bits) < *x)
    bits++;
  *x = ref_half (bits);
  return bits;
}

/* @x[n] as blocks of @type, and as what a reader should make of them. */
static GByteArray *
quantise (float *x, gsize n, guint32 type)
{
  GByteArray *out = g_byte_array_new ();
  if (type == TYPE_F32)
    g_byte_array_append (out, (const guint8 *) x, n * sizeof *x);
  for (gsize i = 0; type == TYPE_F16 && i < n; i++) {
    const guint16 bits = half_of (x[i]);
    gguf_bytes (out, bits, 2);
    x[i] = ref_half (bits);
  }
  const int most = type == TYPE_Q8_0 ? 127 : 7;
  for (gsize i = 0; (type == TYPE_Q4_0 || type == TYPE_Q8_0) && i < n; i += 32) {
    float d = 0;
    int q[32];
    for (int j = 0; j < 32; j++)
      d = fmaxf (d, fabsf (x[i + j]) / most);
    gguf_bytes (out, scale_of (&d), 2);
    for (int j = 0; j < 32; j++) {
      q[j] = d > 0 ? CLAMP ((int) lrintf (x[i + j] / d), -most, most) : 0;
      x[i + j] = d * q[j];
    }
    for (int j = 0; j < (type == TYPE_Q8_0 ? 32 : 16); j++)
      gguf_bytes (out, type == TYPE_Q8_0 ? q[j] & 255 : (q[j] + 8) | (q[j + 16] + 8) << 4, 1);
  }
  return out;
}

/* The tiny ViT of ../shared as FOLDER/clip.gguf, and what is in there as FOLDER/model.safetensors. */
static void
write_both (const char *folder, const ClipCheckpoint *model, guint32 type, guint32 version)
{
  g_autoptr (GPtrArray) heap = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) tensors = g_array_new (FALSE, TRUE, sizeof (ClipTensor));
  const float mean[] = { 0.5f, 0.4f, 0.3f }, std[] = { 0.25f, 0.26f, 0.27f }, epsilon = 1e-5f;
  Gguf file = gguf_new (version);
  gguf_string (&file, "general.architecture", "clip");
  gguf_bool (&file, "clip.has_text_encoder", TRUE);
  gguf_bool (&file, "clip.has_vision_encoder", TRUE);
  gguf_u32 (&file, "general.file_type", type);
  gguf_u32 (&file, "clip.text.context_length", 77);
  gguf_u32 (&file, "clip.text.embedding_length", 64);
  gguf_u32 (&file, "clip.text.feed_forward_length", 256);
  gguf_u32 (&file, "clip.text.projection_dim", 64);
  gguf_u32 (&file, "clip.text.attention.head_count", 1);
  gguf_floats (&file, "clip.text.attention.layer_norm_epsilon", &epsilon, 1);
  gguf_u32 (&file, "clip.text.block_count", 2);
  gguf_u32 (&file, "clip.vision.image_size", 48);
  gguf_u32 (&file, "clip.vision.patch_size", 8);
  gguf_u32 (&file, "clip.vision.embedding_length", 128);
  gguf_u32 (&file, "clip.vision.feed_forward_length", 512);
  gguf_u32 (&file, "clip.vision.projection_dim", 64);
  gguf_u32 (&file, "clip.vision.attention.head_count", 2);
  gguf_floats (&file, "clip.vision.attention.layer_norm_epsilon", &epsilon, 1);
  gguf_u32 (&file, "clip.vision.block_count", 3);
  gguf_floats (&file, "clip.vision.image_mean", mean, 3);
  gguf_floats (&file, "clip.vision.image_std", std, 3);
  gguf_bool (&file, "clip.use_gelu", FALSE);
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (model); i++) {
    ClipTensor tensor = *clip_checkpoint_get_tensor (model, i);
    g_autofree char *name = clip_cpp_name (tensor.name);
    const gsize n = tensor.size / clip_dtype_size (tensor.dtype);
    if (name) {
      const guint32 as = tensor.n_dims == 4 ? TYPE_F16 : tensor.n_dims == 2 ? type : TYPE_F32;
      float *values = floats_of (&tensor);
      g_autoptr (GByteArray) data = quantise (values, n, as);
      gguf_tensor (&file, name, as, tensor.n_dims, tensor.shape, data->data, data->len);
      g_ptr_array_add (heap, values);
      tensor.data = values;
      tensor.size = n * sizeof (float);
      tensor.dtype = CLIP_DTYPE_F32;
    }
    g_array_append_val (tensors, tensor);
  }
  g_autoptr (GBytes) bytes = gguf_end (&file);
  g_autofree char *gguf_path = g_build_filename (folder, "clip.gguf", NULL),
                  *weights_path = g_build_filename (folder, "model.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_file_set_contents (gguf_path, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &error);
  g_assert_no_error (error);
  clip_safetensors_write (weights_path, (const ClipTensor *) (void *) tensors->data, tensors->len,
                          NULL, &error);
  g_assert_no_error (error);
}

static void
copy_file (const char *from, const char *to)
{
  g_autofree char *text = NULL;
  gsize size;
  g_assert_true (g_file_get_contents (from, &text, &size, NULL));
  g_assert_true (g_file_set_contents (to, text, size, NULL));
}

/* [15, 64]: of the seven pictures, then of the eight texts. */
static float *
features_of (const char *path, const ClipArray *pixels, const ClipArray *tokens)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (path, &in_floats, &error);
  g_assert_no_error (error);
  g_autoptr (ClipSession) session = clip_session_new (model, 1);
  float *features = g_new (float, 15 * 64);
  clip_encode_image (session, features, pixels->data, 7);
  clip_encode_text (session, features + 7 * 64, tokens->data, 8, 77);
  return features;
}

/* In a file of our own it is the same model, and nothing has to be assumed any more. */
static void
check_converted (const char *path, const float *features, const ClipArray *pixels,
                 const ClipArray *tokens)
{
  g_autofree char *out = temporary_path ("converted.safetensors");
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (path, &in_floats, NULL);
  ClipConvertReport report;
  clip_model_convert (out, path, model, CLIP_CONVERT_KEEP, CLIP_PRECISION_AUTO, NULL, NULL, &report,
                      &error);
  g_assert_no_error (error);
  g_strfreev (report.kept);
  g_autofree float *again = features_of (out, pixels, tokens);
  g_assert_cmpmem (again, 15 * 64 * sizeof *again, features, 15 * 64 * sizeof *again);
  g_autoptr (ClipModel) converted = clip_model_load (out, &in_floats, NULL);
  const ClipModelInfo *info = clip_model_get_info (converted);
  g_assert_cmpstr (info->naming, ==, "openclip");
  g_assert_cmpfloat_with_epsilon (info->logit_scale, 100, 1e-3);
  g_assert_cmpuint (g_strv_length ((char **) info->warnings), ==, 0);
}

static double
cosine (const float *a, const float *b, int n)
{
  double ab = 0, aa = 0, bb = 0;
  for (int i = 0; i < n; i++) {
    ab += (double) a[i] * b[i];
    aa += (double) a[i] * a[i];
    bb += (double) b[i] * b[i];
  }
  return ab / sqrt (aa * bb);
}

static float
largest (const float *x, int n)
{
  float most = 0;
  for (int i = 0; i < n; i++)
    most = fmaxf (most, fabsf (x[i]));
  return most;
}

static ClipArray *
read_expected (const char *name, const char *dtype)
{
  g_autofree char *path = shared_path ("conformance/vit/expected.safetensors");
  ClipArray *array = clip_array_read (path, name, dtype, NULL);
  g_assert_nonnull (array);
  return array;
}

static void
test_model (void)
{
  static const struct {
    const char *name;
    guint32 type, version;
    double cosine; /* to the model before, at least */
  } rows[] = {
    { "f32", TYPE_F32, 3, 1 - 1e-9 }, { "f32 version 1", TYPE_F32, 1, 1 - 1e-9 },
    { "f16", TYPE_F16, 2, 1 - 1e-6 }, { "q8_0", TYPE_Q8_0, 3, 1 - 1e-3 },
    { "q4_0", TYPE_Q4_0, 3, 0.9 },
  };
  g_autofree char *source = shared_path ("conformance/vit/hf/model.safetensors"),
                  *config = shared_path ("conformance/vit/hf/config.json");
  if (!source)
    return;
  g_autoptr (ClipCheckpoint) model = clip_checkpoint_open (source, NULL);
  g_autofree ClipArray *pixels = read_expected ("pixels", "F32"),
                       *tokens = read_expected ("tokens", "I32"),
                       *images = read_expected ("image_features", "F32"),
                       *texts = read_expected ("text_features", "F32");
  const float image_scale = largest (images->data, 7 * 64),
              text_scale = largest (texts->data, 8 * 64);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *folder = temporary_path (rows[i].name),
                    *gguf_path = g_build_filename (folder, "clip.gguf", NULL),
                    *config_path = g_build_filename (folder, "config.json", NULL);
    g_mkdir (folder, 0777);
    write_both (folder, model, rows[i].type, rows[i].version);
    copy_file (config, config_path);
    g_autofree float *ours = features_of (gguf_path, pixels, tokens),
                     *same = features_of (folder, pixels, tokens);
    for (int k = 0; k < 15 * 64; k++) {
      if (ours[k] != same[k])
        g_error ("%s: feature %d is %.9g, with the same weights in safetensors %.9g", rows[i].name,
                 k, ours[k], same[k]);
    }
    const double image = cosine (ours, images->data, 7 * 64),
                 text = cosine (ours + 7 * 64, texts->data, 8 * 64);
    for (int k = 0; k < 15 * 64 && rows[i].type == TYPE_F32; k++) { /* as every other container */
      const float *expected =
          k < 7 * 64 ? (const float *) images->data : (const float *) texts->data - 7 * 64;
      g_assert_cmpfloat_with_epsilon (ours[k], expected[k],
                                      2e-5 * (k < 7 * 64 ? image_scale : text_scale));
    }
    g_test_message ("%s: 1 - cosine to the reference: images %.3g, texts %.3g", rows[i].name,
                    1 - image, 1 - text);
    g_assert_cmpfloat (MIN (image, text), >=, rows[i].cosine);

    check_converted (gguf_path, ours, pixels, tokens);
    g_autoptr (ClipModel) loaded = clip_model_load (gguf_path, &in_floats, NULL);
    const ClipModelInfo *info = clip_model_get_info (loaded);
    g_assert_cmpstr (info->container, ==, "gguf");
    g_assert_cmpstr (info->naming, ==, "clip.cpp");
    g_assert_cmpstr (info->image.activation, ==, "quick_gelu");
    g_assert_cmpint (info->image.heads, ==, 2);
    g_assert_cmpfloat (info->preprocess.mean[1], ==, 0.4f);
    g_assert_cmpfloat (info->preprocess.std[2], ==, 0.27f);
    g_assert_cmpint (info->image.n_parameters + info->text.n_parameters, ==, info->n_parameters);
    for (guint w = 0; info->warnings[w]; w++)
      g_test_message ("%s", info->warnings[w]);
    g_assert_cmpuint (g_strv_length ((char **) info->warnings), ==,
                      2); /* resizing and logit scale */
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gguf/golden", test_golden);
  g_test_add_func ("/gguf/pairs", test_pairs);
  g_test_add_func ("/gguf/damaged", test_damaged);
  g_test_add_func ("/gguf/cases", test_cases);
  g_test_add_func ("/gguf/counts", test_counts);
  g_test_add_func ("/gguf/nesting", test_nesting);
  g_test_add_func ("/gguf/merges", test_merges);
  g_test_add_func ("/gguf/no-merges", test_no_merges);
  g_test_add_func ("/gguf/model", test_model);
  return g_test_run ();
}
