/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a frame was. */
#pragma once
#include <gst/gst.h>

/* Each GST_CLOCK_TIME_NONE where unknown. */
typedef struct {
  GstClockTime pts, running_time, stream_time;
  GstClockTime utc; /* ns since 1970, where its buffer has a GstReferenceTimestampMeta that tells */
} ClipTimes;

ClipTimes clip_times_of (GstBuffer *buffer, const GstSegment *segment);
/* Of where the last frame ended, by the segment's position. @last: of a frame before, from whose UTC that of the end follows. */
ClipTimes clip_times_of_end (const GstSegment *segment, const ClipTimes *last);
GstClockTime clip_times_reference_time (GstBuffer *buffer); /* its utc alone */
