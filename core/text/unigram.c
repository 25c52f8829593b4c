/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unigram model (Kudo 2018): of all ways to cut a word into pieces, the one with the largest sum of scores, by Viterbi:
 *
 *   best[0] = 0;  best[e] = max over pieces word[s … e) of best[s] + score (piece)
 *
 * Where no piece is one whole character, that character is an unknown one, whose score is 10 below the worst piece's; several
 * in a row are one token. Of equal sums the first found wins, as in SentencePiece and Hugging Face's tokenizers.
 */
#include "core/text/unigram.h"

#include <math.h>
#include <string.h>

#define UNKNOWN_PENALTY 10.0

typedef struct {
  const char *text;
  double score;
  guint32 length;
  gint32 id;
} Piece;

struct _ClipUnigram {
  GStringChunk *texts;
  GArray *pieces; /* of Piece, by their bytes */
  gint32 unknown;
  double unknown_score;
};

/* Of pieces that occur twice the last one comes first. */
static int
compare_pieces (gconstpointer a, gconstpointer b)
{
  const Piece *x = a, *y = b;
  const int order = strcmp (x->text, y->text);
  return order != 0 ? order : y->id - x->id;
}

ClipUnigram *
clip_unigram_new (const ClipUnigramPiece *pieces, guint n, gint32 unknown)
{
  ClipUnigram *unigram = g_new0 (ClipUnigram, 1);
  unigram->unknown = unknown;
  unigram->pieces = g_array_sized_new (FALSE, FALSE, sizeof (Piece), n);
  unigram->texts = g_string_chunk_new (65536);
  double worst = INFINITY;
  for (guint i = 0; i < n; i++) {
    const gsize length = strlen (pieces[i].text);
    const Piece piece = { g_string_chunk_insert_len (unigram->texts, pieces[i].text, length),
                          pieces[i].score, (guint32) length, (gint32) i };
    g_array_append_val (unigram->pieces, piece);
    worst = MIN (worst, piece.score);
  }
  unigram->unknown_score = worst - UNKNOWN_PENALTY;
  g_array_sort (unigram->pieces, compare_pieces);
  return unigram;
}

void
clip_unigram_free (ClipUnigram *unigram)
{
  g_array_unref (unigram->pieces);
  g_string_chunk_free (unigram->texts);
  g_free (unigram);
}

/* The first piece from @first on, before @end, whose byte at @depth is @byte or more; all have the bytes before it in common. */
static guint
lower_bound (const Piece *pieces, guint first, guint end, gsize depth, guint byte)
{
  while (first < end) {
    const guint middle = first + (end - first) / 2;
    if ((guint8) pieces[middle].text[depth] < byte)
      first = middle + 1;
    else
      end = middle;
  }
  return first;
}

/* The best path to a place in the word ends with this piece. */
typedef struct {
  double score;
  gint32 id;
  gssize start; /* -1: none yet */
} Node;

static void
offer (Node *node, double score, gint32 id, gsize start)
{
  if (node->start < 0 || score > node->score)
    *node = (Node){ score, id, (gssize) start };
}

static void
offer_pieces (const ClipUnigram *unigram, Node *nodes, const char *word, gsize start, gsize length)
{
  const Piece *pieces = (const Piece *) (void *) unigram->pieces->data;
  const double base = nodes[start].score;
  const gsize character = g_utf8_next_char (word + start) - (word + start);
  gboolean single = FALSE;
  guint first = 0, end = unigram->pieces->len;
  for (gsize depth = 0; start + depth < length && first < end; depth++) {
    const guint byte = (guint8) word[start + depth];
    first = lower_bound (pieces, first, end, depth, byte);
    end = lower_bound (pieces, first, end, depth, byte + 1);
    if (first == end || pieces[first].length != depth + 1)
      continue;
    offer (&nodes[start + depth + 1], base + pieces[first].score, pieces[first].id, start);
    single |= depth + 1 == character;
  }
  if (!single)
    offer (&nodes[start + character], base + unigram->unknown_score, unigram->unknown, start);
}

void
clip_unigram_encode (const ClipUnigram *unigram, GArray *ids, const char *word, gsize length)
{
  g_autofree Node *nodes = g_new (Node, length + 1);
  for (gsize i = 0; i <= length; i++)
    nodes[i] = (Node){ 0, 0, -1 };
  for (gsize start = 0; start < length; start = g_utf8_next_char (word + start) - word)
    offer_pieces (unigram, nodes, word, start, length);

  const guint before = ids->len;
  for (gsize end = length; end > 0; end = nodes[end].start) {
    const gint32 id = nodes[end].id;
    const gboolean again = ids->len > before && id == unigram->unknown &&
                           g_array_index (ids, gint32, ids->len - 1) == id;
    if (!again)
      g_array_append_val (ids, id);
  }
  gint32 *found = (gint32 *) (void *) ids->data + before;
  for (guint i = 0, n = ids->len - before; i < n / 2; i++) {
    const gint32 id = found[i];
    found[i] = found[n - 1 - i];
    found[n - 1 - i] = id;
  }
}
