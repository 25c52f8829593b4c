/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One table of functions. kernels.c fills it with portable C, which is the meaning of each entry; then each instruction
 * set that this processor has (and GST_CLIP_CPU does not mask) overwrites what it does better, upwards. No algorithm
 * contains an #ifdef; a test compares every entry of every level with the portable one.
 *
 * GST_CLIP_CPU = c | avx2 | avx512 is the highest level that may be used.
 */
#pragma once
#include <glib.h>
#include "core/kernels/resize.h"

typedef enum { CLIP_CPU_C, CLIP_CPU_AVX2, CLIP_CPU_AVX512, CLIP_CPU_N } ClipCpuLevel;

typedef struct {
  /* y[n] = x[n] expanded; halves may be unaligned */
  void (*f16_to_f32) (float *y, const guint16 *x, gsize n);
  void (*bf16_to_f32) (float *y, const guint16 *x, gsize n);
  /* pixels to quads, and one pass of a resize over quads: core/kernels/resize.h */
  ClipGatherFunc gather;
  ClipResampleFunc resample;
} ClipKernels;

/* The table for this processor; made once, thread-safe. */
const ClipKernels *clip_kernels (void);
/* For tests: the table filled up to @level; FALSE where this processor or build lacks it. */
gboolean clip_kernels_for_level (ClipKernels *kernels, ClipCpuLevel level);
const char *clip_cpu_level_name (ClipCpuLevel level);

/* Filled by the files of each instruction set. */
void clip_kernels_fill_avx2 (ClipKernels *kernels);
void clip_kernels_fill_avx512 (ClipKernels *kernels);
void clip_kernels_fill_resize_avx2 (ClipKernels *kernels);
void clip_kernels_fill_resize_avx512 (ClipKernels *kernels);
