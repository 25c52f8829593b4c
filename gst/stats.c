/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* observations → counts, latencies → "stats"; ClipModelInfo → "model-info" */
#include "gst/stats.h"

void
clip_stats_init (ClipStats *stats, GstClockTime latency)
{
  *stats = (ClipStats){ .classifying.reported = latency };
}

GstClockTime
clip_stats_get_latency (const ClipStats *stats, gboolean live)
{
  return live ? stats->handing_over.reported : stats->classifying.reported;
}

gboolean
clip_stats_add (ClipStats *stats, const ClipObservation *observation, gboolean live)
{
  const GstClockTime before = clip_stats_get_latency (stats, live);
  const gboolean chosen = observation->verdict == CLIP_VERDICT_CLASSIFY;
  stats->frames++;
  if (!chosen)
    stats->verdicts[observation->verdict]++;
  stats->verdicts[CLIP_VERDICT_CLASSIFY] += observation->n_classified;
  stats->dropped += observation->n_dropped;
  stats->regions += observation->n_regions;
  stats->regions_skipped += observation->n_regions_skipped;
  if (observation->n_classified > 0)
    clip_latency_add (&stats->classifying, observation->took);
  if (live && chosen)
    clip_latency_add (&stats->handing_over, observation->waited);
  return clip_stats_get_latency (stats, live) != before;
}

void
clip_stats_install (GObjectClass *class, guint first)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;
  /**
   * GstClipClassify:stats:
   *
   * #guint64 fields: "frames" seen, of which "inferences" were classified; how many each rule
   * spared: "held" by the interval, "paced" by max-rate, "skipped" because they were late,
   * "budgeted" by cpu-budget, "unchanged" by change-threshold; "dropped" were chosen in live mode,
   * but replaced by a newer one or flushed; "regions" (detections) that were classified, and
   * "regions-skipped", which have no pixel in the frame or were too many; "last-latency", "mean-latency" and "p99-latency" (of
   * the last 256) of an inference in nanoseconds.
   *
   * Since: 0.1
   */
  g_object_class_install_property (class, first,
                                   g_param_spec_boxed ("stats", "Statistics",
                                                       "Frame counts, and latencies in nanoseconds",
                                                       GST_TYPE_STRUCTURE, flags));
  /**
   * GstClipClassify:model-info:
   *
   * Architecture, precision and size of the model that is loaded; NULL before.
   *
   * Since: 0.1
   */
  g_object_class_install_property (
      class, first + 1,
      g_param_spec_boxed ("model-info", "Model information",
                          "What the loaded model is (NULL in state READY and below)",
                          GST_TYPE_STRUCTURE, flags));
}

GstStructure *
clip_stats_describe (const ClipStats *stats)
{
  const ClipLatency *latency = &stats->classifying;
  GstStructure *structure = gst_structure_new (
      "clipclassify-stats", "frames", G_TYPE_UINT64, stats->frames, "dropped", G_TYPE_UINT64,
      stats->dropped, "last-latency", G_TYPE_UINT64, clip_latency_last (latency), "mean-latency",
      G_TYPE_UINT64, clip_latency_mean (latency), "p99-latency", G_TYPE_UINT64,
      clip_latency_p99 (latency), "regions", G_TYPE_UINT64, stats->regions, "regions-skipped",
      G_TYPE_UINT64, stats->regions_skipped, NULL);
  for (int verdict = 0; verdict < CLIP_N_VERDICTS; verdict++)
    gst_structure_set (structure, clip_verdict_names[verdict], G_TYPE_UINT64,
                       stats->verdicts[verdict], NULL);
  return structure;
}

GstStructure *
clip_stats_describe_model (ClipModel *model)
{
  const ClipModelInfo *info = clip_model_get_info (model);
  g_autofree char *source = g_filename_display_name (info->source);
  return gst_structure_new (
      "clipclassify-model", "id", G_TYPE_STRING, info->id, "source", G_TYPE_STRING, source,
      "container", G_TYPE_STRING, info->container, "naming", G_TYPE_STRING, info->naming,
      "image-tower", G_TYPE_STRING, info->image.kind, "text-tower", G_TYPE_STRING, info->text.kind,
      "precision", G_TYPE_STRING, info->precision, "weights", G_TYPE_STRING, info->weights,
      "embedding-length", G_TYPE_INT, info->embed_dim, "image-width", G_TYPE_INT, info->image_width,
      "image-height", G_TYPE_INT, info->image_height, "context-length", G_TYPE_INT,
      info->context_length, "logit-scale", G_TYPE_FLOAT, info->logit_scale, "parameters",
      G_TYPE_INT64, info->n_parameters, "mapped-bytes", G_TYPE_INT64, info->mapped_bytes,
      "heap-bytes", G_TYPE_INT64, info->heap_bytes, NULL);
}
