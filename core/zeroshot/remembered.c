/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a text tower made of labels is there when a program starts again:
 *
 *   CACHE/gst-clip/labels/KEY.safetensors      rows [n, E] f32; of metadata "key" and "sha256", that of the rows
 *   CACHE                                      $XDG_CACHE_HOME, or ~/.cache
 *   KEY                                        SHA-256 over all that the rows depend on
 *
 * KEY goes by the model's files (path, size, time …), what is in them, the precision, and the tokens of each text: with the
 * tokens, by labels, templates and vocabulary at once. Pictures of labels are no part of the rows that are stored.
 *
 * Files are read as foreign bytes are: one that is not whole, or not what its name says, counts as none, and is written
 * anew. Writers put a file there by renaming it, so there is always a whole one, whoever came last; if there are several
 * at once, they bring the same. Whoever writes removes the files that were not used for longest beyond LIMIT. Nothing here
 * ever fails but that rows are computed again.
 */
#include "core/zeroshot/remembered.h"
#include "core/base/bytes.h"
#include "core/checkpoint/safetensors.h"
#include "core/model/tower.h"

#include <glib/gstdio.h>
#include <string.h>
#include <utime.h>

/* All files together. 1,000 labels of 512 numbers are 2 MiB. */
#define LIMIT (64 << 20)
/* A header of ours, and more. */
#define MOST_HEADER 4096
/* Raised with each change after which the same tokens and weights become other rows. */
#define MEANING "rows of labels, 1"

static gboolean
is_off (void)
{
  return g_strcmp0 (g_getenv ("GST_CLIP_CACHE"), "off") == 0;
}

static char *
folder (void)
{
  return g_build_filename (g_get_user_cache_dir (), "gst-clip", "labels", NULL);
}

static char *
path_of (const char *key)
{
  g_autofree char *name = g_strconcat (key, ".safetensors", NULL), *in = folder ();
  return g_build_filename (in, name, NULL);
}

char *
clip_remembered_key (ClipModel *model, const ClipTexts *texts, guint n_rows)
{
  const ClipModelInfo *info = clip_model_get_info (model);
  g_autofree char *about =
      g_strdup_printf ("%s\n%s\n%s\n%s\n%u rows of %d", MEANING, clip_model_get_key (model),
                       info->id, info->text.precision, n_rows, info->embed_dim);
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  g_checksum_update (checksum, (const guchar *) about, strlen (about) + 1);
  clip_texts_hash (texts, checksum);
  return g_strdup (g_checksum_get_string (checksum));
}

/* ------------------------------------------------------------------------------------------------------ finding */

/* Not mapped: another program may cut the file short meanwhile. */
static GBytes *
read_file (const char *path, gsize most)
{
  GStatBuf status;
  char *bytes;
  gsize size;
  if (g_stat (path, &status) != 0 || !S_ISREG (status.st_mode) || (gsize) status.st_size > most ||
      !g_file_get_contents (path, &bytes, &size, NULL))
    return NULL;
  return g_bytes_new_take (bytes, size);
}

static char *
hash (const void *rows, gsize size)
{
  return g_compute_checksum_for_data (G_CHECKSUM_SHA256, rows, size);
}

/* The rows in @checkpoint, or NULL where it is not what was stored under @key. */
static const void *
checked_rows (const ClipCheckpoint *checkpoint, guint n_rows, int embed_dim, const char *key)
{
  const ClipTensor *tensor = clip_checkpoint_find (checkpoint, "rows");
  if (!tensor || tensor->dtype != CLIP_DTYPE_F32 || tensor->n_dims != 2 ||
      tensor->shape[0] != n_rows || tensor->shape[1] != embed_dim)
    return NULL;
  g_autofree char *found = hash (tensor->data, tensor->size);
  const gboolean same = g_strcmp0 (clip_checkpoint_get_metadata (checkpoint, "key"), key) == 0 &&
                        g_strcmp0 (clip_checkpoint_get_metadata (checkpoint, "sha256"), found) == 0;
  return same ? tensor->data : NULL;
}

gboolean
clip_remembered_find (float *rows, guint n_rows, int embed_dim, const char *key)
{
  const gsize size = (gsize) n_rows * embed_dim * sizeof *rows;
  if (is_off ())
    return FALSE;
  g_autofree char *path = path_of (key);
  g_autoptr (GBytes) bytes = read_file (path, size + MOST_HEADER);
  if (!bytes)
    return FALSE;
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCheckpoint) checkpoint = clip_checkpoint_parse (bytes, path, &error);
  const void *found = checkpoint ? checked_rows (checkpoint, n_rows, embed_dim, key) : NULL;
  if (!found) {
    g_debug ("%s: not what was stored: %s", path, error ? error->message : "other rows");
    return FALSE;
  }
  memcpy (rows, found, size);
  g_utime (path, NULL); /* used now */
  return TRUE;
}

/* ------------------------------------------------------------------------------------------------------ keeping */

typedef struct {
  char *path;
  gint64 time, size;
} Kept;

static void
clear_kept (gpointer kept)
{
  g_free (((Kept *) kept)->path);
}

static int
compare_newest_first (gconstpointer a, gconstpointer b)
{
  const Kept *x = a, *y = b;
  return x->time > y->time ? -1 : x->time < y->time;
}

/* Also what writers left that were ended. */
static GArray *
list_kept (const char *in)
{
  GArray *all = g_array_new (FALSE, FALSE, sizeof (Kept));
  g_array_set_clear_func (all, clear_kept);
  g_autoptr (GDir) dir = g_dir_open (in, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    GStatBuf status;
    g_autofree char *path = g_build_filename (in, name, NULL);
    if (!strstr (name, ".safetensors") || g_lstat (path, &status) != 0 || !S_ISREG (status.st_mode))
      continue;
    const Kept kept = { g_steal_pointer (&path), status.st_mtime, status.st_size };
    g_array_append_val (all, kept);
  }
  return all;
}

static void
remove_oldest (const char *in)
{
  g_autoptr (GArray) all = list_kept (in);
  gint64 total = 0;
  g_array_sort (all, compare_newest_first);
  for (guint i = 0; i < all->len; i++) {
    const Kept *kept = &g_array_index (all, Kept, i);
    total += kept->size;
    if (total > LIMIT)
      g_unlink (kept->path);
  }
}

void
clip_remembered_keep (const float *rows, guint n_rows, int embed_dim, const char *key)
{
  const ClipTensor tensor = { "rows", CLIP_DTYPE_F32,
                              2,      { n_rows, embed_dim },
                              rows,   (gsize) n_rows * embed_dim * sizeof *rows };
  if (is_off () || tensor.size + MOST_HEADER > LIMIT)
    return;
  g_autofree char *in = folder (), *path = path_of (key), *sum = hash (rows, tensor.size);
  const char *const metadata[] = { "key", key, "sha256", sum, NULL };
  g_autoptr (GError) error = NULL;
  g_mkdir_with_parents (in, 0700);
  if (clip_safetensors_write (path, &tensor, 1, metadata, &error))
    remove_oldest (in);
  else
    g_debug ("labels are not kept: %s", error->message);
}
