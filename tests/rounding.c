/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Means behind a ReLU6 against an integral, and outputs of rounded weights, which have the mean of the exact ones. */
#include "core/model/rounding.h"
#include "core/kernels/kernels.h"
#include "tests/random-model.h"

#define N 24

/* ∫ relu6 (x) of a normal number, by small steps */
static double
mean_by_steps (double mean, double deviation)
{
  double sum = 0;
  if (deviation < 1e-9)
    return CLAMP (mean, 0, 6);
  for (int i = -9000; i < 9000; i++) {
    const double z = i * 1e-3;
    sum += CLAMP (mean + deviation * z, 0, 6) * exp (-z * z / 2) * 1e-3;
  }
  return sum / sqrt (2 * G_PI);
}

static void
test_means (void)
{
  RandomModel model = random_model ();
  random_vector (&model, 0, 3, "visual.n.weight", N);
  random_vector (&model, 1, 6, "visual.n.bias", N);
  random_tensor (&model, CLIP_DTYPE_F32, 0, 0, "visual.z.weight", 1, N, 1, 1, 1);
  random_vector (&model, 1, 9, "visual.z.bias", N);
  g_autoptr (ClipWeights) weights = random_weights (&model);
  static const char *const norms[] = { "visual.n", "visual.z" };
  for (guint i = 0; i < G_N_ELEMENTS (norms); i++) {
    const float *scale = clip_weights_vector (weights, N, "%s.weight", norms[i]),
                *shift = clip_weights_vector (weights, N, "%s.bias", norms[i]);
    g_autofree float *means = clip_norm_means (weights, N, norms[i]),
                     *behind = clip_norm_means_relu6 (weights, N, norms[i]);
    for (int c = 0; c < N; c++) {
      const double expected = mean_by_steps (shift[c], fabsf (scale[c]));
      g_assert_cmpfloat (means[c], ==, shift[c]);
      if (!(fabs (behind[c] - expected) < 1e-4))
        g_error ("mean %g, deviation %g: %g behind ReLU6, expected %g", shift[c], scale[c],
                 behind[c], expected);
    }
  }
  random_model_clear (&model);
}

static void
test_outputs (void)
{
  enum { IN = 37 };
  float w[N * IN], means[IN], bias[N], exact[N];
  for (int i = 0; i < N * IN; i++)
    w[i] = g_test_rand_double_range (-1, 1);
  for (int i = 0; i < IN; i++)
    means[i] = g_test_rand_double_range (0, 6);
  for (int r = 0; r < N; r++)
    exact[r] = bias[r] = r;
  clip_rounding_correct (bias, &(ClipMatrix){ CLIP_DTYPE_F32, N, IN, w, NULL }, means);
  for (int r = 0; r < N; r++) {
    gint8 q[IN];
    const float scale = clip_kernels ()->quantize_weights (q, w + r * IN, IN);
    double found = bias[r], expected = exact[r];
    for (int i = 0; i < IN; i++) {
      found += scale * q[i] * means[i];
      expected += w[r * IN + i] * means[i];
    }
    if (!(fabs (found - expected) < 1e-4))
      g_error ("output %d is %g on the mean, expected %g", r, found, expected);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rounding/means", test_means);
  g_test_add_func ("/rounding/outputs", test_outputs);
  return g_test_run ();
}
