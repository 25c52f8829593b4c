/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/kernels/kernels.h"

void
clip_kernels_fill_avx512 (ClipKernels *kernels)
{
  clip_kernels_fill_resize_avx512 (kernels);
}
