/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Detections that elements upstream attached to a frame, as crops of it. */
#pragma once
#include "gst/detection.h"
#include "gst/inference.h"

/* Of more detections than these in a frame, the largest are classified: all of them are one batch, and wait for each
 * other. */
#define CLIP_REGIONS_MAX 32

/* The regions of one frame. All zero is none. */
typedef struct {
  ClipDetection found
      [CLIP_REGIONS_MAX]; /* [n], the largest first, equal ones as found; x and y begin a chroma sample */
  guint n;
  guint n_skipped; /* without a pixel in the frame, or too many */
} ClipRegions;

/* Finds those of @buffer, a frame of @format. */
void clip_regions_find (ClipRegions *regions, GstBuffer *buffer, const GstVideoInfo *format);
/* @pixels: [n, 3, R, R] of what was found in @buffer. Returns FALSE where it is not a frame of the format. */
gboolean clip_regions_read (const ClipRegions *regions, const ClipInference *inference,
                            float *pixels, GstBuffer *buffer);
