/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/json: any bytes are a tree or an error; typed members of a tree never surprise; a walk ends where the text does, having
 * closed what it opened; what is put apart leaves a tree. */
#include "core/base/json-reader.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
walk (const char *text, size_t size)
{
  static const char *const names[] = { "b", "c" };
  ClipJsonReader reader, apart[2];
  int depth = 0;
  g_assert (clip_json_read (&reader, text, size, "fuzz", NULL));
  for (ClipJsonToken token; (token = clip_json_next (&reader)) != CLIP_JSON_END;) {
    depth +=
        token == CLIP_JSON_OBJECT || token == CLIP_JSON_ARRAY ? 1 : -(token == CLIP_JSON_CLOSE);
    if (token == CLIP_JSON_STRING) {
      g_autofree char *string = clip_json_dup_string (&reader);
      g_assert (g_utf8_validate (string, -1, NULL) && strlen (string) <= reader.length);
    }
    g_assert (depth >= 0 && reader.p <= text + size);
  }
  g_assert (depth == 0);
  g_autoptr (JsonNode) node =
      clip_json_parse_apart (text, size, "a", names, apart, 2, "fuzz", NULL);
  g_assert (node);
  for (int i = 0; i < 2; i++)
    if (apart[i].p)
      clip_json_skip (&apart[i]);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = clip_json_parse ((const char *) data, size, "fuzz", &error);
  JsonObject *object, *child = NULL;
  JsonArray *array = NULL;
  const char *string = NULL;
  gboolean truth = FALSE;
  float number = 0;
  int integer = 0;

  g_assert ((root == NULL) == (error != NULL));
  if (root)
    walk ((const char *) data, size);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root))
    return 0;
  object = json_node_get_object (root);
  clip_json_get_int (object, "a", -5, 1 << 20, &integer, "fuzz", NULL);
  clip_json_get_float (object, "a", &number, "fuzz", NULL);
  clip_json_get_boolean (object, "a", &truth, "fuzz", NULL);
  clip_json_get_string (object, "a", &string, "fuzz", NULL);
  clip_json_get_array (object, "a", &array, "fuzz", NULL);
  clip_json_get_object (object, "a", &child, "fuzz", NULL);
  clip_json_get_int (child, "b", 0, 10, &integer, "fuzz", NULL);
  return 0;
}
