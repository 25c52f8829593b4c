/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The classes of a data set as a zero-shot classifier: line i of a file is the name of class i. Unlike labels, several
 * classes may have the same name ("crane", the bird and the machine): they get the same score, and the first is the answer.
 */
#pragma once
#include "core/clip.h"

G_BEGIN_DECLS

typedef struct {
  int n;              /* classes */
  char **names;       /* [n], NULL-terminated */
  ClipLabels *labels; /* different names */
  int *label;         /* [n]: index of a class's name among the labels */
} ClipClasses;

CLIP_API ClipClasses *clip_classes_load (const char *path, GError **error);
CLIP_API void clip_classes_free (ClipClasses *classes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipClasses, clip_classes_free)

/* @scores: [n], of each class: the logits of @classifier, which was made of @classes->labels. */
CLIP_API void clip_classes_score (const ClipClasses *classes, const ClipClassifier *classifier, float *scores,
                                  const float *feature);

G_END_DECLS
