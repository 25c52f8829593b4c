/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables of a configuration: JSON for people, single changes, what differs, the reference. */
#include "core/base/error.h"
#include "core/train/schema.h"

#include <math.h>
#include <string.h>

/* The shortest decimal that is the same number: 0.9, where json-glib writes 0.90000000000000002. */
static void
append_number (GString *text, const char *number, gsize length)
{
  g_autofree char *copy = g_strndup (number, length);
  const double value = g_ascii_strtod (copy, NULL);
  char shorter[32];
  if (!strpbrk (copy, ".eE")) {
    g_string_append (text, copy);
    return;
  }
  for (int digits = 1; digits <= 17; digits++) {
    g_autofree char *format = g_strdup_printf ("%%.%dg", digits);
    if (g_ascii_strtod (g_ascii_formatd (shorter, sizeof shorter, format, value), NULL) == value)
      break;
  }
  g_string_append (text, shorter);
}

char *
clip_schema_to_text (JsonNode *node, gboolean pretty)
{
  g_autofree char *json = json_to_string (node, pretty);
  GString *text = g_string_new (NULL);
  gboolean quoted = FALSE;
  for (const char *c = json; *c; c++) {
    if (quoted && *c == '\\') {
      g_string_append_len (text, c++, 2);
      continue;
    }
    if (*c == '"')
      quoted = !quoted;
    if (!quoted && (g_ascii_isdigit (*c) || *c == '-')) {
      const gsize length = strspn (c, "+-.0123456789eE");
      append_number (text, c, length);
      c += length - 1;
    } else {
      g_string_append_c (text, *c);
    }
  }
  return g_string_free (text, FALSE);
}

/* --------------------------------------------------------------------------------------- changes */

gboolean
clip_schema_change (JsonNode *tree, const char *change, const char *what, GError **error)
{
  const char *equals = strchr (change, '=');
  if (!equals || equals == change)
    return clip_fail (error, CLIP_ERROR_CONFIG, "\"%s\": expected KEY=VALUE", change);
  g_autofree char *path = g_strndup (change, equals - change);
  g_auto (GStrv) steps = g_strsplit (path, ".", -1);
  g_autoptr (JsonNode) value = clip_json_parse (equals + 1, strlen (equals + 1), what, NULL);
  if (!value) {
    value = json_node_alloc ();
    json_node_init_string (value, equals + 1);
  }
  JsonNode *at = tree;
  for (guint i = 0; steps[i]; i++) {
    const gboolean last = !steps[i + 1];
    if (JSON_NODE_HOLDS_ARRAY (at)) {
      JsonArray *array = json_node_get_array (at);
      guint64 index;
      if (!g_ascii_string_to_unsigned (steps[i], 10, 0, G_MAXUINT, &index, NULL) ||
          index >= json_array_get_length (array))
        return clip_fail (error, CLIP_ERROR_CONFIG, "\"%s\": %s has no %s", change, what, path);
      /* JsonArray has no way to replace an element: the list is taken apart and put together. */
      if (last) {
        JsonArray *other = json_array_new ();
        for (guint j = 0; j < json_array_get_length (array); j++)
          json_array_add_element (other, j == index ? g_steal_pointer (&value)
                                                    : json_array_dup_element (array, j));
        json_node_take_array (at, other);
        return TRUE;
      }
      at = json_array_get_element (array, index);
      continue;
    }
    if (!JSON_NODE_HOLDS_OBJECT (at))
      return clip_fail (error, CLIP_ERROR_CONFIG, "\"%s\": what %s has there is no object", change,
                        what);
    JsonObject *object = json_node_get_object (at);
    if (last) {
      json_object_set_member (object, steps[i], g_steal_pointer (&value));
      return TRUE;
    }
    if (!json_object_has_member (object, steps[i]))
      json_object_set_object_member (object, steps[i], json_object_new ());
    at = json_object_get_member (object, steps[i]);
  }
  return TRUE;
}

/* ----------------------------------------------------------------------------------------- write */

static void write_section (JsonBuilder *builder, const ClipSection *section, const void *base);

static void
write_texts (JsonBuilder *builder, char *const *texts)
{
  json_builder_begin_array (builder);
  for (; texts && *texts; texts++)
    json_builder_add_string_value (builder, *texts);
  json_builder_end_array (builder);
}

/* The shortest decimal that is the same float: 5e-4f is 0.0005, not 0.0005000000237487257. */
static double
shortest (float x)
{
  char text[32];
  for (int digits = 6; digits < 10; digits++) {
    g_snprintf (text, sizeof text, "%.*g", digits, x);
    if ((float) g_ascii_strtod (text, NULL) == x)
      break;
  }
  return g_ascii_strtod (text, NULL);
}

static void
write_value (JsonBuilder *builder, const ClipSetting *row, const void *base)
{
#define READ(type) (*(type const *) ((const char *) base + row->offset))
  switch (row->kind) {
  case CLIP_INTEGER:
    json_builder_add_int_value (builder, READ (int));
    break;
  case CLIP_LONG:
    json_builder_add_int_value (builder, READ (gint64));
    break;
  case CLIP_FLOAT:
    if (isnan (READ (float))) {
      json_builder_add_null_value (builder);
      break;
    }
    json_builder_add_double_value (builder, shortest (READ (float)));
    break;
  case CLIP_DOUBLE:
    json_builder_add_double_value (builder, READ (double));
    break;
  case CLIP_DOUBLES:
  case CLIP_FLOATS:
    json_builder_begin_array (builder);
    for (int i = 0; i < row->n; i++)
      json_builder_add_double_value (
          builder, row->kind == CLIP_DOUBLES ? (&READ (double))[i] : shortest ((&READ (float))[i]));
    json_builder_end_array (builder);
    break;
  case CLIP_FLAG:
    json_builder_add_boolean_value (builder, READ (gboolean));
    break;
  case CLIP_WORD:
    if (READ (int) < 0)
      json_builder_add_null_value (builder);
    else
      json_builder_add_string_value (builder, row->words[READ (int)]);
    break;
  case CLIP_BLOCKS:
    if (READ (int) < 0)
      json_builder_add_null_value (builder);
    else if (READ (int) == G_MAXINT)
      json_builder_add_string_value (builder, "all");
    else
      json_builder_add_int_value (builder, READ (int));
    break;
  case CLIP_TEXT:
  case CLIP_FILE:
  case CLIP_MODEL:
    if (READ (char *))
      json_builder_add_string_value (builder, READ (char *));
    else
      json_builder_add_null_value (builder);
    break;
  case CLIP_TEXTS:
  case CLIP_FILES:
    if (READ (char **))
      write_texts (builder, READ (char **));
    else
      json_builder_add_null_value (builder);
    break;
  case CLIP_TREE:
    if (READ (char *))
      json_builder_add_value (builder, json_from_string (READ (char *), NULL));
    else
      json_builder_add_null_value (builder);
    break;
  case CLIP_SECTION:
    write_section (builder, row->section, (const char *) base + row->offset);
    break;
  case CLIP_LIST: {
    const int n = *(const int *) ((const char *) base + row->offset + sizeof (void *));
    json_builder_begin_array (builder);
    for (int i = 0; i < n; i++)
      write_section (builder, row->section, READ (char *) + i * row->section->size);
    json_builder_end_array (builder);
    break;
  }
  }
#undef READ
}

static void
write_section (JsonBuilder *builder, const ClipSection *section, const void *base)
{
  json_builder_begin_object (builder);
  for (const ClipSetting *row = section->rows; row->name; row++) {
    json_builder_set_member_name (builder, row->name);
    write_value (builder, row, base);
  }
  json_builder_end_object (builder);
}

void
clip_schema_write (const ClipSection *section, JsonBuilder *builder, const void *base)
{
  write_section (builder, section, base);
}

/* ----------------------------------------------------------------------------------- differences */

static void
add_difference (GString *text, const char *path, JsonNode *before, JsonNode *now)
{
  g_autofree char *old = before ? clip_schema_to_text (before, FALSE) : g_strdup ("absent");
  g_autofree char *new = now ? clip_schema_to_text (now, FALSE) : g_strdup ("absent");
  if (!g_str_equal (old, new))
    g_string_append_printf (text, "%s%s (%s, now %s)", text->len ? ", " : "", path, old, new);
}

static void
compare_sections (GString *text, const ClipSection *section, JsonNode *before, JsonNode *now,
                  const char *path)
{
  if (!before || !now || !JSON_NODE_HOLDS_OBJECT (before) || !JSON_NODE_HOLDS_OBJECT (now)) {
    add_difference (text, path, before, now);
    return;
  }
  for (const ClipSetting *row = section->rows; row->name; row++) {
    JsonNode *a = json_object_get_member (json_node_get_object (before), row->name);
    JsonNode *b = json_object_get_member (json_node_get_object (now), row->name);
    g_autofree char *inner = g_strconcat (path, *path ? "." : "", row->name, NULL);
    if (row->flags & CLIP_CHANGES)
      continue;
    if (row->kind == CLIP_SECTION) {
      compare_sections (text, row->section, a, b, inner);
    } else if (row->kind == CLIP_LIST && a && b && JSON_NODE_HOLDS_ARRAY (a) &&
               JSON_NODE_HOLDS_ARRAY (b) &&
               json_array_get_length (json_node_get_array (a)) ==
                   json_array_get_length (json_node_get_array (b))) {
      for (guint i = 0; i < json_array_get_length (json_node_get_array (a)); i++) {
        g_autofree char *item = g_strdup_printf ("%s.%u", inner, i);
        compare_sections (text, row->section, json_array_get_element (json_node_get_array (a), i),
                          json_array_get_element (json_node_get_array (b), i), item);
      }
    } else {
      add_difference (text, inner, a, b);
    }
  }
}

void
clip_schema_compare (const ClipSection *section, GString *text, JsonNode *before, JsonNode *now)
{
  compare_sections (text, section, before, now, "");
}

/* -------------------------------------------------------------------------------------- describe */

static const char *const kind_names[] = {
  [CLIP_INTEGER] = "integer",  [CLIP_LONG] = "integer",
  [CLIP_FLOAT] = "number",     [CLIP_DOUBLE] = "number",
  [CLIP_DOUBLES] = "numbers",  [CLIP_FLOATS] = "numbers",
  [CLIP_FLAG] = "true, false", [CLIP_BLOCKS] = "integer, \"all\"",
  [CLIP_TEXT] = "string",      [CLIP_TEXTS] = "strings",
  [CLIP_FILE] = "file",        [CLIP_FILES] = "files",
  [CLIP_MODEL] = "model",      [CLIP_TREE] = "object",
  [CLIP_SECTION] = "object",   [CLIP_LIST] = "array of objects",
};

static void
describe_section (GString *text, const ClipSection *section, const char *path)
{
  for (const ClipSetting *row = section->rows; row->name; row++) {
    g_autofree char *inner =
        g_strconcat (path, *path ? "." : "", row->name, row->kind == CLIP_LIST ? ".N" : "", NULL);
    g_autofree char *words = row->words ? g_strjoinv ("\", \"", (char **) row->words) : NULL;
    g_string_append_printf (text, "| `%s` | %s%s%s", inner, words ? "\"" : "",
                            words ? words : kind_names[row->kind], words ? "\"" : "");
    if (row->max > row->min && row->max < CLIP_MANY && row->max < 1e15 && row->kind != CLIP_BLOCKS)
      g_string_append_printf (text, " %.10g … %.10g", row->min, row->max);
    g_string_append_printf (
        text, "%s%s | %s | %s |\n", row->unit ? ", " : "", row->unit ? row->unit : "",
        row->fallback && row->kind != CLIP_LIST ? row->fallback : "", row->help);
    if (row->section)
      describe_section (text, row->section, inner);
  }
}

void
clip_schema_describe (const ClipSection *section, GString *text)
{
  describe_section (text, section, "");
}
