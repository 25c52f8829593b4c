/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes zip archives as PyTorch does, sound ones and others, for the tests of what reads them. */
#pragma once
#include <glib.h>
#include <string.h>

typedef struct {
  const char *name;
  const void *data;
  gsize size;
  /* What the archive says, where that is not what is true; 0: the truth. */
  const char *local_name;
  guint16 method, flags;
  guint32 packed, whole;
  guint32 offset, crc;
  gboolean wide; /* sizes and offset as 64-bit numbers */
} ZipEntry;

static inline void
put (GByteArray *out, guint64 value, int bytes)
{
  value = GUINT64_TO_LE (value);
  g_byte_array_append (out, (const guint8 *) &value, bytes);
}

static inline void
put_local (GByteArray *out, const ZipEntry *entry)
{
  const char *name = entry->local_name ? entry->local_name : entry->name;
  put (out, 0x04034b50, 4);
  put (out, 0, 2);
  put (out, entry->flags, 2);
  put (out, entry->method, 2);
  put (out, 0, 8); /* time, date, CRC */
  put (out, entry->size, 4);
  put (out, entry->size, 4);
  put (out, strlen (name), 2);
  put (out, 5, 2);
  g_byte_array_append (out, (const guint8 *) name, strlen (name));
  g_byte_array_append (out, (const guint8 *) "FB\1\0Z", 5); /* PyTorch's padding */
  g_byte_array_append (out, entry->data, entry->size);
}

static inline void
put_entry (GByteArray *out, const ZipEntry *entry, guint32 offset)
{
  const guint64 packed = entry->packed ? entry->packed : entry->size,
                whole = entry->whole ? entry->whole : packed;
  offset = entry->offset ? entry->offset : offset;
  put (out, 0x02014b50, 4);
  put (out, 0, 4);
  put (out, entry->flags, 2);
  put (out, entry->method, 2);
  put (out, 0, 4);
  put (out, entry->crc, 4);
  put (out, entry->wide ? G_MAXUINT32 : packed, 4);
  put (out, entry->wide ? G_MAXUINT32 : whole, 4);
  put (out, strlen (entry->name), 2);
  put (out, entry->wide ? 28 + 5 : 5, 2);
  put (out, 0, 8);
  put (out, 0, 2);
  put (out, entry->wide ? G_MAXUINT32 : offset, 4);
  g_byte_array_append (out, (const guint8 *) entry->name, strlen (entry->name));
  g_byte_array_append (out, (const guint8 *) "FB\1\0Z", 5);
  if (entry->wide) {
    put (out, 1, 2);
    put (out, 24, 2);
    put (out, whole, 8);
    put (out, packed, 8);
    put (out, offset, 8);
  }
}

/* @wide: the end of the archive, too. */
static inline GBytes *
write_zip (const ZipEntry *entries, guint n, gboolean wide)
{
  GByteArray *out = g_byte_array_new ();
  g_autofree guint32 *offsets = g_new (guint32, n + 1);
  for (guint i = 0; i < n; i++) {
    offsets[i] = out->len;
    put_local (out, &entries[i]);
  }
  const guint32 directory = out->len;
  for (guint i = 0; i < n; i++)
    put_entry (out, &entries[i], offsets[i]);
  const guint32 end = out->len;
  if (wide) {
    put (out, 0x06064b50, 4);
    put (out, 44, 8);
    put (out, 0, 4);
    put (out, 0, 8);
    put (out, n, 8);
    put (out, n, 8);
    put (out, end - directory, 8);
    put (out, directory, 8);
    put (out, 0x07064b50, 4);
    put (out, 0, 4);
    put (out, end, 8);
    put (out, 1, 4);
  }
  put (out, 0x06054b50, 4);
  put (out, 0, 4);
  put (out, wide ? G_MAXUINT16 : n, 2);
  put (out, wide ? G_MAXUINT16 : n, 2);
  put (out, wide ? G_MAXUINT32 : end - directory, 4);
  put (out, wide ? G_MAXUINT32 : directory, 4);
  put (out, 0, 2);
  return g_byte_array_free_to_bytes (out);
}
