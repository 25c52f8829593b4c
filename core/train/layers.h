/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What transformers that are trained are assembled from: each layer's forward and backward side by side. Rows lie without
 * gaps where no stride is named.
 *
 * A backward adds to the gradients of parameters that are trained, leaves out those that are not, and writes (or, @add, adds)
 * the gradient of what went in.
 */
#pragma once
#include "core/model/layers.h"
#include "core/train/parameters.h"
#include "core/train/tape.h"

/* ----------------------------------------------------------------------------------------- linear */

/* y[rows, out] = x[rows, in] · Wᵀ + bias; W: the rows @first … of a parameter [≥ first + out, in] */
typedef struct {
  ClipParameter *weight;
  ClipParameter *bias; /* NULL: none */
  int first, out, in;
} ClipTrainLinear;

/* "NAME.weight" and "NAME.bias", NAME being @format filled in. */
ClipTrainLinear clip_train_linear_add (ClipParameters *parameters, ClipPart part, int block,
                                       int out, int in, const char *format, ...)
    G_GNUC_PRINTF (6, 7);
/* Of its outputs only @n from @first on. */
ClipTrainLinear clip_train_linear_rows (const ClipTrainLinear *layer, int first, int n);
void clip_train_linear_forward (ClipTape *tape, float *y, gsize y_stride, const float *x,
                                gsize x_stride, const ClipTrainLinear *layer, int rows,
                                gboolean add);
/* @dx: (nullable) */
void clip_train_linear_backward (ClipTape *tape, float *dx, gsize dx_stride, const float *dy,
                                 gsize dy_stride, const float *x, gsize x_stride,
                                 const ClipTrainLinear *layer, int rows, gboolean add);

/* -------------------------------------------------------------------------------------- LayerNorm */

typedef struct {
  ClipParameter *weight, *bias; /* [C] */
} ClipTrainNorm;

ClipTrainNorm clip_train_norm_add (ClipParameters *parameters, ClipPart part, int block, int width,
                                   const char *format, ...) G_GNUC_PRINTF (5, 6);
/* y may be x */
void clip_train_norm_forward (ClipTape *tape, float *y, const float *x, const ClipTrainNorm *norm,
                              float epsilon, int width, int rows);
/* dx may be dy */
void clip_train_norm_backward (ClipTape *tape, float *dx, const float *dy, const float *x,
                               const ClipTrainNorm *norm, float epsilon, int width, int rows,
                               gboolean add);

/* ------------------------------------------------------------------------------------- activation */

/* y[n] = f (x[n]) */
void clip_train_activation_forward (ClipTape *tape, float *y, const float *x,
                                    ClipActivation activation, gsize n);
/* d[n] ·= f' (x[n]), and x[n] = f (x[n]), which the layer above needs for its weight's gradient. */
void clip_train_activation_backward (ClipTape *tape, float *d, float *x, ClipActivation activation,
                                     gsize n);

/* -------------------------------------------------------------------------------------- embedding */

/* Sum over tables of one row of each: x[r] = Σ table[index[r]] */
typedef struct {
  ClipParameter *table; /* [n, C] */
  const int *index;     /* [rows]; NULL: always 0 */
} ClipLookup;

void clip_train_embed_forward (ClipTape *tape, float *x, const ClipLookup *lookups, int n,
                               int width, int rows);
void clip_train_embed_backward (ClipTape *tape, const float *dx, const ClipLookup *lookups, int n,
                                int width, int rows);

/* ------------------------------------------------------------------------------------------- rows */

void clip_train_copy (ClipTape *tape, float *y, const float *x, gsize n);
/* y[rows[i]] += x[i], of C floats each */
void clip_train_scatter_rows (ClipTape *tape, float *y, const float *x, const int *rows, int n,
                              int width);
/* The least block of @part that has a trained parameter; G_MAXINT: none. */
int clip_train_deepest (const ClipParameters *parameters, ClipPart part);
