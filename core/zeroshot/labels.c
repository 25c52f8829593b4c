/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Label sets: what a classifier chooses from. Three ways to write one, which agree on what a label is (some text, white
 * space around it dropped, no other label of the same name):
 *
 *   a string   "cat;dog" or one a line
 *   a file     one a line, '#' starts a comment
 *   JSON       ["cat", {"name": "dog", "prompts": ["a photo of a dog"], "threshold": 0.5,
 *                       "release": 0.4, "images": ["dogs/rex.jpg"], "image-weight": 0.5, "background": false}]
 *
 *   or         {"temperature": 0.8, "labels": […]}, the same with what belongs to all of them
 *
 * One separator at the end, and white space after it, ends the text; any other empty label is an error.
 */
#include "core/zeroshot/labels.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "core/text/lines.h"
#include "core/text/normalize.h"

#include <math.h>
#include <string.h>

struct _ClipLabels {
  gatomicrefcount references;
  float temperature; /* NaN: none was given */
  GArray *labels;    /* ClipLabel */
};

static void
clear_label (gpointer data)
{
  ClipLabel *label = data;
  g_free (label->name);
  g_strfreev (label->prompts);
  g_strfreev (label->images);
}

ClipLabels *
clip_labels_ref (ClipLabels *labels)
{
  g_return_val_if_fail (labels, NULL);
  g_atomic_ref_count_inc (&labels->references);
  return labels;
}

void
clip_labels_unref (ClipLabels *labels)
{
  g_return_if_fail (labels);
  if (!g_atomic_ref_count_dec (&labels->references))
    return;
  g_array_unref (labels->labels);
  g_free (labels);
}

guint
clip_labels_get_n (const ClipLabels *labels)
{
  return labels->labels->len;
}

const ClipLabel *
clip_labels_get (const ClipLabels *labels, guint index)
{
  g_return_val_if_fail (index < labels->labels->len, NULL);
  return &g_array_index (labels->labels, ClipLabel, index);
}

float
clip_labels_get_temperature (const ClipLabels *labels)
{
  return isnan (labels->temperature) ? 1 : labels->temperature;
}

/* --------------------------------------------------------------------------------------------------------- builder */

typedef struct {
  ClipLabels *labels;
  GHashTable *seen; /* name, owned by its label → where it was */
  const char *name; /* of the text, for messages: "NAME: UNIT 3: …" */
  const char *unit; /* "line", "label" */
} Builder;

static void
builder_clear (Builder *builder)
{
  g_clear_pointer (&builder->seen, g_hash_table_unref);
  g_clear_pointer (&builder->labels, clip_labels_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Builder, builder_clear)

static Builder
builder_new (const char *name, const char *unit)
{
  ClipLabels *labels = g_new0 (ClipLabels, 1);
  g_atomic_ref_count_init (&labels->references);
  labels->temperature = NAN;
  labels->labels = g_array_new (FALSE, TRUE, sizeof (ClipLabel));
  g_array_set_clear_func (labels->labels, clear_label);
  return (Builder){ labels, g_hash_table_new (g_str_hash, g_str_equal), name, unit };
}

/* Adds a label called @text[0 … length), found at @where (counted from 1). Returns it, valid until the next one. */
static ClipLabel *
builder_add (Builder *builder, const char *text, gsize length, guint where, GError **error)
{
  if (!g_utf8_validate_len (text, length, NULL))
    return clip_fail_null (error, CLIP_ERROR_LABELS, "%s: %s %u: not valid UTF-8", builder->name,
                           builder->unit, where);
  g_autofree char *whole = g_strndup (text, length), *name = clip_normalize_strip (whole);
  guint before = GPOINTER_TO_UINT (g_hash_table_lookup (builder->seen, name));
  if (!*name)
    return clip_fail_null (error, CLIP_ERROR_LABELS, "%s: %s %u: empty label", builder->name,
                           builder->unit, where);
  if (before)
    return clip_fail_null (error, CLIP_ERROR_LABELS, "%s: %s %u: \"%s\" is also %s %u",
                           builder->name, builder->unit, where, name, builder->unit, before);
  ClipLabel label = {
    .name = g_steal_pointer (&name), .image_weight = NAN, .threshold = NAN, .release = NAN
  };
  g_array_append_val (builder->labels->labels, label);
  g_hash_table_insert (builder->seen, label.name, GUINT_TO_POINTER (where));
  return &g_array_index (builder->labels->labels, ClipLabel, builder->labels->labels->len - 1);
}

static ClipLabels *
builder_end (Builder *builder, GError **error)
{
  if (builder->labels->labels->len == 0)
    return clip_fail_null (error, CLIP_ERROR_LABELS, "%s: no labels", builder->name);
  return g_steal_pointer (&builder->labels);
}

/* ----------------------------------------------------------------------------------------------------------- string */

/* The length of @text without white space (ASCII) at its end. */
static gsize
trimmed (const char *text, gsize length)
{
  while (length > 0 && g_ascii_isspace (text[length - 1]))
    length--;
  return length;
}

ClipLabels *
clip_labels_parse (const char *text, GError **error)
{
  g_return_val_if_fail (text, NULL);
  g_auto (Builder) builder = builder_new ("labels", "label");
  gsize length = trimmed (text, strlen (text));
  const char *end = text + length;
  for (guint n = 1; text < end; n++) {
    gsize size = strcspn (text, ";\n");
    size = MIN (size, (gsize) (end - text));
    if (!builder_add (&builder, text, size, n, error))
      return NULL;
    text += size;
    /* ";" at the end of a line is one separator with the line break */
    if (text < end && *text == ';')
      text += 1 + strspn (text + 1, " \t\r");
    if (text < end && *text == '\n')
      text++;
  }
  return builder_end (&builder, error);
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static gboolean
is_string (JsonNode *node)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING;
}

static const char *const label_members[] = { "name",      "prompts", "images",     "image-weight",
                                             "threshold", "release", "background", NULL };
static const char *const set_members[] = { "temperature", "labels", NULL };

/* Refuses a member that is none of ours: a misspelt threshold is not to be ignored. */
static gboolean
check_members (JsonObject *object, const char *const *known, const char *what, GError **error)
{
  g_autoptr (GList) members = json_object_get_members (object);
  for (GList *member = members; member; member = member->next)
    if (!g_strv_contains (known, member->data)) {
      g_autoptr (GString) names = g_string_new (known[0]);
      for (guint k = 1; known[k]; k++)
        g_string_append_printf (names, "%s%s", known[k + 1] ? ", " : " or ", known[k]);
      return clip_fail (error, CLIP_ERROR_LABELS, "%s: unknown member \"%s\", expected %s", what,
                        (const char *) member->data, names->str);
    }
  return TRUE;
}

static gboolean
read_prompts (ClipLabel *label, JsonArray *array, const char *what, GError **error)
{
  guint n = array ? json_array_get_length (array) : 0;
  if (!array)
    return TRUE;
  if (n == 0 && !label->images)
    return clip_fail (error, CLIP_ERROR_LABELS, "%s: prompts is empty", what);
  label->prompts = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++) {
    JsonNode *node = json_array_get_element (array, i);
    label->prompts[i] =
        is_string (node) ? clip_normalize_strip (json_node_get_string (node)) : g_strdup ("");
    if (!*label->prompts[i])
      return clip_fail (error, CLIP_ERROR_LABELS, "%s: prompt %u: expected some text", what, i + 1);
  }
  return TRUE;
}

/* Paths are relative to the folder of the file called @name. */
static gboolean
read_images (ClipLabel *label, JsonArray *array, const char *name, const char *what, GError **error)
{
  if (!array)
    return TRUE;
  const guint n = json_array_get_length (array);
  if (n == 0)
    return clip_fail (error, CLIP_ERROR_LABELS, "%s: images is empty", what);
  g_autofree char *folder = g_path_get_dirname (name);
  label->images = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++) {
    JsonNode *node = json_array_get_element (array, i);
    const char *path = is_string (node) ? json_node_get_string (node) : "";
    if (!*path)
      return clip_fail (error, CLIP_ERROR_LABELS, "%s: image %u: expected a path", what, i + 1);
    label->images[i] =
        g_path_is_absolute (path) ? g_strdup (path) : g_build_filename (folder, path, NULL);
  }
  return TRUE;
}

static gboolean
check_numbers (const ClipLabel *label, const char *what, GError **error)
{
  if (label->threshold < 0 || label->threshold > 1)
    return clip_fail (error, CLIP_ERROR_LABELS, "%s: threshold is %g, expected 0 to 1", what,
                      label->threshold);
  const float most = isnan (label->threshold) ? 1 : label->threshold;
  if (label->release < 0 || label->release > most)
    return clip_fail (error, CLIP_ERROR_LABELS, "%s: release is %g, expected 0 to %s%g", what,
                      label->release, most < 1 ? "the threshold, " : "", most);
  if (label->image_weight < 0 || label->image_weight > 1)
    return clip_fail (error, CLIP_ERROR_LABELS, "%s: image-weight is %g, expected 0 to 1", what,
                      label->image_weight);
  const gboolean words = !label->prompts || label->prompts[0];
  if (!isnan (label->image_weight) && !(label->images && words))
    return clip_fail (error, CLIP_ERROR_LABELS, "%s: image-weight without %s, expected both to mix",
                      what, words ? "images" : "prompts");
  return TRUE;
}

static gboolean
add_object (Builder *builder, JsonObject *object, guint where, GError **error)
{
  g_autofree char *what = g_strdup_printf ("%s: %s %u", builder->name, builder->unit, where);
  const char *name = NULL;
  JsonArray *prompts = NULL, *images = NULL;
  if (!check_members (object, label_members, what, error) ||
      !clip_json_get_string (object, "name", &name, what, error))
    return FALSE;
  if (!name)
    return clip_fail (error, CLIP_ERROR_LABELS, "%s: no name", what);
  ClipLabel *label = builder_add (builder, name, strlen (name), where, error);
  if (!label || !clip_json_get_array (object, "images", &images, what, error) ||
      !read_images (label, images, builder->name, what, error) ||
      !clip_json_get_float (object, "image-weight", &label->image_weight, what, error) ||
      !clip_json_get_array (object, "prompts", &prompts, what, error) ||
      !read_prompts (label, prompts, what, error) ||
      !clip_json_get_float (object, "threshold", &label->threshold, what, error) ||
      !clip_json_get_float (object, "release", &label->release, what, error) ||
      !clip_json_get_boolean (object, "background", &label->background, what, error))
    return FALSE;
  return check_numbers (label, what, error);
}

static gboolean
add_array (Builder *builder, JsonArray *array, GError **error)
{
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *node = json_array_get_element (array, i);
    if (JSON_NODE_HOLDS_OBJECT (node)) {
      if (!add_object (builder, json_node_get_object (node), i + 1, error))
        return FALSE;
    } else if (is_string (node)) {
      const char *label = json_node_get_string (node);
      if (!builder_add (builder, label, strlen (label), i + 1, error))
        return FALSE;
    } else {
      return clip_fail (error, CLIP_ERROR_LABELS, "%s: label %u: expected a string or an object",
                        builder->name, i + 1);
    }
  }
  return TRUE;
}

static gboolean
add_set (Builder *builder, JsonObject *object, GError **error)
{
  float *temperature = &builder->labels->temperature;
  JsonArray *array = NULL;
  if (!check_members (object, set_members, builder->name, error) ||
      !clip_json_get_float (object, "temperature", temperature, builder->name, error) ||
      !clip_json_get_array (object, "labels", &array, builder->name, error))
    return FALSE;
  if (!isnan (*temperature) && !(*temperature > 0 && isfinite (*temperature)))
    return clip_fail (error, CLIP_ERROR_LABELS, "%s: temperature is %g, expected more than 0",
                      builder->name, *temperature);
  return !array || add_array (builder, array, error);
}

static ClipLabels *
parse_json (const char *text, gsize length, const char *name, GError **error)
{
  g_auto (Builder) builder = builder_new (name, "label");
  g_autoptr (JsonNode) root = clip_json_parse (text, length, name, error);
  if (!root)
    return NULL;
  gboolean ok;
  if (JSON_NODE_HOLDS_ARRAY (root))
    ok = add_array (&builder, json_node_get_array (root), error);
  else if (JSON_NODE_HOLDS_OBJECT (root))
    ok = add_set (&builder, json_node_get_object (root), error);
  else
    ok = clip_fail (error, CLIP_ERROR_LABELS, "%s: expected an array of labels", name);
  return ok ? builder_end (&builder, error) : NULL;
}

/* ------------------------------------------------------------------------------------------------------------- file */

static ClipLabels *
parse_lines (GBytes *bytes, const char *name, GError **error)
{
  g_auto (Builder) builder = builder_new (name, "line");
  g_auto (GStrv) lines = clip_lines_split (bytes, name, CLIP_ERROR_LABELS, error);
  if (!lines)
    return NULL;
  guint n = g_strv_length (lines);
  while (n > 0 && trimmed (lines[n - 1], strlen (lines[n - 1])) == 0)
    n--;
  for (guint i = 0; i < n; i++) {
    gboolean comment = lines[i][strspn (lines[i], " \t")] == '#';
    if (!comment && !builder_add (&builder, lines[i], strlen (lines[i]), i + 1, error))
      return NULL;
  }
  return builder_end (&builder, error);
}

ClipLabels *
clip_labels_parse_bytes (GBytes *bytes, const char *name, GError **error)
{
  gsize length;
  const char *text = g_bytes_get_data (bytes, &length);
  if (length >= 3 && memcmp (text, "\xEF\xBB\xBF", 3) == 0) { /* byte order mark */
    text += 3;
    length -= 3;
  }
  gsize start = 0;
  while (start < length && g_ascii_isspace (text[start]))
    start++;
  gboolean json = start < length && (text[start] == '[' || text[start] == '{');
  return json ? parse_json (text, length, name, error) : parse_lines (bytes, name, error);
}

ClipLabels *
clip_labels_load (const char *path, GError **error)
{
  g_return_val_if_fail (path, NULL);
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  return bytes ? clip_labels_parse_bytes (bytes, path, error) : NULL;
}

/* ------------------------------------------------------------------------------------------------------------- join */

static gboolean
add_all (Builder *builder, ClipLabels *from, gboolean background, GError **error)
{
  for (guint i = 0; from && i < clip_labels_get_n (from); i++) {
    const ClipLabel *label = clip_labels_get (from, i);
    guint where = builder->labels->labels->len + 1;
    ClipLabel *copy = builder_add (builder, label->name, strlen (label->name), where, error);
    if (!copy)
      return FALSE;
    copy->prompts = g_strdupv (label->prompts);
    copy->images = g_strdupv (label->images);
    copy->image_weight = label->image_weight;
    copy->threshold = label->threshold;
    copy->release = label->release;
    copy->background = label->background || background;
  }
  if (from && isnan (builder->labels->temperature))
    builder->labels->temperature = from->temperature;
  return TRUE;
}

ClipLabels *
clip_labels_join (ClipLabels *a, ClipLabels *b, gboolean background, GError **error)
{
  g_auto (Builder) builder = builder_new ("labels", "label");
  if (!add_all (&builder, a, FALSE, error) || !add_all (&builder, b, background, error))
    return NULL;
  return builder_end (&builder, error);
}

ClipLabels *
clip_labels_calibrated (ClipLabels *labels, float temperature, const float *thresholds)
{
  g_auto (Builder) builder = builder_new ("labels", "label");
  add_all (&builder, labels, FALSE, NULL); /* their names are good, as they were before */
  ClipLabels *calibrated = builder.labels;
  for (guint i = 0; i < calibrated->labels->len; i++)
    g_array_index (calibrated->labels, ClipLabel, i).threshold = thresholds[i];
  if (!isnan (temperature))
    calibrated->temperature = temperature;
  return g_steal_pointer (&builder.labels);
}
