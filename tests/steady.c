/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* core/zeroshot/steady: which labels are on, since when, and how well they were seen; labels, seeks and settings that change. */
#include "core/zeroshot/labels.h"
#include "core/zeroshot/steady.h"

#include <math.h>
#include <string.h>

static ClipLabels *
labels_of (const char *json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new (json, strlen (json));
  ClipLabels *labels = clip_labels_parse_bytes (bytes, "labels", &error);
  g_assert_no_error (error);
  return labels;
}

/* "off", or "SINCE-LAST[>BELOW] n peak mean" of a label that is on */
static char *
describe (const ClipSteady *steady, guint index)
{
  const ClipSpell *spell = clip_steady_get_spell (steady, index);
  if (!spell)
    return g_strdup ("off");
  g_autofree char *below =
      spell->below == CLIP_NO_TIME ? g_strdup ("") : g_strdup_printf (">%d", (int) spell->below);
  return g_strdup_printf ("%d-%d%s n=%u %.2f %.3f", (int) spell->since, (int) spell->last, below,
                          spell->n, spell->peak, spell->sum / spell->n);
}

/* ------------------------------------------------------------------------------------------ one label over time */

static const struct {
  const char *name;
  const char *labels; /* the first is looked at */
  ClipSteadiness settings;
  float threshold;
  float scores[12]; /* at times 0, 1 … */
  const char *on;   /* at these times, 'x' where the label is on */
  const char *last; /* describe () at the end */
} cases[] = {
  { "thresholds only",
    "[\"a\"]",
    { 0 },
    .5f,
    { .5f, .49f, .6f, .7f },
    "x.xx",
    "2-3 n=2 0.70 0.650" },
  { "own threshold",
    "[{\"name\":\"a\",\"threshold\":0.7}]",
    { 0 },
    .5f,
    { .6f, .7f, .6f },
    ".x.",
    "off" },
  { "background", "[{\"name\":\"a\",\"background\":true}]", { 0 }, .1f, { 1, 1 }, "..", "off" },
  { "hysteresis",
    "[\"a\"]",
    { .hysteresis = .25f },
    .5f,
    { .3f, .5f, .3f, .25f, .2f, .3f, .6f },
    ".xxx..x",
    "6-6 n=1 0.60 0.600" },
  { "own release",
    "[{\"name\":\"a\",\"release\":0.1}]",
    { .hysteresis = .25f },
    .5f,
    { .5f, .2f, .1f, .05f },
    "xxx.",
    "off" },
  /* A general threshold below the label's release: it is the limit for both. */
  { "release above the threshold",
    "[{\"name\":\"a\",\"release\":0.9}]",
    { 0 },
    .5f,
    { .5f, .6f, .4f },
    "xx.",
    "off" },
  { "hysteresis below nothing",
    "[\"a\"]",
    { .hysteresis = 1 },
    .5f,
    { .5f, 0, 0 },
    "xxx",
    "0-2 n=3 0.50 0.167" },
  { "min-on",
    "[\"a\"]",
    { .min_on = 2 },
    .5f,
    { .6f, .6f, .4f, .6f, .8f, .7f, .4f },
    ".....x.",
    "off" },
  { "min-on counts from the beginning",
    "[\"a\"]",
    { .min_on = 2 },
    .5f,
    { 0, .6f, .8f, .7f },
    "...x",
    "1-3 n=3 0.80 0.700" },
  /* Hysteresis begins when the label is on, not while it is waited for. */
  { "min-on and hysteresis",
    "[\"a\"]",
    { .hysteresis = .2f, .min_on = 2 },
    .5f,
    { .6f, .4f, .6f, .6f, .6f, .4f },
    "....xx",
    "2-5 n=4 0.60 0.550" },
  { "min-off", "[\"a\"]", { .min_off = 2 }, .5f, { .6f, .4f, .4f, .4f, .4f }, "xxx..", "off" },
  { "min-off, not over",
    "[\"a\"]",
    { .min_off = 3 },
    .5f,
    { .6f, .4f, .4f },
    "xxx",
    "0-0>1 n=1 0.60 0.600" },
  /* What was too low meanwhile counts for the mean once the label is back. */
  { "min-off, back",
    "[\"a\"]",
    { .min_off = 3 },
    .5f,
    { .5f, .25f, .25f, 1 },
    "xxxx",
    "0-3 n=4 1.00 0.500" },
  { "min-off begins again",
    "[\"a\"]",
    { .min_off = 2 },
    .5f,
    { .5f, 0, .5f, 0, 0 },
    "xxxxx",
    "0-2>3 n=3 0.50 0.333" },
  /* docs/elements.md's example, in half seconds, before its last result and after */
  { "example",
    "[\"a\"]",
    { .hysteresis = .2f, .min_on = 2, .min_off = 2 },
    .5f,
    { .6f, .4f, .6f, .7f, .8f, .4f, .2f, .4f, .2f, .1f },
    "....xxxxxx",
    "2-7>8 n=6 0.80 0.517" },
  { "example, over",
    "[\"a\"]",
    { .hysteresis = .2f, .min_on = 2, .min_off = 2 },
    .5f,
    { .6f, .4f, .6f, .7f, .8f, .4f, .2f, .4f, .2f, .1f, .1f },
    "....xxxxxx.",
    "off" },
  /* 0 .63 .86 .32 .12: with each step 1/e of the distance is left */
  { "smoothing", "[\"a\"]", { .smoothing = 1 }, .5f, { 0, 1, 1, 0, 0 }, ".xx..", "off" },
};

static void
test_cases (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (ClipLabels) labels = labels_of (cases[i].labels);
    g_autoptr (ClipSteady) steady = clip_steady_new ();
    g_autoptr (GString) on = g_string_new (NULL);
    clip_steady_set_labels (steady, labels);
    for (guint t = 0; cases[i].on[t]; t++) {
      clip_steady_step (steady, &cases[i].scores[t], cases[i].threshold, &cases[i].settings, t,
                        TRUE);
      g_string_append_c (on, clip_steady_get_spell (steady, 0) ? 'x' : '.');
    }
    g_autofree char *last = describe (steady, 0);
    if (strcmp (on->str, cases[i].on) != 0 || strcmp (last, cases[i].last) != 0)
      g_error ("%s: found %s, %s, expected %s, %s", cases[i].name, on->str, last, cases[i].on,
               cases[i].last);
  }
}

/* ---------------------------------------------------------------------------------------------------- smoothing */

static const ClipSteadiness one_second = { .smoothing = 1000 };

/* The same steps of a score, seen at other times: the smoothed score is the same. */
static void
test_rate (void)
{
  static const guint intervals[] = { 1, 5, 40, 100, 500 };
  g_autoptr (ClipLabels) labels = labels_of ("[\"a\"]");
  for (guint i = 0; i < G_N_ELEMENTS (intervals); i++) {
    g_autoptr (ClipSteady) steady = clip_steady_new ();
    clip_steady_set_labels (steady, labels);
    for (guint t = 0; t <= 2000; t += intervals[i]) {
      const float score = t == 0 ? .2f : t <= 1000 ? .9f : .1f;
      clip_steady_step (steady, &score, .5f, &one_second, t, TRUE);
    }
    const double middle = .9 + (.2 - .9) * exp (-1), expected = .1 + (middle - .1) * exp (-1);
    /* 2000 steps, each rounded to 2^-24 of the score and then shrinking: far below 1e-5 */
    g_assert_cmpfloat_with_epsilon (clip_steady_get_score (steady, 0), expected, 1e-5);
  }
}

/* Without smoothing scores are, to the bit, those that came in. */
static void
test_exact (void)
{
  static const ClipSteadiness none = { 0 };
  g_autoptr (ClipLabels) labels = labels_of ("[\"a\"]");
  g_autoptr (ClipSteady) steady = clip_steady_new ();
  clip_steady_set_labels (steady, labels);
  for (guint t = 0; t < 1000; t++) {
    const float score = g_random_double ();
    const guint64 time = t % 7 ? t * 3 % 11 : CLIP_NO_TIME;
    clip_steady_step (steady, &score, .5f, &none, time, t % 3 != 0);
    const float found = clip_steady_get_score (steady, 0);
    g_assert_cmpmem (&found, sizeof found, &score, sizeof score);
    g_assert_cmpint (clip_steady_get_spell (steady, 0) != NULL, ==, score >= .5f);
  }
}

/* Frames without a time: each stands alone. */
static void
test_no_time (void)
{
  static const ClipSteadiness all = { .smoothing = 1000, .min_on = 1000, .min_off = 1000 };
  static const float scores[] = { .2f, .6f, .4f, .9f };
  g_autoptr (ClipLabels) labels = labels_of ("[\"a\"]");
  g_autoptr (ClipSteady) steady = clip_steady_new ();
  clip_steady_set_labels (steady, labels);
  for (guint t = 0; t < G_N_ELEMENTS (scores); t++) {
    clip_steady_step (steady, &scores[t], .5f, &all, CLIP_NO_TIME, TRUE);
    g_assert_cmpfloat (clip_steady_get_score (steady, 0), ==, scores[t]);
    g_assert_cmpint (clip_steady_get_spell (steady, 0) != NULL, ==, scores[t] >= .5f);
  }
}

static void
test_backwards (void)
{
  g_autoptr (ClipLabels) labels = labels_of ("[\"a\"]");
  g_autoptr (ClipSteady) steady = clip_steady_new ();
  const float first = .5f, second = 1;
  clip_steady_set_labels (steady, labels);
  clip_steady_step (steady, &first, .5f, &one_second, 5000, TRUE);
  clip_steady_step (steady, &second, .5f, &one_second, 3000, TRUE);
  g_assert_cmpfloat (clip_steady_get_score (steady, 0), ==, .5f);
}

/* ------------------------------------------------------------------------------------------- what changes meanwhile */

static void
expect (const ClipSteady *steady, guint index, const char *expected)
{
  g_autofree char *found = describe (steady, index);
  g_assert_cmpstr (found, ==, expected);
}

static void
test_forget (void)
{
  static const ClipSteadiness settings = { .smoothing = 1000, .min_on = 100 };
  g_autoptr (ClipLabels) labels = labels_of ("[\"a\"]");
  g_autoptr (ClipSteady) steady = clip_steady_new ();
  const float high = 1, low = .6f;
  clip_steady_set_labels (steady, labels);
  clip_steady_step (steady, &high, .5f, &settings, 0, TRUE);
  clip_steady_step (steady, &high, .5f, &settings, 100, TRUE);
  expect (steady, 0, "0-100 n=2 1.00 1.000");
  clip_steady_forget (steady);
  expect (steady, 0, "off");
  clip_steady_step (steady, &low, .5f, &settings, 150, TRUE);
  expect (steady, 0, "off"); /* min-on begins again */
  g_assert_cmpfloat (clip_steady_get_score (steady, 0), ==, low);
}

/* The result that is there already, under another threshold: no time passes, nothing is counted twice. */
static void
test_held (void)
{
  static const ClipSteadiness settings = { .smoothing = 1000, .min_off = 10 };
  g_autoptr (ClipLabels) labels = labels_of ("[\"a\"]");
  g_autoptr (ClipSteady) steady = clip_steady_new ();
  const float score = .5f;
  clip_steady_set_labels (steady, labels);
  clip_steady_step (steady, &score, .6f, &settings, 0, TRUE);
  expect (steady, 0, "off");
  for (int i = 0; i < 3; i++)
    clip_steady_step (steady, &score, .5f, &settings, 0, FALSE);
  expect (steady, 0, "0-0 n=1 0.50 0.500");
  clip_steady_step (steady, &score, .6f, &settings, 0, FALSE);
  expect (steady, 0, "0-0>0 n=1 0.50 0.500");
  clip_steady_step (steady, &score, .5f, &settings, 0, FALSE);
  expect (steady, 0, "0-0 n=1 0.50 0.500");
}

static void
test_labels_change (void)
{
  static const ClipSteadiness settings = { .smoothing = 1000, .hysteresis = .4f };
  g_autoptr (ClipLabels) first = labels_of ("[\"a\", \"b\", \"c\"]");
  g_autoptr (ClipLabels) second = labels_of (
      "[\"d\", {\"name\": \"c\", \"threshold\": 0.9}, {\"name\": \"b\", \"background\": true}]");
  g_autoptr (ClipSteady) steady = clip_steady_new ();
  static const float before[] = { .5f, .5f, .75f }, after[] = { .25f, .25f, .25f };
  ClipScore top[3];
  clip_steady_set_labels (steady, first);
  clip_steady_step (steady, before, .5f, &settings, 0, TRUE);
  g_assert_cmpuint (clip_steady_top (steady, top, 0), ==, 3);
  g_assert_cmpuint (top[0].label, ==, 2);
  g_assert_cmpuint (top[1].label, ==, 0);
  g_assert_cmpuint (top[2].label, ==, 1);
  g_assert_cmpuint (clip_steady_top (steady, top, 2), ==, 2);

  clip_steady_set_labels (steady, second);
  clip_steady_step (steady, after, .5f, &settings, 0, FALSE);
  expect (steady, 0, "off");
  expect (steady, 1, "0-0 n=1 0.75 0.750"); /* on, above .9 - .4, with its score */
  expect (steady, 2, "off");
  g_assert_cmpfloat (clip_steady_get_score (steady, 0), ==, .25f);
  g_assert_cmpfloat (clip_steady_get_score (steady, 1), ==, .75f);
  g_assert_cmpuint (clip_steady_top (steady, top, 0), ==, 1);
  clip_steady_set_labels (steady, NULL);
  g_assert_cmpuint (clip_steady_top (steady, top, 0), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/steady/cases", test_cases);
  g_test_add_func ("/steady/rate", test_rate);
  g_test_add_func ("/steady/exact", test_exact);
  g_test_add_func ("/steady/no-time", test_no_time);
  g_test_add_func ("/steady/backwards", test_backwards);
  g_test_add_func ("/steady/forget", test_forget);
  g_test_add_func ("/steady/held", test_held);
  g_test_add_func ("/steady/labels-change", test_labels_change);
  return g_test_run ();
}
