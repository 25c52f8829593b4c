/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A model's name → its files.
 *
 *   NULL, "default"      the model in the library
 *   a file               its weights; what lies beside it may describe it
 *   a directory          its weights file by the list below
 *   anything else        NAME, NAME.safetensors, NAME.pt … or, "ViT-B/32" being no path, ViT-B-32 … in each of
 *                        GST_CLIP_MODEL_PATH, $XDG_DATA_HOME/gst-clip/models, the installed models; there also
 *                        under the path that the catalogue has for a model of that name
 */
#include "core/model/store.h"
#include "core/base/error.h"

#include <string.h>

/* In this order: OpenCLIP's own files before those in Hugging Face's naming, which OpenCLIP's repositories hold too. */
static const char *const weight_files[] = {
  "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
  "open_clip_pytorch_model.bin", "model.safetensors",
  "pytorch_model.bin",
};

/* Of files with weights; where several differ only in it, the first is meant. */
static const char *const extensions[] = { ".safetensors", ".pt", ".pth", ".bin", ".gguf" };

void
clip_stored_clear (ClipStored *stored)
{
  g_clear_pointer (&stored->weights, g_free);
  g_clear_pointer (&stored->directory, g_free);
  g_clear_pointer (&stored->name, g_free);
}

char *
clip_stored_companion (const ClipStored *stored, const char *name)
{
  if (!stored->directory)
    return NULL;
  g_autofree char *path = g_build_filename (stored->directory, name, NULL);
  return g_file_test (path, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer (&path) : NULL;
}

/* The basename, without the extension of a weights file. */
static char *
name_of (const char *path)
{
  char *name = g_path_get_basename (path);
  for (guint i = 0; i < G_N_ELEMENTS (extensions); i++) {
    if (g_str_has_suffix (name, extensions[i])) {
      name[strlen (name) - strlen (extensions[i])] = '\0';
      break;
    }
  }
  return name;
}

/* How many files in @directory end in @extension; *path: one of them. Their names are added to @found. */
static int
count_files (const char *directory, const char *extension, char **path, GString *found)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  int n = 0;
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    if (!g_str_has_suffix (name, extension))
      continue;
    g_string_append_printf (found, "%s%s", found->len ? ", " : "", name);
    if (n++ == 0)
      *path = g_build_filename (directory, name, NULL);
  }
  return n;
}

/* The only file with the first extension that any has; NULL where there are several or none, and in @found which. */
static char *
find_only (const char *directory, GString *found)
{
  for (guint i = 0; i < G_N_ELEMENTS (extensions); i++) {
    g_autofree char *path = NULL;
    const int n = count_files (directory, extensions[i], &path, found);
    if (n > 0)
      return n == 1 ? g_steal_pointer (&path) : NULL;
  }
  return NULL;
}

static gboolean
use_directory (ClipStored *stored, const char *directory, GError **error)
{
  g_autofree char *canonical = g_canonicalize_filename (directory, NULL);
  g_autofree char *weights = NULL;
  g_autoptr (GString) found = g_string_new (NULL);
  for (guint i = 0; i < G_N_ELEMENTS (weight_files) && !weights; i++) {
    weights = g_build_filename (canonical, weight_files[i], NULL);
    if (!g_file_test (weights, G_FILE_TEST_IS_REGULAR))
      g_clear_pointer (&weights, g_free);
  }
  if (!weights)
    weights = find_only (canonical, found);
  if (!weights) {
    g_autoptr (GString) expected = g_string_new (NULL);
    for (guint i = 0; i < G_N_ELEMENTS (weight_files); i++)
      g_string_append_printf (expected, "%s%s", i ? ", " : "", weight_files[i]);
    return clip_fail (error, CLIP_ERROR_NOT_FOUND,
                      "%s: holds %s%s, expected one of %s or a single *.safetensors, *.pt, *.pth, "
                      "*.bin or *.gguf",
                      directory, found->len ? "" : "no weights", found->str, expected->str);
  }
  *stored = (ClipStored){ .weights = g_steal_pointer (&weights),
                          .name = g_path_get_basename (canonical) };
  stored->directory = g_steal_pointer (&canonical);
  return TRUE;
}

static gboolean
use_file (ClipStored *stored, const char *path)
{
  g_autofree char *canonical = g_canonicalize_filename (path, NULL);
  *stored = (ClipStored){ .directory = g_path_get_dirname (canonical),
                          .name = name_of (canonical),
                          .bare = TRUE };
  stored->weights = g_steal_pointer (&canonical);
  return TRUE;
}

char *
clip_store_own_place (void)
{
  return g_build_filename (g_get_user_data_dir (), "gst-clip", "models", NULL);
}

/* Directories in which names are looked up, in order. */
static GPtrArray *
search_path (void)
{
  GPtrArray *places = g_ptr_array_new_with_free_func (g_free);
  const char *variable = g_getenv ("GST_CLIP_MODEL_PATH");
  g_auto (GStrv) listed = g_strsplit (variable ? variable : "", G_SEARCHPATH_SEPARATOR_S, -1);
  for (char **place = listed; *place; place++) {
    if (**place)
      g_ptr_array_add (places, g_strdup (*place));
  }
  g_ptr_array_add (places, clip_store_own_place ());
  g_ptr_array_add (places, g_strdup (CLIP_MODELS_DIR));
  return places;
}

/* FALSE without @error: not there. */
static gboolean
look_in (ClipStored *stored, const char *place, const char *name, gboolean *found, GError **error)
{
  g_autofree char *path = g_build_filename (place, name, NULL);
  *found = TRUE;
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return use_directory (stored, path, error);
  if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
    return use_file (stored, path);
  for (guint i = 0; i < G_N_ELEMENTS (extensions); i++) {
    g_autofree char *file = g_strconcat (path, extensions[i], NULL);
    if (g_file_test (file, G_FILE_TEST_IS_REGULAR))
      return use_file (stored, file);
  }
  *found = FALSE;
  return FALSE;
}

/* What can be done about a model that is not there. */
static char *
advice (const ClipCatalog *catalog, const ClipCatalogEntry *entry, const char *name,
        const GError *no_catalog)
{
  if (!catalog)
    return g_strdup_printf ("; %s", no_catalog->message);
  if (entry)
    return g_strdup_printf ("; 'gst-clip fetch %s' gets it", entry->name);
  const char *nearest = clip_catalog_nearest (catalog, name);
  return nearest ? g_strdup_printf ("; did you mean '%s'?", nearest) : g_strdup ("");
}

static gboolean
look_up (ClipStored *stored, const char *name, GError **error)
{
  g_autoptr (GPtrArray) places = search_path ();
  g_autoptr (GString) searched = g_string_new (NULL);
  g_autoptr (GError) no_catalog = NULL;
  g_autoptr (ClipCatalog) catalog = clip_catalog_load (&no_catalog);
  const ClipCatalogEntry *entry = catalog ? clip_catalog_find (catalog, name) : NULL;
  g_autofree char *flat = g_strdelimit (g_strdup (name), "/", '-');
  const char *const spellings[] = { name, flat, entry ? entry->path : name };
  for (guint i = 0; i < places->len; i++) {
    for (guint j = 0; j < G_N_ELEMENTS (spellings); j++) {
      if (j > 0 && g_str_equal (spellings[j], name))
        continue;
      gboolean found;
      const gboolean ok = look_in (stored, places->pdata[i], spellings[j], &found, error);
      if (found)
        return ok;
    }
    g_string_append_printf (searched, "%s%s", i ? ", " : "", (char *) places->pdata[i]);
  }
  g_autofree char *what_next = advice (catalog, entry, name, no_catalog);
  return clip_fail (error, CLIP_ERROR_NOT_FOUND,
                    "%s: no such file or directory, and no model of that name in %s%s", name,
                    searched->str, what_next);
}

char *
clip_store_have (const ClipCatalogEntry *entry)
{
  g_autoptr (GPtrArray) places = search_path ();
  for (guint i = 0; i < places->len; i++) {
    g_autofree char *path = g_build_filename (places->pdata[i], entry->path, NULL);
    g_auto (ClipStored) stored = { 0 };
    if (entry->is_directory
            ? g_file_test (path, G_FILE_TEST_IS_DIR) && use_directory (&stored, path, NULL)
            : g_file_test (path, G_FILE_TEST_IS_REGULAR))
      return g_steal_pointer (&path);
  }
  return NULL;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* Names in a directory, sorted; none of files that are hidden or half there. */
static GPtrArray *
names_in (const char *directory)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    if (*name != '.' && !g_str_has_suffix (name, ".part"))
      g_ptr_array_add (names, g_strdup (name));
  }
  g_ptr_array_sort (names, compare_names);
  return names;
}

static gboolean
has_extension (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (extensions); i++) {
    if (g_str_has_suffix (name, extensions[i]))
      return TRUE;
  }
  return FALSE;
}

/* Models are files and directories of a place, and directories in those: OWNER/NAME. */
static void
list_in (const char *directory, gboolean is_owner, GPtrArray *paths)
{
  g_autoptr (GPtrArray) names = names_in (directory);
  for (guint i = 0; i < names->len; i++) {
    const char *name = names->pdata[i];
    g_autofree char *path = g_build_filename (directory, name, NULL);
    g_auto (ClipStored) stored = { 0 };
    if (!g_file_test (path, G_FILE_TEST_IS_DIR)) {
      if (!is_owner && has_extension (name))
        g_ptr_array_add (paths, g_steal_pointer (&path));
    } else if (use_directory (&stored, path, NULL)) {
      g_ptr_array_add (paths, g_steal_pointer (&path));
    } else if (!is_owner) {
      list_in (path, TRUE, paths);
    }
  }
}

char **
clip_store_list (void)
{
  g_autoptr (GPtrArray) places = search_path ();
  GPtrArray *paths = g_ptr_array_new ();
  for (guint i = 0; i < places->len; i++)
    list_in (places->pdata[i], FALSE, paths);
  g_ptr_array_add (paths, NULL);
  return (char **) g_ptr_array_free (paths, FALSE);
}

char *
clip_store_name (const char *path)
{
  g_autoptr (GPtrArray) places = search_path ();
  for (guint i = 0; i < places->len; i++) {
    g_autofree char *prefix = g_strconcat (places->pdata[i], "/", NULL);
    if (g_str_has_prefix (path, prefix))
      return g_strdup (path + strlen (prefix));
  }
  return g_path_get_basename (path);
}

gboolean
clip_store_find (ClipStored *stored, const char *name, GError **error)
{
  *stored = (ClipStored){ 0 };
  if (!name || g_str_equal (name, "default")) {
    stored->name = g_strdup ("default");
    return TRUE;
  }
  if (!*name)
    return clip_fail (error, CLIP_ERROR_NOT_FOUND, "the name of the model is empty");
  if (g_file_test (name, G_FILE_TEST_IS_DIR))
    return use_directory (stored, name, error);
  if (g_file_test (name, G_FILE_TEST_EXISTS))
    return use_file (stored, name);
  if (g_path_is_absolute (name))
    return clip_fail (error, CLIP_ERROR_NOT_FOUND, "%s: no such file or directory", name);
  return look_up (stored, name, error);
}
