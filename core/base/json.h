/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"
#include <json-glib/json-glib.h>

/* Whether a text is what clip_json_parse () takes; FALSE with @error. */
gboolean clip_json_check (const char *text, gsize length, const char *what, GError **error);

/* Parses an untrusted JSON text: refuses invalid UTF-8, NUL bytes and nesting deeper than CLIP_JSON_MAX_DEPTH before
 * json-glib (whose parser recurses) sees it. @what names the text in errors: "DIR/config.json", "FILE: header". */
#define CLIP_JSON_MAX_DEPTH 64
JsonNode *clip_json_parse (const char *text, gsize length, const char *what, GError **error);

/* Members with a default; a member of the wrong type is a CLIP_ERROR_CONFIG "WHAT: NAME is …, expected …". @object may be
 * NULL (the default then). Each returns FALSE only on error and leaves *value alone where the member is absent or null. */
gboolean clip_json_get_int (JsonObject *object, const char *name, gint64 min, gint64 max, int *value, const char *what,
                            GError **error);
gboolean clip_json_get_float (JsonObject *object, const char *name, float *value, const char *what, GError **error);
gboolean clip_json_get_boolean (JsonObject *object, const char *name, gboolean *value, const char *what, GError **error);
/* *value: (transfer none) */
gboolean clip_json_get_string (JsonObject *object, const char *name, const char **value, const char *what, GError **error);
gboolean clip_json_get_object (JsonObject *object, const char *name, JsonObject **value, const char *what, GError **error);
gboolean clip_json_get_array (JsonObject *object, const char *name, JsonArray **value, const char *what, GError **error);
