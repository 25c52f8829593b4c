/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/fields.h"

gboolean
clip_fields_set (gpointer fields, const gsize *offsets, guint n, guint id, const GValue *value)
{
  if (id == 0 || id >= n)
    return FALSE;
  void *field = (char *) fields + offsets[id];
  if (GST_VALUE_HOLDS_FRACTION (value)) {
    ((int *) field)[0] = gst_value_get_fraction_numerator (value);
    ((int *) field)[1] = gst_value_get_fraction_denominator (value);
    return TRUE;
  }
  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value))) {
  case G_TYPE_STRING:
    g_free (*(char **) field);
    *(char **) field = g_value_dup_string (value);
    return TRUE;
  case G_TYPE_ENUM:
    *(int *) field = g_value_get_enum (value);
    return TRUE;
  case G_TYPE_FLOAT:
    *(float *) field = g_value_get_float (value);
    return TRUE;
  case G_TYPE_DOUBLE:
    *(double *) field = g_value_get_double (value);
    return TRUE;
  case G_TYPE_UINT:
    *(guint *) field = g_value_get_uint (value);
    return TRUE;
  case G_TYPE_UINT64:
    *(guint64 *) field = g_value_get_uint64 (value);
    return TRUE;
  case G_TYPE_BOOLEAN:
    *(gboolean *) field = g_value_get_boolean (value);
    return TRUE;
  default:
    g_return_val_if_reached (FALSE);
  }
}

gboolean
clip_fields_get (gconstpointer fields, const gsize *offsets, guint n, guint id, GValue *value)
{
  if (id == 0 || id >= n)
    return FALSE;
  const void *field = (const char *) fields + offsets[id];
  if (GST_VALUE_HOLDS_FRACTION (value)) {
    gst_value_set_fraction (value, ((const int *) field)[0], ((const int *) field)[1]);
    return TRUE;
  }
  switch (G_TYPE_FUNDAMENTAL (G_VALUE_TYPE (value))) {
  case G_TYPE_STRING:
    g_value_set_string (value, *(char *const *) field);
    return TRUE;
  case G_TYPE_ENUM:
    g_value_set_enum (value, *(const int *) field);
    return TRUE;
  case G_TYPE_FLOAT:
    g_value_set_float (value, *(const float *) field);
    return TRUE;
  case G_TYPE_DOUBLE:
    g_value_set_double (value, *(const double *) field);
    return TRUE;
  case G_TYPE_UINT:
    g_value_set_uint (value, *(const guint *) field);
    return TRUE;
  case G_TYPE_UINT64:
    g_value_set_uint64 (value, *(const guint64 *) field);
    return TRUE;
  case G_TYPE_BOOLEAN:
    g_value_set_boolean (value, *(const gboolean *) field);
    return TRUE;
  default:
    g_return_val_if_reached (FALSE);
  }
}

void
clip_fields_init (gpointer fields, const gsize *offsets, guint n, GObject *object)
{
  guint n_specs;
  g_autofree GParamSpec **specs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (object), &n_specs);
  for (guint i = 0; i < n_specs; i++)
    if (specs[i]->owner_type == G_OBJECT_TYPE (object))
      clip_fields_set (fields, offsets, n, specs[i]->param_id,
                       g_param_spec_get_default_value (specs[i]));
}
