/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What core/kernels/backward.c means, in vectors of LANES floats: included after rows.h, whose words it uses. */

static void
layer_norm_backward (float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                     const float *weight, float epsilon, gboolean add, gsize n)
{
  V sum = v_set (0.f), squares = v_set (0.f), g_sum = v_set (0.f), gx_sum = v_set (0.f);
  for (gsize i = 0; i < n; i += LANES)
    sum = v_add (sum, v_load_n (x + i, n - i));
  const V mean = v_set (v_sum (sum) / n);
  for (gsize i = 0; i < n; i += LANES) {
    const V d = v_sub (v_keep_n (v_load_n (x + i, n - i), mean, n - i), mean);
    squares = v_fma (d, d, squares);
  }
  const V scale = v_set (1 / sqrtf (v_sum (squares) / n + epsilon));
  for (gsize i = 0; i < n; i += LANES) {
    const V unit = v_mul (v_sub (v_load_n (x + i, n - i), mean), scale),
            d = v_load_n (dy + i, n - i), g = v_mul (d, v_load_n (weight + i, n - i));
    g_sum = v_add (g_sum, g);
    gx_sum = v_fma (g, unit, gx_sum);
    v_store_n (dweight + i, v_fma (d, unit, v_load_n (dweight + i, n - i)), n - i);
    v_store_n (dbias + i, v_add (d, v_load_n (dbias + i, n - i)), n - i);
  }
  const V g_mean = v_set (v_sum (g_sum) / n), gx_mean = v_set (v_sum (gx_sum) / n);
  for (gsize i = 0; i < n; i += LANES) {
    const V unit = v_mul (v_sub (v_load_n (x + i, n - i), mean), scale),
            g = v_mul (v_load_n (dy + i, n - i), v_load_n (weight + i, n - i));
    const V left = v_sub (v_sub (g, g_mean), v_mul (unit, gx_mean));
    v_store_n (dx + i, v_fma (left, scale, add ? v_load_n (dx + i, n - i) : v_set (0.f)), n - i);
  }
}

static void
softmax_backward (float *dy, const float *y, float scale, gsize n)
{
  V sum = v_set (0.f);
  for (gsize i = 0; i < n; i += LANES)
    sum = v_fma (v_load_n (y + i, n - i), v_load_n (dy + i, n - i), sum);
  const V whole = v_set (v_sum (sum)), s = v_set (scale);
  for (gsize i = 0; i < n; i += LANES)
    v_store_n (dy + i,
               v_mul (v_mul (s, v_load_n (y + i, n - i)), v_sub (v_load_n (dy + i, n - i), whole)),
               n - i);
}

static void
quick_gelu_backward (float *d, float *x, gsize n)
{
  for (gsize i = 0; i < n; i += LANES) {
    const V v = v_load_n (x + i, n - i), a = v_mul (v, v_set (1.702f)), one = v_set (1.f);
    const V e = v_exp (v_sub (v_set (0.f), a)), s = v_div (one, v_add (one, e));
    /* 1 - s = e · s keeps its digits where s is near 1 */
    const V slope = v_mul (s, v_fma (a, v_mul (e, s), one));
    v_store_n (d + i, v_mul (v_load_n (d + i, n - i), slope), n - i);
    v_store_n (x + i, v_div (v, v_add (one, e)), n - i);
  }
}

static void
gelu_backward (float *d, float *x, gsize n)
{
  for (gsize i = 0; i < n; i += LANES) {
    const V v = v_load_n (x + i, n - i), half = v_set (0.5f);
    const V share = v_fma (half, v_erf (v_mul (v, v_set (0.70710678f))), half);
    const V density = v_mul (v_exp (v_mul (v_mul (v, v), v_set (-0.5f))), v_set (0.39894228f));
    v_store_n (d + i, v_mul (v_load_n (d + i, n - i), v_fma (v, density, share)), n - i);
    v_store_n (x + i, v_mul (v, share), n - i);
  }
}

static void
fill_backward (ClipKernels *kernels)
{
  kernels->layer_norm_backward = layer_norm_backward;
  kernels->softmax_backward = softmax_backward;
  kernels->quick_gelu_backward = quick_gelu_backward;
  kernels->gelu_backward = gelu_backward;
}
