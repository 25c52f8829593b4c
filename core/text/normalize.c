/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to a text before it is cut into tokens.
 *
 *   openai: per line, until nothing changes: character references → characters (ended by ';' only; not from the first
 *             line on that has a '<'), UTF-8 that was read as Windows-1252, C1 controls as Windows-1252, ligatures, full
 *             and half width, quotes uncurled, line breaks, terminal escapes, control characters, NFC
 *           html.unescape twice; white space stripped and collapsed; lower case
 *
 * The first line is ftfy.fix_text (Robyn Speer's ftfy 6) except its guess at garbled encodings: ftfy weighs every text
 * against ten code pages; here only what cannot be meant is repaired, see fix_mojibake ().
 */
#include "core/text/normalize.h"
#include "core/text/html.h"

#include <string.h>

gboolean
clip_is_space (gunichar c)
{
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

/* ------------------------------------------------------------------------------------------------------ lower case */

/* Characters between letters that do not end a word for Σ: Unicode's Case_Ignorable. */
static gboolean
is_case_ignorable (gunichar c)
{
  switch (g_unichar_type (c)) {
  case G_UNICODE_NON_SPACING_MARK:
  case G_UNICODE_ENCLOSING_MARK:
  case G_UNICODE_FORMAT:
  case G_UNICODE_MODIFIER_LETTER:
  case G_UNICODE_MODIFIER_SYMBOL:
    return TRUE;
  default:
    break;
  }
  switch (c) { /* Word_Break MidLetter, MidNumLet, Single_Quote */
  case 0x27:
  case 0x2E:
  case 0x3A:
  case 0xB7:
  case 0x387:
  case 0x55F:
  case 0x5F4:
  case 0x2018:
  case 0x2019:
  case 0x2024:
  case 0x2027:
  case 0xFE13:
  case 0xFE52:
  case 0xFE55:
  case 0xFF07:
  case 0xFF0E:
  case 0xFF1A:
    return TRUE;
  default:
    return FALSE;
  }
}

/* Unicode's Cased, for characters that are not case-ignorable. */
static gboolean
is_cased (gunichar c)
{
  return g_unichar_isupper (c) || g_unichar_islower (c) || g_unichar_istitle (c) || c == 0xAA ||
         c == 0xBA || (c >= 0x2160 && c <= 0x217F) || (c >= 0x24B6 && c <= 0x24E9) ||
         (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

/* @sigma points to a Σ in @text: a cased letter comes before it and none after. */
static gboolean
is_final_sigma (const char *text, const char *sigma)
{
  const char *p = sigma;
  gunichar c = 0;
  while (p > text) {
    p = g_utf8_prev_char (p);
    c = g_utf8_get_char (p);
    if (!is_case_ignorable (c))
      break;
    c = 0;
  }
  if (!c || !is_cased (c))
    return FALSE;
  for (p = g_utf8_next_char (sigma); *p && is_case_ignorable (g_utf8_get_char (p));)
    p = g_utf8_next_char (p);
  return !*p || !is_cased (g_utf8_get_char (p));
}

/* GLib leaves out the capitals that are no letters: Ⅷ and Ⓐ. */
static gunichar
lower_case (gunichar c)
{
  if (c >= 0x2160 && c <= 0x216F)
    return c + 0x10;
  if (c >= 0x24B6 && c <= 0x24CF)
    return c + 0x1A;
  return g_unichar_tolower (c);
}

char *
clip_normalize_lower (const char *text, gboolean final_sigma)
{
  GString *out = g_string_sized_new (strlen (text));
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    if (c < 0x80)
      g_string_append_c (out, g_ascii_tolower ((char) c));
    else if (c == 0x130)
      g_string_append (out, "i\xCC\x87");
    else if (c == 0x3A3 && final_sigma && is_final_sigma (text, p))
      g_string_append_unichar (out, 0x3C2);
    else
      g_string_append_unichar (out, lower_case (c));
  }
  return g_string_free (out, FALSE);
}

/* ------------------------------------------------------------------------------------------------- ftfy's characters */

/* The byte that Windows-1252 or Latin-1 reads as @c, or -1. */
static int
windows_1252_byte (gunichar c)
{
  if (c < 0x100)
    return (int) c;
  for (int byte = 0x80; byte < 0xA0; byte++) {
    if (clip_windows_1252 ((guint8) byte) == c)
      return byte;
  }
  return -1;
}

/* The character whose UTF-8 was read as Windows-1252 at @text, 0 if there is none; *@end: what follows it. */
static gunichar
misread_character (const char *text, const char **end)
{
  char bytes[4];
  gsize n = 1;
  for (gsize i = 0; i < n; i++, text = g_utf8_next_char (text)) {
    int byte = *text ? windows_1252_byte (g_utf8_get_char (text)) : -1;
    if (i == 0)
      n = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC2 ? 2 : 0;
    if (byte < 0 || n == 0)
      return 0;
    bytes[i] = (char) byte;
  }
  *end = text;
  return g_utf8_validate (bytes, (gssize) n, NULL) ? g_utf8_get_char (bytes) : 0;
}

/* Whether all of @text beyond ASCII reads as misread characters, at least two of them: that is no coincidence. */
static gboolean
all_misread (const char *text)
{
  int n = 0;
  while (*text) {
    if ((guint8) *text < 0x80)
      text++;
    else if (misread_character (text, &text))
      n++;
    else
      return FALSE;
  }
  return n >= 2;
}

/*
 * "schÃ¶n" → "schön": UTF-8 that was read as Windows-1252 is a letter and then one to three symbols, each of a certain
 * range. Where only parts of a text look like that, only first letters count that are rare in front of such symbols.
 */
static char *
fix_mojibake (const char *text)
{
  GString *out = g_string_sized_new (strlen (text));
  gboolean all = all_misread (text);
  while (*text) {
    gunichar lead = g_utf8_get_char (text), c = 0;
    gboolean certain = lead == 0xC2 || lead == 0xC3 || lead == 0xCE || lead == 0xD0 || /* Â Ã Î Ð */
                       lead == 0xE2 || lead == 0xE3 || lead == 0xEF || lead == 0xF0; /* â ã ï ð */
    const char *end = g_utf8_next_char (text);
    if (lead >= 0xC2 && (all || certain))
      c = misread_character (text, &end);
    if (!c)
      end = g_utf8_next_char (text);
    g_string_append_unichar (out, c ? c : lead);
    text = end;
  }
  return g_string_free (out, FALSE);
}

/* Latin ligatures and digraphs → their letters, or NULL. */
static const char *
ligature (gunichar c)
{
  static const struct {
    guint16 c;
    char letters[7];
  } table[] = {
    { 0x0132, "IJ" },        { 0x0133, "ij" },        { 0x0149, "\xCA\xBCn" },
    { 0x01C4, "D\xC5\xBD" }, { 0x01C5, "D\xC5\xBE" }, { 0x01C6, "d\xC5\xBE" },
    { 0x01C7, "LJ" },        { 0x01C8, "Lj" },        { 0x01C9, "lj" },
    { 0x01CA, "NJ" },        { 0x01CB, "Nj" },        { 0x01CC, "nj" },
    { 0x01F1, "DZ" },        { 0x01F2, "Dz" },        { 0x01F3, "dz" },
    { 0xFB00, "ff" },        { 0xFB01, "fi" },        { 0xFB02, "fl" },
    { 0xFB03, "ffi" },       { 0xFB04, "ffl" },       { 0xFB05, "\xC5\xBFt" },
    { 0xFB06, "st" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (table); i++) {
    if (table[i].c == c)
      return table[i].letters;
  }
  return NULL;
}

/* What ftfy replaces character by character: C1 controls, ligatures, width, quotes, line breaks. */
static char *
fix_characters (const char *text)
{
  GString *out = g_string_sized_new (strlen (text));
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    if (c >= 0x80 && c < 0xA0)
      c = clip_windows_1252 ((guint8) c);
    if (c >= 0x132 && ligature (c)) {
      g_string_append (out, ligature (c));
    } else if (c >= 0xFF01 && c <= 0xFFEF) {
      char utf8[7] = { 0 };
      g_unichar_to_utf8 (c, utf8);
      g_autofree char *normal = g_utf8_normalize (utf8, -1, G_NORMALIZE_NFKC);
      g_string_append (out, normal);
    } else if (c == 0x3000) {
      g_string_append_c (out, ' ');
    } else if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) {
      g_string_append_c (out, '\'');
    } else if (c >= 0x201C && c <= 0x201F) {
      g_string_append_c (out, '"');
    } else if (c == '\r' || c == 0x2028 || c == 0x2029) {
      if (c != '\r' || p[1] != '\n')
        g_string_append_c (out, '\n');
    } else {
      g_string_append_unichar (out, c);
    }
  }
  return g_string_free (out, FALSE);
}

/* The length of a terminal escape like ESC "[36;44m", 0 if there is none. */
static gsize
terminal_escape (const char *text)
{
  const char *p = text + 2;
  if (text[0] != '\033' || text[1] != '[')
    return 0;
  while (*p == ';' || g_unichar_isdigit (g_utf8_get_char (p)))
    p = g_utf8_next_char (p);
  return g_ascii_isalpha (*p) ? (gsize) (p + 1 - text) : 0;
}

static char *
remove_controls (const char *text)
{
  GString *out = g_string_sized_new (strlen (text));
  while (*text) {
    gsize escape = terminal_escape (text);
    if (escape > 0) {
      text += escape;
      continue;
    }
    gunichar c = g_utf8_get_char (text);
    gboolean control = c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
                       (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
    if (!control)
      g_string_append_unichar (out, c);
    text = g_utf8_next_char (text);
  }
  return g_string_free (out, FALSE);
}

/* Whether what comes before @c never composes with it. */
static gboolean
is_boundary (gunichar c)
{
  return c < 0x80 || (c < 0x1100 && g_unichar_isalpha (c));
}

/* In pieces, because composing moves all of the rest for each pair: GLib's time grows with the square of the length. */
static char *
compose (const char *text, GNormalizeMode mode)
{
  enum { PIECE = 256 };
  GString *out = g_string_sized_new (strlen (text));
  while (*text) {
    const char *end = text;
    while (*end && (end - text < PIECE || !is_boundary (g_utf8_get_char (end))))
      end = g_utf8_next_char (end);
    g_autofree char *piece = g_utf8_normalize (text, end - text, mode);
    g_string_append (out, piece);
    text = end;
  }
  return g_string_free (out, FALSE);
}

char *
clip_normalize_nfc (const char *text)
{
  return compose (text, G_NORMALIZE_NFC);
}

static char *
fix_line (const char *line, gboolean unescape)
{
  static char *(*const steps[]) (const char *) = {
    clip_html_unescape_strict, fix_mojibake, fix_characters, remove_controls, clip_normalize_nfc,
  };
  /* The bound is for a text made to be slow: each round costs its length, "&amp;amp;amp; …" needs one for each amp; */
  enum { MAX_ROUNDS = 32 };
  char *text = g_strdup (line);
  for (int round = 0; round < MAX_ROUNDS; round++) {
    g_autofree char *before = g_strdup (text);
    for (guint i = unescape ? 0 : 1; i < G_N_ELEMENTS (steps); i++) {
      char *next = steps[i](text);
      g_free (text);
      text = next;
    }
    if (strcmp (before, text) == 0)
      break;
  }
  return text;
}

/* ftfy.fix_text, line by line. */
static char *
fix_text (const char *text)
{
  GString *out = g_string_sized_new (strlen (text));
  gboolean unescape = TRUE;
  while (*text) {
    const char *newline = strchr (text, '\n');
    gsize length = newline ? (gsize) (newline + 1 - text) : strlen (text);
    g_autofree char *line = g_strndup (text, length);
    unescape = unescape && !strchr (line, '<');
    g_autofree char *fixed = fix_line (line, unescape);
    g_string_append (out, fixed);
    text += length;
  }
  return g_string_free (out, FALSE);
}

/* ---------------------------------------------------------------------------------------------------- whole texts */

static char *
collapse_space (const char *text)
{
  GString *out = g_string_sized_new (strlen (text));
  gboolean gap = FALSE;
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    if (clip_is_space (c)) {
      gap = TRUE;
      continue;
    }
    if (gap && out->len > 0)
      g_string_append_c (out, ' ');
    gap = FALSE;
    g_string_append_unichar (out, c);
  }
  return g_string_free (out, FALSE);
}

/* Nothing for ftfy and html to do: printable ASCII and white space without '&'. Most labels and captions. */
static gboolean
is_plain (const char *text)
{
  for (; *text; text++) {
    guint8 c = (guint8) *text;
    if (c == '&' || c >= 0x7F || (c < ' ' && !strchr ("\t\n\r\f", c)))
      return FALSE;
  }
  return TRUE;
}

char *
clip_normalize_openai (const char *text, gboolean lower)
{
  g_autofree char *clean = NULL;
  if (!is_plain (text)) {
    g_autofree char *fixed = fix_text (text);
    g_autofree char *once = clip_html_unescape (fixed);
    clean = clip_html_unescape (once);
  }
  char *collapsed = collapse_space (clean ? clean : text);
  if (!lower)
    return collapsed;
  char *lowered = clip_normalize_lower (collapsed, TRUE);
  g_free (collapsed);
  return lowered;
}

char *
clip_normalize_nfd (const char *text)
{
  return g_utf8_normalize (text, -1, G_NORMALIZE_NFD);
}

char *
clip_normalize_nfkc (const char *text)
{
  return compose (text, G_NORMALIZE_NFKC);
}

char *
clip_normalize_nfkd (const char *text)
{
  return g_utf8_normalize (text, -1, G_NORMALIZE_NFKD);
}

char *
clip_normalize_strip_marks (const char *text)
{
  GString *out = g_string_sized_new (strlen (text));
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    if (g_unichar_type (c) != G_UNICODE_NON_SPACING_MARK)
      g_string_append_unichar (out, c);
  }
  return g_string_free (out, FALSE);
}

char *
clip_normalize_strip (const char *text)
{
  const char *end = text + strlen (text);
  while (*text && clip_is_space (g_utf8_get_char (text)))
    text = g_utf8_next_char (text);
  while (end > text && clip_is_space (g_utf8_get_char (g_utf8_prev_char (end))))
    end = g_utf8_prev_char (end);
  return g_strndup (text, (gsize) (end - text));
}

char *
clip_normalize_bert_clean (const char *text)
{
  GString *out = g_string_sized_new (strlen (text));
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    GUnicodeType type = g_unichar_type (c);
    gboolean break_or_tab = c == '\t' || c == '\n' || c == '\r';
    gboolean other = type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT ||
                     type == G_UNICODE_UNASSIGNED || type == G_UNICODE_PRIVATE_USE;
    if (c == 0xFFFD || (other && !break_or_tab))
      continue;
    g_string_append_unichar (out, clip_is_space (c) ? ' ' : c);
  }
  return g_string_free (out, FALSE);
}

static gboolean
is_ideograph (gunichar c)
{
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

char *
clip_normalize_bert_ideographs (const char *text)
{
  GString *out = g_string_sized_new (strlen (text));
  for (const char *p = text; *p; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    if (is_ideograph (c))
      g_string_append_c (out, ' ');
    g_string_append_unichar (out, c);
    if (is_ideograph (c))
      g_string_append_c (out, ' ');
  }
  return g_string_free (out, FALSE);
}

char *
clip_normalize_strip_end (const char *text)
{
  const char *end = text + strlen (text);
  while (end > text) {
    const char *last = g_utf8_prev_char (end);
    if (!clip_is_space (g_utf8_get_char (last)))
      break;
    end = last;
  }
  return g_strndup (text, end - text);
}

static char *
squeeze (const char *text, const char *mark)
{
  GString *result = g_string_new (NULL);
  while (*text) {
    const gsize spaces = strspn (text, " "), other = strcspn (text + spaces, " ");
    g_string_append (result, spaces > 1 ? mark : spaces == 1 ? " " : "");
    g_string_append_len (result, text + spaces, other);
    text += spaces + other;
  }
  return g_string_free (result, FALSE);
}

char *
clip_normalize_squeeze (const char *text)
{
  return squeeze (text, " ");
}

char *
clip_normalize_squeeze_mark (const char *text)
{
  return squeeze (text, CLIP_WORD_MARK);
}

char *
clip_normalize_mark (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, " ", -1);
  return g_strjoinv (CLIP_WORD_MARK, parts);
}

char *
clip_normalize_canonical (const char *text)
{
  g_autofree char *clean = clip_normalize_openai (text, FALSE);
  char *to = clean;
  for (const char *from = clean; *from; from++) {
    if (*from == '_')
      *to++ = ' ';
    else if (!g_ascii_ispunct (*from))
      *to++ = *from;
  }
  *to = '\0';
  g_autofree char *lower = clip_normalize_lower (clean, TRUE);
  return collapse_space (lower);
}

char *
clip_normalize_clean (const char *text, ClipClean how)
{
  switch (how) {
  case CLIP_CLEAN_WHITESPACE:
  case CLIP_CLEAN_LOWER:
    return clip_normalize_openai (text, how == CLIP_CLEAN_LOWER);
  case CLIP_CLEAN_CASE:
    return clip_normalize_lower (text, FALSE);
  case CLIP_CLEAN_CANONICAL:
    return clip_normalize_canonical (text);
  default:
    return g_strdup (text);
  }
}
