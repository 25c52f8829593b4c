/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What arrays are filled with, to show where a kernel rounds, saturates or overflows. */
#pragma once
#include <glib.h>

typedef enum { NOISE, EXTREMES, ALTERNATING, POSITIVE, NOTHING, N_FILLINGS } Filling;

/* Whole numbers as far from 0 as they come, or any. */
static inline int
whole (Filling filling, int i, int low, int high)
{
  switch (filling) {
  case EXTREMES:
    return high;
  case ALTERNATING:
    return i & 1 ? low : high;
  default:
    return g_test_rand_int_range (low, high + 1);
  }
}
