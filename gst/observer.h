/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way of a frame through one element: whether to look at it, who does, and what is known then. */
#pragma once
#include "gst/choice.h"
#include "gst/findings.h"
#include "gst/service.h"

/* For the streaming thread only. */
typedef struct {
  ClipInference inference;
  ClipStream *stream; /* NULL: frames are classified inline */
  ClipChoice choice;
  ClipSubject subject;
  ClipShot shot;         /* inline */
  ClipResult result;     /* the newest */
  ClipFindings findings; /* inline: of the frame, if it was classified; live: the newest */
  guint n_dropped;       /* since the last observation */
} ClipObserver;

/* What became of a frame. */
typedef struct {
  ClipVerdict verdict;
  GstClockTime waited; /* how long a chosen one did */
  guint n_classified;  /* frames, since the last observation */
  GstClockTime took;   /* to classify the newest of these */
  guint n_regions;     /* of these frames, that were classified */
  guint n_regions_skipped;
  guint n_dropped; /* frames that were chosen before, and will not be classified */
} ClipObservation;

void clip_observer_init (ClipObserver *observer, ClipModel *model, int threads);
void clip_observer_clear (ClipObserver *observer);

/* Classifies a grey picture inline, so that weights are in memory. Returns how long it took. */
GstClockTime clip_observer_warm_up (ClipObserver *observer);

/* @live: frames do not wait for their classification. */
void clip_observer_set_live (ClipObserver *observer, gboolean live);
gboolean clip_observer_set_format (ClipObserver *observer, const GstVideoInfo *format,
                                   ClipYuvOrder order, GError **error);
/* Another scene begins. */
void clip_observer_forget (ClipObserver *observer);

/* Looks at a frame, or not. Returns FALSE where @buffer is not a frame of the format. */
gboolean clip_observer_look (ClipObserver *observer, ClipObservation *observation,
                             GstBuffer *buffer, const ClipTimes *times, const ClipRules *rules,
                             gboolean late);

/* Whether the result, the findings tell something about a frame at running time @time. @max_age: 0: any. */
gboolean clip_observer_knows (const ClipObserver *observer, GstClockTime time,
                              GstClockTime max_age);
gboolean clip_observer_knows_regions (const ClipObserver *observer, GstClockTime time,
                                      GstClockTime max_age);
