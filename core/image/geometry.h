/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* Where a picture goes in what is asked for. It is resized to width × height, of which the part that begins at (x, y) is
 * kept and put at (left, top); the rest is black. */
typedef struct {
  int width, height;
  int x, y;
  int left, top;
  int columns, rows; /* of the part that is kept */
} ClipGeometry;

/* @to_width, @to_height: what is asked for. Sizes 1 … 32768. */
ClipGeometry clip_geometry (int to_width, int to_height, ClipResizeMode mode, int width,
                            int height);
