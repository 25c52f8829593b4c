/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * last, mean, p99 of the inference times; 0 before the first.
 *
 * The reported latency follows the p99 with hysteresis, because every change of it makes the whole
 * pipeline recalculate: upward when the p99 exceeds it (then a quarter more is reported, so that
 * small growth stays silent), downward when the p99 fell below half of it over a full window.
 */
#include "gst/latency.h"

#include <stdlib.h>
#include <string.h>

gboolean
clip_latency_add (ClipLatency *latency, GstClockTime took)
{
  latency->window[latency->n++ % CLIP_LATENCY_WINDOW] = took;
  latency->sum += took;
  const GstClockTime reported = latency->reported;
  if (took <= reported && latency->n % CLIP_LATENCY_WINDOW != 0)
    return FALSE;
  const GstClockTime p99 = clip_latency_p99 (latency);
  if (p99 > reported || (p99 < reported / 2 && latency->n >= CLIP_LATENCY_WINDOW))
    latency->reported = p99 + p99 / 4;
  return latency->reported != reported;
}

GstClockTime
clip_latency_last (const ClipLatency *latency)
{
  return latency->n ? latency->window[(latency->n - 1) % CLIP_LATENCY_WINDOW] : 0;
}

GstClockTime
clip_latency_mean (const ClipLatency *latency)
{
  return latency->n ? latency->sum / latency->n : 0;
}

static int
compare (const void *a, const void *b)
{
  const GstClockTime x = *(const GstClockTime *) a, y = *(const GstClockTime *) b;
  return (x > y) - (x < y);
}

/* The smallest value that 99 % of the window do not exceed. */
GstClockTime
clip_latency_p99 (const ClipLatency *latency)
{
  const guint n = MIN (latency->n, CLIP_LATENCY_WINDOW);
  if (n == 0)
    return 0;
  GstClockTime sorted[CLIP_LATENCY_WINDOW];
  memcpy (sorted, latency->window, n * sizeof *sorted);
  qsort (sorted, n, sizeof *sorted, compare);
  return sorted[(n * 99 + 99) / 100 - 1];
}
