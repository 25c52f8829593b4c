/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long a frame takes to become the tower's input, on one core: the fastest and the median of a few hundred runs. */
#include "core/clip.h"

#include <stdlib.h>

#define RUNS 200

typedef struct {
  const char *format;
  int width, height, size;
  ClipYuvOrder order;
} Case;

static const Case cases[] = {
  { "RGB", 1920, 1080, 224, 0 },
  { "BGRx", 1920, 1080, 224, 0 },
  { "GRAY8", 1920, 1080, 224, 0 },
  { "NV12", 1920, 1080, 224, CLIP_YUV_RESIZE_FIRST },
  { "I420", 1920, 1080, 224, CLIP_YUV_RESIZE_FIRST },
  { "YUY2", 1920, 1080, 224, CLIP_YUV_RESIZE_FIRST },
  { "P010_10LE", 1920, 1080, 224, CLIP_YUV_RESIZE_FIRST },
  { "NV12", 1920, 1080, 224, CLIP_YUV_CONVERT_FIRST },
  { "RGB", 640, 480, 224, 0 },
  { "NV12", 640, 480, 224, CLIP_YUV_RESIZE_FIRST },
  { "RGB", 3840, 2160, 224, 0 },
  { "NV12", 3840, 2160, 224, CLIP_YUV_RESIZE_FIRST },
  { "NV12", 7680, 4320, 224, CLIP_YUV_RESIZE_FIRST },
  { "RGB", 64, 64, 224, 0 },
};

static int
compare (const void *a, const void *b)
{
  return (*(const gint64 *) a > *(const gint64 *) b) - (*(const gint64 *) a < *(const gint64 *) b);
}

static void
measure (const Case *c)
{
  const ClipPreprocessConfig config = { .width = c->size,
                                        .height = c->size,
                                        .mean = { 0.48145466f, 0.4578275f, 0.40821073f },
                                        .std = { 0.26862954f, 0.26130258f, 0.27577711f } };
  const ClipFrameInfo frame = { .format = c->format,
                                .width = c->width,
                                .height = c->height,
                                .matrix = CLIP_COLOR_MATRIX_BT709,
                                .yuv_order = c->order };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (&config, &frame, &error);
  if (!preprocess) {
    g_printerr ("%s\n", error->message);
    exit (1);
  }
  /* every plane as large as the largest: four bytes a pixel */
  const int stride = 4 * c->width;
  const gsize bytes = (gsize) stride * c->height;
  g_autofree guint8 *data = g_malloc (3 * bytes);
  guint32 noise = 1;
  for (gsize i = 0; i < 3 * bytes; i++)
    data[i] = (noise = noise * 1664525 + 1013904223) >> 24;
  /* packed tightly, as frames are */
  const int step = g_str_has_prefix (c->format, "RGB")                                     ? 3
                   : g_str_equal (c->format, "BGRx")                                       ? 4
                   : g_str_equal (c->format, "YUY2") || g_str_has_prefix (c->format, "P0") ? 2
                                                                                           : 1;
  const guint8 *planes[3] = { data, data + bytes, data + 2 * bytes };
  const int strides[3] = { step * c->width,
                           g_str_equal (c->format, "I420") ? c->width / 2 : step * c->width,
                           c->width / 2 };
  g_autofree float *pixels = g_new (float, 3 * (gsize) c->size * c->size);
  gint64 us[RUNS];
  for (int i = 0; i < RUNS; i++) {
    const gint64 start = g_get_monotonic_time ();
    clip_preprocess_run (preprocess, pixels, planes, strides);
    us[i] = g_get_monotonic_time () - start;
  }
  qsort (us, RUNS, sizeof us[0], compare);
  const gint64 median = us[RUNS / 2];
  g_print ("%-10s %4d×%-4d -> %d  %-13s  fastest %6.3f ms  median %6.3f ms\n", c->format, c->width,
           c->height, c->size, c->order == CLIP_YUV_CONVERT_FIRST ? "convert first" : "",
           us[0] / 1e3, median / 1e3);
}

int
main (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    measure (&cases[i]);
  return 0;
}
