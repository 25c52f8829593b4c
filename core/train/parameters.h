/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parameters of a model that is trained: one list, filled by the towers as they bind their weights.
 *
 * Values begin as the ClipWeights have them (a published checkpoint, or fresh ones that fresh.c draws); they are float32
 * and lie in memory in the order that is best to compute with, in files in OpenCLIP's. All values lie in one block of
 * memory, and so do all gradients, so that an optimizer, a checkpoint or an all-reduce is one loop over floats.
 */
#pragma once
#include "core/model/config.h"

/* What a parameter belongs to: has a learning rate of its own, is frozen or not. */
typedef enum {
  CLIP_PART_IMAGE,      /* trunk of the image tower: everything before the projection */
  CLIP_PART_IMAGE_HEAD, /* the projection */
  CLIP_PART_TEXT,
  CLIP_PART_TEXT_HEAD,
  CLIP_PART_SCALE, /* logit_scale */
  CLIP_PART_N,
} ClipPart;

/* How a tensor of a file lies in memory. */
typedef enum {
  CLIP_ORDER_PLAIN,      /* the same */
  CLIP_ORDER_TRANSPOSED, /* file [in, out], memory [out, in] */
  CLIP_ORDER_QKV,        /* [3C, C] or [3C]: the same; "attn.in_proj_weight", "attn.in_proj_bias" */
  CLIP_ORDER_CONV,       /* file [out, in, k, k], memory [out, k, k, in] */
  CLIP_ORDER_DEPTHWISE,  /* file [C, 1, k, k], memory [k, k, C] */
} ClipOrder;

typedef struct {
  ClipPart part;
  int block; /* depth in its part: 0 for embeddings and stems, 1 … for blocks: which the first n are */
  ClipOrder order;
  gboolean decay;  /* weight decay: matrices, not gains, biases, positions */
  gboolean buffer; /* running statistics: kept in files, has no gradient */
  int n_dims;
  gint64 shape[4]; /* in memory order; unused ones 0 */
} ClipParameterSpec;

typedef struct {
  char *name; /* in files: "visual.conv1.weight" */
  ClipParameterSpec spec;
  gsize n;          /* floats */
  gboolean trained; /* FALSE: frozen, or a buffer */
  float *value;     /* [n] */
  float *gradient;  /* [n]; NULL where not trained */
} ClipParameter;

typedef struct {
  GPtrArray *list;      /* ClipParameter, in the order they were added */
  ClipWeights *weights; /* where values begin; not owned */
  /* From clip_parameters_finish () on: */
  float *
      values; /* [n_values]: all of them; a parameter begins at a multiple of CLIP_ALIGNMENT bytes, zeros between */
  float *gradients; /* [n_gradients]: of the trained ones, in the same order */
  gsize n_values, n_gradients;
} ClipParameters;

ClipParameters *clip_parameters_new (ClipWeights *weights);
void clip_parameters_free (ClipParameters *parameters);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipParameters, clip_parameters_free)

/* Binds a tensor by its name in OpenCLIP files. Its failure is that of the ClipWeights (clip_weights_ok ()). The pointer
 * is valid as long as the list; value and gradient are NULL until clip_parameters_finish (). */
ClipParameter *clip_parameters_add (ClipParameters *parameters, ClipParameterSpec spec,
                                    const char *format, ...) G_GNUC_PRINTF (3, 4);
ClipParameter *clip_parameters_find (const ClipParameters *parameters,
                                     const char *name); /* NULL: none */

/* Freezes the blocks 0 … @blocks of a part; G_MAXINT: all of it. Before finish. */
void clip_parameters_freeze (ClipParameters *parameters, ClipPart part, int blocks);
/* Lays out values and gradients (zeroed) and reads the values. FALSE with the failure of the weights. */
gboolean clip_parameters_finish (ClipParameters *parameters, GError **error);
/* Whether any parameter of @part with a block ≤ @block is trained. */
gboolean clip_parameters_any_trained (const ClipParameters *parameters, ClipPart part, int block);
void clip_parameters_zero_gradients (ClipParameters *parameters);

/* y[n] = x[n] from memory order to the order of files; x is a value, gradient or moment of @parameter. */
void clip_parameter_to_file (const ClipParameter *parameter, float *y, const float *x);
void clip_parameter_from_file (const ClipParameter *parameter, float *y, const float *x);
/* The shape in files; returns the number of dimensions. */
int clip_parameter_file_shape (const ClipParameter *parameter, gint64 shape[4]);
