/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Targets of the contrastive loss from keys or from a matrix; contrast.c has the loss itself.
 *
 *   keys   p = 1/k where the keys are equal, k of them; 0 where there is no key
 *   soft   p = Y / Σ Y of the row, of the column
 */
#include "core/train/loss.h"
#include "core/train/contrast.h"

#include <string.h>

/* ------------------------------------------------------------------------------------------- keys */

/* Where each key is: the first place and, from each place, the next with the same key. */
typedef struct {
  GHashTable *first; /* key → place + 1; without CLIP_NO_KEY */
  int *next;         /* [n]: -1: none */
  guint8 *absent;    /* [n]: CLIP_NO_KEY; NULL: none */
  int n;
} Places;

typedef struct {
  ClipTargets parent;
  const guint64 *own[2]; /* of this rank's images, texts */
  Places all[2];         /* of everybody's texts, images: what those are compared with */
} KeyTargets;

static void
index_keys (Places *places, ClipTape *tape, const guint64 *keys, int n)
{
  places->first = g_hash_table_new (g_int64_hash, g_int64_equal);
  places->next = clip_tape_take (tape, n * sizeof (int));
  places->absent = NULL;
  places->n = n;
  for (int i = n - 1; i >= 0; i--) {
    if (keys[i] == CLIP_NO_KEY) {
      if (!places->absent)
        places->absent = memset (clip_tape_take (tape, n), 0, n);
      places->absent[i] = 1;
      continue;
    }
    places->next[i] =
        GPOINTER_TO_INT (g_hash_table_lookup (places->first, (gpointer) (keys + i))) - 1;
    g_hash_table_insert (places->first, (gpointer) (keys + i), GINT_TO_POINTER (i + 1));
  }
}

static int
first_place (const Places *places, const guint64 *key)
{
  return GPOINTER_TO_INT (g_hash_table_lookup (places->first, key)) - 1;
}

static void
fill_keys (const ClipTargets *targets, ClipTape *tape, float *p, ClipDirection direction, int first,
           int rows)
{
  const KeyTargets *t = (const KeyTargets *) targets;
  const Places *all = &t->all[direction];
  memset (p, 0, (gsize) rows * all->n * sizeof *p);
  for (int row = 0; row < rows; row++, p += all->n) {
    const int begin = first_place (all, t->own[direction] + first + row);
    int equal = 0;
    for (int i = begin; i >= 0; i = all->next[i])
      equal++;
    for (int i = begin; i >= 0; i = all->next[i])
      p[i] = 1.f / equal;
  }
}

/* All ranks' keys, from the tape. */
static const guint64 *
gather_keys (ClipTape *tape, ClipRanks *ranks, const guint64 *keys, int n, GError **error)
{
  const gsize bytes = n * sizeof *keys;
  guint64 *all = clip_tape_take (tape, clip_ranks_get_n (ranks) * bytes);
  return clip_ranks_gather (ranks, all, keys, bytes, error) ? all : NULL;
}

static gboolean
contrast_keys (ClipContrastResult *result, ClipTape *tape, ClipRanks *ranks, const ClipContrast *c,
               float weight, float *d_image, float *d_text, GError **error)
{
  const guint64 *images = gather_keys (tape, ranks, c->image_key, c->images, error);
  const guint64 *texts = images ? gather_keys (tape, ranks, c->text_key, c->texts, error) : NULL;
  if (!texts)
    return FALSE;
  const int n = clip_ranks_get_n (ranks);
  KeyTargets t = { { .fill = fill_keys }, { c->image_key, c->text_key } };
  index_keys (&t.all[CLIP_OF_IMAGES], tape, texts, n * c->texts);
  index_keys (&t.all[CLIP_OF_TEXTS], tape, images, n * c->images);
  const int rows[2] = { c->images, c->texts };
  for (int d = 0; d < 2; d++) {
    t.parent.absent[d] = t.all[d].absent;
    for (int i = 0; i < rows[d]; i++)
      t.parent.n[d] += first_place (&t.all[d], t.own[d] + i) >= 0;
  }
  const gboolean ok =
      clip_contrast_with (result, tape, ranks, c, &t.parent, weight, d_image, d_text, error);
  for (int d = 0; d < 2; d++)
    g_hash_table_unref (t.all[d].first);
  return ok;
}

/* ------------------------------------------------------------------------------------------- soft */

typedef struct {
  ClipTargets parent;
  const float *y; /* [images, texts] */
  int images, texts;
  double *sum[2]; /* [images] of rows, [texts] of columns */
} SoftTargets;

static void
fill_soft (const ClipTargets *targets, ClipTape *tape, float *p, ClipDirection direction, int first,
           int rows)
{
  const SoftTargets *t = (const SoftTargets *) targets;
  const int cols = direction == CLIP_OF_IMAGES ? t->texts : t->images;
  const gsize row_step = direction == CLIP_OF_IMAGES ? t->texts : 1,
              col_step = direction == CLIP_OF_IMAGES ? 1 : t->texts;
  for (int row = 0; row < rows; row++, p += cols) {
    const double sum = t->sum[direction][first + row], share = sum > 0 ? 1 / sum : 0;
    const float *y = t->y + (first + row) * row_step;
    for (int i = 0; i < cols; i++)
      p[i] = share * y[i * col_step];
  }
}

static gboolean
contrast_soft (ClipContrastResult *result, ClipTape *tape, ClipRanks *ranks, const ClipContrast *c,
               float weight, float *d_image, float *d_text, GError **error)
{
  SoftTargets t = {
    { .local = TRUE, .fill = fill_soft },
    c->soft,
    c->images,
    c->texts,
    { clip_tape_take (tape, c->images * sizeof (double)),
      clip_tape_take (tape, c->texts * sizeof (double)) },
  };
  memset (t.sum[0], 0, c->images * sizeof (double));
  memset (t.sum[1], 0, c->texts * sizeof (double));
  for (int i = 0; i < c->images; i++) {
    for (int j = 0; j < c->texts; j++) {
      t.sum[0][i] += c->soft[(gsize) i * c->texts + j];
      t.sum[1][j] += c->soft[(gsize) i * c->texts + j];
    }
  }
  for (int i = 0; i < c->images; i++)
    t.parent.n[CLIP_OF_IMAGES] += t.sum[0][i] > 0;
  for (int j = 0; j < c->texts; j++)
    t.parent.n[CLIP_OF_TEXTS] += t.sum[1][j] > 0;
  return clip_contrast_with (result, tape, ranks, c, &t.parent, weight, d_image, d_text, error);
}

gboolean
clip_contrast (ClipContrastResult *result, ClipTape *tape, ClipRanks *ranks,
               const ClipContrast *contrast, float weight, float *d_image, float *d_text,
               GError **error)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  const gboolean ok = (contrast->soft ? contrast_soft : contrast_keys) (
      result, tape, ranks, contrast, weight, d_image, d_text, error);
  clip_tape_release (tape, mark);
  return ok;
}
