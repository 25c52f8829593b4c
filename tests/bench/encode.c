/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Image towers with random weights: the best of several runs in milliseconds per image, on the clock and of processor time
 * (which a busy machine disturbs less), and GFLOP/s on the clock (a multiply-add is two).
 *
 *   meson test -C build --benchmark encode --verbose        or   bench-encode [PATTERN]
 */
#include "core/model/session.h"
#include "tests/random-model.h"

#include <stdio.h>
#include <time.h>

typedef struct {
  const char *name;
  int image_size, patch, width, layers, heads; /* patch 0: EfficientNet-Lite0 */
  ClipDtype dtype;
} Case;

static const Case cases[] = {
  { "vit-b-32-f32", 224, 32, 768, 12, 12, CLIP_DTYPE_F32 },
  { "vit-b-32-f16", 224, 32, 768, 12, 12, CLIP_DTYPE_F16 },
  { "lite0-160", 160, 0, 0, 0, 0, CLIP_DTYPE_F16 },
  { "lite0-224", 224, 0, 0, 0, 0, CLIP_DTYPE_F16 },
};

#define EMBED_DIM 512

static double
vit_flops (const Case *c)
{
  const double tokens = (c->image_size / c->patch) * (c->image_size / c->patch) + 1,
               width = c->width;
  const double attention = 2 * tokens * tokens * width,
               whole = tokens * 12 * width * width + attention;
  const double last = tokens * 2 * width * width + 10 * width * width;
  return 2 * ((tokens - 1) * 3 * c->patch * c->patch * width + (c->layers - 1) * whole + last +
              width * EMBED_DIM);
}

static double
lite_flops (int size)
{
  static const int strides[7] = { 1, 2, 2, 2, 1, 2, 1 };
  double n = (size + 1) / 2, sum = n * n * 27 * 32, in = 32;
  for (int s = 0; s < 7; s++) {
    const RandomStage *stage = &random_lite0[s];
    for (int i = 0; i < stage->repeat; i++) {
      const double middle = in * stage->expansion, out_size = i == 0 ? ceil (n / strides[s]) : n;
      if (stage->expansion > 1)
        sum += n * n * in * middle;
      n = out_size;
      sum += n * n * middle * (stage->kernel * stage->kernel + stage->out);
      in = stage->out;
    }
  }
  return 2 * (sum + n * n * in * 1280 + 1280 * EMBED_DIM);
}

static ClipTower *
make_tower (const Case *c, ClipWeights **weights)
{
  g_autoptr (GError) error = NULL;
  RandomModel model = random_model ();
  if (c->patch)
    random_vit (&model, c->dtype, c->image_size / c->patch, c->patch, c->width, c->layers,
                4 * c->width, EMBED_DIM);
  else
    random_efficientnet (&model, c->dtype, 32, random_lite0, 1280, EMBED_DIM);
  *weights = random_weights (&model);
  random_model_clear (&model);
  ClipConfig config = {
    .embed_dim = EMBED_DIM,
    .image = { c->patch ? CLIP_IMAGE_VIT : CLIP_IMAGE_EFFICIENTNET, c->image_size, c->patch,
               c->width, c->layers, c->heads, 4 * c->width, CLIP_ACTIVATION_QUICK_GELU,
               c->patch ? 1e-5f : 1e-3f },
  };
  ClipTower *tower = (c->patch ? clip_vit_new : clip_efficientnet_new) (*weights, &config, &error);
  g_assert_no_error (error);
  return tower;
}

static double
seconds (clockid_t clock)
{
  struct timespec t;
  clock_gettime (clock, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void
measure (const Case *c, const ClipTower *tower, int batch, int threads)
{
  ClipSession session = { .threads = clip_threads_new (threads), .kernels = clip_kernels () };
  const gsize pixels = 3 * (gsize) c->image_size * c->image_size * batch;
  g_autofree float *in = g_new (float, pixels), *out = g_new (float, batch *EMBED_DIM);
  for (gsize i = 0; i < pixels; i++)
    in[i] = sinf (i * 0.37f) + 0.3f * sinf (i * 0.011f);
  double best = INFINITY, best_cpu = INFINITY, total = 0;
  for (int i = 0; i < 200 && (total < 2 || i < 5); i++) {
    const double start = seconds (CLOCK_MONOTONIC), start_cpu = seconds (CLOCK_PROCESS_CPUTIME_ID);
    tower->forward (tower, &session, out, in, batch, 0);
    const double elapsed = seconds (CLOCK_MONOTONIC) - start;
    best = MIN (best, elapsed);
    best_cpu = MIN (best_cpu, seconds (CLOCK_PROCESS_CPUTIME_ID) - start_cpu);
    total += elapsed;
  }
  const double flops = c->patch ? vit_flops (c) : lite_flops (c->image_size);
  printf ("%-14s batch %d  threads %d  %8.3f ms/image  %8.3f ms of processor time  %6.1f GFLOP/s\n",
          c->name, batch, threads, best * 1e3 / batch, best_cpu * 1e3 / batch,
          flops * batch / best * 1e-9);
  fflush (stdout);
  clip_threads_free (session.threads);
  clip_arena_clear (&session.arena);
  clip_arena_clear (&session.scratch);
}

int
main (int argc, char **argv)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    if (argc > 1 && !strstr (cases[i].name, argv[1]))
      continue;
    ClipWeights *weights;
    ClipTower *tower = make_tower (&cases[i], &weights);
    for (int batch = 1; batch <= 8; batch += 7)
      for (int threads = 1; threads <= 2; threads++)
        measure (&cases[i], tower, batch, threads);
    tower->free (tower);
    clip_weights_free (weights);
  }
  return 0;
}
