/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all contrastive losses share (contrast.c); they differ in where the targets come from. @contrast's own targets are
 * not looked at.
 */
#pragma once
#include "core/train/loss.h"

typedef enum { CLIP_OF_IMAGES, CLIP_OF_TEXTS } ClipDirection;

typedef struct _ClipTargets ClipTargets;

struct _ClipTargets {
  gboolean local; /* each rank's images against its own texts only */
  int n[2];       /* of each direction: how many of this rank's rows have targets */
  /* [all], of what each direction's rows are compared with: 1 where a row is not there; NULL: all are. */
  const guint8 *absent[2];
  /* p[rows, all]: targets of this rank's images (texts) @first … over all texts (images). A row sums to 1; it is zeros
   * where it has none. */
  void (*fill) (const ClipTargets *targets, ClipTape *tape, float *p, ClipDirection direction,
                int first, int rows);
};

gboolean clip_contrast_with (ClipContrastResult *result, ClipTape *tape, ClipRanks *ranks,
                             const ClipContrast *contrast, const ClipTargets *targets, float weight,
                             float *d_image, float *d_text, GError **error);

/* p[rows, cols] = softmax (scale · p) of each row */
void clip_softmax_rows (ClipTape *tape, float *p, int rows, int cols, float scale);
/* y[rows, width] = x of length 1 each; length[rows] (nullable). A row of zeros stays zeros. */
void clip_normalise_rows (ClipTape *tape, float *y, float *length, const float *x, int rows,
                          int width);
/* y[ranks · rows, width] = all ranks' x[rows, width], from the tape; x itself where this rank is alone. NULL with @error. */
const float *clip_all_rows (ClipTape *tape, ClipRanks *ranks, const float *x, int rows, int width,
                            GError **error);
/* dx += weight · (dy - y (y · dy)) / length: back through the normalisation */
void clip_normalise_rows_back (ClipTape *tape, float *dx, const float *dy, const float *y,
                               const float *length, float weight, int rows, int width);
