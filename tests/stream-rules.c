/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * probes on pads → a Watch for each, of what came by → the rules that it must obey:
 *
 *   stream-start, caps, segment, buffers; none but flushes and a new stream after EOS
 *   flush-start, flush-stop, segment, EOS or segment-done: all with the number of the seek
 *   a buffer is inside of its segment, has times, and comes after the one before it (played backwards: before it)
 *   a filter lets pass frame by frame and event by event, in order
 *   a result is of a frame of this segment; text is whole lines, and begins anew after a flush
 */
#include "tests/stream-rules.h"
#include "gst/clipmeta.h"

#include <string.h>

#define TEXT_HEADER "WEBVTT\n"

typedef struct {
  StreamRules *rules;
  char *name;
  GstPad *pad;
  gulong probe;
  GMutex lock; /* of what follows: flushes come from other threads */

  gboolean started, ended, flushing;
  char *media; /* of the caps */
  gboolean video;
  GstSegment segment;
  guint32 flushed, sought; /* numbers: of the flush that no segment followed yet, of the segment */
  gboolean in_order;       /* there was a buffer in this segment */
  GstClockTime first, first_end, last, last_end;
  guint n, n_since_flush;
} Watch;

/* Both pads of a filter. */
typedef struct {
  GMutex lock;
  GstClockTime frame; /* that went in and is not out yet */
  GstEventType event; /* likewise */
} Passage;

typedef struct {
  Watch *in, *out; /* the second may be NULL */
  Passage *passage;
  GstElement *element;
  gboolean classifies;
  StreamResults results;
  GHashTable *known; /* times of frames since the last flush or segment */
} Station;

struct _StreamRules {
  char *name;
  GPtrArray *stations;
};

#define broken(watch, ...)                                                                         \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_autofree char *what_ = g_strdup_printf (__VA_ARGS__);                                        \
    g_error ("%s, %s: %s", (watch)->rules->name, (watch)->name, what_);                            \
  }                                                                                                \
  G_STMT_END

#define TIME "%" GST_TIME_FORMAT
#define ARGS GST_TIME_ARGS

/* -------------------------------------------------------------------------------------------------------------- events */

static void
forget_segment (Watch *watch)
{
  gst_segment_init (&watch->segment, GST_FORMAT_UNDEFINED);
  watch->in_order = FALSE;
  watch->first = GST_CLOCK_TIME_NONE;
}

static void
see_stream_start (Watch *watch, GstEvent *event)
{
  watch->started = TRUE;
  watch->ended = watch->flushing = FALSE;
  watch->flushed = GST_SEQNUM_INVALID;
  watch->n_since_flush = 0;
  g_clear_pointer (&watch->media, g_free);
  forget_segment (watch);
}

static void
see_caps (Watch *watch, GstEvent *event)
{
  GstCaps *caps;
  gst_event_parse_caps (event, &caps);
  if (!watch->started)
    broken (watch, "caps before the stream's start");
  g_free (watch->media);
  watch->media = g_strdup (gst_structure_get_name (gst_caps_get_structure (caps, 0)));
  watch->video = g_str_has_prefix (watch->media, "video/");
}

static void
see_segment (Watch *watch, GstEvent *event)
{
  if (!watch->media)
    broken (watch, "a segment before caps");
  const guint32 number = gst_event_get_seqnum (event);
  if (watch->flushed != GST_SEQNUM_INVALID && number != watch->flushed)
    broken (watch, "segment %u after flush %u", number, watch->flushed);
  forget_segment (watch);
  gst_event_copy_segment (event, &watch->segment);
  watch->flushed = GST_SEQNUM_INVALID;
  watch->sought = number;
  watch->ended = FALSE;
}

static void
see_end (Watch *watch, GstEvent *event)
{
  if (gst_event_get_seqnum (event) != watch->sought && watch->segment.format == GST_FORMAT_TIME &&
      GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT_DONE)
    broken (watch, "segment-done %u of segment %u", gst_event_get_seqnum (event), watch->sought);
  watch->ended = GST_EVENT_TYPE (event) == GST_EVENT_EOS;
}

static void
see_gap (Watch *watch, GstEvent *event)
{
  GstClockTime start, duration;
  gst_event_parse_gap (event, &start, &duration);
  if (watch->segment.format != GST_FORMAT_TIME)
    broken (watch, "a gap before the segment");
  if (!GST_CLOCK_TIME_IS_VALID (start) || !GST_CLOCK_TIME_IS_VALID (duration) || duration == 0)
    broken (watch, "a gap without times");
}

static void
see_flush_start (Watch *watch, GstEvent *event)
{
  watch->flushing = TRUE;
  watch->flushed = gst_event_get_seqnum (event);
}

static void
see_flush_stop (Watch *watch, GstEvent *event)
{
  if (!watch->flushing)
    broken (watch, "flush-stop without flush-start");
  if (gst_event_get_seqnum (event) != watch->flushed)
    broken (watch, "flush-stop %u after flush-start %u", gst_event_get_seqnum (event),
            watch->flushed);
  watch->flushing = watch->ended = FALSE;
  watch->n_since_flush = 0;
  forget_segment (watch);
}

static const struct {
  GstEventType type;
  void (*see) (Watch *, GstEvent *);
} events[] = {
  { GST_EVENT_STREAM_START, see_stream_start },
  { GST_EVENT_CAPS, see_caps },
  { GST_EVENT_SEGMENT, see_segment },
  { GST_EVENT_SEGMENT_DONE, see_end },
  { GST_EVENT_EOS, see_end },
  { GST_EVENT_GAP, see_gap },
  { GST_EVENT_FLUSH_START, see_flush_start },
  { GST_EVENT_FLUSH_STOP, see_flush_stop },
};

static void
see_event (Watch *watch, GstEvent *event)
{
  const GstEventType type = GST_EVENT_TYPE (event);
  if (watch->ended && GST_EVENT_IS_SERIALIZED (event) && type != GST_EVENT_STREAM_START &&
      type != GST_EVENT_FLUSH_STOP && type != GST_EVENT_SEGMENT && type != GST_EVENT_TAG)
    broken (watch, "%s after the end", GST_EVENT_TYPE_NAME (event));
  for (guint i = 0; i < G_N_ELEMENTS (events); i++)
    if (events[i].type == type)
      events[i].see (watch, event);
}

/* ------------------------------------------------------------------------------------------------------------- buffers */

static void
check_video (Watch *watch, GstBuffer *buffer)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  const gboolean forwards = watch->segment.rate > 0;
  if (watch->in_order && (forwards ? pts <= watch->last : pts >= watch->last))
    broken (watch, "frame " TIME " after " TIME, ARGS (pts), ARGS (watch->last));
}

/* Subtitles follow each other without overlapping; bytes of files are whole lines. */
static void
check_text (Watch *watch, GstBuffer *buffer)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer), end = pts + GST_BUFFER_DURATION (buffer);
  const gboolean forwards = watch->segment.rate > 0;
  GstMapInfo map;
  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ));
  const char *text = (const char *) map.data;
  if (!g_utf8_validate (text, (gssize) map.size, NULL))
    broken (watch, "text that is not UTF-8");
  if (g_str_equal (watch->media, "text/x-raw")) {
    if (watch->in_order && (forwards ? pts < watch->last_end : end > watch->last))
      broken (watch, "text " TIME "–" TIME " after " TIME "–" TIME, ARGS (pts), ARGS (end),
              ARGS (watch->last), ARGS (watch->last_end));
  } else if (map.size == 0 || text[map.size - 1] != '\n')
    broken (watch, "half a line: %.*s", (int) map.size, text);
  if (g_str_equal (watch->media, "application/x-subtitle-vtt") && watch->n_since_flush == 0 &&
      !g_str_has_prefix (text, TEXT_HEADER))
    broken (watch, "WebVTT that begins with %.*s", (int) map.size, text);
  gst_buffer_unmap (buffer, &map);
}

static gboolean
is_inside (const GstSegment *segment, GstBuffer *buffer)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  const GstClockTime end = GST_BUFFER_DURATION_IS_VALID (buffer)
                               ? pts + GST_BUFFER_DURATION (buffer)
                               : GST_CLOCK_TIME_NONE;
  guint64 start, stop;
  return gst_segment_clip (segment, GST_FORMAT_TIME, pts, end, &start, &stop);
}

static void
see_buffer (Watch *watch, GstBuffer *buffer)
{
  const gboolean dated = GST_BUFFER_PTS_IS_VALID (buffer);
  if (watch->segment.format != GST_FORMAT_TIME)
    broken (watch, "a buffer before the segment");
  if (watch->ended)
    broken (watch, "a buffer after the end");
  if (dated && !is_inside (&watch->segment, buffer))
    broken (watch, "%" GST_PTR_FORMAT " is outside of %" GST_SEGMENT_FORMAT, (gpointer) buffer,
            &watch->segment);
  if (!dated && watch->video)
    broken (watch, "a frame without a time");
  if (watch->video)
    check_video (watch, buffer);
  else
    check_text (watch, buffer);
  const gboolean is_first = !watch->in_order;
  watch->in_order = dated;
  watch->last = GST_BUFFER_PTS (buffer);
  watch->last_end = watch->last + GST_BUFFER_DURATION (buffer);
  if (is_first) {
    watch->first = watch->last;
    watch->first_end = watch->last_end;
  }
  watch->n++;
  watch->n_since_flush++;
}

/* ------------------------------------------------------------------------------------------------------ into and out of */

static gboolean
is_known (GstPad *pad, GstEvent *event)
{
  gboolean known = FALSE;
  GstEvent *other;
  for (guint i = 0; (other = gst_pad_get_sticky_event (pad, GST_EVENT_TYPE (event), i)); i++) {
    known |= other == event;
    gst_event_unref (other);
  }
  return known;
}

/* A filter makes caps of its own. What is linked anew tells all that is sticky once more; where that is known, it ends. */
static gboolean
must_pass (Station *station, GstEvent *event)
{
  const GstEventType type = GST_EVENT_TYPE (event);
  return GST_EVENT_IS_SERIALIZED (event) && type != GST_EVENT_CAPS &&
         type != GST_EVENT_FLUSH_STOP &&
         !(GST_EVENT_IS_STICKY (event) && is_known (station->out->pad, event));
}

static void
forget_passage (Passage *passage)
{
  passage->frame = GST_CLOCK_TIME_NONE;
  passage->event = GST_EVENT_UNKNOWN;
}

static void
go_in (Station *station, GstBuffer *buffer, GstEvent *event)
{
  Passage *passage = station->passage;
  g_mutex_lock (&passage->lock);
  if (event && !GST_EVENT_IS_SERIALIZED (event)) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_START)
      forget_passage (passage);
  } else {
    if (event && GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
      forget_passage (passage);
    if (GST_CLOCK_TIME_IS_VALID (passage->frame))
      broken (station->in, "frame " TIME " did not come out", ARGS (passage->frame));
    if (passage->event != GST_EVENT_UNKNOWN)
      broken (station->in, "%s did not come out", gst_event_type_get_name (passage->event));
    if (buffer)
      passage->frame = GST_BUFFER_PTS (buffer);
    else if (must_pass (station, event))
      passage->event = GST_EVENT_TYPE (event);
  }
  g_mutex_unlock (&passage->lock);
}

/* Sticky events may come again, for what is linked anew. */
static void
come_out (Station *station, GstBuffer *buffer, GstEvent *event)
{
  Passage *passage = station->passage;
  g_mutex_lock (&passage->lock);
  if (buffer && GST_BUFFER_PTS (buffer) != passage->frame)
    broken (station->out, "frame " TIME " came out for frame " TIME, ARGS (GST_BUFFER_PTS (buffer)),
            ARGS (passage->frame));
  if (buffer)
    passage->frame = GST_CLOCK_TIME_NONE;
  else if (GST_EVENT_TYPE (event) == passage->event)
    passage->event = GST_EVENT_UNKNOWN;
  g_mutex_unlock (&passage->lock);
}

/* ------------------------------------------------------------------------------------------------------------- results */

static void
check_result (Station *station, GstBuffer *buffer)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  const gboolean gap = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP);
  g_autoptr (ClipMeta) meta = clip_meta_read (buffer, NULL);
  if (station->results == RESULTS_OWN && (meta == NULL) != gap)
    broken (station->out, "frame " TIME " has %s result", ARGS (pts), meta ? "a" : "no");
  if (meta && station->results == RESULTS_OWN && (meta->held || meta->pts != pts))
    broken (station->out, "frame " TIME " has the result of " TIME, ARGS (pts), ARGS (meta->pts));
  if (meta && station->results == RESULTS_HELD &&
      (!meta->held || !g_hash_table_contains (station->known, &meta->pts)))
    broken (station->out, "frame " TIME " has the result of " TIME ", which was not before it",
            ARGS (pts), ARGS (meta->pts));
  if (meta && meta->n_labels == 0)
    broken (station->out, "frame " TIME " has no label", ARGS (pts));
  g_hash_table_add (station->known, g_memdup2 (&pts, sizeof pts));
}

static void
follow_results (Station *station, GstBuffer *buffer, GstEvent *event)
{
  if (buffer)
    check_result (station, buffer);
  else if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT ||
           GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_STOP)
    g_hash_table_remove_all (station->known);
}

/* -------------------------------------------------------------------------------------------------------------- probes */

static void
see (Watch *watch, GstBuffer *buffer, GstEvent *event)
{
  g_mutex_lock (&watch->lock);
  if (buffer)
    see_buffer (watch, buffer);
  else
    see_event (watch, event);
  g_mutex_unlock (&watch->lock);
}

static GstPadProbeReturn
probe (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Station *station = data;
  GstBuffer *buffer = NULL;
  GstEvent *event = NULL;
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  else
    event = GST_PAD_PROBE_INFO_EVENT (info);
  const gboolean in = pad == station->in->pad;
  see (in ? station->in : station->out, buffer, event);
  if (station->passage)
    (in ? go_in : come_out) (station, buffer, event);
  if (!in && station->classifies)
    follow_results (station, buffer, event);
  return GST_PAD_PROBE_OK;
}

static Watch *
watch_pad (StreamRules *rules, GstElement *element, const char *name)
{
  GstPad *pad = gst_element_get_static_pad (element, name);
  if (!pad)
    return NULL;
  Watch *watch = g_new0 (Watch, 1);
  g_autofree char *element_name = gst_element_get_name (element);
  watch->rules = rules;
  watch->name = g_strdup_printf ("%s.%s", element_name, name);
  watch->pad = pad;
  g_mutex_init (&watch->lock);
  forget_segment (watch);
  return watch;
}

/* --------------------------------------------------------------------------------------------------------------- all */

static Station *
add_station (StreamRules *rules, GstElement *element, gboolean through)
{
  Station *station = g_new0 (Station, 1);
  station->element = gst_object_ref (element);
  station->in = watch_pad (rules, element, "sink");
  station->out = watch_pad (rules, element, "src");
  if (through) {
    station->passage = g_new0 (Passage, 1);
    g_mutex_init (&station->passage->lock);
    forget_passage (station->passage);
  }
  g_ptr_array_add (rules->stations, station);
  return station;
}

static void
start_station (Station *station)
{
  Watch *watches[] = { station->in, station->out };
  for (guint i = 0; i < G_N_ELEMENTS (watches); i++)
    if (watches[i])
      watches[i]->probe =
          gst_pad_add_probe (watches[i]->pad,
                             GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                 GST_PAD_PROBE_TYPE_EVENT_FLUSH,
                             probe, station, NULL);
}

static void
free_watch (Watch *watch)
{
  if (!watch)
    return;
  gst_pad_remove_probe (watch->pad, watch->probe);
  gst_object_unref (watch->pad);
  g_mutex_clear (&watch->lock);
  g_free (watch->name);
  g_free (watch->media);
  g_free (watch);
}

static void
free_station (gpointer data)
{
  Station *station = data;
  free_watch (station->in);
  free_watch (station->out);
  gst_object_unref (station->element);
  g_clear_pointer (&station->known, g_hash_table_unref);
  if (station->passage)
    g_mutex_clear (&station->passage->lock);
  g_free (station->passage);
  g_free (station);
}

StreamRules *
stream_rules_new (const char *name)
{
  StreamRules *rules = g_new0 (StreamRules, 1);
  rules->name = g_strdup (name);
  rules->stations = g_ptr_array_new_with_free_func (free_station);
  return rules;
}

void
stream_rules_free (StreamRules *rules)
{
  g_ptr_array_unref (rules->stations);
  g_free (rules->name);
  g_free (rules);
}

void
stream_rules_watch (StreamRules *rules, GstElement *element, gboolean through)
{
  start_station (add_station (rules, element, through));
}

void
stream_rules_watch_results (StreamRules *rules, GstElement *element, StreamResults results)
{
  Station *station = add_station (rules, element, TRUE);
  station->classifies = TRUE;
  station->results = results;
  station->known = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  start_station (station);
}

static Station *
find_station (StreamRules *rules, GstElement *element)
{
  for (guint i = 0; i < rules->stations->len; i++) {
    Station *station = g_ptr_array_index (rules->stations, i);
    if (station->element == element)
      return station;
  }
  g_assert_not_reached ();
}

guint
stream_rules_count (StreamRules *rules, GstElement *element)
{
  Watch *watch = find_station (rules, element)->in;
  g_mutex_lock (&watch->lock);
  const guint n = watch->n;
  g_mutex_unlock (&watch->lock);
  return n;
}

void
stream_rules_expect_position (StreamRules *rules, GstElement *element, GstClockTime position)
{
  Watch *watch = find_station (rules, element)->in;
  g_mutex_lock (&watch->lock);
  const GstClockTime first = watch->first, end = watch->first_end;
  const gboolean forwards = watch->segment.rate > 0;
  if (!watch->in_order)
    broken (watch, "no frame after a seek to " TIME, ARGS (position));
  if (forwards ? first > position || end <= position : first >= position || end < position)
    broken (watch, "frame " TIME "–" TIME " after a seek to " TIME, ARGS (first), ARGS (end),
            ARGS (position));
  g_mutex_unlock (&watch->lock);
}
