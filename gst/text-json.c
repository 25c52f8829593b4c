/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON lines:
 *
 *   {"element", "model", "pts": seconds | null, "running-time", "stream-time", "utc"?: ISO 8601,
 *    "labels": [{"label", "score"} …]}                                             a result
 *   {"element", "model", "label", "start": seconds, "end", "start-utc"?, "end-utc"?, "peak", "mean",
 *    "results": count}                                                             an event
 */
#include "gst/jsonline.h"
#include "gst/message.h"
#include "gst/text-format.h"

static void
add_utc (JsonLine *line, const char *name, GstClockTime utc)
{
  g_autofree char *text = clip_message_utc_text (utc);
  if (text)
    json_line_string (line, name, text);
}

static JsonLine *
begin (const char *element, const char *model)
{
  JsonLine *line = json_line_new (FALSE);
  json_line_begin (line, NULL, '{');
  json_line_string (line, "element", element);
  json_line_string (line, "model", model);
  return line;
}

static void
end (GString *text, JsonLine *line)
{
  json_line_end (line, '}');
  g_autofree char *whole = json_line_take (line);
  g_string_append (text, whole);
}

void
clip_text_json_result (GString *text, const ClipTextResult *result)
{
  const ClipMeta *meta = result->meta;
  g_autoptr (JsonLine) line = begin (meta->element, meta->model);
  json_line_time (line, "pts", meta->pts);
  json_line_time (line, "running-time", meta->running_time);
  json_line_time (line, "stream-time", meta->stream_time);
  add_utc (line, "utc", result->utc);
  json_line_begin (line, "labels", '[');
  for (guint i = 0; i < meta->n_labels; i++) {
    json_line_begin (line, NULL, '{');
    json_line_string (line, "label", meta->labels[i].name);
    json_line_float (line, "score", meta->labels[i].score);
    json_line_end (line, '}');
  }
  json_line_end (line, ']');
  end (text, line);
}

void
clip_text_json_event (GString *text, const ClipTextEvent *record)
{
  const ClipEvent *event = record->event;
  g_autoptr (JsonLine) line = begin (record->element, record->model);
  json_line_string (line, "label", event->label);
  json_line_time (line, "start", event->start.time);
  json_line_time (line, "end", event->end.time);
  add_utc (line, "start-utc", event->start.utc);
  add_utc (line, "end-utc", event->end.utc);
  json_line_float (line, "peak", event->peak);
  json_line_float (line, "mean", event->mean);
  json_line_int (line, "results", event->n);
  end (text, line);
}
