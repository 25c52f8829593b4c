/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * frame → 16 × 9 cells, each the mean luma of 8 × 8 of its pixels; change = max |a - b| over cells
 *
 * 64 pixels to a cell bring a camera's noise of 3 levels (of 255) down to 0.4, so that 0.01 tells
 * noise from change. The largest difference, not the mean: something that enters in a corner covers
 * a cell or two, and would be nothing in a mean over 144.
 */
#include "gst/grid.h"

#include "gst/frame.h"

#include <math.h>

enum { SAMPLES = 8 }; /* of a cell, along each side */

/* BT.601: which of the matrices it is makes no difference here. */
static const float rgb_weights[] = { 0.299f, 0.587f, 0.114f };

/* Adds @weight times component @component, 0 … 1, to each cell. */
static void
add_component (ClipGrid *grid, const GstVideoFrame *frame, guint component, float weight)
{
  const guint8 *base = GST_VIDEO_FRAME_COMP_DATA (frame, component);
  const int stride = GST_VIDEO_FRAME_COMP_STRIDE (frame, component);
  const int step = GST_VIDEO_FRAME_COMP_PSTRIDE (frame, component);
  const gint64 width = GST_VIDEO_FRAME_WIDTH (frame), height = GST_VIDEO_FRAME_HEIGHT (frame);
  const int depth = GST_VIDEO_FRAME_COMP_DEPTH (frame, component);
  const int shift = GST_VIDEO_FORMAT_INFO_SHIFT (frame->info.finfo, component);
  const float scale = weight / ((1 << depth) - 1) / (SAMPLES * SAMPLES);
  enum { COLUMNS = CLIP_GRID_COLUMNS * SAMPLES, ROWS = CLIP_GRID_ROWS * SAMPLES };
  for (int j = 0; j < ROWS; j++) {
    const guint8 *row = base + (2 * j + 1) * height / (2 * ROWS) * stride;
    for (int i = 0; i < COLUMNS; i++) {
      const guint8 *pixel = row + (2 * i + 1) * width / (2 * COLUMNS) * step;
      const int value = depth > 8 ? (pixel[0] | pixel[1] << 8) >> shift : pixel[0];
      grid->cells[j / SAMPLES][i / SAMPLES] += value * scale;
    }
  }
}

gboolean
clip_grid_read (ClipGrid *grid, GstBuffer *buffer, const GstVideoInfo *format)
{
  GstVideoFrame frame;
  if (!clip_frame_map (&frame, buffer, format))
    return FALSE;
  *grid = (ClipGrid){ 0 };
  if (GST_VIDEO_INFO_IS_RGB (format))
    for (guint i = 0; i < G_N_ELEMENTS (rgb_weights); i++)
      add_component (grid, &frame, i, rgb_weights[i]);
  else
    add_component (grid, &frame, GST_VIDEO_COMP_Y, 1);
  gst_video_frame_unmap (&frame);
  return TRUE;
}

float
clip_grid_change (const ClipGrid *a, const ClipGrid *b)
{
  float change = 0;
  for (int j = 0; j < CLIP_GRID_ROWS; j++)
    for (int i = 0; i < CLIP_GRID_COLUMNS; i++)
      change = MAX (change, fabsf (a->cells[j][i] - b->cells[j][i]));
  return change;
}
