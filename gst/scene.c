/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GstClipMeta → labels, scores rounded to a percent: what changes less is not seen, and need not be
 * drawn again. Detections → boxes, with the label that clipclassify attached to them, else their type.
 */
#include "gst/scene.h"

#include "gst/clipmeta.h"
#include "gst/detection.h"

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
name_box (const ClipDetection *detection, const char *element)
{
  ClipMetaLabel label;
  if (clip_detection_read (detection, element, &label)) {
    g_autofree char *valid = g_utf8_make_valid (label.name, -1);
    return g_strdup_printf ("%s %d %%", valid, to_percent (label.score));
  }
  const char *type = g_quark_to_string (detection->type);
  return g_utf8_make_valid (type ? type : "", -1);
}

static void
add_boxes (ClipScene *scene, GstBuffer *buffer, const char *element, int width, int height)
{
  g_autoptr (GArray) all = clip_detections_find (buffer, width, height, NULL);
  for (guint i = 0; i < MIN (all->len, CLIP_SCENE_MAX_BOXES); i++) {
    const ClipDetection *detection = &g_array_index (all, ClipDetection, i);
    const ClipSceneBox box = { name_box (detection, element), detection->x, detection->y,
                               detection->width, detection->height };
    g_array_append_val (scene->boxes, box);
  }
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
  if (options->boxes)
    add_boxes (scene, buffer, options->element, width, height);
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
