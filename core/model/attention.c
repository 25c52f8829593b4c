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
  const int *rows;         /* of k and v, in the order of keys; NULL: one after another */
  int queries, keys, size; /* size: D */
} Head;

static int
round_up (int n)
{
  return (n + CLIP_GROUP - 1) / CLIP_GROUP * CLIP_GROUP;
}

/* Scores, then keys or values packed, then a group of keys. */
gsize
clip_attention_scratch (int length, int head_size)
{
  return (gsize) MIN (QUERIES, length) * length + (gsize) round_up (length) * round_up (head_size) +
         CLIP_GROUP * head_size;
}

/* The rows of @n keys (or values) @x from @first on: where they lie, or together in @spare. */
static const float *
gather (float *spare, gsize *stride, const Head *h, const float *x, int first, int n)
{
  *stride = h->rows ? (gsize) h->size : h->kv_stride;
  if (!h->rows)
    return x + first * h->kv_stride;
  for (int i = 0; i < n; i++)
    memcpy (spare + (gsize) i * h->size, x + h->rows[first + i] * h->kv_stride,
            h->size * sizeof *x);
  return spare;
}

/* scores[queries, keys] = Q · Kᵀ: a key is an output whose weights are its D numbers. */
static void
score (const ClipKernels *kernels, float *scores, float *packed, const Head *h)
{
  gsize stride;
  if (!kernels->gemm) {
    const float *k = gather (packed, &stride, h, h->k, 0, h->keys);
    clip_sgemm_nt (scores, h->keys, h->q, h->q_stride, k, stride, h->queries, h->keys, h->size, 1,
                   FALSE);
    return;
  }
  float *spare = packed + (gsize) round_up (h->keys) * h->size;
  for (int key = 0; key < h->keys; key += CLIP_GROUP) {
    const int n = MIN (CLIP_GROUP, h->keys - key);
    const float *k = gather (spare, &stride, h, h->k, key, n);
    kernels->pack (packed + (gsize) key * h->size, k, stride, n, h->size);
  }
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
    gsize stride;
    const float *v = gather (packed, &stride, h, h->v, 0, h->keys);
    clip_sgemm_nn (h->y, h->y_stride, scores, h->keys, v, stride, h->queries, h->size, h->keys,
                   FALSE);
    return;
  }
  for (int column = 0; column < h->size; column += CLIP_GROUP) {
    float *group = packed + (gsize) column * h->keys;
    const int n = MIN (CLIP_GROUP, h->size - column);
    for (int key = 0; key < h->keys; key++, group += CLIP_GROUP) {
      const float *v = h->v + (h->rows ? h->rows[key] : key) * h->kv_stride + column;
      memset (group + n, 0, (CLIP_GROUP - n) * sizeof *group);
      memcpy (group, v, n * sizeof *group);
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

static int
count_keys (const ClipSequences *sequences, int b)
{
  const int *start = sequences->keys ? sequences->key_start : sequences->start;
  return start[b + 1] - start[b];
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
  const ClipSequences *sequences = a->keys;
  const int *rows = sequences->keys ? sequences->keys + sequences->key_start[b] : NULL;
  const int start = sequences->start[b], own = sequences->start[b + 1] - start,
            length = count_keys (sequences, b), before = length - own;
  const int top = block * QUERIES, queries = MIN (QUERIES, (a->one_query ? 1 : own) - top);
  if (queries <= 0)
    return;
  const gsize first = a->one_query ? b : start + top;
  const Head h = {
    .y = a->y + first * a->y_stride + column,
    .y_stride = a->y_stride,
    .q = a->q + first * a->q_stride + column,
    .q_stride = MAX (a->q_stride,
                     (gsize) a->head_size), /* 0: one query for all, of which there is one row */
    .k = a->k + (rows ? 0 : start) * a->kv_stride + column,
    .v = a->v + (rows ? 0 : start) * a->kv_stride + column,
    .kv_stride = a->kv_stride,
    .rows = rows,
    .queries = queries,
    .keys = a->causal ? before + top + queries : length,
    .size = a->head_size,
  };
  float *scores = clip_session_scratch (work->session, worker),
        *packed = scores + (gsize) queries * h.keys;
  score (kernels, scores, packed, &h);
  for (int r = 0; r < queries; r++) {
    float *row = scores + (gsize) r * h.keys;
    const int seen = a->causal ? before + top + r + 1 : h.keys;
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
    const guint64 own = keys->start[b + 1] - keys->start[b], n = count_keys (keys, b);
    const guint64 pairs = attention->one_query ? n
                          : attention->causal  ? own * (n - own) + own * (own + 1) / 2
                                               : own * n;
    clip_session_count (session, 2 * pairs * attention->heads * attention->head_size);
  }
  Work work = { session, attention, (longest + QUERIES - 1) / QUERIES };
  clip_threads_run (session->threads, attend, &work, keys->n * attention->heads * work.n_blocks);
}
