/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * buffer, segment → PTS, running time, stream time, UTC
 * segment         → the same of the moment at which its last frame ended
 *
 * UTC: rtspsrc and rtpjitterbuffer, among others, add a GstReferenceTimestampMeta with Unix or NTP
 * time.
 */
#include "gst/times.h"

#define NTP_TO_UNIX G_GUINT64_CONSTANT (2208988800) /* seconds from 1900 to 1970 */

GstClockTime
clip_times_reference_time (GstBuffer *buffer)
{
  static GstStaticCaps unix_caps = GST_STATIC_CAPS ("timestamp/x-unix"),
                       ntp_caps = GST_STATIC_CAPS ("timestamp/x-ntp");
  g_autoptr (GstCaps) unix_time = gst_static_caps_get (&unix_caps);
  g_autoptr (GstCaps) ntp_time = gst_static_caps_get (&ntp_caps);
  const GstReferenceTimestampMeta *meta;
  if ((meta = gst_buffer_get_reference_timestamp_meta (buffer, unix_time)))
    return meta->timestamp;
  if ((meta = gst_buffer_get_reference_timestamp_meta (buffer, ntp_time)) &&
      meta->timestamp >= NTP_TO_UNIX * GST_SECOND)
    return meta->timestamp - NTP_TO_UNIX * GST_SECOND;
  return GST_CLOCK_TIME_NONE;
}

static ClipTimes
times_at (GstClockTime pts, GstClockTime utc, const GstSegment *segment)
{
  ClipTimes times = { pts, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, utc };
  if (segment->format == GST_FORMAT_TIME) {
    times.running_time = gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts);
    times.stream_time = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts);
  }
  return times;
}

ClipTimes
clip_times_of (GstBuffer *buffer, const GstSegment *segment)
{
  return times_at (GST_BUFFER_PTS (buffer), clip_times_reference_time (buffer), segment);
}

ClipTimes
clip_times_of_end (const GstSegment *segment, const ClipTimes *last)
{
  const gboolean timed = segment->format == GST_FORMAT_TIME;
  const GstClockTime end = timed ? MIN (segment->position, segment->stop) : GST_CLOCK_TIME_NONE;
  GstClockTime utc = GST_CLOCK_TIME_NONE;
  if (GST_CLOCK_TIME_IS_VALID (end) && GST_CLOCK_TIME_IS_VALID (last->pts) &&
      GST_CLOCK_TIME_IS_VALID (last->utc))
    utc = last->utc + end - last->pts;
  return times_at (end, utc, segment);
}
