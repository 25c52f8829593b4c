/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/linear.h"

#include "core/model/blas.h"

#include <string.h>

/* Output rows of a panel: 192 × 768 floats are 576 KiB, within the second-level cache of today's
 * processors (1 to 2 MiB); halved from there on while the inputs of a layer make a panel larger.
 * docs/performance.md has the measurements. */
#define PANEL_ROWS 192
#define PANEL_FLOATS (192 * 1024)
/* Rows of x that one task multiplies. */
#define BLOCK_ROWS 512

typedef struct {
  ClipSession *session;
  float *y;
  gsize y_stride;
  const float *x;
  gsize x_stride;
  const ClipLinear *layers;
  int n_layers, rows;
  int panel;    /* output rows of a panel */
  int n_blocks; /* of rows of x */
  ClipLinearOp op;
} Product;

static int
pieces (int n, int size)
{
  return (n + size - 1) / size;
}

static int
panel_rows (int in)
{
  int rows = PANEL_ROWS;
  while (rows > 16 && (gsize) rows * in > PANEL_FLOATS)
    rows /= 2;
  return rows;
}

gsize
clip_linear_scratch (int in)
{
  return (gsize) panel_rows (in) * in;
}

ClipLinearOp
clip_linear_op (ClipActivation activation)
{
  static const ClipLinearOp ops[] = {
    [CLIP_ACTIVATION_QUICK_GELU] = CLIP_LINEAR_QUICK_GELU,
    [CLIP_ACTIVATION_GELU] = CLIP_LINEAR_GELU,
    [CLIP_ACTIVATION_RELU6] = CLIP_LINEAR_RELU6,
  };
  return ops[activation];
}

/* y[n] = elements @start … of the matrix's data, without a row's scale. */
static void
expand (const ClipKernels *kernels, float *y, const ClipMatrix *matrix, gsize start, gsize n,
        float scale)
{
  switch (matrix->dtype) {
  case CLIP_DTYPE_F16:
    kernels->f16_to_f32 (y, (const guint16 *) matrix->data + start, n);
    break;
  case CLIP_DTYPE_BF16:
    kernels->bf16_to_f32 (y, (const guint16 *) matrix->data + start, n);
    break;
  case CLIP_DTYPE_I8:
    kernels->i8_to_f32 (y, (const gint8 *) matrix->data + start, scale, n);
    break;
  default:
    memcpy (y, (const float *) matrix->data + start, n * sizeof *y);
  }
}

void
clip_matrix_row (const ClipKernels *kernels, float *y, const ClipMatrix *matrix, int row)
{
  const gsize cols = matrix->cols;
  expand (kernels, y, matrix, row * cols, cols, matrix->scales ? matrix->scales[row] : 1);
}

/* The rows [first, first + n) of a matrix as floats: in place, or in @scratch. */
static const float *
matrix_panel (const ClipKernels *kernels, float *scratch, const ClipMatrix *matrix, int first,
              int n)
{
  const gsize cols = matrix->cols;
  if (matrix->dtype == CLIP_DTYPE_F32)
    return (const float *) matrix->data + first * cols;
  for (int r = 0; r < n; r++)
    clip_matrix_row (kernels, scratch + r * cols, matrix, first + r);
  return scratch;
}

static void
finish (const ClipKernels *kernels, float *y, const float *bias, int n, ClipLinearOp op)
{
  if (bias)
    kernels->add (y, bias, n);
  switch (op) {
  case CLIP_LINEAR_QUICK_GELU:
    kernels->quick_gelu (y, n);
    break;
  case CLIP_LINEAR_GELU:
    kernels->gelu (y, n);
    break;
  case CLIP_LINEAR_RELU6:
    kernels->relu6 (y, n);
    break;
  case CLIP_LINEAR_STORE:
  case CLIP_LINEAR_ADD:
    break;
  }
}

/* One panel of one layer, times one block of rows. */
static void
multiply (void *data, int task, int worker)
{
  const Product *p = data;
  const ClipKernels *kernels = p->session->kernels;
  const int block = task % p->n_blocks;
  int panel = task / p->n_blocks;

  float *y = p->y;
  const ClipLinear *layer = p->layers;
  for (int n; panel >= (n = pieces (layer->weight.rows, p->panel)); layer++) {
    panel -= n;
    y += layer->weight.rows;
  }
  const int first = panel * p->panel, n = MIN (p->panel, layer->weight.rows - first),
            in = layer->weight.cols;
  const int top = block * BLOCK_ROWS, rows = MIN (BLOCK_ROWS, p->rows - top);

  const float *w =
      matrix_panel (kernels, clip_session_scratch (p->session, worker), &layer->weight, first, n);
  y += top * p->y_stride + first;
  clip_sgemm_nt (y, p->y_stride, p->x + top * p->x_stride, p->x_stride, w, in, rows, n, in, 1,
                 p->op == CLIP_LINEAR_ADD);
  if (layer->bias || p->op > CLIP_LINEAR_ADD)
    for (int r = 0; r < rows; r++)
      finish (kernels, y + r * p->y_stride, layer->bias ? layer->bias + first : NULL, n, p->op);
}

void
clip_linear (ClipSession *session, float *y, gsize y_stride, const float *x, gsize x_stride,
             const ClipLinear *layers, int n, int rows, ClipLinearOp op)
{
  Product product = {
    session,
    y,
    y_stride,
    x,
    x_stride,
    layers,
    n,
    rows,
    panel_rows (layers->weight.cols),
    pieces (rows, BLOCK_ROWS),
    op,
  };
  int n_panels = 0;
  for (int i = 0; i < n; i++)
    n_panels += pieces (layers[i].weight.rows, product.panel);
  clip_threads_run (session->threads, multiply, &product, n_panels * product.n_blocks);
}
