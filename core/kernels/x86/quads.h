/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What vector/quads.h is written in, beside words-….h, where instructions multiply unsigned bytes by signed ones. Included after
 * these and dot (sum, x, w). */
#include <string.h>

/* Sums start from nothing. */
static inline Words
words_begin (const gint32 *sums, gsize n)
{
  return words_set (0);
}

static inline Words
words_prepare (Words x)
{
  return x;
}

static inline Words
broadcast_word (const guint8 *x)
{
  guint32 word;
  memcpy (&word, x, sizeof word);
  return words_set (word);
}

static inline __attribute__ ((always_inline)) void
quads_multiply (Words (*sum)[QUADS_VECTORS], const guint32 *const *w, const guint8 *x,
                gsize x_stride, gsize x_step, int words, int vectors, int rows)
{
  const gsize end = (gsize) words * CLIP_GROUP;
  for (gsize i = 0; i < end; i += CLIP_GROUP, x += x_step) {
    Words weight[QUADS_VECTORS];
    UNROLLED for (int v = 0; v < vectors; v++) weight[v] = words_load (w[v] + i);
    UNROLLED for (int r = 0; r < rows; r++)
    {
      const Words four = broadcast_word (x + r * x_stride);
      UNROLLED for (int v = 0; v < vectors; v++) sum[r][v] = dot (sum[r][v], four, weight[v]);
    }
  }
}

#include "core/kernels/vector/quads.h"
