/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/layers.h"

#include "core/train/product.h"

#include <string.h>

/* Floats that a task of a loop over floats works on: some microseconds of work. */
#define GRAIN (1 << 14)

static int
grain_of (int width)
{
  return MAX (1, GRAIN / width);
}

/* ------------------------------------------------------------------------------------------ linear */

ClipTrainLinear
clip_train_linear_add (ClipParameters *parameters, ClipPart part, int block, int out, int in,
                       const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *name = g_strdup_vprintf (format, args);
  va_end (args);
  const ClipParameterSpec weight = { part, block, .decay = TRUE, .n_dims = 2,
                                     .shape = { out, in } },
                          bias = { part, block, .n_dims = 1, .shape = { out } };
  return (ClipTrainLinear){
    .weight = clip_parameters_add (parameters, weight, "%s.weight", name),
    .bias = clip_parameters_add (parameters, bias, "%s.bias", name),
    .out = out,
    .in = in,
  };
}

ClipTrainLinear
clip_train_linear_rows (const ClipTrainLinear *layer, int first, int n)
{
  return (ClipTrainLinear){ layer->weight, layer->bias, layer->first + first, n, layer->in };
}

static const float *
weight_of (const ClipTrainLinear *layer)
{
  return layer->weight->value + (gsize) layer->first * layer->in;
}

void
clip_train_linear_forward (ClipTape *tape, float *y, gsize y_stride, const float *x, gsize x_stride,
                           const ClipTrainLinear *layer, int rows, gboolean add)
{
  clip_product_nt (tape, y, y_stride, x, x_stride, weight_of (layer), layer->in,
                   layer->bias ? layer->bias->value + layer->first : NULL, rows, layer->out,
                   layer->in, add);
}

void
clip_train_linear_backward (ClipTape *tape, float *dx, gsize dx_stride, const float *dy,
                            gsize dy_stride, const float *x, gsize x_stride,
                            const ClipTrainLinear *layer, int rows, gboolean add)
{
  const int out = layer->out, in = layer->in;
  if (layer->weight->gradient)
    clip_product_tn (tape, layer->weight->gradient + (gsize) layer->first * in, in, dy, dy_stride,
                     x, x_stride, out, in, rows, TRUE);
  if (layer->bias && layer->bias->gradient)
    clip_sum_rows (tape, layer->bias->gradient + layer->first, dy, dy_stride, rows, out);
  if (dx)
    clip_product_nn (tape, dx, dx_stride, dy, dy_stride, weight_of (layer), in, rows, in, out, add);
}

/* --------------------------------------------------------------------------------------- LayerNorm */

ClipTrainNorm
clip_train_norm_add (ClipParameters *parameters, ClipPart part, int block, int width,
                     const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *name = g_strdup_vprintf (format, args);
  va_end (args);
  const ClipParameterSpec spec = { part, block, .n_dims = 1, .shape = { width } };
  return (ClipTrainNorm){
    clip_parameters_add (parameters, spec, "%s.weight", name),
    clip_parameters_add (parameters, spec, "%s.bias", name),
  };
}

typedef struct {
  const ClipKernels *kernels;
  float *y; /* or dx */
  const float *dy, *x;
  const float *weight, *bias;
  float *partial; /* [tasks, 2, C]: gradients of weight and bias */
  float epsilon;
  int width, rows, slice;
  gboolean add;
} Norm;

static void
norm_range (void *data, int first, int end)
{
  const Norm *n = data;
  for (int r = first; r < end; r++)
    n->kernels->layer_norm (n->y + (gsize) r * n->width, n->x + (gsize) r * n->width, n->weight,
                            n->bias, n->epsilon, n->width);
}

void
clip_train_norm_forward (ClipTape *tape, float *y, const float *x, const ClipTrainNorm *norm,
                         float epsilon, int width, int rows)
{
  Norm n = {
    .kernels = tape->kernels,
    .y = y,
    .x = x,
    .weight = norm->weight->value,
    .bias = norm->bias->value,
    .epsilon = epsilon,
    .width = width,
  };
  clip_for_ranges (tape, norm_range, &n, rows, grain_of (width));
}

static void
norm_slice_backward (void *data, int task, int worker)
{
  const Norm *n = data;
  float *dweight = n->partial + (gsize) task * 2 * n->width, *dbias = dweight + n->width;
  memset (dweight, 0, 2 * n->width * sizeof *dweight);
  const int first = task * n->slice, end = MIN (first + n->slice, n->rows);
  for (gsize r = first; r < (gsize) end; r++)
    n->kernels->layer_norm_backward (n->y + r * n->width, dweight, dbias, n->dy + r * n->width,
                                     n->x + r * n->width, n->weight, n->epsilon, n->add, n->width);
}

void
clip_train_norm_backward (ClipTape *tape, float *dx, const float *dy, const float *x,
                          const ClipTrainNorm *norm, float epsilon, int width, int rows,
                          gboolean add)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  /* 16 tasks, so that there is little to sum up; fewer where that is not worth it */
  const int slice = MAX ((rows + 15) / 16, grain_of (width)), tasks = (rows + slice - 1) / slice;
  Norm n = {
    .kernels = tape->kernels,
    .y = dx,
    .dy = dy,
    .x = x,
    .weight = norm->weight->value,
    .partial = clip_tape_floats (tape, (gsize) tasks * 2 * width),
    .epsilon = epsilon,
    .width = width,
    .rows = rows,
    .slice = slice,
    .add = add,
  };
  clip_threads_run (tape->threads, norm_slice_backward, &n, tasks);
  for (int i = 0; i < tasks; i++) {
    const float *dweight = n.partial + (gsize) i * 2 * width;
    if (norm->weight->gradient)
      tape->kernels->add (norm->weight->gradient, dweight, width);
    if (norm->bias->gradient)
      tape->kernels->add (norm->bias->gradient, dweight + width, width);
  }
  clip_tape_release (tape, mark);
}

/* -------------------------------------------------------------------------------------- activation */

#define CHUNK 1024 /* floats: stay in the first-level cache between copying and f */

typedef struct {
  float *y; /* or d */
  float *x;
  const float *in;
  gsize n;
  void (*forward) (float *x, gsize n);
  void (*backward) (float *d, float *x, gsize n);
} Activation;

static int
n_chunks (gsize n)
{
  return (n + CHUNK - 1) / CHUNK;
}

static void
activate_range (void *data, int first, int end)
{
  const Activation *a = data;
  for (gsize i = (gsize) first * CHUNK; i < MIN ((gsize) end * CHUNK, a->n); i += CHUNK) {
    const gsize n = MIN (CHUNK, a->n - i);
    memcpy (a->y + i, a->in + i, n * sizeof *a->y);
    a->forward (a->y + i, n);
  }
}

void
clip_train_activation_forward (ClipTape *tape, float *y, const float *x, ClipActivation activation,
                               gsize n)
{
  Activation a = {
    .y = y,
    .in = x,
    .n = n,
    .forward =
        activation == CLIP_ACTIVATION_QUICK_GELU ? tape->kernels->quick_gelu : tape->kernels->gelu,
  };
  clip_for_ranges (tape, activate_range, &a, n_chunks (n), GRAIN / CHUNK);
}

static void
activate_range_backward (void *data, int first, int end)
{
  const Activation *a = data;
  const gsize start = (gsize) first * CHUNK;
  a->backward (a->y + start, a->x + start, MIN ((gsize) end * CHUNK, a->n) - start);
}

void
clip_train_activation_backward (ClipTape *tape, float *d, float *x, ClipActivation activation,
                                gsize n)
{
  Activation a = {
    .y = d,
    .x = x,
    .n = n,
    .backward = activation == CLIP_ACTIVATION_QUICK_GELU ? tape->kernels->quick_gelu_backward
                                                         : tape->kernels->gelu_backward,
  };
  clip_for_ranges (tape, activate_range_backward, &a, n_chunks (n), GRAIN / CHUNK);
}

/* --------------------------------------------------------------------------------------- embedding */

/* Columns that a task adds up: rows of a table may meet, columns do not. */
#define COLUMNS 32

typedef struct {
  const ClipKernels *kernels;
  float *x;
  const float *dx;
  const ClipLookup *lookups;
  int n, width, rows;
} Embedding;

static gsize
row_of (const Embedding *e, int table, int row)
{
  const int *index = e->lookups[table].index;
  return (gsize) (index ? index[row] : 0) * e->width;
}

static void
embed_range (void *data, int first, int end)
{
  const Embedding *e = data;
  for (int r = first; r < end; r++) {
    float *x = e->x + (gsize) r * e->width;
    memcpy (x, e->lookups[0].table->value + row_of (e, 0, r), e->width * sizeof *x);
    for (int i = 1; i < e->n; i++)
      e->kernels->add (x, e->lookups[i].table->value + row_of (e, i, r), e->width);
  }
}

void
clip_train_embed_forward (ClipTape *tape, float *x, const ClipLookup *lookups, int n, int width,
                          int rows)
{
  Embedding e = { tape->kernels, x, NULL, lookups, n, width, rows };
  clip_for_ranges (tape, embed_range, &e, rows, grain_of (width));
}

static void
embed_range_backward (void *data, int first, int end)
{
  const Embedding *e = data;
  for (int i = 0; i < e->n; i++) {
    float *gradient = e->lookups[i].table->gradient;
    for (int r = 0; gradient && r < e->rows; r++)
      e->kernels->add (gradient + row_of (e, i, r) + first, e->dx + (gsize) r * e->width + first,
                       end - first);
  }
}

void
clip_train_embed_backward (ClipTape *tape, const float *dx, const ClipLookup *lookups, int n,
                           int width, int rows)
{
  Embedding e = { tape->kernels, NULL, dx, lookups, n, width, rows };
  clip_for_ranges (tape, embed_range_backward, &e, width, COLUMNS);
}

/* -------------------------------------------------------------------------------------------- rows */

typedef struct {
  float *y;
  const float *x;
  gsize n;
} Copy;

static void
copy_range (void *data, int first, int end)
{
  const Copy *c = data;
  const gsize start = (gsize) first * CHUNK;
  memcpy (c->y + start, c->x + start, (MIN ((gsize) end * CHUNK, c->n) - start) * sizeof *c->y);
}

void
clip_train_copy (ClipTape *tape, float *y, const float *x, gsize n)
{
  Copy c = { y, x, n };
  clip_for_ranges (tape, copy_range, &c, n_chunks (n), 4 * GRAIN / CHUNK);
}

void
clip_train_scatter_rows (ClipTape *tape, float *y, const float *x, const int *rows, int n,
                         int width)
{
  for (int i = 0; i < n; i++)
    tape->kernels->add (y + (gsize) rows[i] * width, x + (gsize) i * width, width);
}

int
clip_train_deepest (const ClipParameters *parameters, ClipPart part)
{
  int deepest = G_MAXINT;
  for (guint i = 0; i < parameters->list->len; i++) {
    const ClipParameter *p = parameters->list->pdata[i];
    if (p->spec.part == part && p->trained)
      deepest = MIN (deepest, p->spec.block);
  }
  return deepest;
}
