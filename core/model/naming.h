/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Naming schemes: what a checkpoint calls the tensor that a tower asks for by OpenCLIP's name
 * (weights.h lists those). */
#pragma once
#include "core/checkpoint/checkpoint.h"

typedef struct _ClipNaming ClipNaming;

/* NULL with CLIP_ERROR_UNSUPPORTED where no tensor looks like one of a CLIP model. */
const ClipNaming *clip_naming_recognise (const ClipCheckpoint *checkpoint, GError **error);
const char *
clip_naming_name (const ClipNaming *naming); /* "openai", "openclip", "huggingface", "clip.cpp" */

/* What OpenCLIP calls the tensor that this scheme calls @stored, with q, k and v as weights.h has them; another name stays as it is.
 * g_free () */
char *clip_naming_to_openclip (const ClipNaming *naming, const char *stored);
/* Whether it is OpenCLIP's scheme, or OpenAI's, which is the same: projections are stored as [in, out]. */
gboolean clip_naming_is_openclip (const ClipNaming *naming);

typedef struct {
  const ClipTensor *tensor; /* NULL: absent */
  gboolean transposed;      /* stored as [in, out] */
  int part,
      parts; /* which of how many equal parts of its rows, from 0 on (q, k, v: 3 of them); all: 0 of 1 */
} ClipNamed;

/* @tried: (out) (nullable) (transfer full): the name in the file that was looked for first. */
ClipNamed clip_naming_find (const ClipNaming *naming, const ClipCheckpoint *checkpoint,
                            const char *name, char **tried);
