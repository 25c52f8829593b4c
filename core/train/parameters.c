/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/parameters.h"
#include "core/base/arena.h"
#include "core/base/error.h"

#include <string.h>

static void
free_parameter (gpointer data)
{
  ClipParameter *parameter = data;
  g_free (parameter->name);
  g_free (parameter);
}

ClipParameters *
clip_parameters_new (ClipWeights *weights)
{
  ClipParameters *parameters = g_new0 (ClipParameters, 1);
  parameters->list = g_ptr_array_new_with_free_func (free_parameter);
  parameters->weights = weights;
  return parameters;
}

void
clip_parameters_free (ClipParameters *parameters)
{
  if (!parameters)
    return;
  g_ptr_array_unref (parameters->list);
  clip_aligned_free (parameters->values);
  clip_aligned_free (parameters->gradients);
  g_free (parameters);
}

ClipParameter *
clip_parameters_add (ClipParameters *parameters, ClipParameterSpec spec, const char *format, ...)
{
  ClipParameter *parameter = g_new0 (ClipParameter, 1);
  va_list args;
  va_start (args, format);
  parameter->name = g_strdup_vprintf (format, args);
  va_end (args);
  parameter->spec = spec;
  parameter->trained = !spec.buffer;
  parameter->n = 1;
  for (int i = 0; i < spec.n_dims; i++)
    parameter->n *= spec.shape[i];
  g_ptr_array_add (parameters->list, parameter);
  return parameter;
}

#define FOR_EACH(parameter, parameters)                                                            \
  ClipParameter *parameter;                                                                        \
  for (guint i_ = 0;                                                                               \
       i_ < (parameters)->list->len && (parameter = (parameters)->list->pdata[i_], TRUE); i_++)

ClipParameter *
clip_parameters_find (const ClipParameters *parameters, const char *name)
{
  FOR_EACH (parameter, parameters)
  if (g_str_equal (parameter->name, name))
    return parameter;
  return NULL;
}

void
clip_parameters_freeze (ClipParameters *parameters, ClipPart part, int blocks)
{
  FOR_EACH (parameter, parameters)
  if (parameter->spec.part == part && parameter->spec.block <= blocks)
    parameter->trained = FALSE;
}

gboolean
clip_parameters_any_trained (const ClipParameters *parameters, ClipPart part, int block)
{
  FOR_EACH (parameter, parameters)
  if (parameter->spec.part == part && parameter->spec.block <= block && parameter->trained)
    return TRUE;
  return FALSE;
}

void
clip_parameters_zero_gradients (ClipParameters *parameters)
{
  memset (parameters->gradients, 0, parameters->n_gradients * sizeof *parameters->gradients);
}

/* --------------------------------------------------------------------------------------- order */

/* file [out, in, k·k] ↔ memory [out, k·k, in]; for depthwise, file [C, k·k] ↔ memory [k·k, C]: both are @batch transposes
 * of [rows, cols]. */
typedef struct {
  gsize batch, rows, cols; /* in the order of files */
} Turn;

static Turn
turn_of (const ClipParameter *parameter)
{
  const gint64 *shape = parameter->spec.shape;
  switch (parameter->spec.order) {
  case CLIP_ORDER_TRANSPOSED:
    return (Turn){ 1, shape[1], shape[0] };
  case CLIP_ORDER_CONV:
    return (Turn){ shape[0], shape[3], shape[1] * shape[2] };
  case CLIP_ORDER_DEPTHWISE:
    return (Turn){ 1, shape[2], shape[0] * shape[1] };
  case CLIP_ORDER_PLAIN:
  case CLIP_ORDER_QKV:
    break;
  }
  return (Turn){ 1, 1, parameter->n };
}

/* y[batch, cols, rows] = x[batch, rows, cols] transposed */
static void
turn (float *y, const float *x, Turn t)
{
  for (gsize b = 0; b < t.batch; b++, y += t.rows * t.cols, x += t.rows * t.cols)
    for (gsize r = 0; r < t.rows; r++)
      for (gsize c = 0; c < t.cols; c++)
        y[c * t.rows + r] = x[r * t.cols + c];
}

void
clip_parameter_from_file (const ClipParameter *parameter, float *y, const float *x)
{
  turn (y, x, turn_of (parameter));
}

void
clip_parameter_to_file (const ClipParameter *parameter, float *y, const float *x)
{
  const Turn t = turn_of (parameter);
  turn (y, x, (Turn){ t.batch, t.cols, t.rows });
}

int
clip_parameter_file_shape (const ClipParameter *parameter, gint64 shape[4])
{
  const ClipParameterSpec *spec = &parameter->spec;
  const gint64 *s = spec->shape;
  memcpy (shape, s, sizeof spec->shape);
  switch (spec->order) {
  case CLIP_ORDER_TRANSPOSED:
    shape[0] = s[1], shape[1] = s[0];
    return 2;
  case CLIP_ORDER_CONV:
    shape[1] = s[3], shape[2] = s[1], shape[3] = s[2];
    return 4;
  case CLIP_ORDER_DEPTHWISE:
    shape[0] = s[2], shape[1] = 1, shape[2] = s[0], shape[3] = s[1];
    return 4;
  case CLIP_ORDER_PLAIN:
  case CLIP_ORDER_QKV:
    break;
  }
  return spec->n_dims;
}

/* -------------------------------------------------------------------------------------- values */

static gsize
aligned (gsize n)
{
  const gsize unit = CLIP_ALIGNMENT / sizeof (float);
  return (n + unit - 1) / unit * unit;
}

/* q, k and v lie one after another; ClipWeights know them by names of their own, whoever stacked or parted them. */
static void
read_stacked (ClipParameter *parameter, ClipWeights *weights)
{
  static const char *const part[] = { "q", "k", "v" };
  const char *place = strstr (parameter->name, "in_proj_");
  g_assert (place);
  for (int i = 0; i < 3; i++) {
    const float *x = clip_weights_floats (weights, parameter->n / 3, "%.*s%s.%s",
                                          (int) (place - parameter->name), parameter->name, part[i],
                                          place + strlen ("in_proj_"));
    if (x)
      memcpy (parameter->value + i * (parameter->n / 3), x, parameter->n / 3 * sizeof *x);
  }
}

static void
read_value (ClipParameter *parameter, ClipWeights *weights)
{
  if (parameter->spec.order == CLIP_ORDER_QKV) {
    read_stacked (parameter, weights);
    return;
  }
  const float *x = clip_weights_floats (weights, parameter->n, "%s", parameter->name);
  if (!x)
    return;
  /* ClipWeights have turned a transposed matrix already: its rows are outputs. */
  if (parameter->spec.order == CLIP_ORDER_TRANSPOSED)
    memcpy (parameter->value, x, parameter->n * sizeof *x);
  else
    clip_parameter_from_file (parameter, parameter->value, x);
}

gboolean
clip_parameters_finish (ClipParameters *parameters, GError **error)
{
  if (!clip_weights_ok (parameters->weights, error))
    return FALSE;
  FOR_EACH (counted, parameters)
  {
    parameters->n_values += aligned (counted->n);
    parameters->n_gradients += counted->trained ? aligned (counted->n) : 0;
  }
  parameters->values = clip_aligned_alloc (parameters->n_values * sizeof (float));
  parameters->gradients = clip_aligned_alloc (parameters->n_gradients * sizeof (float));
  memset (parameters->values, 0, parameters->n_values * sizeof (float));
  clip_parameters_zero_gradients (parameters);

  float *value = parameters->values, *gradient = parameters->gradients;
  FOR_EACH (parameter, parameters)
  {
    parameter->value = value;
    value += aligned (parameter->n);
    if (parameter->trained) {
      parameter->gradient = gradient;
      gradient += aligned (parameter->n);
    }
    read_value (parameter, parameters->weights);
  }
  return clip_weights_ok (parameters->weights, error);
}
