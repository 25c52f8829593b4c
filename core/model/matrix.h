/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrices of any type, as float32. */
#pragma once
#include "core/model/session.h"

/* y[n] = the elements from @start on of an array of @dtype; @scale: of I8. */
void clip_expand (const ClipKernels *kernels, float *y, ClipDtype dtype, const void *data,
                  gsize start, gsize n, float scale);
/* y[n] = the columns from @first on of row @row. */
void clip_matrix_columns (const ClipKernels *kernels, float *y, const ClipMatrix *matrix, int row,
                          int first, int n);
/* y[cols] = row @row. */
void clip_matrix_row (const ClipKernels *kernels, float *y, const ClipMatrix *matrix, int row);
