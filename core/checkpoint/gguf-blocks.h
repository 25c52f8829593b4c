/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Element types of GGUF files: how many elements a block holds in how many bytes, and how it becomes numbers. */
#pragma once
#include "core/checkpoint/checkpoint.h"

typedef struct {
  const char *name; /* as ggml calls it: "q4_0" */
  ClipDtype dtype;  /* of the tensor it becomes */
  guint elements, bytes;                         /* of a block; 1 and the dtype's size where @expand is NULL */
  void (*expand) (float *y, const guint8 *block); /* y[elements]; NULL: the bytes are the dtype's */
} ClipGgufType;

/* NULL for a number that stands for no type, or for one that is not read here. */
const ClipGgufType *clip_gguf_type (guint32 number);
/* "q4_0, q4_1, …", for messages; g_free () */
char *clip_gguf_type_names (void);
