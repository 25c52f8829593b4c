/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * u8 [height, width, 3] → float32 [3, R, R], in this order:
 *
 *   crop   : a share of the area, of an aspect ratio, somewhere; what does not fit is made as large as fits
 *   low    : to a small side first, as if the source had no more pixels
 *   resize : to R×R, Pillow's bicubic
 *   flip   : left for right
 *   colour : v · brightness; (v - mean luma) · contrast + mean luma; (v - luma) · saturation + luma; clipped
 *   grey   : a saturation of 0
 *   blur   : Gaussian, across and down, edges repeated
 *   then (v / 255 - mean) / std
 *
 * Every number that is random is drawn whether it is used or not: changing the probability of one operation leaves the others
 * as they are.
 */
#include "core/train/augment.h"
#include "core/base/arena.h"
#include "core/base/error.h"
#include "core/image/geometry.h"
#include "core/image/resize.h"
#include "core/train/random.h"

#include <string.h>

#define MAX_SIZE 4096   /* of R, as in preprocessing */
#define MAX_SIGMA 100.0 /* pixels */

gboolean
clip_augment_check (const ClipAugment *augment, const char *name, GError **error)
{
  const struct {
    const char *name, *expected;
    gboolean good;
    double value[3];
  } checks[] = {
    { "size", "1 to 4096", augment->size >= 1 && augment->size <= MAX_SIZE, { augment->size } },
    { "scale",
      "0 < least ≤ most ≤ 1",
      augment->scale[0] > 0 && augment->scale[0] <= augment->scale[1] && augment->scale[1] <= 1,
      { augment->scale[0], augment->scale[1] } },
    { "ratio",
      "0.1 ≤ least ≤ most ≤ 10",
      augment->ratio[0] >= 0.1 && augment->ratio[0] <= augment->ratio[1] && augment->ratio[1] <= 10,
      { augment->ratio[0], augment->ratio[1] } },
    { "flip", "0 to 1", augment->flip >= 0 && augment->flip <= 1, { augment->flip } },
    { "colour", "0 to 1", augment->colour >= 0 && augment->colour <= 1, { augment->colour } },
    { "grey", "0 to 1", augment->grey >= 0 && augment->grey <= 1, { augment->grey } },
    { "low",
      "a probability, and 1 ≤ least ≤ most ≤ 4096",
      augment->low[0] == 0 ||
          (augment->low[0] > 0 && augment->low[0] <= 1 && augment->low[1] >= 1 &&
           augment->low[1] <= augment->low[2] && augment->low[2] <= MAX_SIZE),
      { augment->low[0], augment->low[1], augment->low[2] } },
    { "blur",
      "a probability, and 0 < least ≤ most ≤ 100",
      augment->blur[0] == 0 ||
          (augment->blur[0] > 0 && augment->blur[0] <= 1 && augment->blur[1] > 0 &&
           augment->blur[1] <= augment->blur[2] && augment->blur[2] <= MAX_SIGMA),
      { augment->blur[0], augment->blur[1], augment->blur[2] } },
  };
  for (guint i = 0; i < G_N_ELEMENTS (checks); i++)
    if (!checks[i].good)
      return clip_fail (error, CLIP_ERROR_CONFIG, "%s: %s is %g %g %g, expected %s", name,
                        checks[i].name, checks[i].value[0], checks[i].value[1], checks[i].value[2],
                        checks[i].expected);
  for (int c = 0; c < 3; c++)
    if (!isfinite (augment->mean[c]) || !isfinite (augment->std[c]) || !(augment->std[c] > 0))
      return clip_fail (
          error, CLIP_ERROR_CONFIG,
          "%s: mean %g and std %g of channel %d, expected finite values and std above 0", name,
          augment->mean[c], augment->std[c], c);
  return TRUE;
}

/* -------------------------------------------------------------------------------------------- what is drawn */

typedef struct {
  gboolean whole;          /* short side to R, centre */
  int x, y, width, height; /* or this part */
  int low;                 /* side in between; 0: none */
  gboolean flip;
  double brightness, contrast, saturation;
  double blur; /* σ; 0: none */
} Plan;

static double
between (const double range[2], double share)
{
  return range[0] + share * (range[1] - range[0]);
}

static gboolean
changes_colour (const Plan *plan)
{
  return plan->brightness != 1 || plan->contrast != 1 || plan->saturation != 1;
}

static void
place_crop (Plan *plan, const ClipAugment *augment, int width, int height, const double random[4])
{
  const double share = between (augment->scale, random[0]);
  const double ratio = augment->ratio[0] * pow (augment->ratio[1] / augment->ratio[0], random[1]);
  const double fitting_width = MIN (width, height * ratio);
  const double full_width = sqrt (share * width * height * ratio);
  const double crop_width = MIN (full_width, fitting_width);
  plan->whole = augment->scale[0] == 1 && augment->ratio[0] == 1 && augment->ratio[1] == 1;
  plan->width = CLAMP ((int) rint (crop_width), 1, width);
  plan->height = CLAMP ((int) rint (crop_width / ratio), 1, height);
  plan->x = (int) (random[2] * (width - plan->width + 1));
  plan->y = (int) (random[3] * (height - plan->height + 1));
}

static Plan
draw (const ClipAugment *augment, int width, int height, guint64 random)
{
  enum {
    CROP = 0,
    FLIP = 4,
    BRIGHTNESS,
    CONTRAST,
    SATURATION,
    GREY,
    LOW,
    LOW_SIDE,
    BLUR,
    SIGMA,
    N
  };
  double draws[N];
  for (int i = 0; i < N; i++)
    draws[i] = clip_random_double (&random);

  Plan plan = {
    .flip = draws[FLIP] < augment->flip,
    .brightness = 1 + augment->colour * (2 * draws[BRIGHTNESS] - 1),
    .contrast = 1 + augment->colour * (2 * draws[CONTRAST] - 1),
    .saturation = 1 + augment->colour * (2 * draws[SATURATION] - 1),
  };
  place_crop (&plan, augment, width, height, draws + CROP);
  if (draws[GREY] < augment->grey)
    plan.saturation = 0;
  if (draws[LOW] < augment->low[0])
    plan.low = (int) rint (between (augment->low + 1, draws[LOW_SIDE]));
  /* a side that is not smaller would be a detour */
  if (plan.low >= augment->size || plan.low >= MIN (plan.width, plan.height))
    plan.low = 0;
  if (draws[BLUR] < augment->blur[0])
    plan.blur = between (augment->blur + 1, draws[SIGMA]);
  return plan;
}

/* ------------------------------------------------------------------------------------------------ geometry */

/* A part of a packed picture. */
typedef struct {
  const guint8 *pixels;
  gsize stride;
  int width, height;
  int first; /* sample that the resizer begins with */
} Part;

static const guint8 *
part_row (void *data, int y, int slot)
{
  const Part *part = data;
  return part->pixels + y * part->stride + (gsize) 3 * part->first;
}

/* Planes [3, size, size] of @part, resized to @geometry. */
static void
resize (guint8 *planes, Part *part, const ClipGeometry *geometry, int size)
{
  const ClipLayout layout = { 3, { 0, 1, 2 }, 3 };
  const ClipAxis across = { part->width, (double) part->width / geometry->width, 0, geometry->x,
                            size };
  const ClipAxis down = { part->height, (double) part->height / geometry->height, 0, geometry->y,
                          size };
  ClipResizer resizer;
  clip_resizer_init (&resizer, CLIP_FILTER_BICUBIC, &layout, &across, &down);
  guint8 *rows = clip_aligned_alloc (size * resizer.lanes);
  part->first = resizer.across.first;
  clip_resizer_run (&resizer, rows, clip_kernels (), part_row, part);
  for (int c = 0; c < 3; c++)
    for (int y = 0; y < size; y++)
      memcpy (planes + ((gsize) c * size + y) * size, rows + y * resizer.lanes + (gsize) c * size,
              size);
  clip_aligned_free (rows);
  clip_resizer_clear (&resizer);
}

/* [3, n] → [n, 3] */
static void
interleave (guint8 *packed, const guint8 *planes, gsize n)
{
  for (gsize i = 0; i < n; i++)
    for (int c = 0; c < 3; c++)
      packed[3 * i + c] = planes[c * n + i];
}

/* Planes [3, R, R] */
static void
crop_and_resize (guint8 *planes, const ClipPicture *picture, const Plan *plan, int size)
{
  const gsize stride = (gsize) 3 * picture->width;
  Part part = { picture->pixels, stride, picture->width, picture->height };
  if (!plan->whole)
    part = (Part){ picture->pixels + plan->y * stride + (gsize) 3 * plan->x, stride, plan->width,
                   plan->height };

  g_autofree guint8 *small = NULL;
  if (plan->low) {
    const int side = plan->low;
    const gsize n = (gsize) side * side;
    const ClipGeometry geometry =
        clip_geometry (side, side, plan->whole ? CLIP_RESIZE_SHORTEST : CLIP_RESIZE_SQUASH,
                       part.width, part.height);
    resize (planes, &part, &geometry, side);
    small = g_malloc (3 * n);
    interleave (small, planes, n);
    part = (Part){ small, (gsize) 3 * side, side, side };
  }
  const ClipGeometry geometry = clip_geometry (
      size, size, plan->whole ? CLIP_RESIZE_SHORTEST : CLIP_RESIZE_SQUASH, part.width, part.height);
  resize (planes, &part, &geometry, size);
}

/* -------------------------------------------------------------------------------------------------- values */

/* ITU-R BT.601 luma, as Pillow's */
static float
luma (float r, float g, float b)
{
  return 0.299f * r + 0.587f * g + 0.114f * b;
}

static void
change_colour (float *pixels, const Plan *plan, gsize n)
{
  const float brightness = plan->brightness, contrast = plan->contrast,
              saturation = plan->saturation;
  float *r = pixels, *g = pixels + n, *b = pixels + 2 * n;
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += luma (r[i], g[i], b[i]);
  /* brightness and contrast of a value are one line: v · gain + offset; its luma lies on the same line */
  const float mean = brightness * (sum / n), gain = brightness * contrast,
              offset = mean * (1 - contrast);
  for (gsize i = 0; i < n; i++) {
    const float gray = gain * luma (r[i], g[i], b[i]) + offset;
    for (int c = 0; c < 3; c++) {
      const float v = (gain * pixels[c * n + i] + offset - gray) * saturation + gray;
      pixels[c * n + i] = CLAMP (v, 0, 255);
    }
  }
}

/* y[n] = Σ k[|i|] x[n + i · step], where samples beyond the ends are the ends */
static void
blur_rows (float *y, const float *x, const float *weights, int radius, int size)
{
  float *padded = g_new0 (float, size + 2 * radius);
  for (int row = 0; row < size; row++, x += size, y += size) {
    for (int i = 0; i < size + 2 * radius; i++)
      padded[i] = x[CLAMP (i - radius, 0, size - 1)];
    for (int i = 0; i < size; i++)
      y[i] = 0;
    for (int k = 0; k <= 2 * radius; k++)
      for (int i = 0; i < size; i++)
        y[i] += weights[k] * padded[i + k];
  }
  g_free (padded);
}

static void
blur_columns (float *y, const float *x, const float *weights, int radius, int size)
{
  for (int row = 0; row < size; row++, y += size) {
    for (int i = 0; i < size; i++)
      y[i] = 0;
    for (int k = 0; k <= 2 * radius; k++) {
      const float *from = x + (gsize) CLAMP (row + k - radius, 0, size - 1) * size;
      for (int i = 0; i < size; i++)
        y[i] += weights[k] * from[i];
    }
  }
}

static void
blur (float *pixels, double sigma, int size)
{
  const int radius =
      CLAMP ((int) ceil (3 * sigma), 1, (int) (3 * MAX_SIGMA)); /* holds 99.7 % of it */
  const gsize n = (gsize) size * size;
  g_autofree float *weights = g_new0 (float, 2 * radius + 1), *rows = g_new (float, n);
  double sum = 0;
  for (int i = -radius; i <= radius; i++)
    sum += exp (-0.5 * i * i / (sigma * sigma));
  for (int i = -radius; i <= radius; i++)
    weights[i + radius] = exp (-0.5 * i * i / (sigma * sigma)) / sum;
  for (int c = 0; c < 3; c++, pixels += n) {
    blur_rows (rows, pixels, weights, radius, size);
    blur_columns (pixels, rows, weights, radius, size);
  }
}

ClipAugment
clip_augment_clean (const ClipAugment *augment)
{
  ClipAugment clean = *augment;
  clean.low[0] = clean.blur[0] = clean.colour = clean.grey = 0;
  return clean;
}

void
clip_augment_run (float *pixels, const ClipPicture *picture, const ClipAugment *augment,
                  guint64 random)
{
  const int size = augment->size;
  const gsize n = (gsize) size * size;
  const Plan plan = draw (augment, picture->width, picture->height, random);
  g_autofree guint8 *planes = g_malloc (3 * n);
  crop_and_resize (planes, picture, &plan, size);

  for (gsize row = 0; row < (gsize) 3 * size; row++)
    for (int x = 0; x < size; x++)
      pixels[row * size + x] = planes[row * size + (plan.flip ? size - 1 - x : x)];
  if (changes_colour (&plan))
    change_colour (pixels, &plan, n);
  if (plan.blur > 0)
    blur (pixels, plan.blur, size);
  for (int c = 0; c < 3; c++)
    for (gsize i = 0; i < n; i++)
      pixels[c * n + i] = (pixels[c * n + i] / 255.0f - augment->mean[c]) / augment->std[c];
}
