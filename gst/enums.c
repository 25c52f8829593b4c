/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/enums.h"
#include "gst/draw.h"
#include "gst/settings.h"

#define DEFINE_ENUM(function, name, ...)                                                           \
  GType function (void)                                                                            \
  {                                                                                                \
    static const GEnumValue values[] = { __VA_ARGS__, { 0, NULL, NULL } };                         \
    static gsize type = 0;                                                                         \
    if (g_once_init_enter (&type))                                                                 \
      g_once_init_leave (&type, g_enum_register_static (name, values));                            \
    return type;                                                                                   \
  }

DEFINE_ENUM (gst_clip_scoring_get_type, "GstClipScoring",
             { CLIP_SCORING_EXCLUSIVE, "Labels compete, scores sum to 1", "exclusive" },
             { CLIP_SCORING_INDEPENDENT, "Each label alone against the background", "independent" })

DEFINE_ENUM (gst_clip_precision_get_type, "GstClipPrecision",
             { CLIP_PRECISION_AUTO, "The fastest that keeps the result", "auto" },
             { CLIP_PRECISION_F32, "32-bit floating point", "f32" },
             { CLIP_PRECISION_BF16, "Products of 16-bit floating point (bfloat16)", "bf16" },
             { CLIP_PRECISION_INT8, "Products of 8-bit integers", "int8" })

DEFINE_ENUM (gst_clip_yuv_order_get_type, "GstClipYuvOrder",
             { CLIP_YUV_RESIZE_FIRST, "Resize the planes, then convert (fast)", "resize-first" },
             { CLIP_YUV_CONVERT_FIRST,
               "Convert every pixel, then resize (as an RGB picture would be)", "convert-first" })

DEFINE_ENUM (gst_clip_mode_get_type, "GstClipMode",
             { CLIP_MODE_AUTO, "Live where the pipeline is, else inline", "auto" },
             { CLIP_MODE_INLINE, "Frames wait until they are classified", "inline" },
             { CLIP_MODE_LIVE, "Frames never wait; results ride on later ones", "live" })

DEFINE_ENUM (gst_clip_regions_get_type, "GstClipRegions",
             { CLIP_SUBJECT_FRAME, "The whole frame", "frame" },
             { CLIP_SUBJECT_DETECTIONS, "Each detection from upstream", "detections" },
             { CLIP_SUBJECT_BOTH, "The frame and each detection", "both" })

DEFINE_ENUM (gst_clip_position_get_type, "GstClipPosition",
             { CLIP_POSITION_TOP_LEFT, "Top left", "top-left" },
             { CLIP_POSITION_TOP_RIGHT, "Top right", "top-right" },
             { CLIP_POSITION_BOTTOM_LEFT, "Bottom left", "bottom-left" },
             { CLIP_POSITION_BOTTOM_RIGHT, "Bottom right", "bottom-right" })
