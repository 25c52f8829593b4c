/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inline: frame, its regions → pixels [n, 3, R, R] → features [n, E] → result, findings, of this frame
 * live:   frame, its regions → pixels [n, 3, R, R] → stream … features [n, E] → the same, at a later one
 *
 * Live, too, pixels are made here: it takes about a millisecond, and a reference to the buffer would
 * keep downstream from writing to it and a camera from having it back.
 */
#include "gst/observer.h"

#include <string.h>

void
clip_observer_init (ClipObserver *observer, ClipModel *model, int threads)
{
  const int n_feature = clip_model_get_info (model)->embed_dim;
  *observer = (ClipObserver){ 0 };
  clip_inference_init (&observer->inference, model, threads);
  clip_shot_init (&observer->shot, model);
  clip_result_init (&observer->result, n_feature);
  clip_findings_init (&observer->findings, n_feature);
}

void
clip_observer_clear (ClipObserver *observer)
{
  g_clear_pointer (&observer->stream, clip_stream_free);
  clip_inference_clear (&observer->inference);
  clip_shot_clear (&observer->shot);
  clip_result_clear (&observer->result);
  clip_findings_clear (&observer->findings);
}

GstClockTime
clip_observer_warm_up (ClipObserver *observer)
{
  return clip_inference_warm_up (&observer->inference);
}

/* The next frame is chosen; those that were handed over and are not answered yet are given up. */
static void
start_anew (ClipObserver *observer)
{
  clip_choice_reset (&observer->choice);
  if (observer->stream)
    observer->n_dropped += clip_stream_cancel (observer->stream);
}

void
clip_observer_forget (ClipObserver *observer)
{
  observer->result.valid = observer->findings.valid = FALSE;
  start_anew (observer);
}

void
clip_observer_set_live (ClipObserver *observer, gboolean live)
{
  ClipInference *inference = &observer->inference;
  if (live == (observer->stream != NULL))
    return;
  clip_observer_forget (observer);
  if (live) {
    clip_inference_sleep (inference);
    observer->stream = clip_stream_new (inference->model, inference->threads);
  } else {
    g_clear_pointer (&observer->stream, clip_stream_free);
    clip_inference_wake (inference);
  }
}

gboolean
clip_observer_set_format (ClipObserver *observer, const GstVideoInfo *format, ClipYuvOrder order,
                          GError **error)
{
  start_anew (observer);
  observer->findings.valid = FALSE; /* their places were in frames of another size */
  return clip_inference_set_format (&observer->inference, format, order, error);
}

/* @shot has features. */
static void
learn (ClipObserver *observer, const ClipShot *shot, const ClipRules *rules, GstClockTime cost)
{
  ClipResult *result = &observer->result;
  if (shot->whole) {
    memcpy (result->feature, clip_shot_get_feature (shot), result->n * sizeof (float));
    clip_result_update (result);
    result->pts = shot->times.pts;
    result->running_time = shot->times.running_time;
    result->stream_time = shot->times.stream_time;
    result->utc = shot->times.utc;
  }
  if (observer->subject != CLIP_SUBJECT_FRAME)
    clip_findings_update (&observer->findings, shot);
  clip_choice_pay (&observer->choice, rules, cost);
}

static gboolean
classify (ClipObserver *observer, ClipObservation *observation, GstBuffer *buffer,
          const ClipTimes *times, const ClipRules *rules)
{
  const GstClockTime start = gst_util_get_timestamp ();
  ClipShot *shot = &observer->shot;
  if (!clip_shot_read (shot, &observer->inference, observer->subject, buffer, times))
    return FALSE;
  learn (observer, shot, rules, clip_shot_encode (shot, observer->inference.session));
  observation->n_regions = shot->regions.n;
  observation->n_regions_skipped = shot->regions.n_skipped;
  observation->n_classified = clip_shot_n (shot) > 0;
  observation->took = observation->waited = gst_util_get_timestamp () - start;
  return TRUE;
}

static gboolean
hand_over (ClipObserver *observer, ClipObservation *observation, GstBuffer *buffer,
           const ClipTimes *times)
{
  const GstClockTime start = gst_util_get_timestamp ();
  ClipShot *shot = clip_stream_get_shot (observer->stream);
  if (!clip_shot_read (shot, &observer->inference, observer->subject, buffer, times))
    return FALSE;
  observer->n_dropped += clip_stream_put (observer->stream);
  observation->waited = gst_util_get_timestamp () - start;
  return TRUE;
}

/* Takes what became of frames that were handed over. */
static void
receive (ClipObserver *observer, ClipObservation *observation, const ClipRules *rules)
{
  ClipAnswer answer;
  const ClipShot *shot = clip_stream_take (observer->stream, &answer);
  if (!shot)
    return;
  learn (observer, shot, rules, answer.cost);
  observation->n_classified = answer.n;
  observation->n_regions = answer.n_regions;
  observation->n_regions_skipped = answer.n_regions_skipped;
  observation->took = answer.took;
}

gboolean
clip_observer_look (ClipObserver *observer, ClipObservation *observation, GstBuffer *buffer,
                    const ClipTimes *times, const ClipRules *rules, gboolean late)
{
  const ClipCandidate candidate = {
    .time = times->running_time,
    .now = gst_util_get_timestamp (),
    .late = late,
    .buffer = buffer,
    .format = &observer->inference.format,
  };
  *observation = (ClipObservation){ 0 };
  if (observer->stream)
    receive (observer, observation, rules);
  else
    observer->findings.valid = FALSE;
  observation->verdict = clip_choice_make (&observer->choice, rules, &candidate);
  if (observation->verdict == CLIP_VERDICT_CLASSIFY &&
      !(observer->stream ? hand_over (observer, observation, buffer, times)
                         : classify (observer, observation, buffer, times, rules)))
    return FALSE;
  observation->n_dropped = observer->n_dropped;
  observer->n_dropped = 0;
  return TRUE;
}

/* Of something that is known since @since. */
static gboolean
is_young (GstClockTime since, GstClockTime time, GstClockTime max_age)
{
  return max_age == 0 || !GST_CLOCK_TIME_IS_VALID (time) || !GST_CLOCK_TIME_IS_VALID (since) ||
         time <= since + max_age;
}

gboolean
clip_observer_knows (const ClipObserver *observer, GstClockTime time, GstClockTime max_age)
{
  const ClipResult *result = &observer->result;
  return result->valid && is_young (result->running_time, time, max_age);
}

gboolean
clip_observer_knows_regions (const ClipObserver *observer, GstClockTime time, GstClockTime max_age)
{
  const ClipFindings *findings = &observer->findings;
  return findings->valid && is_young (findings->times.running_time, time, max_age);
}
