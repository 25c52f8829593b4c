/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What there is to draw on a frame: labels with scores, and boxes. */
#pragma once
#include <gst/video/video.h>

/* More boxes than these are left out. */
#define CLIP_SCENE_MAX_BOXES 256

typedef struct {
  char *name;
  int percent; /* 0 … 100; -1 where there is no score */
} ClipSceneLabel;

typedef struct {
  char *name;              /* may be empty */
  int x, y, width, height; /* inside the frame, at least 1×1 */
} ClipSceneBox;

typedef struct {
  GArray *labels; /* of ClipSceneLabel, best first */
  GArray *boxes;  /* of ClipSceneBox */
} ClipScene;

typedef struct {
  char *element; /* labels of this clipclassify alone; NULL: of all */
  guint max_labels;
  gboolean boxes;
} ClipSceneOptions;

/* From the metas of @buffer, a frame of @width × @height. */
ClipScene *clip_scene_read (GstBuffer *buffer, const ClipSceneOptions *options, int width,
                            int height);
void clip_scene_free (ClipScene *scene);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipScene, clip_scene_free)

/* Whether both look the same. */
gboolean clip_scene_equal (const ClipScene *a, const ClipScene *b);
