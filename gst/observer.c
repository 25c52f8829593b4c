/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inline: frame → pixels [3, R, R] → feature [E] → result, of this frame
 *         its regions → pixels [n, 3, R, R] → features [n, E], likewise
 * live:   frame → pixels [3, R, R] → stream … feature [E] → result, at a later frame
 *
 * Live, too, pixels are made here: it takes about a millisecond, and a reference to the buffer would
 * keep downstream from writing to it and a camera from having it back.
 */
#include "gst/observer.h"

void
clip_observer_init (ClipObserver *observer, ClipModel *model, int threads)
{
  *observer = (ClipObserver){ 0 };
  clip_inference_init (&observer->inference, model, threads);
  clip_result_init (&observer->result, clip_model_get_info (model)->embed_dim);
}

void
clip_observer_clear (ClipObserver *observer)
{
  g_clear_pointer (&observer->stream, clip_stream_free);
  clip_inference_clear (&observer->inference);
  clip_result_clear (&observer->result);
  clip_regions_clear (&observer->regions);
}

GstClockTime
clip_observer_warm_up (ClipObserver *observer)
{
  return clip_inference_warm_up (&observer->inference, observer->result.feature);
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
  observer->result.valid = FALSE;
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
  return clip_inference_set_format (&observer->inference, format, order, error);
}

/* A feature was written to the result. */
static void
learn (ClipObserver *observer, const ClipTimes *times, const ClipRules *rules, GstClockTime cost)
{
  ClipResult *result = &observer->result;
  clip_result_update (result);
  result->pts = times->pts;
  result->running_time = times->running_time;
  result->stream_time = times->stream_time;
  result->utc = times->utc;
  clip_choice_pay (&observer->choice, rules, cost);
}

static gboolean
classify_frame (ClipObserver *observer, GstBuffer *buffer, const ClipTimes *times,
                const ClipRules *rules)
{
  GstClockTime cost;
  if (!clip_inference_run (&observer->inference, observer->result.feature, &cost, buffer))
    return FALSE;
  learn (observer, times, rules, cost);
  return TRUE;
}

static gboolean
classify_regions (ClipObserver *observer, GstBuffer *buffer, const ClipRules *rules)
{
  GstClockTime cost;
  clip_regions_find (&observer->regions, buffer, &observer->inference.format);
  if (!clip_regions_classify (&observer->regions, &observer->inference, &cost, buffer))
    return FALSE;
  clip_choice_pay (&observer->choice, rules, cost);
  return TRUE;
}

static gboolean
classify (ClipObserver *observer, ClipObservation *observation, GstBuffer *buffer,
          const ClipTimes *times, const ClipRules *rules)
{
  const GstClockTime start = gst_util_get_timestamp ();
  const gboolean whole = observer->subject != CLIP_SUBJECT_DETECTIONS;
  if (whole && !classify_frame (observer, buffer, times, rules))
    return FALSE;
  if (observer->subject != CLIP_SUBJECT_FRAME && !classify_regions (observer, buffer, rules))
    return FALSE;
  observation->n_regions = observer->regions.n;
  observation->n_regions_skipped = observer->regions.n_skipped;
  observation->n_classified = whole || observation->n_regions > 0;
  observation->took = observation->waited = gst_util_get_timestamp () - start;
  return TRUE;
}

static gboolean
hand_over (ClipObserver *observer, ClipObservation *observation, GstBuffer *buffer,
           const ClipTimes *times)
{
  const GstClockTime start = gst_util_get_timestamp ();
  float *pixels = clip_stream_get_pixels (observer->stream);
  if (!clip_inference_read (&observer->inference, pixels, buffer))
    return FALSE;
  observer->n_dropped += clip_stream_put (observer->stream, times);
  observation->waited = gst_util_get_timestamp () - start;
  return TRUE;
}

/* Takes what became of frames that were handed over. */
static void
receive (ClipObserver *observer, ClipObservation *observation, const ClipRules *rules)
{
  ClipAnswer answer;
  if (!clip_stream_take (observer->stream, &answer, observer->result.feature))
    return;
  learn (observer, &answer.times, rules, answer.cost);
  observation->n_classified = answer.n;
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
  observer->regions.n = observer->regions.n_skipped = 0;
  if (observer->stream)
    receive (observer, observation, rules);
  observation->verdict = clip_choice_make (&observer->choice, rules, &candidate);
  if (observation->verdict == CLIP_VERDICT_CLASSIFY &&
      !(observer->stream ? hand_over (observer, observation, buffer, times)
                         : classify (observer, observation, buffer, times, rules)))
    return FALSE;
  observation->n_dropped = observer->n_dropped;
  observer->n_dropped = 0;
  return TRUE;
}

gboolean
clip_observer_knows (const ClipObserver *observer, GstClockTime time, GstClockTime max_age)
{
  const ClipResult *result = &observer->result;
  if (!result->valid)
    return FALSE;
  return max_age == 0 || !GST_CLOCK_TIME_IS_VALID (time) ||
         !GST_CLOCK_TIME_IS_VALID (result->running_time) || time <= result->running_time + max_age;
}
