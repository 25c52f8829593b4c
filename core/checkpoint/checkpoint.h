/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A checkpoint: name → { dtype, shape, bytes }, whatever file it came from. Tensors point into the mapped file. */
#pragma once
#include "core/clip.h"

typedef enum {
  CLIP_DTYPE_F32,
  CLIP_DTYPE_F16,
  CLIP_DTYPE_BF16,
  CLIP_DTYPE_I8,
  CLIP_DTYPE_U8,
  CLIP_DTYPE_I32,
  CLIP_DTYPE_I64,
  /* Known by size and name, and computed with by nobody: an error only where such a tensor is asked for. */
  CLIP_DTYPE_F64,
  CLIP_DTYPE_I16,
  CLIP_DTYPE_U16,
  CLIP_DTYPE_U32,
  CLIP_DTYPE_U64,
  CLIP_DTYPE_BOOL,
  CLIP_DTYPE_F8_E4M3,
  CLIP_DTYPE_F8_E5M2,
} ClipDtype;

gsize clip_dtype_size (ClipDtype dtype);
const char *clip_dtype_name (ClipDtype dtype); /* "f32" … */
/* y[n] = @data, n numbers of F32, F16 or BF16 at any address; FALSE for another dtype. */
gboolean clip_dtype_expand (ClipDtype dtype, float *y, const void *data, gsize n);

#define CLIP_MAX_DIMS 8

typedef struct {
  const char *name;
  ClipDtype dtype;
  int n_dims;
  gint64 shape[CLIP_MAX_DIMS];
  const void *data; /* little-endian, packed; may be unaligned in a foreign file */
  gsize size;       /* bytes */
} ClipTensor;

/* "[768, 3, 32, 32] f16", for messages; g_free () */
char *clip_tensor_describe (const ClipTensor *tensor);

typedef struct _ClipCheckpoint ClipCheckpoint;

ClipCheckpoint *clip_checkpoint_open (const char *path, GError **error);
/* @name stands for the file in messages. */
ClipCheckpoint *clip_checkpoint_parse (GBytes *bytes, const char *name, GError **error);
void clip_checkpoint_free (ClipCheckpoint *checkpoint);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipCheckpoint, clip_checkpoint_free)

/* Nobody will look at these bytes of a tensor soon: where they are pages of a mapped file, their memory is given back. */
void clip_checkpoint_forget (const ClipCheckpoint *checkpoint, const void *data, gsize size);

const char *clip_checkpoint_get_name (const ClipCheckpoint *checkpoint);
const char *clip_checkpoint_get_container (const ClipCheckpoint *checkpoint); /* "safetensors" */
gsize clip_checkpoint_get_size (const ClipCheckpoint *checkpoint);
gsize clip_checkpoint_get_heap_bytes (const ClipCheckpoint *checkpoint); /* of tensors that do not lie in the file */
guint clip_checkpoint_get_n_tensors (const ClipCheckpoint *checkpoint);
const ClipTensor *clip_checkpoint_get_tensor (const ClipCheckpoint *checkpoint, guint index);
const ClipTensor *clip_checkpoint_find (const ClipCheckpoint *checkpoint, const char *name); /* NULL if absent */
const char *clip_checkpoint_get_metadata (const ClipCheckpoint *checkpoint, const char *key); /* NULL if absent */
