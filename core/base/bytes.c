/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files as mapped, immutable bytes. */
#include "core/base/bytes.h"
#include "core/base/error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

GBytes *
clip_bytes_map (const char *path, GError **error)
{
  GStatBuf status;
  if (g_stat (path, &status) != 0)
    return clip_fail_null (error, CLIP_ERROR_IO, "%s: %s", path, g_strerror (errno));
  /* Opening a pipe could block for ever, and a directory maps with a message that explains nothing.
   */
  if (!S_ISREG (status.st_mode))
    return clip_fail_null (error, CLIP_ERROR_IO, "%s: is a %s, expected a regular file", path,
                           S_ISDIR (status.st_mode) ? "directory" : "device or pipe");

  g_autoptr (GError) reason = NULL;
  GMappedFile *file = g_mapped_file_new (path, FALSE, &reason);
  if (!file)
    return clip_fail_null (error, CLIP_ERROR_IO, "%s: %s", path, reason->message);
  GBytes *bytes = g_mapped_file_get_bytes (file);
  g_mapped_file_unref (file);
  return bytes;
}

void
clip_bytes_forget (const void *data, gsize size)
{
  const guintptr page = sysconf (_SC_PAGESIZE), start = ((guintptr) data + page - 1) / page * page,
                 end = ((guintptr) data + size) / page * page;
  if (start < end)
    madvise ((void *) start, end - start, MADV_DONTNEED);
}
