/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-cliptext
 * @title: cliptext
 * @short_description: writes the labels of video frames as text
 *
 * cliptext takes video that went through clipclassify and gives a stream of text: JSON lines or CSV
 * with a line for each classified frame (or for each time that a label was seen), WebVTT, or plain
 * subtitles for muxers and overlays. Which of them follows from what is linked to it, or from the
 * caps after it. The video ends here: put the element behind a tee.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 filesrc location=street.mp4 ! decodebin ! videoconvert ! clipclassify labels="a car;an empty road" ! cliptext ! filesink location=street.jsonl
 * ]| Writes a line of JSON for each frame.
 * |[
 * gst-launch-1.0 filesrc location=street.mp4 ! decodebin ! videoconvert ! clipclassify labels="a car;an empty road" ! cliptext ! application/x-subtitle-vtt ! filesink location=street.vtt
 * ]| Writes subtitles for a player.
 *
 * Since: 0.1
 */
/*
 * Pads, caps and events; what is written is textwriter.c's. All of it happens in the streaming
 * thread; the properties and what a query tells are under the object lock.
 */
#include "gst/cliptext.h"

#include "gst/fields.h"
#include "gst/message.h"
#include "gst/textwriter.h"
#include "gst/times.h"

#include <gst/video/video.h>
#include <stddef.h>

GST_DEBUG_CATEGORY_STATIC (gst_clip_text_debug);
#define GST_CAT_DEFAULT gst_clip_text_debug

enum { PROP_ELEMENT = 1, PROP_EVENTS, PROP_MAX_DURATION, N_PROPS };

typedef struct {
  char *element;
  gboolean events;
  guint64 max_duration;
} Settings;

static const gsize offsets[N_PROPS] = {
  [PROP_ELEMENT] = offsetof (Settings, element),
  [PROP_EVENTS] = offsetof (Settings, events),
  [PROP_MAX_DURATION] = offsetof (Settings, max_duration),
};

struct _GstClipText {
  GstElement parent;
  GstPad *sinkpad, *srcpad;

  /* under the object lock */
  Settings settings;
  gboolean live;
  GstClockTime latency; /* that the present format adds */

  /* of the streaming thread */
  ClipTextWriter *writer; /* NULL: no format yet */
  const ClipTextFormat *format;
  GstSegment segment;
};

G_DEFINE_TYPE (GstClipText, gst_clip_text, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (cliptext, "cliptext", GST_RANK_NONE, GST_TYPE_CLIP_TEXT)

/* -------------------------------------------------------------------------------------------------------------- text */

/* Pushes all that was written. */
static GstFlowReturn
push (GstClipText *self)
{
  GstFlowReturn flow = GST_FLOW_OK;
  GstMiniObject *object;
  while (flow == GST_FLOW_OK && (object = clip_text_writer_pop (self->writer))) {
    if (GST_IS_EVENT (object))
      gst_pad_push_event (self->srcpad, GST_EVENT_CAST (object));
    else
      flow = gst_pad_push (self->srcpad, GST_BUFFER_CAST (object));
  }
  return flow;
}

static GstFlowReturn
end_text (GstClipText *self)
{
  if (!self->writer || self->segment.format == GST_FORMAT_UNDEFINED)
    return GST_FLOW_OK;
  clip_text_writer_end (self->writer);
  return push (self);
}

/* Returns: (transfer full): the caps that it has. */
static GstCaps *
set_format (GstClipText *self, const ClipTextFormat *format)
{
  GST_OBJECT_LOCK (self);
  const ClipTextOptions options = { self->settings.element, self->settings.events,
                                    self->settings.max_duration };
  g_clear_pointer (&self->writer, clip_text_writer_free);
  self->writer = clip_text_writer_new (format, &options);
  self->format = format;
  const GstClockTime latency = clip_text_writer_latency (self->writer);
  const gboolean changed = self->live && latency != self->latency;
  self->latency = latency;
  GST_OBJECT_UNLOCK (self);
  if (self->segment.format != GST_FORMAT_UNDEFINED)
    clip_text_writer_set_segment (self->writer, &self->segment);
  if (changed)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
  return clip_text_format_caps (format, options.events);
}

static gboolean
negotiate (GstClipText *self)
{
  if (!gst_pad_check_reconfigure (self->srcpad) && self->writer)
    return TRUE;
  g_autoptr (GstCaps) peer_caps = gst_pad_peer_query_caps (self->srcpad, NULL);
  const ClipTextFormat *format = clip_text_format_choose (peer_caps);
  if (!format)
    gst_pad_mark_reconfigure (self->srcpad);
  if (!format || format == self->format)
    return format != NULL;
  end_text (self);
  g_autoptr (GstCaps) caps = set_format (self, format);
  GST_INFO_OBJECT (self, "writes %" GST_PTR_FORMAT, caps);
  return gst_pad_push_event (self->srcpad, gst_event_new_caps (caps));
}

static GstClockTime
utc_of (GstClipText *self, GstBuffer *buffer)
{
  GST_OBJECT_LOCK (self);
  const gboolean live = self->live;
  GST_OBJECT_UNLOCK (self);
  const GstClockTime utc = clip_times_reference_time (buffer);
  if (GST_CLOCK_TIME_IS_VALID (utc) || !live || self->segment.format != GST_FORMAT_TIME ||
      !GST_BUFFER_PTS_IS_VALID (buffer))
    return utc;
  return clip_message_capture_time (
      GST_ELEMENT (self),
      gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer)));
}

static GstFlowReturn
gst_clip_text_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstClipText *self = GST_CLIP_TEXT (parent);
  if (!negotiate (self)) {
    gst_buffer_unref (buffer);
    if (GST_PAD_IS_FLUSHING (self->srcpad))
      return GST_FLOW_FLUSHING;
    if (!gst_pad_is_linked (self->srcpad))
      return GST_FLOW_NOT_LINKED;
    GST_ELEMENT_ERROR (self, CORE, NEGOTIATION, (NULL),
                       ("what follows takes none of the texts that there are"));
    return GST_FLOW_NOT_NEGOTIATED;
  }
  clip_text_writer_frame (self->writer, buffer, utc_of (self, buffer));
  gst_buffer_unref (buffer);
  return push (self);
}

/* -------------------------------------------------------------------------------------------------- events and queries */

/* A stream of its own, of the same group. */
static GstEvent *
new_stream_start (GstClipText *self, GstEvent *video)
{
  guint group;
  GstStreamFlags flags;
  gst_event_parse_stream_flags (video, &flags);
  g_autofree char *id = gst_pad_create_stream_id (self->srcpad, GST_ELEMENT (self), "text");
  GstEvent *event = gst_event_new_stream_start (id);
  if (gst_event_parse_group_id (video, &group))
    gst_event_set_group_id (event, group);
  gst_event_set_stream_flags (event, flags | GST_STREAM_FLAG_SPARSE);
  gst_event_set_seqnum (event, gst_event_get_seqnum (video));
  return event;
}

static gboolean
start_stream (GstClipText *self, GstEvent *event)
{
  end_text (self);
  GstEvent *ours = new_stream_start (self, event);
  gst_event_unref (event);
  return gst_pad_push_event (self->srcpad, ours);
}

static gboolean
start_segment (GstClipText *self, GstEvent *event)
{
  end_text (self);
  gst_event_copy_segment (event, &self->segment);
  if (negotiate (self)) /* caps come before the segment */
    clip_text_writer_set_segment (self->writer, &self->segment);
  return gst_pad_push_event (self->srcpad, event);
}

static gboolean
pass_gap (GstClipText *self, GstEvent *event)
{
  GstClockTime start, duration;
  gst_event_parse_gap (event, &start, &duration);
  gst_event_unref (event);
  if (!self->writer)
    return FALSE;
  clip_text_writer_gap (self->writer, start, duration);
  return push (self) == GST_FLOW_OK;
}

/* Codec and bitrate are of the video alone. */
static gboolean
is_global (GstEvent *event)
{
  GstTagList *tags;
  gst_event_parse_tag (event, &tags);
  return gst_tag_list_get_scope (tags) == GST_TAG_SCOPE_GLOBAL;
}

static gboolean
gst_clip_text_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstClipText *self = GST_CLIP_TEXT (parent);
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_STREAM_START:
    return start_stream (self, event);
  case GST_EVENT_CAPS: /* of the video: nothing of it matters here */
    gst_event_unref (event);
    return TRUE;
  case GST_EVENT_SEGMENT:
    return start_segment (self, event);
  case GST_EVENT_GAP:
    return pass_gap (self, event);
  case GST_EVENT_SEGMENT_DONE:
  case GST_EVENT_EOS:
    end_text (self);
    break;
  case GST_EVENT_FLUSH_STOP:
    if (self->writer)
      clip_text_writer_flush (self->writer);
    gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
    break;
  case GST_EVENT_TAG:
    if (is_global (event))
      break;
    gst_event_unref (event);
    return TRUE;
  default:
    break;
  }
  return gst_pad_event_default (pad, parent, event);
}

static gboolean
gst_clip_text_src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_RECONFIGURE: /* the pad remembers it; the video is not concerned */
  case GST_EVENT_QOS:         /* nor by a late text */
    gst_event_unref (event);
    return TRUE;
  default:
    return gst_pad_event_default (pad, parent, event);
  }
}

static gboolean
gst_clip_text_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return gst_pad_query_default (pad, parent, query);
  /* Nobody looks at pixels here, so frames may come in any shape. */
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  gst_query_add_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, NULL);
  gst_query_add_allocation_meta (query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  return TRUE;
}

/* A cue leaves when its end is known. Where that may take for ever there is nothing that could be waited for. */
static gboolean
answer_latency (GstClipText *self, GstPad *pad, GstQuery *query)
{
  gboolean live;
  GstClockTime min, max;
  if (!gst_pad_query_default (pad, GST_OBJECT (self), query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);
  GST_OBJECT_LOCK (self);
  self->live = live;
  if (live && GST_CLOCK_TIME_IS_VALID (self->latency))
    min += self->latency;
  GST_OBJECT_UNLOCK (self);
  gst_query_set_latency (query, live, min, max);
  return TRUE;
}

static gboolean
gst_clip_text_src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    return answer_latency (GST_CLIP_TEXT (parent), pad, query);
  return gst_pad_query_default (pad, parent, query);
}

static GstStateChangeReturn
gst_clip_text_change_state (GstElement *element, GstStateChange transition)
{
  GstClipText *self = GST_CLIP_TEXT (element);
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS (gst_clip_text_parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    g_clear_pointer (&self->writer, clip_text_writer_free);
    self->format = NULL;
    gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
    GST_OBJECT_LOCK (self);
    self->live = FALSE;
    self->latency = 0;
    GST_OBJECT_UNLOCK (self);
  }
  return result;
}

/* ---------------------------------------------------------------------------------------------------------- properties */

static void
gst_clip_text_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstClipText *self = GST_CLIP_TEXT (object);
  GST_OBJECT_LOCK (self);
  if (!clip_fields_set (&self->settings, offsets, N_PROPS, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_clip_text_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstClipText *self = GST_CLIP_TEXT (object);
  GST_OBJECT_LOCK (self);
  if (!clip_fields_get (&self->settings, offsets, N_PROPS, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  GST_OBJECT_UNLOCK (self);
}

static void
install_properties (GObjectClass *class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;
  /**
   * GstClipText:element:
   *
   * Name of the clipclassify whose labels are written; those of all by default.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, PROP_ELEMENT,
      g_param_spec_string ("element", "Element",
                           "Name of the clipclassify whose labels are written (NULL = of all)",
                           NULL, flags));
  /**
   * GstClipText:events:
   *
   * JSON and CSV: a line for each time a label was seen, from its first to its last result, in place
   * of a line for each result.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, PROP_EVENTS,
      g_param_spec_boolean (
          "events", "Events",
          "JSON and CSV: a line for each time that a label was seen, not for each "
          "result",
          FALSE, flags));
  /**
   * GstClipText:max-duration:
   *
   * Subtitles: a text that stays longer is written in pieces of this length, each as soon as it is
   * complete. The default depends on the format: half a second where others wait for the text, no
   * limit for WebVTT.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, PROP_MAX_DURATION,
      g_param_spec_uint64 (
          "max-duration", "Longest duration",
          "Subtitles: longest duration of a text in ns, longer ones come in pieces "
          "(0 = one for each frame, -1 = 0.5 s; no limit for WebVTT)",
          0, G_MAXUINT64, GST_CLOCK_TIME_NONE, flags));
}

static void
gst_clip_text_finalize (GObject *object)
{
  GstClipText *self = GST_CLIP_TEXT (object);
  g_clear_pointer (&self->writer, clip_text_writer_free);
  g_free (self->settings.element);
  G_OBJECT_CLASS (gst_clip_text_parent_class)->finalize (object);
}

static void
gst_clip_text_init (GstClipText *self)
{
  GstElementClass *class = GST_ELEMENT_GET_CLASS (self);
  self->sinkpad =
      gst_pad_new_from_template (gst_element_class_get_pad_template (class, "sink"), "sink");
  gst_pad_set_chain_function (self->sinkpad, gst_clip_text_chain);
  gst_pad_set_event_function (self->sinkpad, gst_clip_text_sink_event);
  gst_pad_set_query_function (self->sinkpad, gst_clip_text_sink_query);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);
  self->srcpad =
      gst_pad_new_from_template (gst_element_class_get_pad_template (class, "src"), "src");
  gst_pad_set_event_function (self->srcpad, gst_clip_text_src_event);
  gst_pad_set_query_function (self->srcpad, gst_clip_text_src_query);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  clip_fields_init (&self->settings, offsets, N_PROPS, G_OBJECT (self));
}

static void
gst_clip_text_class_init (GstClipTextClass *class)
{
  static GstStaticPadTemplate sink = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                              GST_STATIC_CAPS ("video/x-raw(ANY)"));
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GstElementClass *element_class = GST_ELEMENT_CLASS (class);
  GST_DEBUG_CATEGORY_INIT (gst_clip_text_debug, "cliptext", 0, "labels as text");

  object_class->set_property = gst_clip_text_set_property;
  object_class->get_property = gst_clip_text_get_property;
  object_class->finalize = gst_clip_text_finalize;
  install_properties (object_class);
  element_class->change_state = gst_clip_text_change_state;

  g_autoptr (GstCaps) caps = clip_text_format_all_caps ();
  gst_element_class_add_static_pad_template (element_class, &sink);
  gst_element_class_add_pad_template (
      element_class, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_element_class_set_static_metadata (
      element_class, "CLIP label writer", "Converter/Video",
      "Writes the labels of video frames as JSON, CSV, WebVTT or "
      "subtitles",
      "the gst-clip authors");
}
