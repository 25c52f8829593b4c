/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An arena whose size is computed before it is allocated: the same layout function runs twice, first over an empty arena
 * (pointers are not to be used, sizes add up), then over one that holds that many bytes.
 *
 *   static void layout (ClipArena *arena, Workspace *w, int B) { w->x = clip_arena_floats (arena, B * T * C); … }
 */
#pragma once
#include <glib.h>

#define CLIP_ALIGNMENT 64 /* a cache line, and an AVX-512 vector */

typedef struct {
  guint8 *base; /* NULL while measuring */
  gsize used, size;
} ClipArena;

void *clip_arena_take (ClipArena *arena, gsize bytes);
#define clip_arena_floats(arena, n) ((float *) clip_arena_take (arena, (gsize) (n) * sizeof (float)))

/* Makes the arena hold @bytes at least (contents are lost) and empties it. */
void clip_arena_reserve (ClipArena *arena, gsize bytes);
void clip_arena_clear (ClipArena *arena);

/* CLIP_ALIGNMENT-aligned heap memory; free with clip_aligned_free (). Aborts like g_malloc () where there is none. */
void *clip_aligned_alloc (gsize bytes);
void clip_aligned_free (void *memory);
