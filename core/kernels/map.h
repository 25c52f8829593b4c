/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Feature maps in training: positions × channels, channels innermost. A map is what a normalisation and an activation
 * make of the output of a convolution, or of a gradient; it is computed where it is read and lies nowhere in memory:
 *
 *   map[p][c] = clamp (scale[c] · x[p][c] + z_scale[c] · z[p][c] + shift[c])
 */
#pragma once
#include <glib.h>
#include <math.h>

typedef struct {
  const float *x;     /* [positions, stride] */
  const float *scale; /* [C]; NULL: 1 */
  const float *z;     /* as x; NULL: none */
  const float *z_scale;
  const float *shift; /* [C]; NULL: 0 */
  gsize stride;       /* floats from one position to the next, of x and z */
  float low, high;    /* -INFINITY and INFINITY: not clamped */
} ClipMap;

/* The same from channel @channel on. */
static inline ClipMap
clip_map_from (const ClipMap *map, int channel)
{
  ClipMap part = *map;
  part.x += channel;
  part.scale += part.scale ? channel : 0;
  part.z += part.z ? channel : 0;
  part.z_scale += part.z_scale ? channel : 0;
  part.shift += part.shift ? channel : 0;
  return part;
}

/* What is there as it is. */
static inline ClipMap
clip_map_plain (const float *x, int channels)
{
  return (ClipMap){ .x = x, .stride = channels, .low = -INFINITY, .high = INFINITY };
}

/* A product over positions: y[m, n] = aᵀ · b, or, where @add, y + aᵀ · b; a [k, m], b [k, n]. Rows of b are read up to the
 * next multiple of 16 floats. */
typedef struct {
  float *y;
  gsize y_stride;
  const float *a;
  gsize a_stride;
  const float *b;
  gsize b_stride;
  int m, n, k;
  gboolean add;
} ClipOuter;
