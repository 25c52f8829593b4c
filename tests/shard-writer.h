/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes the shards that tests read. */
#pragma once
#include <archive.h>
#include <archive_entry.h>
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <glib.h>
#include <string.h>

typedef struct {
  const char *name;
  const char *text; /* contents; NULL: @data */
  const void *data;
  gsize size;
} Member;

/* Members up to one without a name. */
static inline void
write_shard (const char *path, gboolean gzip, const Member *members)
{
  struct archive *archive = archive_write_new ();
  archive_write_set_format_ustar (archive);
  if (gzip)
    archive_write_add_filter_gzip (archive);
  g_assert_cmpint (archive_write_open_filename (archive, path), ==, ARCHIVE_OK);
  for (; members->name; members++) {
    const gsize size = members->text ? strlen (members->text) : members->size;
    struct archive_entry *entry = archive_entry_new ();
    archive_entry_set_pathname (entry, members->name);
    archive_entry_set_filetype (entry, AE_IFREG);
    archive_entry_set_perm (entry, 0644);
    archive_entry_set_size (entry, size);
    g_assert_cmpint (archive_write_header (archive, entry), ==, ARCHIVE_OK);
    g_assert_cmpint (
        archive_write_data (archive, members->text ? members->text : members->data, size), ==,
        size);
    archive_entry_free (entry);
  }
  g_assert_cmpint (archive_write_free (archive), ==, ARCHIVE_OK);
}

/* A coded picture of pixels (x + red, 7 · y, 255 - x); g_free () it. */
static inline char *
encode_picture (gsize *size, const char *kind, int width, int height, int red)
{
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, width, height);
  guint8 *pixels = gdk_pixbuf_get_pixels (pixbuf);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      guint8 *at = pixels + y * gdk_pixbuf_get_rowstride (pixbuf) + 3 * x;
      at[0] = x + red;
      at[1] = 7 * y;
      at[2] = 255 - x;
    }
  g_autoptr (GError) error = NULL;
  char *data = NULL;
  gdk_pixbuf_save_to_buffer (pixbuf, &data, size, kind, &error, NULL);
  g_assert_no_error (error);
  return data;
}
