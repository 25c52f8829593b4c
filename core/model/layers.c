/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/layers.h"

#include <string.h>

ClipLinear
clip_bind_linear (ClipWeights *weights, int out, int in, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *name = g_strdup_vprintf (format, args);
  va_end (args);
  return (ClipLinear){
    .weight = clip_weights_matrix (weights, out, in, "%s.weight", name),
    .bias = clip_weights_vector (weights, out, "%s.bias", name),
  };
}

ClipNorm
clip_bind_norm (ClipWeights *weights, int width, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *name = g_strdup_vprintf (format, args);
  va_end (args);
  return (ClipNorm){
    clip_weights_vector (weights, width, "%s.weight", name),
    clip_weights_vector (weights, width, "%s.bias", name),
  };
}

/* A task is a few rows: a wake-up costs as much as normalising some ten of them. */
#define NORM_ROWS 16

typedef struct {
  const ClipKernels *kernels;
  float *y;
  gsize y_stride;
  const float *x;
  gsize x_stride;
  const ClipNorm *norm;
  float epsilon;
  int width, rows;
} Norm;

static void
norm_some (void *data, int task, int worker)
{
  const Norm *n = data;
  const int end = MIN ((task + 1) * NORM_ROWS, n->rows);
  for (int r = task * NORM_ROWS; r < end; r++)
    n->kernels->layer_norm (n->y + r * n->y_stride, n->x + r * n->x_stride, n->norm->weight,
                            n->norm->bias, n->epsilon, n->width);
}

void
clip_norm_rows (ClipSession *session, float *y, gsize y_stride, const float *x, gsize x_stride,
                const ClipNorm *norm, float epsilon, int width, int rows)
{
  Norm n = { session->kernels, y, y_stride, x, x_stride, norm, epsilon, width, rows };
  clip_threads_run (session->threads, norm_some, &n, (rows + NORM_ROWS - 1) / NORM_ROWS);
}

void
clip_gather_rows (float *y, const float *x, const int *rows, int n, int width)
{
  for (int i = 0; i < n; i++)
    memcpy (y + (gsize) i * width, x + (gsize) rows[i] * width, width * sizeof *y);
}

void
clip_mean_rows (const ClipKernels *kernels, float *y, const float *x, int rows, int width)
{
  memset (y, 0, width * sizeof *y);
  for (int r = 0; r < rows; r++)
    kernels->add (y, x + (gsize) r * width, width);
  for (int c = 0; c < width; c++)
    y[c] /= rows;
}

int
clip_text_length (const gint32 *ids, int length, int vocabulary, int end_token)
{
  int end = 0;
  for (int i = 0; i < length; i++) {
    const int id = clip_token_row (vocabulary, ids[i]);
    if (end_token && id == end_token)
      return i + 1;
    if (!end_token && id > clip_token_row (vocabulary, ids[end]))
      end = i;
  }
  return end + 1;
}
