/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The texts of labels, as tokens, and the rows they become. */
#pragma once
#include "core/clip.h"

typedef struct _ClipTexts ClipTexts;

/* Of the tokenizer and for the text tower of @model, which must stay; NULL with @error where it has no tokenizer. */
ClipTexts *clip_texts_new (ClipModel *model, GError **error);
void clip_texts_free (ClipTexts *texts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipTexts, clip_texts_free)

/* FALSE where @text was cut to the model's context. */
gboolean clip_texts_add (ClipTexts *texts, guint row, const char *text);
guint clip_texts_get_n (const ClipTexts *texts);
/* All that @rows of clip_texts_encode () depend on, but for the model. */
void clip_texts_hash (const ClipTexts *texts, GChecksum *checksum);

/* @rows: [@n_rows, E], each at unit length, zeros where it has no text. FALSE with @error where @progress says so. */
gboolean clip_texts_encode (ClipTexts *texts, float *rows, guint n_rows, ClipSession *session,
                            ClipProgress progress, gpointer data, GError **error);
