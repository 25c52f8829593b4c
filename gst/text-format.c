/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/text-format.h"

#include <string.h>

const ClipTextFormat clip_text_formats[] = {
  { "application/x-json", .write_result = clip_text_json_result,
    .write_event = clip_text_json_event },
  { "text/x-raw", "utf8", .write_cue = clip_text_utf8_cue,
    /* Whoever shows or muxes it holds the video back so long; a queue by default holds a second. */
    .longest = 500 * GST_MSECOND },
  { "text/x-raw", "pango-markup", .write_cue = clip_text_pango_cue, .longest = 500 * GST_MSECOND },
  { "application/x-subtitle-vtt", .header = "WEBVTT\n\n", .events_header = "WEBVTT\n\n",
    .write_cue = clip_text_vtt_cue, .longest = GST_CLOCK_TIME_NONE },
  { "text/csv", .header = clip_text_csv_header, .events_header = clip_text_csv_events_header,
    .write_result = clip_text_csv_result, .write_event = clip_text_csv_event },
  { NULL },
};

static GstCaps *
plain_caps (const ClipTextFormat *format)
{
  GstCaps *caps = gst_caps_new_empty_simple (format->media_type);
  if (format->format)
    gst_caps_set_simple (caps, "format", G_TYPE_STRING, format->format, NULL);
  return caps;
}

GstCaps *
clip_text_format_all_caps (void)
{
  GstCaps *caps = gst_caps_new_empty ();
  for (const ClipTextFormat *row = clip_text_formats; row->media_type; row++)
    gst_caps_append (caps, plain_caps (row));
  return caps;
}

const ClipTextFormat *
clip_text_format_choose (GstCaps *peer_caps)
{
  for (const ClipTextFormat *row = clip_text_formats; row->media_type; row++) {
    g_autoptr (GstCaps) caps = plain_caps (row);
    if (gst_caps_can_intersect (caps, peer_caps))
      return row;
  }
  return NULL;
}

GstBuffer *
clip_text_format_header (const ClipTextFormat *format, gboolean events)
{
  const char *header = events ? format->events_header : format->header;
  if (!header)
    return NULL;
  GstBuffer *buffer = gst_buffer_new_memdup (header, strlen (header));
  GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_HEADER);
  return buffer;
}

GstCaps *
clip_text_format_caps (const ClipTextFormat *format, gboolean events)
{
  GstCaps *caps = plain_caps (format);
  g_autoptr (GstBuffer) header = clip_text_format_header (format, events);
  if (!header)
    return caps;
  GValue array = G_VALUE_INIT, value = G_VALUE_INIT;
  gst_value_array_init (&array, 1);
  g_value_init (&value, GST_TYPE_BUFFER);
  gst_value_set_buffer (&value, header);
  gst_value_array_append_and_take_value (&array, &value);
  gst_caps_set_value (caps, "streamheader", &array);
  g_value_unset (&array);
  return caps;
}
