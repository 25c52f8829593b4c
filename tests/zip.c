/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Zip archives: what is in them, and what is refused. */
#include "core/checkpoint/zip.h"
#include "tests/testing.h"
#include "tests/zip-writer.h"

static const struct {
  const char *name;
  ZipEntry entries[3];
  gboolean wide;
  ClipError code;
  const char *message; /* part of it; NULL: the archive is sound */
} cases[] = {
  { "one", { { "a/b", "xyz", 3 } } },
  { "three", { { "a/b", "xyz", 3 }, { "a/c", "", 0 }, { "a/d", "12", 2 } } },
  { "64-bit member", { { "a", "xyz", 3, .wide = TRUE } } },
  { "64-bit end", { { "a", "xyz", 3 } }, TRUE },
  { "64-bit both", { { "a", "xyz", 3, .wide = TRUE }, { "b", "12", 2 } }, TRUE },
  { "dots in names", { { "a..b/.c/..d/...", "xyz", 3 } } },
  { "compressed, as sources are", { { "code.py", "xyz", 3, .method = 8, .whole = 1000000000 } } },
  { "twice", { { "a", "x", 1 }, { "a", "y", 1 } }, .message = "a is there twice" },
  { "absolute", { { "/etc/passwd", "x", 1 } }, .message = "unusable name" },
  { "upwards", { { "..", "x", 1 } }, .message = "unusable name" },
  { "upwards within", { { "a/../../b", "x", 1 } }, .message = "unusable name" },
  { "upwards at the end", { { "a/..", "x", 1 } }, .message = "unusable name" },
  { "backslash", { { "a\\b", "x", 1 } }, .message = "unusable name" },
  { "not UTF-8", { { "a\xff", "x", 1 } }, .message = "unusable name" },
  { "no name", { { "", "x", 1 } }, .message = "unusable name" },
  { "another name", { { "a", "x", 1, .local_name = "b" } }, .message = "another name" },
  { "a longer name", { { "a", "x", 1, .local_name = "ab" } }, .message = "another name" },
  { "beyond the file", { { "a", "x", 1, .packed = 1000 } }, .message = "cut short" },
  { "4 GB", { { "a", "x", 1, .packed = 0xfffffffe } }, .message = "cut short" },
  { "into the directory", { { "a", "x", 1, .packed = 2 } }, .message = "cut short" },
  { "stored but grows", { { "a", "x", 1, .whole = 0xfffffff0 } }, .message = "stored in 1 bytes" },
  { "no header there", { { "a", "x", 1, .offset = 1 } }, .message = "no header at byte 1" },
  { "header beyond", { { "a", "x", 1, .offset = 0xfffffffe } }, .message = "no header" },
  { "overlap",
    { { "a", "x", 1, .packed = 10 }, { "b", "xxxxxxxxxxxxxxx", 15 } },
    .message = "a and b overlap" },
};

static guint
count (const ZipEntry *entries)
{
  guint n = 0;
  while (n < 3 && entries[n].name)
    n++;
  return n;
}

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const guint n = count (cases[i].entries);
    g_autoptr (GBytes) bytes = write_zip (cases[i].entries, n, cases[i].wide);
    gsize size;
    const guint8 *data = g_bytes_get_data (bytes, &size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipZip) zip = clip_zip_read (data, size, "x.zip", &error);
    if (cases[i].message) {
      check_error (cases[i].name, zip, error, cases[i].code ? cases[i].code : CLIP_ERROR_FORMAT,
                   cases[i].message);
      g_assert_true (g_str_has_prefix (error->message, "x.zip: "));
      continue;
    }
    g_assert_no_error (error);
    g_assert_cmpuint (clip_zip_get_n_members (zip), ==, n);
    for (guint k = 0; k < n; k++) {
      const ZipEntry *entry = &cases[i].entries[k];
      const ClipZipMember *member = clip_zip_find (zip, entry->name);
      g_assert_true (member && member == clip_zip_get_member (zip, k));
      g_assert_cmpstr (member->name, ==, entry->name);
      g_assert_cmpint (member->stored, ==, entry->method == 0);
      g_assert_cmpmem (member->data, member->size, entry->data, entry->size);
    }
    g_assert_null (clip_zip_find (zip, "none"));
  }
}

/* Every prefix is refused, every byte changed is refused or read within the archive (ASan watches). */
static void
test_damaged (void)
{
  const ZipEntry entries[] = { { "a/b", "xyz", 3, .wide = TRUE }, { "a/c", "12", 2 } };
  g_autoptr (GBytes) bytes = write_zip (entries, 2, TRUE);
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  for (gsize cut = 0; cut < size; cut++) {
    g_autofree guint8 *part = g_memdup2 (data, cut);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipZip) zip = clip_zip_read (part, cut, "x.zip", &error);
    check_error ("cut", zip, error, CLIP_ERROR_FORMAT, "x.zip");
  }
  for (gsize at = 0; at < size; at++) {
    for (int value = 0; value < 256; value += value < 4 || value > 250 ? 1 : 17) {
      g_autofree guint8 *copy = g_memdup2 (data, size);
      g_autoptr (GError) error = NULL;
      copy[at] = value;
      g_autoptr (ClipZip) zip = clip_zip_read (copy, size, "x.zip", &error);
      g_assert_true ((zip == NULL) == (error != NULL));
      for (guint i = 0; zip && i < clip_zip_get_n_members (zip); i++) {
        const ClipZipMember *member = clip_zip_get_member (zip, i);
        g_assert_true (member->data >= copy && member->data + member->size <= copy + size);
      }
    }
  }
}

/* A comment may stand behind the end, and may look like one. */
static void
test_comment (void)
{
  const ZipEntry entries[] = { { "a", "x", 1 } };
  g_autoptr (GBytes) bytes = write_zip (entries, 1, FALSE);
  gsize size;
  g_autoptr (GByteArray) whole = g_byte_array_new ();
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_byte_array_append (whole, data, size);
  whole->data[size - 2] = 8;
  g_byte_array_append (whole, (const guint8 *) "PK\5\6....", 8);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipZip) zip = clip_zip_read (whole->data, whole->len, "x.zip", &error);
  g_assert_no_error (error);
  g_assert_nonnull (clip_zip_find (zip, "a"));
}

/* "123456789" has the check value of this CRC's catalogue entry. */
static void
test_crc (void)
{
  static const struct {
    const char *text;
    guint32 crc;
    const char *message; /* NULL: sound */
  } table[] = {
    { "123456789", 0xcbf43926, NULL },
    { "123456780", 0xcbf43926, "member a is damaged: its CRC-32 is b2288182, expected cbf43926" },
    { "anything", 0, NULL },
  };
  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    const ZipEntry entry = { "a", table[i].text, strlen (table[i].text), .crc = table[i].crc };
    g_autoptr (GBytes) bytes = write_zip (&entry, 1, FALSE);
    gsize size;
    const guint8 *data = g_bytes_get_data (bytes, &size);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipZip) zip = clip_zip_read (data, size, "x.zip", &error);
    g_assert_no_error (error);
    const gboolean sound = clip_zip_check (clip_zip_find (zip, "a"), &error);
    g_assert_true (sound == !error);
    g_assert_cmpstr (error ? error->message : NULL, ==, table[i].message);
  }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/zip/cases", test_cases);
  g_test_add_func ("/zip/damaged", test_damaged);
  g_test_add_func ("/zip/comment", test_comment);
  g_test_add_func ("/zip/crc", test_crc);
  return g_test_run ();
}
