/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The entries of core/kernels/kernels.h in AVX-512 (F, BW, VL, DQ). */
#include "core/kernels/kernels.h"

#include "core/kernels/x86/vector-avx512.h"

#include "core/kernels/vector/unrolled.h"
#include "core/kernels/vector/rows.h"
#include "core/kernels/vector/backward.h"
#include "core/kernels/vector/depthwise.h"
#include "core/kernels/vector/gemm.h"
#include "core/kernels/vector/map.h"
#include "core/kernels/vector/peak.h"
#include "core/kernels/vector/quantize.h"
#include "core/kernels/vector/winograd.h"

void
clip_kernels_fill_avx512 (ClipKernels *kernels)
{
  clip_kernels_fill_resize_avx512 (kernels);
  fill_rows (kernels);
  fill_backward (kernels);
  fill_depthwise (kernels);
  fill_maps (kernels);
  fill_quantize (kernels);
  fill_winograd (kernels);
  kernels->gemm = gemm;
  kernels->peak_f32 = peak_f32;
}
