/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Published models: names → where they are to be had, and where they lie once they were fetched. */
#pragma once
#include "core/clip.h"

typedef struct {
  char *name;
  char **aliases;
  char *family;
  char *license, *note; /* (nullable) */

  char *path; /* below a directory of models: of the weights, or of the directory that has them */
  gboolean is_directory;
  char *address; /* of that file; of a directory: of its files, their names left out */
  char **
      weights; /* of a directory: names of files, the first that is there is meant; else that of the file */
  char **companions; /* of a directory: what else belongs to it, as far as it is there */

  gint64 size;  /* of the weights, in bytes; -1: not published */
  char *sha256; /* of the weights, 64 hexadecimal digits; NULL: not published */
} ClipCatalogEntry;

typedef struct _ClipCatalog ClipCatalog;

/* models/catalog, which the library has in it, or the file that GST_CLIP_CATALOG names. */
CLIP_API ClipCatalog *clip_catalog_load (GError **error);
CLIP_API void clip_catalog_free (ClipCatalog *catalog);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipCatalog, clip_catalog_free)

/* A catalogue of these bytes; @what stands for it in messages. */
ClipCatalog *clip_catalog_parse (GBytes *bytes, const char *what, GError **error);

/* In the order of the file. */
CLIP_API const ClipCatalogEntry *clip_catalog_get (const ClipCatalog *catalog,
                                                   guint index); /* NULL after the last */
/* By name or alias, in whatever case; a "hf-hub:" before it is ignored. */
CLIP_API const ClipCatalogEntry *clip_catalog_find (const ClipCatalog *catalog, const char *name);
/* The name or alias that @name resembles, or NULL. */
CLIP_API const char *clip_catalog_nearest (const ClipCatalog *catalog, const char *name);
