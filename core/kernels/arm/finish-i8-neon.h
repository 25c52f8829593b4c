/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What vector/leave.h is written in, of a product in int8 in NEON, whose factors are both signed: of unsigned bytes x,
 *
 *   Σ x·w = Σ (x - 128)·w + 128 · Σ w
 *
 * exactly modulo 2^32; x - 128, signed, is x with its highest bit turned over, and Σ w is known. Included after vector-neon.h.
 */

typedef int32x4_t Sum;

typedef struct {
  V scale, bias;
  int32x4_t sum;
} Outputs;

/* What is multiplied for x */
static inline uint32x4_t
prepare (uint32x4_t x)
{
  return veorq_u32 (x, vdupq_n_u32 (0x80808080));
}

static inline Outputs
outputs (const ClipGemmNarrow *g, int column, int n)
{
  return (Outputs){
    .scale = v_load_n (g->scales + column, n),
    .bias = g->bias ? v_load_n (g->bias + column, n) : v_set (0.f),
    .sum = vreinterpretq_s32_f32 (v_load_n ((const float *) g->sums + column, n)),
  };
}

static inline V
finish (const ClipGemmNarrow *g, Sum sum, int row, const Outputs *out)
{
  const ClipQuant quant = g->quant[row];
  return v_fma (vcvtq_f32_s32 (vmlaq_n_s32 (sum, out->sum, 128 - quant.zero)),
                v_mul (v_set (quant.scale), out->scale), out->bias);
}
