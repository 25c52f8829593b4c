/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fork-join over a fixed set of threads.
 *
 * One word says everything: `ticket` = generation of the run (high half) | next unclaimed task (low
 * half). A thread claims a task by moving the ticket on with compare-and-swap; success proves that
 * the run it read its task function from is still the current one, for a run cannot end before its
 * last task is claimed and done. So a worker that wakes late neither delays a run nor touches a new
 * one by mistake, and the caller waits only for tasks, never for threads.
 *
 * Between runs workers spin for a moment, because a forward pass is a hundred short runs in a row,
 * then sleep.
 */
#define _GNU_SOURCE /* sched_getaffinity () */
#include "core/base/threads.h"

#include <sched.h>
#include <stdatomic.h>

/* About 20 µs of pause instructions: longer than the gap between two layers, shorter than anything
 * a user could see. */
#define SPINS 400
#define CLOSED G_MAXUINT32 /* as a task number: nothing may be claimed */

typedef struct {
  ClipThreads *threads;
  int worker;
} Member;

struct _ClipThreads {
  int n;
  Member *members;   /* [n], the caller is member 0 */
  GThread **handles; /* [n], the caller's is NULL */

  /* The current run; written only while the ticket is closed. */
  _Atomic (ClipTask) task;
  _Atomic (void *) data;
  atomic_uint n_tasks;

  _Alignas(64) _Atomic guint64 ticket;
  _Alignas(64) atomic_uint n_done;

  GMutex mutex; /* guards nothing but going to sleep */
  GCond work, done;
  atomic_int sleepers;
  atomic_bool caller_sleeps, quit;
};

static inline void
relax (void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause ();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static inline guint32
generation_of (guint64 ticket)
{
  return ticket >> 32;
}

/* Claims and runs tasks until none is left. */
static void
work_off (ClipThreads *threads, int worker)
{
  guint64 ticket = atomic_load (&threads->ticket);
  for (;;) {
    const guint32 index = (guint32) ticket;
    const guint32 n_tasks = atomic_load (&threads->n_tasks);
    ClipTask task = atomic_load (&threads->task);
    void *data = atomic_load (&threads->data);
    if (index == CLOSED || index >= n_tasks)
      return;
    if (!atomic_compare_exchange_weak (&threads->ticket, &ticket, ticket + 1))
      continue;
    task (data, index, worker);
    if (atomic_fetch_add (&threads->n_done, 1) + 1 == n_tasks &&
        atomic_load (&threads->caller_sleeps)) {
      g_mutex_lock (&threads->mutex);
      g_cond_signal (&threads->done);
      g_mutex_unlock (&threads->mutex);
    }
    ticket = atomic_load (&threads->ticket);
  }
}

/* Returns once the generation differs from @seen, or the pool ends. */
static void
wait_for_work (ClipThreads *threads, guint32 seen)
{
  for (int i = 0; i < SPINS; i++) {
    if (generation_of (atomic_load (&threads->ticket)) != seen || atomic_load (&threads->quit))
      return;
    relax ();
  }
  g_mutex_lock (&threads->mutex);
  atomic_fetch_add (&threads->sleepers, 1);
  while (generation_of (atomic_load (&threads->ticket)) == seen && !atomic_load (&threads->quit))
    g_cond_wait (&threads->work, &threads->mutex);
  atomic_fetch_sub (&threads->sleepers, 1);
  g_mutex_unlock (&threads->mutex);
}

static void *
worker_main (void *data)
{
  const Member *member = data;
  ClipThreads *threads = member->threads;
  guint32 seen = 0;
  while (!atomic_load (&threads->quit)) {
    wait_for_work (threads, seen);
    seen = generation_of (atomic_load (&threads->ticket));
    work_off (threads, member->worker);
  }
  return NULL;
}

static void
wait_until_done (ClipThreads *threads, guint32 n_tasks)
{
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load (&threads->n_done) == n_tasks)
      return;
    relax ();
  }
  g_mutex_lock (&threads->mutex);
  atomic_store (&threads->caller_sleeps, TRUE);
  while (atomic_load (&threads->n_done) != n_tasks)
    g_cond_wait (&threads->done, &threads->mutex);
  atomic_store (&threads->caller_sleeps, FALSE);
  g_mutex_unlock (&threads->mutex);
}

void
clip_threads_run (ClipThreads *threads, ClipTask task, void *data, int n_tasks)
{
  if (threads->n == 1 || n_tasks <= 1) {
    for (int i = 0; i < n_tasks; i++)
      task (data, i, 0);
    return;
  }
  const guint64 last = atomic_load (&threads->ticket);
  atomic_store (&threads->ticket,
                last | CLOSED); /* a worker that still holds it can no longer claim */
  atomic_store (&threads->task, task);
  atomic_store (&threads->data, data);
  atomic_store (&threads->n_tasks, n_tasks);
  atomic_store (&threads->n_done, 0);
  atomic_store (&threads->ticket, ((guint64) generation_of (last) + 1) << 32);
  if (atomic_load (&threads->sleepers) > 0) {
    g_mutex_lock (&threads->mutex);
    g_cond_broadcast (&threads->work);
    g_mutex_unlock (&threads->mutex);
  }
  work_off (threads, 0);
  wait_until_done (threads, n_tasks);
}

static int
processors_allowed (void)
{
  cpu_set_t set;
  if (sched_getaffinity (0, sizeof set, &set) == 0)
    return CPU_COUNT (&set);
  return g_get_num_processors (); /* more processors than a cpu_set_t holds */
}

ClipThreads *
clip_threads_new (int n_threads)
{
  ClipThreads *threads = g_aligned_alloc0 (1, sizeof *threads, 64);
  threads->n = MAX (n_threads > 0 ? n_threads : processors_allowed (), 1);
  threads->members = g_new0 (Member, threads->n);
  threads->handles = g_new0 (GThread *, threads->n);
  g_mutex_init (&threads->mutex);
  g_cond_init (&threads->work);
  g_cond_init (&threads->done);
  for (int i = 0; i < threads->n; i++)
    threads->members[i] = (Member){ threads, i };
  for (int i = 1; i < threads->n; i++)
    threads->handles[i] = g_thread_new ("clip-worker", worker_main, &threads->members[i]);
  return threads;
}

void
clip_threads_free (ClipThreads *threads)
{
  if (!threads)
    return;
  g_mutex_lock (&threads->mutex);
  atomic_store (&threads->quit, TRUE);
  g_cond_broadcast (&threads->work);
  g_mutex_unlock (&threads->mutex);
  for (int i = 1; i < threads->n; i++)
    g_thread_join (threads->handles[i]);
  g_cond_clear (&threads->work);
  g_cond_clear (&threads->done);
  g_mutex_clear (&threads->mutex);
  g_free (threads->members);
  g_free (threads->handles);
  g_aligned_free (threads);
}

int
clip_threads_get_n (const ClipThreads *threads)
{
  return threads->n;
}
