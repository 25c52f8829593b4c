/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* madvise () */
#include "core/base/arena.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Of memory of this size the system is asked for pages of this size, where it has them: those of 4 KiB are so many that the
 * processor spends a tenth of a pass over weights on finding them. */
#define LARGE_PAGE ((gsize) 2 << 20)

static gsize
round_up (gsize bytes)
{
  return (bytes + CLIP_ALIGNMENT - 1) & ~(gsize) (CLIP_ALIGNMENT - 1);
}

void *
clip_aligned_alloc (gsize bytes)
{
  const gboolean large = bytes >= LARGE_PAGE;
  void *memory;
  if (posix_memalign (&memory, large ? LARGE_PAGE : CLIP_ALIGNMENT, round_up (MAX (bytes, 1))) != 0)
    g_error ("failed to allocate %" G_GSIZE_FORMAT " bytes", bytes);
#ifdef MADV_HUGEPAGE
  if (large)
    madvise (memory, bytes, MADV_HUGEPAGE); /* without them it is slower, no more */
#endif
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
