/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/attention.h"

#include "core/model/blas.h"

#include <math.h>
#include <string.h>

/* A task is one head of one sequence, or all heads where sequences are as short as this: a text's head takes a microsecond,
 * as much as handing out a task does. */
#define SHORT 32
/* Depth up to which Aᵀ · B is made of products 16 deep; OpenBLAS does longer ones. */
#define SHALLOW 32

typedef struct {
  const ClipKernels *kernels;
  const ClipAttention *a;
  const ClipAttentionGradient *d;
  const float *dy;
  float *probabilities; /* NULL: in the worker's scratch */
  gsize *place;         /* [B]: where those of a sequence begin */
  float *scratch;       /* [threads, scratch_size] */
  gsize scratch_size;
  int heads; /* of a task */
} Work;

/* One head of one sequence; the strides of what is not there are 0. */
typedef struct {
  int queries, keys, size; /* size: D */
  gsize y, q, kv;          /* where it begins in y, q and k or v */
} Head;

static gsize
round_up (gsize n)
{
  return (n + CLIP_GROUP - 1) / CLIP_GROUP * CLIP_GROUP;
}

/* ------------------------------------------------------------------------------ products within a task */

/* y[m, n] (+)= a[m, k] · packed [⌈n / 16⌉, k, 16] */
static void
multiply_packed (const ClipKernels *kernels, float *y, gsize y_stride, const float *a,
                 gsize a_stride, const float *packed, int m, int n, int k, gboolean add)
{
  const ClipGemm gemm = {
    .y = y,
    .y_stride = y_stride,
    .x = a,
    .x_stride = a_stride,
    .w = packed,
    .w_stride = (gsize) CLIP_GROUP * k,
    .rows = m,
    .n = n,
    .k = k,
    .add = add,
    .low = -INFINITY,
    .high = INFINITY,
  };
  kernels->gemm (&gemm);
}

/* packed[⌈n / 16⌉, k, 16] = b[k, n] */
static void
pack_columns (float *packed, const float *b, gsize b_stride, int n, int k)
{
  for (int column = 0; column < n; column += CLIP_GROUP) {
    const int some = MIN (CLIP_GROUP, n - column);
    for (int i = 0; i < k; i++, packed += CLIP_GROUP) {
      if (some < CLIP_GROUP)
        memset (packed, 0, CLIP_GROUP * sizeof *packed);
      memcpy (packed, b + i * b_stride + column, some * sizeof *packed);
    }
  }
}

/* y[m, n] = a[m, k] · b[n, k]ᵀ; @packed: [round_up (n), k] of scratch */
static void
multiply_nt (const ClipKernels *kernels, float *packed, float *y, gsize y_stride, const float *a,
             gsize a_stride, const float *b, gsize b_stride, int m, int n, int k)
{
  if (!kernels->gemm) {
    clip_sgemm_nt (y, y_stride, a, a_stride, b, b_stride, m, n, k, 1, FALSE);
    return;
  }
  for (int row = 0; row < n; row += CLIP_GROUP)
    kernels->pack (packed + (gsize) row * k, b + row * b_stride, b_stride,
                   MIN (CLIP_GROUP, n - row), k);
  multiply_packed (kernels, y, y_stride, a, a_stride, packed, m, n, k, FALSE);
}

/* y[m, n] = a[m, k] · b[k, n]; @packed: [round_up (n), k] */
static void
multiply_nn (const ClipKernels *kernels, float *packed, float *y, gsize y_stride, const float *a,
             gsize a_stride, const float *b, gsize b_stride, int m, int n, int k)
{
  if (!kernels->gemm) {
    clip_sgemm_nn (y, y_stride, a, a_stride, b, b_stride, m, n, k, FALSE);
    return;
  }
  pack_columns (packed, b, b_stride, n, k);
  multiply_packed (kernels, y, y_stride, a, a_stride, packed, m, n, k, FALSE);
}

/* y[m, n] = a[k, m]ᵀ · b[k, n]; @packed: [round_up (n) + m, 16] */
static void
multiply_tn (const ClipKernels *kernels, float *packed, float *y, gsize y_stride, const float *a,
             gsize a_stride, const float *b, gsize b_stride, int m, int n, int k)
{
  if (!kernels->gemm || k > SHALLOW) {
    clip_sgemm_tn (y, y_stride, a, a_stride, b, b_stride, m, n, k, FALSE);
    return;
  }
  float *turned = packed + round_up (n) * CLIP_GROUP; /* [m, 16] */
  for (int row = 0; row < k; row += CLIP_GROUP) {
    const int rows = MIN (CLIP_GROUP, k - row);
    kernels->pack (turned, a + row * a_stride, a_stride, rows, m);
    pack_columns (packed, b + row * b_stride, b_stride, n, rows);
    multiply_packed (kernels, y, y_stride, turned, CLIP_GROUP, packed, m, n, rows, row > 0);
  }
}

/* --------------------------------------------------------------------------------------- forward, backward */

static int
length_of (const ClipSequences *sequences, int b)
{
  return sequences->start[b + 1] - sequences->start[b];
}

static int
longest (const ClipSequences *sequences)
{
  int length = 1;
  for (int b = 0; b < sequences->n; b++)
    length = MAX (length, length_of (sequences, b));
  return length;
}

static gsize
square_of (const ClipAttention *a, int b)
{
  const gsize keys = length_of (a->keys, b);
  return (a->one_query ? 1 : keys) * keys;
}

gsize
clip_train_attention_size (const ClipAttention *a)
{
  gsize n = 0;
  for (int b = 0; b < a->keys->n; b++)
    n += a->heads * square_of (a, b);
  return n;
}

/* Scores, and the packed operand of the largest product. */
static gsize
scratch_size (const ClipAttention *a)
{
  const gsize keys = longest (a->keys), size = a->head_size, queries = a->one_query ? 1 : keys;
  const gsize packed = round_up (keys) * round_up (size),
              turned = (round_up (size) + keys) * CLIP_GROUP;
  return round_up (queries * keys + MAX (packed, turned));
}

static Head
head_of (const ClipAttention *a, int b, int head)
{
  const gsize start = a->keys->start[b], first = a->one_query ? (gsize) b : start,
              column = (gsize) head * a->head_size;
  const int keys = length_of (a->keys, b);
  return (Head){
    .queries = a->one_query ? 1 : keys,
    .keys = keys,
    .size = a->head_size,
    .y = first * a->y_stride + column,
    .q = first * a->q_stride + column,
    .kv = start * a->kv_stride + column,
  };
}

static void
forward_head (const Work *w, const Head *h, float *p, float *packed)
{
  const ClipAttention *a = w->a;
  multiply_nt (w->kernels, packed, p, h->keys, a->q + h->q, a->q_stride, a->k + h->kv, a->kv_stride,
               h->queries, h->keys, h->size);
  for (int r = 0; r < h->queries; r++) {
    float *row = p + (gsize) r * h->keys;
    const int seen = a->causal ? r + 1 : h->keys;
    w->kernels->softmax (row, row, 1 / sqrtf (h->size), seen);
    memset (row + seen, 0, (h->keys - seen) * sizeof *row);
  }
  multiply_nn (w->kernels, packed, a->y + h->y, a->y_stride, p, h->keys, a->v + h->kv, a->kv_stride,
               h->queries, h->size, h->keys);
}

static void
backward_head (const Work *w, const Head *h, const float *p, float *scratch)
{
  const ClipAttention *a = w->a;
  const ClipAttentionGradient *d = w->d;
  const float *dy = w->dy + h->y;
  float *ds = scratch, *packed = scratch + (gsize) h->queries * h->keys;
  multiply_tn (w->kernels, packed, d->v + h->kv, d->kv_stride, p, h->keys, dy, a->y_stride, h->keys,
               h->size, h->queries);
  multiply_nt (w->kernels, packed, ds, h->keys, dy, a->y_stride, a->v + h->kv, a->kv_stride,
               h->queries, h->keys, h->size);
  /* where a causal mask hides a key, P is zero */
  for (int r = 0; r < h->queries; r++)
    w->kernels->softmax_backward (ds + (gsize) r * h->keys, p + (gsize) r * h->keys,
                                  1 / sqrtf (h->size), h->keys);
  multiply_nn (w->kernels, packed, d->q + h->q, d->q_stride, ds, h->keys, a->k + h->kv,
               a->kv_stride, h->queries, h->size, h->keys);
  multiply_tn (w->kernels, packed, d->k + h->kv, d->kv_stride, ds, h->keys, a->q + h->q,
               a->q_stride, h->keys, h->size, h->queries);
}

static void
attend (void *data, int task, int worker)
{
  const Work *w = data;
  const ClipAttention *a = w->a;
  const int tasks = a->heads / w->heads, b = task / tasks, first = task % tasks * w->heads;
  const gsize square = square_of (a, b);
  float *scratch = w->scratch + worker * w->scratch_size;
  for (int i = first; i < first + w->heads; i++) {
    const Head h = head_of (a, b, i);
    float *p = w->probabilities ? w->probabilities + w->place[b] + i * square : scratch;
    if (w->d)
      backward_head (w, &h, p, scratch);
    else
      forward_head (w, &h, p, scratch + square);
  }
}

static void
run (ClipTape *tape, Work *w)
{
  const ClipAttention *a = w->a;
  const ClipTapeMark mark = clip_tape_mark (tape);
  w->kernels = tape->kernels;
  w->heads = longest (a->keys) <= SHORT ? a->heads : 1;
  w->scratch_size = scratch_size (a);
  w->scratch = clip_tape_floats (tape, clip_threads_get_n (tape->threads) * w->scratch_size);
  w->place = clip_tape_take (tape, a->keys->n * sizeof *w->place);
  gsize place = 0;
  for (int b = 0; b < a->keys->n; b++) {
    w->place[b] = place;
    place += a->heads * square_of (a, b);
  }
  clip_threads_run (tape->threads, attend, w, a->keys->n * (a->heads / w->heads));
  clip_tape_release (tape, mark);
}

void
clip_train_attention_forward (ClipTape *tape, const ClipAttention *a, float *probabilities)
{
  Work w = { .a = a, .probabilities = probabilities };
  run (tape, &w);
}

void
clip_train_attention_backward (ClipTape *tape, const ClipAttention *a, const float *probabilities,
                               const float *dy, const ClipAttentionGradient *d)
{
  Work w = { .a = a, .d = d, .dy = dy, .probabilities = (float *) probabilities };
  run (tape, &w);
}
