/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts become rows, several of them one (Radford et al. 2021, §3.1.4):
 *
 *   row_r = normalise (Σ normalise (text tower (text)))        over the texts of row r        [E]
 *
 * They are encoded in the order of their tokens: what a text begins with as the one before it does, a causal tower does not
 * compute again (core/model/text.c). The order of a sum is that of its own texts' tokens, so a row does not depend on what
 * other rows there are.
 */
#include "core/zeroshot/texts.h"
#include "core/base/error.h"
#include "core/base/unit.h"

#include <cblas.h>
#include <string.h>

/* Texts encoded between two calls of the progress callback. */
#define BATCH 64

/* A text's tokens without padding: the last of them stands for all that follow. */
typedef struct {
  guint row;
  guint first, n; /* tokens[first] … tokens[first + n - 1] */
} Text;

struct _ClipTexts {
  ClipTokenizer *tokenizer;
  int context_length; /* T */
  gint32 *padded;     /* [T]: of the text that is added */
  GArray *tokens;     /* of gint32 */
  GArray *texts;      /* of Text */
};

ClipTexts *
clip_texts_new (ClipModel *model, GError **error)
{
  ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, error);
  if (!tokenizer)
    return NULL;
  ClipTexts *self = g_new0 (ClipTexts, 1);
  self->tokenizer = tokenizer;
  self->context_length = clip_model_get_info (model)->context_length;
  self->padded = g_new (gint32, self->context_length);
  self->tokens = g_array_new (FALSE, FALSE, sizeof (gint32));
  self->texts = g_array_new (FALSE, FALSE, sizeof (Text));
  return self;
}

void
clip_texts_free (ClipTexts *texts)
{
  if (!texts)
    return;
  g_array_unref (texts->tokens);
  g_array_unref (texts->texts);
  g_free (texts->padded);
  g_free (texts);
}

gboolean
clip_texts_add (ClipTexts *self, guint row, const char *text)
{
  const gint32 *padded = self->padded;
  gboolean truncated;
  clip_tokenizer_encode_padded (self->tokenizer, self->padded, self->context_length, text,
                                &truncated);
  int n = self->context_length;
  while (n > 1 && padded[n - 2] == padded[n - 1])
    n--;
  const Text added = { row, self->tokens->len, n };
  g_array_append_val (self->texts, added);
  g_array_append_vals (self->tokens, padded, n);
  return !truncated;
}

guint
clip_texts_get_n (const ClipTexts *texts)
{
  return texts->texts->len;
}

void
clip_texts_hash (const ClipTexts *texts, GChecksum *checksum)
{
  const GArray *arrays[] = { texts->texts, texts->tokens };
  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++)
    g_checksum_update (checksum, (const guchar *) arrays[i]->data,
                       (gssize) arrays[i]->len * g_array_get_element_size ((GArray *) arrays[i]));
}

/* ---------------------------------------------------------------------------------------------------- encoding */

static int
compare_texts (gconstpointer a, gconstpointer b, gpointer tokens)
{
  const Text *x = a, *y = b;
  const gint32 *u = (const gint32 *) tokens + x->first, *v = (const gint32 *) tokens + y->first;
  for (guint i = 0; i < MIN (x->n, y->n); i++)
    if (u[i] != v[i])
      return u[i] < v[i] ? -1 : 1;
  return x->n < y->n ? -1 : x->n > y->n;
}

/* @padded: [T] */
static void
pad (gint32 *padded, const ClipTexts *self, const Text *text)
{
  const gint32 *tokens = &g_array_index (self->tokens, gint32, text->first);
  memcpy (padded, tokens, text->n * sizeof *padded);
  for (int i = text->n; i < self->context_length; i++)
    padded[i] = tokens[text->n - 1];
}

gboolean
clip_texts_encode (ClipTexts *self, float *rows, guint n_rows, ClipSession *session,
                   ClipProgress progress, gpointer data, GError **error)
{
  const int E = clip_model_get_info (clip_session_get_model (session))->embed_dim,
            T = self->context_length;
  const guint total = self->texts->len;
  g_autofree gint32 *tokens = g_new (gint32, (gsize) BATCH * T);
  g_autofree float *features = g_new (float, (gsize) BATCH *E);
  g_array_sort_with_data (self->texts, compare_texts, self->tokens->data);
  memset (rows, 0, (gsize) n_rows * E * sizeof *rows);
  for (guint done = 0; done < total;) {
    const Text *texts = &g_array_index (self->texts, Text, done);
    const guint n = MIN (BATCH, total - done);
    for (guint i = 0; i < n; i++)
      pad (tokens + (gsize) i * T, self, &texts[i]);
    clip_encode_text (session, features, tokens, n, T);
    for (guint i = 0; i < n; i++) {
      float *feature = features + (gsize) i * E;
      clip_unit (feature, feature, E);
      cblas_saxpy (E, 1.f, feature, 1, rows + (gsize) texts[i].row * E, 1);
    }
    done += n;
    if (progress && !progress (done, total, data))
      return clip_fail (error, CLIP_ERROR_CANCELLED,
                        "encoding of labels was cancelled after %u of %u texts", done, total);
  }
  for (guint r = 0; r < n_rows; r++)
    clip_unit (rows + (gsize) r * E, rows + (gsize) r * E, E);
  return TRUE;
}
