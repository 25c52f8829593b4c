/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/closed.h"
#include "core/base/error.h"
#include "core/model/blas.h"
#include "core/train/moments.h"
#include "core/train/product.h"

#include <math.h>
#include <string.h>

#define CONSTANT 0.3 /* r */

void
clip_closed_head_free (ClipClosedHead *head)
{
  if (!head)
    return;
  g_free (head->head);
  g_free (head->bias);
  g_free (head);
}

/* What is the same for all classes changes no decision. */
static void
centre_classes (float *y, const float *x, int classes, int width)
{
  for (int w = 0; w < width; w++) {
    double sum = 0;
    for (int c = 0; c < classes; c++)
      sum += x[(gsize) c * width + w];
    for (int c = 0; c < classes; c++)
      y[(gsize) c * width + w] = x[(gsize) c * width + w] - sum / classes;
  }
}

/* x [W] with x · L = v */
static void
solve_rows (float *x, const float *v, const float *l, gsize n)
{
  memcpy (x, v, n * sizeof *x);
  for (gsize i = n; i-- > 0;) {
    const float value = x[i] /= l[i * n + i];
    for (gsize j = 0; j < i; j++)
      x[j] -= value * l[i * n + j];
  }
}

typedef struct {
  int classes, width;
  float *mean;    /* [W] */
  float *l;       /* [W, W] */
  float *centred; /* [K, W] */
  float *m;       /* [K, W + 1] */
  double *u;      /* [K, K]: rows are left singular vectors */
  double *square; /* [K]: squared singular values, rising */
} Closed;

static void
build (Closed *closed, ClipTape *tape, const ClipPooledClassifier *classifier, const GArray *like,
       double ridge)
{
  const int K = closed->classes, W = closed->width;
  closed->mean = clip_tape_floats (tape, W);
  closed->l = clip_tape_floats (tape, (gsize) W * W);
  closed->centred = clip_tape_floats (tape, (gsize) K * W);
  closed->m = clip_tape_floats (tape, (gsize) K * (W + 1));
  float *centred_bias = clip_tape_floats (tape, K);

  clip_moments (tape, closed->mean, closed->l, (const float *) (void *) like->data, like->len, W);
  for (gsize w = 0; w < W; w++)
    closed->l[w * W + w] += MAX (ridge * closed->l[w * W + w], 1e-10);
  clip_cholesky (closed->l, closed->l, W);

  centre_classes (closed->centred, classifier->weight->data, K, W);
  centre_classes (centred_bias, classifier->bias->data, K, 1);
  clip_product_nn (tape, closed->m, W + 1, closed->centred, W, closed->l, W, K, W, W, FALSE);
  for (int c = 0; c < K; c++) {
    double sum = centred_bias[c];
    for (int w = 0; w < W; w++)
      sum += (double) closed->centred[(gsize) c * W + w] * closed->mean[w];
    closed->m[(gsize) c * (W + 1) + W] = sum;
  }
}

static gboolean
decompose (Closed *closed, ClipTape *tape, GError **error)
{
  const int K = closed->classes, columns = closed->width + 1;
  float *gram = clip_tape_floats (tape, (gsize) K * K);
  clip_product_nt (tape, gram, K, closed->m, columns, closed->m, columns, NULL, K, K, columns,
                   FALSE);
  closed->u = clip_tape_take (tape, (gsize) K * K * sizeof *closed->u);
  closed->square = clip_tape_take (tape, K * sizeof *closed->square);
  for (gsize i = 0; i < (gsize) K * K; i++)
    closed->u[i] = gram[i];
  const int info = clip_dsyevd (closed->u, closed->square, K);
  return info == 0 ||
         clip_fail (error, CLIP_ERROR_TENSOR,
                    "classifier: its singular values cannot be found (LAPACK: %d)", info);
}

/* Row @r of the head, and its bias. */
static void
add_direction (ClipClosedHead *head, const Closed *closed, int r, ClipTape *tape)
{
  const int K = closed->classes, W = closed->width;
  const double *u = closed->u + (gsize) (K - 1 - r) * K, s = sqrt (closed->square[K - 1 - r]);
  const ClipTapeMark mark = clip_tape_mark (tape);
  g_autofree double *sum = g_new0 (double, W + 1);
  for (int c = 0; c < K; c++)
    for (int w = 0; w <= W; w++)
      sum[w] += u[c] / s * closed->m[(gsize) c * (W + 1) + w];
  float *v = clip_tape_floats (tape, W), *row = head->head + (gsize) r * W;
  for (int w = 0; w < W; w++)
    v[w] = sum[w];
  solve_rows (row, v, closed->l, W);
  double shift = sum[W];
  for (int w = 0; w < W; w++)
    shift -= (double) row[w] * closed->mean[w];
  head->bias[r] = shift;
  clip_tape_release (tape, mark);
}

/* The mean of x over @centre becomes 0; the constant follows from how long x then is. */
static void
place_centre (ClipClosedHead *head, ClipTape *tape, const GArray *centre)
{
  const int W = head->width, E = head->embed_dim;
  const gsize n = centre->len;
  const ClipTapeMark mark = clip_tape_mark (tape);
  float *x = clip_tape_floats (tape, n * E);
  clip_product_nt (tape, x, E, (const float *) (void *) centre->data, W, head->head, W, head->bias,
                   n, E, W, FALSE);
  g_autofree double *mean = g_new0 (double, E);
  double length = 0;
  for (gsize i = 0; i < n; i++)
    for (int e = 0; e < E; e++)
      mean[e] += x[i * E + e] / (double) n;
  for (gsize i = 0; i < n; i++) {
    double square = 0;
    for (int e = 0; e < E; e++)
      square += pow (x[i * E + e] - mean[e], 2);
    length += sqrt (square) / n;
  }
  for (int e = 0; e < E; e++)
    head->bias[e] -= mean[e];
  head->bias[E - 2] = CONSTANT * length;
  clip_tape_release (tape, mark);
}

ClipClosedHead *
clip_closed_head_new (ClipTape *tape, const ClipPooledClassifier *classifier, const GArray *like,
                      const GArray *centre, int embed_dim, double ridge, GError **error)
{
  g_return_val_if_fail (like->len > 1 && centre->len > 0 && embed_dim > 2, NULL);
  const ClipTapeMark mark = clip_tape_mark (tape);
  const int K = classifier->classes;
  Closed closed = { .classes = K, .width = classifier->width };
  build (&closed, tape, classifier, like, ridge);
  if (!decompose (&closed, tape, error)) {
    clip_tape_release (tape, mark);
    return NULL;
  }
  ClipClosedHead *head = g_new (ClipClosedHead, 1);
  *head = (ClipClosedHead){
    .width = closed.width,
    .embed_dim = embed_dim,
    .head = g_new0 (float, (gsize) embed_dim *closed.width),
    .bias = g_new0 (float, embed_dim),
  };
  double all = 0, kept = 0;
  for (int r = 0; r < K; r++)
    all += MAX (closed.square[r], 0);
  for (int r = 0; r < MIN (embed_dim - 2, K); r++) {
    const double square = closed.square[K - 1 - r];
    if (!(square > 1e-6 * closed.square[K - 1])) /* below what float32 products can tell from 0 */
      break;
    add_direction (head, &closed, r, tape);
    kept += square;
  }
  head->kept = all > 0 ? kept / all : 1;
  place_centre (head, tape, centre);
  clip_tape_release (tape, mark);
  return head;
}
