/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a text trunk that does not learn gives, kept: each text goes through it once in a run.
 *
 * A text is computed alone, never in a batch: its features are then a function of the text, to the bit, whatever came before,
 * and a run that was ended and resumed finds the same.
 */
#pragma once
#include "core/train/student.h"

typedef struct _ClipMemo ClipMemo;

/* @pad: the padding token. @threads: of the tapes it will be called with. */
ClipMemo *clip_memo_new (ClipSide *side, gint32 pad, int threads);
void clip_memo_free (ClipMemo *memo);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipMemo, clip_memo_free)

/* pooled [n, W] of tokens [n, @length] */
void clip_memo_pool (ClipMemo *memo, ClipTape *tape, float *pooled, const gint32 *tokens, int n,
                     int length);
