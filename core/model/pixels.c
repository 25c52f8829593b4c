/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/pixels.h"

#include <string.h>

#define CHANNELS 3

ClipPixels
clip_pixels (const ClipStem *stem, const ClipPreprocessConfig *preprocess)
{
  ClipPixels pixels = { stem->size, stem->out_size, stem->pad };
  for (int c = 0; c < CHANNELS; c++) {
    pixels.factor[c] = 255 * preprocess->std[c];
    pixels.offset[c] = 255 * preprocess->mean[c];
  }
  return pixels;
}

typedef struct {
  ClipSession *session;
  guint8 *bytes;
  ClipQuant *quant;
  const ClipPixels *pixels;
  const float *x;
} Work;

/* A picture's inside. Returns what its pixels are between, and 0 and 255. */
static void
convert (const Work *work, guint8 *bytes, float range[2], const float *x, float inverse,
         gint32 zero)
{
  const ClipPixels *pixels = work->pixels;
  const gsize line = clip_pixels_line (pixels), size = pixels->size;
  for (int row = 0; row < pixels->size; row++) {
    for (int c = 0; c < CHANNELS; c++)
      work->session->kernels->to_bytes (
          bytes + ((row + pixels->pad) * CHANNELS + c) * line + pixels->pad, range,
          x + (c * size + row) * size, pixels->factor[c] * inverse,
          pixels->offset[c] * inverse + zero, size);
  }
}

/* Whole rows and the ends of lines. */
static void
pad (const ClipPixels *pixels, guint8 *bytes, ClipQuant quant)
{
  const gsize line = clip_pixels_line (pixels);
  const int rows = 2 * pixels->out_size + 1, first = pixels->pad, end = first + pixels->size;
  for (int l = 0; l < rows * CHANNELS; l++, bytes += line) {
    const float zero = pixels->offset[l % CHANNELS] / quant.scale + quant.zero;
    const guint8 byte = CLAMP (lrintf (zero), 0, 255);
    if (l / CHANNELS < first || l / CHANNELS >= end) {
      memset (bytes, byte, line);
    } else {
      memset (bytes, byte, first);
      memset (bytes + end, byte, line - end);
    }
  }
}

static void
convert_picture (void *data, int task, int worker)
{
  const Work *work = data;
  const ClipPixels *pixels = work->pixels;
  guint8 *bytes = work->bytes + task * clip_pixels_size (pixels);
  const float *x = work->x + (gsize) task * CHANNELS * pixels->size * pixels->size;
  float range[2] = { 0, 255 };
  ClipQuant quant = { 1, 0 };
  convert (work, bytes, range, x, 1, 0);
  if (range[0] < -0.5f || range[1] > 255.5f) { /* no bytes */
    float inverse;
    quant = clip_quant (range[0], range[1], &inverse);
    convert (work, bytes, range, x, inverse, quant.zero);
  }
  pad (pixels, bytes, quant);
  for (int row = 0; row < pixels->out_size; row++)
    work->quant[task * pixels->out_size + row] = quant;
}

void
clip_pixels_run (ClipSession *session, guint8 *bytes, ClipQuant *quant, const ClipPixels *pixels,
                 const float *x, int batch)
{
  Work work = { session, bytes, quant, pixels, x };
  clip_threads_run (session->threads, convert_picture, &work, batch);
}
