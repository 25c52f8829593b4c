/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blur of lenses, frosted panes, and movement. */
#include "core/eval/corruption.h"
#include "core/train/random.h"

#include <math.h>

/* The mean over a disc whose edge is softened; beyond an edge the nearest pixel of it. */
gboolean
clip_paint_defocus (ClipCanvas *canvas, const double *p, double scale, guint64 *state,
                    GError **error)
{
  const double radius = p[0] * scale;
  const int reach = (int) ceil (radius), side = 2 * reach + 1;
  g_autoptr (ClipCanvas) disc = clip_canvas_new (side, side, 1);
  double sum = 0;
  for (int y = -reach; y <= reach; y++)
    for (int x = -reach; x <= reach;
         x++) /* 1 inside, 0 outside, between them a pixel's width of slope */
      *clip_canvas_at (disc, x + reach, y + reach) = CLAMP (radius + .5 - hypot (x, y), 0, 1);
  clip_canvas_blur (disc, p[1] * scale);
  for (int i = 0; i < side * side; i++)
    sum += disc->pixels[i];

  ClipCanvas *result = clip_canvas_new (canvas->width, canvas->height, 3);
  for (int i = 0; i < side * side; i++) {
    const float weight = disc->pixels[i] / sum;
    const int dx = i % side - reach, dy = i / side - reach;
    for (int y = 0; weight > 0 && y < canvas->height; y++) {
      float *to = clip_canvas_at (result, 0, y);
      const float *line = clip_canvas_at (canvas, 0, CLAMP (y + dy, 0, canvas->height - 1));
      for (int x = 0; x < canvas->width; x++) {
        const float *from = line + 3 * CLAMP (x + dx, 0, canvas->width - 1);
        for (int c = 0; c < 3; c++)
          to[3 * x + c] += weight * from[c];
      }
    }
  }
  clip_canvas_take (canvas, result);
  return TRUE;
}

/* Blurred, each pixel swapped with one near it, blurred. */
gboolean
clip_paint_glass (ClipCanvas *canvas, const double *p, double scale, guint64 *state, GError **error)
{
  const double sigma = p[0] * scale;
  /* rounded, offsets of whole p[1] are equally likely; of less than half a pixel most stay */
  const double reach = p[1] * scale + .5;
  clip_canvas_blur (canvas, sigma);
  for (int i = 0; i < (int) p[2]; i++)
    for (int y = canvas->height - 1; y >= 0; y--)
      for (int x = canvas->width - 1; x >= 0; x--) {
        const int other_x = x + (int) lrint (reach * (2 * clip_random_double (state) - 1));
        const int other_y = y + (int) lrint (reach * (2 * clip_random_double (state) - 1));
        float *a = clip_canvas_at (canvas, x, y);
        float *b = clip_canvas_at (canvas, CLAMP (other_x, 0, canvas->width - 1),
                                   CLAMP (other_y, 0, canvas->height - 1));
        for (int c = 0; c < 3; c++) {
          const float old = a[c];
          a[c] = b[c];
          b[c] = old;
        }
      }
  clip_canvas_blur (canvas, sigma);
  return TRUE;
}

/* Along a line within 45° of the horizontal. */
gboolean
clip_paint_motion (ClipCanvas *canvas, const double *p, double scale, guint64 *state,
                   GError **error)
{
  const int length = 2 * MAX (1, (int) round (p[0] * scale)) + 1;
  clip_canvas_smear (canvas, length, MAX (p[1] * scale, .5),
                     (clip_random_double (state) - .5) * G_PI / 2);
  return TRUE;
}

/* The mean of the picture and of it at each magnification. */
gboolean
clip_paint_zoom (ClipCanvas *canvas, const double *p, double scale, guint64 *state, GError **error)
{
  const int n = (int) round ((p[0] - 1) / p[1]) + 1; /* factors, 1 among them */
  g_autoptr (ClipCanvas) original = clip_canvas_copy (canvas);
  for (int k = 0; k < n; k++) {
    g_autoptr (ClipCanvas) zoomed = clip_canvas_zoom (original, 1 + k * p[1]);
    for (gsize i = 0; i < clip_canvas_n (canvas); i++)
      canvas->pixels[i] += zoomed->pixels[i];
  }
  for (gsize i = 0; i < clip_canvas_n (canvas); i++)
    canvas->pixels[i] /= n + 1;
  return TRUE;
}
