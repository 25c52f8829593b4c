/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which texts are true of which class of a classifier: lines "class, synset, kind, text" (tab-separated; kind is name,
 * hypernym or gloss). With a classifier's probabilities P [B, K] they give the targets of the contrastive loss:
 *
 *   Y[b, n] = Σ over the classes c that text n is true of: P[b, c]
 */
#pragma once
#include "core/clip.h"

typedef enum { CLIP_NAME, CLIP_HYPERNYM, CLIP_GLOSS, CLIP_NAME_KINDS } ClipNameKind;

typedef struct _ClipNames ClipNames;
/* @without: (nullable): texts that are left out; one that is not there is an error, as is a class that they leave without a
 * name. */
ClipNames *clip_names_load (const char *path, const char *const *without, GError **error);
void clip_names_free (ClipNames *names);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipNames, clip_names_free)
int clip_names_get_n_classes (const ClipNames *names); /* K */
guint clip_names_get_n_texts (const ClipNames *names); /* distinct ones */
/* The class that @text alone is true of; -1: of several. */
int clip_names_get_only_class (const ClipNames *names, guint text);
const char *clip_names_get_text (const ClipNames *names, guint text);
typedef struct {
  double share[CLIP_NAME_KINDS]; /* probabilities of the kinds, times any factor */
  double
      first; /* probability of a class's first name, where not any of its names, this one too, is as good */
} ClipNamesDraw;

/* Draws @n distinct texts, the kind first; then any text of that kind, a rare one as often as one of many classes; but of
 * names, no class has two while another has none. Deterministic for the generator's state. */
void clip_names_draw (const ClipNames *names, guint *texts, int n, const ClipNamesDraw *draw,
                      guint64 *state);
/* y[B, n] as above; p: [B, K] */
void clip_names_targets (const ClipNames *names, float *y, const float *p, int batch,
                         const guint *texts, int n);
