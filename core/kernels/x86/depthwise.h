/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What core/kernels/depthwise.c means, LANES channels at a time: their k·k weights stay in
 * registers (or the first-level cache) while they slide along the row. Included after vector-….h
 * and rows.h. */

/* One vector of channels of every position; @n channels are left. */
static inline __attribute__ ((always_inline)) void
slide (float *y, gsize y_stride, const float *const *rows, const float *weight, const float *bias, int k,
       int stride, int width, int channels, gsize n)
{
  V w[CLIP_DEPTHWISE_MAX * CLIP_DEPTHWISE_MAX];
  for (int i = 0; i < k * k; i++)
    w[i] = v_load_n (weight + (gsize) i * channels, n);
  const V b = v_load_n (bias, n);
  for (int x = 0; x < width; x++) {
    V sum = b;
    for (int i = 0; i < k; i++)
      for (int j = 0; j < k; j++)
        sum =
            v_fma (w[i * k + j], v_load_n (rows[i] + (gsize) (x * stride + j) * channels, n), sum);
    v_store_n (y + x * y_stride, v_relu6 (sum), n);
  }
}

static inline __attribute__ ((always_inline)) void
all_channels (float *y, gsize y_stride, const float *const *rows, const float *weight, const float *bias, int k,
              int stride, int width, int channels)
{
  for (int c = 0; c < channels; c += LANES) {
    const float *shifted[CLIP_DEPTHWISE_MAX];
    for (int i = 0; i < k; i++)
      shifted[i] = rows[i] + c;
    if (c + LANES <= channels) /* told apart so that the compiler drops the masks */
      slide (y + c, y_stride, shifted, weight + c, bias + c, k, stride, width, channels, LANES);
    else
      slide (y + c, y_stride, shifted, weight + c, bias + c, k, stride, width, channels, channels - c);
  }
}

static void
depthwise (float *y, gsize y_stride, const float *const *rows, const float *weight, const float *bias, int k,
           int stride, int width, int channels)
{
  switch (k) { /* known sizes are unrolled */
  case 3:
    all_channels (y, y_stride, rows, weight, bias, 3, stride, width, channels);
    break;
  case 5:
    all_channels (y, y_stride, rows, weight, bias, 5, stride, width, channels);
    break;
  default:
    all_channels (y, y_stride, rows, weight, bias, k, stride, width, channels);
  }
}

static void
fill_depthwise (ClipKernels *kernels)
{
  kernels->depthwise = depthwise;
}
