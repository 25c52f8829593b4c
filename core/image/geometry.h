/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* Where a picture goes in R×R. It is resized to width × height, of which the part that begins at (x, y) is kept and put
 * at (left, top); the rest of R×R is black. */
typedef struct {
  int width, height;
  int x, y;
  int left, top;
  int columns, rows; /* of the part that is kept */
} ClipGeometry;

/* Sizes 1 … 32768. */
ClipGeometry clip_geometry (int size, ClipResizeMode mode, int width, int height);
