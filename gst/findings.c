/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * features [n, E] of regions → scores [n, L] → labels of each → GstClipRegionsMeta, and what is said
 * at detections
 *
 * The buffer may be another than that of the regions. Detections have no identity from frame to
 * frame that one could rely on (ids of ROI metas are often numbered anew in each), so what was found
 * is said of those that are in the same place. For the same reason labels go by the threshold alone,
 * without what is kept over time.
 */
#include "gst/findings.h"

/* Intersection over union from which on two rectangles of different frames are one thing: a square may have moved by a third
 * of its side. */
#define SAME_THING 0.5

void
clip_findings_init (ClipFindings *findings, int n_feature)
{
  *findings = (ClipFindings){ .n_feature = n_feature,
                              .features = g_array_new (FALSE, FALSE, sizeof (float)) };
  for (guint i = 0; i < CLIP_REGIONS_MAX; i++)
    findings->labels[i] = g_array_new (FALSE, FALSE, sizeof (ClipMetaLabel));
}

void
clip_findings_clear (ClipFindings *findings)
{
  g_clear_pointer (&findings->features, g_array_unref);
  for (guint i = 0; i < CLIP_REGIONS_MAX; i++)
    g_clear_pointer (&findings->labels[i], g_array_unref);
  g_clear_pointer (&findings->classifier, clip_classifier_unref);
  findings->valid = FALSE;
}

void
clip_findings_update (ClipFindings *findings, const ClipShot *shot)
{
  findings->valid = TRUE;
  findings->times = shot->times;
  findings->n = shot->regions.n;
  for (guint i = 0; i < findings->n; i++)
    findings->found[i] = shot->regions.found[i];
  g_array_set_size (findings->features, 0);
  g_array_append_vals (findings->features, clip_shot_get_region_features (shot),
                       findings->n * (guint) findings->n_feature);
  findings->scored = FALSE;
}

/* --------------------------------------------------------------------------------------------------------- scoring */

static const float *
feature_of (const ClipFindings *findings, guint i)
{
  return &g_array_index (findings->features, float, (gsize) i *(gsize) findings->n_feature);
}

void
clip_findings_score (ClipFindings *findings, ClipClassifier *classifier,
                     const ClipReporting *reporting)
{
  if (findings->scored && findings->classifier == classifier &&
      clip_reporting_equal (&findings->reporting, reporting))
    return;
  g_clear_pointer (&findings->classifier, clip_classifier_unref);
  findings->classifier = classifier ? clip_classifier_ref (classifier) : NULL;
  findings->reporting = *reporting;
  findings->scored = TRUE;
  for (guint i = 0; i < findings->n; i++)
    g_array_set_size (findings->labels[i], 0);
  if (!classifier)
    return;
  const ClipLabels *names = clip_classifier_get_labels (classifier);
  const guint n_names = clip_labels_get_n (names);
  g_autofree float *scores = g_new (float, n_names);
  g_autofree ClipScore *top = g_new (ClipScore, n_names);
  for (guint i = 0; i < findings->n; i++) {
    clip_classifier_score (classifier, scores, feature_of (findings, i), reporting->scoring);
    const guint n =
        clip_classifier_top (classifier, top, reporting->top_k, scores, reporting->threshold);
    for (guint t = 0; t < n; t++) {
      const ClipMetaLabel label = { clip_labels_get (names, top[t].label)->name, top[t].score };
      g_array_append_val (findings->labels[i], label);
    }
  }
}

/* ------------------------------------------------------------------------------------------------------- attaching */

/* What is said of region @i, wherever it is said. */
static GstStructure *
describe (const ClipFindings *findings, guint i, const ClipFindingsContext *context)
{
  const ClipDetection *region = &findings->found[i];
  const GArray *labels = findings->labels[i];
  const ClipMetaLabel *best = (const ClipMetaLabel *) (void *) labels->data;
  GstStructure *structure = gst_structure_new (
      CLIP_DETECTION_PARAM, "element", G_TYPE_STRING, context->element, "model", G_TYPE_STRING,
      context->model, "held", G_TYPE_BOOLEAN, context->held, "pts", G_TYPE_UINT64,
      findings->times.pts, "x", G_TYPE_INT, region->x, "y", G_TYPE_INT, region->y, "width",
      G_TYPE_INT, region->width, "height", G_TYPE_INT, region->height, NULL);
  if (labels->len > 0)
    gst_structure_set (structure, "label", G_TYPE_STRING, best->name, "confidence", G_TYPE_DOUBLE,
                       (double) best->score, NULL);
  if (findings->classifier)
    clip_meta_set_labels (structure, "labels", "scores", best, labels->len);
  if (context->embedding) {
    g_autoptr (GBytes) embedding =
        clip_result_embedding (feature_of (findings, i), findings->n_feature);
    gst_structure_set (structure, "embedding", G_TYPE_BYTES, embedding, NULL);
  }
  return structure;
}

/* The same, where nothing else tells which detection it is of. */
static void
append_region (GValue *regions, const GstStructure *description, const ClipDetection *region)
{
  GstStructure *structure = gst_structure_copy (description);
  gst_structure_set_name (structure, "region");
  gst_structure_remove_fields (structure, "element", "model", "held", "pts", NULL);
  if (region->type)
    gst_structure_set (structure, "type", G_TYPE_STRING, g_quark_to_string (region->type), NULL);
  if (region->roi_id >= 0)
    gst_structure_set (structure, "roi-id", G_TYPE_INT64, region->roi_id, NULL);
  if (region->mtd_id >= 0)
    gst_structure_set (structure, "mtd-id", G_TYPE_INT64, region->mtd_id, NULL);
  GValue value = G_VALUE_INIT;
  g_value_init (&value, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&value, structure);
  gst_value_array_append_and_take_value (regions, &value);
}

static void
add_meta (const ClipFindings *findings, GPtrArray *descriptions, GstBuffer *buffer,
          const GstVideoInfo *format, const ClipFindingsContext *context)
{
  const ClipTimes *times = &findings->times;
  GValue regions = G_VALUE_INIT;
  gst_value_array_init (&regions, findings->n);
  for (guint i = 0; i < findings->n; i++)
    append_region (&regions, g_ptr_array_index (descriptions, i), &findings->found[i]);
  clip_meta_get_regions_info ();
  GstStructure *structure =
      gst_custom_meta_get_structure (gst_buffer_add_custom_meta (buffer, CLIP_REGIONS_META_NAME));
  gst_structure_set (structure, "element", G_TYPE_STRING, context->element, "model", G_TYPE_STRING,
                     context->model, "held", G_TYPE_BOOLEAN, context->held, "pts", G_TYPE_UINT64,
                     times->pts, "running-time", G_TYPE_UINT64, times->running_time, "stream-time",
                     G_TYPE_UINT64, times->stream_time, "width", G_TYPE_INT, format->width,
                     "height", G_TYPE_INT, format->height, NULL);
  gst_structure_take_value (structure, "regions", &regions);
}

/* Intersection over union. */
static double
overlap (const ClipDetection *a, const ClipDetection *b)
{
  const int width = MIN (a->x + a->width, b->x + b->width) - MAX (a->x, b->x);
  const int height = MIN (a->y + a->height, b->y + b->height) - MAX (a->y, b->y);
  const double both = (double) MAX (width, 0) * MAX (height, 0);
  return both / ((double) a->width * a->height + (double) b->width * b->height - both);
}

/* Returns: which of the regions @detection is (on their own frame, itself); n: none. */
static guint
recognise (const ClipFindings *findings, const ClipDetection *detection)
{
  double most = SAME_THING;
  guint best = findings->n;
  for (guint i = 0; i < findings->n; i++) {
    const ClipDetection *region = &findings->found[i];
    const double shared = region->type == detection->type ? overlap (region, detection) : 0;
    if (shared >= most && (best == findings->n || shared > most)) {
      most = shared;
      best = i;
    }
  }
  return best;
}

void
clip_findings_attach (const ClipFindings *findings, GstBuffer *buffer, const GstVideoInfo *format,
                      const ClipFindingsContext *context)
{
  g_autoptr (GPtrArray) descriptions =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_structure_free);
  for (guint i = 0; i < findings->n; i++)
    g_ptr_array_add (descriptions, describe (findings, i, context));
  ClipRegions here;
  clip_regions_find (&here, buffer, format);
  for (guint i = 0; i < here.n; i++) {
    const guint is = recognise (findings, &here.found[i]);
    if (is == findings->n)
      continue;
    const GArray *labels = findings->labels[is];
    clip_detection_attach (&here.found[i], g_ptr_array_index (descriptions, is),
                           (const ClipMetaLabel *) (void *) labels->data, labels->len);
  }
  add_meta (findings, descriptions, buffer, format, context);
}
