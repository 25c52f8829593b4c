/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pictures of bytes, for convolutions in int8. A row of a picture is a line of quads: words of four neighbouring positions of
 * one channel, [⌈positions / 4⌉, channels]. The taps of a depthwise convolution that stand side by side are side by side
 * in them, and the product that makes them holds the four sums of a word in as many registers.
 *
 * A byte q of channel c stands for q · step[c]. Numbers become bytes by
 *
 *   byte (v) = round (v), cut off at 0 and 255               v in steps of the channel, |v| < 2³¹
 *
 * which is ReLU6, too, where step[c] ≤ 6 / 255.
 */
#pragma once
#include "core/kernels/gemm-narrow.h"

/* y[rows, n] = byte (x_scale · scales[c] · (Σ x[r] · w[c] - x_zero · sums[c]) + bias[c]), computed as
 * fma (Σ x·w, x_scale · scales, fma (-(x_scale · x_zero), offsets, bias)) with offsets[c] = scales[c] · sums[c]. */
typedef struct {
  guint32 *y;       /* quads; positions beyond the last row are zero */
  gsize y_stride;   /* words from one quad to the next */
  const guint8 *x;  /* [rows, words] of four bytes each */
  gsize x_stride;   /* bytes from one row to the next */
  gsize x_step;     /* bytes from one word of a row to the next */
  const guint32 *w; /* as w, w_stride of ClipGemmNarrow */
  gsize w_stride;
  ClipQuant quant;                      /* of all rows */
  const float *scales, *offsets, *bias; /* [n] */
  const gint32 *sums;                   /* [n], Σ w[c] */
  int rows, n, words;
} ClipGemmQuads;

#define CLIP_QUADS_KERNEL_MAX 5 /* rows and columns: a row of taps touches two quads at most */

/* A row of a depthwise convolution k×k: y[x][c] = byte (scales[c] · Σ_{i,j<k} w[i][j][c] · rows[i][start + x·stride + j][c] + bias[c]) */
typedef struct {
  guint8 *y;
  gsize y_stride;             /* bytes from one position to the next */
  const guint32 *const *rows; /* k lines of quads */
  gsize rows_stride;          /* words from one quad to the next */
  /* [4, k, 2, w_stride]: for windows that begin in byte 0, 1, 2, 3 of a quad, the taps of a row where they meet that quad and
   * the next, zeros beside them: clip_quads_weights () */
  const guint32 *w;
  gsize w_stride;
  const float *scales, *bias; /* [n] */
  const gint32 *sums;         /* [n], Σ w[i][j][c] */
  int k, stride, start, width, n;
} ClipDepthwiseI8;

typedef void (*ClipGemmQuadsFunc) (const ClipGemmQuads *g);
typedef void (*ClipDepthwiseI8Func) (const ClipDepthwiseI8 *d);

/* Quads that a row's last windows reach beyond its last position, at most. */
#define CLIP_QUADS_BEYOND 6

/* Words of the weights of @n channels. */
static inline gsize
clip_quads_weights_size (int k, gsize n)
{
  return 4 * 2 * k * n;
}

/* Arranges taps[n, k, k] as ClipDepthwiseI8.w. */
void clip_quads_weights (guint32 *w, gsize w_stride, const gint8 *taps, int k, int n);

void clip_gemm_quads_c (const ClipGemmQuads *g);
void clip_depthwise_i8_c (const ClipDepthwiseI8 *d);
