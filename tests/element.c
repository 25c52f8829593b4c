/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clipclassify and frames: every format, size and stride; which frames are classified, held or skipped; what comes out. */
#include "tests/element-harness.h"
#include "core/clip.h"

#include <math.h>
#include <string.h>

#define CAPS "video/x-raw,format=RGB,width=40,height=30,framerate=25/1"
static const char *const labels_only[] = { "labels=a red car;a dog;a cat", "threshold=0", NULL };
static const char *const with_embedding[] = { "labels=a red car;a dog;a cat", "threshold=0",
                                              "embedding=true", NULL };

/* What the core makes of the same frame, at unit length. */
static void
expect_embedding (const char *caps_string, GstBuffer *buffer, const ClipMeta *meta)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstCaps) caps = gst_caps_from_string (caps_string);
  GstVideoInfo info;
  GstVideoFrame frame;
  gst_video_info_from_caps (&info, caps);
  g_autoptr (ClipModel) model = clip_model_load (tiny_model (), NULL, &error);
  g_assert_no_error (error);
  const ClipModelInfo *model_info = clip_model_get_info (model);
  static const ClipColorMatrix matrices[] = {
    [GST_VIDEO_COLOR_MATRIX_BT601] = CLIP_COLOR_MATRIX_BT601,
    [GST_VIDEO_COLOR_MATRIX_BT709] = CLIP_COLOR_MATRIX_BT709,
    [GST_VIDEO_COLOR_MATRIX_BT2020] = CLIP_COLOR_MATRIX_BT2020,
  };
  const GstVideoColorMatrix matrix = info.colorimetry.matrix;
  const ClipFrameInfo frame_info = { .format = GST_VIDEO_INFO_NAME (&info),
                                     .width = info.width,
                                     .height = info.height,
                                     .matrix =
                                         matrix < G_N_ELEMENTS (matrices) ? matrices[matrix] : 0,
                                     .full_range =
                                         info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255 };
  g_autoptr (ClipPreprocess) preprocess =
      clip_preprocess_new (&model_info->preprocess, &frame_info, &error);
  g_assert_no_error (error);
  g_autoptr (ClipSession) session = clip_session_new (model, 1);
  const int n = model_info->embed_dim, size = model_info->image_width;
  g_autofree float *pixels = g_new (float, 3 * size * size), *feature = g_new (float, n);
  g_assert_true (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
  clip_preprocess_run (preprocess, pixels, (const guint8 *const *) frame.data, frame.info.stride);
  gst_video_frame_unmap (&frame);
  clip_encode_image (session, feature, pixels, 1);

  double sum = 0;
  for (int i = 0; i < n; i++)
    sum += (double) feature[i] * feature[i];
  g_assert_cmpuint (meta->n_embedding, ==, n);
  for (int i = 0; i < n; i++)
    g_assert_cmpfloat_with_epsilon (meta->embedding[i], feature[i] / sqrt (sum),
                                    1e-6); /* of values below 1 */
}

static void
test_formats (void)
{
  static const int sizes[][2] = {
    { 1, 1 }, { 1, 9 }, { 3, 2 }, { 33, 17 }, { 64, 48 }, { 321, 241 }
  };
  for (const char *const *format = clip_preprocess_formats (); *format; format++)
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
      g_autofree char *caps = video_caps (*format, sizes[i][0], sizes[i][1]);
      g_test_message ("%s", caps);
      g_auto (Bench) bench = bench_new (caps, with_embedding);
      GstBuffer *frame = frame_new (caps, 0, i);
      GstBuffer *padded = frame_pad (caps, frame, 7 + i * 16);
      g_autoptr (GstBuffer) out = bench_process (&bench, frame);
      g_autoptr (GstBuffer) padded_out = bench_process (&bench, padded);
      g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
      g_autoptr (ClipMeta) padded_meta = clip_meta_read (padded_out, NULL);
      g_assert_nonnull (meta);
      g_assert_cmpuint (meta->n_labels, ==, 3);
      expect_embedding (caps, out, meta);
      g_assert_cmpmem (meta->embedding, meta->n_embedding * sizeof (float), padded_meta->embedding,
                       padded_meta->n_embedding * sizeof (float));
    }
}

static void
test_colorimetry (void)
{
  static const char *const colorimetries[] = { "bt601", "bt709", "bt2020", "1:4:0:0", "1:3:0:0" };
  float first[G_N_ELEMENTS (colorimetries)];
  for (guint i = 0; i < G_N_ELEMENTS (colorimetries); i++) {
    g_autofree char *base = video_caps ("I420", 48, 32);
    g_autofree char *caps = g_strdup_printf ("%s,colorimetry=%s", base, colorimetries[i]);
    g_auto (Bench) bench = bench_new (caps, with_embedding);
    g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (caps, 0, 5));
    g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
    expect_embedding (caps, out, meta);
    first[i] = meta->embedding[0];
    for (guint j = 0; j < i; j++)
      g_assert_cmpfloat (first[i], !=, first[j]);
  }
}

static void
test_big (void)
{
  g_autofree char *caps = video_caps ("NV12", 7680, 4320);
  g_auto (Bench) bench = bench_new (caps, with_embedding);
  g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (caps, 0, 1));
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  expect_embedding (caps, out, meta);
}

static void
test_interlaced (void)
{
  const char *caps =
      "video/x-raw,format=I420,width=40,height=30,framerate=25/1,interlace-mode=interleaved,"
      "field-order=top-field-first";
  g_auto (Bench) bench = bench_new (caps, labels_only);
  g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (caps, 0, 1));
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  g_assert_nonnull (meta);
}

/* What a tee hands out is shared: the buffer is copied to carry the meta, its memory is not, and the other branch's
 * buffer stays as it is. */
static void
test_shared_memory (void)
{
  g_auto (Bench) bench = bench_new (CAPS, labels_only);
  g_autoptr (GstBuffer) in = frame_new (CAPS, 0, 1);
  g_autoptr (GstBuffer) out = bench_process (&bench, gst_buffer_ref (in));
  g_assert_true (out != in);
  g_assert_true (gst_buffer_peek_memory (out, 0) == gst_buffer_peek_memory (in, 0));
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  g_autoptr (ClipMeta) none = clip_meta_read (in, NULL);
  g_assert_nonnull (meta);
  g_assert_null (none);

  GstBuffer *alone = frame_new (CAPS, 1, 1);
  g_autoptr (GstBuffer) same = bench_process (&bench, alone);
  g_assert_true (same == alone);
}

static void
test_renegotiation (void)
{
  static const char *const all[] = { "I420", "RGB", "NV12", "GRAY8", "P010_10LE", "I420" };
  g_auto (Bench) bench = bench_new (NULL, with_embedding);
  for (guint i = 0; i < G_N_ELEMENTS (all); i++) {
    g_autofree char *caps = video_caps (all[i], 50 + 13 * i, 60 - 7 * i);
    gst_harness_set_src_caps_str (bench.harness, caps);
    g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (caps, i, i));
    g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
    g_assert_cmpuint (meta->pts, ==, i * 40 * GST_MSECOND);
    expect_embedding (caps, out, meta);
  }
}

static void
test_unusable_frames (void)
{
  g_autofree char *other_caps = video_caps ("RGB", 20, 15);
  for (int kind = 0; kind < 2; kind++) {
    g_auto (Bench) bench = bench_new (CAPS, labels_only);
    GstBuffer *bad =
        kind == 0 ? gst_buffer_new_allocate (NULL, 100, NULL) : frame_new (other_caps, 0, 1);
    if (kind == 1)
      gst_buffer_add_video_meta (bad, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, 20, 15);
    g_assert_cmpint (gst_harness_push (bench.harness, bad), ==, GST_FLOW_ERROR);
    g_autoptr (GstMessage) message = bench_pop (&bench, GST_MESSAGE_ERROR);
    g_autoptr (GstMessage) second = bench_pop (&bench, GST_MESSAGE_ERROR);
    g_autoptr (GError) error = NULL;
    g_assert_nonnull (message);
    g_assert_null (second);
    gst_message_parse_error (message, &error, NULL);
    g_assert_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT);
  }
}

/* ---------------------------------------------------------------------------------------- which frames are classified */

/* Pushes frame @n and checks whether it was classified ('c'), held ('h') or passed without a result ('-'). */
static void
expect_frame (Bench *bench, int n, char expected, GstBufferFlags flags, int expected_source)
{
  GstBuffer *in = frame_new (CAPS, n, n);
  GST_BUFFER_FLAG_SET (in, flags);
  g_autoptr (GstBuffer) out = bench_process (bench, in);
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  const char found = !meta ? '-' : meta->held ? 'h' : 'c';
  if (found != expected)
    g_error ("frame %d: expected '%c', found '%c'", n, expected, found);
  if (meta)
    g_assert_cmpuint (meta->pts, ==, expected_source * 40 * GST_MSECOND);
}

static void
test_interval (void)
{
  g_auto (Bench) bench = bench_new (CAPS, labels_only);
  g_object_set (bench.element, "interval", 3, NULL);
  for (int n = 0; n < 7; n++)
    expect_frame (&bench, n, n % 3 ? 'h' : 'c', 0, n - n % 3);
  g_object_set (bench.element, "interval", 1, NULL);
  expect_frame (&bench, 7, 'c', 0, 7);
  g_object_set (bench.element, "interval", 2, NULL);
  expect_frame (&bench, 8, 'h', 0, 7);
  expect_frame (&bench, 9, 'c', 0, 9);
  g_assert_cmpuint (bench_stat (&bench, "frames"), ==, 10);
  g_assert_cmpuint (bench_stat (&bench, "inferences"), ==, 5);
  g_assert_cmpuint (bench_stat (&bench, "held"), ==, 5);
  g_assert_cmpuint (bench_stat (&bench, "skipped"), ==, 0);
  g_assert_cmpuint (bench_stat (&bench, "last-latency"), >, 0);
  g_assert_cmpuint (bench_stat (&bench, "mean-latency"), >, 0);
  g_assert_cmpuint (bench_stat (&bench, "p99-latency"), >=, bench_stat (&bench, "mean-latency"));
}

static void
test_gaps (void)
{
  g_auto (Bench) bench = bench_new (CAPS, labels_only);
  expect_frame (&bench, 0, '-', GST_BUFFER_FLAG_GAP, 0);
  expect_frame (&bench, 1, 'c', 0, 1);
  expect_frame (&bench, 2, '-', GST_BUFFER_FLAG_GAP, 0);
  g_assert_cmpuint (bench_stat (&bench, "frames"), ==, 1);
  g_assert_true (gst_harness_push_event (bench.harness,
                                         gst_event_new_gap (120 * GST_MSECOND, 40 * GST_MSECOND)));
  gboolean found = FALSE;
  GstEvent *event;
  while ((event = gst_harness_try_pull_event (bench.harness))) {
    found |= GST_EVENT_TYPE (event) == GST_EVENT_GAP;
    gst_event_unref (event);
  }
  g_assert_true (found);
}

static void
test_discontinuities (void)
{
  g_auto (Bench) bench = bench_new (CAPS, labels_only);
  GstSegment segment;
  g_object_set (bench.element, "interval", 100, NULL);
  expect_frame (&bench, 0, 'c', 0, 0);
  expect_frame (&bench, 1, 'h', 0, 0);
  expect_frame (&bench, 2, 'c', GST_BUFFER_FLAG_DISCONT, 2);
  expect_frame (&bench, 3, 'h', 0, 2);

  g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_flush_start ()));
  g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_flush_stop (TRUE)));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_segment (&segment)));
  expect_frame (&bench, 4, 'c', 0, 4);
  expect_frame (&bench, 5, 'h', 0, 4);

  segment.start = 200 * GST_MSECOND;
  segment.base = GST_SECOND;
  g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_segment (&segment)));
  expect_frame (&bench, 6, 'c', 0, 6);
  g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (CAPS, 7, 7));
  g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
  g_assert_true (meta->held);
  g_assert_cmpuint (meta->running_time, ==, GST_SECOND + 40 * GST_MSECOND);
  g_assert_cmpuint (meta->stream_time, ==, 40 * GST_MSECOND);
}

/* A leaky queue makes a discontinuity of every drop: while live, only a gap of a second ends a result. */
static void
test_live_discontinuities (void)
{
  g_auto (Bench) bench = bench_new (CAPS, labels_only);
  g_object_set (bench.element, "interval", 3, NULL);
  gst_harness_query_latency (bench.harness); /* the harness says that it is live */
  expect_frame (&bench, 0, 'c', GST_BUFFER_FLAG_DISCONT, 0);
  expect_frame (&bench, 2, 'h', GST_BUFFER_FLAG_DISCONT, 0);
  expect_frame (&bench, 5, 'h', GST_BUFFER_FLAG_DISCONT, 0);
  expect_frame (&bench, 6, 'c', GST_BUFFER_FLAG_DISCONT, 6);
  expect_frame (&bench, 6 + 24, 'h', GST_BUFFER_FLAG_DISCONT, 6);
  expect_frame (&bench, 6 + 25, 'c', GST_BUFFER_FLAG_DISCONT, 31);
}

static void
test_eos (void)
{
  g_auto (Bench) bench = bench_new (CAPS, labels_only);
  expect_frame (&bench, 0, 'c', 0, 0);
  g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_eos ()));
  gboolean found = FALSE;
  GstEvent *event;
  while ((event = gst_harness_try_pull_event (bench.harness))) {
    found |= GST_EVENT_TYPE (event) == GST_EVENT_EOS;
    gst_event_unref (event);
  }
  g_assert_true (found);
}

static void
push_qos (Bench *bench, int n, GstClockTimeDiff lateness)
{
  GstEvent *event = gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.0, lateness, n * 40 * GST_MSECOND);
  gst_harness_push_upstream_event (bench->harness, event);
}

/* Late frames keep the last result in a live pipeline; in a file job nothing is left out. */
static void
test_qos (void)
{
  g_auto (Bench) bench = bench_new (CAPS, labels_only);
  expect_frame (&bench, 0, 'c', 0, 0);
  push_qos (&bench, 0, 50 * GST_MSECOND);
  expect_frame (&bench, 1, 'c', 0, 1);

  gst_harness_query_latency (bench.harness); /* the harness says that it is live */
  push_qos (&bench, 1, 50 * GST_MSECOND);
  expect_frame (&bench, 2, 'h', 0, 1); /* 80 < 40 + 2 · 50 */
  expect_frame (&bench, 3, 'h', 0, 1);
  expect_frame (&bench, 4, 'c', 0, 4);
  push_qos (&bench, 4, -10 * GST_MSECOND);
  expect_frame (&bench, 5, 'c', 0, 5);
  g_assert_cmpuint (bench_stat (&bench, "skipped"), ==, 2);

  push_qos (&bench, 5, 10 * GST_SECOND);
  expect_frame (&bench, 6, 'h', 0, 5);
  expect_frame (&bench, 5 + 25, 'c', 0, 30); /* a second after the last one */
}

static void
test_latency (void)
{
  g_auto (Bench) bench = bench_new (CAPS, labels_only);
  gst_harness_set_upstream_latency (bench.harness, 10 * GST_MSECOND);
  const GstClockTime before = gst_harness_query_latency (bench.harness);
  g_assert_cmpuint (before, >, 10 * GST_MSECOND);
  g_assert_cmpuint (before, <, 10 * GST_SECOND);
  /* A frame of which a billion pixels have to be read takes longer than what was measured with a black picture. */
  g_autofree char *caps = video_caps ("I420_10LE", 8192, 4096);
  g_object_set (bench.element, "embedding", TRUE, NULL);
  gst_harness_set_src_caps_str (bench.harness, caps);
  g_autoptr (GstBuffer) out = bench_process (&bench, frame_new (caps, 0, 0));
  g_autoptr (GstMessage) message = bench_pop (&bench, GST_MESSAGE_LATENCY);
  g_assert_nonnull (message);
  g_assert_cmpuint (gst_harness_query_latency (bench.harness), >, before);
}

static void
test_allocation (void)
{
  for (int downstream = 0; downstream < 2; downstream++) {
    g_auto (Bench) bench = bench_new (CAPS, labels_only);
    if (downstream) {
      gst_harness_add_propose_allocation_meta (bench.harness, GST_VIDEO_META_API_TYPE, NULL);
      gst_harness_add_propose_allocation_meta (bench.harness, GST_VIDEO_CROP_META_API_TYPE, NULL);
    }
    g_autoptr (GstCaps) caps = gst_caps_from_string (CAPS);
    GstQuery *query = gst_query_new_allocation (caps, FALSE);
    g_assert_true (gst_pad_peer_query (bench.harness->srcpad, query));
    /* Buffers are passed on, so what downstream cannot read must not be sent. */
    g_assert_cmpint (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL), ==,
                     downstream);
    g_assert_false (gst_query_find_allocation_meta (query, GST_VIDEO_CROP_META_API_TYPE, NULL));
    gst_query_unref (query);
  }
}

static void
add_tests (void)
{
  g_test_add_func ("/element/formats", test_formats);
  g_test_add_func ("/element/colorimetry", test_colorimetry);
  g_test_add_func ("/element/8k", test_big);
  g_test_add_func ("/element/interlaced", test_interlaced);
  g_test_add_func ("/element/shared-memory", test_shared_memory);
  g_test_add_func ("/element/renegotiation", test_renegotiation);
  g_test_add_func ("/element/unusable-frames", test_unusable_frames);
  g_test_add_func ("/element/interval", test_interval);
  g_test_add_func ("/element/gaps", test_gaps);
  g_test_add_func ("/element/discontinuities", test_discontinuities);
  g_test_add_func ("/element/live-discontinuities", test_live_discontinuities);
  g_test_add_func ("/element/eos", test_eos);
  g_test_add_func ("/element/qos", test_qos);
  g_test_add_func ("/element/latency", test_latency);
  g_test_add_func ("/element/allocation", test_allocation);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
