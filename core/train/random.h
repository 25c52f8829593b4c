/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random numbers that are a function of (seed, step, index …) alone: SplitMix64 (Steele et al. 2014) over a mixed key. */
#pragma once
#include <glib.h>
#include <math.h>

static inline guint64
clip_random_next (guint64 *state)
{
  guint64 z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* A generator for each thing that is random: clip_random_key (seed, step, sample). */
static inline guint64
clip_random_key (guint64 seed, guint64 a, guint64 b)
{
  guint64 state = seed;
  state = clip_random_next (&state) ^ a;
  state = clip_random_next (&state) ^ b;
  return clip_random_next (&state);
}

#define CLIP_HASH_START 0xcbf29ce484222325u

/* FNV-1a (Fowler, Noll, Vo), 64 bits: begins with CLIP_HASH_START. */
static inline guint64
clip_hash (guint64 state, const void *data, gsize size)
{
  for (const guint8 *at = (const guint8 *) data, *end = at + size; at < end; at++)
    state = (state ^ *at) * 0x100000001b3u;
  return state;
}

/* 0 ≤ x < 1 */
static inline double
clip_random_double (guint64 *state)
{
  return (clip_random_next (state) >> 11) * 0x1p-53;
}

/* 0 ≤ x < n; the bias is below n / 2⁶⁴ */
static inline guint64
clip_random_below (guint64 *state, guint64 n)
{
  return (guint64) (((unsigned __int128) clip_random_next (state) * n) >> 64);
}

/* Normal, mean 0, variance 1 (Box & Muller 1958). */
static inline double
clip_random_normal (guint64 *state)
{
  const double radius = sqrt (-2 * log (1 - clip_random_double (state)));
  return radius * cos (2 * G_PI * clip_random_double (state));
}
