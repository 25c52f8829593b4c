/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/matrix.h"

#include <string.h>

void
clip_expand (const ClipKernels *kernels, float *y, ClipDtype dtype, const void *data, gsize start,
             gsize n, float scale)
{
  switch (dtype) {
  case CLIP_DTYPE_F16:
    kernels->f16_to_f32 (y, (const guint16 *) data + start, n);
    break;
  case CLIP_DTYPE_BF16:
    kernels->bf16_to_f32 (y, (const guint16 *) data + start, n);
    break;
  case CLIP_DTYPE_I8:
    kernels->i8_to_f32 (y, (const gint8 *) data + start, scale, n);
    break;
  default:
    memcpy (y, (const float *) data + start, n * sizeof *y);
  }
}

void
clip_matrix_columns (const ClipKernels *kernels, float *y, const ClipMatrix *matrix, int row,
                     int first, int n)
{
  clip_expand (kernels, y, matrix->dtype, matrix->data, (gsize) row * matrix->cols + first, n,
               matrix->scales ? matrix->scales[row] : 1);
}

void
clip_matrix_row (const ClipKernels *kernels, float *y, const ClipMatrix *matrix, int row)
{
  clip_matrix_columns (kernels, y, matrix, row, 0, matrix->cols);
}
