/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Portable meaning of the depthwise convolution, each channel filtered by its own k×k weights, and of its gradients. */
#include "core/kernels/kernels.h"

#include <string.h>

void
clip_filter_c (float *y, gsize y_stride, const float *const *rows, const float *weight, int k,
               int stride, int width, int channels)
{
  for (int x = 0; x < width; x++, y += y_stride) {
    memset (y, 0, channels * sizeof *y);
    for (int i = 0; i < k; i++) {
      for (int j = 0; j < k; j++) {
        const float *w = weight + (gsize) (i * k + j) * channels;
        const float *in = rows[i] + (gsize) (x * stride + j) * channels;
        for (int c = 0; c < channels; c++)
          y[c] += w[c] * in[c];
      }
    }
  }
}

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
clip_filter_input_c (float *const *drows, const float *dy, gsize dy_stride, const float *weight,
                     int k, int stride, int width, int channels)
{
  for (int x = 0; x < width; x++, dy += dy_stride) {
    for (int i = 0; i < k; i++) {
      for (int j = 0; j < k; j++) {
        const float *w = weight + (gsize) (i * k + j) * channels;
        float *in = drows[i] + (gsize) (x * stride + j) * channels;
        for (int c = 0; c < channels; c++)
          in[c] += w[c] * dy[c];
      }
    }
  }
}

void
clip_filter_weight_c (float *dweight, const float *dy, gsize dy_stride, const float *const *rows,
                      int k, int stride, int width, int channels)
{
  for (int x = 0; x < width; x++, dy += dy_stride) {
    for (int i = 0; i < k; i++) {
      for (int j = 0; j < k; j++) {
        float *w = dweight + (gsize) (i * k + j) * channels;
        const float *in = rows[i] + (gsize) (x * stride + j) * channels;
        for (int c = 0; c < channels; c++)
          w[c] += in[c] * dy[c];
      }
    }
  }
}

void
clip_kernels_fill_depthwise (ClipKernels *kernels)
{
  kernels->depthwise = depthwise;
  kernels->filter = clip_filter_c;
  kernels->filter_input = clip_filter_input_c;
  kernels->filter_weight = clip_filter_weight_c;
}
