/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Eight live cameras in one process, with the model that comes with the plugin: none starves, one worker serves them all,
 * memory stays. Lasts for GST_CLIP_SOAK seconds on a machine with nothing else to do, where their shares are to be equal, too; else for 6. */
#include "tests/element-harness.h"

#include <stdio.h>
#include <unistd.h>

#define N_STREAMS 8
#define STREAM                                                                                     \
  "videotestsrc is-live=true pattern=ball motion=sweep ! "                                         \
  "video/x-raw,format=I420,width=1280,height=720,framerate=15/1 ! "                                \
  "clipclassify name=c%d labels=\"a ball;an empty wall\" ! fakesink sync=true "

static GstElement *
pipeline_new (GstElement *classifiers[N_STREAMS])
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) line = g_string_new (NULL);
  for (int i = 0; i < N_STREAMS; i++)
    g_string_append_printf (line, STREAM, i);
  GstElement *pipeline = gst_parse_launch (line->str, &error);
  g_assert_no_error (error);
  for (int i = 0; i < N_STREAMS; i++) {
    g_autofree char *name = g_strdup_printf ("c%d", i);
    classifiers[i] = gst_bin_get_by_name (GST_BIN (pipeline), name);
  }
  return pipeline;
}

static guint64
stat_of (GstElement *classifier, const char *field)
{
  Bench bench = { .element = classifier };
  return bench_stat (&bench, field);
}

static double
resident_mib (void)
{
  long pages, resident;
  g_autofree char *text = NULL;
  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  g_assert_cmpint (sscanf (text, "%ld %ld", &pages, &resident), ==, 2);
  return resident * (double) sysconf (_SC_PAGESIZE) / (1 << 20);
}

/* How many of the process's threads are called @name. */
static guint
count_threads (const char *name)
{
  guint n = 0;
  g_autoptr (GDir) threads = g_dir_open ("/proc/self/task", 0, NULL);
  g_assert_nonnull (threads);
  for (const char *id; (id = g_dir_read_name (threads));) {
    g_autofree char *path = g_build_filename ("/proc/self/task", id, "comm", NULL);
    g_autofree char *comm = NULL;
    if (g_file_get_contents (path, &comm, NULL, NULL))
      n += g_str_equal (g_strchomp (comm), name);
  }
  return n;
}

/* Waits until each was classified @n times. */
static void
wait_for (GstElement *const classifiers[N_STREAMS], guint64 n)
{
  const gint64 end = g_get_monotonic_time () + 300 * G_USEC_PER_SEC;
  for (int i = 0; i < N_STREAMS; i++)
    while (stat_of (classifiers[i], "inferences") < n) {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_usleep (10000);
    }
}

static void
expect_fairness (GstElement *const classifiers[N_STREAMS], const guint64 before[N_STREAMS],
                 double most_ratio)
{
  guint64 least = G_MAXUINT64, most = 0;
  for (int i = 0; i < N_STREAMS; i++) {
    const guint64 n = stat_of (classifiers[i], "inferences") - before[i];
    g_test_message ("stream %d: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                    " frames since the start, inference %.1f ms",
                    i, stat_of (classifiers[i], "inferences"), stat_of (classifiers[i], "frames"),
                    stat_of (classifiers[i], "mean-latency") * 1e-6);
    least = MIN (least, n);
    most = MAX (most, n);
  }
  /* one frame more or less where there are few of them */
  if (most > least * most_ratio + 1)
    g_error ("one stream was classified %" G_GUINT64_FORMAT " times, another %" G_GUINT64_FORMAT
             ", expected %g times as often at most",
             least, most, most_ratio);
}

static void
test_soak (void)
{
  const char *variable = g_getenv ("GST_CLIP_SOAK");
  const double seconds = variable ? g_ascii_strtod (variable, NULL) : 6;
  GstElement *classifiers[N_STREAMS];
  guint64 before[N_STREAMS];
  GstElement *pipeline = pipeline_new (classifiers);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for (classifiers, 3); /* all that is allocated once is there */
  for (int i = 0; i < N_STREAMS; i++)
    before[i] = stat_of (classifiers[i], "inferences");
  const double memory = resident_mib ();
  g_assert_cmpuint (count_threads ("clip-service"), ==, 1);

  g_autoptr (GstMessage) error =
      gst_bus_timed_pop_filtered (bus, seconds * GST_SECOND, GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  g_assert_null (error);
  const double growth = resident_mib () - memory;
  g_test_message ("memory %.1f MiB, growth %.1f MiB", memory, growth);
  /* On a busy machine sources deliver what they get to, one less than another: then none may starve. */
  expect_fairness (classifiers, before, variable ? 1.1 : 2);
  /* A frame has 1.3 MiB, its pixels 0.3: what was kept of each would be hundreds. Allocators may keep some for later. */
  g_assert_cmpfloat (growth, <, 8);
  g_assert_cmpuint (count_threads ("clip-service"), ==, 1);

  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_assert_cmpuint (count_threads ("clip-service"), ==, 0);
  for (int i = 0; i < N_STREAMS; i++)
    gst_object_unref (classifiers[i]);
  gst_object_unref (pipeline);
}

static void
add_tests (void)
{
  g_test_add_func ("/soak/cameras", test_soak);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
