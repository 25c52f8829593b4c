/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The catalogue: a key file, whose head (models/catalog) says what its entries mean.
 *
 *   [NAME]     → an entry; what it leaves out, the group [(FAMILY)] of its family says
 *   hub=A/B    → the directory A/B, from https://huggingface.co/A/B/resolve/REVISION/
 *   address=…  → the file its last part names
 *
 * Paths are checked here: whatever a catalogue says, files are made below the directory of models and nowhere else.
 */
#include "core/model/catalog.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/nearest.h"

#include <string.h>

#define HUB "https://huggingface.co/"

struct _ClipCatalog {
  GPtrArray *entries;
};

static void
entry_free (gpointer data)
{
  ClipCatalogEntry *entry = data;
  g_free (entry->name);
  g_strfreev (entry->aliases);
  g_free (entry->family);
  g_free (entry->license);
  g_free (entry->note);
  g_free (entry->path);
  g_free (entry->address);
  g_strfreev (entry->weights);
  g_strfreev (entry->companions);
  g_free (entry->sha256);
  g_free (entry);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipCatalogEntry, entry_free)

void
clip_catalog_free (ClipCatalog *catalog)
{
  g_ptr_array_unref (catalog->entries);
  g_free (catalog);
}

/* ---------------------------------------------------------------------------------------------------------- reading */

typedef struct {
  GKeyFile *file;
  const char *what; /* for messages */
  const char *group, *family_group;
} Reader;

/* Of the group, or else of its family; NULL where neither has it. */
static char *
get_string (const Reader *reader, const char *key)
{
  char *value = g_key_file_get_string (reader->file, reader->group, key, NULL);
  return value || !reader->family_group
             ? value
             : g_key_file_get_string (reader->file, reader->family_group, key, NULL);
}

/* Likewise; an empty list where neither has it. */
static char **
get_list (const Reader *reader, const char *key)
{
  char **list = g_key_file_get_string_list (reader->file, reader->group, key, NULL, NULL);
  if (!list && reader->family_group)
    list = g_key_file_get_string_list (reader->file, reader->family_group, key, NULL, NULL);
  return list ? list : g_new0 (char *, 1);
}

static gboolean
fail (const Reader *reader, GError **error, const char *key, const char *found,
      const char *expected)
{
  return clip_fail (error, CLIP_ERROR_CONFIG, "%s: [%s]: %s is '%s', expected %s", reader->what,
                    reader->group, key, found ? found : "", expected);
}

/* Parts of letters, digits and a few signs, none of which begins with a dot. */
static gboolean
is_plain_path (const char *path)
{
  for (const char *c = path; *c; c++) {
    const gboolean begins = c == path || c[-1] == '/';
    if (!g_ascii_isalnum (*c) && (begins || !strchr ("._-+@/", *c)))
      return FALSE;
  }
  return *path && !g_str_has_suffix (path, "/") && strlen (path) < 200;
}

static gboolean
is_file_name (const char *name)
{
  return is_plain_path (name) && !strchr (name, '/');
}

static gboolean
is_address (const char *address)
{
  return (g_str_has_prefix (address, "https://") || g_str_has_prefix (address, "http://")) &&
         g_utf8_validate (address, -1, NULL) && !strpbrk (address, " ?#\\\"");
}

static gboolean
read_place (const Reader *reader, ClipCatalogEntry *entry, GError **error)
{
  g_autofree char *hub = get_string (reader, "hub"), *revision = get_string (reader, "revision");
  entry->address = get_string (reader, "address");
  if (!hub == !entry->address)
    return clip_fail (error, CLIP_ERROR_CONFIG, "%s: [%s]: expected either an address or a hub",
                      reader->what, reader->group);
  if (hub) {
    entry->is_directory = TRUE;
    entry->address = g_strconcat (HUB, hub, "/resolve/", revision ? revision : "main", "/", NULL);
    entry->path = g_steal_pointer (&hub);
  } else {
    entry->path = g_strdup (strrchr (entry->address, '/') ? strrchr (entry->address, '/') + 1 : "");
    g_strfreev (entry->weights);
    entry->weights = g_strsplit (entry->path, "/", 1);
  }
  if (!is_address (entry->address) || !is_plain_path (entry->path))
    return fail (reader, error, entry->is_directory ? "hub" : "address",
                 entry->is_directory ? entry->path : entry->address,
                 entry->is_directory ? "OWNER/NAME" : "https://HOST/…/FILE");
  return TRUE;
}

static gboolean
read_names (const Reader *reader, const char *key, char **names, GError **error)
{
  for (char **name = names; *name; name++) {
    if (!is_file_name (*name))
      return fail (reader, error, key, *name, "names of files");
  }
  return TRUE;
}

static gboolean
read_content (const Reader *reader, ClipCatalogEntry *entry, GError **error)
{
  g_autofree char *size = get_string (reader, "size");
  entry->size = -1;
  if (size && !g_ascii_string_to_signed (size, 10, 1, G_MAXINT64, &entry->size, NULL))
    return fail (reader, error, "size", size, "a number of bytes");
  entry->sha256 = get_string (reader, "sha256");
  if (entry->sha256 &&
      (strlen (entry->sha256) != 64 || strspn (entry->sha256, "0123456789abcdef") != 64))
    return fail (reader, error, "sha256", entry->sha256, "64 hexadecimal digits in lower case");
  return TRUE;
}

static ClipCatalogEntry *
read_entry (GKeyFile *file, const char *what, const char *group, GError **error)
{
  g_autofree char *family = g_key_file_get_string (file, group, "family", NULL);
  g_autofree char *family_group = family ? g_strdup_printf ("(%s)", family) : NULL;
  const Reader reader = { file, what, group, family_group };
  if (family && !g_key_file_has_group (file, family_group))
    return fail (&reader, error, "family", family, "one of the groups in parentheses"), NULL;

  g_autoptr (ClipCatalogEntry) entry = g_new0 (ClipCatalogEntry, 1);
  entry->name = g_strdup (group);
  entry->family = g_steal_pointer (&family);
  entry->aliases = get_list (&reader, "aliases");
  entry->weights = get_list (&reader, "weights");
  entry->companions = get_list (&reader, "companions");
  entry->license = get_string (&reader, "license");
  entry->note = get_string (&reader, "note");
  if (!read_place (&reader, entry, error) ||
      !read_names (&reader, "weights", entry->weights, error) ||
      !read_names (&reader, "companions", entry->companions, error) ||
      !read_content (&reader, entry, error))
    return NULL;
  if (!*entry->weights)
    return fail (&reader, error, "weights", NULL, "names of files"), NULL;
  return g_steal_pointer (&entry);
}

ClipCatalog *
clip_catalog_parse (GBytes *bytes, const char *what, GError **error)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) reason = NULL;
  if (!g_key_file_load_from_bytes (file, bytes, G_KEY_FILE_NONE, &reason))
    return clip_fail_null (error, CLIP_ERROR_FORMAT, "%s: %s", what, reason->message);

  g_autoptr (ClipCatalog) catalog = g_new0 (ClipCatalog, 1);
  catalog->entries = g_ptr_array_new_with_free_func (entry_free);
  g_auto (GStrv) groups = g_key_file_get_groups (file, NULL);
  for (char **group = groups; *group; group++) {
    if (**group == '(')
      continue;
    ClipCatalogEntry *entry = read_entry (file, what, *group, error);
    if (!entry)
      return NULL;
    g_ptr_array_add (catalog->entries, entry);
  }
  return g_steal_pointer (&catalog);
}

ClipCatalog *
clip_catalog_load (GError **error)
{
  const char *path = g_getenv ("GST_CLIP_CATALOG");
  g_autoptr (GBytes) bytes = path && *path ? clip_bytes_map (path, error) : clip_bytes_catalog ();
  return bytes ? clip_catalog_parse (bytes, path && *path ? path : "models/catalog", error) : NULL;
}

/* --------------------------------------------------------------------------------------------------------- looking up */

const ClipCatalogEntry *
clip_catalog_get (const ClipCatalog *catalog, guint index)
{
  return index < catalog->entries->len ? catalog->entries->pdata[index] : NULL;
}

static const char *
without_prefix (const char *name)
{
  return g_str_has_prefix (name, "hf-hub:") ? name + strlen ("hf-hub:") : name;
}

const ClipCatalogEntry *
clip_catalog_find (const ClipCatalog *catalog, const char *name)
{
  name = without_prefix (name);
  const ClipCatalogEntry *entry;
  for (guint i = 0; (entry = clip_catalog_get (catalog, i)); i++) {
    if (!g_ascii_strcasecmp (entry->name, name))
      return entry;
    for (char **alias = entry->aliases; *alias; alias++) {
      if (!g_ascii_strcasecmp (*alias, name))
        return entry;
    }
  }
  return NULL;
}

const char *
clip_catalog_nearest (const ClipCatalog *catalog, const char *name)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  const ClipCatalogEntry *entry;
  for (guint i = 0; (entry = clip_catalog_get (catalog, i)); i++) {
    g_ptr_array_add (names, entry->name);
    for (char **alias = entry->aliases; *alias; alias++)
      g_ptr_array_add (names, *alias);
  }
  return clip_nearest (without_prefix (name), (const char *const *) names->pdata, names->len);
}
