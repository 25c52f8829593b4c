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
ClipNames *clip_names_load (const char *path, GError **error);
void clip_names_free (ClipNames *names);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipNames, clip_names_free)
int clip_names_get_n_classes (const ClipNames *names); /* K */
guint clip_names_get_n_texts (const ClipNames *names); /* distinct ones */
/* The class that @text alone is true of; -1: of several. */
int clip_names_get_only_class (const ClipNames *names, guint text);
const char *clip_names_get_text (const ClipNames *names, guint text);
/* Draws @n distinct texts: the kinds with the probabilities given, of a class at random. Deterministic for the generator's state. */
void clip_names_draw (const ClipNames *names, guint *texts, int n,
                      const double share[CLIP_NAME_KINDS], guint64 *state);
/* Draws one name of each class @classes [n] */
void clip_names_draw_of (const ClipNames *names, guint *texts, const int *classes, int n,
                         guint64 *state);
/* y[B, n] as above; p: [B, K] */
void clip_names_targets (const ClipNames *names, float *y, const float *p, int batch,
                         const guint *texts, int n);
