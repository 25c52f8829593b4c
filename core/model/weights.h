/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Binds names to weights. A tower asks for what it needs by OpenCLIP's names, whatever naming scheme the checkpoint has:
 *
 *   visual.conv1.weight [C, 3·P·P]        visual.transformer.resblocks.N.attn.{q,k,v}.{weight,bias}
 *   visual.proj [E, C], text_projection [E, C]: one row an output, as every matrix here (OpenAI stores the transpose)
 *
 * (`attn.q` and its like are our names: OpenAI stacks the three as attn.in_proj_weight, Hugging Face has them apart. So are
 * visual.map.{probe,attn.{q,k,v,out_proj},norm,mlp.{c_fc,c_proj}}: OpenCLIP has SigLIP's pooling from timm.)
 * The first failure is kept and everything after it returns nothing, so that a tower binds in one straight list and asks
 * clip_weights_ok () once at its end. What is returned lives as long as the ClipWeights.
 */
#pragma once
#include "core/base/threads.h"
#include "core/checkpoint/checkpoint.h"

/* y = W x. Rows are outputs. Stays in the file's type; I8 has a scale per row: w[r][c] = scales[r] · data[r][c]. */
typedef struct {
  ClipDtype dtype; /* F32, F16, BF16 or I8 */
  int rows, cols;
  const void *data;    /* [rows, cols], aligned to its element size at least */
  const float *scales; /* [rows], NULL unless I8 */
} ClipMatrix;

typedef struct _ClipWeights ClipWeights;

/* Takes @checkpoint, also on failure. Recognises the naming scheme. */
ClipWeights *clip_weights_new (ClipCheckpoint *checkpoint, GError **error);
void clip_weights_free (ClipWeights *weights);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipWeights, clip_weights_free)

const ClipCheckpoint *clip_weights_get_checkpoint (const ClipWeights *weights);
const char *clip_weights_get_naming (const ClipWeights *weights); /* "openai", "openclip", "huggingface", "clip.cpp" */
gsize clip_weights_get_heap_bytes (const ClipWeights *weights);

static inline gboolean
clip_precision_is_reduced (ClipPrecision precision)
{
  return precision == CLIP_PRECISION_BF16 || precision == CLIP_PRECISION_INT8;
}

/* In which precision towers are to compute with them where they can: AUTO, which is F32, unless it is set. */
ClipPrecision clip_weights_get_precision (const ClipWeights *weights);
void clip_weights_set_precision (ClipWeights *weights, ClipPrecision precision);

/* Shape without loading: FALSE if absent. Dimensions in the orientation documented above, trailing ones of 1 beyond. */
gboolean clip_weights_shape (const ClipWeights *weights, gint64 shape[4], const char *format, ...) G_GNUC_PRINTF (3, 4);
/* Number of consecutive N = 0, 1, … for which @format (with one %d) is there. */
int clip_weights_count (const ClipWeights *weights, const char *format);

/* @rows, @cols: what is expected; a tensor of more than two dimensions is read as [shape[0], rest]. */
ClipMatrix clip_weights_matrix (ClipWeights *weights, int rows, int cols, const char *format, ...) G_GNUC_PRINTF (4, 5);
/* [n] float32, expanded. All values are finite. */
const float *clip_weights_vector (ClipWeights *weights, int n, const char *format, ...) G_GNUC_PRINTF (3, 4);
/* The same where absence is no error: NULL then. */
const float *clip_weights_vector_optional (ClipWeights *weights, int n, const char *format, ...) G_GNUC_PRINTF (3, 4);
/* Whatever its shape, [n] float32 expanded into memory that lives as long as the weights and may be changed (BatchNorm
 * folding); matrices that a tower wants in f32. */
float *clip_weights_floats (ClipWeights *weights, gsize n, const char *format, ...) G_GNUC_PRINTF (3, 4);
/* Aligned zeroed memory that lives as long as the weights. */
float *clip_weights_alloc (ClipWeights *weights, gsize n);
/* The same of what every pass reads and nobody releases before: it lies together, so that large pages hold it. */
float *clip_weights_keep (ClipWeights *weights, gsize n);
/* @matrix has been copied into a better order, and will hardly be read where it lies: its memory is given back where it is a
 * mapped file's. */
void clip_weights_forget (ClipWeights *weights, const ClipMatrix *matrix);
/* Frees @n floats of either before that: what was only needed to make something else of it. */
void clip_weights_release (ClipWeights *weights, float *data, gsize n);

/* To bring matrices into order: one for each processor, until clip_weights_ok (). */
ClipThreads *clip_weights_get_threads (ClipWeights *weights);

gboolean clip_weights_ok (ClipWeights *weights, GError **error); /* FALSE: @error is the first failure */
/* Lets a tower report a failure of its own. */
void clip_weights_fail (ClipWeights *weights, ClipError code, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* NULL, or a sentence about tensors of the file that nobody has asked for; g_free () */
char *clip_weights_describe_unused (const ClipWeights *weights);
