/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels over time: which events come of them, in which order, with which numbers. */
#include "gst/events.h"
#include "tests/labelled.h"

#include <math.h>

#define NONE GST_CLOCK_TIME_NONE

/* Each event as a line: "+a 1" began at 1; "-a 1…3 peak mean n" lasted from 1 to 3. */
static void
note (const ClipEvent *event, gboolean ended, gpointer data)
{
  GString *notes = data;
  if (!ended)
    g_string_append_printf (notes, "+%s %d\n", event->label, (int) event->start.time);
  else
    g_string_append_printf (notes, "-%s %d…%d %.2f %.2f %u\n", event->label,
                            (int) event->start.time, (int) event->end.time, event->peak,
                            event->mean, event->n);
}

typedef struct {
  int time;
  const char *labels; /* "a .5,b .25"; NULL: nothing is seen any more */
} Step;

static const struct {
  const char *name;
  Step steps[8]; /* to the first without time and labels */
  const char *expected;
} cases[] = {
  { "none", { { 1, "" }, { 2, NULL } }, "" },
  { "one",
    { { 1, "a .5" }, { 2, "a .75" }, { 3, "a .25" }, { 4, "" }, { 5, NULL } },
    "+a 1\n-a 1…4 0.75 0.50 3\n" },
  { "open to the end", { { 1, "a .5" }, { 2, "a 1" }, { 9, NULL } }, "+a 1\n-a 1…9 1.00 0.75 2\n" },
  { "twice",
    { { 1, "a .5" }, { 2, "" }, { 3, "a .25" }, { 4, NULL } },
    "+a 1\n-a 1…2 0.50 0.50 1\n+a 3\n-a 3…4 0.25 0.25 1\n" },
  { "overlapping",
    { { 1, "a .5" }, { 2, "b .5,a .5" }, { 3, "b 1" }, { 4, NULL } },
    "+a 1\n+b 2\n-a 1…3 0.50 0.50 2\n-b 2…4 1.00 0.75 2\n" },
  { "one after the other", /* the end of one is told before the beginning of the next */
    { { 1, "a .5" }, { 2, "b .5" }, { 3, NULL } },
    "+a 1\n-a 1…2 0.50 0.50 1\n+b 2\n-b 2…3 0.50 0.50 1\n" },
  { "in the order of beginnings",
    { { 1, "c .5" }, { 2, "a .5,b .5,c .5" }, { 3, NULL } },
    "+c 1\n+a 2\n+b 2\n-c 1…3 0.50 0.50 2\n-a 2…3 0.50 0.50 1\n-b 2…3 0.50 0.50 1\n" },
  { "twice in one result", { { 1, "a .5,a .25" }, { 2, NULL } }, "+a 1\n-a 1…2 0.50 0.50 1\n" },
  { "no number", { { 1, "a nan" }, { 2, "a .5" }, { 3, NULL } }, "+a 1\n-a 1…3 0.50 0.25 2\n" },
  { "backwards", { { 9, "a .5" }, { 8, "a .5" }, { 7, "" } }, "+a 9\n-a 7…9 0.50 0.50 2\n" },
  { "at once", { { 5, "a .5" }, { 5, NULL } }, "+a 5\n-a 5…5 0.50 0.50 1\n" },
};

static void
test_events (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GString) notes = g_string_new (NULL);
    g_autoptr (ClipEvents) events = clip_events_new (note, notes);
    for (const Step *step = cases[i].steps; step->time; step++) {
      const ClipMoment at = { step->time, NONE };
      if (!step->labels) {
        clip_events_end (events, at);
        continue;
      }
      ClipMetaLabel labels[8];
      g_auto (GStrv) texts = g_strsplit (step->labels, ",", 0);
      clip_events_add (events, at, labels, read_labels (labels, texts));
    }
    if (!g_str_equal (notes->str, cases[i].expected))
      g_error ("%s:\n%sexpected:\n%s", cases[i].name, notes->str, cases[i].expected);
  }
}

static void
test_clear (void)
{
  g_autoptr (GString) notes = g_string_new (NULL);
  g_autoptr (ClipEvents) events = clip_events_new (note, notes);
  const ClipMetaLabel label = { "a", 0.5f };
  clip_events_add (events, (ClipMoment){ 1, NONE }, &label, 1);
  clip_events_clear (events);
  clip_events_end (events, (ClipMoment){ 2, NONE });
  clip_events_add (events, (ClipMoment){ 3, NONE }, &label, 1);
  g_assert_cmpstr (notes->str, ==, "+a 1\n+a 3\n");
}

static void
keep (const ClipEvent *event, gboolean ended, gpointer data)
{
  if (ended)
    *(ClipEvent *) data = *event;
}

/* Dates go with their moments, in whichever direction. */
static void
test_dates (void)
{
  for (int backwards = 0; backwards < 2; backwards++) {
    ClipEvent kept = { 0 };
    g_autoptr (ClipEvents) events = clip_events_new (keep, &kept);
    const ClipMetaLabel label = { "a", 0.5f };
    const ClipMoment early = { 10, 1010 }, late = { 20, 1020 };
    clip_events_add (events, backwards ? late : early, &label, 1);
    clip_events_end (events, backwards ? early : late);
    g_assert_cmpuint (kept.start.time, ==, 10);
    g_assert_cmpuint (kept.start.utc, ==, 1010);
    g_assert_cmpuint (kept.end.time, ==, 20);
    g_assert_cmpuint (kept.end.utc, ==, 1020);
  }
}

static void
count (const ClipEvent *event, gboolean ended, gpointer data)
{
  ((int *) data)[ended]++;
}

/* Five hundred labels, and five hundred others with each result. */
static void
test_many (void)
{
  enum { N_LABELS = 1000, N_RESULTS = 200, N_SEEN = 500 };
  int counts[2] = { 0, 0 };
  g_autoptr (ClipEvents) events = clip_events_new (count, counts);
  char names[N_LABELS][8];
  ClipMetaLabel labels[N_SEEN];
  for (int i = 0; i < N_LABELS; i++)
    g_snprintf (names[i], sizeof names[i], "%d", i);
  for (int round = 1; round <= N_RESULTS; round++) {
    for (int i = 0; i < N_SEEN; i++)
      labels[i] = (ClipMetaLabel){ names[(round * N_SEEN + i) % N_LABELS], 0.5f };
    clip_events_add (events, (ClipMoment){ round, NONE }, labels, N_SEEN);
  }
  clip_events_end (events, (ClipMoment){ N_RESULTS + 1, NONE });
  g_assert_cmpint (counts[FALSE], ==, N_SEEN * N_RESULTS);
  g_assert_cmpint (counts[TRUE], ==, N_SEEN * N_RESULTS);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/events/table", test_events);
  g_test_add_func ("/events/clear", test_clear);
  g_test_add_func ("/events/dates", test_dates);
  g_test_add_func ("/events/many", test_many);
  return g_test_run ();
}
