/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON lines: a string grows member by member and is taken whole. */
#include "gst/jsonline.h"

#include <math.h>

struct _JsonLine {
  GString *text;
  gboolean pretty;
  gboolean first; /* nothing yet inside the innermost bracket */
  int depth;
};

JsonLine *
json_line_new (gboolean pretty)
{
  JsonLine *line = g_new0 (JsonLine, 1);
  line->text = g_string_new (NULL);
  line->pretty = pretty;
  line->first = TRUE;
  return line;
}

void
json_line_free (JsonLine *line)
{
  g_string_free (line->text, TRUE);
  g_free (line);
}

static void
append_quoted (GString *text, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value, -1);
  g_string_append_c (text, '"');
  for (const char *p = valid; *p; p++)
    if (*p == '"' || *p == '\\')
      g_string_append_printf (text, "\\%c", *p);
    else if (*p == '\n')
      g_string_append (text, "\\n");
    else if (*p == '\t')
      g_string_append (text, "\\t");
    else if ((guchar) *p < 0x20 || *p == 0x7f)
      g_string_append_printf (text, "\\u%04x", (guchar) *p);
    else
      g_string_append_c (text, *p);
  g_string_append_c (text, '"');
}

static void
append_new_line (JsonLine *line)
{
  g_string_append_printf (line->text, "\n%*s", 2 * line->depth, "");
}

/* What stands before every value: a comma, and the member's name. */
static void
append_name (JsonLine *line, const char *name)
{
  if (!line->first)
    g_string_append_c (line->text, ',');
  if (line->pretty && name)
    append_new_line (line); /* elements of an array go on in the same line */
  else if (!line->first)
    g_string_append_c (line->text, ' ');
  line->first = FALSE;
  if (name) {
    append_quoted (line->text, name);
    g_string_append (line->text, ": ");
  }
}

void
json_line_begin (JsonLine *line, const char *name, char bracket)
{
  append_name (line, name);
  g_string_append_c (line->text, bracket);
  line->first = TRUE;
  line->depth++;
}

void
json_line_end (JsonLine *line, char bracket)
{
  line->depth--;
  if (line->pretty && bracket == '}' && !line->first)
    append_new_line (line);
  g_string_append_c (line->text, bracket);
  line->first = FALSE;
}

void
json_line_string (JsonLine *line, const char *name, const char *value)
{
  append_name (line, name);
  if (value)
    append_quoted (line->text, value);
  else
    g_string_append (line->text, "null");
}

void
json_line_int (JsonLine *line, const char *name, gint64 value)
{
  append_name (line, name);
  g_string_append_printf (line->text, "%" G_GINT64_FORMAT, value);
}

void
json_line_bool (JsonLine *line, const char *name, gboolean value)
{
  append_name (line, name);
  g_string_append (line->text, value ? "true" : "false");
}

void
json_line_append_float (GString *text, float value)
{
  char digits[G_ASCII_DTOSTR_BUF_SIZE] = "null";
  /* nine significant digits tell any two floats apart; fewer often do */
  for (int precision = 6; precision <= 9 && isfinite (value); precision++) {
    char format[] = { '%', '.', (char) ('0' + precision), 'g', 0 };
    g_ascii_formatd (digits, sizeof digits, format, value);
    if ((float) g_ascii_strtod (digits, NULL) == value)
      break;
  }
  g_string_append (text, digits);
}

void
json_line_float (JsonLine *line, const char *name, float value)
{
  append_name (line, name);
  json_line_append_float (line->text, value);
}

void
json_line_floats (JsonLine *line, const char *name, const float *values, gsize n)
{
  json_line_begin (line, name, '[');
  for (gsize i = 0; i < n; i++)
    json_line_float (line, NULL, values[i]);
  json_line_end (line, ']');
}

void
json_line_append_time (GString *text, guint64 nanoseconds)
{
  if (nanoseconds == G_MAXUINT64) {
    g_string_append (text, "null");
    return;
  }
  const guint64 second = G_GUINT64_CONSTANT (1000000000);
  g_string_append_printf (text, "%" G_GUINT64_FORMAT ".%09" G_GUINT64_FORMAT, nanoseconds / second,
                          nanoseconds % second);
  gsize length = text->len; /* one decimal at least stays: 0.0 */
  while (text->str[length - 1] == '0' && text->str[length - 2] != '.')
    length--;
  g_string_truncate (text, length);
}

void
json_line_time (JsonLine *line, const char *name, guint64 nanoseconds)
{
  append_name (line, name);
  json_line_append_time (line->text, nanoseconds);
}

char *
json_line_take (JsonLine *line)
{
  g_string_append_c (line->text, '\n');
  char *text = g_strndup (line->text->str, line->text->len);
  g_string_truncate (line->text, 0);
  line->first = TRUE;
  return text;
}
