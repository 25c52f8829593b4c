/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/anchors.h"
#include "core/base/error.h"
#include "core/train/moments.h"
#include "core/train/product.h"

#include <math.h>
#include <string.h>

/* LAPACK, which OpenBLAS brings: eigenvalues w [n] in rising order and eigenvectors, the columns of a [n, n] as Fortran
 * stores it, of a symmetric matrix. */
extern void dsyevd_ (const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                     double *w, double *work, const int *lwork, int *iwork, const int *liwork,
                     int *info);

void
clip_anchors_free (ClipAnchors *anchors)
{
  if (!anchors)
    return;
  g_free (anchors->head);
  g_free (anchors->bias);
  g_free (anchors->anchors);
  g_free (anchors);
}

/* Row i of a [n, n] becomes the eigenvector of w[i]. */
static gboolean
solve_symmetric (double *a, double *w, int n, GError **error)
{
  int info, liwork = -1, lwork = -1, isize;
  double size;
  dsyevd_ ("V", "L", &n, a, &n, w, &size, &lwork, &isize, &liwork, &info);
  lwork = (int) size;
  liwork = isize;
  g_autofree double *work = g_new (double, lwork);
  g_autofree int *iwork = g_new (int, liwork);
  dsyevd_ ("V", "L", &n, a, &n, w, work, &lwork, iwork, &liwork, &info);
  return info == 0 ||
         clip_fail (error, CLIP_ERROR_TENSOR,
                    "classifier: its singular values cannot be found (LAPACK: %d)", info);
}

/* What is the same for all classes changes no decision. */
static void
centre (float *y, const float *x, int classes, int width)
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
  int classes, width, rank;
  float *mean;    /* [W] */
  float *l;       /* [W, W] */
  float *centred; /* [K, W] */
  float *m;       /* [K, W + 1] */
  double *u;      /* [K, K]: rows are left singular vectors */
  double *square; /* [K]: squared singular values, rising */
} Closed;

static void
build (Closed *closed, ClipTape *tape, const float *weight, const float *bias,
       const float *features, gsize n, double ridge)
{
  const int K = closed->classes, W = closed->width;
  closed->mean = clip_tape_floats (tape, W);
  closed->l = clip_tape_floats (tape, (gsize) W * W);
  closed->centred = clip_tape_floats (tape, (gsize) K * W);
  closed->m = clip_tape_floats (tape, (gsize) K * (W + 1));
  float *centred_bias = clip_tape_floats (tape, K);

  clip_moments (tape, closed->mean, closed->l, features, n, W);
  for (gsize w = 0; w < W; w++)
    closed->l[w * W + w] += MAX (ridge * closed->l[w * W + w], 1e-10);
  clip_cholesky (closed->l, closed->l, W);

  centre (closed->centred, weight, K, W);
  centre (centred_bias, bias, K, 1);
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
  return solve_symmetric (closed->u, closed->square, K, error);
}

/* Direction @r: a row of the head, its bias, and a column of the anchors. */
static void
add_direction (ClipAnchors *anchors, const Closed *closed, int r, ClipTape *tape)
{
  const int K = closed->classes, W = closed->width;
  const double *u = closed->u + (gsize) (K - 1 - r) * K, s = sqrt (closed->square[K - 1 - r]);
  const ClipTapeMark mark = clip_tape_mark (tape);
  g_autofree double *sum = g_new0 (double, W + 1);
  for (int c = 0; c < K; c++)
    for (int w = 0; w <= W; w++)
      sum[w] += u[c] / s * closed->m[(gsize) c * (W + 1) + w];
  float *v = clip_tape_floats (tape, W), *row = anchors->head + (gsize) r * W;
  for (int w = 0; w < W; w++)
    v[w] = sum[w];
  solve_rows (row, v, closed->l, W);
  double shift = sum[W];
  for (int w = 0; w < W; w++)
    shift -= (double) row[w] * closed->mean[w];
  anchors->bias[r] = shift;
  for (int c = 0; c < K; c++)
    anchors->anchors[(gsize) c * anchors->embed_dim + r] = u[c] * s;
  clip_tape_release (tape, mark);
}

/* The last component makes all anchors as long as the longest; then they are scaled to length 1. */
static void
level (ClipAnchors *anchors)
{
  const int E = anchors->embed_dim;
  double longest = 0;
  g_autofree double *square = g_new0 (double, anchors->classes);
  for (int c = 0; c < anchors->classes; c++) {
    for (int e = 0; e < E; e++)
      square[c] +=
          (double) anchors->anchors[(gsize) c * E + e] * anchors->anchors[(gsize) c * E + e];
    longest = MAX (longest, square[c]);
  }
  for (int c = 0; c < anchors->classes && longest > 0; c++) {
    float *anchor = anchors->anchors + (gsize) c * E;
    anchor[E - 1] = sqrt (longest - square[c]);
    for (int e = 0; e < E; e++)
      anchor[e] /= sqrt (longest);
  }
}

ClipAnchors *
clip_anchors_new (ClipTape *tape, const float *weight, const float *bias, int classes,
                  const float *features, gsize n, int width, int embed_dim, double ridge,
                  GError **error)
{
  g_return_val_if_fail (n > 1 && embed_dim > 1, NULL);
  const ClipTapeMark mark = clip_tape_mark (tape);
  Closed closed = { .classes = classes, .width = width };
  build (&closed, tape, weight, bias, features, n, ridge);
  if (!decompose (&closed, tape, error)) {
    clip_tape_release (tape, mark);
    return NULL;
  }
  ClipAnchors *anchors = g_new0 (ClipAnchors, 1);
  *anchors = (ClipAnchors){
    .classes = classes,
    .width = width,
    .embed_dim = embed_dim,
    .head = g_new0 (float, (gsize) embed_dim *width),
    .bias = g_new0 (float, embed_dim),
    .anchors = g_new0 (float, (gsize) classes *embed_dim),
  };
  double all = 0, kept = 0;
  for (int r = 0; r < classes; r++)
    all += MAX (closed.square[r], 0);
  for (int r = 0; r < MIN (embed_dim - 1, classes); r++) {
    const double square = closed.square[classes - 1 - r];
    if (!(square > 1e-9 * all)) /* below what float32 products can tell from 0 */
      break;
    add_direction (anchors, &closed, r, tape);
    kept += square;
  }
  anchors->kept = all > 0 ? kept / all : 1;
  level (anchors);
  clip_tape_release (tape, mark);
  return anchors;
}
