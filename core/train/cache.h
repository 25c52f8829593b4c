/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a frozen image trunk pools of a set of pictures, computed once: a file that is a feature set (ClipDataSetConfig's
 * features) of its own, with V augmented views of each sample and the captions.
 */
#pragma once
#include "core/train/data.h"

#define CLIP_CACHE_MODEL "cache.model" /* metadata of such a file: the id of its model */

typedef struct {
  const char *path;
  const char *model; /* id of the model whose trunk it is */
  int width;         /* W */
  int views;         /* V */
  guint64 seed;      /* of the augmentation */
  int workers;       /* decoding threads; 0: one for each processor */
} ClipCacheConfig;

/* pooled [n, W] of pixels [n, 3, R, R] */
typedef gboolean (*ClipCacheEncode) (float *pooled, const float *pixels, int n, gpointer data,
                                     GError **error);

/*
 * Makes the file, unless it is there. A file of another model, of other data or another augmentation is an error that says
 * which. What was computed before an interruption is kept in PATH.part and not computed again.
 *
 * @set: of shards or a list
 * @progress, @warning: (nullable)
 */
gboolean clip_cache_make (const ClipCacheConfig *config, const ClipDataSetConfig *set,
                          ClipCacheEncode encode, ClipProgress progress, ClipWarning warning,
                          gpointer data, GError **error);
