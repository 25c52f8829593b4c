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

/* FALSE where a JPEG, PNG or WebP is cut short, which its own markers and lengths tell. TRUE for anything else. */
CLIP_API gboolean clip_picture_is_whole (const guint8 *data, gsize size);

/* @name stands for the bytes in messages. Pictures beyond 32768 a side are refused before they are decoded. */
gboolean clip_picture_decode (ClipPicture *picture, const guint8 *data, gsize size,
                              const char *name, GError **error);
/* Reduced, where its shorter side is longer than @side, so that it is @side: each pixel the mean of those it covers. FALSE:
 * there is no memory. */
gboolean clip_picture_shrink (ClipPicture *picture, int side);
