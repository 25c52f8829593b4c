/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes GGUF files byte by byte, sound ones and others, for the tests of what reads them. */
#pragma once
#include <glib.h>
#include <string.h>

enum { GGUF_U32 = 4, GGUF_F32 = 6, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY };

/* The header grows in @out, the data in @data. */
typedef struct {
  guint32 version;
  GByteArray *out, *data;
  guint64 alignment;
  guint n_tensors, n_pairs;
} Gguf;

static inline void
gguf_bytes (GByteArray *out, guint64 value, int bytes)
{
  value = GUINT64_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, bytes);
}

static inline void
gguf_count (Gguf *gguf, guint64 value)
{
  gguf_bytes (gguf->out, value, gguf->version == 1 ? 4 : 8);
}

static inline void
gguf_text (Gguf *gguf, const char *text)
{
  gguf_count (gguf, strlen (text));
  g_byte_array_append (gguf->out, (const guint8 *) text, strlen (text));
}

static inline Gguf
gguf_new (guint32 version)
{
  return (Gguf){ version, g_byte_array_new (), g_byte_array_new (), 32, 0, 0 };
}

/* Its value follows. */
static inline void
gguf_key (Gguf *gguf, const char *key, guint32 type)
{
  gguf_text (gguf, key);
  gguf_bytes (gguf->out, type, 4);
  gguf->n_pairs++;
}

static inline void
gguf_u32 (Gguf *gguf, const char *key, guint32 value)
{
  gguf_key (gguf, key, GGUF_U32);
  gguf_bytes (gguf->out, value, 4);
}

static inline void
gguf_bool (Gguf *gguf, const char *key, gboolean value)
{
  gguf_key (gguf, key, GGUF_BOOL);
  gguf_bytes (gguf->out, value, 1);
}

static inline void
gguf_floats (Gguf *gguf, const char *key, const float *values, guint n)
{
  gguf_key (gguf, key, n > 1 ? GGUF_ARRAY : GGUF_F32);
  if (n > 1) {
    gguf_bytes (gguf->out, GGUF_F32, 4);
    gguf_count (gguf, n);
  }
  for (guint i = 0; i < n; i++) {
    guint32 bits;
    memcpy (&bits, &values[i], sizeof bits);
    gguf_bytes (gguf->out, bits, 4);
  }
}

static inline void
gguf_string (Gguf *gguf, const char *key, const char *value)
{
  gguf_key (gguf, key, GGUF_STRING);
  gguf_text (gguf, value);
}

static inline void
gguf_strings (Gguf *gguf, const char *key, char *const *values)
{
  gguf_key (gguf, key, GGUF_ARRAY);
  gguf_bytes (gguf->out, GGUF_STRING, 4);
  gguf_count (gguf, g_strv_length ((char **) values));
  for (; *values; values++)
    gguf_text (gguf, *values);
}

/* After all pairs. @shape: the last dimension is the fastest, as everywhere here. */
static inline void
gguf_info (Gguf *gguf, const char *name, guint32 type, int n_dims, const gint64 *shape, guint64 offset)
{
  gguf_text (gguf, name);
  gguf_bytes (gguf->out, n_dims, 4);
  for (int i = n_dims - 1; i >= 0; i--)
    gguf_count (gguf, shape[i]);
  gguf_bytes (gguf->out, type, 4);
  gguf_bytes (gguf->out, offset, 8);
  gguf->n_tensors++;
}

static inline void
gguf_tensor (Gguf *gguf, const char *name, guint32 type, int n_dims, const gint64 *shape, const void *data, gsize size)
{
  while (gguf->data->len % gguf->alignment)
    gguf_bytes (gguf->data, 0, 1);
  gguf_info (gguf, name, type, n_dims, shape, gguf->data->len);
  g_byte_array_append (gguf->data, data, size);
}

static inline GBytes *
gguf_end (Gguf *gguf)
{
  Gguf file = { gguf->version, g_byte_array_new (), NULL, 0, 0, 0 };
  g_byte_array_append (file.out, (const guint8 *) "GGUF", 4);
  gguf_bytes (file.out, gguf->version, 4);
  gguf_count (&file, gguf->n_tensors);
  gguf_count (&file, gguf->n_pairs);
  g_byte_array_append (file.out, gguf->out->data, gguf->out->len);
  while (file.out->len % gguf->alignment)
    gguf_bytes (file.out, 0, 1);
  g_byte_array_append (file.out, gguf->data->data, gguf->data->len);
  g_byte_array_unref (gguf->out);
  g_byte_array_unref (gguf->data);
  return g_byte_array_free_to_bytes (file.out);
}
