/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/model/attention.h"

#include "core/model/blas.h"

#include <math.h>
#include <string.h>

/* Queries of a task: their scores stay in the second-level cache for 577 keys (ViT-L/14@336px) and
 * many more. */
#define QUERIES 64

typedef struct {
  ClipSession *session;
  const ClipAttention *a;
  int n_blocks; /* of queries, in the longest sequence */
} Work;

gsize
clip_attention_scratch (int length)
{
  return (gsize) MIN (QUERIES, length) * length;
}

/* Some queries of one head of one sequence. */
static void
attend (void *data, int task, int worker)
{
  const Work *work = data;
  const ClipAttention *a = work->a;
  const ClipKernels *kernels = work->session->kernels;
  float *scores = clip_session_scratch (work->session, worker); /* [rows, keys] */
  const int block = task % work->n_blocks, head = task / work->n_blocks % a->heads;
  const int b = task / work->n_blocks / a->heads, column = head * a->head_size;
  const int start = a->keys->start[b], length = a->keys->start[b + 1] - start;
  const int top = block * QUERIES, rows = MIN (QUERIES, (a->one_query ? 1 : length) - top);
  if (rows <= 0)
    return;
  const int keys = a->causal ? top + rows : length;
  const gsize first = a->one_query ? b : start + top;

  clip_sgemm_nt (scores, keys, a->q + first * a->q_stride + column, a->q_stride,
                 a->k + start * a->kv_stride + column, a->kv_stride, rows, keys, a->head_size,
                 1 / sqrtf (a->head_size), FALSE);
  for (int r = 0; r < rows; r++) {
    float *row = scores + (gsize) r * keys;
    const int seen = a->causal ? top + r + 1 : keys;
    kernels->softmax (row, row, seen);
    memset (row + seen, 0, (keys - seen) * sizeof *row);
  }
  clip_sgemm_nn (a->y + first * a->y_stride + column, a->y_stride, scores, keys,
                 a->v + start * a->kv_stride + column, a->kv_stride, rows, a->head_size, keys);
}

void
clip_attention (ClipSession *session, const ClipAttention *attention)
{
  const ClipSequences *keys = attention->keys;
  int longest = 1;
  for (int b = 0; b < keys->n && !attention->one_query; b++)
    longest = MAX (longest, keys->start[b + 1] - keys->start[b]);
  Work work = { session, attention, (longest + QUERIES - 1) / QUERIES };
  clip_threads_run (session->threads, attend, &work, keys->n * attention->heads * work.n_blocks);
}
