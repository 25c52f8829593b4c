/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/virtual.h"
#include "core/train/moments.h"
#include "core/train/product.h"
#include "core/train/random.h"

#include <math.h>
#include <string.h>

#define RIDGE                                                                                      \
  1e-4 /* of Σ's mean variance, added to its diagonal: fewer pictures than dimensions leave it singular */
#define ROWS 16 /* grain of ranges */

struct _ClipVirtual {
  ClipVirtualConfig config;
  int width, classes; /* W, K */
  float *mean;        /* [W] */
  float *root;        /* [W, W]: ν · L */
  float *direction;   /* [K, W]: Σ w_c / √(w_cᵀ Σ w_c) */
};

void
clip_virtual_free (ClipVirtual *virtual)
{
  if (!virtual)
    return;
  clip_aligned_free (virtual->mean);
  clip_aligned_free (virtual->root);
  clip_aligned_free (virtual->direction);
  g_free (virtual);
}

static float *
floats (gsize n)
{
  return memset (clip_aligned_alloc (n * sizeof (float)), 0, n * sizeof (float));
}

/* Σ [W, W], on the tape */
static float *
measure (ClipTape *tape, float *mean, const float *features, gsize n, int width)
{
  float *covariance = clip_tape_floats (tape, (gsize) width * width);
  clip_moments (tape, mean, covariance, features, n, width);
  double variance = 0;
  for (gsize w = 0; w < width; w++)
    variance += covariance[w * width + w];
  for (gsize w = 0; w < width; w++)
    covariance[w * width + w] += MAX (RIDGE * variance / width, 1e-12);
  return covariance;
}

static void
find_directions (ClipTape *tape, ClipVirtual *virtual, const float *weight, const float *covariance)
{
  const int width = virtual->width;
  clip_product_nt (tape, virtual->direction, width, weight, width, covariance, width, NULL,
                   virtual->classes, width, width, FALSE);
  for (int c = 0; c < virtual->classes; c++) {
    float *direction = virtual->direction + (gsize) c * width;
    double variance = 0;
    for (int w = 0; w < width; w++)
      variance += (double) direction[w] * weight[(gsize) c * width + w];
    const float scale = variance > 0 ? 1 / sqrt (variance) : 0;
    for (int w = 0; w < width; w++)
      direction[w] *= scale;
  }
}

ClipVirtual *
clip_virtual_new (ClipTape *tape, const ClipVirtualConfig *config, const float *weight, int classes,
                  const float *features, gsize n, int width)
{
  g_return_val_if_fail (n > 1, NULL);
  ClipVirtual *virtual = g_new0 (ClipVirtual, 1);
  *virtual = (ClipVirtual){
    .config = *config,
    .width = width,
    .classes = classes,
    .mean = floats (width),
    .root = floats ((gsize) width * width),
    .direction = floats ((gsize) classes * width),
  };
  const ClipTapeMark mark = clip_tape_mark (tape);
  const float *covariance = measure (tape, virtual->mean, features, n, width);
  find_directions (tape, virtual, weight, covariance);
  clip_cholesky (virtual->root, covariance, width);
  for (gsize i = 0; i < (gsize) width * width; i++)
    virtual->root[i] *= config->noise;
  clip_tape_release (tape, mark);
  return virtual;
}

/* --------------------------------------------------------------------------------------- draws */

typedef struct {
  const ClipVirtual *virtual;
  float *y; /* [n, W] */
  float *z; /* [n, W] */
  const int *classes;
  guint64 key;
} Draw;

/* z of each row, and y without its noise. */
static void
begin_rows (void *data, int first, int end)
{
  const Draw *draw = data;
  const ClipVirtual *virtual = draw->virtual;
  const gsize width = virtual->width;
  for (gsize i = first; i < end; i++) {
    guint64 state = clip_random_key (draw->key, i, 0);
    const double *range = virtual->config.strength;
    const float k = range[0] + (range[1] - range[0]) * clip_random_double (&state);
    const float *direction = virtual->direction + draw->classes[i] * width;
    for (gsize w = 0; w < width; w++) {
      draw->y[i * width + w] = virtual->mean[w] + k * direction[w];
      draw->z[i * width + w] = clip_random_normal (&state);
    }
  }
}

static void
end_rows (void *data, int first, int end)
{
  const Draw *draw = data;
  const gsize width = draw->virtual->width;
  for (gsize i = first * width; i < end * width; i++)
    draw->y[i] = MAX (draw->y[i], 0);
}

void
clip_virtual_draw (const ClipVirtual *virtual, ClipTape *tape, float *y, const int *classes, int n,
                   guint64 key)
{
  const int width = virtual->width;
  const ClipTapeMark mark = clip_tape_mark (tape);
  Draw draw = { virtual, y, clip_tape_floats (tape, (gsize) n * width), classes, key };
  clip_for_ranges (tape, begin_rows, &draw, n, ROWS);
  clip_product_nt (tape, y, width, draw.z, width, virtual->root, width, NULL, n, width, width,
                   TRUE);
  clip_for_ranges (tape, end_rows, &draw, n, ROWS);
  clip_tape_release (tape, mark);
}
