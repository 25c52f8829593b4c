/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Learning from another model: a teacher's embeddings of the same images and texts give the targets of the contrastive
 * loss, in both directions,
 *
 *   p_b = softmax (S · I_b · Tᵀ) over all texts    q_n = softmax (S · T_n · Iᵀ) over all images
 *   loss = ½ · mean_b CE (p_b, softmax (l_b)) + ½ · mean_n CE (q_n, softmax (l_·n))
 *
 * and staying close to what one was: the distance of a tower's pooled output to that of its frozen original.
 */
#pragma once
#include "core/train/loss.h"

typedef struct {
  int embed_dim;             /* the teacher's own */
  const float *image, *text; /* [B, F], [N, F] of this rank: not normalised */
  float scale;               /* S, not its logarithm */
} ClipTeacher;

/* @contrast: the student's; its targets are not looked at. The result's accuracy is the share of images whose best text is
 * the teacher's too. Otherwise as clip_contrast (). */
gboolean clip_distill (ClipContrastResult *result, ClipTape *tape, ClipRanks *ranks,
                       const ClipContrast *contrast, const ClipTeacher *teacher, float weight,
                       float *d_image, float *d_text, GError **error);

/* loss = Σ |x - original|² / Σ |original - mean|², over all ranks' rows and the mean of these rows: the share of how originals
 * vary that x does not have. Adds @weight times its gradient to @d_x [rows, width]. */
gboolean clip_stay_near (double *loss, ClipTape *tape, ClipRanks *ranks, const float *x,
                         const float *original, int rows, int width, float weight, float *d_x,
                         GError **error);

/* loss = mean over all ranks' rows of 1 - cos (x, original); adds @weight times its gradient to @d_x [rows, width]. */
gboolean clip_stay_close (double *loss, ClipTape *tape, ClipRanks *ranks, const float *x,
                          const float *original, int rows, int width, float weight, float *d_x,
                          GError **error);
