/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A worker that encodes label sets while the video goes on: the newest request wins, an older one still being encoded is
 * given up, but never two in a row. */
#pragma once
#include "core/clip.h"

/* A label set as the user wrote it. Each string may be NULL. */
typedef struct {
  char *labels;      /* separated by ';' or newlines */
  char *labels_file; /* these come first */
  char *background;  /* like labels; they compete and are never reported */
  char *prompts;     /* name of a prompt set, or a file of templates */
} ClipLabelSpec;

ClipLabelSpec *clip_label_spec_copy (const ClipLabelSpec *spec);
void clip_label_spec_free (ClipLabelSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipLabelSpec, clip_label_spec_free)

/* Encodes @spec on the calling thread. *@classifier is NULL, and that is no error, where there are no labels at all. */
gboolean clip_label_spec_encode (const ClipLabelSpec *spec, ClipSession *session,
                                 ClipProgress progress, gpointer data, ClipClassifier **classifier,
                                 GError **error);

/* Called on the worker: the classifier of a spec (NULL: no labels), or NULL and @error (both transfer none). */
typedef void (*ClipLabelsReady) (ClipClassifier *classifier, const GError *error, gpointer data);

typedef struct _ClipLabeller ClipLabeller;

ClipLabeller *clip_labeller_new (ClipModel *model, ClipLabelsReady ready, gpointer data);
void clip_labeller_request (ClipLabeller *labeller,
                            const ClipLabelSpec *spec); /* returns at once */
void clip_labeller_free (
    ClipLabeller *labeller); /* gives up what is under way; @ready is not called any more */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipLabeller, clip_labeller_free)
