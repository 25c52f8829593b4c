/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* base/json: any bytes are a tree or an error; typed members of a tree never surprise. */
#include "core/base/json.h"
#include "tests/fuzz/fuzz.h"

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
