/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chooses the functions for this processor. */
#include "core/kernels/kernels.h"

typedef struct {
  const char *name;
  gboolean (*available) (void);
  void (*fill) (ClipKernels *kernels); /* NULL: not built */
} Level;

static void
fill_portable (ClipKernels *kernels)
{
  clip_kernels_fill_rows (kernels);
  clip_kernels_fill_backward (kernels);
  clip_kernels_fill_depthwise (kernels);
  clip_kernels_fill_maps (kernels);
  clip_kernels_fill_narrow (kernels);
  clip_kernels_fill_winograd (kernels);
  kernels->gemm_quads = NULL;
  kernels->depthwise_i8 = NULL;
  kernels->pack = clip_pack_c;
  kernels->gemm = NULL;
  kernels->outer = NULL;
  kernels->peak_f32 = kernels->peak_bf16 = kernels->peak_i8 = NULL;
  kernels->gather = clip_gather_c;
  kernels->resample = clip_resample_c;
}

static gboolean
always (void)
{
  return TRUE;
}

#ifdef __x86_64__
#include <cpuid.h>

static gboolean
has_avx2 (void)
{
  /* F16C, which clang cannot ask for, is older than either. */
  return __builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma");
}

/* Compilers have a name for it only lately: bit 4 of EAX of leaf 7.1. */
static gboolean
has_avxvnni (void)
{
  unsigned eax, ebx, ecx, edx;
  return has_avx2 () && __get_cpuid_count (7, 1, &eax, &ebx, &ecx, &edx) && (eax & 1 << 4);
}

static gboolean
has_avx512 (void)
{
  return has_avx2 () && __builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw") &&
         __builtin_cpu_supports ("avx512vl") && __builtin_cpu_supports ("avx512dq");
}

static gboolean
has_avx512vnni (void)
{
  return has_avx512 () && __builtin_cpu_supports ("avx512vnni");
}

static gboolean
has_avx512bf16 (void)
{
  return has_avx512 () && __builtin_cpu_supports ("avx512bf16");
}
#else
#define has_avx2 always
#define has_avxvnni always
#define has_avx512 always
#define has_avx512vnni always
#define has_avx512bf16 always
#endif

#if defined __aarch64__ && defined __linux__
#include <sys/auxv.h>

/* Bits of the kernel's <asm/hwcap.h>, which has had them longer than all the C libraries. */
#define HWCAP_DOT (1 << 20)
#define HWCAP2_BF16 (1 << 14)

static gboolean
has_neondot (void)
{
  return (getauxval (AT_HWCAP) & HWCAP_DOT) != 0;
}

static gboolean
has_neonbf16 (void)
{
  return has_neondot () && (getauxval (AT_HWCAP2) & HWCAP2_BF16);
}
#else
static gboolean
never (void)
{
  return FALSE;
}

#define has_neondot never
#define has_neonbf16 never
#endif

#ifndef CLIP_HAVE_AVX2
#define clip_kernels_fill_avx2 NULL
#endif
#ifndef CLIP_HAVE_AVXVNNI
#define clip_kernels_fill_avxvnni NULL
#endif
#ifndef CLIP_HAVE_AVX512
#define clip_kernels_fill_avx512 NULL
#endif
#ifndef CLIP_HAVE_AVX512VNNI
#define clip_kernels_fill_avx512vnni NULL
#endif
#ifndef CLIP_HAVE_AVX512BF16
#define clip_kernels_fill_avx512bf16 NULL
#endif
#ifndef CLIP_HAVE_NEON
#define clip_kernels_fill_neon NULL
#endif
#ifndef CLIP_HAVE_NEONDOT
#define clip_kernels_fill_neondot NULL
#endif
#ifndef CLIP_HAVE_NEONBF16
#define clip_kernels_fill_neonbf16 NULL
#endif

static const Level levels[CLIP_CPU_N] = {
  [CLIP_CPU_C] = { "c", always, fill_portable },
  [CLIP_CPU_AVX2] = { "avx2", has_avx2, clip_kernels_fill_avx2 },
  [CLIP_CPU_AVXVNNI] = { "avxvnni", has_avxvnni, clip_kernels_fill_avxvnni },
  [CLIP_CPU_AVX512] = { "avx512", has_avx512, clip_kernels_fill_avx512 },
  [CLIP_CPU_AVX512VNNI] = { "avx512vnni", has_avx512vnni, clip_kernels_fill_avx512vnni },
  [CLIP_CPU_AVX512BF16] = { "avx512bf16", has_avx512bf16, clip_kernels_fill_avx512bf16 },
  [CLIP_CPU_NEON] = { "neon", always, clip_kernels_fill_neon },
  [CLIP_CPU_NEONDOT] = { "neondot", has_neondot, clip_kernels_fill_neondot },
  [CLIP_CPU_NEONBF16] = { "neonbf16", has_neonbf16, clip_kernels_fill_neonbf16 },
};

const char *
clip_cpu_level_name (ClipCpuLevel level)
{
  return levels[level].name;
}

gboolean
clip_cpu_level_is_built (ClipCpuLevel level)
{
  return levels[level].fill != NULL;
}

gboolean
clip_kernels_for_level (ClipKernels *kernels, ClipCpuLevel level)
{
  gboolean there = FALSE;
  for (int i = 0; i <= (int) level; i++) {
    there = levels[i].fill && levels[i].available ();
    if (there)
      levels[i].fill (kernels);
  }
  return there;
}

static void
fill_for_this_processor (ClipKernels *kernels)
{
  const char *mask = g_getenv ("GST_CLIP_CPU");
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
