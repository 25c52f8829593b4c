/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Corruptions: properties of every row of the table (deterministic, in place, any size, worse with severity), and the plain
 * ones against what their formula gives.
 */
#include "core/eval/canvas.h"
#include "core/eval/corruption.h"
#include "core/train/random.h"

#include <math.h>
#include <string.h>

/* A picture with edges, slopes and colours. */
static guint8 *
make_picture (int width, int height)
{
  guint8 *pixels = g_new (guint8, width * height * 3);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      const gboolean inside = hypot (x - width / 2., y - height / 2.) < MIN (width, height) / 3.;
      guint8 *rgb = pixels + 3 * (y * width + x);
      rgb[0] = inside ? 200 : 40 + 100 * x / width;
      rgb[1] = (x / 8 + y / 8) % 2 ? 150 : 90;
      rgb[2] = inside ? 60 : 30 + 180 * y / height;
    }
  return pixels;
}

static double
difference (const guint8 *a, const guint8 *b, gsize n)
{
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += abs (a[i] - b[i]);
  return sum / n;
}

static void
corrupt (guint8 *out, const guint8 *in, guint index, int width, int height, int severity,
         guint64 seed)
{
  g_autoptr (GError) error = NULL;
  clip_corrupt (clip_corruption (index), out, in, width, height, severity, seed, &error);
  g_assert_no_error (error);
}

static void
test_properties (void)
{
  static const int sizes[][2] = { { 64, 64 }, { 90, 61 }, { 61, 90 } };
  /* Not ordered by how far they are from the picture: elastic transforms of severities 1 and 2 bend widely, those of 3 to 5
   * ruffle; frost and fog take away as much light as they add, where their clouds happen to be. */
  static const char *const unordered[] = { "elastic-transform", "frost", "fog", NULL };
  for (guint c = 0; c < CLIP_CORRUPTIONS; c++) {
    const char *name = clip_corruption_get_name (clip_corruption (c));
    for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
      const int width = sizes[s][0], height = sizes[s][1], n = 3 * width * height;
      g_autofree guint8 *in = make_picture (width, height), *out = g_new (guint8, n);
      g_autofree guint8 *again = g_memdup2 (in, n), *kept = g_memdup2 (in, n);
      double worst = 0;
      for (int severity = 1; severity <= CLIP_SEVERITIES; severity++) {
        corrupt (out, in, c, width, height, severity, 5);
        g_assert_cmpmem (in, n, kept, n);
        const double off = difference (out, in, n);
        if (!(off > 0.5 && off < 150))
          g_error ("%s %d: differs by %g grey levels on average, expected 0.5 … 150", name,
                   severity, off);
        worst = off;
      }
      corrupt (again, again, c, width, height, CLIP_SEVERITIES,
               5); /* in place, and the same again */
      if (memcmp (again, out, n) != 0)
        g_error ("%s: in place differs by %g", name, difference (again, out, n));
      corrupt (out, in, c, width, height, 1, 5);
      const double least = difference (out, in, n);
      if (!g_strv_contains (unordered, name) && worst < least)
        g_error ("%s: severity 5 differs by %g, severity 1 by %g", name, worst, least);
    }
  }
}

/* One pixel, one row, one column: whatever comes, no access outside. */
static void
test_small (void)
{
  static const int sizes[][2] = { { 1, 1 }, { 1, 7 }, { 300, 1 }, { 2, 3 } };
  for (guint c = 0; c < CLIP_CORRUPTIONS; c++)
    for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
      for (int severity = 1; severity <= CLIP_SEVERITIES; severity++) {
        g_autofree guint8 *picture = make_picture (sizes[s][0], sizes[s][1]);
        corrupt (picture, picture, c, sizes[s][0], sizes[s][1], severity, severity);
      }
}

/* More than memory should be asked for. */
static void
test_large (void)
{
  static const int sizes[][2] = { { 8193, 1 }, { 1, 32768 }, { 8192, 4097 } };
  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++) {
    g_autoptr (GError) error = NULL;
    guint8 pixel[3] = { 0 }; /* no more is looked at */
    const gboolean ok =
        clip_corrupt (clip_corruption (0), pixel, pixel, sizes[s][0], sizes[s][1], 1, 1, &error);
    g_assert_false (ok);
    g_assert_error (error, CLIP_ERROR, CLIP_ERROR_UNSUPPORTED);
  }
}

static guint
find (const char *name)
{
  for (guint c = 0; c < CLIP_CORRUPTIONS; c++)
    if (g_str_equal (clip_corruption_get_name (clip_corruption (c)), name))
      return c;
  g_error ("no corruption %s", name);
}

/* Seeds: another gives another noise, the mean of which is the picture. */
static void
test_noise (void)
{
  static const struct {
    const char *name;
    int grey;
    double deviation; /* of one sample, severity 1, in grey levels */
  } cases[] = {
    { "gaussian-noise", 128, .08 * 255 },
    { "shot-noise", 128, 0 }, /* sqrt (x c) / c, below */
    { "impulse-noise", 128, 0 },
  };
  enum { SIDE = 100, N = SIDE * SIDE * 3 };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree guint8 *in = g_malloc (N), *a = g_malloc (N), *b = g_malloc (N);
    memset (in, cases[i].grey, N);
    corrupt (a, in, find (cases[i].name), SIDE, SIDE, 1, 1);
    corrupt (b, in, find (cases[i].name), SIDE, SIDE, 1, 2);
    g_assert_cmpint (memcmp (a, b, N), !=, 0);
    double mean = 0, square = 0;
    for (int k = 0; k < N; k++) {
      mean += (double) a[k] / N;
      square += (a[k] - 128.) * (a[k] - 128.) / N;
    }
    const double x = 128 / 255.;
    const double expected = i == 0   ? cases[i].deviation
                            : i == 1 ? sqrt (x * 60) / 60 * 255
                                     : sqrt (.03 * 127.5 * 127.5);
    /* 30,000 samples: the deviation of their mean is 1/173 of theirs, that of their deviation 1/245 (more for impulses) */
    if (fabs (mean - 128) > 4 * expected / 173 || fabs (sqrt (square) / expected - 1) > .06)
      g_error ("%s: mean %g, deviation %g, expected 128, %g", cases[i].name, mean, sqrt (square),
               expected);
  }
}

static void
test_formulas (void)
{
  guint8 in[2 * 3] = { 100, 50, 0, 200, 150, 100 }, out[2 * 3];
  corrupt (out, in, find ("brightness"), 2, 1, 1, 1); /* V + 0.1 = + 25.5 */
  static const guint8 brighter[] = { 126, 63, 0, 226, 169, 113 };
  g_assert_cmpmem (out, 6, brighter, 6);
  corrupt (out, in, find ("contrast"), 2, 1, 5,
           1); /* means 150, 100, 50; 5 % of the distance to them */
  static const guint8 flat[] = { 148, 98, 48, 153, 103, 53 };
  for (int i = 0; i < 6; i++)
    if (abs (out[i] - flat[i]) > 1) /* halves are rounded either way */
      g_error ("contrast: sample %d is %d, expected %d", i, out[i], flat[i]);

  /* blocks of 1 / 0.25 pixels */
  enum { SIDE = 224 };
  g_autofree guint8 *picture = make_picture (SIDE, SIDE), *blocks = g_malloc (SIDE * SIDE * 3);
  corrupt (blocks, picture, find ("pixelate"), SIDE, SIDE, 5, 1);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      double mean = 0;
      for (int k = 0; k < 16; k++)
        mean += picture[3 * ((y / 4 * 4 + k / 4) * SIDE + x / 4 * 4 + k % 4)] / 16.;
      if (fabs (mean - blocks[3 * (y * SIDE + x)]) > .51)
        g_error ("pixelate (%d, %d): %d, expected %g", x, y, blocks[3 * (y * SIDE + x)], mean);
    }
}

/* Elastic transforms move a picture of any size by the same share of it: a slope that is moved has, at three deviations of the
 * smoothing from each other, second differences that the affine part leaves at zero. */
static void
test_elastic (void)
{
  static const int sides[] = { 112, 224, 448 };
  double moved[G_N_ELEMENTS (sides)] = { 0 };
  for (guint s = 0; s < G_N_ELEMENTS (sides); s++) {
    const int side = sides[s], apart = side * 8 / 224;
    g_autofree guint8 *slope = g_malloc (side * side * 3), *out = g_malloc (side * side * 3);
    for (int i = 0; i < side * side; i++)
      memset (slope + 3 * i, i % side * 255 / side, 3);
    double square = 0;
    int n = 0;
    for (guint64 seed = 1; seed <= 3; seed++) {
      corrupt (out, slope, find ("elastic-transform"), side, side, 5, seed);
      for (int y = side / 4; y < side * 3 / 4; y++)
        for (int x = side / 4; x < side * 3 / 4; x++, n++) {
          const guint8 *at = out + 3 * (y * side + x);
          const int bent = at[3 * apart] - 2 * at[0] + at[-3 * apart];
          square += bent * bent;
        }
    }
    moved[s] = sqrt (square / n);
    if (fabs (moved[s] / moved[0] - 1) > .2) /* 8 bits, and three fields of random numbers */
      g_error ("elastic-transform at %d moves a slope by %g grey levels, at %d by %g", side,
               moved[s], sides[0], moved[0]);
  }
}

/* Fog's octaves: with the distance d differences grow as d^H, 2^H = decay² (1.96 at severity 5) as the original has it; by
 * decay alone they would grow as its root. Measured where octaves are neither rounding nor the whole. */
static void
test_fog (void)
{
  enum { SIDE = 224 };
  g_autofree guint8 *grey = g_malloc (SIDE * SIDE * 3), *out = g_malloc (SIDE * SIDE * 3);
  double square[2] = { 0 };
  memset (grey, 255, SIDE * SIDE * 3);
  for (guint64 seed = 1; seed <= 8; seed++) {
    corrupt (out, grey, find ("fog"), SIDE, SIDE, 5, seed);
    for (int y = 0; y < SIDE; y++)
      for (int x = 0; x + 16 < SIDE; x++)
        for (int k = 0; k < 2; k++) {
          const double step = out[3 * (y * SIDE + x + (8 << k))] - out[3 * (y * SIDE + x)];
          square[k] += step * step;
        }
  }
  const double growth = sqrt (square[1] / square[0]);
  if (!(growth > 1.6 && growth < 2))
    g_error ("fog: differences grow by %g with twice the distance, expected 1.6 … 2", growth);
}

/* The disc of a point: of the size of the radius, round, and with all of the light; at any radius. */
static void
test_defocus (void)
{
  static const double radii[] = { .3, 1, 3, 4.5, 10, 40.2 };
  for (guint r = 0; r < G_N_ELEMENTS (radii); r++) {
    enum { SIDE = 121, MIDDLE = SIDE / 2 };
    const double radius = radii[r], p[2] = { radius, 0 };
    g_autoptr (ClipCanvas) canvas = clip_canvas_new (SIDE, SIDE, 3);
    for (int c = 0; c < 3; c++)
      clip_canvas_at (canvas, MIDDLE, MIDDLE)[c] = c + 1;
    g_assert_true (clip_paint_defocus (canvas, p, 1, NULL, NULL));
    double sum[3] = { 0 }, across = 0, down = 0, beyond = 0;
    for (int y = 0; y < SIDE; y++)
      for (int x = 0; x < SIDE; x++) {
        const float *at = clip_canvas_at (canvas, x, y);
        for (int c = 0; c < 3; c++)
          sum[c] += at[c];
        across += (x - MIDDLE) * (x - MIDDLE) * (double) at[0];
        down += (y - MIDDLE) * (y - MIDDLE) * (double) at[0];
        beyond += hypot (x - MIDDLE, y - MIDDLE) > radius + 1 ? at[0] : 0;
      }
    /* the mean square of a disc is r²/4 in each direction; a pixel adds 1/12 and more where it is cut */
    const double square = radius * radius / 4;
    const float middle = clip_canvas_at (canvas, MIDDLE, MIDDLE)[0];
    const double most = radius < .5 ? 1 : 1 / (G_PI * radius * radius);
    if (fabs (sum[0] - 1) > 1e-5 || fabs (sum[1] - 2) > 1e-5 || fabs (sum[2] - 3) > 1e-5 ||
        fabs (across - square) > .15 + square / 50 || fabs (down - square) > .15 + square / 50 ||
        fabs (middle - most) > 1e-5 || fabs (beyond) > 1e-5)
      g_error ("radius %g: light %g %g %g, mean square %g across, %g down, expected %g; middle %g, "
               "expected %g; beyond %g",
               radius, sum[0], sum[1], sum[2], across, down, square, middle, most, beyond);
  }
}

/* Against what it means, pixel for pixel. */
static void
test_smear (void)
{
  static const struct {
    int length, channels;
    double sigma, angle;
  } cases[] = {
    { 1, 1, 1, .3 },  { 5, 3, 2, 0 },          { 9, 3, 3, .5 },     { 31, 3, 8, -.7 },
    { 21, 1, 4, -2 }, { 12, 1, 4, -G_PI / 2 }, { 40, 2, 99, G_PI }, { 7, 1, 1, 2 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const int w = 37, h = 23, c = cases[i].channels, length = cases[i].length;
    g_autoptr (ClipCanvas) canvas = clip_canvas_new (w, h, c);
    guint64 state = i;
    for (gsize k = 0; k < clip_canvas_n (canvas); k++)
      canvas->pixels[k] = clip_random_double (&state);
    g_autoptr (ClipCanvas) smeared = clip_canvas_copy (canvas);
    clip_canvas_smear (smeared, length, cases[i].sigma, cases[i].angle);
    for (int y = 0; y < h; y++)
      for (int x = 0; x < w; x++) {
        double mean[4] = { 0 }, sum = 0;
        for (int k = 0; k < length; k++) {
          const double weight = exp (-k * k / (2 * cases[i].sigma * cases[i].sigma));
          float at[4];
          clip_canvas_sample (canvas, at, x + k * cos (cases[i].angle),
                              y + k * sin (cases[i].angle));
          for (int j = 0; j < c; j++)
            mean[j] += weight * at[j];
          sum += weight;
        }
        for (int j = 0; j < c; j++)
          if (fabs (clip_canvas_at (smeared, x, y)[j] - mean[j] / sum) > 1e-5)
            g_error ("smear %u at (%d, %d): %g, expected %g", i, x, y,
                     clip_canvas_at (smeared, x, y)[j], mean[j] / sum);
      }
  }
}

/* A blur spreads a point into a Gaussian, keeps the sum, and three boxes have the same deviation. */
static void
test_blur (void)
{
  static const double sigmas[] = { .7, 2, 9.9, 10.1, 15 };
  for (guint s = 0; s < G_N_ELEMENTS (sigmas); s++) {
    enum { SIDE = 161, MIDDLE = SIDE / 2 };
    g_autoptr (ClipCanvas) canvas = clip_canvas_new (SIDE, SIDE, 1);
    *clip_canvas_at (canvas, MIDDLE, MIDDLE) = 1;
    clip_canvas_blur (canvas, sigmas[s]);
    double sum = 0, square = 0;
    for (int y = 0; y < SIDE; y++)
      for (int x = 0; x < SIDE; x++) {
        sum += *clip_canvas_at (canvas, x, y);
        square += (x - MIDDLE) * (x - MIDDLE) * (double) *clip_canvas_at (canvas, x, y);
      }
    /* cut at 3σ the variance is 2.7 % less; boxes of 21 pixels and more come within 5 % */
    if (fabs (sum - 1) > 1e-3 || fabs (sqrt (square) / sigmas[s] - 1) > .05)
      g_error ("σ %g: sum %g, deviation %g", sigmas[s], sum, sqrt (square));
  }
}

static void
test_plasma (void)
{
  guint64 state = 3;
  g_autoptr (ClipCanvas) canvas = clip_canvas_new (100, 70, 1);
  clip_canvas_plasma (canvas, 2, &state);
  double mean = 0, step = 0;
  for (int y = 0; y < 70; y++)
    for (int x = 0; x < 100; x++) {
      const float value = *clip_canvas_at (canvas, x, y);
      g_assert_true (value >= 0 && value <= 1);
      mean += value / 7000;
      if (x > 0)
        step += fabs (value - *clip_canvas_at (canvas, x - 1, y)) / (70 * 99);
    }
  g_assert_cmpfloat (mean, >, .1);
  g_assert_cmpfloat (mean, <, .9);
  g_assert_cmpfloat (step, <, .05); /* neighbours are alike: a cloud, not noise */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/corruptions/properties", test_properties);
  g_test_add_func ("/corruptions/small", test_small);
  g_test_add_func ("/corruptions/large", test_large);
  g_test_add_func ("/corruptions/noise", test_noise);
  g_test_add_func ("/corruptions/formulas", test_formulas);
  g_test_add_func ("/corruptions/elastic", test_elastic);
  g_test_add_func ("/corruptions/fog", test_fog);
  g_test_add_func ("/corruptions/defocus", test_defocus);
  g_test_add_func ("/canvas/smear", test_smear);
  g_test_add_func ("/canvas/blur", test_blur);
  g_test_add_func ("/canvas/plasma", test_plasma);
  return g_test_run ();
}
