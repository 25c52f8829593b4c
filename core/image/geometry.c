/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sizes and crops, rounded as the reference's Python does:
 *
 *   shortest : torchvision Resize (R): short side R, long side trunc (R · long / short); CenterCrop (R)
 *   squash   : R×R
 *   longest  : open_clip ResizeKeepRatio: both sides round (side / (long / R)); CenterCropOrPad (R)
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

ClipGeometry
clip_geometry (int size, ClipResizeMode mode, int width, int height)
{
  ClipGeometry geometry = { .width = size, .height = size };
  switch (mode) {
  case CLIP_RESIZE_SHORTEST:
    if (width <= height)
      geometry.height = (int) ((double) ((gint64) size * height) / width);
    else
      geometry.width = (int) ((double) ((gint64) size * width) / height);
    break;
  case CLIP_RESIZE_LONGEST: {
    const double ratio = (double) MAX (width, height) / size;
    /* rint () rounds halves to even, like Python. The reference fails where a side rounds to 0. */
    geometry.width = MAX ((int) rint (width / ratio), 1);
    geometry.height = MAX ((int) rint (height / ratio), 1);
    break;
  }
  case CLIP_RESIZE_SQUASH:
    break;
  }
  centre (geometry.width, size, &geometry.x, &geometry.left, &geometry.columns);
  centre (geometry.height, size, &geometry.y, &geometry.top, &geometry.rows);
  return geometry;
}
