/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Y[rows, cols] (+)= A · B over a depth, in one of two ways:
 *
 *   packed  where the kernels have a product of their own and A lies in rows (forward, and to the layer below): B, the
 *           weight, is packed once for all tasks; a task is a tile of Y
 *   tiles   OpenBLAS multiplies tiles of Y times slices of the depth, and packs both operands for each task. The first slice
 *           goes to Y itself, the others to memory of their own that is added to Y in their order
 */
#include "core/train/product.h"

#include "core/model/blas.h"

#include <math.h>
#include <string.h>

/* Work is cut into as many tasks as this, as long as each has a size (multiplications) that makes up for the wake-up of a
 * thread, a tile has sides and a slice a depth that OpenBLAS likes. */
#define MIN_TASKS 16
#define MIN_TASK_SIZE ((gsize) 1 << 22)
#define MIN_TILE 64
#define MIN_SLICE 256

/* A matrix that is read in tiles: floats from one row (column) of Y to the next, and from one step of depth to the next. */
typedef struct {
  const float *x;
  gsize along, deep;
} Operand;

typedef struct {
  const ClipKernels *kernels;
  gboolean b_turned; /* B is stored [cols, depth] */
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
  float *packed;  /* [⌈cols / 16⌉, depth, 16] */
} Product;

/* Sides of tiles are whole vectors. */
static int
side_of (int n, int pieces_wanted)
{
  return (clip_pieces (n, pieces_wanted) + CLIP_GROUP - 1) / CLIP_GROUP * CLIP_GROUP;
}

static int
tasks_wanted (const Product *p)
{
  return CLAMP ((gsize) p->rows * p->cols * p->depth / MIN_TASK_SIZE, 1, MIN_TASKS);
}

/* Floats that are moved besides the multiplication: each tile packs its part of A and of B; each slice but one is written,
 * read and added. */
static double
cost (const Product *p, int n_rows, int n_cols, int n_slices)
{
  return (double) p->depth * ((double) p->rows * n_cols + (double) p->cols * n_rows) +
         3. * (n_slices - 1) * p->rows * p->cols;
}

/* The cheapest way to have as many tasks as are wanted. */
static void
cut (Product *p)
{
  const int wanted = tasks_wanted (p);
  int rows = 1, cols = 1, slices = 1;
  double least = INFINITY;
  gboolean enough = FALSE;
  for (int r = 1; r == 1 || (r <= wanted && p->rows / r >= MIN_TILE); r++) {
    for (int c = 1; c == 1 || (c <= clip_pieces (wanted, r) && p->cols / c >= MIN_TILE); c++) {
      const int s = CLAMP (clip_pieces (wanted, r * c), 1, MAX (1, p->depth / MIN_SLICE));
      const gboolean reaches = r * c * s >= wanted;
      if (reaches < enough || (reaches == enough && cost (p, r, c, s) >= least))
        continue;
      enough = reaches;
      least = cost (p, r, c, s);
      rows = r, cols = c, slices = s;
    }
  }
  p->tile_rows = side_of (p->rows, rows);
  p->tile_cols = side_of (p->cols, cols);
  p->slice = MAX (1, clip_pieces (p->depth, slices));
  p->n_tile_rows = clip_pieces (p->rows, p->tile_rows);
  p->n_tile_cols = clip_pieces (p->cols, p->tile_cols);
  p->n_slices = MAX (1, clip_pieces (p->depth, p->slice));
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
run_tiles (ClipTape *tape, Product *p)
{
  cut (p);
  const ClipTapeMark mark = clip_tape_mark (tape);
  if (p->n_slices > 1)
    p->partial = clip_tape_floats (tape, (gsize) (p->n_slices - 1) * p->rows * p->cols);
  clip_threads_run (tape->threads, multiply, p, p->n_tile_rows * p->n_tile_cols * p->n_slices);
  if (p->n_slices > 1)
    clip_for_ranges (tape, add_slices, p, p->rows, MAX (1, (1 << 14) / p->cols));
  clip_tape_release (tape, mark);
}

/* ---------------------------------------------------------------------------------------------------------- packed */

/* Rows of A that a task multiplies, times the depth that it multiplies at a time: 3/4 MiB, which fits a second-level cache
 * together with a panel of B. */
#define PACKED_ROWS 384
#define PACKED_DEPTH 512

/* Groups of CLIP_GROUP columns of B. */
static void
pack_groups (void *data, int first, int end)
{
  const Product *p = data;
  for (int g = first; g < end; g++) {
    const int col = g * CLIP_GROUP, n = MIN (CLIP_GROUP, p->cols - col);
    float *y = p->packed + (gsize) col * p->depth;
    const float *b = p->b.x + col * p->b.along;
    if (p->b_turned) {
      p->kernels->pack (y, b, p->b.along, n, p->depth);
      continue;
    }
    for (int d = 0; d < p->depth; d++, y += CLIP_GROUP, b += p->b.deep) {
      if (n < CLIP_GROUP)
        memset (y, 0, CLIP_GROUP * sizeof *y);
      memcpy (y, b, n * sizeof *y);
    }
  }
}

static void
multiply_packed (void *data, int task, int worker)
{
  const Product *p = data;
  const int row = task / p->n_tile_cols * p->tile_rows, col = task % p->n_tile_cols * p->tile_cols;
  ClipGemm gemm = {
    .y = p->y + row * p->y_stride + col,
    .y_stride = p->y_stride,
    .x_stride = p->a.along,
    .w_stride = (gsize) CLIP_GROUP * p->depth,
    .bias = p->bias ? p->bias + col : NULL,
    .rows = MIN (p->tile_rows, p->rows - row),
    .n = MIN (p->tile_cols, p->cols - col),
    .add = p->add,
    .low = -INFINITY,
    .high = INFINITY,
  };
  for (int start = 0; start == 0 || start < p->depth; start += PACKED_DEPTH) {
    gemm.k = MIN (PACKED_DEPTH, p->depth - start);
    gemm.x = p->a.x + row * p->a.along + start;
    gemm.w = p->packed + (gsize) col * p->depth + (gsize) start * CLIP_GROUP;
    p->kernels->gemm (&gemm);
    gemm.bias = NULL;
    gemm.add = TRUE;
  }
}

/* Tiles of all columns, unless that makes too few: A is read once then. */
static void
cut_packed (Product *p)
{
  const int wanted = tasks_wanted (p);
  const int n = MAX (clip_pieces (p->rows, PACKED_ROWS), MIN (wanted, MAX (1, p->rows / MIN_TILE)));
  p->tile_rows = clip_pieces (p->rows, n);
  p->n_tile_rows = clip_pieces (p->rows, p->tile_rows);
  p->tile_cols = side_of (
      p->cols, CLAMP (clip_pieces (wanted, p->n_tile_rows), 1, MAX (1, p->cols / MIN_TILE)));
  p->n_tile_cols = clip_pieces (p->cols, p->tile_cols);
}

static void
run_packed (ClipTape *tape, Product *p)
{
  cut_packed (p);
  const ClipTapeMark mark = clip_tape_mark (tape);
  const int groups = clip_pieces (p->cols, CLIP_GROUP);
  p->packed = clip_tape_floats (tape, (gsize) groups * CLIP_GROUP * p->depth);
  clip_for_ranges (tape, pack_groups, p, groups, MAX (1, (1 << 10) / MAX (1, p->depth)));
  clip_threads_run (tape->threads, multiply_packed, p, p->n_tile_rows * p->n_tile_cols);
  clip_tape_release (tape, mark);
}

static void
run (ClipTape *tape, Product *p)
{
  if (p->rows == 0 || p->cols == 0)
    return;
  if (p->kernels->gemm && p->a.deep == 1)
    run_packed (tape, p);
  else
    run_tiles (tape, p);
}

void
clip_product_nt (ClipTape *tape, float *y, gsize y_stride, const float *x, gsize x_stride,
                 const float *w, gsize w_stride, const float *bias, int m, int n, int k,
                 gboolean add)
{
  Product p = {
    .kernels = tape->kernels,
    .multiply = multiply_nt,
    .b_turned = TRUE,
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
  Sum s = { tape->kernels, NULL, x, x_stride, rows, n, clip_pieces (rows, MIN (slices, rows)) };
  const int n_tasks = clip_pieces (rows, s.slice);
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
  clip_threads_run (tape->threads, run_range, &r, clip_pieces (n, grain));
}
