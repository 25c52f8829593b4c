/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-clip label, run as a user runs it, on an archive of small videos made here:
 *
 *   formats   : each is read back; a result a second, in time; events; the same for any number of jobs
 *   frames    : a table of --every and --keyframes, and how many results there are
 *   resuming  : what is complete is not touched; what is missing, or older than its video, is made again
 *   bad input : one bad video among good ones; a full disk; an interruption: no half file is ever left
 *   copy      : streams as they were, and a subtitle track in time
 */
#include "tests/media.h"
#include "tests/program.h"

#include <glib/gstdio.h>
#include <gst/app/gstappsink.h>
#include <signal.h>
#include <utime.h>

#define BALL                                                                                       \
  "videotestsrc pattern=ball num-buffers=60 ! "                                                    \
  "video/x-raw,format=I420,width=160,height=90,framerate=10/1 ! "
#define LABEL "label --labels 'a white ball;a cat' --threshold 0 "
#define SECONDS 6 /* of each video */

static char *
read_file (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

static gboolean
is_there (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
expect_there (const char *const *names, gboolean there)
{
  for (; *names; names++)
    if (is_there (*names) != there)
      g_error ("%s is %s", *names, there ? "missing" : "there");
}

/* Names of files in a folder, in all. */
static guint
count_files (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  g_assert_nonnull (dir);
  guint n = 0;
  while (g_dir_read_name (dir))
    n++;
  return n;
}

static void
make_folder (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_assert_cmpint (g_mkdir_with_parents (path, 0777), ==, 0);
}

/* Three videos, one of them in a folder below, and what is none. */
static gboolean
make_archive (void)
{
  make_folder ("archive/below");
  write_file ("archive/notes.txt", "no video\n", -1);
  return make_media ("archive/a.avi", BALL "jpegenc ! avimux") &&
         make_media ("archive/b.mkv",
                     BALL "vp8enc deadline=1 keyframe-max-dist=20 ! matroskamux") &&
         make_media ("archive/below/a.avi", BALL "jpegenc ! avimux");
}

static void
run_well (const char *line, guint n_labelled, guint n_skipped)
{
  g_auto (Result) result = run (line);
  if (result.status != 0 || *result.err)
    g_error ("gst-clip %s: status %d\n%s", line, result.status, result.err);
  g_autoptr (GPtrArray) lines = parse_lines (result.out);
  guint labelled = 0, skipped = 0;
  for (guint i = 0; i < lines->len; i++) {
    const char *status = json_object_get_string_member (line_at (lines, i), "status");
    labelled += g_str_equal (status, "labelled");
    skipped += g_str_equal (status, "skipped");
  }
  if (labelled != n_labelled || skipped != n_skipped)
    g_error ("gst-clip %s: %u labelled, %u skipped, expected %u, %u", line, labelled, skipped,
             n_labelled, n_skipped);
}

/* ------------------------------------------------------------------------------------------------------------- formats */

static void
expect_results (const char *name)
{
  g_autofree char *text = read_file (name);
  g_autoptr (GPtrArray) lines = parse_lines (text);
  g_assert_cmpuint (lines->len, ==, SECONDS);
  for (guint i = 0; i < lines->len; i++) {
    JsonObject *object = line_at (lines, i);
    JsonArray *labels = json_object_get_array_member (object, "labels");
    g_assert_cmpfloat_with_epsilon (json_object_get_double_member (object, "stream-time"), i, 0.01);
    g_assert_cmpuint (json_array_get_length (labels), ==, 2);
    double sum = 0;
    for (guint k = 0; k < 2; k++)
      sum += json_object_get_double_member (json_array_get_object_element (labels, k), "score");
    g_assert_cmpfloat_with_epsilon (sum, 1, 1e-5);
  }
}

static void
expect_csv (const char *name)
{
  g_autofree char *text = read_file (name);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_auto (GStrv) header = g_strsplit (g_strchomp (lines[0]), ",", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 1 + 2 * SECONDS + 1); /* the last is empty */
  for (guint i = 1; i <= 2 * SECONDS; i++) {
    g_auto (GStrv) fields = g_strsplit (lines[i], ",", -1);
    g_assert_cmpuint (g_strv_length (fields), ==, g_strv_length (header));
    g_assert_true (g_strv_contains ((const char *const *) fields, "a white ball") ||
                   g_strv_contains ((const char *const *) fields, "a cat"));
  }
}

/* One cue: both labels are seen all the time. */
static void
expect_vtt (const char *name)
{
  g_autofree char *text = read_file (name);
  g_assert_true (g_str_has_prefix (text, "WEBVTT\n\n00:00:00.000 --> 00:00:06.000\n"));
  g_assert_nonnull (strstr (text, "a cat"));
  g_assert_nonnull (strstr (text, "a white ball"));
  g_assert_true (g_strrstr (text, "-->") == strstr (text, "-->"));
}

static void
test_formats (void)
{
  static const char *const stems[] = { "one/a.avi", "one/b.mkv", "one/below/a.avi" };
  if (!make_archive ())
    return;
  run_well (LABEL "--jobs 1 --format json,vtt,csv --output one archive", 3, 0);
  run_well (LABEL "--jobs 3 --format json --output three archive", 3, 0);
  for (guint i = 0; i < G_N_ELEMENTS (stems); i++) {
    g_autofree char *json = g_strconcat (stems[i], ".jsonl", NULL);
    g_autofree char *csv = g_strconcat (stems[i], ".csv", NULL);
    g_autofree char *vtt = g_strconcat (stems[i], ".vtt", NULL);
    g_autofree char *other = g_strconcat ("three", stems[i] + 3, ".jsonl", NULL);
    expect_results (json);
    expect_csv (csv);
    expect_vtt (vtt);
    g_autofree char *one = read_file (json), *three = read_file (other);
    g_assert_cmpstr (one, ==, three);
  }
  g_assert_cmpuint (count_files ("one"), ==, 2 * 3 + 1); /* and no other, "below" apart */
  g_assert_cmpuint (count_files ("archive"), ==, 4);
}

static void
test_events (void)
{
  if (!make_archive ())
    return;
  run_well (LABEL "--events --output events archive/a.avi", 1, 0);
  g_autofree char *text = read_file ("events/a.avi.jsonl");
  g_autoptr (GPtrArray) lines = parse_lines (text);
  g_assert_cmpuint (lines->len, ==, 2);
  for (guint i = 0; i < 2; i++) {
    JsonObject *event = line_at (lines, i);
    g_assert_cmpfloat (json_object_get_double_member (event, "start"), ==, 0);
    g_assert_cmpfloat_with_epsilon (json_object_get_double_member (event, "end"), SECONDS, 0.11);
    g_assert_cmpint (json_object_get_int_member (event, "results"), ==, SECONDS);
  }
}

static void
test_frames (void)
{
  static const struct {
    const char *options;
    guint n;
  } cases[] = {
    { "--every 0", 60 },
    { "--every 0.5", 12 },
    { "--every 2.5", 3 },
    { "--every 100", 1 },
    { "--keyframes", 3 }, /* 0, 20, 40 */
    { "--keyframes --every 3", 2 },
  };
  if (!make_archive ())
    return;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *line =
        g_strconcat (LABEL "--force --output frames archive/b.mkv ", cases[i].options, NULL);
    run_well (line, 1, 0);
    g_autofree char *text = read_file ("frames/b.mkv.jsonl");
    g_autoptr (GPtrArray) lines = parse_lines (text);
    if (lines->len != cases[i].n)
      g_error ("%s: %u results, expected %u\n%s", cases[i].options, lines->len, cases[i].n, text);
  }
}

/* ------------------------------------------------------------------------------------------------------------ resuming */

static void
test_resume (void)
{
  if (!make_archive ())
    return;
  run_well (LABEL "--output again archive", 3, 0);
  write_file ("again/a.avi.jsonl", "mine", -1);
  run_well (LABEL "--output again archive", 0, 3);
  g_autofree char *path = g_build_filename (folder, "again/b.mkv.jsonl", NULL);
  g_assert_cmpint (g_unlink (path), ==, 0);
  run_well (LABEL "--output again archive", 1, 2);
  const struct utimbuf long_ago = { 1, 1 };
  g_assert_cmpint (utime (path, &long_ago), ==, 0);
  run_well (LABEL "--output again archive", 1, 2);
  run_well (LABEL "--output again --format csv,json archive", 3, 0); /* one of two is missing */
  expect_results ("again/a.avi.jsonl");
  write_file ("again/a.avi.jsonl", "mine", -1);
  run_well (LABEL "--output again --force archive", 3, 0);
  expect_results ("again/a.avi.jsonl");
  g_assert_cmpuint (count_files ("again"), ==, 2 * 2 + 1);
}

/* ----------------------------------------------------------------------------------------------------------- bad input */

static void
test_bad_among_good (void)
{
  static const char *const whole[] = { "bad/good.avi.jsonl", "bad/z.avi.jsonl", NULL };
  static const char *const none[] = { "bad/empty.mp4.jsonl",
                                      "bad/noise.mkv.jsonl",
                                      "bad/.noise.mkv.jsonl.part",
                                      "bad/stub.avi.jsonl",
                                      "bad/.stub.avi.jsonl.part",
                                      "bad/sound.ogg.jsonl",
                                      NULL };
  static const char *const named[] = { "empty.mp4: is empty", "noise.mkv: ", "stub.avi: ",
                                       "sound.ogg: there is no video in it", "none.avi: " };
  make_folder ("bad");
  if (!make_archive () || !make_media ("bad/good.avi", BALL "jpegenc ! avimux") ||
      !make_media ("bad/z.avi", BALL "jpegenc ! avimux") ||
      !make_media ("bad/sound.ogg", "audiotestsrc num-buffers=20 ! vorbisenc ! oggmux"))
    return;
  g_autofree char *noise = g_strnfill (10000, '\1');
  write_file ("bad/empty.mp4", "", 0);
  write_file ("bad/noise.mkv", noise, -1);
  cut_file ("bad/stub.avi", "archive/a.avi", 0.01);
  const char *line = LABEL "bad none.avi bad/sound.ogg";
  g_auto (Result) result = run (line);
  check (line, &result, 1, "good.avi", "none.avi");
  for (guint i = 0; i < G_N_ELEMENTS (named); i++)
    if (!strstr (result.err, named[i]))
      g_error ("not said: \"%s\", but\n%s", named[i], result.err);
  expect_there (whole, TRUE);
  expect_there (none, FALSE);
  expect_results ("bad/z.avi.jsonl");
}

/* What is there of a video that was cut short is labelled, and said to be cut. */
static void
test_cut (void)
{
  if (!make_archive ())
    return;
  cut_file ("cut.avi", "archive/a.avi", 0.6);
  const char *line = LABEL "cut.avi";
  g_auto (Result) result = run (line);
  check (line, &result, 1, "\"labelled\"", "cut.avi: ");
  g_autofree char *text = read_file ("cut.avi.jsonl");
  g_autoptr (GPtrArray) lines = parse_lines (text);
  g_assert_cmpuint (lines->len, >=, 3);
  g_assert_cmpuint (lines->len, <=, 4);
}

static void
test_command_line (void)
{
  static const struct {
    const char *line;
    int status;
    const char *err;
  } cases[] = {
    { "label x.avi", 2, "no labels" },
    { "label --labels a", 2, "no file" },
    { "label --labels a --every -2 x.avi", 2, "--every is -2, expected 0 … 86400 seconds" },
    { "label --labels a --jobs 65 x.avi", 2, "--jobs is 65, expected 0 … 64" },
    { "label --labels a --threshold 2 x.avi", 2, "--threshold is 2, expected 0 … 1" },
    { "label --labels a --min-on -1 x.avi", 2, "--min-on is -1, expected 0 … 86400" },
    { "label --labels a --format srt x.avi", 2, "expected one of json, vtt, csv" },
    { "label --labels a --format json, x.avi", 2, "expected one of json, vtt, csv" },
    { "label --labels 'a;;b' x.avi", 1, "label" },
    { "label --labels a --prompts none-such x.avi", 1, "none-such" },
    { "label --labels a --model none-such archive", 1, "none-such" },
    { "label --labels a --output o archive/a.avi archive/below/a.avi", 1,
      "would both be labelled as o/a.avi" },
  };
  if (!make_archive ())
    return;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (Result) result = run (cases[i].line);
    check (cases[i].line, &result, cases[i].status, NULL, cases[i].err);
  }
}

static GSubprocess *
start (const char *const *argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_subprocess_launcher_set_cwd (launcher, folder);
  GSubprocess *process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  return process;
}

/* 4096 bytes are not enough for 60 results, nor for stdout to matter. */
static void
test_full_disk (void)
{
  static const char *const none[] = { "full/a.avi.jsonl", "full/.a.avi.jsonl.part", NULL };
  if (!make_archive ())
    return;
  const char *const script = "ulimit -f 8; exec \"$0\" label --labels 'a cat' --threshold 0 "
                             "--every 0 --output full archive/a.avi";
  const char *argv[] = { "sh", "-c", script, program, NULL };
  g_autoptr (GSubprocess) process = start (argv);
  g_subprocess_wait (process, NULL, NULL);
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 1);
  expect_there (none, FALSE);
}

static void
test_interrupted (void)
{
  static const char *const none[] = { "cancel/long.avi.jsonl", "cancel/.long.avi.jsonl.part",
                                      NULL };
  if (!make_media ("long.avi",
                   "videotestsrc pattern=ball num-buffers=4000 ! video/x-raw,format=I420,"
                   "width=160,height=90,framerate=10/1 ! jpegenc ! avimux"))
    return;
  const char *argv[] = { program, "label",    "--labels", "a cat",    "--every",
                         "0",     "--output", "cancel",   "long.avi", NULL };
  g_autoptr (GSubprocess) process = start (argv);
  for (guint i = 0; i < 600 && !is_there (none[1]); i++)
    g_usleep (G_USEC_PER_SEC / 20);
  g_assert_true (is_there (none[1]));
  g_subprocess_send_signal (process, SIGINT);
  g_subprocess_wait (process, NULL, NULL);
  g_assert_true (g_subprocess_get_if_exited (process));
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 1);
  expect_there (none, FALSE);
}

/* ---------------------------------------------------------------------------------------------------------------- copy */

/* All buffers of a stream of a Matroska file, as (PTS, bytes). */
static GPtrArray *
read_stream (const char *name, const char *pad)
{
  g_autofree char *text = g_strdup_printf ("filesrc location=\"%s/%s\" ! matroskademux name=d "
                                           "d.%s ! appsink name=sink sync=false",
                                           folder, name, pad);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (text, &error);
  g_assert_no_error (error);
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  GPtrArray *samples = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_sample_unref);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstSample *sample;
  while ((sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 20 * GST_SECOND)))
    g_ptr_array_add (samples, sample);
  g_assert_true (gst_app_sink_is_eos (GST_APP_SINK (sink)));
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return samples;
}

static void
expect_same_stream (const char *copy, const char *original, const char *pad)
{
  g_autoptr (GPtrArray) ours = read_stream (copy, pad), theirs = read_stream (original, pad);
  g_assert_cmpuint (theirs->len, >, 0);
  g_assert_cmpuint (ours->len, ==, theirs->len);
  for (guint i = 0; i < ours->len; i++) {
    GstBuffer *a = gst_sample_get_buffer (ours->pdata[i]);
    GstBuffer *b = gst_sample_get_buffer (theirs->pdata[i]);
    GstMapInfo map;
    g_assert_cmpint (ABS (GST_CLOCK_DIFF (GST_BUFFER_PTS (a), GST_BUFFER_PTS (b))), <=,
                     GST_MSECOND); /* Matroska counts in them */
    g_assert_true (gst_buffer_map (b, &map, GST_MAP_READ));
    g_assert_cmpuint (gst_buffer_get_size (a), ==, map.size);
    g_assert_cmpint (gst_buffer_memcmp (a, 0, map.data, map.size), ==, 0);
    gst_buffer_unmap (b, &map);
  }
}

/* Texts follow each other without a gap through the whole video. */
static void
test_copy (void)
{
  if (!make_media ("film.mkv",
                   BALL "vp8enc deadline=1 keyframe-max-dist=20 ! queue ! matroskamux name=m "
                        "audiotestsrc num-buffers=260 ! audio/x-raw,rate=44100 ! vorbisenc ! "
                        "queue ! m. m."))
    return;
  run_well (LABEL "--mux --format vtt film.mkv", 1, 0);
  expect_vtt ("film.mkv.vtt");
  expect_same_stream ("film.mkv.labels.mkv", "film.mkv", "video_0");
  expect_same_stream ("film.mkv.labels.mkv", "film.mkv", "audio_0");
  g_autoptr (GPtrArray) texts = read_stream ("film.mkv.labels.mkv", "subtitle_0");
  GstClockTime end = 0;
  for (guint i = 0; i < texts->len; i++) {
    GstBuffer *buffer = gst_sample_get_buffer (texts->pdata[i]);
    g_assert_cmpint (ABS (GST_CLOCK_DIFF (GST_BUFFER_PTS (buffer), end)), <=, GST_MSECOND);
    g_assert_cmpint (gst_buffer_memcmp (buffer, 0, "a ", 2), ==, 0);
    end = GST_BUFFER_PTS (buffer) + GST_BUFFER_DURATION (buffer);
  }
  g_assert_cmpint (ABS (GST_CLOCK_DIFF (end, SECONDS * GST_SECOND)), <=, GST_MSECOND);
  run_well (LABEL "--mux film.mkv", 0, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (NULL, NULL);
  program = g_getenv ("GST_CLIP_PROGRAM");
  g_assert_nonnull (program);
  folder = g_dir_make_tmp ("gst-clip-XXXXXX", NULL);

  g_test_add_func ("/label/command-line", test_command_line);
  g_test_add_func ("/label/formats", test_formats);
  g_test_add_func ("/label/events", test_events);
  g_test_add_func ("/label/frames", test_frames);
  g_test_add_func ("/label/resume", test_resume);
  g_test_add_func ("/label/bad-among-good", test_bad_among_good);
  g_test_add_func ("/label/cut", test_cut);
  g_test_add_func ("/label/full-disk", test_full_disk);
  g_test_add_func ("/label/interrupted", test_interrupted);
  g_test_add_func ("/label/copy", test_copy);
  const int status = g_test_run ();

  const char *remove[] = { "rm", "-r", folder, NULL };
  g_spawn_sync (NULL, (char **) remove, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                NULL);
  g_free (folder);
  return status;
}
