/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every raw format against a plain reading of it, pixel by pixel, of frames with odd sizes and any strides:
 *
 *   read     : nothing is resized; R'G'B' of each pixel is what its samples say
 *   resized  : RGB and converted-first formats equal the RGB frame of the same pixels, to the bit
 *   planes   : resized-first Y'CbCr equals planes resized in double
 */
#include "core/clip.h"
#include "tests/testing.h"

#include <math.h>

typedef struct {
  const char *format;
  int width, height;
  guint8 *memory[3];
  const guint8 *planes[3]; /* the topmost row of each */
  int strides[3];
} Frame;

typedef enum { TIGHT, PADDED, ODD, BOTTOM_UP, N_STRIDES } Strides;
static const char *const stride_names[] = { "tight", "padded", "odd", "bottom-up" };

/* Whether @format is one of @names, which are separated by spaces. */
static gboolean
is (const char *format, const char *names)
{
  const gsize length = strlen (format);
  for (const char *name = names; name; name = strchr (name, ' ')) {
    name += *name == ' ';
    if (strncmp (name, format, length) == 0 && (name[length] == ' ' || name[length] == '\0'))
      return TRUE;
  }
  return FALSE;
}

#define YUV "I420 YV12 NV12 NV21 YUY2 UYVY Y42B Y444 I420_10LE P010_10LE"

/* Bytes of a row of plane @p, 0 where there is none; rows of it. */
static int
row_bytes (const char *format, int p, int width, int height, int *rows)
{
  const int half = (width + 1) / 2;
  *rows =
      p > 0 && is (format, "I420 YV12 NV12 NV21 I420_10LE P010_10LE") ? (height + 1) / 2 : height;
  if (is (format, "RGB BGR"))
    return p == 0 ? 3 * width : 0;
  if (is (format, "YUY2 UYVY"))
    return p == 0 ? 4 * half : 0;
  if (is (format, "GRAY8"))
    return p == 0 ? width : 0;
  if (is (format, "NV12 NV21"))
    return p == 0 ? width : p == 1 ? 2 * half : 0;
  if (is (format, "P010_10LE"))
    return p == 0 ? 2 * width : p == 1 ? 4 * half : 0;
  if (is (format, "I420_10LE"))
    return p == 0 ? 2 * width : 2 * half;
  if (is (format, "Y444"))
    return width;
  if (is (format, YUV))
    return p == 0 ? width : half;
  return p == 0 ? 4 * width : 0;
}

/* Noise; 10-bit words of I420_10LE are in range but for some. */
static void
frame_init (Frame *frame, const char *format, int width, int height, Strides strides)
{
  guint32 noise = width * 131 + height;
  *frame = (Frame){ .format = format, .width = width, .height = height };
  for (int p = 0; p < 3; p++) {
    int rows;
    const int bytes = row_bytes (format, p, width, height, &rows);
    if (bytes == 0)
      continue;
    const int stride = bytes + (strides == PADDED ? 12 : strides == ODD ? 3 : 0);
    const gsize n =
        (gsize) stride * (rows - 1) + bytes; /* the last row has no padding to read into */
    frame->memory[p] = g_malloc (n);
    for (gsize i = 0; i < n; i++) {
      noise = noise * 1664525 + 1013904223;
      frame->memory[p][i] = noise >> 24;
      if (is (format, "I420_10LE") && i % stride % 2 == 1)
        frame->memory[p][i] &= noise >> 20 & 15 ? 3 : 255;
    }
    frame->strides[p] = strides == BOTTOM_UP ? -stride : stride;
    frame->planes[p] = frame->memory[p] + (strides == BOTTOM_UP ? (gsize) stride * (rows - 1) : 0);
  }
}

static void
frame_clear (Frame *frame)
{
  for (int p = 0; p < 3; p++)
    g_free (frame->memory[p]);
}

static const guint8 *
at (const Frame *frame, int p, int y)
{
  return frame->planes[p] + (gssize) y * frame->strides[p];
}

/* Component @c (R G B or Y U V) of the sample at (x, y), of chroma in its own grid. */
static int
sample (const Frame *frame, int c, int x, int y)
{
  const char *format = frame->format;
  if (is (format, "GRAY8"))
    return at (frame, 0, y)[x];
  if (is (format, "RGB BGR"))
    return at (frame, 0, y)[3 * x + (is (format, "RGB") ? c : 2 - c)];
  if (is (format, "YUY2"))
    return at (frame, 0, y)[c == 0 ? 2 * x : 4 * x + (c == 1 ? 1 : 3)];
  if (is (format, "UYVY"))
    return at (frame, 0, y)[c == 0 ? 2 * x + 1 : 4 * x + (c == 1 ? 0 : 2)];
  if (is (format, "NV12 NV21"))
    return c == 0 ? at (frame, 0, y)[x]
                  : at (frame, 1, y)[2 * x + ((c == 2) == is (format, "NV12"))];
  if (is (format, "YV12"))
    return at (frame, c == 0 ? 0 : 3 - c, y)[x];
  if (is (format, "I420 Y42B Y444"))
    return at (frame, c, y)[x];
  if (is (format, "I420_10LE")) {
    const guint8 *word = at (frame, c, y) + 2 * x;
    return MIN (lrint (floor ((word[0] + 256 * word[1]) / 4.0 + 0.5)), 255);
  }
  if (is (format, "P010_10LE")) {
    const guint8 *word = c == 0 ? at (frame, 0, y) + 2 * x : at (frame, 1, y) + 4 * x + 2 * (c - 1);
    return MIN (lrint (floor ((word[0] + 256 * word[1]) / 256.0 + 0.5)), 255);
  }
  /* four bytes in the order of the name's letters */
  const char *letter = strchr (format, "RGB"[c]);
  return at (frame, 0, y)[4 * x + (letter - format)];
}

static void
subsampling (const Frame *frame, int *across, int *down)
{
  *across = is (frame->format, YUV) && !is (frame->format, "Y444");
  *down = is (frame->format, "I420 YV12 NV12 NV21 I420_10LE P010_10LE");
}

/* Chroma at a luma pixel: docs/preprocessing.md */
static int
full_chroma (const Frame *frame, int c, int x, int y)
{
  int across, down;
  subsampling (frame, &across, &down);
  const int last_x = (frame->width - 1) >> across, last_y = (frame->height - 1) >> down;
  int mixed[2];
  for (int i = 0; i < 2; i++) {
    const int at_x = MIN ((x >> across) + i, last_x);
    mixed[i] = sample (frame, c, at_x, y >> down);
    if (down)
      mixed[i] = (3 * mixed[i] +
                  sample (frame, c, at_x, CLAMP (y % 2 ? y / 2 + 1 : y / 2 - 1, 0, last_y)) + 2) /
                 4;
  }
  return across && x % 2 ? (mixed[0] + mixed[1] + 1) / 2 : mixed[0];
}

static void
convert (double rgb[3], double y, double u, double v, ClipColorMatrix matrix, gboolean full_range)
{
  static const double red[] = { 0.299, 0.2126, 0.2627 }, blue[] = { 0.114, 0.0722, 0.0593 };
  const double kr = red[matrix], kb = blue[matrix];
  const double luma = full_range ? y : (y - 16) * 255 / 219, scale = full_range ? 1 : 255 / 224.0;
  rgb[0] = luma + 2 * (1 - kr) * (v - 128) * scale;
  rgb[2] = luma + 2 * (1 - kb) * (u - 128) * scale;
  rgb[1] = (luma - kr * rgb[0] - kb * rgb[2]) / (1 - kr - kb);
  for (int c = 0; c < 3; c++)
    rgb[c] = CLAMP (rgb[c], 0, 255);
}

/* R'G'B' of the R×R pixels as levels of 0 … 255. */
static guint8 *
run (const Frame *frame, int size, ClipResizeMode mode, ClipColorMatrix matrix, gboolean full_range,
     ClipYuvOrder order)
{
  const ClipPreprocessConfig config = {
    .width = size, .height = size, .resize_mode = mode, .std = { 1, 1, 1 }
  };
  const ClipFrameInfo info = {
    frame->format, frame->width, frame->height, matrix, full_range, order
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (&config, &info, &error);
  g_assert_no_error (error);
  const gsize n = 3 * (gsize) size * size;
  g_autofree float *pixels = g_new (float, n);
  clip_preprocess_run (preprocess, pixels, frame->planes, frame->strides);
  guint8 *levels = g_malloc (n);
  for (gsize i = 0; i < n; i++)
    levels[i] = lrintf (pixels[i] * 255);
  return levels;
}

static const int sizes[][2] = { { 1, 1 },   { 2, 2 },   { 1, 2 },   { 3, 1 },
                                { 5, 3 },   { 16, 16 }, { 17, 9 },  { 9, 17 },
                                { 33, 35 }, { 64, 48 }, { 67, 61 }, { 130, 31 } };

/* A square large enough, padded: pixels come through one to one. */
static void
check_read (const char *format, int width, int height, Strides strides, ClipColorMatrix matrix,
            gboolean full_range, ClipYuvOrder order)
{
  Frame frame;
  frame_init (&frame, format, width, height, strides);
  const int size = MAX (width, height), left = (size - width) / 2, top = (size - height) / 2;
  int across, down;
  subsampling (&frame, &across, &down);
  g_autofree guint8 *found = run (&frame, size, CLIP_RESIZE_LONGEST, matrix, full_range, order);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      double rgb[3];
      /* weights of 13 bits, and a sum that is rounded: half a level and 3 · 255 · 2^-14 */
      double tolerance = 0.55;
      if (!is (format, YUV)) {
        for (int c = 0; c < 3; c++)
          rgb[c] = sample (&frame, c, x, y);
        tolerance = 0;
      } else
        convert (rgb, sample (&frame, 0, x, y), full_chroma (&frame, 1, x, y),
                 full_chroma (&frame, 2, x, y), matrix, full_range);
      for (int c = 0; c < 3; c++) {
        const int level = found[((gsize) c * size + top + y) * size + left + x];
        if (fabs (level - rgb[c]) > tolerance)
          g_error ("%s %d×%d, %s, matrix %d, full range %d, order %d: channel %d of (%d, %d) is "
                   "%d, expected %g",
                   format, width, height, stride_names[strides], matrix, full_range, order, c, x, y,
                   level, rgb[c]);
      }
    }
  frame_clear (&frame);
}

static void
test_read (void)
{
  for (const char *const *format = clip_preprocess_formats (); *format; format++)
    for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++)
      for (Strides strides = TIGHT; strides < N_STRIDES; strides++) {
        for (ClipColorMatrix matrix = 0; matrix <= CLIP_COLOR_MATRIX_BT2020; matrix++)
          for (int full_range = FALSE; full_range <= TRUE; full_range++)
            check_read (*format, sizes[s][0], sizes[s][1], strides, matrix, full_range,
                        CLIP_YUV_CONVERT_FIRST);
        /* without subsampling, and without resizing, the order does not matter */
        if (is (*format, "Y444") || !is (*format, YUV))
          check_read (*format, sizes[s][0], sizes[s][1], strides, CLIP_COLOR_MATRIX_BT709, FALSE,
                      CLIP_YUV_RESIZE_FIRST);
      }
}

static void
test_resized (void)
{
  static const int to[] = { 1, 8, 20, 50 };
  for (const char *const *format = clip_preprocess_formats (); *format; format++)
    for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++)
      for (gsize t = 0; t < G_N_ELEMENTS (to); t++)
        for (ClipResizeMode mode = CLIP_RESIZE_SHORTEST; mode <= CLIP_RESIZE_LONGEST; mode++) {
          const int width = sizes[s][0], height = sizes[s][1], side = MAX (width, height);
          Frame frame;
          frame_init (&frame, *format, width, height, t % 2 ? BOTTOM_UP : ODD);
          g_autofree guint8 *square = run (&frame, side, CLIP_RESIZE_LONGEST,
                                           CLIP_COLOR_MATRIX_BT601, FALSE, CLIP_YUV_CONVERT_FIRST);
          g_autofree guint8 *packed = g_malloc (3 * (gsize) width * height);
          for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
              for (int c = 0; c < 3; c++)
                packed[((gsize) y * width + x) * 3 + c] =
                    square[((gsize) c * side + (side - height) / 2 + y) * side +
                           (side - width) / 2 + x];
          const Frame rgb = { "RGB", width, height, .planes = { packed },
                              .strides = { 3 * width } };
          g_autofree guint8 *found =
              run (&frame, to[t], mode, CLIP_COLOR_MATRIX_BT601, FALSE, CLIP_YUV_CONVERT_FIRST);
          g_autofree guint8 *expected =
              run (&rgb, to[t], mode, CLIP_COLOR_MATRIX_BT601, FALSE, CLIP_YUV_RESIZE_FIRST);
          for (int i = 0; i < 3 * to[t] * to[t]; i++)
            if (found[i] != expected[i])
              g_error ("%s %d×%d to %d, mode %d: value %d is %d, expected %d", *format, width,
                       height, to[t], mode, i, found[i], expected[i]);
          frame_clear (&frame);
        }
}

/* ------------------------------------------------------------------------------------------- planes, resized first */

static double
bicubic (double x)
{
  x = fabs (x);
  return x < 1   ? 1.5 * x * x * x - 2.5 * x * x + 1
         : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2
                 : 0;
}

/* Output @o of @n samples at distance @step resized to @to, where sample 0's centre is at 1/2 - offset. */
static double
filtered (const double *samples, int step, int n, double scale, double offset, int o)
{
  const double centre = (o + 0.5) * scale + offset, stretch = MAX (scale, 1);
  double sum = 0, weights = 0;
  for (int i = MAX ((int) (centre - 2 * stretch + 0.5), 0);
       i < MIN ((int) (centre + 2 * stretch + 0.5), n); i++) {
    const double weight = bicubic ((i + 0.5 - centre) / stretch);
    sum += weight * samples[i * step];
    weights += weight;
  }
  return CLAMP (floor (sum / weights + 0.5), 0, 255);
}

static double *
resized_component (const Frame *frame, int c, int size)
{
  int across = 0, down = 0;
  if (c > 0)
    subsampling (frame, &across, &down);
  const int width = (frame->width + across) >> across, height = (frame->height + down) >> down;
  const double scale_x = (double) frame->width / size / (1 << across),
               scale_y = (double) frame->height / size / (1 << down);
  g_autofree double *in = g_new0 (double, (gsize) width *height),
                    *half = g_new0 (double, (gsize) size *height);
  double *out = g_new (double, (gsize) size *size);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      in[y * width + x] = sample (frame, c, x, y);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < size; x++)
      half[y * size + x] = filtered (in + y * width, 1, width, scale_x, across ? 0.25 : 0, x);
  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++)
      out[y * size + x] = filtered (half + x, size, height, scale_y, 0, y);
  return out;
}

static void
test_planes (void)
{
  static const int to[] = { 7, 24, 80 };
  for (const char *const *format = clip_preprocess_formats (); *format; format++)
    for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++)
      for (gsize t = 0; t < G_N_ELEMENTS (to); t++) {
        if (!is (*format, YUV))
          continue;
        const int size = to[t];
        const ClipColorMatrix matrix = t;
        Frame frame;
        frame_init (&frame, *format, sizes[s][0], sizes[s][1], t);
        g_autofree guint8 *found =
            run (&frame, size, CLIP_RESIZE_SQUASH, matrix, s % 2, CLIP_YUV_RESIZE_FIRST);
        g_autofree double *y = resized_component (&frame, 0, size),
                          *u = resized_component (&frame, 1, size),
                          *v = resized_component (&frame, 2, size);
        gsize differ = 0;
        for (int i = 0; i < size * size; i++) {
          double rgb[3];
          convert (rgb, y[i], u[i], v[i], matrix, s % 2);
          for (int c = 0; c < 3; c++) {
            const double error = fabs (found[c * size * size + i] - rgb[c]);
            /* A sum that falls on half a level may be rounded either way, twice; by blue's weight that is 2 · 2.2. */
            if (error > 5)
              g_error ("%s %d×%d to %d: channel %d of pixel %d is %d, expected %g", *format,
                       sizes[s][0], sizes[s][1], size, c, i, found[c * size * size + i], rgb[c]);
            differ += error > 0.55;
          }
        }
        if (differ > MAX (3 * size * size / 50, 3))
          g_error ("%s %d×%d to %d: %d of %d values differ", *format, sizes[s][0], sizes[s][1],
                   size, (int) differ, 3 * size * size);
        frame_clear (&frame);
      }
}

/* Colour bars as the standards define them. */
static void
test_colours (void)
{
  static const struct {
    const char *name;
    ClipColorMatrix matrix;
    gboolean full_range;
    guint8 yuv[3], rgb[3];
  } cases[] = {
    { "black", CLIP_COLOR_MATRIX_BT709, FALSE, { 16, 128, 128 }, { 0, 0, 0 } },
    { "white", CLIP_COLOR_MATRIX_BT709, FALSE, { 235, 128, 128 }, { 255, 255, 255 } },
    { "below black", CLIP_COLOR_MATRIX_BT709, FALSE, { 0, 128, 128 }, { 0, 0, 0 } },
    { "above white", CLIP_COLOR_MATRIX_BT709, FALSE, { 255, 128, 128 }, { 255, 255, 255 } },
    { "full black", CLIP_COLOR_MATRIX_BT601, TRUE, { 0, 128, 128 }, { 0, 0, 0 } },
    { "full white", CLIP_COLOR_MATRIX_BT601, TRUE, { 255, 128, 128 }, { 255, 255, 255 } },
    { "BT.601 red", CLIP_COLOR_MATRIX_BT601, FALSE, { 81, 90, 240 }, { 254, 0, 0 } },
    { "BT.601 blue", CLIP_COLOR_MATRIX_BT601, FALSE, { 41, 240, 110 }, { 0, 0, 255 } },
    { "BT.709 red", CLIP_COLOR_MATRIX_BT709, FALSE, { 63, 102, 240 }, { 255, 1, 0 } },
    { "BT.709 green", CLIP_COLOR_MATRIX_BT709, FALSE, { 173, 42, 26 }, { 0, 255, 1 } },
    { "BT.2020 red", CLIP_COLOR_MATRIX_BT2020, FALSE, { 74, 97, 240 }, { 255, 0, 0 } },
    { "JPEG red", CLIP_COLOR_MATRIX_BT601, TRUE, { 76, 85, 255 }, { 254, 0, 0 } },
    { "JPEG blue", CLIP_COLOR_MATRIX_BT601, TRUE, { 29, 255, 107 }, { 0, 0, 254 } },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const guint8 *yuv = cases[i].yuv, *rgb = cases[i].rgb;
    const Frame frame = { "Y444", 1, 1, .planes = { yuv, yuv + 1, yuv + 2 },
                          .strides = { 1, 1, 1 } };
    g_autofree guint8 *found = run (&frame, 1, CLIP_RESIZE_SQUASH, cases[i].matrix,
                                    cases[i].full_range, CLIP_YUV_RESIZE_FIRST);
    for (int c = 0; c < 3; c++)
      if (ABS (found[c] - rgb[c]) > 1) /* the bars' own codes are rounded */
        g_error ("%s: %d %d %d, expected %d %d %d", cases[i].name, found[0], found[1], found[2],
                 rgb[0], rgb[1], rgb[2]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/format/read", test_read);
  g_test_add_func ("/format/resized", test_resized);
  g_test_add_func ("/format/planes", test_planes);
  g_test_add_func ("/format/colours", test_colours);
  return g_test_run ();
}
