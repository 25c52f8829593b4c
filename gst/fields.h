/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties that are fields of a struct: a table of offsets in the order of their ids. */
#pragma once
#include <gst/gst.h>

/* Each returns FALSE where @id is not one of 1 … @n - 1. The field's type is that of the property: char * (owned), int of an
 * enum, float, double, guint, guint64, gboolean or, of a fraction, two int. */
gboolean clip_fields_set (gpointer fields, const gsize *offsets, guint n, guint id,
                          const GValue *value);
gboolean clip_fields_get (gconstpointer fields, const gsize *offsets, guint n, guint id,
                          GValue *value);

/* To the defaults of the properties that the class of @object itself installed. */
void clip_fields_init (gpointer fields, const gsize *offsets, guint n, GObject *object);
