/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The videos of an archive, and where what belongs to each is put. */
#pragma once
#include <glib.h>

typedef struct {
  char *file;
  char *stem; /* outputs are this with a suffix; their folder may not exist yet */
  guint64 size;
  gint64 modified; /* seconds since 1970 */
} ArchiveItem;

/* Copies of videos that we made end so, and are no videos of the archive. */
#define ARCHIVE_COPY_SUFFIX ".labels.mkv"

/*
 * @paths: files, and folders that are searched for videos: what begins as a video does, or is named as one. Hidden files and
 * linked folders are left out. With @output, stems lie there, as deep as the file lay in its folder; otherwise
 * beside the file.
 *
 * Returns: (transfer full): of ArchiveItem, in the order of @paths, a folder's by name. NULL with @error where two have
 * the same stem. What cannot be read is reported on stderr and makes *@complete FALSE.
 */
GPtrArray *archive_find (char **paths, const char *output, gboolean *complete, GError **error);

/* Whether stem + @suffix is there, and younger than the video. */
gboolean archive_has (const ArchiveItem *item, const char *suffix);
