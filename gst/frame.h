/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame of GStreamer's as the core reads it; for the element and for gst-clip. */
#pragma once
#include "core/clip.h"

#include <gst/video/video.h>

/* Geometry and colour of frames of @format, whose name of the pixel format it borrows. */
ClipFrameInfo clip_frame_info (const GstVideoInfo *format);

/* Caps of all frames that can be read. */
GstCaps *clip_frame_caps (void);

/* Maps @buffer for reading, without a reference to it. Returns FALSE where it is not a frame of @format. */
gboolean clip_frame_map (GstVideoFrame *frame, GstBuffer *buffer, const GstVideoInfo *format);

/* @pixels: [3, R, R] of @buffer, by a @preprocess made for @format; its planes are read where they lie. Returns FALSE where
 * @buffer is not a frame of that format. */
gboolean clip_frame_read (float *pixels, ClipPreprocess *preprocess, GstBuffer *buffer, const GstVideoInfo *format);

/* For elements that pass buffers on as they are, and so answer an ALLOCATION query as what follows them does: takes from the
 * answer what they would have to understand and do not, cropping by a meta. */
void clip_frame_refuse_crop (GstQuery *query);
