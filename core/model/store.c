/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A model's name → its files.
 *
 *   NULL, "default"      the model in the library
 *   a file               its weights; what lies beside it may describe it
 *   a directory          its weights file by the list below
 *   anything else        NAME, NAME.safetensors, NAME.pt … or, "ViT-B/32" being no path, ViT-B-32 … in each of
 *                        GST_CLIP_MODEL_PATH, $XDG_DATA_HOME/gst-clip/models, the installed models
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
static const char *const extensions[] = { ".safetensors", ".pt", ".pth", ".bin" };

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
                      "%s: holds %s%s, expected one of %s or a single *.safetensors, *.pt, *.pth "
                      "or *.bin",
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
  g_ptr_array_add (places, g_build_filename (g_get_user_data_dir (), "gst-clip", "models", NULL));
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

static gboolean
look_up (ClipStored *stored, const char *name, GError **error)
{
  g_autoptr (GPtrArray) places = search_path ();
  g_autoptr (GString) searched = g_string_new (NULL);
  g_autofree char *flat = g_strdelimit (g_strdup (name), "/", '-');
  for (guint i = 0; i < places->len; i++) {
    const char *const spellings[] = { name, flat };
    for (guint j = 0; j < (g_str_equal (name, flat) ? 1 : 2); j++) {
      gboolean found;
      const gboolean ok = look_in (stored, places->pdata[i], spellings[j], &found, error);
      if (found)
        return ok;
    }
    g_string_append_printf (searched, "%s%s", i ? ", " : "", (char *) places->pdata[i]);
  }
  return clip_fail (error, CLIP_ERROR_NOT_FOUND,
                    "%s: no such file or directory, and no model of that name in %s", name,
                    searched->str);
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
