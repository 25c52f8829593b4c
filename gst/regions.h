/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Detections that elements upstream attached to a frame (GstVideoRegionOfInterestMeta), each cropped and classified. */
#pragma once
#include "gst/inference.h"
#include "gst/result.h"

/* Of more detections than these in a frame, the largest are classified: all of them are one batch, and wait for each
 * other. */
#define CLIP_REGIONS_MAX 32

/* Name of the GstStructure among a detection's params. */
#define CLIP_REGIONS_PARAM "classification"

/* What of a frame is classified. */
typedef enum {
  CLIP_SUBJECT_FRAME,
  CLIP_SUBJECT_DETECTIONS,
  CLIP_SUBJECT_BOTH,
} ClipSubject;

typedef struct {
  GstVideoRegionOfInterestMeta *meta; /* belongs to the buffer */
  int x, y, width, height; /* of it, in the frame, in pixels; x and y begin a chroma sample */
} ClipRegion;

/* The regions of one frame, and room for what they become. All zero is none. */
typedef struct {
  ClipRegion found[CLIP_REGIONS_MAX]; /* [n], the largest first, equal ones as attached */
  guint n;
  guint n_skipped; /* without a pixel in the frame, or too many */
  guint room;      /* regions that there is memory for */
  float *pixels;   /* [room, 3, R, R] */
  float *features; /* [room, E] */
} ClipRegions;

void clip_regions_clear (ClipRegions *regions);

/* Finds those of @buffer, a frame of @format. */
void clip_regions_find (ClipRegions *regions, GstBuffer *buffer, const GstVideoInfo *format);
/* Makes features of what was found in @buffer, in one batch. *@cost: as clip_inference_run () has it. Returns FALSE where
 * @buffer is not a frame of the format. */
gboolean clip_regions_classify (ClipRegions *regions, ClipInference *inference, GstClockTime *cost,
                                GstBuffer *buffer);
/* Attaches the labels of each region to its meta: the buffer must be writable, and still the same. What @element attached
 * before is replaced. */
void clip_regions_attach (const ClipRegions *regions, ClipClassifier *classifier,
                          const ClipReporting *reporting, const char *element,
                          const ClipModelInfo *model);
