/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/train/memo.h"

#include <string.h>

#define MOST_BYTES                                                                                 \
  ((gsize) 1 << 30) /* kept; 700,000 texts of 384 floats. What comes later is computed each time */

struct _ClipMemo {
  ClipSide *side;
  gint32 pad;
  GHashTable *table; /* GBytes of tokens without padding → float [W] */
  gsize bytes;
};

ClipMemo *
clip_memo_new (ClipSide *side, gint32 pad)
{
  ClipMemo *memo = g_new0 (ClipMemo, 1);
  memo->side = side;
  memo->pad = pad;
  memo->table =
      g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, g_free);
  return memo;
}

void
clip_memo_free (ClipMemo *memo)
{
  if (!memo)
    return;
  g_hash_table_unref (memo->table);
  g_free (memo);
}

void
clip_memo_pool (ClipMemo *memo, ClipTape *tape, float *pooled, const gint32 *tokens, int n,
                int length)
{
  const gsize row = memo->side->width * sizeof (float);
  ClipTrunk *trunk = memo->side->trunk;
  for (int i = 0; i < n; i++, tokens += length, pooled += memo->side->width) {
    int used = length;
    while (used > 1 && tokens[used - 1] == memo->pad)
      used--;
    g_autoptr (GBytes) key = g_bytes_new_static (tokens, used * sizeof *tokens);
    const float *known = g_hash_table_lookup (memo->table, key);
    if (known) {
      memcpy (pooled, known, row);
      continue;
    }
    const ClipTapeMark mark = clip_tape_mark (tape);
    trunk->forward (trunk, tape, pooled, tokens, 1, used, FALSE);
    clip_tape_release (tape, mark);
    if (memo->bytes + row > MOST_BYTES)
      continue;
    g_hash_table_insert (memo->table, g_bytes_new (tokens, used * sizeof *tokens),
                         g_memdup2 (pooled, row));
    memo->bytes += row;
  }
}
