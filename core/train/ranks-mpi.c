/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The transport over MPI. Counts are int there: whatever is larger goes in pieces. */
#include "core/train/transport.h"

#include <mpi.h>
#include <string.h>

#define PIECE ((gsize) 1 << 28) /* bytes for each rank */

extern const ClipTransport clip_transport;

static char *
problem (int status)
{
  if (status == MPI_SUCCESS)
    return NULL;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  if (MPI_Error_string (status, text, &length) != MPI_SUCCESS)
    return g_strdup_printf ("MPI error %d", status);
  return g_strndup (text, length);
}

static char *
join (int *rank, int *n)
{
  int threads, status = MPI_Init_thread (NULL, NULL, MPI_THREAD_FUNNELED, &threads);
  if (status == MPI_SUCCESS)
    status = MPI_Comm_set_errhandler (MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (status == MPI_SUCCESS)
    status = MPI_Comm_rank (MPI_COMM_WORLD, rank);
  if (status == MPI_SUCCESS)
    status = MPI_Comm_size (MPI_COMM_WORLD, n);
  return problem (status);
}

static char *
leave (void)
{
  return problem (MPI_Finalize ());
}

/* A piece of each rank's bytes at a time; where all fit, they go to their place at once. */
static char *
in_pieces (void *y, const void *x, gsize bytes, gboolean exchange)
{
  int n, status = MPI_Comm_size (MPI_COMM_WORLD, &n);
  if (status == MPI_SUCCESS && bytes <= PIECE / n) {
    status = exchange ? MPI_Alltoall (x, bytes, MPI_BYTE, y, bytes, MPI_BYTE, MPI_COMM_WORLD)
                      : MPI_Allgather (x, bytes, MPI_BYTE, y, bytes, MPI_BYTE, MPI_COMM_WORLD);
    return problem (status);
  }
  const gsize most = PIECE / n;
  g_autofree guint8 *out = exchange ? g_malloc (n * most) : NULL, *in = g_malloc (n * most);
  for (gsize first = 0; first < bytes && status == MPI_SUCCESS; first += most) {
    const gsize size = MIN (most, bytes - first);
    for (int i = 0; i < n && exchange; i++)
      memcpy (out + i * size, (const guint8 *) x + i * bytes + first, size);
    status = exchange ? MPI_Alltoall (out, size, MPI_BYTE, in, size, MPI_BYTE, MPI_COMM_WORLD)
                      : MPI_Allgather ((const guint8 *) x + first, size, MPI_BYTE, in, size,
                                       MPI_BYTE, MPI_COMM_WORLD);
    for (int i = 0; i < n; i++)
      memcpy ((guint8 *) y + i * bytes + first, in + i * size, size);
  }
  return problem (status);
}

static char *
gather (void *y, const void *x, gsize bytes)
{
  return in_pieces (y, x, bytes, FALSE);
}

static char *
exchange_parts (void *y, const void *x, gsize bytes)
{
  return in_pieces (y, x, bytes, TRUE);
}

static void
end_job (int status)
{
  MPI_Abort (MPI_COMM_WORLD, status);
}

__attribute__ ((visibility ("default"))) const ClipTransport clip_transport = {
  join, leave, gather, exchange_parts, end_job,
};
