/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What core/kernels/rows.c means, in vectors of LANES floats: included by each instruction set's
 * file after its vector-….h. A last, partial vector takes the same path as the others, so a row's
 * length changes no result. */
#include <math.h>
#include <string.h>

/* Sources that cannot be loaded in part go through a buffer. */
#define EXPAND(name, type, load)                                                                   \
  static void name (float *y, const type *x, gsize n)                                              \
  {                                                                                                \
    gsize i = 0;                                                                                   \
    for (; i + LANES <= n; i += LANES)                                                             \
      v_store (y + i, load (x + i));                                                               \
    if (i < n) {                                                                                   \
      type rest[LANES] = { 0 };                                                                    \
      memcpy (rest, x + i, (n - i) * sizeof *x);                                                   \
      v_store_n (y + i, load (rest), n - i);                                                       \
    }                                                                                              \
  }

EXPAND (f16_to_f32, guint16, v_load_f16)
EXPAND (bf16_to_f32, guint16, v_load_bf16)

static void
i8_to_f32 (float *y, const gint8 *x, float scale, gsize n)
{
  const V s = v_set (scale);
  gsize i = 0;
  for (; i + LANES <= n; i += LANES)
    v_store (y + i, v_mul (s, v_load_i8 (x + i)));
  for (; i < n; i++)
    y[i] = scale * x[i];
}

/* exp (x) = 2^n · exp (r), n = round (x / ln 2), |r| ≤ ln 2 / 2 (ln 2 in two parts, the first exact
 * in n·part). (exp (r) - 1 - r) / r² is the minimax polynomial of degree 4, off by 3·10⁻⁹; the
 * result is within 1.5 ulp. x is kept where neither it nor its exponential leaves the normal
 * floats. */
static inline V
v_exp (V x)
{
  x = v_min (v_max (x, v_set (-87.f)), v_set (88.f));
  const V n = v_round (v_mul (x, v_set (1.44269504f)));
  V r = v_fma (n, v_set (-0.693359375f), x);
  r = v_fma (n, v_set (2.12194440e-4f), r);
  V p = v_set (1.3950475e-3f);
  p = v_fma (p, r, v_set (8.3688824e-3f));
  p = v_fma (p, r, v_set (4.1666206e-2f));
  p = v_fma (p, r, v_set (1.6666518e-1f));
  p = v_fma (p, r, v_set (0.5f));
  p = v_fma (v_mul (r, r), p, r);
  return v_scale_by_power (v_add (p, v_set (1.f)), n);
}

/* |x| < 1: erf (x) = x · P (x²), P minimax of degree 6 (1.2·10⁻⁹); else erf (x) = ±(1 - exp (-|x| ·
 * Q (|x|))), Q minimax of degree 5 for erfc on [1, 4] (2.4·10⁻⁹); beyond 4 it is 1 to the last bit.
 */
static inline V
v_erf (V x)
{
  const V a = v_min (v_abs (x), v_set (4.f)), s = v_mul (x, x);
  V p = v_set (7.8891193e-5f);
  p = v_fma (p, s, v_set (-8.0208411e-4f));
  p = v_fma (p, s, v_set (5.1895352e-3f));
  p = v_fma (p, s, v_set (-2.6854444e-2f));
  p = v_fma (p, s, v_set (1.12836003e-1f));
  p = v_fma (p, s, v_set (-3.7612626e-1f));
  p = v_fma (p, s, v_set (1.28379107e-1f)); /* 2/√π - 1, so that x·P keeps its last bit */
  const V small = v_fma (p, x, x);
  V q = v_set (-2.1018313e-4f);
  q = v_fma (q, a, v_set (3.1831255e-3f));
  q = v_fma (q, a, v_set (-2.2786111e-2f));
  q = v_fma (q, a, v_set (1.05096705e-1f));
  q = v_fma (q, a, v_set (6.3584638e-1f));
  q = v_fma (q, a, v_set (1.12847555f));
  const V large = v_sub (v_set (1.f), v_exp (v_mul (v_sub (v_set (0.f), a), q)));
  return v_select_less (a, v_set (1.f), small, v_copysign (large, x));
}

static inline V
v_quick_gelu (V x)
{
  return v_div (x, v_add (v_set (1.f), v_exp (v_mul (x, v_set (-1.702f)))));
}

static inline V
v_gelu (V x)
{
  const V half = v_mul (x, v_set (0.5f));
  return v_fma (half, v_erf (v_mul (x, v_set (0.70710678f))), half);
}

static inline V
v_gelu_tanh (V x)
{
  const V slope = v_fma (v_mul (x, x), v_set (0.044715f), v_set (1.f));
  return v_div (x, v_add (v_set (1.f),
                          v_exp (v_mul (v_mul (x, v_set (-1.5957691f)), slope)))); /* -2 √(2/π) */
}

static inline V
v_relu6 (V x)
{
  return v_min (v_max (x, v_set (0.f)), v_set (6.f));
}

static inline V
v_relu (V x)
{
  return v_max (x, v_set (0.f));
}

static void
layer_norm (float *y, const float *x, const float *weight, const float *bias, float epsilon,
            gsize n)
{
  V sum = v_set (0.f), squares = v_set (0.f);
  for (gsize i = 0; i < n; i += LANES)
    sum = v_add (sum, v_load_n (x + i, n - i));
  const V mean = v_set (v_sum (sum) / n);
  for (gsize i = 0; i < n; i += LANES) {
    const V d = v_sub (v_keep_n (v_load_n (x + i, n - i), mean, n - i), mean);
    squares = v_fma (d, d, squares);
  }
  const V scale = v_set (1 / sqrtf (v_sum (squares) / n + epsilon));
  for (gsize i = 0; i < n; i += LANES) {
    const V unit = v_mul (v_sub (v_load_n (x + i, n - i), mean), scale);
    v_store_n (y + i, v_fma (unit, v_load_n (weight + i, n - i), v_load_n (bias + i, n - i)),
               n - i);
  }
}

static void
softmax (float *y, const float *x, float scale, gsize n)
{
  V max = v_set (-INFINITY), sum = v_set (0.f);
  const V s = v_set (scale);
  for (gsize i = 0; i < n; i += LANES)
    max = v_max (max, v_keep_n (v_load_n (x + i, n - i), max, n - i));
  max = v_set (v_highest (max));
  for (gsize i = 0; i < n; i += LANES) {
    const V e = v_exp (v_mul (s, v_sub (v_load_n (x + i, n - i), max)));
    v_store_n (y + i, e, n - i);
    sum = v_add (sum, v_keep_n (e, v_set (0.f), n - i));
  }
  const V share = v_set (1 / v_sum (sum));
  for (gsize i = 0; i < n; i += LANES)
    v_store_n (y + i, v_mul (share, v_load_n (y + i, n - i)), n - i);
}

static void
add (float *y, const float *x, gsize n)
{
  for (gsize i = 0; i < n; i += LANES)
    v_store_n (y + i, v_add (v_load_n (y + i, n - i), v_load_n (x + i, n - i)), n - i);
}

#define IN_PLACE(name, f)                                                                          \
  static void name (float *x, gsize n)                                                             \
  {                                                                                                \
    for (gsize i = 0; i < n; i += LANES)                                                           \
      v_store_n (x + i, f (v_load_n (x + i, n - i)), n - i);                                       \
  }

IN_PLACE (quick_gelu, v_quick_gelu)
IN_PLACE (gelu, v_gelu)
IN_PLACE (gelu_tanh, v_gelu_tanh)
IN_PLACE (relu6, v_relu6)
IN_PLACE (relu, v_relu)

static void
fill_rows (ClipKernels *kernels)
{
  kernels->f16_to_f32 = f16_to_f32;
  kernels->bf16_to_f32 = bf16_to_f32;
  kernels->i8_to_f32 = i8_to_f32;
  kernels->layer_norm = layer_norm;
  kernels->softmax = softmax;
  kernels->add = add;
  kernels->quick_gelu = quick_gelu;
  kernels->gelu = gelu;
  kernels->gelu_tanh = gelu_tanh;
  kernels->relu6 = relu6;
  kernels->relu = relu;
}
