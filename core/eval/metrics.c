/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranks, and the shares and tables that are made of them. */
#include "core/eval/metrics.h"
#include "core/model/blas.h"

#include <math.h>
#include <string.h>

int
clip_rank (const float *scores, const guint8 *right, int n)
{
  int best = -1, rank = 0;
  for (int i = 0; i < n; i++)
    if (right[i] && isfinite (scores[i]) && (best < 0 || scores[i] > scores[best]))
      best = i;
  if (best < 0)
    return G_MAXINT;
  for (int i = 0; i < n; i++)
    rank += !right[i] && isfinite (scores[i]) &&
            (scores[i] > scores[best] || (scores[i] == scores[best] && i < best));
  return rank;
}

/* --------------------------------------------------------------------------------------------------- classification */

ClipAnswer
clip_answer (const float *scores, int n_classes, int truth)
{
  ClipAnswer answer = { .truth = truth, .answer = -1, .rank = 0 };
  const float own = scores[truth];
  for (int i = 0; i < n_classes; i++) {
    if (!isfinite (scores[i]))
      continue;
    if (answer.answer < 0 || scores[i] > scores[answer.answer])
      answer.answer = i;
    answer.rank += scores[i] > own || (scores[i] == own && i < truth);
  }
  if (!isfinite (own))
    answer.rank = G_MAXINT;
  return answer;
}

double
clip_top_k (const ClipAnswer *answers, gsize n, int k)
{
  gsize right = 0;
  for (gsize i = 0; i < n; i++)
    right += answers[i].rank < k;
  return n ? (double) right / n : 0;
}

double
clip_mean_per_class (const ClipAnswer *answers, gsize n, int n_classes)
{
  g_autofree ClipClassResult *results = g_new0 (ClipClassResult, n_classes);
  clip_class_results (results, n_classes, answers, n);
  double sum = 0;
  int seen = 0;
  for (int c = 0; c < n_classes; c++) {
    if (results[c].n > 0) {
      sum += (double) results[c].top1 / results[c].n;
      seen++;
    }
  }
  return seen ? sum / seen : 0;
}

static int
compare_answers (const void *a, const void *b)
{
  const ClipAnswer *x = a, *y = b;
  return x->truth != y->truth ? (x->truth < y->truth ? -1 : 1)
                              : (x->answer > y->answer) - (x->answer < y->answer);
}

void
clip_class_results (ClipClassResult *results, int n_classes, const ClipAnswer *answers, gsize n)
{
  for (int c = 0; c < n_classes; c++)
    results[c] = (ClipClassResult){ .confused = -1 };
  for (gsize i = 0; i < n; i++) {
    ClipClassResult *own = &results[answers[i].truth];
    own->n++;
    own->top1 += answers[i].rank < 1;
    own->top5 += answers[i].rank < 5;
    if (answers[i].answer >= 0)
      results[answers[i].answer].answered++;
  }
  /* sorted, equal confusions are neighbours: no matrix, which may be large */
  g_autofree ClipAnswer *sorted = g_memdup2 (answers, n * sizeof *answers);
  if (n > 0)
    qsort (sorted, n, sizeof *sorted, compare_answers);
  for (gsize i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n && compare_answers (&sorted[i], &sorted[end]) == 0;)
      end++;
    ClipClassResult *own = &results[sorted[i].truth];
    if (sorted[i].answer != sorted[i].truth && sorted[i].answer >= 0 &&
        (int) (end - i) > own->confused_n) {
      own->confused = sorted[i].answer;
      own->confused_n = end - i;
    }
  }
}

void
clip_confusion (guint *counts, int n_classes, const ClipAnswer *answers, gsize n)
{
  memset (counts, 0, (gsize) n_classes * n_classes * sizeof *counts);
  for (gsize i = 0; i < n; i++)
    if (answers[i].answer >= 0)
      counts[(gsize) answers[i].truth * n_classes + answers[i].answer]++;
}

/* -------------------------------------------------------------------------------------------------------- retrieval */

/* Queries that are scored together. */
#define BLOCK 64

static void
add_rank (ClipRecall *recall, int rank)
{
  recall->r1 += rank < 1;
  recall->r5 += rank < 5;
  recall->r10 += rank < 10;
  recall->n++;
}

static void
finish (ClipRecall *recall)
{
  const double n = MAX (recall->n, 1);
  recall->r1 /= n;
  recall->r5 /= n;
  recall->r10 /= n;
}

/* Images that have a text: holders[start[s]] … holders[start[s + 1] - 1] have a text of number s. */
typedef struct {
  int *start, *holders;
} Holders;

static Holders
find_holders (const ClipRetrieval *r)
{
  const int n_texts = r->first[r->n_images];
  Holders h = { g_new0 (int, n_texts + 2), g_new (int, MAX (n_texts, 1)) };
  for (int t = 0; t < n_texts; t++)
    h.start[r->same[t] + 2]++;
  for (int s = 0; s < n_texts; s++)
    h.start[s + 2] += h.start[s + 1];
  for (int i = 0; i < r->n_images; i++)
    for (int t = r->first[i]; t < r->first[i + 1]; t++)
      h.holders[h.start[r->same[t] + 1]++] = i;
  return h;
}

static void
retrieve_texts (const ClipRetrieval *r, ClipRecall *recall)
{
  const int n_texts = r->first[r->n_images], E = r->embed_dim;
  g_autofree float *scores = g_new (float, (gsize) BLOCK *MAX (n_texts, 1));
  g_autofree guint8 *own = g_new0 (guint8, MAX (n_texts, 1)); /* [numbers of texts] */
  g_autofree guint8 *right = g_new0 (guint8, MAX (n_texts, 1));
  for (int block = 0; block < r->n_images && n_texts > 0; block += BLOCK) {
    const int n = MIN (BLOCK, r->n_images - block);
    clip_sgemm_nt (scores, n_texts, r->images + (gsize) block * E, E, r->texts, E, n, n_texts, E, 1,
                   FALSE);
    for (int i = block; i < block + n; i++) {
      for (int t = r->first[i]; t < r->first[i + 1]; t++)
        own[r->same[t]] = 1;
      for (int t = 0; t < n_texts; t++)
        right[t] = own[r->same[t]];
      if (r->first[i + 1] > r->first[i])
        add_rank (recall, clip_rank (scores + (gsize) (i - block) * n_texts, right, n_texts));
      for (int t = r->first[i]; t < r->first[i + 1]; t++)
        own[r->same[t]] = 0;
    }
  }
}

static void
retrieve_images (const ClipRetrieval *r, ClipRecall *recall)
{
  const int n_texts = r->first[r->n_images], E = r->embed_dim;
  Holders h = find_holders (r);
  g_autofree float *scores = g_new (float, (gsize) BLOCK *MAX (r->n_images, 1));
  g_autofree guint8 *right = g_new0 (guint8, MAX (r->n_images, 1));
  for (int block = 0; block < n_texts; block += BLOCK) {
    const int n = MIN (BLOCK, n_texts - block);
    clip_sgemm_nt (scores, r->n_images, r->texts + (gsize) block * E, E, r->images, E, n,
                   r->n_images, E, 1, FALSE);
    for (int t = block; t < block + n; t++) {
      const int *holders = h.holders + h.start[r->same[t]];
      const int n_holders = h.start[r->same[t] + 1] - h.start[r->same[t]];
      for (int i = 0; i < n_holders; i++)
        right[holders[i]] = 1;
      add_rank (recall, clip_rank (scores + (gsize) (t - block) * r->n_images, right, r->n_images));
      for (int i = 0; i < n_holders; i++)
        right[holders[i]] = 0;
    }
  }
  g_free (h.start);
  g_free (h.holders);
}

void
clip_retrieve (const ClipRetrieval *retrieval, ClipRecall *image_to_text, ClipRecall *text_to_image)
{
  if (image_to_text) {
    *image_to_text = (ClipRecall){ 0 };
    retrieve_texts (retrieval, image_to_text);
    finish (image_to_text);
  }
  if (text_to_image) {
    *text_to_image = (ClipRecall){ 0 };
    retrieve_images (retrieval, text_to_image);
    finish (text_to_image);
  }
}
