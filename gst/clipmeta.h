/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libgstclipmeta: reads what clipclassify found out about a frame back from its buffer, the same way with every version
 * of GStreamer.
 *
 *   g_autoptr (ClipMeta) meta = clip_meta_read (buffer, NULL);
 *   if (meta && meta->n_labels > 0)
 *     g_print ("%s %.2f\n", meta->labels[0].name, meta->labels[0].score);
 *
 * On the buffer it is a GstCustomMeta named "GstClipMeta", so a program may also read it without this library, in any
 * language, from the GstStructure that gst_custom_meta_get_structure () gives:
 *
 *   element       string                    name of the element that attached it
 *   model         string                    id of the model, "NAME@HASH"
 *   held          boolean                   TRUE: carried over from an earlier frame
 *   pts           guint64                   of the frame it was computed from, ns; GST_CLOCK_TIME_NONE where unknown
 *   running-time  guint64                   of that frame, likewise
 *   stream-time   guint64                   of that frame, likewise
 *   labels        GstValueArray of string   at or above the threshold, best first
 *   scores        GstValueArray of float    of these labels, 0 … 1
 *   embedding     GBytes                    [E] float32 in native byte order, unit length; only if asked for
 *
 * The metadata describes the picture, not its pixels: it survives copies, tee, queue, videoconvert, videoscale, videorate
 * and everything else that copies untagged metas. It is not serialised by muxers, payloaders or shared-memory elements.
 *
 * Since: 0.1
 */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#ifndef CLIP_META_API
#define CLIP_META_API __attribute__ ((visibility ("default")))
#endif

#define CLIP_META_NAME "GstClipMeta"

typedef struct {
  const char *name;
  float score; /* 0 … 1 */
} ClipMetaLabel;

/* All that is known about a frame. What clip_meta_read () returns is read-only and owns everything it points to. */
typedef struct {
  const char *element;                         /* name of the element that attached it */
  const char *model;                           /* id of the model */
  gboolean held;                               /* carried over from an earlier frame */
  GstClockTime pts, running_time, stream_time; /* of the frame it was computed from */
  guint n_labels;
  const ClipMetaLabel *labels; /* [n_labels], best first */
  guint n_embedding;           /* E, 0 where there is none */
  const float *embedding;      /* [n_embedding], unit length */
  GBytes
      *embedding_bytes; /* the same memory, NULL where there is none; take a reference to keep it */
} ClipMeta;

/*
 * clip_meta_read:
 * @element: (nullable): name of the clipclassify that shall have attached it; NULL takes the first there is
 *
 * Returns: (transfer full) (nullable): NULL where @buffer carries none. Free with clip_meta_free ().
 */
CLIP_META_API ClipMeta *clip_meta_read (GstBuffer *buffer, const char *element);

/*
 * clip_meta_next:
 * @state: where the last call stopped: a variable that is NULL at first
 *
 * Returns: (transfer full) (nullable): the next of all that @buffer carries, NULL where there is no other. Free with
 * clip_meta_free ().
 */
CLIP_META_API ClipMeta *clip_meta_next (GstBuffer *buffer, gpointer *state);
CLIP_META_API void clip_meta_free (ClipMeta *meta);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClipMeta, clip_meta_free)

/* Attaches @meta to the writable @buffer: everything is copied but the embedding, whose bytes are shared. (@embedding and
 * @n_embedding are not looked at.) */
CLIP_META_API void clip_meta_add (GstBuffer *buffer, const ClipMeta *meta);

/* Makes "GstClipMeta" known to GStreamer; the plugin and both functions above do it by themselves. */
CLIP_META_API const GstMetaInfo *clip_meta_get_info (void);

/* What was found out about detections in a frame is another GstCustomMeta. Its fields are in docs/elements.md; this makes its
 * name known, so that gst_buffer_get_custom_meta () finds it. The plugin does it by itself. */
#define CLIP_REGIONS_META_NAME "GstClipRegionsMeta"
CLIP_META_API const GstMetaInfo *clip_meta_get_regions_info (void);

/* Sets the fields @labels_field and @scores_field of @structure, as in the table above. */
CLIP_META_API void clip_meta_set_labels (GstStructure *structure, const char *labels_field,
                                         const char *scores_field, const ClipMetaLabel *labels,
                                         guint n_labels);

G_END_DECLS
