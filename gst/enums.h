/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Enumerations as GTypes, for properties. */
#pragma once
#include <glib-object.h>

GType gst_clip_scoring_get_type (void);
GType gst_clip_precision_get_type (void);
GType gst_clip_yuv_order_get_type (void);
#define GST_TYPE_CLIP_MODE (gst_clip_mode_get_type ())
#define GST_TYPE_CLIP_REGIONS (gst_clip_regions_get_type ())
GType gst_clip_regions_get_type (void);
GType gst_clip_position_get_type (void);
#define GST_TYPE_CLIP_POSITION (gst_clip_position_get_type ())
#define GST_TYPE_CLIP_SCORING (gst_clip_scoring_get_type ())
#define GST_TYPE_CLIP_PRECISION (gst_clip_precision_get_type ())
#define GST_TYPE_CLIP_YUV_ORDER (gst_clip_yuv_order_get_type ())
GType gst_clip_mode_get_type (void);
