/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * setting → field of ClipSettings, a table: setting and getting go by the property's type, defaults are those of its
 * GParamSpec.
 */
#include "gst/settings.h"
#include "gst/enums.h"
#include "gst/fields.h"

#include <stddef.h>

static const gsize offsets[CLIP_N_SETTINGS] = {
  [CLIP_SETTING_MODEL] = offsetof (ClipSettings, model),
  [CLIP_SETTING_MODEL_CONFIG] = offsetof (ClipSettings, model_config),
  [CLIP_SETTING_IMAGE_SIZE] = offsetof (ClipSettings, image_size),
  [CLIP_SETTING_LABELS] = offsetof (ClipSettings, spec.labels),
  [CLIP_SETTING_LABELS_FILE] = offsetof (ClipSettings, spec.labels_file),
  [CLIP_SETTING_PROMPTS] = offsetof (ClipSettings, spec.prompts),
  [CLIP_SETTING_BACKGROUND] = offsetof (ClipSettings, spec.background),
  [CLIP_SETTING_SCORING] = offsetof (ClipSettings, reporting.scoring),
  [CLIP_SETTING_THRESHOLD] = offsetof (ClipSettings, reporting.threshold),
  [CLIP_SETTING_TOP_K] = offsetof (ClipSettings, reporting.top_k),
  [CLIP_SETTING_INTERVAL] = offsetof (ClipSettings, rules.interval),
  [CLIP_SETTING_EMBEDDING] = offsetof (ClipSettings, embedding),
  [CLIP_SETTING_MESSAGES] = offsetof (ClipSettings, messages),
  [CLIP_SETTING_THREADS] = offsetof (ClipSettings, threads),
  [CLIP_SETTING_PRECISION] = offsetof (ClipSettings, precision),
  [CLIP_SETTING_YUV_ORDER] = offsetof (ClipSettings, yuv_order),
  [CLIP_SETTING_MODE] = offsetof (ClipSettings, mode),
  [CLIP_SETTING_MAX_RATE] = offsetof (ClipSettings, rules.max_rate),
  [CLIP_SETTING_CHANGE_THRESHOLD] = offsetof (ClipSettings, rules.change_threshold),
  [CLIP_SETTING_MAX_STALENESS] = offsetof (ClipSettings, rules.max_staleness),
  [CLIP_SETTING_CPU_BUDGET] = offsetof (ClipSettings, rules.cpu_budget),
  [CLIP_SETTING_MAX_AGE] = offsetof (ClipSettings, max_age),
  [CLIP_SETTING_SMOOTHING] = offsetof (ClipSettings, reporting.steadiness.smoothing),
  [CLIP_SETTING_HYSTERESIS] = offsetof (ClipSettings, reporting.steadiness.hysteresis),
  [CLIP_SETTING_MIN_ON] = offsetof (ClipSettings, reporting.steadiness.min_on),
  [CLIP_SETTING_MIN_OFF] = offsetof (ClipSettings, reporting.steadiness.min_off),
  [CLIP_SETTING_REGIONS] = offsetof (ClipSettings, regions),
};

G_STATIC_ASSERT (sizeof (ClipScoring) == sizeof (int) && sizeof (ClipPrecision) == sizeof (int) &&
                 sizeof (ClipYuvOrder) == sizeof (int) && sizeof (ClipMode) == sizeof (int) &&
                 sizeof (ClipSubject) == sizeof (int));

gboolean
clip_setting_is_of_labels (guint id)
{
  return id == CLIP_SETTING_LABELS || id == CLIP_SETTING_LABELS_FILE ||
         id == CLIP_SETTING_PROMPTS || id == CLIP_SETTING_BACKGROUND;
}

gboolean
clip_settings_set (ClipSettings *settings, guint id, const GValue *value)
{
  return clip_fields_set (settings, offsets, CLIP_N_SETTINGS, id, value);
}

gboolean
clip_settings_get (const ClipSettings *settings, guint id, GValue *value)
{
  return clip_fields_get (settings, offsets, CLIP_N_SETTINGS, id, value);
}

void
clip_settings_init (ClipSettings *settings, GObject *object)
{
  clip_fields_init (settings, offsets, CLIP_N_SETTINGS, object);
}

void
clip_settings_clear (ClipSettings *settings)
{
  g_free (settings->model);
  g_free (settings->model_config);
  g_free (settings->image_size);
  g_free (settings->spec.labels);
  g_free (settings->spec.labels_file);
  g_free (settings->spec.prompts);
  g_free (settings->spec.background);
  *settings = (ClipSettings){ 0 };
}

/* What makes of scores labels that stay. */
static void
install_steadiness (GObjectClass *class, GParamFlags flags)
{
  /**
   * GstClipClassify:smoothing:
   *
   * Time constant, in running time, of an exponential mean of each label's score. Thresholds apply
   * to the mean, and it is what is reported. It does not depend on how often frames are classified.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_SMOOTHING,
      g_param_spec_uint64 ("smoothing", "Smoothing",
                           "Time constant over which scores are smoothed, in ns (0 = off)", 0,
                           G_MAXUINT64, 0, flags));
  /**
   * GstClipClassify:hysteresis:
   *
   * A label that is reported stays so until its score falls below the threshold by this. A label's
   * own "release", from #GstClipClassify:labels-file, comes first.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_HYSTERESIS,
      g_param_spec_float ("hysteresis", "Hysteresis",
                          "How far below the threshold a reported label may fall", 0, 1, 0, flags));
  /**
   * GstClipClassify:min-on:
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_MIN_ON,
      g_param_spec_uint64 ("min-on", "Minimum on",
                           "Report a label once its score has sufficed for so long, in ns", 0,
                           G_MAXUINT64, 0, flags));
  /**
   * GstClipClassify:min-off:
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_MIN_OFF,
      g_param_spec_uint64 ("min-off", "Minimum off",
                           "Report a label until its score has not sufficed for so long, in ns", 0,
                           G_MAXUINT64, 0, flags));
}

/* "… name of a set (none, photo, …) or …": the sets are the core's table. */
static const char *
prompts_blurb (void)
{
  static char *blurb = NULL;
  if (!blurb) {
    g_autoptr (GString) names = g_string_new (NULL);
    for (const ClipPromptSet *set = clip_prompt_sets (); set->name; set++)
      g_string_append_printf (names, "%s%s", names->len ? ", " : "", set->name);
    blurb = g_strdup_printf ("Sentences that labels are put into: %s, or a file with one a line",
                             names->str);
  }
  return blurb;
}

void
clip_settings_install (GObjectClass *class)
{
  const GParamFlags always = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
  const GParamFlags ready = always | GST_PARAM_MUTABLE_READY;
  const GParamFlags playing = always | GST_PARAM_MUTABLE_PLAYING;

  /**
   * GstClipClassify:model:
   *
   * File, directory or name of the model. A name is looked up in GST_CLIP_MODEL_PATH, the user's
   * data directory and the installed models. Elements that use the same model share one copy of it.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_MODEL,
      g_param_spec_string ("model", "Model",
                           "File, directory or name of a CLIP checkpoint (NULL = the model that "
                           "comes with the plugin)",
                           NULL, ready));
  /**
   * GstClipClassify:model-config:
   *
   * An open_clip_config.json whose entries override the checkpoint's own configuration, for
   * checkpoints that do not say their activation, mean and deviation or way of resizing.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_MODEL_CONFIG,
      g_param_spec_string ("model-config", "Model configuration",
                           "open_clip_config.json that overrides the configuration of the model",
                           NULL, ready));
  /**
   * GstClipClassify:image-size:
   *
   * Pixels of the pictures the model is to see, as "336" or, width and height, "448x224": more of
   * them show smaller things, and take longer. A ViT takes multiples of its patches, a
   * convolutional network squares. Embeddings of different sizes are not comparable.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_IMAGE_SIZE,
      g_param_spec_string ("image-size", "Image size",
                           "Pixels of the pictures the model sees, as 336 or 448x224 (NULL = as "
                           "many as it is for)",
                           NULL, ready));
  /**
   * GstClipClassify:labels:
   *
   * What to look for, in plain words, separated by ';' or newlines. New labels are encoded while
   * the video goes on and replace the old ones when they are ready. A label set that cannot be used
   * is refused with a warning message.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_LABELS,
      g_param_spec_string ("labels", "Labels", "What to look for, separated by ';' or newlines",
                           NULL, playing));
  /**
   * GstClipClassify:labels-file:
   *
   * A file of labels, used before those of #GstClipClassify:labels: one a line ('#' starts a
   * comment line), or JSON: an array of names or of objects with "name" and optionally "prompts",
   * "images", "image-weight", "threshold", "release" and "background"; or an object with
   * "temperature" and such an array, "labels".
   *
   * Since: 0.1
   */
  g_object_class_install_property (class, CLIP_SETTING_LABELS_FILE,
                                   g_param_spec_string ("labels-file", "Labels file",
                                                        "File of labels: one a line, or JSON", NULL,
                                                        playing));
  /**
   * GstClipClassify:prompts:
   *
   * Name of a built-in set of sentences that labels are put into, or a file with one sentence a
   * line, each with one "{}".
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_PROMPTS,
      g_param_spec_string ("prompts", "Prompts", prompts_blurb (), CLIP_DEFAULT_PROMPTS, playing));
  /**
   * GstClipClassify:background:
   *
   * Labels, separated by ';' or newlines, that compete with the others and are never reported: what
   * the picture shows when it shows nothing of interest.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_BACKGROUND,
      g_param_spec_string ("background", "Background",
                           "Labels that compete but are not reported, separated by ';' or newlines",
                           NULL, playing));
  /**
   * GstClipClassify:scoring:
   *
   * Whether labels exclude each other, or each is judged alone against the background.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_SCORING,
      g_param_spec_enum ("scoring", "Scoring", "How scores are computed", GST_TYPE_CLIP_SCORING,
                         CLIP_SCORING_EXCLUSIVE, playing));
  /**
   * GstClipClassify:threshold:
   *
   * Labels with a smaller score are neither attached nor announced. A label's own threshold, from
   * #GstClipClassify:labels-file, comes first. Which value fits depends on the model, the labels
   * and the scoring.
   *
   * Since: 0.1
   */
  g_object_class_install_property (class, CLIP_SETTING_THRESHOLD,
                                   g_param_spec_float ("threshold", "Threshold",
                                                       "Smallest score that is reported", 0, 1,
                                                       0.2f, playing | GST_PARAM_CONTROLLABLE));
  /**
   * GstClipClassify:top-k:
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_TOP_K,
      g_param_spec_uint ("top-k", "Top k", "Report at most so many labels, the best ones (0 = all)",
                         0, G_MAXUINT, 0, playing | GST_PARAM_CONTROLLABLE));
  /**
   * GstClipClassify:interval:
   *
   * Of so many frames the first is classified; the others carry its result on, marked as held.
   * After a seek, a new segment or a discontinuity (in a live pipeline: one of a second or more) the
   * next frame is classified in any case.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_INTERVAL,
      g_param_spec_uint ("interval", "Interval", "Classify every n-th frame (1 = every frame)", 1,
                         G_MAXUINT, 1, playing | GST_PARAM_CONTROLLABLE));
  /**
   * GstClipClassify:embedding:
   *
   * Attach the image embedding, too. With it, labels may be left out.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_EMBEDDING,
      g_param_spec_boolean ("embedding", "Embedding",
                            "Attach the image embedding (float32, unit length)", FALSE, playing));
  /**
   * GstClipClassify:messages:
   *
   * Post an element message "clipclassify" when other labels reach the threshold than before.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_MESSAGES,
      g_param_spec_boolean ("messages", "Messages",
                            "Post a message when the reported labels change", TRUE, playing));
  /**
   * GstClipClassify:threads:
   *
   * The result does not depend on it.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_THREADS,
      g_param_spec_uint ("threads", "Threads",
                         "Threads an inference may use (0 = one for each processor)", 0, 1024, 0,
                         ready));
  /**
   * GstClipClassify:precision:
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_PRECISION,
      g_param_spec_enum ("precision", "Precision", "Arithmetic of the model",
                         GST_TYPE_CLIP_PRECISION, CLIP_PRECISION_AUTO, ready));
  /**
   * GstClipClassify:yuv-order:
   *
   * Whether planes of Y'CbCr formats are resized before they are converted to RGB. Pictures differ
   * by less than one level of 255 on average.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_YUV_ORDER,
      g_param_spec_enum ("yuv-order", "Y'CbCr order", "How Y'CbCr frames are resized",
                         GST_TYPE_CLIP_YUV_ORDER, CLIP_YUV_RESIZE_FIRST, ready));
  /**
   * GstClipClassify:mode:
   *
   * "inline": each chosen frame is classified before it leaves, which adds that time to the
   * pipeline's latency. "live": no frame waits; a thread beside the video classifies the newest,
   * and results ride on later frames, marked as held, with the PTS they were computed from. "auto"
   * asks the pipeline whether it is live.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_MODE,
      g_param_spec_enum ("mode", "Mode", "Whether frames wait for their classification",
                         GST_TYPE_CLIP_MODE, CLIP_MODE_AUTO, ready));
  /**
   * GstClipClassify:max-rate:
   *
   * In running time, so that it does not matter how fast a recording is read.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_MAX_RATE,
      gst_param_spec_fraction ("max-rate", "Maximum rate",
                               "Classify at most so many frames a second (0/1 = no limit)", 0, 1,
                               G_MAXINT, 1, 0, 1, playing));
  /**
   * GstClipClassify:change-threshold:
   *
   * A frame is compared with the last one that was classified by the mean brightness of 16×9
   * fields, and not classified while none of them changed as much. 0.02 is above the noise of most
   * cameras.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_CHANGE_THRESHOLD,
      g_param_spec_float (
          "change-threshold", "Change threshold",
          "Classify when the brightness of a part of the picture changed by so much "
          "(1 = from black to white, 0 = whether it changed or not)",
          0, 1, 0, playing | GST_PARAM_CONTROLLABLE));
  /**
   * GstClipClassify:max-staleness:
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_MAX_STALENESS,
      g_param_spec_uint64 ("max-staleness", "Maximum staleness",
                           "Classify an unchanged picture, too, after so many nanoseconds (0 = "
                           "never); see change-threshold",
                           0, G_MAXINT64, 10 * GST_SECOND, playing | GST_PARAM_CONTROLLABLE));
  /**
   * GstClipClassify:cpu-budget:
   *
   * Frames are left out so that inference takes no more than this share of the time of all
   * processors, by what it was measured to take. This is real time: of a recording that is read
   * faster than it plays, fewer frames are classified.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_CPU_BUDGET,
      g_param_spec_float ("cpu-budget", "Processor budget",
                          "Share of all processors' time that inference may take (0 or 1 = all)", 0,
                          1, 0, playing | GST_PARAM_CONTROLLABLE));
  /**
   * GstClipClassify:max-age:
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_MAX_AGE,
      g_param_spec_uint64 ("max-age", "Maximum age",
                           "Carry a result on to frames of at most so many nanoseconds later (0 = "
                           "until there is another)",
                           0, G_MAXINT64, 0, playing | GST_PARAM_CONTROLLABLE));
  /**
   * GstClipClassify:regions:
   *
   * Detections are what elements upstream attached to a frame: #GstVideoRegionOfInterestMeta, and
   * with GStreamer 1.24 GstAnalyticsODMtd. Each is cropped and classified, and its labels are attached
   * to it, as a param "classification" or as related GstAnalyticsClsMtd. In live mode they are
   * attached to detections of later frames in about the same place. All of them are in the frame's
   * "GstClipRegionsMeta", too.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, CLIP_SETTING_REGIONS,
      g_param_spec_enum (
          "regions", "Regions",
          "What of a frame is classified: the whole, or what elements upstream detected in it",
          GST_TYPE_CLIP_REGIONS, CLIP_SUBJECT_FRAME, ready));
  install_steadiness (class, playing | GST_PARAM_CONTROLLABLE);
}
