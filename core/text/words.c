/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where words start and end, for byte-level encodings: the two published regular expressions (see words.h), written out.
 * GRegex would do, and tests/bpe.c compares with it; but it checks the whole text again for every match, so a text of a
 * megabyte took minutes.
 */
#include "core/text/words.h"
#include "core/text/normalize.h"

#include <string.h>

typedef enum { SPACE, LETTER, NUMBER, OTHER, NOTHING } Class;

static Class
classify (const char *text)
{
  gunichar c = g_utf8_get_char (text);
  if (c == 0)
    return NOTHING;
  if (clip_is_space (c))
    return SPACE;
  switch (g_unichar_type (c)) {
  case G_UNICODE_LOWERCASE_LETTER:
  case G_UNICODE_UPPERCASE_LETTER:
  case G_UNICODE_TITLECASE_LETTER:
  case G_UNICODE_MODIFIER_LETTER:
  case G_UNICODE_OTHER_LETTER:
    return LETTER;
  case G_UNICODE_DECIMAL_NUMBER:
  case G_UNICODE_LETTER_NUMBER:
  case G_UNICODE_OTHER_NUMBER:
    return NUMBER;
  default:
    return OTHER;
  }
}

/* The length of 's 't 're … at @text, 0 if there is none. */
static gsize
contraction (const char *text, gboolean caseless)
{
  static const char *const endings[] = { "s", "t", "re", "ve", "m", "ll", "d" };
  if (*text != '\'')
    return 0;
  for (guint i = 0; i < G_N_ELEMENTS (endings); i++) {
    gsize n = strlen (endings[i]);
    if (caseless ? g_ascii_strncasecmp (text + 1, endings[i], n) == 0
                 : strncmp (text + 1, endings[i], n) == 0)
      return 1 + n;
  }
  /* ſ folds to s, the one character beyond ASCII that does to one of these letters and is lower case */
  return caseless && g_str_has_prefix (text + 1, "\xC5\xBF") ? 3 : 0;
}

/* The length of the characters of @class that @text begins with. */
static gsize
run (const char *text, Class class)
{
  const char *p = text;
  while (classify (p) == class)
    p = g_utf8_next_char (p);
  return (gsize) (p - text);
}

/* Python's regex folds U+0345 to a letter, which takes it out of the third class, and no other class has it. */
static gboolean
is_lost (const char *text)
{
  return g_str_has_prefix (text, "\xCD\x85");
}

gsize
clip_words_openai (const char *text)
{
  gsize length = contraction (text, TRUE);
  Class class = classify (text);
  if (length > 0)
    return length;
  switch (class) {
  case LETTER:
    return run (text, LETTER);
  case NUMBER:
    return (gsize) (g_utf8_next_char (text) - text);
  case OTHER:
    while (classify (text + length) == OTHER && !is_lost (text + length))
      length += (gsize) (g_utf8_next_char (text + length) - (text + length));
    return length;
  default:
    return 0;
  }
}

gsize
clip_words_gpt2 (const char *text)
{
  gsize length = contraction (text, FALSE);
  if (length > 0)
    return length;
  gsize space = *text == ' ';
  Class class = classify (text + space);
  if (class != SPACE && class != NOTHING)
    return space + run (text + space, class);

  /* white space: all of it at the end of the text; otherwise the last character is left to the word behind it */
  length = run (text, SPACE);
  const char *last = g_utf8_prev_char (text + length);
  return classify (text + length) == NOTHING || last == text ? length : (gsize) (last - text);
}
