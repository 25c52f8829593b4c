/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/batchnorm.h"

#include <math.h>
#include <string.h>

#define MOMENTUM 0.1

void
clip_batch_norm_bind (ClipBatchNorm *norm, ClipParameters *parameters, int channels, float epsilon,
                      ClipPart part, int block, const char *name)
{
  const ClipParameterSpec gain = {
    .part = part, .block = block, .n_dims = 1, .shape = { channels }
  };
  ClipParameterSpec buffer = gain;
  buffer.buffer = TRUE;
  *norm = (ClipBatchNorm){
    .weight = clip_parameters_add (parameters, gain, "%s.weight", name),
    .bias = clip_parameters_add (parameters, gain, "%s.bias", name),
    .mean = clip_parameters_add (parameters, buffer, "%s.running_mean", name),
    .variance = clip_parameters_add (parameters, buffer, "%s.running_var", name),
    .channels = channels,
    .epsilon = epsilon,
  };
}

/* --------------------------------------------------------------------------------------------------------- partials */

ClipPartials
clip_partials_new (ClipTape *tape, int n, int channels)
{
  return (ClipPartials){
    .n = n,
    .channels = channels,
    .values = clip_tape_floats (tape, (gsize) n * 2 * channels),
    .rows = clip_tape_take (tape, n * sizeof (int)),
  };
}

#define CHANNELS 16 /* of a task: a cache line */

typedef struct {
  const ClipPartials *partials;
  float *sum, *dot;        /* plain sums; or */
  double *mean, *variance; /* of moments; the variance is Σ (x - mean)² */
} AddUp;

static void
add_up_sums (void *data, int task, int worker)
{
  const AddUp *a = data;
  const int first = task * CHANNELS, n = MIN (CHANNELS, a->partials->channels - first);
  double sum[CHANNELS] = { 0 }, dot[CHANNELS] = { 0 };
  for (int i = 0; i < a->partials->n; i++) {
    const float *s = clip_partials_at (a->partials, i, 0, first);
    const float *d = clip_partials_at (a->partials, i, 1, first);
    for (int c = 0; c < n; c++) {
      sum[c] += s[c];
      dot[c] += d[c];
    }
  }
  for (int c = 0; c < n; c++) {
    if (a->sum)
      a->sum[first + c] = sum[c];
    a->dot[first + c] = dot[c];
  }
}

/* Chan, Golub & LeVeque 1979: two sets' squared deviations add up, and what their means differ by is added. */
static void
add_up_moments (void *data, int task, int worker)
{
  const AddUp *a = data;
  const int first = task * CHANNELS, n = MIN (CHANNELS, a->partials->channels - first);
  double mean[CHANNELS] = { 0 }, squares[CHANNELS] = { 0 }, rows = 0;
  for (int i = 0; i < a->partials->n; i++) {
    const float *s = clip_partials_at (a->partials, i, 0, first);
    const float *q = clip_partials_at (a->partials, i, 1, first);
    const double more = a->partials->rows[i], share = more / (rows + more), weight = rows * share;
    rows += more;
    for (int c = 0; c < n; c++) {
      const double delta = s[c] / more - mean[c];
      squares[c] += q[c] + delta * delta * weight;
      mean[c] += delta * share;
    }
  }
  memcpy (a->mean + first, mean, n * sizeof *mean);
  memcpy (a->variance + first, squares, n * sizeof *squares);
}

static int
n_tasks (int channels)
{
  return (channels + CHANNELS - 1) / CHANNELS;
}

void
clip_partials_add_up (ClipTape *tape, const ClipPartials *partials, float *sum, float *dot)
{
  AddUp a = { .partials = partials, .sum = sum, .dot = dot };
  clip_threads_run (tape->threads, add_up_sums, &a, n_tasks (partials->channels));
}

/* ---------------------------------------------------------------------------------------------------------- forward */

ClipNormed
clip_batch_norm_in (float *memory, const ClipBatchNorm *norm)
{
  const gsize channels = norm->channels;
  return (ClipNormed){
    .scale = memory,
    .shift = memory + channels,
    .mean = memory + 2 * channels,
    .inverse = memory + 3 * channels,
  };
}

static void
set_channel (ClipNormed *normed, const ClipBatchNorm *norm, int c, double mean, double variance)
{
  const double inverse = 1 / sqrt (variance + norm->epsilon);
  normed->mean[c] = mean;
  normed->inverse[c] = inverse;
  normed->scale[c] = norm->weight->value[c] * inverse;
  normed->shift[c] = norm->bias->value[c] - mean * norm->weight->value[c] * inverse;
}

void
clip_batch_norm_run (ClipNormed *normed, const ClipBatchNorm *norm)
{
  normed->positions = 0;
  for (int c = 0; c < norm->channels; c++)
    set_channel (normed, norm, c, norm->mean->value[c], norm->variance->value[c]);
}

void
clip_batch_norm_learn (ClipNormed *normed, ClipTape *tape, const ClipBatchNorm *norm,
                       const ClipPartials *moments)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  AddUp a = {
    .partials = moments,
    .mean = clip_tape_take (tape, norm->channels * sizeof (double)),
    .variance = clip_tape_take (tape, norm->channels * sizeof (double)),
  };
  clip_threads_run (tape->threads, add_up_moments, &a, n_tasks (norm->channels));
  gsize n = 0;
  for (int i = 0; i < moments->n; i++)
    n += moments->rows[i];
  normed->positions = n;
  for (int c = 0; c < norm->channels; c++) {
    float *mean = &norm->mean->value[c], *variance = &norm->variance->value[c];
    set_channel (normed, norm, c, a.mean[c], a.variance[c] / n);
    if (!isfinite (a.mean[c]) || !isfinite (a.variance[c]))
      continue; /* the step will change nothing, and this would for ever */
    *mean += MOMENTUM * (a.mean[c] - *mean);
    *variance += MOMENTUM * (a.variance[c] / MAX (n - 1, 1) - *variance);
  }
  clip_tape_release (tape, mark);
}

ClipMap
clip_normed_map (const ClipNormed *normed, const float *y, int channels, float low, float high)
{
  return (ClipMap){
    .x = y,
    .scale = normed->scale,
    .shift = normed->shift,
    .stride = channels,
    .low = low,
    .high = high,
  };
}

/* --------------------------------------------------------------------------------------------------------- backward */

ClipMap
clip_batch_norm_backward (ClipTape *tape, const ClipBatchNorm *norm, const ClipNormed *normed,
                          const float *g, const float *y, const float *sum, const float *dot)
{
  for (int c = 0; norm->weight->gradient && c < norm->channels; c++)
    norm->weight->gradient[c] += dot[c] * normed->inverse[c];
  for (int c = 0; norm->bias->gradient && c < norm->channels; c++)
    norm->bias->gradient[c] += sum[c];
  ClipMap dy = {
    .x = g,
    .scale = normed->scale,
    .stride = norm->channels,
    .low = -INFINITY,
    .high = INFINITY,
  };
  if (!normed->positions)
    return dy;
  float *z_scale = clip_tape_floats (tape, norm->channels);
  float *shift = clip_tape_floats (tape, norm->channels);
  for (int c = 0; c < norm->channels; c++) {
    const double scale = normed->scale[c], inverse = normed->inverse[c], n = normed->positions;
    const double slope = dot[c] / n * inverse * inverse;
    z_scale[c] = -scale * slope;
    shift[c] = scale * (slope * normed->mean[c] - sum[c] / n);
  }
  dy.z = y;
  dy.z_scale = z_scale;
  dy.shift = shift;
  return dy;
}

/* ------------------------------------------------------------------------------------------------------------- sink */

void
clip_sink_begin (ClipSink *sink, ClipTape *tape, int n_tiles, int channels)
{
  sink->channels = channels;
  for (int i = 0; i < sink->n_norms; i++)
    sink->norms[i].partials = clip_partials_new (tape, n_tiles, channels);
}

void
clip_sink_done (ClipSink *sink, const ClipKernels *kernels, int tile, gsize first, int rows,
                int channel, int n)
{
  const gsize stride = sink->channels, at = first * stride + channel;
  float *g = sink->g + at;
  if (sink->gate) {
    const ClipMap gate = clip_map_from (sink->gate, channel);
    kernels->gate (g, stride, &gate, first, rows, n);
  }
  for (int i = 0; i < sink->n_norms; i++) {
    const ClipPartials *partials = &sink->norms[i].partials;
    kernels->dots (clip_partials_at (partials, tile, 0, channel),
                   clip_partials_at (partials, tile, 1, channel), g, stride, sink->norms[i].y + at,
                   stride, sink->norms[i].mean + channel, rows, n);
  }
}

void
clip_sink_end (ClipSink *sink, ClipTape *tape)
{
  for (int i = 0; i < sink->n_norms; i++)
    clip_partials_add_up (tape, &sink->norms[i].partials, sink->norms[i].sum, sink->norms[i].dot);
}
