/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/anchors.h"
#include "core/train/moments.h"
#include "core/train/product.h"

#include <math.h>

#define CHUNK 512  /* pictures at a time */
#define RIDGE 1e-4 /* of the mean square of each component */

typedef struct {
  const ClipClosedHead *head;
  const ClipPooledClassifier *classifier;
  const ClipNames *names;
  int n_texts;   /* T */
  guint *texts;  /* [T] all of them */
  float *square; /* [E, E] Σ image imageᵀ */
  float *cross;  /* [E, T] Σ image y */
} Fit;

/* y[rows, T] = log Σ_{c ∈ S} exp (l_c - most) + most - mean l_c; what is below the smallest float is as good as not there. */
static void
find_targets (const Fit *fit, ClipTape *tape, float *y, const float *features, int rows)
{
  const ClipPooledClassifier *classifier = fit->classifier;
  const int K = classifier->classes, W = classifier->width, T = fit->n_texts;
  float *p = clip_tape_floats (tape, (gsize) rows * K);
  double *level = clip_tape_take (tape, rows * sizeof *level); /* most - mean */
  clip_product_nt (tape, p, K, features, W, classifier->weight->data, W, classifier->bias->data,
                   rows, K, W, FALSE);
  for (int i = 0; i < rows; i++) {
    float *l = p + (gsize) i * K, most = l[0];
    double sum = 0;
    for (int c = 0; c < K; c++) {
      most = MAX (most, l[c]);
      sum += l[c];
    }
    for (int c = 0; c < K; c++)
      l[c] = expf (l[c] - most);
    level[i] = most - sum / K;
  }
  clip_names_targets (fit->names, y, p, rows, fit->texts, T);
  for (gsize i = 0; i < (gsize) rows; i++)
    for (int t = 0; t < T; t++)
      y[i * T + t] = logf (MAX (y[i * T + t], 1e-30f)) + (float) level[i];
}

static void
add_pictures (Fit *fit, ClipTape *tape, const float *features, int rows)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const int E = fit->head->embed_dim, W = fit->head->width, T = fit->n_texts;
  float *image = clip_tape_floats (tape, (gsize) rows * E),
        *y = clip_tape_floats (tape, (gsize) rows * T);
  clip_product_nt (tape, image, E, features, W, fit->head->head, W, fit->head->bias, rows, E, W,
                   FALSE);
  find_targets (fit, tape, y, features, rows);
  clip_product_tn (tape, fit->square, E, image, E, image, E, E, E, rows, TRUE);
  clip_product_tn (tape, fit->cross, T, image, E, y, T, E, T, rows, TRUE);
  clip_tape_release (tape, mark);
}

/* a [E, T], in the place of cross. */
static void
solve (Fit *fit, gsize n_pictures)
{
  const gsize E = fit->head->embed_dim;
  for (gsize e = 0; e < E; e++) /* what is 0 for all pictures stays 0 */
    fit->square[e * E + e] += MAX (RIDGE * fit->square[e * E + e], 1e-6f * n_pictures);
  clip_cholesky (fit->square, fit->square, E);
  clip_cholesky_solve (fit->square, fit->cross, E, fit->n_texts);
}

/* anchors [T, E] of a [E, T] */
static void
level_lengths (const Fit *fit, float *anchors)
{
  const gsize E = fit->head->embed_dim, T = fit->n_texts;
  g_autofree double *square = g_new0 (double, T);
  double longest = 0;
  for (gsize e = 0; e + 1 < E; e++)
    for (gsize t = 0; t < T; t++) {
      const float a = anchors[t * E + e] = fit->cross[e * T + t];
      square[t] += (double) a * a;
    }
  for (gsize t = 0; t < T; t++)
    if (clip_names_get_only_class (fit->names, t) >= 0)
      longest = MAX (longest, square[t]);
  for (gsize t = 0; t < T; t++) {
    const double scale = 1 / sqrt (MAX (MAX (longest, square[t]), 1e-30));
    for (gsize e = 0; e + 1 < E; e++)
      anchors[t * E + e] *= scale;
    anchors[t * E + E - 1] = sqrt (MAX (longest - square[t], 0)) * scale;
  }
}

float *
clip_anchors_find (ClipTape *tape, const ClipClosedHead *head,
                   const ClipPooledClassifier *classifier, const ClipNames *names,
                   const GArray *like)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const int T = clip_names_get_n_texts (names);
  const gsize E = head->embed_dim, W = head->width;
  Fit fit = { head,
              classifier,
              names,
              T,
              clip_tape_take (tape, T * sizeof (guint)),
              clip_tape_zeros (tape, E * E),
              clip_tape_zeros (tape, E * T) };
  for (int t = 0; t < T; t++)
    fit.texts[t] = t;
  const float *features = (const float *) (void *) like->data;
  for (gsize first = 0; first < like->len; first += CHUNK)
    add_pictures (&fit, tape, features + first * W, MIN (CHUNK, like->len - first));
  solve (&fit, like->len);
  float *anchors = g_new (float, T *E);
  level_lengths (&fit, anchors);
  clip_tape_release (tape, mark);
  return anchors;
}
