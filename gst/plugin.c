/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gst/clipclassify.h"
#include "gst/clipmeta.h"
#include "gst/clipoverlay.h"
#include "gst/cliptext.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  /* So that a program finds the meta by its name even where it reads buffers without
   * libgstclipmeta. */
  clip_meta_get_info ();
  gboolean ok =
      GST_ELEMENT_REGISTER (clipclassify, plugin) && GST_ELEMENT_REGISTER (cliptext, plugin);
#ifdef HAVE_OVERLAY
  ok = ok && GST_ELEMENT_REGISTER (clipoverlay, plugin);
#endif
  return ok;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, clip,
                   "Zero-shot labels and embeddings of video with CLIP", plugin_init, VERSION,
                   "LGPL", PACKAGE, "https://gstreamer.freedesktop.org")
