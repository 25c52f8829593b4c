/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What core/kernels/depthwise.c means, LANES channels at a time: weights and the sums of a few neighbouring positions stay
 * in registers (or the first-level cache), and what those positions have in common is loaded once. Included after
 * vector-….h and rows.h. */

/* @positions neighbours; @n channels are left. */
static inline __attribute__ ((always_inline)) void
neighbours (float *y, gsize y_stride, const float *const *rows, gsize x, const V *w, V bias,
            gboolean relu6, int k, int stride, int positions, gsize channels, gsize n)
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
      v_store_n (y + (x + p) * y_stride, relu6 ? v_relu6 (sum[p]) : sum[p], n);
}

/* One vector of channels of every position. @bias: NULL: neither bias nor ReLU6. */
static inline __attribute__ ((always_inline)) void
slide (float *y, gsize y_stride, const float *const *rows, const float *weight, const float *bias,
       int k, int stride, int width, int channels, gsize n)
{
  V w[CLIP_DEPTHWISE_MAX * CLIP_DEPTHWISE_MAX];
  for (int i = 0; i < k * k; i++)
    w[i] = v_load_n (weight + (gsize) i * channels, n);
  const V b = bias ? v_load_n (bias, n) : v_set (0.f);
  int x = 0;
  for (; x + 4 <= width; x += 4)
    neighbours (y, y_stride, rows, x, w, b, bias != NULL, k, stride, 4, channels, n);
  for (; x < width; x++)
    neighbours (y, y_stride, rows, x, w, b, bias != NULL, k, stride, 1, channels, n);
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
      slide (y + c, y_stride, shifted, weight + c, bias ? bias + c : NULL, k, stride, width,
             channels, LANES);
    else
      slide (y + c, y_stride, shifted, weight + c, bias ? bias + c : NULL, k, stride, width,
             channels, channels - c);
  }
}

/* the usual ones are unrolled */
#define USUAL(CASE) CASE (3, 1) CASE (3, 2) CASE (5, 1) CASE (5, 2)

static void
depthwise (float *y, gsize y_stride, const float *const *rows, const float *weight,
           const float *bias, int k, int stride, int width, int channels)
{
#define CASE(size, step)                                                                           \
  if (k == size && stride == step)                                                                 \
    return all_channels (y, y_stride, rows, weight, bias, size, step, width, channels);
  USUAL (CASE)
#undef CASE
  all_channels (y, y_stride, rows, weight, bias, k, stride, width, channels);
}

static void
filter (float *y, gsize y_stride, const float *const *rows, const float *weight, int k, int stride,
        int width, int channels)
{
#define CASE(size, step)                                                                           \
  if (k == size && stride == step)                                                                 \
    return all_channels (y, y_stride, rows, weight, NULL, size, step, width, channels);
  USUAL (CASE)
#undef CASE
  clip_filter_c (y, y_stride, rows, weight, k, stride, width, channels);
}

/* ------------------------------------------------------------------------------------------------------- gradients */

/* What some neighbours give to the inputs that they see. */
static inline __attribute__ ((always_inline)) void
scatter (float *const *drows, const float *dy, gsize dy_stride, gsize x, const V *w, int k,
         int stride, int positions, gsize channels, gsize n)
{
  V d[4];
  UNROLLED for (int p = 0; p < positions; p++) d[p] = v_load_n (dy + (x + p) * dy_stride, n);
  UNROLLED for (int i = 0; i < k; i++)
  {
    float *in = drows[i] + x * stride * channels;
    UNROLLED for (int j = 0; j < (positions - 1) * stride + k; j++, in += channels)
    {
      V sum = v_load_n (in, n);
      UNROLLED for (int p = 0; p < positions; p++) if (j >= p * stride && j < p * stride + k) sum =
          v_fma (w[i * k + j - p * stride], d[p], sum);
      v_store_n (in, sum, n);
    }
  }
}

static inline __attribute__ ((always_inline)) void
scatter_all (float *const *drows, const float *dy, gsize dy_stride, const float *weight, int k,
             int stride, int width, gsize channels, gsize n)
{
  V w[CLIP_DEPTHWISE_MAX * CLIP_DEPTHWISE_MAX];
  for (int i = 0; i < k * k; i++)
    w[i] = v_load_n (weight + i * channels, n);
  int x = 0;
  for (; x + 4 <= width; x += 4)
    scatter (drows, dy, dy_stride, x, w, k, stride, 4, channels, n);
  for (; x < width; x++)
    scatter (drows, dy, dy_stride, x, w, k, stride, 1, channels, n);
}

/* What some neighbours have seen, times what was wanted of them. */
static inline __attribute__ ((always_inline)) void
correlate (V *sum, const float *dy, gsize dy_stride, const float *const *rows, gsize x, int k,
           int stride, int positions, gsize channels, gsize n)
{
  V d[4];
  UNROLLED for (int p = 0; p < positions; p++) d[p] = v_load_n (dy + (x + p) * dy_stride, n);
  UNROLLED for (int i = 0; i < k; i++)
  {
    const float *in = rows[i] + x * stride * channels;
    UNROLLED for (int j = 0; j < (positions - 1) * stride + k; j++, in += channels)
    {
      const V value = v_load_n (in, n);
      UNROLLED for (int p = 0; p < positions; p++) if (j >= p * stride && j < p * stride + k)
          sum[i * k + j - p * stride] = v_fma (value, d[p], sum[i * k + j - p * stride]);
    }
  }
}

static inline __attribute__ ((always_inline)) void
correlate_all (float *dweight, const float *dy, gsize dy_stride, const float *const *rows, int k,
               int stride, int width, gsize channels, gsize n)
{
  V sum[CLIP_DEPTHWISE_MAX * CLIP_DEPTHWISE_MAX];
  UNROLLED for (int i = 0; i < k * k; i++) sum[i] = v_load_n (dweight + i * channels, n);
  int x = 0;
  for (; x + 4 <= width; x += 4)
    correlate (sum, dy, dy_stride, rows, x, k, stride, 4, channels, n);
  for (; x < width; x++)
    correlate (sum, dy, dy_stride, rows, x, k, stride, 1, channels, n);
  UNROLLED for (int i = 0; i < k * k; i++) v_store_n (dweight + i * channels, sum[i], n);
}

static inline __attribute__ ((always_inline)) void
scatter_channels (float *const *drows, const float *dy, gsize dy_stride, const float *weight, int k,
                  int stride, int width, int channels)
{
  for (int c = 0; c < channels; c += LANES) {
    float *shifted[CLIP_DEPTHWISE_MAX];
    for (int i = 0; i < k; i++)
      shifted[i] = drows[i] + c;
    if (c + LANES <= channels)
      scatter_all (shifted, dy + c, dy_stride, weight + c, k, stride, width, channels, LANES);
    else
      scatter_all (shifted, dy + c, dy_stride, weight + c, k, stride, width, channels,
                   channels - c);
  }
}

static inline __attribute__ ((always_inline)) void
correlate_channels (float *dweight, const float *dy, gsize dy_stride, const float *const *rows,
                    int k, int stride, int width, int channels)
{
  for (int c = 0; c < channels; c += LANES) {
    const float *shifted[CLIP_DEPTHWISE_MAX];
    for (int i = 0; i < k; i++)
      shifted[i] = rows[i] + c;
    if (c + LANES <= channels)
      correlate_all (dweight + c, dy + c, dy_stride, shifted, k, stride, width, channels, LANES);
    else
      correlate_all (dweight + c, dy + c, dy_stride, shifted, k, stride, width, channels,
                     channels - c);
  }
}

static void
filter_input (float *const *drows, const float *dy, gsize dy_stride, const float *weight, int k,
              int stride, int width, int channels)
{
#define CASE(size, step)                                                                           \
  if (k == size && stride == step)                                                                 \
    return scatter_channels (drows, dy, dy_stride, weight, size, step, width, channels);
  USUAL (CASE)
#undef CASE
  clip_filter_input_c (drows, dy, dy_stride, weight, k, stride, width, channels);
}

static void
filter_weight (float *dweight, const float *dy, gsize dy_stride, const float *const *rows, int k,
               int stride, int width, int channels)
{
#define CASE(size, step)                                                                           \
  if (k == size && stride == step)                                                                 \
    return correlate_channels (dweight, dy, dy_stride, rows, size, step, width, channels);
  USUAL (CASE)
#undef CASE
  clip_filter_weight_c (dweight, dy, dy_stride, rows, k, stride, width, channels);
}

static void
fill_depthwise (ClipKernels *kernels)
{
  kernels->depthwise = depthwise;
  kernels->filter = filter;
  kernels->filter_input = filter_input;
  kernels->filter_weight = filter_weight;
}
