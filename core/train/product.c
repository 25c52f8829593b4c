/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Y[rows, cols] (+)= A · B over a depth, as tiles of Y times slices of the depth. A task is one tile and one slice; the
 * first slice goes to Y itself, the others to memory of their own that is added to Y in their order.
 */
#include "core/train/product.h"

#include "core/model/blas.h"

#include <string.h>

/* Largest tile: OpenBLAS packs both operands once for each, a few percent of the time of such a one. */
#define TILE_ROWS 384
#define TILE_COLS 384
/* Tiles are halved, then the depth is cut, for as many tasks as this, as long as each has a size (multiplications) that
 * makes up for packing and for the wake-up of a thread. */
#define MIN_TASKS 16
#define MIN_TASK_SIZE ((gsize) 1 << 22)
#define MIN_TILE 64
#define MIN_SLICE 512

/* A matrix that is read in tiles: floats from one row (column) of Y to the next, and from one step of depth to the next. */
typedef struct {
  const float *x;
  gsize along, deep;
} Operand;

typedef struct {
  const ClipKernels *kernels;
  void (*multiply) (float *y, gsize y_stride, const float *a, gsize a_stride, const float *b,
                    gsize b_stride, int m, int n, int k, gboolean add);
  float *y;
  gsize y_stride;
  Operand a, b;
  const float *bias;
  int rows, cols, depth;
  gboolean add;

  int tile_rows, tile_cols, slice;
  int n_tile_rows, n_tile_cols, n_slices;
  float *partial; /* [n_slices - 1, rows, cols] */
} Product;

static int
pieces (int n, int size)
{
  return (n + size - 1) / size;
}

/* Half of a tile's side, in whole vectors. */
static int
halved (int side)
{
  return (side / 2 + 15) / 16 * 16;
}

static void
cut (Product *p)
{
  p->tile_rows = MIN (p->rows, TILE_ROWS);
  p->tile_cols = MIN (p->cols, TILE_COLS);
  const gsize size = (gsize) p->rows * p->cols * p->depth;
  const int wanted = CLAMP (size / MIN_TASK_SIZE, 1, MIN_TASKS);
  for (;;) {
    p->n_tile_rows = pieces (p->rows, p->tile_rows);
    p->n_tile_cols = pieces (p->cols, p->tile_cols);
    int *longer = p->tile_rows >= p->tile_cols ? &p->tile_rows : &p->tile_cols;
    if (p->n_tile_rows * p->n_tile_cols >= wanted || *longer < 2 * MIN_TILE)
      break;
    *longer = halved (*longer);
  }
  const int tiles = p->n_tile_rows * p->n_tile_cols;
  p->n_slices = CLAMP (pieces (wanted, tiles), 1, MAX (1, p->depth / MIN_SLICE));
  p->slice = MAX (1, pieces (p->depth, p->n_slices));
  p->n_slices = MAX (1, pieces (p->depth, p->slice));
}

static void
multiply_nt (float *y, gsize y_stride, const float *a, gsize a_stride, const float *b,
             gsize b_stride, int m, int n, int k, gboolean add)
{
  clip_sgemm_nt (y, y_stride, a, a_stride, b, b_stride, m, n, k, 1, add);
}

static void
multiply (void *data, int task, int worker)
{
  const Product *p = data;
  const int slice = task % p->n_slices, tile = task / p->n_slices;
  const int row = tile / p->n_tile_cols * p->tile_rows, col = tile % p->n_tile_cols * p->tile_cols,
            start = slice * p->slice;
  const int rows = MIN (p->tile_rows, p->rows - row), cols = MIN (p->tile_cols, p->cols - col);
  const gsize y_stride = slice ? (gsize) p->cols : p->y_stride;
  float *base = slice ? p->partial + (gsize) (slice - 1) * p->rows * p->cols : p->y;
  float *y = base + row * y_stride + col;
  gboolean add = p->add && slice == 0;

  /* Where the bias lies first, the product is added to it: OpenBLAS would clear Y otherwise, which takes as long. */
  if (p->bias && slice == 0) {
    for (int r = 0; r < rows; r++)
      if (add)
        for (int c = 0; c < cols; c++)
          y[r * y_stride + c] += p->bias[col + c];
      else
        memcpy (y + r * y_stride, p->bias + col, cols * sizeof *y);
    add = TRUE;
  }
  p->multiply (y, y_stride, p->a.x + row * p->a.along + start * p->a.deep,
               MAX (p->a.along, p->a.deep), p->b.x + col * p->b.along + start * p->b.deep,
               MAX (p->b.along, p->b.deep), rows, cols, MIN (p->slice, p->depth - start), add);
}

static void
add_slices (void *data, int first, int end)
{
  const Product *p = data;
  for (int r = first; r < end; r++)
    for (int s = 1; s < p->n_slices; s++)
      p->kernels->add (p->y + r * p->y_stride,
                       p->partial + ((gsize) (s - 1) * p->rows + r) * p->cols, p->cols);
}

static void
run (ClipTape *tape, Product *p)
{
  if (p->rows == 0 || p->cols == 0)
    return;
  cut (p);
  const ClipTapeMark mark = clip_tape_mark (tape);
  if (p->n_slices > 1)
    p->partial = clip_tape_floats (tape, (gsize) (p->n_slices - 1) * p->rows * p->cols);
  clip_threads_run (tape->threads, multiply, p, p->n_tile_rows * p->n_tile_cols * p->n_slices);
  if (p->n_slices > 1)
    clip_for_ranges (tape, add_slices, p, p->rows, MAX (1, (1 << 14) / p->cols));
  clip_tape_release (tape, mark);
}

void
clip_product_nt (ClipTape *tape, float *y, gsize y_stride, const float *x, gsize x_stride,
                 const float *w, gsize w_stride, const float *bias, int m, int n, int k,
                 gboolean add)
{
  Product p = {
    .kernels = tape->kernels,
    .multiply = multiply_nt,
    .y = y,
    .y_stride = y_stride,
    .a = { x, x_stride, 1 },
    .b = { w, w_stride, 1 },
    .bias = bias,
    .rows = m,
    .cols = n,
    .depth = k,
    .add = add,
  };
  run (tape, &p);
}

void
clip_product_nn (ClipTape *tape, float *dx, gsize dx_stride, const float *dy, gsize dy_stride,
                 const float *w, gsize w_stride, int m, int k, int n, gboolean add)
{
  Product p = {
    .kernels = tape->kernels,
    .multiply = clip_sgemm_nn,
    .y = dx,
    .y_stride = dx_stride,
    .a = { dy, dy_stride, 1 },
    .b = { w, 1, w_stride },
    .rows = m,
    .cols = k,
    .depth = n,
    .add = add,
  };
  run (tape, &p);
}

void
clip_product_tn (ClipTape *tape, float *dw, gsize dw_stride, const float *dy, gsize dy_stride,
                 const float *x, gsize x_stride, int n, int k, int m, gboolean add)
{
  Product p = {
    .kernels = tape->kernels,
    .multiply = clip_sgemm_tn,
    .y = dw,
    .y_stride = dw_stride,
    .a = { dy, 1, dy_stride },
    .b = { x, 1, x_stride },
    .rows = n,
    .cols = k,
    .depth = m,
    .add = add,
  };
  run (tape, &p);
}

/* ------------------------------------------------------------------------------------------------- rows and ranges */

#define MIN_SUM_SIZE (1 << 16) /* floats of a task */

typedef struct {
  const ClipKernels *kernels;
  float *partial; /* [slices, n] */
  const float *x;
  gsize x_stride;
  int rows, n, slice;
} Sum;

static void
sum_slice (void *data, int task, int worker)
{
  const Sum *s = data;
  float *y = s->partial + (gsize) task * s->n;
  const int first = task * s->slice, end = MIN (first + s->slice, s->rows);
  memcpy (y, s->x + first * s->x_stride, s->n * sizeof *y);
  for (int r = first + 1; r < end; r++)
    s->kernels->add (y, s->x + r * s->x_stride, s->n);
}

void
clip_sum_rows (ClipTape *tape, float *y, const float *x, gsize x_stride, int rows, int n)
{
  if (rows == 0 || n == 0)
    return;
  const ClipTapeMark mark = clip_tape_mark (tape);
  const int slices = CLAMP ((gsize) rows * n / MIN_SUM_SIZE, 1, MIN_TASKS);
  Sum s = { tape->kernels, NULL, x, x_stride, rows, n, pieces (rows, MIN (slices, rows)) };
  const int n_tasks = pieces (rows, s.slice);
  s.partial = clip_tape_floats (tape, (gsize) n_tasks * n);
  clip_threads_run (tape->threads, sum_slice, &s, n_tasks);
  for (int i = 0; i < n_tasks; i++)
    tape->kernels->add (y, s.partial + (gsize) i * n, n);
  clip_tape_release (tape, mark);
}

typedef struct {
  ClipRange range;
  void *data;
  int n, grain;
} Ranges;

static void
run_range (void *data, int task, int worker)
{
  const Ranges *r = data;
  const int first = task * r->grain;
  r->range (r->data, first, MIN (first + r->grain, r->n));
}

void
clip_for_ranges (ClipTape *tape, ClipRange range, void *data, int n, int grain)
{
  Ranges r = { range, data, n, grain };
  clip_threads_run (tape->threads, run_range, &r, pieces (n, grain));
}
