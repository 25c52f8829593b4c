/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images and their captions, collected one after another, then asked for each other:
 *
 *   image to text    an image finds any of its captions among the captions of all images
 *   text to image    a caption finds its image among all images
 *
 * Captions that are equal letter by letter are one text: it is right for every image that has it.
 */
#pragma once
#include "core/clip.h"
#include "core/eval/metrics.h"

G_BEGIN_DECLS

typedef struct _ClipGallery ClipGallery;

CLIP_API ClipGallery *clip_gallery_new (int embed_dim);
CLIP_API void clip_gallery_free (ClipGallery *gallery);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipGallery, clip_gallery_free)

/* @feature: [E], any length. @captions: NULL-terminated, one at least. */
CLIP_API void clip_gallery_add (ClipGallery *gallery, const float *feature, const char *const *captions);
/* Encodes each different caption, once all are there. @n_cut: (nullable): how many were longer than the model's context. */
CLIP_API gboolean clip_gallery_encode (ClipGallery *gallery, ClipSession *session, guint *n_cut,
                                       ClipProgress progress, gpointer data, GError **error);
/* @first_only: each image's first caption stands for all of them. */
CLIP_API void clip_gallery_recall (const ClipGallery *gallery, gboolean first_only, ClipRecall *image_to_text,
                                   ClipRecall *text_to_image);

G_END_DECLS
