/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a container format is: how its bytes begin, and a reader that fills a ClipCheckpoint. checkpoint.c has the table. */
#pragma once
#include "core/checkpoint/checkpoint.h"

struct _ClipCheckpoint {
  char *name; /* stands for the file in messages */
  const char *container;
  GBytes *bytes;
  gboolean mapped;       /* @bytes are a file's */
  GStringChunk *strings; /* names, metadata */
  GArray *tensors;       /* of ClipTensor */
  GHashTable *index;     /* name → position in @tensors + 1 */
  GHashTable *metadata;  /* key → value */
  GPtrArray *copies;     /* data that does not lie in @bytes as a tensor has it */
  gsize copied;          /* bytes of them that clip_checkpoint_alloc () gave */
  gsize expanded;        /* bytes of the others: what a container unpacks */
};

typedef struct {
  const char *name;
  gboolean (*matches) (const guint8 *data, gsize size);
  gboolean (*read) (ClipCheckpoint *checkpoint, const guint8 *data, gsize size, GError **error);
} ClipContainer;

extern const ClipContainer clip_container_gguf;
extern const ClipContainer clip_container_safetensors;
extern const ClipContainer clip_container_torch;
extern const ClipContainer clip_container_torch_legacy;

/* An empty one. @container: static; @bytes: what tensors will point into. */
ClipCheckpoint *clip_checkpoint_new (const char *name, const char *container, GBytes *bytes);
/* An empty one, in which tensors of @other can be put under other names: it keeps their data alive. */
ClipCheckpoint *clip_checkpoint_new_like (const ClipCheckpoint *other);

/* The name is copied. CLIP_ERROR_FORMAT for a name that is there already. */
gboolean clip_checkpoint_add (ClipCheckpoint *checkpoint, const ClipTensor *tensor, GError **error);
void clip_checkpoint_add_metadata (ClipCheckpoint *checkpoint, const char *key, const char *value);

/* Memory for data that lives as long as @checkpoint. NULL where all of it together would be larger than the file: what
 * expands so was made to. */
void *clip_checkpoint_alloc (ClipCheckpoint *checkpoint, gsize bytes);

/* As safetensors spells it: "F16"; FALSE for a dtype nobody defined. */
gboolean clip_dtype_parse (const char *name, ClipDtype *dtype);
const char *clip_dtype_spelling (ClipDtype dtype);

/* Bytes of a tensor of that dtype and shape; FALSE where they exceed gsize or a dimension is negative. */
gboolean clip_tensor_bytes (const ClipTensor *tensor, gsize *bytes);
