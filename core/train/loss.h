/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The contrastive loss of the paper, with targets that may be more than the diagonal:
 *
 *   i = normalise (image features) [B, E], t = normalise (text features) [N, E]; l = s · i · tᵀ [B, N], s = exp (logit_scale)
 *   p_b = Y_b / Σ Y_b    targets of image b over the texts        q_n = Y_·n / Σ Y_·n    of text n over the images
 *   loss = ½ · mean_b CE (p_b, softmax (l_b)) + ½ · mean_n CE (q_n, softmax (l_·n))
 *
 * Y[b, n] ≥ 0 says how true text n is of image b. A row or column of zeros takes no part (the mean is over those that do).
 * Symmetric InfoNCE is Y = 1 where text n is b's own, or equal to it. Distributed: each rank has the features of its own
 * images and texts; they are gathered, each rank computes the rows of its own images and the columns of its own texts.
 */
#pragma once
#include "core/train/ranks.h"
#include "core/train/tape.h"

/* The key of a row that is not there: it has no targets and is nobody's negative. Ranks with fewer pairs than others fill up
 * with such rows of zeros. */
#define CLIP_NO_KEY G_MAXUINT64

typedef struct {
  int images, texts, embed_dim; /* B, N: of this rank */
  const float *image, *text;    /* [B, E], [N, E]: not normalised */
  /* Targets, one of both: keys (all ranks'; Y = 1 where equal, otherwise 0), or soft. */
  const guint64 *image_key, *text_key; /* [B], [N] */
  const float *soft; /* [B, N]; a single rank, or each rank's images against its own texts only */
  float logit_scale; /* its logarithm, as it is stored */
  float image_weight,
      text_weight; /* of both directions: ½ and ½; 1 and 0 leaves out the second sum */
} ClipContrast;

typedef struct {
  double loss;     /* over all ranks */
  double accuracy; /* share of images whose best text is (one of) the truest */
  float
      d_logit_scale; /* of @loss, to the logarithm: the whole, on every rank, not multiplied by @weight */
} ClipContrastResult;

/* Adds @weight times the gradient to @d_image [B, E] and @d_text [N, E] (this rank's features; of the loss over all ranks,
 * so that gradients of parameters are to be summed over ranks, not averaged). B and N are the same on all ranks. */
gboolean clip_contrast (ClipContrastResult *result, ClipTape *tape, ClipRanks *ranks,
                        const ClipContrast *contrast, float weight, float *d_image, float *d_text,
                        GError **error);
