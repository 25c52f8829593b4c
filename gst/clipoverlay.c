/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-clipoverlay
 * @title: clipoverlay
 * @short_description: draws the labels of video frames
 *
 * clipoverlay shows what clipclassify attached to a frame: labels, with bars for their scores, and the
 * boxes of detections. It draws into the frame, or, where the sink lays pictures over video by itself,
 * gives them to the sink.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! clipclassify labels="a person;an empty room" threshold=0 ! clipoverlay ! videoconvert ! autovideosink
 * ]| Shows a camera's picture with labels.
 *
 * Since: 0.1
 */
/*
 * frame → scene; another scene than before → pictures (draw.c); pictures → onto the frame, or beside
 * it as GstVideoOverlayCompositionMeta.
 *
 * All of it happens in the streaming thread; properties are under the object lock.
 */
#include "gst/clipoverlay.h"

#include "gst/blend.h"
#include "gst/enums.h"
#include "gst/frame.h"
#include "gst/overlay-settings.h"

GST_DEBUG_CATEGORY_STATIC (gst_clip_overlay_debug);
#define GST_CAT_DEFAULT gst_clip_overlay_debug

#define COMPOSITION GST_CAPS_FEATURE_META_GST_VIDEO_OVERLAY_COMPOSITION

enum { PROP_STATS = CLIP_N_OVERLAY_SETTINGS };

struct _GstClipOverlay {
  GstBaseTransform parent;

  /* under the object lock */
  ClipOverlaySettings settings;
  gboolean changed; /* settings, since the last drawing */
  guint64 frames, renders;

  /* of the streaming thread */
  ClipDraw *draw;
  GstVideoInfo format;
  gboolean attach;                         /* the sink lays pictures over the video */
  gboolean ask;                            /* it first, whether it really does */
  ClipScene *scene;                        /* the last one; NULL: draw in any case */
  GstVideoOverlayComposition *composition; /* it, drawn; NULL: nothing to see */
};

G_DEFINE_TYPE (GstClipOverlay, gst_clip_overlay, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (clipoverlay, "clipoverlay", GST_RANK_NONE, GST_TYPE_CLIP_OVERLAY)

/* ----------------------------------------------------------------------------------------------------------- one frame */

static void
forget (GstClipOverlay *self)
{
  g_clear_pointer (&self->scene, clip_scene_free);
  g_clear_pointer (&self->composition, gst_video_overlay_composition_unref);
}

/* Draws what is to be seen on @buffer, unless it was drawn already. */
static void
update (GstClipOverlay *self, GstBuffer *buffer)
{
  GST_OBJECT_LOCK (self);
  g_autoptr (ClipScene) scene =
      clip_scene_read (buffer, &self->settings.scene, self->format.width, self->format.height);
  const gboolean same = self->scene && !self->changed && clip_scene_equal (scene, self->scene);
  ClipDrawStyle style = self->settings.style;
  g_autofree char *font = same ? NULL : g_strdup (style.font);
  style.font = font;
  self->changed = FALSE;
  self->frames++;
  self->renders += !same;
  GST_OBJECT_UNLOCK (self);
  if (same)
    return;
  forget (self);
  self->composition = clip_draw_scene (self->draw, &style, scene, &self->format);
  self->scene = g_steal_pointer (&scene);
}

/* Our pictures over what upstream has for the sink to lay over the video. */
static void
attach (GstClipOverlay *self, GstBuffer *buffer)
{
  GstVideoOverlayCompositionMeta *theirs = gst_buffer_get_video_overlay_composition_meta (buffer);
  GstVideoOverlayComposition *ours = self->composition;
  if (!theirs) {
    gst_buffer_add_video_overlay_composition_meta (buffer, ours);
    return;
  }
  GstVideoOverlayComposition *both = gst_video_overlay_composition_copy (theirs->overlay);
  for (guint i = 0; i < gst_video_overlay_composition_n_rectangles (ours); i++)
    gst_video_overlay_composition_add_rectangle (
        both, gst_video_overlay_composition_get_rectangle (ours, i));
  gst_buffer_remove_video_overlay_composition_meta (buffer, theirs);
  gst_buffer_add_video_overlay_composition_meta (buffer, both);
  gst_video_overlay_composition_unref (both);
}

static gboolean
draw (GstClipOverlay *self, GstBuffer *buffer)
{
  const GstMapFlags flags = GST_MAP_READWRITE | GST_VIDEO_FRAME_MAP_FLAG_NO_REF;
  GstVideoOverlayCompositionMeta *theirs = gst_buffer_get_video_overlay_composition_meta (buffer);
  GstVideoFrame frame;
  if (!gst_video_frame_map (&frame, &self->format, buffer, flags))
    return FALSE;
  if (theirs)
    gst_video_overlay_composition_blend (theirs->overlay, &frame);
  if (self->composition)
    clip_blend (&frame, self->composition);
  gst_video_frame_unmap (&frame);
  if (theirs)
    gst_buffer_remove_video_overlay_composition_meta (buffer, theirs);
  return TRUE;
}

/* A sink that takes such caps says with its buffers whether it lays pictures over them. It can be asked when it has the
 * caps, that is, with the first frame. */
static void
ask_sink (GstClipOverlay *self)
{
  GstPad *pad = GST_BASE_TRANSFORM_SRC_PAD (self);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  GstQuery *query = gst_query_new_allocation (caps, FALSE);
  self->attach =
      gst_pad_peer_query (pad, query) &&
      gst_query_find_allocation_meta (query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  self->ask = FALSE;
  gst_query_unref (query);
  GST_INFO_OBJECT (self, "the sink %s", self->attach ? "lays over" : "does not lay over");
}

static GstFlowReturn
gst_clip_overlay_transform_ip (GstBaseTransform *base, GstBuffer *buffer)
{
  GstClipOverlay *self = GST_CLIP_OVERLAY (base);
  if (self->ask)
    ask_sink (self);
  update (self, buffer);
  if (self->attach) {
    if (self->composition)
      attach (self, buffer);
    return GST_FLOW_OK;
  }
  if (!self->composition && !gst_buffer_get_video_overlay_composition_meta (buffer))
    return GST_FLOW_OK;
  if (draw (self, buffer))
    return GST_FLOW_OK;
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
                     ("A frame is not what its caps say: %s %d×%d.",
                      GST_VIDEO_INFO_NAME (&self->format), self->format.width, self->format.height),
                     ("buffer of %" G_GSIZE_FORMAT " bytes", gst_buffer_get_size (buffer)));
  return GST_FLOW_ERROR;
}

static void
gst_clip_overlay_before_transform (GstBaseTransform *base, GstBuffer *buffer)
{
  const GstClockTime time =
      base->segment.format == GST_FORMAT_TIME
          ? gst_segment_to_stream_time (&base->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer))
          : GST_CLOCK_TIME_NONE;
  if (GST_CLOCK_TIME_IS_VALID (time))
    gst_object_sync_values (GST_OBJECT (base), time);
}

/* -------------------------------------------------------------------------------------------------------------- format */

/* Whatever else the features may tell of pictures beside the frame. */
static gboolean
is_system_memory (const GstCapsFeatures *features)
{
  const guint known = gst_caps_features_contains (features, GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY) +
                      gst_caps_features_contains (features, COMPOSITION);
  return gst_caps_features_get_size (features) == known;
}

static void
append (GstCaps *caps, const GstStructure *structure, const GstCapsFeatures *features,
        gboolean composition)
{
  GstCapsFeatures *copy = gst_caps_features_copy (features);
  if (!composition)
    gst_caps_features_remove (copy, COMPOSITION);
  else if (!gst_caps_features_contains (copy, COMPOSITION))
    gst_caps_features_add (copy, COMPOSITION);
  gst_caps_append_structure_full (caps, gst_structure_copy (structure), copy);
}

/* Pictures beside the frame (caps with the feature) are possible with any memory; drawing into it only where the
 * processor can. Whether upstream has pictures of its own does not matter. */
static GstCaps *
gst_clip_overlay_transform_caps (GstBaseTransform *base, GstPadDirection direction, GstCaps *caps,
                                 GstCaps *filter)
{
  static GstStaticCaps drawable =
      GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (GST_VIDEO_OVERLAY_COMPOSITION_BLEND_FORMATS));
  GstCaps *result = gst_caps_new_empty (), *plain = gst_caps_new_empty ();
  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    const GstStructure *structure = gst_caps_get_structure (caps, i);
    const GstCapsFeatures *features = gst_caps_get_features (caps, i);
    if (gst_caps_features_is_any (features)) {
      gst_caps_append_structure_full (result, gst_structure_copy (structure),
                                      gst_caps_features_copy (features));
      continue;
    }
    const gboolean attached = gst_caps_features_contains (features, COMPOSITION);
    if (direction == GST_PAD_SINK || attached) {
      append (result, structure, features, TRUE);
      if (direction == GST_PAD_SRC)
        append (result, structure, features, FALSE);
    } else if (is_system_memory (features))
      append (result, structure, features, TRUE);
    if (is_system_memory (features) && (direction == GST_PAD_SINK || !attached))
      append (plain, structure, features, FALSE);
  }
  g_autoptr (GstCaps) all = gst_static_caps_get (&drawable);
  g_autoptr (GstCaps) drawn = gst_caps_intersect_full (plain, all, GST_CAPS_INTERSECT_FIRST);
  gst_caps_append (result, g_steal_pointer (&drawn));
  gst_caps_unref (plain);
  if (!filter)
    return result;
  GstCaps *filtered = gst_caps_intersect_full (filter, result, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (result);
  return filtered;
}

/* Whether what follows names the feature. Whatever takes any caps takes it, too, and does nothing with it. */
static gboolean
is_wanted (GstClipOverlay *self)
{
  g_autoptr (GstCaps) caps = gst_pad_peer_query_caps (GST_BASE_TRANSFORM_SRC_PAD (self), NULL);
  for (guint i = 0; i < gst_caps_get_size (caps); i++) {
    const GstCapsFeatures *features = gst_caps_get_features (caps, i);
    if (!gst_caps_features_is_any (features) && gst_caps_features_contains (features, COMPOSITION))
      return TRUE;
  }
  return FALSE;
}

static GstCaps *
pick (GstCaps *caps, gboolean composition)
{
  for (guint i = 0; i < gst_caps_get_size (caps); i++)
    if (gst_caps_features_contains (gst_caps_get_features (caps, i), COMPOSITION) == composition)
      return gst_caps_fixate (gst_caps_copy_nth (caps, i));
  return NULL;
}

static GstCaps *
gst_clip_overlay_fixate_caps (GstBaseTransform *base, GstPadDirection direction, GstCaps *caps,
                              GstCaps *others)
{
  GstClipOverlay *self = GST_CLIP_OVERLAY (base);
  g_autoptr (GstCaps) beside = pick (others, TRUE), drawn = pick (others, FALSE);
  if (!beside && !drawn)
    return gst_caps_fixate (others);
  gst_caps_unref (others);
  if (beside && direction == GST_PAD_SINK && (!drawn || is_wanted (self)))
    return g_steal_pointer (&beside);
  return drawn ? g_steal_pointer (&drawn) : g_steal_pointer (&beside);
}

static gboolean
gst_clip_overlay_set_caps (GstBaseTransform *base, GstCaps *incaps, GstCaps *outcaps)
{
  GstClipOverlay *self = GST_CLIP_OVERLAY (base);
  if (!gst_video_info_from_caps (&self->format, incaps))
    return FALSE;
  const GstCapsFeatures *features = gst_caps_get_features (outcaps, 0);
  self->attach = gst_caps_features_contains (features, COMPOSITION);
  self->ask = self->attach && is_system_memory (features);
  forget (self);
  return TRUE;
}

/* Buffers go on as they are, so downstream says which metas they may have; pictures are taken over from upstream, too. */
static gboolean
gst_clip_overlay_propose_allocation (GstBaseTransform *base, GstQuery *decide, GstQuery *query)
{
  if (!GST_BASE_TRANSFORM_CLASS (gst_clip_overlay_parent_class)
           ->propose_allocation (base, decide, query))
    return FALSE;
  clip_frame_refuse_crop (query);
  if (!gst_query_find_allocation_meta (query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL))
    gst_query_add_allocation_meta (query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  return TRUE;
}

static gboolean
gst_clip_overlay_start (GstBaseTransform *base)
{
  GstClipOverlay *self = GST_CLIP_OVERLAY (base);
  self->draw = clip_draw_new ();
  GST_OBJECT_LOCK (self);
  self->frames = self->renders = 0;
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

static gboolean
gst_clip_overlay_stop (GstBaseTransform *base)
{
  GstClipOverlay *self = GST_CLIP_OVERLAY (base);
  forget (self);
  g_clear_pointer (&self->draw, clip_draw_free);
  return TRUE;
}

/* ---------------------------------------------------------------------------------------------------------- properties */

static void
gst_clip_overlay_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstClipOverlay *self = GST_CLIP_OVERLAY (object);
  GST_OBJECT_LOCK (self);
  if (!clip_overlay_settings_set (&self->settings, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  self->changed = TRUE;
  GST_OBJECT_UNLOCK (self);
}

static void
gst_clip_overlay_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstClipOverlay *self = GST_CLIP_OVERLAY (object);
  GST_OBJECT_LOCK (self);
  if (id == PROP_STATS)
    g_value_take_boxed (value, gst_structure_new ("clipoverlay-stats", "frames", G_TYPE_UINT64,
                                                  self->frames, "renders", G_TYPE_UINT64,
                                                  self->renders, NULL));
  else if (!clip_overlay_settings_get (&self->settings, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  GST_OBJECT_UNLOCK (self);
}

static void
gst_clip_overlay_finalize (GObject *object)
{
  GstClipOverlay *self = GST_CLIP_OVERLAY (object);
  clip_overlay_settings_clear (&self->settings);
  G_OBJECT_CLASS (gst_clip_overlay_parent_class)->finalize (object);
}

static void
gst_clip_overlay_init (GstClipOverlay *self)
{
  clip_overlay_settings_init (&self->settings, G_OBJECT (self));
}

static void
gst_clip_overlay_class_init (GstClipOverlayClass *class)
{
  static GstStaticCaps any = GST_STATIC_CAPS (
      GST_VIDEO_CAPS_MAKE (GST_VIDEO_OVERLAY_COMPOSITION_BLEND_FORMATS) ";" GST_VIDEO_CAPS_MAKE_WITH_FEATURES (
          "ANY", GST_VIDEO_FORMATS_ALL));
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GstElementClass *element_class = GST_ELEMENT_CLASS (class);
  GstBaseTransformClass *transform_class = GST_BASE_TRANSFORM_CLASS (class);
  GST_DEBUG_CATEGORY_INIT (gst_clip_overlay_debug, "clipoverlay", 0, "labels on video");

  object_class->set_property = gst_clip_overlay_set_property;
  object_class->get_property = gst_clip_overlay_get_property;
  object_class->finalize = gst_clip_overlay_finalize;
  clip_overlay_settings_install (object_class);
  /**
   * GstClipOverlay:stats:
   *
   * Counts since the element was started: "frames", and "renders", how often something was drawn
   * anew. Frames that look like the one before share its pictures.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics", "Counts of frames and of drawings",
                          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  gst_type_mark_as_plugin_api (GST_TYPE_CLIP_POSITION, 0);

  g_autoptr (GstCaps) caps = gst_static_caps_get (&any);
  gst_element_class_add_pad_template (
      element_class, gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps));
  gst_element_class_add_pad_template (
      element_class, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_element_class_set_static_metadata (
      element_class, "CLIP label overlay", "Filter/Effect/Video/Analyzer",
      "Draws labels, scores and boxes of detections on video", "the gst-clip authors");

  transform_class->start = gst_clip_overlay_start;
  transform_class->stop = gst_clip_overlay_stop;
  transform_class->transform_caps = gst_clip_overlay_transform_caps;
  transform_class->fixate_caps = gst_clip_overlay_fixate_caps;
  transform_class->set_caps = gst_clip_overlay_set_caps;
  transform_class->propose_allocation = gst_clip_overlay_propose_allocation;
  transform_class->before_transform = gst_clip_overlay_before_transform;
  transform_class->transform_ip = gst_clip_overlay_transform_ip;
}
