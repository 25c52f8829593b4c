/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels over time become events: from the first result that has a label to the first that has it no more. */
#pragma once
#include "gst/clipmeta.h"

/* Two clocks for one moment. @time is the caller's choice (stream time, say) and valid; @utc is in nanoseconds since 1970,
 * GST_CLOCK_TIME_NONE where unknown. */
typedef struct {
  GstClockTime time, utc;
} ClipMoment;

typedef struct {
  const char *label;
  ClipMoment start, end; /* start ≤ end; of an event that began only, both are its start */
  float peak, mean;      /* of the scores of @n results */
  guint n;
} ClipEvent;

/* An event has begun, or has @ended. @event is valid during the call. */
typedef void (*ClipEventFunc) (const ClipEvent *event, gboolean ended, gpointer data);

typedef struct _ClipEvents ClipEvents;

ClipEvents *clip_events_new (ClipEventFunc func, gpointer data);
void clip_events_free (ClipEvents *events); /* what is open is forgotten */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipEvents, clip_events_free)

/* From @at on, @labels [@n] are seen: a new result. Time may run backwards, as it does when video is played so. */
void clip_events_add (ClipEvents *events, ClipMoment at, const ClipMetaLabel *labels, guint n);
/* At @at nothing is seen any more: ends what is open, and counts as no result. */
void clip_events_end (ClipEvents *events, ClipMoment at);
/* Forgets what is open. */
void clip_events_clear (ClipEvents *events);
