/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of the sums of a resample (core/kernels/resize.h). */
#pragma once
#include "core/kernels/resize.h"

#include <arm_neon.h>

/* Sixteen lanes: sum >> 22, cut off at 0 and 255 */
static inline void
resample_leave (guint8 *y, const uint32x4_t sum[4])
{
  int16x4_t words[4];
  for (int i = 0; i < 4; i++)
    words[i] = vqmovn_s32 (vshrq_n_s32 (vreinterpretq_s32_u32 (sum[i]), CLIP_WEIGHT_BITS));
  vst1q_u8 (y, vcombine_u8 (vqmovun_s16 (vcombine_s16 (words[0], words[1])),
                            vqmovun_s16 (vcombine_s16 (words[2], words[3]))));
}
