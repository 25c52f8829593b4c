/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element's properties that are read only: what became of its frames, and what its model is. */
#pragma once
#include "gst/latency.h"
#include "gst/observer.h"

typedef struct {
  guint64 frames;                    /* all but gaps */
  guint64 verdicts[CLIP_N_VERDICTS]; /* of these; the first is how many were classified */
  guint64 regions, regions_skipped;  /* detections of classified frames */
  guint64 dropped;                   /* chosen, but a newer one or a flush came first */
  ClipLatency classifying;           /* what that took */
  ClipLatency handing_over;          /* to the worker, in live mode */
} ClipStats;

/* @latency: what the first classification took. */
void clip_stats_init (ClipStats *stats, GstClockTime latency);

/* What chosen frames waited for, to be reported. @live: the mode. */
GstClockTime clip_stats_get_latency (const ClipStats *stats, gboolean live);
/* Returns TRUE where that changed markedly. */
gboolean clip_stats_add (ClipStats *stats, const ClipObservation *observation, gboolean live);

/* Installs "stats" as property @first and "model-info" as the one after. */
void clip_stats_install (GObjectClass *object_class, guint first);
/* Returns: (transfer full). */
GstStructure *clip_stats_describe (const ClipStats *stats);
GstStructure *clip_stats_describe_model (ClipModel *model);
