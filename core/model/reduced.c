/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/reduced.h"
#include "core/model/matrix.h"

#include <string.h>

static int
round_up (int n, int multiple)
{
  return (n + multiple - 1) / multiple * multiple;
}

/* --------------------------------------------------------------------------------------------------------- weights */

typedef struct {
  const ClipMatrix *matrix;
  int n; /* words of a row */
  guint32 *data;
  float *scales; /* of int8 */
  gint32 *sums;
} Packing;

/* A row to its place among those of its group. */
static void
scatter (const Packing *p, int row, const guint32 *words)
{
  guint32 *y = p->data + (gsize) (row / CLIP_GROUP) * CLIP_GROUP * p->n + row % CLIP_GROUP;
  for (int i = 0; i < p->n; i++)
    y[(gsize) i * CLIP_GROUP] = words[i];
}

static void
reduce_row_i8 (const Packing *p, int r, float *row, guint32 *words)
{
  const ClipMatrix *matrix = p->matrix;
  const int in = matrix->cols;
  gint8 *q = (gint8 *) words;
  if (matrix->dtype == CLIP_DTYPE_I8) {
    memcpy (q, (const gint8 *) matrix->data + (gsize) r * in, in);
    p->scales[r] = matrix->scales[r];
  } else {
    clip_matrix_row (clip_kernels (), row, matrix, r);
    p->scales[r] = clip_kernels ()->quantize_weights (q, row, in);
  }
  for (int i = 0; i < in; i++)
    p->sums[r] += q[i];
}

static void
reduce_row_bf16 (const Packing *p, int r, float *row, guint32 *words)
{
  clip_matrix_row (clip_kernels (), row, p->matrix, r);
  clip_kernels ()->f32_to_bf16 ((guint16 *) words, row, p->matrix->cols);
}

static void
pack_group (void *data, int task, int worker)
{
  const Packing *p = data;
  const int first = task * CLIP_GROUP, end = MIN (first + CLIP_GROUP, p->matrix->rows);
  g_autofree float *row = g_new (float, p->matrix->cols);
  g_autofree guint32 *words = g_new0 (guint32, p->n);
  for (int r = first; r < end; r++) {
    (p->scales ? reduce_row_i8 : reduce_row_bf16) (p, r, row, words);
    scatter (p, r, words);
  }
}

gboolean
clip_reduce_pack (ClipWeights *weights, ClipReduced *reduced, const ClipMatrix *matrix,
                  ClipPrecision precision)
{
  const gboolean i8 = precision == CLIP_PRECISION_INT8 && matrix->cols <= CLIP_GEMM_I8_MAX,
                 bf16 = precision == CLIP_PRECISION_BF16 && clip_kernels ()->gemm_bf16;
  if (!i8 && !bf16)
    return FALSE;
  const int numbers = i8 ? 4 : 2, n = (matrix->cols + numbers - 1) / numbers;
  guint32 *data =
      (guint32 *) clip_weights_keep (weights, (gsize) round_up (matrix->rows, CLIP_GROUP) * n);
  float *scales = i8 ? clip_weights_keep (weights, matrix->rows) : NULL;
  gint32 *sums = i8 ? (gint32 *) clip_weights_keep (weights, matrix->rows) : NULL;
  if (!data || (i8 && (!scales || !sums)))
    return FALSE;
  Packing packing = { matrix, n, data, scales, sums };
  clip_threads_run (clip_weights_get_threads (weights), pack_group, &packing,
                    round_up (matrix->rows, CLIP_GROUP) / CLIP_GROUP);
  *reduced = (ClipReduced){ precision, n, data, scales, sums };
  return TRUE;
}

/* ------------------------------------------------------------------------------------------------------------ rows */

/* Numbers that a task converts: some ten microseconds' worth. */
#define TASK_SIZE (1 << 16)

typedef struct {
  const ClipKernels *kernels;
  ClipPrecision precision;
  guint32 *y;
  gsize y_stride;
  ClipQuant *quant;
  const float *x;
  gsize x_stride;
  int n, rows, in; /* n: x side by side */
  int task_rows;
} Conversion;

static void
convert_some (void *data, int task, int worker)
{
  const Conversion *c = data;
  const int first = task * c->task_rows, end = MIN (first + c->task_rows, c->n * c->rows);
  const int numbers = c->precision == CLIP_PRECISION_INT8 ? 4 : 2;
  for (int r = first; r < end; r++) {
    guint32 *y = c->y + r * c->y_stride;
    const float *x = c->x + r % c->rows * c->x_stride + (gsize) (r / c->rows) * c->in;
    y[(c->in - 1) / numbers] = 0; /* what fills up the last word */
    if (c->precision == CLIP_PRECISION_INT8)
      c->kernels->quantize ((guint8 *) y, &c->quant[r], x, c->in);
    else
      c->kernels->f32_to_bf16 ((guint16 *) y, x, c->in);
  }
}

ClipReducedRows
clip_reduce_rows_each (ClipSession *session, const ClipReduced *reduced, const float *x,
                       gsize x_stride, int n, int rows, int in)
{
  /* A cache line between rows: they would share few sets of the cache where the inputs are a large power of two. */
  const int line = CLIP_ALIGNMENT / sizeof (guint32), stride = round_up (reduced->n, line) + line;
  const gsize all = (gsize) n * rows, size = all * stride * sizeof (guint32);
  clip_arena_reserve (&session->reduced, size + CLIP_ALIGNMENT + all * sizeof (ClipQuant));
  Conversion c = { .kernels = session->kernels,
                   .precision = reduced->precision,
                   .y = clip_arena_take (&session->reduced, size),
                   .y_stride = stride,
                   .quant = clip_arena_take (&session->reduced, all * sizeof (ClipQuant)),
                   .x = x,
                   .x_stride = x_stride,
                   .n = n,
                   .rows = rows,
                   .in = in,
                   .task_rows = MAX (TASK_SIZE / in, 1) };
  clip_threads_run (session->threads, convert_some, &c,
                    (int) ((all + c.task_rows - 1) / c.task_rows));
  return (ClipReducedRows){ c.y, stride, c.quant };
}

ClipReducedRows
clip_reduce_rows (ClipSession *session, const ClipReduced *reduced, const float *x, gsize x_stride,
                  int rows, int in)
{
  return clip_reduce_rows_each (session, reduced, x, x_stride, 1, rows, in);
}
