/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What GStreamer expects of every stream, and we of ours, watched on the pads of a pipeline. The first that is broken ends the
 * program and says which, and where. */
#pragma once
#include <gst/gst.h>

typedef struct _StreamRules StreamRules;

/* What is known of a clipclassify's results. */
typedef enum {
  RESULTS_OWN,  /* each frame has its own, but gaps */
  RESULTS_HELD, /* a frame has that of one before it, since the last flush or segment, or none */
} StreamResults;

/* @name: of the pipeline, to be told with what is broken. */
StreamRules *stream_rules_new (const char *name);
void stream_rules_free (StreamRules *rules);

/* Watches the sink pad "sink" and, where there is one, the source pad "src" of @element: that each obeys the rules, and, where
 * @through, that each frame and event leaves the second before the next one comes to the first. */
void stream_rules_watch (StreamRules *rules, GstElement *element, gboolean through);

/* Likewise, of a clipclassify. */
void stream_rules_watch_results (StreamRules *rules, GstElement *element, StreamResults results);

/* How many buffers came to @element so far. */
guint stream_rules_count (StreamRules *rules, GstElement *element);

/* Fails unless the first frame that came to @element after the last seek contains @position: the first of a segment played
 * forwards, the last of one played backwards. */
void stream_rules_expect_position (StreamRules *rules, GstElement *element, GstClockTime position);
