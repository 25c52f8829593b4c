/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip watch: what a camera sees, told as it begins and ends.
 *
 *   uridecodebin ! videoconvert ! clipclassify ! fakesink     its messages become lines:
 *
 *   {"event": "start", "label", "start": seconds, "start-utc"?: ISO 8601}
 *   {"event": "end", "label", "start", "end", "start-utc"?, "end-utc"?, "peak", "mean"}
 *
 * Seconds are since the source began. What is seen when a source ends or goes away is ended then.
 */
#include "gst/cli/jsonline.h"
#include "gst/cli/labelling.h"
#include "gst/cli/mqtt.h"
#include "gst/cli/options.h"
#include "gst/cli/terminal.h"
#include <glib-unix.h>
#include <gst/gst.h>
#include <string.h>

#define FIRST_PAUSE                                                                                \
  1 /* s, before a source is tried again; doubled each time, up to LONGEST_PAUSE */
#define LONGEST_PAUSE 30

static double max_rate = 5;
static char *address; /* (nullable): of a broker */

static const GOptionEntry entries[] = {
  { "max-rate", 'r', 0, G_OPTION_ARG_DOUBLE, &max_rate,
    "Classify at most N frames a second, 0: no limit (default 5)", "N" },
  { "mqtt", 0, 0, G_OPTION_ARG_FILENAME, &address,
    "Publish the events, too: mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC; the password better "
    "in " MQTT_PASSWORD_VARIABLE,
    "URL" },
  { NULL },
};

/* Sources that do not end: they go away, and come back. */
static const char *const endless[] = { "rtsp", "rtmp", "srt", "rist", "udp", "v4l2" };

typedef struct {
  const char *source; /* as it was named */
  GstElement *pipeline, *classify;
  Mqtt *mqtt; /* (nullable) */
  GMainLoop *loop;
  GDateTime *now;                 /* (nullable): UTC … */
  GstClockTime at;                /* … at this running time */
  gboolean is_endless, was_there; /* of the source */
  guint pause, retry;
  int status;
} Watch;

/* -------------------------------------------------------------------------------------------------------------- events */

static void
add_moment (const Watch *watch, JsonLine *line, const char *name, GstClockTime time)
{
  json_line_time (line, name, time);
  if (!watch->now || !GST_CLOCK_TIME_IS_VALID (time) || !GST_CLOCK_TIME_IS_VALID (watch->at))
    return;
  g_autoptr (GDateTime) date =
      g_date_time_add (watch->now, GST_CLOCK_DIFF (watch->at, time) / GST_USECOND);
  g_autofree char *utc = date ? g_date_time_format_iso8601 (date) : NULL;
  g_autofree char *key = g_strconcat (name, "-utc", NULL);
  json_line_string (line, key, utc);
}

static JsonLine *
begin_line (const Watch *watch, const char *event, const char *label, GstClockTime start)
{
  JsonLine *line = json_line_new (FALSE);
  json_line_begin (line, NULL, '{');
  json_line_string (line, "event", event);
  json_line_string (line, "label", label);
  add_moment (watch, line, "start", start);
  return line;
}

static void
end_line (const Watch *watch, JsonLine *line)
{
  json_line_end (line, '}');
  g_autofree char *text = json_line_take (line);
  json_line_put (text);
  if (watch->mqtt)
    mqtt_publish (watch->mqtt, g_strchomp (text));
  json_line_free (line);
}

static guint
count (const GstStructure *message, const char *name)
{
  return gst_value_array_get_size (gst_structure_get_value (message, name));
}

static const GValue *
item (const GstStructure *message, const char *name, guint index)
{
  return gst_value_array_get_value (gst_structure_get_value (message, name), index);
}

/* @index: in "disappeared" */
static void
tell_end (const Watch *watch, const GstStructure *message, guint index)
{
  const char *label = g_value_get_string (item (message, "disappeared", index));
  const guint64 began = g_value_get_uint64 (item (message, "began", index));
  const guint64 duration = g_value_get_uint64 (item (message, "durations", index));
  JsonLine *line = begin_line (watch, "end", label, began);
  add_moment (watch, line, "end",
              GST_CLOCK_TIME_IS_VALID (duration) ? began + duration : watch->at);
  json_line_float (line, "peak", g_value_get_float (item (message, "peaks", index)));
  json_line_float (line, "mean", g_value_get_float (item (message, "means", index)));
  end_line (watch, line);
}

static gboolean
has_appeared (const GstStructure *message, const char *label)
{
  for (guint i = 0; i < count (message, "appeared"); i++)
    if (g_str_equal (g_value_get_string (item (message, "appeared", i)), label))
      return TRUE;
  return FALSE;
}

/* @index: in "labels" */
static void
tell_start (const Watch *watch, const GstStructure *message, guint index)
{
  const char *label = g_value_get_string (item (message, "labels", index));
  if (has_appeared (message, label))
    end_line (watch, begin_line (watch, "start", label,
                                 g_value_get_uint64 (item (message, "since", index))));
}

static void
labels_changed (Watch *watch, const GstStructure *message)
{
  const char *utc = gst_structure_get_string (message, "utc");
  g_clear_pointer (&watch->now, g_date_time_unref);
  watch->now = utc ? g_date_time_new_from_iso8601 (utc, NULL) : NULL;
  gst_structure_get_uint64 (message, "running-time", &watch->at);

  for (guint i = 0; i < count (message, "disappeared"); i++)
    tell_end (watch, message, i);
  for (guint i = 0; i < count (message, "labels"); i++)
    tell_start (watch, message, i);
  watch->was_there = TRUE;
  watch->pause = FIRST_PAUSE;
}

/* -------------------------------------------------------------------------------------------------------------- source */

static gboolean
try_again (gpointer data)
{
  Watch *watch = data;
  watch->retry = 0;
  gst_element_set_state (watch->pipeline, GST_STATE_PLAYING);
  return G_SOURCE_REMOVE;
}

/* The source is gone: so is what was seen, which the element says as it stops. */
static void
stop (Watch *watch)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (watch->pipeline);
  GstMessage *message;
  gst_element_set_state (watch->pipeline, GST_STATE_READY);
  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    if (gst_message_has_name (message, "clipclassify"))
      labels_changed (watch, gst_message_get_structure (message));
    gst_message_unref (message);
  }
  gst_element_set_state (watch->pipeline, GST_STATE_NULL);
}

/* @problem: NULL at the end. A source that was there, and is one that does not end, may come back. */
static void
source_left (Watch *watch, const char *problem)
{
  if (watch->retry)
    return;
  stop (watch);
  if (!watch->is_endless || !watch->was_there) {
    if (problem) {
      terminal_report ("%s: %s", watch->source, problem);
      watch->status = CLI_FAILED;
    }
    g_main_loop_quit (watch->loop);
    return;
  }
  terminal_warn ("%s: %s; trying again in %u s", watch->source, problem ? problem : "it ended",
                 watch->pause);
  watch->retry = g_timeout_add_seconds (watch->pause, try_again, watch);
  watch->pause = MIN (2 * watch->pause, LONGEST_PAUSE);
}

static gboolean
message_came (GstBus *bus, GstMessage *message, gpointer data)
{
  Watch *watch = data;
  g_autoptr (GError) error = NULL;
  switch (GST_MESSAGE_TYPE (message)) {
  case GST_MESSAGE_ELEMENT:
    if (gst_message_has_name (message, "clipclassify"))
      labels_changed (watch, gst_message_get_structure (message));
    break;
  case GST_MESSAGE_WARNING:
    gst_message_parse_warning (message, &error, NULL);
    terminal_warn ("%s", error->message);
    break;
  case GST_MESSAGE_ERROR:
    gst_message_parse_error (message, &error, NULL);
    source_left (watch, error->message);
    break;
  case GST_MESSAGE_EOS:
    source_left (watch, NULL);
    break;
  default:
    break;
  }
  return G_SOURCE_CONTINUE;
}

static gboolean
interrupt (gpointer data)
{
  g_main_loop_quit (((Watch *) data)->loop);
  return G_SOURCE_CONTINUE;
}

static void
link_video (GstElement *source, GstPad *pad, GstElement *convert)
{
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (convert, "sink");
  if (g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure (caps, 0)), "video/") &&
      !gst_pad_is_linked (sink))
    gst_pad_link (pad, sink);
}

/* Streams beside the video are left as they are, unlinked. */
static gboolean
wants_decoding (GstElement *bin, GstPad *pad, GstCaps *caps, gpointer data)
{
  return !g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure (caps, 0)), "audio/");
}

static char *
make_uri (const char *source, GError **error)
{
  if (strstr (source, "://"))
    return g_strdup (source);
  if (g_str_has_prefix (source, "/dev/video"))
    return g_strconcat ("v4l2://", source, NULL);
  return gst_filename_to_uri (source, error);
}

static gboolean
build (Watch *watch, const char *uri, GError **error)
{
  watch->pipeline = gst_parse_launch_full (
      "uridecodebin name=source videoconvert name=convert dither=none ! "
      "clipclassify name=clipclassify ! fakesink sync=false enable-last-sample=false",
      NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  if (!watch->pipeline)
    return FALSE;
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (watch->pipeline), "source");
  g_autoptr (GstElement) convert = gst_bin_get_by_name (GST_BIN (watch->pipeline), "convert");
  watch->classify = gst_bin_get_by_name (GST_BIN (watch->pipeline), "clipclassify");
  labelling_configure (watch->classify);
  options_configure (watch->classify, 0);
  int numerator, denominator;
  gst_util_double_to_fraction (max_rate, &numerator, &denominator);
  g_object_set (watch->classify, "max-rate", numerator, denominator, NULL);
  g_object_set (source, "uri", uri, NULL);
  g_signal_connect (source, "autoplug-continue", G_CALLBACK (wants_decoding), NULL);
  g_signal_connect_object (source, "pad-added", G_CALLBACK (link_video), convert, 0);
  for (guint i = 0; i < G_N_ELEMENTS (endless); i++)
    watch->is_endless |= g_str_has_prefix (uri, endless[i]);
  return TRUE;
}

/* ------------------------------------------------------------------------------------------------------------- command */

static void
run_loop (Watch *watch)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (watch->pipeline);
  const guint sources[] = { gst_bus_add_watch (bus, message_came, watch),
                            g_unix_signal_add (SIGINT, interrupt, watch),
                            g_unix_signal_add (SIGTERM, interrupt, watch) };
  watch->loop = g_main_loop_new (NULL, FALSE);
  watch->at = GST_CLOCK_TIME_NONE;
  watch->pause = FIRST_PAUSE;
  gst_element_set_state (watch->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (watch->loop);
  stop (watch);
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    g_source_remove (sources[i]);
  g_clear_handle_id (&watch->retry, g_source_remove);
  g_clear_pointer (&watch->now, g_date_time_unref);
  g_main_loop_unref (watch->loop);
}

static int
watch_source (Watch *watch, MqttAddress *broker)
{
  g_autoptr (GError) error = NULL;
  if (broker && !(watch->mqtt = mqtt_open (broker, watch->source, MQTT_LIMITS, &error))) {
    terminal_report ("%s", error->message);
    return CLI_FAILED;
  }
  run_loop (watch);
  if (mqtt_close (watch->mqtt) > 0)
    watch->status = CLI_FAILED;
  return watch->status;
}

static int
run (char **arguments, guint n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MqttAddress) broker = NULL;
  const int status = labelling_check ();
  if (status != CLI_OK)
    return status;
  if (!(max_rate >= 0 && max_rate <= 1000))
    return usage_error ("--max-rate is %g, expected 0 … 1000", max_rate);
  if (n != 1)
    return usage_error ("watch takes one argument: an URI, a device or a file");
  if (address &&
      !(broker = mqtt_address_parse (address, g_getenv (MQTT_PASSWORD_VARIABLE), &error)))
    return usage_error ("--mqtt: %s", error->message);
  gst_init (NULL, NULL);
  if (!labelling_have_elements ())
    return CLI_FAILED;

  Watch watch = { .source = arguments[0] };
  g_autoptr (ClipLabels) labels = labelling_load (NULL, &error);
  g_auto (GStrv) templates = labels ? labelling_load_prompts (&error) : NULL;
  g_autofree char *uri = templates ? make_uri (arguments[0], &error) : NULL;
  if (!uri || !build (&watch, uri, &error)) {
    terminal_report ("%s", error->message);
    return CLI_FAILED;
  }
  /* held, so that a source that comes back does not load it again */
  g_autoptr (ClipModel) model = options_load_model (NULL, FALSE);
  const int result = model ? watch_source (&watch, g_steal_pointer (&broker)) : CLI_FAILED;
  gst_object_unref (watch.classify);
  gst_object_unref (watch.pipeline);
  return result;
}

const CliCommand command_watch = {
  .name = "watch",
  .arguments = "URI|DEVICE|FILE",
  .summary = "Tell what a camera sees, as it begins and ends",
  .description = "Example:\n  gst-clip watch --labels \"a person\" --background \"an empty "
                 "garden\" --threshold 0.7 --min-on 1 --min-off 3 rtsp://camera/stream",
  .options = { labelling_options, reporting_options, entries, model_options, session_options },
  .run = run,
};
