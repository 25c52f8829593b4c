/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What processing does to pictures. */
#include "core/base/error.h"
#include "core/eval/corruption.h"
#include "core/image/decode.h"
#include "core/train/random.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <math.h>
#include <string.h>

/* (x - mean) · c + mean, each channel with its mean over the picture */
gboolean
clip_paint_contrast (ClipCanvas *canvas, const double *p, double scale, guint64 *state,
                     GError **error)
{
  double mean[3] = { 0 };
  const gsize n = clip_canvas_n (canvas);
  for (gsize i = 0; i < n; i++)
    mean[i % 3] += canvas->pixels[i] * 3. / n;
  for (gsize i = 0; i < n; i++)
    canvas->pixels[i] = (canvas->pixels[i] - mean[i % 3]) * p[0] + mean[i % 3];
  return TRUE;
}

/* ---------------------------------------------------------------------------------------------------------- elastic */

/* Where a mirror at both ends of 0 … n - 1 shows @x. */
static double
fold (double x, int n)
{
  const double period = MAX (2 * (n - 1), 1);
  x = fmod (fabs (x), period);
  return x > n - 1 ? period - x : x;
}

static double
symmetric (guint64 *state, double most)
{
  return most * (2 * clip_random_double (state) - 1);
}

/* A field of random numbers -@most … @most, smoothed. */
static ClipCanvas *
smooth_field (int width, int height, double most, double sigma, guint64 *state)
{
  ClipCanvas *field = clip_canvas_new (width, height, 1);
  for (gsize i = 0; i < clip_canvas_n (field); i++)
    field->pixels[i] = symmetric (state, most);
  clip_canvas_blur (field, sigma);
  return field;
}

/*
 * Where a pixel comes from: an affine map that moves three corners of a square (a third of the short side from the centre)
 * at random, and a smooth random displacement; beyond an edge the picture is mirrored.
 *
 *   corners  P0 = (s, s), P1 = (s, -s), P2 = (-s, -s) around the centre, moved by d0, d1, d2
 *   (x, y) ↦ (x, y) + d1 + u (d2 - d1) + v (d0 - d1),  u = (s - x) / 2s, v = (y + s) / 2s
 *
 * The mean of noise over σ² pixels is of the order of 1/σ: in a picture k times as large, whose σ is k times as large too,
 * noise k² times as large moves pixels k times as far.
 */
gboolean
clip_paint_elastic (ClipCanvas *canvas, const double *p, double scale, guint64 *state,
                    GError **error)
{
  const int width = canvas->width, height = canvas->height;
  const double cx = width / 2., cy = height / 2., s = MAX (MIN (width, height) / 3., 1);
  double d[3][2];
  for (int i = 0; i < 3; i++)
    for (int axis = 0; axis < 2; axis++)
      d[i][axis] = symmetric (state, p[2] * scale);
  const double most = p[0] * scale * scale, sigma = p[1] * scale;
  g_autoptr (ClipCanvas) dx = smooth_field (width, height, most, sigma, state);
  g_autoptr (ClipCanvas) dy = smooth_field (width, height, most, sigma, state);

  ClipCanvas *result = clip_canvas_new (width, height, 3);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      const double u = (s - (x - cx)) / (2 * s), v = (y - cy + s) / (2 * s);
      const double ax = x + d[1][0] + u * (d[2][0] - d[1][0]) + v * (d[0][0] - d[1][0]);
      const double ay = y + d[1][1] + u * (d[2][1] - d[1][1]) + v * (d[0][1] - d[1][1]);
      clip_canvas_sample (canvas, clip_canvas_at (result, x, y),
                          fold (ax + *clip_canvas_at (dx, x, y), width),
                          fold (ay + *clip_canvas_at (dy, x, y), height));
    }
  clip_canvas_take (canvas, result);
  return TRUE;
}

/* --------------------------------------------------------------------------------------------------- pixels, blocks */

/* Blocks become their mean: c times as many as there are pixels, of which more than 224 a side do not count. */
gboolean
clip_paint_pixelate (ClipCanvas *canvas, const double *p, double scale, guint64 *state,
                     GError **error)
{
  const double block = MAX (scale, 1) / p[0];
  const int columns = MAX (1, (int) round (canvas->width / block)),
            rows = MAX (1, (int) round (canvas->height / block));
  for (int row = 0; row < rows; row++)
    for (int column = 0; column < columns; column++) {
      const int top = (gint64) row * canvas->height / rows,
                bottom = (gint64) (row + 1) * canvas->height / rows;
      const int left = (gint64) column * canvas->width / columns,
                right = (gint64) (column + 1) * canvas->width / columns;
      float mean[3] = { 0 };
      const float n = (bottom - top) * (right - left);
      for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++)
          for (int c = 0; c < 3; c++)
            mean[c] += clip_canvas_at (canvas, x, y)[c] / n;
      for (int y = top; y < bottom; y++)
        for (int x = left; x < right; x++)
          memcpy (clip_canvas_at (canvas, x, y), mean, sizeof mean);
    }
  return TRUE;
}

/* Compressed and decoded. */
gboolean
clip_paint_jpeg (ClipCanvas *canvas, const double *p, double scale, guint64 *state, GError **error)
{
  g_autoptr (GError) refused = NULL;
  g_autofree char *quality = g_strdup_printf ("%d", (int) p[0]), *bytes = NULL;
  g_autofree guint8 *pixels = g_new (guint8, clip_canvas_n (canvas));
  gsize size;
  for (gsize i = 0; i < clip_canvas_n (canvas); i++)
    pixels[i] = (guint8) (canvas->pixels[i] * 255 + .5f);
  g_autoptr (GdkPixbuf) pixbuf =
      gdk_pixbuf_new_from_data (pixels, GDK_COLORSPACE_RGB, FALSE, 8, canvas->width, canvas->height,
                                canvas->width * 3, NULL, NULL);
  if (!gdk_pixbuf_save_to_buffer (pixbuf, &bytes, &size, "jpeg", &refused, "quality", quality,
                                  NULL))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "gdk-pixbuf writes no JPEG: %s",
                      refused->message);
  g_auto (ClipPicture) picture = { 0 };
  if (!clip_picture_decode (&picture, (const guint8 *) bytes, size, "compressed picture", error))
    return FALSE;
  for (gsize i = 0; i < clip_canvas_n (canvas); i++)
    canvas->pixels[i] = picture.pixels[i] / 255.f;
  return TRUE;
}
