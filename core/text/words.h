/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <glib.h>

/* The length in bytes of the word that starts at @text (valid UTF-8, not empty), 0 where none does: the character there
 * belongs to no word. */
typedef gsize (*ClipWords) (const char *text);

/* OpenAI's CLIP, without its special tokens, caseless:
 *   's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+ */
gsize clip_words_openai (const char *text);

/* GPT-2 and RoBERTa:
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
gsize clip_words_gpt2 (const char *text);
