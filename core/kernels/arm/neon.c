/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The entries of core/kernels/kernels.h in NEON, which every AArch64 has. */
#include "core/kernels/kernels.h"

#include "core/kernels/arm/vector-neon.h"

#include "core/kernels/vector/unrolled.h"
#include "core/kernels/vector/rows.h"
#include "core/kernels/vector/backward.h"
#include "core/kernels/vector/depthwise.h"
#include "core/kernels/vector/gemm.h"
#include "core/kernels/arm/gemm-i8-neon.h"
#include "core/kernels/vector/map.h"
#include "core/kernels/vector/peak.h"
#include "core/kernels/vector/quantize.h"
#include "core/kernels/vector/winograd.h"
#include "core/kernels/arm/pack.h"

void
clip_kernels_fill_neon (ClipKernels *kernels)
{
  clip_kernels_fill_resize_neon (kernels);
  fill_rows (kernels);
  fill_backward (kernels);
  fill_depthwise (kernels);
  fill_maps (kernels);
  fill_quantize (kernels);
  fill_winograd (kernels);
  kernels->gemm = gemm;
  kernels->gemm_i8 = gemm_i8;
  kernels->peak_f32 = peak_f32;
  kernels->pack = pack;
}
