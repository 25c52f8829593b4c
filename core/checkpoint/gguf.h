/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers, strings and pairs of a GGUF file, one after the other (gguf-pairs.c); gguf.c puts tensors together. */
#pragma once
#include "core/checkpoint/container.h"

#include <json-glib/json-glib.h>

typedef struct {
  ClipCheckpoint *checkpoint;
  const guint8 *start, *at, *end; /* of the file */
  guint32 version;
  JsonObject *pairs;    /* those that describe the model */
  const guint8 *tokens; /* the first string of the vocabulary; NULL: there is none */
  guint64 n_tokens;
} ClipGguf;

/* @what names it in messages: "an offset". FALSE or NULL where the file ends before. */
const guint8 *clip_gguf_take (ClipGguf *gguf, guint64 n, const char *what, GError **error);
gboolean clip_gguf_u32 (ClipGguf *gguf, guint32 *value, const char *what, GError **error);
gboolean clip_gguf_u64 (ClipGguf *gguf, guint64 *value, const char *what, GError **error);
/* A length or a number of things. */
gboolean clip_gguf_count (ClipGguf *gguf, guint64 *value, const char *what, GError **error);
/* UTF-8 without NUL; g_free () */
char *clip_gguf_string (ClipGguf *gguf, const char *what, GError **error);

/* A key and its value. */
gboolean clip_gguf_pair (ClipGguf *gguf, GError **error);
/* After all pairs: the vocabulary as the tensor "clip.tokens" [bytes] u8, a token a line, where tokens can be lines. */
gboolean clip_gguf_add_tokens (const ClipGguf *gguf, GError **error);
