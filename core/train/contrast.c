/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One direction of a contrastive loss: rows of a (this rank's images) against all of b (everybody's texts), then the same
 * with texts and images changed over. A strip of R rows at a time is all that exists of the matrix:
 *
 *   c = a · bᵀ                                   [R, all]    cosines
 *   y = softmax (s · c);  loss = Σ lse (s · c) - s · p · c
 *   g = weight · s · (y - p)                     [R, all]    to the cosines
 *   da += g · b;  db += gᵀ · a                               db: also of other ranks' features, to whom it is sent
 *
 * Every rank has all features (B · E floats), a strip of logits, and no B × B. The derivative to the logarithm of s is
 * Σ g · c, which is Σ da · a of this rank's images.
 */
#include "core/train/contrast.h"
#include "core/train/product.h"

#include <math.h>
#include <string.h>

#define STRIP ((gsize) 1 << 22) /* floats of a strip, as long as it has a few rows */
#define MIN_ROWS 16
#define MAX_ROWS 1024
#define GRAIN 8   /* rows of a task */
#define FAR -1e9f /* the cosine of what is not there: its share of a softmax is 0 */

/* ---------------------------------------------------------------------------------- normalisation */

typedef struct {
  float *y, *length_out;
  const float *x, *dy, *length;
  float weight;
  int width;
} Rows;

static double
dot (const float *x, const float *y, int n)
{
  double sum = 0;
  for (int i = 0; i < n; i++)
    sum += (double) x[i] * y[i];
  return sum;
}

static void
normalise (void *data, int first, int end)
{
  const Rows *r = data;
  for (int i = first; i < end; i++) {
    const float *x = r->x + (gsize) i * r->width;
    float *y = r->y + (gsize) i * r->width;
    const double length = sqrt (dot (x, x, r->width)), scale = length > 0 ? 1 / length : 0;
    for (int j = 0; j < r->width; j++)
      y[j] = x[j] * scale;
    if (r->length_out)
      r->length_out[i] = length;
  }
}

void
clip_normalise_rows (ClipTape *tape, float *y, float *length, const float *x, int rows, int width)
{
  Rows r = { .y = y, .length_out = length, .x = x, .width = width };
  clip_for_ranges (tape, normalise, &r, rows, GRAIN);
}

static void
normalise_back (void *data, int first, int end)
{
  const Rows *r = data;
  for (int i = first; i < end; i++) {
    if (!(r->length[i] > 0))
      continue;
    const float *y = r->x + (gsize) i * r->width, *dy = r->dy + (gsize) i * r->width;
    float *dx = r->y + (gsize) i * r->width;
    const float along = dot (y, dy, r->width), scale = r->weight / r->length[i];
    for (int j = 0; j < r->width; j++)
      dx[j] += scale * (dy[j] - along * y[j]);
  }
}

void
clip_normalise_rows_back (ClipTape *tape, float *dx, const float *dy, const float *y,
                          const float *length, float weight, int rows, int width)
{
  Rows r = { .y = dx, .x = y, .dy = dy, .length = length, .weight = weight, .width = width };
  clip_for_ranges (tape, normalise_back, &r, rows, GRAIN);
}

const float *
clip_all_rows (ClipTape *tape, ClipRanks *ranks, const float *x, int rows, int width,
               GError **error)
{
  const int n = clip_ranks_get_n (ranks);
  const gsize size = (gsize) rows * width;
  if (n == 1)
    return x;
  float *all = clip_tape_floats (tape, n * size);
  return clip_ranks_gather (ranks, all, x, size * sizeof *x, error) ? all : NULL;
}

/* ------------------------------------------------------------------------------------- direction */

/* Features of one side. */
typedef struct {
  int n, n_all;
  float *own, *length; /* [n, E] of length 1, [n] before */
  const float *all;    /* [n_all, E] */
  float *d_all;        /* [n_all, E]: what this rank adds to everybody's gradient */
  float *d_own;        /* [n, E]: place of this rank's own in it; in the end, of all ranks' sum */
} Side;

typedef struct {
  const ClipKernels *kernels;
  float *logits; /* [rows, cols]: cosines, then g */
  const float *targets;
  const guint8 *absent; /* [cols]; NULL: none */
  int cols;
  float scale;
  double weight; /* of a row, without s */
  double *loss;  /* [rows] */
  int *hit;      /* [rows]: the best one is (one of) the truest */
} Strip;

static void
score_row (const Strip *s, int row)
{
  float *c = s->logits + (gsize) row * s->cols;
  const float *p = s->targets + (gsize) row * s->cols;
  int best = 0;
  float truest = 0;
  for (int i = 0; s->absent && i < s->cols; i++)
    c[i] = s->absent[i] ? FAR : c[i];
  for (int i = 0; i < s->cols; i++) {
    best = c[i] > c[best] ? i : best;
    truest = MAX (truest, p[i]);
  }
  s->loss[row] = s->hit[row] = 0;
  if (truest == 0) {
    memset (c, 0, s->cols * sizeof *c);
    return;
  }
  const double highest = c[best], expected = dot (p, c, s->cols), logit_scale = s->scale;
  s->kernels->softmax (c, c, s->scale, s->cols);
  s->loss[row] = logit_scale * (highest - expected) - log ((double) c[best]);
  s->hit[row] = p[best] == truest;
  const float weight = s->weight * logit_scale;
  for (int i = 0; i < s->cols; i++)
    c[i] = weight * (c[i] - p[i]);
}

static void
score_rows (void *data, int first, int end)
{
  for (int row = first; row < end; row++)
    score_row (data, row);
}

typedef struct {
  double loss, hits; /* sums over this rank's rows */
} Score;

static Score
run_direction (ClipTape *tape, const Side *a, const Side *b, int width, const ClipTargets *targets,
               ClipDirection direction, float scale, double weight)
{
  const int most = MIN (a->n, CLAMP (STRIP / b->n_all, MIN_ROWS, MAX_ROWS));
  const ClipTapeMark mark = clip_tape_mark (tape);
  float *p = clip_tape_floats (tape, (gsize) most * b->n_all);
  Strip s = {
    .kernels = tape->kernels,
    .logits = clip_tape_floats (tape, (gsize) most * b->n_all),
    .targets = p,
    .absent = targets->absent[direction],
    .cols = b->n_all,
    .scale = scale,
    .weight = weight,
    .loss = clip_tape_take (tape, most * sizeof (double)),
    .hit = clip_tape_take (tape, most * sizeof (int)),
  };
  Score score = { 0 };
  for (int first = 0; first < a->n; first += most) {
    const int rows = MIN (most, a->n - first);
    const float *x = a->own + (gsize) first * width;
    clip_product_nt (tape, s.logits, s.cols, x, width, b->all, width, NULL, rows, s.cols, width,
                     FALSE);
    targets->fill (targets, tape, p, direction, first, rows);
    clip_for_ranges (tape, score_rows, &s, rows, GRAIN);
    for (int i = 0; i < rows; i++) {
      score.loss += s.loss[i];
      score.hits += s.hit[i];
    }
    clip_product_nn (tape, a->d_own + (gsize) first * width, width, s.logits, s.cols, b->all, width,
                     rows, width, s.cols, TRUE);
    clip_product_tn (tape, b->d_all, width, s.logits, s.cols, x, width, s.cols, width, rows, TRUE);
  }
  clip_tape_release (tape, mark);
  return score;
}

/* ------------------------------------------------------------------------------------------ both */

static gboolean
prepare (Side *side, ClipTape *tape, ClipRanks *ranks, gboolean local, const float *x, int n,
         int width, GError **error)
{
  const gsize size = (gsize) n * width;
  side->n = n;
  side->own = clip_tape_floats (tape, size);
  side->length = clip_tape_floats (tape, n);
  clip_normalise_rows (tape, side->own, side->length, x, n, width);
  side->all = local ? side->own : clip_all_rows (tape, ranks, side->own, n, width, error);
  if (!side->all)
    return FALSE;
  const int parts = local ? 1 : clip_ranks_get_n (ranks);
  const int place = local ? 0 : clip_ranks_get_rank (ranks);
  side->n_all = n * parts;
  side->d_all = clip_tape_zeros (tape, size * parts);
  side->d_own = side->d_all + place * size;
  return TRUE;
}

/* What all ranks have for the features of this one. */
static gboolean
collect (Side *side, ClipTape *tape, ClipRanks *ranks, int width, GError **error)
{
  if (side->n_all == side->n)
    return TRUE;
  const gsize size = (gsize) side->n * width;
  side->d_own = clip_tape_floats (tape, size);
  return clip_ranks_sum_parts (ranks, side->d_own, side->d_all, size, error);
}

static gboolean
run (ClipContrastResult *result, ClipTape *tape, ClipRanks *ranks, const ClipContrast *c,
     const ClipTargets *targets, float weight, float *d_image, float *d_text, GError **error)
{
  const int width = c->embed_dim;
  const float scale = expf (c->logit_scale);
  Side image, text;
  if (!prepare (&image, tape, ranks, targets->local, c->image, c->images, width, error) ||
      !prepare (&text, tape, ranks, targets->local, c->text, c->texts, width, error))
    return FALSE;
  double n[2] = { targets->n[CLIP_OF_IMAGES], targets->n[CLIP_OF_TEXTS] };
  if (!clip_ranks_sum_doubles (ranks, n, 2, error))
    return FALSE;

  const double image_weight = n[0] > 0 ? c->image_weight / n[0] : 0,
               text_weight = n[1] > 0 ? c->text_weight / n[1] : 0;
  Score of_images = { 0 }, of_texts = { 0 };
  if (image_weight > 0)
    of_images =
        run_direction (tape, &image, &text, width, targets, CLIP_OF_IMAGES, scale, image_weight);
  if (text_weight > 0)
    of_texts =
        run_direction (tape, &text, &image, width, targets, CLIP_OF_TEXTS, scale, text_weight);
  if (!collect (&image, tape, ranks, width, error) || !collect (&text, tape, ranks, width, error))
    return FALSE;

  double sums[3] = { image_weight * of_images.loss + text_weight * of_texts.loss,
                     n[0] > 0 ? of_images.hits / n[0] : 0 };
  for (int i = 0; i < image.n; i++)
    sums[2] += dot (image.d_own + (gsize) i * width, image.own + (gsize) i * width, width);
  if (!clip_ranks_sum_doubles (ranks, sums, 3, error))
    return FALSE;
  *result = (ClipContrastResult){ sums[0], sums[1], sums[2] };
  clip_normalise_rows_back (tape, d_image, image.d_own, image.own, image.length, weight, image.n,
                            width);
  clip_normalise_rows_back (tape, d_text, text.d_own, text.own, text.length, weight, text.n, width);
  return TRUE;
}

gboolean
clip_contrast_with (ClipContrastResult *result, ClipTape *tape, ClipRanks *ranks,
                    const ClipContrast *contrast, const ClipTargets *targets, float weight,
                    float *d_image, float *d_text, GError **error)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const gboolean ok = run (result, tape, ranks, contrast, targets, weight, d_image, d_text, error);
  clip_tape_release (tape, mark);
  return ok;
}

typedef struct {
  const ClipKernels *kernels;
  float *p, scale;
  int cols;
} Softmax;

static void
softmax_rows (void *data, int first, int end)
{
  const Softmax *s = data;
  for (int row = first; row < end; row++) {
    float *p = s->p + (gsize) row * s->cols;
    s->kernels->softmax (p, p, s->scale, s->cols);
  }
}

void
clip_softmax_rows (ClipTape *tape, float *p, int rows, int cols, float scale)
{
  Softmax s = { tape->kernels, p, scale, cols };
  clip_for_ranges (tape, softmax_rows, &s, rows, 8);
}
