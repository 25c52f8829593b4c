/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads GGUF, versions 1 to 3, as clip.cpp writes it:
 *
 *   "GGUF" | version u32 | number of tensors | number of pairs
 *   pairs:   key | type u32 | value            a value may be an array: type u32 | number | values
 *   tensors: name | number of dimensions u32 | dimensions, the last first | type u32 | offset u64
 *   padding | data, from which offsets count
 *
 * A string is its length and its bytes. Numbers are 64 bits, in version 1 32; everything is little-endian.
 *
 * What describes the model becomes the metadata "gguf", a JSON object of the pairs clip.… and general.…; the vocabulary becomes
 * the tensor "clip.tokens", a token a line. Tensors keep their names. Quantised ones (gguf-blocks.c) become float32 on the
 * heap, at most 13 bytes for each byte of the file, since none may share any; all others stay in it.
 */
#include "core/checkpoint/gguf.h"
#include "core/checkpoint/gguf-blocks.h"
#include "core/base/error.h"

#include <string.h>

#define MAX_COUNT 65536     /* of tensors, and of pairs */
#define MAX_ALIGNMENT 65536 /* written are 32 */

/* What a tensor occupies. */
typedef struct {
  ClipTensor tensor; /* name in the checkpoint's strings; no data yet */
  const ClipGgufType *type;
  guint64 begin, bytes;
} Place;

/* ----------------------------------------------------------------------------------- tensors */

static gboolean
measure (ClipGguf *gguf, Place *place, GError **error)
{
  const char *file = gguf->checkpoint->name;
  ClipTensor *tensor = &place->tensor;
  const gint64 row = tensor->n_dims ? tensor->shape[tensor->n_dims - 1] : 1;
  gsize elements = 1, bytes;
  gboolean ok = TRUE;
  for (int i = 0; i < tensor->n_dims; i++)
    ok = ok && g_size_checked_mul (&elements, elements, tensor->shape[i]);
  ok = ok && g_size_checked_mul (&bytes, elements / place->type->elements, place->type->bytes) &&
       clip_tensor_bytes (tensor, &tensor->size); /* of what it becomes */
  if (!ok) {
    g_autofree char *what = clip_tensor_describe (tensor);
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: tensor %s is %s, which no memory holds", file,
                      tensor->name, what);
  }
  if (row % place->type->elements != 0)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: tensor %s has rows of %" G_GINT64_FORMAT
                      " elements, expected a multiple of %u as %s has blocks of",
                      file, tensor->name, row, place->type->elements, place->type->name);
  place->bytes = bytes;
  return TRUE;
}

static gboolean
read_info (ClipGguf *gguf, Place *place, guint64 alignment, GError **error)
{
  const char *file = gguf->checkpoint->name;
  ClipTensor *tensor = &place->tensor;
  guint32 n_dims, type;
  g_autofree char *name = clip_gguf_string (gguf, "a tensor's name", error);
  if (!name || !clip_gguf_u32 (gguf, &n_dims, "a number of dimensions", error))
    return FALSE;
  if (n_dims > CLIP_MAX_DIMS)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: tensor %s has %u dimensions, expected at most %d", file, name, n_dims,
                      CLIP_MAX_DIMS);
  *tensor = (ClipTensor){ .name = g_string_chunk_insert (gguf->checkpoint->strings, name),
                          .n_dims = n_dims };
  for (int i = tensor->n_dims - 1; i >= 0; i--) {
    guint64 size;
    if (!clip_gguf_count (gguf, &size, "a dimension", error))
      return FALSE;
    if (size > G_MAXINT64)
      return clip_fail (error, CLIP_ERROR_FORMAT,
                        "%s: tensor %s has a dimension of %" G_GUINT64_FORMAT
                        ", expected less than 2^63",
                        file, name, size);
    tensor->shape[i] = size;
  }
  if (!clip_gguf_u32 (gguf, &type, "a tensor's type", error) ||
      !clip_gguf_u64 (gguf, &place->begin, "an offset", error))
    return FALSE;
  place->type = clip_gguf_type (type);
  if (!place->type) {
    g_autofree char *names = clip_gguf_type_names ();
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: tensor %s is of type %u, supported are %s", file, name, type, names);
  }
  tensor->dtype = place->type->dtype;
  if (place->begin % alignment != 0)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: tensor %s begins at byte %" G_GUINT64_FORMAT
                      " of the data, expected a multiple of %" G_GUINT64_FORMAT,
                      file, name, place->begin, alignment);
  return measure (gguf, place, error);
}

static int
compare_places (gconstpointer a, gconstpointer b)
{
  const Place *x = a, *y = b;
  if (x->begin != y->begin)
    return x->begin < y->begin ? -1 : 1;
  return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty ones before what begins there */
}

/* Whether all places, sorted, are in the data, and no byte belongs to two. */
static gboolean
check_places (const ClipGguf *gguf, GArray *places, guint64 size, GError **error)
{
  const Place *before = NULL;
  g_array_sort (places, compare_places);
  for (guint i = 0; i < places->len; i++) {
    const Place *place = &g_array_index (places, Place, i);
    if (place->begin > size || place->bytes > size - place->begin)
      return clip_fail (error, CLIP_ERROR_FORMAT,
                        "%s: tensor %s has %" G_GUINT64_FORMAT " bytes from byte %" G_GUINT64_FORMAT
                        " on, but there are %" G_GUINT64_FORMAT
                        " bytes of data: the file is cut short or damaged",
                        gguf->checkpoint->name, place->tensor.name, place->bytes, place->begin,
                        size);
    if (before && before->begin + before->bytes > place->begin)
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: tensors %s and %s overlap",
                        gguf->checkpoint->name, before->tensor.name, place->tensor.name);
    before = place->bytes ? place : before;
  }
  return TRUE;
}

static gboolean
add_tensor (ClipCheckpoint *checkpoint, Place *place, const guint8 *data, GError **error)
{
  const ClipGgufType *type = place->type;
  const guint8 *bytes = data + place->begin;
  place->tensor.data = bytes;
  if (type->expand) {
    float *y = g_try_malloc (MAX (place->tensor.size, 1));
    if (!y)
      return clip_fail (error, CLIP_ERROR_TENSOR,
                        "%s: tensor %s becomes %" G_GSIZE_FORMAT
                        " bytes, for which there is no memory",
                        checkpoint->name, place->tensor.name, place->tensor.size);
    g_ptr_array_add (checkpoint->copies, y);
    checkpoint->expanded += place->tensor.size;
    for (guint64 i = 0; i < place->bytes / type->bytes; i++)
      type->expand (y + i * type->elements, bytes + i * type->bytes);
    place->tensor.data = y;
  }
  return clip_checkpoint_add (checkpoint, &place->tensor, error);
}

static gboolean
read_alignment (const ClipGguf *gguf, guint64 *alignment, GError **error)
{
  JsonNode *node = json_object_get_member (gguf->pairs, "general.alignment");
  *alignment = 32;
  if (!node)
    return TRUE;
  const gint64 said = JSON_NODE_HOLDS_VALUE (node) ? json_node_get_int (node) : 0;
  *alignment = said;
  return (said > 0 && said <= MAX_ALIGNMENT && said % 8 == 0) ||
         clip_fail (error, CLIP_ERROR_FORMAT,
                    "%s: general.alignment is %" G_GINT64_FORMAT
                    ", expected a multiple of 8 up to %d",
                    gguf->checkpoint->name, said, MAX_ALIGNMENT);
}

static gboolean
read_tensors (ClipGguf *gguf, guint64 n, guint64 alignment, GError **error)
{
  g_autoptr (GArray) places = g_array_new (FALSE, TRUE, sizeof (Place));
  for (guint64 i = 0; i < n; i++) {
    Place place = { 0 };
    if (!read_info (gguf, &place, alignment, error))
      return FALSE;
    g_array_append_val (places, place);
  }
  const guint64 size = gguf->end - gguf->start, header = gguf->at - gguf->start;
  guint64 begin = (header + alignment - 1) / alignment * alignment;
  begin = MIN (begin, size); /* a file without data may end before */
  if (!check_places (gguf, places, size - begin, error))
    return FALSE;
  for (guint i = 0; i < places->len; i++) {
    Place *place = &g_array_index (places, Place, i);
    if (!add_tensor (gguf->checkpoint, place, gguf->start + begin, error))
      return FALSE;
  }
  return TRUE;
}

/* -------------------------------------------------------------------------------------- file */

static gboolean
read_version (ClipGguf *gguf, GError **error)
{
  if (!clip_gguf_take (gguf, 4, "the signature", error) ||
      !clip_gguf_u32 (gguf, &gguf->version, "the version", error))
    return FALSE;
  if (gguf->version >= 1 && gguf->version <= 3)
    return TRUE;
  return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                    "%s: is GGUF of version %u%s, supported are 1 to 3", gguf->checkpoint->name,
                    gguf->version,
                    gguf->version % 65536 == 0 ? " (in big-endian byte order?)" : "");
}

static gboolean
read_counts (ClipGguf *gguf, guint64 *tensors, guint64 *pairs, GError **error)
{
  if (!clip_gguf_count (gguf, tensors, "the number of tensors", error) ||
      !clip_gguf_count (gguf, pairs, "the number of pairs", error))
    return FALSE;
  return (*tensors <= MAX_COUNT && *pairs <= MAX_COUNT) ||
         clip_fail (error, CLIP_ERROR_FORMAT,
                    "%s: says it has %" G_GUINT64_FORMAT " tensors and %" G_GUINT64_FORMAT
                    " pairs of key and value, expected at most %d of each",
                    gguf->checkpoint->name, *tensors, *pairs, MAX_COUNT);
}

static gboolean
matches (const guint8 *data, gsize size)
{
  return size >= 4 && memcmp (data, "GGUF", 4) == 0;
}

static gboolean
read_file (ClipCheckpoint *checkpoint, const guint8 *data, gsize size, GError **error)
{
  g_autoptr (JsonObject) object = json_object_new ();
  ClipGguf gguf = {
    .checkpoint = checkpoint, .start = data, .at = data, .end = data + size, .pairs = object
  };
  guint64 n_tensors, n_pairs, alignment;
  if (!read_version (&gguf, error) || !read_counts (&gguf, &n_tensors, &n_pairs, error))
    return FALSE;
  for (guint64 i = 0; i < n_pairs; i++) {
    if (!clip_gguf_pair (&gguf, error))
      return FALSE;
  }
  if (!read_alignment (&gguf, &alignment, error) ||
      !read_tensors (&gguf, n_tensors, alignment, error) || !clip_gguf_add_tokens (&gguf, error))
    return FALSE;

  g_autoptr (JsonNode) root = json_node_init_object (json_node_alloc (), object);
  g_autofree char *text = json_to_string (root, FALSE);
  clip_checkpoint_add_metadata (checkpoint, "gguf", text);
  return TRUE;
}

const ClipContainer clip_container_gguf = { "gguf", matches, read_file };
