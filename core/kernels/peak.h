/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ceiling of this processor: multiply-adds in registers, with nothing to load and nothing to wait for. */
#pragma once
#include "core/clip.h"

G_BEGIN_DECLS

/* Computes some multiply-adds @rounds times. Returns how many operations these were: a multiply-add is two. */
typedef guint64 (*ClipPeakFunc) (gsize rounds);

/* Returns: operations per second of @threads threads at once, in the arithmetic of @precision, the best of some runs
 * that take about a tenth of a second in all. 0: the kernels in use have no such instruction. */
CLIP_API double clip_peak (ClipPrecision precision, int threads);

G_END_DECLS
