/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One frame as the model is to see it: the whole, the regions in it, or both, as pictures of one batch. */
#pragma once
#include "gst/regions.h"
#include "gst/times.h"

/* What of a frame is classified. */
typedef enum {
  CLIP_SUBJECT_FRAME,
  CLIP_SUBJECT_DETECTIONS,
  CLIP_SUBJECT_BOTH,
} ClipSubject;

typedef struct {
  ClipTimes times;
  gboolean whole;      /* the first picture is the whole frame */
  ClipRegions regions; /* the others; nothing of the buffer is kept */
  GArray *pixels;      /* [n] of float [3, R, R] */
  GArray *features;    /* [n] of float [E], once it was encoded */
} ClipShot;

void clip_shot_init (ClipShot *shot, ClipModel *model);
void clip_shot_clear (ClipShot *shot);

/* Takes @buffer in. Returns FALSE where it is not a frame of the format. */
gboolean clip_shot_read (ClipShot *shot, const ClipInference *inference, ClipSubject subject,
                         GstBuffer *buffer, const ClipTimes *times);
/* How many pictures it has: n, which may be 0. */
guint clip_shot_n (const ClipShot *shot);
/* Returns: (transfer none): [E] of the whole frame, and [n, E] of its regions. */
const float *clip_shot_get_feature (const ClipShot *shot);
const float *clip_shot_get_region_features (const ClipShot *shot);

/* Returns the processor time that it took. */
GstClockTime clip_shot_encode (ClipShot *shot, ClipSession *session);
