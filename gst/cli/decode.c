/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Decoding: one GStreamer pipeline for each file.
 *
 *   still  filesrc ! DECODER ! videoconvert ! appsink      DECODER: a row of still_decoders, else decodebin
 *   video  uridecodebin ! videoconvert ! appsink
 *
 * videoconvert passes frames through untouched where the core reads their format, which is nearly always.
 *
 * JPEG pictures: the reference decodes with libjpeg's slow-but-accurate transform and its smooth ("fancy") chroma
 * upsampling. gdkpixbufdec does the same and gives the same bytes; jpegdec hands out the subsampled planes, whose
 * conversion to RGB differs by 0.8 grey levels on average with idct-method=islow, by 1.4 with its default. Measured on
 * 18 photos; decodebin would pick jpegdec, so the table below decides.
 */
#include "gst/cli/decode.h"
#include "gst/cli/whole.h"
#include "gst/frame.h"
#include <errno.h>
#include <gst/app/gstappsink.h>
#include <gst/base/gsttypefindhelper.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FRAMES_AHEAD 4          /* decoded and waiting: a 4K frame is 12 MB */
#define POLL (50 * GST_MSECOND) /* how soon an error is seen when no frame comes */
#define PATIENCE                                                                                   \
  (500 * GST_MSECOND)       /* how long a frame decoded before an error may take to arrive */
#define STILL_TIMEOUT 30    /* seconds; a decoder that takes longer for one picture hangs */
#define SNIFFED_BYTES 65536 /* enough for every type finder of pictures */

static const struct {
  const char *type;        /* media type, as type finding names it */
  const char *element;     /* must be installed */
  const char *description; /* in gst-launch syntax; NULL: pictures of this type are refused */
} still_decoders[] = {
  { "image/jpeg", "gdkpixbufdec", "gdkpixbufdec" },
  { "image/jpeg", "jpegdec", "jpegdec idct-method=islow" },
  { "image/png", "pngdec", "pngdec" },
  { "image/bmp", "gdkpixbufdec", "gdkpixbufdec" },
  { "image/tiff", "gdkpixbufdec", "gdkpixbufdec" },
  { "image/gif", "filesrc",
    NULL }, /* avdemux_gif, all there is, turns in circles at the end of the file */
};

struct _Media {
  char *file;
  gboolean remote; /* not a file of this machine */
  gboolean still, finished;
  GstElement *pipeline;
  GstAppSink *sink;
  GstBus *bus;
  guint64 n_read; /* frames */
  GError *error;  /* the first error of the pipeline */
  GError *damage; /* something is missing or was skipped; decoding goes on */
  GstClockTime duration, position;
};

/* ---------------------------------------------------------------------------------------------------------- opening */

gboolean
media_sniff (const char *file, char **type, GError **error)
{
  struct stat status;
  g_autofree guint8 *bytes = NULL;
  gsize length = 0;
  const char *problem = NULL;

  *type = NULL;
  FILE *stream = fopen (file, "rb");
  if (!stream || fstat (fileno (stream), &status) < 0)
    problem = g_strerror (errno);
  else if (S_ISDIR (status.st_mode))
    problem = "is a directory, expected an image or video";
  else if (S_ISREG (status.st_mode)) { /* a pipe could be read only once */
    bytes = g_malloc (SNIFFED_BYTES);
    length = fread (bytes, 1, SNIFFED_BYTES, stream);
    if (ferror (stream))
      problem = g_strerror (errno);
    else if (length == 0)
      problem = "is empty, expected an image or video";
  }
  if (stream)
    fclose (stream);
  if (problem) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: %s", file, problem);
    return FALSE;
  }
  if (length > 0) {
    g_autoptr (GstCaps) caps = gst_type_find_helper_for_data (NULL, bytes, length, NULL);
    if (caps)
      *type = g_strdup (gst_structure_get_name (gst_caps_get_structure (caps, 0)));
  }
  return TRUE;
}

static gboolean
is_installed (const char *element)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find (element);
  return factory != NULL;
}

/* How to decode pictures of @type, in gst-launch syntax; NULL: not at all. */
static const char *
still_decoder (const char *type)
{
  for (guint i = 0; i < G_N_ELEMENTS (still_decoders); i++)
    if (g_str_equal (type, still_decoders[i].type) && is_installed (still_decoders[i].element))
      return still_decoders[i].description;
  return "decodebin";
}

/* Streams beside the video are left as they are, unlinked. */
static gboolean
wants_decoding (GstElement *bin, GstPad *pad, GstCaps *caps, gpointer data)
{
  const char *type = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  return !g_str_has_prefix (type, "audio/") && !g_str_has_prefix (type, "text/");
}

/* All streams are known now. Nothing else would end a file of sound alone but an error of its source, which does not say why. */
static void
expect_video (GstElement *bin, gpointer convert)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (convert, "sink");
  if (!gst_pad_is_linked (pad))
    GST_ELEMENT_ERROR (bin, STREAM, WRONG_TYPE, ("there is no video in it"), (NULL));
}

/* Builds the pipeline and sets it going. A failure to start posts an error, which media_read () finds. */
static gboolean
start (Media *media, const char *decoder, GError **error)
{
  const char *tail = "videoconvert name=convert dither=none ! appsink name=sink sync=false "
                     "enable-last-sample=false";
  g_autofree char *head = media->still ? g_strdup_printf ("filesrc name=source ! %s", decoder)
                                       : g_strdup ("uridecodebin name=source");
  g_autofree char *description = g_strdup_printf ("%s ! %s", head, tail);
  media->pipeline = gst_parse_launch_full (description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  if (!media->pipeline) {
    g_prefix_error (error, "%s: ", media->file);
    return FALSE;
  }

  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (media->pipeline), "source");
  if (media->still) {
    g_object_set (source, "location", media->file, NULL);
  } else {
    g_autofree char *uri =
        media->remote ? g_strdup (media->file) : gst_filename_to_uri (media->file, error);
    if (!uri)
      return FALSE;
    g_object_set (source, "uri", uri, NULL);
    g_autoptr (GstElement) convert = gst_bin_get_by_name (GST_BIN (media->pipeline), "convert");
    g_signal_connect (source, "autoplug-continue", G_CALLBACK (wants_decoding), NULL);
    g_signal_connect (source, "no-more-pads", G_CALLBACK (expect_video), convert);
  }
  g_autoptr (GstCaps) caps = clip_frame_caps ();
  media->sink = GST_APP_SINK (gst_bin_get_by_name (GST_BIN (media->pipeline), "sink"));
  gst_app_sink_set_caps (media->sink, caps);
  gst_app_sink_set_max_buffers (media->sink, FRAMES_AHEAD);
  media->bus = gst_element_get_bus (media->pipeline);
  gst_element_set_state (media->pipeline, GST_STATE_PLAYING);
  return TRUE;
}

Media *
media_open (const char *file, GError **error)
{
  g_autofree char *type = NULL;
  g_autoptr (Media) media = g_new0 (Media, 1);
  media->file = g_strdup (file);
  media->remote = gst_uri_is_valid (file) && strstr (file, "://");
  media->duration = media->position = GST_CLOCK_TIME_NONE;

  if (!media->remote && !media_sniff (file, &type, error))
    return NULL;
  media->still = type && g_str_has_prefix (type, "image/");
  const char *decoder = media->still ? still_decoder (type) : NULL;
  if (media->still && !decoder) {
    g_set_error (error, CLIP_ERROR, CLIP_ERROR_UNSUPPORTED,
                 "%s: pictures of type %s cannot be decoded", file, type);
    return NULL;
  }
  if (type && !file_is_whole (file)) {
    g_set_error (&media->damage, CLIP_ERROR, CLIP_ERROR_FORMAT,
                 "%s: cut short: there is less data than its header says", file);
    if (media->still) {
      g_propagate_error (error, g_steal_pointer (&media->damage));
      return NULL;
    }
  }
  return start (media, decoder, error) ? g_steal_pointer (&media) : NULL;
}

void
media_close (Media *media)
{
  if (media->pipeline)
    gst_element_set_state (media->pipeline, GST_STATE_NULL);
  g_clear_object (&media->bus);
  g_clear_object (&media->sink);
  g_clear_object (&media->pipeline);
  g_clear_error (&media->error);
  g_clear_error (&media->damage);
  g_free (media->file);
  g_free (media);
}

gboolean
media_is_still (const Media *media)
{
  return media->still;
}

/* ---------------------------------------------------------------------------------------------------------- reading */

/* "FILE: what GStreamer says (the last line of its details)" */
static void
keep_message (Media *media, GError **kept, GError *error, const char *debug)
{
  if (*kept)
    return;
  const char *detail = debug ? strrchr (debug, '\n') : NULL;
  g_set_error (kept, CLIP_ERROR, CLIP_ERROR_FORMAT, detail && detail[1] ? "%s: %s (%s)" : "%s: %s",
               media->file, error->message, detail ? detail + 1 : "");
}

/* Takes all messages off the bus, so that a long video does not pile them up. */
static void
read_bus (Media *media)
{
  GstMessage *message;
  while ((message = gst_bus_pop_filtered (media->bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING))) {
    g_autoptr (GError) error = NULL;
    g_autofree char *debug = NULL;
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      gst_message_parse_error (message, &error, &debug);
      keep_message (media, &media->error, error, debug);
    } else {
      gst_message_parse_warning (message, &error, &debug);
      if (g_error_matches (error, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE) ||
          g_error_matches (error, GST_STREAM_ERROR, GST_STREAM_ERROR_DEMUX))
        keep_message (media, &media->damage, error, debug);
    }
    gst_message_unref (message);
  }
}

gboolean
media_bin_is_running (GstBin *bin)
{
  gboolean running = FALSE;
  GValue item = G_VALUE_INIT, pad = G_VALUE_INIT;
  g_autoptr (GstIterator) elements = gst_bin_iterate_recurse (bin);

  while (!running && gst_iterator_next (elements, &item) == GST_ITERATOR_OK) {
    g_autoptr (GstIterator) pads = gst_element_iterate_pads (g_value_get_object (&item));
    while (!running && gst_iterator_next (pads, &pad) == GST_ITERATOR_OK) {
      running = gst_pad_get_task_state (g_value_get_object (&pad)) == GST_TASK_STARTED;
      g_value_reset (&pad);
    }
    g_value_reset (&item);
  }
  g_value_unset (&item);
  g_value_unset (&pad);
  return running;
}

/*
 * The next frame, or NULL at the end or after an error.
 *
 * decodebin drops the error of a demuxer that fails while it is being plugged in (it takes that for one more element
 * that does not fit, and waits for streams for ever). What is left is a pipeline in which no thread runs; seen at two
 * polls, before any frame has come, it stands for that error. Other sources than files may have threads of their own.
 */
static GstSample *
pull (Media *media)
{
  guint idle_polls = 0;
  gint64 deadline =
      media->still ? g_get_monotonic_time () + STILL_TIMEOUT * G_USEC_PER_SEC : G_MAXINT64;
  for (;;) {
    gboolean failed = media->error != NULL;
    GstSample *sample = gst_app_sink_try_pull_sample (media->sink, failed ? PATIENCE : POLL);
    read_bus (media);
    if (sample)
      return sample;
    if (failed || gst_app_sink_is_eos (media->sink))
      return NULL;
    idle_polls =
        media->remote || media->n_read > 0 || media_bin_is_running (GST_BIN (media->pipeline))
            ? 0
            : idle_polls + 1;
    if (!media->error && g_get_monotonic_time () > deadline)
      g_set_error (&media->error, CLIP_ERROR, CLIP_ERROR_FORMAT, "%s: not decoded within %d s",
                   media->file, STILL_TIMEOUT);
    if (!media->error && idle_polls == 2)
      g_set_error (&media->error, CLIP_ERROR, CLIP_ERROR_FORMAT, "%s: nothing in it can be decoded",
                   media->file);
  }
}

GstSample *
media_read (Media *media, GError **error)
{
  g_autoptr (GstSample) sample = media->finished ? NULL : pull (media);
  if (sample && media->still) {
    /* one frame; that it is a whole one shows only when the decoder has read on */
    GstSample *second = pull (media);
    g_clear_pointer (&second, gst_sample_unref);
    media->finished = TRUE;
    if (media->error)
      g_clear_pointer (&sample, gst_sample_unref);
  }
  if (!sample && media->n_read == 0 && !media->error)
    g_set_error (&media->error, CLIP_ERROR, CLIP_ERROR_FORMAT, "%s: no frame of it can be decoded",
                 media->file);
  if (sample) {
    gint64 duration;
    media->n_read++;
    media->position = media_get_time (media, sample);
    if (!GST_CLOCK_TIME_IS_VALID (media->duration) &&
        gst_element_query_duration (media->pipeline, GST_FORMAT_TIME, &duration) && duration > 0)
      media->duration = duration;
    return g_steal_pointer (&sample);
  }
  media->finished = TRUE;
  if (media->error || media->damage)
    g_propagate_error (error, g_error_copy (media->error ? media->error : media->damage));
  return NULL;
}

GstClockTime
media_get_time (const Media *media, GstSample *sample)
{
  if (media->still)
    return GST_CLOCK_TIME_NONE;
  GstClockTime pts = GST_BUFFER_PTS (gst_sample_get_buffer (sample));
  GstClockTime time =
      gst_segment_to_stream_time (gst_sample_get_segment (sample), GST_FORMAT_TIME, pts);
  return GST_CLOCK_TIME_IS_VALID (time) ? time : pts;
}

double
media_get_progress (const Media *media)
{
  if (media->finished)
    return 1;
  if (!GST_CLOCK_TIME_IS_VALID (media->position))
    return 0;
  return GST_CLOCK_TIME_IS_VALID (media->duration)
             ? MIN (1.0, (double) media->position / media->duration)
             : 0;
}
