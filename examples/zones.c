/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells what zones of a video show, each by itself; or what a detector found, where you put one in the place of ours:
 *
 *   zones VIDEO "a parked car;an empty place" left=0,0,320x480 right=320,0,320x480
 *
 * Built with: cc zones.c $(pkg-config --cflags --libs gstclipmeta gstreamer-video-1.0)
 */
#include <gst/clipmeta.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  const char *name;
  guint x, y, width, height;
} Zone;

/* What a detector does: attaches a rectangle for each thing that it found. */
static GstPadProbeReturn
detect (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  const GArray *zones = data;
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  for (guint i = 0; i < zones->len; i++) {
    const Zone *zone = &g_array_index (zones, Zone, i);
    gst_buffer_add_video_region_of_interest_meta (buffer, zone->name, zone->x, zone->y, zone->width,
                                                  zone->height);
  }
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  return GST_PAD_PROBE_OK;
}

/* Called by the sink with each frame: what clipclassify attached stands at each rectangle. */
static void
print (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  gboolean any = FALSE;
  gpointer state = NULL;
  GstMeta *meta;
  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state,
                                                   GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    GstVideoRegionOfInterestMeta *zone = (GstVideoRegionOfInterestMeta *) meta;
    const GstStructure *shows =
        gst_video_region_of_interest_meta_get_param (zone, "classification");
    double score;
    if (!shows)
      continue; /* of a frame that was not looked at */
    if (!any)
      g_print ("%7.2f s", (double) GST_BUFFER_PTS (buffer) / GST_SECOND);
    any = TRUE;
    if (gst_structure_get_double (shows, "confidence", &score))
      g_print ("  %s: %s %.2f", g_quark_to_string (zone->roi_type),
               gst_structure_get_string (shows, "label"), score);
  }
  if (any)
    g_print ("\n");
}

/* @text: NAME=X,Y,WIDTHxHEIGHT, which is cut at the equals sign. */
static gboolean
read_zone (Zone *zone, char *text)
{
  char *rest = strchr (text, '=');
  zone->name = text;
  if (!rest || sscanf (rest, "=%u,%u,%ux%u", &zone->x, &zone->y, &zone->width, &zone->height) != 4)
    return FALSE;
  *rest = 0;
  return TRUE;
}

static GstElement *
new_pipeline (const char *video, const char *labels, GArray *zones, GError **error)
{
  GstElement *pipeline = gst_parse_launch (
      "filesrc name=file ! decodebin ! videoconvert ! identity name=detector ! clipclassify "
      "name=clip regions=detections interval=10 ! fakesink name=sink signal-handoffs=true",
      error);
  if (!pipeline)
    return NULL;
  GstChildProxy *elements = GST_CHILD_PROXY (pipeline);
  gst_child_proxy_set (elements, "file::location", video, "clip::labels", labels, NULL);
  g_autoptr (GObject) sink = gst_child_proxy_get_child_by_name (elements, "sink");
  g_autoptr (GObject) detector = gst_child_proxy_get_child_by_name (elements, "detector");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (GST_ELEMENT (detector), "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, detect, zones, NULL);
  g_signal_connect (sink, "handoff", G_CALLBACK (print), NULL);
  return pipeline;
}

/* To the end, or until @error. */
static void
play (GstElement *pipeline, GError **error)
{
  GstBus *bus = GST_ELEMENT_BUS (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstMessage *last = gst_bus_timed_pop_filtered (bus, -1, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE (last) == GST_MESSAGE_ERROR)
    gst_message_parse_error (last, error, NULL);
  gst_message_unref (last);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) zones = g_array_new (FALSE, FALSE, sizeof (Zone));
  Zone zone;
  gst_init (&argc, &argv);
  for (int i = 3; i < argc && read_zone (&zone, argv[i]); i++)
    g_array_append_val (zones, zone);
  if (argc < 4 || (int) zones->len != argc - 3) {
    g_printerr ("usage: %s VIDEO LABELS NAME=X,Y,WIDTHxHEIGHT ...\n", argv[0]);
    return 2;
  }
  g_autoptr (GstElement) pipeline = new_pipeline (argv[1], argv[2], zones, &error);
  if (!error)
    play (pipeline, &error);
  if (error)
    g_printerr ("%s\n", error->message);
  return error != NULL;
}
