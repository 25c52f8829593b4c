/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON from outside: a strict grammar check in one pass without recursion, then json-glib's tree,
 * then typed members.
 *
 *   check   RFC 8259 and nothing more (json-glib alone also takes comments, assignments, single
 * quotes …), valid UTF-8, no NUL also as \u0000, no lone surrogate, at most CLIP_JSON_MAX_DEPTH
 * containers inside each other parse   json-glib; a member that comes twice keeps its last value
 *   get     value → C type, or an error that says what was there
 */
#include "core/base/json.h"
#include "core/base/error.h"

#include <math.h>
#include <string.h>

/* -----------------------------------------------------------------------------------------------------------
 * check */

typedef struct {
  const char *p, *end;
  const char *problem; /* what is wrong at p */
} Scan;

static gboolean
reject (Scan *scan, const char *problem)
{
  scan->problem = problem;
  return FALSE;
}

static void
skip_space (Scan *scan)
{
  while (scan->p < scan->end &&
         (*scan->p == ' ' || *scan->p == '\n' || *scan->p == '\r' || *scan->p == '\t'))
    scan->p++;
}

/* Four hexadecimal digits at @offset from p, or -1. */
static int
hex4 (const Scan *scan, gsize offset)
{
  int value = 0;
  if ((gsize) (scan->end - scan->p) < offset + 4)
    return -1;
  for (int i = 0; i < 4; i++) {
    int digit = g_ascii_xdigit_value (scan->p[offset + i]);
    if (digit < 0)
      return -1;
    value = value * 16 + digit;
  }
  return value;
}

static gboolean
scan_escape (Scan *scan)
{
  if (scan->p + 1 >= scan->end || !strchr ("\"\\/bfnrtu", scan->p[1]))
    return reject (scan, "unknown escape");
  if (scan->p[1] != 'u') {
    scan->p += 2;
    return TRUE;
  }
  int unit = hex4 (scan, 2);
  if (unit < 0)
    return reject (scan, "expected four hexadecimal digits");
  if (unit == 0)
    return reject (scan, "a NUL character");
  if (unit < 0xD800 || unit > 0xDFFF) {
    scan->p += 6;
    return TRUE;
  }
  gboolean paired =
      unit < 0xDC00 && scan->end - scan->p >= 12 && scan->p[6] == '\\' && scan->p[7] == 'u';
  int low = paired ? hex4 (scan, 8) : -1;
  if (low < 0xDC00 || low > 0xDFFF)
    return reject (scan, "half of a surrogate pair");
  scan->p += 12;
  return TRUE;
}

static gboolean
scan_string (Scan *scan)
{
  if (scan->p == scan->end || *scan->p != '"')
    return reject (scan, "expected a string");
  for (scan->p++; scan->p < scan->end;) {
    if (*scan->p == '"') {
      scan->p++;
      return TRUE;
    }
    if ((guint8) *scan->p < 0x20)
      return reject (scan, "a control character inside a string");
    if (*scan->p != '\\')
      scan->p++;
    else if (!scan_escape (scan))
      return FALSE;
  }
  return reject (scan, "the text ends inside a string");
}

static gboolean
scan_digits (Scan *scan)
{
  const char *start = scan->p;
  while (scan->p < scan->end && g_ascii_isdigit (*scan->p))
    scan->p++;
  return scan->p > start || reject (scan, "expected a digit");
}

static gboolean
scan_number (Scan *scan)
{
  if (*scan->p == '-')
    scan->p++;
  if (scan->p + 1 < scan->end && *scan->p == '0' && g_ascii_isdigit (scan->p[1]))
    return reject (scan, "a number with a leading zero");
  if (!scan_digits (scan))
    return FALSE;
  if (scan->p < scan->end && *scan->p == '.') {
    scan->p++;
    if (!scan_digits (scan))
      return FALSE;
  }
  if (scan->p < scan->end && (*scan->p == 'e' || *scan->p == 'E')) {
    scan->p++;
    if (scan->p < scan->end && (*scan->p == '+' || *scan->p == '-'))
      scan->p++;
    return scan_digits (scan);
  }
  return TRUE;
}

static gboolean
scan_scalar (Scan *scan)
{
  static const char *const words[] = { "true", "false", "null" };
  if (scan->p < scan->end && *scan->p == '"')
    return scan_string (scan);
  if (scan->p < scan->end && (*scan->p == '-' || g_ascii_isdigit (*scan->p)))
    return scan_number (scan);
  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    gsize length = strlen (words[i]);
    if ((gsize) (scan->end - scan->p) >= length && memcmp (scan->p, words[i], length) == 0) {
      scan->p += length;
      return TRUE;
    }
  }
  return reject (scan, "expected a value");
}

/* A member's name and its colon. */
static gboolean
scan_name (Scan *scan)
{
  skip_space (scan);
  if (!scan_string (scan))
    return FALSE;
  skip_space (scan);
  if (scan->p == scan->end || *scan->p != ':')
    return reject (scan, "expected ':'");
  scan->p++;
  return TRUE;
}

/* After a value: closes containers that end here and steps over a comma. *@depth 0: the text is
 * complete. */
static gboolean
scan_after_value (Scan *scan, const gboolean *is_object, int *depth)
{
  for (;;) {
    skip_space (scan);
    if (*depth == 0)
      return scan->p == scan->end || reject (scan, "something follows the value");
    gboolean object = is_object[*depth - 1];
    if (scan->p < scan->end && *scan->p == (object ? '}' : ']')) {
      scan->p++;
      --*depth;
      continue;
    }
    if (scan->p == scan->end || *scan->p != ',')
      return reject (scan, object ? "expected ',' or '}'" : "expected ',' or ']'");
    scan->p++;
    return !object || scan_name (scan);
  }
}

static gboolean
scan_text (Scan *scan)
{
  gboolean is_object[CLIP_JSON_MAX_DEPTH];
  int depth = 0;
  do {
    skip_space (scan);
    if (scan->p < scan->end && (*scan->p == '{' || *scan->p == '[')) {
      if (depth == CLIP_JSON_MAX_DEPTH)
        return reject (scan, "nested deeper than " G_STRINGIFY (CLIP_JSON_MAX_DEPTH) " levels");
      gboolean object = is_object[depth++] = *scan->p++ == '{';
      skip_space (scan);
      gboolean empty = scan->p < scan->end && *scan->p == (object ? '}' : ']');
      if (!empty && object && !scan_name (scan))
        return FALSE;
      if (!empty)
        continue; /* to the first value inside */
    } else if (!scan_scalar (scan)) {
      return FALSE;
    }
    if (!scan_after_value (scan, is_object, &depth))
      return FALSE;
  } while (depth > 0);
  return TRUE;
}

/* -----------------------------------------------------------------------------------------------------------
 * parse */

static gboolean
fail_at (const char *text, const char *at, const char *what, const char *problem, GError **error)
{
  guint line = 1;
  const char *start = text;
  for (const char *p = text; p < at; p++) {
    if (*p == '\n') {
      line++;
      start = p + 1;
    }
  }
  return clip_fail (error, CLIP_ERROR_FORMAT, "%s: line %u, byte %" G_GSIZE_FORMAT ": %s", what,
                    line, (gsize) (at - start) + 1, problem);
}

gboolean
clip_json_check (const char *text, gsize length, const char *what, GError **error)
{
  const char *invalid;
  if (length == 0)
    text = ""; /* g_bytes_get_data () of an empty file is NULL */
  if (!g_utf8_validate_len (text, length, &invalid))
    return fail_at (text, invalid, what, *invalid ? "not valid UTF-8" : "a NUL byte", error);

  Scan scan = { .p = text, .end = text + length };
  return scan_text (&scan) || fail_at (text, scan.p, what, scan.problem, error);
}

JsonNode *
clip_json_parse (const char *text, gsize length, const char *what, GError **error)
{
  if (!clip_json_check (text, length, what, error))
    return NULL;
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) refused = NULL;
  if (length > G_MAXSSIZE || !json_parser_load_from_data (parser, text, (gssize) length, &refused))
    return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: %s", what,
                           refused ? refused->message : "too long");
  return json_parser_steal_root (parser);
}

/* ---------------------------------------------------------------------------------------------------------
 * members */

/* The member @name, or NULL where it is absent or null. */
static JsonNode *
member (JsonObject *object, const char *name)
{
  JsonNode *node = object ? json_object_get_member (object, name) : NULL;
  return node && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

static gboolean
wrong_member (JsonNode *node, const char *name, const char *expected, const char *what,
              GError **error)
{
  g_autofree char *found = json_to_string (node, FALSE);
  if (strlen (found) > 60) {
    char *cut = g_utf8_find_prev_char (found, found + 57); /* whole characters */
    memcpy (cut, "...", sizeof "...");
  }
  return clip_fail (error, CLIP_ERROR_CONFIG, "%s: %s is %s, expected %s", what, name, found,
                    expected);
}

gboolean
clip_json_get_int (JsonObject *object, const char *name, gint64 min, gint64 max, int *value,
                   const char *what, GError **error)
{
  JsonNode *node = member (object, name);
  if (!node)
    return TRUE;
  min = MAX (min, G_MININT);
  max = MIN (max, G_MAXINT);
  GType type = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;
  double number = type == G_TYPE_INT64    ? (double) json_node_get_int (node)
                  : type == G_TYPE_DOUBLE ? json_node_get_double (node)
                                          : NAN;
  /* false for NaN too */
  if (!(number >= (double) min && number <= (double) max && number == floor (number))) {
    g_autofree char *expected =
        g_strdup_printf ("an integer from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, min, max);
    return wrong_member (node, name, expected, what, error);
  }
  *value = (int) number;
  return TRUE;
}

gboolean
clip_json_get_float (JsonObject *object, const char *name, float *value, const char *what,
                     GError **error)
{
  JsonNode *node = member (object, name);
  if (!node)
    return TRUE;
  GType type = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;
  double number = type == G_TYPE_INT64 || type == G_TYPE_DOUBLE ? json_node_get_double (node) : NAN;
  if (!(fabs (number) <= G_MAXFLOAT)) /* false for NaN too */
    return wrong_member (node, name, "a number", what, error);
  *value = (float) number;
  return TRUE;
}

gboolean
clip_json_get_boolean (JsonObject *object, const char *name, gboolean *value, const char *what,
                       GError **error)
{
  JsonNode *node = member (object, name);
  if (!node)
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return wrong_member (node, name, "true or false", what, error);
  *value = json_node_get_boolean (node);
  return TRUE;
}

gboolean
clip_json_get_string (JsonObject *object, const char *name, const char **value, const char *what,
                      GError **error)
{
  JsonNode *node = member (object, name);
  if (!node)
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return wrong_member (node, name, "a string", what, error);
  *value = json_node_get_string (node);
  return TRUE;
}

gboolean
clip_json_get_object (JsonObject *object, const char *name, JsonObject **value, const char *what,
                      GError **error)
{
  JsonNode *node = member (object, name);
  if (!node)
    return TRUE;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return wrong_member (node, name, "an object", what, error);
  *value = json_node_get_object (node);
  return TRUE;
}

gboolean
clip_json_get_array (JsonObject *object, const char *name, JsonArray **value, const char *what,
                     GError **error)
{
  JsonNode *node = member (object, name);
  if (!node)
    return TRUE;
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return wrong_member (node, name, "an array", what, error);
  *value = json_node_get_array (node);
  return TRUE;
}
