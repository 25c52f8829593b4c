/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 3×3 convolutions by Winograd's minimal filtering against sums in double precision by the definition: pictures smaller than a
 * tile and not made of whole ones, bands that several pictures share, channels that fill no vector; the same bits for any number of
 * threads and for a picture alone.
 */
#include "core/model/conv.h"
#include "core/model/winograd.h"
#include "tests/random-model.h"

#include <string.h>

#define TAPS 9
#define EPSILON 1e-5f

typedef struct {
  const char *name;
  int n, channels, out, batch;
  ClipLinearOp op;
} Case;

static const Case cases[] = {
  { "one-position", 1, 3, 1, 1, CLIP_LINEAR_STORE },
  { "two", 2, 8, 17, 3, CLIP_LINEAR_RELU },
  { "odd", 3, 5, 16, 1, CLIP_LINEAR_RELU6 },
  { "one-tile", 4, 16, 64, 2, CLIP_LINEAR_RELU },
  { "one-more", 5, 17, 65, 5, CLIP_LINEAR_STORE },
  { "bands-of-some-pictures", 7, 33, 70, 40, CLIP_LINEAR_RELU },
  { "several-panels", 14, 64, 200, 1, CLIP_LINEAR_RELU },
  { "bands-and-panels", 14, 48, 130, 8, CLIP_LINEAR_RELU },
  { "many-bands", 57, 9, 24, 1, CLIP_LINEAR_STORE },
  { "many-channels", 6, 600, 20, 1, CLIP_LINEAR_STORE },
};

typedef struct {
  ClipWeights *weights;
  ClipLinear conv;
  ClipLinear plain; /* [out, C·9] as in the file, normalisation folded into it */
} Layer;

static Layer
make_layer (const Case *c)
{
  RandomModel model = random_model ();
  random_vit (&model, CLIP_DTYPE_F32, 1, 1, 4, 1, 4, 4); /* by which the naming is recognised */
  random_conv (&model, CLIP_DTYPE_F32, "visual.", "conv2", "bn2", c->out, c->channels, 3);
  Layer layer = { random_weights (&model) };
  random_model_clear (&model);
  for (int i = 0; i < 2; i++)
    (i ? &layer.conv : &layer.plain)[0] = clip_bind_folded (
        layer.weights, c->out, TAPS * c->channels, EPSILON, "visual.conv2", "visual.bn2");
  clip_winograd_pack (layer.weights, &layer.conv);
  g_assert_true (clip_weights_ok (layer.weights, NULL));
  return layer;
}

/* A sum of products, and of their magnitudes. */
static double
expected_sum (const Case *c, const Layer *layer, const float *x, int row, int column, int out,
              double *magnitude)
{
  const float *w = (const float *) layer->plain.weight.data + (gsize) out * TAPS * c->channels;
  double sum = layer->plain.bias[out];
  *magnitude = fabs (sum);
  for (int tap = 0; tap < TAPS; tap++) {
    const int iy = row + tap / 3 - 1, ix = column + tap % 3 - 1;
    if (iy < 0 || iy >= c->n || ix < 0 || ix >= c->n)
      continue;
    for (int channel = 0; channel < c->channels; channel++) {
      const double product =
          (double) w[channel * TAPS + tap] * x[((gsize) iy * c->n + ix) * c->channels + channel];
      sum += product;
      *magnitude += fabs (product);
    }
  }
  return sum;
}

static void
check (const Case *c, const Layer *layer, const float *y, const float *x)
{
  const int positions = c->n * c->n;
  double squares = 0, all = 0;
  for (int p = 0; p < c->batch * positions; p++) {
    for (int o = 0; o < c->out; o++, y++) {
      double magnitude,
          expected = expected_sum (c, layer, x + (gsize) (p / positions) * positions * c->channels,
                                   p % positions / c->n, p % c->n, o, &magnitude);
      if (c->op != CLIP_LINEAR_STORE)
        expected = MAX (expected, 0);
      if (c->op == CLIP_LINEAR_RELU6)
        expected = MIN (expected, 6);
      /* the matrices enlarge what is rounded: rows of Aᵀ, and of Bᵀ with G, have sums of up to 7.4 and 4.5 in each direction */
      if (!(fabs (*y - expected) <= 1e-6 + 3e-6 * magnitude))
        g_error ("%s: output %d of %d, %d of picture %d is %.9g, expected %.9g", c->name, o,
                 p % positions / c->n, p % c->n, p / positions, *y, expected);
      squares += (*y - expected) * (*y - expected);
      all += expected * expected;
    }
  }
  g_test_message ("%s: error / value, both as root of mean square: %.2g", c->name,
                  sqrt (squares / all));
  g_assert_cmpfloat (squares, <=, 4e-6 * 4e-6 * all + 1e-12);
}

static void
run (const Case *c, const Layer *layer, float *y, const float *x, int batch, int threads)
{
  ClipSession session = { .threads = clip_threads_new (threads), .kernels = clip_kernels () };
  clip_session_reserve_scratch (&session, clip_conv3_scratch (&layer->conv, c->n));
  clip_conv3 (&session, y, x, &layer->conv, c->n, batch, c->op);
  g_assert_cmpuint (session.operations, ==,
                    2ull * batch * c->n * c->n * TAPS * c->channels * c->out);
  clip_threads_free (session.threads);
  clip_arena_clear (&session.scratch);
}

static void
test_case (const void *data)
{
  const Case *c = data;
  if (!clip_kernels ()->gemm) {
    g_test_skip ("OpenBLAS multiplies, and what the definition says");
    return;
  }
  const gsize in = (gsize) c->n * c->n * c->channels, out = (gsize) c->n * c->n * c->out;
  Layer layer = make_layer (c);
  g_autofree float *x = g_new (float, c->batch *in), *y = g_new (float, c->batch *out),
                   *again = g_new (float, c->batch *out);
  for (gsize i = 0; i < c->batch * in; i++)
    x[i] = MAX (g_test_rand_double_range (-2, 3), 0);
  run (c, &layer, y, x, c->batch, 1);
  check (c, &layer, y, x);
  for (int threads = 2; threads <= 5; threads++) {
    memset (again, 0xff, c->batch * out * sizeof *y);
    run (c, &layer, again, x, c->batch, threads);
    g_assert_cmpmem (again, c->batch * out * sizeof *y, y, c->batch * out * sizeof *y);
  }
  const int last = c->batch - 1;
  run (c, &layer, again, x + last * in, 1, 2);
  g_assert_cmpmem (again, out * sizeof *y, y + last * out, out * sizeof *y);
  clip_weights_free (layer.weights);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strconcat ("/winograd/", cases[i].name, NULL);
    g_test_add_data_func (path, &cases[i], test_case);
  }
  return g_test_run ();
}
