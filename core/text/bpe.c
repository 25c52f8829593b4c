/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Byte-pair encoding (Sennrich et al. 2016) over bytes or characters, with merge ranks:
 *
 *   symbols = one per byte of the word, the last one with the end-of-word suffix;
 *             or one per character, and one per byte of a character that the vocabulary lacks
 *   repeat:   the adjacent pair of lowest rank, leftmost first, becomes one symbol
 *   until     no pair is in the table
 *
 * Symbols are vocabulary ids from the start; a hash of (left id, right id) gives rank and merged id. Candidates wait in a
 * heap, so a word of n bytes costs O(n log n): text from outside may be one word of a megabyte. The reference merges all
 * occurrences of a pair at once; that is the same, because a merge never ranks below the ones that make its parts.
 */
#include "core/text/bpe.h"
#include "core/base/error.h"

#include <string.h>

typedef struct {
  guint64 pair; /* left id << 32 | right id */
  gint32 rank;  /* -1: free slot */
  gint32 id;    /* of the merged symbol */
} Merge;

struct _ClipBpe {
  gint32 inner[256],
      last[256];          /* byte → id inside a word and at its end; -1: not in the vocabulary */
  GHashTable *characters; /* gunichar → id; NULL: a word is bytes. With it, @inner is "<0x00>" … */
  gint32 unknown;
  gboolean fuse;
  Merge *merges; /* 2^bits slots, open addressing, at most half full */
  guint bits;
};

gunichar
clip_bpe_symbol (guint8 byte)
{
  gboolean printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  if (printable)
    return byte;
  /* 0 … 32, 127 … 160 and 173 are numbered in that order */
  return 256 + (byte <= 32 ? byte : byte < 173 ? byte - 127 + 33 : 67);
}

/* ----------------------------------------------------------------------------------------------------------- table */

/* The slot of the pair, or the free one where it belongs. */
static Merge *
find_slot (const ClipBpe *bpe, gint32 left, gint32 right)
{
  guint64 pair = (guint64) (guint32) left << 32 | (guint32) right;
  /* Fibonacci hashing: 2^64 / golden ratio spreads neighbouring ids; the high bits are the good ones */
  guint slot = (guint) ((pair * G_GUINT64_CONSTANT (0x9E3779B97F4A7C15)) >> (64 - bpe->bits));
  while (bpe->merges[slot].rank >= 0 && bpe->merges[slot].pair != pair)
    slot = (slot + 1) & ((1u << bpe->bits) - 1);
  return &bpe->merges[slot];
}

static gint32
lookup (GHashTable *vocabulary, const char *token)
{
  gpointer id;
  return g_hash_table_lookup_extended (vocabulary, token, NULL, &id) ? GPOINTER_TO_INT (id) : -1;
}

static gboolean
add_merge (ClipBpe *bpe, GHashTable *vocabulary, const ClipBpeMerge *merge, gint32 rank,
           const char *name, GError **error)
{
  gint32 left = lookup (vocabulary, merge->left), right = lookup (vocabulary, merge->right);
  g_autofree char *joined = g_strconcat (merge->left, merge->right, NULL);
  gint32 id = lookup (vocabulary, joined);
  const char *missing = left < 0 ? merge->left : right < 0 ? merge->right : id < 0 ? joined : NULL;
  if (missing)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: merge %u, \"%s %s\": \"%s\" is not in the vocabulary", name, merge->line,
                      merge->left, merge->right, missing);
  Merge *slot = find_slot (bpe, left, right);
  *slot =
      (Merge){ .pair = (guint64) (guint32) left << 32 | (guint32) right, .rank = rank, .id = id };
  return TRUE;
}

/* Fills the table of @bpe, which it takes. */
static ClipBpe *
add_merges (ClipBpe *bpe, GHashTable *vocabulary, const ClipBpeMerge *merges, guint n_merges,
            const char *name, GError **error)
{
  g_autoptr (ClipBpe) self = bpe;
  bpe->bits = g_bit_storage (n_merges) + 1;
  bpe->merges = g_new (Merge, (gsize) 1 << bpe->bits);
  for (gsize slot = 0; slot < (gsize) 1 << bpe->bits; slot++)
    bpe->merges[slot].rank = -1;
  for (guint i = 0; i < n_merges; i++) {
    if (!add_merge (bpe, vocabulary, &merges[i], (gint32) i, name, error))
      return NULL;
  }
  return g_steal_pointer (&self);
}

ClipBpe *
clip_bpe_new (GHashTable *vocabulary, const ClipBpeMerge *merges, guint n_merges,
              const char *suffix, gint32 unknown, gboolean fuse, const char *name, GError **error)
{
  ClipBpe *bpe = g_new0 (ClipBpe, 1);
  bpe->unknown = unknown;
  bpe->fuse = fuse;
  for (int byte = 0; byte < 256; byte++) {
    char symbol[7] = { 0 };
    g_unichar_to_utf8 (clip_bpe_symbol ((guint8) byte), symbol);
    g_autofree char *last = g_strconcat (symbol, suffix, NULL);
    bpe->inner[byte] = lookup (vocabulary, symbol);
    bpe->last[byte] = lookup (vocabulary, last);
  }
  return add_merges (bpe, vocabulary, merges, n_merges, name, error);
}

ClipBpe *
clip_bpe_new_characters (GHashTable *vocabulary, const ClipBpeMerge *merges, guint n_merges,
                         gint32 unknown, gboolean fuse, const char *name, GError **error)
{
  ClipBpe *bpe = g_new0 (ClipBpe, 1);
  bpe->unknown = unknown;
  bpe->fuse = fuse;
  bpe->characters = g_hash_table_new (NULL, NULL);
  for (int byte = 0; byte < 256; byte++) {
    char symbol[7];
    g_snprintf (symbol, sizeof symbol, "<0x%02X>", byte);
    bpe->inner[byte] = lookup (vocabulary, symbol);
  }
  GHashTableIter iter;
  gpointer token, id;
  g_hash_table_iter_init (&iter, vocabulary);
  while (g_hash_table_iter_next (&iter, &token, &id)) {
    const char *text = token;
    if (*text && !*g_utf8_next_char (text))
      g_hash_table_insert (bpe->characters, GUINT_TO_POINTER (g_utf8_get_char (text)), id);
  }
  return add_merges (bpe, vocabulary, merges, n_merges, name, error);
}

void
clip_bpe_free (ClipBpe *bpe)
{
  g_clear_pointer (&bpe->characters, g_hash_table_unref);
  g_free (bpe->merges);
  g_free (bpe);
}

/* ---------------------------------------------------------------------------------------------------------- encode */

typedef struct {
  gint32 id;             /* -1: has become part of the symbol on its left */
  gint32 previous, next; /* -1 at the ends */
} Symbol;

/* A min-heap of rank << 32 | index of the left symbol. */
typedef struct {
  guint64 *items;
  gsize n;
} Heap;

static void
heap_push (Heap *heap, guint64 item)
{
  gsize i = heap->n++;
  for (; i > 0 && heap->items[(i - 1) / 2] > item; i = (i - 1) / 2)
    heap->items[i] = heap->items[(i - 1) / 2];
  heap->items[i] = item;
}

static guint64
heap_pop (Heap *heap)
{
  guint64 top = heap->items[0], item = heap->items[--heap->n];
  gsize i = 0;
  for (gsize child = 1; child < heap->n; child = 2 * i + 1) {
    if (child + 1 < heap->n && heap->items[child + 1] < heap->items[child])
      child++;
    if (heap->items[child] >= item)
      break;
    heap->items[i] = heap->items[child];
    i = child;
  }
  heap->items[i] = item;
  return top;
}

static void
push_pair (const ClipBpe *bpe, Heap *heap, const Symbol *symbols, gint32 left)
{
  if (left < 0 || symbols[left].next < 0)
    return;
  const Merge *merge = find_slot (bpe, symbols[left].id, symbols[symbols[left].next].id);
  if (merge->rank >= 0)
    heap_push (heap, (guint64) merge->rank << 32 | (guint32) left);
}

static void
merge_symbols (const ClipBpe *bpe, Symbol *symbols, Heap *heap)
{
  while (heap->n > 0) {
    guint64 item = heap_pop (heap);
    gint32 left = (gint32) (guint32) item, right = symbols[left].next;
    if (symbols[left].id < 0 || right < 0)
      continue; /* merged since this pair was pushed */
    const Merge *merge = find_slot (bpe, symbols[left].id, symbols[right].id);
    if (merge->rank != (gint32) (item >> 32))
      continue;
    symbols[left].id = merge->id;
    symbols[left].next = symbols[right].next;
    symbols[right].id = -1;
    if (symbols[left].next >= 0)
      symbols[symbols[left].next].previous = left;
    push_pair (bpe, heap, symbols, symbols[left].previous);
    push_pair (bpe, heap, symbols, left);
  }
}

/* The @n-th symbol, where there is one: an unknown one may be left out, or be one with that before it. Returns: how many there are. */
static gint32
add_symbol (const ClipBpe *bpe, Symbol *symbols, gint32 n, gint32 id)
{
  const gboolean known = id >= 0;
  if (!known && (bpe->unknown < 0 || (bpe->fuse && n > 0 && symbols[n - 1].id == bpe->unknown)))
    return n;
  symbols[n] = (Symbol){ .id = known ? id : bpe->unknown, .previous = n - 1, .next = n + 1 };
  return n + 1;
}

/* Fills @symbols with the bytes of @word; returns how many. */
static gint32
split_bytes (const ClipBpe *bpe, Symbol *symbols, const char *word, gsize length)
{
  gint32 n = 0;
  for (gsize i = 0; i < length; i++) {
    const guint8 byte = (guint8) word[i];
    n = add_symbol (bpe, symbols, n, i + 1 < length ? bpe->inner[byte] : bpe->last[byte]);
  }
  return n;
}

/* The same with its characters. */
static gint32
split_characters (const ClipBpe *bpe, Symbol *symbols, const char *word, gsize length)
{
  gint32 n = 0;
  for (const char *p = word, *next; p < word + length; p = next) {
    gpointer id;
    next = g_utf8_next_char (p);
    if (g_hash_table_lookup_extended (bpe->characters, GUINT_TO_POINTER (g_utf8_get_char (p)), NULL,
                                      &id)) {
      n = add_symbol (bpe, symbols, n, GPOINTER_TO_INT (id));
      continue;
    }
    gboolean whole = TRUE;
    for (const char *byte = p; byte < next; byte++)
      whole &= bpe->inner[(guint8) *byte] >= 0;
    for (const char *byte = p; whole && byte < next; byte++)
      n = add_symbol (bpe, symbols, n, bpe->inner[(guint8) *byte]);
    if (!whole)
      n = add_symbol (bpe, symbols, n, -1);
  }
  return n;
}

void
clip_bpe_encode (const ClipBpe *bpe, GArray *ids, const char *word, gsize length)
{
  enum { SHORT = 64 }; /* nearly every word: no allocation */
  Symbol few_symbols[SHORT];
  guint64 few_items[3 * SHORT]; /* one for each first pair, then two for each merge */
  g_autofree Symbol *many_symbols = NULL;
  g_autofree guint64 *many_items = NULL;
  Symbol *symbols = few_symbols;
  Heap heap = { .items = few_items };

  g_return_if_fail (length <= G_MAXINT32);
  if (length > SHORT) {
    symbols = many_symbols = g_new (Symbol, length);
    heap.items = many_items = g_new (guint64, 3 * length);
  }
  gint32 n = (bpe->characters ? split_characters : split_bytes) (bpe, symbols, word, length);
  if (n > 0)
    symbols[n - 1].next = -1;
  for (gint32 i = 0; i + 1 < n; i++)
    push_pair (bpe, &heap, symbols, i);
  merge_symbols (bpe, symbols, &heap);
  for (gint32 i = n > 0 ? 0 : -1; i >= 0; i = symbols[i].next)
    g_array_append_val (ids, symbols[i].id);
}
