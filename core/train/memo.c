/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/memo.h"

#include <string.h>

#define MOST_BYTES ((gsize) 1 << 30) /* kept: 700,000 texts of 384 floats */

struct _ClipMemo {
  ClipSide *side;
  gint32 pad;
  GHashTable *table; /* GBytes of tokens without padding → float [W] */
  gsize bytes;
  int n_tapes;
  ClipTape **tapes; /* one for each thread, of a single thread each */
};

ClipMemo *
clip_memo_new (ClipSide *side, gint32 pad, int threads)
{
  ClipMemo *memo = g_new0 (ClipMemo, 1);
  memo->side = side;
  memo->pad = pad;
  memo->n_tapes = threads;
  memo->tapes = g_new (ClipTape *, threads);
  for (int i = 0; i < threads; i++)
    memo->tapes[i] = clip_tape_new (1);
  memo->table =
      g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, g_free);
  return memo;
}

void
clip_memo_free (ClipMemo *memo)
{
  if (!memo)
    return;
  for (int i = 0; i < memo->n_tapes; i++)
    clip_tape_free (memo->tapes[i]);
  g_free (memo->tapes);
  g_hash_table_unref (memo->table);
  g_free (memo);
}

/* Texts that have to be computed, a task each: many small ones at once are faster than one after another on all threads. */
typedef struct {
  ClipMemo *memo;
  GPtrArray *keys; /* GBytes; not owned */
  float *pooled;   /* [keys, W] */
} Work;

static void
compute (void *data, int task, int worker)
{
  const Work *work = data;
  ClipTrunk *trunk = work->memo->side->trunk;
  ClipTape *tape = work->memo->tapes[worker];
  gsize size;
  const gint32 *tokens = g_bytes_get_data (work->keys->pdata[task], &size);
  trunk->forward (trunk, tape, work->pooled + (gsize) task * work->memo->side->width, tokens, 1,
                  (int) (size / sizeof *tokens), FALSE);
  clip_tape_release (tape, (ClipTapeMark){ 0 });
}

/* @missing: GBytes → nothing: as a set. */
static void
compute_missing (ClipMemo *memo, ClipTape *tape, GHashTable *missing)
{
  const gsize row = memo->side->width * sizeof (float);
  g_autoptr (GPtrArray) keys = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init (&iter, missing);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    g_ptr_array_add (keys, key);
  const ClipTapeMark mark = clip_tape_mark (tape);
  Work work = { memo, keys, clip_tape_take (tape, keys->len * row) };
  clip_threads_run (tape->threads, compute, &work, keys->len);
  for (guint i = 0; i < keys->len; i++)
    g_hash_table_insert (memo->table, g_bytes_ref (keys->pdata[i]),
                         g_memdup2 (work.pooled + (gsize) i * memo->side->width, row));
  memo->bytes += keys->len * row;
  clip_tape_release (tape, mark);
}

/* The key of a text in its row of @length; it points there. */
static GBytes *
key_of (const ClipMemo *memo, const gint32 *tokens, int length)
{
  while (length > 1 && tokens[length - 1] == memo->pad)
    length--;
  return g_bytes_new_static (tokens, length * sizeof *tokens);
}

void
clip_memo_pool (ClipMemo *memo, ClipTape *tape, float *pooled, const gint32 *tokens, int n,
                int length)
{
  const gsize width = memo->side->width;
  g_autoptr (GHashTable) missing =
      g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, NULL);
  if (memo->bytes > MOST_BYTES) {
    g_hash_table_remove_all (
        memo->table); /* what is asked for again is computed again, to the same bits */
    memo->bytes = 0;
  }
  for (int i = 0; i < n; i++) {
    g_autoptr (GBytes) key = key_of (memo, tokens + (gsize) i * length, length);
    gsize size;
    const void *data = g_bytes_get_data (key, &size);
    if (!g_hash_table_contains (memo->table, key))
      g_hash_table_add (missing, g_bytes_new (data, size));
  }
  compute_missing (memo, tape, missing);
  for (int i = 0; i < n; i++) {
    g_autoptr (GBytes) key = key_of (memo, tokens + (gsize) i * length, length);
    memcpy (pooled + i * width, g_hash_table_lookup (memo->table, key), width * sizeof *pooled);
  }
}
