/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portable meaning of the depthwise convolution: each channel is filtered by its own k×k weights.
 */
#include "core/kernels/kernels.h"

static void
depthwise (float *y, gsize y_stride, const float *const *rows, const float *weight,
           const float *bias, int k, int stride, int width, int channels)
{
  for (int x = 0; x < width; x++, y += y_stride) {
    for (int c = 0; c < channels; c++)
      y[c] = bias[c];
    for (int i = 0; i < k; i++) {
      for (int j = 0; j < k; j++) {
        const float *w = weight + (gsize) (i * k + j) * channels;
        const float *in = rows[i] + (gsize) (x * stride + j) * channels;
        for (int c = 0; c < channels; c++)
          y[c] += w[c] * in[c];
      }
    }
    for (int c = 0; c < channels; c++)
      y[c] = CLAMP (y[c], 0, 6);
  }
}

void
clip_kernels_fill_depthwise (ClipKernels *kernels)
{
  kernels->depthwise = depthwise;
}
