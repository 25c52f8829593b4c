/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bytes → gdk-pixbuf (libjpeg, libpng …) → R G B [height, width, 3]
 *
 * Where libjpeg is the same, pixels are those of Pillow's convert ("RGB"): gray is repeated, alpha left out, palettes and
 * CMYK resolved, 16 bits cut to 8.
 */
#include "core/image/decode.h"
#include "core/base/error.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <string.h>

#define MAX_SIDE 32768
#define MAX_PIXELS ((gint64) 1 << 28)

void
clip_picture_clear (ClipPicture *picture)
{
  g_free (picture->pixels);
  *picture = (ClipPicture){ 0 };
}

typedef struct {
  int width, height;
  gboolean refused;
} Size;

/* Called before anything of that size is allocated; a size of nothing makes the loader give up. */
static void
size_prepared (GdkPixbufLoader *loader, int width, int height, gpointer data)
{
  Size *size = data;
  size->width = width;
  size->height = height;
  size->refused = width > MAX_SIDE || height > MAX_SIDE || (gint64) width * height > MAX_PIXELS;
  if (size->refused)
    gdk_pixbuf_loader_set_size (loader, 0, 0);
}

/* Colours as they are stored; alpha is left out. */
static gboolean
copy_rgb (ClipPicture *picture, const GdkPixbuf *pixbuf)
{
  const int channels = gdk_pixbuf_get_n_channels (pixbuf);
  const gsize stride = gdk_pixbuf_get_rowstride (pixbuf);
  const guint8 *in = gdk_pixbuf_read_pixels (pixbuf);
  picture->width = gdk_pixbuf_get_width (pixbuf);
  picture->height = gdk_pixbuf_get_height (pixbuf);
  picture->pixels = g_try_malloc ((gsize) 3 * picture->width * picture->height);
  if (!picture->pixels)
    return FALSE;
  guint8 *out = picture->pixels;
  for (int y = 0; y < picture->height; y++) {
    const guint8 *row = in + y * stride;
    if (channels == 3) {
      memcpy (out, row, (gsize) 3 * picture->width);
      out += (gsize) 3 * picture->width;
      continue;
    }
    for (int x = 0; x < picture->width; x++, row += channels, out += 3)
      memcpy (out, row, 3);
  }
  return TRUE;
}

/* ---------------------------------------------------------------------------------------- cut short
 *
 * gdk-pixbuf makes do with the beginning of a file, what is missing being black. Its end tells whether all is there. */

/* n bytes, most significant first */
static gsize
number (const guint8 *data, int n)
{
  gsize value = 0;
  for (int i = 0; i < n; i++)
    value = value << 8 | data[i];
  return value;
}

/*
 * Segments (FF, marker, length) are skipped, for thumbnails in them have ends of their own, up to the start of scan FF DA;
 * in the data that follows, FF is escaped as FF 00, so that FF D9 can only be the end.
 */
static gboolean
jpeg_is_whole (const guint8 *data, gsize size)
{
  gsize at = 2; /* after FF D8 */
  while (at + 4 <= size) {
    guint8 marker = data[at + 1];
    at += marker == 0xff ? 1 : 2 + number (data + at + 2, 2); /* FF FF: padding */
    if (marker == 0xda)
      break;
  }
  for (; at + 2 <= size; at++)
    if (data[at] == 0xff && data[at + 1] == 0xd9)
      return TRUE;
  return FALSE;
}

/* Chunks: length, type, contents, checksum; the last is IEND. */
static gboolean
png_is_whole (const guint8 *data, gsize size)
{
  for (gsize at = 8; at + 12 <= size; at += 12 + number (data + at, 4))
    if (memcmp (data + at + 4, "IEND", 4) == 0)
      return TRUE;
  return FALSE;
}

/* "RIFF", the length of what follows, "WEBP" */
static gboolean
webp_is_whole (const guint8 *data, gsize size)
{
  return size >= 12 &&
         8 + (gsize) (data[4] | data[5] << 8 | data[6] << 16 | (guint32) data[7] << 24) <= size;
}

/* gdk-pixbuf knows more; some of its loaders believe any length that a file claims. */
typedef struct {
  const char *name; /* gdk-pixbuf's */
  gsize at;
  const char *magic;
  gboolean (*is_whole) (const guint8 *data, gsize size);
} Coding;

static const Coding codings[] = {
  { "jpeg", 0, "\xff\xd8\xff", jpeg_is_whole },
  { "png", 0, "\x89PNG\r\n\x1a\n", png_is_whole },
  { "webp", 8, "WEBP", webp_is_whole },
};

static const Coding *
find_coding (const guint8 *data, gsize size)
{
  for (guint i = 0; i < G_N_ELEMENTS (codings); i++) {
    const gsize length = strlen (codings[i].magic);
    if (size >= codings[i].at + length &&
        memcmp (data + codings[i].at, codings[i].magic, length) == 0)
      return &codings[i];
  }
  return NULL;
}

gboolean
clip_picture_is_whole (const guint8 *data, gsize size)
{
  const Coding *coding = find_coding (data, size);
  return !coding || coding->is_whole (data, size);
}

/* -------------------------------------------------------------------------------------------------- */

gboolean
clip_picture_decode (ClipPicture *picture, const guint8 *data, gsize size, const char *name,
                     GError **error)
{
  g_autoptr (GdkPixbufLoader) loader = NULL;
  g_autoptr (GError) reason = NULL;
  Size found = { 0 };
  *picture = (ClipPicture){ 0 };
  const Coding *coding = find_coding (data, size);
  if (!coding)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: picture cannot be decoded: expected JPEG, PNG or WebP", name);
  if (!coding->is_whole (data, size))
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: picture cannot be decoded: cut short after %" G_GSIZE_FORMAT " bytes",
                      name, size);
  loader = gdk_pixbuf_loader_new_with_type (coding->name, &reason);
  if (!loader)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: picture cannot be decoded: %s", name,
                      reason->message);
  g_signal_connect (loader, "size-prepared", G_CALLBACK (size_prepared), &found);

  /* A loader that was not closed complains when it is freed. */
  const gboolean written = gdk_pixbuf_loader_write (loader, data, size, &reason);
  const gboolean closed = gdk_pixbuf_loader_close (loader, written ? &reason : NULL);
  if (found.refused)
    return clip_fail (
        error, CLIP_ERROR_UNSUPPORTED,
        "%s: picture of %d×%d pixels, expected at most %d a side and %" G_GINT64_FORMAT " in all",
        name, found.width, found.height, MAX_SIDE, MAX_PIXELS);
  const GdkPixbuf *pixbuf = written && closed ? gdk_pixbuf_loader_get_pixbuf (loader) : NULL;
  if (!pixbuf)
    return clip_fail (error, CLIP_ERROR_FORMAT, "%s: picture cannot be decoded: %s", name,
                      reason ? reason->message : "it has no pixels");
  return copy_rgb (picture, pixbuf) ||
         clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: no memory for a picture of %d×%d pixels",
                    name, picture->width, picture->height);
}

gboolean
clip_picture_shrink (ClipPicture *picture, int side)
{
  const int shorter = MIN (picture->width, picture->height);
  if (shorter <= side)
    return TRUE;
  const double scale = (double) side / shorter;
  g_autoptr (GdkPixbuf) whole =
      gdk_pixbuf_new_from_data (picture->pixels, GDK_COLORSPACE_RGB, FALSE, 8, picture->width,
                                picture->height, picture->width * 3, NULL, NULL);
  g_autoptr (GdkPixbuf) small =
      gdk_pixbuf_scale_simple (whole, MAX (1, (int) (picture->width * scale + .5)),
                               MAX (1, (int) (picture->height * scale + .5)), GDK_INTERP_BILINEAR);
  g_auto (ClipPicture) shrunk = { 0 };
  if (!small || !copy_rgb (&shrunk, small))
    return FALSE;
  clip_picture_clear (picture);
  *picture = shrunk;
  shrunk.pixels = NULL;
  return TRUE;
}
