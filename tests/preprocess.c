/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole of preprocessing: pixels equal to Pillow's (golden/resize.tsv), the normalisation table, padding, what is
 * refused, large frames, and that running allocates nothing. Formats have a test of their own. */
#include "core/clip.h"
#include "tests/testing.h"

#include <math.h>

#define OPENAI_MEAN                                                                                \
  {                                                                                                \
    0.48145466f, 0.4578275f, 0.40821073f                                                           \
  }
#define OPENAI_STD                                                                                 \
  {                                                                                                \
    0.26862954f, 0.26130258f, 0.27577711f                                                          \
  }

/* ------------------------------------------------------------------------------------------ allocations, counted */

static gint n_allocations;

/* glibc lets a program bring its own malloc (); a sanitizer brings its own, too. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
void *__libc_malloc (size_t size);
void *__libc_calloc (size_t n, size_t size);
void *__libc_realloc (void *memory, size_t size);

void *
malloc (size_t size)
{
  g_atomic_int_inc (&n_allocations);
  return __libc_malloc (size);
}

void *
calloc (size_t n, size_t size)
{
  g_atomic_int_inc (&n_allocations);
  return __libc_calloc (n, size);
}

void *
realloc (void *memory, size_t size)
{
  g_atomic_int_inc (&n_allocations);
  return __libc_realloc (memory, size);
}
#endif

/* ---------------------------------------------------------------------------------------------------- golden data */

/* The pictures of golden/make-resize.py. */
static guint8 *
make_picture (const char *kind, gsize n)
{
  guint8 *samples = g_malloc (n);
  for (gsize i = 0; i < n; i++) {
    guint32 x = (guint32) i * 2654435761u;
    x ^= x >> 15;
    x *= 2246822519u;
    x ^= x >> 13;
    samples[i] = g_str_equal (kind, "extremes") ? (x >> 31 ? 255 : 0) : x >> 24;
  }
  return samples;
}

static void
check_golden (const char *line)
{
  g_auto (GStrv) field = g_strsplit (line, "\t", 8);
  g_assert_cmpint (g_strv_length (field), ==, 8);
  const int width = atoi (field[2]), height = atoi (field[3]);
  const int channels = strlen (field[0]);
  int columns, rows;
  g_assert_cmpint (sscanf (field[4], "%d×%d", &columns, &rows), ==, 2);
  const ClipPreprocessConfig config = {
    .width = columns,
    .height = rows,
    .filter = g_str_equal (field[5], "bilinear") ? CLIP_FILTER_BILINEAR : CLIP_FILTER_BICUBIC,
    .resize_mode = g_str_equal (field[6], "squash")    ? CLIP_RESIZE_SQUASH
                   : g_str_equal (field[6], "longest") ? CLIP_RESIZE_LONGEST
                                                       : CLIP_RESIZE_SHORTEST,
    .std = { 1, 1, 1 },
  };
  const ClipFrameInfo frame = { .format = channels == 1 ? "GRAY8" : field[0],
                                .width = width,
                                .height = height,
                                .premultiply_alpha = TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (&config, &frame, &error);
  g_assert_no_error (error);
  g_autofree guint8 *picture = make_picture (field[1], (gsize) width * height * channels);
  const gsize n = 3 * (gsize) columns * rows;
  g_autofree float *pixels = g_new (float, n);
  g_autofree guint8 *rgb = g_malloc (n);
  clip_preprocess_run (preprocess, pixels, (const guint8 *const[]){ picture },
                       (const int[]){ width * channels });
  for (gsize i = 0; i < n; i++)
    rgb[i % (n / 3) * 3 + i / (n / 3)] = (guint8) lrintf (pixels[i] * 255);

  g_autoptr (GString) found = g_string_new (NULL);
  if (n <= 2048) {
    for (gsize i = 0; i < n; i++)
      g_string_append_printf (found, "%02x", rgb[i]);
  } else {
    g_autofree char *hash = g_compute_checksum_for_data (G_CHECKSUM_SHA256, rgb, n);
    g_string_assign (found, hash);
  }
  if (!g_str_equal (found->str, field[7])) {
    gsize at = 0;
    while (found->str[at] == field[7][at])
      at++;
    g_error ("%s %s %d×%d to %s, %s, %s: byte %d differs\n  found    %s\n  expected %s", field[0],
             field[1], width, height, field[4], field[5], field[6], (int) at / 2, found->str,
             field[7]);
  }
}

static void
test_pillow (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "resize.tsv", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  g_auto (GStrv) lines = g_strsplit (g_strchomp (text), "\n", -1);
  for (int i = 0; lines[i]; i++)
    if (lines[i][0] != '#')
      check_golden (lines[i]);
}

/* --------------------------------------------------------------------------------------------------------- values */

/* One pixel of every value: the table of the OpenAI models, as the reference computes it. */
static void
test_table (void)
{
  static const float first[3] = { -1.7922626f, -1.7520971f, -1.4802198f };
  static const float last[3] = { 1.9303361f, 2.0748837f, 2.145897f };
  const ClipPreprocessConfig config = {
    .width = 256, .height = 256, .mean = OPENAI_MEAN, .std = OPENAI_STD
  };
  const ClipFrameInfo frame = { .format = "GRAY8", .width = 256, .height = 256 };
  g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (&config, &frame, NULL);
  g_autofree float *pixels = g_new (float, 3 * 256 * 256);
  guint8 ramp[256];
  for (int i = 0; i < 256; i++)
    ramp[i] = i;
  clip_preprocess_run (preprocess, pixels, (const guint8 *const[]){ ramp }, (const int[]){ 0 });

  guint8 table[256][3][4]; /* float32, little-endian */
  for (int i = 0; i < 256; i++)
    for (int c = 0; c < 3; c++) {
      guint32 bits;
      memcpy (&bits, &pixels[c * 256 * 256 + i], 4);
      bits = GUINT32_TO_LE (bits);
      memcpy (table[i][c], &bits, 4);
    }
  for (int c = 0; c < 3; c++) {
    g_assert_cmpfloat (pixels[c * 256 * 256], ==, first[c]);
    g_assert_cmpfloat (pixels[c * 256 * 256 + 255], ==, last[c]);
  }
  g_autofree char *hash =
      g_compute_checksum_for_data (G_CHECKSUM_SHA256, table[0][0], sizeof table);
  g_assert_cmpstr (hash, ==, "76684042f8eec2b7c00d6f485ed776b08c36f839645e57f4a2c25e07c162566a");
}

/* What is padded is black, not zero, after normalisation. */
static void
test_padding (void)
{
  const ClipPreprocessConfig config = { .width = 8,
                                        .height = 8,
                                        .resize_mode = CLIP_RESIZE_LONGEST,
                                        .mean = OPENAI_MEAN,
                                        .std = OPENAI_STD };
  const ClipFrameInfo frame = { .format = "GRAY8", .width = 8, .height = 4 };
  g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (&config, &frame, NULL);
  guint8 white[8];
  float pixels[3 * 64];
  memset (white, 255, sizeof white);
  clip_preprocess_run (preprocess, pixels, (const guint8 *const[]){ white }, (const int[]){ 0 });
  for (int y = 0; y < 8; y++)
    g_assert_cmpfloat (pixels[8 * y], ==, y >= 2 && y < 6 ? 1.9303361f : -1.7922626f);
}

static void
test_refused (void)
{
  static const struct {
    const char *name;
    ClipPreprocessConfig config;
    ClipFrameInfo frame;
    ClipError code;
    const char *message;
  } cases[] = {
    { "format",
      { .width = 8, .height = 8, .std = { 1, 1, 1 } },
      { "NV42", 8, 8 },
      CLIP_ERROR_UNSUPPORTED,
      "format NV42, expected one of I420 YV12 NV12" },
    { "no format",
      { .width = 8, .height = 8, .std = { 1, 1, 1 } },
      { NULL, 8, 8 },
      CLIP_ERROR_UNSUPPORTED,
      "format (none)" },
    { "width",
      { .width = 8, .height = 8, .std = { 1, 1, 1 } },
      { "RGB", 0, 8 },
      CLIP_ERROR_UNSUPPORTED,
      "size 0×8, expected 1×1 to 32768×32768" },
    { "height",
      { .width = 8, .height = 8, .std = { 1, 1, 1 } },
      { "RGB", 8, 32769 },
      CLIP_ERROR_UNSUPPORTED,
      "size 8×32769" },
    { "negative",
      { .width = 8, .height = 8, .std = { 1, 1, 1 } },
      { "RGB", -8, 8 },
      CLIP_ERROR_UNSUPPORTED,
      "size -8×8" },
    { "matrix",
      { .width = 8, .height = 8, .std = { 1, 1, 1 } },
      { "I420", 8, 8, 7 },
      CLIP_ERROR_UNSUPPORTED,
      "matrix 7" },
    { "R",
      { .width = 0, .height = 0, .std = { 1, 1, 1 } },
      { "RGB", 8, 8 },
      CLIP_ERROR_UNSUPPORTED,
      "image size 0" },
    { "huge R",
      { .width = 1 << 20, .height = 1 << 20, .std = { 1, 1, 1 } },
      { "RGB", 8, 8 },
      CLIP_ERROR_UNSUPPORTED,
      "image size 1048576" },
    { "filter",
      { .width = 8, .height = 8, .filter = 9, .std = { 1, 1, 1 } },
      { "RGB", 8, 8 },
      CLIP_ERROR_UNSUPPORTED,
      "filter 9" },
    { "mode",
      { .width = 8, .height = 8, .resize_mode = 9, .std = { 1, 1, 1 } },
      { "RGB", 8, 8 },
      CLIP_ERROR_UNSUPPORTED,
      "resize mode 9" },
    { "std",
      { .width = 8, .height = 8, .std = { 1, 0, 1 } },
      { "RGB", 8, 8 },
      CLIP_ERROR_CONFIG,
      "std 0 of channel 1" },
    { "mean",
      { .width = 8, .height = 8, .mean = { 0, 0, NAN }, .std = { 1, 1, 1 } },
      { "RGB", 8, 8 },
      CLIP_ERROR_CONFIG,
      "of channel 2" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipPreprocess) preprocess =
        clip_preprocess_new (&cases[i].config, &cases[i].frame, &error);
    check_error (cases[i].name, preprocess, error, cases[i].code, cases[i].message);
  }
  clip_preprocess_free (NULL);
}

/* One row repeated (stride 0) makes frames of any height out of little memory. */
static void
test_large (void)
{
  static const struct {
    const char *format;
    int width, height;
  } cases[] = {
    { "RGB", 7680, 4320 }, { "NV12", 7680, 4320 },    { "P010_10LE", 7680, 4320 },
    { "I420", 32768, 1 },  { "RGBx", 1, 32768 },      { "GRAY8", 32768, 8192 },
    { "YUY2", 32767, 3 },  { "I420_10LE", 3, 32767 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    for (ClipResizeMode mode = CLIP_RESIZE_SHORTEST; mode <= CLIP_RESIZE_LONGEST; mode++)
      for (ClipYuvOrder order = CLIP_YUV_RESIZE_FIRST; order <= CLIP_YUV_CONVERT_FIRST; order++) {
        const ClipPreprocessConfig config = {
          .width = 32, .height = 32, .resize_mode = mode, .std = { 1, 1, 1 }
        };
        const ClipFrameInfo frame = { .format = cases[i].format,
                                      .width = cases[i].width,
                                      .height = cases[i].height,
                                      .full_range = TRUE,
                                      .yuv_order = order };
        g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (&config, &frame, NULL);
        g_autofree guint8 *row = g_malloc (4 * (gsize) cases[i].width + 4);
        float pixels[3 * 32 * 32];
        /* flat gray; P010 reads it as 128.5 of 8 bits, so colours differ a little; beyond 10 bits otherwise */
        memset (row, 128, 4 * (gsize) cases[i].width + 4);
        clip_preprocess_run (preprocess, pixels, (const guint8 *const[]){ row, row, row },
                             (const int[]){ 0, 0, 0 });
        const float middle = pixels[15 * 32 + 15];
        if (!g_str_has_prefix (cases[i].format, "I420_10"))
          g_assert_cmpfloat_with_epsilon (middle * 255, 128,
                                          g_str_has_prefix (cases[i].format, "P010") ? 3.01 : 0.01);
        for (int p = 0; p < 3 * 32 * 32; p++)
          g_assert_true (pixels[p] >= 0 && pixels[p] <= 1);
      }
}

static void
test_no_allocation (void)
{
  for (const char *const *format = clip_preprocess_formats (); *format; format++)
    for (ClipYuvOrder order = CLIP_YUV_RESIZE_FIRST; order <= CLIP_YUV_CONVERT_FIRST; order++) {
      const ClipPreprocessConfig config = { .width = 24, .height = 24, .std = { 1, 1, 1 } };
      const ClipFrameInfo frame = {
        .format = *format, .width = 61, .height = 47, .yuv_order = order, .premultiply_alpha = TRUE
      };
      g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (&config, &frame, NULL);
      guint8 row[4 * 64] = { 0 };
      float pixels[3 * 24 * 24];
      const int before = g_atomic_int_get (&n_allocations);
      clip_preprocess_run (preprocess, pixels, (const guint8 *const[]){ row, row, row },
                           (const int[]){ 0, 0, 0 });
      if (g_atomic_int_get (&n_allocations) != before)
        g_error ("%s: %d allocations during a run, expected none", *format,
                 g_atomic_int_get (&n_allocations) - before);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/preprocess/pillow", test_pillow);
  g_test_add_func ("/preprocess/table", test_table);
  g_test_add_func ("/preprocess/padding", test_padding);
  g_test_add_func ("/preprocess/refused", test_refused);
  g_test_add_func ("/preprocess/large", test_large);
  g_test_add_func ("/preprocess/no-allocation", test_no_allocation);
  return g_test_run ();
}
