/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/widen.h"

#include <string.h>

#define PANEL CLIP_WIDEN_PANEL
/* Floats of expanded rows a task keeps: they are to stay in the second-level cache. */
#define BAND_FLOATS (96 * 1024)

/* --------------------------------------------------------------------------------------------------------- running */

/* Output rows of a band: as many as keep its input rows within BAND_FLOATS, all of a small picture. */
static int
band_rows (const ClipWiden *widen)
{
  const int width = widen->in_size + widen->kernel, panel = MIN (PANEL, widen->middle);
  const int in_rows = BAND_FLOATS / (width * panel);
  return CLAMP ((in_rows - widen->kernel) / widen->stride + 1, 1, widen->out_size);
}

static int
in_rows (const ClipWiden *widen, int out_rows)
{
  return (out_rows - 1) * widen->stride + widen->kernel;
}

static int
padded_width (const ClipWiden *widen)
{
  return (widen->out_size - 1) * widen->stride + widen->kernel + widen->stride;
}

gsize
clip_widen_scratch (const ClipWiden *widen)
{
  return (gsize) in_rows (widen, band_rows (widen)) * padded_width (widen) *
         MIN (PANEL, widen->middle);
}

typedef struct {
  ClipSession *session;
  const ClipWiden *widen;
  float *y;
  const float *x;
  int band, n_bands, n_panels;
} Work;

/* band[rows, padded width, n] = the channels @first … of rows @top … of the expanded picture, zero outside of it. */
static void
expand_band (const Work *work, float *band, const float *x, int top, int rows, int first, int n)
{
  const ClipWiden *widen = work->widen;
  const int size = widen->in_size, in = widen->in;
  const gsize line = (gsize) padded_width (widen) * n, before = (gsize) widen->pad * n,
              inside = (gsize) size * n;
  for (int row = top; row < top + rows; row++, band += line) {
    if (row < 0 || row >= size) {
      memset (band, 0, line * sizeof *band);
      continue;
    }
    const float *in_row = x + (gsize) row * size * in;
    memset (band, 0, before * sizeof *band);
    memset (band + before + inside, 0, (line - before - inside) * sizeof *band);
    if (widen->expand.weight.rows)
      clip_linear_part (work->session->kernels, band + before, n, in_row, in, &widen->expand,
                        (ClipLinearPart){ first, n, 0, in }, size, CLIP_LINEAR_RELU6);
    else
      for (int column = 0; column < size; column++)
        memcpy (band + before + (gsize) column * n, in_row + (gsize) column * in + first,
                n * sizeof *band);
  }
}

static void
widen_some (void *data, int task, int worker)
{
  const Work *work = data;
  const ClipWiden *widen = work->widen;
  const int band_index = task % work->n_bands, panel = task / work->n_bands % work->n_panels;
  const int image = task / work->n_bands / work->n_panels;
  const int first = panel * PANEL, n = MIN (PANEL, widen->middle - first);
  const int row = band_index * work->band, rows = MIN (work->band, widen->out_size - row);
  const int width = padded_width (widen), top = row * widen->stride - widen->pad;
  float *band = clip_session_scratch (work->session, worker);

  expand_band (work, band, work->x + (gsize) image * widen->in_size * widen->in_size * widen->in,
               top, in_rows (widen, rows), first, n);
  const float *weight = widen->depthwise + (gsize) first * widen->kernel * widen->kernel;
  for (int i = 0; i < rows; i++) {
    const float *window[CLIP_DEPTHWISE_MAX];
    for (int j = 0; j < widen->kernel; j++)
      window[j] = band + (gsize) (i * widen->stride + j) * width * n;
    float *y = work->y +
               (((gsize) image * widen->out_size + row + i) * widen->out_size) * widen->middle +
               first;
    work->session->kernels->depthwise (y, widen->middle, window, weight,
                                       widen->depthwise_bias + first, widen->kernel, widen->stride,
                                       widen->out_size, n);
  }
}

void
clip_widen_run (ClipSession *session, float *y, const float *x, const ClipWiden *widen, int batch)
{
  Work work = { session, widen, y, x, band_rows (widen) };
  work.n_bands = (widen->out_size + work.band - 1) / work.band;
  work.n_panels = (widen->middle + PANEL - 1) / PANEL;
  clip_widen_count (session, widen, batch);
  clip_threads_run (session->threads, widen_some, &work, batch * work.n_bands * work.n_panels);
}

void
clip_widen_count (ClipSession *session, const ClipWiden *widen, int batch)
{
  const guint64 before = (guint64) batch * widen->in_size * widen->in_size,
                after = (guint64) batch * widen->out_size * widen->out_size;
  clip_session_count (session, before * widen->expand.weight.rows * widen->in +
                                   after * widen->middle * widen->kernel * widen->kernel);
}

/* --------------------------------------------------------------------------------------------------------- binding */

/* [M, k, k], which is released, to panels of [k, k, channels] */
static const float *
arrange_depthwise (ClipWeights *weights, float *w, int channels, int taps)
{
  float *arranged = clip_weights_alloc (weights, (gsize) channels * taps);
  for (int first = 0; arranged && w && first < channels; first += PANEL) {
    const int n = MIN (PANEL, channels - first);
    for (int t = 0; t < taps; t++)
      for (int c = 0; c < n; c++)
        arranged[(gsize) first * taps + t * n + c] = w[(gsize) (first + c) * taps + t];
  }
  if (arranged && w)
    clip_weights_release (weights, w, (gsize) channels * taps);
  return arranged;
}

void
clip_widen_bind (ClipWiden *widen, ClipWeights *weights, float epsilon, const ClipWidenNames *names)
{
  const int taps = widen->kernel * widen->kernel;
  if (names->expand)
    widen->expand = clip_bind_conv (weights, widen->middle, widen->in, 1, epsilon, names->expand,
                                    names->expand_norm, CLIP_PRECISION_F32);
  const ClipLinear depthwise = clip_bind_folded (weights, widen->middle, taps, epsilon,
                                                 names->depthwise, names->depthwise_norm);
  widen->depthwise =
      arrange_depthwise (weights, (float *) depthwise.weight.data, widen->middle, taps);
  widen->depthwise_bias = depthwise.bias;
}
