/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/frozen.h"

#define BATCH 16 /* pictures at a time */

static void
forward (const ClipFrozen *frozen, ClipTape *tape, float *y, const float *pixels, int batch, int n)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  gsize most = 0;
  for (int i = 0; i < n && i <= frozen->n_blocks; i++)
    most = MAX (most, frozen->floats (frozen->net, i));
  float *x[2] = { clip_tape_floats (tape, batch * most), clip_tape_floats (tape, batch * most) };
  ClipMap in = clip_map_plain (pixels, 3);
  for (int i = 0; i < n; i++) {
    const ClipTapeMark inside = clip_tape_mark (tape);
    float *out = i == n - 1 ? y : x[i % 2];
    frozen->run (frozen->net, tape, out, &in, batch, i);
    clip_tape_release (tape, inside);
    if (i <= frozen->n_blocks)
      in = clip_map_plain (out, frozen->channels (frozen->net, i));
  }
  clip_tape_release (tape, mark);
}

void
clip_frozen_forward (const ClipFrozen *frozen, ClipTape *tape, float *y, gsize y_floats,
                     const float *pixels, int batch, int n)
{
  for (int b = 0; b < batch; b += BATCH)
    forward (frozen, tape, y + b * y_floats, pixels + (gsize) b * 3 * frozen->size * frozen->size,
             MIN (BATCH, batch - b), n);
}
