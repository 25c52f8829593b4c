/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Image towers with random weights: milliseconds per image, the best and the median on the clock, the median of processor time
 * (which a busy machine disturbs less), and GFLOP/s at the best (a multiply-add is two).
 *
 *   meson test -C build --benchmark encode --verbose        or   bench-encode [PATTERN [BATCH THREADS]]
 */
#include "core/model/session.h"
#include "tests/bench/timing.h"
#include "tests/random-model.h"

#include <stdio.h>

typedef struct {
  const char *name;
  ClipImageKind kind; /* EfficientNet: Lite0 */
  int image_size, patch, width, layers, heads;
  int stages[4];
} Case;

static const Case cases[] = {
  { "vit-b-32", CLIP_IMAGE_VIT, 224, 32, 768, 12, 12 },
  { "vit-b-16", CLIP_IMAGE_VIT, 224, 16, 768, 12, 12 },
  { "vit-l-14", CLIP_IMAGE_VIT, 224, 14, 1024, 24, 16 },
  { "rn50", CLIP_IMAGE_RESNET, 224, 0, 64, 16, 32, { 3, 4, 6, 3 } },
  { "rn-64", CLIP_IMAGE_RESNET, 64, 0, 32, 8, 16, { 2, 2, 2, 2 } },
  { "lite0-160", CLIP_IMAGE_EFFICIENTNET, 160 },
  { "lite0-224", CLIP_IMAGE_EFFICIENTNET, 224 },
};

/* How the file has the weights, and in what is computed. */
static const struct {
  const char *name;
  ClipDtype dtype;
  ClipPrecision precision;
} ways[] = {
  { "f32", CLIP_DTYPE_F32, CLIP_PRECISION_F32 },
  { "f16", CLIP_DTYPE_F16, CLIP_PRECISION_F32 },
  { "bf16", CLIP_DTYPE_F16, CLIP_PRECISION_BF16 },
  { "int8", CLIP_DTYPE_F16, CLIP_PRECISION_INT8 },
};

#define EMBED_DIM 512
/* of pixels */
#define MEAN 0.45f
#define STD 0.25f

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

static double
resnet_flops (const Case *c)
{
  const double width = c->width, half = width / 2, tokens = pow (c->image_size / 32, 2) + 1;
  double n = c->image_size / 2, in = width,
         sum = n * n * 9 * (3 * half + half * half + half * width);
  n /= 2;
  for (int s = 0; s < 4; s++) {
    const double planes = c->width << s, out = 4 * planes;
    for (int i = 0; i < c->stages[s]; i++) {
      sum += n * n * (in * planes + 9 * planes * planes);
      n = s > 0 && i == 0 ? n / 2 : n;
      sum += n * n * (planes * out + (i == 0 ? in * out : 0));
      in = out;
    }
  }
  return 2 * (sum + 3 * in * in + 2 * c->heads * tokens * in + in * EMBED_DIM);
}

static double
flops_of (const Case *c)
{
  switch (c->kind) {
  case CLIP_IMAGE_VIT:
    return vit_flops (c);
  case CLIP_IMAGE_RESNET:
    return resnet_flops (c);
  default:
    return lite_flops (c->image_size);
  }
}

static ClipTower *
make_tower (const Case *c, ClipDtype dtype, ClipPrecision precision, ClipWeights **weights)
{
  g_autoptr (GError) error = NULL;
  RandomModel model = random_model ();
  if (c->kind == CLIP_IMAGE_VIT)
    random_vit (&model, dtype, c->image_size / c->patch, c->patch, c->width, c->layers,
                4 * c->width, EMBED_DIM);
  else if (c->kind == CLIP_IMAGE_RESNET)
    random_resnet (&model, dtype, c->width, c->stages, c->image_size / 32, EMBED_DIM);
  else
    random_efficientnet (&model, dtype, 32, random_lite0, 1280, EMBED_DIM);
  *weights = random_weights (&model);
  random_model_clear (&model);
  clip_weights_set_precision (*weights, precision);
  static ClipTower *(*const towers[]) (ClipWeights *, const ClipConfig *, GError **) = {
    [CLIP_IMAGE_VIT] = clip_vit_new,
    [CLIP_IMAGE_RESNET] = clip_resnet_new,
    [CLIP_IMAGE_EFFICIENTNET] = clip_efficientnet_new,
  };
  ClipConfig config = {
    .embed_dim = EMBED_DIM,
    .image = { c->kind, c->image_size, c->patch, c->width, c->layers, c->heads, 4 * c->width,
               CLIP_ACTIVATION_QUICK_GELU, c->kind == CLIP_IMAGE_EFFICIENTNET ? 1e-3f : 1e-5f },
  };
  for (int i = 0; i < 3; i++) {
    config.preprocess.mean[i] = MEAN;
    config.preprocess.std[i] = STD;
  }
  memcpy (config.image.stages, c->stages, sizeof c->stages);
  ClipTower *tower = towers[c->kind](*weights, &config, &error);
  g_assert_no_error (error);
  return tower;
}

static void
measure (const Case *c, const char *name, const ClipTower *tower, int batch, int threads)
{
  ClipSession session = { .threads = clip_threads_new (threads), .kernels = clip_kernels () };
  const gsize pixels = 3 * (gsize) c->image_size * c->image_size * batch;
  g_autofree float *in = g_new (float, pixels), *out = g_new (float, batch *EMBED_DIM);
  for (gsize i = 0; i < pixels; i++)
    in[i] = (roundf (127 + 90 * sinf (i * 0.37f) + 30 * sinf (i * 0.011f)) / 255 - MEAN) / STD;
  double wall[200], cpu[200], total = 0;
  int n = 0;
  tower->forward (tower, &session, out, in, batch, 0);
  for (; n < 200 && (total < 2 || n < 5); n++) {
    const double start = seconds (CLOCK_MONOTONIC), start_cpu = seconds (CLOCK_PROCESS_CPUTIME_ID);
    tower->forward (tower, &session, out, in, batch, 0);
    wall[n] = seconds (CLOCK_MONOTONIC) - start;
    cpu[n] = seconds (CLOCK_PROCESS_CPUTIME_ID) - start_cpu;
    total += wall[n];
  }
  const double usual = median (wall, n), spent = median (cpu, n), best = wall[0];
  printf (
      "%-14s batch %d  threads %d  %8.3f ms/image  median %8.3f ms  %8.3f ms of processor time  "
      "%6.1f GFLOP/s\n",
      name, batch, threads, best * 1e3 / batch, usual * 1e3 / batch, spent * 1e3 / batch,
      flops_of (c) * batch / best * 1e-9);
  fflush (stdout);
  clip_threads_free (session.threads);
  clip_arena_clear (&session.arena);
  clip_arena_clear (&session.scratch);
  clip_arena_clear (&session.reduced);
}

static void
measure_all (const Case *c, const char *name, ClipDtype dtype, ClipPrecision precision,
             int only_batch, int only_threads)
{
  ClipWeights *weights;
  ClipTower *tower = make_tower (c, dtype, precision, &weights);
  for (int batch = 1; batch <= 8; batch += 7)
    for (int threads = 1; threads <= 2; threads++)
      if ((!only_batch || batch == only_batch) && (!only_threads || threads == only_threads))
        measure (c, name, tower, batch, threads);
  tower->free (tower);
  clip_weights_free (weights);
}

int
main (int argc, char **argv)
{
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    for (guint w = 0; w < G_N_ELEMENTS (ways); w++) {
      g_autofree char *name = g_strdup_printf ("%s-%s", cases[i].name, ways[w].name);
      if (argc <= 1 || strstr (name, argv[1]))
        measure_all (&cases[i], name, ways[w].dtype, ways[w].precision,
                     argc > 2 ? atoi (argv[2]) : 0, argc > 3 ? atoi (argv[3]) : 0);
    }
  return 0;
}
