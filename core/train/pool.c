/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/pool.h"

#include <string.h>

typedef struct {
  ClipTape *tape;
  ClipMap x;
  float *y;
  const float *dy;
  ClipSink *sink;
  int k, size, out_size, channels;
  float *scratch; /* [workers, size, C] */
} Pool;

static int
n_squares (int size, int k)
{
  return size / k;
}

/* One row of squares. */
static void
forward_row (void *data, int task, int worker)
{
  const Pool *p = data;
  const ClipKernels *kernels = p->tape->kernels;
  const int image = task / p->out_size, row = task % p->out_size, channels = p->channels;
  float *line = p->scratch + (gsize) worker * p->size * channels;
  float *y = p->y + (gsize) task * p->out_size * channels;
  memset (y, 0, (gsize) p->out_size * channels * sizeof *y);
  for (int i = 0; i < p->k; i++) {
    kernels->blend (line, channels, &p->x, ((gsize) image * p->size + row * p->k + i) * p->size,
                    p->size, channels);
    for (int j = 0; j < p->out_size * p->k; j++)
      kernels->add (y + (gsize) (j / p->k) * channels, line + (gsize) j * channels, channels);
  }
  const float share = 1.f / (p->k * p->k);
  for (gsize i = 0; i < (gsize) p->out_size * channels; i++)
    y[i] *= share;
}

void
clip_pool_forward (ClipTape *tape, float *y, const ClipMap *x, int k, int size, int channels,
                   int batch)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  Pool p = { tape, *x, y, NULL, NULL, k, size, n_squares (size, k), channels, NULL };
  p.scratch = clip_tape_floats (tape, (gsize) clip_threads_get_n (tape->threads) * size * channels);
  clip_threads_run (tape->threads, forward_row, &p, batch * p.out_size);
  clip_tape_release (tape, mark);
}

/* One row of dx. */
static void
backward_row (void *data, int task, int worker)
{
  const Pool *p = data;
  const ClipKernels *kernels = p->tape->kernels;
  const int image = task / p->size, row = task % p->size / p->k, channels = p->channels;
  const gsize first = (gsize) task * p->size;
  float *share = p->scratch + (gsize) worker * channels, *g = p->sink->g + first * channels;
  for (int j = 0; j < p->size; j++, g += channels) {
    if (row >= p->out_size || j / p->k >= p->out_size) {
      if (!p->sink->add)
        memset (g, 0, channels * sizeof *g);
      continue;
    }
    if (j % p->k == 0) {
      const float *dy =
          p->dy + (((gsize) image * p->out_size + row) * p->out_size + j / p->k) * channels;
      for (int c = 0; c < channels; c++)
        share[c] = dy[c] * (1.f / (p->k * p->k));
    }
    if (p->sink->add)
      kernels->add (g, share, channels);
    else
      memcpy (g, share, channels * sizeof *g);
  }
  clip_sink_done (p->sink, kernels, task, first, p->size, 0, channels);
}

void
clip_pool_backward (ClipTape *tape, ClipSink *dx, const float *dy, int k, int size, int channels,
                    int batch)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  Pool p = { tape, { 0 }, NULL, dy, dx, k, size, n_squares (size, k), channels, NULL };
  p.scratch = clip_tape_floats (tape, (gsize) clip_threads_get_n (tape->threads) * channels);
  clip_sink_begin (dx, tape, batch * size, channels);
  clip_threads_run (tape->threads, backward_row, &p, batch * size);
  clip_sink_end (dx, tape);
  clip_tape_release (tape, mark);
}

typedef struct {
  float *y;
  const float *x;
  int size;
} Turn;

static void
turn_row (void *data, int task, int worker)
{
  const Turn *t = data;
  const int image = task / t->size, row = task % t->size;
  float *y = t->y + (gsize) task * t->size * 3;
  for (int c = 0; c < 3; c++) {
    const float *x = t->x + (((gsize) image * 3 + c) * t->size + row) * t->size;
    for (int i = 0; i < t->size; i++)
      y[i * 3 + c] = x[i];
  }
}

void
clip_pixels_innermost (ClipTape *tape, float *y, const float *x, int size, int batch)
{
  Turn t = { y, x, size };
  clip_threads_run (tape->threads, turn_row, &t, batch * size);
}
