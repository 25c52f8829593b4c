/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Embeddings of pictures lie apart from those of texts (Liang et al. 2022), and are closer to each other: a mean of
 * pictures as a label's row would win against every text. So deviations from the mean of pictures become deviations from
 * the mean of texts, of the size that those have:
 *
 *   v_l = mean of the unit features of label l's pictures            m = mean of v, d its deviation (rms)
 *   t_l = the label's text row                                       n = mean of t, e its deviation (rms)
 *   p_l = normalise (n + e / d · (v_l - m))
 *   row = normalise ((1 - weight) · t_l + weight · p_l)
 *
 * That takes pictures of two labels: what is common to all pictures cannot be seen in those of one. How it was measured
 * is told in docs/evaluation.md.
 */
#include "core/zeroshot/pictured.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/unit.h"
#include "core/image/decode.h"

#include <string.h>

#define DEFAULT_WEIGHT .5f

static gboolean
read_picture (float *pixels, const ClipPreprocessConfig *config, const char *path, GError **error)
{
  g_auto (ClipPicture) picture = { 0 };
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  if (!bytes)
    return FALSE;
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  if (!clip_picture_decode (&picture, data, size, path, error))
    return FALSE;
  const ClipFrameInfo frame = { .format = "RGB", .width = picture.width, .height = picture.height };
  g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (config, &frame, error);
  if (!preprocess)
    return FALSE;
  const guint8 *const planes[] = { picture.pixels };
  const int strides[] = { 3 * picture.width };
  clip_preprocess_run (preprocess, pixels, planes, strides);
  return TRUE;
}

/* How far it is, over all labels. */
typedef struct {
  guint done, total; /* pictures */
  ClipProgress progress;
  gpointer data;
} Walk;

static gboolean
goes_on (const Walk *walk, GError **error)
{
  if (!walk->progress || walk->progress (walk->done, walk->total, walk->data))
    return TRUE;
  return clip_fail (error, CLIP_ERROR_CANCELLED,
                    "encoding of labels was cancelled after %u of %u pictures", walk->done,
                    walk->total);
}

/* @mean: [E] of the unit features of the label's pictures. */
static gboolean
encode_pictures (float *mean, ClipSession *session, const ClipLabel *label, Walk *walk,
                 GError **error)
{
  const ClipModelInfo *info = clip_model_get_info (clip_session_get_model (session));
  const int E = info->embed_dim;
  const gsize n_pixels = 3 * (gsize) info->preprocess.width * info->preprocess.height;
  g_autofree float *pixels = g_new (float, n_pixels), *feature = g_new (float, E);
  const float share = 1.f / g_strv_length (label->images);
  memset (mean, 0, E * sizeof *mean);
  for (char **path = label->images; *path; path++, walk->done++) {
    if (!goes_on (walk, error))
      return FALSE;
    if (!read_picture (pixels, &info->preprocess, *path, error)) {
      g_prefix_error (error, "label \"%s\": ", label->name);
      return FALSE;
    }
    clip_encode_image (session, feature, pixels, 1);
    clip_unit (feature, feature, E);
    for (int i = 0; i < E; i++)
      mean[i] += share * feature[i];
  }
  return TRUE;
}

/* ------------------------------------------------------------------------------------------ mean and deviation */

/* Rows of which a mean is made. */
typedef struct {
  const float **rows; /* [n], each [E] */
  guint n;
} Rows;

static double
find_mean (float *mean, const Rows *of, int E)
{
  double squares = 0;
  for (int i = 0; i < E; i++) {
    double sum = 0;
    for (guint r = 0; r < of->n; r++)
      sum += of->rows[r][i];
    mean[i] = (float) (sum / of->n);
    for (guint r = 0; r < of->n; r++)
      squares += (of->rows[r][i] - (double) mean[i]) * (of->rows[r][i] - (double) mean[i]);
  }
  return sqrt (squares / of->n);
}

static void
mix (float *row, const float *picture, const ClipLabel *label, int E)
{
  const gboolean words = !label->prompts || label->prompts[0];
  float weight = isnan (label->image_weight) ? DEFAULT_WEIGHT : label->image_weight;
  if (!words)
    weight = 1;
  for (int i = 0; i < E; i++)
    row[i] = (1 - weight) * row[i] + weight * picture[i];
  clip_unit (row, row, E);
}

gboolean
clip_pictured_rows (float *rows, ClipSession *session, ClipLabels *labels, const float *others,
                    guint n_others, ClipProgress progress, gpointer data, GError **error)
{
  const int E = clip_model_get_info (clip_session_get_model (session))->embed_dim;
  const guint L = clip_labels_get_n (labels);
  g_autofree float *pictures = g_new (float, (gsize) L *E);
  g_autofree const float **seen = g_new (const float *, L),
                         **read = g_new (const float *, L + n_others);
  Rows of_pictures = { seen, 0 }, of_texts = { read, 0 };
  Walk walk = { .progress = progress, .data = data };
  for (guint l = 0; l < L; l++)
    if (clip_labels_get (labels, l)->images)
      walk.total += g_strv_length (clip_labels_get (labels, l)->images);
  for (guint l = 0; l < L; l++) {
    const ClipLabel *label = clip_labels_get (labels, l);
    float *mean = pictures + (gsize) l * E;
    if (!label->prompts || label->prompts[0])
      read[of_texts.n++] = rows + (gsize) l * E;
    if (!label->images)
      continue;
    if (!encode_pictures (mean, session, label, &walk, error))
      return FALSE;
    seen[of_pictures.n++] = mean;
  }
  if (of_pictures.n == 0)
    return TRUE;
  for (guint r = 0; r < n_others; r++)
    read[of_texts.n++] = others + (gsize) r * E;
  if (of_pictures.n < 2 || of_texts.n < 2)
    return clip_fail (error, CLIP_ERROR_LABELS,
                      "%u labels with images, %u texts: expected two of each, backgrounds "
                      "included, to tell what sets a label apart",
                      of_pictures.n, of_texts.n);

  g_autofree float *m = g_new (float, E), *n = g_new (float, E), *p = g_new (float, E);
  const double d = find_mean (m, &of_pictures, E), e = find_mean (n, &of_texts, E);
  const float scale = d > 0 ? (float) (e / d) : 0;
  for (guint l = 0; l < L; l++) {
    const ClipLabel *label = clip_labels_get (labels, l);
    const float *v = pictures + (gsize) l * E;
    if (!label->images)
      continue;
    for (int i = 0; i < E; i++)
      p[i] = n[i] + scale * (v[i] - m[i]);
    clip_unit (p, p, E);
    mix (rows + (gsize) l * E, p, label, E);
  }
  return TRUE;
}
