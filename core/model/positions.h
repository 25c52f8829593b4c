/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Position embeddings of a picture's parts, at the resolution they are stored for or at another. */
#pragma once
#include "core/model/resolution.h"

/* y[to rows · columns, width] of x[from rows · columns, width]: bicubic, antialiased where the grid becomes coarser, as
 * PyTorch's interpolate (). */
void clip_positions_resize (float *y, ClipGrid to, const float *x, ClipGrid from, int width);

/* [@first + columns · rows, width] for the pictures of @image, of the tensor @name, whose first @first rows have no place in
 * the picture. Lives as long as @weights; NULL with a failure of theirs. */
const float *clip_positions_bind (ClipWeights *weights, const ClipImageConfig *image, int first, int width,
                                  const char *name);
