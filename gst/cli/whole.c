/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a file is as long as its own headers say.
 *
 * A cut file mostly plays without an error up to the cut: demuxers take it for the end, and JPEG decoders fill what is
 * missing with grey. Still pictures tell clip_picture_is_whole (); three more families of formats tell their length:
 *
 *   RIFF            (AVI, WebP)  "RIFF", length of the rest
 *   ISO base media  (MP4, MOV)   a row of boxes: length, type, content
 *   Matroska        (and WebM)   an EBML header, then a segment: identifier, length, content
 *
 * Lengths of 0 or all ones are those of files written to a pipe: unknown.
 */
#include "gst/cli/whole.h"
#include "core/image/decode.h"

#include <string.h>

/* A big-endian number of @n bytes. (GST_READ_… () takes unaligned words as they come, which is undefined in C.) */
static guint64
read_big (const guint8 *bytes, int n)
{
  guint64 value = 0;
  for (int i = 0; i < n; i++)
    value = value << 8 | bytes[i];
  return value;
}

static gboolean
riff_is_whole (const guint8 *bytes, gsize length)
{
  guint32 rest = GUINT32_SWAP_LE_BE ((guint32) read_big (bytes + 4, 4));
  return rest == 0 || rest == G_MAXUINT32 ||
         rest <= length - 8 + 1; /* some writers count a padding byte they omit */
}

static gboolean
is_box_type (const guint8 *type)
{
  for (int i = 0; i < 4; i++)
    if (!g_ascii_isalnum (type[i]) && type[i] != ' ' && type[i] != 0xa9)
      return FALSE;
  return TRUE;
}

static gboolean
boxes_are_whole (const guint8 *bytes, gsize length)
{
  gsize at = 0;
  while (length - at >= 16) {
    guint64 size = read_big (bytes + at, 4);
    if (size == 1)
      size = read_big (bytes + at + 8, 8);
    if (size < 8 || !is_box_type (bytes + at + 4)) /* up to the end of the file, or not a box */
      return TRUE;
    if (size > length - at)
      return FALSE;
    at += size;
  }
  return TRUE;
}

/* An EBML number of 1 to 8 bytes, as many as the first has leading zeros and one more. Returns its bytes, 0: invalid. */
static gsize
read_ebml_number (const guint8 *bytes, gsize length, guint64 *value)
{
  gsize n = 1;
  while (n <= 8 && length > 0 && !(bytes[0] & (0x80 >> (n - 1))))
    n++;
  if (n > 8 || n > length)
    return 0;
  *value = bytes[0] & (0xff >> n);
  gboolean all_ones = *value == (0xff >> n);
  for (gsize i = 1; i < n; i++) {
    *value = *value << 8 | bytes[i];
    all_ones = all_ones && bytes[i] == 0xff;
  }
  if (all_ones)
    *value = 0; /* unknown */
  return n;
}

static gboolean
matroska_is_whole (const guint8 *bytes, gsize length)
{
  static const guint8 segment[] = { 0x18, 0x53, 0x80, 0x67 };
  guint64 size;
  gsize at = 4,
        n = read_ebml_number (bytes + at, length - at, &size); /* after the header's identifier */
  at += n;
  if (n == 0 || size > length - at || length - at - size < sizeof segment + 1)
    return FALSE;
  at += size;
  if (memcmp (bytes + at, segment, sizeof segment) != 0)
    return TRUE;
  at += sizeof segment;
  n = read_ebml_number (bytes + at, length - at, &size);
  return n > 0 && size <= length - at - n;
}

gboolean
file_is_whole (const char *path)
{
  static const struct {
    gsize at;
    const char *magic;
    gboolean (*is_whole) (const guint8 *bytes, gsize length);
  } formats[] = {
    { 0, "RIFF", riff_is_whole },
    { 4, "ftyp", boxes_are_whole },
    { 4, "moov", boxes_are_whole },
    { 4, "mdat", boxes_are_whole },
    { 4, "wide", boxes_are_whole },
    { 4, "free", boxes_are_whole },
    { 0, "\x1a\x45\xdf\xa3", matroska_is_whole },
  };
  g_autoptr (GMappedFile) mapped = g_mapped_file_new (path, FALSE, NULL);
  gsize length = mapped ? g_mapped_file_get_length (mapped) : 0;
  const guint8 *bytes = length ? (const guint8 *) g_mapped_file_get_contents (mapped) : NULL;

  if (length > 0 && !clip_picture_is_whole (bytes, length))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (formats) && length >= 16; i++)
    if (memcmp (bytes + formats[i].at, formats[i].magic, strlen (formats[i].magic)) == 0)
      return formats[i].is_whole (bytes, length);
  return TRUE;
}
