/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Winograd's minimal filtering F(4×4, 3×3) (Winograd 1980; for pictures Lavin & Gray 2015): a tile of 4×4 outputs of a 3×3
 * convolution g, stride 1, from its 6×6 inputs d, with 36 multiplications of numbers that are combined before and after
 * instead of 144:
 *
 *   Y = Aᵀ · [(G g Gᵀ) ⊙ (Bᵀ d B)] · A
 *
 * Over many tiles and channels the product by elements is 36 matrix products (gemm.h). Polynomials are evaluated at 0, ±a,
 * ±b and ∞, with a = √½, b = √2: their powers stay close to 1 and so does what is lost by rounding, twice that of the
 * convolution by its definition where the usual 0, ±1, ±2, ∞ lose four times as much.
 *
 *        ⎡ 1   0  -5/2  0   1  0 ⎤        ⎡ 1    0     0  ⎤
 *        ⎢ 0  -b   -2   a   1  0 ⎥        ⎢-2/3 -2a/3 -1/3⎥        ⎡ 1  1   1   1   1  0 ⎤
 *   Bᵀ = ⎢ 0   b   -2  -a   1  0 ⎥    G = ⎢-2/3  2a/3 -1/3⎥   Aᵀ = ⎢ 0  a  -a   b  -b  0 ⎥
 *        ⎢ 0  -a  -1/2  b   1  0 ⎥        ⎢ 1/6  b/6   1/3⎥        ⎢ 0  a²  a²  b²  b² 0 ⎥
 *        ⎢ 0   a  -1/2 -b   1  0 ⎥        ⎢ 1/6 -b/6   1/3⎥        ⎣ 0  a³ -a³  b³ -b³ 1 ⎦
 *        ⎣ 0   1    0 -5/2  0  1 ⎦        ⎣ 0    0     1  ⎦
 */
#pragma once
#include <glib.h>

#define CLIP_WINOGRAD_OUT 4
#define CLIP_WINOGRAD_IN 6
#define CLIP_WINOGRAD_PRODUCTS (CLIP_WINOGRAD_IN * CLIP_WINOGRAD_IN)

#define CLIP_WINOGRAD_A 0.70710678118654752440 /* √½ */
#define CLIP_WINOGRAD_B 1.41421356237309504880 /* √2 */

/* The rows top … bottom - 1 and columns left … right - 1 of a tile that are in the picture. */
typedef struct {
  int top, bottom, left, right;
} ClipWindow;

/* v[36][channels] = Bᵀ d B, @v_stride floats from one product's to the next's. @x: the first of the inputs that are there, @line
 * floats from one row to the next, @channels from one column; the other inputs are 0. */
typedef void (*ClipWinogradInputFunc) (float *v, gsize v_stride, const float *x, gsize line,
                                       ClipWindow there, int channels);

/* y[rows, columns, n] = clamp (Aᵀ m A + bias) of m[36][n], @m_stride floats from one product's to the next's. */
typedef struct {
  float *y;
  gsize line, y_stride; /* floats from one row to the next, and from one column */
  const float *m;
  gsize m_stride;
  const float *bias; /* [n] */
  int rows, columns; /* 1 … 4: those in the picture */
  int n;
  float low, high; /* clamp; -INFINITY and INFINITY where there is none */
} ClipWinogradOutput;
typedef void (*ClipWinogradOutputFunc) (const ClipWinogradOutput *o);
