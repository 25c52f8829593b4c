/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures in memory (JPEG, PNG; WebP where gdk-pixbuf has a loader for it) → 8-bit RGB, as Pillow gives them: no EXIF rotation. */
#pragma once
#include "core/clip.h"

typedef struct {
  int width, height;
  guint8 *pixels; /* [height, width, 3], packed; g_free () */
} ClipPicture;

void clip_picture_clear (ClipPicture *picture);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ClipPicture, clip_picture_clear)

/* FALSE where a JPEG is cut short: its segments are followed to the scan, and there is no end in that. */
CLIP_API gboolean clip_jpeg_is_whole (const guint8 *data, gsize size);

/* @name stands for the bytes in messages. Pictures beyond 32768 a side are refused before they are decoded. */
gboolean clip_picture_decode (ClipPicture *picture, const guint8 *data, gsize size,
                              const char *name, GError **error);
