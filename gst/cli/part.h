/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What came of a file so far:
 *
 *   PATH.part       its first bytes; renamed to PATH when all of it is there
 *   PATH.part.etag  which version of the file they are of, as the server names it
 *
 * One process at a time has it open. Its bytes are hashed as they come; those of an earlier process are read again.
 */
#pragma once
#include <glib.h>

typedef struct {
  char *path, *etag_path;
  char *etag;     /* NULL: not known */
  gint64 have;    /* bytes */
  GChecksum *sum; /* of them, SHA-256 */
  int fd;
} Part;

/* What an earlier process left is gone on with if one can tell whether the rest belongs to it (@has_hash: what the whole file's
 * hash should be is known), and if it is not longer than @size (-1: not known). */
gboolean part_open (Part *part, const char *path, gboolean has_hash, gint64 size, GError **error);
void part_clear (Part *part);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Part, part_clear)

gboolean part_write (Part *part, const void *bytes, gsize length, GError **error);
gboolean part_start_over (Part *part, GError **error);
/* @etag as the server sent it (nullable). Weak ones ("W/…") do not say that bytes are the same, and are not kept. */
void part_set_etag (Part *part, const char *etag);

/* An error unless @more bytes fit on the disk. */
gboolean part_check_room (const Part *part, gint64 more, GError **error);
/* Under its own name @path from now on, flushed. */
gboolean part_finish (Part *part, const char *path, GError **error);
/* Nothing of it is left. */
void part_discard (Part *part);
