/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A scene as pictures to lay over a frame, by Pango and Cairo. */
#pragma once
#include "gst/scene.h"

typedef enum {
  CLIP_POSITION_TOP_LEFT,
  CLIP_POSITION_TOP_RIGHT,
  CLIP_POSITION_BOTTOM_LEFT,
  CLIP_POSITION_BOTTOM_RIGHT,
} ClipPosition;

typedef struct {
  ClipPosition position; /* of the labels */
  char *font; /* as Pango describes fonts; without a size it follows the frame's height */
  guint text_color, bar_color, background_color, box_color; /* ARGB */
  double opacity;                                           /* of all */
  gboolean bars;
} ClipDrawStyle;

/* Fonts, loaded once. One thread uses it at a time. */
typedef struct _ClipDraw ClipDraw;

ClipDraw *clip_draw_new (void);
void clip_draw_free (ClipDraw *draw);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipDraw, clip_draw_free)

/* Returns: (transfer full) (nullable): for frames of @format; NULL where nothing is to be drawn, or nothing fits. */
GstVideoOverlayComposition *clip_draw_scene (ClipDraw *draw, const ClipDrawStyle *style,
                                             const ClipScene *scene, const GstVideoInfo *format);
