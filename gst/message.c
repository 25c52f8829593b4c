/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * seen set, new labels → { labels, scores, since, appeared, disappeared, began, durations, peaks,
 * means, pts, running-time, stream-time, utc }
 *
 * UTC is known in two cases: the buffer told it (times.c), or the pipeline is live, when the frame
 * was captured at base time + running time on the pipeline's clock and the difference between that
 * clock and the wall clock can be read now. A recording's running time tells no date.
 */
#include "gst/message.h"

ClipSeen *
clip_seen_new (void)
{
  return g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
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

/* ------------------------------------------------------------------------------------------------ what has changed */

static void
append_time (GValue *array, GstClockTime time)
{
  GValue value = G_VALUE_INIT;
  g_value_init (&value, G_TYPE_UINT64);
  g_value_set_uint64 (&value, time);
  gst_value_array_append_and_take_value (array, &value);
}

static void
append_score (GValue *array, double score)
{
  GValue value = G_VALUE_INIT;
  g_value_init (&value, G_TYPE_FLOAT);
  g_value_set_float (&value, (float) score);
  gst_value_array_append_and_take_value (array, &value);
}

/* How long a label was seen that is seen no more at @now: until its score began to be too low, or until now, or, where a
 * flush has set running time back, as far as is known. */
static GstClockTime
duration_of (const ClipSpell *spell, GstClockTime now)
{
  GstClockTime end = GST_CLOCK_TIME_IS_VALID (spell->below) ? spell->below : now;
  if (!GST_CLOCK_TIME_IS_VALID (spell->since) || !GST_CLOCK_TIME_IS_VALID (end))
    return GST_CLOCK_TIME_NONE;
  if (end < spell->last)
    end = spell->last;
  return end - spell->since;
}

enum { APPEARED, SINCE, DISAPPEARED, BEGAN, DURATIONS, PEAKS, MEANS, N_CHANGES };
static const char *const change_names[N_CHANGES] = {
  [APPEARED] = "appeared", [SINCE] = "since",         [DISAPPEARED] = "disappeared",
  [BEGAN] = "began",       [DURATIONS] = "durations", [PEAKS] = "peaks",
  [MEANS] = "means",
};

static void
append_end (GValue *changes, const char *name, const ClipSpell *spell, GstClockTime now)
{
  append_name (&changes[DISAPPEARED], name);
  append_time (&changes[BEGAN], spell->since);
  append_time (&changes[DURATIONS], duration_of (spell, now));
  append_score (&changes[PEAKS], spell->peak);
  append_score (&changes[MEANS], spell->sum / MAX (1, spell->n));
}

static void
set_changes (GstStructure *structure, ClipSeen *seen, const ClipResult *result)
{
  GValue changes[N_CHANGES] = { G_VALUE_INIT };
  for (guint i = 0; i < N_CHANGES; i++)
    gst_value_array_init (&changes[i], 0);
  g_autoptr (GHashTable) now = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < result->n_labels; i++) {
    const char *name = result->labels[i].name;
    g_hash_table_add (now, (gpointer) name);
    append_time (&changes[SINCE], result->spells[i]->since);
    if (!g_hash_table_contains (seen, name))
      append_name (&changes[APPEARED], name);
  }
  GHashTableIter iter;
  gpointer name, spell;
  g_hash_table_iter_init (&iter, seen);
  while (g_hash_table_iter_next (&iter, &name, &spell))
    if (!g_hash_table_contains (now, name))
      append_end (changes, name, spell, result->running_time);
  for (guint i = 0; i < N_CHANGES; i++)
    gst_structure_take_value (structure, change_names[i], &changes[i]);
}

/* @seen becomes the labels of @result. */
static void
follow (ClipSeen *seen, const ClipResult *result, gboolean same)
{
  if (!same)
    g_hash_table_remove_all (seen);
  for (guint i = 0; i < result->n_labels; i++) {
    ClipSpell *spell = g_hash_table_lookup (seen, result->labels[i].name);
    if (!spell) {
      spell = g_new (ClipSpell, 1);
      g_hash_table_insert (seen, g_strdup (result->labels[i].name), spell);
    }
    *spell = *result->spells[i];
  }
}

GstMessage *
clip_message_new (GstElement *element, ClipSeen *seen, const ClipResult *result, gboolean live)
{
  if (is_same (seen, result)) {
    follow (seen, result, TRUE);
    return NULL;
  }
  GstStructure *structure = gst_structure_new_empty (CLIP_MESSAGE_NAME);
  clip_meta_set_labels (structure, "labels", "scores", result->labels, result->n_labels);
  set_changes (structure, seen, result);
  follow (seen, result, FALSE);
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

GstMessage *
clip_message_new_end (GstElement *element, ClipSeen *seen, const ClipTimes *end, gboolean live)
{
  const ClipResult nothing = {
    .pts = end->pts,
    .running_time = end->running_time,
    .stream_time = end->stream_time,
    .utc = end->utc,
  };
  return clip_message_new (element, seen, &nothing, live);
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
