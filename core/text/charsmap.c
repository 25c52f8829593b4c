/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Characters → what they become, as Hugging Face's tokenizers read SentencePiece's table:
 *
 *   bytes = u32 size of the trie in bytes, the trie, strings that end with NUL; a leaf is the place of a string
 *
 * A trie is a double array of u32 units (Darts-clone): bit 31 a leaf's mark, bit 8 "has a leaf", bits 0 … 7 the byte that leads
 * here, bits 10 … 30 the distance to the children, 256 times as far where bit 9 is set.
 *
 * A character with its combining marks, of less than 6 bytes in all, is looked up as a whole, then each character of it. What is
 * found is the shortest beginning that the table has, which replaces all that was looked up: strange, but that is how they do it.
 * SentencePiece itself replaces the longest beginning of the text that the table has, and goes on behind it.
 */
#include "core/text/charsmap.h"

#include <string.h>

#define MAX_CLUSTER 6 /* bytes: shorter ones are looked up as a whole */

struct _ClipCharsmap {
  guint8 *bytes;
  gsize n_units;
  const char *strings;
  gsize strings_size;
  gboolean longest; /* as SentencePiece itself has it */
};

ClipCharsmap *
clip_charsmap_new (guint8 *bytes, gsize size)
{
  guint32 trie = 0;
  if (size >= sizeof trie)
    memcpy (&trie, bytes, sizeof trie);
  trie = GUINT32_FROM_LE (trie);
  if (size < sizeof trie || trie % 4 != 0 || trie == 0 || trie >= size - sizeof trie ||
      bytes[size - 1] != '\0') {
    g_free (bytes);
    return NULL;
  }
  ClipCharsmap *map = g_new (ClipCharsmap, 1);
  *map = (ClipCharsmap){ bytes, trie / 4, (const char *) bytes + sizeof trie + trie,
                         size - sizeof trie - trie, FALSE };
  return map;
}

void
clip_charsmap_set_longest (ClipCharsmap *map)
{
  map->longest = TRUE;
}

void
clip_charsmap_free (ClipCharsmap *map)
{
  g_free (map->bytes);
  g_free (map);
}

/* A place outside the table is a unit that leads nowhere. */
static guint32
unit_at (const ClipCharsmap *map, gsize place)
{
  guint32 unit = 0;
  if (place < map->n_units)
    memcpy (&unit, map->bytes + 4 * (place + 1), sizeof unit);
  return GUINT32_FROM_LE (unit);
}

static guint32
children_of (guint32 unit)
{
  return (unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* What text[length] becomes; NULL: it stays. */
static const char *
find (const ClipCharsmap *map, const char *text, gsize length)
{
  gsize place = children_of (unit_at (map, 0));
  for (gsize i = 0; i < length; i++) {
    const guint8 byte = (guint8) text[i];
    place ^= byte;
    const guint32 unit = unit_at (map, place);
    if ((unit & (1u << 31 | 0xff)) != byte)
      return NULL;
    place ^= children_of (unit);
    if (unit & 1u << 8) {
      const guint32 string = unit_at (map, place) & ~(1u << 31);
      return string < map->strings_size ? map->strings + string : NULL;
    }
  }
  return NULL;
}

static gboolean
joins (gunichar c)
{
  return g_unichar_ismark (c) || c == 0x200c || c == 0x200d;
}

/* Nothing combines with these. Arabic's signs in front of numbers are of the same category as invisible marks, but no such. */
static gboolean
stands_alone (gunichar c)
{
  switch (g_unichar_type (c)) {
  case G_UNICODE_CONTROL:
  case G_UNICODE_LINE_SEPARATOR:
  case G_UNICODE_PARAGRAPH_SEPARATOR:
    return TRUE;
  case G_UNICODE_FORMAT:
    return c == 0x61c || !((c >= 0x600 && c <= 0x8e2) || joins (c));
  default:
    return FALSE;
  }
}

/* What the longest beginning of @text becomes that is in the table, and its *length; NULL: none is. */
static const char *
find_longest (const ClipCharsmap *map, const char *text, gsize *length)
{
  const char *found = NULL;
  gsize place = children_of (unit_at (map, 0));
  for (gsize i = 0; text[i]; i++) {
    const guint8 byte = (guint8) text[i];
    place ^= byte;
    const guint32 unit = unit_at (map, place);
    if ((unit & (1u << 31 | 0xff)) != byte)
      break;
    place ^= children_of (unit);
    const guint32 string = unit & 1u << 8 ? unit_at (map, place) & ~(1u << 31) : G_MAXUINT32;
    if (string < map->strings_size) {
      found = map->strings + string;
      *length = i + 1;
    }
  }
  return found;
}

static char *
apply_longest (const ClipCharsmap *map, const char *text)
{
  g_autoptr (GString) result = g_string_new (NULL);
  while (*text) {
    gsize length = g_utf8_next_char (text) - text;
    const char *becomes = find_longest (map, text, &length);
    g_string_append_len (result, becomes ? becomes : text,
                         becomes ? (gssize) strlen (becomes) : (gssize) length);
    text += length;
  }
  return g_utf8_make_valid (result->str, (gssize) result->len);
}

char *
clip_charsmap_apply (const ClipCharsmap *map, const char *text)
{
  if (map->longest)
    return apply_longest (map, text);
  g_autoptr (GString) result = g_string_new (NULL);
  while (*text) {
    const char *end = g_utf8_next_char (text);
    const gboolean alone = stands_alone (g_utf8_get_char (text));
    while (*end && !alone && joins (g_utf8_get_char (end)))
      end = g_utf8_next_char (end);
    if (text[0] == '\r' && text[1] == '\n')
      end = text + 2;
    const gsize length = end - text;
    const char *whole = length < MAX_CLUSTER ? find (map, text, length) : NULL;
    if (whole)
      g_string_append (result, whole);
    for (; !whole && text < end; text = g_utf8_next_char (text)) {
      const gsize one = g_utf8_next_char (text) - text;
      const char *becomes = find (map, text, one);
      if (becomes)
        g_string_append (result, becomes);
      else
        g_string_append_len (result, text, one);
    }
    text = end;
  }
  return g_utf8_make_valid (result->str, (gssize) result->len);
}
