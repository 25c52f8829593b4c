/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ClipMeta ⇄ the GstStructure of a GstCustomMeta. Reading trusts nothing: another program may have
 * written the meta, so a field of another type counts as absent, and labels end with the shorter of
 * the two arrays.
 */
#include "gst/clipmeta.h"

/* What clip_meta_read () allocates: the strings are those of a copy of the meta's structure. */
typedef struct {
  ClipMeta meta;
  GstStructure *structure;
  ClipMetaLabel labels[];
} OwnedMeta;

/* No tags: it depends neither on size, format nor orientation, so that elements copy it whatever they
 * change. */
static const GstMetaInfo *
register_meta (gsize *once, const char *name)
{
  if (g_once_init_enter (once)) {
    static const char *tags[] = { NULL };
    g_once_init_leave (once, (gsize) gst_meta_register_custom (name, tags, NULL, NULL, NULL));
  }
  return (const GstMetaInfo *) *once;
}

const GstMetaInfo *
clip_meta_get_info (void)
{
  static gsize info = 0;
  return register_meta (&info, CLIP_META_NAME);
}

/* It says how large the frame was that its rectangles are of. */
const GstMetaInfo *
clip_meta_get_regions_info (void)
{
  static gsize info = 0;
  return register_meta (&info, CLIP_REGIONS_META_NAME);
}

void
clip_meta_set_labels (GstStructure *structure, const char *labels_field, const char *scores_field,
                      const ClipMetaLabel *labels, guint n_labels)
{
  GValue names = G_VALUE_INIT, scores = G_VALUE_INIT;
  gst_value_array_init (&names, n_labels);
  gst_value_array_init (&scores, n_labels);
  for (guint i = 0; i < n_labels; i++) {
    GValue name = G_VALUE_INIT, score = G_VALUE_INIT;
    g_value_init (&name, G_TYPE_STRING);
    g_value_set_string (&name, labels[i].name);
    gst_value_array_append_and_take_value (&names, &name);
    g_value_init (&score, G_TYPE_FLOAT);
    g_value_set_float (&score, labels[i].score);
    gst_value_array_append_and_take_value (&scores, &score);
  }
  gst_structure_take_value (structure, labels_field, &names);
  gst_structure_take_value (structure, scores_field, &scores);
}

void
clip_meta_add (GstBuffer *buffer, const ClipMeta *meta)
{
  clip_meta_get_info ();
  GstStructure *structure =
      gst_custom_meta_get_structure (gst_buffer_add_custom_meta (buffer, CLIP_META_NAME));
  gst_structure_set (structure, "element", G_TYPE_STRING, meta->element, "model", G_TYPE_STRING,
                     meta->model, "held", G_TYPE_BOOLEAN, meta->held, "pts", G_TYPE_UINT64,
                     meta->pts, "running-time", G_TYPE_UINT64, meta->running_time, "stream-time",
                     G_TYPE_UINT64, meta->stream_time, NULL);
  clip_meta_set_labels (structure, "labels", "scores", meta->labels, meta->n_labels);
  if (meta->embedding_bytes)
    gst_structure_set (structure, "embedding", G_TYPE_BYTES, meta->embedding_bytes, NULL);
}

/* The structure of the next of our metas, as gst_buffer_iterate_meta () goes through them. */
static const GstStructure *
next_structure (GstBuffer *buffer, gpointer *state)
{
  GstMeta *meta = gst_buffer_iterate_meta_filtered (buffer, state, clip_meta_get_info ()->api);
  return meta ? gst_custom_meta_get_structure ((GstCustomMeta *) meta) : NULL;
}

static const GValue *
get_array (const GstStructure *structure, const char *field, guint *n)
{
  const GValue *value = gst_structure_get_value (structure, field);
  *n = value && GST_VALUE_HOLDS_ARRAY (value) ? gst_value_array_get_size (value) : 0;
  return value;
}

static guint
read_labels (ClipMetaLabel *labels, const GstStructure *structure, guint n)
{
  guint n_names, n_scores;
  const GValue *names = get_array (structure, "labels", &n_names);
  const GValue *scores = get_array (structure, "scores", &n_scores);
  n = MIN (n, MIN (n_names, n_scores));
  for (guint i = 0; i < n; i++) {
    const GValue *name = gst_value_array_get_value (names, i);
    const GValue *score = gst_value_array_get_value (scores, i);
    if (!G_VALUE_HOLDS_STRING (name) || !g_value_get_string (name) || !G_VALUE_HOLDS_FLOAT (score))
      return i;
    labels[i] = (ClipMetaLabel){ g_value_get_string (name), g_value_get_float (score) };
  }
  return n;
}

static ClipMeta *
read_structure (const GstStructure *found)
{
  guint n_labels;
  get_array (found, "labels", &n_labels);
  OwnedMeta *owned = g_malloc0 (sizeof (OwnedMeta) + n_labels * sizeof (ClipMetaLabel));
  GstStructure *structure = owned->structure = gst_structure_copy (found);
  ClipMeta *meta = &owned->meta;

  meta->pts = meta->running_time = meta->stream_time = GST_CLOCK_TIME_NONE;
  meta->element = gst_structure_get_string (structure, "element");
  meta->model = gst_structure_get_string (structure, "model");
  gst_structure_get_boolean (structure, "held", &meta->held);
  gst_structure_get_uint64 (structure, "pts", &meta->pts);
  gst_structure_get_uint64 (structure, "running-time", &meta->running_time);
  gst_structure_get_uint64 (structure, "stream-time", &meta->stream_time);
  meta->labels = owned->labels;
  meta->n_labels = read_labels (owned->labels, structure, n_labels);

  const GValue *embedding = gst_structure_get_value (structure, "embedding");
  if (embedding && G_VALUE_HOLDS (embedding, G_TYPE_BYTES) && g_value_get_boxed (embedding)) {
    gsize size;
    meta->embedding_bytes = g_value_get_boxed (embedding);
    meta->embedding = g_bytes_get_data (meta->embedding_bytes, &size);
    meta->n_embedding = size / sizeof (float);
  }
  return meta;
}

ClipMeta *
clip_meta_read (GstBuffer *buffer, const char *element)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer), NULL);
  gpointer state = NULL;
  const GstStructure *found;
  while ((found = next_structure (buffer, &state)))
    if (!element || g_strcmp0 (gst_structure_get_string (found, "element"), element) == 0)
      return read_structure (found);
  return NULL;
}

ClipMeta *
clip_meta_next (GstBuffer *buffer, gpointer *state)
{
  g_return_val_if_fail (GST_IS_BUFFER (buffer) && state, NULL);
  const GstStructure *found = next_structure (buffer, state);
  return found ? read_structure (found) : NULL;
}

void
clip_meta_free (ClipMeta *meta)
{
  if (!meta)
    return;
  gst_structure_free (((OwnedMeta *) meta)->structure);
  g_free (meta);
}
