/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/redraw.h"
#include "core/base/error.h"
#include "core/train/pooled.h"
#include "core/train/random.h"
#include "core/train/virtual.h"

#include <string.h>

struct _ClipRedraw {
  const ClipSettings *settings;
  int width;
  ClipVirtual **virtuals; /* [sets]; NULL: the file's own features */
  int *classes;           /* [sets] K of each */
};

static gboolean
open_set (ClipRedraw *redraw, int index, ClipTape *tape, GError **error)
{
  const ClipSetSettings *set = &redraw->settings->sets[index];
  g_autoptr (ClipPooledClassifier) classifier =
      clip_pooled_classifier_read (set->virtual.classifier, redraw->width, error);
  if (!classifier)
    return FALSE;
  g_autoptr (GArray) features = clip_pooled_read (set->virtual.like, redraw->width, error);
  if (!features)
    return FALSE;
  if (features->len < 2)
    return clip_fail (error, CLIP_ERROR_CONFIG,
                      "%s: data.%d.virtual.like has %u features, expected at least 2",
                      redraw->settings->path, index, features->len);
  const ClipVirtualConfig config = { { set->virtual.strength[0], set->virtual.strength[1] },
                                     set->virtual.noise };
  redraw->classes[index] = classifier->classes;
  redraw->virtuals[index] =
      clip_virtual_new (tape, &config, classifier->weight->data, redraw->classes[index],
                        (const float *) (void *) features->data, features->len, redraw->width);
  return TRUE;
}

ClipRedraw *
clip_redraw_new (const ClipSettings *settings, ClipTape *tape, int width, GError **error)
{
  g_autoptr (ClipRedraw) redraw = g_new0 (ClipRedraw, 1);
  redraw->settings = settings;
  redraw->width = width;
  const guint n = settings->n_sets;
  redraw->virtuals = g_new0 (ClipVirtual *, n);
  redraw->classes = g_new0 (int, n);
  for (int i = 0; i < settings->n_sets; i++)
    if (settings->sets[i].virtual.classifier && !open_set (redraw, i, tape, error))
      return NULL;
  return g_steal_pointer (&redraw);
}

void
clip_redraw_free (ClipRedraw *redraw)
{
  if (!redraw)
    return;
  for (int i = 0; i < redraw->settings->n_sets; i++)
    clip_virtual_free (redraw->virtuals[i]);
  g_free (redraw->virtuals);
  g_free (redraw->classes);
  g_free (redraw);
}

static void
redraw_set (ClipRedraw *redraw, int index, ClipTape *tape, const ClipBatch *batch, guint64 key)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const gsize width = redraw->width;
  int *row = clip_tape_take (tape, batch->n * sizeof *row),
      *class = clip_tape_take (tape, batch->n * sizeof *class);
  int n = 0;
  for (int b = batch->n_pixels; b < batch->n; b++)
    if (batch->set[b] == index && batch->class[b] >= 0 &&
            batch->class[b] < redraw -> classes[index]) {
      row[n] = b - batch->n_pixels;
      class[n++] = batch->class[b];
    }
  float *drawn = clip_tape_floats (tape, n * width);
  clip_virtual_draw (redraw->virtuals[index], tape, drawn, class, n, key);
  for (int i = 0; i < n; i++)
    for (int clean = 0; clean < 2; clean++)
      memcpy ((clean ? batch->pooled_clean : batch->pooled) + row[i] * width, drawn + i * width,
              width * sizeof *drawn);
  clip_tape_release (tape, mark);
}

void
clip_redraw_run (ClipRedraw *redraw, ClipTape *tape, const ClipBatch *batch, int step, int rank)
{
  const guint64 key = clip_random_key (redraw->settings->seed ^ 0x726564726177, step, rank);
  for (int i = 0; i < redraw->settings->n_sets; i++)
    if (redraw->virtuals[i])
      redraw_set (redraw, i, tape, batch, clip_random_key (key, i, 0));
}
