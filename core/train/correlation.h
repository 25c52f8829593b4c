/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where captions would lie if nothing but linear correlation counted, in closed form:
 *
 *   goal (t) = (t - μ_t) · M,  M = (Σ_t + ridge)⁻¹ Σ_tx (Σ_x + ridge)⁻¹        t [V]: pooled features of a caption
 *                                                                              x [D]: an embedding of its image
 *
 * over the pairs of a set: the images' features that a caption predicts, weighed by how little they vary otherwise. This is
 * canonical correlation analysis with ridges (Hotelling 1936, Vinod 1976), each direction counting by its correlation. A
 * text head that is drawn to these goals cannot learn a few thousand captions by heart.
 */
#pragma once
#include "core/train/tape.h"

typedef struct {
  int text_width, dims; /* V, D */
  float *mean;          /* [V] */
  float *map;           /* [V, D] */
} ClipCorrelation;

/* @image: [n, @stride], of which the first D count; @text: [m, V]; caption i is of image owner[i]. */
ClipCorrelation *clip_correlation_new (ClipTape *tape, const float *image, gsize n, gsize stride,
                                       int dims, const float *text, const int *owner, gsize m,
                                       int text_width);
void clip_correlation_free (ClipCorrelation *correlation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipCorrelation, clip_correlation_free)

/* goal[rows, D] of text[rows, V], each of length 1 */
void clip_correlation_run (const ClipCorrelation *correlation, ClipTape *tape, float *goal,
                           const float *text, int rows);
