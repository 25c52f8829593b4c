/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pillow's 8-bit resampling, to the bit:
 *
 *   s      = max (scale, 1); centre = (o + 1/2) · scale + offset
 *   range  = samples trunc (centre ∓ support · s + 1/2), within the picture
 *   w[i]   = filter ((i - centre + 1/2) / s), divided by their sum, times 2^22, rounded away from zero
 *   across = clip8 ((2^21 + Σ w · sample) >> 22)  for every row that counts
 *   down   = the same over the results of the pass across
 *
 * Where a length does not change Pillow skips the pass. Here its weights become a single 2^22, which copies: no second
 * path is needed. All arithmetic on weights is in double, without contraction into fused operations (-ffp-contract=off).
 */
#include "core/image/resize.h"
#include "core/base/arena.h"

#include <math.h>
#include <string.h>

/* Keys' cubic, a = -1/2 */
static double
bicubic (double x)
{
  const double a = -0.5;
  x = fabs (x);
  if (x < 1)
    return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2)
    return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

static double
bilinear (double x)
{
  x = fabs (x);
  return x < 1 ? 1 - x : 0;
}

static const struct {
  double (*weight) (double x);
  double support;
} filters[] = {
  [CLIP_FILTER_BICUBIC] = { bicubic, 2 },
  [CLIP_FILTER_BILINEAR] = { bilinear, 1 },
};

int
clip_filter_length (ClipFilter filter, const ClipAxis *axis)
{
  return 2 * (int) ceil (filters[filter].support * MAX (axis->scale, 1)) + 2;
}

int
clip_filter_weights (double *weights, int *first, ClipFilter filter, const ClipAxis *axis, int o)
{
  const double stretch = MAX (axis->scale, 1), support = filters[filter].support * stretch;
  const double centre = (axis->from + o + 0.5) * axis->scale + axis->offset;
  const int begin = MAX ((int) (centre - support + 0.5), 0);
  const int end = MIN ((int) (centre + support + 0.5), axis->length);
  const double inverse = 1.0 / stretch;
  double sum = 0;
  for (int i = begin; i < end; i++) {
    weights[i - begin] = filters[filter].weight ((i - centre + 0.5) * inverse);
    sum += weights[i - begin];
  }
  for (int i = begin; i < end; i++)
    weights[i - begin] /= sum;
  *first = begin;
  return end - begin;
}

/* The same in 8-bit arithmetic, without the zeros at both ends; @scratch as large. */
static int
output_weights (gint32 *weights, double *scratch, int *first, ClipFilter filter,
                const ClipAxis *axis, int o)
{
  int n = 0;
  const int all = clip_filter_weights (scratch, first, filter, axis, o), begin = *first;
  for (int i = 0; i < all; i++) {
    const double weight = scratch[i] * (1 << CLIP_WEIGHT_BITS);
    const gint32 rounded = (gint32) (weight < 0 ? weight - 0.5 : weight + 0.5);
    if (n == 0 && rounded == 0)
      *first = begin + i + 1;
    else
      weights[n++] = rounded;
  }
  while (n > 1 && weights[n - 1] == 0)
    n--;
  return n;
}

/* See ClipTaps. */
static void
split_weights (gint16 halves[8], gint8 digits[12], const gint32 weights[4])
{
  static const int order[4] = { 0, 2, 1, 3 };
  for (int i = 0; i < 4; i++) {
    const gint32 low = weights[order[i]] & 0x7fff;
    halves[i] = low;
    halves[4 + i] = (weights[order[i]] - low) / (1 << 15);
  }
  for (int i = 0; i < 4; i++) {
    gint32 rest = weights[i];
    for (int d = 0; d < 3; d++) {
      digits[4 * d + i] = (gint8) rest;
      rest = (rest - (gint8) rest) / (1 << 8);
    }
  }
}

void
clip_pass_init (ClipPass *pass, ClipFilter filter, const ClipAxis *axis)
{
  const int longest = clip_filter_length (filter, axis);
  g_autofree double *scratch = g_new0 (double, longest);
  g_autofree gint32 *weights = g_new (gint32, longest);
  ClipTaps *taps = &pass->taps;
  int first, end = 0;

  *pass = (ClipPass){ .first = axis->length };
  for (int o = 0; o < axis->n; o++) {
    const int n = output_weights (weights, scratch, &first, filter, axis, o);
    pass->first = MIN (pass->first, first);
    end = MAX (end, first + n);
    taps->max_quads =
        MAX (taps->max_quads, (n + 3 + 3) / 4); /* at worst it begins with a quad's last sample */
  }
  pass->n = end - pass->first;

  taps->n_outputs = axis->n;
  taps->first_quad = g_new (int, axis->n);
  taps->n_quads = g_new (int, axis->n);
  const gsize total = (gsize) axis->n * taps->max_quads * 4;
  taps->weights = g_new0 (gint32, total);
  taps->halves = g_new0 (gint16, 2 * total);
  taps->digits = g_new0 (gint8, 3 * total);
  for (int o = 0; o < axis->n; o++) {
    const int n = output_weights (weights, scratch, &first, filter, axis, o);
    const int begin = first - pass->first;
    taps->first_quad[o] = begin / 4;
    taps->n_quads[o] = (begin + n - 1) / 4 - begin / 4 + 1;
    gint32 *row = taps->weights + (gsize) o * taps->max_quads * 4;
    for (int i = 0; i < n; i++)
      row[begin % 4 + i] = weights[i];
    for (int q = 0; q < taps->n_quads[o]; q++) {
      const gsize at = (gsize) o * taps->max_quads + q;
      split_weights (taps->halves + at * 8, taps->digits + at * 12, taps->weights + at * 4);
    }
  }
}

void
clip_pass_clear (ClipPass *pass)
{
  g_free (pass->taps.first_quad);
  g_free (pass->taps.n_quads);
  g_free (pass->taps.weights);
  g_free (pass->taps.halves);
  g_free (pass->taps.digits);
  *pass = (ClipPass){ 0 };
}

/* Fills resizer->gather, n_loads and component_size: a 16-byte load holds 16 / (4 · step) quads, or one, of each
 * component. */
static void
plan_gather (ClipResizer *resizer)
{
  const ClipLayout *layout = &resizer->layout;
  ClipGather *gather = &resizer->gather;
  const int in_a_row = MIN (16 / (4 * layout->step), 4 / layout->n);
  const gsize n_quads = (resizer->across.n + 3) / 4;

  resizer->n_loads = (n_quads + in_a_row - 1) / in_a_row;
  resizer->component_size = resizer->n_loads * in_a_row * CLIP_BAND_ROWS;
  gather->step = in_a_row * 4 * layout->step;
  gather->advance = in_a_row * CLIP_BAND_ROWS;
  gather->n_quads = 0;
  for (int c = 0; c < layout->n; c++)
    for (int i = 0; i < in_a_row; i++, gather->n_quads++) {
      gather->offset[gather->n_quads] = c * resizer->component_size + i * CLIP_BAND_ROWS;
      for (int t = 0; t < 4; t++)
        gather->pick[4 * gather->n_quads + t] = layout->offset[c] + (4 * i + t) * layout->step;
    }
}

void
clip_resizer_init (ClipResizer *resizer, ClipFilter filter, const ClipLayout *layout,
                   const ClipAxis *across, const ClipAxis *down)
{
  *resizer = (ClipResizer){ .layout = *layout };
  clip_pass_init (&resizer->across, filter, across);
  clip_pass_init (&resizer->down, filter, down);
  plan_gather (resizer);
  resizer->lanes =
      ((gsize) layout->n * across->n + CLIP_BAND_ROWS - 1) / CLIP_BAND_ROWS * CLIP_BAND_ROWS;
  resizer->band = clip_aligned_alloc (layout->n * resizer->component_size * sizeof (guint32));
  resizer->turned = clip_aligned_alloc ((gsize) across->n * CLIP_BAND_ROWS);
  const gsize bands = (resizer->down.n + CLIP_BAND_ROWS - 1) / CLIP_BAND_ROWS;
  const gsize bytes = bands * CLIP_BAND_ROWS * resizer->lanes;
  resizer->quads = clip_aligned_alloc (bytes);
  memset (resizer->quads, 0, bytes); /* lanes that only fill up are computed, too */
}

void
clip_resizer_clear (ClipResizer *resizer)
{
  clip_pass_clear (&resizer->across);
  clip_pass_clear (&resizer->down);
  clip_aligned_free (resizer->band);
  clip_aligned_free (resizer->turned);
  clip_aligned_free (resizer->quads);
  *resizer = (ClipResizer){ 0 };
}

/* 16 rows across: four rows of quads for the pass down. */
static void
run_band (ClipResizer *resizer, guint32 *quads, const ClipKernels *kernels,
          const guint8 *const rows[CLIP_BAND_ROWS])
{
  const int columns = resizer->across.taps.n_outputs;
  kernels->gather (resizer->band, rows, (gsize) resizer->across.n * resizer->layout.step,
                   &resizer->gather, resizer->n_loads);
  for (int c = 0; c < resizer->layout.n; c++) {
    kernels->resample (resizer->turned, CLIP_BAND_ROWS, resizer->band + c * resizer->component_size,
                       CLIP_BAND_ROWS, &resizer->across.taps, 0, columns);
    const guint32 *turned = (const guint32 *) resizer->turned;
    for (int q = 0; q < CLIP_BAND_ROWS / 4; q++)
      for (int x = 0; x < columns; x++)
        quads[q * resizer->lanes + c * columns + x] =
            GUINT32_FROM_LE (turned[x * CLIP_BAND_ROWS / 4 + q]);
  }
}

void
clip_resizer_run (ClipResizer *resizer, guint8 *picture, const ClipKernels *kernels,
                  ClipRowFunc row, void *data)
{
  const ClipTaps *taps = &resizer->down.taps;
  const int n = resizer->down.n;
  int done = 0;
  for (int y = 0; y < n; y += CLIP_BAND_ROWS) {
    const guint8 *rows[CLIP_BAND_ROWS];
    for (int i = 0; i < CLIP_BAND_ROWS;
         i++) /* a last band is filled with its last row, whose weight there is 0 */
      rows[i] = y + i < n ? row (data, resizer->down.first + y + i, i) : rows[i - 1];
    run_band (resizer, resizer->quads + y / 4 * resizer->lanes, kernels, rows);

    const int ready = y / 4 + CLIP_BAND_ROWS / 4,
              from = done; /* go down while the quads are in the cache */
    while (done < taps->n_outputs && taps->first_quad[done] + taps->n_quads[done] <= ready)
      done++;
    kernels->resample (picture, resizer->lanes, resizer->quads, resizer->lanes, taps, from, done);
  }
}
