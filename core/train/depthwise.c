/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Depthwise convolution in training. A task filters some channels of one image: its input lines, read through their map, and
 * the gradients of these lines go round in a ring of as many as a window sees, so that they stay in the cache.
 */
#include "core/train/conv.h"

#include <string.h>

#define PANEL 64 /* channels of a task */

typedef struct {
  ClipTape *tape;
  const ClipConv *conv;
  ClipMap x, dy;
  float *y; /* forward: [B, out_size, out_size, C] */
  ClipPartials *moments;
  ClipSink *sink;  /* backward; NULL: the gradient of x is of no interest */
  float *dweights; /* [groups, k, k, C] or NULL */
  int batch, n_panels;
  int group; /* images whose dweight one task adds up */
  float *scratch;
  gsize scratch_floats;
} Depthwise;

/* Part of the work of a task: channels @first … of one image. */
typedef struct {
  const Depthwise *d;
  const ClipKernels *kernels;
  int image, first, n;
  gsize line;                  /* floats of one */
  float *lines, *dlines;       /* [ring, width, n], each */
  float *weight, *dweight, *g; /* [k, k, n], [k, k, n], [out_size, n] */
} Part;

/* Lines that are in use at a time. */
static int
ring_size (const ClipConv *conv)
{
  return conv->kernel + conv->stride;
}

static int
line_width (const ClipConv *conv)
{
  return MAX ((conv->out_size - 1) * conv->stride + conv->kernel, conv->pad + conv->in_size);
}

static gsize
part_floats (const ClipConv *conv)
{
  return ((gsize) 2 * ring_size (conv) * line_width (conv) + 2 * conv->kernel * conv->kernel +
          conv->out_size) *
         MIN (PANEL, conv->in);
}

static Part
part_of (const Depthwise *d, int panel, int worker)
{
  const ClipConv *conv = d->conv;
  const gsize area = conv->kernel * conv->kernel;
  Part part = {
    .d = d,
    .kernels = d->tape->kernels,
    .first = panel * PANEL,
    .n = MIN (PANEL, conv->in - panel * PANEL),
    .lines = d->scratch + worker * d->scratch_floats,
  };
  part.line = (gsize) line_width (conv) * part.n;
  part.dlines = part.lines + ring_size (conv) * part.line;
  part.weight = part.dlines + ring_size (conv) * part.line;
  part.dweight = part.weight + area * part.n;
  part.g = part.dweight + area * part.n;
  for (gsize tap = 0; tap < area; tap++)
    memcpy (part.weight + tap * part.n, conv->weight->value + tap * conv->in + part.first,
            part.n * sizeof (float));
  return part;
}

/* Row @row of the image counts from -pad on. */
static float *
ring_line (const Part *part, float *lines, int row)
{
  const ClipConv *conv = part->d->conv;
  return lines + (row + conv->pad) % ring_size (conv) * part->line;
}

static void
read_line (const Part *part, int row)
{
  const ClipConv *conv = part->d->conv;
  float *line = ring_line (part, part->lines, row);
  const gsize before = (gsize) conv->pad * part->n, inside = (gsize) conv->in_size * part->n;
  if (row < 0 || row >= conv->in_size) {
    memset (line, 0, part->line * sizeof *line);
    return;
  }
  memset (line, 0, before * sizeof *line);
  memset (line + before + inside, 0, (part->line - before - inside) * sizeof *line);
  const ClipMap map = clip_map_from (&part->d->x, part->first);
  part->kernels->blend (line + before, part->n, &map,
                        ((gsize) part->image * conv->in_size + row) * conv->in_size, conv->in_size,
                        part->n);
}

/* ---------------------------------------------------------------------------------------------------------- forward */

static void
forward_part (void *data, int task, int worker)
{
  const Depthwise *d = data;
  const ClipConv *conv = d->conv;
  Part part = part_of (d, task % d->n_panels, worker);
  part.image = task / d->n_panels;
  int next = -conv->pad;
  for (int row = 0; row < conv->out_size; row++) {
    const int top = row * conv->stride - conv->pad, tile = part.image * conv->out_size + row;
    const float *window[CLIP_DEPTHWISE_MAX];
    for (; next < top + conv->kernel; next++)
      read_line (&part, next);
    for (int i = 0; i < conv->kernel; i++)
      window[i] = ring_line (&part, part.lines, top + i);
    float *y = d->y + (gsize) tile * conv->out_size * conv->in + part.first;
    part.kernels->filter (y, conv->in, window, part.weight, conv->kernel, conv->stride,
                          conv->out_size, part.n);
    if (!d->moments)
      continue;
    if (part.first == 0)
      d->moments->rows[tile] = conv->out_size;
    part.kernels->moments (clip_partials_at (d->moments, tile, 0, part.first),
                           clip_partials_at (d->moments, tile, 1, part.first), y, conv->in,
                           conv->out_size, part.n);
  }
}

static void
begin (Depthwise *d)
{
  d->n_panels = (d->conv->in + PANEL - 1) / PANEL;
  d->scratch_floats = (part_floats (d->conv) + 15) / 16 * 16;
  d->scratch =
      clip_tape_floats (d->tape, clip_threads_get_n (d->tape->threads) * d->scratch_floats);
}

ClipPartials
clip_depthwise_forward (ClipTape *tape, float *y, const ClipMap *x, const ClipConv *conv, int batch,
                        gboolean learn)
{
  Depthwise d = { .tape = tape, .conv = conv, .x = *x, .y = y, .batch = batch };
  ClipPartials moments = { 0 };
  if (learn) {
    moments = clip_partials_new (tape, batch * conv->out_size, conv->in);
    d.moments = &moments;
  }
  const ClipTapeMark mark = clip_tape_mark (tape);
  begin (&d);
  clip_threads_run (tape->threads, forward_part, &d, batch * d.n_panels);
  clip_tape_release (tape, mark);
  return moments;
}

/* --------------------------------------------------------------------------------------------------------- backward */

/* The gradient of row @row of x is complete. */
static void
finish_line (const Part *part, int row)
{
  const ClipConv *conv = part->d->conv;
  ClipSink *sink = part->d->sink;
  const int tile = part->image * conv->in_size + row;
  const gsize position = (gsize) tile * conv->in_size;
  const float *line = ring_line (part, part->dlines, row) + (gsize) conv->pad * part->n;
  float *g = sink->g + position * conv->in + part->first;
  for (int x = 0; x < conv->in_size; x++, g += conv->in, line += part->n) {
    if (sink->add)
      part->kernels->add (g, line, part->n);
    else
      memcpy (g, line, part->n * sizeof *g);
  }
  clip_sink_done (sink, part->kernels, tile, position, conv->in_size, part->first, part->n);
}

static void
backward_image (const Part *part)
{
  const Depthwise *d = part->d;
  const ClipConv *conv = d->conv;
  const ClipMap dy_map = clip_map_from (&d->dy, part->first);
  int next = -conv->pad, done = 0;
  for (int row = 0; row < conv->out_size; row++) {
    const int top = row * conv->stride - conv->pad;
    const float *window[CLIP_DEPTHWISE_MAX];
    float *dwindow[CLIP_DEPTHWISE_MAX];
    for (; next < top + conv->kernel; next++) {
      if (d->dweights)
        read_line (part, next);
      memset (ring_line (part, part->dlines, next), 0, part->line * sizeof (float));
    }
    for (int i = 0; i < conv->kernel; i++) {
      window[i] = ring_line (part, part->lines, top + i);
      dwindow[i] = ring_line (part, part->dlines, top + i);
    }
    part->kernels->blend (part->g, part->n, &dy_map,
                          ((gsize) part->image * conv->out_size + row) * conv->out_size,
                          conv->out_size, part->n);
    if (d->dweights)
      part->kernels->filter_weight (part->dweight, part->g, part->n, window, conv->kernel,
                                    conv->stride, conv->out_size, part->n);
    if (!d->sink)
      continue;
    part->kernels->filter_input (dwindow, part->g, part->n, part->weight, conv->kernel,
                                 conv->stride, conv->out_size, part->n);
    for (; done < MIN (top + conv->stride, conv->in_size); done++)
      finish_line (part, done);
  }
  /* What the last window sees, and behind it what none does. */
  for (; d->sink && done < conv->in_size; done++) {
    if (done >= next)
      memset (ring_line (part, part->dlines, done), 0, part->line * sizeof (float));
    finish_line (part, done);
  }
}

static void
backward_part (void *data, int task, int worker)
{
  const Depthwise *d = data;
  const ClipConv *conv = d->conv;
  const int group = task / d->n_panels, area = conv->kernel * conv->kernel;
  Part part = part_of (d, task % d->n_panels, worker);
  memset (part.dweight, 0, (gsize) area * part.n * sizeof (float));
  for (part.image = group * d->group; part.image < MIN ((group + 1) * d->group, d->batch);
       part.image++)
    backward_image (&part);
  for (int tap = 0; d->dweights && tap < area; tap++)
    memcpy (d->dweights + ((gsize) group * area + tap) * conv->in + part.first,
            part.dweight + (gsize) tap * part.n, part.n * sizeof (float));
}

void
clip_depthwise_backward (ClipTape *tape, ClipSink *dx, const ClipConv *conv, const ClipMap *dy,
                         const ClipMap *x, int batch)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const gsize weights = (gsize) conv->kernel * conv->kernel * conv->in;
  Depthwise d = {
    .tape = tape,
    .conv = conv,
    .x = *x,
    .dy = *dy,
    .sink = dx,
    .batch = batch,
    .group = (batch + 63) / 64,
  };
  const int n_groups = (batch + d.group - 1) / d.group;
  begin (&d);
  if (conv->weight->gradient)
    d.dweights = clip_tape_floats (tape, n_groups * weights);
  if (dx)
    clip_sink_begin (dx, tape, batch * conv->in_size, conv->in);
  clip_threads_run (tape->threads, backward_part, &d, n_groups * d.n_panels);
  for (int i = 0; d.dweights && i < n_groups; i++)
    tape->kernels->add (conv->weight->gradient, d.dweights + i * weights, weights);
  if (dx)
    clip_sink_end (dx, tape);
  clip_tape_release (tape, mark);
}
