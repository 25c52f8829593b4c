/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/cli/examples.h"
#include "core/base/nearest.h"

#include <string.h>

struct _Examples {
  char *path;
  char **folders;      /* names, sorted */
  char **files;        /* paths, folder by folder */
  GHashTable *of_file; /* path → index of its folder */
  int *labels;         /* [folders]: index of its label */
};

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* Returns: (transfer full): what is in a folder, sorted. */
static char **
list (const char *path, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autoptr (GDir) folder = g_dir_open (path, 0, &reason);
  if (!folder) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: %s", path, reason->message);
    return NULL;
  }
  GPtrArray *names = g_ptr_array_new ();
  for (const char *name; (name = g_dir_read_name (folder));)
    if (name[0] != '.')
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

static gboolean
add_folder (const char *path, GPtrArray *files, GError **error)
{
  g_auto (GStrv) names = list (path, error);
  if (!names)
    return FALSE;
  if (!names[0]) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: empty, expected pictures", path);
    return FALSE;
  }
  for (guint i = 0; names[i]; i++)
    g_ptr_array_add (files, g_build_filename (path, names[i], NULL));
  return TRUE;
}

Examples *
examples_open (const char *path, GError **error)
{
  g_auto (GStrv) names = list (path, error);
  if (!names)
    return NULL;
  g_autoptr (Examples) self = g_new0 (Examples, 1);
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) folders = g_ptr_array_new ();
  self->path = g_strdup (path);
  self->of_file = g_hash_table_new (g_direct_hash, g_direct_equal);
  for (guint i = 0; names[i]; i++) {
    g_autofree char *folder = g_build_filename (path, names[i], NULL);
    const guint before = files->len;
    if (!g_file_test (folder, G_FILE_TEST_IS_DIR))
      continue;
    if (!add_folder (folder, files, error))
      return NULL;
    for (guint f = before; f < files->len; f++)
      g_hash_table_insert (self->of_file, files->pdata[f], GUINT_TO_POINTER (folders->len));
    g_ptr_array_add (folders, names[i]);
  }
  if (folders->len == 0) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: no folders, expected one for each label",
                 path);
    return NULL;
  }
  self->labels = g_new0 (int, folders->len);
  g_ptr_array_add (folders, NULL);
  self->folders = g_strdupv ((char **) folders->pdata);
  g_ptr_array_add (files, NULL);
  self->files = (char **) g_ptr_array_steal (files, NULL);
  return g_steal_pointer (&self);
}

void
examples_free (Examples *self)
{
  g_free (self->path);
  g_strfreev (self->folders);
  g_strfreev (self->files);
  g_clear_pointer (&self->of_file, g_hash_table_unref);
  g_free (self->labels);
  g_free (self);
}

ClipLabels *
examples_get_names (const Examples *self, GError **error)
{
  g_autofree char *text = g_strjoinv ("\n", self->folders);
  ClipLabels *labels = clip_labels_parse (text, error);
  if (!labels)
    g_prefix_error (error, "%s: names of folders as ", self->path);
  return labels;
}

gboolean
examples_match (Examples *self, const ClipLabels *labels, GError **error)
{
  const guint n = clip_labels_get_n (labels);
  g_autofree const char **names = g_new (const char *, n);
  for (guint i = 0; i < n; i++)
    names[i] = clip_labels_get (labels, i)->name;
  for (guint f = 0; self->folders[f]; f++) {
    guint i = 0;
    while (i < n && !g_str_equal (names[i], self->folders[f]))
      i++;
    if (i == n) {
      const char *nearest = clip_nearest (self->folders[f], names, n);
      g_set_error (error, CLIP_ERROR, CLIP_ERROR_LABELS, "%s/%s: no label is called so%s%s%s",
                   self->path, self->folders[f], nearest ? "; did you mean \"" : "",
                   nearest ? nearest : "", nearest ? "\"?" : "");
      return FALSE;
    }
    self->labels[f] = (int) i;
  }
  return TRUE;
}

char **
examples_get_files (const Examples *self)
{
  return self->files;
}

int
examples_get_label (const Examples *self, const char *file)
{
  return self->labels[GPOINTER_TO_UINT (g_hash_table_lookup (self->of_file, file))];
}
