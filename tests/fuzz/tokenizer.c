/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * text/: any bytes are a vocabulary or an error, and with a vocabulary any text has ids, all inside it. An input is
 * n (one byte), a text of n bytes, a vocabulary file.
 */
#include "core/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

static void
encode (const ClipTokenizer *tokenizer, const char *text)
{
  g_autoptr (GArray) ids = clip_tokenizer_encode (tokenizer, text);
  const gint32 size = clip_tokenizer_get_vocab_size (tokenizer);
  gint32 padded[16];
  gboolean truncated;

  for (guint i = 0; i < ids->len; i++) {
    const gint32 id = g_array_index (ids, gint32, i);
    g_assert (id >= 0 && id < size);
  }
  for (int length = 2; length <= 16; length += 7) {
    const int n = clip_tokenizer_encode_padded (tokenizer, padded, length, text, &truncated);
    g_assert (n >= 0 && n <= length && n <= (int) ids->len);
    g_assert (truncated == (n < (int) ids->len));
  }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const size_t text_size = size ? MIN (data[0], size - 1) : 0;
  if (size == 0)
    return 0;
  g_autofree char *text = g_utf8_make_valid ((const char *) data + 1, (gssize) text_size);
  g_autoptr (GBytes) file = g_bytes_new (data + 1 + text_size, size - 1 - text_size);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_parse (file, "fuzz", &error);

  g_assert ((tokenizer == NULL) == (error != NULL));
  if (tokenizer)
    encode (tokenizer, text);
  return 0;
}
