/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables of pictures and captions: quoting, headers, separators, what is wrong with a row. */
#include "core/train/list.h"
#include "tests/testing.h"

/* "FILE caption|…; …", rows with a problem as "!problem" */
static char *
describe (const GPtrArray *rows)
{
  GString *all = g_string_new (NULL);
  for (guint i = 0; i < rows->len; i++) {
    const ClipListRow *row = rows->pdata[i];
    g_autofree char *captions = row->captions ? g_strjoinv ("|", row->captions) : g_strdup ("-");
    if (all->len)
      g_string_append (all, "; ");
    if (row->problem)
      g_string_append_printf (all, "!%s", row->problem);
    else
      g_string_append_printf (all, "%s %s", row->path, captions);
  }
  return g_string_free (all, FALSE);
}

static void
test_rows (void)
{
#define ROWS(text, expected)                                                                       \
  {                                                                                                \
    text, sizeof text - 1, expected                                                                \
  }
  static const struct {
    const char *text;
    gsize size;
    const char *expected;
  } cases[] = {
    ROWS ("a.jpg,a cat", "/d/a.jpg a cat"),
    ROWS ("a.jpg,a cat\n", "/d/a.jpg a cat"),
    ROWS ("a.jpg,a cat\r\nb.jpg,a dog\r\n", "/d/a.jpg a cat; /d/b.jpg a dog"),
    ROWS ("\xef\xbb\xbf"
          "a.jpg,x",
          "/d/a.jpg x"),
    ROWS ("a.jpg,one,two,,three\n\n/e/b.jpg,x\n", "/d/a.jpg one|two|three; /e/b.jpg x"),
    ROWS ("sub/../a.jpg,x", "/d/a.jpg x"),
    ROWS ("a.jpg,\"a cat, asleep\"", "/d/a.jpg a cat, asleep"),
    ROWS ("a.jpg,\"a \"\"cat\"\"\"\nb.jpg,x", "/d/a.jpg a \"cat\"; /d/b.jpg x"),
    ROWS ("a.jpg,\"two\nlines\"\nb.jpg,x", "/d/a.jpg two\nlines; /d/b.jpg x"),
    ROWS ("a.jpg,5\" nails", "/d/a.jpg 5\" nails"),
    ROWS ("a.jpg,\"never closed\nb.jpg", "/d/a.jpg never closed\nb.jpg"),
    ROWS ("a.jpg\ta cat, asleep\nb.jpg\tx", "/d/a.jpg a cat, asleep; /d/b.jpg x"),
    ROWS ("filepath,title\na.jpg,x", "/d/a.jpg x"),
    ROWS ("filepath\ttitle\na.jpg\tx", "/d/a.jpg x"),
    ROWS ("id,Caption_1,width,IMAGE,caption 2\n7,x,640,a.jpg,y\n", "/d/a.jpg x|y"),
    ROWS ("title,filepath\nx,a.jpg,more,cells", "/d/a.jpg x"),
    ROWS ("a.jpg", "/d/a.jpg -"),
    ROWS ("a.jpg,caf\xe9\nb.jpg,x", "!line 1: column 2 is not valid UTF-8; /d/b.jpg x"),
    ROWS ("a.jpg,\"x\ny\"\n,z", "/d/a.jpg x\ny; !line 3: no file is named"),
    ROWS ("filepath,title\na.jpg,a\0b", "!line 2: column 2 is not valid UTF-8"),
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) bytes = g_bytes_new_static (cases[i].text, cases[i].size);
    g_autoptr (GPtrArray) rows = clip_list_parse (bytes, "f", "/d", &error);
    g_assert_no_error (error);
    g_autofree char *found = describe (rows);
    if (strcmp (found, cases[i].expected))
      g_error ("case %u: \"%s\", expected \"%s\"", i, found, cases[i].expected);
  }
}

static void
test_errors (void)
{
  static const char *const cases[] = { "", "\n", "filepath,title\n", "\xef\xbb\xbf" };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GBytes) bytes = g_bytes_new_static (cases[i], strlen (cases[i]));
    g_autoptr (GPtrArray) rows = clip_list_parse (bytes, "f", "/d", &error);
    check_error (cases[i], rows, error, CLIP_ERROR_FORMAT, "f: the table has no rows");
  }
  g_autoptr (GError) error = NULL;
  g_autofree char *path = temporary_path ("missing.csv");
  g_autoptr (GPtrArray) rows = clip_list_read (path, &error);
  check_error ("missing", rows, error, CLIP_ERROR_IO, path);
}

/* Files are where the table is. */
static void
test_folder (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = temporary_path ("table.csv"), *expected = temporary_path ("a.jpg");
  g_assert_true (g_file_set_contents (path, "a.jpg,x\n", -1, NULL));
  g_autoptr (GPtrArray) rows = clip_list_read (path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (((ClipListRow *) rows->pdata[0])->path, ==, expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/list/rows", test_rows);
  g_test_add_func ("/list/errors", test_errors);
  g_test_add_func ("/list/folder", test_folder);
  return g_test_run ();
}
