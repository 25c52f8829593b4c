/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_CLIP_OVERLAY (gst_clip_overlay_get_type ())
G_DECLARE_FINAL_TYPE (GstClipOverlay, gst_clip_overlay, GST, CLIP_OVERLAY, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (clipoverlay)

G_END_DECLS
