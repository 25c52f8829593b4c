/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inference beside the video: all live elements of a process that use the same model share one worker, one workspace. */
#pragma once
#include "core/clip.h"
#include "gst/times.h"

/* What the worker found out. */
typedef struct {
  ClipTimes times;   /* of the frame */
  guint n;           /* how many frames were classified since the last answer; this is the newest */
  GstClockTime took; /* to classify it, on the clock */
  GstClockTime cost; /* of these frames, in processor time */
} ClipAnswer;

/* One element's place in the round; for one thread at a time. */
typedef struct _ClipStream ClipStream;

/* @threads: how many an inference may use, 0 for one each processor. */
ClipStream *clip_stream_new (ClipModel *model, int threads);
/* Waits for the inference under way, if it is this stream's. */
void clip_stream_free (ClipStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipStream, clip_stream_free)

/* Returns: (transfer none): [3, R, R], where to put the next frame before clip_stream_put (). */
float *clip_stream_get_pixels (ClipStream *stream);
/* Leaves the frame for the worker and returns at once. Returns TRUE where it replaced one that still waited. */
gboolean clip_stream_put (ClipStream *stream, const ClipTimes *times);
/* Gives the newest answer once: TRUE where there is one. @feature: [E]. */
gboolean clip_stream_take (ClipStream *stream, ClipAnswer *answer, float *feature);
/* Forgets what waits, is under way or was answered and not taken. Returns how many frames these were. */
guint clip_stream_cancel (ClipStream *stream);
