/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Vectors of length 1. */
#pragma once
#include <glib.h>
#include <math.h>

/* y[n] = x / ‖x‖, summed in double precision in the order of the elements; zeros stay zeros. @y may be @x. */
static inline void
clip_unit (float *y, const float *x, int n)
{
  double square = 0;
  for (int i = 0; i < n; i++)
    square += (double) x[i] * x[i];
  const double scale = square > 0 ? 1 / sqrt (square) : 1;
  for (int i = 0; i < n; i++)
    y[i] = (float) (x[i] * scale);
}
