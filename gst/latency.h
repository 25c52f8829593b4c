/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What inference took lately, and what the element reports as its latency because of it. */
#pragma once
#include <gst/gst.h>

#define CLIP_LATENCY_WINDOW 256 /* about ten seconds of video; the p99 is then the third longest */

typedef struct {
  GstClockTime window[CLIP_LATENCY_WINDOW]; /* a ring of the last ones */
  guint64 n;                                /* how many there were in all */
  GstClockTime sum;                         /* of all */
  GstClockTime reported;                    /* answer to the LATENCY query */
} ClipLatency;

/* Returns TRUE where @reported had to be changed markedly: a LATENCY message is due. */
gboolean clip_latency_add (ClipLatency *latency, GstClockTime took);
GstClockTime clip_latency_last (const ClipLatency *latency);
GstClockTime clip_latency_mean (const ClipLatency *latency);
GstClockTime clip_latency_p99 (const ClipLatency *latency); /* of the window */
