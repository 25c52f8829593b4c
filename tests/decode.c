/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Coded pictures.
 *
 *   golden  : the pixels that Pillow gives, for every coding; what it refuses is an error here, too
 *   cut     : JPEG and PNG that end early, wherever
 *   shrink  : sizes, and what is meant to be kept of the pixels
 *   refused : sizes beyond the limit, before anything of that size is allocated
 */
#include "core/image/decode.h"
#include "core/checkpoint/checkpoint.h"
#include "tests/shard-writer.h"
#include "tests/testing.h"

#include <math.h>

static void
compare (const ClipTensor *file, const ClipTensor *rgb)
{
  g_autoptr (GError) error = NULL;
  g_auto (ClipPicture) picture = { 0 };
  const gboolean done = clip_picture_decode (&picture, file->data, file->size, file->name, &error);
  if (!rgb) {
    check_error (file->name, done ? picture.pixels : NULL, error, CLIP_ERROR_FORMAT, file->name);
    return;
  }
  g_assert_no_error (error);
  if (picture.height != rgb->shape[0] || picture.width != rgb->shape[1])
    g_error ("%s: %d×%d, expected %" G_GINT64_FORMAT "×%" G_GINT64_FORMAT, file->name,
             picture.width, picture.height, rgb->shape[1], rgb->shape[0]);
  for (gsize i = 0; i < rgb->size; i++)
    if (picture.pixels[i] != ((const guint8 *) rgb->data)[i])
      g_error ("%s: byte %" G_GSIZE_FORMAT " is %d, expected %d", file->name, i, picture.pixels[i],
               ((const guint8 *) rgb->data)[i]);
}

static void
test_golden (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "golden", "decode.safetensors", NULL);
  g_autoptr (ClipCheckpoint) golden = clip_checkpoint_open (path, &error);
  g_assert_no_error (error);
  int n = 0;
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (golden); i++) {
    const ClipTensor *tensor = clip_checkpoint_get_tensor (golden, i);
    g_autofree char *rgb = g_strconcat (tensor->name, ".rgb", NULL);
    if (g_str_has_suffix (tensor->name, ".rgb"))
      continue;
    compare (tensor, clip_checkpoint_find (golden, rgb));
    n++;
  }
  g_assert_cmpint (n, ==, 19);
}

static void
test_cut (void)
{
  static const char *const kinds[] = { "jpeg", "png" };
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    gsize size;
    g_autofree char *data = encode_picture (&size, kinds[i], 40, 30, 0);
    for (gsize length = 0; length <= size; length++) {
      g_auto (ClipPicture) picture = { 0 };
      g_autofree char *copy = g_memdup2 (data, length); /* for the sanitizer to see its end */
      g_autoptr (GError) error = NULL;
      const gboolean done =
          clip_picture_decode (&picture, (const guint8 *) copy, length, "cut", &error);
      if (done != (length == size) || done == (error != NULL))
        g_error ("%s of %" G_GSIZE_FORMAT " bytes, cut to %" G_GSIZE_FORMAT ": %s", kinds[i], size,
                 length, done ? "decoded" : error->message);
    }
  }
}

/* The first bytes of a PNG of that size, and an end. */
static GByteArray *
png_of_size (guint32 width, guint32 height)
{
  static const guint8 signature[] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", rest[] = { 8, 2, 0, 0, 0 },
                      end[] = "\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82";
  const guint32 size[] = { GUINT32_TO_BE (width), GUINT32_TO_BE (height) };
  GByteArray *png = g_byte_array_new ();
  g_byte_array_append (png, signature, 16);
  g_byte_array_append (png, (const guint8 *) size, 8);
  g_byte_array_append (png, rest, 5);
  guint32 crc = ~0u; /* of type and contents (RFC 2083 §15) */
  for (guint i = 12; i < png->len; i++) {
    crc ^= png->data[i];
    for (int bit = 0; bit < 8; bit++)
      crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
  }
  crc = GUINT32_TO_BE (~crc);
  g_byte_array_append (png, (const guint8 *) &crc, 4);
  g_byte_array_append (png, end, 24);
  return png;
}

static void
test_refused (void)
{
  static const struct {
    guint32 width, height;
    const char *message;
  } cases[] = {
    { 40000, 1, "big: picture of 40000×1 pixels, expected at most 32768 a side" },
    { 1, 32769, "big: picture of 1×32769 pixels" },
    { 30000, 30000, "big: picture of 30000×30000 pixels" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    g_auto (ClipPicture) picture = { 0 };
    g_autoptr (GByteArray) png = png_of_size (cases[i].width, cases[i].height);
    clip_picture_decode (&picture, png->data, png->len, "big", &error);
    check_error (cases[i].message, picture.pixels, error, CLIP_ERROR_UNSUPPORTED, cases[i].message);
  }
}

/* Large pictures are reduced to a shorter side of that length, small ones stay. */
static void
test_shrink (void)
{
  static const struct {
    int width, height, side, to_width, to_height;
  } cases[] = {
    { 100, 60, 60, 100, 60 }, { 100, 60, 30, 50, 30 }, { 60, 100, 30, 30, 50 },
    { 33, 7, 3, 14, 3 },      { 500, 1, 1, 500, 1 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (ClipPicture) picture = { cases[i].width, cases[i].height, NULL };
    const int n = picture.width * picture.height;
    picture.pixels = g_malloc (3 * n);
    for (int p = 0; p < n; p++) { /* from 0 to 240, a checkerboard, grey */
      picture.pixels[3 * p] = 240 * (p % picture.width) / picture.width;
      picture.pixels[3 * p + 1] = (p % picture.width + p / picture.width) % 2 * 200;
      picture.pixels[3 * p + 2] = 77;
    }
    g_assert_true (clip_picture_shrink (&picture, cases[i].side));
    if (picture.width != cases[i].to_width || picture.height != cases[i].to_height)
      g_error ("%d×%d shrunk to %d×%d, expected %d×%d", cases[i].width, cases[i].height,
               picture.width, picture.height, cases[i].to_width, cases[i].to_height);
    double mean[3] = { 0 };
    const int left = picture.width * picture.height;
    for (int p = 0; p < left; p++)
      for (int c = 0; c < 3; c++)
        mean[c] += (double) picture.pixels[3 * p + c] / left;
    if (fabs (mean[0] - 120) > 6 || fabs (mean[1] - 100) > 6 || fabs (mean[2] - 77) > 1e-9)
      g_error ("%d×%d shrunk: means %g, %g, %g, expected about 120, 100, 77", cases[i].width,
               cases[i].height, mean[0], mean[1], mean[2]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/decode/golden", test_golden);
  g_test_add_func ("/decode/cut", test_cut);
  g_test_add_func ("/decode/shrink", test_shrink);
  g_test_add_func ("/decode/refused", test_refused);
  return g_test_run ();
}
