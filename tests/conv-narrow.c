/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 3×3 convolutions in bf16 and int8: of whole numbers every result is what sums written out here say, whatever the picture's size,
 * its borders and how it is cut into bands; and the bits depend on no number of threads.
 */
#include "core/model/conv-narrow.h"
#include "tests/random-model.h"

#define TAPS 9

typedef struct {
  const char *name;
  int n, channels, out, batch;
  ClipLinearOp op;
} Case;

static const Case cases[] = {
  { "one-position", 1, 4, 1, 2, CLIP_LINEAR_STORE },
  { "two", 2, 8, 17, 1, CLIP_LINEAR_RELU },
  { "one-band", 7, 64, 130, 1, CLIP_LINEAR_RELU },
  { "two-bands", 9, 20, 65, 3, CLIP_LINEAR_STORE },
  { "wide", 33, 12, 16, 2, CLIP_LINEAR_RELU },
  { "many-outputs", 14, 4, 1030, 1, CLIP_LINEAR_STORE },
};

/* -127 … 127, both of which each row of weights has */
static int
whole_weight (int row, int i)
{
  return i < 2 ? (i ? -127 : 127) : (row * 31 + i * 17) % 255 - 127;
}

/* -55 … 200, both of which each row of a picture has: steps of 1 */
static int
whole_input (const Case *c, int image, int y, int x, int channel)
{
  const int i = x * c->channels + channel;
  return i < 2 ? (i ? -55 : 200) : (image * 7 + y * 29 + i * 13) % 256 - 55;
}

static double
expected_sum (const Case *c, int image, int y, int x, int row)
{
  double sum = 0;
  for (int tap = 0; tap < TAPS; tap++) {
    const int iy = y + tap / 3 - 1, ix = x + tap % 3 - 1;
    if (iy < 0 || iy >= c->n || ix < 0 || ix >= c->n)
      continue;
    for (int channel = 0; channel < c->channels; channel++)
      sum += whole_weight (row, tap * c->channels + channel) *
             (double) whole_input (c, image, iy, ix, channel);
  }
  return sum;
}

static void
check (const Case *c, const ClipLinear *layer, const float *y, double step)
{
  const float *found = y;
  for (int p = 0; p < c->batch * c->n * c->n; p++) {
    const int image = p / (c->n * c->n), row = p / c->n % c->n, column = p % c->n;
    for (int o = 0; o < c->out; o++, found++) {
      double expected = expected_sum (c, image, row, column, o) * step + layer->bias[o];
      if (c->op == CLIP_LINEAR_RELU)
        expected = MAX (expected, 0);
      /* sums in float32, of int8 only the last step */
      const double most =
          3e-7 * 127 * 200 * step *
          (layer->reduced.precision == CLIP_PRECISION_INT8 ? sqrt (TAPS * c->channels)
                                                           : TAPS * c->channels);
      if (!(fabs (*found - expected) <= most))
        g_error ("%s: output %d of %d, %d of picture %d is %.9g, expected %.9g", c->name, o, row,
                 column, image, *found, expected);
    }
  }
}

static void
run (const Case *c, const ClipLinear *layer, float *y, const float *x, int threads)
{
  ClipSession session = { .threads = clip_threads_new (threads), .kernels = clip_kernels () };
  clip_session_reserve_scratch (&session, clip_conv3_scratch (layer, c->n));
  clip_conv3 (&session, y, x, layer, c->n, c->batch, c->op);
  clip_threads_free (session.threads);
  clip_arena_clear (&session.scratch);
}

static void
test_case (const void *data, ClipPrecision precision)
{
  const Case *c = data;
  const gsize positions = (gsize) c->batch * c->n * c->n, in = TAPS * c->channels;
  const double step = 0x1p-8;
  RandomModel model = random_model ();
  random_vector (&model, 0, 1, "visual.sign", 1);
  random_vit (&model, CLIP_DTYPE_F32, 1, 1, 4, 1, 4, 4); /* whose memory holds what is packed */
  g_autoptr (ClipWeights) weights = random_weights (&model);
  random_model_clear (&model);
  g_autofree float *w = g_new (float, c->out *in), *bias = g_new (float, c->out),
                   *x = g_new (float, positions * c->channels),
                   *y = g_new (float, positions * c->out),
                   *again = g_new (float, positions * c->out);
  for (gsize i = 0; i < c->out * in; i++)
    w[i] = step * whole_weight (i / in, i % in);
  for (int o = 0; o < c->out; o++)
    bias[o] = o % 7 - 3;
  for (gsize i = 0; i < positions * c->channels; i++) {
    const int p = i / c->channels;
    x[i] = whole_input (c, p / (c->n * c->n), p / c->n % c->n, p % c->n, i % c->channels);
  }
  ClipLinear layer = { .weight = { CLIP_DTYPE_F32, c->out, in, w, NULL }, .bias = bias };
  g_assert_true (clip_conv3_narrow_fits (precision, c->channels));
  g_assert_true (clip_reduce_pack (weights, &layer.reduced, &layer.weight, precision));
  run (c, &layer, y, x, 1);
  check (c, &layer, y, step);
  for (int threads = 2; threads <= 3; threads++) {
    run (c, &layer, again, x, threads);
    g_assert_cmpmem (again, positions * c->out * sizeof *y, y, positions * c->out * sizeof *y);
  }
}

static void
test_int8 (const void *data)
{
  test_case (data, CLIP_PRECISION_INT8);
}

static void
test_bf16 (const void *data)
{
  if (clip_kernels ()->gemm_bf16)
    test_case (data, CLIP_PRECISION_BF16);
  else
    g_test_skip ("floats are multiplied instead");
}

/* What has no whole words in a position, or more inputs than sums hold, is left to floats. */
static void
test_fits (void)
{
  static const struct {
    ClipPrecision precision;
    int channels;
    gboolean fits;
  } rows[] = {
    { CLIP_PRECISION_INT8, 32, TRUE },   { CLIP_PRECISION_INT8, 6, FALSE },
    { CLIP_PRECISION_BF16, 6, TRUE },    { CLIP_PRECISION_BF16, 5, FALSE },
    { CLIP_PRECISION_INT8, 7280, TRUE }, { CLIP_PRECISION_INT8, 7284, FALSE },
  };
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (clip_conv3_narrow_fits (rows[i].precision, rows[i].channels) != rows[i].fits)
      g_error ("%d channels in precision %d: expected %s", rows[i].channels, rows[i].precision,
               rows[i].fits ? "to fit" : "not to fit");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *int8 = g_strdup_printf ("/conv-narrow/int8/%s", cases[i].name),
                    *bf16 = g_strdup_printf ("/conv-narrow/bf16/%s", cases[i].name);
    g_test_add_data_func (int8, &cases[i], test_int8);
    g_test_add_data_func (bf16, &cases[i], test_bf16);
  }
  g_test_add_func ("/conv-narrow/fits", test_fits);
  return g_test_run ();
}
