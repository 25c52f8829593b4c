/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes that train together. One process is a rank of one; several talk over MPI where the build has it. Every call
 * is collective: all ranks make it, in the same order. Sums are made in the order of ranks, the same for everybody.
 *
 * Nobody waits for a rank that has failed: each call begins with a word from every rank about what it is about to do, and a
 * rank that fails says so in place of its next call (clip_ranks_fail ()), a rank that is done likewise (clip_ranks_free ()).
 * The others get an error that names it and its reason. From then on every call fails with that error at once, and each
 * rank frees its own and ends.
 */
#pragma once
#include "core/clip.h"

typedef struct _ClipRanks ClipRanks;

/* Joins the job this process was started in (mpirun, srun); alone otherwise. */
CLIP_API ClipRanks *clip_ranks_new (GError **error);
/* (nullable) */
CLIP_API void clip_ranks_free (ClipRanks *ranks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipRanks, clip_ranks_free)
CLIP_API int clip_ranks_get_rank (const ClipRanks *ranks);
CLIP_API int clip_ranks_get_n (const ClipRanks *ranks);

/* y[ranks, n] = each rank's x[n], bytes */
gboolean clip_ranks_gather (ClipRanks *ranks, void *y, const void *x, gsize bytes, GError **error);
/* x[n] = Σ over ranks */
gboolean clip_ranks_sum (ClipRanks *ranks, float *x, gsize n, GError **error);
CLIP_API gboolean clip_ranks_sum_doubles (ClipRanks *ranks, double *x, gsize n, GError **error);
/* y[n] = Σ over ranks of row @rank of their x[ranks, n]: what all have for this one */
gboolean clip_ranks_sum_parts (ClipRanks *ranks, float *y, const float *x, gsize n, GError **error);
/* An error that names the ranks, unless all have the same @bytes: a digest of the configuration, a step. @what: for the message. */
gboolean clip_ranks_agree (ClipRanks *ranks, const void *bytes, gsize n, const char *what,
                           GError **error);

/* Tells the others why this rank does not go on; nothing where the reason came from another. FALSE: they could not be
 * told, and may wait for ever: clip_ranks_abort () is what is left. */
CLIP_API gboolean clip_ranks_fail (ClipRanks *ranks, const GError *reason);
/* Ends this process and all others of the job. For main () alone, after it has said why. */
CLIP_API void clip_ranks_abort (ClipRanks *ranks, int status);
