/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The three products against double precision, over sizes that are cut into one tile, several, and slices of the depth;
 * strided, added, with a bias; the same bits for any number of threads. Sums of rows and ranges likewise.
 */
#include "core/train/product.h"

#include <math.h>
#include <string.h>

#define MAX_THREADS 5
#define GUARD 12345.5f

typedef enum { NT, NN, TN, N_KINDS } Kind;
static const char *const kind_names[N_KINDS] = { "nt", "nn", "tn" };

static ClipTape *tapes[MAX_THREADS];

typedef struct {
  int rows, cols, depth;
  int gap; /* floats between two rows of each matrix */
  gboolean add, bias;
} Case;

static const Case cases[] = {
  { 1, 1, 1, 0, FALSE, FALSE },       { 3, 5, 7, 2, TRUE, FALSE },
  { 12, 64, 12, 5, FALSE, TRUE },     { 1, 300, 77, 0, TRUE, TRUE },
  { 700, 1, 33, 1, FALSE, TRUE },     { 390, 401, 96, 3, TRUE, TRUE }, /* four tiles */
  { 32, 27, 20000, 0, FALSE, FALSE }, /* a first convolution's weight: slices */
  { 32, 27, 20001, 4, TRUE, TRUE },   { 192, 200, 3000, 0, TRUE, FALSE }, /* tiles and slices */
  { 1000, 40, 130, 0, FALSE, TRUE },  { 40, 1000, 130, 7, TRUE, FALSE },
  { 5, 6, 0, 0, FALSE, TRUE }, /* an empty batch's gradient */
  { 0, 6, 5, 0, FALSE, FALSE },
};

static float *
noise (gsize n)
{
  float *x = g_new (float, n + 1);
  for (gsize i = 0; i < n; i++)
    x[i] = g_test_rand_double_range (-1, 1);
  return x;
}

/* Element (row, step) of an operand stored [rows, depth] or, @turned, [depth, rows]. */
static double
at (const float *x, gsize stride, gboolean turned, int row, int step)
{
  return turned ? x[step * stride + row] : x[row * stride + step];
}

static void
run (Kind kind, ClipTape *tape, const Case *c, float *y, gsize y_stride, const float *a,
     gsize a_stride, const float *b, gsize b_stride, const float *bias)
{
  if (kind == NT)
    clip_product_nt (tape, y, y_stride, a, a_stride, b, b_stride, bias, c->rows, c->cols, c->depth,
                     c->add);
  else
    (kind == NN ? clip_product_nn : clip_product_tn) (tape, y, y_stride, a, a_stride, b, b_stride,
                                                      c->rows, c->cols, c->depth, c->add);
}

static void
check (Kind kind, const Case *c)
{
  const gboolean a_turned = kind == TN, b_turned = kind != NT;
  const gsize a_stride = (a_turned ? c->rows : c->depth) + c->gap,
              b_stride = (b_turned ? c->cols : c->depth) + c->gap, y_stride = c->cols + c->gap;
  g_autofree float *a = noise ((a_turned ? c->depth : c->rows) * a_stride),
                   *b = noise ((b_turned ? c->depth : c->cols) * b_stride), *bias = noise (c->cols);
  const gsize n = c->rows * y_stride;
  g_autofree float *before = noise (n), *y = g_new (float, n + 1), *first = g_new (float, n + 1);
  for (int r = 0; r < c->rows; r++)
    for (int i = 0; i < c->gap; i++)
      before[r * y_stride + c->cols + i] = GUARD;

  for (int t = 0; t < MAX_THREADS; t++) {
    memcpy (y, before, n * sizeof *y);
    run (kind, tapes[t], c, y, y_stride, a, a_stride, b, b_stride,
         c->bias && kind == NT ? bias : NULL);
    if (t == 0)
      memcpy (first, y, n * sizeof *y);
    g_assert_cmpmem (y, n * sizeof *y, first, n * sizeof *first);
  }
  for (int r = 0; r < c->rows; r++) {
    for (gsize col = 0; col < y_stride; col++) {
      double expected = GUARD;
      if (col < (gsize) c->cols) {
        expected =
            (c->add ? before[r * y_stride + col] : 0) + (c->bias && kind == NT ? bias[col] : 0);
        for (int d = 0; d < c->depth; d++)
          expected += at (a, a_stride, a_turned, r, d) * at (b, b_stride, b_turned, col, d);
      }
      /* a sum of terms below 1 in float: √depth roundings of a value that has the size √depth / 3 */
      const double tolerance = 1e-6 + 2e-7 * c->depth;
      if (!(fabs (y[r * y_stride + col] - expected) <= tolerance))
        g_error ("%s %d×%d×%d: [%d, %zu] is %.9g, expected %.9g", kind_names[kind], c->rows,
                 c->cols, c->depth, r, col, y[r * y_stride + col], expected);
    }
  }
}

static void
test_product (const void *data)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check (GPOINTER_TO_INT (data), &cases[i]);
}

static void
test_sum_rows (void)
{
  static const int sizes[][3] = {
    { 1, 1, 0 }, { 7, 5, 2 }, { 3000, 200, 0 }, { 50000, 3, 1 }, { 0, 4, 0 }
  };
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const int rows = sizes[i][0], n = sizes[i][1];
    const gsize stride = n + sizes[i][2];
    g_autofree float *x = noise (rows * stride), *before = noise (n), *y = g_new (float, n),
                     *first = g_new (float, n);
    for (int t = 0; t < MAX_THREADS; t++) {
      memcpy (y, before, n * sizeof *y);
      clip_sum_rows (tapes[t], y, x, stride, rows, n);
      if (t == 0)
        memcpy (first, y, n * sizeof *y);
      g_assert_cmpmem (y, n * sizeof *y, first, n * sizeof *y);
    }
    for (int c = 0; c < n; c++) {
      double expected = before[c];
      for (int r = 0; r < rows; r++)
        expected += x[r * stride + c];
      if (!(fabs (y[c] - expected) <= 1e-6 + 2e-7 * rows))
        g_error ("sum of %d rows: [%d] is %.9g, expected %.9g", rows, c, y[c], expected);
    }
  }
}

static void
count_visits (void *data, int first, int end)
{
  int *visits = data;
  for (int i = first; i < end; i++)
    visits[i]++;
}

static void
test_for_ranges (void)
{
  static const int sizes[][2] = { { 0, 4 }, { 1, 4 }, { 4, 4 }, { 5, 4 }, { 1000, 7 }, { 3, 100 } };
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    const int n = sizes[i][0];
    g_autofree int *visits = g_new0 (int, n + 1);
    clip_for_ranges (tapes[2], count_visits, visits, n, sizes[i][1]);
    for (int j = 0; j <= n; j++)
      g_assert_cmpint (visits[j], ==, j < n);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (int t = 0; t < MAX_THREADS; t++)
    tapes[t] = clip_tape_new (t + 1);
  for (int kind = 0; kind < N_KINDS; kind++) {
    g_autofree char *path = g_strconcat ("/product/", kind_names[kind], NULL);
    g_test_add_data_func (path, GINT_TO_POINTER (kind), test_product);
  }
  g_test_add_func ("/product/sum-rows", test_sum_rows);
  g_test_add_func ("/product/ranges", test_for_ranges);
  const int result = g_test_run ();
  for (int t = 0; t < MAX_THREADS; t++)
    clip_tape_free (tapes[t]);
  return result;
}
