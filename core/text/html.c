/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTML character references → characters.
 *
 *   &NAME;    the 2,125 names of HTML5; 106 of them without the semicolon too, where the longest that fits is taken:
 *             "&notit;" is "¬it;" although "&notin;" is "∉"
 *   &#N; &#xN; the code point, with HTML5's repairs: C1 controls are Windows-1252, surrogates and what lies beyond
 *             Unicode are U+FFFD, control characters and noncharacters are nothing
 */
#include "core/text/html.h"

#include <stdlib.h>
#include <string.h>

#include "core/text/entities.h"

#define LONGEST_NAME (sizeof entities[0].name - 1)

gunichar
clip_windows_1252 (guint8 byte)
{
  static const guint16 c1[32] = {
    0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178,
  };
  return byte >= 0x80 && byte < 0xA0 ? c1[byte - 0x80] : byte;
}

static int
compare_name (const void *key, const void *entity)
{
  return strcmp (key, entity);
}

/* The index of the entity called @name[0 … length), or -1. */
static int
find_name (const char *name, gsize length)
{
  char key[LONGEST_NAME + 1];
  if (length > LONGEST_NAME)
    return -1;
  memcpy (key, name, length);
  key[length] = '\0';
  const void *found =
      bsearch (key, entities, G_N_ELEMENTS (entities), sizeof entities[0], compare_name);
  return found ? (int) (((const char *) found - (const char *) entities) / sizeof entities[0]) : -1;
}

/* Appends the character with the number @code, as HTML5 has it. */
static void
append_code_point (GString *out, guint32 code)
{
  gboolean control = code < 0x20 && !strchr ("\t\n\f\r", (int) code);
  gboolean noncharacter = (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE;
  if (code == 0 || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF)
    g_string_append_unichar (out, 0xFFFD);
  else if (!control && !noncharacter && code != 0x7F)
    g_string_append_unichar (out, code < 0x100 ? clip_windows_1252 ((guint8) code) : code);
}

/* @text is behind "&#". Returns the length of a number with its 'x', 0 if there is none; *@code saturates. */
static gsize
read_number (const char *text, guint32 *code)
{
  gboolean hex = text[0] == 'x' || text[0] == 'X';
  gsize n = hex;
  for (*code = 0; hex ? g_ascii_isxdigit (text[n]) : g_ascii_isdigit (text[n]); n++)
    *code = MIN (*code * (hex ? 16 : 10) + g_ascii_xdigit_value (text[n]), 0x110000);
  return n > hex ? n : 0;
}

/* @text is behind "&". Appends what the name there stands for; returns how many bytes it took, 0 if there is none. */
static gsize
append_named (GString *out, const char *text)
{
  gsize length = 0;
  while (length <= LONGEST_NAME && g_ascii_isalnum (text[length]))
    length++;
  int entity = text[length] == ';' ? find_name (text, length) : -1;
  if (entity >= 0) {
    g_string_append (out, entities[entity].value);
    return length + 1;
  }
  for (; length >= 2; length--) {
    entity = find_name (text, length);
    if (entity >= 0 && entities[entity].bare) {
      g_string_append (out, entities[entity].value);
      return length;
    }
  }
  return 0;
}

char *
clip_html_unescape (const char *text)
{
  GString *out = g_string_sized_new (strlen (text));
  for (const char *ampersand; (ampersand = strchr (text, '&'));) {
    g_string_append_len (out, text, ampersand - text);
    text = ampersand + 1;
    guint32 code;
    gsize n = *text == '#' ? read_number (text + 1, &code) : 0;
    if (n > 0) {
      append_code_point (out, code);
      n += 1 + (text[n + 1] == ';');
    } else {
      n = append_named (out, text);
    }
    if (n == 0)
      g_string_append_c (out, '&');
    text += n;
  }
  g_string_append (out, text);
  return g_string_free (out, FALSE);
}

/* "NTILDE" → "Ñ". FALSE unless @name has no lower-case letter, exists in lower case, and means nothing by itself. */
static gboolean
append_upper_cased (GString *out, const char *name, gsize length)
{
  for (gsize i = 0; i < length; i++) {
    if (g_ascii_islower (name[i]))
      return FALSE;
  }
  g_autofree char *lower = g_ascii_strdown (name, (gssize) length);
  int entity = find_name (lower, length);
  for (gsize n = 2; n <= length && entity >= 0; n++) { /* "&AMPX;" begins with "&AMP" */
    int prefix = find_name (name, n);
    if (prefix >= 0 && entities[prefix].bare)
      entity = -1;
  }
  if (entity < 0)
    return FALSE;
  g_autofree char *upper = g_utf8_strup (entities[entity].value, -1);
  g_string_append (out, upper);
  return TRUE;
}

char *
clip_html_unescape_strict (const char *text)
{
  GString *out = g_string_sized_new (strlen (text));
  for (const char *ampersand; (ampersand = strchr (text, '&'));) {
    g_string_append_len (out, text, ampersand - text);
    text = ampersand + 1;
    gsize hash = *text == '#', length = hash;
    while (length - hash < 24 && g_ascii_isalnum (text[length])) /* 24: ftfy's limit */
      length++;
    guint32 code = 0;
    gboolean replaced = FALSE;
    if (length > hash && text[length] == ';') {
      if (hash) {
        replaced = read_number (text + 1, &code) == length - 1 &&
                   code != ';'; /* it leaves "&#59;" alone */
        if (replaced)
          append_code_point (out, code);
      } else {
        int entity = find_name (text, length);
        if (entity >= 0)
          g_string_append (out, entities[entity].value);
        replaced = entity >= 0 || append_upper_cased (out, text, length);
      }
    }
    if (replaced)
      text += length + 1;
    else
      g_string_append_c (out, '&');
  }
  g_string_append (out, text);
  return g_string_free (out, FALSE);
}
