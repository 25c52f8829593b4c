/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The result again, as the metas of GStreamer's analytics library, for elements that know those; and detections that such
 * elements attached. */
#pragma once
#include "gst/clipmeta.h"

/* Adds to the writable @buffer: from GStreamer 1.24 a GstAnalyticsClsMtd per label, best first; from 1.26 the embedding.
 * Does nothing where the plugin was built without gstreamer-analytics. */
void clip_analytics_add (GstBuffer *buffer, const ClipMeta *meta);

/* A GstAnalyticsODMtd. */
typedef struct {
  gpointer relations; /* the GstAnalyticsRelationMeta that it is in; belongs to the buffer */
  guint id;
  GQuark type;             /* 0: none */
  int x, y, width, height; /* as attached: anything */
} ClipAnalyticsObject;

/* The next of @buffer: *@state is NULL at first, *@object the last one. Returns FALSE where there is no other, and where the
 * plugin was built without gstreamer-analytics. */
gboolean clip_analytics_next_object (GstBuffer *buffer, gpointer *state,
                                     ClipAnalyticsObject *object);

/* More classes than these of an object are left out: with a threshold of 0.2, the default, exclusive scores are not more. The
 * library keeps a table of all that is on a frame times all. */
#define CLIP_ANALYTICS_CLASSES 5

/* Relates a GstAnalyticsClsMtd per label to the object, best first. */
void clip_analytics_classify_object (gpointer relations, guint id, const ClipMetaLabel *labels,
                                     guint n_labels);
/* The first that is related to it. Returns FALSE where there is none. */
gboolean clip_analytics_read_object (gpointer relations, guint id, ClipMetaLabel *label);
