/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Published classifiers number their blocks through and name layers by what they do; timm counts within stages and
 * names them by their place:
 *
 *   _blocks.4._expand_conv.weight → blocks.2.1.conv_pw.weight
 */
#include "core/train/published.h"
#include "core/checkpoint/container.h"

#include <math.h>
#include <string.h>

typedef struct {
  const char *published, *timm;
} Name;

static const Name outside[] = {
  { "_conv_stem.", "conv_stem." }, { "_bn0.", "bn1." },
  { "_conv_head.", "conv_head." }, { "_bn1.", "bn2." },
  { "_fc.", "classifier." },       { NULL },
};

/* The first stage's blocks do not expand, so its layers are one fewer. */
static const Name first[] = {
  { "_depthwise_conv.", "conv_dw." },
  { "_bn1.", "bn1." },
  { "_project_conv.", "conv_pw." },
  { "_bn2.", "bn2." },
  { NULL },
};

static const Name others[] = {
  { "_expand_conv.", "conv_pw." },
  { "_bn0.", "bn1." },
  { "_depthwise_conv.", "conv_dw." },
  { "_bn1.", "bn2." },
  { "_project_conv.", "conv_pwl." },
  { "_bn2.", "bn3." },
  { NULL },
};

/* Blocks of each stage, before a depth multiplier that spares the first and the last. Lite1's 1.1 gives what Lite2's
 * 1.2 does. */
#define STAGES 7
static const int stages[STAGES] = { 1, 2, 2, 3, 3, 4, 1 };
static const double depths[] = { 1, 1.2, 1.4, 1.8 };

/* @repeats: blocks of each stage of a network of @n; FALSE: there is none. */
static gboolean
find_stages (int repeats[STAGES], int n)
{
  for (guint d = 0; d < G_N_ELEMENTS (depths); d++) {
    int sum = 0;
    for (int s = 0; s < STAGES; s++) {
      const gboolean spared = s == 0 || s == STAGES - 1;
      repeats[s] = spared ? stages[s] : (int) ceil (stages[s] * depths[d]);
      sum += repeats[s];
    }
    if (sum == n)
      return TRUE;
  }
  return FALSE;
}

static int
count_blocks (const ClipCheckpoint *published)
{
  for (int n = 0;; n++) {
    g_autofree char *name = g_strdup_printf ("_blocks.%d._project_conv.weight", n);
    if (!clip_checkpoint_find (published, name))
      return n;
  }
}

/* NULL where no row fits. */
static char *
replace (const char *prefix, const char *name, const Name *rows)
{
  for (const Name *row = rows; row->published; row++) {
    if (g_str_has_prefix (name, row->published))
      return g_strconcat (prefix, row->timm, name + strlen (row->published), NULL);
  }
  return NULL;
}

static char *
rename_layer (const char *name, const int repeats[STAGES])
{
  static const char blocks[] = "_blocks.";
  if (!g_str_has_prefix (name, blocks))
    return replace ("", name, outside);
  char *rest;
  guint64 block = g_ascii_strtoull (name + strlen (blocks), &rest, 10);
  int stage = 0;
  while (stage < STAGES && block >= (guint64) repeats[stage])
    block -= repeats[stage++];
  if (stage == STAGES || *rest != '.')
    return NULL;
  g_autofree char *prefix = g_strdup_printf ("blocks.%d.%d.", stage, (int) block);
  return replace (prefix, rest + 1, stage == 0 ? first : others);
}

ClipCheckpoint *
clip_published_rename (const ClipCheckpoint *published)
{
  int repeats[STAGES];
  if (!clip_checkpoint_find (published, "_conv_stem.weight") ||
      !find_stages (repeats, count_blocks (published)))
    return NULL;
  ClipCheckpoint *renamed = clip_checkpoint_new_like (published);
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (published); i++) {
    ClipTensor tensor = *clip_checkpoint_get_tensor (published, i);
    g_autofree char *name = rename_layer (tensor.name, repeats);
    if (!name || g_str_has_suffix (name, ".num_batches_tracked"))
      continue;
    tensor.name = name;
    clip_checkpoint_add (renamed, &tensor, NULL);
  }
  return renamed;
}
