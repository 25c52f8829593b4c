/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Downloading with libcurl:
 *
 *   PATH.part       grows as bytes come, and is renamed to PATH when it is whole and its SHA-256 is right
 *   PATH.part.etag  which version of the file that is; the rest of another is never added to it (If-Range)
 *
 * Bytes are hashed as they come; those of an earlier call are read again first. A connection that breaks is opened anew for the
 * rest, as long as that brings something. Before the first byte is written, what the server announces is compared with what is
 * expected and with the room on the disk.
 */
#include "gst/cli/download.h"
#include "core/clip.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MAX_REDIRECTS 10L
#define MAX_IDLE_TRIES 3 /* in a row that bring nothing */
#define LONGEST_ETAG 200

typedef struct {
  const Download *job;
  char *part, *etag_path;
  int fd;
  GChecksum *sum; /* of the bytes in PATH.part */
  gint64 have;    /* how many these are */
  char *etag;     /* of the version they are of (nullable) */

  /* what the answers to the request said: the last, */
  long status;
  gint64 length, range_start, range_total; /* -1: nothing */
  char *answer_etag;
  /* or any of them */
  gint64 linked_size;
  char *linked_sha256;

  gboolean begun; /* the answer was looked at, and its bytes are being written */
  gint64 whole;   /* bytes of the whole file; -1: nobody says */
  GError *error;
  gboolean spoiled; /* what came is of no use */
} Transfer;

static gboolean fail (Transfer *transfer, int code, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* "HOST/…/FILE: MESSAGE", with the address that was asked for: those of redirects are long and soon invalid. */
static gboolean
fail (Transfer *transfer, int code, const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *message = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (!transfer->error)
    g_set_error (&transfer->error, CLIP_ERROR, code, "%s: %s", transfer->job->address, message);
  return FALSE;
}

static gboolean
fail_disk (Transfer *transfer, int reason)
{
  const char *hint = "";
  if (reason == ENOSPC || reason == EDQUOT || reason == EFBIG)
    hint = "; what came is kept, the same command goes on with it";
  if (!transfer->error)
    g_set_error (&transfer->error, CLIP_ERROR, CLIP_ERROR_IO, "%s: cannot be written: %s%s",
                 transfer->part, g_strerror (reason), hint);
  return FALSE;
}

/* ------------------------------------------------------------------------------------------------- what is there already */

static gboolean
start_over (Transfer *transfer)
{
  transfer->have = 0;
  g_checksum_reset (transfer->sum);
  if (ftruncate (transfer->fd, 0) != 0 || lseek (transfer->fd, 0, SEEK_SET) != 0)
    return fail_disk (transfer, errno);
  return TRUE;
}

/* Hashes what an earlier call left, if it may be gone on with. */
static gboolean
read_part (Transfer *transfer)
{
  struct stat status;
  if (fstat (transfer->fd, &status) != 0)
    return fail_disk (transfer, errno);
  gsize length = 0;
  if (!g_file_get_contents (transfer->etag_path, &transfer->etag, &length, NULL) ||
      length > LONGEST_ETAG || strpbrk (transfer->etag, "\r\n"))
    g_clear_pointer (&transfer->etag, g_free);
  if ((!transfer->etag && !transfer->job->sha256) ||
      (transfer->job->size >= 0 && status.st_size > transfer->job->size))
    return start_over (transfer);

  guint8 bytes[1 << 16];
  gssize n;
  while ((n = read (transfer->fd, bytes, sizeof bytes)) > 0) {
    g_checksum_update (transfer->sum, bytes, n);
    transfer->have += n;
  }
  return n == 0 || start_over (transfer);
}

static gboolean
open_part (Transfer *transfer)
{
  transfer->fd = open (transfer->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (transfer->fd < 0)
    return fail_disk (transfer, errno);
  struct stat mine, named;
  if (flock (transfer->fd, LOCK_EX | LOCK_NB) != 0 || fstat (transfer->fd, &mine) != 0 ||
      stat (transfer->part, &named) != 0 || mine.st_ino != named.st_ino) {
    close (transfer->fd);
    transfer->fd = -1; /* it is not ours */
    return fail (transfer, CLIP_ERROR_IO, "another gst-clip is just fetching it to %s",
                 transfer->part);
  }
  return read_part (transfer);
}

/* ---------------------------------------------------------------------------------------------------------- the answer */

static gboolean
is_sha256 (const char *text)
{
  return strlen (text) == 64 && strspn (text, "0123456789abcdef") == 64;
}

static gint64
to_number (const char *text)
{
  gint64 number;
  return g_ascii_string_to_signed (text, 10, 0, G_MAXINT64, &number, NULL) ? number : -1;
}

/* "bytes 5-9/10", and "bytes * /10" (without the blank) where there is no such range */
static void
read_content_range (Transfer *transfer, const char *value)
{
  const char *slash = strchr (value, '/');
  if (!g_str_has_prefix (value, "bytes ") || !slash)
    return;
  g_autofree char *start = g_strndup (value + 6, strcspn (value + 6, "-*/"));
  transfer->range_start = to_number (start);
  transfer->range_total = to_number (slash + 1);
}

static gsize
on_header (char *text, gsize size, gsize n, gpointer data)
{
  Transfer *transfer = data;
  g_autofree char *line = g_strstrip (g_strndup (text, size * n));
  if (g_str_has_prefix (line, "HTTP/")) { /* another answer */
    const char *blank = strchr (line, ' ');
    transfer->status = blank ? strtol (blank, NULL, 10) : 0;
    transfer->length = transfer->range_start = transfer->range_total = -1;
    g_clear_pointer (&transfer->answer_etag, g_free);
    return size * n;
  }
  char *colon = strchr (line, ':');
  if (!colon)
    return size * n;
  *colon = '\0';
  const char *value = g_strstrip (colon + 1);
  if (!g_ascii_strcasecmp (line, "content-length")) {
    transfer->length = to_number (value);
  } else if (!g_ascii_strcasecmp (line, "content-range")) {
    read_content_range (transfer, value);
  } else if (!g_ascii_strcasecmp (line, "etag") && strlen (value) <= LONGEST_ETAG) {
    g_free (transfer->answer_etag);
    transfer->answer_etag = g_strdup (value);
  } else if (!g_ascii_strcasecmp (line, "x-linked-size")) {
    transfer->linked_size = to_number (value);
  } else if (!g_ascii_strcasecmp (line, "x-linked-etag") && !transfer->linked_sha256) {
    g_autofree char *bare =
        g_strndup (value + (*value == '"'), strcspn (value + (*value == '"'), "\""));
    if (is_sha256 (bare))
      transfer->linked_sha256 = g_steal_pointer (&bare);
  }
  return size * n;
}

static gboolean
check_room (Transfer *transfer)
{
  struct statvfs disk;
  if (fstatvfs (transfer->fd, &disk) != 0)
    return TRUE;
  const guint64 free_bytes = (guint64) disk.f_bavail * disk.f_frsize;
  if (transfer->whole - transfer->have <= (gint64) MIN (free_bytes, G_MAXINT64))
    return TRUE;
  g_autofree char *needed = g_format_size (transfer->whole - transfer->have);
  g_autofree char *there = g_format_size (free_bytes);
  g_autofree char *folder = g_path_get_dirname (transfer->part);
  return fail (transfer, CLIP_ERROR_IO, "%s more are needed, and only %s are free at %s", needed,
               there, folder);
}

/* @announced: -1 where the server does not say */
static gboolean
check_length (Transfer *transfer, gint64 announced)
{
  const gint64 size = transfer->job->size;
  const gint64 expected = size >= 0 ? size : transfer->linked_size;
  return expected < 0 || announced < 0 || expected == announced ||
         fail (transfer, CLIP_ERROR_FORMAT,
               "is %" G_GINT64_FORMAT " bytes long, expected %" G_GINT64_FORMAT, announced,
               expected);
}

/* What comes is the rest of what is there, or all of it; is it as long as it should be, and does it fit? */
static gboolean
begin_body (Transfer *transfer)
{
  const Download *job = transfer->job;
  gint64 announced = transfer->length;
  if (transfer->status == 206) {
    if (transfer->range_start != transfer->have)
      return fail (transfer, CLIP_ERROR_IO,
                   "the server sends bytes from %" G_GINT64_FORMAT
                   " on, asked for those from %" G_GINT64_FORMAT " on",
                   transfer->range_start, transfer->have);
    announced = transfer->range_total;
  }
  if (!check_length (transfer, announced))
    return FALSE;
  const gint64 expected = job->size >= 0 ? job->size : transfer->linked_size;
  transfer->whole = expected >= 0 ? expected : announced;
  if (transfer->whole < 0 && job->most <= 0)
    return fail (transfer, CLIP_ERROR_IO, "the server does not say how long it is");
  if (transfer->whole >= 0 && job->most > 0 && transfer->whole > job->most)
    return fail (transfer, CLIP_ERROR_FORMAT,
                 "is %" G_GINT64_FORMAT " bytes long, expected at most %" G_GINT64_FORMAT,
                 transfer->whole, job->most);
  if (transfer->status != 206 && !start_over (transfer))
    return FALSE;

  const char *etag = transfer->answer_etag;
  if (etag && *etag == '"') /* a weak one ("W/…") does not say that the bytes are the same */
    g_file_set_contents (transfer->etag_path, etag, -1, NULL);
  else
    g_unlink (transfer->etag_path);
  g_free (transfer->etag);
  transfer->etag = etag && *etag == '"' ? g_strdup (etag) : NULL;
  transfer->begun = TRUE;
  return check_room (transfer);
}

static gsize
on_body (char *bytes, gsize size, gsize n, gpointer data)
{
  Transfer *transfer = data;
  if (!transfer->begun && !begin_body (transfer))
    return 0;
  const gint64 limit = transfer->whole >= 0 ? transfer->whole : transfer->job->most;
  const gsize length = size * n;
  if ((gint64) length > limit - transfer->have) {
    fail (transfer, CLIP_ERROR_FORMAT, "more comes than the %" G_GINT64_FORMAT " bytes expected",
          limit);
    transfer->spoiled = TRUE;
    return 0;
  }
  for (gsize done = 0; done < length;) {
    const gssize written = write (transfer->fd, bytes + done, length - done);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0) {
      fail_disk (transfer, errno);
      return 0;
    }
    g_checksum_update (transfer->sum, (const guint8 *) bytes + done, written);
    transfer->have += written;
    done += written;
  }
  if (transfer->job->progress && transfer->whole > 0)
    transfer->job->progress ((double) transfer->have / transfer->whole, transfer->job->data);
  return length;
}

/* --------------------------------------------------------------------------------------------------------- the request */

typedef enum {
  TRY_DONE,
  TRY_AGAIN, /* the connection broke, or the server is busy: @error says how */
  TRY_FAILED,
} Try;

static CURL *
new_request (Transfer *transfer, struct curl_slist **headers, char *message)
{
  const Download *job = transfer->job;
  const gboolean secure = g_str_has_prefix (job->address, "https:");
  CURL *curl = curl_easy_init ();
  curl_easy_setopt (curl, CURLOPT_URL, job->address);
  curl_easy_setopt (curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt (curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt (curl, CURLOPT_MAXREDIRS, MAX_REDIRECTS);
  curl_easy_setopt (curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  curl_easy_setopt (curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt (curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt (curl, CURLOPT_USERAGENT, "gst-clip/" GST_CLIP_VERSION);
  curl_easy_setopt (curl, CURLOPT_CONNECTTIMEOUT, (long) job->timeout);
  curl_easy_setopt (curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt (curl, CURLOPT_LOW_SPEED_TIME, (long) job->timeout);
  curl_easy_setopt (curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt (curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt (curl, CURLOPT_HEADERDATA, transfer);
  curl_easy_setopt (curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt (curl, CURLOPT_WRITEDATA, transfer);
  if (transfer->have > 0) {
    /* Not CURLOPT_RESUME_FROM: that takes a server which sends all of it for an error. */
    g_autofree char *range = g_strdup_printf ("%" G_GINT64_FORMAT "-", transfer->have);
    curl_easy_setopt (curl, CURLOPT_RANGE, range);
    if (transfer->etag) {
      g_autofree char *condition = g_strdup_printf ("If-Range: %s", transfer->etag);
      *headers = curl_slist_append (*headers, condition);
    }
  }
  curl_easy_setopt (curl, CURLOPT_HTTPHEADER, *headers);
  return curl;
}

/* The host that the connection was to: that of the last redirect. */
static char *
host_of (CURL *curl)
{
  char *address = NULL, *host = NULL;
  curl_easy_getinfo (curl, CURLINFO_EFFECTIVE_URL, &address);
  CURLU *parts = curl_url ();
  if (!address || curl_url_set (parts, CURLUPART_URL, address, 0) != CURLUE_OK ||
      curl_url_get (parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
    host = NULL;
  char *copy = g_strdup (host ? host : "the server");
  curl_free (host);
  curl_url_cleanup (parts);
  return copy;
}

static Try
judge_status (Transfer *transfer, const char *host)
{
  const long status = transfer->status;
  if (status == 416 && transfer->have > 0) { /* nothing comes after what is there */
    if (transfer->range_total != transfer->have)
      return start_over (transfer) ? TRY_AGAIN : TRY_FAILED;
    return check_length (transfer, transfer->have) ? TRY_DONE : TRY_FAILED;
  }
  if (status == 404 || status == 410)
    fail (transfer, CLIP_ERROR_NOT_FOUND, "%s has no such file (%ld)", host, status);
  else
    fail (transfer, CLIP_ERROR_IO, "%s answers with error %ld%s", host, status,
          status == 401 || status == 403 ? ": it may not be fetched without an account" : "");
  return status == 429 || status >= 500 ? TRY_AGAIN : TRY_FAILED;
}

static Try
judge (Transfer *transfer, CURL *curl, CURLcode code, const char *message)
{
  g_autofree char *host = host_of (curl);
  const char *reason = *message ? message : curl_easy_strerror (code);
  if (transfer->error)
    return TRY_FAILED;
  switch (code) {
  case CURLE_OK:
    if (!transfer->begun && !begin_body (transfer)) /* an empty file */
      return TRY_FAILED;
    if (transfer->whole < 0 || transfer->have == transfer->whole)
      return TRY_DONE;
    fail (transfer, CLIP_ERROR_IO,
          "%s stops after %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " bytes", host, transfer->have,
          transfer->whole);
    return TRY_AGAIN;
  case CURLE_HTTP_RETURNED_ERROR:
    return judge_status (transfer, host);
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_RESOLVE_PROXY:
  case CURLE_COULDNT_CONNECT:
    fail (transfer, CLIP_ERROR_IO,
          "%s cannot be reached (%s). Offline, get the file by other means, and put it at %s", host,
          reason, transfer->job->path);
    return TRY_FAILED;
  case CURLE_PARTIAL_FILE:
  case CURLE_RECV_ERROR:
  case CURLE_SEND_ERROR:
  case CURLE_GOT_NOTHING:
  case CURLE_OPERATION_TIMEDOUT:
  case CURLE_HTTP2:
  case CURLE_HTTP2_STREAM:
    fail (transfer, CLIP_ERROR_IO,
          "the connection to %s broke after %" G_GINT64_FORMAT
          " bytes (%s); what came is kept, the same command goes on with it",
          host, transfer->have, reason);
    return TRY_AGAIN;
  case CURLE_UNSUPPORTED_PROTOCOL:
    fail (transfer, CLIP_ERROR_IO, "%s sends on to an address that is not safe (https)", host);
    return TRY_FAILED;
  default:
    fail (transfer, CLIP_ERROR_IO, "%s", reason);
    return TRY_FAILED;
  }
}

static Try
try_once (Transfer *transfer)
{
  char message[CURL_ERROR_SIZE] = "";
  struct curl_slist *headers = NULL;
  CURL *curl = new_request (transfer, &headers, message);
  transfer->begun = FALSE;
  transfer->whole = -1;
  const Try result = judge (transfer, curl, curl_easy_perform (curl), message);
  curl_easy_cleanup (curl);
  curl_slist_free_all (headers);
  return result;
}

static gboolean
transfer_all (Transfer *transfer)
{
  if (transfer->have > 0 && transfer->have == transfer->job->size)
    return TRUE; /* all there, but for the name */
  for (guint idle = 0;;) {
    const gint64 before = transfer->have;
    const Try result = try_once (transfer);
    if (result != TRY_AGAIN)
      return result == TRY_DONE;
    idle = transfer->have > before ? 0 : idle + 1;
    if (idle == MAX_IDLE_TRIES)
      return FALSE;
    g_clear_error (&transfer->error);
    g_usleep (idle * G_USEC_PER_SEC / 2);
  }
}

/* ------------------------------------------------------------------------------------------------------------- the end */

static gboolean
verify (Transfer *transfer, DownloadResult *result)
{
  const char *expected = transfer->job->sha256 ? transfer->job->sha256 : transfer->linked_sha256;
  result->bytes = transfer->have;
  g_strlcpy (result->sha256, g_checksum_get_string (transfer->sum), sizeof result->sha256);
  result->verified = !expected               ? DOWNLOAD_UNVERIFIED
                     : transfer->job->sha256 ? DOWNLOAD_EXPECTED
                                             : DOWNLOAD_SERVER;
  if (!expected || g_str_equal (expected, result->sha256))
    return TRUE;
  transfer->spoiled = TRUE;
  return fail (transfer, CLIP_ERROR_FORMAT,
               "what came has the SHA-256 %s, expected %s%s; it was thrown away", result->sha256,
               expected, transfer->job->sha256 ? "" : " as the server says");
}

static gboolean
finish (Transfer *transfer)
{
  if (fsync (transfer->fd) != 0 || g_rename (transfer->part, transfer->job->path) != 0)
    return fail_disk (transfer, errno);
  g_unlink (transfer->etag_path);
  return TRUE;
}

static void
transfer_clear (Transfer *transfer)
{
  if (transfer->fd >= 0)
    close (transfer->fd);
  g_checksum_free (transfer->sum);
  g_free (transfer->part);
  g_free (transfer->etag_path);
  g_free (transfer->etag);
  g_free (transfer->answer_etag);
  g_free (transfer->linked_sha256);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Transfer, transfer_clear)

gboolean
download_run (const Download *download, DownloadResult *result, GError **error)
{
  static gsize prepared;
  if (g_once_init_enter (&prepared)) {
    curl_global_init (CURL_GLOBAL_DEFAULT);
    g_once_init_leave (&prepared, 1);
  }
  g_auto (Transfer) transfer = {
    .job = download,
    .part = g_strconcat (download->path, ".part", NULL),
    .etag_path = g_strconcat (download->path, ".part.etag", NULL),
    .fd = -1,
    .sum = g_checksum_new (G_CHECKSUM_SHA256),
    .linked_size = -1,
  };
  const gboolean ok = open_part (&transfer) && transfer_all (&transfer) &&
                      verify (&transfer, result) && finish (&transfer);
  if (!ok && transfer.fd >= 0 && (transfer.have == 0 || transfer.spoiled)) {
    g_unlink (transfer.part);
    g_unlink (transfer.etag_path);
  }
  if (!ok)
    g_propagate_error (error, g_steal_pointer (&transfer.error));
  return ok;
}
