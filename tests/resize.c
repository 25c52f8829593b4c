/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Geometry, weights, and the vector versions of gather and resample against the portable ones. What Pillow makes of
 * pictures is compared in preprocess.c. */
#include "core/image/geometry.h"
#include "core/image/resize.h"

#include <math.h>
#include <string.h>

static void
test_geometry (void)
{
  static const struct {
    const char *name;
    int to_width, to_height;
    ClipResizeMode mode;
    int width, height;
    ClipGeometry expected; /* width, height, x, y, left, top, columns, rows */
  } cases[] = {
    { "landscape",
      224,
      224,
      CLIP_RESIZE_SHORTEST,
      1920,
      1080,
      { 398, 224, 87, 0, 0, 0, 224, 224 } },
    { "portrait", 224, 224, CLIP_RESIZE_SHORTEST, 1080, 1920, { 224, 398, 0, 87, 0, 0, 224, 224 } },
    { "unchanged", 48, 48, CLIP_RESIZE_SHORTEST, 48, 48, { 48, 48, 0, 0, 0, 0, 48, 48 } },
    { "excess 1: 0.5 to 0", 12, 12, CLIP_RESIZE_SHORTEST, 13, 12, { 13, 12, 0, 0, 0, 0, 12, 12 } },
    { "excess 2", 12, 12, CLIP_RESIZE_SHORTEST, 14, 12, { 14, 12, 1, 0, 0, 0, 12, 12 } },
    { "excess 3: 1.5 to 2", 12, 12, CLIP_RESIZE_SHORTEST, 15, 12, { 15, 12, 2, 0, 0, 0, 12, 12 } },
    { "excess 5: 2.5 to 2", 12, 12, CLIP_RESIZE_SHORTEST, 17, 12, { 17, 12, 2, 0, 0, 0, 12, 12 } },
    { "truncated", 12, 12, CLIP_RESIZE_SHORTEST, 100, 61, { 19, 12, 4, 0, 0, 0, 12, 12 } },
    { "one row",
      224,
      224,
      CLIP_RESIZE_SHORTEST,
      32768,
      1,
      { 7340032, 224, 3669904, 0, 0, 0, 224, 224 } },
    { "squash", 224, 224, CLIP_RESIZE_SQUASH, 1920, 1080, { 224, 224, 0, 0, 0, 0, 224, 224 } },
    { "pad", 224, 224, CLIP_RESIZE_LONGEST, 1920, 1080, { 224, 126, 0, 0, 0, 49, 224, 126 } },
    { "pad, odd", 13, 13, CLIP_RESIZE_LONGEST, 40, 30, { 13, 10, 0, 0, 0, 1, 13, 10 } },
    { "2.5 to 2", 10, 10, CLIP_RESIZE_LONGEST, 20, 5, { 10, 2, 0, 0, 0, 4, 10, 2 } },
    { "3.5 to 4", 10, 10, CLIP_RESIZE_LONGEST, 20, 7, { 10, 4, 0, 0, 0, 3, 10, 4 } },
    { "wide, of a wider", 40, 20, CLIP_RESIZE_SHORTEST, 100, 30, { 67, 20, 14, 0, 0, 0, 40, 20 } },
    { "wide, of a square", 40, 20, CLIP_RESIZE_SHORTEST, 30, 30, { 40, 40, 0, 10, 0, 0, 40, 20 } },
    { "tall, padded", 20, 40, CLIP_RESIZE_LONGEST, 30, 30, { 20, 20, 0, 0, 0, 10, 20, 20 } },
    { "tall, squashed", 20, 40, CLIP_RESIZE_SQUASH, 30, 30, { 20, 40, 0, 0, 0, 0, 20, 40 } },
    { "never 0", 8, 8, CLIP_RESIZE_LONGEST, 1000, 1, { 8, 1, 0, 0, 0, 3, 8, 1 } },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    const ClipGeometry g = clip_geometry (cases[i].to_width, cases[i].to_height, cases[i].mode,
                                          cases[i].width, cases[i].height);
    const ClipGeometry e = cases[i].expected;
    if (memcmp (&g, &e, sizeof g) != 0)
      g_error ("%s: %d×%d from %d,%d to %d,%d, %d×%d; expected %d×%d from %d,%d to %d,%d, %d×%d",
               cases[i].name, g.width, g.height, g.x, g.y, g.left, g.top, g.columns, g.rows,
               e.width, e.height, e.x, e.y, e.left, e.top, e.columns, e.rows);
  }
}

static const ClipAxis axes[] = {
  { 1080, 1080 / 224.0, 0, 0, 224 },
  { 1920, 1080 / 224.0, 0, 87, 224 },
  { 48, 1, 0, 0, 48 },
  { 5, 5 / 14.0, 0, 0, 14 },
  { 1, 1 / 300.0, 0, 0, 300 },
  { 2, 2 / 64.0, 0, 0, 64 },
  { 32768, 32768, 0, 0, 1 },
  { 32768, 32768 / 224.0, 0, 0, 224 },
  { 32768, 1 / 224.0, 0, 3669904, 224 },
  { 960, 1920 / 398.0 / 2, 0.25, 87, 224 },
  { 1, 1 / 224.0 / 2, 0.25, 0, 224 },
  { 3, 5 / 100.0 / 2, 0.25, 0, 100 },
};

/* Weights of an output sum to 1 within what rounding each of them can add up to; no piece overflows. */
static void
test_weights (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (axes); i++)
    for (ClipFilter filter = CLIP_FILTER_BICUBIC; filter <= CLIP_FILTER_BILINEAR; filter++) {
      ClipPass pass;
      clip_pass_init (&pass, filter, &axes[i]);
      const ClipTaps *taps = &pass.taps;
      g_assert_cmpint (pass.first, >=, 0);
      g_assert_cmpint (pass.first + pass.n, <=, axes[i].length);
      for (int o = 0; o < taps->n_outputs; o++) {
        gint64 sum = 0;
        g_assert_cmpint (taps->n_quads[o], <=, taps->max_quads);
        g_assert_cmpint (4 * (taps->first_quad[o] + taps->n_quads[o] - 1), <, pass.n);
        for (int t = 0; t < 4 * taps->n_quads[o]; t++) {
          static const int place[4] = { 0, 2, 1, 3 };
          const gsize quad = (gsize) o * taps->max_quads + t / 4;
          const gint32 weight = taps->weights[quad * 4 + t % 4];
          const gint16 *halves = taps->halves + quad * 8 + place[t % 4];
          const gint8 *digits = taps->digits + quad * 12 + t % 4;
          g_assert_cmpint (halves[4] * 32768 + halves[0], ==, weight);
          g_assert_cmpint (halves[0], >=, 0);
          g_assert_cmpint (digits[8] * 65536 + digits[4] * 256 + digits[0], ==, weight);
          sum += weight;
        }
        if (ABS (sum - (1 << CLIP_WEIGHT_BITS)) > 2 * taps->n_quads[o])
          g_error ("axis %d, output %d: weights sum to %" G_GINT64_FORMAT ", expected %d", (int) i,
                   o, sum, 1 << CLIP_WEIGHT_BITS);
      }
      clip_pass_clear (&pass);
    }
}

/* Where nothing is resized each output is one sample: Pillow skips the pass. */
static void
test_copy (void)
{
  ClipPass pass;
  clip_pass_init (&pass, CLIP_FILTER_BICUBIC, &(ClipAxis){ 48, 1, 0, 0, 48 });
  g_assert_cmpint (pass.taps.max_quads, ==, 1);
  for (int o = 0; o < 48; o++)
    for (int t = 0; t < 4; t++)
      g_assert_cmpint (pass.taps.weights[4 * o + t], ==, t == o % 4 ? 1 << CLIP_WEIGHT_BITS : 0);
  clip_pass_clear (&pass);
}

typedef enum { NOISE, WHITE, ALTERNATING, N_KINDS } Kind;

static void
make_samples (guint8 *samples, gsize n, Kind kind)
{
  guint32 state = 1;
  for (gsize i = 0; i < n; i++) {
    state = state * 1664525 + 1013904223;
    samples[i] = kind == NOISE ? state >> 24 : kind == WHITE || state >> 31 ? 255 : 0;
  }
}

static void
compare_resample (const char *level, const ClipKernels *kernels, const ClipAxis *axis, gsize lanes,
                  Kind kind)
{
  ClipPass pass;
  clip_pass_init (&pass, CLIP_FILTER_BICUBIC, axis);
  const gsize n_quads = (pass.n + 3) / 4, n_out = axis->n * lanes;
  g_autofree guint32 *x = g_new (guint32, n_quads * lanes);
  g_autofree guint8 *expected = g_malloc (n_out), *found = g_malloc (n_out);
  make_samples ((guint8 *) x, n_quads * lanes * 4, kind);
  clip_resample_c (expected, lanes, x, lanes, &pass.taps, 0, axis->n);
  kernels->resample (found, lanes, x, lanes, &pass.taps, 0, axis->n);
  for (gsize i = 0; i < n_out; i++)
    if (found[i] != expected[i])
      g_error ("%s: resample %d to %d, samples %d: output %d, lane %d is %d, expected %d", level,
               axis->length, axis->n, kind, (int) (i / lanes), (int) (i % lanes), found[i],
               expected[i]);
  clip_pass_clear (&pass);
}

static void
compare_gather (const char *level, const ClipKernels *kernels, const ClipLayout *layout, int width)
{
  ClipResizer resizer;
  const ClipAxis axis = { width, 1, 0, 0, width };
  clip_resizer_init (&resizer, CLIP_FILTER_BICUBIC, layout, &axis, &(ClipAxis){ 1, 1, 0, 0, 1 });
  const gsize n_bytes = (gsize) width * layout->step, n = layout->n * resizer.component_size;
  /* each row ends where its allocation does: a sanitizer sees what reads on */
  guint8 *rows[CLIP_BAND_ROWS];
  for (int i = 0; i < CLIP_BAND_ROWS; i++) {
    rows[i] = g_malloc (n_bytes);
    for (gsize b = 0; b < n_bytes; b++)
      rows[i][b] = b * 7 + i * 31;
  }
  g_autofree guint32 *expected = g_new0 (guint32, n), *found = g_new0 (guint32, n);
  clip_gather_c (expected, (const guint8 *const *) rows, n_bytes, &resizer.gather, resizer.n_loads);
  kernels->gather (found, (const guint8 *const *) rows, n_bytes, &resizer.gather, resizer.n_loads);
  for (gsize i = 0; i < n; i++)
    if (found[i] != expected[i])
      g_error ("%s: gather %d of step %d, width %d: dword %d is %08x, expected %08x", level,
               layout->n, layout->step, width, (int) i, found[i], expected[i]);
  /* and the meaning of it: sample x of component c, row r */
  for (int c = 0; c < layout->n; c++)
    for (int r = 0; r < CLIP_BAND_ROWS; r++)
      for (int x = 0; x < width; x++) {
        const guint32 quad = found[c * resizer.component_size + x / 4 * CLIP_BAND_ROWS + r];
        g_assert_cmpint (quad >> x % 4 * 8 & 255, ==,
                         rows[r][x * layout->step + layout->offset[c]]);
      }
  for (int i = 0; i < CLIP_BAND_ROWS; i++)
    g_free (rows[i]);
  clip_resizer_clear (&resizer);
}

static void
test_levels (void)
{
  static const ClipLayout layouts[] = {
    { 1, { 0 }, 1 },       { 1, { 0 }, 2 },       { 1, { 1 }, 2 },          { 2, { 0, 1 }, 2 },
    { 2, { 1, 0 }, 2 },    { 3, { 0, 1, 2 }, 3 }, { 3, { 2, 1, 0 }, 3 },    { 3, { 0, 1, 2 }, 4 },
    { 3, { 3, 2, 1 }, 4 }, { 2, { 1, 3 }, 4 },    { 4, { 1, 2, 3, 0 }, 4 },
  };
  static const int widths[] = { 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 64, 67 };
  for (ClipCpuLevel level = CLIP_CPU_C; level < CLIP_CPU_N; level++) {
    ClipKernels kernels;
    const char *name = clip_cpu_level_name (level);
    if (!clip_kernels_for_level (&kernels, level)) {
      g_test_message ("%s: not here", name);
      continue;
    }
    for (gsize i = 0; i < G_N_ELEMENTS (axes); i++)
      for (Kind kind = NOISE; kind < N_KINDS; kind++) {
        compare_resample (name, &kernels, &axes[i], CLIP_BAND_ROWS, kind);
        if (axes[i].length <= 1920)
          compare_resample (name, &kernels, &axes[i], 3 * CLIP_BAND_ROWS, kind);
      }
    for (gsize i = 0; i < G_N_ELEMENTS (layouts); i++)
      for (gsize w = 0; w < G_N_ELEMENTS (widths); w++)
        compare_gather (name, &kernels, &layouts[i], widths[w]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/resize/geometry", test_geometry);
  g_test_add_func ("/resize/weights", test_weights);
  g_test_add_func ("/resize/copy", test_copy);
  g_test_add_func ("/resize/levels", test_levels);
  return g_test_run ();
}
