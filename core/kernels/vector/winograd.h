/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What core/kernels/winograd.c means, LANES channels at a time. What the matrices have for a point and its negative differs in
 * the sign of the odd powers alone: even and odd part are made once for both. Included after vector-….h, unrolled.h and
 * map.h. */
#include "core/kernels/winograd.h"

#define IN CLIP_WINOGRAD_IN
#define OUT CLIP_WINOGRAD_OUT

/* y[6] = Bᵀ d[6] */
static INLINE void
winograd_in (V *y, const V *d)
{
  const V a = v_set (CLIP_WINOGRAD_A), b = v_set (CLIP_WINOGRAD_B);
  const V even_a = v_fma (v_set (-2.f), d[2], d[4]), even_b = v_fma (v_set (-.5f), d[2], d[4]);
  const V odd_a = v_sub (v_mul (a, d[3]), v_mul (b, d[1])),
          odd_b = v_sub (v_mul (b, d[3]), v_mul (a, d[1]));
  y[0] = v_fma (v_set (-2.5f), d[2], v_add (d[0], d[4]));
  y[1] = v_add (even_a, odd_a);
  y[2] = v_sub (even_a, odd_a);
  y[3] = v_add (even_b, odd_b);
  y[4] = v_sub (even_b, odd_b);
  y[5] = v_fma (v_set (-2.5f), d[3], v_add (d[1], d[5]));
}

/* y[4] = Aᵀ m[6] */
static INLINE void
winograd_out (V *y, const V *m)
{
  const V a = v_set (CLIP_WINOGRAD_A), b = v_set (CLIP_WINOGRAD_B);
  const V even_a = v_add (m[1], m[2]), odd_a = v_mul (a, v_sub (m[1], m[2]));
  const V even_b = v_add (m[3], m[4]), odd_b = v_mul (b, v_sub (m[3], m[4]));
  y[0] = v_add (m[0], v_add (even_a, even_b));
  y[1] = v_add (odd_a, odd_b);
  y[2] = v_fma (v_set (.5f), even_a, v_add (even_b, even_b));
  y[3] = v_fma (v_set (.5f), odd_a, v_fma (v_set (2.f), odd_b, m[5]));
}

/* One vector of channels. @whole: all inputs are there. */
static INLINE void
winograd_input_vector (float *v, gsize v_stride, const float *x, gsize line, ClipWindow there,
                       gboolean whole, gsize channels, gsize n)
{
  V t[IN][IN]; /* (Bᵀ d)ᵀ */
  UNROLLED for (int j = 0; j < IN; j++)
  {
    V d[IN];
    UNROLLED for (int i = 0; i < IN; i++)
    {
      const gboolean inside =
          whole || (i >= there.top && i < there.bottom && j >= there.left && j < there.right);
      d[i] = inside ? v_load_n (x + (i - there.top) * line + (j - there.left) * channels, n)
                    : v_set (0.f);
    }
    winograd_in (t[j], d);
  }
  UNROLLED for (int i = 0; i < IN; i++)
  {
    V d[IN], y[IN];
    UNROLLED for (int j = 0; j < IN; j++) d[j] = t[j][i];
    winograd_in (y, d);
    UNROLLED for (int j = 0; j < IN; j++) v_store_n (v + (i * IN + j) * v_stride, y[j], n);
  }
}

static void
winograd_input (float *v, gsize v_stride, const float *x, gsize line, ClipWindow there,
                int channels)
{
  static const ClipWindow all = { 0, IN, 0, IN };
  const gboolean whole = there.bottom - there.top == IN && there.right - there.left == IN;
  int c = 0;
  if (whole)
    for (; c + LANES <= channels; c += LANES)
      winograd_input_vector (v + c, v_stride, x + c, line, all, TRUE, channels, LANES);
  for (; c < channels; c += LANES)
    winograd_input_vector (v + c, v_stride, x + c, line, there, FALSE, channels, channels - c);
}

static INLINE void
winograd_output_vector (const ClipWinogradOutput *o, int c, gboolean whole, gsize n)
{
  const V bias = v_load_n (o->bias + c, n), low = v_set (o->low), high = v_set (o->high);
  V t[OUT][IN]; /* Aᵀ m */
  UNROLLED for (int j = 0; j < IN; j++)
  {
    V m[IN], y[OUT];
    UNROLLED for (int i = 0; i < IN; i++) m[i] =
        v_load_n (o->m + (i * IN + j) * o->m_stride + c, n);
    winograd_out (y, m);
    UNROLLED for (int i = 0; i < OUT; i++) t[i][j] = y[i];
  }
  UNROLLED for (int i = 0; i < OUT; i++)
  {
    V y[OUT];
    winograd_out (y, t[i]);
    UNROLLED for (int j = 0; j < OUT; j++) if (whole || (i < o->rows && j < o->columns)) v_store_n (
        o->y + i * o->line + j * o->y_stride + c, v_min (v_max (v_add (y[j], bias), low), high), n);
  }
}

static void
winograd_output (const ClipWinogradOutput *o)
{
  int c = 0;
  if (o->rows == OUT && o->columns == OUT)
    for (; c + LANES <= o->n; c += LANES)
      winograd_output_vector (o, c, TRUE, LANES);
  for (; c < o->n; c += LANES)
    winograd_output_vector (o, c, FALSE, o->n - c);
}

static void
fill_winograd (ClipKernels *kernels)
{
  kernels->winograd_input = winograd_input;
  kernels->winograd_output = winograd_output;
}

#undef IN
#undef OUT
