/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file that grows (part.h). */
#include "gst/cli/part.h"
#include "core/clip.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LONGEST_ETAG 200

static gboolean
fail (const Part *part, int reason, GError **error)
{
  const char *hint = "";
  if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG)
    hint = "; what came is kept, the same command goes on with it";
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: cannot be written: %s%s", part->path,
               g_strerror (reason), hint);
  return FALSE;
}

gboolean
part_start_over (Part *part, GError **error)
{
  part->have = 0;
  g_checksum_reset (part->sum);
  if (ftruncate (part->fd, 0) != 0 || lseek (part->fd, 0, SEEK_SET) != 0)
    return fail (part, errno, error);
  return TRUE;
}

/* Leaves the file at its end. */
static gboolean
read_again (Part *part, GError **error)
{
  guint8 bytes[1 << 16];
  gssize n;
  while ((n = read (part->fd, bytes, sizeof bytes)) > 0) {
    g_checksum_update (part->sum, bytes, n);
    part->have += n;
  }
  return n == 0 || part_start_over (part, error);
}

static void
read_etag (Part *part)
{
  gsize length = 0;
  if (!g_file_get_contents (part->etag_path, &part->etag, &length, NULL))
    return;
  if (length == 0 || length > LONGEST_ETAG || strpbrk (part->etag, "\r\n"))
    g_clear_pointer (&part->etag, g_free);
}

gboolean
part_open (Part *part, const char *path, gboolean has_hash, gint64 size, GError **error)
{
  *part = (Part){ .path = g_strconcat (path, ".part", NULL),
                  .etag_path = g_strconcat (path, ".part.etag", NULL),
                  .sum = g_checksum_new (G_CHECKSUM_SHA256) };
  part->fd = g_open (part->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (part->fd < 0)
    return fail (part, errno, error);

  struct stat mine, named;
  if (flock (part->fd, LOCK_EX | LOCK_NB) != 0 || fstat (part->fd, &mine) != 0 ||
      stat (part->path, &named) != 0 || mine.st_ino != named.st_ino) { /* renamed meanwhile */
    close (part->fd);
    part->fd = -1; /* not ours to discard */
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: another gst-clip is just fetching it",
                 part->path);
    return FALSE;
  }
  read_etag (part);
  if ((!part->etag && !has_hash) || (size >= 0 && mine.st_size > size))
    return part_start_over (part, error);
  return read_again (part, error);
}

void
part_clear (Part *part)
{
  if (part->path && part->fd >= 0)
    close (part->fd);
  g_clear_pointer (&part->sum, g_checksum_free);
  g_clear_pointer (&part->path, g_free);
  g_clear_pointer (&part->etag_path, g_free);
  g_clear_pointer (&part->etag, g_free);
}

gboolean
part_write (Part *part, const void *bytes, gsize length, GError **error)
{
  const guint8 *rest = bytes;
  while (length > 0) {
    const gssize n = write (part->fd, rest, length);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return fail (part, errno, error);
    g_checksum_update (part->sum, rest, n);
    part->have += n;
    rest += n;
    length -= n;
  }
  return TRUE;
}

void
part_set_etag (Part *part, const char *etag)
{
  g_free (part->etag);
  part->etag = etag && *etag == '"' && strlen (etag) <= LONGEST_ETAG ? g_strdup (etag) : NULL;
  if (part->etag)
    g_file_set_contents (part->etag_path, part->etag, -1, NULL);
  else
    g_unlink (part->etag_path);
}

gboolean
part_check_room (const Part *part, gint64 more, GError **error)
{
  struct statvfs disk;
  if (fstatvfs (part->fd, &disk) != 0)
    return TRUE;
  const guint64 there = (guint64) disk.f_bavail * disk.f_frsize;
  if (more <= 0 || (guint64) more <= there)
    return TRUE;
  g_autofree char *needed = g_format_size (more), *free_size = g_format_size (there);
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO,
               "%s: %s more are needed, and only %s are free on that disk", part->path, needed,
               free_size);
  return FALSE;
}

gboolean
part_finish (Part *part, const char *path, GError **error)
{
  if (fsync (part->fd) != 0 || g_rename (part->path, path) != 0)
    return fail (part, errno, error);
  g_unlink (part->etag_path);
  return TRUE;
}

void
part_discard (Part *part)
{
  if (part->fd < 0)
    return;
  g_unlink (part->path);
  g_unlink (part->etag_path);
}
