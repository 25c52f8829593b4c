/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BatchNorm over positions [P, C], with the statistics of the batch or with the running ones:
 *
 *   z = scale · y + shift      scale = weight / √(variance + ε), shift = bias - mean · scale
 *   running += 0.1 (statistic - running), of the variance the unbiased one
 *
 * z is never made: it is a ClipMap, with what follows as its clamp, that the next layer reads through. Whoever makes y leaves
 * the moments of its tiles, whoever makes the gradient g of z leaves Σ g and Σ g · (y - mean) of its own; what they add up to
 * gives the gradients, and that of y is a map again: scale · (g - mean g - ŷ · mean (g ŷ)). Tiles follow from sizes alone.
 */
#pragma once
#include "core/train/parameters.h"
#include "core/train/tape.h"

/* Two sums a channel, of each of n tiles. */
typedef struct {
  int n, channels;
  float *values; /* [n, 2, C] */
  int *rows;     /* [n] positions of each */
} ClipPartials;

ClipPartials clip_partials_new (ClipTape *tape, int n, int channels);
/* The first of both sums of tile @i, from channel @channel on. */
static inline float *
clip_partials_at (const ClipPartials *partials, int i, int which, int channel)
{
  return partials->values + ((gsize) i * 2 + which) * partials->channels + channel;
}
/* sum[C], dot[C]: over all tiles */
void clip_partials_add_up (ClipTape *tape, const ClipPartials *partials, float *sum, float *dot);

typedef struct {
  ClipParameter *weight, *bias;
  ClipParameter *mean, *variance; /* running */
  int channels;
  float epsilon;
} ClipBatchNorm;

/* What became of it in one pass. */
typedef struct {
  float *scale, *shift, *mean, *inverse; /* [C]; inverse: 1 / √(variance + ε) */
  gsize positions; /* whose statistics these are; 0: they are the running ones */
} ClipNormed;

/* Binds NAME.weight, .bias, .running_mean, .running_var. */
void clip_batch_norm_bind (ClipBatchNorm *norm, ClipParameters *parameters, int channels,
                           float epsilon, ClipPart part, int block, const char *name);
/* In @memory: CLIP_NORMED_FLOATS for each channel. */
#define CLIP_NORMED_FLOATS 4
ClipNormed clip_batch_norm_in (float *memory, const ClipBatchNorm *norm);
void clip_batch_norm_run (ClipNormed *normed, const ClipBatchNorm *norm); /* running */
/* @moments: sums and squared deviations (ClipKernels.moments). The running statistics follow. */
void clip_batch_norm_learn (ClipNormed *normed, ClipTape *tape, const ClipBatchNorm *norm,
                            const ClipPartials *moments);

/* z as a map of y, clamped. */
ClipMap clip_normed_map (const ClipNormed *normed, const float *y, int channels, float low,
                         float high);
/* Adds to the gradients of weight and bias; returns the gradient of y as a map of g and y, with coefficients on the tape.
 * sum[c] = Σ g, dot[c] = Σ g · (y - mean) */
ClipMap clip_batch_norm_backward (ClipTape *tape, const ClipBatchNorm *norm,
                                  const ClipNormed *normed, const float *g, const float *y,
                                  const float *sum, const float *dot);

/* --------------------------------------------------------------------------------------------------------- gradients */

/*
 * Where a backward pass puts the gradient of its input, and what is done with it while it is in the cache: it is added to
 * what is there, stopped where @gate is clamped, and summed for the BatchNorms that made the input.
 */
typedef struct {
  float *g; /* [P, C] */
  gboolean add;
  const ClipMap *gate; /* NULL: none */
  int n_norms;
  struct {
    const float *y, *mean; /* [P, C], [C] */
    float *sum, *dot;      /* [C]; sum may be NULL: it is another's */
    ClipPartials partials; /* between begin and end */
  } norms[2];
  int channels;
} ClipSink;

void clip_sink_begin (ClipSink *sink, ClipTape *tape, int n_tiles, int channels);
/* Tile @tile has put the gradient of @rows positions from @first on, @n channels from @channel on. */
void clip_sink_done (ClipSink *sink, const ClipKernels *kernels, int tile, gsize first, int rows,
                     int channel, int n);
void clip_sink_end (ClipSink *sink, ClipTape *tape);
