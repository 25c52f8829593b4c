/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a training pass works with: threads, kernels, and the memory of everything that the backward pass will read.
 *
 * The forward pass takes memory from the tape as it goes, the backward pass runs from the last layer to the first; what
 * only one function needs lies between a mark and its release. Blocks are kept from one step to the next.
 *
 *   const ClipTapeMark mark = clip_tape_mark (tape);
 *   float *dx = clip_tape_floats (tape, rows * width); …
 *   clip_tape_release (tape, mark);
 */
#pragma once
#include "core/base/arena.h"
#include "core/base/threads.h"
#include "core/kernels/kernels.h"

typedef struct {
  ClipThreads *threads;
  const ClipKernels *kernels;
  GArray *blocks; /* ClipArena */
  guint block;    /* the one that is being filled */
  gsize peak;     /* bytes of all blocks */
} ClipTape;

typedef struct {
  guint block;
  gsize used;
} ClipTapeMark;

ClipTape *clip_tape_new (int n_threads); /* as clip_threads_new () */
void clip_tape_free (ClipTape *tape);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipTape, clip_tape_free)

/* CLIP_ALIGNMENT-aligned, contents undefined, valid until released; pointers do not move. */
void *clip_tape_take (ClipTape *tape, gsize bytes);
#define clip_tape_floats(tape, n) ((float *) clip_tape_take (tape, (gsize) (n) * sizeof (float)))
/* The same, zeroed. */
float *clip_tape_zeros (ClipTape *tape, gsize n);

ClipTapeMark clip_tape_mark (const ClipTape *tape);
/* Everything taken since is gone. */
void clip_tape_release (ClipTape *tape, ClipTapeMark mark);
