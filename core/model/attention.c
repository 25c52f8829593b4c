/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/attention.h"

#include "core/model/blas.h"

#include <math.h>
#include <string.h>

/* Queries of a task: their scores stay in the second-level cache for 577 keys (ViT-L/14@336px) and many more. */
#define QUERIES 64

typedef struct {
  ClipSession *session;
  const ClipAttention *a;
  int n_blocks; /* of queries, in the longest sequence */
} Work;

/* Some queries of one head of one sequence. */
typedef struct {
  float *y;
  gsize y_stride;
  const float *q;
  gsize q_stride;
  const float *k, *v;
  gsize kv_stride;
  int queries, keys, size; /* size: D */
} Head;

static int
round_up (int n)
{
  return (n + CLIP_GROUP - 1) / CLIP_GROUP * CLIP_GROUP;
}

/* Scores, then keys or values packed. */
gsize
clip_attention_scratch (int length, int head_size)
{
  return (gsize) MIN (QUERIES, length) * length + (gsize) round_up (length) * round_up (head_size);
}

/* scores[queries, keys] = Q · Kᵀ: a key is an output whose weights are its D numbers. */
static void
score (const ClipKernels *kernels, float *scores, float *packed, const Head *h)
{
  if (!kernels->gemm) {
    clip_sgemm_nt (scores, h->keys, h->q, h->q_stride, h->k, h->kv_stride, h->queries, h->keys,
                   h->size, 1, FALSE);
    return;
  }
  for (int key = 0; key < h->keys; key += CLIP_GROUP)
    kernels->pack (packed + (gsize) key * h->size, h->k + key * h->kv_stride, h->kv_stride,
                   MIN (CLIP_GROUP, h->keys - key), h->size);
  const ClipGemm gemm = {
    .y = scores,
    .y_stride = h->keys,
    .x = h->q,
    .x_stride = h->q_stride,
    .w = packed,
    .w_stride = (gsize) CLIP_GROUP * h->size,
    .rows = h->queries,
    .n = h->keys,
    .k = h->size,
    .low = -INFINITY,
    .high = INFINITY,
  };
  kernels->gemm (&gemm);
}

/* y[queries, D] = P[queries, keys] · V: values are packed but for their stride. */
static void
mix (const ClipKernels *kernels, const float *scores, float *packed, const Head *h)
{
  if (!kernels->gemm) {
    clip_sgemm_nn (h->y, h->y_stride, scores, h->keys, h->v, h->kv_stride, h->queries, h->size,
                   h->keys, FALSE);
    return;
  }
  for (int column = 0; column < h->size; column += CLIP_GROUP) {
    float *group = packed + (gsize) column * h->keys;
    const int n = MIN (CLIP_GROUP, h->size - column);
    for (int key = 0; key < h->keys; key++, group += CLIP_GROUP) {
      memset (group + n, 0, (CLIP_GROUP - n) * sizeof *group);
      memcpy (group, h->v + key * h->kv_stride + column, n * sizeof *group);
    }
  }
  const ClipGemm gemm = {
    .y = h->y,
    .y_stride = h->y_stride,
    .x = scores,
    .x_stride = h->keys,
    .w = packed,
    .w_stride = (gsize) CLIP_GROUP * h->keys,
    .rows = h->queries,
    .n = h->size,
    .k = h->keys,
    .low = -INFINITY,
    .high = INFINITY,
  };
  kernels->gemm (&gemm);
}

static void
attend (void *data, int task, int worker)
{
  const Work *work = data;
  const ClipAttention *a = work->a;
  const ClipKernels *kernels = work->session->kernels;
  const int block = task % work->n_blocks, head = task / work->n_blocks % a->heads,
            column = head * a->head_size;
  const int b = task / work->n_blocks / a->heads;
  const int start = a->keys->start[b], length = a->keys->start[b + 1] - start;
  const int top = block * QUERIES, queries = MIN (QUERIES, (a->one_query ? 1 : length) - top);
  if (queries <= 0)
    return;
  const gsize first = a->one_query ? b : start + top;
  const Head h = {
    .y = a->y + first * a->y_stride + column,
    .y_stride = a->y_stride,
    .q = a->q + first * a->q_stride + column,
    .q_stride = MAX (a->q_stride,
                     (gsize) a->head_size), /* 0: one query for all, of which there is one row */
    .k = a->k + start * a->kv_stride + column,
    .v = a->v + start * a->kv_stride + column,
    .kv_stride = a->kv_stride,
    .queries = queries,
    .keys = a->causal ? top + queries : length,
    .size = a->head_size,
  };
  float *scores = clip_session_scratch (work->session, worker),
        *packed = scores + (gsize) queries * h.keys;
  score (kernels, scores, packed, &h);
  for (int r = 0; r < queries; r++) {
    float *row = scores + (gsize) r * h.keys;
    const int seen = a->causal ? top + r + 1 : h.keys;
    kernels->softmax (row, row, 1 / sqrtf (h.size), seen);
    memset (row + seen, 0, (h.keys - seen) * sizeof *row);
  }
  mix (kernels, scores, packed, &h);
}

void
clip_attention (ClipSession *session, const ClipAttention *attention)
{
  const ClipSequences *keys = attention->keys;
  int longest = 1;
  for (int b = 0; b < keys->n && !attention->one_query; b++)
    longest = MAX (longest, keys->start[b + 1] - keys->start[b]);
  for (int b = 0; b < keys->n; b++) {
    const guint64 n = keys->start[b + 1] - keys->start[b], pairs = attention->one_query ? n
                                                                   : attention->causal
                                                                       ? n * (n + 1) / 2
                                                                       : n * n;
    clip_session_count (session, 2 * pairs * attention->heads * attention->head_size);
  }
  Work work = { session, attention, (longest + QUERIES - 1) / QUERIES };
  clip_threads_run (session->threads, attend, &work, keys->n * attention->heads * work.n_blocks);
}
