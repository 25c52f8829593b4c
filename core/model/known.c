/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of published checkpoints whose files do not tell. Sources: OpenCLIP's pretrained.py and model_configs, and the
 * models' own pages. Names are compared in lower case, with '_', '.', ' ' and '/' as '-'; the first pattern that matches is meant.
 */
#include "core/model/said.h"

#include <string.h>

static const float openai_mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f };
static const float openai_std[3] = { 0.26862954f, 0.26130258f, 0.27577711f };
static const float half[3] = { 0.5f, 0.5f, 0.5f };

#define QUICK CLIP_ACTIVATION_QUICK_GELU
#define GELU CLIP_ACTIVATION_GELU
#define SHORTEST CLIP_RESIZE_SHORTEST
#define SQUASH CLIP_RESIZE_SQUASH

static const struct {
  const char *pattern;
  ClipActivation activation;
  ClipResizeMode resize_mode;
  const float *mean, *std;
} names[] = {
  { "*vit-l-14*laion2b-s32b-b82k*", GELU, SHORTEST, half, half },
  { "*quickgelu*", QUICK, SHORTEST, openai_mean, openai_std },
  { "*quick-gelu*", QUICK, SHORTEST, openai_mean, openai_std },
  { "*b-32*laion400m-e3?*", QUICK, SHORTEST, openai_mean, openai_std },
  { "*laion400m-e3?*b-32*", QUICK, SHORTEST, openai_mean, openai_std },
  { "*b-32-roberta-base*", QUICK, SHORTEST, openai_mean, openai_std },
  { "*roberta-vit-b-32*laion*", QUICK, SHORTEST, openai_mean, openai_std },
  { "*laion*", GELU, SHORTEST, openai_mean, openai_std },
  { "*datacomp*", GELU, SHORTEST, openai_mean, openai_std },
  { "*commonpool*", GELU, SHORTEST, openai_mean, openai_std },
  { "*metaclip*altogether*", GELU, SHORTEST, openai_mean, openai_std },
  { "*metaclip*", QUICK, SHORTEST, openai_mean, openai_std },
  { "*dfn2b*39b*", GELU, SHORTEST, openai_mean, openai_std },
  { "*dfn2b*", QUICK, SHORTEST, openai_mean, openai_std },
  { "*dfn5b*", QUICK, SQUASH, openai_mean, openai_std },
  { "*yfcc15m*", QUICK, SHORTEST, openai_mean, openai_std },
  { "*cc12m*", QUICK, SHORTEST, openai_mean, openai_std },
  { "*openai*", QUICK, SHORTEST, openai_mean, openai_std },
};

/* Image towers whose heads are not 64 wide: ViT-H, g, bigG, e, and SigLIP's largest. No published tower of these sizes has other heads. */
static const struct {
  int width, layers, heads;
} towers[] = {
  { 1280, 32, 16 }, { 1408, 40, 16 }, { 1664, 48, 16 },
  { 1792, 56, 16 }, { 1152, 27, 16 }, /* SigLIP: so400m, giant-opt */
  { 1536, 40, 16 },
};

/* BERT and RoBERTa, whose published sizes have heads of 64. */
static const struct {
  int width, layers;
} berts[] = { { 768, 6 }, { 768, 12 }, { 1024, 24 } };

/* A directory deep in a path says nothing of the model; two names do: "laion/CLIP-ViT-B-32…/open_clip_model.safetensors". */
static char *
normalise (const char *path)
{
  const char *start = path;
  int separators = 0;
  for (const char *c = path + strlen (path); c > path && separators < 3; c--) {
    if (c[-1] == '/' && ++separators == 3)
      start = c;
  }
  char *name = g_ascii_strdown (start, -1);
  return g_strdelimit (name, "_. /", '-');
}

/* All of SigLIP, which is known by its pooling. */
static void
add_siglip (ClipSaid *said, const char *naming, const ClipConfig *config)
{
  said->n[CLIP_SAYS_IMAGE_ACTIVATION] = said->n[CLIP_SAYS_TEXT_ACTIVATION] =
      g_str_equal (naming, "huggingface") ? CLIP_ACTIVATION_GELU_TANH : GELU;
  said->n[CLIP_SAYS_FILTER] = CLIP_FILTER_BICUBIC;
  said->n[CLIP_SAYS_RESIZE_MODE] = SQUASH;
  said->n[CLIP_SAYS_IMAGE_HEAD_WIDTH] = 64;
  memcpy (said->mean, half, sizeof half);
  memcpy (said->std, half, sizeof half);
  if (config->text.kind != CLIP_TEXT_CLIP)
    return;
  said->n[CLIP_SAYS_NO_CAUSAL_MASK] = TRUE;
  said->n[CLIP_SAYS_CLEAN] =
      g_str_equal (naming, "huggingface") && config->text.vocab_size == CLIP_GEMMA_TOKENS
          ? CLIP_CLEAN_CASE
          : CLIP_CLEAN_CANONICAL;
  said->n[CLIP_SAYS_TEXT_POOL] = CLIP_TEXT_POOL_LAST;
  said->text_epsilon = 1e-6f;
  if (config->text.width == 1152)
    said->n[CLIP_SAYS_TEXT_HEADS] = 16;
}

void
clip_said_known (ClipSaid *said, const char *name, const char *naming, const ClipConfig *config)
{
  *said = clip_said_nothing;
  g_autofree char *normal = g_str_equal (naming, "openai") ? g_strdup ("openai") : normalise (name);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (!g_pattern_match_simple (names[i].pattern, normal))
      continue;
    said->n[CLIP_SAYS_IMAGE_ACTIVATION] = said->n[CLIP_SAYS_TEXT_ACTIVATION] = names[i].activation;
    said->n[CLIP_SAYS_FILTER] = CLIP_FILTER_BICUBIC;
    said->n[CLIP_SAYS_RESIZE_MODE] = names[i].resize_mode;
    said->n[CLIP_SAYS_IMAGE_HEAD_WIDTH] = 64; /* unless the table below knows better */
    memcpy (said->mean, names[i].mean, sizeof said->mean);
    memcpy (said->std, names[i].std, sizeof said->std);
    break;
  }
  if (config->image.pool == CLIP_POOL_MAP)
    add_siglip (said, naming, config);
  for (guint i = 0; i < G_N_ELEMENTS (towers); i++) {
    if (config->image.width == towers[i].width && config->image.layers == towers[i].layers)
      said->n[CLIP_SAYS_IMAGE_HEADS] = towers[i].heads;
  }
  for (guint i = 0; i < G_N_ELEMENTS (berts); i++) {
    if (config->text.kind == CLIP_TEXT_BERT && config->text.width == berts[i].width &&
        config->text.layers == berts[i].layers)
      said->n[CLIP_SAYS_TEXT_HEADS] = berts[i].width / 64;
  }
}
