/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a block of an EfficientNet does before it projects, in int8. */
#pragma once
#include "core/model/widen.h"

#define CLIP_WIDEN_STEP (6 / 255.f) /* what a byte of y counts */

/* Whether this processor is faster with bytes at all; and a block: those that expand are. */
gboolean clip_widen_i8_pays (void);
gboolean clip_widen_i8_fits (const ClipWiden *widen, const ClipWidenNames *names);
/* Makes widen->i8: g_free (). means[in]: of x (core/model/rounding.h) */
void clip_widen_i8_bind (ClipWiden *widen, ClipWeights *weights, float epsilon,
                         const ClipWidenNames *names, const float *means);
/* The same of a block that does not expand and the tower's first convolution in front of it, @names.expand, whose sizes @stem
 * has; x is pixels [B, 3, size, size] then. */
void clip_widen_i8_bind_first (ClipWiden *widen, ClipWeights *weights, float epsilon,
                               const ClipWidenNames *names, const ClipStem *stem,
                               const ClipPreprocessConfig *preprocess);
gsize clip_widen_i8_scratch (const ClipWiden *widen); /* floats of a worker's scratch */
/* y[B, h/s, w/s, M] bytes, of x[B, h, w, in] */
void clip_widen_i8_run (ClipSession *session, guint8 *y, const float *x, const ClipWiden *widen,
                        int batch);
