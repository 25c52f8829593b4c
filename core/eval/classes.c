/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Class names, each once, as labels. */
#include "core/eval/classes.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/text/lines.h"
#include "core/text/normalize.h"
#include "core/zeroshot/labels.h"

#include <json-glib/json-glib.h>

/* Labels of names as they are: in a list of lines '#' would begin a comment. */
static ClipLabels *
make_labels (JsonArray *names, const char *path, GError **error)
{
  g_autoptr (JsonNode) root = json_node_init_array (json_node_alloc (), names);
  char *text = json_to_string (root, FALSE);
  g_autoptr (GBytes) bytes = g_bytes_new_take (text, strlen (text));
  return clip_labels_parse_bytes (bytes, path, error);
}

ClipClasses *
clip_classes_load (const char *path, GError **error)
{
  g_return_val_if_fail (path, NULL);
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  g_auto (GStrv) lines = bytes ? clip_lines_split (bytes, path, CLIP_ERROR_LABELS, error) : NULL;
  if (!lines)
    return NULL;
  guint n = g_strv_length (lines);
  while (n > 0 && !lines[n - 1][strspn (lines[n - 1], " \t\r")])
    n--;

  g_autoptr (ClipClasses) classes = g_new0 (ClipClasses, 1);
  g_autoptr (JsonArray) names = json_array_new ();
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  classes->names = g_new0 (char *, n + 1);
  classes->label = g_new (int, n);
  for (guint i = 0; i < n; i++) {
    char *name = classes->names[classes->n++] = clip_normalize_strip (lines[i]);
    gpointer label;
    if (!*name)
      return clip_fail_null (error, CLIP_ERROR_LABELS,
                             "%s: line %u: empty, expected the name of class %u", path, i + 1, i);
    if (!g_hash_table_lookup_extended (seen, name, NULL, &label)) {
      label = GINT_TO_POINTER ((int) json_array_get_length (names));
      g_hash_table_insert (seen, name, label);
      json_array_add_string_element (names, name);
    }
    classes->label[i] = GPOINTER_TO_INT (label);
  }
  classes->labels = make_labels (names, path, error);
  return classes->labels ? g_steal_pointer (&classes) : NULL;
}

void
clip_classes_free (ClipClasses *classes)
{
  if (!classes)
    return;
  g_strfreev (classes->names);
  g_clear_pointer (&classes->labels, clip_labels_unref);
  g_free (classes->label);
  g_free (classes);
}

void
clip_classes_score (const ClipClasses *classes, const ClipClassifier *classifier, float *scores,
                    const float *feature)
{
  g_autofree float *by_label = g_new (float, clip_labels_get_n (classes->labels));
  clip_classifier_logits (classifier, by_label, feature);
  for (int i = 0; i < classes->n; i++)
    scores[i] = by_label[classes->label[i]];
}
