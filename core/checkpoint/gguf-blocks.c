/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GGUF's quantised blocks → float32. d and m are float16; a nibble array holds element i in the low halves and, after all
 * of those, the others in the high ones.
 *
 *   q4_0  d         | 16 nibbles                   y = d · (q - 8)            32 elements
 *   q4_1  d  m      | 16 nibbles                   y = d · q + m
 *   q5_0  d         | 4 fifth bits | 16 nibbles    y = d · (q - 16)
 *   q5_1  d  m      | 4 fifth bits | 16 nibbles    y = d · q + m
 *   q8_0  d         | 32 int8                      y = d · q
 *
 * The others hold 256 elements in groups of 16 or 32 with a scale s (and a minimum n) of a few bits each:
 *
 *   q2_K  16 (s, n) of 4 bits | 64 of 2 bits | d  m                  y = d s · q - m n
 *   q3_K  32 third bits | 64 of 2 bits | 12: 16 s of 6 bits | d       y = d (s - 32) · (q - 4)
 *   q4_K  d  m | 12: 8 (s, n) of 6 bits | 128 nibbles                 y = d s · q - m n
 *   q5_K  d  m | 12: 8 (s, n) of 6 bits | 32 fifth bits | 128 nibbles y = d s · q - m n
 *   q6_K  128 nibbles | 64 of 2 bits | 16 s of 8 bits | d             y = d s · (q - 32)
 */
#include "core/checkpoint/gguf-blocks.h"
#include "core/kernels/kernels.h"

#include <string.h>

#define SMALL 32
#define LARGE 256

static float
half (const guint8 *bytes)
{
  guint16 bits;
  float value;
  memcpy (&bits, bytes, sizeof bits);
  clip_kernels ()->f16_to_f32 (&value, &bits, 1);
  return value;
}

/* Element @i of @n, four bits each. */
static int
nibble (const guint8 *bytes, int i, int n)
{
  return i < n / 2 ? bytes[i] & 15 : bytes[i - n / 2] >> 4;
}

static int
bit (const guint8 *bytes, int i)
{
  return bytes[i / 8] >> i % 8 & 1;
}

/* ------------------------------------------------------------------------------- 32 elements */

static void
expand_q4_0 (float *y, const guint8 *block)
{
  const float d = half (block);
  for (int i = 0; i < SMALL; i++)
    y[i] = d * (nibble (block + 2, i, SMALL) - 8);
}

static void
expand_q4_1 (float *y, const guint8 *block)
{
  const float d = half (block), m = half (block + 2);
  for (int i = 0; i < SMALL; i++)
    y[i] = d * nibble (block + 4, i, SMALL) + m;
}

static void
expand_q5_0 (float *y, const guint8 *block)
{
  const float d = half (block);
  for (int i = 0; i < SMALL; i++)
    y[i] = d * ((nibble (block + 6, i, SMALL) | bit (block + 2, i) << 4) - 16);
}

static void
expand_q5_1 (float *y, const guint8 *block)
{
  const float d = half (block), m = half (block + 2);
  for (int i = 0; i < SMALL; i++)
    y[i] = d * (nibble (block + 8, i, SMALL) | bit (block + 4, i) << 4) + m;
}

static void
expand_q8_0 (float *y, const guint8 *block)
{
  const float d = half (block);
  for (int i = 0; i < SMALL; i++)
    y[i] = d * (gint8) block[2 + i];
}

/* ------------------------------------------------------------------------------ 256 elements */

/* Two bits of element @i: 32 bytes hold 128 of them, the first 32 in their lowest bits. */
static int
pair (const guint8 *bytes, int i)
{
  return bytes[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
}

/* One bit of element @i: each byte holds that of every 32nd. */
static int
comb (const guint8 *bytes, int i)
{
  return bytes[i % 32] >> i / 32 & 1;
}

static void
expand_q2_k (float *y, const guint8 *block)
{
  const guint8 *scales = block, *q = block + 16;
  const float d = half (block + 80), m = half (block + 82);
  for (int i = 0; i < LARGE; i++) {
    const int scale = scales[i / 16];
    y[i] = d * (scale & 15) * pair (q, i) - m * (scale >> 4);
  }
}

static void
expand_q3_k (float *y, const guint8 *block)
{
  const guint8 *high = block, *q = block + 32, *scales = block + 96;
  const float d = half (block + 108);
  for (int i = 0; i < LARGE; i++) {
    const int group = i / 16, scale = nibble (scales, group, 16) |
                                      (scales[8 + group % 4] >> group / 4 * 2 & 3) << 4;
    y[i] = d * (scale - 32) * ((pair (q, i) | comb (high, i) << 2) - 4);
  }
}

/* Six bits each: of the first four groups in a byte, of the others four bits and, above the first ones, two. */
static void
six_bits (int *scale, int *minimum, const guint8 *packed, int group)
{
  const int low = group % 4;
  if (group < 4) {
    *scale = packed[low] & 63;
    *minimum = packed[4 + low] & 63;
  } else {
    *scale = (packed[8 + low] & 15) | packed[low] >> 6 << 4;
    *minimum = packed[8 + low] >> 4 | packed[4 + low] >> 6 << 4;
  }
}

/* @high: fifth bits; NULL: there are none. */
static void
expand_with_minima (float *y, const guint8 *block, const guint8 *high, const guint8 *q)
{
  const float d = half (block), m = half (block + 2);
  for (int group = 0; group < 8; group++) {
    int scale, minimum;
    six_bits (&scale, &minimum, block + 4, group);
    for (int i = group * 32; i < (group + 1) * 32; i++) {
      const int low = nibble (q + i / 64 * 32, i % 64, 64);
      y[i] = d * scale * (low | (high ? comb (high, i) << 4 : 0)) - m * minimum;
    }
  }
}

static void
expand_q4_k (float *y, const guint8 *block)
{
  expand_with_minima (y, block, NULL, block + 16);
}

static void
expand_q5_k (float *y, const guint8 *block)
{
  expand_with_minima (y, block, block + 16, block + 48);
}

static void
expand_q6_k (float *y, const guint8 *block)
{
  const guint8 *q = block, *high = block + 128, *scales = block + 192;
  const float d = half (block + 208);
  for (int i = 0; i < LARGE; i++) {
    const int low = nibble (q + i / 128 * 64, i % 128, 128);
    y[i] = d * (gint8) scales[i / 16] * ((low | pair (high, i) << 4) - 32);
  }
}

/* ------------------------------------------------------------------------------------- types */

/* By the numbers that files have. What is missing was removed from the format, is used in memory only, or is of the "iq" and
 * ternary kinds, which need tables and which nobody wrote a CLIP in. */
static const ClipGgufType types[] = {
  [0] = { "f32", CLIP_DTYPE_F32, 1, 4, NULL },
  [1] = { "f16", CLIP_DTYPE_F16, 1, 2, NULL },
  [2] = { "q4_0", CLIP_DTYPE_F32, SMALL, 18, expand_q4_0 },
  [3] = { "q4_1", CLIP_DTYPE_F32, SMALL, 20, expand_q4_1 },
  [6] = { "q5_0", CLIP_DTYPE_F32, SMALL, 22, expand_q5_0 },
  [7] = { "q5_1", CLIP_DTYPE_F32, SMALL, 24, expand_q5_1 },
  [8] = { "q8_0", CLIP_DTYPE_F32, SMALL, 34, expand_q8_0 },
  [10] = { "q2_K", CLIP_DTYPE_F32, LARGE, 84, expand_q2_k },
  [11] = { "q3_K", CLIP_DTYPE_F32, LARGE, 110, expand_q3_k },
  [12] = { "q4_K", CLIP_DTYPE_F32, LARGE, 144, expand_q4_k },
  [13] = { "q5_K", CLIP_DTYPE_F32, LARGE, 176, expand_q5_k },
  [14] = { "q6_K", CLIP_DTYPE_F32, LARGE, 210, expand_q6_k },
  [24] = { "i8", CLIP_DTYPE_I8, 1, 1, NULL },
  [25] = { "i16", CLIP_DTYPE_I16, 1, 2, NULL },
  [26] = { "i32", CLIP_DTYPE_I32, 1, 4, NULL },
  [27] = { "i64", CLIP_DTYPE_I64, 1, 8, NULL },
  [28] = { "f64", CLIP_DTYPE_F64, 1, 8, NULL },
  [30] = { "bf16", CLIP_DTYPE_BF16, 1, 2, NULL },
};

const ClipGgufType *
clip_gguf_type (guint32 number)
{
  return number < G_N_ELEMENTS (types) && types[number].name ? &types[number] : NULL;
}

char *
clip_gguf_type_names (void)
{
  GString *names = g_string_new (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (types); i++) {
    if (types[i].name)
      g_string_append_printf (names, "%s%s", names->len ? ", " : "", types[i].name);
  }
  return g_string_free (names, FALSE);
}
