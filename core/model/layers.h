/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What towers are assembled from: how a layer is bound to its weights, LayerNorm over rows, packed
 * sequences. */
#pragma once
#include "core/model/linear.h"

typedef struct {
  const float *weight, *bias; /* [C] */
} ClipNorm;

/* Each binds "NAME.weight" and "NAME.bias", NAME being @format filled in. */
ClipLinear clip_bind_linear (ClipWeights *weights, int out, int in, const char *format, ...)
    G_GNUC_PRINTF (4, 5);
ClipNorm clip_bind_norm (ClipWeights *weights, int width, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/* y[rows, C] = LayerNorm (x[rows, C]); y may be x. Strides as in clip_linear (). */
void clip_norm_rows (ClipSession *session, float *y, gsize y_stride, const float *x, gsize x_stride,
                     const ClipNorm *norm, float epsilon, int width, int rows);

/* y[i] = x[rows[i]], of C floats each */
void clip_gather_rows (float *y, const float *x, const int *rows, int n, int width);

/* y[C] = mean over rows of x[rows, C] */
void clip_mean_rows (const ClipKernels *kernels, float *y, const float *x, int rows, int width);

/* A token's row of a table of @rows: ids outside of it are read as 0. */
static inline int
clip_token_row (int rows, gint32 id)
{
  return id >= 0 && id < rows ? id : 0;
}

/* Tokens of a text [@length] that CLIP's text tower reads: up to its end token, which is the highest id where @end_token is
 * 0. A text without it is its first token. */
int clip_text_length (const gint32 *ids, int length, int vocabulary, int end_token);

/* Whether BERT reads token @i of a text. A "[PAD]" inside a text is padding, too: nobody looks at it, and the pooler leaves
 * it out. The first one always counts. */
static inline gboolean
clip_bert_reads (const gint32 *ids, int i, int vocabulary, int pad_token)
{
  return i == 0 || clip_token_row (vocabulary, ids[i]) != pad_token;
}

/* Sequences of different lengths, one after another without gaps: the tokens of sequence b are the
 * rows start[b] … start[b + 1] - 1. Causal ones may begin with tokens of others, whose rows are then there once: the whole
 * of sequence b, its own rows being the last of it, is the rows keys[key_start[b]] … keys[key_start[b + 1] - 1]. */
typedef struct {
  int n;          /* B */
  int *start;     /* [B + 1] */
  int *keys;      /* NULL: each sequence is its own rows */
  int *key_start; /* [B + 1] */
} ClipSequences;
