/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bytes → records of cells → rows */
#include "core/train/list.h"
#include "core/base/bytes.h"
#include "core/base/error.h"

#include <string.h>

typedef struct {
  const char *at, *end;
  char separator;
  int line; /* of the record that comes next, from 1 */
} Reader;

/* One cell to @cell; TRUE where another follows in its record. "a ""b""" is a "b". */
static gboolean
read_cell (Reader *reader, GString *cell)
{
  gboolean quoted = reader->at < reader->end && *reader->at == '"';
  reader->at += quoted;
  for (; reader->at < reader->end; reader->at++) {
    const char c = *reader->at;
    reader->line += c == '\n';
    if (quoted && c == '"') {
      if (reader->at + 1 == reader->end || reader->at[1] != '"')
        quoted = FALSE; /* what follows up to the separator is taken as it is */
      else
        g_string_append_c (cell, *reader->at++);
    } else if (!quoted && (c == reader->separator || c == '\n')) {
      reader->at++;
      return c != '\n';
    } else
      g_string_append_c (cell, c);
  }
  return FALSE;
}

/* The cells of a record. */
static GPtrArray *
read_record (Reader *reader)
{
  GPtrArray *cells = g_ptr_array_new_with_free_func (g_free);
  gboolean more;
  do {
    GString *cell = g_string_new (NULL);
    more = read_cell (reader, cell);
    const gboolean whole = strlen (cell->str) == cell->len; /* a NUL byte ends a text early */
    char *text = g_string_free (cell, FALSE);
    g_ptr_array_add (cells, whole ? g_strstrip (text) : text);
    if (!whole)
      text[0] = '\xff'; /* not UTF-8, either */
  } while (more);
  return cells;
}

/* ------------------------------------------------------------------------------------------- columns */

typedef enum { NOTHING, FILE_NAME, CAPTION } Column;

static Column
column_named (const char *name)
{
  static const char *const files[] = { "filepath", "file", "image", "path", NULL },
                           *const captions[] = { "title", "caption", "text", NULL };
  g_autofree char *lower = g_ascii_strdown (name, -1);
  if (g_strv_contains (files, lower))
    return FILE_NAME;
  for (int i = 0; captions[i]; i++)
    if (g_str_has_prefix (lower, captions[i]))
      return CAPTION;
  return NOTHING;
}

/* Column [n] where @cells are a header, NULL where they are not. */
static GArray *
read_header (const GPtrArray *cells)
{
  g_autoptr (GArray) columns = g_array_new (FALSE, FALSE, sizeof (Column));
  int n_files = 0;
  for (guint i = 0; i < cells->len; i++) {
    Column column = column_named (cells->pdata[i]);
    if (column == FILE_NAME && n_files++)
      column = NOTHING;
    g_array_append_val (columns, column);
  }
  return n_files ? g_steal_pointer (&columns) : NULL;
}

static Column
column_of (const GArray *columns, guint i)
{
  if (!columns)
    return i == 0 ? FILE_NAME : CAPTION;
  return i < columns->len ? g_array_index (columns, Column, i) : NOTHING;
}

static void
row_free (gpointer data)
{
  ClipListRow *row = data;
  g_free (row->path);
  g_strfreev (row->captions);
  g_free (row->problem);
  g_free (row);
}

static ClipListRow *
make_row (const GPtrArray *cells, const GArray *columns, const char *folder, int line)
{
  ClipListRow *row = g_new0 (ClipListRow, 1);
  g_autoptr (GStrvBuilder) captions = g_strv_builder_new ();
  gboolean any = FALSE;
  for (guint i = 0; i < cells->len; i++) {
    const char *cell = cells->pdata[i];
    const Column column = column_of (columns, i);
    if (column == NOTHING || !*cell)
      continue;
    if (!g_utf8_validate (cell, -1, NULL)) {
      if (!row->problem)
        row->problem = g_strdup_printf ("line %d: column %u is not valid UTF-8", line, i + 1);
    } else if (column == FILE_NAME) {
      row->path = g_canonicalize_filename (cell, folder);
    } else {
      g_strv_builder_add (captions, cell);
      any = TRUE;
    }
  }
  if (any)
    row->captions = g_strv_builder_end (captions);
  if (!row->path && !row->problem)
    row->problem = g_strdup_printf ("line %d: no file is named", line);
  return row;
}

GPtrArray *
clip_list_parse (GBytes *bytes, const char *name, const char *folder, GError **error)
{
  gsize size;
  const char *data = g_bytes_get_data (bytes, &size), *text = data ? data : "";
  const gboolean marked = size >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0; /* as UTF-8 */
  Reader reader = { text + 3 * marked, text + size, ',', 1 };
  const char *first_end = size ? memchr (reader.at, '\n', reader.end - reader.at) : NULL;
  if (size && memchr (reader.at, '\t', (first_end ? first_end : reader.end) - reader.at))
    reader.separator = '\t';

  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func (row_free);
  g_autoptr (GArray) columns = NULL;
  for (gboolean first = TRUE; reader.at < reader.end; first = FALSE) {
    const int line = reader.line;
    g_autoptr (GPtrArray) cells = read_record (&reader);
    if (first && (columns = read_header (cells)))
      continue;
    if (cells->len > 1 || *(char *) cells->pdata[0])
      g_ptr_array_add (rows, make_row (cells, columns, folder, line));
  }
  if (rows->len == 0)
    return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: the table has no rows", name);
  return g_steal_pointer (&rows);
}

GPtrArray *
clip_list_read (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  g_autofree char *whole = g_canonicalize_filename (path, NULL),
                  *folder = g_path_get_dirname (whole);
  return bytes ? clip_list_parse (bytes, path, folder, error) : NULL;
}
