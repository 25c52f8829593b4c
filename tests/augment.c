/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Augmentation.
 *
 *   off      : clip_preprocess_run (), to the bit, for every shape of picture
 *   flip     : the mirror image, to the bit
 *   colour, grey, blur, low, crop : what each keeps, and what it changes
 *   same     : a function of the random number alone
 *   check    : settings that make no sense
 */
#include "core/train/augment.h"
#include "core/train/random.h"
#include "tests/testing.h"

#include <math.h>

#define R 32
#define N (3 * R * R)

static const ClipAugment off = {
  .size = R,
  .mean = { 0.48145466f, 0.4578275f, 0.40821073f },
  .std = { 0.26862954f, 0.26130258f, 0.27577711f },
  .scale = { 1, 1 },
  .ratio = { 1, 1 },
};

/* mean 0, std 1/255: the values of pixels */
static ClipAugment
plain (void)
{
  ClipAugment augment = off;
  for (int c = 0; c < 3; c++) {
    augment.mean[c] = 0;
    augment.std[c] = 1 / 255.0f;
  }
  return augment;
}

static ClipPicture
noise (int width, int height)
{
  ClipPicture picture = { width, height, g_malloc ((gsize) 3 * width * height) };
  guint64 random = 5;
  for (int i = 0; i < 3 * width * height; i++)
    picture.pixels[i] = clip_random_below (&random, 256);
  return picture;
}

static void
test_off (void)
{
  static const int sizes[][2] = { { R, R },  { 64, 64 }, { 150, 112 }, { 47, 301 },
                                  { 20, 9 }, { 1, 1 },   { 33, 500 },  { 35, 32 } };
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_auto (ClipPicture) picture = noise (sizes[i][0], sizes[i][1]);
    ClipPreprocessConfig config = { R, R, CLIP_FILTER_BICUBIC, CLIP_RESIZE_SHORTEST };
    memcpy (config.mean, off.mean, sizeof off.mean);
    memcpy (config.std, off.std, sizeof off.std);
    const ClipFrameInfo frame = { .format = "RGB",
                                  .width = picture.width,
                                  .height = picture.height };
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (&config, &frame, &error);
    g_assert_no_error (error);
    float expected[N], found[N];
    clip_preprocess_run (preprocess, expected, (const guint8 *const[]){ picture.pixels },
                         (const int[]){ 3 * picture.width });
    clip_augment_run (found, &picture, &off, 7);
    for (int k = 0; k < N; k++)
      if (found[k] != expected[k])
        g_error ("%d×%d: number %d is %.9g, expected %.9g", picture.width, picture.height, k,
                 found[k], expected[k]);
  }
}

static void
test_flip (void)
{
  g_auto (ClipPicture) picture = noise (50, 40);
  ClipAugment augment = off;
  float straight[N], flipped[N];
  clip_augment_run (straight, &picture, &augment, 1);
  augment.flip = 1;
  clip_augment_run (flipped, &picture, &augment, 1);
  for (int row = 0; row < 3 * R; row++)
    for (int x = 0; x < R; x++)
      g_assert_cmpfloat (straight[row * R + x], ==, flipped[row * R + R - 1 - x]);
}

/* A half of the draws flip, when the probability is a half: 400 draws, 5 standard deviations of 10. */
static void
test_probability (void)
{
  g_auto (ClipPicture) picture = noise (R, R);
  ClipAugment augment = off;
  float straight[N], found[N];
  int n = 0;
  clip_augment_run (straight, &picture, &augment, 1);
  augment.flip = 0.5;
  for (int i = 0; i < 400; i++) {
    clip_augment_run (found, &picture, &augment, clip_random_key (1, 2, i));
    n += memcmp (found, straight, sizeof found) != 0;
  }
  g_assert_cmpint (n, >, 150);
  g_assert_cmpint (n, <, 250);
}

static float
brightness (const float *pixels, int i)
{
  return 0.299f * pixels[i] + 0.587f * pixels[R * R + i] + 0.114f * pixels[2 * R * R + i];
}

static void
test_values (void)
{
  g_auto (ClipPicture) picture = noise (R, R);
  const ClipAugment none = plain ();
  float original[N], found[N];
  clip_augment_run (original, &picture, &none, 1);

  /* no colour: three equal channels, of the brightness it had; both in float32, of up to 255 */
  ClipAugment augment = none;
  augment.grey = 1;
  clip_augment_run (found, &picture, &augment, 1);
  for (int i = 0; i < R * R; i++) {
    g_assert_cmpfloat_with_epsilon (found[i], brightness (original, i), 1e-3);
    g_assert_cmpfloat_with_epsilon (found[R * R + i], found[i], 1e-3);
    g_assert_cmpfloat_with_epsilon (found[2 * R * R + i], found[i], 1e-3);
  }

  /* colours stay in range, and differ */
  augment = none;
  augment.colour = 1;
  double off_by = 0;
  for (int draw = 0; draw < 20; draw++) {
    clip_augment_run (found, &picture, &augment, clip_random_key (1, 3, draw));
    for (int i = 0; i < N; i++) {
      g_assert_true (found[i] >= 0 && found[i] <= 255.001f);
      off_by += fabs (found[i] - original[i]) / N / 20;
    }
  }
  g_assert_cmpfloat (off_by, >, 10);

  /* a blur keeps what is constant, and shrinks noise: σ = 2 averages over some 4πσ² = 50 pixels */
  augment = none;
  augment.blur[0] = 1;
  augment.blur[1] = augment.blur[2] = 2;
  clip_augment_run (found, &picture, &augment, 1);
  double before = 0, after = 0;
  for (int i = 0; i < R * R; i++) {
    before += (original[i] - 127.5) * (original[i] - 127.5);
    after += (found[i] - 127.5) * (found[i] - 127.5);
  }
  g_assert_cmpfloat (after, <, before / 15);
  memset (picture.pixels, 77, 3 * R * R);
  clip_augment_run (found, &picture, &augment, 1);
  for (int i = 0; i < N; i++)
    g_assert_cmpfloat_with_epsilon (found[i], 77, 1e-3);
}

/* @low: a picture that has been small is what enlarging the small one gives. */
static void
test_low (void)
{
  g_auto (ClipPicture) picture = noise (90, 60), small = { 8, 8, g_malloc (3 * 8 * 8) };
  ClipAugment augment = plain ();
  float found[N], expected[N], tiny[3 * 8 * 8];
  augment.size = 8;
  clip_augment_run (tiny, &picture, &augment, 1);
  for (int i = 0; i < 64; i++)
    for (int c = 0; c < 3; c++)
      small.pixels[3 * i + c] = rintf (tiny[c * 64 + i]);
  augment.size = R;
  clip_augment_run (expected, &small, &augment, 1);
  augment.low[0] = 1;
  augment.low[1] = augment.low[2] = 8;
  clip_augment_run (found, &picture, &augment, 1);
  for (int i = 0; i < N; i++)
    g_assert_cmpfloat (found[i], ==, expected[i]);
}

/* Pixels tell where they are: x in red, y in green. */
static void
test_crop (void)
{
  g_auto (ClipPicture) picture = { 200, 100, g_malloc (3 * 200 * 100) };
  for (int y = 0; y < 100; y++)
    for (int x = 0; x < 200; x++)
      memcpy (picture.pixels + 3 * (y * 200 + x), (guint8[]){ x, y, 0 }, 3);
  ClipAugment augment = plain ();
  augment.scale[0] = 0.1;
  augment.scale[1] = 0.5;
  augment.ratio[0] = 0.5;
  augment.ratio[1] = 2;
  double least = 1, most = 0;
  for (int draw = 0; draw < 200; draw++) {
    float found[N];
    clip_augment_run (found, &picture, &augment, clip_random_key (1, 4, draw));
    /* the slope along the middle row and column, times R: sides of the crop. Bicubic is exact on slopes away from edges. */
    const float *middle = found + R / 2 * R;
    const double width = (middle[R - 5] - middle[4]) / (R - 9) * R,
                 height = (found[R * R + (R - 5) * R] - found[R * R + 4 * R]) / (R - 9) * R;
    const double share = width * height / (200 * 100), ratio = width / height;
    g_assert_true (share > 0.09 && share < 0.52);
    g_assert_true (ratio > 0.45 && ratio < 2.2);
    least = MIN (least, share);
    most = MAX (most, share);
  }
  g_assert_cmpfloat (least, <, 0.15);
  g_assert_cmpfloat (most, >, 0.4);
}

static void
test_same (void)
{
  g_auto (ClipPicture) picture = noise (70, 50);
  ClipAugment augment = off;
  augment.scale[0] = 0.3;
  augment.flip = augment.grey = 0.5;
  augment.colour = 0.4;
  memcpy (augment.low, (double[]){ 0.5, 4, 20 }, sizeof augment.low);
  memcpy (augment.blur, (double[]){ 0.5, 0.5, 3 }, sizeof augment.blur);
  float first[N], second[N];
  int n_equal = 0;
  for (int draw = 0; draw < 20; draw++) {
    clip_augment_run (first, &picture, &augment, draw);
    clip_augment_run (second, &picture, &augment, draw);
    g_assert_cmpmem (first, sizeof first, second, sizeof second);
    clip_augment_run (second, &picture, &augment, draw + 1);
    n_equal += memcmp (first, second, sizeof first) == 0;
  }
  g_assert_cmpint (n_equal, ==, 0);
}

static void
test_check (void)
{
  static const struct {
    gsize member;
    double value;
    const char *message;
  } cases[] = {
#define MEMBER(member) G_STRUCT_OFFSET (ClipAugment, member)
    { MEMBER (scale[0]), 0, "s: scale" },   { MEMBER (scale[1]), 1.5, "s: scale" },
    { MEMBER (scale[1]), 0.5, "s: scale" }, { MEMBER (ratio[0]), 0, "s: ratio" },
    { MEMBER (ratio[1]), 11, "s: ratio" },  { MEMBER (flip), -0.1, "s: flip" },
    { MEMBER (colour), 2, "s: colour" },    { MEMBER (grey), NAN, "s: grey" },
    { MEMBER (low[0]), 0.5, "s: low" },     { MEMBER (blur[0]), 1, "s: blur" },
  };
  g_autoptr (GError) none = NULL;
  g_assert_true (clip_augment_check (&off, "s", &none));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    ClipAugment augment = off;
    g_autoptr (GError) error = NULL;
    G_STRUCT_MEMBER (double, &augment, cases[i].member) = cases[i].value;
    const gboolean good = clip_augment_check (&augment, "s", &error);
    check_error (cases[i].message, good ? &augment : NULL, error, CLIP_ERROR_CONFIG,
                 cases[i].message);
  }
  ClipAugment augment = off;
  augment.size = 0;
  g_assert_false (clip_augment_check (&augment, "s", NULL));
  augment = off;
  augment.std[1] = 0;
  g_assert_false (clip_augment_check (&augment, "s", NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/augment/off", test_off);
  g_test_add_func ("/augment/flip", test_flip);
  g_test_add_func ("/augment/probability", test_probability);
  g_test_add_func ("/augment/values", test_values);
  g_test_add_func ("/augment/low", test_low);
  g_test_add_func ("/augment/crop", test_crop);
  g_test_add_func ("/augment/same", test_same);
  g_test_add_func ("/augment/check", test_check);
  return g_test_run ();
}
