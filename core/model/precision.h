/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which arithmetic `auto` stands for: the fastest on this processor of those that keep the results.
 *
 *   int8   where the model's file says that its results were measured and kept: the metadata "clip.precision" is "int8"
 *   bf16   where the processor multiplies it, of any model whose file does not say "f32": 1 - cosine to f32 stays below 0.0005
 *   f32    else
 *
 * Why these: docs/model.md, Arithmetic.
 */
#pragma once
#include "core/checkpoint/checkpoint.h"

#define CLIP_PRECISION_METADATA "clip.precision"

/* "f32", "bf16" or "int8"; of AUTO "auto". */
const char *clip_precision_name (ClipPrecision precision);

/* @asked, unless it is AUTO. A word in the file that is none of the three is a warning (char *, added to @warnings). */
ClipPrecision clip_precision_choose (ClipPrecision asked, const ClipCheckpoint *checkpoint,
                                     GPtrArray *warnings);
