/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes that train together. One process is a rank of one; several talk over MPI where the build has it. Every call
 * is collective: all ranks make it, in the same order. Sums are made in the order of ranks, the same for everybody.
 */
#pragma once
#include "core/clip.h"

typedef struct _ClipRanks ClipRanks;

/* Joins the MPI job this process was started in (mpirun, srun); alone otherwise. */
ClipRanks *clip_ranks_new (GError **error);
void clip_ranks_free (ClipRanks *ranks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipRanks, clip_ranks_free)
int clip_ranks_get_rank (const ClipRanks *ranks);
int clip_ranks_get_n (const ClipRanks *ranks);

/* y[ranks, n] = each rank's x[n], bytes */
gboolean clip_ranks_gather (ClipRanks *ranks, void *y, const void *x, gsize bytes, GError **error);
/* x[n] = Σ over ranks */
gboolean clip_ranks_sum (ClipRanks *ranks, float *x, gsize n, GError **error);
gboolean clip_ranks_sum_doubles (ClipRanks *ranks, double *x, gsize n, GError **error);
/* An error that names the ranks, unless all have the same @bytes: a digest of the configuration, a step. @what: for the message. */
gboolean clip_ranks_agree (ClipRanks *ranks, const void *bytes, gsize n, const char *what,
                           GError **error);
