/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CSV as RFC 4180 has it, lines ending in CRLF: a line for each label of a result (one with an empty label where no label
 * fits, so that each result is there), or for each event. Times are in seconds; what is unknown is empty.
 */
#include "gst/jsonline.h"
#include "gst/message.h"
#include "gst/text-format.h"

#include <math.h>
#include <string.h>

const char clip_text_csv_header[] =
    "element,model,pts,running-time,stream-time,utc,label,score\r\n";
const char clip_text_csv_events_header[] =
    "element,model,label,start,end,start-utc,end-utc,peak,mean,results\r\n";

/* Each appends one field and a comma, which the end of the line takes the place of. */
static void
append_field (GString *text, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value ? value : "", -1);
  const gboolean quoted = strpbrk (valid, "\",\r\n") != NULL;
  if (quoted)
    g_string_append_c (text, '"');
  for (const char *p = valid; *p; p++) {
    if (*p == '"')
      g_string_append_c (text, '"');
    g_string_append_c (text, *p);
  }
  g_string_append (text, quoted ? "\"," : ",");
}

static void
append_float (GString *text, float value)
{
  if (isfinite (value))
    json_line_append_float (text, value);
  g_string_append_c (text, ',');
}

static void
append_time (GString *text, GstClockTime time)
{
  if (GST_CLOCK_TIME_IS_VALID (time))
    json_line_append_time (text, time);
  g_string_append_c (text, ',');
}

static void
append_utc (GString *text, GstClockTime utc)
{
  g_autofree char *date = clip_message_utc_text (utc);
  append_field (text, date);
}

static void
end_line (GString *text)
{
  g_string_truncate (text, text->len - 1);
  g_string_append (text, "\r\n");
}

static void
append_label (GString *text, const ClipTextResult *result, const char *label, float score)
{
  const ClipMeta *meta = result->meta;
  append_field (text, meta->element);
  append_field (text, meta->model);
  append_time (text, meta->pts);
  append_time (text, meta->running_time);
  append_time (text, meta->stream_time);
  append_utc (text, result->utc);
  append_field (text, label);
  append_float (text, score);
  end_line (text);
}

void
clip_text_csv_result (GString *text, const ClipTextResult *result)
{
  const ClipMeta *meta = result->meta;
  for (guint i = 0; i < meta->n_labels; i++)
    append_label (text, result, meta->labels[i].name, meta->labels[i].score);
  if (meta->n_labels == 0)
    append_label (text, result, NULL, NAN);
}

void
clip_text_csv_event (GString *text, const ClipTextEvent *record)
{
  const ClipEvent *event = record->event;
  append_field (text, record->element);
  append_field (text, record->model);
  append_field (text, event->label);
  append_time (text, event->start.time);
  append_time (text, event->end.time);
  append_utc (text, event->start.utc);
  append_utc (text, event->end.utc);
  append_float (text, event->peak);
  append_float (text, event->mean);
  g_string_append_printf (text, "%u,", event->n);
  end_line (text);
}
