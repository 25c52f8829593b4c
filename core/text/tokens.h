/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include "core/clip.h"

/* @tokens: UTF-8, a token a line, as CLIP numbers them. Returns: (transfer full): merges as clip_tokenizer_parse () reads
 * them; NULL with CLIP_ERROR_TOKENIZER where they cannot be told. @name is for messages. */
GBytes *clip_tokens_to_merges (GBytes *tokens, const char *name, GError **error);
