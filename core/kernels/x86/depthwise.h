/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What core/kernels/depthwise.c means, LANES channels at a time: weights and the sums of a few neighbouring positions stay
 * in registers (or the first-level cache), and what those positions have in common is loaded once. Included after
 * vector-….h and rows.h. */

/* @positions neighbours; @n channels are left. */
static inline __attribute__ ((always_inline)) void
neighbours (float *y, gsize y_stride, const float *const *rows, gsize x, const V *w, V bias, int k,
            int stride, int positions, gsize channels, gsize n)
{
  V sum[4];
  UNROLLED for (int p = 0; p < positions; p++) sum[p] = bias;
  UNROLLED for (int i = 0; i < k; i++)
  {
    const float *in = rows[i] + x * stride * channels;
    UNROLLED for (int j = 0; j < (positions - 1) * stride + k; j++, in += channels)
    {
      const V value = v_load_n (in, n);
      UNROLLED for (int p = 0; p < positions; p++) if (j >= p * stride && j < p * stride + k)
          sum[p] = v_fma (w[i * k + j - p * stride], value, sum[p]);
    }
  }
  UNROLLED for (int p = 0; p < positions; p++)
      v_store_n (y + (x + p) * y_stride, v_relu6 (sum[p]), n);
}

/* One vector of channels of every position. */
static inline __attribute__ ((always_inline)) void
slide (float *y, gsize y_stride, const float *const *rows, const float *weight, const float *bias,
       int k, int stride, int width, int channels, gsize n)
{
  V w[CLIP_DEPTHWISE_MAX * CLIP_DEPTHWISE_MAX];
  for (int i = 0; i < k * k; i++)
    w[i] = v_load_n (weight + (gsize) i * channels, n);
  const V b = v_load_n (bias, n);
  int x = 0;
  for (; x + 4 <= width; x += 4)
    neighbours (y, y_stride, rows, x, w, b, k, stride, 4, channels, n);
  for (; x < width; x++)
    neighbours (y, y_stride, rows, x, w, b, k, stride, 1, channels, n);
}

static inline __attribute__ ((always_inline)) void
all_channels (float *y, gsize y_stride, const float *const *rows, const float *weight,
              const float *bias, int k, int stride, int width, int channels)
{
  for (int c = 0; c < channels; c += LANES) {
    const float *shifted[CLIP_DEPTHWISE_MAX];
    for (int i = 0; i < k; i++)
      shifted[i] = rows[i] + c;
    if (c + LANES <= channels) /* told apart so that the compiler drops the masks */
      slide (y + c, y_stride, shifted, weight + c, bias + c, k, stride, width, channels, LANES);
    else
      slide (y + c, y_stride, shifted, weight + c, bias + c, k, stride, width, channels,
             channels - c);
  }
}

static void
depthwise (float *y, gsize y_stride, const float *const *rows, const float *weight,
           const float *bias, int k, int stride, int width, int channels)
{
  /* the usual ones are unrolled */
#define CASE(size, step)                                                                           \
  if (k == size && stride == step)                                                                 \
  return all_channels (y, y_stride, rows, weight, bias, size, step, width, channels)
  CASE (3, 1);
  CASE (3, 2);
  CASE (5, 1);
  CASE (5, 2);
#undef CASE
  all_channels (y, y_stride, rows, weight, bias, k, stride, width, channels);
}

static void
fill_depthwise (ClipKernels *kernels)
{
  kernels->depthwise = depthwise;
}
