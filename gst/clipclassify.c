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
 * gst-launch-1.0 -m v4l2src ! videoconvert ! clipclassify labels="a person" background="an empty room;a chair" scoring=independent interval=5 ! videoconvert ! autovideosink
 * ]| Looks at every fifth frame of a camera for a person.
 *
 * Since: 0.1
 */
/*
 * frame → pixels [3, R, R] → feature [E] → labels → metas on the same buffer, every interval-th
 * frame; the frames between carry the last result on.
 *
 * Threads: all that belongs to inference is touched by the streaming thread only. What properties,
 * queries and the labels' worker share with it is under the object lock; of it the streaming thread
 * takes a snapshot per frame.
 */
#include "gst/clipclassify.h"

#include "gst/analytics.h"
#include "gst/enums.h"
#include "gst/inference.h"
#include "gst/latency.h"
#include "gst/message.h"
#include "gst/settings.h"

GST_DEBUG_CATEGORY_STATIC (gst_clip_classify_debug);
#define GST_CAT_DEFAULT gst_clip_classify_debug

#define MAX_SIZE 32768
/* In a live pipeline a frame is classified at least this often, however late frames are (a sink that
 * is late for reasons of its own must not end the labelling) and whatever was lost between. */
#define MAX_AGE GST_SECOND

enum { PROP_STATS = CLIP_N_SETTINGS, PROP_MODEL_INFO };

typedef struct {
  guint64 frames;     /* all but gaps */
  guint64 inferences; /* classified */
  guint64 held;       /* not classified because of the interval */
  guint64 skipped;    /* not classified because they were late */
} FrameCounts;

struct _GstClipClassify {
  GstBaseTransform parent;

  /* under the object lock */
  ClipSettings settings;
  gboolean spec_changed; /* since a classifier was asked for */
  ClipModel *model;      /* from start to stop, as the next two */
  ClipLabeller *labeller;
  ClipClassifier *classifier; /* NULL: no labels */
  FrameCounts counts;
  ClipLatency latency;
  gboolean live;
  GstClockTime earliest; /* running time from which on frames are not late, by the last QOS event */

  /* of the streaming thread */
  ClipInference inference;
  ClipResult result;
  guint since; /* frames since the last classified one */
  ClipSeen *seen;
};

G_DEFINE_TYPE (GstClipClassify, gst_clip_classify, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (clipclassify, "clipclassify", GST_RANK_NONE, GST_TYPE_CLIP_CLASSIFY)

/* ------------------------------------------------------------------------------------------------------- one frame */

typedef enum {
  CHOICE_CLASSIFY,
  CHOICE_HOLD, /* not its turn */
  CHOICE_SKIP, /* its turn, but late */
} Choice;

static void
forget (GstClipClassify *self)
{
  self->result.valid = FALSE;
  self->since = 0;
}

static GstClockTime
running_time_of (GstClipClassify *self, GstBuffer *buffer)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  if (segment->format != GST_FORMAT_TIME)
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_running_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
}

static GstClockTime
stream_time_of (GstClipClassify *self, GstBuffer *buffer)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;
  if (segment->format != GST_FORMAT_TIME)
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_stream_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
}

/* Whether the last result still tells something about @buffer. */
static gboolean
is_fresh (GstClipClassify *self, GstBuffer *buffer)
{
  const GstClockTime now = running_time_of (self, buffer), last = self->result.running_time;
  return self->result.valid && GST_CLOCK_TIME_IS_VALID (last) && GST_CLOCK_TIME_IS_VALID (now) &&
         now < last + MAX_AGE;
}

static gboolean
is_late (GstClipClassify *self, GstBuffer *buffer)
{
  const GstClockTime now = running_time_of (self, buffer);
  GST_OBJECT_LOCK (self);
  const gboolean late = self->live && GST_CLOCK_TIME_IS_VALID (self->earliest) &&
                        GST_CLOCK_TIME_IS_VALID (now) && now < self->earliest;
  GST_OBJECT_UNLOCK (self);
  return late && is_fresh (self, buffer);
}

/* A leaky queue marks whatever follows a dropped frame as a discontinuity. In a live pipeline this
 * means haste, and to classify each of these frames would defeat the interval. */
static gboolean
is_new_scene (GstClipClassify *self, GstBuffer *buffer)
{
  if (!GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT))
    return FALSE;
  GST_OBJECT_LOCK (self);
  const gboolean live = self->live;
  GST_OBJECT_UNLOCK (self);
  return !live || !is_fresh (self, buffer);
}

static Choice
choose (GstClipClassify *self, GstBuffer *buffer, guint interval)
{
  Choice choice = CHOICE_HOLD;
  if (!self->result.valid || self->since + 1 >= interval)
    choice = is_late (self, buffer) ? CHOICE_SKIP : CHOICE_CLASSIFY;
  self->since = choice == CHOICE_CLASSIFY ? 0 : self->since + 1;

  GST_OBJECT_LOCK (self);
  self->counts.frames++;
  self->counts.inferences += choice == CHOICE_CLASSIFY;
  self->counts.held += choice == CHOICE_HOLD;
  self->counts.skipped += choice == CHOICE_SKIP;
  GST_OBJECT_UNLOCK (self);
  return choice;
}

static void
account (GstClipClassify *self, GstClockTime took)
{
  GST_OBJECT_LOCK (self);
  const gboolean changed = clip_latency_add (&self->latency, took) && self->live;
  GST_OBJECT_UNLOCK (self);
  GST_LOG_OBJECT (self, "inference took %" GST_TIME_FORMAT, GST_TIME_ARGS (took));
  if (changed)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

static gboolean
classify (GstClipClassify *self, GstBuffer *buffer)
{
  const GstVideoInfo *format = &self->inference.format;
  const GstClockTime start = gst_util_get_timestamp ();
  ClipResult *result = &self->result;
  if (!clip_inference_run (&self->inference, result->feature, buffer)) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                       ("A frame is not what its caps say: %s %d×%d.", GST_VIDEO_INFO_NAME (format),
                        format->width, format->height),
                       ("buffer of %" G_GSIZE_FORMAT " bytes", gst_buffer_get_size (buffer)));
    return FALSE;
  }
  clip_result_update (result);
  result->pts = GST_BUFFER_PTS (buffer);
  result->running_time = running_time_of (self, buffer);
  result->stream_time = stream_time_of (self, buffer);
  result->utc = clip_message_reference_time (buffer);
  account (self, gst_util_get_timestamp () - start);
  return TRUE;
}

static void
attach (GstClipClassify *self, GstBuffer *buffer, gboolean held, gboolean embedding)
{
  const ClipResult *result = &self->result;
  g_autofree char *name = gst_object_get_name (GST_OBJECT (self));
  const ClipMeta meta = {
    .element = name,
    .model = clip_model_get_info (self->inference.model)->id,
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
announce (GstClipClassify *self)
{
  GST_OBJECT_LOCK (self);
  const gboolean live = self->live;
  GST_OBJECT_UNLOCK (self);
  GstMessage *message = clip_message_new (GST_ELEMENT (self), self->seen, &self->result, live);
  if (message)
    gst_element_post_message (GST_ELEMENT (self), message);
}

static GstFlowReturn
gst_clip_classify_transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstClipClassify *self = GST_CLIP_CLASSIFY (base);
  if (is_new_scene (self, buffer))
    forget (self);
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_GAP))
    return GST_FLOW_OK;

  GST_OBJECT_LOCK (self);
  const ClipReporting reporting = self->settings.reporting;
  const guint interval = self->settings.interval;
  const gboolean embedding = self->settings.embedding, messages = self->settings.messages;
  g_autoptr (ClipClassifier) classifier =
      self->classifier ? clip_classifier_ref (self->classifier) : NULL;
  GST_OBJECT_UNLOCK (self);

  const Choice choice = choose (self, buffer, interval);
  if (choice == CHOICE_CLASSIFY && !classify (self, buffer))
    return GST_FLOW_ERROR;
  clip_result_score (&self->result, classifier, &reporting);
  attach (self, buffer, choice != CHOICE_CLASSIFY, embedding);
  if (messages)
    announce (self);
  return GST_FLOW_OK;
}

static void
gst_clip_classify_before_transform (GstBaseTransform *base, GstBuffer *buffer)
{
  const GstClockTime time = stream_time_of (GST_CLIP_CLASSIFY (base), buffer);
  if (GST_CLOCK_TIME_IS_VALID (time))
    gst_object_sync_values (GST_OBJECT (base), time);
}

/* ---------------------------------------------------------------------------------------------------------- format */

static GstCaps *
template_caps (void)
{
  GValue formats = G_VALUE_INIT;
  g_value_init (&formats, GST_TYPE_LIST);
  for (const char *const *name = clip_preprocess_formats (); *name; name++) {
    GValue format = G_VALUE_INIT;
    g_value_init (&format, G_TYPE_STRING);
    g_value_set_static_string (&format, *name);
    gst_value_list_append_and_take_value (&formats, &format);
  }
  GstStructure *structure = gst_structure_new_empty ("video/x-raw");
  gst_structure_take_value (structure, "format", &formats);
  gst_structure_set (structure, "width", GST_TYPE_INT_RANGE, 1, MAX_SIZE, "height",
                     GST_TYPE_INT_RANGE, 1, MAX_SIZE, "framerate", GST_TYPE_FRACTION_RANGE, 0, 1,
                     G_MAXINT, 1, NULL);
  GstCaps *caps = gst_caps_new_empty ();
  gst_caps_append_structure (caps, structure);
  return caps;
}

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
  if (clip_inference_set_format (&self->inference, &format, order, &error))
    return TRUE;
  clip_message_post_error (GST_ELEMENT (self), GST_MESSAGE_ERROR, error);
  return FALSE;
}

/* Buffers go on downstream as they are, so only downstream can say which metas they may have.
 * Cropping is the one that would have to be understood here, too. */
static gboolean
gst_clip_classify_propose_allocation (GstBaseTransform *base, GstQuery *decide, GstQuery *query)
{
  guint crop;
  if (!GST_BASE_TRANSFORM_CLASS (gst_clip_classify_parent_class)
           ->propose_allocation (base, decide, query))
    return FALSE;
  if (gst_query_find_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, &crop))
    gst_query_remove_nth_allocation_meta (query, crop);
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
    forget (self);
    GST_OBJECT_LOCK (self);
    self->earliest = GST_CLOCK_TIME_NONE;
    GST_OBJECT_UNLOCK (self);
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

/* Frames arrive later by what an inference takes. That buffers nothing, so the maximum stays. */
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
      min += self->latency.reported;
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
  const ClipModelOptions options = { .precision = self->settings.precision, .config = config };
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
  if (!clip_label_spec_encode (spec, self->inference.session, NULL, NULL, classifier, error))
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
  GST_OBJECT_UNLOCK (self);
  clip_inference_init (&self->inference, model, threads);
  clip_result_init (&self->result, info->embed_dim);
  clip_message_post_warnings (GST_ELEMENT (self), info->source, info->warnings);
  if (!encode_labels (self, &classifier, error))
    return FALSE;
  if (classifier)
    clip_message_post_warnings (GST_ELEMENT (self), "labels",
                                clip_classifier_get_warnings (classifier));
  const GstClockTime latency = clip_inference_warm_up (&self->inference, self->result.feature);

  GST_OBJECT_LOCK (self);
  self->counts = (FrameCounts){ 0 };
  self->latency = (ClipLatency){ .reported = latency };
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
  GST_OBJECT_LOCK (self);
  ClipLabeller *labeller = g_steal_pointer (&self->labeller);
  ClipModel *model = g_steal_pointer (&self->model);
  GST_OBJECT_UNLOCK (self);
  g_clear_pointer (&labeller, clip_labeller_free); /* joins its thread, which takes the lock */
  g_clear_pointer (&model, clip_model_unref);

  g_clear_pointer (&self->classifier, clip_classifier_unref);
  clip_inference_clear (&self->inference);
  clip_result_clear (&self->result);
  g_hash_table_remove_all (self->seen);
  forget (self);
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

static GstStructure *
describe_stats (GstClipClassify *self)
{
  const FrameCounts *counts = &self->counts;
  return gst_structure_new ("clipclassify-stats", "frames", G_TYPE_UINT64, counts->frames,
                            "inferences", G_TYPE_UINT64, counts->inferences, "held", G_TYPE_UINT64,
                            counts->held, "skipped", G_TYPE_UINT64, counts->skipped, "last-latency",
                            G_TYPE_UINT64, clip_latency_last (&self->latency), "mean-latency",
                            G_TYPE_UINT64, clip_latency_mean (&self->latency), "p99-latency",
                            G_TYPE_UINT64, clip_latency_p99 (&self->latency), NULL);
}

static GstStructure *
describe_model (ClipModel *model)
{
  const ClipModelInfo *info = clip_model_get_info (model);
  g_autofree char *source = g_filename_display_name (info->source);
  return gst_structure_new (
      "clipclassify-model", "id", G_TYPE_STRING, info->id, "source", G_TYPE_STRING, source,
      "container", G_TYPE_STRING, info->container, "naming", G_TYPE_STRING, info->naming,
      "image-tower", G_TYPE_STRING, info->image.kind, "text-tower", G_TYPE_STRING, info->text.kind,
      "precision", G_TYPE_STRING, info->precision, "weights", G_TYPE_STRING, info->weights,
      "embedding-length", G_TYPE_INT, info->embed_dim, "image-size", G_TYPE_INT, info->image_size,
      "context-length", G_TYPE_INT, info->context_length, "logit-scale", G_TYPE_FLOAT,
      info->logit_scale, "parameters", G_TYPE_INT64, info->n_parameters, "mapped-bytes",
      G_TYPE_INT64, info->mapped_bytes, "heap-bytes", G_TYPE_INT64, info->heap_bytes, NULL);
}

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
    g_value_take_boxed (value, describe_stats (self));
  else if (id == PROP_MODEL_INFO)
    g_value_take_boxed (value, self->model ? describe_model (self->model) : NULL);
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
  /**
   * GstClipClassify:stats:
   *
   * #guint64 fields: "frames" seen, of which "inferences" were classified, "held" carried a result
   * on because of the interval and "skipped" did so because they were late; "last-latency",
   * "mean-latency" and "p99-latency" (of the last 256) of an inference in nanoseconds.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics", "Frame counts, and latencies in nanoseconds",
                          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  /**
   * GstClipClassify:model-info:
   *
   * Architecture, precision and size of the model that is loaded; NULL before.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      object_class, PROP_MODEL_INFO,
      g_param_spec_boxed ("model-info", "Model information",
                          "What the loaded model is (NULL in state READY and below)",
                          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_SCORING, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_PRECISION, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_YUV_ORDER, 0);

  g_autoptr (GstCaps) caps = template_caps ();
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
