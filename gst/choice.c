/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * frame, frames before, rules → verdict: the first rule in the table that spares the frame, or none
 *
 * Rules that go by the video's time use its running time, so that what they choose of a recording
 * does not depend on the machine. cpu-budget cannot: a share of the processors is a share of real
 * time.
 */
#include "gst/choice.h"

#define ROUNDING (10 * GST_MSECOND) /* of timestamps: less than most frames last */

/* A frame is classified at least this often, however late frames are: a sink that is late for
 * reasons of its own must not end the labelling. */
#define FRESH GST_SECOND

const char *const clip_verdict_names[CLIP_N_VERDICTS] = {
  [CLIP_VERDICT_CLASSIFY] = "inferences", [CLIP_VERDICT_HELD] = "held",
  [CLIP_VERDICT_PACED] = "paced",         [CLIP_VERDICT_SKIPPED] = "skipped",
  [CLIP_VERDICT_BUDGETED] = "budgeted",   [CLIP_VERDICT_UNCHANGED] = "unchanged",
};

/* ----------------------------------------------------------------------------------------------------------- rules */

static gboolean
is_held (ClipChoice *choice, const ClipRules *rules, const ClipCandidate *frame)
{
  return choice->since + 1 < rules->interval;
}

/* The time between two frames. 0: no limit. */
static GstClockTime
period_of (const ClipRules *rules)
{
  if (rules->max_rate.n <= 0)
    return 0;
  return gst_util_uint64_scale_int (GST_SECOND, rules->max_rate.d, rules->max_rate.n);
}

static gboolean
is_paced (ClipChoice *choice, const ClipRules *rules, const ClipCandidate *frame)
{
  const GstClockTime period = period_of (rules);
  if (period == 0 || !GST_CLOCK_TIME_IS_VALID (frame->time) ||
      !GST_CLOCK_TIME_IS_VALID (choice->due))
    return FALSE;
  /* A frame that comes a little early, because timestamps are rounded, does not wait for the one
   * after it. What is due much later than a period from now was so before time went back. */
  return frame->time + MIN (period / 8, ROUNDING) < choice->due &&
         choice->due - frame->time < 2 * period;
}

static gboolean
is_skipped (ClipChoice *choice, const ClipRules *rules, const ClipCandidate *frame)
{
  return frame->late && clip_choice_is_fresh (choice, frame->time);
}

static gboolean
has_budget (const ClipRules *rules)
{
  return rules->cpu_budget > 0 && rules->cpu_budget < 1;
}

static gboolean
is_budgeted (ClipChoice *choice, const ClipRules *rules, const ClipCandidate *frame)
{
  return has_budget (rules) && (choice->unpaid || frame->now < choice->free_at);
}

static gboolean
is_stale (const ClipChoice *choice, const ClipRules *rules, const ClipCandidate *frame)
{
  return rules->max_staleness && GST_CLOCK_TIME_IS_VALID (choice->time) &&
         GST_CLOCK_TIME_IS_VALID (frame->time) &&
         frame->time >= choice->time + rules->max_staleness;
}

static gboolean
is_unchanged (ClipChoice *choice, const ClipRules *rules, const ClipCandidate *frame)
{
  if (rules->change_threshold <= 0 || !choice->has_grid || is_stale (choice, rules, frame))
    return FALSE;
  choice->has_candidate = clip_grid_read (&choice->candidate, frame->buffer, frame->format);
  return choice->has_candidate &&
         clip_grid_change (&choice->candidate, &choice->grid) < rules->change_threshold;
}

/* The one that has to look at pixels is the last. */
static gboolean (*const spares[CLIP_N_VERDICTS]) (ClipChoice *, const ClipRules *,
                                                  const ClipCandidate *) = {
  [CLIP_VERDICT_HELD] = is_held,           [CLIP_VERDICT_PACED] = is_paced,
  [CLIP_VERDICT_SKIPPED] = is_skipped,     [CLIP_VERDICT_BUDGETED] = is_budgeted,
  [CLIP_VERDICT_UNCHANGED] = is_unchanged,
};

/* ---------------------------------------------------------------------------------------------------------- choice */

/* By multiples of the period from the first frame on: 10 of 25 frames a second are 10, not the 8 of every third. */
static GstClockTime
next_due (const ClipChoice *choice, const ClipRules *rules, GstClockTime time)
{
  const GstClockTime period = period_of (rules);
  if (period == 0 || !GST_CLOCK_TIME_IS_VALID (time))
    return GST_CLOCK_TIME_NONE;
  const GstClockTime next = choice->due + period;
  const gboolean goes_on = choice->any && GST_CLOCK_TIME_IS_VALID (choice->due);
  return goes_on && next > time && next - time < 2 * period ? next : time + period;
}

static void
take (ClipChoice *choice, const ClipRules *rules, const ClipCandidate *frame)
{
  if (rules->change_threshold <= 0)
    choice->has_grid = FALSE;
  else if (choice->has_candidate ||
           clip_grid_read (&choice->candidate, frame->buffer, frame->format)) {
    choice->grid = choice->candidate;
    choice->has_grid = TRUE;
  }
  choice->due = next_due (choice, rules, frame->time);
  choice->any = TRUE;
  choice->since = 0;
  choice->time = frame->time;
  choice->started = frame->now;
  choice->unpaid = has_budget (rules);
}

ClipVerdict
clip_choice_make (ClipChoice *choice, const ClipRules *rules, const ClipCandidate *frame)
{
  choice->has_candidate = FALSE;
  for (int verdict = 1; choice->any && verdict < CLIP_N_VERDICTS; verdict++)
    if (spares[verdict](choice, rules, frame)) {
      choice->since++;
      return verdict;
    }
  take (choice, rules, frame);
  return CLIP_VERDICT_CLASSIFY;
}

void
clip_choice_pay (ClipChoice *choice, const ClipRules *rules, GstClockTime cost)
{
  choice->unpaid = FALSE;
  if (has_budget (rules))
    choice->free_at = MAX (choice->free_at, choice->started) +
                      cost / ((double) rules->cpu_budget * g_get_num_processors ());
}

void
clip_choice_reset (ClipChoice *choice)
{
  choice->any = choice->unpaid = choice->has_grid = FALSE;
}

static gboolean
is_comparable (const ClipChoice *choice, GstClockTime time)
{
  return choice->any && GST_CLOCK_TIME_IS_VALID (choice->time) && GST_CLOCK_TIME_IS_VALID (time);
}

gboolean
clip_choice_is_fresh (const ClipChoice *choice, GstClockTime time)
{
  return is_comparable (choice, time) && time < choice->time + FRESH;
}

gboolean
clip_choice_is_ahead (const ClipChoice *choice, GstClockTime time)
{
  return is_comparable (choice, time) && choice->time > time + FRESH;
}
