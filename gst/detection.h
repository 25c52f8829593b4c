/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What elements upstream found in a frame and where, whichever kind of meta tells it. */
#pragma once
#include "gst/clipmeta.h"

#include <gst/video/video.h>

/* Name of the GstStructure among a ROI meta's params that says what a detection shows. */
#define CLIP_DETECTION_PARAM "classification"

typedef struct {
  int x, y, width, height; /* of it, in the frame, in pixels; at least 1×1 */
  GQuark type;             /* what the detector takes it for; 0: it does not say */
  gint64 roi_id,
      mtd_id; /* GstVideoRegionOfInterestMeta's, GstAnalyticsODMtd's; -1: there is none */

  /* These belong to the buffer; NULL where there is none, or the buffer is gone. */
  GstVideoRegionOfInterestMeta *roi;
  gpointer relations; /* GstAnalyticsRelationMeta */
} ClipDetection;

/* All of @buffer that have a pixel in a frame of @width × @height, cut at its edges: ROI metas as attached, then
 * GstAnalyticsODMtd. One of each kind with the same rectangle are one, for some detectors attach both.
 * *@n_outside: (nullable): how many have none.
 * Returns: (transfer full): of ClipDetection. */
GArray *clip_detections_find (GstBuffer *buffer, int width, int height, guint *n_outside);

/* Says on the writable buffer what @detection shows: with @param among the params of a ROI meta, in place of the one that
 * the same element attached before; with labels as classes related to a GstAnalyticsODMtd, the best few. */
void clip_detection_attach (const ClipDetection *detection, const GstStructure *param,
                            const ClipMetaLabel *labels, guint n_labels);

/* The best label that was attached, by @element (NULL: by any; classes do not tell by which). Returns FALSE where there is
 * none. */
gboolean clip_detection_read (const ClipDetection *detection, const char *element,
                              ClipMetaLabel *label);
