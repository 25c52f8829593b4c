/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tokens of a JSON text that json.c has checked: commas and colons tell nothing then, a token's first byte tells its kind, and an
 * escape is one of those there are.
 */
#include "core/base/json-reader.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------------- tokens */

gboolean
clip_json_read (ClipJsonReader *reader, const char *text, gsize length, const char *what,
                GError **error)
{
  *reader = (ClipJsonReader){ text, text + length, NULL, 0 };
  return clip_json_check (text, length, what, error);
}

const char *
clip_json_token_name (ClipJsonToken token)
{
  static const char *const names[] = {
    [CLIP_JSON_END] = "absent",
    [CLIP_JSON_OBJECT] = "an object",
    [CLIP_JSON_ARRAY] = "an array",
    [CLIP_JSON_CLOSE] = "the end of an array or object",
    [CLIP_JSON_STRING] = "a string",
    [CLIP_JSON_NUMBER] = "a number",
    [CLIP_JSON_WORD] = "true, false or null",
  };
  return names[token];
}

static void
read_string (ClipJsonReader *reader)
{
  const char *p = reader->text = reader->p + 1;
  while (*p != '"')
    p += *p == '\\' ? 2 : 1;
  reader->length = p - reader->text;
  reader->p = p + 1;
}

static gboolean
is_between (char c)
{
  return c == ' ' || c == ',' || c == ':' || c == '\n' || c == '\r' || c == '\t';
}

ClipJsonToken
clip_json_next (ClipJsonReader *reader)
{
  while (reader->p < reader->end && is_between (*reader->p))
    reader->p++;
  if (reader->p >= reader->end)
    return CLIP_JSON_END;
  reader->text = reader->p;
  reader->length = 1;
  switch (*reader->p) {
  case '{':
  case '[':
  case '}':
  case ']':
    reader->p++;
    return *reader->text == '{'   ? CLIP_JSON_OBJECT
           : *reader->text == '[' ? CLIP_JSON_ARRAY
                                  : CLIP_JSON_CLOSE;
  case '"':
    read_string (reader);
    return CLIP_JSON_STRING;
  default:
    while (reader->p < reader->end && (g_ascii_isalnum (*reader->p) || strchr ("+-.", *reader->p)))
      reader->p++;
    reader->length = reader->p - reader->text;
    return g_ascii_isalpha (*reader->text) ? CLIP_JSON_WORD : CLIP_JSON_NUMBER;
  }
}

void
clip_json_skip (ClipJsonReader *reader)
{
  int depth = 0;
  do {
    const ClipJsonToken token = clip_json_next (reader);
    if (token == CLIP_JSON_END)
      return;
    depth +=
        token == CLIP_JSON_OBJECT || token == CLIP_JSON_ARRAY ? 1 : -(token == CLIP_JSON_CLOSE);
  } while (depth > 0);
}

/* ------------------------------------------------------------------------------------------------------------- values */

static gunichar
hex4 (const char *text)
{
  gunichar unit = 0;
  for (int i = 0; i < 4; i++)
    unit = unit * 16 + g_ascii_xdigit_value (text[i]);
  return unit;
}

/* @to: length + 1 bytes, may be where the text is: what an escape stands for is shorter. */
static void
unescape (char *to, const char *text, gsize length)
{
  static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  for (const char *end = text + length; text < end;) {
    if (*text != '\\') {
      *to++ = *text++;
    } else if (text[1] != 'u') {
      *to++ = meant[strchr (plain, text[1]) - plain];
      text += 2;
    } else {
      gunichar c = hex4 (text + 2);
      text += 6;
      if (c >= 0xd800 && c < 0xdc00) { /* the other half follows */
        c = 0x10000 + ((c - 0xd800) << 10) + (hex4 (text + 2) - 0xdc00);
        text += 6;
      }
      to += g_unichar_to_utf8 (c, to);
    }
  }
  *to = '\0';
}

char *
clip_json_dup_string (const ClipJsonReader *reader)
{
  char *string = g_malloc (reader->length + 1);
  unescape (string, reader->text, reader->length);
  return string;
}

const char *
clip_json_keep_string (const ClipJsonReader *reader, GStringChunk *strings)
{
  char *string = g_string_chunk_insert_len (strings, reader->text, reader->length);
  if (memchr (string, '\\', reader->length))
    unescape (string, string, reader->length);
  return string;
}

gboolean
clip_json_read_index (const ClipJsonReader *reader, int most, int *value)
{
  gint64 number = 0;
  for (gsize i = 0; i < reader->length; i++) {
    if (!g_ascii_isdigit (reader->text[i]))
      return FALSE;
    number = number * 10 + (reader->text[i] - '0');
    if (number > most)
      return FALSE;
  }
  *value = (int) number;
  return reader->length > 0;
}

double
clip_json_read_number (const ClipJsonReader *reader)
{
  g_autofree char *text = g_strndup (reader->text, reader->length); /* nothing need follow it */
  return g_ascii_strtod (text, NULL);
}

/* -------------------------------------------------------------------------------------------------------------- apart */

typedef struct {
  ClipJsonReader value; /* p NULL: absent */
  const char *end;
} Place;

/* @reader has opened an object, and is then behind it. Of a member that comes twice the last counts. */
static void
find_members (ClipJsonReader *reader, const char *const *names, Place *places, guint n)
{
  while (clip_json_next (reader) == CLIP_JSON_STRING) {
    g_autofree char *member = clip_json_dup_string (reader);
    Place place = { *reader, NULL };
    clip_json_skip (reader);
    place.end = reader->p;
    for (guint i = 0; i < n; i++) {
      if (g_str_equal (member, names[i]))
        places[i] = place;
    }
  }
}

/* The same in the object that is the member @section of the whole. */
static void
find_in_section (ClipJsonReader *reader, const char *section, const char *const *names,
                 Place *places, guint n)
{
  if (clip_json_next (reader) != CLIP_JSON_OBJECT)
    return;
  while (clip_json_next (reader) == CLIP_JSON_STRING) {
    g_autofree char *member = clip_json_dup_string (reader);
    ClipJsonReader inside = *reader;
    if (g_str_equal (member, section)) {
      memset (places, 0, n * sizeof *places);
      if (clip_json_next (&inside) == CLIP_JSON_OBJECT) {
        find_members (&inside, names, places, n);
        *reader = inside;
        continue;
      }
    }
    clip_json_skip (reader);
  }
}

static int
compare_places (gconstpointer a, gconstpointer b)
{
  const Place *x = a, *y = b;
  return (x->value.p > y->value.p) - (x->value.p < y->value.p);
}

JsonNode *
clip_json_parse_apart (const char *text, gsize length, const char *section,
                       const char *const *names, ClipJsonReader *apart, guint n, const char *what,
                       GError **error)
{
  ClipJsonReader reader;
  if (!clip_json_read (&reader, text, length, what, error))
    return NULL;
  g_autofree Place *places = g_new0 (Place, n);
  find_in_section (&reader, section, names, places, n);
  for (guint i = 0; i < n; i++)
    apart[i] = places[i].value;

  qsort (places, n, sizeof *places, compare_places);
  g_autoptr (GString) rest = g_string_new (NULL);
  const char *done = text;
  for (guint i = 0; i < n; i++) {
    if (!places[i].value.p)
      continue;
    g_string_append_len (rest, done, places[i].value.p - done);
    g_string_append (rest, ":null"); /* a reader is in front of the colon */
    done = places[i].end;
  }
  g_string_append_len (rest, done, text + length - done);
  return clip_json_parse (rest->str, rest->len, what, error);
}
