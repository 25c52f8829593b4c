/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/overlay-settings.h"
#include "gst/enums.h"
#include "gst/fields.h"

#include <stddef.h>

static const gsize offsets[CLIP_N_OVERLAY_SETTINGS] = {
  [CLIP_OVERLAY_ELEMENT] = offsetof (ClipOverlaySettings, scene.element),
  [CLIP_OVERLAY_POSITION] = offsetof (ClipOverlaySettings, style.position),
  [CLIP_OVERLAY_FONT] = offsetof (ClipOverlaySettings, style.font),
  [CLIP_OVERLAY_TEXT_COLOR] = offsetof (ClipOverlaySettings, style.text_color),
  [CLIP_OVERLAY_BAR_COLOR] = offsetof (ClipOverlaySettings, style.bar_color),
  [CLIP_OVERLAY_BACKGROUND_COLOR] = offsetof (ClipOverlaySettings, style.background_color),
  [CLIP_OVERLAY_BOX_COLOR] = offsetof (ClipOverlaySettings, style.box_color),
  [CLIP_OVERLAY_OPACITY] = offsetof (ClipOverlaySettings, style.opacity),
  [CLIP_OVERLAY_MAX_LABELS] = offsetof (ClipOverlaySettings, scene.max_labels),
  [CLIP_OVERLAY_BARS] = offsetof (ClipOverlaySettings, style.bars),
  [CLIP_OVERLAY_BOXES] = offsetof (ClipOverlaySettings, scene.boxes),
};

G_STATIC_ASSERT (sizeof (ClipPosition) == sizeof (int));

gboolean
clip_overlay_settings_set (ClipOverlaySettings *settings, guint id, const GValue *value)
{
  return clip_fields_set (settings, offsets, CLIP_N_OVERLAY_SETTINGS, id, value);
}

gboolean
clip_overlay_settings_get (const ClipOverlaySettings *settings, guint id, GValue *value)
{
  return clip_fields_get (settings, offsets, CLIP_N_OVERLAY_SETTINGS, id, value);
}

void
clip_overlay_settings_init (ClipOverlaySettings *settings, GObject *object)
{
  clip_fields_init (settings, offsets, CLIP_N_OVERLAY_SETTINGS, object);
}

void
clip_overlay_settings_clear (ClipOverlaySettings *settings)
{
  g_free (settings->scene.element);
  g_free (settings->style.font);
  *settings = (ClipOverlaySettings){ 0 };
}

static GParamSpec *
color (const char *name, const char *nick, const char *what, guint argb)
{
  return g_param_spec_uint (name, nick, what, 0, G_MAXUINT32, argb,
                            G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING |
                                GST_PARAM_CONTROLLABLE);
}

void
clip_overlay_settings_install (GObjectClass *class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;
  const GParamFlags controllable = flags | GST_PARAM_CONTROLLABLE;

  /**
   * GstClipOverlay:element:
   *
   * Name of the clipclassify whose labels are shown; those of all by default.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_OVERLAY_ELEMENT,
      g_param_spec_string ("element", "Element",
                           "Name of the clipclassify whose labels are shown (NULL = of all)", NULL,
                           flags));
  /**
   * GstClipOverlay:position:
   *
   * Corner that the labels are in.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_OVERLAY_POSITION,
      g_param_spec_enum ("position", "Position", "Corner that the labels are in",
                         GST_TYPE_CLIP_POSITION, CLIP_POSITION_TOP_LEFT, flags));
  /**
   * GstClipOverlay:font:
   *
   * Font as Pango describes it: "Serif Bold 14". Without a size it follows the frame's height.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_OVERLAY_FONT,
      g_param_spec_string ("font", "Font",
                           "Font of the labels as Pango describes them; without a size it follows "
                           "the height of the frame",
                           "Sans", flags));
  /**
   * GstClipOverlay:text-color:
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_OVERLAY_TEXT_COLOR,
      color ("text-color", "Text colour", "Colour of the text, ARGB", 0xffffffff));
  /**
   * GstClipOverlay:bar-color:
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_OVERLAY_BAR_COLOR,
      color ("bar-color", "Bar colour", "Colour of the bars, ARGB", 0xff4fc3f7));
  /**
   * GstClipOverlay:background-color:
   *
   * Since: 0.1
   */
  g_object_class_install_property (class, CLIP_OVERLAY_BACKGROUND_COLOR,
                                   color ("background-color", "Background colour",
                                          "Colour behind the labels, ARGB", 0xb0101820));
  /**
   * GstClipOverlay:box-color:
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_OVERLAY_BOX_COLOR,
      color ("box-color", "Box colour", "Colour of boxes, ARGB", 0xffffb300));
  /**
   * GstClipOverlay:opacity:
   *
   * Since: 0.1
   */
  g_object_class_install_property (class, CLIP_OVERLAY_OPACITY,
                                   g_param_spec_double ("opacity", "Opacity",
                                                        "Opacity of all that is drawn", 0, 1, 1,
                                                        controllable));
  /**
   * GstClipOverlay:max-labels:
   *
   * At most so many labels are shown, the best ones, and only as many as there is room for.
   *
   * Since: 0.1
   */
  g_object_class_install_property (class, CLIP_OVERLAY_MAX_LABELS,
                                   g_param_spec_uint ("max-labels", "Most labels",
                                                      "At most so many labels are shown, the best "
                                                      "ones",
                                                      0, 1000, 5, controllable));
  /**
   * GstClipOverlay:bars:
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_OVERLAY_BARS,
      g_param_spec_boolean ("bars", "Bars", "Show scores as bars, too", TRUE, flags));
  /**
   * GstClipOverlay:boxes:
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_OVERLAY_BOXES,
      g_param_spec_boolean ("boxes", "Boxes", "Show the boxes of detections", TRUE, flags));
}
