/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints the labels of a video's frames, and how much each frame differs from the one before:
 *
 *   read-labels VIDEO "a car;an empty road" [MODEL]
 *
 * Built with: cc read-labels.c $(pkg-config --cflags --libs gstclipmeta)
 */
#include <gst/clipmeta.h>

/* One minus the cosine: embeddings have unit length. */
static double
difference (const ClipMeta *a, const ClipMeta *b)
{
  double cosine = 0;
  for (guint i = 0; i < MIN (a->n_embedding, b->n_embedding); i++)
    cosine += (double) a->embedding[i] * b->embedding[i];
  return 1 - cosine;
}

/* Called by the sink, on its streaming thread, with each frame. */
static void
print (GstElement *sink, GstBuffer *buffer, GstPad *pad, ClipMeta **before)
{
  g_autoptr (ClipMeta) meta = clip_meta_read (buffer, NULL);
  if (!meta || meta->held)
    return;
  g_print ("%7.2f s  change %.3f ", (double) meta->pts / GST_SECOND,
           *before ? difference (meta, *before) : 0);
  for (guint i = 0; i < meta->n_labels; i++)
    g_print ("%s %s %.2f", i ? "," : "", meta->labels[i].name, meta->labels[i].score);
  g_print ("\n");
  clip_meta_free (*before);
  *before = g_steal_pointer (&meta);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipMeta) before = NULL;
  gst_init (&argc, &argv);
  if (argc != 3 && argc != 4) {
    g_printerr ("usage: %s VIDEO LABELS [MODEL]\n", argv[0]);
    return 2;
  }
  g_autoptr (GstElement) pipeline = gst_parse_launch (
      "filesrc name=file ! decodebin ! videoconvert ! clipclassify name=clip embedding=true "
      "interval=10 ! fakesink name=sink signal-handoffs=true",
      &error);
  if (error) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  g_autoptr (GstElement) file = gst_bin_get_by_name (GST_BIN (pipeline), "file");
  g_autoptr (GstElement) clip = gst_bin_get_by_name (GST_BIN (pipeline), "clip");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_object_set (file, "location", argv[1], NULL);
  g_object_set (clip, "labels", argv[2], "model", argv[3], NULL);
  g_signal_connect (sink, "handoff", G_CALLBACK (print), &before);

  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_autoptr (GstMessage) message =
      gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
    return 0;
  gst_message_parse_error (message, &error, NULL);
  g_printerr ("%s\n", error->message);
  return 1;
}
