/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Collective calls of 1 to 3 ranks, and what becomes of all ranks when one of them fails. */
#include "tests/ranks.h"
#include "core/base/error.h"
#include "tests/testing.h"

#include <stdio.h>

static const char *program;

/* ------------------------------------------------------------------------------ on each rank */

static float
value (int rank, gsize i)
{
  return (float) (rank + 1) / (float) (i % 1009 + 3);
}

/* Sums are those of a plain loop over ranks, to the bit, whatever the length: one, fewer than ranks, more than a chunk. */
static void
sums (ClipRanks *ranks)
{
  static const gsize lengths[] = { 1, 2, 7, 4096, ((gsize) 8 << 20) / 4 + 5 };
  const int rank = clip_ranks_get_rank (ranks), n = clip_ranks_get_n (ranks);
  g_autoptr (GError) error = NULL;
  for (guint k = 0; k < G_N_ELEMENTS (lengths); k++) {
    const gsize length = lengths[k];
    g_autofree float *x = g_new (float, length), *parts = g_new (float, length *n);
    g_autofree double *d = g_new (double, length);
    for (gsize i = 0; i < length; i++) {
      d[i] = x[i] = value (rank, i);
      for (int r = 0; r < n; r++)
        parts[r * length + i] = value (rank, i) + r;
    }
    clip_ranks_sum (ranks, x, length, &error);
    g_assert_no_error (error);
    clip_ranks_sum_doubles (ranks, d, length, &error);
    g_assert_no_error (error);
    g_autofree float *own = g_new (float, length);
    clip_ranks_sum_parts (ranks, own, parts, length, &error);
    g_assert_no_error (error);
    for (gsize i = 0; i < length; i++) {
      float expected = value (0, i), part = value (0, i) + rank;
      double wide = value (0, i);
      for (int r = 1; r < n; r++) {
        expected += value (r, i);
        part += value (r, i) + rank;
        wide += value (r, i);
      }
      if (x[i] != expected || d[i] != wide || own[i] != part)
        g_error ("length %zu: element %zu is %.9g, %.17g, %.9g, expected %.9g, %.17g, %.9g", length,
                 i, x[i], d[i], own[i], expected, wide, part);
    }
  }
}

static void
gathers (ClipRanks *ranks)
{
  g_autoptr (GError) error = NULL;
  const int rank = clip_ranks_get_rank (ranks), n = clip_ranks_get_n (ranks);
  const gsize bytes = 12345;
  g_autofree guint8 *x = g_malloc (bytes), *y = g_malloc (bytes * n);
  memset (x, 'a' + rank, bytes);
  clip_ranks_gather (ranks, y, x, bytes, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < bytes * n; i++)
    g_assert_cmpint (y[i], ==, 'a' + (int) (i / bytes));
  clip_ranks_agree (ranks, "same", 4, "step", &error);
  g_assert_no_error (error);
}

/* What rank 1 does where the others sum; all end with an error that says why. */
static void
disagrees (ClipRanks *ranks, const char *how)
{
  g_autoptr (GError) error = NULL;
  const int rank = clip_ranks_get_rank (ranks);
  float x[4] = { 0 };
  if (rank == 1 && g_str_equal (how, "fails")) {
    clip_fail (&error, CLIP_ERROR_IO, "shard-7.tar: no space left on “disk”");
    g_assert_true (clip_ranks_fail (ranks, error));
  } else if (rank == 1 && g_str_equal (how, "ends")) {
    return;
  } else if (g_str_equal (how, "configuration")) {
    clip_ranks_agree (ranks, rank == 1 ? "longer" : "short", rank == 1 ? 6 : 5, "configuration",
                      &error);
  } else {
    clip_ranks_sum (ranks, x, rank == 1 ? 3 : 4, &error);
  }
  g_autofree char *all = g_strdup (error ? error->message : "no error");
  printf ("rank %d: %s\n", rank, all);
  /* The failure stays. */
  g_clear_error (&error);
  g_assert_false (rank != 1 && clip_ranks_sum (ranks, x, 4, &error));
}

static int
run_task (const char *task)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipRanks) ranks = clip_ranks_new (&error);
  g_assert_no_error (error);
  if (g_str_equal (task, "sums"))
    sums (ranks);
  else if (g_str_equal (task, "gathers"))
    gathers (ranks);
  else
    disagrees (ranks, task);
  printf ("rank %d of %d is done\n", clip_ranks_get_rank (ranks), clip_ranks_get_n (ranks));
  return 0;
}

/* --------------------------------------------------------------------------------------- tests */

static void
test_alone (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipRanks) ranks = clip_ranks_new (&error);
  g_assert_no_error (error);
  g_assert_cmpint (clip_ranks_get_n (ranks), ==, 1);
  sums (ranks);
  gathers (ranks);
}

static void
test_together (gconstpointer data)
{
  for (int n = 2; n <= 3; n++) {
    int status;
    g_autofree char *output = run_ranks (program, n, data, &status);
    if (!output)
      return;
    g_autofree char *last = g_strdup_printf ("rank %d of %d is done", n - 1, n);
    if (status != 0 || !strstr (output, last))
      g_error ("%s on %d ranks: status %d\n%s", (const char *) data, n, status, output);
  }
}

static const struct {
  const char *how, *others, *own;
} disagreements[] = {
  { "fails", "rank 1 of 3 failed: shard-7.tar: no space left on “disk”", "rank 1: shard-7.tar" },
  { "ends", "rank 0 of 3 sums floats (4), rank 1 has ended", "rank 1 of 3 is done" },
  { "length", "rank 0 of 3 sums floats (4), rank 1 sums floats (3)",
    "rank 1: ranks are not doing" },
  { "configuration", "configuration: rank 0 of 3 has another than rank 1,",
    "rank 1: configuration" },
};

static void
test_disagreement (gconstpointer data)
{
  const guint i = GPOINTER_TO_UINT (data);
  int status;
  g_autofree char *output = run_ranks (program, 3, disagreements[i].how, &status);
  if (!output)
    return;
  g_autofree char *first = g_strconcat ("rank 0: ", NULL);
  if (status != 0 || !strstr (output, disagreements[i].others) ||
      !strstr (output, disagreements[i].own) || !strstr (output, first) ||
      !strstr (output, "rank 2: "))
    g_error ("%s: status %d, expected \"%s\" and \"%s\" in:\n%s", disagreements[i].how, status,
             disagreements[i].others, disagreements[i].own, output);
}

/* Started as one of several, without what it takes: never alone. */
static void
test_without_mpi (void)
{
  if (g_test_subprocess ()) {
    g_setenv ("OMPI_COMM_WORLD_SIZE", "4", TRUE);
    g_setenv ("GST_CLIP_MPI_MODULE", "/nonexistent/mpi.so", TRUE);
    g_autoptr (GError) error = NULL;
    ClipRanks *ranks = clip_ranks_new (&error);
    check_error ("no module", ranks, error, CLIP_ERROR_UNSUPPORTED, "started 4 processes");
    g_clear_error (&error);
    g_setenv ("GST_CLIP_MPI_MODULE", "", TRUE);
    ranks = clip_ranks_new (&error);
    check_error ("no MPI", ranks, error, CLIP_ERROR_UNSUPPORTED, "this build has no MPI");
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
}

int
main (int argc, char **argv)
{
  if (rank_task (argc, argv))
    return run_task (rank_task (argc, argv));
  program = argv[0];
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ranks/alone", test_alone);
  g_test_add_func ("/ranks/without-mpi", test_without_mpi);
  g_test_add_data_func ("/ranks/sums", "sums", test_together);
  g_test_add_data_func ("/ranks/gathers", "gathers", test_together);
  for (guint i = 0; i < G_N_ELEMENTS (disagreements); i++) {
    g_autofree char *path = g_strconcat ("/ranks/disagreement/", disagreements[i].how, NULL);
    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_disagreement);
  }
  return g_test_run ();
}
