/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PyTorch's files: whether ours are the tensors that PyTorch itself reads from them (golden/torch-files.safetensors
 * holds the files and those), and what is refused, in archives written here.
 */
#include "core/base/bytes.h"
#include "core/checkpoint/checkpoint.h"
#include "tests/testing.h"
#include "tests/zip-writer.h"

/* ---------------------------------------------------------------------------------------- golden */

static const struct {
  const char *name, *container;
} files[] = {
  { "plain.pt", "torch" },    { "legacy.pth", "torch-legacy" },   { "dict.pt", "torch" },
  { "training.pt", "torch" }, { "training.pth", "torch-legacy" }, { "compiled.pt", "torch" },
  { "partly.pt", "torch" },   { "script.pt", "torchscript" },     { "trace.pt", "torchscript" },
};

static ClipCheckpoint *
open_golden (void)
{
  g_autofree char *path =
      g_test_build_filename (G_TEST_DIST, "golden", "torch-files.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  ClipCheckpoint *golden = clip_checkpoint_open (path, &error);
  g_assert_no_error (error);
  return golden;
}

/* All tensors NAME:… of @golden are in @ours, and no others. */
static void
compare (const char *name, const ClipCheckpoint *ours, const ClipCheckpoint *golden)
{
  g_autofree char *prefix = g_strconcat (name, ":", NULL);
  guint n = 0;
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (golden); i++) {
    const ClipTensor *expected = clip_checkpoint_get_tensor (golden, i);
    if (!g_str_has_prefix (expected->name, prefix))
      continue;
    const ClipTensor *found = clip_checkpoint_find (ours, expected->name + strlen (prefix));
    if (!found)
      g_error ("%s is missing", expected->name);
    g_autofree char *is = clip_tensor_describe (found),
                    *should_be = clip_tensor_describe (expected);
    if (!g_str_equal (is, should_be) || found->size != expected->size ||
        memcmp (found->data, expected->data, found->size) != 0)
      g_error ("%s is %s, expected %s, or has other values", expected->name, is, should_be);
    n++;
  }
  g_assert_cmpuint (clip_checkpoint_get_n_tensors (ours), ==, n);
}

static void
test_golden (void)
{
  g_autoptr (ClipCheckpoint) golden = open_golden ();
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    const ClipTensor *file = clip_checkpoint_find (golden, files[i].name);
    g_autoptr (GBytes) bytes = g_bytes_new (file->data, file->size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (bytes, files[i].name, &error);
    if (!ours)
      g_error ("%s", error->message);
    g_assert_cmpstr (clip_checkpoint_get_container (ours), ==, files[i].container);
    compare (files[i].name, ours, golden);
  }
}

/* A contiguous tensor lies in the file, another does not. */
static void
test_mapped (void)
{
  static const struct {
    const char *name;
    gboolean mapped;
  } tensors[] = { { "whole", TRUE },        { "rows", TRUE },      { "ones", TRUE },
                  { "scalar", TRUE },       { "parameter", TRUE }, { "transposed", FALSE },
                  { "every_other", FALSE }, { "columns", FALSE },  { "expanded", FALSE },
                  { "half", FALSE } };
  g_autoptr (ClipCheckpoint) golden = open_golden ();
  for (guint f = 0; f < 2; f++) {
    const ClipTensor *file = clip_checkpoint_find (golden, files[f].name);
    g_autoptr (GBytes) bytes = g_bytes_new_static (file->data, file->size);
    g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (bytes, files[f].name, NULL);
    for (guint i = 0; i < G_N_ELEMENTS (tensors); i++) {
      const guint8 *data = clip_checkpoint_find (ours, tensors[i].name)->data, *begin = file->data;
      g_assert_cmpint (data >= begin && data < begin + file->size, ==, tensors[i].mapped);
    }
  }
}

/* Every prefix of a file is refused; every file with a byte changed is refused or read within its bounds. */
static void
test_damaged (void)
{
  g_autoptr (ClipCheckpoint) golden = open_golden ();
  g_autoptr (GRand) random = g_rand_new_with_seed (1);
  for (guint f = 0; f < G_N_ELEMENTS (files); f++) {
    const ClipTensor *file = clip_checkpoint_find (golden, files[f].name);
    for (int i = 0; i < 100; i++) {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) cut =
          g_bytes_new (file->data, g_rand_int_range (random, 0, (gint32) file->size));
      g_autoptr (ClipCheckpoint) none = clip_checkpoint_parse (cut, "x.pt", &error);
      check_error (files[f].name, none, error, error ? error->code : 0, "x.pt: ");
    }
    for (int i = 0; i < 500; i++) {
      guint8 *copy = g_memdup2 (file->data, file->size);
      copy[g_rand_int_range (random, 0, (gint32) file->size)] = g_rand_int (random);
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) changed = g_bytes_new_take (copy, file->size);
      g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (changed, "x.pt", &error);
      g_assert_true ((ours == NULL) == (error != NULL));
      for (guint k = 0; ours && k < clip_checkpoint_get_n_tensors (ours); k++) {
        const ClipTensor *tensor = clip_checkpoint_get_tensor (ours, k);
        g_free (g_memdup2 (tensor->data, tensor->size)); /* ASan watches */
      }
    }
  }
}

/* --------------------------------------------------------------------------------------- refused */

#define STRING(length, text) "X" length "\0\0\0" text
#define STORAGE(type, key, elements)                                                               \
  "(" STRING ("\7", "storage") "ctorch\n" type "Storage\n" STRING ("\1", key)                      \
      STRING ("\3", "cpu") "K" elements "tQ"
#define TENSOR(storage, offset, sizes, strides)                                                    \
  "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset "(" sizes "t(" strides "t\x89)tR"
#define DICT(key, value) "\x80\2}X\1\0\0\0" key value "s."
#define MODULE(inner) "c__torch__\nM\n)\x81}" inner "b"
#define ONE TENSOR (STORAGE ("Float", "0", "\2"), "K\0", "K\2", "K\1")

#define P(bytes) bytes, sizeof bytes - 1

static const struct {
  const char *name, *pickle;
  gsize size;
  const char *message; /* part of it; NULL: it is sound */
  ClipError code;      /* IO: FORMAT is expected */
} pickles[] = {
  { "sound", P (DICT ("w", ONE)) },
  { "module", P ("\x80\2" MODULE (STRING ("\1", "w") ONE "s") ".") },
  { "no dict", P ("\x80\2K\1."), "neither a state dict nor", CLIP_ERROR_UNSUPPORTED },
  { "a list", P ("\x80\2]" ONE "a."), "neither a state dict nor", CLIP_ERROR_UNSUPPORTED },
  { "a bare tensor", P ("\x80\2" ONE "."), "neither a state dict nor", CLIP_ERROR_UNSUPPORTED },
  { "nothing", P ("\x80\2}."), "no tensors", CLIP_ERROR_UNSUPPORTED },
  { "no tensors", P (DICT ("w", "K\1")), "no tensors", CLIP_ERROR_UNSUPPORTED },
  { "twice", P ("\x80\2}(" STRING ("\1", "w") ONE STRING ("\1", "w") ONE "u."),
    "w is there twice" },
  { "name without text", P ("\x80\2}K\1" ONE "s."), "UTF-8", CLIP_ERROR_UNSUPPORTED },
  { "name not UTF-8", P (DICT ("\xff", ONE)), "UTF-8", CLIP_ERROR_UNSUPPORTED },
  { "name with NUL", P (DICT ("\0", ONE)), "UTF-8", CLIP_ERROR_UNSUPPORTED },
  { "code", P ("\x80\2cposix\nsystem\n" STRING ("\1", "w") "\x85R."), "refers to posix.system",
    CLIP_ERROR_UNSUPPORTED },
  { "beyond the storage",
    P (DICT ("w", TENSOR (STORAGE ("Float", "0", "\2"), "K\1", "K\2", "K\1"))),
    "w is [2] f32 from element 1 on, but its storage has 2" },
  { "stride beyond", P (DICT ("w", TENSOR (STORAGE ("Float", "0", "\2"), "K\0", "K\2", "K\2"))),
    "but its storage has 2" },
  { "negative stride",
    P (DICT ("w", TENSOR (STORAGE ("Float", "0", "\2"), "K\1", "K\2", "J\xff\xff\xff\xff"))),
    "all of them 0 or more" },
  { "negative size",
    P (DICT ("w", TENSOR (STORAGE ("Float", "0", "\2"), "K\0", "J\xff\xff\xff\xff", "K\1"))),
    "all of them 0 or more" },
  { "negative offset",
    P (DICT ("w", TENSOR (STORAGE ("Float", "0", "\2"), "J\xff\xff\xff\xff", "K\1", "K\1"))),
    "all of them 0 or more" },
  { "sizes overflow",
    P (DICT ("w", TENSOR (STORAGE ("Float", "0", "\2"), "K\0", "\x8a\10\0\0\0\0\0\0\0\x40K\4",
                          "K\0K\0"))),
    "but its storage has 2" },
  { "reach overflows",
    P (DICT ("w",
             TENSOR (STORAGE ("Float", "0", "\2"), "K\0", "K\3", "\x8a\10\0\0\0\0\0\0\0\x7f"))),
    "but its storage has 2" },
  { "expands to more than the file",
    P (DICT ("w", TENSOR (STORAGE ("Float", "0", "\2"), "K\0", "J\0\0\0\x70", "K\0"))),
    "all such copies into more", CLIP_ERROR_UNSUPPORTED },
  { "fewer strides", P (DICT ("w", TENSOR (STORAGE ("Float", "0", "\2"), "K\0", "K\1K\2", "K\1"))),
    "as many strides" },
  { "nine sizes",
    P (DICT ("w", TENSOR (STORAGE ("Float", "0", "\2"), "K\0", "K\1K\1K\1K\1K\1K\1K\1K\1K\1",
                          "K\1K\1K\1K\1K\1K\1K\1K\1K\1"))),
    "at most 8 sizes" },
  { "size is a text",
    P (DICT ("w", TENSOR (STORAGE ("Float", "0", "\2"), "K\0", STRING ("\1", "1"), "K\1"))),
    "no storage with" },
  { "no storage", P (DICT ("w", TENSOR ("N", "K\0", "K\2", "K\1"))), "no storage with" },
  { "too few arguments", P (DICT ("w", "ctorch._utils\n_rebuild_tensor_v2\n)R")),
    "no storage with" },
  { "missing storage", P (DICT ("w", TENSOR (STORAGE ("Float", "7", "\2"), "K\0", "K\2", "K\1"))),
    "x.pt: tensor w: the archive has no member a/data/7" },
  { "larger storage", P (DICT ("w", TENSOR (STORAGE ("Float", "0", "\3"), "K\0", "K\2", "K\1"))),
    "member a/data/0 has 8 bytes, expected 12" },
  { "smaller storage", P (DICT ("w", TENSOR (STORAGE ("Half", "0", "\2"), "K\0", "K\2", "K\1"))),
    "member a/data/0 has 8 bytes, expected 4" },
  { "compressed storage",
    P (DICT ("w", TENSOR (STORAGE ("Float", "1", "\2"), "K\0", "K\2", "K\1"))),
    "a/data/1 is compressed", CLIP_ERROR_UNSUPPORTED },
  { "quantised", P (DICT ("w", TENSOR (STORAGE ("QInt8", "0", "\2"), "K\0", "K\2", "K\1"))),
    "refers to torch.QInt8Storage", CLIP_ERROR_UNSUPPORTED },
  { "module in itself", P ("\x80\2c__torch__\nM\n)\x81q\0}" STRING ("\1", "m") "h\0sb."), "64 deep",
    CLIP_ERROR_UNSUPPORTED },
  { "modules without number", /* 64 deep, two ways down from each */
    P ("\x80\2c__torch__\nM\n)\x81q\0}(" STRING ("\1", "m") "h\0" STRING ("\1", "n") "h\0ub."),
    "64 deep", CLIP_ERROR_UNSUPPORTED },
};

static GBytes *
write_archive (const char *pickle, gsize size)
{
  const ZipEntry entries[] = {
    { "a/data.pkl", pickle, size },
    { "a/data/0", "12345678", 8 },
    { "a/data/1", "12345678", 8, .method = 8 },
  };
  return write_zip (entries, G_N_ELEMENTS (entries), FALSE);
}

static void
test_pickles (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (pickles); i++) {
    g_autoptr (GBytes) bytes = write_archive (pickles[i].pickle, pickles[i].size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (bytes, "x.pt", &error);
    if (pickles[i].message) {
      check_error (pickles[i].name, ours, error,
                   pickles[i].code ? pickles[i].code : CLIP_ERROR_FORMAT, pickles[i].message);
      g_assert_true (g_str_has_prefix (error->message, "x.pt: "));
      continue;
    }
    g_assert_no_error (error);
    const ClipTensor *tensor = clip_checkpoint_find (ours, "w");
    g_assert_nonnull (tensor);
    g_assert_cmpmem (tensor->data, tensor->size, "12345678", 8);
  }
}

/* Three levels of a hundred names for the same: a million paths. */
static void
test_many_paths (void)
{
  g_autoptr (GByteArray) pickle = g_byte_array_new ();
  g_byte_array_append (pickle, (const guint8 *) P (MODULE ("")));
  for (guint8 level = 0; level < 3; level++) {
    const guint8 head[] = "c__torch__\nM\n)\x81}(X\2\0\0\0aa", inner[] = { 'q', level };
    g_byte_array_prepend (pickle, head, sizeof head - 1);
    g_byte_array_append (pickle, inner, sizeof inner);
    for (guint8 i = 1; i < 100; i++) {
      const guint8 attribute[] = { 'X', 2, 0, 0, 0, 'a' + i / 10, 'a' + i % 10, 'h', level };
      g_byte_array_append (pickle, attribute, sizeof attribute);
    }
    g_byte_array_append (pickle, (const guint8 *) P ("ub"));
  }
  g_byte_array_append (pickle, (const guint8 *) P ("."));
  g_autoptr (GBytes) bytes = write_archive ((const char *) pickle->data, pickle->len);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (bytes, "x.pt", &error);
  check_error ("many", ours, error, CLIP_ERROR_UNSUPPORTED, "more than 65536 tensors and modules");
}

static void
test_archives (void)
{
  static const struct {
    const char *name;
    ZipEntry entries[3];
    const char *message;
    ClipError code;
  } archives[] = {
    { "another archive",
      { { "word/document.xml", "x", 1 } },
      "1 members (such as word/document.xml)" },
    { "pickle damaged",
      { { "a/data.pkl", P (DICT ("w", ONE)), .crc = 1 } },
      "member a/data.pkl is damaged: its CRC-32 is " },
    { "pickle at the top", { { "data.pkl", P (DICT ("w", ONE)) } }, "NAME/data.pkl" },
    { "pickle too deep", { { "a/b/data.pkl", P (DICT ("w", ONE)) } }, "NAME/data.pkl" },
    { "compressed pickle",
      { { "a/data.pkl", "x", 1, .method = 8, .whole = 0xfffffff0 } },
      "a/data.pkl is compressed",
      CLIP_ERROR_UNSUPPORTED },
    { "encrypted pickle",
      { { "a/data.pkl", "x", 1, .flags = 1 } },
      "or encrypted",
      CLIP_ERROR_UNSUPPORTED },
    { "big-endian",
      { { "a/data.pkl", P (DICT ("w", ONE)) },
        { "a/data/0", "12345678", 8 },
        { "a/byteorder", "big", 3 } },
      "big-endian",
      CLIP_ERROR_UNSUPPORTED },
  };
  for (guint i = 0; i < G_N_ELEMENTS (archives); i++) {
    guint n = 0;
    while (n < 3 && archives[i].entries[n].name)
      n++;
    g_autoptr (GBytes) bytes = write_zip (archives[i].entries, n, FALSE);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (bytes, "x.pt", &error);
    check_error (archives[i].name, ours, error,
                 archives[i].code ? archives[i].code : CLIP_ERROR_FORMAT, archives[i].message);
  }
}

/* ---------------------------------------------------------------------------------------- legacy */

#define MAGIC "\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define HEAD MAGIC "\x80\2M\xe9\3.\x80\2}" STRING ("\15", "little_endian") "\x88s."
#define KEYS(key) "\x80\2]X\1\0\0\0" key "a."
#define NUMBERS "\2\0\0\0\0\0\0\00012345678"
#define VIEW(first, n)                                                                             \
  "(" STRING ("\7", "storage") "ctorch\nFloatStorage\n" STRING ("\1", "0")                         \
      STRING ("\3", "cpu") "K\2" STRING ("\1", "v") "K" first "K" n "\x87tQ"

static const struct {
  const char *name, *bytes;
  gsize size;
  const char *message, *value;
  ClipError code;
} legacies[] = {
  { "sound", P (HEAD DICT ("w", ONE) KEYS ("0") NUMBERS), NULL, "12345678" },
  { "view", P (HEAD DICT ("w", TENSOR (VIEW ("\1", "\1"), "K\0", "K\1", "K\1")) KEYS ("0") NUMBERS),
    NULL, "5678" },
  { "beyond the view",
    P (HEAD DICT ("w", TENSOR (VIEW ("\0", "\1"), "K\0", "K\2", "K\1")) KEYS ("0") NUMBERS),
    "its storage has 1" },
  { "view beyond its storage",
    P (HEAD DICT ("w", TENSOR (VIEW ("\1", "\2"), "K\0", "K\1", "K\1")) KEYS ("0") NUMBERS),
    "a view within them" },
  { "another protocol", P (MAGIC "\x80\2M\xea\3.\x80\2}."), "another protocol", NULL,
    CLIP_ERROR_UNSUPPORTED },
  { "big-endian", P (MAGIC "\x80\2M\xe9\3.\x80\2}" STRING ("\15", "little_endian") "\x89s."),
    "big-endian", NULL, CLIP_ERROR_UNSUPPORTED },
  { "no list", P (HEAD DICT ("w", ONE) "\x80\2N."), "no list of its storages" },
  { "key nobody has", P (HEAD DICT ("w", ONE) KEYS ("1") NUMBERS), "storage 1 is listed" },
  { "key twice", P (HEAD DICT ("w", ONE) "\x80\2](X\1\0\0\0000X\1\0\0\0000e." NUMBERS NUMBERS),
    "storage 0 is listed" },
  { "key not listed", P (HEAD DICT ("w", ONE) "\x80\2]."),
    "tensor w: storage 0 is not in the file" },
  { "two sizes",
    P (HEAD "\x80\2}(" STRING ("\1", "v") ONE STRING ("\1", "w")
           TENSOR (STORAGE ("Float", "0", "\1"), "K\0", "K\1", "K\1") "u." KEYS ("0") NUMBERS),
    "of two sizes" },
  { "other number", P (HEAD DICT ("w", ONE) KEYS ("0") "\3\0\0\0\0\0\0\000123456789012"),
    "has 3 elements, expected 2" },
  { "cut short", P (HEAD DICT ("w", ONE) KEYS ("0") "\2\0\0\0\0\0\0\0001234567"), "found 15" },
  { "number cut short", P (HEAD DICT ("w", ONE) KEYS ("0") "\2\0\0"), "found 3" },
};

static void
test_legacy (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (legacies); i++) {
    g_autoptr (GBytes) bytes = g_bytes_new (legacies[i].bytes, legacies[i].size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) ours = clip_checkpoint_parse (bytes, "x.pth", &error);
    if (legacies[i].message) {
      check_error (legacies[i].name, ours, error,
                   legacies[i].code ? legacies[i].code : CLIP_ERROR_FORMAT, legacies[i].message);
      g_assert_true (g_str_has_prefix (error->message, "x.pth: "));
      continue;
    }
    g_assert_no_error (error);
    const ClipTensor *tensor = clip_checkpoint_find (ours, "w");
    g_assert_cmpmem (tensor->data, tensor->size, legacies[i].value, strlen (legacies[i].value));
  }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/torch/golden", test_golden);
  g_test_add_func ("/torch/mapped", test_mapped);
  g_test_add_func ("/torch/damaged", test_damaged);
  g_test_add_func ("/torch/pickles", test_pickles);
  g_test_add_func ("/torch/many-paths", test_many_paths);
  g_test_add_func ("/torch/archives", test_archives);
  g_test_add_func ("/torch/legacy", test_legacy);
  return g_test_run ();
}
