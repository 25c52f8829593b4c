/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where models are: name → files. */
#pragma once
#include "core/model/catalog.h"

typedef struct {
  char *weights;   /* path of the weights, canonical; NULL: the model embedded in the library */
  char *directory; /* where its configuration and vocabulary lie; NULL with @weights */
  char *name;      /* short, for people: "ViT-B-32", "default" */
  gboolean bare;   /* the weights were named, not their directory: what lies beside them may belong to others */
} ClipStored;

void clip_stored_clear (ClipStored *stored);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ClipStored, clip_stored_clear)

/* @name as in clip_model_load (). CLIP_ERROR_NOT_FOUND lists every place that was searched. */
gboolean clip_store_find (ClipStored *stored, const char *name, GError **error);

/* Path of @name in the directory of @stored, or NULL where there is no such file. */
char *clip_stored_companion (const ClipStored *stored, const char *name);

/* Where `gst-clip fetch` puts models: $XDG_DATA_HOME/gst-clip/models. */
CLIP_API char *clip_store_own_place (void);
/* Path of that model of the catalogue, in whichever place it is; NULL: in none. */
CLIP_API char *clip_store_have (const ClipCatalogEntry *entry);
/* Paths of all models in all places, those of the catalogue among them. */
CLIP_API char **clip_store_list (void);
/* By which name clip_store_find () finds one of these. */
CLIP_API char *clip_store_name (const char *path);
