/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Collective calls over a transport (transport.h). A sum goes in chunks of which each rank adds one part:
 *
 *   exchange  everybody's part r of the chunk goes to rank r    [ranks, part]
 *   add       in the order of ranks
 *   gather    the sums of all parts                              [ranks, part]
 *
 * so that memory stays bounded, each float travels twice, and all ranks have the same bits.
 */
#include "core/train/ranks.h"
#include "core/train/transport.h"
#include "core/base/error.h"

#include <gmodule.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((gsize) 8 << 20) /* bytes that are summed at a time */

struct _ClipRanks {
  int rank, n;
  GModule *module;
  const ClipTransport *transport; /* NULL: alone */
  GError *failure;                /* of a rank: nobody goes on */
  gboolean unreachable;           /* the transport itself failed */
};

/* ----------------------------------------------------------------------------------------- job */

/* How launchers tell a process that it is one of several. */
static const struct {
  const char *launcher, *variable;
} launchers[] = {
  { "mpirun (Open MPI)", "OMPI_COMM_WORLD_SIZE" },
  { "mpirun (MPICH) or srun", "PMI_SIZE" },
  { "srun", "SLURM_STEP_NUM_TASKS" },
};

/* Number of processes, 1 where nobody started several. */
static int
job_size (const char **launcher)
{
  for (guint i = 0; i < G_N_ELEMENTS (launchers); i++) {
    const char *value = g_getenv (launchers[i].variable);
    const int n = value ? atoi (value) : 0;
    if (n > 1) {
      *launcher = launchers[i].launcher;
      return n;
    }
  }
  return 1;
}

static gboolean
load_transport (ClipRanks *ranks, const char *launcher, int expected, GError **error)
{
  const char *path = g_getenv ("GST_CLIP_MPI_MODULE");
  path = path ? path : CLIP_MPI_MODULE;
  gpointer transport;
  ranks->module = *path ? g_module_open (path, G_MODULE_BIND_LAZY) : NULL;
  if (!ranks->module || !g_module_symbol (ranks->module, "clip_transport", &transport))
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s started %d processes, but %s%s, without which each would train alone",
                      launcher, expected, *path ? "the MPI module cannot be loaded: " : "",
                      *path ? g_module_error () : "this build has no MPI");
  g_module_make_resident (ranks->module); /* an MPI does not bear to be unloaded */
  ranks->transport = transport;
  return TRUE;
}

ClipRanks *
clip_ranks_new (GError **error)
{
  g_autoptr (ClipRanks) ranks = g_new0 (ClipRanks, 1);
  const char *launcher = NULL;
  const int expected = job_size (&launcher);
  ranks->n = 1;
  if (expected == 1)
    return g_steal_pointer (&ranks);

  if (!load_transport (ranks, launcher, expected, error))
    return NULL;
  g_autofree char *problem = ranks->transport->join (&ranks->rank, &ranks->n);
  if (problem) {
    ranks->unreachable = TRUE;
    return clip_fail_null (error, CLIP_ERROR_IO, "cannot join the MPI job: %s", problem);
  }
  if (ranks->n != expected)
    return clip_fail_null (
        error, CLIP_ERROR_UNSUPPORTED,
        "%s started %d processes, of which MPI sees %d: it belongs to another MPI "
        "(with Slurm, srun --mpi=pmix or --mpi=pmi2 may help)",
        launcher, expected, ranks->n);
  return g_steal_pointer (&ranks);
}

int
clip_ranks_get_rank (const ClipRanks *ranks)
{
  return ranks->rank;
}

int
clip_ranks_get_n (const ClipRanks *ranks)
{
  return ranks->n;
}

/* -------------------------------------------------------------------------------------- failure */

static gboolean
fail_unreachable (ClipRanks *ranks, const char *problem, GError **error)
{
  ranks->unreachable = TRUE;
  clip_fail (&ranks->failure, CLIP_ERROR_IO, "rank %d: MPI: %s", ranks->rank, problem);
  g_propagate_error (error, g_error_copy (ranks->failure));
  return FALSE;
}

static gboolean
gather (ClipRanks *ranks, void *y, const void *x, gsize bytes, GError **error)
{
  g_autofree char *problem = ranks->transport->gather (y, x, bytes);
  return !problem || fail_unreachable (ranks, problem, error);
}

typedef enum { GATHER, SUM, SUM_DOUBLES, SUM_PARTS, AGREE, FAIL, END } Operation;

static const char *const operation_names[] = {
  [GATHER] = "gathers",       [SUM] = "sums floats", [SUM_DOUBLES] = "sums doubles",
  [SUM_PARTS] = "sums parts", [AGREE] = "compares",  [FAIL] = "has failed",
  [END] = "has ended",
};

/* A rank's word before each call. */
typedef struct {
  guint64 operation, size;
} Word;

#define REASON 512 /* bytes of a message, cut if it is longer */

/* All ranks' reasons, of which the first is kept: from now on it is everybody's. */
static gboolean
share_reason (ClipRanks *ranks, const Word *words, const char *own, GError **error)
{
  char mine[REASON] = "";
  g_autofree char *all = g_malloc0 ((gsize) ranks->n * REASON);
  g_strlcpy (mine, own ? own : "", sizeof mine);
  if (!gather (ranks, all, mine, REASON, error))
    return FALSE;
  for (int i = 0; i < ranks->n && !ranks->failure; i++) {
    if (words[i].operation != FAIL)
      continue;
    char *reason = all + i * REASON;
    reason[REASON - 1] = '\0';
    g_autofree char *valid = g_utf8_make_valid (reason, -1);
    clip_fail (&ranks->failure, CLIP_ERROR_IO, "rank %d of %d failed: %s", i, ranks->n, valid);
  }
  g_propagate_error (error, g_error_copy (ranks->failure));
  return FALSE;
}

/* TRUE where all ranks are about to do the same. */
static gboolean
begin (ClipRanks *ranks, Operation operation, gsize size, const char *reason, GError **error)
{
  if (ranks->failure) {
    g_propagate_error (error, g_error_copy (ranks->failure));
    return FALSE;
  }
  const Word mine = { operation, size };
  g_autofree Word *words = g_new0 (Word, ranks->n);
  if (!gather (ranks, words, &mine, sizeof mine, error))
    return FALSE;
  for (int i = 0; i < ranks->n; i++) {
    if (words[i].operation == FAIL)
      return share_reason (ranks, words, reason, error);
  }
  for (int i = 1; i < ranks->n && !ranks->failure; i++) {
    if (words[i].operation != words[0].operation || words[i].size != words[0].size)
      clip_fail (&ranks->failure, CLIP_ERROR_CONFIG,
                 "ranks are not doing the same: rank 0 of %d %s (%" G_GUINT64_FORMAT
                 "), rank %d %s (%" G_GUINT64_FORMAT ")",
                 ranks->n, operation_names[MIN (words[0].operation, END)], words[0].size, i,
                 operation_names[MIN (words[i].operation, END)], words[i].size);
  }
  if (ranks->failure)
    g_propagate_error (error, g_error_copy (ranks->failure));
  return !ranks->failure;
}

gboolean
clip_ranks_fail (ClipRanks *ranks, const GError *reason)
{
  if (ranks->n > 1 && !ranks->failure)
    begin (ranks, FAIL, 0, reason->message, NULL);
  return !ranks->unreachable;
}

void
clip_ranks_abort (ClipRanks *ranks, int status)
{
  if (ranks->transport)
    ranks->transport->abort (status);
  exit (status);
}

void
clip_ranks_free (ClipRanks *ranks)
{
  if (!ranks)
    return;
  if (ranks->n > 1 && !ranks->failure)
    begin (ranks, END, 0, NULL, NULL);
  if (ranks->transport && !ranks->unreachable)
    g_free (ranks->transport->leave ());
  g_clear_error (&ranks->failure);
  g_free (ranks);
}

/* ---------------------------------------------------------------------------------------- calls */

gboolean
clip_ranks_gather (ClipRanks *ranks, void *y, const void *x, gsize bytes, GError **error)
{
  if (ranks->n > 1)
    return begin (ranks, GATHER, bytes, NULL, error) && gather (ranks, y, x, bytes, error);
  memmove (y, x, bytes);
  return TRUE;
}

/* y[n] = x[0, n] + x[1, n] + … */
static void
add_floats (void *y, const void *x, int ranks, gsize n)
{
  float *to = y;
  const float *from = x;
  memcpy (to, from, n * sizeof *to);
  for (int r = 1; r < ranks; r++)
    for (gsize i = 0; i < n; i++)
      to[i] += from[r * n + i];
}

static void
add_doubles (void *y, const void *x, int ranks, gsize n)
{
  double *to = y;
  const double *from = x;
  memcpy (to, from, n * sizeof *to);
  for (int r = 1; r < ranks; r++)
    for (gsize i = 0; i < n; i++)
      to[i] += from[r * n + i];
}

typedef void (*Add) (void *y, const void *x, int ranks, gsize n);

static gboolean
exchange_and_add (ClipRanks *ranks, void *sum, void *in, const void *out, gsize n, gsize element,
                  Add add, GError **error)
{
  g_autofree char *problem = ranks->transport->exchange (in, out, n * element);
  if (problem)
    return fail_unreachable (ranks, problem, error);
  add (sum, in, ranks->n, n);
  return TRUE;
}

static gboolean
sum (ClipRanks *ranks, guint8 *x, gsize n, gsize element, Add add, GError **error)
{
  const gsize parts = ranks->n, most = MAX (1, CHUNK / element / parts); /* of a part */
  const gsize size = MIN (most, (n + parts - 1) / parts);
  g_autofree guint8 *out = g_malloc0 (parts * size * element);
  g_autofree guint8 *in = g_malloc (parts * size * element);
  g_autofree guint8 *own = g_malloc (size * element);
  for (gsize first = 0; first < n; first += parts * size) {
    const gsize chunk = MIN (parts * size, n - first), part = (chunk + parts - 1) / parts;
    memcpy (out, x + first * element, chunk * element);
    memset (out + chunk * element, 0, (parts * part - chunk) * element);
    if (!exchange_and_add (ranks, own, in, out, part, element, add, error) ||
        !gather (ranks, in, own, part * element, error))
      return FALSE;
    memcpy (x + first * element, in, chunk * element);
  }
  return TRUE;
}

gboolean
clip_ranks_sum (ClipRanks *ranks, float *x, gsize n, GError **error)
{
  return ranks->n == 1 || (begin (ranks, SUM, n, NULL, error) &&
                           sum (ranks, (guint8 *) x, n, sizeof *x, add_floats, error));
}

gboolean
clip_ranks_sum_doubles (ClipRanks *ranks, double *x, gsize n, GError **error)
{
  return ranks->n == 1 || (begin (ranks, SUM_DOUBLES, n, NULL, error) &&
                           sum (ranks, (guint8 *) x, n, sizeof *x, add_doubles, error));
}

gboolean
clip_ranks_sum_parts (ClipRanks *ranks, float *y, const float *x, gsize n, GError **error)
{
  if (ranks->n == 1) {
    memmove (y, x, n * sizeof *y);
    return TRUE;
  }
  if (!begin (ranks, SUM_PARTS, n, NULL, error))
    return FALSE;
  const gsize parts = ranks->n, size = MIN (n, MAX (1, CHUNK / sizeof *x / parts));
  g_autofree float *out = g_new (float, parts *size), *in = g_new (float, parts *size);
  for (gsize first = 0; first < n; first += size) {
    const gsize chunk = MIN (size, n - first);
    for (gsize r = 0; r < parts; r++)
      memcpy (out + r * chunk, x + r * n + first, chunk * sizeof *x);
    if (!exchange_and_add (ranks, y + first, in, out, chunk, sizeof *x, add_floats, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
clip_ranks_agree (ClipRanks *ranks, const void *bytes, gsize n, const char *what, GError **error)
{
  if (ranks->n == 1)
    return TRUE;
  /* A digest first: what differs in length is no other call. */
  g_autofree char *digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, bytes, n);
  const gsize length = strlen (digest);
  g_autofree char *all = g_malloc0 (ranks->n * length);
  if (!begin (ranks, AGREE, 0, NULL, error) || !gather (ranks, all, digest, length, error))
    return FALSE;
  GString *others = g_string_new (NULL);
  for (int i = 1; i < ranks->n; i++) {
    if (memcmp (all, all + i * length, length) != 0)
      g_string_append_printf (others, "%s%d", others->len ? ", " : "", i);
  }
  if (others->len)
    clip_fail (&ranks->failure, CLIP_ERROR_CONFIG,
               "%s: rank 0 of %d has another than rank %s, expected the same on all", what,
               ranks->n, others->str);
  g_string_free (others, TRUE);
  if (ranks->failure)
    g_propagate_error (error, g_error_copy (ranks->failure));
  return !ranks->failure;
}
