/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where training begins: tensors, configuration, vocabulary; drawn, of a model, or of the towers of two. */
#pragma once
#include "core/train/settings.h"

typedef struct {
  ClipWeights *weights;
  ClipConfig config;
  char *config_text; /* an open_clip_config.json, which the trained model carries on */
  char *name;        /* short, for people */
  ClipTokenizer *tokenizer;
  GBytes *vocabulary; /* its file; NULL: CLIP's own, which is everywhere */
} ClipOrigin;

/* @warnings: of char *, what had to be assumed is appended. */
ClipOrigin *clip_origin_new (const ClipSettings *settings, GPtrArray *warnings, GError **error);
void clip_origin_free (ClipOrigin *origin);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipOrigin, clip_origin_free)
