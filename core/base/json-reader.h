/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A walk through a JSON text, token by token, without a tree: for what has hundreds of thousands of elements, of which json-glib's
 * tree takes ten times the text. */
#pragma once
#include "core/base/json.h"

typedef enum {
  CLIP_JSON_END, /* of the text */
  CLIP_JSON_OBJECT, CLIP_JSON_ARRAY, CLIP_JSON_CLOSE,
  CLIP_JSON_STRING, /* a member's name, too */
  CLIP_JSON_NUMBER,
  CLIP_JSON_WORD, /* true, false, null */
} ClipJsonToken;

typedef struct {
  const char *p, *end; /* what is left; p NULL: nothing to read */
  const char *text;    /* the last token; of a string what is between its quotes, escapes and all */
  gsize length;
} ClipJsonReader;

/* Checks as clip_json_parse () does. @text must stay. FALSE with @error. */
gboolean clip_json_read (ClipJsonReader *reader, const char *text, gsize length, const char *what, GError **error);

const char *clip_json_token_name (ClipJsonToken token); /* "an array", for messages */

ClipJsonToken clip_json_next (ClipJsonReader *reader);
/* Steps over one whole value. */
void clip_json_skip (ClipJsonReader *reader);
/* The string that was read last, without escapes. */
char *clip_json_dup_string (const ClipJsonReader *reader);                               /* g_free () */
const char *clip_json_keep_string (const ClipJsonReader *reader, GStringChunk *strings); /* in @strings */
/* The number that was read last; FALSE: no integer from 0 to @most. */
gboolean clip_json_read_index (const ClipJsonReader *reader, int most, int *value);
double clip_json_read_number (const ClipJsonReader *reader);

/*
 * clip_json_parse_apart:
 * @section: a member of the text's object
 * @names: [@n] members of the object that it is
 * @apart: (out): [@n] readers, each in front of such a member's value; p is NULL where it is absent
 *
 * As clip_json_parse (), but these members are null in the tree. Of one that comes twice the last counts, as there.
 */
JsonNode *clip_json_parse_apart (const char *text, gsize length, const char *section, const char *const *names,
                                 ClipJsonReader *apart, guint n, const char *what, GError **error);
