/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames with labels in, a stream of text out, in one of the formats: all of cliptext but its pads.
 *
 * What comes out are buffers of whole lines (or whole cues), and GAP events for the time in which there is nothing to tell.
 */
#pragma once
#include "gst/text-format.h"

typedef struct {
  const char *element;  /* takes only what this clipclassify attached; NULL: all */
  gboolean events;      /* lines for events in place of results */
  GstClockTime longest; /* a cue; GST_CLOCK_TIME_NONE: as the format has it */
} ClipTextOptions;

typedef struct _ClipTextWriter ClipTextWriter;

ClipTextWriter *clip_text_writer_new (const ClipTextFormat *format, const ClipTextOptions *options);
void clip_text_writer_free (ClipTextWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipTextWriter, clip_text_writer_free)

/* What follows is timed by @segment. End or forget what is open first. */
void clip_text_writer_set_segment (ClipTextWriter *writer, const GstSegment *segment);

/* A frame. @utc: when it was captured, ns since 1970, GST_CLOCK_TIME_NONE where unknown. */
void clip_text_writer_frame (ClipTextWriter *writer, GstBuffer *buffer, GstClockTime utc);
/* Time without a frame: what was seen stays. */
void clip_text_writer_gap (ClipTextWriter *writer, GstClockTime start, GstClockTime duration);
/* Nothing follows: ends cues and events where the last frame ends. */
void clip_text_writer_end (ClipTextWriter *writer);
/* Forgets what is open and what was not taken yet, and begins with the header again. */
void clip_text_writer_flush (ClipTextWriter *writer);

/* Returns: (transfer full) (nullable): the next GstBuffer or GstEvent, NULL where there is none. */
GstMiniObject *clip_text_writer_pop (ClipTextWriter *writer);
/* By how much a buffer may leave later than its PTS; GST_CLOCK_TIME_NONE: there is no limit. */
GstClockTime clip_text_writer_latency (const ClipTextWriter *writer);
