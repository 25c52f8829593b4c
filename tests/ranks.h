/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests on several ranks: a test starts its own program under mpirun, as `PROGRAM --rank-task NAME`, and reads what rank 0
 * (or each) prints. */
#pragma once
#include "core/train/ranks.h"

#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

/* What all ranks printed, or NULL where there is no mpirun or no MPI in this build (the test is skipped then). */
static inline char *
run_ranks (const char *program, int n, const char *task, int *exit_status)
{
  g_autofree char *mpirun = g_find_program_in_path ("mpirun");
  const char *module = g_getenv ("GST_CLIP_MPI_MODULE");
  if (!mpirun || !module || !*module) {
    g_test_skip ("no mpirun, or built without MPI");
    return NULL;
  }
  /* Open MPI wants to be told that root and more ranks than processors are meant; MPICH does not mind. What an MPI leaves
   * allocated is not looked at. */
  g_autoptr (GSubprocessLauncher) launcher =
      g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE);
  static const char *const environment[][2] = {
    { "OMPI_ALLOW_RUN_AS_ROOT", "1" },
    { "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1" },
    { "OMPI_MCA_rmaps_base_oversubscribe", "1" },
    { "OMPI_MCA_hwloc_base_binding_policy", "none" },
    { "PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe" }, /* Open MPI 5 */
    { "PRTE_MCA_hwloc_default_binding_policy", "none" },
    { "OMPI_MCA_mpi_yield_when_idle", "1" },
    { "ASAN_OPTIONS", "detect_leaks=0" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (environment); i++)
    g_subprocess_launcher_setenv (launcher, environment[i][0], environment[i][1], TRUE);
  g_autofree char *count = g_strdup_printf ("%d", n);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_launcher_spawn (
      launcher, &error, mpirun, "-n", count, program, "--rank-task", task, NULL);
  g_assert_no_error (error);
  char *output = NULL;
  g_subprocess_communicate_utf8 (process, NULL, NULL, &output, NULL, &error);
  g_assert_no_error (error);
  *exit_status = g_subprocess_get_if_exited (process) ? g_subprocess_get_exit_status (process) : -1;
  return output;
}

/* NULL, or the task this process was started for. */
static inline const char *
rank_task (int argc, char **argv)
{
  return argc == 3 && g_str_equal (argv[1], "--rank-task") ? argv[2] : NULL;
}
