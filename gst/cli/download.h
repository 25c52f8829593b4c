/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One file from the network to the disk, whole and checked or not at all. */
#pragma once
#include <glib.h>

typedef struct {
  const char *address; /* http:// or https:// */
  const char *path;    /* where it goes; until it is whole, what came of it lies in PATH.part */
  gint64 size;         /* expected; -1: as announced */
  gint64 most;         /* as many bytes are taken where nobody says how many there are; 0: none */
  const char *sha256;  /* expected; NULL: what the server says of it (X-Linked-Etag), if it does */
  guint timeout;       /* seconds without a byte after which a connection is given up */
  void (*progress) (double fraction, gpointer data); /* (nullable) */
  gpointer data;
} Download;

typedef enum {
  DOWNLOAD_UNVERIFIED, /* there was nothing to compare it with */
  DOWNLOAD_EXPECTED,   /* its SHA-256 is the expected one */
  DOWNLOAD_SERVER,     /* its SHA-256 is the one that the server named */
} DownloadVerified;

typedef struct {
  gint64 bytes;
  char sha256[65];
  DownloadVerified verified;
} DownloadResult;

/* Goes on where an earlier call, or the connection, was cut. Proxies as curl's environment variables say. Errors are in the
 * CLIP_ERROR domain: CLIP_ERROR_NOT_FOUND where the server has no such file, CLIP_ERROR_FORMAT where it is another than
 * expected (nothing is kept of it), CLIP_ERROR_UNSUPPORTED where gst-clip was built without libcurl, else CLIP_ERROR_IO (what
 * came is kept). */
gboolean download_run (const Download *download, DownloadResult *result, GError **error);
