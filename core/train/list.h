/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tables of pictures and captions: CSV (RFC 4180) or, where the first line has a tab, the same with tabs.
 *
 * A first line that names a column "filepath", "file", "image" or "path" is a header; columns that begin with "title",
 * "caption" or "text" are captions then, and others mean nothing. Without a header the first column is the file and the
 * others are captions. Files are relative to the table's folder.
 */
#pragma once
#include "core/clip.h"

typedef struct {
  char *path;
  char **captions; /* stripped, none empty, NULL-terminated; NULL: none */
  char *problem;   /* "line 7: …": what is wrong with it; NULL: nothing */
} ClipListRow;

/* Returns: (transfer full): array of ClipListRow. */
GPtrArray *clip_list_read (const char *path, GError **error);
/* @name stands for the file in messages; files are relative to @folder. */
GPtrArray *clip_list_parse (GBytes *bytes, const char *name, const char *folder, GError **error);
