/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a session lends to a tower during a forward pass: threads, kernels, and memory in two kinds.
 */
#pragma once
#include "core/base/arena.h"
#include "core/base/threads.h"
#include "core/kernels/kernels.h"
#include "core/model/tower.h"

struct _ClipSession {
  ClipModel *model;
  ClipThreads *threads;
  const ClipKernels *kernels;
  ClipArena arena;    /* activations of the pass in progress: the tower lays them out */
  ClipArena scratch;  /* [threads][scratch_size], one piece per worker: whoever runs a task uses it
                         within it */
  gsize scratch_size; /* floats per worker, a multiple of a cache line */
  ClipArena reduced;  /* rows of the product in progress as narrow numbers (reduced.h) */
  guint64 operations; /* clip_session_get_operations () */
};

/* Makes each worker's scratch hold @floats at least. */
void clip_session_reserve_scratch (ClipSession *session, gsize floats);

/* Each layer says, on the caller's thread, how many multiply-adds it has. */
static inline void
clip_session_count (ClipSession *session, guint64 multiply_adds)
{
  session->operations += 2 * multiply_adds;
}

static inline float *
clip_session_scratch (const ClipSession *session, int worker)
{
  return (float *) session->scratch.base + worker * session->scratch_size;
}
