/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time, and what of several measurements is told. */
#pragma once
#include <stdlib.h>
#include <time.h>

/* What @clock shows: CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID or CLOCK_THREAD_CPUTIME_ID. */
static inline double
seconds (clockid_t clock)
{
  struct timespec time;
  clock_gettime (clock, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static inline int
compare_doubles (const void *a, const void *b)
{
  const double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

/* Brings @values into order, the least first. */
static inline double
median (double *values, int n)
{
  qsort (values, n, sizeof *values, compare_doubles);
  return values[n / 2];
}
