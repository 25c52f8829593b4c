/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A picture as training sees it: cropped, resized and changed at random → [3, R, R], normalised. */
#pragma once
#include "core/image/decode.h"
#include "core/train/data.h"

/* Ranges and probabilities that make sense; an error begins with "@name: ". */
gboolean clip_augment_check (const ClipAugment *augment, const char *name, GError **error);

/* @pixels: [3, R, R]. What is random is a function of @random alone (clip_random_key ()). Where nothing is, the result is that
 * of clip_preprocess_run (), bicubic, shortest side, to the bit. */
/* @augment without what takes from a picture: for the same @random, the same crop, unharmed. */
ClipAugment clip_augment_clean (const ClipAugment *augment);
void clip_augment_run (float *pixels, const ClipPicture *picture, const ClipAugment *augment,
                       guint64 random);
