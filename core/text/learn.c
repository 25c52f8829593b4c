/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Byte-pair learning (Sennrich et al. 2016): captions → merges.
 *
 *   words   = those of each caption, cleaned and cut as CLIP's tokenizer does; counted
 *   symbols = one per byte of the word, the last one with "</w>"
 *   repeat:   the adjacent pair that is seen most often becomes one symbol, everywhere; of equals that of the lowest left
 *             id, then of the lowest right one
 *   until     there are as many as asked for, or no pair is seen often enough
 *
 * Ids are the tokenizer's, so the order of captions makes no difference. No token comes out twice, made of other parts: no
 * merge has crossed its ends wherever it is seen, so the same merges have met within.
 *
 * A merge visits the words that have the pair, no others: each pair keeps a list of them. A pair appears in the step that
 * makes its younger symbol and from then on is only seen less often; so a heap may hold counts that are out of date, they
 * are too high, and what comes to its top is put back with the right one.
 */
#include "core/text/learn.h"
#include "core/base/error.h"
#include "core/text/bpe.h"
#include "core/text/normalize.h"
#include "core/text/tokenizer.h"
#include "core/text/words.h"

#include <string.h>

#define HEADER "#version: 0.2 - learned by gst-clip vocab\n"
#define END_OF_WORD "</w>"
#define N_BYTES 512 /* symbols that are no merge */
/* Nobody writes longer words; what is longer (a line of dashes, base64) would teach little and take long. In bytes. */
#define MAX_WORD 256
#define PROGRESS_EVERY 64 /* merges */

struct _ClipLearner {
  GHashTable *words; /* char * → guint64 *: how often */
  GString *word;     /* the one that is looked up */
};

/* ----------------------------------------------------------------------------------------------------------- count */

ClipLearner *
clip_learner_new (void)
{
  ClipLearner *learner = g_new0 (ClipLearner, 1);
  learner->words = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  learner->word = g_string_new (NULL);
  return learner;
}

void
clip_learner_free (ClipLearner *learner)
{
  g_hash_table_unref (learner->words);
  g_string_free (learner->word, TRUE);
  g_free (learner);
}

guint
clip_learner_get_n_words (const ClipLearner *learner)
{
  return g_hash_table_size (learner->words);
}

static void
count_word (ClipLearner *learner, const char *word, gsize length)
{
  g_string_truncate (learner->word, 0);
  g_string_append_len (learner->word, word, length);
  guint64 *count = g_hash_table_lookup (learner->words, learner->word->str);
  if (!count) {
    count = g_new0 (guint64, 1);
    g_hash_table_insert (learner->words, g_strdup (learner->word->str), count);
  }
  ++*count;
}

/* The length of a start or end token that @text begins with: those are tokens of their own. */
static gsize
special_length (const char *text)
{
  static const char *const special[] = { CLIP_START, CLIP_END };
  for (guint i = 0; i < G_N_ELEMENTS (special); i++) {
    const gsize length = strlen (special[i]);
    if (g_ascii_strncasecmp (text, special[i], length) == 0)
      return length;
  }
  return 0;
}

gboolean
clip_learner_add (ClipLearner *learner, const char *caption, gsize length)
{
  if (!g_utf8_validate_len (caption, length, NULL))
    return FALSE;
  g_autofree char *text = g_strndup (caption, length);
  g_autofree char *normal = clip_normalize_openai (text, TRUE);
  for (const char *p = normal; *p;) {
    const gsize special = special_length (p), word = special ? special : clip_words_openai (p);
    if (!special && word > 0 && word <= MAX_WORD)
      count_word (learner, p, word);
    p = word > 0 ? p + word : g_utf8_next_char (p);
  }
  return TRUE;
}

/* ----------------------------------------------------------------------------------------------------------- state */

typedef struct {
  gsize start; /* of its symbols */
  guint length;
  guint64 count;
} Word;

typedef struct {
  guint64 key; /* left id << 32 | right id */
  guint64 count;
  GArray *words; /* guint, indices of those that have it, or had it; NULL once it is merged */
} Pair;

typedef struct {
  guint64 count;
  Pair *pair;
} Candidate;

typedef struct {
  GArray *words;     /* Word */
  GArray *symbols;   /* gint32 */
  GPtrArray *tokens; /* char *, by id */
  GHashTable *pairs; /* by key */
  GPtrArray *fresh;  /* Pair: not in the heap yet */
  GArray *heap;      /* Candidate, the best first */
} State;

static guint64
key_of (gint32 left, gint32 right)
{
  return (guint64) (guint32) left << 32 | (guint32) right;
}

/* Fibonacci hashing, high bits: g_int64_hash () would be left ^ right, which many pairs share. */
static guint
hash_key (gconstpointer key)
{
  return (guint) ((*(const guint64 *) key * G_GUINT64_CONSTANT (0x9E3779B97F4A7C15)) >> 32);
}

static void
pair_free (gpointer data)
{
  Pair *pair = data;
  g_clear_pointer (&pair->words, g_array_unref);
  g_free (pair);
}

/* Fills @inner and @last: the ids of a byte within a word and at its end, in the tokenizer's order: bytes that stand for
 * themselves, then the others. */
static void
add_bytes (State *state, gint32 inner[256], gint32 last[256])
{
  for (int i = 0; i < 2 * N_BYTES; i++) {
    const gboolean ends = i >= N_BYTES, printable = i % N_BYTES < 256;
    const gunichar symbol = clip_bpe_symbol ((guint8) i);
    char text[7] = { 0 };
    if (printable != (symbol < 256))
      continue;
    g_unichar_to_utf8 (symbol, text);
    (ends ? last : inner)[i % 256] = (gint32) state->tokens->len;
    g_ptr_array_add (state->tokens, g_strconcat (text, ends ? END_OF_WORD : "", NULL));
  }
}

static void
add_words (State *state, GHashTable *words, const gint32 inner[256], const gint32 last[256])
{
  GHashTableIter iter;
  gpointer text, count;
  g_hash_table_iter_init (&iter, words);
  while (g_hash_table_iter_next (&iter, &text, &count)) {
    const guint8 *bytes = text;
    const Word word = { state->symbols->len, (guint) strlen (text), *(guint64 *) count };
    for (guint i = 0; i < word.length; i++)
      g_array_append_val (state->symbols, (i + 1 < word.length ? inner : last)[bytes[i]]);
    g_array_append_val (state->words, word);
  }
}

static void
state_init (State *state, GHashTable *words)
{
  gint32 inner[256], last[256];
  *state = (State){
    .words = g_array_new (FALSE, FALSE, sizeof (Word)),
    .symbols = g_array_new (FALSE, FALSE, sizeof (gint32)),
    .tokens = g_ptr_array_new_with_free_func (g_free),
    .pairs = g_hash_table_new_full (hash_key, g_int64_equal, NULL, pair_free),
    .fresh = g_ptr_array_new (),
    .heap = g_array_new (FALSE, FALSE, sizeof (Candidate)),
  };
  add_bytes (state, inner, last);
  add_words (state, words, inner, last);
}

static void
state_clear (State *state)
{
  g_array_unref (state->words);
  g_array_unref (state->symbols);
  g_ptr_array_unref (state->tokens);
  g_ptr_array_unref (state->fresh);
  g_hash_table_unref (state->pairs);
  g_array_unref (state->heap);
}

/* ------------------------------------------------------------------------------------------------------------ heap */

static gboolean
is_better (const Candidate *a, const Candidate *b)
{
  return a->count != b->count ? a->count > b->count : a->pair->key < b->pair->key;
}

static void
heap_push (GArray *heap, Pair *pair)
{
  const Candidate item = { pair->count, pair };
  g_array_set_size (heap, heap->len + 1);
  Candidate *items = (Candidate *) heap->data;
  guint i = heap->len - 1;
  for (; i > 0 && is_better (&item, &items[(i - 1) / 2]); i = (i - 1) / 2)
    items[i] = items[(i - 1) / 2];
  items[i] = item;
}

static Candidate
heap_pop (GArray *heap)
{
  Candidate *items = (Candidate *) heap->data;
  const Candidate top = items[0], item = items[heap->len - 1];
  g_array_set_size (heap, heap->len - 1);
  guint i = 0;
  for (guint child = 1; child < heap->len; child = 2 * i + 1) {
    if (child + 1 < heap->len && is_better (&items[child + 1], &items[child]))
      child++;
    if (!is_better (&items[child], &item))
      break;
    items[i] = items[child];
    i = child;
  }
  if (heap->len > 0)
    items[i] = item;
  return top;
}

static void
push_fresh (State *state, guint64 min_count)
{
  for (guint i = 0; i < state->fresh->len; i++) {
    Pair *pair = state->fresh->pdata[i];
    if (pair->count >= min_count)
      heap_push (state->heap, pair);
  }
  g_ptr_array_set_size (state->fresh, 0);
}

/* The pair to merge next, or NULL. */
static Pair *
best_pair (State *state, guint64 min_count)
{
  while (state->heap->len > 0) {
    const Candidate top = heap_pop (state->heap);
    if (top.count == top.pair->count)
      return top.pair;
    if (top.pair->count >= min_count)
      heap_push (state->heap, top.pair);
  }
  return NULL;
}

/* ----------------------------------------------------------------------------------------------------------- merge */

static Pair *
find_pair (State *state, gint32 left, gint32 right)
{
  const guint64 key = key_of (left, right);
  Pair *pair = g_hash_table_lookup (state->pairs, &key);
  if (!pair) {
    pair = g_new0 (Pair, 1);
    pair->key = key;
    pair->words = g_array_new (FALSE, FALSE, sizeof (guint));
    g_hash_table_insert (state->pairs, &pair->key, pair);
    g_ptr_array_add (state->fresh, pair);
  }
  return pair;
}

/* Counts the pairs of a word; those of the symbol @made (-1: of any) learn that the word has them. */
static void
count_pairs (State *state, guint index, gint32 made)
{
  const Word *word = &g_array_index (state->words, Word, index);
  const gint32 *symbols = (const gint32 *) state->symbols->data + word->start;
  for (guint i = 0; i + 1 < word->length; i++) {
    Pair *pair = find_pair (state, symbols[i], symbols[i + 1]);
    pair->count += word->count;
    const gboolean known = made >= 0 && symbols[i] != made && symbols[i + 1] != made;
    const guint n = pair->words->len;
    if (!known && (n == 0 || g_array_index (pair->words, guint, n - 1) != index))
      g_array_append_val (pair->words, index);
  }
}

static void
forget_pairs (State *state, guint index)
{
  const Word *word = &g_array_index (state->words, Word, index);
  const gint32 *symbols = (const gint32 *) state->symbols->data + word->start;
  for (guint i = 0; i + 1 < word->length; i++)
    find_pair (state, symbols[i], symbols[i + 1])->count -= word->count;
}

static gboolean
has_pair (const State *state, guint index, gint32 left, gint32 right)
{
  const Word *word = &g_array_index (state->words, Word, index);
  const gint32 *symbols = (const gint32 *) state->symbols->data + word->start;
  for (guint i = 0; i + 1 < word->length; i++) {
    if (symbols[i] == left && symbols[i + 1] == right)
      return TRUE;
  }
  return FALSE;
}

static void
replace_pair (State *state, guint index, gint32 left, gint32 right, gint32 made)
{
  Word *word = &g_array_index (state->words, Word, index);
  gint32 *symbols = (gint32 *) state->symbols->data + word->start;
  guint n = 0;
  for (guint i = 0; i < word->length; i++, n++) {
    const gboolean found = i + 1 < word->length && symbols[i] == left && symbols[i + 1] == right;
    symbols[n] = found ? made : symbols[i];
    i += found;
  }
  word->length = n;
}

static void
merge (State *state, Pair *pair)
{
  const gint32 left = (gint32) (pair->key >> 32), right = (gint32) (guint32) pair->key,
               made = (gint32) state->tokens->len;
  GPtrArray *tokens = state->tokens;
  g_ptr_array_add (tokens, g_strconcat (tokens->pdata[left], tokens->pdata[right], NULL));
  for (guint i = 0; i < pair->words->len; i++) {
    const guint index = g_array_index (pair->words, guint, i);
    if (!has_pair (state, index, left, right))
      continue;
    forget_pairs (state, index);
    replace_pair (state, index, left, right, made);
    count_pairs (state, index, made);
  }
  g_clear_pointer (&pair->words, g_array_unref);
}

/* ------------------------------------------------------------------------------------------------------------- run */

char *
clip_learner_run (const ClipLearner *learner, int size, guint64 min_count, int *learned,
                  ClipProgress progress, gpointer data, GError **error)
{
  g_return_val_if_fail (size >= CLIP_LEARNER_LEAST && min_count >= 1, NULL);
  const guint wanted = (guint) (size - CLIP_LEARNER_LEAST);
  g_autoptr (GString) text = g_string_new (HEADER);
  guint n = 0;
  gboolean stopped = FALSE;
  State state;
  state_init (&state, learner->words);
  for (guint i = 0; i < state.words->len; i++)
    count_pairs (&state, i, -1);
  push_fresh (&state, min_count);

  for (Pair *pair; n < wanted && !stopped && (pair = best_pair (&state, min_count));) {
    g_string_append_printf (text, "%s %s\n", (char *) state.tokens->pdata[pair->key >> 32],
                            (char *) state.tokens->pdata[(guint32) pair->key]);
    merge (&state, pair);
    push_fresh (&state, min_count);
    stopped = ++n % PROGRESS_EVERY == 0 && progress && !progress (n, wanted, data);
  }
  state_clear (&state);
  if (stopped)
    return clip_fail_null (error, CLIP_ERROR_CANCELLED, "learning was stopped after %u merges", n);
  *learned = CLIP_LEARNER_LEAST + (int) n;
  return g_string_free (g_steal_pointer (&text), FALSE);
}
