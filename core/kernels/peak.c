/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/kernels/peak.h"

#include "core/base/threads.h"
#include "core/kernels/kernels.h"

#define RUNS 5
#define RUN_TIME (20 * G_TIME_SPAN_MILLISECOND)
#define FIRST_ROUNDS 10000

typedef struct {
  ClipPeakFunc function;
  gsize rounds;
} Spin;

static void
spin (void *data, int task, int worker)
{
  const Spin *work = data;
  work->function (work->rounds);
}

static gint64
time_of (ClipThreads *threads, Spin *work)
{
  const gint64 start = g_get_monotonic_time ();
  clip_threads_run (threads, spin, work, clip_threads_get_n (threads));
  return MAX (g_get_monotonic_time () - start, 1);
}

double
clip_peak (ClipPrecision precision, int threads)
{
  const ClipKernels *kernels = clip_kernels ();
  const ClipPeakFunc functions[] = {
    [CLIP_PRECISION_AUTO] = kernels->peak_f32,
    [CLIP_PRECISION_F32] = kernels->peak_f32,
    [CLIP_PRECISION_BF16] = kernels->peak_bf16,
    [CLIP_PRECISION_INT8] = kernels->peak_i8,
  };
  Spin work = { functions[precision], FIRST_ROUNDS };
  if (!work.function)
    return 0;
  ClipThreads *pool = clip_threads_new (threads);
  gint64 best;
  while ((best = time_of (pool, &work)) < RUN_TIME)
    work.rounds *= 2;
  for (int run = 1; run < RUNS; run++)
    best = MIN (best, time_of (pool, &work));
  const double operations = (double) work.function (1) * work.rounds * clip_threads_get_n (pool);
  clip_threads_free (pool);
  return operations / best * G_USEC_PER_SEC;
}
