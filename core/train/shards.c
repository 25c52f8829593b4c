/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pattern → paths      braces first, then glob
 * archive → samples    members are read one after another; a member of another key ends the sample in hand
 *
 * libarchive reads tar and what it is packed in. Damage ends a shard: what came before it was given out already.
 */
#include "core/train/shards.h"
#include "core/base/bytes.h"
#include "core/base/error.h"

#include <archive.h>
#include <archive_entry.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MEMBER ((gsize) 256 << 20) /* bytes: no picture or text is larger */
#define CHUNK 65536

/* ------------------------------------------------------------------------------------ patterns */

/* "{0000..0012}": the numbers between, as wide as they are written. */
static gboolean
add_range (GPtrArray *paths, const char *head, const char *range, gsize length, const char *tail)
{
  g_autofree char *text = g_strndup (range, length);
  char *dots = strstr (text, "..");
  guint64 from, to;
  if (!dots)
    return FALSE;
  *dots = '\0';
  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &from, NULL) ||
      !g_ascii_string_to_unsigned (dots + 2, 10, from, from + 10000000, &to, NULL))
    return FALSE;
  for (guint64 i = from; i <= to; i++)
    g_ptr_array_add (
        paths, g_strdup_printf ("%s%0*" G_GUINT64_FORMAT "%s", head, (int) strlen (text), i, tail));
  return TRUE;
}

/* @pattern with its first pair of braces resolved; FALSE where there is none. */
static gboolean
add_braces (GPtrArray *paths, const char *pattern)
{
  const char *open = strchr (pattern, '{'), *close = open ? strchr (open, '}') : NULL;
  if (!close)
    return FALSE;
  g_autofree char *head = g_strndup (pattern, open - pattern);
  if (add_range (paths, head, open + 1, close - open - 1, close + 1))
    return TRUE;
  g_autofree char *inside = g_strndup (open + 1, close - open - 1);
  g_auto (GStrv) choices = g_strsplit (inside, ",", -1);
  for (char **choice = choices; *choice; choice++)
    g_ptr_array_add (paths, g_strconcat (head, *choice, close + 1, NULL));
  return TRUE;
}

static int
compare_paths (const void *a, const void *b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* Files that @pattern, without braces, names, in the order of their bytes (glob ()'s own order is the locale's). */
static gboolean
add_glob (GPtrArray *paths, const char *pattern, GError **error)
{
  glob_t found = { 0 };
  const int status = glob (pattern, GLOB_NOSORT, NULL, &found);
  if (status != 0)
    return clip_fail (error, CLIP_ERROR_IO, "%s: %s", pattern,
                      status == GLOB_NOMATCH ? "no such file" : "cannot be searched for");
  qsort (found.gl_pathv, found.gl_pathc, sizeof (char *), compare_paths);
  for (gsize i = 0; i < found.gl_pathc; i++)
    g_ptr_array_add (paths, g_strdup (found.gl_pathv[i]));
  globfree (&found);
  return TRUE;
}

static gboolean
add_files (GPtrArray *paths, const char *pattern, GError **error)
{
  g_autoptr (GPtrArray) open = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (open, g_strdup (pattern));
  for (guint i = 0; i < open->len; i++) {
    const char *path = open->pdata[i];
    if (g_file_test (path, G_FILE_TEST_EXISTS)) /* its name may have brackets and braces */
      g_ptr_array_add (paths, g_strdup (path));
    else if (!add_braces (open, path) && !add_glob (paths, path, error))
      return FALSE;
  }
  return TRUE;
}

char **
clip_shards_expand (const char *const *patterns, GError **error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  for (; *patterns; patterns++)
    if (!add_files (paths, *patterns, error))
      return NULL;
  g_ptr_array_add (paths, NULL);
  return (char **) g_ptr_array_steal (paths, NULL);
}

/* ------------------------------------------------------------------------------------- samples */

struct _ClipShards {
  char *path;
  GBytes *bytes;
  struct archive *archive;
  struct archive_entry *entry; /* read, and not yet part of a sample; NULL: none */
  gboolean unreadable, end;
  /* the sample in hand */
  char *key;
  GBytes *image;
  char **captions;
  int class;
  char *problem; /* why it is broken */
};

ClipShards *
clip_shards_parse (GBytes *bytes, const char *name)
{
  ClipShards *shards = g_new0 (ClipShards, 1);
  shards->bytes = g_bytes_ref (bytes);
  shards->path = g_strdup (name);
  shards->archive = archive_read_new ();
  /* not all: some filters are programs that would be run */
  archive_read_support_filter_gzip (shards->archive);
  archive_read_support_filter_bzip2 (shards->archive);
  archive_read_support_filter_xz (shards->archive);
  archive_read_support_filter_zstd (shards->archive);
  archive_read_support_filter_lz4 (shards->archive);
  archive_read_support_format_tar (shards->archive);
  /* Where this fails so does the first read, as damage. */
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);
  shards->unreadable = archive_read_open_memory (shards->archive, data, size) != ARCHIVE_OK;
  return shards;
}

ClipShards *
clip_shards_open (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = clip_bytes_map (path, error);
  return bytes ? clip_shards_parse (bytes, path) : NULL;
}

static void
clear_sample (ClipShards *shards)
{
  g_clear_pointer (&shards->key, g_free);
  g_clear_pointer (&shards->image, g_bytes_unref);
  g_clear_pointer (&shards->captions, g_strfreev);
  g_clear_pointer (&shards->problem, g_free);
  shards->class = -1;
}

void
clip_shards_close (ClipShards *shards)
{
  if (!shards)
    return;
  clear_sample (shards);
  archive_read_free (shards->archive);
  g_bytes_unref (shards->bytes);
  g_free (shards->path);
  g_free (shards);
}

static gboolean
end_broken (ClipShards *shards, GError **error)
{
  shards->end = TRUE;
  shards->entry = NULL;
  return clip_fail (error, CLIP_ERROR_FORMAT, "%s: %s%sarchive is damaged or cut short: %s",
                    shards->path, shards->key ? shards->key : "", shards->key ? ": " : "",
                    archive_error_string (shards->archive) ?: "unexpected end");
}

/* The next regular file; at the end, shards->end is set. */
static gboolean
next_entry (ClipShards *shards, GError **error)
{
  if (shards->unreadable && !shards->end)
    return end_broken (shards, error);
  while (!shards->entry && !shards->end) {
    const int status = archive_read_next_header (shards->archive, &shards->entry);
    if (status == ARCHIVE_EOF) {
      shards->end = TRUE;
      shards->entry = NULL;
    } else if (status < ARCHIVE_WARN) {
      return end_broken (shards, error);
    } else if (archive_entry_filetype (shards->entry) != AE_IFREG) {
      shards->entry = NULL;
    }
  }
  return TRUE;
}

static void
set_problem (ClipShards *shards, const char *extension, const char *what)
{
  if (!shards->problem)
    shards->problem = g_strdup_printf ("%s %s", extension, what);
}

/* NULL with @error where the archive ends here; NULL without where the member is of no use. */
static GByteArray *
read_member (ClipShards *shards, const char *extension, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  for (;;) {
    const guint before = bytes->len;
    if (before > MAX_MEMBER) {
      set_problem (shards, extension, "is larger than 256 MiB");
      return NULL;
    }
    g_byte_array_set_size (bytes, before + CHUNK);
    const la_ssize_t n = archive_read_data (shards->archive, bytes->data + before, CHUNK);
    if (n < 0) {
      end_broken (shards, error);
      return NULL;
    }
    g_byte_array_set_size (bytes, before + n);
    if (n == 0)
      return g_steal_pointer (&bytes);
  }
}

static char **
split_captions (const char *text)
{
  g_autoptr (GStrvBuilder) captions = g_strv_builder_new ();
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line; line++)
    if (*g_strstrip (*line))
      g_strv_builder_add (captions, *line);
  return g_strv_builder_end (captions);
}

/* What a member adds to the sample; @extension: what follows the key, with its dot. Others (.json …) mean nothing here. */
static gboolean
take_member (ClipShards *shards, const char *extension, GError **error)
{
  static const char *const images[] = { ".jpg", ".jpeg", ".png", ".webp", NULL };
  g_autofree char *lower = g_ascii_strdown (extension, -1);
  const gboolean image = g_strv_contains (images, lower), text = g_str_equal (lower, ".txt"),
                 class = g_str_equal (lower, ".cls");
  if (!image && !text && !class)
    return TRUE;
  g_autoptr (GByteArray) bytes = read_member (shards, lower, error);
  if (!bytes)
    return !shards->end;
  if (image) {
    g_clear_pointer (&shards->image, g_bytes_unref);
    shards->image = g_byte_array_free_to_bytes (g_steal_pointer (&bytes));
    return TRUE;
  }
  if (!g_utf8_validate ((const char *) bytes->data, bytes->len, NULL)) {
    set_problem (shards, lower, "is not valid UTF-8");
    return TRUE;
  }
  g_byte_array_append (bytes, (const guint8 *) "", 1);
  char *content = (char *) bytes->data;
  if (text) {
    g_strfreev (shards->captions);
    shards->captions = split_captions (content);
    if (!*shards->captions)
      g_clear_pointer (&shards->captions, g_strfreev);
    return TRUE;
  }
  gint64 number;
  if (g_ascii_string_to_signed (g_strstrip (content), 10, 0, G_MAXINT32, &number, NULL))
    shards->class = number;
  else
    set_problem (shards, lower, "is not a class index");
  return TRUE;
}

/* Reads members as long as they belong to one sample. */
static gboolean
gather (ClipShards *shards, GError **error)
{
  while (next_entry (shards, error)) {
    if (!shards->entry)
      return TRUE;
    /* Names that the archive declares to be UTF-8 exist in the locale's encoding, too, only where it can hold them. */
    const char *name =
        archive_entry_pathname (shards->entry) ?: archive_entry_pathname_utf8 (shards->entry);
    const char *base = name ? strrchr (name, '/') : NULL;
    const char *dot = name ? strchr (base ? base + 1 : name, '.') : NULL;
    if (!dot || dot == name || dot[-1] == '/') { /* no extension, or a hidden file */
      shards->entry = NULL;
      continue;
    }
    if (shards->key && (strncmp (shards->key, name, dot - name) != 0 || shards->key[dot - name]))
      return TRUE;
    if (!shards->key)
      shards->key = g_strndup (name, dot - name);
    g_autofree char *extension = g_strdup (dot);
    shards->entry = NULL;
    if (!take_member (shards, extension, error))
      return FALSE;
  }
  return FALSE;
}

ClipShardsStatus
clip_shards_next (ClipShards *shards, ClipSample *sample, GError **error)
{
  clear_sample (shards);
  if (!gather (shards, error))
    return CLIP_SHARDS_BROKEN;
  if (!shards->key)
    return CLIP_SHARDS_END;
  if (shards->problem) {
    clip_fail (error, CLIP_ERROR_FORMAT, "%s: %s: %s", shards->path, shards->key, shards->problem);
    return CLIP_SHARDS_BROKEN;
  }
  *sample =
      (ClipSample){ shards->path, shards->key, shards->image, shards->captions, shards->class };
  return CLIP_SHARDS_SAMPLE;
}
