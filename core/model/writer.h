/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model as one file that stands alone: OpenCLIP's names, configuration and vocabulary inside (docs/model.md). */
#pragma once
#include "core/checkpoint/safetensors.h"
#include "core/model/store.h"

/* What is in it beside weights. */
typedef struct {
  const char *config;        /* an open_clip_config.json */
  const char *name;          /* for people, as is */
  const char *license;       /* (nullable) */
  const char *precision;     /* (nullable): core/model/precision.h */
  GBytes *vocabulary;        /* NULL: none, or CLIP's own */
} ClipModelText;

/* @tensors: under OpenCLIP's names. @source, @data: as in clip_safetensors_write_from (). */
gboolean clip_model_write (const char *path, const ClipTensor *tensors, guint n, const ClipModelText *text,
                           ClipTensorSource source, gpointer data, GError **error);

/* The bytes of the vocabulary that clip_model_load () finds, if clip_tokenizer_parse () reads them: in the weights, or in a single
 * file beside them; CLIP_ERROR_TOKENIZER where there is none. */
GBytes *clip_model_find_vocabulary (const ClipCheckpoint *checkpoint, const ClipStored *stored, GError **error);
