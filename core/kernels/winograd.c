/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portable meaning of Winograd's transforms. Sums are in double: this is what the faster levels are compared with. */
#include "core/kernels/kernels.h"

#define A CLIP_WINOGRAD_A
#define B CLIP_WINOGRAD_B
#define IN CLIP_WINOGRAD_IN
#define OUT CLIP_WINOGRAD_OUT

static const double input_matrix[IN][IN] = {
  /* Bᵀ */
  { 1, 0, -2.5, 0, 1, 0 }, { 0, -B, -2, A, 1, 0 },  { 0, B, -2, -A, 1, 0 },
  { 0, -A, -.5, B, 1, 0 }, { 0, A, -.5, -B, 1, 0 }, { 0, 1, 0, -2.5, 0, 1 },
};

static const double output_matrix[OUT][IN] = {
  /* Aᵀ */
  { 1, 1, 1, 1, 1, 0 },
  { 0, A, -A, B, -B, 0 },
  { 0, A *A, A *A, B *B, B *B, 0 },
  { 0, A *A *A, -A *A *A, B *B *B, -B *B *B, 1 },
};

static void
winograd_input (float *v, gsize v_stride, const float *x, gsize line, ClipWindow there,
                int channels)
{
  for (int c = 0; c < channels; c++) {
    double t[IN][IN] = { 0 }; /* Bᵀ d */
    for (int i = 0; i < IN; i++)
      for (int k = there.top; k < there.bottom; k++)
        for (int j = there.left; j < there.right; j++)
          t[i][j] += input_matrix[i][k] *
                     x[(k - there.top) * line + (gsize) (j - there.left) * channels + c];
    for (int i = 0; i < IN; i++) {
      for (int j = 0; j < IN; j++) {
        double sum = 0;
        for (int k = 0; k < IN; k++)
          sum += t[i][k] * input_matrix[j][k];
        v[(i * IN + j) * v_stride + c] = sum;
      }
    }
  }
}

static void
winograd_output (const ClipWinogradOutput *o)
{
  for (int c = 0; c < o->n; c++) {
    double t[OUT][IN] = { 0 }; /* Aᵀ m */
    for (int i = 0; i < OUT; i++)
      for (int k = 0; k < IN; k++)
        for (int j = 0; j < IN; j++)
          t[i][j] += output_matrix[i][k] * o->m[(k * IN + j) * o->m_stride + c];
    for (int i = 0; i < o->rows; i++) {
      for (int j = 0; j < o->columns; j++) {
        double sum = o->bias[c];
        for (int k = 0; k < IN; k++)
          sum += t[i][k] * output_matrix[j][k];
        o->y[i * o->line + j * o->y_stride + c] = CLAMP (sum, o->low, o->high);
      }
    }
  }
}

void
clip_kernels_fill_winograd (ClipKernels *kernels)
{
  kernels->winograd_input = winograd_input;
  kernels->winograd_output = winograd_output;
}
