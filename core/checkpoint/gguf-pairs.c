/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/checkpoint/gguf.h"
#include "core/base/error.h"

#include <math.h>
#include <string.h>

#define MAX_NESTING 4  /* arrays in arrays */
#define MAX_KEPT 64    /* elements of an array that is kept */
#define MAX_PAIRS 1024 /* that are kept */
#define TOKENS "tokenizer.ggml.tokens"

/* -------------------------------------------------------------------------------- primitives */

/* The next @n bytes, or NULL. */
const guint8 *
clip_gguf_take (ClipGguf *gguf, guint64 n, const char *what, GError **error)
{
  if (n > (guint64) (gguf->end - gguf->at))
    return clip_fail_null (error, CLIP_ERROR_FORMAT,
                           "%s: byte %" G_GSIZE_FORMAT " begins %s of %" G_GUINT64_FORMAT
                           " bytes, but the file has %" G_GSIZE_FORMAT
                           ": it is cut short or damaged",
                           gguf->checkpoint->name, (gsize) (gguf->at - gguf->start), what, n,
                           (gsize) (gguf->end - gguf->start));
  const guint8 *bytes = gguf->at;
  gguf->at += n;
  return bytes;
}

gboolean
clip_gguf_u32 (ClipGguf *gguf, guint32 *value, const char *what, GError **error)
{
  const guint8 *bytes = clip_gguf_take (gguf, sizeof *value, what, error);
  if (!bytes)
    return FALSE;
  memcpy (value, bytes, sizeof *value);
  *value = GUINT32_FROM_LE (*value);
  return TRUE;
}

gboolean
clip_gguf_u64 (ClipGguf *gguf, guint64 *value, const char *what, GError **error)
{
  const guint8 *bytes = clip_gguf_take (gguf, sizeof *value, what, error);
  if (!bytes)
    return FALSE;
  memcpy (value, bytes, sizeof *value);
  *value = GUINT64_FROM_LE (*value);
  return TRUE;
}

/* A length or a number of things. */
gboolean
clip_gguf_count (ClipGguf *gguf, guint64 *value, const char *what, GError **error)
{
  guint32 narrow;
  if (gguf->version > 1)
    return clip_gguf_u64 (gguf, value, what, error);
  if (!clip_gguf_u32 (gguf, &narrow, what, error))
    return FALSE;
  *value = narrow;
  return TRUE;
}

static gboolean
skip_string (ClipGguf *gguf, const guint8 **text, guint64 *length, const char *what, GError **error)
{
  return clip_gguf_count (gguf, length, what, error) &&
         (*text = clip_gguf_take (gguf, *length, what, error)) != NULL;
}

/* A string that is UTF-8 without NUL; NULL with @error. */
char *
clip_gguf_string (ClipGguf *gguf, const char *what, GError **error)
{
  const guint8 *text;
  guint64 length;
  if (!skip_string (gguf, &text, &length, what, error))
    return NULL;
  if (!g_utf8_validate_len ((const char *) text, length, NULL))
    return clip_fail_null (error, CLIP_ERROR_FORMAT,
                           "%s: %s at byte %" G_GSIZE_FORMAT " is not UTF-8 text",
                           gguf->checkpoint->name, what, (gsize) (text - gguf->start));
  return g_strndup ((const char *) text, length);
}

/* ------------------------------------------------------------------------------------- pairs */

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, N_TYPES };

static const guint8 value_sizes[N_TYPES] = {
  [U8] = 1,  [I8] = 1,   [U16] = 2, [I16] = 2, [U32] = 4, [I32] = 4,
  [F32] = 4, [BOOL] = 1, [U64] = 8, [I64] = 8, [F64] = 8, /* the others have no one size */
};

static gboolean
read_type (ClipGguf *gguf, guint32 *type, const char *key, GError **error)
{
  if (!clip_gguf_u32 (gguf, type, "the type of a value", error))
    return FALSE;
  return *type < N_TYPES ||
         clip_fail (error, CLIP_ERROR_FORMAT,
                    "%s: the value of %s has the unknown type %u, expected one below %d",
                    gguf->checkpoint->name, key, *type, N_TYPES);
}

static gboolean
skip_value (ClipGguf *gguf, guint32 type, const char *key, int depth, GError **error)
{
  const guint8 *text;
  guint64 n;
  if (type == STRING)
    return skip_string (gguf, &text, &n, "a string", error);
  if (type != ARRAY)
    return clip_gguf_take (gguf, value_sizes[type], "a value", error) != NULL;
  if (depth == MAX_NESTING)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: the value of %s nests deeper than %d arrays",
                      gguf->checkpoint->name, key, MAX_NESTING);
  if (!read_type (gguf, &type, key, error) || !clip_gguf_count (gguf, &n, "an array", error))
    return FALSE;
  if (value_sizes[type]) {
    const guint64 room = (guint64) (gguf->end - gguf->at) / value_sizes[type];
    return clip_gguf_take (gguf, n <= room ? n * value_sizes[type] : G_MAXUINT64, "an array",
                           error) != NULL;
  }
  for (guint64 i = 0; i < n; i++) { /* each takes a byte at least */
    if (!skip_value (gguf, type, key, depth + 1, error))
      return FALSE;
  }
  return TRUE;
}

static JsonNode *
number_node (gint64 value)
{
  return json_node_init_int (json_node_alloc (), value);
}

#define FROM_BYTES(type, bytes)                                                                    \
  ({                                                                                               \
    type value;                                                                                    \
    memcpy (&value, bytes, sizeof value);                                                          \
    value;                                                                                         \
  })

/* A number, a truth or a string; NULL with @error. */
static JsonNode *
read_scalar (ClipGguf *gguf, guint32 type, const char *key, GError **error)
{
  if (type == STRING) {
    g_autofree char *text = clip_gguf_string (gguf, "a string", error);
    return text ? json_node_init_string (json_node_alloc (), text) : NULL;
  }
  const guint8 *bytes = clip_gguf_take (gguf, value_sizes[type], "a value", error);
  if (!bytes)
    return NULL;
  double real;
  switch (type) {
  case U8:
    return number_node (*bytes);
  case I8:
    return number_node ((gint8) *bytes);
  case U16:
    return number_node (GUINT16_FROM_LE (FROM_BYTES (guint16, bytes)));
  case I16:
    return number_node (GINT16_FROM_LE (FROM_BYTES (gint16, bytes)));
  case U32:
    return number_node (GUINT32_FROM_LE (FROM_BYTES (guint32, bytes)));
  case I32:
    return number_node (GINT32_FROM_LE (FROM_BYTES (gint32, bytes)));
  case I64:
    return number_node (GINT64_FROM_LE (FROM_BYTES (gint64, bytes)));
  case U64: /* nothing that large is meant */
    return number_node (MIN (GUINT64_FROM_LE (FROM_BYTES (guint64, bytes)), G_MAXINT64));
  case BOOL:
    return json_node_init_boolean (json_node_alloc (), *bytes != 0);
  case F32:
    real = FROM_BYTES (float, bytes);
    break;
  default:
    real = FROM_BYTES (double, bytes);
  }
  if (!isfinite (real))
    return clip_fail_null (error, CLIP_ERROR_FORMAT,
                           "%s: the value of %s is infinite or not a number, expected a finite one",
                           gguf->checkpoint->name, key);
  return json_node_init_double (json_node_alloc (), real);
}

/* NULL without @error for one that is too long to be metadata, or no array of numbers, truths or strings. */
static JsonNode *
read_array (ClipGguf *gguf, const char *key, GError **error)
{
  const guint8 *start = gguf->at;
  guint32 type;
  guint64 n;
  if (!read_type (gguf, &type, key, error) || !clip_gguf_count (gguf, &n, "an array", error))
    return NULL;
  if (n > MAX_KEPT || type == ARRAY) {
    gguf->at = start;
    skip_value (gguf, ARRAY, key, 0, error);
    return NULL;
  }
  g_autoptr (JsonArray) array = json_array_sized_new (n);
  for (guint64 i = 0; i < n; i++) {
    JsonNode *element = read_scalar (gguf, type, key, error);
    if (!element)
      return NULL;
    json_array_add_element (array, element);
  }
  return json_node_init_array (json_node_alloc (), array);
}

/* Remembers where the strings are. */
static gboolean
read_tokens (ClipGguf *gguf, GError **error)
{
  const guint8 *start = gguf->at;
  guint32 type;
  if (!read_type (gguf, &type, TOKENS, error) ||
      !clip_gguf_count (gguf, &gguf->n_tokens, "an array", error))
    return FALSE;
  if (type == STRING)
    gguf->tokens = gguf->at;
  gguf->at = start;
  return skip_value (gguf, ARRAY, TOKENS, 0, error);
}

static gboolean
keep_value (ClipGguf *gguf, guint32 type, const char *key, GError **error)
{
  g_autoptr (GError) problem = NULL;
  if (json_object_has_member (gguf->pairs, key))
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: %s is there twice", gguf->checkpoint->name,
                      key);
  if (json_object_get_size (gguf->pairs) == MAX_PAIRS)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: says more than %d things of the model, the next is %s",
                      gguf->checkpoint->name, MAX_PAIRS, key);
  JsonNode *node =
      type == ARRAY ? read_array (gguf, key, &problem) : read_scalar (gguf, type, key, &problem);
  if (node)
    json_object_set_member (gguf->pairs, key, node);
  if (!problem)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&problem));
  return FALSE;
}

gboolean
clip_gguf_pair (ClipGguf *gguf, GError **error)
{
  guint32 type;
  g_autofree char *key = clip_gguf_string (gguf, "a key", error);
  if (!key || !read_type (gguf, &type, key, error))
    return FALSE;
  if (g_str_has_prefix (key, "clip.") || g_str_has_prefix (key, "general."))
    return keep_value (gguf, type, key, error);
  if (g_str_equal (key, TOKENS) && type == ARRAY && !gguf->tokens)
    return read_tokens (gguf, error);
  return skip_value (gguf, type, key, 0, error);
}

gboolean
clip_gguf_add_tokens (const ClipGguf *gguf, GError **error)
{
  if (!gguf->tokens)
    return TRUE;
  ClipGguf strings = *gguf;
  strings.at = gguf->tokens;
  g_autoptr (GString) lines = g_string_new (NULL);
  for (guint64 i = 0; i < gguf->n_tokens; i++) {
    const guint8 *text;
    guint64 length;
    if (!skip_string (&strings, &text, &length, "a token", error))
      return FALSE;
    if (length == 0 || memchr (text, '\n', length))
      return TRUE; /* a vocabulary of another kind than CLIP's */
    g_string_append_len (lines, (const char *) text, length);
    g_string_append_c (lines, '\n');
  }
  ClipTensor tensor = { .name = "clip.tokens",
                        .dtype = CLIP_DTYPE_U8,
                        .n_dims = 1,
                        .shape = { lines->len },
                        .size = lines->len };
  void *copy = clip_checkpoint_alloc (gguf->checkpoint, lines->len);
  if (!copy) /* of memory: the lines are shorter than the strings, which have their lengths before them */
    return clip_fail (error, CLIP_ERROR_TENSOR,
                      "%s: " TOKENS " have %" G_GSIZE_FORMAT " bytes, for which there is no memory",
                      gguf->checkpoint->name, lines->len);
  tensor.data = memcpy (copy, lines->str, lines->len);
  return clip_checkpoint_add (gguf->checkpoint, &tensor, error);
}
