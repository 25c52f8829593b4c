/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames that carry labels, as clipclassify attaches them, for the tests of what reads them. */
#pragma once
#include "gst/clipmeta.h"

#include <string.h>

#define FRAME_TIME (100 * GST_MSECOND)

/* "a .5,b .25" */
static inline guint
read_labels (ClipMetaLabel *labels, char **texts)
{
  guint n = 0;
  for (; texts[n]; n++) {
    char *space = strrchr (texts[n], ' ');
    *space = '\0';
    labels[n] = (ClipMetaLabel){ texts[n], (float) g_ascii_strtod (space + 1, NULL) };
  }
  return n;
}

/* Attaches to frame @n what @element found on frame @of: another one is held. */
static inline void
add_labels (GstBuffer *buffer, const char *element, int n, int of, const char *labels)
{
  g_auto (GStrv) texts = g_strsplit (labels, ",", 0);
  ClipMetaLabel read[16];
  g_assert_cmpuint (g_strv_length (texts), <=, G_N_ELEMENTS (read));
  const GstClockTime time = of * FRAME_TIME;
  const ClipMeta meta = { .element = element,
                          .model = "tiny@0123456789abcdef",
                          .held = n != of,
                          .pts = time,
                          .running_time = time,
                          .stream_time = time,
                          .labels = read,
                          .n_labels = read_labels (read, texts) };
  clip_meta_add (buffer, &meta);
}

/* Frame @n, 100 ms long, of @size bytes of @value. */
static inline GstBuffer *
plain_frame (int n, gsize size, guint8 value)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, size, NULL);
  gst_buffer_memset (buffer, 0, value, size);
  GST_BUFFER_PTS (buffer) = n * FRAME_TIME;
  GST_BUFFER_DURATION (buffer) = FRAME_TIME;
  return buffer;
}

/* Frame @n as @what tells: "a .5,b .25" a result; "=2 a .5" held from frame 2; "-" nothing attached; "gap" likewise, a gap
 * buffer; two elements are separated by "|": first, second. */
static inline GstBuffer *
labelled_frame (int n, const char *what, gsize size, guint8 value)
{
  static const char *const names[] = { "first", "second" };
  GstBuffer *buffer = plain_frame (n, size, value);
  if (g_str_equal (what, "gap"))
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_GAP);
  g_auto (GStrv) parts = g_strsplit (*what ? what : " ", "|", 2); /* nothing splits into nothing */
  for (int i = 0; parts[i]; i++) {
    char *part = parts[i];
    int of = n;
    if (*part == '=')
      of = (int) strtol (part + 1, &part, 10);
    if (!g_str_equal (part, "-") && !g_str_equal (part, "gap"))
      add_labels (buffer, names[i], n, of, g_strstrip (part));
  }
  return buffer;
}
