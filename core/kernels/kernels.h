/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One table of functions. Portable C fills it first and is the meaning of each entry; then each instruction set that
 * this processor has (and GST_CLIP_CPU does not mask) overwrites what it does better, upwards. No algorithm contains an
 * #ifdef; a test compares every entry of every level with the portable one.
 *
 * GST_CLIP_CPU is the highest level that may be used: c | avx2 | avxvnni | avx512 | avx512vnni | avx512bf16 on x86-64,
 * c | neon | neondot | neonbf16 on AArch64.
 */
#pragma once
#include <glib.h>
#include "core/kernels/gemm.h"
#include "core/kernels/gemm-narrow.h"
#include "core/kernels/map.h"
#include "core/kernels/peak.h"
#include "core/kernels/quads.h"
#include "core/kernels/resize.h"
#include "core/kernels/winograd.h"

typedef enum {
  CLIP_CPU_C,
  CLIP_CPU_AVX2,
  CLIP_CPU_AVXVNNI,
  CLIP_CPU_AVX512,
  CLIP_CPU_AVX512VNNI,
  CLIP_CPU_AVX512BF16,
  CLIP_CPU_NEON,
  CLIP_CPU_NEONDOT,
  CLIP_CPU_NEONBF16,
  CLIP_CPU_N
} ClipCpuLevel;

#define CLIP_DEPTHWISE_MAX 7 /* largest k */

typedef struct {
  /* --- expansion: y[n] = x[n]; sources may be unaligned */
  void (*f16_to_f32) (float *y, const guint16 *x, gsize n);
  void (*bf16_to_f32) (float *y, const guint16 *x, gsize n);
  void (*i8_to_f32) (float *y, const gint8 *x, float scale, gsize n); /* y[n] = scale · x[n] */

  /* --- rows: y may be x */
  /* y[n] = (x[n] - mean) / sqrt (variance + epsilon) · weight[n] + bias[n] */
  void (*layer_norm) (float *y, const float *x, const float *weight, const float *bias, float epsilon, gsize n);
  void (*softmax) (float *y, const float *x, float scale, gsize n); /* y[n] = exp (scale · (x[n] - max)) / Σ; scale > 0 */
  void (*add) (float *y, const float *x, gsize n);     /* y[n] += x[n] */

  /* --- activations, in place, x within ±1e30 */
  void (*quick_gelu) (float *x, gsize n); /* x · sigmoid (1.702 x) */
  void (*gelu) (float *x, gsize n);       /* x · Φ(x) = x/2 · (1 + erf (x/√2)) */
  void (*gelu_tanh) (float *x, gsize n);  /* x/2 · (1 + tanh u) = x · sigmoid (2u), u = √(2/π) · (x + 0.044715 x³) */
  void (*relu6) (float *x, gsize n);      /* min (max (x, 0), 6) */
  void (*relu) (float *x, gsize n);       /* max (x, 0) */

  /* --- training: gradients of rows; d… is the derivative of the loss by … */
  /* dx[n] = (add ? dx : 0) + what LayerNorm makes of dy; dweight[n] += …; dbias[n] += dy. dx may be dy */
  void (*layer_norm_backward) (float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                               const float *weight, float epsilon, gboolean add, gsize n);
  void (*softmax_backward) (float *dy, const float *y, float scale, gsize n); /* dx = scale · y · (dy - Σ y·dy), in dy */
  /* d[n] ·= f' (x[n]); x[n] = f (x[n]), which the next gradient needs; x within ±1e30 */
  void (*quick_gelu_backward) (float *d, float *x, gsize n);
  void (*gelu_backward) (float *d, float *x, gsize n);

  /* --- one row of a depthwise convolution k×k, k ≤ CLIP_DEPTHWISE_MAX, then ReLU6; channels are innermost:
   *   y[x][c] = relu6 (bias[c] + Σ_{i,j<k} weight[i][j][c] · rows[i][x·stride + j][c])
   * @rows: k input rows [≥ (width-1)·stride + k, channels], their padding among them. y: @width positions, @y_stride
   * floats from one to the next */
  void (*depthwise) (float *y, gsize y_stride, const float *const *rows, const float *weight, const float *bias, int k,
                     int stride, int width, int channels);

  /* --- 3×3 convolutions in fewer multiplications: core/kernels/winograd.h */
  ClipWinogradInputFunc winograd_input;
  ClipWinogradOutputFunc winograd_output;

  /* --- training, convolutional: core/kernels/map.h; rows are positions, @n the channels of each */
  /* y[r] = map[first + r] */
  void (*blend) (float *y, gsize y_stride, const ClipMap *map, gsize first, int rows, int n);
  /* g[r][c] = 0 where map[first + r][c] is low or high */
  void (*gate) (float *g, gsize g_stride, const ClipMap *map, gsize first, int rows, int n);
  /* sum[c] = Σ x[r][c]; squares[c] = Σ (x[r][c] - sum[c] / rows)² */
  void (*moments) (float *sum, float *squares, const float *x, gsize x_stride, int rows, int n);
  /* sum[c] = Σ g[r][c]; dot[c] = Σ g[r][c] · (x[r][c] - mean[c]) */
  void (*dots) (float *sum, float *dot, const float *g, gsize g_stride, const float *x, gsize x_stride,
                const float *mean, int rows, int n);
  /* y[x][i][j] = rows[i][x·step + j], j < n: the k rows of each window side by side, y_stride floats from one to the next */
  void (*windows) (float *y, gsize y_stride, const float *const *rows, int k, int n, int step, int width);
  /* depthwise () without bias and ReLU6 */
  void (*filter) (float *y, gsize y_stride, const float *const *rows, const float *weight, int k, int stride,
                  int width, int channels);
  /* Its gradients, each added to what is there: drows[i][x·stride + j][c] += weight[i][j][c] · dy[x][c];
   * dweight[i][j][c] += Σ_x dy[x][c] · rows[i][x·stride + j][c] */
  void (*filter_input) (float *const *drows, const float *dy, gsize dy_stride, const float *weight, int k, int stride,
                        int width, int channels);
  void (*filter_weight) (float *dweight, const float *dy, gsize dy_stride, const float *const *rows, int k, int stride,
                         int width, int channels);
  void (*outer) (const ClipOuter *outer); /* NULL where OpenBLAS is to do it */

  /* --- matrix product: core/kernels/gemm.h. gemm is NULL where OpenBLAS is to do it */
  ClipPackFunc pack;
  ClipGemmFunc gemm;

  /* --- the same of narrow numbers: core/kernels/gemm-narrow.h. gemm_bf16 is NULL where floats are to be multiplied */
  void (*quantize) (guint8 *y, ClipQuant *quant, const float *x, gsize n); /* y[n] of x[n] by clip_quant () */
  float (*quantize_weights) (gint8 *y, const float *x, gsize n); /* x ≈ scale · y, |y| ≤ 127; returns the scale */
  void (*f32_to_bf16) (guint16 *y, const float *x, gsize n);               /* to nearest, ties to even */
  ClipGemmNarrowFunc gemm_i8, gemm_bf16;

  /* --- convolutions in int8: core/kernels/quads.h. NULL where floats are to be multiplied, which is faster then */
  ClipGemmQuadsFunc gemm_quads;
  ClipDepthwiseI8Func depthwise_i8;
  /* y[n] = byte (x[n] · factor + offset); range: what x · factor + offset is between, and what it was before */
  void (*to_bytes) (guint8 *y, float range[2], const float *x, float factor, float offset, gsize n);

  /* --- pixels to quads, and one pass of a resize over quads: core/kernels/resize.h */
  ClipGatherFunc gather;
  ClipResampleFunc resample;

  /* --- ceilings; NULL: this level has none of its own. core/kernels/peak.h */
  ClipPeakFunc peak_f32, peak_bf16, peak_i8;
} ClipKernels;

/* The table for this processor; made once, thread-safe. */
const ClipKernels *clip_kernels (void);
/* For tests: the table filled up to @level, without those below that are not there; FALSE where this processor or build
 * lacks it. */
gboolean clip_kernels_for_level (ClipKernels *kernels, ClipCpuLevel level);
const char *clip_cpu_level_name (ClipCpuLevel level);
/* FALSE: a level of another architecture, or left out. */
gboolean clip_cpu_level_is_built (ClipCpuLevel level);

/* Portable entries that others leave unusual sizes to. */
void clip_filter_c (float *y, gsize y_stride, const float *const *rows, const float *weight, int k, int stride, int width,
                    int channels);
void clip_filter_input_c (float *const *drows, const float *dy, gsize dy_stride, const float *weight, int k, int stride,
                          int width, int channels);
void clip_filter_weight_c (float *dweight, const float *dy, gsize dy_stride, const float *const *rows, int k, int stride,
                           int width, int channels);

/* Portable entries, by what they are for. */
void clip_kernels_fill_rows (ClipKernels *kernels);
void clip_kernels_fill_backward (ClipKernels *kernels);
void clip_kernels_fill_depthwise (ClipKernels *kernels);
void clip_kernels_fill_maps (ClipKernels *kernels);
void clip_kernels_fill_narrow (ClipKernels *kernels);
void clip_kernels_fill_winograd (ClipKernels *kernels);

/* Filled by the files of each instruction set. */
void clip_kernels_fill_avx2 (ClipKernels *kernels);
void clip_kernels_fill_avxvnni (ClipKernels *kernels);
void clip_kernels_fill_avx512 (ClipKernels *kernels);
void clip_kernels_fill_avx512vnni (ClipKernels *kernels);
void clip_kernels_fill_avx512bf16 (ClipKernels *kernels);
void clip_kernels_fill_resize_avx2 (ClipKernels *kernels);
void clip_kernels_fill_resize_avx512 (ClipKernels *kernels);
void clip_kernels_fill_neon (ClipKernels *kernels);
void clip_kernels_fill_neondot (ClipKernels *kernels);
void clip_kernels_fill_neonbf16 (ClipKernels *kernels);
void clip_kernels_fill_resize_neon (ClipKernels *kernels);
