/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame's brightness in few numbers, to tell cheaply whether a picture stayed as it was. */
#pragma once
#include <gst/video/video.h>

enum { CLIP_GRID_COLUMNS = 16, CLIP_GRID_ROWS = 9 };

typedef struct {
  float cells[CLIP_GRID_ROWS][CLIP_GRID_COLUMNS]; /* mean luma, 0 (black) … 1 */
} ClipGrid;

/* Returns FALSE where @buffer is not a frame of @format. */
gboolean clip_grid_read (ClipGrid *grid, GstBuffer *buffer, const GstVideoInfo *format);

/* The largest difference between two cells of the same place, 0 … 1. */
float clip_grid_change (const ClipGrid *a, const ClipGrid *b);
