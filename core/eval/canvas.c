/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Canvas: filters over rows of floats, in the plain way. */
#include "core/eval/canvas.h"
#include "core/train/random.h"

#include <math.h>
#include <string.h>

ClipCanvas *
clip_canvas_new (int width, int height, int channels)
{
  ClipCanvas *canvas = g_new (ClipCanvas, 1);
  *canvas = (ClipCanvas){ width, height, channels, NULL };
  canvas->pixels = g_new0 (float, clip_canvas_n (canvas));
  return canvas;
}

ClipCanvas *
clip_canvas_copy (const ClipCanvas *canvas)
{
  ClipCanvas *copy = clip_canvas_new (canvas->width, canvas->height, canvas->channels);
  memcpy (copy->pixels, canvas->pixels, clip_canvas_n (canvas) * sizeof (float));
  return copy;
}

void
clip_canvas_free (ClipCanvas *canvas)
{
  if (!canvas)
    return;
  g_free (canvas->pixels);
  g_free (canvas);
}

void
clip_canvas_take (ClipCanvas *to, ClipCanvas *from)
{
  g_free (to->pixels);
  to->pixels = g_steal_pointer (&from->pixels);
  clip_canvas_free (from);
}

/* ------------------------------------------------------------------------------------------------------------- blur */

/* Index in 0 … n-1 of what a mirror at both edges shows at @i: … 1 0 0 1 … n-1 n-1 n-2 … */
static int
mirror (int i, int n)
{
  i %= 2 * n;
  if (i < 0)
    i += 2 * n;
  return i < n ? i : 2 * n - 1 - i;
}

/* line[-radius … n - 1 + radius] from x[i · stride] */
static void
unroll (float *line, const float *x, int n, gsize stride, int radius)
{
  for (int i = -radius; i < n + radius; i++)
    line[i] = x[mirror (i, n) * stride];
}

/* Every sample of one row or column becomes the mean over a window around it, weighed by weights[-radius … radius]. */
static void
filter_line (float *x, int n, gsize stride, const float *weights, int radius, float *line)
{
  unroll (line + radius, x, n, stride, radius);
  for (int i = 0; i < n; i++) {
    float sum = 0;
    for (int k = 0; k <= 2 * radius; k++)
      sum += weights[k] * line[i + k];
    x[i * stride] = sum;
  }
}

/* The same with equal weights. */
static void
box_line (float *x, int n, gsize stride, int radius, float *line)
{
  double sum = 0;
  unroll (line + radius, x, n, stride, radius);
  for (int k = 0; k < 2 * radius; k++)
    sum += line[k];
  for (int i = 0; i < n; i++) {
    sum += line[i + 2 * radius];
    x[i * stride] = sum / (2 * radius + 1);
    sum -= line[i];
  }
}

/* Beyond this deviation three boxes are as good as a Gaussian (the central limit theorem), and cost the same for any size. */
#define BOX_SIGMA 10
#define BOXES 3

void
clip_canvas_blur (ClipCanvas *canvas, double sigma)
{
  if (!(sigma > 0))
    return;
  /* a box of width w has variance (w² - 1) / 12 */
  const gboolean boxes = sigma > BOX_SIGMA;
  const int radius = boxes ? (int) round ((sqrt (12 * sigma * sigma / BOXES + 1) - 1) / 2)
                           : (int) ceil (3 * sigma);
  const int w = canvas->width, h = canvas->height, c = canvas->channels;
  g_autofree float *weights = g_new0 (float, 2 * radius + 1),
                   *line = g_new (float, MAX (w, h) + 2 * radius);
  double sum = 0;
  for (int k = -radius; k <= radius; k++)
    sum += weights[k + radius] = exp (-k * k / (2 * sigma * sigma));
  for (int k = 0; k <= 2 * radius; k++)
    weights[k] /= sum;
  for (int pass = 0; pass < (boxes ? BOXES : 1); pass++)
    for (int axis = 0; axis < 2; axis++) {
      const int lines = axis ? w : h, n = axis ? h : w;
      const gsize stride = axis ? (gsize) w * c : c, next = axis ? c : (gsize) w * c;
      for (int i = 0; i < lines; i++)
        for (int channel = 0; channel < c; channel++) {
          float *x = canvas->pixels + i * next + channel;
          if (boxes)
            box_line (x, n, stride, radius, line);
          else
            filter_line (x, n, stride, weights, radius, line);
        }
    }
}

/* --------------------------------------------------------------------------------------------------------- sampling */

void
clip_canvas_sample (const ClipCanvas *canvas, float *y, double x, double y_at)
{
  x = CLAMP (x, 0, canvas->width - 1);
  y_at = CLAMP (y_at, 0, canvas->height - 1);
  const int left = x, top = y_at;
  const int right = MIN (left + 1, canvas->width - 1), bottom = MIN (top + 1, canvas->height - 1);
  const float fx = x - left, fy = y_at - top;
  const float *a = clip_canvas_at (canvas, left, top), *b = clip_canvas_at (canvas, right, top);
  const float *c = clip_canvas_at (canvas, left, bottom),
              *d = clip_canvas_at (canvas, right, bottom);
  for (int i = 0; i < canvas->channels; i++) {
    const float above = a[i] + (b[i] - a[i]) * fx, below = c[i] + (d[i] - c[i]) * fx;
    y[i] = above + (below - above) * fy;
  }
}

/* y[-pad … n - 1 + pad] = a · (1 - f) + b · f, pixels of @c samples; beyond the ends the nearest pixel. */
static void
blend_rows (float *y, const float *a, const float *b, float f, int n, int c, int pad)
{
  for (int i = 0; i < n * c; i++)
    y[i] = a[i] + (b[i] - a[i]) * f;
  for (int i = 1; i <= pad; i++)
    for (int k = 0; k < c; k++) {
      y[k - i * c] = y[k];
      y[(n - 1 + i) * c + k] = y[(n - 1) * c + k];
    }
}

void
clip_canvas_smear (ClipCanvas *canvas, int length, double sigma, double angle)
{
  const int w = canvas->width, h = canvas->height, c = canvas->channels;
  g_autofree float *weights = g_new (float, length);
  g_autofree float *line = g_new (float, (gsize) c *(w + 2 * length));
  float *middle = line + (gsize) c * length;
  double sum = 0;
  for (int i = 0; i < length; i++)
    sum += weights[i] = exp (-(double) i * i / (2 * sigma * sigma));
  ClipCanvas *result = clip_canvas_new (w, h, c);
  /* all pixels of a row look equally far: their neighbours weigh the same */
  for (int y = 0; y < h; y++) {
    float *to = clip_canvas_at (result, 0, y);
    for (int i = 0; i < length; i++) {
      const double dx = i * cos (angle), dy = i * sin (angle);
      const int left = (int) floor (dx), top = y + (int) floor (dy);
      const float weight = weights[i] / sum, fx = dx - left, fy = dy - floor (dy);
      blend_rows (middle, clip_canvas_at (canvas, 0, CLAMP (top, 0, h - 1)),
                  clip_canvas_at (canvas, 0, CLAMP (top + 1, 0, h - 1)), fy, w, c, length);
      const float *a = middle + left * c, *b = a + c;
      for (int x = 0; x < w * c; x++)
        to[x] += weight * (a[x] + (b[x] - a[x]) * fx);
    }
  }
  clip_canvas_take (canvas, result);
}

ClipCanvas *
clip_canvas_zoom (const ClipCanvas *canvas, double factor)
{
  const double cx = (canvas->width - 1) / 2., cy = (canvas->height - 1) / 2.;
  ClipCanvas *result = clip_canvas_new (canvas->width, canvas->height, canvas->channels);
  for (int y = 0; y < canvas->height; y++)
    for (int x = 0; x < canvas->width; x++)
      clip_canvas_sample (canvas, clip_canvas_at (result, x, y), cx + (x - cx) / factor,
                          cy + (y - cy) / factor);
  return result;
}

/* ----------------------------------------------------------------------------------------------------------- plasma */

/* The map is a torus of n × n, n a power of two. */
static float *
torus (float *map, int n, int x, int y)
{
  return map + (gsize) (y & (n - 1)) * n + (x & (n - 1));
}

void
clip_canvas_plasma (ClipCanvas *canvas, double decay, guint64 *state)
{
  int n = 2;
  while (n < canvas->width || n < canvas->height)
    n *= 2;
  g_autofree float *map = g_new0 (float, (gsize) n *n);
  double wobble = 1;
  for (int step = n; step > 1; step /= 2, wobble /= decay) {
    const int half = step / 2;
    for (int y = 0; y < n; y += step) /* centres of squares */
      for (int x = 0; x < n; x += step)
        *torus (map, n, x + half, y + half) =
            (*torus (map, n, x, y) + *torus (map, n, x + step, y) + *torus (map, n, x, y + step) +
             *torus (map, n, x + step, y + step)) /
                4 +
            wobble * (2 * clip_random_double (state) - 1);
    for (int y = 0; y < n; y += half) /* and of their sides */
      for (int x = (y + half) % step; x < n; x += step)
        *torus (map, n, x, y) = (*torus (map, n, x - half, y) + *torus (map, n, x + half, y) +
                                 *torus (map, n, x, y - half) + *torus (map, n, x, y + half)) /
                                    4 +
                                wobble * (2 * clip_random_double (state) - 1);
  }
  float least = map[0], most = map[0];
  for (gsize i = 0; i < (gsize) n * n; i++) {
    least = MIN (least, map[i]);
    most = MAX (most, map[i]);
  }
  for (int y = 0; y < canvas->height; y++)
    for (int x = 0; x < canvas->width; x++)
      *clip_canvas_at (canvas, x, y) = (*torus (map, n, x, y) - least) / (most - least);
}
