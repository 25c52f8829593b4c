/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Noise of sensors: each sample of each channel by itself. */
#include "core/eval/corruption.h"
#include "core/train/random.h"

/* x + N (0, c) */
gboolean
clip_paint_gaussian_noise (ClipCanvas *canvas, const double *p, double scale, guint64 *state,
                           GError **error)
{
  for (gsize i = 0; i < clip_canvas_n (canvas); i++)
    canvas->pixels[i] += p[0] * clip_random_normal (state);
  return TRUE;
}

/* Poisson (x · c) / c: by walking up the distribution, whose mean is 60 at most. */
gboolean
clip_paint_shot_noise (ClipCanvas *canvas, const double *p, double scale, guint64 *state,
                       GError **error)
{
  for (gsize i = 0; i < clip_canvas_n (canvas); i++) {
    const double mean = canvas->pixels[i] * p[0], most = 2 * p[0]; /* beyond it is cut off */
    double left = clip_random_double (state), probability = exp (-mean);
    int photons = 0;
    while (left > probability && photons < most) {
      left -= probability;
      probability *= mean / ++photons;
    }
    canvas->pixels[i] = photons / p[0];
  }
  return TRUE;
}

/* 0 or 1 with probability c/2 each */
gboolean
clip_paint_impulse_noise (ClipCanvas *canvas, const double *p, double scale, guint64 *state,
                          GError **error)
{
  for (gsize i = 0; i < clip_canvas_n (canvas); i++) {
    const double u = clip_random_double (state);
    if (u < p[0])
      canvas->pixels[i] = u < p[0] / 2;
  }
  return TRUE;
}
