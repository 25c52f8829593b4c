/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every task runs exactly once, on a worker of the pool, before the run returns; idle workers cost
 * nothing. */
#include "core/base/threads.h"

#include <stdatomic.h>
#include <time.h>

typedef struct {
  atomic_int *runs; /* per task */
  atomic_int worker_errors;
  int n_threads;
} Count;

static void
count (void *data, int task, int worker)
{
  Count *c = data;
  atomic_fetch_add (&c->runs[task], 1);
  if (worker < 0 || worker >= c->n_threads)
    atomic_fetch_add (&c->worker_errors, 1);
}

static void
test_each_once (void)
{
  static const int sizes[] = { 0, 1, 2, 3, 7, 64, 1000 };
  for (int n_threads = 1; n_threads <= 5; n_threads++) {
    ClipThreads *threads = clip_threads_new (n_threads);
    g_assert_cmpint (clip_threads_get_n (threads), ==, n_threads);
    for (int round = 0; round < 3000; round++) {
      const int n = sizes[round % G_N_ELEMENTS (sizes)];
      Count c = { g_new0 (atomic_int, n + 1), 0, n_threads };
      clip_threads_run (threads, count, &c, n);
      for (int i = 0; i < n; i++)
        g_assert_cmpint (c.runs[i], ==, 1);
      g_assert_cmpint (c.worker_errors, ==, 0);
      g_free (c.runs);
    }
    clip_threads_free (threads);
  }
}

/* A scratch per worker is never used by two threads at a time. */
typedef struct {
  atomic_int busy[8];
  atomic_int clashes;
} Scratch;

static void
hold (void *data, int task, int worker)
{
  Scratch *s = data;
  if (atomic_exchange (&s->busy[worker], 1))
    atomic_fetch_add (&s->clashes, 1);
  for (volatile int i = 0; i < 100; i++)
    ;
  atomic_store (&s->busy[worker], 0);
}

static void
test_workers_apart (void)
{
  ClipThreads *threads = clip_threads_new (8);
  Scratch s = { 0 };
  for (int round = 0; round < 500; round++)
    clip_threads_run (threads, hold, &s, 20);
  g_assert_cmpint (s.clashes, ==, 0);
  clip_threads_free (threads);
}

static double
cpu_seconds (void)
{
  struct timespec t;
  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void
test_idle (void)
{
  ClipThreads *threads = clip_threads_new (4);
  Scratch s = { 0 };
  clip_threads_run (threads, hold, &s, 20);
  g_usleep (20000);
  const double before = cpu_seconds ();
  g_usleep (200000);
  g_assert_cmpfloat (cpu_seconds () - before, <, 0.02);
  clip_threads_free (threads);
}

static void
test_default_count (void)
{
  ClipThreads *threads = clip_threads_new (0);
  g_assert_cmpint (clip_threads_get_n (threads), >=, 1);
  g_assert_cmpint (clip_threads_get_n (threads), <=, (int) g_get_num_processors ());
  clip_threads_free (threads);
  clip_threads_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/threads/each-once", test_each_once);
  g_test_add_func ("/threads/workers-apart", test_workers_apart);
  g_test_add_func ("/threads/idle", test_idle);
  g_test_add_func ("/threads/default-count", test_default_count);
  return g_test_run ();
}
