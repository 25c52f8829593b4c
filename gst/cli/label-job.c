/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * file → sidecars
 *
 *   filesrc ! parsebin ┬ video ─ tee ┬ decodebin ! queue ! videoconvert ! clipclassify ! tee ┬ cliptext ! filesink
 *                      │             └ queue ─┐                                              └ cliptext ! queue ─┐
 *                      └ sound … ─ queue ─────┴ matroskamux ! filesink ◀───────────────────────────────────────────┘
 *
 * The lower half is there for a copy only. Files are written as ".NAME.part" and renamed when all of them are
 * complete: a file of the final name is a whole one, whenever the program ends.
 *
 * clipclassify chooses frames by its max-rate; frames between are decoded, which costs little, as others refer to
 * them. Where only keyframes are wanted, the others are dropped before the decoder.
 */
#include "gst/cli/label-job.h"
#include "gst/cli/decode.h"
#include "gst/cli/labelling.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"
#include "gst/cli/whole.h"
#include <errno.h>
#include <glib/gstdio.h>

const LabelOutput label_json = { "json", ".jsonl", "application/x-json" },
                  label_vtt = { "vtt", ".vtt", "application/x-subtitle-vtt" },
                  label_csv = { "csv", ".csv", "text/csv" },
                  label_copy = { NULL, ARCHIVE_COPY_SUFFIX,
                                 "text/x-raw,format=utf8 ! queue ! matroskamux name=mux" };

/* A copy waits for its labels: encoded streams meanwhile pile up, by as much as decoders hold back and half a second of
 * text. 128 MiB are 5 s at 200 Mbit/s. */
#define COPY_QUEUE "queue max-size-buffers=0 max-size-time=0 max-size-bytes=134217728"
#define POLL 500 /* ms */
#define NO_VIDEO "there is no video in it"

struct _LabelJob {
  const LabelPlan *plan;
  const ArchiveItem *item;
  LabelDoneFunc func;
  gpointer data;

  GstElement *pipeline, *classify;
  char **parts;   /* names while writing, as plan->outputs */
  GError *error;  /* the first */
  GError *damage; /* something is missing or was skipped; the rest goes on */
  GstClockTime duration;
  guint bus_watch, poll, idle_polls;

  gint frames;  /* (atomic): whether any came out of clipclassify */
  gint streams; /* (atomic): of the file, found so far */
};

/* ------------------------------------------------------------------------------------------------------------- streams */

static gboolean
link_to (GstPad *pad, GstElement *element)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  return !gst_pad_is_linked (sink) && gst_pad_link (pad, sink) == GST_PAD_LINK_OK;
}

/* Sound, further videos and subtitles go into the copy as they are, where Matroska takes them. */
static void
copy_stream (LabelJob *job, GstElement *mux, GstPad *pad)
{
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);
  g_autoptr (GstPad) wanted = gst_element_get_compatible_pad (mux, pad, caps);
  GstElement *queue = gst_parse_bin_from_description (COPY_QUEUE, TRUE, NULL);
  gst_bin_add (GST_BIN (job->pipeline), queue);
  gst_element_sync_state_with_parent (queue);
  g_autoptr (GstPad) source = gst_element_get_static_pad (queue, "src");
  if (!wanted || gst_pad_link (source, wanted) != GST_PAD_LINK_OK || !link_to (pad, queue)) {
    if (wanted)
      gst_element_release_request_pad (mux, wanted);
    gst_element_set_state (queue, GST_STATE_NULL);
    gst_bin_remove (GST_BIN (job->pipeline), queue);
    GST_ELEMENT_WARNING (mux, STREAM, MUX,
                         ("a stream is not in the copy: Matroska has no %s",
                          gst_structure_get_name (gst_caps_get_structure (caps, 0))),
                         (NULL));
  }
}

static void
stream_found (GstElement *parse, GstPad *pad, LabelJob *job)
{
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);
  const char *type = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  const gboolean is_video = g_str_has_prefix (type, "video/") || g_str_has_prefix (type, "image/");
  g_autoptr (GstElement) video = gst_bin_get_by_name (GST_BIN (job->pipeline), "video");
  g_autoptr (GstElement) mux = gst_bin_get_by_name (GST_BIN (job->pipeline), "mux");
  g_atomic_int_inc (&job->streams);
  if (!(is_video && link_to (pad, video)) && mux)
    copy_stream (job, mux, pad);
}

static gboolean
has_video (LabelJob *job)
{
  g_autoptr (GstElement) video = gst_bin_get_by_name (GST_BIN (job->pipeline), "video");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (video, "sink");
  return gst_pad_is_linked (pad);
}

static void
frames_found (GstElement *decode, GstPad *pad, GstElement *frames)
{
  link_to (pad, frames);
}

static GstPadProbeReturn
drop_others (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  return GST_BUFFER_FLAG_IS_SET (GST_PAD_PROBE_INFO_BUFFER (info), GST_BUFFER_FLAG_DELTA_UNIT)
             ? GST_PAD_PROBE_DROP
             : GST_PAD_PROBE_OK;
}

/* Where only keyframes are wanted: before each decoder of video, whichever it is. */
static void
element_added (GstBin *bin, GstBin *parent, GstElement *element, gpointer data)
{
  GstElementFactory *factory = gst_element_get_factory (element);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "sink");
  if (pad && factory &&
      gst_element_factory_list_is_type (factory, GST_ELEMENT_FACTORY_TYPE_DECODER |
                                                     GST_ELEMENT_FACTORY_TYPE_MEDIA_VIDEO) &&
      !GST_IS_BIN (element))
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, drop_others, NULL, NULL);
}

static GstPadProbeReturn
see_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  LabelJob *job = data;
  g_atomic_int_set (&job->frames, 1);
  return GST_PAD_PROBE_REMOVE;
}

/* ------------------------------------------------------------------------------------------------------------ pipeline */

static char *
describe (const LabelPlan *plan)
{
  GString *text = g_string_new (
      "filesrc name=file ! parsebin name=parse "
      "decodebin name=decode "
      "queue name=frames max-size-buffers=4 max-size-bytes=0 max-size-time=0 ! "
      "videoconvert name=convert dither=none ! clipclassify name=clipclassify mode=inline "
      "messages=false ! tee name=labels ");
  gboolean copy = FALSE;
  for (guint i = 0; plan->outputs[i]; i++) {
    copy |= plan->outputs[i] == &label_copy;
    g_string_append_printf (text,
                            "labels. ! cliptext events=%s ! %s ! filesink name=sink%u async=false ",
                            plan->events ? "true" : "false", plan->outputs[i]->tail, i);
  }
  g_string_append (text, copy ? "tee name=video ! " COPY_QUEUE " ! mux. video. ! decode."
                              : "identity name=video ! decode.");
  return g_string_free (text, FALSE);
}

static gboolean
make_folder (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  if (g_mkdir_with_parents (folder, 0777) == 0)
    return TRUE;
  g_set_error (error, CLIP_ERROR, CLIP_ERROR_IO, "%s: %s", folder, g_strerror (errno));
  return FALSE;
}

static void
name_parts (LabelJob *job)
{
  guint n = 0;
  while (job->plan->outputs[n])
    n++;
  job->parts = g_new0 (char *, n + 1);
  g_autofree char *folder = g_path_get_dirname (job->item->stem);
  g_autofree char *base = g_path_get_basename (job->item->stem);
  for (guint i = 0; i < n; i++) {
    g_autofree char *name = g_strconcat (".", base, job->plan->outputs[i]->suffix, ".part", NULL);
    g_autofree char *sink_name = g_strdup_printf ("sink%u", i);
    job->parts[i] = g_build_filename (folder, name, NULL);
    g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (job->pipeline), sink_name);
    g_object_set (sink, "location", job->parts[i], NULL);
  }
}

static void
configure (LabelJob *job)
{
  job->classify = gst_bin_get_by_name (GST_BIN (job->pipeline), "clipclassify");
  labelling_configure (job->classify);
  options_configure (job->classify, job->plan->threads);
  if (job->plan->every > 0) {
    int numerator, denominator;
    gst_util_double_to_fraction (1 / job->plan->every, &numerator, &denominator);
    g_object_set (job->classify, "max-rate", numerator, denominator, NULL);
  }
  g_autoptr (GstPad) pad = gst_element_get_static_pad (job->classify, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, see_frame, job, NULL);
}

static void
connect_streams (LabelJob *job)
{
  GstBin *bin = GST_BIN (job->pipeline);
  g_autoptr (GstElement) file = gst_bin_get_by_name (bin, "file");
  g_autoptr (GstElement) parse = gst_bin_get_by_name (bin, "parse");
  g_autoptr (GstElement) decode = gst_bin_get_by_name (bin, "decode");
  g_autoptr (GstElement) frames = gst_bin_get_by_name (bin, "frames");
  g_object_set (file, "location", job->item->file, NULL);
  g_signal_connect (parse, "pad-added", G_CALLBACK (stream_found), job);
  g_signal_connect_object (decode, "pad-added", G_CALLBACK (frames_found), frames, 0);
  if (job->plan->keyframes)
    g_signal_connect (decode, "deep-element-added", G_CALLBACK (element_added), NULL);
}

/* ----------------------------------------------------------------------------------------------------------- the end */

static void
remove_parts (LabelJob *job)
{
  for (guint i = 0; job->parts && job->parts[i]; i++)
    g_unlink (job->parts[i]);
}

static void
rename_parts (LabelJob *job)
{
  for (guint i = 0; job->parts[i] && !job->error; i++) {
    g_autofree char *path = g_strconcat (job->item->stem, job->plan->outputs[i]->suffix, NULL);
    if (g_rename (job->parts[i], path) < 0)
      g_set_error (&job->error, CLIP_ERROR, CLIP_ERROR_IO, "%s: %s", path, g_strerror (errno));
  }
}

static void
stop (LabelJob *job)
{
  g_clear_handle_id (&job->bus_watch, g_source_remove);
  g_clear_handle_id (&job->poll, g_source_remove);
  if (job->pipeline)
    gst_element_set_state (job->pipeline, GST_STATE_NULL);
}

static void
finish (LabelJob *job)
{
  gint64 duration;
  if (job->pipeline && gst_element_query_duration (job->classify, GST_FORMAT_TIME, &duration))
    job->duration = (GstClockTime) duration;
  stop (job);
  if (!job->error && !g_atomic_int_get (&job->frames))
    g_set_error (&job->error, CLIP_ERROR, CLIP_ERROR_FORMAT, "%s: no frame of it can be decoded",
                 job->item->file);
  if (!job->error)
    rename_parts (job);
  if (job->error)
    remove_parts (job);
  if (!job->error && !job->damage && !file_is_whole (job->item->file))
    g_set_error (&job->damage, CLIP_ERROR, CLIP_ERROR_FORMAT,
                 "%s: cut short: there is less data than its header says", job->item->file);
  job->func (job, job->error, job->damage, job->data);
}

/* "FILE: what GStreamer says (the last line of its details)" */
static void
keep_message (LabelJob *job, GError **kept, GError *error, const char *debug)
{
  const char *detail = debug ? strrchr (debug, '\n') : NULL;
  if (!*kept)
    g_set_error (kept, CLIP_ERROR, CLIP_ERROR_FORMAT,
                 detail && detail[1] ? "%s: %s (%s)" : "%s: %s", job->item->file, error->message,
                 detail ? detail + 1 : "");
}

/* What clipclassify says of labels, it says for each video. */
static void
warn_once (const char *text)
{
  static GHashTable *said = NULL;
  if (!said)
    said = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  if (g_hash_table_add (said, g_strdup (text)))
    terminal_warn ("%s", text);
}

static gboolean
message_came (GstBus *bus, GstMessage *message, gpointer data)
{
  LabelJob *job = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;
  switch (GST_MESSAGE_TYPE (message)) {
  case GST_MESSAGE_EOS:
    job->bus_watch = 0;
    finish (job);
    return G_SOURCE_REMOVE;
  case GST_MESSAGE_ERROR:
    gst_message_parse_error (message, &error, &debug);
    if (g_atomic_int_get (&job->streams) && !has_video (job)) /* "not linked", by its source */
      g_set_error (&job->error, CLIP_ERROR, CLIP_ERROR_FORMAT, "%s: " NO_VIDEO, job->item->file);
    keep_message (job, &job->error, error, debug);
    job->bus_watch = 0;
    finish (job);
    return G_SOURCE_REMOVE;
  case GST_MESSAGE_WARNING:
    gst_message_parse_warning (message, &error, &debug);
    if (error->domain == GST_STREAM_ERROR) /* damage; or a stream that is not in the copy */
      keep_message (job, &job->damage, error, debug);
    else
      warn_once (error->message);
    return G_SOURCE_CONTINUE;
  default:
    return G_SOURCE_CONTINUE;
  }
}

/*
 * What no message tells, at two polls in a row.
 *
 * parsebin, as decodebin, drops the error of a demuxer that fails while it is plugged in, and waits for ever: no thread
 * runs, though no stream was found. Streams are found all at once; where video is not among them, whether there is an
 * error depends on which thread is first.
 */
static const char *
find_hopelessness (LabelJob *job)
{
  g_autoptr (GstElement) parse = gst_bin_get_by_name (GST_BIN (job->pipeline), "parse");
  g_autoptr (GstElement) file = gst_bin_get_by_name (GST_BIN (job->pipeline), "file");
  g_autoptr (GstPad) source = gst_element_get_static_pad (file, "src");
  if (g_atomic_int_get (&job->streams))
    return NO_VIDEO;
  const gboolean running =
      media_bin_is_running (GST_BIN (parse)) || gst_pad_get_task_state (source) == GST_TASK_STARTED;
  return running ? NULL : "nothing in it can be decoded";
}

static gboolean
watch_hope (gpointer data)
{
  LabelJob *job = data;
  if (has_video (job)) {
    job->poll = 0;
    return G_SOURCE_REMOVE;
  }
  const char *problem = find_hopelessness (job);
  job->idle_polls = problem ? job->idle_polls + 1 : 0;
  if (job->idle_polls < 2)
    return G_SOURCE_CONTINUE;
  job->poll = 0;
  g_set_error (&job->error, CLIP_ERROR, CLIP_ERROR_FORMAT, "%s: %s", job->item->file, problem);
  finish (job);
  return G_SOURCE_REMOVE;
}

static gboolean
fail_early (gpointer data)
{
  LabelJob *job = data;
  job->poll = 0;
  finish (job);
  return G_SOURCE_REMOVE;
}

LabelJob *
label_job_new (const LabelPlan *plan, const ArchiveItem *item, LabelDoneFunc func, gpointer data)
{
  LabelJob *job = g_new0 (LabelJob, 1);
  g_autofree char *description = describe (plan), *type = NULL;
  job->plan = plan;
  job->item = item;
  job->func = func;
  job->data = data;
  job->duration = GST_CLOCK_TIME_NONE;
  if (media_sniff (item->file, &type, &job->error) && make_folder (item->stem, &job->error))
    job->pipeline =
        gst_parse_launch_full (description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &job->error);
  if (!job->pipeline) {
    job->poll = g_idle_add (fail_early, job);
    return job;
  }
  configure (job);
  name_parts (job);
  connect_streams (job);
  g_autoptr (GstBus) bus = gst_element_get_bus (job->pipeline);
  job->bus_watch = gst_bus_add_watch (bus, message_came, job);
  job->poll = g_timeout_add (POLL, watch_hope, job);
  gst_element_set_state (job->pipeline, GST_STATE_PLAYING);
  return job;
}

void
label_job_free (LabelJob *job)
{
  stop (job);
  remove_parts (job);
  g_clear_object (&job->classify);
  g_clear_object (&job->pipeline);
  g_strfreev (job->parts);
  g_clear_error (&job->error);
  g_clear_error (&job->damage);
  g_free (job);
}

/* ------------------------------------------------------------------------------------------------------------- queries */

const ArchiveItem *
label_job_item (const LabelJob *job)
{
  return job->item;
}

double
label_job_progress (LabelJob *job)
{
  gint64 position, duration;
  if (!job->classify || !gst_element_query_position (job->classify, GST_FORMAT_TIME, &position) ||
      !gst_element_query_duration (job->classify, GST_FORMAT_TIME, &duration) || duration <= 0)
    return 0;
  return CLAMP ((double) position / (double) duration, 0, 1);
}

GstClockTime
label_job_duration (const LabelJob *job)
{
  return job->duration;
}
