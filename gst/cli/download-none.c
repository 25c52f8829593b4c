/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In place of download.c where libcurl is not there. */
#include "core/clip.h"
#include "gst/cli/download.h"

gboolean
download_run (const Download *download, DownloadResult *result, GError **error)
{
  g_set_error (
      error, CLIP_ERROR, CLIP_ERROR_UNSUPPORTED,
      "this gst-clip was built without libcurl (meson setup -Dfetch=enabled): get %s by other "
      "means, and put it at %s",
      download->address, download->path);
  return FALSE;
}
