/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * seen set, new labels → { labels, scores, appeared, disappeared, pts, running-time, stream-time,
 * utc }
 *
 * UTC is known in two cases: the buffer told it (times.c), or the pipeline is live, when the frame
 * was captured at base time + running time on the pipeline's clock and the difference between that
 * clock and the wall clock can be read now. A recording's running time tells no date.
 */
#include "gst/message.h"

ClipSeen *
clip_seen_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

GstClockTime
clip_message_capture_time (GstElement *element, GstClockTime running_time)
{
  g_autoptr (GstClock) clock = gst_element_get_clock (element);
  const GstClockTime base = gst_element_get_base_time (element);
  if (!clock || !GST_CLOCK_TIME_IS_VALID (base) || !GST_CLOCK_TIME_IS_VALID (running_time))
    return GST_CLOCK_TIME_NONE;
  const GstClockTimeDiff age = GST_CLOCK_DIFF (base + running_time, gst_clock_get_time (clock));
  return (GstClockTime) (g_get_real_time () * GST_USECOND - age);
}

char *
clip_message_utc_text (GstClockTime utc)
{
  if (!GST_CLOCK_TIME_IS_VALID (utc))
    return NULL;
  g_autoptr (GDateTime) seconds = g_date_time_new_from_unix_utc ((gint64) (utc / GST_SECOND));
  g_autoptr (GDateTime) date =
      seconds ? g_date_time_add (seconds, (gint64) (utc % GST_SECOND / GST_USECOND)) : NULL;
  return date ? g_date_time_format_iso8601 (date) : NULL;
}

static void
append_name (GValue *array, const char *name)
{
  GValue value = G_VALUE_INIT;
  g_value_init (&value, G_TYPE_STRING);
  g_value_set_string (&value, name);
  gst_value_array_append_and_take_value (array, &value);
}

static gboolean
is_same (ClipSeen *seen, const ClipResult *result)
{
  if (g_hash_table_size (seen) != result->n_labels)
    return FALSE;
  for (guint i = 0; i < result->n_labels; i++)
    if (!g_hash_table_contains (seen, result->labels[i].name))
      return FALSE;
  return TRUE;
}

/* Sets "appeared" and "disappeared"; @seen becomes the labels of @result. */
static void
set_changes (GstStructure *structure, ClipSeen *seen, const ClipResult *result)
{
  GValue appeared = G_VALUE_INIT, disappeared = G_VALUE_INIT;
  gst_value_array_init (&appeared, 0);
  gst_value_array_init (&disappeared, 0);
  g_autoptr (GHashTable) before = g_hash_table_new (g_str_hash, g_str_equal);
  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init (&iter, seen);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_hash_table_add (before, name);

  for (guint i = 0; i < result->n_labels; i++)
    if (!g_hash_table_remove (before, result->labels[i].name)) {
      append_name (&appeared, result->labels[i].name);
      g_hash_table_add (seen, g_strdup (result->labels[i].name));
    }
  g_hash_table_iter_init (&iter, before);
  while (g_hash_table_iter_next (&iter, &name, NULL)) {
    append_name (&disappeared, name);
    g_hash_table_remove (seen, name);
  }
  gst_structure_take_value (structure, "appeared", &appeared);
  gst_structure_take_value (structure, "disappeared", &disappeared);
}

GstMessage *
clip_message_new (GstElement *element, ClipSeen *seen, const ClipResult *result, gboolean live)
{
  if (is_same (seen, result))
    return NULL;
  GstStructure *structure = gst_structure_new_empty (CLIP_MESSAGE_NAME);
  clip_meta_set_labels (structure, "labels", "scores", result->labels, result->n_labels);
  set_changes (structure, seen, result);
  gst_structure_set (structure, "pts", G_TYPE_UINT64, result->pts, "running-time", G_TYPE_UINT64,
                     result->running_time, "stream-time", G_TYPE_UINT64, result->stream_time, NULL);
  GstClockTime utc = result->utc;
  if (!GST_CLOCK_TIME_IS_VALID (utc) && live)
    utc = clip_message_capture_time (element, result->running_time);
  g_autofree char *text = clip_message_utc_text (utc);
  if (text)
    gst_structure_set (structure, "utc", G_TYPE_STRING, text, NULL);
  return gst_message_new_element (GST_OBJECT (element), structure);
}

static void
find_domain (const GError *error, GQuark *domain, int *code)
{
  *domain = GST_LIBRARY_ERROR;
  *code = GST_LIBRARY_ERROR_INIT;
  if (error->domain != CLIP_ERROR)
    return;
  switch ((ClipError) error->code) {
  case CLIP_ERROR_IO:
    *domain = GST_RESOURCE_ERROR;
    *code = GST_RESOURCE_ERROR_OPEN_READ;
    break;
  case CLIP_ERROR_NOT_FOUND:
    *domain = GST_RESOURCE_ERROR;
    *code = GST_RESOURCE_ERROR_NOT_FOUND;
    break;
  case CLIP_ERROR_CONFIG:
  case CLIP_ERROR_LABELS:
    *code = GST_LIBRARY_ERROR_SETTINGS;
    break;
  case CLIP_ERROR_FORMAT:
  case CLIP_ERROR_TENSOR:
  case CLIP_ERROR_TOKENIZER:
  case CLIP_ERROR_UNSUPPORTED:
  case CLIP_ERROR_CANCELLED:
    break;
  }
}

void
clip_message_post_error (GstElement *element, GstMessageType type, const GError *error)
{
  GQuark domain;
  int code;
  find_domain (error, &domain, &code);
  gst_element_message_full (element, type, domain, code, g_strdup (error->message), NULL, __FILE__,
                            G_STRFUNC, __LINE__);
}

void
clip_message_post_warnings (GstElement *element, const char *what, const char *const *warnings)
{
  if (!warnings || !warnings[0])
    return;
  g_autofree char *text = g_strjoinv ("\n", (char **) warnings);
  gst_element_message_full (element, GST_MESSAGE_WARNING, GST_LIBRARY_ERROR,
                            GST_LIBRARY_ERROR_SETTINGS, g_strdup_printf ("%s: %s", what, text),
                            NULL, __FILE__, G_STRFUNC, __LINE__);
}
