/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <arm_neon.h>

/* row[column][row] = row[row][column] */
static inline void
transpose_4x4 (uint32x4_t row[4])
{
  const uint64x2_t a = vreinterpretq_u64_u32 (vtrn1q_u32 (row[0], row[1])), /* columns 0 and 2 */
      b = vreinterpretq_u64_u32 (vtrn2q_u32 (row[0], row[1])),              /* columns 1 and 3 */
      c = vreinterpretq_u64_u32 (vtrn1q_u32 (row[2], row[3])),
                   d = vreinterpretq_u64_u32 (vtrn2q_u32 (row[2], row[3]));
  row[0] = vreinterpretq_u32_u64 (vtrn1q_u64 (a, c));
  row[1] = vreinterpretq_u32_u64 (vtrn1q_u64 (b, d));
  row[2] = vreinterpretq_u32_u64 (vtrn2q_u64 (a, c));
  row[3] = vreinterpretq_u32_u64 (vtrn2q_u64 (b, d));
}
