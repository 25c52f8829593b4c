/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portable packing. The product itself has no portable version: without one of its own a processor uses OpenBLAS, which is
 * also what the tests compare with. */
#include "core/kernels/gemm.h"

void
clip_pack_c (float *y, const float *x, gsize x_stride, int rows, int k)
{
  for (int i = 0; i < k; i++)
    for (int r = 0; r < CLIP_GROUP; r++)
      y[(gsize) i * CLIP_GROUP + r] = r < rows ? x[r * x_stride + i] : 0;
}
