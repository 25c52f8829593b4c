/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * (frame, { label }) … → (start, end, { label })
 *
 *   seen      time →   0   1     2     3   4   5
 *                      a   a,b   b,a   b   -   (end)
 *   cues               (0 … 1: a)  (1 … 3: a, b)  (3 … 4: b)
 *
 * A subtitle is complete only when its end is known, and players, muxers and overlays wait for it
 * meanwhile: hence the pieces.
 */
#include "gst/cues.h"

struct _ClipCues {
  GstClockTime longest;
  ClipCueFunc func;
  gpointer data;
  char **names; /* NULL: nothing is seen */
  GstClockTime start;
};

ClipCues *
clip_cues_new (GstClockTime longest, ClipCueFunc func, gpointer data)
{
  ClipCues *cues = g_new0 (ClipCues, 1);
  cues->longest = longest;
  cues->func = func;
  cues->data = data;
  return cues;
}

void
clip_cues_clear (ClipCues *cues)
{
  g_clear_pointer (&cues->names, g_strfreev);
}

void
clip_cues_free (ClipCues *cues)
{
  if (!cues)
    return;
  clip_cues_clear (cues);
  g_free (cues);
}

GstClockTime
clip_cues_since (const ClipCues *cues)
{
  return cues->names ? cues->start : GST_CLOCK_TIME_NONE;
}

static GstClockTime
distance (GstClockTime a, GstClockTime b)
{
  return a < b ? b - a : a - b;
}

/* Whether both have the same names: another order is no change, scores cross all the time. */
static gboolean
is_same (char **names, const char *const *others)
{
  if (!names)
    return !others[0];
  if (g_strv_length (names) != g_strv_length ((char **) others))
    return FALSE;
  for (guint i = 0; others[i]; i++)
    if (!g_strv_contains ((const char *const *) names, others[i]))
      return FALSE;
  return TRUE;
}

static void
tell (ClipCues *cues, GstClockTime at)
{
  const ClipCue cue = { MIN (cues->start, at), MAX (cues->start, at),
                        (const char *const *) cues->names };
  if (cue.start < cue.end)
    cues->func (&cue, cues->data);
  cues->start = at;
}

void
clip_cues_end (ClipCues *cues, GstClockTime at)
{
  if (!cues->names)
    return;
  tell (cues, at);
  clip_cues_clear (cues);
}

void
clip_cues_continue (ClipCues *cues, GstClockTime at, GstClockTime until)
{
  /* Another frame like this one would be too much. */
  if (cues->names && distance (cues->start, until) + distance (at, until) > cues->longest)
    tell (cues, until);
}

void
clip_cues_show (ClipCues *cues, const char *const *names, GstClockTime at, GstClockTime until)
{
  if (!is_same (cues->names, names)) {
    clip_cues_end (cues, at);
    cues->names = names[0] ? g_strdupv ((char **) names) : NULL;
    cues->start = at;
  }
  clip_cues_continue (cues, at, until);
}
