/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inference beside the video: all live elements of a process that use the same model share one worker, one workspace. */
#pragma once
#include "gst/shot.h"

/* What the worker did since the last answer. */
typedef struct {
  guint n; /* frames that were classified; those without a picture are none */
  guint n_regions, n_regions_skipped; /* of these */
  GstClockTime took;                  /* to classify the newest, on the clock */
  GstClockTime cost;                  /* of all, in processor time */
} ClipAnswer;

/* One element's place in the round; for one thread at a time. */
typedef struct _ClipStream ClipStream;

/* @threads: how many an inference may use, 0 for one each processor. */
ClipStream *clip_stream_new (ClipModel *model, int threads);
/* Waits for the inference under way, if it is this stream's. */
void clip_stream_free (ClipStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipStream, clip_stream_free)

/* Returns: (transfer none): where to put the next frame before clip_stream_put (). */
ClipShot *clip_stream_get_shot (ClipStream *stream);
/* Leaves the frame for the worker and returns at once. Returns TRUE where it replaced one with a picture that still waited. */
gboolean clip_stream_put (ClipStream *stream);
/* Gives the newest answer once. Returns: (transfer none) (nullable): the frame with its features, until one of the two
 * functions above is called. */
const ClipShot *clip_stream_take (ClipStream *stream, ClipAnswer *answer);
/* Forgets what waits, is under way or was answered and not taken. Returns how many frames these were. */
guint clip_stream_cancel (ClipStream *stream);
