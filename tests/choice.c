/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which frames the rules leave over: sequences of frames with what becomes of each, without a pipeline. */
#include "core/clip.h"
#include "gst/choice.h"

#include <string.h>

static const char letters[CLIP_N_VERDICTS + 1] = "chpsbu"; /* in the order of ClipVerdict */

/* Verdicts on @n frames, @step ms apart. */
static char *
verdicts_of (ClipChoice *choice, const ClipRules *rules, int n, double step, gboolean late)
{
  GString *found = g_string_new (NULL);
  for (int i = 0; i < n; i++) {
    const ClipCandidate frame = { .time = i * step * GST_MSECOND, .late = late };
    g_string_append_c (found, letters[clip_choice_make (choice, rules, &frame)]);
  }
  return g_string_free (found, FALSE);
}

static void
test_time_rules (void)
{
  static const struct {
    const char *name;
    ClipRules rules;
    double step; /* ms */
    gboolean late;
    const char *expected;
  } cases[] = {
    { "all", { .interval = 1 }, 40, FALSE, "cccccc" },
    { "interval 3", { .interval = 3 }, 40, FALSE, "chhchhchhc" },
    { "10 of 25 a second",
      { .interval = 1, .max_rate = { 10, 1 } },
      40,
      FALSE,
      "cppcpcppcpcppcpc" },
    { "25 of 25", { .interval = 1, .max_rate = { 25, 1 } }, 40, FALSE, "cccccccc" },
    { "50 of 25", { .interval = 1, .max_rate = { 50, 1 } }, 40, FALSE, "cccccccc" },
    { "one in 0.2 s", { .interval = 1, .max_rate = { 5, 1 } }, 40, FALSE, "cppppcppppc" },
    { "one a second, none early",
      { .interval = 1, .max_rate = { 1, 1 } },
      100,
      FALSE,
      "cpppppppppcpppppppppc" },
    { "one in 5 s", { .interval = 1, .max_rate = { 1, 5 } }, 2500, FALSE, "cpcpcp" },
    { "rounded times", { .interval = 1, .max_rate = { 30, 1 } }, 33, FALSE, "cccccccccccc" },
    { "interval, then rate", { .interval = 2, .max_rate = { 5, 1 } }, 40, FALSE, "chpppchpppc" },
    { "late", { .interval = 1 }, 400, TRUE, "csscss" }, /* once a second all the same */
    { "late and held", { .interval = 2 }, 400, TRUE, "chschs" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    ClipChoice choice = { 0 };
    g_autofree char *found = verdicts_of (&choice, &cases[i].rules, strlen (cases[i].expected),
                                          cases[i].step, cases[i].late);
    if (strcmp (found, cases[i].expected) != 0)
      g_error ("%s: expected %s, found %s", cases[i].name, cases[i].expected, found);
  }
}

/* However frames fall, in the long run there are no more than the limit, and no fewer than the frames allow. */
static void
test_rate_in_the_long_run (void)
{
  static const double steps[] = { 1, 7, 16.7, 33.4, 40, 41.7, 66.7, 90 }; /* ms */
  static const int rates[] = { 1, 3, 10, 24, 30 };
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    for (guint j = 0; j < G_N_ELEMENTS (rates); j++) {
      ClipChoice choice = { 0 };
      const ClipRules rules = { .interval = 1, .max_rate = { rates[j], 1 } };
      const int n = 60000 / steps[i];
      g_autofree char *found = verdicts_of (&choice, &rules, n, steps[i], FALSE);
      int chosen = 0;
      for (const char *c = found; *c; c++)
        chosen += *c == 'c';
      const double possible = MIN (60.0 * rates[j], n);
      if (chosen > possible + 1 || chosen < 0.8 * possible)
        g_error ("%d a second, frames each %g ms: %d in a minute, expected about %g", rates[j],
                 steps[i], chosen, possible);
    }
}

/* Another rule in the middle, time that goes back, frames without time. */
static void
test_rate_that_changes (void)
{
  ClipChoice choice = { 0 };
  ClipRules rules = { .interval = 1, .max_rate = { 1, 10 } };
  const ClipCandidate first = { .time = 100 * GST_SECOND }, second = { .time = 101 * GST_SECOND },
                      third = { .time = 102 * GST_SECOND }, early = { .time = GST_SECOND },
                      after = { .time = 2 * GST_SECOND }, none = { .time = GST_CLOCK_TIME_NONE };
  g_assert_cmpint (clip_choice_make (&choice, &rules, &first), ==, CLIP_VERDICT_CLASSIFY);
  g_assert_cmpint (clip_choice_make (&choice, &rules, &second), ==, CLIP_VERDICT_PACED);
  rules.max_rate.n = 10; /* one a second: what was due in 8 is so no more */
  g_assert_cmpint (clip_choice_make (&choice, &rules, &third), ==, CLIP_VERDICT_CLASSIFY);
  g_assert_cmpint (clip_choice_make (&choice, &rules, &early), ==, CLIP_VERDICT_CLASSIFY);
  rules.max_rate.n = 5;
  g_assert_cmpint (clip_choice_make (&choice, &rules, &after), ==, CLIP_VERDICT_CLASSIFY);
  g_assert_cmpint (clip_choice_make (&choice, &rules, &none), ==, CLIP_VERDICT_CLASSIFY);
  g_assert_cmpint (clip_choice_make (&choice, &rules, &none), ==, CLIP_VERDICT_CLASSIFY);
}

static void
test_reset (void)
{
  ClipChoice choice = { 0 };
  const ClipRules rules = { .interval = 100, .max_rate = { 1, 100 } };
  g_autofree char *found = verdicts_of (&choice, &rules, 3, 40, FALSE);
  g_assert_cmpstr (found, ==, "chh");
  clip_choice_reset (&choice);
  g_autofree char *again = verdicts_of (&choice, &rules, 3, 40, TRUE);
  g_assert_cmpstr (again, ==, "chh");
}

/* Frames come without end; each that is chosen takes @cost of processor time, known @delay later. */
static void
test_budget (void)
{
  static const struct {
    float budget;
    GstClockTime cost, delay;
  } cases[] = {
    { 0.5, 10 * GST_MSECOND, 0 },
    { 0.1, 30 * GST_MSECOND, 30 * GST_MSECOND },
    { 0.02, 5 * GST_MSECOND, 100 * GST_MSECOND },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    ClipChoice choice = { 0 };
    const ClipRules rules = { .interval = 1, .cpu_budget = cases[i].budget };
    const GstClockTime end = 60 * GST_SECOND;
    GstClockTime spent = 0, answer = GST_CLOCK_TIME_NONE;
    for (GstClockTime now = 0; now < end; now += GST_MSECOND) {
      if (now >= answer) {
        clip_choice_pay (&choice, &rules, cases[i].cost);
        answer = GST_CLOCK_TIME_NONE;
      }
      const ClipCandidate frame = { .time = now, .now = now };
      const ClipVerdict verdict = clip_choice_make (&choice, &rules, &frame);
      if (verdict != CLIP_VERDICT_CLASSIFY) {
        g_assert_cmpint (verdict, ==, CLIP_VERDICT_BUDGETED);
        continue;
      }
      g_assert_false (GST_CLOCK_TIME_IS_VALID (answer)); /* never two at once */
      spent += cases[i].cost;
      answer = now + cases[i].delay;
    }
    const double share = (double) spent / end / g_get_num_processors ();
    /* What is known late, and frames each ms, cost some of it; the first is not paid for yet. */
    if (share > cases[i].budget * 1.02 || share < cases[i].budget * 0.4)
      g_error ("budget %g, found %g", cases[i].budget, share);
  }
}

/* No budget: frames are chosen whether the last was paid for or not. */
static void
test_no_budget (void)
{
  for (int budget = 0; budget <= 1; budget++) {
    ClipChoice choice = { 0 };
    const ClipRules rules = { .interval = 1, .cpu_budget = budget };
    g_autofree char *found = verdicts_of (&choice, &rules, 3, 0, FALSE);
    g_assert_cmpstr (found, ==, "ccc");
    clip_choice_pay (&choice, &rules, GST_SECOND);
    g_autofree char *again = verdicts_of (&choice, &rules, 3, 0, FALSE);
    g_assert_cmpstr (again, ==, "ccc");
  }
}

/* -------------------------------------------------------------------------------------------------------- pictures */

/* A picture of @level, with a rectangle of @other. */
static GstBuffer *
picture (const GstVideoInfo *info, double level, double other, int x, int y, int width, int height)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, info->size, NULL);
  GstVideoFrame frame;
  g_assert_true (gst_video_frame_map (&frame, info, buffer, GST_MAP_WRITE));
  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (&frame); c++) {
    const int depth = GST_VIDEO_FRAME_COMP_DEPTH (&frame, c), max = (1 << depth) - 1;
    const gboolean flat = !GST_VIDEO_INFO_IS_RGB (info) && c > 0;
    for (int j = 0; j < GST_VIDEO_FRAME_COMP_HEIGHT (&frame, c); j++)
      for (int i = 0; i < GST_VIDEO_FRAME_COMP_WIDTH (&frame, c); i++) {
        const gboolean inside = i >= x && i < x + width && j >= y && j < y + height;
        const int value = (flat ? 0.5 : inside ? other : level) * max;
        guint8 *at = (guint8 *) GST_VIDEO_FRAME_COMP_DATA (&frame, c) +
                     j * GST_VIDEO_FRAME_COMP_STRIDE (&frame, c) +
                     i * GST_VIDEO_FRAME_COMP_PSTRIDE (&frame, c);
        if (depth > 8) {
          const int shifted = value << GST_VIDEO_FORMAT_INFO_SHIFT (info->finfo, c);
          at[0] = shifted & 0xff;
          at[1] = shifted >> 8;
        } else {
          at[0] = value;
        }
      }
  }
  gst_video_frame_unmap (&frame);
  return buffer;
}

/* In every format the same picture has the same grid, and it is its brightness. */
static void
test_grid (void)
{
  static const int sizes[][2] = { { 1, 1 }, { 7, 5 }, { 64, 36 }, { 641, 479 } };
  for (const char *const *name = clip_preprocess_formats (); *name; name++)
    for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
      GstVideoInfo info;
      ClipGrid grid;
      gst_video_info_set_format (&info, gst_video_format_from_string (*name), sizes[s][0],
                                 sizes[s][1]);
      g_autoptr (GstBuffer) buffer = picture (&info, 0.25, 0, 0, 0, 0, 0);
      g_assert_true (clip_grid_read (&grid, buffer, &info));
      for (int j = 0; j < CLIP_GRID_ROWS; j++)
        for (int i = 0; i < CLIP_GRID_COLUMNS; i++)
          if (ABS (grid.cells[j][i] - 0.25f) > 0.004f) /* 1/255 */
            g_error ("%s %d×%d: cell %d, %d is %g, expected 0.25", *name, sizes[s][0], sizes[s][1],
                     i, j, grid.cells[j][i]);
    }
}

static void
test_grid_of_no_frame (void)
{
  GstVideoInfo info;
  ClipGrid grid;
  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_I420, 64, 48);
  g_autoptr (GstBuffer) small = gst_buffer_new_allocate (NULL, 100, NULL);
  g_assert_false (clip_grid_read (&grid, small, &info));
}

static void
test_change (void)
{
  enum { WIDTH = 320, HEIGHT = 180 }; /* a cell is 20×20 */
  static const struct {
    const char *name;
    double level, other;
    int x, y, size;
    double expected; /* the largest change of a cell */
  } cases[] = {
    { "the same", 0.5, 0.5, 0, 0, 0, 0 },
    { "all brighter", 0.6, 0.6, 0, 0, 0, 0.1 },
    { "one cell, dark", 0.5, 0, 40, 60, 20, 0.5 },
    { "a quarter of a cell", 0.5, 1, 40, 60, 10, 0.125 },
    { "the last cell", 0.5, 1, 300, 160, 20, 0.5 },
  };
  GstVideoInfo info;
  ClipGrid before, after;
  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_NV12, WIDTH, HEIGHT);
  g_autoptr (GstBuffer) reference = picture (&info, 0.5, 0, 0, 0, 0, 0);
  g_assert_true (clip_grid_read (&before, reference, &info));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstBuffer) buffer = picture (&info, cases[i].level, cases[i].other, cases[i].x,
                                            cases[i].y, cases[i].size, cases[i].size);
    g_assert_true (clip_grid_read (&after, buffer, &info));
    const float found = clip_grid_change (&before, &after);
    if (ABS (found - cases[i].expected) > 0.03) /* 64 samples of 400 pixels */
      g_error ("%s: expected %g, found %g", cases[i].name, cases[i].expected, found);
  }
}

/* Frames of 100 ms and these levels, with a threshold of 0.1. */
static void
test_unchanged (void)
{
  static const struct {
    const char *name;
    GstClockTime max_staleness;
    const char *levels, *expected; /* tenths */
  } cases[] = {
    { "still", 0, "5555555", "cuuuuuu" },
    { "a step", 0, "5557777", "cuucuuu" },
    { "slowly: against the last classified", 0, "2223333444", "cuucuuucuu" },
    { "staleness", 300 * GST_MSECOND, "5555555", "cuucuuc" },
    { "there and back", 0, "5755", "cccu" },
  };
  GstVideoInfo info;
  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_GRAY8, 64, 36);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    ClipChoice choice = { 0 };
    const ClipRules rules = { .interval = 1,
                              .change_threshold = 0.09f,
                              .max_staleness = cases[i].max_staleness };
    g_autoptr (GString) found = g_string_new (NULL);
    for (const char *c = cases[i].levels; *c; c++) {
      g_autoptr (GstBuffer) buffer = picture (&info, (*c - '0') / 10.0, 0, 0, 0, 0, 0);
      const ClipCandidate frame = { .time = found->len * 100 * GST_MSECOND,
                                    .buffer = buffer,
                                    .format = &info };
      g_string_append_c (found, letters[clip_choice_make (&choice, &rules, &frame)]);
    }
    if (strcmp (found->str, cases[i].expected) != 0)
      g_error ("%s: expected %s, found %s", cases[i].name, cases[i].expected, found->str);
  }
}

/* The rule may be set at any time: the first frame then is classified, for there is nothing to compare with. */
static void
test_threshold_set_later (void)
{
  ClipChoice choice = { 0 };
  ClipRules rules = { .interval = 1 };
  GstVideoInfo info;
  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_GRAY8, 64, 36);
  g_autoptr (GstBuffer) buffer = picture (&info, 0.5, 0, 0, 0, 0, 0);
  const ClipCandidate frame = { .time = 0, .buffer = buffer, .format = &info };
  g_assert_cmpint (clip_choice_make (&choice, &rules, &frame), ==, CLIP_VERDICT_CLASSIFY);
  rules.change_threshold = 0.1f;
  g_assert_cmpint (clip_choice_make (&choice, &rules, &frame), ==, CLIP_VERDICT_CLASSIFY);
  g_assert_cmpint (clip_choice_make (&choice, &rules, &frame), ==, CLIP_VERDICT_UNCHANGED);
  rules.change_threshold = 0;
  g_assert_cmpint (clip_choice_make (&choice, &rules, &frame), ==, CLIP_VERDICT_CLASSIFY);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  g_test_add_func ("/choice/time-rules", test_time_rules);
  g_test_add_func ("/choice/rate-in-the-long-run", test_rate_in_the_long_run);
  g_test_add_func ("/choice/rate-that-changes", test_rate_that_changes);
  g_test_add_func ("/choice/reset", test_reset);
  g_test_add_func ("/choice/budget", test_budget);
  g_test_add_func ("/choice/no-budget", test_no_budget);
  g_test_add_func ("/choice/grid", test_grid);
  g_test_add_func ("/choice/grid-of-no-frame", test_grid_of_no_frame);
  g_test_add_func ("/choice/change", test_change);
  g_test_add_func ("/choice/unchanged", test_unchanged);
  g_test_add_func ("/choice/threshold-set-later", test_threshold_set_later);
  const int status = g_test_run ();
  gst_deinit ();
  return status;
}
