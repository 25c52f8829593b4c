/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/distill.h"
#include "core/train/contrast.h"
#include "core/train/product.h"

#include <string.h>

typedef struct {
  ClipTargets parent;
  const float *own[2],
      *all[2]; /* this rank's images, texts; what they are compared with: all texts, all images */
  int n_all[2], width;
  float scale;
} TeacherTargets;

static void
fill (const ClipTargets *targets, ClipTape *tape, float *p, ClipDirection direction, int first,
      int rows)
{
  const TeacherTargets *t = (const TeacherTargets *) targets;
  const int cols = t->n_all[direction];
  clip_product_nt (tape, p, cols, t->own[direction] + (gsize) first * t->width, t->width,
                   t->all[direction], t->width, NULL, rows, cols, t->width, FALSE);
  clip_softmax_rows (tape, p, rows, cols, t->scale);
}

static gboolean
distill (ClipContrastResult *result, ClipTape *tape, ClipRanks *ranks, const ClipContrast *c,
         const ClipTeacher *teacher, float weight, float *d_image, float *d_text, GError **error)
{
  const int width = teacher->embed_dim, n = clip_ranks_get_n (ranks);
  float *image = clip_tape_floats (tape, (gsize) c->images * width);
  float *text = clip_tape_floats (tape, (gsize) c->texts * width);
  clip_normalise_rows (tape, image, NULL, teacher->image, c->images, width);
  clip_normalise_rows (tape, text, NULL, teacher->text, c->texts, width);
  const float *images = clip_all_rows (tape, ranks, image, c->images, width, error);
  const float *texts = images ? clip_all_rows (tape, ranks, text, c->texts, width, error) : NULL;
  if (!texts)
    return FALSE;
  const TeacherTargets t = {
    { .n = { c->images, c->texts }, .fill = fill },
    { image, text },
    { texts, images },
    { n * c->texts, n * c->images },
    width,
    teacher->scale,
  };
  return clip_contrast_with (result, tape, ranks, c, &t.parent, weight, d_image, d_text, error);
}

gboolean
clip_distill (ClipContrastResult *result, ClipTape *tape, ClipRanks *ranks,
              const ClipContrast *contrast, const ClipTeacher *teacher, float weight,
              float *d_image, float *d_text, GError **error)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const gboolean ok =
      distill (result, tape, ranks, contrast, teacher, weight, d_image, d_text, error);
  clip_tape_release (tape, mark);
  return ok;
}

/* The gradient of -cos to x, of length 1, is -original, of length 1; then back through the normalisation of x. */
gboolean
clip_stay_close (double *loss, ClipTape *tape, ClipRanks *ranks, const float *x,
                 const float *original, int rows, int width, float weight, float *d_x,
                 GError **error)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const gsize size = (gsize) rows * width;
  float *unit = clip_tape_floats (tape, size), *length = clip_tape_floats (tape, rows);
  float *goal = clip_tape_floats (tape, size);
  clip_normalise_rows (tape, unit, length, x, rows, width);
  clip_normalise_rows (tape, goal, NULL, original, rows, width);
  double sums[2] = { 0, rows };
  for (int i = 0; i < rows; i++) {
    double cosine = 0;
    for (int j = 0; j < width; j++)
      cosine += (double) unit[(gsize) i * width + j] * goal[(gsize) i * width + j];
    sums[0] += 1 - cosine;
  }
  const gboolean ok = clip_ranks_sum_doubles (ranks, sums, 2, error);
  if (ok) {
    *loss = sums[1] > 0 ? sums[0] / sums[1] : 0;
    clip_normalise_rows_back (tape, d_x, goal, unit, length, -weight / MAX (sums[1], 1), rows,
                              width);
  }
  clip_tape_release (tape, mark);
  return ok;
}

/* Σ (x - m)² over rows is Σ x² - (Σ x)² / n for each component; in doubles nothing is lost. */
gboolean
clip_stay_near (double *loss, ClipTape *tape, ClipRanks *ranks, const float *x,
                const float *original, int rows, int width, float weight, float *d_x,
                GError **error)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  /* Σ original of each component, then rows, Σ original², Σ |x - original|² */
  double *sums = clip_tape_take (tape, (width + 3) * sizeof *sums);
  memset (sums, 0, (width + 3) * sizeof *sums);
  sums[width] = rows;
  for (gsize i = 0; i < rows; i++) {
    for (gsize j = 0; j < width; j++) {
      const double o = original[i * width + j], distance = x[i * width + j] - o;
      sums[j] += o;
      sums[width + 1] += o * o;
      sums[width + 2] += distance * distance;
    }
  }
  const gboolean ok = clip_ranks_sum_doubles (ranks, sums, width + 3, error);
  double variance = sums[width + 1];
  for (int j = 0; j < width && sums[width] > 0; j++)
    variance -= sums[j] * sums[j] / sums[width];
  *loss = ok && variance > 0 ? sums[width + 2] / variance : 0;
  const float scale = ok && variance > 0 ? 2 * weight / variance : 0;
  for (gsize i = 0; i < (gsize) rows * width; i++)
    d_x[i] += scale * (x[i] - original[i]);
  clip_tape_release (tape, mark);
  return ok;
}
