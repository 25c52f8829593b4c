/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/save.h"
#include "core/model/writer.h"

#include <string.h>

/* One block of floats in the order of files, tensors that point into it, and the names that only files have. */
typedef struct {
  GArray *tensors; /* ClipTensor */
  GPtrArray *names;
  float *data;
  gint64
      batches; /* num_batches_tracked: PyTorch's BatchNorm counts, and its loader asks for the number */
} Out;

static void
add (Out *out, const char *name, ClipDtype dtype, int n_dims, const gint64 *shape, const void *data,
     gsize size)
{
  ClipTensor tensor = {
    .name = name, .dtype = dtype, .n_dims = n_dims, .data = data, .size = size
  };
  for (int i = 0; i < n_dims; i++)
    tensor.shape[i] = shape[i];
  g_array_append_val (out->tensors, tensor);
}

gboolean
clip_save_model (const char *path, const ClipStudent *student, const ClipOrigin *origin,
                 const float *values, GError **error)
{
  const ClipParameters *parameters = student->parameters;
  Out out = { g_array_new (FALSE, TRUE, sizeof (ClipTensor)),
              g_ptr_array_new_with_free_func (g_free), g_new (float, parameters->n_values), 0 };
  float *at = out.data;
  for (guint i = 0; i < parameters->list->len; i++) {
    const ClipParameter *parameter = parameters->list->pdata[i];
    const gsize place = parameter->value - parameters->values;
    gint64 shape[4];
    const int n_dims = clip_parameter_file_shape (parameter, shape);
    clip_parameter_to_file (parameter, at, values ? values + place : parameter->value);
    add (&out, parameter->name, CLIP_DTYPE_F32, n_dims, shape, at, parameter->n * sizeof (float));
    at += parameter->n;
    if (g_str_has_suffix (parameter->name, ".running_var")) {
      char *name = g_strdup_printf ("%.*snum_batches_tracked",
                                    (int) (strlen (parameter->name) - strlen ("running_var")),
                                    parameter->name);
      g_ptr_array_add (out.names, name);
      add (&out, name, CLIP_DTYPE_I64, 0, NULL, &out.batches, sizeof out.batches);
    }
  }
  const ClipModelText text = { .config = origin->config_text,
                               .name = origin->name,
                               .vocabulary = origin->vocabulary };
  const gboolean ok = clip_model_write (path, (const ClipTensor *) (void *) out.tensors->data,
                                        out.tensors->len, &text, NULL, NULL, error);
  g_array_unref (out.tensors);
  g_ptr_array_unref (out.names);
  g_free (out.data);
  return ok;
}
