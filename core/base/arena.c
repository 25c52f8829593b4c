/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/base/arena.h"

#include <stdlib.h>

static gsize
round_up (gsize bytes)
{
  return (bytes + CLIP_ALIGNMENT - 1) & ~(gsize) (CLIP_ALIGNMENT - 1);
}

void *
clip_aligned_alloc (gsize bytes)
{
  void *memory = aligned_alloc (CLIP_ALIGNMENT, round_up (MAX (bytes, 1)));
  if (!memory)
    g_error ("failed to allocate %" G_GSIZE_FORMAT " bytes", bytes);
  return memory;
}

void
clip_aligned_free (void *memory)
{
  free (memory);
}

void *
clip_arena_take (ClipArena *arena, gsize bytes)
{
  guint8 *start = arena->base ? arena->base + arena->used : NULL;
  arena->used += round_up (bytes);
  g_assert (!arena->base || arena->used <= arena->size);
  return start;
}

void
clip_arena_reserve (ClipArena *arena, gsize bytes)
{
  if (bytes > arena->size) {
    clip_aligned_free (arena->base);
    arena->base = clip_aligned_alloc (bytes);
    arena->size = bytes;
  }
  arena->used = 0;
}

void
clip_arena_clear (ClipArena *arena)
{
  clip_aligned_free (arena->base);
  *arena = (ClipArena){ 0 };
}
