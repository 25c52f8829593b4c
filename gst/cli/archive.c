/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * files and folders → (file, stem) …
 *
 *   films              →   films/a.mp4     films/a.mp4
 *                          films/b/c.mkv   films/b/c.mkv
 *   films, output=out  →   films/a.mp4     out/a.mp4
 *                          films/b/c.mkv   out/b/c.mkv
 *
 * The stem keeps the file's own suffix: a.mp4 and a.avi are two.
 */
#include "gst/cli/archive.h"
#include "gst/cli/decode.h"
#include "gst/cli/terminal.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <gst/base/gsttypefindhelper.h>
#include <string.h>

typedef struct {
  GPtrArray *items;
  GHashTable *stems; /* stem → file */
  const char *output;
  gboolean complete;
  GError *error;
} Search;

static void
free_item (gpointer data)
{
  ArchiveItem *item = data;
  g_free (item->file);
  g_free (item->stem);
  g_free (item);
}

static void
fail (Search *search, const char *path, const char *problem)
{
  terminal_report ("%s: %s", path, problem);
  search->complete = FALSE;
}

/* Containers of no kind of their own, which may hold video. */
static const char *const containers[] = { "application/ogg", "application/mxf",
                                          "application/vnd.rn-realmedia" };

static gboolean
is_video_type (const char *type)
{
  for (guint i = 0; i < G_N_ELEMENTS (containers); i++)
    if (g_str_equal (type, containers[i]))
      return TRUE;
  return g_str_has_prefix (type, "video/");
}

/* As the type finders say who look into files: of each, for what it finds first. */
static gboolean
is_video_suffix (const char *suffix)
{
  gboolean found = FALSE;
  GList *finders = gst_type_find_factory_get_list ();
  for (GList *l = finders; l && !found; l = l->next) {
    const char *const *suffixes = gst_type_find_factory_get_extensions (l->data);
    GstCaps *caps = gst_type_find_factory_get_caps (l->data);
    found = suffixes && caps && !gst_caps_is_any (caps) && !gst_caps_is_empty (caps) &&
            is_video_type (gst_structure_get_name (gst_caps_get_structure (caps, 0))) &&
            g_strv_contains (suffixes, suffix);
  }
  gst_plugin_feature_list_free (finders);
  return found;
}

/* By its content; where that tells nothing of media (a damaged video's), by its name. */
static gboolean
is_video (const char *path)
{
  g_autofree char *type = NULL;
  if (g_str_has_suffix (path, ARCHIVE_COPY_SUFFIX))
    return FALSE;
  if (media_sniff (path, &type, NULL) && type) {
    if (is_video_type (type))
      return TRUE;
    if (g_str_has_prefix (type, "audio/") || g_str_has_prefix (type, "image/"))
      return FALSE;
  }
  const char *dot = strrchr (path, '.');
  return dot && is_video_suffix (dot + 1);
}

/* @name: of the file, below the output folder. */
static void
add_file (Search *search, const char *path, const char *name)
{
  GStatBuf status;
  if (g_stat (path, &status) < 0) {
    fail (search, path, g_strerror (errno));
    return;
  }
  ArchiveItem *item = g_new (ArchiveItem, 1);
  *item = (ArchiveItem){ g_strdup (path),
                         search->output ? g_build_filename (search->output, name, NULL)
                                        : g_strdup (path),
                         (guint64) status.st_size, (gint64) status.st_mtime };
  g_ptr_array_add (search->items, item);
  const char *other = g_hash_table_lookup (search->stems, item->stem);
  if (other && !search->error)
    g_set_error (&search->error, CLIP_ERROR, CLIP_ERROR_CONFIG,
                 "%s and %s would both be labelled as %s", other, path, item->stem);
  g_hash_table_insert (search->stems, item->stem, item->file);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
add_folder (Search *search, const char *folder, const char *below)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  if (!dir) {
    fail (search, folder, error->message);
    return;
  }
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  for (const char *name; (name = g_dir_read_name (dir));)
    if (name[0] != '.')
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++) {
    g_autofree char *path = g_build_filename (folder, names->pdata[i], NULL);
    g_autofree char *name = g_build_filename (below, names->pdata[i], NULL);
    if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
      if (!g_file_test (path, G_FILE_TEST_IS_SYMLINK)) /* it may lead back */
        add_folder (search, path, name);
    } else if (is_video (path)) {
      add_file (search, path, name);
    }
  }
}

GPtrArray *
archive_find (char **paths, const char *output, gboolean *complete, GError **error)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (free_item);
  g_autoptr (GHashTable) stems = g_hash_table_new (g_str_hash, g_str_equal);
  Search search = { items, stems, output, TRUE, NULL };
  for (; *paths; paths++) {
    g_autofree char *name = g_path_get_basename (*paths);
    if (g_file_test (*paths, G_FILE_TEST_IS_DIR))
      add_folder (&search, *paths, "");
    else
      add_file (&search, *paths, name);
  }
  *complete = search.complete;
  if (search.error) {
    g_propagate_error (error, search.error);
    return NULL;
  }
  return g_steal_pointer (&items);
}

gboolean
archive_has (const ArchiveItem *item, const char *suffix)
{
  GStatBuf status;
  g_autofree char *path = g_strconcat (item->stem, suffix, NULL);
  return g_stat (path, &status) == 0 && status.st_mtime >= item->modified;
}
