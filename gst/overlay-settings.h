/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The writable properties of clipoverlay: where each is kept, its type, range, default and description. */
#pragma once
#include "gst/draw.h"

enum {
  CLIP_OVERLAY_ELEMENT = 1,
  CLIP_OVERLAY_POSITION,
  CLIP_OVERLAY_FONT,
  CLIP_OVERLAY_TEXT_COLOR,
  CLIP_OVERLAY_BAR_COLOR,
  CLIP_OVERLAY_BACKGROUND_COLOR,
  CLIP_OVERLAY_BOX_COLOR,
  CLIP_OVERLAY_OPACITY,
  CLIP_OVERLAY_MAX_LABELS,
  CLIP_OVERLAY_BARS,
  CLIP_OVERLAY_BOXES,
  CLIP_N_OVERLAY_SETTINGS, /* further properties are numbered from here on */
};

/* The strings are owned. */
typedef struct {
  ClipSceneOptions scene;
  ClipDrawStyle style;
} ClipOverlaySettings;

void clip_overlay_settings_install (GObjectClass *object_class);
void clip_overlay_settings_init (ClipOverlaySettings *settings,
                                 GObject *object); /* to the defaults that were installed */
void clip_overlay_settings_clear (ClipOverlaySettings *settings);

/* Returns FALSE where @id is no setting. */
gboolean clip_overlay_settings_set (ClipOverlaySettings *settings, guint id, const GValue *value);
gboolean clip_overlay_settings_get (const ClipOverlaySettings *settings, guint id, GValue *value);
