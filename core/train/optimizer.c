/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * AdamW in two passes over what is trained, cut into pieces of one parameter each: the gradient's squares, then the step.
 *
 * Lengths are whole vectors (parameters are padded with zeros, which stay zeros), so inner loops run over a constant number
 * of floats and the compiler makes vector instructions of them. The step reads and writes 28 bytes a parameter: memory is
 * what limits it.
 */
#include "core/train/optimizer.h"
#include "core/train/product.h"

#include <math.h>
#include <string.h>

#define PIECE ((gsize) 1 << 14) /* floats */
#define LANES 16                /* CLIP_ALIGNMENT of them */
#define GRAIN 4                 /* pieces of a task */
#define MAX_SCALE 4.6051702f    /* ln 100 */

typedef struct {
  const ClipParameter *parameter;
  gsize value, gradient, n; /* where it begins in values and gradients, its length in floats */
  float depth;              /* layer_decay to the number of blocks above */
} Piece;

struct _ClipOptimizer {
  ClipParameters *parameters;
  ClipOptimizerConfig config;
  GArray *pieces;   /* Piece: of what is trained */
  GArray *averaged; /* Piece: of what is trained, and of running statistics */
  float *first, *second, *average;
  double *squares; /* [pieces] */

  /* Of the current step. */
  float scale; /* of the gradient */
  double factor, correction1, correction2;
};

static void
add_pieces (GArray *pieces, const ClipParameters *parameters, const ClipParameter *parameter,
            float depth)
{
  const gsize all = (parameter->n + LANES - 1) / LANES * LANES;
  for (gsize first = 0; first < all; first += PIECE) {
    const Piece piece = {
      parameter,
      parameter->value - parameters->values + first,
      parameter->trained ? parameter->gradient - parameters->gradients + first : 0,
      MIN (PIECE, all - first),
      depth,
    };
    g_array_append_val (pieces, piece);
  }
}

static float *
zeros (gsize n)
{
  float *x = clip_aligned_alloc (n * sizeof *x);
  return memset (x, 0, n * sizeof *x);
}

ClipOptimizer *
clip_optimizer_new (ClipParameters *parameters, const ClipOptimizerConfig *config)
{
  ClipOptimizer *optimizer = g_new0 (ClipOptimizer, 1);
  optimizer->parameters = parameters;
  optimizer->config = *config;
  optimizer->pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
  optimizer->averaged = g_array_new (FALSE, FALSE, sizeof (Piece));

  int top[CLIP_PART_N] = { 0 };
  for (guint i = 0; i < parameters->list->len; i++) {
    const ClipParameterSpec *spec = &((ClipParameter *) parameters->list->pdata[i])->spec;
    top[spec->part] = MAX (top[spec->part], spec->block);
  }
  for (guint i = 0; i < parameters->list->len; i++) {
    const ClipParameter *parameter = parameters->list->pdata[i];
    const ClipParameterSpec *spec = &parameter->spec;
    const float depth = pow (config->layer_decay, top[spec->part] - spec->block);
    if (parameter->trained)
      add_pieces (optimizer->pieces, parameters, parameter, depth);
    if (parameter->trained || spec->buffer)
      add_pieces (optimizer->averaged, parameters, parameter, depth);
  }
  optimizer->first = zeros (parameters->n_gradients);
  optimizer->second = zeros (parameters->n_gradients);
  optimizer->squares = g_new0 (double, optimizer->pieces->len);
  if (config->average > 0) {
    optimizer->average = clip_aligned_alloc (parameters->n_values * sizeof (float));
    memcpy (optimizer->average, parameters->values, parameters->n_values * sizeof (float));
  }
  return optimizer;
}

void
clip_optimizer_free (ClipOptimizer *optimizer)
{
  if (!optimizer)
    return;
  g_array_unref (optimizer->pieces);
  g_array_unref (optimizer->averaged);
  clip_aligned_free (optimizer->first);
  clip_aligned_free (optimizer->second);
  clip_aligned_free (optimizer->average);
  g_free (optimizer->squares);
  g_free (optimizer);
}

double
clip_schedule (const ClipOptimizerConfig *config, int step)
{
  if (step < config->warmup_steps)
    return (step + 1.) / config->warmup_steps;
  const int steps = config->total_steps - config->warmup_steps;
  const int done = step - config->warmup_steps;
  return done >= steps ? 0 : 0.5 * (1 + cos (G_PI * done / steps));
}

/* ---------------------------------------------------------------------------------------- passes */

static double
sum_of_squares (const float *x, gsize n)
{
  double lanes[LANES] = { 0 }, sum = 0;
  for (gsize i = 0; i < n; i += LANES) {
    for (int j = 0; j < LANES; j++)
      lanes[j] += (double) x[i + j] * x[i + j];
  }
  for (int j = 0; j < LANES; j++)
    sum += lanes[j];
  return sum;
}

static void
square_pieces (void *data, int first, int end)
{
  ClipOptimizer *optimizer = data;
  for (int i = first; i < end; i++) {
    const Piece *piece = &g_array_index (optimizer->pieces, Piece, i);
    optimizer->squares[i] =
        sum_of_squares (optimizer->parameters->gradients + piece->gradient, piece->n);
  }
}

typedef struct {
  float scale, beta1, rest1, beta2, rest2; /* rest: 1 - beta */
  float keep;                              /* 1 - η λ */
  float rate, root;                        /* η / (1 - β1ᵗ), 1 / √(1 - β2ᵗ) */
  float epsilon;
} Adam;

static void
adam (float *restrict w, float *restrict m, float *restrict v, const float *restrict g, gsize n,
      Adam a)
{
  for (gsize i = 0; i < n; i += LANES) {
    for (int j = 0; j < LANES; j++) {
      const float d = g[i + j] * a.scale;
      const float mean = a.beta1 * m[i + j] + a.rest1 * d;
      const float square = a.beta2 * v[i + j] + a.rest2 * d * d;
      m[i + j] = mean;
      v[i + j] = square;
      w[i + j] = w[i + j] * a.keep - a.rate * mean / (sqrtf (square) * a.root + a.epsilon);
    }
  }
}

static void
step_pieces (void *data, int first, int end)
{
  ClipOptimizer *optimizer = data;
  const ClipOptimizerConfig *config = &optimizer->config;
  for (int i = first; i < end; i++) {
    const Piece *piece = &g_array_index (optimizer->pieces, Piece, i);
    const ClipParameterSpec *spec = &piece->parameter->spec;
    const double rate = config->rate[spec->part] * piece->depth * optimizer->factor;
    const Adam a = {
      .scale = optimizer->scale,
      .beta1 = config->beta1,
      .rest1 = 1 - (double) config->beta1,
      .beta2 = config->beta2,
      .rest2 = 1 - (double) config->beta2,
      .keep = spec->decay ? 1 - rate * config->weight_decay : 1,
      .rate = rate / optimizer->correction1,
      .root = 1 / sqrt (optimizer->correction2),
      .epsilon = config->epsilon,
    };
    adam (optimizer->parameters->values + piece->value, optimizer->first + piece->gradient,
          optimizer->second + piece->gradient, optimizer->parameters->gradients + piece->gradient,
          piece->n, a);
  }
}

static void
average_pieces (void *data, int first, int end)
{
  ClipOptimizer *optimizer = data;
  const float share = 1 - (double) optimizer->config.average;
  for (int i = first; i < end; i++) {
    const Piece *piece = &g_array_index (optimizer->averaged, Piece, i);
    float *restrict a = optimizer->average + piece->value;
    const float *restrict w = optimizer->parameters->values + piece->value;
    for (gsize k = 0; k < piece->n; k += LANES) {
      for (int j = 0; j < LANES; j++)
        a[k + j] += share * (w[k + j] - a[k + j]);
    }
  }
}

double
clip_optimizer_step (ClipOptimizer *optimizer, ClipTape *tape, int step)
{
  const ClipOptimizerConfig *config = &optimizer->config;
  const int n = optimizer->pieces->len;
  clip_for_ranges (tape, square_pieces, optimizer, n, GRAIN);
  double squares = 0;
  for (int i = 0; i < n; i++)
    squares += optimizer->squares[i];
  const double norm = sqrt (squares);
  if (!isfinite (norm))
    return norm;

  optimizer->scale = config->clip_norm > 0 ? MIN (1, config->clip_norm / (norm + 1e-6)) : 1;
  optimizer->factor = clip_schedule (config, step);
  optimizer->correction1 = 1 - pow (config->beta1, step + 1);
  optimizer->correction2 = 1 - pow (config->beta2, step + 1);
  clip_for_ranges (tape, step_pieces, optimizer, n, GRAIN);
  for (int i = 0; i < n; i++) {
    const ClipParameter *parameter = g_array_index (optimizer->pieces, Piece, i).parameter;
    if (parameter->spec.part == CLIP_PART_SCALE)
      parameter->value[0] = CLAMP (parameter->value[0], 0, MAX_SCALE);
  }
  if (optimizer->average)
    clip_for_ranges (tape, average_pieces, optimizer, optimizer->averaged->len, GRAIN);
  return norm;
}

double
clip_optimizer_get_rate (const ClipOptimizer *optimizer, int step)
{
  double highest = 0;
  for (guint i = 0; i < optimizer->pieces->len; i++) {
    const Piece *piece = &g_array_index (optimizer->pieces, Piece, i);
    const double peak = optimizer->config.rate[piece->parameter->spec.part] * piece->depth;
    highest = MAX (highest, peak);
  }
  return highest * clip_schedule (&optimizer->config, step);
}

float *
clip_optimizer_get_first (ClipOptimizer *optimizer)
{
  return optimizer->first;
}

float *
clip_optimizer_get_second (ClipOptimizer *optimizer)
{
  return optimizer->second;
}

float *
clip_optimizer_get_average (ClipOptimizer *optimizer)
{
  return optimizer->average;
}
