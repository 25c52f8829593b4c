/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gallery: unit rows of images and of different texts, and which image has which text. */
#include "core/eval/retrieval.h"
#include "core/base/error.h"
#include "core/base/unit.h"

#include <string.h>

#define BATCH 64 /* texts encoded between two calls of the progress callback */

struct _ClipGallery {
  int embed_dim;       /* E */
  GArray *images;      /* float [N, E], unit rows */
  GArray *first;       /* int [N]: of the first of an image's captions */
  GArray *captions;    /* int [M]: which text each is */
  GPtrArray *texts;    /* different ones */
  GHashTable *numbers; /* text → its index */
  float *features;     /* [texts, E], unit rows; NULL: not encoded yet */
};

ClipGallery *
clip_gallery_new (int embed_dim)
{
  ClipGallery *gallery = g_new0 (ClipGallery, 1);
  gallery->embed_dim = embed_dim;
  gallery->images = g_array_new (FALSE, FALSE, sizeof (float));
  gallery->first = g_array_new (FALSE, FALSE, sizeof (int));
  gallery->captions = g_array_new (FALSE, FALSE, sizeof (int));
  gallery->texts = g_ptr_array_new_with_free_func (g_free);
  gallery->numbers = g_hash_table_new (g_str_hash, g_str_equal);
  return gallery;
}

void
clip_gallery_free (ClipGallery *gallery)
{
  if (!gallery)
    return;
  g_array_unref (gallery->images);
  g_array_unref (gallery->first);
  g_array_unref (gallery->captions);
  g_hash_table_unref (gallery->numbers);
  g_ptr_array_unref (gallery->texts);
  g_free (gallery->features);
  g_free (gallery);
}

static int
number_of (ClipGallery *gallery, const char *text)
{
  gpointer number;
  if (g_hash_table_lookup_extended (gallery->numbers, text, NULL, &number))
    return GPOINTER_TO_INT (number);
  char *own = g_strdup (text);
  const int next = gallery->texts->len;
  g_ptr_array_add (gallery->texts, own);
  g_hash_table_insert (gallery->numbers, own, GINT_TO_POINTER (next));
  return next;
}

void
clip_gallery_add (ClipGallery *gallery, const float *feature, const char *const *captions)
{
  g_return_if_fail (gallery && feature && captions && captions[0] && !gallery->features);
  const int first = gallery->captions->len;
  g_array_append_val (gallery->first, first);
  g_array_append_vals (gallery->images, feature, gallery->embed_dim);
  float *row = (float *) gallery->images->data + gallery->images->len - gallery->embed_dim;
  clip_unit (row, row, gallery->embed_dim);
  for (; *captions; captions++) {
    const int number = number_of (gallery, *captions);
    g_array_append_val (gallery->captions, number);
  }
}

gboolean
clip_gallery_encode (ClipGallery *gallery, ClipSession *session, guint *n_cut,
                     ClipProgress progress, gpointer data, GError **error)
{
  ClipModel *model = clip_session_get_model (session);
  const int context = clip_model_get_info (model)->context_length;
  const gsize E = gallery->embed_dim;
  ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, error);
  if (!tokenizer)
    return FALSE;
  const guint n_texts = gallery->texts->len;
  g_autofree float *features = g_new (float, MAX (n_texts, 1) * E);
  g_autofree gint32 *tokens = g_new (gint32, (gsize) BATCH * context);
  if (n_cut)
    *n_cut = 0;
  for (guint done = 0; done < n_texts; done += BATCH) {
    const guint n = MIN (BATCH, n_texts - done);
    for (guint i = 0; i < n; i++) {
      gboolean cut;
      clip_tokenizer_encode_padded (tokenizer, tokens + (gsize) i * context, context,
                                    gallery->texts->pdata[done + i], &cut);
      if (n_cut)
        *n_cut += cut;
    }
    clip_encode_text (session, features + done * E, tokens, n, context);
    for (guint i = 0; i < n; i++)
      clip_unit (features + (done + i) * E, features + (done + i) * E, E);
    if (progress && !progress (done + n, n_texts, data))
      return clip_fail (error, CLIP_ERROR_CANCELLED, "cancelled after %u of %u captions", done + n,
                        n_texts);
  }
  gallery->features = g_steal_pointer (&features);
  return TRUE;
}

void
clip_gallery_recall (const ClipGallery *gallery, gboolean first_only, ClipRecall *image_to_text,
                     ClipRecall *text_to_image)
{
  g_return_if_fail (gallery && gallery->features);
  const int n_images = gallery->first->len, n_all = gallery->captions->len;
  const int *starts = (const int *) gallery->first->data,
            *all = (const int *) gallery->captions->data;
  const int n_texts = first_only ? n_images : n_all;
  const gsize E = gallery->embed_dim;
  g_autofree int *first = g_new (int, n_images + 1), *same = g_new (int, MAX (n_texts, 1)),
                 *seen = g_new (int, MAX (gallery->texts->len, 1));
  g_autofree float *texts = g_new (float, MAX (n_texts, 1) * E);
  for (guint i = 0; i < gallery->texts->len; i++)
    seen[i] = -1;
  for (int i = 0; i < n_images; i++)
    first[i] = first_only ? i : starts[i];
  first[n_images] = n_texts;
  for (int t = 0; t < n_texts; t++) {
    const int number = all[first_only ? starts[t] : t];
    if (seen[number] < 0)
      seen[number] = t;
    same[t] = seen[number];
    memcpy (texts + t * E, gallery->features + number * E, E * sizeof *texts);
  }
  const ClipRetrieval retrieval = {
    (const float *) gallery->images->data, texts, first, same, n_images, (int) E
  };
  clip_retrieve (&retrieval, image_to_text, text_to_image);
}
