/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of corruptions: 8-bit picture → canvas → painted → 8-bit picture. */
#include "core/base/error.h"
#include "core/eval/corruption.h"
#include "core/train/random.h"

#include <math.h>
#include <string.h>

/* Pictures the paper's parameters were made for. */
#define REFERENCE_SIZE 224

/* What is painted on takes 12 bytes a pixel, several times over. */
#define MAX_SIDE 8192
#define MAX_PIXELS ((gint64) 1 << 25)

static const ClipCorruption corruptions[CLIP_CORRUPTIONS] = {
  /* deviation */
  { "gaussian-noise",
    "noise",
    clip_paint_gaussian_noise,
    { { .08 }, { .12 }, { .18 }, { .26 }, { .38 } } },
  /* photons of a white pixel */
  { "shot-noise", "noise", clip_paint_shot_noise, { { 60 }, { 25 }, { 12 }, { 5 }, { 3 } } },
  /* share of samples that are black or white */
  { "impulse-noise",
    "noise",
    clip_paint_impulse_noise,
    { { .03 }, { .06 }, { .09 }, { .17 }, { .27 } } },
  /* radius, deviation that softens its edge */
  { "defocus-blur",
    "blur",
    clip_paint_defocus,
    { { 3, .1 }, { 4, .5 }, { 6, .5 }, { 8, .5 }, { 10, .5 } } },
  /* deviation, how far pixels are swapped, how often */
  { "glass-blur",
    "blur",
    clip_paint_glass,
    { { .7, 1, 2 }, { .9, 2, 1 }, { 1, 2, 3 }, { 1.1, 3, 2 }, { 1.5, 4, 2 } } },
  /* radius, deviation */
  { "motion-blur",
    "blur",
    clip_paint_motion,
    { { 10, 3 }, { 15, 5 }, { 15, 8 }, { 15, 12 }, { 20, 15 } } },
  /* last factor, step from 1 */
  { "zoom-blur",
    "blur",
    clip_paint_zoom,
    { { 1.10, .01 }, { 1.15, .01 }, { 1.20, .02 }, { 1.24, .02 }, { 1.30, .03 } } },
  /* mean and deviation of flakes, their size, threshold; radius and deviation of their fall; share of the picture */
  { "snow",
    "weather",
    clip_paint_snow,
    { { .1, .3, 3, .5, 10, 4, .8 },
      { .2, .3, 2, .5, 12, 4, .7 },
      { .55, .3, 4, .9, 12, 8, .7 },
      { .55, .3, 4.5, .85, 12, 8, .65 },
      { .55, .3, 2.5, .85, 12, 12, .55 } } },
  /* shares of the picture and of the frost */
  { "frost",
    "weather",
    clip_paint_frost,
    { { 1, .4 }, { .8, .6 }, { .7, .7 }, { .65, .7 }, { .6, .75 } } },
  /* density, root of the plasma's decay */
  { "fog",
    "weather",
    clip_paint_fog,
    { { 1.5, 2 }, { 2, 2 }, { 2.5, 1.7 }, { 2.5, 1.5 }, { 3, 1.4 } } },
  /* added to the value of HSV */
  { "brightness", "weather", clip_paint_brightness, { { .1 }, { .2 }, { .3 }, { .4 }, { .5 } } },
  /* factor of the distance to the mean */
  { "contrast", "digital", clip_paint_contrast, { { .4 }, { .3 }, { .2 }, { .1 }, { .05 } } },
  /* noise that moves pixels, deviation that smoothes it, how far corners move */
  { "elastic-transform",
    "digital",
    clip_paint_elastic,
    { { 488, 170.8, 24.4 },
      { 488, 19.52, 48.8 },
      { 12.2, 2.44, 4.88 },
      { 17.08, 2.44, 4.88 },
      { 29.28, 2.44, 4.88 } } },
  /* share of the pixels of a side that is left */
  { "pixelate", "digital", clip_paint_pixelate, { { .6 }, { .5 }, { .4 }, { .3 }, { .25 } } },
  /* quality */
  { "jpeg-compression", "digital", clip_paint_jpeg, { { 25 }, { 18 }, { 15 }, { 10 }, { 7 } } },
};

const ClipCorruption *
clip_corruption (guint index)
{
  g_return_val_if_fail (index < CLIP_CORRUPTIONS, NULL);
  return &corruptions[index];
}

const char *
clip_corruption_get_name (const ClipCorruption *corruption)
{
  return corruption->name;
}

const char *
clip_corruption_get_group (const ClipCorruption *corruption)
{
  return corruption->group;
}

gboolean
clip_corruption_fits (int width, int height, GError **error)
{
  return (width <= MAX_SIDE && height <= MAX_SIDE && (gint64) width * height <= MAX_PIXELS) ||
         clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                    "%d×%d pixels are too many to corrupt, expected at most %d a side and "
                    "%" G_GINT64_FORMAT " in all",
                    width, height, MAX_SIDE, MAX_PIXELS);
}

gboolean
clip_corrupt (const ClipCorruption *corruption, guint8 *out, const guint8 *in, int width,
              int height, int severity, guint64 seed, GError **error)
{
  g_return_val_if_fail (corruption && out && in && width > 0 && height > 0, FALSE);
  g_return_val_if_fail (severity >= 1 && severity <= CLIP_SEVERITIES, FALSE);
  if (!clip_corruption_fits (width, height, error))
    return FALSE;
  g_autoptr (ClipCanvas) canvas = clip_canvas_new (width, height, 3);
  const gsize n = clip_canvas_n (canvas);
  guint64 state = clip_random_key (seed, corruption - corruptions, severity);
  for (gsize i = 0; i < n; i++)
    canvas->pixels[i] = in[i] / 255.f;
  if (!corruption->paint (canvas, corruption->parameters[severity - 1],
                          (double) MIN (width, height) / REFERENCE_SIZE, &state, error))
    return FALSE;
  for (gsize i = 0; i < n; i++)
    out[i] = (guint8) (CLAMP (canvas->pixels[i], 0.f, 1.f) * 255 + .5f);
  return TRUE;
}
