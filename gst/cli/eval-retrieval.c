/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gst-clip eval: images find captions, captions find images. */
#include "core/eval/retrieval.h"
#include "gst/cli/eval.h"
#include "gst/cli/terminal.h"
#include <stdio.h>

static void
collect (const ClipWalkSample *sample, gpointer gallery)
{
  clip_gallery_add (gallery, sample->features, sample->captions);
}

static void
add_recall (JsonLine *line, const char *name, const ClipRecall *recall)
{
  json_line_begin (line, name, '{');
  json_line_float (line, "r1", recall->r1);
  json_line_float (line, "r5", recall->r5);
  json_line_float (line, "r10", recall->r10);
  json_line_end (line, '}');
}

static void
print_recall (const char *name, const ClipRecall *recall)
{
  printf ("%-30s %6.1f %6.1f %6.1f\n", name, 100 * recall->r1, 100 * recall->r5, 100 * recall->r10);
}

gboolean
eval_retrieval (JsonLine *line, ClipSession *session, char **shards, const char *set,
                GError **error)
{
  const ClipModelInfo *info = clip_model_get_info (clip_session_get_model (session));
  g_autoptr (ClipGallery) gallery = clip_gallery_new (info->embed_dim);
  const ClipWalkOptions how = { .captions = TRUE, .limit = eval_options.limit };
  ClipWalkCount count;
  guint n_cut;
  if (!eval_walk (session, shards, &how, collect, gallery, &count, error))
    return FALSE;
  const gboolean ok = clip_gallery_encode (gallery, session, &n_cut, eval_show_texts, NULL, error);
  terminal_clear ();
  if (!ok)
    return FALSE;
  if (n_cut > 0)
    terminal_warn ("%u captions were cut to %d tokens", n_cut, info->context_length);

  ClipRecall texts, images, first_texts, first_images; /* what is found */
  clip_gallery_recall (gallery, FALSE, &texts, &images);
  clip_gallery_recall (gallery, TRUE, &first_texts, &first_images);
  eval_add_count (line, &count);
  json_line_int (line, "captions", images.n);
  add_recall (line, "image_to_text", &texts);
  add_recall (line, "text_to_image", &images);
  json_line_begin (line, "first_caption", '{');
  add_recall (line, "image_to_text", &first_texts);
  add_recall (line, "text_to_image", &first_images);
  json_line_end (line, '}');

  if (set) {
    printf (
        "%-20s %6u  image to text R@1 %5.1f  R@10 %5.1f; to one caption R@1 %5.1f  R@10 %5.1f\n",
        set, count.found, 100 * texts.r1, 100 * texts.r10, 100 * first_texts.r1,
        100 * first_texts.r10);
    return TRUE;
  }
  printf ("retrieval, %u images, %u captions\n%-30s %6s %6s %6s  %%\n", count.found,
          (guint) images.n, "", "R@1", "R@5", "R@10");
  print_recall ("image to text", &texts);
  print_recall ("text to image", &images);
  print_recall ("image to text, first caption", &first_texts);
  print_recall ("text to image, first caption", &first_images);
  return TRUE;
}
