/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * (time, { label: score }) … → (label, start, end, peak, mean)
 *
 *   label       time →   0    1    2    3    4    5
 *   "a car"              .6   .8   .7   -    .9   (end)
 *   events               (0 … 3, peak .8, mean .7)   (4 … 5, peak .9, mean .9)
 *
 * Events are told in the order of their beginnings, so that the same results always make the same
 * output.
 */
#include "gst/events.h"

#include <math.h>

typedef struct {
  char *label;
  ClipMoment start;
  float peak;
  double sum;
  guint n;
  guint64 round; /* the last result that had it */
} OpenEvent;

struct _ClipEvents {
  ClipEventFunc func;
  gpointer data;
  GPtrArray *open;     /* of OpenEvent, by their beginning */
  GHashTable *by_name; /* label → OpenEvent, the same */
  guint64 round;       /* results so far */
};

static void
free_open (gpointer data)
{
  OpenEvent *open = data;
  g_free (open->label);
  g_free (open);
}

ClipEvents *
clip_events_new (ClipEventFunc func, gpointer data)
{
  ClipEvents *events = g_new0 (ClipEvents, 1);
  events->func = func;
  events->data = data;
  events->open = g_ptr_array_new_with_free_func (free_open);
  events->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  return events;
}

void
clip_events_free (ClipEvents *events)
{
  if (!events)
    return;
  g_hash_table_unref (events->by_name);
  g_ptr_array_unref (events->open);
  g_free (events);
}

void
clip_events_clear (ClipEvents *events)
{
  g_hash_table_remove_all (events->by_name);
  g_ptr_array_set_size (events->open, 0);
}

static void
tell (ClipEvents *events, const OpenEvent *open, ClipMoment end, gboolean ended)
{
  const gboolean forwards = open->start.time <= end.time;
  const ClipEvent event = {
    .label = open->label,
    .start = forwards ? open->start : end,
    .end = forwards ? end : open->start,
    .peak = open->peak,
    .mean = open->n ? (float) (open->sum / open->n) : 0,
    .n = open->n,
  };
  events->func (&event, ended, events->data);
}

static OpenEvent *
begin (ClipEvents *events, ClipMoment at, const char *label)
{
  OpenEvent *open = g_new0 (OpenEvent, 1);
  open->label = g_strdup (label);
  open->start = at;
  g_ptr_array_add (events->open, open);
  g_hash_table_insert (events->by_name, open->label, open);
  return open;
}

/* Ends the events that the result @round has not, or all with a round that never was. */
static void
end_others (ClipEvents *events, ClipMoment at, guint64 round)
{
  guint i = 0;
  while (i < events->open->len) {
    OpenEvent *open = g_ptr_array_index (events->open, i);
    if (open->round == round) {
      i++;
      continue;
    }
    g_hash_table_remove (events->by_name, open->label);
    tell (events, open, at, TRUE);
    g_ptr_array_remove_index (events->open, i);
  }
}

void
clip_events_add (ClipEvents *events, ClipMoment at, const ClipMetaLabel *labels, guint n)
{
  events->round++;
  const guint first_new = events->open->len;
  for (guint i = 0; i < n; i++) {
    const float score = isfinite (labels[i].score) ? labels[i].score : 0;
    OpenEvent *open = g_hash_table_lookup (events->by_name, labels[i].name);
    if (open && open->round == events->round)
      continue; /* twice in one result */
    if (!open)
      open = begin (events, at, labels[i].name);
    open->round = events->round;
    open->peak = MAX (open->peak, score);
    open->sum += score;
    open->n++;
  }
  const guint n_new = events->open->len - first_new;
  end_others (events, at, events->round);
  for (guint i = events->open->len - n_new; i < events->open->len; i++)
    tell (events, g_ptr_array_index (events->open, i), at, FALSE);
}

void
clip_events_end (ClipEvents *events, ClipMoment at)
{
  end_others (events, at, 0);
}
