/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a training step learns from beside the captions:
 *
 *   classifier   P = softmax ((pooled · Wᵀ + b) / temperature) [B, K];  N texts are drawn, each true of some classes;
 *                targets Y[b, n] = Σ of P over the classes that text n is true of
 *   goals        where its texts have to lie for the order of cosines to be the classifier's, and captions of their own
 *   teacher      another model's embeddings of the batch
 *   keep         the towers as they were in the beginning: of texts, and of pictures before they were harmed
 */
#pragma once
#include "core/train/memo.h"

typedef struct _ClipGuide ClipGuide;

typedef struct {
  const ClipSettings *settings;
  const ClipDataSetConfig *sets; /* of the settings, caches in their places */
  const ClipOrigin *origin;
  const ClipStudent *student; /* with goals, its image head is set to the one that goes with them */
  ClipMemo *memo;             /* NULL: the text trunk learns */
  ClipTape *tape;
  ClipProgress progress; /* NULL, or of encoding captions */
  gpointer data;
} ClipGuideConfig;

/* Whatever of these the settings ask for. What @config points to must outlive it. */
ClipGuide *clip_guide_new (const ClipGuideConfig *config, GError **error);
void clip_guide_free (ClipGuide *guide);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipGuide, clip_guide_free)
gboolean clip_guide_keeps (const ClipGuide *guide);       /* the text tower */
gboolean clip_guide_keeps_image (const ClipGuide *guide); /* ClipBatch.clean is wanted */

/* The N texts of a step; n = 0 where there is no classifier. */
typedef struct {
  int n, length, n_contrast; /* pictures are told apart by the first of them */
  guint *texts;              /* [N] of the ClipNames */
  gint32 *tokens;            /* [N, T] */
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
  const float *clean;      /* [B, W]: clip_guide_pool_clean () */
  const float *clean_text; /* [B + N, V]: pooled, without noise; NULL: the text trunk learns */
} ClipGuideBatch;

/* Pooled features [B, W] as the image tower would have given them in the beginning, of pictures that nothing happened to;
 * where it is not kept, as they are. Known ones are without noise. */
const float *clip_guide_pool_clean (ClipGuide *guide, const ClipGuideBatch *batch);

/* Each does nothing where it was not asked for. Losses are without their weights. */
gboolean clip_guide_classify (ClipGuide *guide, ClipContrastResult *result,
                              const ClipGuideBatch *batch, GError **error);
gboolean clip_guide_anchor_names (ClipGuide *guide, double *loss, const ClipGuideBatch *batch,
                                  GError **error);
gboolean clip_guide_anchor_captions (ClipGuide *guide, double *loss, const ClipGuideBatch *batch,
                                     GError **error);
gboolean clip_guide_teach (ClipGuide *guide, ClipContrastResult *result,
                           const ClipGuideBatch *batch, GError **error);
gboolean clip_guide_keep (ClipGuide *guide, double *loss, const ClipGuideBatch *batch,
                          GError **error);
gboolean clip_guide_keep_image (ClipGuide *guide, double *loss, const ClipGuideBatch *batch,
                                GError **error);
