/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SentencePiece's own file (spiece.model) → a tokenizer with the ids that SentencePiece gives. A protocol buffer, of which this
 * much is read; numbers are those of the fields:
 *
 *   1 pieces, one field each    1 text, 2 score, 3 type
 *   2 how it was trained        3 kind of model, 24 white space behind words, 35 bytes for unknown characters; ids of 40 <unk>,
 *                               42 </s>, 43 <pad>
 *   3 how texts are normalised  2 table of characters, 3 '▁' in front of a text, 4 spaces squeezed, 5 spaces become '▁'
 *
 * The end token goes behind each text, as T5 and SigLIP have it. Special tokens written in a text are plain text.
 */
#include "core/base/error.h"
#include "core/text/normalize.h"
#include "core/text/tokenizer.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------- protocol buffer */

typedef struct {
  const guint8 *at, *end;
} Message;

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

typedef struct {
  guint number, wire;
  guint64 value; /* VARINT; FIXED32: its bits */
  Message bytes; /* BYTES */
} Field;

static gboolean
read_varint (Message *message, guint64 *value)
{
  *value = 0;
  for (guint shift = 0; shift < 64 && message->at < message->end; shift += 7) {
    const guint8 byte = *message->at++;
    *value |= (guint64) (byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return TRUE;
  }
  return FALSE;
}

static gboolean
read_field (Message *message, Field *field)
{
  guint64 key, length = 0;
  if (!read_varint (message, &key) || key >> 3 == 0 || key > G_MAXUINT32)
    return FALSE;
  *field = (Field){ .number = (guint) (key >> 3), .wire = (guint) (key & 7) };
  switch (field->wire) {
  case VARINT:
    return read_varint (message, &field->value);
  case FIXED64:
    length = 8;
    break;
  case FIXED32:
    length = 4;
    break;
  case BYTES:
    if (!read_varint (message, &length))
      return FALSE;
    break;
  default:
    return FALSE;
  }
  if (length > (gsize) (message->end - message->at))
    return FALSE;
  field->bytes = (Message){ message->at, message->at + length };
  message->at += length;
  if (field->wire == FIXED32) {
    guint32 bits;
    memcpy (&bits, field->bytes.at, sizeof bits);
    field->value = GUINT32_FROM_LE (bits);
  }
  return TRUE;
}

/* ------------------------------------------------------------------------------------------------------------ model */

enum { PIECES = 1, TRAINER = 2, NORMALIZER = 3 };
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };
enum { UNIGRAM = 1 };

/* What the file says, with what it leaves out as SentencePiece has it. */
typedef struct {
  GArray *pieces; /* of ClipUnigramPiece */
  GStringChunk *texts;
  guint n_normal;
  gint64 kind, suffix, byte_fallback, unknown, end, pad;
  gint64 prefix, squeeze, escape;
  Message charsmap;
} Model;

static void
model_clear (Model *model)
{
  g_array_unref (model->pieces);
  g_string_chunk_free (model->texts);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Model, model_clear)

/* A piece that no text has is an empty one, so that ids stay places. */
static gboolean
read_piece (Model *model, Message message, const char *name, GError **error)
{
  Message text = { 0 };
  guint64 type = NORMAL;
  guint32 bits = 0;
  float score;
  for (Field field; message.at < message.end;) {
    if (!read_field (&message, &field))
      return clip_fail (error, CLIP_ERROR_FORMAT, "%s: piece %u is damaged", name,
                        model->pieces->len);
    if (field.number == 1 && field.wire == BYTES)
      text = field.bytes;
    else if (field.number == 2 && field.wire == FIXED32)
      bits = (guint32) field.value;
    else if (field.number == 3 && field.wire == VARINT)
      type = field.value;
  }
  memcpy (&score, &bits, sizeof score);
  const gsize length = text.end - text.at;
  if (length == 0 || !g_utf8_validate_len ((const char *) text.at, length, NULL) ||
      !(fabsf (score) < 1e9F) || model->pieces->len >= CLIP_MAX_TOKENS)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: piece %u: expected a text in UTF-8 and its score, found %" G_GSIZE_FORMAT
                      " bytes and %g",
                      name, model->pieces->len, length, (double) score);
  if (type == USER_DEFINED || type == BYTE)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED, "%s: piece %u is %s: not supported", name,
                      model->pieces->len, type == BYTE ? "a byte" : "a symbol of its user's");
  const gboolean normal = type == NORMAL;
  const ClipUnigramPiece piece = {
    normal ? g_string_chunk_insert_len (model->texts, (const char *) text.at, (gssize) length) : "",
    normal ? (double) score : INFINITY
  };
  model->n_normal += normal;
  g_array_append_val (model->pieces, piece);
  return TRUE;
}

typedef struct {
  guint number;
  gint64 *value;
} Setting;

/* The numbers among @settings, and the field @bytes_number, if that is no 0. */
static gboolean
read_settings (Message message, const Setting *settings, guint n, guint bytes_number,
               Message *bytes)
{
  for (Field field; message.at < message.end;) {
    if (!read_field (&message, &field))
      return FALSE;
    for (guint i = 0; i < n && field.wire == VARINT; i++) {
      if (settings[i].number == field.number)
        *settings[i].value = (gint64) field.value;
    }
    if (field.wire == BYTES && field.number == bytes_number)
      *bytes = field.bytes;
  }
  return TRUE;
}

static gboolean
read_message (Model *model, Message message, const char *name, GError **error)
{
  const Setting trainer[] = { { 3, &model->kind },           { 24, &model->suffix },
                              { 35, &model->byte_fallback }, { 40, &model->unknown },
                              { 42, &model->end },           { 43, &model->pad } };
  const Setting normalizer[] = { { 3, &model->prefix },
                                 { 4, &model->squeeze },
                                 { 5, &model->escape } };
  for (Field field; message.at < message.end;) {
    gboolean good = read_field (&message, &field);
    if (good && field.wire == BYTES && field.number == PIECES) {
      if (!read_piece (model, field.bytes, name, error))
        return FALSE;
    } else if (good && field.wire == BYTES && field.number == TRAINER) {
      good = read_settings (field.bytes, trainer, G_N_ELEMENTS (trainer), 0, NULL);
    } else if (good && field.wire == BYTES && field.number == NORMALIZER) {
      good =
          read_settings (field.bytes, normalizer, G_N_ELEMENTS (normalizer), 2, &model->charsmap);
    }
    if (!good)
      return clip_fail (error, CLIP_ERROR_FORMAT,
                        "%s: SentencePiece model is damaged or cut short, after %u pieces", name,
                        model->pieces->len);
  }
  return TRUE;
}

static gboolean
check (const Model *model, const char *name, GError **error)
{
  static const char *const kinds[] = { "none", "unigram", "BPE", "words", "characters" };
  const gint64 n = model->pieces->len;
  if (model->kind != UNIGRAM)
    return clip_fail (
        error, CLIP_ERROR_UNSUPPORTED,
        "%s: a SentencePiece model of kind %s: only unigram models are supported", name,
        model->kind >= 0 && model->kind < (gint64) G_N_ELEMENTS (kinds) ? kinds[model->kind]
                                                                        : "unknown");
  if (model->suffix || model->byte_fallback || !model->escape)
    return clip_fail (error, CLIP_ERROR_UNSUPPORTED,
                      "%s: a SentencePiece model with %s is not supported", name,
                      model->suffix          ? "treat_whitespace_as_suffix"
                      : model->byte_fallback ? "byte_fallback"
                                             : "spaces that stay spaces");
  if (model->n_normal == 0 || model->unknown < 0 || model->unknown >= n)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: %" G_GINT64_FORMAT " pieces, %u of them of texts, unk_id "
                      "%" G_GINT64_FORMAT ", expected one of them",
                      name, n, model->n_normal, model->unknown);
  if (model->end >= n || model->pad >= n)
    return clip_fail (error, CLIP_ERROR_FORMAT,
                      "%s: eos_id %" G_GINT64_FORMAT ", pad_id %" G_GINT64_FORMAT
                      ", expected ids below %" G_GINT64_FORMAT,
                      name, model->end, model->pad, n);
  return TRUE;
}

/* ------------------------------------------------------------------------------------------------------------ texts */

/* Of several spaces one, none at either end, and no '▁' at the end. */
static char *
squeeze (const char *text)
{
  g_autoptr (GString) result = g_string_new (NULL);
  for (; *text; text++) {
    if (*text != ' ' || (result->len > 0 && result->str[result->len - 1] != ' '))
      g_string_append_c (result, *text);
  }
  const gsize mark = strlen (CLIP_WORD_MARK);
  for (;;) {
    if (g_str_has_suffix (result->str, " "))
      g_string_truncate (result, result->len - 1);
    else if (g_str_has_suffix (result->str, CLIP_WORD_MARK))
      g_string_truncate (result, result->len - mark);
    else
      return g_string_free (g_steal_pointer (&result), FALSE);
  }
}

gboolean
clip_tokenizer_is_sentencepiece (GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  if (size <= 4 || data[0] != (PIECES << 3 | BYTES) || data[2] != (1 << 3 | BYTES))
    return FALSE;
  Message message = { data, data + size };
  Field piece, text;
  return read_field (&message, &piece) && read_field (&piece.bytes, &text) && text.wire == BYTES;
}

ClipTokenizer *
clip_tokenizer_from_sentencepiece (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_auto (Model) model = { .pieces = g_array_new (FALSE, FALSE, sizeof (ClipUnigramPiece)),
                           .texts = g_string_chunk_new (65536),
                           .kind = UNIGRAM,
                           .end = 2,
                           .pad = -1,
                           .prefix = 1,
                           .squeeze = 1,
                           .escape = 1 };
  if (!read_message (&model, (Message){ data, data + size }, name, error) ||
      !check (&model, name, error))
    return NULL;
  g_autoptr (ClipTokenizer) tokenizer = clip_tokenizer_new ();
  const gsize table = model.charsmap.end - model.charsmap.at;
  if (table > 0) {
    tokenizer->charsmap = clip_charsmap_new (g_memdup2 (model.charsmap.at, table), table);
    if (!tokenizer->charsmap)
      return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: precompiled_charsmap is damaged", name);
    clip_charsmap_set_longest (tokenizer->charsmap);
  }
  if (model.squeeze)
    clip_tokenizer_add_normalizer (tokenizer, squeeze);
  tokenizer->whole = TRUE;
  tokenizer->prefix_space = model.prefix != 0;
  tokenizer->vocab_size = (int) model.pieces->len;
  tokenizer->end = model.end < 0 ? -1 : (gint32) model.end;
  tokenizer->pad = MAX ((gint32) model.pad, 0);
  tokenizer->unigram = clip_unigram_new ((const ClipUnigramPiece *) (void *) model.pieces->data,
                                         model.pieces->len, (gint32) model.unknown);
  return clip_tokenizer_finish (g_steal_pointer (&tokenizer), name, error);
}
