/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any model → our own file (writer.h). */
#pragma once
#include "core/checkpoint/checkpoint.h"

G_BEGIN_DECLS

typedef enum {
  CLIP_CONVERT_KEEP, /* each tensor in the type it has; GGUF's blocks as float32 */
  CLIP_CONVERT_F32,
  /* Matrices, convolutions and embeddings; vectors (biases, gains, statistics) as float32. */
  CLIP_CONVERT_F16,
  CLIP_CONVERT_BF16,
  CLIP_CONVERT_INT8, /* matrices of layers and token embeddings, with a scale a row; the others as CLIP_CONVERT_F16 */
} ClipConvertPrecision;

typedef struct {
  const char *dtype; /* "f16" */
  guint tensors;
  gint64 bytes;
} ClipConvertShare;

typedef struct {
  ClipConvertShare shares[CLIP_DTYPE_F8_E5M2 + 1]; /* by ClipDtype; of weights alone */
  char **kept; /* names of those that the type asked for cannot hold: they are float32; g_strfreev () */
} ClipConvertReport;

/*
 * clip_model_convert:
 * @path: is replaced when all is written; CLIP_ERROR_IO where it is the file that @model was read from
 * @name: by which @model was loaded
 * @borne: the least exact arithmetic that `auto` may stand for (core/model/precision.h); AUTO: what @model's file says
 * @progress: (nullable): is told the fraction that is done
 * @report: (out)
 *
 * A model without vocabulary makes a file without one.
 */
CLIP_API gboolean clip_model_convert (const char *path, const char *name, ClipModel *model, ClipConvertPrecision precision,
                                      ClipPrecision borne, void (*progress) (double fraction, gpointer data), gpointer data,
                                      ClipConvertReport *report, GError **error);

G_END_DECLS
