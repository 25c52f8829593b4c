/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * frame → its metas → results that are new → lines, or events → lines
 *                   → the labels of all of them → cues
 *
 * A result is new when its PTS is another than that of the last one: also one that comes late, on a
 * frame that only carries it, but not one that a duplicated frame brings again. Cues show what a
 * frame carries, new or held.
 */
#include "gst/textwriter.h"

/* A clipclassify whose results come along. */
typedef struct {
  ClipTextWriter *writer;
  char *element, *model;
  GstClockTime pts;   /* of its last result */
  GstClockTime since; /* when that was, in the segment */
  ClipEvents *events; /* NULL unless asked for */
  gboolean present;   /* on this frame */
} Source;

/* From where to where a frame lasts, in the direction of playback: backwards, @until is before @at. */
typedef struct {
  GstClockTime at, until;
  GstClockTime utc; /* of @at */
} Span;

struct _ClipTextWriter {
  const ClipTextFormat *format;
  char *element;
  gboolean events;
  GstClockTime longest;

  GstSegment segment;
  GPtrArray *sources;
  ClipCues *cues;
  Span last;
  GString *text; /* scratch */

  GQueue out;
  gboolean begun;    /* the header is out */
  GstClockTime told; /* up to where text or a gap went */
};

static void
free_source (gpointer data)
{
  Source *source = data;
  clip_events_free (source->events);
  g_free (source->element);
  g_free (source->model);
  g_free (source);
}

/* ------------------------------------------------------------------------------------------------------------- out */

static void
begin (ClipTextWriter *writer)
{
  GstBuffer *header =
      writer->begun ? NULL : clip_text_format_header (writer->format, writer->events);
  if (header)
    g_queue_push_tail (&writer->out, header);
  writer->begun = TRUE;
}

/* Takes what was written to the scratch. @end: GST_CLOCK_TIME_NONE where the text has no duration. */
static void
put (ClipTextWriter *writer, GstClockTime start, GstClockTime end)
{
  if (!writer->text->len)
    return;
  begin (writer);
  GstBuffer *buffer = gst_buffer_new_memdup (writer->text->str, writer->text->len);
  GST_BUFFER_PTS (buffer) = start;
  if (GST_CLOCK_TIME_IS_VALID (end)) {
    GST_BUFFER_DURATION (buffer) = end - start;
    writer->told = writer->segment.rate < 0 ? start : end;
  }
  g_queue_push_tail (&writer->out, buffer);
  g_string_truncate (writer->text, 0);
}

/* Up to @position there is nothing more to tell. */
static void
tell_gap (ClipTextWriter *writer, GstClockTime position)
{
  const GstClockTime told = writer->told;
  const gboolean further = writer->segment.rate < 0
                               ? position < told
                               : GST_CLOCK_TIME_IS_VALID (told) && position > told;
  if (further) {
    const GstClockTime start = MIN (told, position), end = MAX (told, position);
    g_queue_push_tail (&writer->out, gst_event_new_gap (start, end - start));
    writer->told = position;
  }
}

static GstClockTime
stream_time (ClipTextWriter *writer, GstClockTime time)
{
  const GstSegment *segment = &writer->segment;
  GstClockTime stream = GST_CLOCK_TIME_NONE;
  if (segment->format == GST_FORMAT_TIME)
    stream = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, time);
  return GST_CLOCK_TIME_IS_VALID (stream) ? stream : time;
}

/* Whether a cue may be open for ever. Nothing waits for it then: it is told like an event, when it ends. */
static gboolean
is_unlimited (const ClipTextWriter *writer)
{
  return writer->longest == GST_CLOCK_TIME_NONE;
}

static void
write_cue (const ClipCue *cue, gpointer data)
{
  ClipTextWriter *writer = data;
  const GstClockTime a = stream_time (writer, cue->start), b = stream_time (writer, cue->end);
  const ClipCue streamed = { MIN (a, b), MAX (a, b), cue->names };
  writer->format->write_cue (writer->text, &streamed);
  if (is_unlimited (writer))
    put (writer, writer->last.at, GST_CLOCK_TIME_NONE);
  else
    put (writer, cue->start, cue->end);
}

static void
write_event (const ClipEvent *event, gboolean ended, gpointer data)
{
  const Source *source = data;
  ClipTextWriter *writer = source->writer;
  const ClipTextEvent record = { source->element, source->model, event };
  if (!ended)
    return;
  writer->format->write_event (writer->text, &record);
  put (writer, writer->last.at, GST_CLOCK_TIME_NONE);
}

/* ----------------------------------------------------------------------------------------------------------- results */

static ClipMoment
moment (ClipTextWriter *writer, const Span *span, GstClockTime time)
{
  ClipMoment moment = { stream_time (writer, time), span->utc };
  if (GST_CLOCK_TIME_IS_VALID (moment.utc))
    moment.utc += time - span->at; /* modulo 2^64, for what was before */
  return moment;
}

/* When the result was true: with a frame that only carries it, in the past, but after what was told already. */
static GstClockTime
time_of (ClipTextWriter *writer, const ClipMeta *meta, const Span *span, GstClockTime after)
{
  if (!meta->held || !GST_CLOCK_TIME_IS_VALID (meta->pts) || meta->pts > span->at ||
      writer->segment.rate < 0)
    return span->at;
  return GST_CLOCK_TIME_IS_VALID (after) ? MIN (MAX (meta->pts, after), span->at) : meta->pts;
}

static Source *
find_source (ClipTextWriter *writer, const char *element)
{
  for (guint i = 0; i < writer->sources->len; i++) {
    Source *source = g_ptr_array_index (writer->sources, i);
    if (g_strcmp0 (source->element, element) == 0)
      return source;
  }
  return NULL;
}

static Source *
add_source (ClipTextWriter *writer, const ClipMeta *meta)
{
  Source *source = g_new0 (Source, 1);
  source->writer = writer;
  source->element = g_strdup (meta->element);
  source->since = GST_CLOCK_TIME_NONE;
  if (writer->format->write_event && writer->events)
    source->events = clip_events_new (write_event, source);
  g_ptr_array_add (writer->sources, source);
  return source;
}

static void
write_result (ClipTextWriter *writer, Source *source, const ClipMeta *meta, const Span *span)
{
  if (source->events) {
    source->since = time_of (writer, meta, span, source->since);
    clip_events_add (source->events, moment (writer, span, source->since), meta->labels,
                     meta->n_labels);
  } else if (writer->format->write_result) {
    const gboolean dated =
        GST_CLOCK_TIME_IS_VALID (span->utc) && GST_CLOCK_TIME_IS_VALID (meta->pts);
    const ClipTextResult result = { meta, dated ? span->utc + meta->pts - span->at : span->utc };
    writer->format->write_result (writer->text, &result);
    put (writer, MIN (span->at, span->until), MAX (span->at, span->until));
  }
}

/* Returns: whether the result of @meta was not there before. */
static gboolean
take (ClipTextWriter *writer, const ClipMeta *meta, const Span *span)
{
  Source *source = find_source (writer, meta->element);
  gboolean fresh = !source;
  if (fresh)
    source = add_source (writer, meta);
  else
    fresh = GST_CLOCK_TIME_IS_VALID (meta->pts) ? meta->pts != source->pts : !meta->held;
  source->present = TRUE;
  source->pts = meta->pts;
  if (g_strcmp0 (source->model, meta->model) != 0) {
    g_free (source->model);
    source->model = g_strdup (meta->model);
  }
  if (fresh)
    write_result (writer, source, meta, span);
  return fresh;
}

/* Those that no longer attach anything see nothing any more. */
static void
drop_absent (ClipTextWriter *writer, const Span *span)
{
  guint i = 0;
  while (i < writer->sources->len) {
    Source *source = g_ptr_array_index (writer->sources, i);
    if (source->present) {
      source->present = FALSE;
      i++;
      continue;
    }
    if (source->events)
      clip_events_end (source->events, moment (writer, span, span->at));
    g_ptr_array_remove_index (writer->sources, i);
  }
}

/* The labels of all @metas, each once. Returns: (transfer container): NULL-terminated. */
static const char **
all_names (GPtrArray *metas)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < metas->len; i++) {
    const ClipMeta *meta = g_ptr_array_index (metas, i);
    for (guint j = 0; j < meta->n_labels; j++)
      if (g_hash_table_add (known, (gpointer) meta->labels[j].name))
        g_ptr_array_add (names, (gpointer) meta->labels[j].name);
  }
  g_ptr_array_add (names, NULL);
  return (const char **) g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

/* ------------------------------------------------------------------------------------------------------------ frames */

static void
forget (ClipTextWriter *writer)
{
  g_ptr_array_set_size (writer->sources, 0);
  if (writer->cues)
    clip_cues_clear (writer->cues);
  writer->last = (Span){ GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE };
  writer->told = GST_CLOCK_TIME_NONE;
}

/* Returns FALSE where none of it is inside the segment. */
static gboolean
find_span (ClipTextWriter *writer, GstClockTime start, GstClockTime duration, Span *span)
{
  const GstSegment *segment = &writer->segment;
  const gboolean timed = GST_CLOCK_TIME_IS_VALID (start);
  if (!timed) /* where the last one ended */
    start = GST_CLOCK_TIME_IS_VALID (writer->last.until) ? writer->last.until : segment->start;
  GstClockTime end = GST_CLOCK_TIME_IS_VALID (duration) ? start + duration : start;
  if (timed && segment->format == GST_FORMAT_TIME &&
      !gst_segment_clip (segment, GST_FORMAT_TIME, start, end, &start, &end))
    return FALSE;
  *span = segment->rate < 0 ? (Span){ end, start } : (Span){ start, end };
  return TRUE;
}

/* What is told at the end of each span of time. */
static void
finish_span (ClipTextWriter *writer, const Span *span)
{
  writer->last = *span;
  if (!GST_CLOCK_TIME_IS_VALID (writer->told))
    writer->told = span->at;
  const GstClockTime open =
      writer->cues && !is_unlimited (writer) ? clip_cues_since (writer->cues) : GST_CLOCK_TIME_NONE;
  tell_gap (writer, GST_CLOCK_TIME_IS_VALID (open) ? open : span->until);
}

/* Time that runs against the direction of playback inside of a segment: what is open ended with the last frame. */
static void
restart_where_time_turns (ClipTextWriter *writer, const Span *span)
{
  const GstClockTime last = writer->last.at;
  if (!GST_CLOCK_TIME_IS_VALID (last) ||
      (writer->segment.rate < 0 ? span->at <= last : span->at >= last))
    return;
  clip_text_writer_end (writer);
  forget (writer);
}

void
clip_text_writer_frame (ClipTextWriter *writer, GstBuffer *buffer, GstClockTime utc)
{
  Span span;
  if (!find_span (writer, GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer), &span))
    return;
  restart_where_time_turns (writer, &span);
  span.utc = utc;
  writer->last = span;
  begin (writer);

  g_autoptr (GPtrArray) metas = g_ptr_array_new_with_free_func ((GDestroyNotify) clip_meta_free);
  GstClockTime since = span.at;
  gpointer state = NULL;
  ClipMeta *meta;
  while ((meta = clip_meta_next (buffer, &state))) {
    g_ptr_array_add (metas, meta);
    if (writer->element && g_strcmp0 (meta->element, writer->element) != 0)
      g_ptr_array_remove_index (metas, metas->len - 1);
    else if (take (writer, meta, &span))
      since = MIN (since, time_of (writer, meta, &span, writer->told));
  }

  /* A gap buffer is no picture, and nobody looked at it: what was seen stays. */
  const gboolean seen = metas->len || !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP);
  if (seen)
    drop_absent (writer, &span);
  if (writer->cues && seen) {
    g_autofree const char **names = all_names (metas);
    clip_cues_show (writer->cues, names, since, span.until);
  } else if (writer->cues)
    clip_cues_continue (writer->cues, span.at, span.until);
  finish_span (writer, &span);
}

void
clip_text_writer_gap (ClipTextWriter *writer, GstClockTime start, GstClockTime duration)
{
  Span span;
  if (!find_span (writer, start, duration, &span))
    return;
  restart_where_time_turns (writer, &span);
  span.utc = GST_CLOCK_TIME_NONE;
  if (GST_CLOCK_TIME_IS_VALID (writer->last.utc))
    span.utc = writer->last.utc + span.at - writer->last.at;
  begin (writer);
  if (writer->cues)
    clip_cues_continue (writer->cues, span.at, span.until);
  finish_span (writer, &span);
}

void
clip_text_writer_end (ClipTextWriter *writer)
{
  begin (writer);
  if (!GST_CLOCK_TIME_IS_VALID (writer->last.until))
    return;
  if (writer->cues)
    clip_cues_end (writer->cues, writer->last.until);
  const Span end = { writer->last.until, writer->last.until,
                     moment (writer, &writer->last, writer->last.until).utc };
  drop_absent (writer, &end);
}

GstMiniObject *
clip_text_writer_pop (ClipTextWriter *writer)
{
  return g_queue_pop_head (&writer->out);
}

/* ------------------------------------------------------------------------------------------------------------- life */

void
clip_text_writer_flush (ClipTextWriter *writer)
{
  forget (writer);
  g_queue_clear_full (&writer->out, (GDestroyNotify) gst_mini_object_unref);
  writer->begun = FALSE;
}

void
clip_text_writer_set_segment (ClipTextWriter *writer, const GstSegment *segment)
{
  forget (writer);
  gst_segment_copy_into (segment, &writer->segment);
}

GstClockTime
clip_text_writer_latency (const ClipTextWriter *writer)
{
  return writer->cues ? writer->longest : 0;
}

ClipTextWriter *
clip_text_writer_new (const ClipTextFormat *format, const ClipTextOptions *options)
{
  ClipTextWriter *writer = g_new0 (ClipTextWriter, 1);
  writer->format = format;
  writer->element = g_strdup (options->element);
  writer->events = options->events;
  writer->longest = GST_CLOCK_TIME_IS_VALID (options->longest) ? options->longest : format->longest;
  writer->sources = g_ptr_array_new_with_free_func (free_source);
  writer->text = g_string_new (NULL);
  if (format->write_cue)
    writer->cues = clip_cues_new (writer->longest, write_cue, writer);
  gst_segment_init (&writer->segment, GST_FORMAT_TIME);
  g_queue_init (&writer->out);
  forget (writer);
  return writer;
}

void
clip_text_writer_free (ClipTextWriter *writer)
{
  if (!writer)
    return;
  clip_text_writer_flush (writer);
  g_ptr_array_unref (writer->sources);
  g_clear_pointer (&writer->cues, clip_cues_free);
  g_string_free (writer->text, TRUE);
  g_free (writer->element);
  g_free (writer);
}
