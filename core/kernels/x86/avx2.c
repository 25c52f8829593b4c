/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/kernels/kernels.h"

#include <immintrin.h>

static void
f16_to_f32 (float *y, const guint16 *x, gsize n)
{
  gsize i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps (y + i, _mm256_cvtph_ps (_mm_loadu_si128 ((const __m128i *) (x + i))));
  for (; i < n; i++)
    y[i] = _cvtsh_ss (x[i]);
}

void
clip_kernels_fill_avx2 (ClipKernels *kernels)
{
  clip_kernels_fill_resize_avx2 (kernels);
  kernels->f16_to_f32 = f16_to_f32;
}
