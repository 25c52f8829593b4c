/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/pooling.h"

#include "core/model/blas.h"

#include <math.h>
#include <string.h>

/* Features of a task that makes means. */
#define PANEL (4 * CLIP_GROUP)

/* ------------------------------------------------------------------------------------------------------------ binding */

/* The rows first … first + n - 1, as they lie */
static ClipMatrix
rows_of (const ClipMatrix *matrix, int first, int n)
{
  ClipMatrix part = *matrix;
  part.rows = n;
  part.data = (const guint8 *) matrix->data +
              (gsize) first * matrix->cols * clip_dtype_size (matrix->dtype);
  part.scales = matrix->scales ? matrix->scales + first : NULL;
  return part;
}

/* The same rows as columns, in float32. */
static ClipMatrix
columns_of (ClipWeights *weights, const ClipMatrix *matrix, int first, int n)
{
  float *transposed = clip_weights_alloc (weights, (gsize) n * matrix->cols);
  g_autofree float *row = g_new (float, matrix->cols);
  for (int r = 0; transposed && r < n; r++) {
    clip_matrix_row (clip_kernels (), row, matrix, first + r);
    for (int c = 0; c < matrix->cols; c++)
      transposed[(gsize) c * n + r] = row[c];
  }
  return (ClipMatrix){ CLIP_DTYPE_F32, matrix->cols, n, transposed, NULL };
}

static void
bind_keys (ClipPooling *pooling, ClipWeights *weights, ClipPrecision precision,
           const ClipMatrix *matrix)
{
  const int n = pooling->features / pooling->heads;
  for (int h = 0; h < pooling->heads; h++) {
    ClipLinear *layer = &pooling->keys[h];
    layer->weight = columns_of (weights, matrix, h * n, n);
    clip_linear_pack_own (weights, layer, precision);
  }
  clip_weights_forget (weights, matrix);
}

void
clip_pooling_bind (ClipPooling *pooling, ClipWeights *weights, ClipPrecision precision,
                   const char *prefix)
{
  const int features = pooling->features, n = features / pooling->heads;
  pooling->query = clip_bind_linear (weights, features, features, "%sq_proj", prefix);
  const ClipLinear keys = clip_bind_linear (weights, features, features, "%sk_proj", prefix),
                   values = clip_bind_linear (weights, features, features, "%sv_proj", prefix);
  if (!clip_weights_ok (weights, NULL))
    return;
  pooling->keys = g_new0 (ClipLinear, pooling->heads);
  pooling->values = g_new0 (ClipLinear, pooling->heads);
  clip_linear_pack (weights, &pooling->query, precision);
  bind_keys (pooling, weights, precision, &keys.weight);
  for (int h = 0; h < pooling->heads; h++) {
    pooling->values[h] =
        (ClipLinear){ .weight = rows_of (&values.weight, h * n, n), .bias = values.bias + h * n };
    clip_linear_pack (weights, &pooling->values[h], precision);
  }
}

void
clip_pooling_clear (ClipPooling *pooling)
{
  g_free (pooling->keys);
  g_free (pooling->values);
}

/* ------------------------------------------------------------------------------------------------------------ running */

void
clip_pooling_layout (ClipArena *arena, ClipPoolingWorkspace *w, const ClipPooling *pooling,
                     int batch)
{
  const gsize rows = (gsize) batch * pooling->heads;
  w->q = clip_arena_floats (arena, (gsize) batch * pooling->features);
  w->u = clip_arena_floats (arena, rows * pooling->features);
  w->scores = clip_arena_floats (arena, rows * pooling->tokens);
}

gsize
clip_pooling_scratch (const ClipPooling *pooling)
{
  return MAX (clip_linear_scratch (pooling->features),
              MAX ((gsize) CLIP_GROUP * pooling->features, (gsize) PANEL * pooling->tokens));
}

typedef struct {
  ClipSession *session;
  const ClipPoolingWorkspace *w;
  const float *x;
  const ClipPooling *pooling;
  int n_parts;
} Work;

/* scores[H, tokens] of a group of a picture's tokens: these are a product's weights. */
static void
score_some (void *data, int task, int worker)
{
  const Work *work = data;
  const ClipPooling *pooling = work->pooling;
  const ClipKernels *kernels = work->session->kernels;
  const int image = task / work->n_parts, first = task % work->n_parts * CLIP_GROUP,
            n = MIN (CLIP_GROUP, pooling->tokens - first), features = pooling->features;
  const float *x = work->x + ((gsize) image * pooling->tokens + first) * features;
  ClipGemm gemm = {
    .y = work->w->scores + (gsize) image * pooling->heads * pooling->tokens + first,
    .y_stride = pooling->tokens,
    .x = work->w->u + (gsize) image * pooling->heads * features,
    .x_stride = features,
    .rows = pooling->heads,
    .n = n,
    .k = features,
    .low = -INFINITY,
    .high = INFINITY,
  };
  if (!kernels->gemm) {
    clip_sgemm_nt (gemm.y, gemm.y_stride, gemm.x, gemm.x_stride, x, features, gemm.rows, n, gemm.k,
                   1, FALSE);
    return;
  }
  float *packed = clip_session_scratch (work->session, worker);
  kernels->pack (packed, x, features, n, features);
  gemm.w = packed;
  gemm.w_stride = (gsize) CLIP_GROUP * features;
  kernels->gemm (&gemm);
}

/* packed[⌈n / 16⌉, T, 16] = n features of all tokens */
static void
pack_features (float *packed, const float *x, int features, int tokens, int n)
{
  for (int column = 0; column < n; column += CLIP_GROUP) {
    const int some = MIN (CLIP_GROUP, n - column);
    for (int t = 0; t < tokens; t++, packed += CLIP_GROUP) {
      memcpy (packed, x + (gsize) t * features + column, some * sizeof *packed);
      memset (packed + some, 0, (CLIP_GROUP - some) * sizeof *packed);
    }
  }
}

/* Some features of a picture's means [H, F]. */
static void
mix_some (void *data, int task, int worker)
{
  const Work *work = data;
  const ClipPooling *pooling = work->pooling;
  const ClipKernels *kernels = work->session->kernels;
  const int image = task / work->n_parts, first = task % work->n_parts * PANEL,
            features = pooling->features, n = MIN (PANEL, features - first),
            tokens = pooling->tokens;
  const float *x = work->x + (gsize) image * tokens * features + first;
  ClipGemm gemm = {
    .y = work->w->u + (gsize) image * pooling->heads * features + first,
    .y_stride = features,
    .x = work->w->scores + (gsize) image * pooling->heads * tokens,
    .x_stride = tokens,
    .rows = pooling->heads,
    .n = n,
    .k = tokens,
    .low = -INFINITY,
    .high = INFINITY,
  };
  if (!kernels->gemm) {
    clip_sgemm_nn (gemm.y, gemm.y_stride, gemm.x, gemm.x_stride, x, features, gemm.rows, n, gemm.k,
                   FALSE);
    return;
  }
  float *packed = clip_session_scratch (work->session, worker);
  pack_features (packed, x, features, tokens, n);
  gemm.w = packed;
  gemm.w_stride = (gsize) CLIP_GROUP * tokens;
  kernels->gemm (&gemm);
}

void
clip_pooling_run (ClipSession *session, const ClipPoolingWorkspace *w, float *y, const float *x,
                  const ClipPooling *pooling, int batch)
{
  const int tokens = pooling->tokens, features = pooling->features, heads = pooling->heads,
            size = features / heads;
  Work work = { session, w, x, pooling, clip_pieces (tokens, CLIP_GROUP) };
  clip_session_count (session, 2 * (guint64) batch * heads * tokens * features);
  clip_linear (session, w->q, features, x, (gsize) tokens * features, &pooling->query, 1, batch,
               CLIP_LINEAR_STORE);
  clip_linear_each (session, w->u, (gsize) heads * features, w->q, features, pooling->keys, heads,
                    batch, CLIP_LINEAR_STORE);
  clip_threads_run (session->threads, score_some, &work, batch * work.n_parts);
  for (int row = 0; row < batch * heads; row++) {
    float *scores = w->scores + (gsize) row * tokens;
    session->kernels->softmax (scores, scores, 1 / sqrtf (size), tokens);
  }
  work.n_parts = clip_pieces (features, PANEL);
  clip_threads_run (session->threads, mix_some, &work, batch * work.n_parts);
  clip_linear_each (session, y, features, w->u, (gsize) heads * features, pooling->values, heads,
                    batch, CLIP_LINEAR_STORE);
}
