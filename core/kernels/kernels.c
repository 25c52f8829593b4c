/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/kernels/kernels.h"

#include <string.h>

static void
f16_to_f32 (float *y, const guint16 *x, gsize n)
{
  /* The same bits one place down are the number times 2^-112, also where it is subnormal; infinities and NaNs have the
   * largest exponent in both. */
  for (gsize i = 0; i < n; i++) {
    guint16 half;
    memcpy (&half, x + i, sizeof half);
    guint32 bits = (guint32) (half & 0x7fff) << 13;
    float value;
    memcpy (&value, &bits, sizeof value);
    value *= 0x1p112f;
    memcpy (&bits, &value, sizeof bits);
    if ((half & 0x7c00) == 0x7c00)
      bits |= 0x7f800000;
    bits |= (guint32) (half & 0x8000) << 16;
    memcpy (y + i, &bits, sizeof bits);
  }
}

static void
bf16_to_f32 (float *y, const guint16 *x, gsize n)
{
  for (gsize i = 0; i < n; i++) {
    guint16 half;
    memcpy (&half, x + i, sizeof half);
    const guint32 bits = (guint32) half << 16;
    memcpy (y + i, &bits, sizeof bits);
  }
}

static const ClipKernels portable = {
  .f16_to_f32 = f16_to_f32,
  .bf16_to_f32 = bf16_to_f32,
  .gather = clip_gather_c,
  .resample = clip_resample_c,
};

typedef struct {
  const char *name;
  gboolean (*available) (void);
  void (*fill) (ClipKernels *kernels); /* NULL: not built */
} Level;

static gboolean
always (void)
{
  return TRUE;
}

#ifdef __x86_64__
static gboolean
has_avx2 (void)
{
  /* F16C, which clang cannot ask for, is older than either. */
  return __builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma");
}

static gboolean
has_avx512 (void)
{
  return has_avx2 () && __builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw") &&
         __builtin_cpu_supports ("avx512vl") && __builtin_cpu_supports ("avx512dq");
}
#else
#define has_avx2 always
#define has_avx512 always
#endif

#ifndef CLIP_HAVE_AVX2
#define clip_kernels_fill_avx2 NULL
#endif
#ifndef CLIP_HAVE_AVX512
#define clip_kernels_fill_avx512 NULL
#endif

static const Level levels[CLIP_CPU_N] = {
  [CLIP_CPU_C] = { "c", always, NULL },
  [CLIP_CPU_AVX2] = { "avx2", has_avx2, clip_kernels_fill_avx2 },
  [CLIP_CPU_AVX512] = { "avx512", has_avx512, clip_kernels_fill_avx512 },
};

const char *
clip_cpu_level_name (ClipCpuLevel level)
{
  return levels[level].name;
}

gboolean
clip_kernels_for_level (ClipKernels *kernels, ClipCpuLevel level)
{
  *kernels = portable;
  for (int i = CLIP_CPU_C + 1; i <= (int) level; i++) {
    if (!levels[i].fill || !levels[i].available ())
      return FALSE;
    levels[i].fill (kernels);
  }
  return TRUE;
}

static void
fill_for_this_processor (ClipKernels *kernels)
{
  const char *mask = g_getenv ("GST_CLIP_CPU");
  *kernels = portable;
  for (int i = 0; i < CLIP_CPU_N; i++) {
    if (levels[i].fill && levels[i].available ())
      levels[i].fill (kernels);
    if (mask && g_str_equal (mask, levels[i].name))
      break;
  }
}

const ClipKernels *
clip_kernels (void)
{
  static ClipKernels kernels;
  static gsize once;
  if (g_once_init_enter (&once)) {
    fill_for_this_processor (&kernels);
    g_once_init_leave (&once, 1);
  }
  return &kernels;
}
