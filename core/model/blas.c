/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/blas.h"

#include <cblas.h>

/*
 * OpenBLAS counts its threads for the whole process (pthread build) or for each calling thread
 * (OpenMP build), so every thread says 1 before its first product. The mutex is for the former,
 * whose setter is not thread-safe; the serial build ignores it all.
 */
static void
use_one_thread (void)
{
  static GMutex mutex;
  static _Thread_local gboolean told;
  if (told)
    return;
  g_mutex_lock (&mutex);
  openblas_set_num_threads (1);
  g_mutex_unlock (&mutex);
  told = TRUE;
}

void
clip_sgemm_nt (float *y, gsize y_stride, const float *a, gsize a_stride, const float *b,
               gsize b_stride, int m, int n, int k, float alpha, gboolean add)
{
  use_one_thread ();
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, alpha, a, a_stride, b, b_stride,
               add, y, y_stride);
}

void
clip_sgemm_nn (float *y, gsize y_stride, const float *a, gsize a_stride, const float *b,
               gsize b_stride, int m, int n, int k)
{
  use_one_thread ();
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, a_stride, b, b_stride, 0,
               y, y_stride);
}
