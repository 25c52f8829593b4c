/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GstClipMeta → labels, scores rounded to a percent: what changes less is not seen, and need not be
 * drawn again. GstVideoRegionOfInterestMeta → boxes, cut at the frame's edges, with the label that
 * clipclassify attached to it, else its type.
 */
#include "gst/scene.h"

#include "gst/clipmeta.h"
#include "gst/regions.h"

#include <math.h>

static void
clear_label (gpointer data)
{
  g_free (((ClipSceneLabel *) data)->name);
}

static void
clear_box (gpointer data)
{
  g_free (((ClipSceneBox *) data)->name);
}

static int
to_percent (float score)
{
  return isfinite (score) ? (int) lrintf (CLAMP (score, 0, 1) * 100) : -1;
}

static void
add_labels (ClipScene *scene, const ClipMeta *meta, guint max)
{
  for (guint i = 0; i < meta->n_labels && scene->labels->len < max; i++) {
    const ClipSceneLabel label = { g_utf8_make_valid (meta->labels[i].name, -1),
                                   to_percent (meta->labels[i].score) };
    g_array_append_val (scene->labels, label);
  }
}

/* Returns: (transfer full): "label 87 %" */
static char *
name_box (const GstVideoRegionOfInterestMeta *region, const char *element)
{
  for (GList *item = region->params; item; item = item->next) {
    const GstStructure *param = item->data;
    const char *label = gst_structure_get_string (param, "label");
    double score;
    if (label && gst_structure_has_name (param, CLIP_REGIONS_PARAM) &&
        gst_structure_get_double (param, "confidence", &score) && isfinite (score) &&
        (!element || g_strcmp0 (gst_structure_get_string (param, "element"), element) == 0)) {
      g_autofree char *valid = g_utf8_make_valid (label, -1);
      return g_strdup_printf ("%s %d %%", valid, to_percent ((float) score));
    }
  }
  const char *type = g_quark_to_string (region->roi_type);
  return g_utf8_make_valid (type ? type : "", -1);
}

static void
add_box (ClipScene *scene, const GstVideoRegionOfInterestMeta *region, const char *element,
         int width, int height)
{
  const gint64 right = MIN ((gint64) region->x + region->w, width);
  const gint64 bottom = MIN ((gint64) region->y + region->h, height);
  if (right <= region->x || bottom <= region->y)
    return; /* empty, or outside */
  const ClipSceneBox box = { name_box (region, element), (int) region->x, (int) region->y,
                             (int) (right - region->x), (int) (bottom - region->y) };
  g_array_append_val (scene->boxes, box);
}

ClipScene *
clip_scene_read (GstBuffer *buffer, const ClipSceneOptions *options, int width, int height)
{
  ClipScene *scene = g_new0 (ClipScene, 1);
  scene->labels = g_array_new (FALSE, FALSE, sizeof (ClipSceneLabel));
  scene->boxes = g_array_new (FALSE, FALSE, sizeof (ClipSceneBox));
  g_array_set_clear_func (scene->labels, clear_label);
  g_array_set_clear_func (scene->boxes, clear_box);

  gpointer state = NULL;
  ClipMeta *meta;
  while ((meta = clip_meta_next (buffer, &state))) {
    if (!options->element || g_strcmp0 (meta->element, options->element) == 0)
      add_labels (scene, meta, options->max_labels);
    clip_meta_free (meta);
  }
  GstMeta *region;
  state = NULL;
  while (options->boxes && scene->boxes->len < CLIP_SCENE_MAX_BOXES &&
         (region = gst_buffer_iterate_meta_filtered (buffer, &state,
                                                     GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)))
    add_box (scene, (const GstVideoRegionOfInterestMeta *) region, options->element, width, height);
  return scene;
}

void
clip_scene_free (ClipScene *scene)
{
  if (!scene)
    return;
  g_array_unref (scene->labels);
  g_array_unref (scene->boxes);
  g_free (scene);
}

gboolean
clip_scene_equal (const ClipScene *a, const ClipScene *b)
{
  if (a->labels->len != b->labels->len || a->boxes->len != b->boxes->len)
    return FALSE;
  for (guint i = 0; i < a->labels->len; i++) {
    const ClipSceneLabel *x = &g_array_index (a->labels, ClipSceneLabel, i);
    const ClipSceneLabel *y = &g_array_index (b->labels, ClipSceneLabel, i);
    if (x->percent != y->percent || !g_str_equal (x->name, y->name))
      return FALSE;
  }
  for (guint i = 0; i < a->boxes->len; i++) {
    const ClipSceneBox *x = &g_array_index (a->boxes, ClipSceneBox, i);
    const ClipSceneBox *y = &g_array_index (b->boxes, ClipSceneBox, i);
    if (x->x != y->x || x->y != y->y || x->width != y->width || x->height != y->height ||
        !g_str_equal (x->name, y->name))
      return FALSE;
  }
  return TRUE;
}
