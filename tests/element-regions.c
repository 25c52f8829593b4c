/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clipclassify and detections from upstream, of every kind: which are classified in each setting and mode, and what stands
 * at them then. */
#include "tests/element-harness.h"

#include <string.h>
#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#define CAPS "video/x-raw,format=I420,width=160,height=120,framerate=25/1"
#define LABELS "labels=a red car;a dog;a cat"
#define N_LABELS 3
#define FRAME (40 * GST_MSECOND)
#define PATIENCE (20 * G_USEC_PER_SEC)

/* How a frame's detections are attached. */
typedef enum {
  ROIS,
  OBJECTS, /* GstAnalyticsODMtd */
  BOTH,    /* each as either */
} Kind;
static const char *const kind_names[] = {
  "ROI metas",
#ifdef HAVE_ANALYTICS
  "objects",
  "both",
#endif
};

/* ------------------------------------------------------------------------------------------------------ detections */

typedef struct {
  const char *type;
  int x, y, width, height;
} Box;

/* 0 whole, 1 a part, 2 one pixel, 3 outside, 4 empty. */
static const Box usual[] = { { "thing", 0, 0, 160, 120 },
                             { "thing", 31, 17, 60, 70 },
                             { "thing", 159, 119, 1, 1 },
                             { "thing", 500, 0, 9, 9 },
                             { "thing", 9, 9, 0, 0 } };

/* Detection i has id i, of either kind. */
static GstBuffer *
frame_with (int n, Kind kind, const Box *boxes, guint n_boxes)
{
  GstBuffer *frame = frame_new (CAPS, n, n);
  for (guint i = 0; i < n_boxes && kind != OBJECTS; i++)
    gst_buffer_add_video_region_of_interest_meta (frame, boxes[i].type, (guint) boxes[i].x,
                                                  (guint) boxes[i].y, (guint) boxes[i].width,
                                                  (guint) boxes[i].height)
        ->id = (int) i;
#ifdef HAVE_ANALYTICS
  GstAnalyticsRelationMetaInitParams room = { n_boxes + 200, 1 << 20 }; /* it grows slowly */
  for (guint i = 0; i < n_boxes && kind != ROIS; i++) {
    GstAnalyticsODMtd object;
    g_assert_true (gst_analytics_relation_meta_add_od_mtd (
        gst_buffer_add_analytics_relation_meta_full (frame, &room),
        g_quark_from_string (boxes[i].type), boxes[i].x, boxes[i].y, boxes[i].width,
        boxes[i].height, 0.5f, &object));
    g_assert_cmpuint (object.id, ==, i);
  }
#endif
  return frame;
}

static GstBuffer *
usual_frame (int n, Kind kind)
{
  return frame_with (n, kind, usual, G_N_ELEMENTS (usual));
}

/* What stands at a detection. */
typedef struct {
  guint n;
  const char *names[N_LABELS];
  float scores[N_LABELS];
} Said;

/* The only classification of ROI @id, NULL where it has none. */
static const GstStructure *
classification (GstBuffer *buffer, int id)
{
  GstVideoRegionOfInterestMeta *meta = gst_buffer_get_video_region_of_interest_meta_id (buffer, id);
  const GstStructure *found = NULL;
  g_assert_nonnull (meta);
  for (GList *item = meta->params; item; item = item->next)
    if (gst_structure_has_name (item->data, "classification")) {
      g_assert_null (found);
      found = item->data;
    }
  return found;
}

static Said
read_structure (const GstStructure *structure)
{
  Said said = { 0 };
  if (!structure)
    return said;
  const GValue *labels = gst_structure_get_value (structure, "labels");
  const GValue *scores = gst_structure_get_value (structure, "scores");
  said.n = gst_value_array_get_size (labels);
  g_assert_cmpuint (said.n, <=, N_LABELS);
  g_assert_cmpuint (gst_value_array_get_size (scores), ==, said.n);
  for (guint i = 0; i < said.n; i++) {
    said.names[i] = g_value_get_string (gst_value_array_get_value (labels, i));
    said.scores[i] = g_value_get_float (gst_value_array_get_value (scores, i));
  }
  return said;
}

#ifdef HAVE_ANALYTICS
static Said
read_classes (GstBuffer *buffer, guint id)
{
  GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta (buffer);
  const GstAnalyticsRelTypes types[] = { GST_ANALYTICS_REL_TYPE_RELATE_TO,
                                         GST_ANALYTICS_REL_TYPE_CONTAIN };
  Said said = { 0 };
  g_assert_nonnull (relations);
  for (guint t = 0; t < G_N_ELEMENTS (types); t++) {
    GstAnalyticsMtd mtd;
    gpointer state = NULL;
    said.n = 0;
    while (gst_analytics_relation_meta_get_direct_related (
        relations, id, types[t], gst_analytics_cls_mtd_get_mtd_type (), &state, &mtd)) {
      GstAnalyticsClsMtd *cls = (GstAnalyticsClsMtd *) &mtd;
      g_assert_cmpuint (said.n, <, N_LABELS);
      g_assert_cmpuint (gst_analytics_cls_mtd_get_length (cls), ==, 1);
      g_assert_cmpint (gst_analytics_relation_meta_get_relation (relations, mtd.id, id), ==,
                       GST_ANALYTICS_REL_TYPE_IS_PART_OF);
      said.names[said.n] = g_quark_to_string (gst_analytics_cls_mtd_get_quark (cls, 0));
      said.scores[said.n++] = gst_analytics_cls_mtd_get_level (cls, 0);
    }
  }
  return said;
}
#endif

static void
expect_same (const Said *a, const Said *b)
{
  g_assert_cmpuint (a->n, ==, b->n);
  for (guint i = 0; i < a->n; i++) {
    g_assert_cmpstr (a->names[i], ==, b->names[i]);
    g_assert_cmpfloat (a->scores[i], ==, b->scores[i]);
  }
}

static Said
read (GstBuffer *buffer, Kind kind, int id)
{
#ifdef HAVE_ANALYTICS
  if (kind != ROIS) {
    const Said classes = read_classes (buffer, (guint) id);
    if (kind == BOTH) {
      const Said param = read_structure (classification (buffer, id));
      expect_same (&param, &classes);
    }
    return classes;
  }
#endif
  return read_structure (classification (buffer, id));
}

static gboolean
is_classified (GstBuffer *buffer, Kind kind, int id)
{
  const Said said = read (buffer, kind, id);
  g_assert_true (said.n == 0 || said.n == N_LABELS);
  return said.n > 0;
}

/* The structure of the frame's GstClipRegionsMeta, NULL where it has none. */
static const GstStructure *
regions_meta (GstBuffer *buffer)
{
  clip_meta_get_regions_info ();
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, CLIP_REGIONS_META_NAME);
  return meta ? gst_custom_meta_get_structure (meta) : NULL;
}

static guint
n_regions (const GstStructure *meta)
{
  return gst_value_array_get_size (gst_structure_get_value (meta, "regions"));
}

static const GstStructure *
region (const GstStructure *meta, guint i)
{
  return gst_value_get_structure (
      gst_value_array_get_value (gst_structure_get_value (meta, "regions"), i));
}

static GstClockTime
pts_of (const GstStructure *structure)
{
  guint64 pts;
  g_assert_true (gst_structure_get_uint64 (structure, "pts", &pts));
  return pts;
}

static void
expect_box (const GstStructure *structure, int x, int y, int width, int height)
{
  int found[4];
  g_assert_true (gst_structure_get (structure, "x", G_TYPE_INT, &found[0], "y", G_TYPE_INT,
                                    &found[1], "width", G_TYPE_INT, &found[2], "height", G_TYPE_INT,
                                    &found[3], NULL));
  const int expected[4] = { x, y, width, height };
  for (int i = 0; i < 4; i++)
    g_assert_cmpint (found[i], ==, expected[i]);
}

/* ---------------------------------------------------------------------------------------------------------- inline */

static void
test_settings (void)
{
  static const struct {
    const char *regions;
    gboolean frame, detections;
  } cases[] = {
    { "regions=frame", TRUE, FALSE },
    { "regions=detections", FALSE, TRUE },
    { "regions=both", TRUE, TRUE },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (Kind kind = 0; kind < G_N_ELEMENTS (kind_names); kind++) {
      const char *properties[] = { LABELS, "threshold=0", "interval=2", cases[i].regions, NULL };
      g_auto (Bench) bench = bench_new (CAPS, properties);
      g_test_message ("%s, %s", cases[i].regions, kind_names[kind]);
      for (int n = 0; n < 3; n++) {
        const gboolean expected = cases[i].detections && n % 2 == 0;
        g_autoptr (GstBuffer) out = bench_process (&bench, usual_frame (n, kind));
        g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
        g_assert_cmpint (meta != NULL, ==, cases[i].frame);
        /* Where a detection is on another frame than its own, nothing is known. */
        for (int id = 0; id < 5; id++)
          g_assert_cmpint (is_classified (out, kind, id), ==, expected && id < 3);
        g_assert_cmpint (regions_meta (out) != NULL, ==, expected);
      }
      g_assert_cmpuint (bench_stat (&bench, "inferences"), ==, 2);
      g_assert_cmpuint (bench_stat (&bench, "regions"), ==, cases[i].detections ? 2 * 3 : 0);
      g_assert_cmpuint (bench_stat (&bench, "regions-skipped"), ==,
                        !cases[i].detections ? 0
                        : kind == BOTH       ? 2 * 4
                                             : 2 * 2);
    }
}

/* A detection as large as the frame has the frame's labels; the part has others. */
static void
test_labels (void)
{
  static const char *const properties[] = { LABELS, "threshold=0", "regions=both", NULL };
  for (Kind kind = 0; kind < G_N_ELEMENTS (kind_names); kind++) {
    g_auto (Bench) bench = bench_new (CAPS, properties);
    g_autoptr (GstBuffer) out = bench_process (&bench, usual_frame (1, kind));
    g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
    const Said whole = read (out, kind, 0), part = read (out, kind, 1);
    g_assert_cmpuint (meta->n_labels, ==, N_LABELS);
    g_assert_cmpuint (whole.n, ==, N_LABELS);
    for (guint i = 0; i < N_LABELS; i++) {
      g_assert_cmpstr (whole.names[i], ==, meta->labels[i].name);
      g_assert_cmpfloat (whole.scores[i], ==, meta->labels[i].score);
    }
    g_assert_cmpfloat (whole.scores[0], !=, part.scores[0]);
  }
}

/* What a param and the frame's meta say beside labels. */
static void
test_fields (void)
{
  static const char *const properties[] = { LABELS, "threshold=0", "regions=both", "embedding=true",
                                            NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_autoptr (GstBuffer) out = bench_process (&bench, usual_frame (1, ROIS));
  g_autoptr (ClipMeta) frame = clip_meta_read (out, NULL);
  const GstStructure *param = classification (out, 1), *meta = regions_meta (out);
  const GstStructure *structures[] = { param, meta };
  gboolean held;
  for (guint i = 0; i < G_N_ELEMENTS (structures); i++) {
    g_assert_cmpstr (gst_structure_get_string (structures[i], "element"), ==, frame->element);
    g_assert_cmpstr (gst_structure_get_string (structures[i], "model"), ==, frame->model);
    g_assert_true (gst_structure_get_boolean (structures[i], "held", &held));
    g_assert_false (held);
    g_assert_cmpuint (pts_of (structures[i]), ==, FRAME);
  }
  int width, height;
  gint64 id;
  g_assert_true (
      gst_structure_get (meta, "width", G_TYPE_INT, &width, "height", G_TYPE_INT, &height, NULL));
  g_assert_cmpint (width, ==, 160);
  g_assert_cmpint (height, ==, 120);
  g_assert_cmpuint (n_regions (meta), ==, 3);
  const GstStructure *second = region (meta, 1); /* the largest are first */
  const Said at = read_structure (param), in = read_structure (second);
  expect_same (&at, &in);
  g_assert_cmpstr (gst_structure_get_string (second, "type"), ==, "thing");
  g_assert_true (gst_structure_get_int64 (second, "roi-id", &id));
  g_assert_cmpint (id, ==, 1);
  g_assert_false (gst_structure_has_field (second, "mtd-id"));
  expect_box (param, 30, 16, 61, 71); /* from a whole sample of chroma on */
  expect_box (second, 30, 16, 61, 71);

  /* The same picture, the same embedding. */
  gsize size;
  const GValue *embedding = gst_structure_get_value (classification (out, 0), "embedding");
  const float *values = g_bytes_get_data (g_value_get_boxed (embedding), &size);
  g_assert_cmpmem (values, size, frame->embedding, frame->n_embedding * sizeof (float));
  double confidence;
  g_assert_true (gst_structure_get_double (param, "confidence", &confidence));
  g_assert_cmpfloat (confidence, ==, at.scores[0]);
  g_assert_cmpstr (gst_structure_get_string (param, "label"), ==, at.names[0]);
}

/* Without labels the embedding is all that there is to say. */
static void
test_embedding_only (void)
{
  static const char *const properties[] = { "regions=detections", "embedding=true", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_autoptr (GstBuffer) out = bench_process (&bench, usual_frame (0, ROIS));
  g_assert_true (gst_structure_has_field (classification (out, 0), "embedding"));
  g_assert_false (gst_structure_has_field (classification (out, 0), "labels"));
  g_assert_true (gst_structure_has_field (region (regions_meta (out), 0), "embedding"));
}

/* What others said stays, what this element said of a frame that comes again is replaced. Where no label reaches the
 * threshold there is none. */
static void
test_params (void)
{
  static const char *const properties[] = { LABELS, "threshold=0", "regions=detections", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  GstBuffer *frame = usual_frame (0, ROIS);
  gst_video_region_of_interest_meta_add_param (
      gst_buffer_get_video_region_of_interest_meta_id (frame, 0),
      gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, 0.5, NULL));
  GstBuffer *again = bench_process (&bench, frame);
  g_object_set (bench.element, "threshold", 1.0, NULL);
  g_autoptr (GstBuffer) out = bench_process (&bench, again);
  const GstStructure *found = classification (out, 0);
  g_assert_nonnull (found);
  g_assert_false (gst_structure_has_field (found, "label"));
  g_assert_cmpuint (gst_value_array_get_size (gst_structure_get_value (found, "labels")), ==, 0);
  GstVideoRegionOfInterestMeta *meta = gst_buffer_get_video_region_of_interest_meta_id (out, 0);
  g_assert_nonnull (gst_video_region_of_interest_meta_get_param (meta, "detection"));
}

/* Another branch of a tee keeps its metas as they are. */
static void
test_shared (void)
{
  static const char *const properties[] = { LABELS, "threshold=0", "regions=detections", NULL };
  for (Kind kind = 0; kind < G_N_ELEMENTS (kind_names); kind++) {
    g_auto (Bench) bench = bench_new (CAPS, properties);
    g_autoptr (GstBuffer) in = usual_frame (0, kind);
    g_autoptr (GstBuffer) out = bench_process (&bench, gst_buffer_ref (in));
    g_assert_false (is_classified (in, kind, 0));
    g_assert_true (is_classified (out, kind, 0));
  }
}

static void
test_thousands (void)
{
  enum { N = 3000 };
  static const char *const properties[] = { LABELS, "threshold=0", "regions=detections", NULL };
  g_autofree Box *boxes = g_new (Box, N);
  memcpy (boxes, usual, sizeof usual);
  for (guint i = G_N_ELEMENTS (usual); i < N; i++)
    boxes[i] = (Box){ "thing", (int) i % 160, (int) i / 160 * 2, 5, 5 };
  boxes[N - 1] = (Box){ "thing", 10, 10, 8, 8 }; /* some of the others are the most of it */
  for (Kind kind = 0; kind < G_N_ELEMENTS (kind_names); kind++) {
    g_auto (Bench) bench = bench_new (CAPS, properties);
    for (int n = 0; n < 2; n++) {
      const gint64 start = g_get_monotonic_time ();
      g_autoptr (GstBuffer) out = bench_process (&bench, frame_with (n, kind, boxes, N));
      g_test_message ("%s: %.1f ms", kind_names[kind],
                      (double) (g_get_monotonic_time () - start) / 1000);
      g_assert_true (is_classified (out, kind, 0));
      g_assert_true (is_classified (out, kind, 1));
      g_assert_true (is_classified (out, kind, N - 1));
      /* Those that are too many have nothing, not even where they are nearly the same as one that was classified. */
      guint n_classified = 0;
      for (int id = 0; id < 300; id++)
        n_classified += is_classified (out, kind, id);
      g_assert_cmpuint (n_classified, ==, 31);
    }
    g_assert_cmpuint (bench_stat (&bench, "regions"), ==, 2 * 32);
    if (kind != BOTH)
      g_assert_cmpuint (bench_stat (&bench, "regions-skipped"), ==, 2 * (N - 32));
  }
}

#ifdef HAVE_ANALYTICS
/* All labels reach the threshold; no more are attached than the library can carry. */
static void
test_many_labels (void)
{
  g_autoptr (GString) labels = g_string_new ("labels=a");
  for (int i = 0; i < 300; i++)
    g_string_append_printf (labels, ";label %d", i);
  const char *properties[] = { labels->str, "threshold=0", "regions=detections", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_autoptr (GstBuffer) out = bench_process (&bench, usual_frame (0, OBJECTS));
  g_assert_cmpuint (
      gst_analytics_relation_get_length (gst_buffer_get_analytics_relation_meta (out)), ==,
      G_N_ELEMENTS (usual) + 3 * 5);
}
#endif

/* A frame without detections costs nothing, and does not keep a budget waiting. */
static void
test_none (void)
{
  static const char *const properties[] = { LABELS, "threshold=0", "regions=detections",
                                            "cpu-budget=0.99", NULL };
  g_auto (Bench) bench = bench_new (CAPS, properties);
  g_autoptr (GstBuffer) without = bench_process (&bench, frame_new (CAPS, 0, 0));
  g_assert_cmpuint (bench_stat (&bench, "inferences"), ==, 0);
  g_assert_cmpuint (n_regions (regions_meta (without)), ==, 0);
  g_autoptr (GstBuffer) with = bench_process (&bench, usual_frame (1, ROIS));
  g_assert_nonnull (classification (with, 0));
  g_assert_cmpuint (bench_stat (&bench, "inferences"), ==, 1);
}

/* ------------------------------------------------------------------------------------------------------------ live */

static const char *const live[] = { LABELS, "threshold=0", "regions=both", "mode=live", NULL };

/* Pushes frames with @boxes from *@n on until one tells of regions of frame @from or a later one. Returns: (transfer full). */
static GstBuffer *
pass_until (Bench *bench, Kind kind, const Box *boxes, guint n_boxes, int *n, int from)
{
  const gint64 end = g_get_monotonic_time () + PATIENCE;
  while (g_get_monotonic_time () < end) {
    g_autoptr (GstBuffer) out = bench_process (bench, frame_with (*n, kind, boxes, n_boxes));
    const GstStructure *meta = regions_meta (out);
    (*n)++;
    if (meta) {
      gboolean held;
      g_assert_true (gst_structure_get_boolean (meta, "held", &held) && held);
      g_assert_cmpuint (pts_of (meta), <, GST_BUFFER_PTS (out));
      if (pts_of (meta) >= from * FRAME)
        return g_steal_pointer (&out);
    }
    g_usleep (1000);
  }
  g_error ("no regions of frame %d or later within %d frames", from, *n);
}

/* What is said later is, to the bit, what inline mode says of that frame. */
static void
test_live (void)
{
  static const char *const inline_[] = { LABELS, "threshold=0", "regions=both", NULL };
  for (Kind kind = 0; kind < G_N_ELEMENTS (kind_names); kind++) {
    g_auto (Bench) bench = bench_new (CAPS, live), other = bench_new (CAPS, inline_);
    int n = 0;
    for (int i = 0; i < 5; i++) {
      g_autoptr (GstBuffer) out = pass_until (&bench, kind, usual, G_N_ELEMENTS (usual), &n, n);
      const int source = (int) (pts_of (regions_meta (out)) / FRAME);
      g_autoptr (GstBuffer) expected = bench_process (&other, usual_frame (source, kind));
      g_autoptr (ClipMeta) meta = clip_meta_read (out, NULL);
      g_assert_cmpuint (meta->pts, ==, source * FRAME);
      for (int id = 0; id < 5; id++) {
        const Said a = read (out, kind, id), b = read (expected, kind, id);
        expect_same (&a, &b);
        g_assert_cmpuint (a.n, ==, id < 3 ? N_LABELS : 0);
      }
      g_assert_cmpuint (n_regions (regions_meta (out)), ==, 3);
    }
    g_assert_cmpuint (bench_stat (&bench, "regions"), >=, 5 * 3);
    g_assert_null (bench_pop (&bench, GST_MESSAGE_WARNING));
  }
}

/* What was found is said of detections in about the same place; all of it is in the frame's meta, wherever they are now. */
static void
test_live_moved (void)
{
  static const Box before[] = { { "dog", 40, 40, 40, 40 } };
  static const struct {
    const char *name;
    Box now;
    gboolean same;
  } cases[] = {
    { "there", { "dog", 40, 40, 40, 40 }, TRUE },
    { "a quarter further", { "dog", 50, 40, 40, 40 }, TRUE },
    { "half its width further", { "dog", 60, 40, 40, 40 }, FALSE },
    { "elsewhere", { "dog", 100, 40, 40, 40 }, FALSE },
    { "somewhat larger", { "dog", 36, 36, 48, 48 }, TRUE },
    { "much larger", { "dog", 10, 10, 140, 100 }, FALSE },
    { "something else", { "cat", 40, 40, 40, 40 }, FALSE },
    { "outside", { "dog", 400, 40, 40, 40 }, FALSE },
  };
  for (Kind kind = 0; kind < G_N_ELEMENTS (kind_names); kind++) {
    g_auto (Bench) bench = bench_new (CAPS, live);
    int n = 0;
    g_object_set (bench.element, "interval", 1000000, NULL); /* only the first is classified */
    gst_buffer_unref (pass_until (&bench, kind, before, 1, &n, 0));
    for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
      g_autoptr (GstBuffer) out = bench_process (&bench, frame_with (n++, kind, &cases[i].now, 1));
      g_test_message ("%s, %s", kind_names[kind], cases[i].name);
      g_assert_cmpint (is_classified (out, kind, 0), ==, cases[i].same);
      const GstStructure *meta = regions_meta (out);
      g_assert_cmpuint (n_regions (meta), ==, 1);
      expect_box (region (meta, 0), 40, 40, 40, 40);
      g_assert_cmpstr (gst_structure_get_string (region (meta, 0), "type"), ==, "dog");
      g_assert_cmpuint (pts_of (meta), ==, 0);
      if (cases[i].same && kind != OBJECTS) {
        expect_box (classification (out, 0), 40, 40, 40, 40);
        g_assert_cmpuint (pts_of (classification (out, 0)), ==, 0);
      }
    }
  }
}

/* Of several the nearest. */
static void
test_live_nearest (void)
{
  static const Box before[] = { { "dog", 40, 40, 40, 40 }, { "dog", 50, 40, 40, 40 } };
  static const Box now[] = { { "dog", 48, 40, 40, 40 } };
  g_auto (Bench) bench = bench_new (CAPS, live);
  int n = 0;
  g_object_set (bench.element, "interval", 1000000, NULL);
  gst_buffer_unref (pass_until (&bench, ROIS, before, 2, &n, 0));
  g_autoptr (GstBuffer) out = bench_process (&bench, frame_with (n, ROIS, now, 1));
  expect_box (classification (out, 0), 50, 40, 40, 40);
}

/* Nothing stays of detections that are gone: neither where later frames have none, nor where nothing is known any more. */
static void
test_live_ends (void)
{
  g_auto (Bench) bench = bench_new (CAPS, live);
  int n = 0;
  gst_buffer_unref (pass_until (&bench, ROIS, usual, G_N_ELEMENTS (usual), &n, 0));
  for (guint left = 3; left > 0;) {
    g_autoptr (GstBuffer) out = pass_until (&bench, ROIS, NULL, 0, &n, n);
    left = n_regions (regions_meta (out));
  }
  gst_buffer_unref (pass_until (&bench, ROIS, usual, G_N_ELEMENTS (usual), &n, n));

  g_object_set (bench.element, "interval", 1000000, "max-age", 2 * FRAME, NULL);
  GstBuffer *late = frame_with (n + 100, ROIS, usual, G_N_ELEMENTS (usual));
  g_autoptr (GstBuffer) old = bench_process (&bench, late);
  g_assert_null (regions_meta (old));
  g_assert_false (is_classified (old, ROIS, 0));

  /* Caps change, and what is under way is of another size. */
  g_object_set (bench.element, "interval", 1, "max-age", G_GUINT64_CONSTANT (0), NULL);
  n += 101;
  gst_buffer_unref (pass_until (&bench, ROIS, usual, G_N_ELEMENTS (usual), &n, n));
  static const char other_caps[] = "video/x-raw,format=I420,width=80,height=60,framerate=25/1";
  g_autoptr (GstCaps) caps = gst_caps_from_string (other_caps);
  g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_caps (caps)));
  g_autoptr (GstBuffer) other = bench_process (&bench, frame_new (other_caps, n, n));
  g_autoptr (ClipMeta) meta = clip_meta_read (other, NULL);
  g_assert_nonnull (meta); /* what the frame showed is carried on */
  g_assert_null (regions_meta (other));
}

static void
test_live_forgets (void)
{
  g_auto (Bench) bench = bench_new (CAPS, live);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  int n = 0;
  for (int i = 0; i < 100; i++) {
    g_assert_true (gst_harness_push_event (bench.harness, gst_event_new_segment (&segment)));
    const int first = n;
    for (int j = 0; j < 4; j++, n++) {
      g_autoptr (GstBuffer) out = bench_process (&bench, usual_frame (n, ROIS));
      if (regions_meta (out))
        g_assert_cmpuint (pts_of (regions_meta (out)), >=, first * FRAME);
      g_usleep (i * 10);
    }
  }
}

/* Labels that change apply to regions of before; thousands are as few as inline. */
static void
test_live_labels (void)
{
  enum { N = 2000 };
  g_autofree Box *boxes = g_new (Box, N);
  memcpy (boxes, usual, sizeof usual);
  for (guint i = G_N_ELEMENTS (usual); i < N; i++)
    boxes[i] = (Box){ "thing", (int) i % 160, (int) i / 160 * 2, 5, 5 };
  g_auto (Bench) bench = bench_new (CAPS, live);
  int n = 0;
  gst_buffer_unref (pass_until (&bench, ROIS, boxes, N, &n, 0));
  g_object_set (bench.element, "interval", 1000000, "labels", "x;y;z", NULL);
  const gint64 end = g_get_monotonic_time () + PATIENCE;
  for (gboolean changed = FALSE; !changed;) {
    g_autoptr (GstBuffer) out = bench_process (&bench, frame_with (n++, ROIS, boxes, N));
    const Said said = read (out, ROIS, 0);
    g_assert_cmpuint (said.n, ==, N_LABELS);
    g_assert_cmpuint (n_regions (regions_meta (out)), ==, 32);
    changed = strlen (said.names[0]) == 1;
    g_assert_cmpint (g_get_monotonic_time (), <, end);
    g_usleep (1000);
  }
}

static void
add_tests (void)
{
  g_test_add_func ("/element-regions/settings", test_settings);
  g_test_add_func ("/element-regions/labels", test_labels);
  g_test_add_func ("/element-regions/fields", test_fields);
  g_test_add_func ("/element-regions/embedding-only", test_embedding_only);
  g_test_add_func ("/element-regions/params", test_params);
  g_test_add_func ("/element-regions/shared", test_shared);
  g_test_add_func ("/element-regions/thousands", test_thousands);
#ifdef HAVE_ANALYTICS
  g_test_add_func ("/element-regions/many-labels", test_many_labels);
#endif
  g_test_add_func ("/element-regions/none", test_none);
  g_test_add_func ("/element-regions/live", test_live);
  g_test_add_func ("/element-regions/live-moved", test_live_moved);
  g_test_add_func ("/element-regions/live-nearest", test_live_nearest);
  g_test_add_func ("/element-regions/live-ends", test_live_ends);
  g_test_add_func ("/element-regions/live-forgets", test_live_forgets);
  g_test_add_func ("/element-regions/live-labels", test_live_labels);
}

int
main (int argc, char **argv)
{
  return run_element_tests (argc, argv, add_tests);
}
