/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *   _rebuild_tensor_v2 (storage, offset, sizes, strides, …):
 *     element (i, j, …) = storage[offset + i·stride₀ + j·stride₁ + …]
 *
 * Everything that counts is a number from the file: none is negative, no sum or product overflows, and the last
 * element lies in the storage before the first is read.
 */
#include "core/checkpoint/torch-tensor.h"
#include "core/base/error.h"

#include <string.h>

const ClipGlobal clip_torch_globals[] = {
  { "torch", "FloatStorage", CLIP_TORCH_STORAGE + CLIP_DTYPE_F32 },
  { "torch", "HalfStorage", CLIP_TORCH_STORAGE + CLIP_DTYPE_F16 },
  { "torch", "BFloat16Storage", CLIP_TORCH_STORAGE + CLIP_DTYPE_BF16 },
  { "torch", "DoubleStorage", CLIP_TORCH_STORAGE + CLIP_DTYPE_F64 },
  { "torch", "LongStorage", CLIP_TORCH_STORAGE + CLIP_DTYPE_I64 },
  { "torch", "IntStorage", CLIP_TORCH_STORAGE + CLIP_DTYPE_I32 },
  { "torch", "ShortStorage", CLIP_TORCH_STORAGE + CLIP_DTYPE_I16 },
  { "torch", "CharStorage", CLIP_TORCH_STORAGE + CLIP_DTYPE_I8 },
  { "torch", "ByteStorage", CLIP_TORCH_STORAGE + CLIP_DTYPE_U8 },
  { "torch", "BoolStorage", CLIP_TORCH_STORAGE + CLIP_DTYPE_BOOL },
  { "torch._utils", "_rebuild_tensor", CLIP_TORCH_TENSOR },
  { "torch._utils", "_rebuild_tensor_v2", CLIP_TORCH_TENSOR },
  { "torch._utils", "_rebuild_parameter", CLIP_TORCH_PARAMETER },
  { "torch._utils", "_rebuild_parameter_with_state", CLIP_TORCH_PARAMETER },
  { "torch", "Size", CLIP_TORCH_SIZE },
  { "collections", "OrderedDict", CLIP_TORCH_DICT },
  { "collections", "defaultdict", CLIP_TORCH_DICT },
  { "collections", "Counter", CLIP_TORCH_DICT },
  { "__torch__*", "*", CLIP_TORCH_MODULE },
  /* What training checkpoints and attributes of modules have beside weights. */
  { "torch", "device", CLIP_TORCH_INERT },
  { "torch.jit._pickle", "*", CLIP_TORCH_INERT },
  { "argparse", "Namespace", CLIP_TORCH_INERT },
  { "numpy", "dtype", CLIP_TORCH_INERT },
  { "numpy.core.multiarray", "scalar", CLIP_TORCH_INERT },
  { "numpy._core.multiarray", "scalar", CLIP_TORCH_INERT },
  { "_codecs", "encode", CLIP_TORCH_INERT },
  { NULL },
};

char *
clip_torch_text (const ClipValue *value)
{
  if (value->kind != CLIP_VALUE_STRING || value->n > CLIP_TORCH_MAX_NAME ||
      !g_utf8_validate_len (value->text, value->n, NULL))
    return NULL;
  return g_strndup (value->text, value->n);
}

static gboolean
calls (const ClipValue *value, ClipTorchMeaning meaning)
{
  return value->kind == CLIP_VALUE_CALL && value->callee->global->meaning == (int) meaning;
}

/* --------------------------------------------------------------------------------------- storage */

/* An integer of 0 or more? */
static gboolean
count (gint64 *n, const ClipValue *value)
{
  *n = value->kind == CLIP_VALUE_INT ? value->integer : -1;
  return *n >= 0;
}

/* (key, first, n), as files from before the zip format have for storages that are parts of others. */
static gboolean
parse_view (ClipTorchStorage *storage, const ClipValue *view)
{
  if (view->kind == CLIP_VALUE_NONE)
    return TRUE;
  return view->kind == CLIP_VALUE_TUPLE && view->n == 3 &&
         count (&storage->first, view->items[1]) && count (&storage->n, view->items[2]) &&
         storage->first <= storage->elements && storage->n <= storage->elements - storage->first;
}

gboolean
clip_torch_parse_storage (ClipTorchStorage *storage, const ClipValue *value)
{
  const ClipValue *id = value->kind == CLIP_VALUE_PERSISTENT ? value->args : NULL;
  if (!id || id->kind != CLIP_VALUE_TUPLE || (id->n != 5 && id->n != 6) ||
      !clip_value_is (id->items[0], "storage"))
    return FALSE;
  const ClipValue *type = id->items[1];
  if (type->kind != CLIP_VALUE_GLOBAL || type->global->meaning < CLIP_TORCH_STORAGE ||
      id->items[2]->kind != CLIP_VALUE_STRING)
    return FALSE;
  *storage = (ClipTorchStorage){ .dtype = type->global->meaning - CLIP_TORCH_STORAGE,
                                 .key = id->items[2] };
  if (!count (&storage->elements, id->items[4]) ||
      storage->elements > G_MAXSSIZE / (gssize) clip_dtype_size (storage->dtype))
    return FALSE;
  storage->n = storage->elements;
  return id->n == 5 || parse_view (storage, id->items[5]);
}

/* ---------------------------------------------------------------------------------------- tensor */

const ClipValue *
clip_torch_as_tensor (const ClipValue *value)
{
  if (calls (value, CLIP_TORCH_PARAMETER) && value->args->n > 0)
    value = value->args->items[0];
  return calls (value, CLIP_TORCH_TENSOR) ? value : NULL;
}

/* A tuple of at most CLIP_MAX_DIMS integers of 0 or more, as it is or as a torch.Size. */
static gboolean
parse_dims (gint64 *dims, int *n, const ClipValue *value)
{
  if (calls (value, CLIP_TORCH_SIZE) && value->args->n == 1)
    value = value->args->items[0];
  if (value->kind != CLIP_VALUE_TUPLE || value->n > CLIP_MAX_DIMS)
    return FALSE;
  *n = value->n;
  for (guint i = 0; i < value->n; i++) {
    if (!count (&dims[i], value->items[i]))
      return FALSE;
  }
  return TRUE;
}

/* Elements up to and with the last: 0 for none; FALSE where that overflows. */
static gboolean
reach (gsize *end, const ClipTensor *tensor, const gint64 *strides, gint64 offset)
{
  gsize last = offset;
  for (int i = 0; i < tensor->n_dims; i++) {
    gsize step;
    if (tensor->shape[i] == 0) {
      *end = 0;
      return TRUE;
    }
    if (!g_size_checked_mul (&step, tensor->shape[i] - 1, strides[i]) ||
        !g_size_checked_add (&last, last, step))
      return FALSE;
  }
  return g_size_checked_add (end, last, 1);
}

static gboolean
is_contiguous (const ClipTensor *tensor, const gint64 *strides)
{
  gint64 expected = 1; /* at most the number of elements, which fits */
  for (int i = tensor->n_dims - 1; i >= 0 && tensor->size > 0; i--) {
    if (tensor->shape[i] != 1 && strides[i] != expected)
      return FALSE;
    expected *= tensor->shape[i];
  }
  return TRUE;
}

/* y[i, j, …] = x[i·stride₀ + j·stride₁ + …], of at least one element. */
static void
copy_strided (guint8 *y, const guint8 *x, const ClipTensor *tensor, const gint64 *strides)
{
  const gsize element = clip_dtype_size (tensor->dtype);
  const int last = tensor->n_dims - 1;
  gint64 at[CLIP_MAX_DIMS] = { 0 };
  for (int d = 0; d >= 0;) {
    const guint8 *row = x;
    for (int i = 0; i < last; i++)
      row += at[i] * strides[i] * element;
    for (gint64 i = 0; i < tensor->shape[last]; i++, y += element)
      memcpy (y, row + i * strides[last] * element, element);
    for (d = last - 1; d >= 0 && ++at[d] == tensor->shape[d]; d--)
      at[d] = 0;
  }
}

/* @x: what the storage has from the tensor's first element on. */
static gboolean
place (ClipCheckpoint *checkpoint, ClipTensor *tensor, const guint8 *x, const gint64 *strides,
       GError **error)
{
  tensor->data = x;
  if (is_contiguous (tensor, strides))
    return TRUE;
  guint8 *copy = clip_checkpoint_alloc (checkpoint, tensor->size);
  if (!copy)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: tensor %s has to be copied into %" G_GSIZE_FORMAT
                      " bytes, and all such copies into more than the file has",
                      checkpoint->name, tensor->name, tensor->size);
  copy_strided (copy, x, tensor, strides);
  tensor->data = copy;
  return TRUE;
}

gboolean
clip_torch_add_tensor (ClipCheckpoint *checkpoint, const ClipValue *value, const char *name,
                       ClipTorchLookup lookup, gpointer data, GError **error)
{
  const ClipValue *args = value->args;
  ClipTensor tensor = { .name = name };
  ClipTorchStorage storage;
  gint64 offset, strides[CLIP_MAX_DIMS];
  int n_strides;
  gsize end;
  if (args->n < 4 || !clip_torch_parse_storage (&storage, args->items[0]) ||
      !count (&offset, args->items[1]) ||
      !parse_dims (tensor.shape, &tensor.n_dims, args->items[2]) ||
      !parse_dims (strides, &n_strides, args->items[3]) || n_strides != tensor.n_dims)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: tensor %s is no storage with an offset, at most %d sizes and as many "
                      "strides, all of them 0 or more",
                      checkpoint->name, name, CLIP_MAX_DIMS);
  tensor.dtype = storage.dtype;
  g_autofree char *what = clip_tensor_describe (&tensor);
  if (!clip_tensor_bytes (&tensor, &tensor.size) || !reach (&end, &tensor, strides, offset) ||
      end > (gsize) storage.n)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: tensor %s is %s from element %" G_GINT64_FORMAT
                      " on, but its storage has %" G_GINT64_FORMAT,
                      checkpoint->name, name, what, offset, storage.n);
  const guint8 *bytes = lookup (data, &storage, error);
  if (!bytes) {
    g_prefix_error (error, "%s: tensor %s: ", checkpoint->name, name);
    return FALSE;
  }
  const gsize first = end ? storage.first + offset : 0;
  return place (checkpoint, &tensor, bytes + first * clip_dtype_size (tensor.dtype), strides,
                error) &&
         clip_checkpoint_add (checkpoint, &tensor, error);
}
