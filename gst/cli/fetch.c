/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip fetch: published models, by name.
 *
 *   NAME → entry of the catalogue → a file, or the files of a directory → $XDG_DATA_HOME/gst-clip/models/…
 *
 * A directory is filled under the name DIRECTORY.part and renamed when it has all of its files: what is there under a model's name
 * is a whole model.
 */
#include "core/model/store.h"
#include "gst/cli/download.h"
#include "gst/cli/jsonline.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define MAX_COMPANION (64 << 20) /* the largest vocabularies are 17 MB */

static int timeout = 60;

static const GOptionEntry options[] = {
  { "timeout", 0, 0, G_OPTION_ARG_INT, &timeout,
    "Give up a connection that brings nothing for S seconds (default 60)", "S" },
  { NULL },
};

typedef struct {
  const ClipCatalogEntry *entry;
  char *path; /* of the model */
  char *task; /* for the progress bar */
  DownloadResult weights;
  gboolean fetched; /* it was not there before */
} Fetch;

static void
fetch_clear (Fetch *fetch)
{
  g_free (fetch->path);
  g_free (fetch->task);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Fetch, fetch_clear)

/* @address, at the mirror where there is one: that replaces scheme and host. */
static char *
mirrored (const char *address)
{
  const char *mirror = g_getenv ("GST_CLIP_MIRROR");
  if (!mirror || !*mirror)
    return g_strdup (address);
  const char *path = strchr (strstr (address, "://") + 3, '/');
  gsize length = strlen (mirror);
  while (length > 0 && mirror[length - 1] == '/')
    length--;
  return g_strdup_printf ("%.*s%s", (int) length, mirror, path ? path : "/");
}

static void
show_progress (double fraction, gpointer data)
{
  const Fetch *fetch = data;
  terminal_progress (fetch->task, fraction);
}

/* ------------------------------------------------------------------------------------------------------- what is there */

/* SHA-256 and length of a file of the model that is there. */
static gboolean
read_file (Fetch *fetch, const char *path, GError **error)
{
  const int fd = g_open (path, O_RDONLY | O_CLOEXEC, 0);
  GStatBuf status;
  gssize n = -1;
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  DownloadResult *result = &fetch->weights;
  result->bytes = 0;
  if (fd >= 0 && g_stat (path, &status) == 0) {
    guint8 bytes[1 << 16];
    while ((n = read (fd, bytes, sizeof bytes)) > 0) {
      g_checksum_update (sum, bytes, n);
      result->bytes += n;
      terminal_progress (fetch->task, (double) result->bytes / MAX (status.st_size, 1));
    }
  }
  if (n < 0)
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: cannot be read: %s", path,
                 g_strerror (errno));
  if (fd >= 0)
    close (fd);
  g_strlcpy (result->sha256, g_checksum_get_string (sum), sizeof result->sha256);
  return n == 0;
}

/* Of a model that is there already: is it the right one? */
static gboolean
check_there (Fetch *fetch, const char *path, GError **error)
{
  const ClipCatalogEntry *entry = fetch->entry;
  if (!read_file (fetch, path, error))
    return FALSE;
  if (!entry->sha256)
    return TRUE;
  fetch->weights.verified = DOWNLOAD_EXPECTED;
  if (g_str_equal (entry->sha256, fetch->weights.sha256))
    return TRUE;
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_FORMAT,
               "%s: is there, but has the SHA-256 %s, expected %s; remove it to fetch it anew",
               path, fetch->weights.sha256, entry->sha256);
  return FALSE;
}

/* ----------------------------------------------------------------------------------------------------------- fetching */

static gboolean
fetch_weights (Fetch *fetch, const char *address, const char *path, GError **error)
{
  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return check_there (fetch, path, error);
  const Download download = {
    .address = address,
    .path = path,
    .size = fetch->entry->size,
    .sha256 = fetch->entry->sha256,
    .timeout = timeout,
    .progress = show_progress,
    .data = fetch,
  };
  return download_run (&download, &fetch->weights, error);
}

/* Not having it is no failure. */
static gboolean
fetch_companion (const char *address, const char *path, GError **error)
{
  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  const Download download = {
    .address = address, .path = path, .size = -1, .most = MAX_COMPANION, .timeout = timeout
  };
  DownloadResult result;
  g_autoptr (GError) reason = NULL;
  if (download_run (&download, &result, &reason) ||
      g_error_matches (reason, CLIP_ERROR, CLIP_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&reason));
  return FALSE;
}

static gboolean
make_directory (const char *path, GError **error)
{
  if (g_mkdir_with_parents (path, 0777) == 0)
    return TRUE;
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: cannot be made: %s", path,
               g_strerror (errno));
  return FALSE;
}

static gboolean
fetch_file (Fetch *fetch, GError **error)
{
  g_autofree char *address = mirrored (fetch->entry->address);
  g_autofree char *folder = g_path_get_dirname (fetch->path);
  return make_directory (folder, error) && fetch_weights (fetch, address, fetch->path, error);
}

/* The first of the weights that is to be had. */
static gboolean
fetch_any_weights (Fetch *fetch, const char *base, const char *folder, GError **error)
{
  g_autoptr (GError) reason = NULL;
  for (char **name = fetch->entry->weights; *name; name++) {
    g_autofree char *address = g_strconcat (base, *name, NULL);
    g_autofree char *path = g_build_filename (folder, *name, NULL);
    g_clear_error (&reason);
    if (fetch_weights (fetch, address, path, &reason))
      return TRUE;
    if (!g_error_matches (reason, CLIP_ERROR, CLIP_ERROR_NOT_FOUND))
      break;
  }
  g_propagate_error (error, g_steal_pointer (&reason));
  return FALSE;
}

static gboolean
fetch_companions (Fetch *fetch, const char *base, const char *folder, GError **error)
{
  for (char **name = fetch->entry->companions; *name; name++) {
    g_autofree char *address = g_strconcat (base, *name, NULL);
    g_autofree char *path = g_build_filename (folder, *name, NULL);
    if (!fetch_companion (address, path, error))
      return FALSE;
  }
  return TRUE;
}

/* The weights come last: the directory is complete with them. */
static gboolean
fetch_directory (Fetch *fetch, GError **error)
{
  g_autofree char *base = mirrored (fetch->entry->address);
  g_autofree char *folder = g_strconcat (fetch->path, ".part", NULL);
  if (!make_directory (folder, error))
    return FALSE;
  if (!fetch_companions (fetch, base, folder, error) ||
      !fetch_any_weights (fetch, base, folder, error)) {
    g_rmdir (folder); /* where nothing came */
    return FALSE;
  }
  if (g_rename (folder, fetch->path) == 0)
    return TRUE;
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: cannot be named %s: %s", folder, fetch->path,
               g_strerror (errno));
  return FALSE;
}

/* The weights of a directory that is there, or NULL. */
static char *
weights_in (const Fetch *fetch)
{
  for (char **name = fetch->entry->weights; *name; name++) {
    g_autofree char *path = g_build_filename (fetch->path, *name, NULL);
    if (g_file_test (path, G_FILE_TEST_IS_REGULAR))
      return g_steal_pointer (&path);
  }
  return NULL;
}

static gboolean
fetch_model (Fetch *fetch, GError **error)
{
  g_autofree char *have = clip_store_have (fetch->entry);
  if (have) {
    g_free (fetch->path);
    fetch->path = g_steal_pointer (&have);
    g_autofree char *weights =
        fetch->entry->is_directory ? weights_in (fetch) : g_strdup (fetch->path);
    return !weights || check_there (fetch, weights, error);
  }
  fetch->fetched = TRUE;
  return fetch->entry->is_directory ? fetch_directory (fetch, error) : fetch_file (fetch, error);
}

/* --------------------------------------------------------------------------------------------------------------- output */

static void
print_fetched (const Fetch *fetch)
{
  static const char *const verified[] = { NULL, "catalog", "server" }; /* DownloadVerified */
  g_autoptr (JsonLine) line = json_line_new (FALSE);
  json_line_begin (line, NULL, '{');
  json_line_string (line, "name", fetch->entry->name);
  json_line_string (line, "path", fetch->path);
  json_line_int (line, "bytes", fetch->weights.bytes);
  json_line_string (line, "sha256", fetch->weights.sha256);
  json_line_string (line, "verified", verified[fetch->weights.verified]);
  json_line_bool (line, "fetched", fetch->fetched);
  json_line_string (line, "license", fetch->entry->license);
  json_line_end (line, '}');
  json_line_print (line);
}

static gboolean
fetch_name (const ClipCatalog *catalog, const char *name)
{
  const ClipCatalogEntry *entry = clip_catalog_find (catalog, name);
  if (!entry) {
    const char *nearest = clip_catalog_nearest (catalog, name);
    terminal_report ("%s: no such model in the catalogue%s%s%s; 'gst-clip models' lists it", name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
    return FALSE;
  }
  g_autofree char *place = clip_store_own_place ();
  g_auto (Fetch) fetch = {
    .entry = entry,
    .path = g_build_filename (place, entry->path, NULL),
    .task = g_strdup_printf ("fetching %s", entry->name),
  };
  if (entry->note)
    terminal_report ("%s: licence %s; %s", entry->name, entry->license, entry->note);
  g_autoptr (GError) error = NULL;
  const gboolean ok = fetch_model (&fetch, &error);
  terminal_clear ();
  if (!ok) {
    terminal_report ("%s: %s", entry->name, error->message);
    return FALSE;
  }
  if (fetch.fetched && fetch.weights.verified == DOWNLOAD_UNVERIFIED)
    terminal_warn ("%s: nobody says which SHA-256 it should have: it is used as it came",
                   entry->name);
  print_fetched (&fetch);
  return TRUE;
}

static int
run (char **arguments, guint n)
{
  if (n == 0)
    return usage_error ("no model named; 'gst-clip models' lists them");
  if (timeout < 1 || timeout > 86400)
    return usage_error ("--timeout is %d, expected 1 … 86400", timeout);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCatalog) catalog = clip_catalog_load (&error);
  if (!catalog) {
    terminal_report ("%s", error->message);
    return CLI_FAILED;
  }
  signal (SIGXFSZ, SIG_IGN); /* write () says so then */
  int status = CLI_OK;
  for (guint i = 0; i < n; i++) {
    if (!fetch_name (catalog, arguments[i]))
      status = CLI_FAILED;
  }
  return status;
}

const CliCommand command_fetch = {
  .name = "fetch",
  .arguments = "NAME…",
  .summary = "Download published models",
  .description = "Models go to $XDG_DATA_HOME/gst-clip/models, where --model NAME and clipclassify "
                 "model=NAME find "
                 "them. What was cut\nshort goes on where it ended. GST_CLIP_MIRROR=https://HOST "
                 "replaces the hosts "
                 "of all addresses; proxies are curl's\nvariables (https_proxy, no_proxy).\n\n"
                 "Example:\n  gst-clip fetch ViT-B/32\n  gst-clip classify --model ViT-B/32 "
                 "--labels \"a cat;a "
                 "dog\" photo.jpg",
  .options = { options },
  .run = run,
};
