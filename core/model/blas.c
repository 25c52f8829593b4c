/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/blas.h"

#include <cblas.h>

static GMutex mutex;

/*
 * OpenBLAS counts its threads for the whole process (pthread build) or for each calling thread (OpenMP build), so every
 * thread says 1 before its first product; the setter is not thread-safe. The serial build, as distributions make it, has
 * one buffer for all callers: two of its products must not run at a time.
 */
static gboolean
enter (void)
{
  static _Thread_local gboolean told;
  const gboolean serial = openblas_get_parallel () == 0;
  if (!told || serial)
    g_mutex_lock (&mutex);
  if (!told)
    openblas_set_num_threads (1);
  if (!told && !serial)
    g_mutex_unlock (&mutex);
  told = TRUE;
  return serial;
}

static void
leave (gboolean serial)
{
  if (serial)
    g_mutex_unlock (&mutex);
}

void
clip_sgemm_nt (float *y, gsize y_stride, const float *a, gsize a_stride, const float *b,
               gsize b_stride, int m, int n, int k, float alpha, gboolean add)
{
  const gboolean serial = enter ();
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, alpha, a, a_stride, b, b_stride,
               add, y, y_stride);
  leave (serial);
}

void
clip_sgemm_nn (float *y, gsize y_stride, const float *a, gsize a_stride, const float *b,
               gsize b_stride, int m, int n, int k, gboolean add)
{
  const gboolean serial = enter ();
  cblas_sgemm (CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, a_stride, b, b_stride, add,
               y, y_stride);
  leave (serial);
}

void
clip_sgemm_tn (float *y, gsize y_stride, const float *a, gsize a_stride, const float *b,
               gsize b_stride, int m, int n, int k, gboolean add)
{
  const gboolean serial = enter ();
  cblas_sgemm (CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1, a, a_stride, b, b_stride, add,
               y, y_stride);
  leave (serial);
}

void
clip_sgemv (float *y, const float *a, const float *x, int m, int k, float alpha)
{
  const gboolean serial = enter ();
  cblas_sgemv (CblasRowMajor, CblasNoTrans, m, k, alpha, a, k, x, 1, 0, y, 1);
  leave (serial);
}

/* LAPACK, which OpenBLAS brings; its C interface is a package of its own. */
extern void dsyevd_ (const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                     double *w, double *work, const int *lwork, int *iwork, const int *liwork,
                     int *info);

int
clip_dsyevd (double *a, double *w, int n)
{
  int info, liwork = -1, lwork = -1, isize;
  double size;
  const gboolean serial = enter ();
  dsyevd_ ("V", "L", &n, a, &n, w, &size, &lwork, &isize, &liwork, &info);
  lwork = (int) size;
  liwork = isize;
  g_autofree double *work = g_new (double, lwork);
  g_autofree int *iwork = g_new (int, liwork);
  dsyevd_ ("V", "L", &n, a, &n, w, work, &lwork, iwork, &liwork, &info);
  leave (serial);
  return info;
}
