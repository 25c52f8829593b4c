/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* model/catalog: any bytes are a catalogue or an error, and no entry of it leads out of the directory of models. */
#include "core/model/catalog.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void
check_file_names (char **names)
{
  for (char **name = names; *name; name++)
    g_assert (**name && **name != '.' && !strchr (*name, '/'));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (ClipCatalog) catalog = clip_catalog_parse (bytes, "fuzz", &error);

  g_assert ((catalog == NULL) == (error != NULL));
  const ClipCatalogEntry *entry;
  for (guint i = 0; catalog && (entry = clip_catalog_get (catalog, i)); i++) {
    g_assert (clip_catalog_find (catalog, entry->name));
    g_assert (g_str_has_prefix (entry->address, "http"));
    g_assert (*entry->path && *entry->path != '/' && !strstr (entry->path, "/."));
    g_assert (entry->weights[0]);
    check_file_names (entry->weights);
    check_file_names (entry->companions);
    g_assert (!entry->sha256 || strlen (entry->sha256) == 64);
    g_assert (entry->size == -1 || entry->size > 0);
  }
  if (catalog)
    clip_catalog_nearest (catalog, "ViT-B/32");
  return 0;
}
