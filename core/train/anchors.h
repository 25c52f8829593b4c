/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a text that is true of the classes S has to lie for cosines to decide as a classifier does:
 *
 *   y_S (f)   = log Σ_{c ∈ S} exp l_c (f) - mean over all c of l_c (f)      l: logits; f: pooled features of real pictures
 *   a_S       = argmin Σ_f (a · image (f) - y_S (f))²                       image (f): the head's, not normalised
 *   anchor    = (a_S; √(R² - |a_S|²)) / R                                   R: the longest a_S of a single class
 *
 * The last component, in which images are 0, makes anchors equally long, so that their order by cosine is that of logits.
 * (A text that would be longer than R is shortened.) Where S is one class, a_S · image (f) is its logit, as far as the head
 * has room for it; where it is several, as of "bird", it is the best estimate of how far one of them is there.
 */
#pragma once
#include "core/train/closed.h"
#include "core/train/names.h"

/* Returns: (transfer full): [texts of @names, E] */
float *clip_anchors_find (ClipTape *tape, const ClipClosedHead *head,
                          const ClipPooledClassifier *classifier, const ClipNames *names,
                          const GArray *like);
