/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/linear.h"

#include "core/model/blas.h"

#include <math.h>
#include <string.h>

/* Outputs of a panel: four groups, the widest tile of any kernel. */
#define PANEL (4 * CLIP_GROUP)
/* Inputs that are multiplied at a time: a panel of them is 256 KiB, which fits every second-level cache. */
#define INPUTS 1024
/* Rows of x that a task multiplies: a multiple of every tile's; fewer where there would be less than MIN_TASKS tasks, as
 * long as each of them is worth a wake-up (a few microseconds, some 10⁵ multiplications). */
#define ROWS 480
#define ROWS_STEP 24
#define MIN_TASKS 16
#define MIN_TASK_SIZE (1 << 18)

typedef struct {
  ClipSession *session;
  float *y;
  gsize y_stride;
  const float *x;
  gsize x_stride;
  const ClipLinear *layers;
  int n_layers, rows;
  int block; /* rows of a block */
  int n_blocks, n_panels;
  ClipLinearOp op;
  gboolean each; /* layers have x of their own */
  ClipReducedRows
      reduced; /* x, where layers are reduced: one behind the other where there are several */
} Product;

gsize
clip_linear_scratch (int in)
{
  return (gsize) (PANEL + CLIP_GROUP) * in;
}

ClipLinearOp
clip_linear_op (ClipActivation activation)
{
  static const ClipLinearOp ops[] = {
    [CLIP_ACTIVATION_QUICK_GELU] = CLIP_LINEAR_QUICK_GELU,
    [CLIP_ACTIVATION_GELU] = CLIP_LINEAR_GELU,
    [CLIP_ACTIVATION_GELU_TANH] = CLIP_LINEAR_GELU_TANH,
    [CLIP_ACTIVATION_RELU6] = CLIP_LINEAR_RELU6,
  };
  return ops[activation];
}

/* --------------------------------------------------------------------------------------------------------- weights */

/* The weight in bf16, on the heap; FALSE where that is not to be. */
static gboolean
round_weight (ClipWeights *weights, ClipMatrix *w)
{
  const ClipKernels *kernels = clip_kernels ();
  guint16 *rounded = (guint16 *) clip_weights_alloc (weights, ((gsize) w->rows * w->cols + 1) / 2);
  g_autofree float *row = g_new (float, w->cols);
  for (int r = 0; rounded && r < w->rows; r++) {
    clip_matrix_row (kernels, row, w, r);
    kernels->f32_to_bf16 (rounded + (gsize) r * w->cols, row, w->cols);
  }
  if (!rounded)
    return FALSE;
  clip_weights_forget (weights, w);
  *w = (ClipMatrix){ CLIP_DTYPE_BF16, w->rows, w->cols, rounded, NULL };
  return TRUE;
}

typedef struct {
  const ClipMatrix *w;
  guint8 *packed;
} Packing;

static void
pack_group (void *data, int task, int worker)
{
  const Packing *packing = data;
  const ClipMatrix *w = packing->w;
  const gsize in = w->cols, element = clip_dtype_size (w->dtype);
  const int first = task * CLIP_GROUP, n = MIN (CLIP_GROUP, w->rows - first);
  const guint8 *rows = (const guint8 *) w->data + first * in * element;
  guint8 *group = packing->packed + first * in * element;
  if (w->dtype == CLIP_DTYPE_F32) {
    clip_kernels ()->pack ((float *) (void *) group, (const float *) (const void *) rows, in, n,
                           in);
    return;
  }
  for (int r = 0; r < n; r++)
    for (gsize c = 0; c < in; c++)
      memcpy (group + (c * CLIP_GROUP + r) * element, rows + (r * in + c) * element, element);
}

void
clip_linear_pack (ClipWeights *weights, ClipLinear *layer, ClipPrecision precision)
{
  ClipMatrix *w = &layer->weight;
  if (!w->data)
    return;
  if (clip_reduce_pack (weights, &layer->reduced, w, precision)) {
    clip_weights_forget (weights, w);
    return;
  }
  const gboolean rounded = precision == CLIP_PRECISION_BF16 && round_weight (weights, w);
  if (w->dtype == CLIP_DTYPE_I8 || !clip_kernels ()->gemm)
    return;
  const gsize in = w->cols, element = clip_dtype_size (w->dtype),
              n = (gsize) clip_pieces (w->rows, CLIP_GROUP) * CLIP_GROUP * in;
  guint8 *packed = (guint8 *) clip_weights_keep (weights, n * element / sizeof (float));
  if (!packed)
    return;
  Packing packing = { w, packed };
  clip_threads_run (clip_weights_get_threads (weights), pack_group, &packing,
                    clip_pieces (w->rows, CLIP_GROUP));
  layer->packed = packed;
  if (rounded) {
    clip_weights_release (weights, (float *) w->data, (w->rows * in + 1) / 2);
    w->data = NULL;
  } else {
    clip_weights_forget (weights, w);
  }
}

void
clip_linear_pack_own (ClipWeights *weights, ClipLinear *layer, ClipPrecision precision)
{
  const ClipMatrix w = layer->weight;
  clip_linear_pack (weights, layer, precision);
  if (layer->packed || layer->reduced.data) {
    clip_weights_release (weights, (float *) w.data, (gsize) w.rows * w.cols);
    layer->weight.data = NULL;
  }
}

/* The @k inputs from @from on of the outputs first … first + n - 1, packed: in place, or in @scratch. */
static const float *
packed_panel (const ClipKernels *kernels, float *scratch, gsize *stride, const ClipLinear *layer,
              int first, int n, int from, int k)
{
  const ClipMatrix *w = &layer->weight;
  const gsize group_size = (gsize) CLIP_GROUP * w->cols,
              start = first / CLIP_GROUP * group_size + (gsize) from * CLIP_GROUP;
  if (layer->packed && w->dtype == CLIP_DTYPE_F32) {
    *stride = group_size;
    return (const float *) layer->packed + start;
  }
  *stride = (gsize) CLIP_GROUP * k;
  float *rows = scratch + (gsize) PANEL * k; /* [16, k] */
  for (int group = 0; group < clip_pieces (n, CLIP_GROUP); group++) {
    float *y = scratch + group * *stride;
    if (layer->packed) {
      clip_expand (kernels, y, w->dtype, layer->packed, start + group * group_size, *stride, 1);
      continue;
    }
    const int row = first + group * CLIP_GROUP, n_rows = MIN (CLIP_GROUP, w->rows - row);
    if (w->dtype == CLIP_DTYPE_F32) {
      kernels->pack (y, (const float *) w->data + (gsize) row * w->cols + from, w->cols, n_rows, k);
      continue;
    }
    for (int r = 0; r < n_rows; r++)
      clip_matrix_columns (kernels, rows + (gsize) r * k, w, row + r, from, k);
    kernels->pack (y, rows, k, n_rows, k);
  }
  return scratch;
}

/* The outputs first … first + n - 1 as rows of floats: in place, or in @scratch. */
static const float *
panel_rows (const ClipKernels *kernels, float *scratch, const ClipMatrix *matrix, int first, int n)
{
  if (matrix->dtype == CLIP_DTYPE_F32)
    return (const float *) matrix->data + (gsize) first * matrix->cols;
  for (int r = 0; r < n; r++)
    clip_matrix_row (kernels, scratch + (gsize) r * matrix->cols, matrix, first + r);
  return scratch;
}

/* --------------------------------------------------------------------------------------------------------- product */

static gboolean
adds (ClipLinearOp op)
{
  return op == CLIP_LINEAR_ADD || op == CLIP_LINEAR_ADD_RELU;
}

static void
activate (const ClipKernels *kernels, float *y, gsize y_stride, int rows, int n, ClipLinearOp op)
{
  void (*const functions[]) (float *x, gsize n) = {
    [CLIP_LINEAR_STORE] = NULL,
    [CLIP_LINEAR_ADD] = NULL,
    [CLIP_LINEAR_QUICK_GELU] = kernels->quick_gelu,
    [CLIP_LINEAR_GELU] = kernels->gelu,
    [CLIP_LINEAR_GELU_TANH] = kernels->gelu_tanh,
    [CLIP_LINEAR_RELU6] = kernels->relu6,
    [CLIP_LINEAR_RELU] = kernels->relu,
    [CLIP_LINEAR_ADD_RELU] = kernels->relu,
  };
  for (int r = 0; functions[op] && r < rows; r++)
    functions[op](y + r * y_stride, n);
}

/* Clamping costs the product nothing. */
static gboolean
clamps (ClipLinearOp op)
{
  return op == CLIP_LINEAR_RELU6 || op == CLIP_LINEAR_RELU || op == CLIP_LINEAR_ADD_RELU;
}

static void
part_by_gemm (const ClipKernels *kernels, float *scratch, float *y, gsize y_stride, const float *x,
              gsize x_stride, const ClipLinear *layer, ClipLinearPart part, int rows,
              ClipLinearOp op)
{
  const gboolean last = part.from + part.k == layer->weight.cols;
  ClipGemm gemm = {
    .y = y,
    .y_stride = y_stride,
    .x = x,
    .x_stride = x_stride,
    .bias = layer->bias && part.from == 0 ? layer->bias + part.first : NULL,
    .rows = rows,
    .n = part.n,
    .k = part.k,
    .add = adds (op) || part.from > 0,
    .low = last && clamps (op) ? 0 : -INFINITY,
    .high = last && op == CLIP_LINEAR_RELU6 ? 6 : INFINITY,
  };
  gemm.w =
      packed_panel (kernels, scratch, &gemm.w_stride, layer, part.first, part.n, part.from, part.k);
  kernels->gemm (&gemm);
  if (last && !clamps (op))
    activate (kernels, y, y_stride, rows, part.n, op);
}

static void
part_by_blas (const ClipKernels *kernels, float *scratch, float *y, gsize y_stride, const float *x,
              gsize x_stride, const ClipLinear *layer, ClipLinearPart part, int rows,
              ClipLinearOp op)
{
  const int in = layer->weight.cols;
  const float *w = panel_rows (kernels, scratch, &layer->weight, part.first, part.n) + part.from;
  clip_sgemm_nt (y, y_stride, x, x_stride, w, in, rows, part.n, part.k, 1,
                 adds (op) || part.from > 0);
  for (int r = 0; layer->bias && part.from == 0 && r < rows; r++)
    kernels->add (y + r * y_stride, layer->bias + part.first, part.n);
  if (part.from + part.k == in)
    activate (kernels, y, y_stride, rows, part.n, op);
}

/* A layer, and which of its panels the product's panel @panel is. */
static const ClipLinear *
find_panel (const Product *p, int *panel, float **y)
{
  const ClipLinear *layer = p->layers;
  *y = p->y;
  for (int n; *panel >= (n = clip_pieces (layer->weight.rows, PANEL)); layer++) {
    *panel -= n;
    *y += layer->weight.rows;
  }
  return layer;
}

static void
multiply_reduced (const Product *p, const ClipLinear *layer, int panel, float *y, int top, int rows)
{
  const ClipKernels *kernels = p->session->kernels;
  const ClipReduced *reduced = &layer->reduced;
  const gsize x_row = (p->each ? (gsize) (layer - p->layers) * p->rows : 0) + top;
  const int first = panel * PANEL, n = MIN (PANEL, layer->weight.rows - first);
  const gsize stride = (gsize) reduced->n * CLIP_GROUP;
  const gboolean i8 = reduced->precision == CLIP_PRECISION_INT8;
  const guint32 *w = reduced->data + first / CLIP_GROUP * stride;
  y += top * p->y_stride + first;
  const ClipGemmNarrow gemm = {
    .y = y,
    .y_stride = p->y_stride,
    .x = p->reduced.data + x_row * p->reduced.stride,
    .x_stride = p->reduced.stride,
    .w = w,
    .w_stride = stride,
    .next = first + 2 * PANEL <= layer->weight.rows ? w + PANEL / CLIP_GROUP * stride : NULL,
    .quant = i8 ? p->reduced.quant + x_row : NULL,
    .scales = i8 ? reduced->scales + first : NULL,
    .sums = i8 ? reduced->sums + first : NULL,
    .bias = layer->bias ? layer->bias + first : NULL,
    .rows = rows,
    .n = n,
    .runs = 1,
    .words = reduced->n,
    .add = adds (p->op),
    .low = clamps (p->op) ? 0 : -INFINITY,
    .high = p->op == CLIP_LINEAR_RELU6 ? 6 : INFINITY,
  };
  (i8 ? kernels->gemm_i8 : kernels->gemm_bf16) (&gemm);
  if (!clamps (p->op))
    activate (kernels, y, p->y_stride, rows, n, p->op);
}

/* One panel of one layer, times one block of rows. */
static void
multiply (void *data, int task, int worker)
{
  const Product *p = data;
  const ClipKernels *kernels = p->session->kernels;
  const int block = task % p->n_blocks, top = block * p->block,
            rows = block + 1 < p->n_blocks ? p->block : p->rows - top;
  int panel = task / p->n_blocks;
  float *y;
  const ClipLinear *layer = find_panel (p, &panel, &y);
  if (layer->reduced.data) {
    multiply_reduced (p, layer, panel, y, top, rows);
    return;
  }
  const int in = layer->weight.cols, step = kernels->gemm ? INPUTS : in;
  const float *x = p->x + (p->each ? (layer - p->layers) * in : 0) + top * p->x_stride;
  ClipLinearPart part = { .first = panel * PANEL };
  part.n = MIN (PANEL, layer->weight.rows - part.first);
  for (; part.from < in; part.from += step) {
    part.k = MIN (step, in - part.from);
    (kernels->gemm ? part_by_gemm : part_by_blas) (
        kernels, clip_session_scratch (p->session, worker), y + top * p->y_stride + part.first,
        p->y_stride, x + part.from, p->x_stride, layer, part, rows, p->op);
  }
}

void
clip_linear_part (const ClipKernels *kernels, float *y, gsize y_stride, const float *x,
                  gsize x_stride, const ClipLinear *layer, ClipLinearPart part, int rows,
                  ClipLinearOp op)
{
  g_assert (layer->weight.dtype == CLIP_DTYPE_F32 && !layer->packed == !kernels->gemm);
  (kernels->gemm ? part_by_gemm : part_by_blas) (kernels, NULL, y, y_stride, x, x_stride, layer,
                                                 part, rows, op);
}

static int
block_rows (int rows, int n_panels, int in)
{
  const int wanted = clip_pieces (rows, clip_pieces (MIN_TASKS, n_panels)),
            least = clip_pieces (MIN_TASK_SIZE, PANEL * in);
  return MIN (clip_pieces (MAX (wanted, least), ROWS_STEP) * ROWS_STEP, ROWS);
}

static void
run (Product *p)
{
  const ClipLinear *layers = p->layers;
  for (int i = 0; i < p->n_layers; i++) {
    p->n_panels += clip_pieces (layers[i].weight.rows, PANEL);
    clip_session_count (p->session,
                        (guint64) p->rows * layers[i].weight.rows * layers[i].weight.cols);
  }
  p->block = block_rows (p->rows, p->n_panels, layers->weight.cols);
  p->n_blocks =
      clip_pieces (MAX (p->rows - ROWS_STEP / 2, 1), p->block); /* the last has a short rest */
  clip_threads_run (p->session->threads, multiply, p, p->n_panels * p->n_blocks);
}

void
clip_linear (ClipSession *session, float *y, gsize y_stride, const float *x, gsize x_stride,
             const ClipLinear *layers, int n, int rows, ClipLinearOp op)
{
  Product p = { session, y, y_stride, x, x_stride, layers, n, rows, .op = op };
  if (layers->reduced.data)
    p.reduced =
        clip_reduce_rows (session, &layers->reduced, x, x_stride, rows, layers->weight.cols);
  run (&p);
}

void
clip_linear_each (ClipSession *session, float *y, gsize y_stride, const float *x, gsize x_stride,
                  const ClipLinear *layers, int n, int rows, ClipLinearOp op)
{
  Product p = { session, y, y_stride, x, x_stride, layers, n, rows, .op = op, .each = TRUE };
  if (layers->reduced.data)
    p.reduced = clip_reduce_rows_each (session, &layers->reduced, x, x_stride, n, rows,
                                       layers->weight.cols);
  run (&p);
}

void
clip_linear_reduced (ClipSession *session, float *y, gsize y_stride, ClipReducedRows x,
                     const ClipLinear *layer, int rows, ClipLinearOp op)
{
  Product p = { session,      y,        y_stride,    .layers = layer, .n_layers = 1,
                .rows = rows, .op = op, .reduced = x };
  run (&p);
}
