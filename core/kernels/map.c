/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portable meaning of what training does with feature maps. Sums are in double: this is what the faster levels are
 * compared with. */
#include "core/kernels/kernels.h"

#include <string.h>

static inline float
before_clamp (const ClipMap *map, gsize position, int c)
{
  const gsize at = position * map->stride + c;
  float value = map->x[at] * (map->scale ? map->scale[c] : 1) + (map->shift ? map->shift[c] : 0);
  if (map->z)
    value += map->z[at] * (map->z_scale ? map->z_scale[c] : 1);
  return value;
}

static void
blend (float *y, gsize y_stride, const ClipMap *map, gsize first, int rows, int n)
{
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < n; c++)
      y[r * y_stride + c] = CLAMP (before_clamp (map, first + r, c), map->low, map->high);
}

static void
gate (float *g, gsize g_stride, const ClipMap *map, gsize first, int rows, int n)
{
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < n; c++) {
      const float value = before_clamp (map, first + r, c);
      if (!(value > map->low && value < map->high))
        g[r * g_stride + c] = 0;
    }
  }
}

static void
moments (float *sum, float *squares, const float *x, gsize x_stride, int rows, int n)
{
  for (int c = 0; c < n; c++) {
    double s = 0, q = 0;
    for (int r = 0; r < rows; r++)
      s += x[r * x_stride + c];
    const double mean = s / rows;
    for (int r = 0; r < rows; r++)
      q += (x[r * x_stride + c] - mean) * (x[r * x_stride + c] - mean);
    sum[c] = s;
    squares[c] = q;
  }
}

static void
dots (float *sum, float *dot, const float *g, gsize g_stride, const float *x, gsize x_stride,
      const float *mean, int rows, int n)
{
  for (int c = 0; c < n; c++) {
    double s = 0, d = 0;
    for (int r = 0; r < rows; r++) {
      s += g[r * g_stride + c];
      d += (double) g[r * g_stride + c] * (x[r * x_stride + c] - mean[c]);
    }
    sum[c] = s;
    dot[c] = d;
  }
}

static void
windows (float *y, gsize y_stride, const float *const *rows, int k, int n, int step, int width)
{
  for (int x = 0; x < width; x++, y += y_stride)
    for (int i = 0; i < k; i++)
      memcpy (y + (gsize) i * n, rows[i] + (gsize) x * step, n * sizeof *y);
}

void
clip_kernels_fill_maps (ClipKernels *kernels)
{
  kernels->blend = blend;
  kernels->gate = gate;
  kernels->moments = moments;
  kernels->dots = dots;
  kernels->windows = windows;
}
