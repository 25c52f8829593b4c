/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decoding: an image or video file becomes raw frames in a format the core reads.
 *
 * A still picture is one frame; the file's content tells (GStreamer's type finding), not its name. Decoding runs on
 * GStreamer's threads a few frames ahead of the reader.
 */
#pragma once
#include "core/clip.h"
#include <gst/gst.h>

typedef struct _Media Media;

/* Opens a file, or a URI ("https://…"), and starts decoding. NULL with @error where that is known to fail at once;
 * most failures show when frames are read. */
Media *media_open (const char *file, GError **error);
void media_close (Media *media);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Media, media_close)

gboolean media_is_still (const Media *media);

/* Returns: (transfer full): the next frame. NULL at the end; NULL with @error where the file is damaged: the frames
 * read before are what could be saved of it. A damaged still picture gives no frame. */
GstSample *media_read (Media *media, GError **error);

/* Time of a frame from the beginning of the video in nanoseconds; GST_CLOCK_TIME_NONE for a still picture. */
GstClockTime media_get_time (const Media *media, GstSample *sample);
/* How much of the file has been read, 0 … 1. */
double media_get_progress (const Media *media);

/* Media type of the file's first bytes, as type finding names it; NULL where they tell nothing. FALSE with @error where
 * the file cannot be read. */
gboolean media_sniff (const char *file, char **type, GError **error);
/* Whether some streaming thread of what is in @bin still has something to do. */
gboolean media_bin_is_running (GstBin *bin);
