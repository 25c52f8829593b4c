/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text as a tokenizer wants it. Every function takes valid UTF-8 and returns a new string. */
#pragma once
#include <glib.h>

#define CLIP_WORD_MARK "\xe2\x96\x81" /* '▁', SentencePiece's space */

/* OpenAI's cleaning: ftfy, html.unescape twice, white space collapsed, and lower-cased where @lower. */
char *clip_normalize_openai (const char *text, gboolean lower);

/* Full Unicode lower-casing (U+0130 becomes two characters) in no locale. @final_sigma: Σ that ends a word becomes ς, as
 * in Python's str.lower (); otherwise σ everywhere, as in Hugging Face's tokenizers. */
char *clip_normalize_lower (const char *text, gboolean final_sigma);

char *clip_normalize_nfc (const char *text);
char *clip_normalize_nfd (const char *text);
char *clip_normalize_nfkc (const char *text);
char *clip_normalize_nfkd (const char *text);
char *clip_normalize_strip_marks (const char *text); /* without Mn: accents, after NFD */
char *clip_normalize_strip (const char *text);       /* without white space at either end */

char *clip_normalize_strip_end (const char *text); /* only behind it */
/* Two spaces and more become one, or one '▁'. */
char *clip_normalize_squeeze (const char *text);
char *clip_normalize_squeeze_mark (const char *text);
char *clip_normalize_mark (const char *text); /* each space becomes '▁' */

/* SigLIP's cleaning, as OpenCLIP's "canonicalize": OpenAI's but for the case, '_' becomes a space, ASCII's punctuation goes, lower
 * case, white space collapsed. */
char *clip_normalize_canonical (const char *text);

/* What a text goes through before the rules of its vocabulary, as OpenCLIP names it. */
typedef enum {
  CLIP_CLEAN_NONE,
  CLIP_CLEAN_WHITESPACE, /* OpenAI's cleaning, but for the case */
  CLIP_CLEAN_LOWER,      /* OpenAI's cleaning */
  CLIP_CLEAN_CANONICAL,
  CLIP_CLEAN_CASE, /* only lower case: SigLIP 2 in Hugging Face's form; "lowercase" */
} ClipClean;
char *clip_normalize_clean (const char *text, ClipClean how);

/* BERT: without U+FFFD, control and unassigned characters; white space becomes ' '. */
char *clip_normalize_bert_clean (const char *text);
/* BERT: a space on both sides of each CJK ideograph. */
char *clip_normalize_bert_ideographs (const char *text);

/* Unicode's White_Space, 25 code points. */
gboolean clip_is_space (gunichar c);
