/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pixels as bytes: those that were bytes are these again, others within half a step of their own; what lies around a picture is
 * its zero; nine words a line apart are the window of a position.
 */
#include "core/model/pixels.h"

#include <string.h>

static const ClipPreprocessConfig preprocess = { .mean = { 0.48f, 0.45f, 0.4f },
                                                 .std = { 0.27f, 0.26f, 0.28f } };

#define BATCH 2

typedef struct {
  ClipPixels pixels;
  guint8 *bytes;
  ClipQuant *quant;
} Converted;

static Converted
convert (const float *x, int size)
{
  const ClipStem stem = { .size = size,
                          .out_size = clip_same_size (size, 2),
                          .pad = clip_same_pad (size, 3, 2) };
  Converted c = { clip_pixels (&stem, &preprocess) };
  c.bytes = g_malloc (BATCH * clip_pixels_size (&c.pixels));
  c.quant = g_new (ClipQuant, BATCH * stem.out_size);
  ClipSession session = { .threads = clip_threads_new (2), .kernels = clip_kernels () };
  clip_pixels_run (&session, c.bytes, c.quant, &c.pixels, x, BATCH);
  clip_threads_free (session.threads);
  return c;
}

/* The byte of a tap of a position's window, as the product finds it: words a line apart, positions two bytes. */
static int
tap (const Converted *c, int image, int row, int column, int channel, int i, int j)
{
  const gsize line = clip_pixels_line (&c->pixels);
  const guint8 *window =
      c->bytes + image * clip_pixels_size (&c->pixels) + row * 2 * 3 * line + column * 2;
  return window[(i * 3 + channel) * line + j];
}

static void
check (const float *x, int size, const char *what, gboolean exact)
{
  const Converted c = convert (x, size);
  for (int n = 0; n < BATCH * c.pixels.out_size * c.pixels.out_size * 27; n++) {
    const int j = n % 3, i = n / 3 % 3, channel = n / 9 % 3, column = n / 27 % c.pixels.out_size,
              row = n / 27 / c.pixels.out_size % c.pixels.out_size,
              image = n / 27 / c.pixels.out_size / c.pixels.out_size;
    const int y = 2 * row + i - c.pixels.pad, at = 2 * column + j - c.pixels.pad;
    const gboolean inside = y >= 0 && y < size && at >= 0 && at < size;
    const double value = inside ? x[((image * 3 + channel) * size + y) * size + at] : 0,
                 expected = 255 * (value * preprocess.std[channel] + preprocess.mean[channel]);
    const ClipQuant quant = c.quant[image * c.pixels.out_size + row];
    const double found = quant.scale * (tap (&c, image, row, column, channel, i, j) - quant.zero);
    /* half a step, and half for the zero's */
    const double most = inside ? (exact ? 1e-4 : 1.001 * quant.scale) : quant.scale;
    if (!(fabs (found - expected) <= most))
      g_error ("%s of %d²: tap %d, %d of channel %d at %d, %d is %g, expected %g", what, size, i, j,
               channel, row, column, found, expected);
  }
  g_free (c.bytes);
  g_free (c.quant);
}

static void
test_windows (void)
{
  for (int size = 1; size <= 37; size += 1 + (size > 9) * 3) {
    const int n = BATCH * 3 * size * size;
    g_autofree float *x = g_new (float, n);
    for (int i = 0; i < n; i++) {
      const int channel = i / (size * size) % 3;
      x[i] = (g_test_rand_int_range (0, 256) / 255.0f - preprocess.mean[channel]) /
             preprocess.std[channel];
    }
    check (x, size, "bytes", TRUE);
    for (int i = 0; i < n; i++)
      x[i] = g_test_rand_double_range (-9, 7);
    check (x, size, "numbers", FALSE);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pixels/windows", test_windows);
  return g_test_run ();
}
