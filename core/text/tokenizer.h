/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tokenizer is a row of steps, filled in by the readers of vocabulary files (vocabulary.c, tokenizer-json.c). */
#pragma once
#include "core/base/json-reader.h"
#include "core/text/bpe.h"
#include "core/text/charsmap.h"
#include "core/text/normalize.h"
#include "core/text/unigram.h"
#include "core/text/wordpiece.h"
#include "core/text/words.h"

#define CLIP_START "<|startoftext|>"
#define CLIP_END "<|endoftext|>"

typedef char *(*ClipNormalizer) (const char *text);

typedef struct {
  char *text;
  gsize length;
  gint32 id;
  gboolean strip_left, strip_right; /* white space on that side of it is not encoded */
} ClipAddedToken;

struct _ClipTokenizer {
  gatomicrefcount references;
  int vocab_size;
  gint32 start, end; /* -1: none is written */
  gint32 pad;

  /* Text → words. CLIP's own: OpenAI's cleaning, then added tokens are words like others, in any case. All others: added
   * tokens are cut out first, then the normalizers run over what lies between. */
  ClipClean clean;          /* first of all */
  gboolean openai, lower;   /* @lower: with @openai */
  ClipCharsmap *charsmap;   /* before the normalizers; NULL: none */
  GArray *normalizers;      /* ClipNormalizer; empty with @openai */
  GArray *added;            /* ClipAddedToken, the longest first: the first that fits is taken */
  guint8 added_starts[256]; /* 1: one of them begins with this byte */
  ClipWords words;          /* byte-pair encoding: what a word is */
  gboolean byte_level;      /* the file said so (tokenizer.json) */
  gboolean characters;      /* byte-pair encoding of characters: a text is one word */
  gboolean marked;          /* a normalizer makes each space a '▁' */
  gboolean
      prefix_space; /* a space, with a unigram model a '▁', in front of a text that begins with none */
  gboolean
      split_spaces; /* unigram: white space between words is nothing, each has its '▁'; else each space is one */
  gboolean whole; /* unigram: a text is one word, as SentencePiece itself has it */

  /* Words → ids: one of them. */
  ClipBpe *bpe;
  ClipWordpiece *wordpiece;
  ClipUnigram *unigram;
};

/* Any vocabulary file that stands alone: CLIP merges (also gzipped), vocab.txt, tokenizer.json. @name is for messages. */
ClipTokenizer *clip_tokenizer_parse (GBytes *bytes, const char *name, GError **error);
/* What a model's configuration says of texts beyond its vocabulary: how they are cleaned, which for a unigram model of SigLIP's
 * (CLIP_CLEAN_CANONICAL) means padding with the end token, too; CLIPA's padding in place of the end token. For a tokenizer
 * that nobody else has yet. */
void clip_tokenizer_adapt (ClipTokenizer *tokenizer, ClipClean clean, gboolean no_end);
/* OpenAI's tokenizer, from the embedded merges; one for the process. Returns: (transfer full). */
ClipTokenizer *clip_tokenizer_clip (void);
/* Whether clip_tokenizer_load () would find a vocabulary in @directory. */
gboolean clip_tokenizer_in_directory (const char *directory);

gint32 clip_tokenizer_get_start (const ClipTokenizer *tokenizer); /* -1: none */
gint32 clip_tokenizer_get_end (const ClipTokenizer *tokenizer);   /* -1: none */
gint32 clip_tokenizer_get_pad (const ClipTokenizer *tokenizer);

/* ------------------------------------------------------------------------------------------------------ for readers */

ClipTokenizer *clip_tokenizer_new (void);
/* @token in a text is @id. Call clip_tokenizer_finish () after the last. Returns: it, until the next is added. */
ClipAddedToken *clip_tokenizer_add_token (ClipTokenizer *tokenizer, const char *token, gint32 id);
void clip_tokenizer_add_normalizer (ClipTokenizer *tokenizer, ClipNormalizer normalizer);
/* Normalizers of BERT in their order. */
void clip_tokenizer_add_bert_normalizers (ClipTokenizer *tokenizer, gboolean clean,
                                          gboolean ideographs, gboolean strip_accents,
                                          gboolean lower);
char *
clip_normalize_lower_each (const char *text); /* clip_normalize_lower () without final sigma */
/* Checks and completes. Takes @tokenizer; NULL with @error where something does not fit ("NAME: …"). */
ClipTokenizer *clip_tokenizer_finish (ClipTokenizer *tokenizer, const char *name, GError **error);

#define CLIP_MAX_TOKENS (1 << 24) /* ids beyond are not from any tokenizer */

/* The id of @token in a hash of char * → GINT_TO_POINTER (id); -1: it is not there, or NULL. */
static inline gint32
clip_vocabulary_find (GHashTable *vocabulary, const char *token)
{
  gpointer id;
  return token && g_hash_table_lookup_extended (vocabulary, token, NULL, &id) ? GPOINTER_TO_INT (id)
                                                                              : -1;
}

/* tokenizer-model.c: { token: id }, in front of which @reader is, as such a hash; the same of a whole file. */
GHashTable *clip_tokenizer_vocabulary_from_json (ClipJsonReader *reader, const char *name,
                                                 GError **error);
GHashTable *clip_tokenizer_vocabulary_from_file (GBytes *bytes, const char *name, GError **error);
/* The model of a tokenizer.json, and what is apart from it: readers in front of the values of these members. *vocabulary: of a
 * unigram model only what may have a meaning beyond that of a piece ("<pad>"). */
enum { CLIP_LIST_VOCAB, CLIP_LIST_MERGES, CLIP_LIST_N };
extern const char *const clip_tokenizer_lists[CLIP_LIST_N];
gboolean clip_tokenizer_read_model (ClipTokenizer *tokenizer, JsonObject *model,
                                    ClipJsonReader lists[CLIP_LIST_N], GHashTable **vocabulary,
                                    const char *name, GError **error);

/* tokenizer-json.c */
ClipTokenizer *clip_tokenizer_from_json (GBytes *bytes, const char *name, GError **error);

/* sentencepiece.c: whether @bytes begin as a spiece.model, and its tokenizer. */
gboolean clip_tokenizer_is_sentencepiece (GBytes *bytes);
ClipTokenizer *clip_tokenizer_from_sentencepiece (GBytes *bytes, const char *name, GError **error);
