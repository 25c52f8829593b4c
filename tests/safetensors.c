/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* safetensors files, sound and malformed, written byte by byte here. */
#include "core/checkpoint/safetensors.h"
#include "core/base/bytes.h"
#include "tests/testing.h"

#include <glib/gstdio.h>
#include <string.h>

#define GOOD "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]}}"

static const struct {
  const char *name, *header;
  gsize data; /* bytes after the header */
  ClipError code;
  const char *message; /* part of it; NULL: the file is sound */
} cases[] = {
  { "good", GOOD, 8 },
  { "spaces", " {} ", 0, CLIP_ERROR_FORMAT, "no safetensors file" },
  { "empty", "{}", 0 },
  { "padded", "{}      \n\t ", 0 },
  { "members in any order",
    "{\"a\" : {\"data_offsets\": [0, 2], \"shape\" : [ ] ,\"dtype\":\"BF16\"} }", 2 },
  { "hole and tail", "{\"a\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[3,4]}}", 9 },
  { "empty tensor", "{\"a\":{\"dtype\":\"I8\",\"shape\":[0,7],\"data_offsets\":[0,0]}}", 0 },
  { "escapes",
    "{\"\\u00e9\\ud83d\\ude00\\n\\\"\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}",
    1 },
  { "metadata",
    "{\"__metadata__\":{\"x\":\"y\"},\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}",
    1 },
  { "dtype nobody computes with",
    "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8 },
  { "data cut short", GOOD, 7, CLIP_ERROR_FORMAT, "tensor a ends at byte 8 of 7" },
  { "not an object", "[1]", 0, CLIP_ERROR_FORMAT, "no safetensors file" },
  { "not closed", "{", 0, CLIP_ERROR_FORMAT, "ends at byte 1" },
  { "deep", "{\"a\":{\"shape\":[[[[[[[[[[[[[[[[[[[[[[[", 0, CLIP_ERROR_FORMAT,
    "header byte 15 is '['" },
  { "deep objects", "{\"a\":{\"a\":{\"a\":{", 0, CLIP_ERROR_FORMAT, "unknown member a" },
  { "trailing text", GOOD "x", 8, CLIP_ERROR_FORMAT, "nothing but spaces" },
  { "trailing comma", "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},}", 1,
    CLIP_ERROR_FORMAT, "'\"'" },
  { "NUL", "\0", 0, CLIP_ERROR_FORMAT, "no safetensors file" },
  { "not UTF-8", "{\"\xff\":1}", 0, CLIP_ERROR_FORMAT, "UTF-8" },
  { "control character", "{\"a\nb\":1}", 0, CLIP_ERROR_FORMAT, "end of a string" },
  { "escaped NUL", "{\"\\u0000\":1}", 0, CLIP_ERROR_FORMAT, "escaped character" },
  { "half a pair", "{\"\\ud83dx\":1}", 0, CLIP_ERROR_FORMAT, "surrogate" },
  { "low half alone", "{\"\\ude00\":1}", 0, CLIP_ERROR_FORMAT, "escaped character" },
  { "bad escape", "{\"\\x\":1}", 0, CLIP_ERROR_FORMAT, "escape sequence" },
  { "end in an escape", "{\"\\", 0, CLIP_ERROR_FORMAT, "escape sequence" },
  { "end in hexadecimal", "{\"\\u12", 0, CLIP_ERROR_FORMAT, "hexadecimal" },
  { "duplicate",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"
    "\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[1,2]}}",
    2, CLIP_ERROR_FORMAT, "a is there twice" },
  { "duplicate metadata", "{\"__metadata__\":{},\"__metadata__\":{}}", 0, CLIP_ERROR_FORMAT,
    "twice" },
  { "duplicate key", "{\"__metadata__\":{\"x\":\"\",\"x\":\"\"}}", 0, CLIP_ERROR_FORMAT, "twice" },
  { "duplicate member",
    "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1,
    CLIP_ERROR_FORMAT, "dtype twice" },
  { "metadata is a number", "{\"__metadata__\":{\"x\":1}}", 0, CLIP_ERROR_FORMAT, "'\"'" },
  { "no dtype", "{\"a\":{\"shape\":[],\"data_offsets\":[0,1]}}", 1, CLIP_ERROR_FORMAT, "lacks" },
  { "one offset", "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0]}}", 1,
    CLIP_ERROR_FORMAT, "lacks" },
  { "three offsets", "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1,2]}}", 1,
    CLIP_ERROR_FORMAT, "at most 2" },
  { "unknown dtype", "{\"a\":{\"dtype\":\"F4\",\"shape\":[],\"data_offsets\":[0,1]}}", 1,
    CLIP_ERROR_FORMAT, "dtype F4" },
  { "lower-case dtype", "{\"a\":{\"dtype\":\"f32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4,
    CLIP_ERROR_FORMAT, "f32" },
  { "nine dimensions",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
    CLIP_ERROR_FORMAT, "at most 8" },
  { "negative", "{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1,
    CLIP_ERROR_FORMAT, "'-'" },
  { "fraction", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}", 1,
    CLIP_ERROR_FORMAT, "'.'" },
  { "2^63", "{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775808],\"data_offsets\":[0,1]}}", 1,
    CLIP_ERROR_FORMAT, "2^63" },
  { "product overflows",
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0,
    CLIP_ERROR_FORMAT, "but has 0 bytes" },
  { "wrong size", "{\"a\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,8]}}", 8,
    CLIP_ERROR_FORMAT, "a is [2, 3] f16 but has 8 bytes" },
  { "ends before it begins", "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[2,1]}}", 2,
    CLIP_ERROR_FORMAT, "before its beginning" },
  { "beyond the file",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[9223372036854775800,"
    "9223372036854775801]}}",
    1, CLIP_ERROR_FORMAT, "cut short" },
  { "overlap",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
    "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
    3, CLIP_ERROR_FORMAT, "a and b overlap" },
  { "the same place",
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
    "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
    2, CLIP_ERROR_FORMAT, "overlap" },
};

static GBytes *
make_file (const char *header, gsize header_size, guint64 stated_size, gsize data)
{
  GByteArray *file = g_byte_array_new ();
  stated_size = GUINT64_TO_LE (stated_size);
  g_byte_array_append (file, (const guint8 *) &stated_size, 8);
  g_byte_array_append (file, (const guint8 *) header, header_size);
  g_autofree guint8 *zeros = g_malloc0 (data + 1);
  g_byte_array_append (file, zeros, data);
  return g_byte_array_free_to_bytes (file);
}

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const gsize size = MAX (strlen (cases[i].header), 1);
    g_autoptr (GBytes) file = make_file (cases[i].header, size, size, cases[i].data);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_parse (file, "x.safetensors", &error);
    if (cases[i].message)
      check_error (cases[i].name, checkpoint, error, cases[i].code, cases[i].message);
    else if (!checkpoint)
      g_error ("%s: %s", cases[i].name, error->message);
  }
}

/* Every prefix of a sound file is refused, and none is read beyond its end (ASan watches: each is its own allocation). */
static void
test_truncated (void)
{
  g_autoptr (GBytes) file = make_file (GOOD, strlen (GOOD), strlen (GOOD), 8);
  for (gsize size = 0; size < g_bytes_get_size (file); size++) {
    g_autoptr (GBytes) cut = g_bytes_new (g_bytes_get_data (file, NULL), size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_parse (cut, "x.safetensors", &error);
    check_error ("truncated", checkpoint, error, CLIP_ERROR_FORMAT, "x.safetensors");
  }
}

static void
test_header_size (void)
{
  const guint64 sizes[] = { strlen (GOOD) + 9, 100 * 1000 * 1000 + 1, G_MAXINT64, G_MAXUINT64,
                            G_MAXUINT64 - 8 };
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autoptr (GBytes) file = make_file (GOOD, strlen (GOOD), sizes[i], 8);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_parse (file, "x.safetensors", &error);
    check_error ("header size", checkpoint, error, CLIP_ERROR_FORMAT, "header should have");
  }
}

static void
test_contents (void)
{
  const char *header = "{\"__metadata__\":{\"format\":\"p\\tt\"},\"\\u00e9\\ud83d\\ude00\":"
                       "{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[1,5]}}";
  g_autoptr (GBytes) file = make_file (header, strlen (header), strlen (header), 5);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_parse (file, "name", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (clip_checkpoint_get_container (checkpoint), ==, "safetensors");
  g_assert_cmpstr (clip_checkpoint_get_name (checkpoint), ==, "name");
  g_assert_cmpstr (clip_checkpoint_get_metadata (checkpoint, "format"), ==, "p\tt");
  g_assert_null (clip_checkpoint_get_metadata (checkpoint, "other"));
  g_assert_cmpuint (clip_checkpoint_get_size (checkpoint), ==, g_bytes_get_size (file));
  g_assert_cmpuint (clip_checkpoint_get_n_tensors (checkpoint), ==, 1);
  g_assert_null (clip_checkpoint_find (checkpoint, "e"));
  const ClipTensor *tensor = clip_checkpoint_find (checkpoint, "\303\251\360\237\230\200");
  g_assert_true (tensor && tensor == clip_checkpoint_get_tensor (checkpoint, 0));
  g_autofree char *text = clip_tensor_describe (tensor);
  g_assert_cmpstr (text, ==, "[1, 2] f16");
  g_assert_true ((const guint8 *) tensor->data ==
                 (const guint8 *) g_bytes_get_data (file, NULL) + 8 + strlen (header) + 1);
}

static void
test_arrays (void)
{
  g_autofree char *path = temporary_path ("arrays.safetensors");
  float floats[34];
  for (int i = 0; i < 34; i++)
    floats[i] = i - 0.5f;
  const gint32 ints[] = { -1, 0, G_MAXINT32 };
  const ClipArray arrays[] = {
    { "odd \"\\\n\303\251", "F32", 2, { 1, 2 }, floats },
    { "ints", "I32", 1, { 3 }, ints },
    { "even", "F32", 3, { 2, 1, 16 }, floats + 2 },
    { "none", "F32", 1, { 0 }, floats },
    { "scalar", "F32", 0, { 0 }, floats },
  };
  g_autoptr (GError) error = NULL;
  g_assert_true (clip_arrays_write (path, arrays, G_N_ELEMENTS (arrays), &error));
  g_assert_true (
      clip_arrays_write (path, arrays, G_N_ELEMENTS (arrays), &error)); /* over the old one */
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++) {
    const ClipArray *a = &arrays[i];
    g_autofree ClipArray *b = clip_array_read (path, a->name, a->dtype, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (b->name, ==, a->name);
    g_assert_cmpstr (b->dtype, ==, a->dtype);
    g_assert_cmpint (b->n_dims, ==, a->n_dims);
    gsize n = 1;
    for (int j = 0; j < a->n_dims; j++) {
      g_assert_cmpint (b->shape[j], ==, a->shape[j]);
      n *= a->shape[j];
    }
    g_assert_cmpmem (b->data, n * 4, a->data, n * 4);
  }
  g_assert_null (clip_array_read (path, "absent", "F32", &error));
  g_assert_no_error (error);
  g_assert_null (clip_array_read (path, "ints", "F32", &error));
  g_assert_error (error, CLIP_ERROR, CLIP_ERROR_TENSOR);
  g_clear_error (&error);

  /* What is a multiple of 64 bytes lies at one, behind a header that is one too. */
  g_autoptr (GBytes) bytes = clip_bytes_map (path, NULL);
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_parse (bytes, path, &error);
  const ClipTensor *even = clip_checkpoint_find (checkpoint, "even");
  g_assert_cmpuint (
      ((const guint8 *) even->data - (const guint8 *) g_bytes_get_data (bytes, NULL)) % 64, ==, 0);
  g_unlink (path);
}

static void
test_conversions (void)
{
  const guint16 f16[] = { 0x3c00, 0xc000, 0x0001 }, bf16[] = { 0x3f80, 0xc000, 0x0001 };
  const float expected_f16[] = { 1, -2, 0x1p-24f }, expected_bf16[] = { 1, -2, 0x1p-133f };
  const gint64 fits[] = { G_MININT32, 5 }, too_large[] = { 5, (gint64) G_MAXINT32 + 1 };
  const ClipTensor tensors[] = {
    { "f16", CLIP_DTYPE_F16, 1, { 3 }, f16, 6 },
    { "bf16", CLIP_DTYPE_BF16, 1, { 3 }, bf16, 6 },
    { "fits", CLIP_DTYPE_I64, 1, { 2 }, fits, 16 },
    { "large", CLIP_DTYPE_I64, 1, { 2 }, too_large, 16 },
  };
  g_autofree char *path = temporary_path ("conversions.safetensors");
  g_autoptr (GError) error = NULL;
  const char *metadata[] = { "key", "va\"lue", NULL };
  g_assert_true (clip_safetensors_write (path, tensors, 4, metadata, &error));
  g_autofree ClipArray *a = clip_array_read (path, "f16", "F32", &error);
  g_assert_cmpmem (a->data, 12, expected_f16, 12);
  g_autofree ClipArray *b = clip_array_read (path, "bf16", "F32", &error);
  g_assert_cmpmem (b->data, 12, expected_bf16, 12);
  g_autofree ClipArray *c = clip_array_read (path, "fits", "I32", &error);
  g_assert_cmpint (((const gint32 *) c->data)[0], ==, G_MININT32);
  g_assert_no_error (error);
  g_assert_null (clip_array_read (path, "large", "I32", &error));
  g_assert_error (error, CLIP_ERROR, CLIP_ERROR_TENSOR);
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_open (path, NULL);
  g_assert_cmpstr (clip_checkpoint_get_metadata (checkpoint, "key"), ==, "va\"lue");
  g_unlink (path);
}

static void
test_write_errors (void)
{
  const float x[2] = { 0 };
  const ClipArray twice[] = { { "a", "F32", 0, { 0 }, x }, { "a", "F32", 0, { 0 }, x } };
  const ClipArray foreign[] = { { "\xff", "F32", 0, { 0 }, x } };
  const ClipArray overflow[] = { { "a", "F32", 2, { G_MAXINT64, 9 }, x } };
  const struct {
    const char *name, *path;
    const ClipArray *arrays;
    guint n;
    ClipError code;
  } write_cases[] = {
    { "twice", "x", twice, 2, CLIP_ERROR_FORMAT },
    { "not UTF-8", "x", foreign, 1, CLIP_ERROR_FORMAT },
    { "overflow", "x", overflow, 1, CLIP_ERROR_TENSOR },
    { "no such folder", "none/x", twice, 1, CLIP_ERROR_IO },
  };
  for (guint i = 0; i < G_N_ELEMENTS (write_cases); i++) {
    g_autofree char *path = temporary_path (write_cases[i].path);
    g_autoptr (GError) error = NULL;
    const gboolean ok = clip_arrays_write (path, write_cases[i].arrays, write_cases[i].n, &error);
    check_error (write_cases[i].name, ok ? path : NULL, error, write_cases[i].code, "x");
    g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  }
}

static void
test_files (void)
{
  static const struct {
    const char *path, *message;
  } paths[] = {
    { "/", "directory" },
    { "/dev/null", "device or pipe" },
    { "/nonexistent.safetensors", "No such file" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_open (paths[i].path, &error);
    check_error (paths[i].path, checkpoint, error, CLIP_ERROR_IO, paths[i].message);
  }
  g_autofree char *path = temporary_path ("empty");
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_open (path, &error);
  check_error ("empty", checkpoint, error, CLIP_ERROR_FORMAT, "0 bytes");
  g_unlink (path);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/safetensors/cases", test_cases);
  g_test_add_func ("/safetensors/truncated", test_truncated);
  g_test_add_func ("/safetensors/header-size", test_header_size);
  g_test_add_func ("/safetensors/contents", test_contents);
  g_test_add_func ("/safetensors/arrays", test_arrays);
  g_test_add_func ("/safetensors/conversions", test_conversions);
  g_test_add_func ("/safetensors/write-errors", test_write_errors);
  g_test_add_func ("/safetensors/files", test_files);
  return g_test_run ();
}
