/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/tape.h"

#include <string.h>

#define BLOCK ((gsize) 32 << 20) /* bytes; larger pieces have a block of their own */

static void
clear_block (gpointer block)
{
  clip_arena_clear (block);
}

ClipTape *
clip_tape_new (int n_threads)
{
  ClipTape *tape = g_new0 (ClipTape, 1);
  tape->threads = clip_threads_new (n_threads);
  tape->kernels = clip_kernels ();
  tape->blocks = g_array_new (FALSE, TRUE, sizeof (ClipArena));
  g_array_set_clear_func (tape->blocks, clear_block);
  return tape;
}

void
clip_tape_free (ClipTape *tape)
{
  if (!tape)
    return;
  clip_threads_free (tape->threads);
  g_array_unref (tape->blocks);
  g_free (tape);
}

void *
clip_tape_take (ClipTape *tape, gsize bytes)
{
  bytes = (bytes + CLIP_ALIGNMENT - 1) / CLIP_ALIGNMENT * CLIP_ALIGNMENT;
  for (;; tape->block++) {
    if (tape->block == tape->blocks->len) {
      ClipArena arena = { 0 };
      clip_arena_reserve (&arena, MAX (bytes, BLOCK));
      g_array_append_val (tape->blocks, arena);
      tape->peak += arena.size;
    }
    ClipArena *arena = &g_array_index (tape->blocks, ClipArena, tape->block);
    if (arena->used + bytes <= arena->size)
      return clip_arena_take (arena, bytes);
    /* A block that was emptied, too small for a large piece: it grows, nothing lies in it. */
    if (arena->used == 0) {
      tape->peak -= arena->size;
      clip_arena_reserve (arena, bytes);
      tape->peak += arena->size;
      return clip_arena_take (arena, bytes);
    }
  }
}

float *
clip_tape_zeros (ClipTape *tape, gsize n)
{
  float *y = clip_tape_floats (tape, n);
  memset (y, 0, n * sizeof *y);
  return y;
}

ClipTapeMark
clip_tape_mark (const ClipTape *tape)
{
  return (ClipTapeMark){
    tape->block,
    tape->block < tape->blocks->len ? g_array_index (tape->blocks, ClipArena, tape->block).used : 0,
  };
}

void
clip_tape_release (ClipTape *tape, ClipTapeMark mark)
{
  for (guint i = mark.block + 1; i < tape->blocks->len; i++)
    g_array_index (tape->blocks, ClipArena, i).used = 0;
  if (mark.block < tape->blocks->len)
    g_array_index (tape->blocks, ClipArena, mark.block).used = mark.used;
  tape->block = mark.block;
}
