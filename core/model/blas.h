/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The products we ask of OpenBLAS, single-threaded: our own threads call it side by side. */
#pragma once
#include <glib.h>

/* y[m, n] (+)= alpha · a[m, k] · b[n, k]ᵀ; strides in floats from row to row; @add: += */
void clip_sgemm_nt (float *y, gsize y_stride, const float *a, gsize a_stride, const float *b,
                    gsize b_stride, int m, int n, int k, float alpha, gboolean add);
/* y[m, n] (+)= a[m, k] · b[k, n] */
void clip_sgemm_nn (float *y, gsize y_stride, const float *a, gsize a_stride, const float *b,
                    gsize b_stride, int m, int n, int k, gboolean add);
/* y[m, n] (+)= a[k, m]ᵀ · b[k, n] */
void clip_sgemm_tn (float *y, gsize y_stride, const float *a, gsize a_stride, const float *b,
                    gsize b_stride, int m, int n, int k, gboolean add);
/* y[m] = alpha · a[m, k] · x[k] */
void clip_sgemv (float *y, const float *a, const float *x, int m, int k, float alpha);
/* Eigenvalues w[n] of a symmetric matrix a[n, n], rising; row i of @a becomes the eigenvector of w[i]. Returns LAPACK's info:
 * 0 where they were found. */
int clip_dsyevd (double *a, double *w, int n);
