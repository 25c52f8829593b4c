/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets whose features are drawn anew in each step (virtual.h): the file of such a set tells classes, and how often each. */
#pragma once
#include "core/train/settings.h"
#include "core/train/tape.h"

typedef struct _ClipRedraw ClipRedraw;

/* @width: W of the image trunk. */
ClipRedraw *clip_redraw_new (const ClipSettings *settings, ClipTape *tape, int width,
                             GError **error);
void clip_redraw_free (ClipRedraw *redraw);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipRedraw, clip_redraw_free)

/* Writes over the pooled features of @batch that are of such sets: a function of seed, step, rank, and where they are. */
void clip_redraw_run (ClipRedraw *redraw, ClipTape *tape, const ClipBatch *batch, int step,
                      int rank);
