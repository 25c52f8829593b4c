/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sizes and crops to W×H, rounded as the reference's Python does:
 *
 *   shortest : of a square torchvision Resize (W): short side W, long side trunc (W · long / short); CenterCrop (W)
 *              else open_clip ResizeKeepRatio: both sides round (side / min (width / W, height / H)); CenterCrop (H, W)
 *   squash   : W×H
 *   longest  : open_clip ResizeKeepRatio: both sides round (side / max (width / W, height / H)); CenterCropOrPad (H, W)
 */
#include "core/image/geometry.h"

#include <math.h>

/* Python's round (excess / 2): halves go to the even neighbour, so only an excess of 4k + 3 rounds up. */
static int
crop_start (int excess)
{
  return excess / 2 + (excess % 4 == 3);
}

/* One direction: @resized samples into @size. */
static void
centre (int resized, int size, int *start, int *margin, int *kept)
{
  *start = resized > size ? crop_start (resized - size) : 0;
  *margin = resized < size ? (size - resized) / 2 : 0;
  *kept = MIN (resized, size);
}

/* rint () rounds halves to even, like Python. The reference fails where a side rounds to 0. */
static void
divide (ClipGeometry *geometry, int width, int height, double ratio)
{
  geometry->width = MAX ((int) rint (width / ratio), 1);
  geometry->height = MAX ((int) rint (height / ratio), 1);
}

ClipGeometry
clip_geometry (int to_width, int to_height, ClipResizeMode mode, int width, int height)
{
  const double across = (double) width / to_width, down = (double) height / to_height;
  ClipGeometry geometry = { .width = to_width, .height = to_height };
  switch (mode) {
  case CLIP_RESIZE_SHORTEST:
    if (to_width != to_height)
      divide (&geometry, width, height, MIN (across, down));
    else if (width <= height)
      geometry.height = (int) ((double) ((gint64) to_width * height) / width);
    else
      geometry.width = (int) ((double) ((gint64) to_width * width) / height);
    break;
  case CLIP_RESIZE_LONGEST:
    divide (&geometry, width, height, MAX (across, down));
    break;
  case CLIP_RESIZE_SQUASH:
    break;
  }
  centre (geometry.width, to_width, &geometry.x, &geometry.left, &geometry.columns);
  centre (geometry.height, to_height, &geometry.y, &geometry.top, &geometry.rows);
  return geometry;
}
