/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log of a run, JSON lines: means over the steps since the line before,
 *
 *   {"step", "loss", "captions", "classifier", "anchor_names", "anchor_captions", "teacher", "keep_text", "keep_image", "accuracy", "logit_scale", "rate",
 *    "gradient_norm", "pairs_per_second", "waited", "seconds", "broken"}
 *
 * and what evaluations gave: {"step", "top1"}.
 */
#pragma once
#include "core/train/trainer.h"

G_BEGIN_DECLS

typedef struct _ClipLog ClipLog;

/* Goes on after step @step: later lines, of a run that ended without writing its state down, are dropped; so are all where
 * @step is 0. */
CLIP_API ClipLog *clip_log_open (const char *path, const ClipSettings *settings, int step,
                                 GError **error);
CLIP_API void clip_log_close (ClipLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipLog, clip_log_close)

/* Writes a line after each log_every steps. */
CLIP_API gboolean clip_log_step (ClipLog *log, const ClipStep *step, GError **error);
CLIP_API gboolean clip_log_accuracy (ClipLog *log, int step, double top1, GError **error);

G_END_DECLS
