/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fork-join: n independent tasks over a fixed set of threads, the caller among them. How work is cut into tasks never
 * depends on the number of threads, so neither do results. */
#pragma once
#include <glib.h>

typedef struct _ClipThreads ClipThreads;

/* @worker: 0 … n_threads-1, tells which thread's scratch to use. */
typedef void (*ClipTask) (void *data, int task, int worker);

ClipThreads *clip_threads_new (int n_threads); /* 0: as many as the process's affinity allows */
void clip_threads_free (ClipThreads *threads);
int clip_threads_get_n (const ClipThreads *threads);
void clip_threads_run (ClipThreads *threads, ClipTask task, void *data, int n_tasks);
/* Of @size each, the last one of what is left, how many make @n: ⌈n / size⌉ */
static inline int
clip_pieces (int n, int size)
{
  return (n + size - 1) / size;
}
