/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pixels as the bytes they once were, for a first convolution in int8. A picture is
 *
 *   bytes[row, 3, line]     the lines of a row's channels, one behind the other, with padding around the picture
 *
 * so that the 3×3 windows of a position are nine words of three taps and a byte that does not count, a line apart. Where
 * pixels are what the preprocessing makes of bytes, nothing is lost: a byte is the pixel's own. Others have a scale and a zero of
 * the whole picture.
 */
#pragma once
#include "core/model/conv.h"

#define CLIP_PIXELS_WORDS 9 /* of a window: (row, channel) */

typedef struct {
  int size, out_size, pad;    /* as ClipStem */
  float factor[3], offset[3]; /* of a channel: x · factor + offset is 0 … 255 */
} ClipPixels;

/* Of pixels (v - mean) / std, v from 0 to 1. */
ClipPixels clip_pixels (const ClipStem *stem, const ClipPreprocessConfig *preprocess);

/* Bytes from one line to the next; rows are three lines apart. */
static inline gsize
clip_pixels_line (const ClipPixels *pixels)
{
  return 2 * pixels->out_size + 2;
}

/* Bytes of a picture. */
static inline gsize
clip_pixels_size (const ClipPixels *pixels)
{
  return 3 * clip_pixels_line (pixels) * (2 * pixels->out_size + 1);
}

/* bytes[B] of x[B, 3, size, size], which are quant[B, out_size]: those of a picture all the same, x · factor + offset =
 * scale · (byte - zero) */
void clip_pixels_run (ClipSession *session, guint8 *bytes, ClipQuant *quant,
                      const ClipPixels *pixels, const float *x, int batch);
