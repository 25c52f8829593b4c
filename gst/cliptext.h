/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_CLIP_TEXT (gst_clip_text_get_type ())
G_DECLARE_FINAL_TYPE (GstClipText, gst_clip_text, GST, CLIP_TEXT, GstElement)

GST_ELEMENT_REGISTER_DECLARE (cliptext)

G_END_DECLS
