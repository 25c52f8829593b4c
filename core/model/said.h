/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What one source (a configuration file, the table of known models) says of a model, each item or nothing. */
#pragma once
#include "core/model/config.h"

typedef enum {
  /* Tensors tell these too: a source can only agree. */
  CLIP_SAYS_EMBED_DIM,
  CLIP_SAYS_IMAGE_SIZE, /* height of pictures */
  CLIP_SAYS_IMAGE_ACROSS, /* and width: where one is said, the other is, too */
  CLIP_SAYS_PREPROCESS_SIZE, /* the same numbers, said where pictures are spoken of */
  CLIP_SAYS_PREPROCESS_ACROSS,
  CLIP_SAYS_PATCH_SIZE,
  CLIP_SAYS_IMAGE_WIDTH,
  CLIP_SAYS_IMAGE_LAYERS,
  CLIP_SAYS_IMAGE_STAGE_1, /* blocks of each, where layers are an array (ResNet) */
  CLIP_SAYS_IMAGE_STAGE_2,
  CLIP_SAYS_IMAGE_STAGE_3,
  CLIP_SAYS_IMAGE_STAGE_4,
  CLIP_SAYS_CONTEXT_LENGTH,
  CLIP_SAYS_VOCAB_SIZE,
  CLIP_SAYS_TEXT_WIDTH,
  CLIP_SAYS_TEXT_LAYERS,
  CLIP_SAYS_NO_LN_PRE,       /* 0 or 1, ViT */
  CLIP_SAYS_MAP_HEAD,        /* 0 or 1, ViT: CLIP_POOL_MAP */
  CLIP_SAYS_PROJECTION_BIAS, /* 0 or 1, of the text tower */
  CLIP_SAYS_HEAD_LAYERS,     /* of BERT's projection */
  /* Only a source can tell these. */
  CLIP_SAYS_IMAGE_HEADS,
  CLIP_SAYS_IMAGE_HEAD_WIDTH,
  CLIP_SAYS_TEXT_HEADS,
  CLIP_SAYS_TIMM_VIT,         /* 0 or 1: a ViT as timm defines them */
  CLIP_SAYS_IMAGE_ACTIVATION, /* ClipActivation */
  CLIP_SAYS_TEXT_ACTIVATION,
  CLIP_SAYS_POOL,            /* ClipPool but for CLIP_POOL_MAP, ViT */
  CLIP_SAYS_NORM_AFTER_POOL, /* 0 or 1, ViT */
  CLIP_SAYS_TEXT_POOL,       /* ClipTextPool, CLIP */
  CLIP_SAYS_BERT_POOL,       /* the same, BERT */
  CLIP_SAYS_ROBERTA,         /* 0 or 1, BERT */
  CLIP_SAYS_NO_CAUSAL_MASK,  /* 0 or 1 */
  CLIP_SAYS_CLEAN,           /* ClipClean */
  CLIP_SAYS_NO_END_TOKEN,    /* 0 or 1, of the tokenizer */
  CLIP_SAYS_PAD_TOKEN,
  CLIP_SAYS_END_TOKEN,
  CLIP_SAYS_FILTER,      /* ClipFilter */
  CLIP_SAYS_RESIZE_MODE, /* ClipResizeMode */
  CLIP_SAYS_N,
} ClipSays;

/* Tokens of SigLIP 2, which are Gemma's. The first SigLIP, in one language or many, has others. */
#define CLIP_GEMMA_TOKENS 256000

#define CLIP_UNSAID -1

typedef struct {
  int n[CLIP_SAYS_N];
  float image_epsilon, text_epsilon, mean[3], std[3]; /* NaN: unsaid */
} ClipSaid;

extern const ClipSaid clip_said_nothing;

/* What @from says replaces what @said said. */
void clip_said_add (ClipSaid *said, const ClipSaid *from);

/* CLIP_ERROR_CONFIG or _FORMAT for a text that is no such file, or has a member of the wrong type. *@refusal is set
 * (CLIP_ERROR_UNSUPPORTED) where it is sound but asks for what nothing here can run: a matter for whoever finds it to
 * belong to the weights. */
gboolean clip_said_read (ClipSaid *said, const ClipSource *source, GError **refusal,
                         GError **error);

/* What is known of published checkpoints whose files do not tell: by name, and by the sizes in @config. */
void clip_said_known (ClipSaid *said, const char *name, const char *naming,
                      const ClipConfig *config);
