/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blur of lenses, frosted panes, and movement. */
#include "core/eval/corruption.h"
#include "core/train/random.h"

#include <math.h>

/* ∫ sqrt (r² - t²) dt from 0 to @t */
static double
half_segment (double r, double t)
{
  t = CLAMP (t, -r, r);
  return (t * sqrt (r * r - t * t) + r * r * asin (t / r)) / 2;
}

/* One row of pixels for sums of runs; beyond its ends the nearest pixel. */
typedef struct {
  int reach;   /* the longest run: x - reach … x + reach */
  float *line; /* [width + 2 reach, 3] */
  double *sum; /* [width + 2 reach + 1, 3]: of what comes before */
} Runs;

static void
fill_runs (Runs *runs, const float *row, int width)
{
  for (int i = 0; i < width + 2 * runs->reach; i++) {
    const float *from = row + 3 * CLAMP (i - runs->reach, 0, width - 1);
    for (int c = 0; c < 3; c++) {
      runs->line[3 * i + c] = from[c];
      runs->sum[3 * (i + 1) + c] = runs->sum[3 * i + c] + from[c];
    }
  }
}

/* y[width, 3] = @weight · the row's integral over @half pixels to both sides of each pixel's centre */
static void
sum_runs (float *y, const Runs *runs, int width, double half, float weight)
{
  const int whole =
      (int) (half +
             .5); /* pixels to the right that end within the run, with the one in the middle */
  const float part = half + .5 - whole;
  const float *right = runs->line + 3 * (runs->reach + whole),
              *left = runs->line + 3 * (runs->reach - whole);
  const double *end = runs->sum + 3 * (runs->reach + whole),
               *begin = runs->sum + 3 * (runs->reach - whole + 1);
  for (int x = 0; x < 3 * width; x++)
    y[x] = weight * ((float) (end[x] - begin[x]) + part * (right[x] + left[x]));
}

/*
 * Softened, then the mean over a disc; beyond an edge the nearest pixel of it. The original softens the disc, which comes to
 * the same. A disc is a stack of runs, each as long as the disc is on average over the height of a pixel: the time grows
 * with the radius, not with its square.
 */
gboolean
clip_paint_defocus (ClipCanvas *canvas, const double *p, double scale, guint64 *state,
                    GError **error)
{
  const double radius = p[0] * scale, area = G_PI * radius * radius;
  const int w = canvas->width, h = canvas->height, reach = (int) (radius + .5);
  g_autofree float *line = g_new (float, 3 * (w + 2 * reach)), *part = g_new (float, 3 * w);
  g_autofree double *sum = g_new0 (double, 3 * (w + 2 * reach + 1));
  Runs runs = { reach, line, sum };
  clip_canvas_blur (canvas, p[1] * scale);
  ClipCanvas *result = clip_canvas_new (w, h, 3);
  for (int from = -reach; from < h + reach; from++) {
    fill_runs (&runs, clip_canvas_at (canvas, 0, CLAMP (from, 0, h - 1)), w);
    for (int dy = 0; dy <= reach; dy++) {
      sum_runs (part, &runs, w, half_segment (radius, dy + .5) - half_segment (radius, dy - .5),
                1 / area);
      for (int side = dy ? -1 : 1; side <= 1; side += 2) {
        const int y = from + side * dy;
        float *to = y >= 0 && y < h ? clip_canvas_at (result, 0, y) : NULL;
        for (int x = 0; to && x < 3 * w; x++)
          to[x] += part[x];
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
