/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures onto a frame, at the cost of their own size. */
#pragma once
#include <gst/video/video.h>

/* What gst_video_overlay_composition_blend () computes, for pictures that are not scaled. */
void clip_blend (GstVideoFrame *frame, GstVideoOverlayComposition *composition);
