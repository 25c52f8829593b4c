/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels that are defined by pictures, as well as or instead of by words. */
#pragma once
#include "core/clip.h"

/* @rows: [L, E], of each label the text embedding at unit length, zeros where it has no words. Those of labels with pictures
 * are replaced. @others: [n_others, E]: text embeddings of no label. @progress: (nullable): called before each picture. FALSE with
 * @error, which names the label and the file, or is CLIP_ERROR_CANCELLED. */
gboolean clip_pictured_rows (float *rows, ClipSession *session, ClipLabels *labels,
                             const float *others, guint n_others, ClipProgress progress,
                             gpointer data, GError **error);
