/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From scores to numbers.
 *
 *   rank     how many wrong candidates come before the best right one, in descending order of scores
 *   top-k    share of samples whose rank is below k
 *   mean per class   the mean over classes of each class's top-1
 *   recall@k share of queries that have a right answer among their k best
 *
 * Equal scores stand in the order of candidates, as argmax has it; a model that gives everything the same score gains
 * nothing by it. A score that is not finite is none: it comes before nothing, and is never right however few candidates
 * there are.
 */
#pragma once
#include "core/clip.h"

G_BEGIN_DECLS

/* @right: [n], which candidates are right ones. Returns 0 … @n - 1; G_MAXINT: no right one has a score. */
CLIP_API int clip_rank (const float *scores, const guint8 *right, int n);

/* --------------------------------------------------------------------------------------------------- classification */

typedef struct {
  int truth;  /* the sample's class */
  int answer; /* the class with the highest score; -1: no score is finite */
  int rank;   /* of the truth; G_MAXINT: its score is not finite */
} ClipAnswer;

typedef struct {
  int n;            /* samples of the class */
  int top1, top5;   /* how many are among the first 1, 5 */
  int answered;     /* samples of any class for which this class was the answer */
  int confused;     /* the wrong class that is most often answered; -1: none */
  int confused_n;   /* how often */
} ClipClassResult;

/* @scores: [classes] */
CLIP_API ClipAnswer clip_answer (const float *scores, int n_classes, int truth);
CLIP_API double clip_top_k (const ClipAnswer *answers, gsize n, int k);
/* Over the classes that have samples. */
CLIP_API double clip_mean_per_class (const ClipAnswer *answers, gsize n, int n_classes);
/* @results: [classes] */
CLIP_API void clip_class_results (ClipClassResult *results, int n_classes, const ClipAnswer *answers, gsize n);
/* @counts: [classes, classes]; row: truth, column: answer */
CLIP_API void clip_confusion (guint *counts, int n_classes, const ClipAnswer *answers, gsize n);

/* -------------------------------------------------------------------------------------------------------- retrieval */

typedef struct {
  double r1, r5, r10; /* recall@1, @5, @10 */
  gsize n;            /* queries */
} ClipRecall;

typedef struct {
  const float *images; /* [N, E], unit rows */
  const float *texts;  /* [M, E], unit rows */
  const int *first;    /* [N + 1]: the captions of image i are texts first[i] … first[i + 1] - 1 */
  const int *same;     /* [M]: equal texts have equal numbers, 0 … M - 1: an image's caption is right wherever it stands */
  int n_images, embed_dim;
} ClipRetrieval;

/* Every image asks for texts, and every text for images. NULL: not wanted. */
CLIP_API void clip_retrieve (const ClipRetrieval *retrieval, ClipRecall *image_to_text, ClipRecall *text_to_image);

G_END_DECLS
