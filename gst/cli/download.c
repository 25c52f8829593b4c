/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Downloading with libcurl:
 *
 *   request     bytes from where PATH.part ends, if they are of the version it is of (Range, If-Range)
 *   answer      206, the rest, or 200, all of it; how long that is: compared with what is expected, and with the room on the disk
 *   body        to PATH.part; a connection that breaks is opened anew for the rest, as long as that brings something
 *   SHA-256     compared; PATH.part becomes PATH
 *
 * What huggingface.co sends along when it sends on to where a large file lies (X-Linked-Etag, X-Linked-Size) is its SHA-256
 * and length.
 */
#include "gst/cli/download.h"
#include "core/clip.h"
#include "gst/cli/part.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REDIRECTS 10L
#define MAX_IDLE_TRIES 3 /* in a row that bring nothing */

typedef struct {
  const Download *job;
  Part part;

  /* what the last answer said; -1: nothing */
  long status;
  gint64 length, range_start, range_total;
  char *etag;
  /* and what any of them did */
  gint64 linked_size;
  char *linked_sha256;

  gboolean begun;   /* the answer was looked at, its body is being written */
  gboolean changed; /* it is the rest of another version than what is there */
  gint64 whole;     /* length of the whole file; -1: nobody says */
  GError *error;
  gboolean spoiled; /* what came is of no use */
} Transfer;

static gboolean fail (Transfer *transfer, int code, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* Names the address that was asked for: those it is sent on to are long and soon invalid. */
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

/* "bytes 5-9/10", or, where there are no such bytes, an asterisk in place of the numbers before the slash */
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

static void
read_header (Transfer *transfer, const char *name, const char *value)
{
  if (!g_ascii_strcasecmp (name, "content-length")) {
    transfer->length = to_number (value);
  } else if (!g_ascii_strcasecmp (name, "content-range")) {
    read_content_range (transfer, value);
  } else if (!g_ascii_strcasecmp (name, "etag")) {
    g_free (transfer->etag);
    transfer->etag = g_strdup (value);
  } else if (!g_ascii_strcasecmp (name, "x-linked-size")) {
    transfer->linked_size = to_number (value);
  } else if (!g_ascii_strcasecmp (name, "x-linked-etag") && !transfer->linked_sha256) {
    const char *start = value + (*value == '"');
    g_autofree char *bare = g_strndup (start, strcspn (start, "\""));
    if (is_sha256 (bare))
      transfer->linked_sha256 = g_steal_pointer (&bare);
  }
}

static gsize
on_header (char *text, gsize size, gsize n, gpointer data)
{
  Transfer *transfer = data;
  g_autofree char *line = g_strstrip (g_strndup (text, size * n));
  char *colon = strchr (line, ':');
  if (g_str_has_prefix (line, "HTTP/")) { /* another answer */
    const char *blank = strchr (line, ' ');
    transfer->status = blank ? strtol (blank, NULL, 10) : 0;
    transfer->length = transfer->range_start = transfer->range_total = -1;
    g_clear_pointer (&transfer->etag, g_free);
  } else if (colon) {
    *colon = '\0';
    read_header (transfer, line, g_strstrip (colon + 1));
  }
  return size * n;
}

/* ------------------------------------------------------------------------------------------------------------ the body */

/* -1: nobody says */
static gint64
expected_size (const Transfer *transfer)
{
  return transfer->job->size >= 0 ? transfer->job->size : transfer->linked_size;
}

/* @announced: -1 where the server does not say */
static gboolean
check_size (Transfer *transfer, gint64 announced)
{
  const gint64 expected = expected_size (transfer), most = transfer->job->most;
  if (expected >= 0 && announced >= 0 && expected != announced)
    return fail (transfer, CLIP_ERROR_FORMAT,
                 "is %" G_GINT64_FORMAT " bytes long, expected %" G_GINT64_FORMAT, announced,
                 expected);
  if (most > 0 && MAX (expected, announced) > most)
    return fail (transfer, CLIP_ERROR_FORMAT,
                 "is %" G_GINT64_FORMAT " bytes long, expected at most %" G_GINT64_FORMAT,
                 MAX (expected, announced), most);
  if (expected < 0 && announced < 0 && most <= 0)
    return fail (transfer, CLIP_ERROR_IO, "the server does not say how long it is");
  return TRUE;
}

/* FALSE with @changed: what comes cannot be added to what is there, which is forgotten. */
static gboolean
begin_body (Transfer *transfer)
{
  Part *part = &transfer->part;
  const gboolean is_rest = transfer->status == 206;
  if (is_rest && transfer->range_start != part->have)
    return fail (transfer, CLIP_ERROR_IO,
                 "the server sends bytes from %" G_GINT64_FORMAT
                 " on, asked for those from %" G_GINT64_FORMAT " on",
                 transfer->range_start, part->have);
  transfer->changed = is_rest && part->etag && g_strcmp0 (part->etag, transfer->etag);
  const gint64 announced = is_rest ? transfer->range_total : transfer->length;
  if (!check_size (transfer, announced) ||
      ((!is_rest || transfer->changed) && !part_start_over (part, &transfer->error)))
    return FALSE;
  part_set_etag (part, transfer->changed ? NULL : transfer->etag);
  transfer->whole = MAX (expected_size (transfer), announced);
  transfer->begun = TRUE;
  return !transfer->changed &&
         part_check_room (part, transfer->whole - part->have, &transfer->error);
}

static gsize
on_body (char *bytes, gsize size, gsize n, gpointer data)
{
  Transfer *transfer = data;
  Part *part = &transfer->part;
  const gsize length = size * n;
  if (!transfer->begun && !begin_body (transfer))
    return 0;
  const gint64 limit = transfer->whole >= 0 ? transfer->whole : transfer->job->most;
  if ((gint64) length > limit - part->have) {
    fail (transfer, CLIP_ERROR_FORMAT, "more comes than the %" G_GINT64_FORMAT " bytes expected",
          limit);
    transfer->spoiled = TRUE;
    return 0;
  }
  if (!part_write (part, bytes, length, &transfer->error))
    return 0;
  if (transfer->job->progress && transfer->whole > 0)
    transfer->job->progress ((double) part->have / transfer->whole, transfer->job->data);
  return length;
}

/* --------------------------------------------------------------------------------------------------------- the request */

typedef enum {
  TRY_DONE,
  TRY_AGAIN, /* the connection broke, or the server is busy: the error says how */
  TRY_FAILED,
} Try;

/* The library has the system's; what the program curl takes from the environment it does not look at. */
static const char *
authorities (void)
{
  const char *bundle = g_getenv ("CURL_CA_BUNDLE");
  return bundle ? bundle : g_getenv ("SSL_CERT_FILE");
}

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
  if (authorities ())
    curl_easy_setopt (curl, CURLOPT_CAINFO, authorities ());
  curl_easy_setopt (curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt (curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's answer */
  curl_easy_setopt (curl, CURLOPT_USERAGENT, "gst-clip/" GST_CLIP_VERSION);
  curl_easy_setopt (curl, CURLOPT_CONNECTTIMEOUT, (long) job->timeout);
  curl_easy_setopt (curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt (curl, CURLOPT_LOW_SPEED_TIME, (long) job->timeout);
  curl_easy_setopt (curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt (curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt (curl, CURLOPT_HEADERDATA, transfer);
  curl_easy_setopt (curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt (curl, CURLOPT_WRITEDATA, transfer);
  if (transfer->part.have > 0) {
    /* Not CURLOPT_RESUME_FROM: that takes a server which sends all of it for an error. */
    g_autofree char *range = g_strdup_printf ("%" G_GINT64_FORMAT "-", transfer->part.have);
    curl_easy_setopt (curl, CURLOPT_RANGE, range);
    if (transfer->part.etag) {
      g_autofree char *condition = g_strdup_printf ("If-Range: %s", transfer->part.etag);
      *headers = curl_slist_append (*headers, condition);
    }
  }
  curl_easy_setopt (curl, CURLOPT_HTTPHEADER, *headers);
  return curl;
}

/* The host that the connection was to, which may be one it was sent on to. */
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
  Part *part = &transfer->part;
  if (status == 416 && part->have > 0) { /* nothing comes after what is there */
    if (transfer->range_total != part->have)
      return part_start_over (part, &transfer->error) ? TRY_AGAIN : TRY_FAILED;
    return check_size (transfer, part->have) ? TRY_DONE : TRY_FAILED;
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
  const Part *part = &transfer->part;
  if (code == CURLE_OK && !transfer->begun) /* an empty file */
    begin_body (transfer);
  if (transfer->error)
    return TRY_FAILED;
  if (transfer->changed)
    return TRY_AGAIN;
  switch (code) {
  case CURLE_OK:
    if (transfer->whole < 0 || part->have == transfer->whole)
      return TRY_DONE;
    fail (transfer, CLIP_ERROR_IO,
          "%s stops after %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " bytes", host, part->have,
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
          host, part->have, reason);
    return TRY_AGAIN;
  case CURLE_UNSUPPORTED_PROTOCOL:
    fail (transfer, CLIP_ERROR_IO, "%s sends on to an address that is not https", host);
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
  transfer->begun = transfer->changed = FALSE;
  transfer->whole = -1;
  const Try result = judge (transfer, curl, curl_easy_perform (curl), message);
  curl_easy_cleanup (curl);
  curl_slist_free_all (headers);
  return result;
}

static gboolean
transfer_all (Transfer *transfer)
{
  const Part *part = &transfer->part;
  if (part->have > 0 && part->have == transfer->job->size)
    return TRUE; /* all there, but for the name */
  for (guint idle = 0;;) {
    const gint64 before = part->have;
    const Try result = try_once (transfer);
    if (result != TRY_AGAIN)
      return result == TRY_DONE;
    idle = part->have > before ? 0 : idle + 1;
    if (idle == MAX_IDLE_TRIES)
      return fail (transfer, CLIP_ERROR_IO, "it changes while it is fetched");
    g_clear_error (&transfer->error);
    g_usleep (idle * G_USEC_PER_SEC / 2);
  }
}

static gboolean
verify (Transfer *transfer, DownloadResult *result)
{
  const gboolean known = transfer->job->sha256 != NULL;
  const char *expected = known ? transfer->job->sha256 : transfer->linked_sha256;
  result->bytes = transfer->part.have;
  g_strlcpy (result->sha256, g_checksum_get_string (transfer->part.sum), sizeof result->sha256);
  result->verified = !expected ? DOWNLOAD_UNVERIFIED : known ? DOWNLOAD_EXPECTED : DOWNLOAD_SERVER;
  if (!expected || g_str_equal (expected, result->sha256))
    return TRUE;
  transfer->spoiled = TRUE;
  return fail (transfer, CLIP_ERROR_FORMAT,
               "what came has the SHA-256 %s, expected %s%s; it was thrown away", result->sha256,
               expected, known ? "" : " as the server says");
}

gboolean
download_run (const Download *download, DownloadResult *result, GError **error)
{
  static gsize prepared;
  if (g_once_init_enter (&prepared)) {
    curl_global_init (CURL_GLOBAL_DEFAULT);
    g_once_init_leave (&prepared, 1);
  }
  Transfer transfer = { .job = download, .linked_size = -1 };
  Part *part = &transfer.part;
  const gboolean ok =
      part_open (part, download->path, download->sha256 != NULL, download->size, &transfer.error) &&
      transfer_all (&transfer) && verify (&transfer, result) &&
      part_finish (part, download->path, &transfer.error);
  if (!ok && (transfer.spoiled || part->have == 0))
    part_discard (part);
  if (!ok)
    g_propagate_error (error, transfer.error);
  part_clear (part);
  g_free (transfer.etag);
  g_free (transfer.linked_sha256);
  return ok;
}
