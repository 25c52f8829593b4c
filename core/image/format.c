/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/image/format.h"
#include "core/base/error.h"
#include "core/image/pixels-orc.h"

#include <string.h>

#define RGB CLIP_FAMILY_RGB
#define YUV CLIP_FAMILY_YUV

/* name, family, alpha, drop_bits, subsampling, then plane, offset and step of each component */
static const ClipFormat formats[] = {
  { "I420", YUV, FALSE, 0, 1, 1, { { 0, 0, 1 }, { 1, 0, 1 }, { 2, 0, 1 } } },
  { "YV12", YUV, FALSE, 0, 1, 1, { { 0, 0, 1 }, { 2, 0, 1 }, { 1, 0, 1 } } },
  { "NV12", YUV, FALSE, 0, 1, 1, { { 0, 0, 1 }, { 1, 0, 2 }, { 1, 1, 2 } } },
  { "NV21", YUV, FALSE, 0, 1, 1, { { 0, 0, 1 }, { 1, 1, 2 }, { 1, 0, 2 } } },
  { "YUY2", YUV, FALSE, 0, 1, 0, { { 0, 0, 2 }, { 0, 1, 4 }, { 0, 3, 4 } } },
  { "UYVY", YUV, FALSE, 0, 1, 0, { { 0, 1, 2 }, { 0, 0, 4 }, { 0, 2, 4 } } },
  { "Y42B", YUV, FALSE, 0, 1, 0, { { 0, 0, 1 }, { 1, 0, 1 }, { 2, 0, 1 } } },
  { "Y444", YUV, FALSE, 0, 0, 0, { { 0, 0, 1 }, { 1, 0, 1 }, { 2, 0, 1 } } },
  { "I420_10LE", YUV, FALSE, 2, 1, 1, { { 0, 0, 1 }, { 1, 0, 1 }, { 2, 0, 1 } } },
  { "P010_10LE", YUV, FALSE, 8, 1, 1, { { 0, 0, 1 }, { 1, 0, 2 }, { 1, 1, 2 } } },
  { "RGB", RGB, FALSE, 0, 0, 0, { { 0, 0, 3 }, { 0, 1, 3 }, { 0, 2, 3 } } },
  { "BGR", RGB, FALSE, 0, 0, 0, { { 0, 2, 3 }, { 0, 1, 3 }, { 0, 0, 3 } } },
  { "RGBx", RGB, FALSE, 0, 0, 0, { { 0, 0, 4 }, { 0, 1, 4 }, { 0, 2, 4 } } },
  { "BGRx", RGB, FALSE, 0, 0, 0, { { 0, 2, 4 }, { 0, 1, 4 }, { 0, 0, 4 } } },
  { "xRGB", RGB, FALSE, 0, 0, 0, { { 0, 1, 4 }, { 0, 2, 4 }, { 0, 3, 4 } } },
  { "xBGR", RGB, FALSE, 0, 0, 0, { { 0, 3, 4 }, { 0, 2, 4 }, { 0, 1, 4 } } },
  { "RGBA", RGB, TRUE, 0, 0, 0, { { 0, 0, 4 }, { 0, 1, 4 }, { 0, 2, 4 }, { 0, 3, 4 } } },
  { "BGRA", RGB, TRUE, 0, 0, 0, { { 0, 2, 4 }, { 0, 1, 4 }, { 0, 0, 4 }, { 0, 3, 4 } } },
  { "ARGB", RGB, TRUE, 0, 0, 0, { { 0, 1, 4 }, { 0, 2, 4 }, { 0, 3, 4 }, { 0, 0, 4 } } },
  { "ABGR", RGB, TRUE, 0, 0, 0, { { 0, 3, 4 }, { 0, 2, 4 }, { 0, 1, 4 }, { 0, 0, 4 } } },
  { "GRAY8", CLIP_FAMILY_GRAY, FALSE, 0, 0, 0, { { 0, 0, 1 } } },
};

const char *const *
clip_preprocess_formats (void)
{
  static const char *names[G_N_ELEMENTS (formats) + 1];
  static gsize once;
  if (g_once_init_enter (&once)) {
    for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
      names[i] = formats[i].name;
    g_once_init_leave (&once, 1);
  }
  return names;
}

const ClipFormat *
clip_format_find (const char *name, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    if (name && g_str_equal (name, formats[i].name))
      return &formats[i];
  g_autofree char *known = g_strjoinv (" ", (char **) clip_preprocess_formats ());
  return clip_fail_null (error, CLIP_ERROR_UNSUPPORTED, "frame: format %s, expected one of %s",
                         name ? name : "(none)", known);
}

void
clip_format_words_to_bytes (guint8 *bytes, const guint8 *words, gsize n, int drop_bits)
{
  const int half = 1 << (drop_bits - 1);
  if (G_BYTE_ORDER == G_LITTLE_ENDIAN && (guintptr) words % 2 == 0) {
    clip_orc_words_to_bytes (bytes, (const guint16 *) words, half, drop_bits, n);
    return;
  }
  for (gsize i = 0; i < n; i++)
    bytes[i] = MIN (((words[2 * i] | words[2 * i + 1] << 8) + half) >> drop_bits, 255);
}

void
clip_format_pick_bytes (guint8 *bytes, const guint8 *row, int n, int offset, int step)
{
  if (step == 2 && (guintptr) row % 2 == 0)
    (offset == 0 ? clip_orc_even_bytes : clip_orc_odd_bytes) (bytes, row, n);
  else
    for (int i = 0; i < n; i++)
      bytes[i] = row[i * step + offset];
}
