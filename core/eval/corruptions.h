/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fifteen corruptions of ImageNet-C (Hendrycks & Dietterich 2019), each in five severities, of 8-bit RGB pictures of
 * any size. Their parameters are the paper's, made for pictures of 224×224: lengths in pixels are scaled by short side /
 * 224. What is random follows from the seed alone. docs/evaluation.md tells what differs from the original.
 */
#pragma once
#include "core/clip.h"

G_BEGIN_DECLS

enum {
  CLIP_SEVERITIES = 5,
  CLIP_CORRUPTIONS = 15,
  /* What the shorter side should not exceed: time and memory grow with the picture, and models see no more than 448. */
  CLIP_CORRUPTION_SIDE = 896,
};

typedef struct _ClipCorruption ClipCorruption;

/* @index: 0 … CLIP_CORRUPTIONS - 1 */
CLIP_API const ClipCorruption *clip_corruption (guint index);
CLIP_API const char *clip_corruption_get_name (const ClipCorruption *corruption);  /* "gaussian-noise" */
CLIP_API const char *clip_corruption_get_group (const ClipCorruption *corruption); /* "noise", "blur", "weather", "digital" */

/* FALSE where a picture is too large to be corrupted. */
CLIP_API gboolean clip_corruption_fits (int width, int height, GError **error);
/* @out, @in: [height, width, 3]; they may be the same. @severity: 1 … CLIP_SEVERITIES. Fails where the picture is
 * too large, or gdk-pixbuf writes no JPEG. */
CLIP_API gboolean clip_corrupt (const ClipCorruption *corruption, guint8 *out, const guint8 *in, int width, int height,
                                int severity, guint64 seed, GError **error);

G_END_DECLS
