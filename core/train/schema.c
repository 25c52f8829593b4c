/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables of a configuration: reading. */
#include "core/train/schema.h"
#include "core/base/error.h"
#include "core/base/nearest.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------ read */

#define VALUE(type) (*(type *) ((char *) base + row->offset))

static gboolean
wrong (const ClipSchemaReader *reader, JsonNode *node, const char *path, const char *expected,
       GError **error)
{
  g_autofree char *found = clip_schema_to_text (node, FALSE);
  if (g_utf8_strlen (found, -1) > 60)
    memcpy (g_utf8_offset_to_pointer (found, 57), "...", sizeof "...");
  return clip_fail (error, CLIP_ERROR_CONFIG, "%s: %s is %s, expected %s", reader->what, path,
                    found, expected);
}

/* "an integer from 1 to 1000 (steps)" */
static char *
describe_range (const ClipSetting *row, const char *kind)
{
  GString *text = g_string_new (kind);
  if (row->max >= CLIP_MANY)
    g_string_append_printf (text, ", %g at least", row->min);
  else
    g_string_append_printf (text, " from %.10g to %.10g", row->min, row->max);
  if (row->unit)
    g_string_append_printf (text, " (%s)", row->unit);
  return g_string_free (text, FALSE);
}

static double
number_of (JsonNode *node)
{
  const GType type =
      JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;
  return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE ? json_node_get_double (node) : NAN;
}

static gboolean
read_number (const ClipSchemaReader *reader, const ClipSetting *row, JsonNode *node, gboolean whole,
             double *value, const char *path, GError **error)
{
  *value = number_of (node);
  /* false for NaN too */
  if (*value >= row->min && *value <= row->max && (!whole || *value == floor (*value)))
    return TRUE;
  g_autofree char *expected = describe_range (row, whole ? "an integer" : "a number");
  return wrong (reader, node, path, expected, error);
}

static gboolean
read_numbers (const ClipSchemaReader *reader, const ClipSetting *row, JsonNode *node,
              double *values, const char *path, GError **error)
{
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  gboolean ok = array && json_array_get_length (array) == (guint) row->n;
  for (int i = 0; i < row->n && ok; i++) {
    values[i] = number_of (json_array_get_element (array, i));
    ok = values[i] >= row->min && values[i] <= row->max;
  }
  if (ok)
    return TRUE;
  g_autofree char *kind = g_strdup_printf ("an array of %d numbers", row->n);
  g_autofree char *expected = describe_range (row, kind);
  return wrong (reader, node, path, expected, error);
}

static char *
place (const ClipSchemaReader *reader, const ClipSetting *row, const char *text)
{
  if (row->kind == CLIP_TEXT || row->kind == CLIP_TEXTS)
    return g_strdup (text);
  g_autofree char *file = g_canonicalize_filename (text, reader->directory);
  if (row->kind == CLIP_MODEL && !g_file_test (file, G_FILE_TEST_EXISTS))
    return g_strdup (text);
  return g_steal_pointer (&file);
}

static gboolean
read_text (const ClipSchemaReader *reader, const ClipSetting *row, JsonNode *node, char **value,
           const char *path, GError **error)
{
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING ||
      !*json_node_get_string (node))
    return wrong (reader, node, path, "a string", error);
  *value = place (reader, row, json_node_get_string (node));
  return TRUE;
}

static gboolean
read_texts (const ClipSchemaReader *reader, const ClipSetting *row, JsonNode *node, char ***value,
            const char *path, GError **error)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  JsonArray *array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  const guint n = array ? json_array_get_length (array) : 1;
  for (guint i = 0; i < n; i++) {
    JsonNode *element = array ? json_array_get_element (array, i) : node;
    char *text = NULL;
    if (!JSON_NODE_HOLDS_VALUE (element) || json_node_get_value_type (element) != G_TYPE_STRING)
      return wrong (reader, node, path, "a string or an array of strings", error);
    if (!read_text (reader, row, element, &text, path, error))
      return FALSE;
    g_ptr_array_add (texts, text);
  }
  g_ptr_array_add (texts, NULL);
  *value = n ? (char **) g_ptr_array_free (g_steal_pointer (&texts), FALSE) : NULL;
  return TRUE;
}

static gboolean
read_blocks (const ClipSchemaReader *reader, const ClipSetting *row, JsonNode *node, int *value,
             const char *path, GError **error)
{
  double number = number_of (node);
  if (JSON_NODE_HOLDS_VALUE (node) && g_strcmp0 (json_node_get_string (node), "all") == 0)
    *value = G_MAXINT;
  else if (number >= row->min && number <= row->max && number == floor (number))
    *value = (int) number;
  else
    return wrong (reader, node, path, "a number of blocks or \"all\"", error);
  return TRUE;
}

static gboolean
read_word (const ClipSchemaReader *reader, const ClipSetting *row, JsonNode *node, int *value,
           const char *path, GError **error)
{
  const char *word = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_string (node) : NULL;
  for (int i = 0; row->words[i]; i++)
    if (g_strcmp0 (word, row->words[i]) == 0) {
      *value = i;
      return TRUE;
    }
  g_autofree char *list = g_strjoinv ("\" or \"", (char **) row->words);
  g_autofree char *expected = g_strdup_printf ("\"%s\"", list);
  return wrong (reader, node, path, expected, error);
}

static gboolean read_section (const ClipSchemaReader *reader, const ClipSection *section,
                              JsonNode *node, void *base, const char *path, GError **error);

static gboolean
read_list (const ClipSchemaReader *reader, const ClipSetting *row, JsonNode *node, void *base,
           const char *path, GError **error)
{
  if (!JSON_NODE_HOLDS_ARRAY (node))
    return wrong (reader, node, path, "an array of objects", error);
  JsonArray *array = json_node_get_array (node);
  const guint n = json_array_get_length (array);
  char *items = g_malloc0_n (n, row->section->size);
  VALUE (void *) = items;
  *(int *) ((char *) base + row->offset + sizeof (void *)) = n;
  for (guint i = 0; i < n; i++) {
    g_autofree char *inner = g_strdup_printf ("%s.%u", path, i);
    if (!read_section (reader, row->section, json_array_get_element (array, i),
                       items + i * row->section->size, inner, error))
      return FALSE;
  }
  return TRUE;
}

/* What an entry is that nobody gave. */
static void
read_nothing (const ClipSetting *row, void *base)
{
  if (row->kind == CLIP_WORD || row->kind == CLIP_BLOCKS)
    VALUE (int) = -1;
  if (row->kind == CLIP_FLOAT)
    VALUE (float) = NAN;
}

static gboolean
read_value (const ClipSchemaReader *reader, const ClipSetting *row, JsonNode *node, void *base,
            const char *path, GError **error)
{
  double numbers[4] = { 0 };
  gboolean ok;
  switch (row->kind) {
  case CLIP_INTEGER:
    ok = read_number (reader, row, node, TRUE, numbers, path, error);
    VALUE (int) = ok ? (int) numbers[0] : 0;
    return ok;
  case CLIP_LONG:
    ok = read_number (reader, row, node, TRUE, numbers, path, error);
    VALUE (gint64) = ok ? (gint64) numbers[0] : 0;
    return ok;
  case CLIP_FLOAT:
    ok = read_number (reader, row, node, FALSE, numbers, path, error);
    VALUE (float) = (float) numbers[0];
    return ok;
  case CLIP_DOUBLE:
    return read_number (reader, row, node, FALSE, &VALUE (double), path, error);
  case CLIP_DOUBLES:
    return read_numbers (reader, row, node, &VALUE (double), path, error);
  case CLIP_FLOATS:
    if (!read_numbers (reader, row, node, numbers, path, error))
      return FALSE;
    for (int i = 0; i < row->n; i++)
      (&VALUE (float))[i] = (float) numbers[i];
    return TRUE;
  case CLIP_FLAG:
    if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_BOOLEAN)
      return wrong (reader, node, path, "true or false", error);
    VALUE (gboolean) = json_node_get_boolean (node);
    return TRUE;
  case CLIP_WORD:
    return read_word (reader, row, node, &VALUE (int), path, error);
  case CLIP_BLOCKS:
    return read_blocks (reader, row, node, &VALUE (int), path, error);
  case CLIP_TEXT:
  case CLIP_FILE:
  case CLIP_MODEL:
    return read_text (reader, row, node, &VALUE (char *), path, error);
  case CLIP_TEXTS:
  case CLIP_FILES:
    return read_texts (reader, row, node, &VALUE (char **), path, error);
  case CLIP_TREE:
    if (!JSON_NODE_HOLDS_OBJECT (node))
      return wrong (reader, node, path, "an object", error);
    VALUE (char *) = clip_schema_to_text (node, FALSE);
    return TRUE;
  case CLIP_SECTION:
    return read_section (reader, row->section, node, (char *) base + row->offset, path, error);
  case CLIP_LIST:
    break;
  }
  return read_list (reader, row, node, base, path, error);
}

static const ClipSetting *
find_row (const ClipSection *section, const char *name)
{
  for (const ClipSetting *row = section->rows; row->name; row++)
    if (g_str_equal (row->name, name))
      return row;
  return NULL;
}

static gboolean
refuse_unknown (const ClipSchemaReader *reader, const ClipSection *section, JsonObject *object,
                const char *path, GError **error)
{
  g_autoptr (GList) members = json_object_get_members (object);
  for (GList *member = members; member; member = member->next) {
    const char *names[64];
    guint n = 0;
    if (find_row (section, member->data))
      continue;
    for (const ClipSetting *row = section->rows; row->name && n < G_N_ELEMENTS (names); row++)
      names[n++] = row->name;
    const char *nearest = clip_nearest (member->data, names, n);
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: there is no %s%s%s%s%s%s", reader->what, path,
                      *path ? "." : "", (const char *) member->data,
                      nearest ? "; did you mean '" : "", nearest ? nearest : "",
                      nearest ? "'?" : "");
  }
  return TRUE;
}

/* @node: NULL: nothing was given. */
static gboolean
read_section (const ClipSchemaReader *reader, const ClipSection *section, JsonNode *node,
              void *base, const char *path, GError **error)
{
  const gboolean bare = node && section->bare && !JSON_NODE_HOLDS_OBJECT (node);
  if (node && !bare && !JSON_NODE_HOLDS_OBJECT (node))
    return wrong (reader, node, *path ? path : "the whole", "an object", error);
  JsonObject *object = node && !bare ? json_node_get_object (node) : NULL;
  if (object && !refuse_unknown (reader, section, object, path, error))
    return FALSE;
  for (const ClipSetting *row = section->rows; row->name; row++) {
    JsonNode *value = object ? json_object_get_member (object, row->name) : NULL;
    if (bare && (*section->bare == '*' || g_str_equal (section->bare, row->name)))
      value = node;
    g_autoptr (JsonNode) fallback = NULL;
    if ((!value || JSON_NODE_HOLDS_NULL (value)) && row->fallback)
      value = fallback = json_from_string (row->fallback, NULL);
    else if (value && JSON_NODE_HOLDS_NULL (value))
      value = NULL;
    g_autofree char *inner =
        bare ? g_strdup (path) : g_strconcat (path, *path ? "." : "", row->name, NULL);
    if (!value && row->kind != CLIP_SECTION)
      read_nothing (row, base);
    else if (value ? !read_value (reader, row, value, base, inner, error)
                   : !read_section (reader, row->section, NULL, (char *) base + row->offset, inner,
                                    error))
      return FALSE;
  }
  return TRUE;
}

gboolean
clip_schema_read (const ClipSchemaReader *reader, const ClipSection *section, JsonNode *node,
                  void *base, GError **error)
{
  return read_section (reader, section, node, base, "", error);
}

void
clip_schema_clear (const ClipSection *section, void *base)
{
  for (const ClipSetting *row = section->rows; row->name; row++)
    switch (row->kind) {
    case CLIP_TEXT:
    case CLIP_FILE:
    case CLIP_MODEL:
    case CLIP_TREE:
      g_free (VALUE (char *));
      break;
    case CLIP_TEXTS:
    case CLIP_FILES:
      g_strfreev (VALUE (char **));
      break;
    case CLIP_SECTION:
      clip_schema_clear (row->section, (char *) base + row->offset);
      break;
    case CLIP_LIST: {
      const int n = *(int *) ((char *) base + row->offset + sizeof (void *));
      for (int i = 0; i < n; i++)
        clip_schema_clear (row->section, VALUE (char *) + i * row->section->size);
      g_free (VALUE (void *));
      break;
    }
    default:
      break;
    }
}
