/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-clipclassify
 * @title: clipclassify
 * @short_description: labels video frames with CLIP, without training
 *
 * clipclassify compares each video frame with labels in plain words and attaches those that fit,
 * with a score each, as #GstMeta to the buffer. Pixels are left alone and never copied. When other
 * labels are seen than before, it posts an element message.
 *
 * What the metadata look like and how a program reads them is told in docs/elements.md and
 * gst/clipmeta.h.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 -m filesrc location=street.mp4 ! decodebin ! videoconvert ! clipclassify labels="a car;a person walking;an empty road" ! fakesink
 * ]| Prints a message whenever the label of the scene changes.
 * |[
 * gst-launch-1.0 -m v4l2src ! videoconvert ! clipclassify labels="a person" background="an empty room;a chair" scoring=independent max-rate=5/1 ! videoconvert ! autovideosink
 * ]| Looks for a person five times a second, while the camera's picture is shown without waiting.
 *
 * Since: 0.1
 */
/*
 * frame → ClipObserver, which chooses and classifies → labels → metas on the same buffer, those of
 * the last result where the frame has none of its own.
 *
 * Threads: the observer is touched by the streaming thread only. What properties, queries and the
 * labels' worker share with it is under the object lock; of it the streaming thread takes a
 * snapshot per frame.
 */
#include "gst/clipclassify.h"

#include "gst/analytics.h"
#include "gst/enums.h"
#include "gst/frame.h"
#include "gst/message.h"
#include "gst/observer.h"
#include "gst/settings.h"
#include "gst/stats.h"

GST_DEBUG_CATEGORY_STATIC (gst_clip_classify_debug);
#define GST_CAT_DEFAULT gst_clip_classify_debug

enum { PROP_STATS = CLIP_N_SETTINGS, PROP_MODEL_INFO };

struct _GstClipClassify {
  GstBaseTransform parent;

  /* under the object lock */
  ClipSettings settings;
  gboolean spec_changed; /* since a classifier was asked for */
  ClipModel *model;      /* from start to stop, as the next two */
  ClipLabeller *labeller;
  ClipClassifier *classifier; /* NULL: no labels */
  ClipStats stats;
  gboolean live;         /* the pipeline is */
  GstClockTime earliest; /* running time from which on frames are not late, by the last QOS event */

  /* of the streaming thread */
  ClipMode mode;
  gboolean asked; /* in mode auto: upstream, whether it is live */
  ClipObserver observer;
  ClipSeen *seen;
};

G_DEFINE_TYPE (GstClipClassify, gst_clip_classify, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (clipclassify, "clipclassify", GST_RANK_NONE, GST_TYPE_CLIP_CLASSIFY)

/* ------------------------------------------------------------------------------------------------------- one frame */

/* Of what may change meanwhile, a frame's own. */
typedef struct {
  ClipReporting reporting;
  ClipRules rules;
  GstClockTime max_age;
  gboolean embedding, messages;
  gboolean live;
  GstClockTime earliest;
  ClipClassifier *classifier;
} Snapshot;

static void
clear_snapshot (Snapshot *snapshot)
{
  g_clear_pointer (&snapshot->classifier, clip_classifier_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Snapshot, clear_snapshot)

static Snapshot
take_snapshot (GstClipClassify *self)
{
  GST_OBJECT_LOCK (self);
  const ClipSettings *settings = &self->settings;
  const Snapshot snapshot = {
    .reporting = settings->reporting,
    .rules = settings->rules,
    .max_age = settings->max_age,
    .embedding = settings->embedding,
    .messages = settings->messages,
    .live = self->live,
    .earliest = self->earliest,
    .classifier = self->classifier ? clip_classifier_ref (self->classifier) : NULL,
  };
  GST_OBJECT_UNLOCK (self);
  return snapshot;
}

/* LATENCY queries tell when they come by; the first frames may be here earlier. */
static void
ask_upstream (GstClipClassify *self)
{
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  gboolean live;
  self->asked = TRUE;
  if (!gst_pad_peer_query (GST_BASE_TRANSFORM_SINK_PAD (self), query))
    return;
  gst_query_parse_latency (query, &live, NULL, NULL);
  GST_DEBUG_OBJECT (self, "upstream is %s", live ? "live" : "not live");
  GST_OBJECT_LOCK (self);
  self->live = live;
  GST_OBJECT_UNLOCK (self);
}

/* A leaky queue marks whatever follows a dropped frame as a discontinuity. In a live pipeline this
 * means haste: to classify each of these frames would defeat the rules, and in live mode there would
 * be no result at all. (Nor of frames played backwards, each of which is one, too.) Where time went
 * back, rules and results that go by it would wait until it comes by again. */
static gboolean
is_new_scene (GstClipClassify *self, GstBuffer *buffer, const ClipTimes *times, gboolean live)
{
  const ClipChoice *choice = &self->observer.choice;
  if (clip_choice_is_ahead (choice, times->running_time))
    return TRUE;
  return GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT) &&
         (!live || !clip_choice_is_fresh (choice, times->running_time));
}

static gboolean
is_late (const Snapshot *snapshot, const ClipTimes *times)
{
  return snapshot->live && GST_CLOCK_TIME_IS_VALID (snapshot->earliest) &&
         GST_CLOCK_TIME_IS_VALID (times->running_time) && times->running_time < snapshot->earliest;
}

static void
account (GstClipClassify *self, const ClipObservation *observation, gboolean live)
{
  GST_OBJECT_LOCK (self);
  const gboolean changed = clip_stats_add (&self->stats, observation, live) && self->live;
  GST_OBJECT_UNLOCK (self);
  GST_LOG_OBJECT (self, "%s, waited for %" GST_TIME_FORMAT,
                  clip_verdict_names[observation->verdict], GST_TIME_ARGS (observation->waited));
  if (changed)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

static void
attach (GstClipClassify *self, GstBuffer *buffer, gboolean held, gboolean embedding)
{
  const ClipResult *result = &self->observer.result;
  g_autofree char *name = gst_object_get_name (GST_OBJECT (self));
  const ClipMeta meta = {
    .element = name,
    .model = clip_model_get_info (self->observer.inference.model)->id,
    .held = held,
    .pts = result->pts,
    .running_time = result->running_time,
    .stream_time = result->stream_time,
    .labels = result->labels,
    .n_labels = result->n_labels,
    .embedding_bytes = embedding ? result->embedding : NULL,
  };
  clip_meta_add (buffer, &meta);
  clip_analytics_add (buffer, &meta);
}

static void
attach_regions (GstClipClassify *self, GstBuffer *buffer, const Snapshot *snapshot, gboolean held)
{
  ClipObserver *observer = &self->observer;
  if (!snapshot->classifier && !snapshot->embedding)
    return; /* there is nothing to say of them */
  g_autofree char *name = gst_object_get_name (GST_OBJECT (self));
  const ClipFindingsContext context = {
    .element = name,
    .model = clip_model_get_info (observer->inference.model)->id,
    .held = held,
    .embedding = snapshot->embedding,
  };
  clip_findings_score (&observer->findings, snapshot->classifier, &snapshot->reporting);
  clip_findings_attach (&observer->findings, buffer, &observer->inference.format, &context);
}

static void
announce (GstClipClassify *self, gboolean live)
{
  GstMessage *message =
      clip_message_new (GST_ELEMENT (self), self->seen, &self->observer.result, live);
  if (message)
    gst_element_post_message (GST_ELEMENT (self), message);
}

/* At the end of the stream, and where the element stops before that: who was told of a label's beginning is told of its end. */
static void
announce_end (GstClipClassify *self)
{
  const ClipResult *result = &self->observer.result;
  const ClipTimes last = { result->pts, result->running_time, result->stream_time, result->utc };
  const ClipTimes end = clip_times_of_end (&GST_BASE_TRANSFORM (self)->segment, &last);
  GST_OBJECT_LOCK (self);
  const gboolean live = self->live, messages = self->settings.messages;
  GST_OBJECT_UNLOCK (self);
  GstMessage *message =
      messages ? clip_message_new_end (GST_ELEMENT (self), self->seen, &end, live) : NULL;
  if (message)
    gst_element_post_message (GST_ELEMENT (self), message);
}

static GstFlowReturn
refuse (GstClipClassify *self, GstBuffer *buffer)
{
  const GstVideoInfo *format = &self->observer.inference.format;
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                     ("A frame is not what its caps say: %s %d×%d.", GST_VIDEO_INFO_NAME (format),
                      format->width, format->height),
                     ("buffer of %" G_GSIZE_FORMAT " bytes", gst_buffer_get_size (buffer)));
  return GST_FLOW_ERROR;
}

static GstFlowReturn
gst_clip_classify_transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstClipClassify *self = GST_CLIP_CLASSIFY (base);
  ClipObserver *observer = &self->observer;
  ClipObservation observation;
  if (self->mode == CLIP_MODE_AUTO && !self->asked)
    ask_upstream (self);
  g_auto (Snapshot) snapshot = take_snapshot (self);
  const gboolean live =
      self->mode == CLIP_MODE_LIVE || (self->mode == CLIP_MODE_AUTO && snapshot.live);
  const ClipTimes times = clip_times_of (buffer, &base->segment);

  clip_observer_set_live (observer, live);
  if (is_new_scene (self, buffer, &times, live || snapshot.live))
    clip_observer_forget (observer);
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP))
    return GST_FLOW_OK;
  if (!clip_observer_look (observer, &observation, buffer, &times, &snapshot.rules,
                           is_late (&snapshot, &times)))
    return refuse (self, buffer);
  account (self, &observation, live);
  if (clip_observer_knows_regions (observer, times.running_time, snapshot.max_age))
    attach_regions (self, buffer, &snapshot, live);
  if (!clip_observer_knows (observer, times.running_time, snapshot.max_age))
    return GST_FLOW_OK;
  clip_result_score (&observer->result, snapshot.classifier, &snapshot.reporting);
  attach (self, buffer, live || observation.verdict != CLIP_VERDICT_CLASSIFY, snapshot.embedding);
  if (snapshot.messages)
    announce (self, snapshot.live);
  return GST_FLOW_OK;
}

static void
gst_clip_classify_before_transform (GstBaseTransform *base, GstBuffer *buffer)
{
  const GstClockTime time = clip_times_of (buffer, &base->segment).stream_time;
  if (GST_CLOCK_TIME_IS_VALID (time))
    gst_object_sync_values (GST_OBJECT (base), time);
}

/* ---------------------------------------------------------------------------------------------------------- format */

static gboolean
gst_clip_classify_set_caps (GstBaseTransform *base, GstCaps *incaps, GstCaps *outcaps)
{
  GstClipClassify *self = GST_CLIP_CLASSIFY (base);
  g_autoptr (GError) error = NULL;
  GstVideoInfo format;
  if (!gst_video_info_from_caps (&format, incaps))
    return FALSE;
  GST_OBJECT_LOCK (self);
  const ClipYuvOrder order = self->settings.yuv_order;
  GST_OBJECT_UNLOCK (self);
  if (clip_observer_set_format (&self->observer, &format, order, &error))
    return TRUE;
  clip_message_post_error (GST_ELEMENT (self), GST_MESSAGE_ERROR, error);
  return FALSE;
}

/* Buffers go on downstream as they are, so only downstream can say which metas they may have. */
static gboolean
gst_clip_classify_propose_allocation (GstBaseTransform *base, GstQuery *decide, GstQuery *query)
{
  if (!GST_BASE_TRANSFORM_CLASS (gst_clip_classify_parent_class)
           ->propose_allocation (base, decide, query))
    return FALSE;
  clip_frame_refuse_crop (query);
  return TRUE;
}

/* ---------------------------------------------------------------------------------------------- events and queries */

static gboolean
gst_clip_classify_sink_event (GstBaseTransform *base, GstEvent *event)
{
  GstClipClassify *self = GST_CLIP_CLASSIFY (base);
  switch (GST_EVENT_TYPE (event)) {
  case GST_EVENT_FLUSH_STOP:
  case GST_EVENT_SEGMENT:
    clip_observer_forget (&self->observer);
    GST_OBJECT_LOCK (self);
    self->earliest = GST_CLOCK_TIME_NONE;
    GST_OBJECT_UNLOCK (self);
    break;
  case GST_EVENT_EOS:
    announce_end (self);
    break;
  case GST_EVENT_STREAM_START: /* it may come from somewhere else than before */
    self->asked = FALSE;
    break;
  default:
    break;
  }
  return GST_BASE_TRANSFORM_CLASS (gst_clip_classify_parent_class)->sink_event (base, event);
}

/* The base class's own QoS would drop frames; here a late one is only not looked at. */
static gboolean
gst_clip_classify_src_event (GstBaseTransform *base, GstEvent *event)
{
  GstClipClassify *self = GST_CLIP_CLASSIFY (base);
  if (GST_EVENT_TYPE (event) == GST_EVENT_QOS) {
    GstClockTimeDiff lateness;
    GstClockTime time;
    gst_event_parse_qos (event, NULL, NULL, &lateness, &time);
    GST_OBJECT_LOCK (self);
    /* The next frame may be as late again: look twice as far ahead, as video decoders do. */
    if (!GST_CLOCK_TIME_IS_VALID (time) || lateness <= 0)
      self->earliest = GST_CLOCK_TIME_NONE;
    else
      self->earliest = time + 2 * lateness;
    GST_OBJECT_UNLOCK (self);
  }
  return GST_BASE_TRANSFORM_CLASS (gst_clip_classify_parent_class)->src_event (base, event);
}

/* Frames arrive later by what the chosen ones wait for: their inference, or being handed over. That
 * buffers nothing, so the maximum stays. */
static gboolean
gst_clip_classify_query (GstBaseTransform *base, GstPadDirection direction, GstQuery *query)
{
  GstClipClassify *self = GST_CLIP_CLASSIFY (base);
  if (!GST_BASE_TRANSFORM_CLASS (gst_clip_classify_parent_class)->query (base, direction, query))
    return FALSE;
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY && direction == GST_PAD_SRC) {
    gboolean live;
    GstClockTime min, max;
    gst_query_parse_latency (query, &live, &min, &max);
    GST_OBJECT_LOCK (self);
    self->live = live;
    if (live)
      min += clip_stats_get_latency (&self->stats, self->settings.mode != CLIP_MODE_INLINE);
    GST_OBJECT_UNLOCK (self);
    gst_query_set_latency (query, live, min, max);
  }
  return TRUE;
}

/* -------------------------------------------------------------------------------------------------- start and stop */

/* On the labels' worker. */
static void
labels_ready (ClipClassifier *classifier, const GError *error, gpointer data)
{
  GstClipClassify *self = data;
  g_autoptr (GError) no_labels = NULL;
  GST_OBJECT_LOCK (self);
  if (!classifier && !error && !self->settings.embedding)
    error = no_labels =
        g_error_new (CLIP_ERROR, CLIP_ERROR_LABELS, "no labels are left: those before stay in use");
  if (!error) {
    g_clear_pointer (&self->classifier, clip_classifier_unref);
    self->classifier = classifier ? clip_classifier_ref (classifier) : NULL;
  }
  GST_OBJECT_UNLOCK (self);
  if (error)
    clip_message_post_error (GST_ELEMENT (self), GST_MESSAGE_WARNING, error);
  else if (classifier)
    clip_message_post_warnings (GST_ELEMENT (self), "labels",
                                clip_classifier_get_warnings (classifier));
}

/* With the object lock. */
static void
request_labels (GstClipClassify *self)
{
  self->spec_changed = TRUE;
  if (!self->labeller)
    return;
  clip_labeller_request (self->labeller, &self->settings.spec);
  self->spec_changed = FALSE;
}

static ClipModel *
load_model (GstClipClassify *self, GError **error)
{
  GST_OBJECT_LOCK (self);
  g_autofree char *name = g_strdup (self->settings.model);
  g_autofree char *config = g_strdup (self->settings.model_config);
  g_autofree char *image_size = g_strdup (self->settings.image_size);
  const ClipModelOptions options = { self->settings.precision, config, image_size };
  GST_OBJECT_UNLOCK (self);
  return clip_model_load (name, &options, error);
}

static gboolean
encode_labels (GstClipClassify *self, ClipClassifier **classifier, GError **error)
{
  GST_OBJECT_LOCK (self);
  g_autoptr (ClipLabelSpec) spec = clip_label_spec_copy (&self->settings.spec);
  const gboolean needed = !self->settings.embedding;
  self->spec_changed = FALSE;
  GST_OBJECT_UNLOCK (self);
  if (!clip_label_spec_encode (spec, self->observer.inference.session, NULL, NULL, classifier,
                               error))
    return FALSE;
  if (*classifier || !needed)
    return TRUE;
  g_set_error_literal (error, CLIP_ERROR, CLIP_ERROR_LABELS,
                       "there is nothing to do: set labels or labels-file, or embedding=true");
  return FALSE;
}

static gboolean
prepare (GstClipClassify *self, ClipModel *model, GError **error)
{
  const ClipModelInfo *info = clip_model_get_info (model);
  g_autoptr (ClipClassifier) classifier = NULL;
  GST_OBJECT_LOCK (self);
  const guint threads = self->settings.threads;
  const ClipSubject subject = self->settings.regions;
  self->mode = self->settings.mode;
  GST_OBJECT_UNLOCK (self);
  clip_observer_init (&self->observer, model, threads);
  self->observer.subject = subject;
  clip_message_post_warnings (GST_ELEMENT (self), info->source, info->warnings);
  if (!encode_labels (self, &classifier, error))
    return FALSE;
  if (classifier)
    clip_message_post_warnings (GST_ELEMENT (self), "labels",
                                clip_classifier_get_warnings (classifier));
  const GstClockTime latency = clip_observer_warm_up (&self->observer);

  GST_OBJECT_LOCK (self);
  clip_stats_init (&self->stats, latency);
  self->live = FALSE;
  self->earliest = GST_CLOCK_TIME_NONE;
  self->classifier = g_steal_pointer (&classifier);
  self->model = clip_model_ref (model);
  self->labeller = clip_labeller_new (model, labels_ready, self);
  if (self->spec_changed)
    request_labels (self);
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static gboolean
gst_clip_classify_stop (GstBaseTransform *base)
{
  GstClipClassify *self = GST_CLIP_CLASSIFY (base);
  announce_end (self);
  GST_OBJECT_LOCK (self);
  ClipLabeller *labeller = g_steal_pointer (&self->labeller);
  ClipModel *model = g_steal_pointer (&self->model);
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&labeller, clip_labeller_free); /* joins its thread, which takes the lock */
  g_clear_pointer (&model, clip_model_unref);

  g_clear_pointer (&self->classifier, clip_classifier_unref);
  clip_observer_clear (&self->observer);
  g_hash_table_remove_all (self->seen);
  self->asked = FALSE;
  return TRUE;
}

static gboolean
gst_clip_classify_start (GstBaseTransform *base)
{
  GstClipClassify *self = GST_CLIP_CLASSIFY (base);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = load_model (self, &error);
  if (model && prepare (self, model, &error))
    return TRUE;
  clip_message_post_error (GST_ELEMENT (self), GST_MESSAGE_ERROR, error);
  gst_clip_classify_stop (base);
  return FALSE;
}

/* ------------------------------------------------------------------------------------------------------ properties */

static void
gst_clip_classify_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstClipClassify *self = GST_CLIP_CLASSIFY (object);
  GST_OBJECT_LOCK (self);
  if (!clip_settings_set (&self->settings, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  else if (clip_setting_is_of_labels (id)) /* the same string, too: the file may have changed */
    request_labels (self);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_clip_classify_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstClipClassify *self = GST_CLIP_CLASSIFY (object);
  GST_OBJECT_LOCK (self);
  if (id == PROP_STATS)
    g_value_take_boxed (value, clip_stats_describe (&self->stats));
  else if (id == PROP_MODEL_INFO)
    g_value_take_boxed (value, self->model ? clip_stats_describe_model (self->model) : NULL);
  else if (!clip_settings_get (&self->settings, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_clip_classify_finalize (GObject *object)
{
  GstClipClassify *self = GST_CLIP_CLASSIFY (object);
  clip_settings_clear (&self->settings);
  g_hash_table_unref (self->seen);
  G_OBJECT_CLASS (gst_clip_classify_parent_class)->finalize (object);
}

static void
gst_clip_classify_init (GstClipClassify *self)
{
  clip_settings_init (&self->settings, G_OBJECT (self));
  self->seen = clip_seen_new ();
  self->earliest = GST_CLOCK_TIME_NONE;
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
}

static void
gst_clip_classify_class_init (GstClipClassifyClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GstElementClass *element_class = GST_ELEMENT_CLASS (class);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS (class);
  GST_DEBUG_CATEGORY_INIT (gst_clip_classify_debug, "clipclassify", 0,
                           "zero-shot classification with CLIP");

  object_class->set_property = gst_clip_classify_set_property;
  object_class->get_property = gst_clip_classify_get_property;
  object_class->finalize = gst_clip_classify_finalize;
  clip_settings_install (object_class);
  clip_stats_install (object_class, PROP_STATS);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_MODE, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_REGIONS, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_SCORING, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_PRECISION, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_YUV_ORDER, 0);

  g_autoptr (GstCaps) caps = clip_frame_caps ();
  gst_element_class_add_pad_template (
      element_class, gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (
      element_class, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_element_class_set_static_metadata (
      element_class, "CLIP zero-shot classifier", "Filter/Analyzer/Video",
      "Attaches labels in plain words and embeddings to video frames", "the gst-clip authors");

  transform_class->start = gst_clip_classify_start;
  transform_class->stop = gst_clip_classify_stop;
  transform_class->set_caps = gst_clip_classify_set_caps;
  transform_class->propose_allocation = gst_clip_classify_propose_allocation;
  transform_class->sink_event = gst_clip_classify_sink_event;
  transform_class->src_event = gst_clip_classify_src_event;
  transform_class->query = gst_clip_classify_query;
  transform_class->before_transform = gst_clip_classify_before_transform;
  transform_class->transform_ip = gst_clip_classify_transform_ip;
  /* Metas are added to the buffer: never passthrough, which may hand over one that is shared. */
  transform_class->passthrough_on_same_caps = FALSE;
  transform_class->transform_ip_on_passthrough = FALSE;
}
