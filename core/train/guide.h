/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a training step learns from beside the captions:
 *
 *   classifier   P = softmax ((pooled · Wᵀ + b) / temperature) [B, K];  N texts are drawn, each true of some classes;
 *                targets Y[b, n] = Σ of P over the classes that text n is true of
 *   anchor       where a text that is true of one class alone has to lie for the order of cosines to be the classifier's
 *   teacher      another model's embeddings of the batch
 *   keep         the towers as they were in the beginning: of texts, and of pictures before they were harmed
 */
#pragma once
#include "core/train/student.h"

typedef struct _ClipGuide ClipGuide;

/* Whatever of these the settings ask for. @origin must outlive it. */
/* With anchors, the student's image head is set to the one that goes with them. */
ClipGuide *clip_guide_new (const ClipSettings *settings, ClipTape *tape, const ClipOrigin *origin,
                           const ClipStudent *student, GError **error);
void clip_guide_free (ClipGuide *guide);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipGuide, clip_guide_free)
gboolean clip_guide_keeps (const ClipGuide *guide);       /* the text tower */
gboolean clip_guide_keeps_image (const ClipGuide *guide); /* ClipBatch.clean is wanted */

/* The N texts of a step; n = 0 where there is no classifier. */
typedef struct {
  int n, length;
  guint *texts;   /* [N] of the ClipNames */
  gint32 *tokens; /* [N, T] */
} ClipGuideTexts;
ClipGuideTexts clip_guide_draw (ClipGuide *guide, ClipTape *tape, int step, int rank);

typedef struct {
  ClipTape *tape;
  ClipRanks *ranks;
  const ClipBatch *batch;
  const ClipGuideTexts *extra;
  const ClipPass *image, *text;       /* B rows; B + N */
  float *d_image, *d_text, *d_pooled; /* gradients are added, with the weights of the settings */
  float *d_image_pooled;              /* NULL: the image tower is not kept */
  float logit_scale;
  const float *clean; /* [B, W]: clip_guide_pool_clean () */
} ClipGuideBatch;

/* Pooled features [B, W] as the image tower would have given them in the beginning, of pictures that nothing happened to;
 * where it is not kept, as they are. */
const float *clip_guide_pool_clean (ClipGuide *guide, const ClipGuideBatch *batch);

/* Each does nothing where it was not asked for. Losses are without their weights. */
gboolean clip_guide_classify (ClipGuide *guide, ClipContrastResult *result,
                              const ClipGuideBatch *batch, GError **error);
gboolean clip_guide_anchor (ClipGuide *guide, double *loss, const ClipGuideBatch *batch,
                            GError **error);
gboolean clip_guide_teach (ClipGuide *guide, ClipContrastResult *result,
                           const ClipGuideBatch *batch, GError **error);
gboolean clip_guide_keep (ClipGuide *guide, double *loss, const ClipGuideBatch *batch,
                          GError **error);
gboolean clip_guide_keep_image (ClipGuide *guide, double *loss, const ClipGuideBatch *batch,
                                GError **error);
