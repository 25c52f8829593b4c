/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What PyTorch's pickles say of tensors and storages, read from the values of pickle.h. */
#pragma once
#include "core/checkpoint/container.h"
#include "core/checkpoint/pickle.h"

/* All that the files may name, and what it means. */
extern const ClipGlobal clip_torch_globals[];

typedef enum {
  CLIP_TORCH_INERT,     /* something that no weight depends on */
  CLIP_TORCH_DICT,      /* a call of it is a dict */
  CLIP_TORCH_SIZE,      /* a call of it is the tuple that is its argument */
  CLIP_TORCH_TENSOR,    /* (storage, offset, sizes, strides, …) */
  CLIP_TORCH_PARAMETER, /* (tensor, …) */
  CLIP_TORCH_MODULE,    /* a class of a TorchScript archive */
  CLIP_TORCH_STORAGE,   /* + its ClipDtype; the last */
} ClipTorchMeaning;

/* A persistent id: ('storage', type, key, location, elements[, view]). */
typedef struct {
  ClipDtype dtype;
  const ClipValue *key; /* a string */
  gint64 elements;      /* ≥ 0, and elements · size of the dtype fits gsize */
  gint64 first;         /* of those, where the view begins; 0 without one */
  gint64 n;             /* how many of them the view has; else all */
} ClipTorchStorage;

gboolean clip_torch_parse_storage (ClipTorchStorage *storage, const ClipValue *value);

/* The bytes of @storage: elements · size of the dtype, or NULL with @error. */
typedef const guint8 *(*ClipTorchLookup) (gpointer data, const ClipTorchStorage *storage,
                                          GError **error);

/* A call that makes a tensor or a parameter? The tensor's then, else NULL. */
const ClipValue *clip_torch_as_tensor (const ClipValue *value);
/* Adds it under @name. Where its strides are those of an array it points into its storage, else into a copy. */
gboolean clip_torch_add_tensor (ClipCheckpoint *checkpoint, const ClipValue *value,
                                const char *name, ClipTorchLookup lookup, gpointer data,
                                GError **error);

/* Returns: (transfer full) (nullable): a string without NULs, in UTF-8 and not longer than a name may be. */
#define CLIP_TORCH_MAX_NAME 1024
char *clip_torch_text (const ClipValue *value);
