/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clip_array_read (), clip_arrays_write (): single tensors of safetensors files for programs, as
 * float32 or int32. */
#include "core/checkpoint/container.h"
#include "core/checkpoint/safetensors.h"
#include "core/base/error.h"

#include <string.h>

/* FALSE where the dtype is another or a value has no 32 bits. */
static gboolean
narrow_integers (gint32 *y, const ClipTensor *tensor, gsize n)
{
  if (tensor->dtype == CLIP_DTYPE_I32) {
    memcpy (y, tensor->data, tensor->size);
    return TRUE;
  }
  if (tensor->dtype != CLIP_DTYPE_I64)
    return FALSE;
  for (gsize i = 0; i < n; i++) {
    gint64 value;
    memcpy (&value, (const guint8 *) tensor->data + i * sizeof value, sizeof value);
    if (value < G_MININT32 || value > G_MAXINT32)
      return FALSE;
    y[i] = value;
  }
  return TRUE;
}

ClipArray *
clip_array_read (const char *path, const char *name, const char *dtype, GError **error)
{
  const gboolean floats = g_str_equal (dtype, "F32");
  g_return_val_if_fail (floats || g_str_equal (dtype, "I32"), NULL);
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_open (path, error);
  const ClipTensor *tensor = checkpoint ? clip_checkpoint_find (checkpoint, name) : NULL;
  if (!tensor)
    return NULL;

  /* One block: the array, its data, its name. */
  const gsize n = tensor->size / clip_dtype_size (tensor->dtype), name_size = strlen (name) + 1;
  gsize data_size, size;
  if (!g_size_checked_mul (&data_size, n, 4) ||
      !g_size_checked_add (&size, data_size, sizeof (ClipArray) + name_size))
    return clip_fail_null (error, CLIP_ERROR_TENSOR, "%s: tensor %s is too large", path, name);
  g_autofree ClipArray *array = g_try_malloc (size);
  if (!array)
    return clip_fail_null (error, CLIP_ERROR_TENSOR, "%s: tensor %s is too large for the memory",
                           path, name);
  *array =
      (ClipArray){ .dtype = floats ? "F32" : "I32", .n_dims = tensor->n_dims, .data = array + 1 };
  array->name = memcpy ((char *) (array + 1) + data_size, name, name_size);
  memcpy (array->shape, tensor->shape, sizeof array->shape);
  if (floats ? clip_dtype_expand (tensor->dtype, (float *) (array + 1), tensor->data, n)
             : narrow_integers ((gint32 *) (array + 1), tensor, n))
    return g_steal_pointer (&array);

  g_autofree char *what = clip_tensor_describe (tensor);
  return clip_fail_null (error, CLIP_ERROR_TENSOR, "%s: tensor %s is %s, expected %s", path, name,
                         what, floats ? "f32, f16 or bf16" : "i32, or i64 within 32 bits");
}

gboolean
clip_arrays_write (const char *path, const ClipArray *arrays, guint n, GError **error)
{
  g_autofree ClipTensor *tensors = g_new0 (ClipTensor, n);
  for (guint i = 0; i < n; i++) {
    const ClipArray *array = &arrays[i];
    g_return_val_if_fail (array->n_dims >= 0 && array->n_dims <= CLIP_MAX_DIMS, FALSE);
    ClipTensor *tensor = &tensors[i];
    *tensor = (ClipTensor){ .name = array->name, .n_dims = array->n_dims, .data = array->data };
    memcpy (tensor->shape, array->shape, sizeof tensor->shape);
    if (!clip_dtype_parse (array->dtype, &tensor->dtype) ||
        !clip_tensor_bytes (tensor, &tensor->size))
      return clip_fail (error, CLIP_ERROR_TENSOR, "%s: array %s has no size (dtype %s)", path,
                        array->name, array->dtype);
  }
  return clip_safetensors_write (path, tensors, n, NULL, error);
}
