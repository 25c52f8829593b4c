/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Forward and backward of towers that are trained, with random weights: samples per second on the clock and per second of
 * processor time (which a busy machine disturbs less), medians of several steps; the share of products in the latter (the
 * same alone; of transformers); the memory of the tape.
 *
 *   OMP_NUM_THREADS=2 bench-train [PATTERN]        beside it: OMP_NUM_THREADS=2 python3 tests/bench/pytorch-train.py
 */
#include "core/train/product.h"
#include "core/train/trainable.h"
#include "tests/bench/timing.h"
#include "tests/random-model.h"

#include <stdio.h>
#include <stdlib.h>

#define EMBED_DIM 256
#define VOCABULARY 8000
#define CONTEXT 77
#define STEPS 7

/* Width and heads, or nothing, of convolutional trunks; Lite0's sizes are what they are, and its BatchNorm learns. */
typedef struct {
  const char *name;
  ClipTrunk *(*trunk) (ClipParameters *parameters, const ClipConfig *config);
  int batch;
  int size, patch; /* pictures */
  int tokens;      /* of a text */
  int width, layers, heads;
} Case;

static const Case cases[] = {
  { "text-4x192", clip_train_text_new, 512, 0, 0, 12, 192, 4, 3 },
  { "minilm-6x384", clip_train_bert_new, 256, 0, 0, 10, 384, 6, 12 },
  { "vit-tiny-64", clip_train_vit_new, 64, 64, 8, 0, 192, 12, 3 },
  { "resnet-64", clip_train_resnet_new, 512, 64, 0, 0, 32, 0, 16 },
  { "lite0-160", clip_train_efficientnet_new, 32, 160, 0, 0, 0, 0, 0 },
};

static const int resnet_stages[4] = { 2, 2, 2, 2 };

static gboolean
sees (const Case *c)
{
  return c->size > 0;
}

typedef struct {
  ClipWeights *weights;
  ClipParameters *parameters;
  ClipTrunk *trunk;
  ClipHead *head;
  ClipTape *tape;
  void *in;
  float *pooled, *features, *d_features;
} Bench;

static void
setup (Bench *b, const Case *c, int threads)
{
  g_autoptr (GError) error = NULL;
  const int mlp_width = 4 * c->width, head_width = (c->width + EMBED_DIM) / 2;
  const ClipActivation activation =
      c->trunk == clip_train_bert_new ? CLIP_ACTIVATION_GELU : CLIP_ACTIVATION_QUICK_GELU;
  const ClipConfig config = {
    .embed_dim = EMBED_DIM,
    .image = { CLIP_IMAGE_VIT, c->size, c->patch, c->width, c->layers, c->heads, mlp_width,
               activation, c->trunk == clip_train_efficientnet_new ? 1e-3f : 1e-5f },
    .text = { c->trunk == clip_train_bert_new ? CLIP_TEXT_BERT : CLIP_TEXT_CLIP, CONTEXT,
              VOCABULARY, c->width, c->layers, c->heads, mlp_width, activation, 1e-5f,
              .pool = c->trunk == clip_train_bert_new ? CLIP_TEXT_POOL_MEAN : CLIP_TEXT_POOL_END,
              .head_layers = 2 },
  };
  RandomModel model = random_model ();
  random_vector (&model, 0, 1, "visual.sign", 1);
  if (c->trunk == clip_train_resnet_new)
    random_resnet (&model, CLIP_DTYPE_F32, c->width, resnet_stages, c->size / 32, EMBED_DIM);
  else if (c->trunk == clip_train_efficientnet_new)
    random_efficientnet (&model, CLIP_DTYPE_F32, 32, random_lite0, 1280, EMBED_DIM);
  else if (c->patch)
    random_vit (&model, CLIP_DTYPE_F32, c->size / c->patch, c->patch, c->width, c->layers,
                mlp_width, EMBED_DIM);
  else if (c->trunk == clip_train_text_new)
    random_text (&model, CLIP_DTYPE_F32, VOCABULARY, CONTEXT, c->width, c->layers, mlp_width,
                 EMBED_DIM);
  else
    random_bert (&model, CLIP_DTYPE_F32, VOCABULARY, CONTEXT, c->width, c->layers, mlp_width,
                 head_width, EMBED_DIM);
  b->weights = random_weights (&model);
  b->parameters = clip_parameters_new (b->weights);
  b->trunk = c->trunk (b->parameters, &config);
  if (c->trunk == clip_train_efficientnet_new)
    clip_train_efficientnet_set_batch_norm (b->trunk, CLIP_BATCH_NORM_BATCH);
  b->head =
      clip_train_head_new (b->parameters, &config,
                           sees (c) ? CLIP_PART_IMAGE_HEAD : CLIP_PART_TEXT_HEAD, b->trunk->width);
  clip_parameters_finish (b->parameters, &error);
  g_assert_no_error (error);
  b->tape = clip_tape_new (threads);
  b->pooled = g_new (float, c->batch * b->trunk->width);
  b->features = g_new (float, c->batch *EMBED_DIM);
  b->d_features = g_new (float, c->batch *EMBED_DIM);
  for (int i = 0; i < c->batch * EMBED_DIM; i++)
    b->d_features[i] = random_next (&model);
  if (sees (c)) {
    float *pixels = g_new (float, (gsize) c->batch * 3 * c->size * c->size);
    for (int i = 0; i < c->batch * 3 * c->size * c->size; i++)
      pixels[i] = random_next (&model);
    b->in = pixels;
  } else {
    gint32 *ids = g_new0 (gint32, (guint) c->batch * CONTEXT);
    for (int i = 0; i < c->batch; i++) {
      for (int t = 0; t < c->tokens; t++)
        ids[i * CONTEXT + t] = 1 + (random_next (&model) + 1) / 2 * (VOCABULARY - 3);
      ids[i * CONTEXT + c->tokens - 1] = VOCABULARY - 1;
    }
    b->in = ids;
  }
  random_model_clear (&model);
}

static void
clear (Bench *b)
{
  b->trunk->free (b->trunk);
  clip_train_head_free (b->head);
  clip_parameters_free (b->parameters);
  clip_weights_free (b->weights);
  clip_tape_free (b->tape);
  g_free (b->in);
  g_free (b->pooled);
  g_free (b->features);
  g_free (b->d_features);
}

static void
step (Bench *b, int batch)
{
  const ClipTapeMark mark = clip_tape_mark (b->tape);
  clip_parameters_zero_gradients (b->parameters);
  gpointer trunk = b->trunk->forward (b->trunk, b->tape, b->pooled, b->in, batch, CONTEXT, TRUE);
  gpointer head = clip_train_head_forward (b->head, b->tape, b->features, b->pooled, batch, TRUE);
  float *d_pooled = clip_tape_floats (b->tape, (gsize) batch * b->trunk->width);
  clip_train_head_backward (b->head, b->tape, head, d_pooled, b->d_features, batch);
  b->trunk->backward (b->trunk, b->tape, trunk, d_pooled);
  clip_tape_release (b->tape, mark);
}

/* The three products of a layer: processor time. */
static double
products (ClipTape *tape, int rows, int out, int in)
{
  const ClipTapeMark mark = clip_tape_mark (tape);
  float *x = clip_tape_zeros (tape, (gsize) rows * in),
        *y = clip_tape_zeros (tape, (gsize) rows * out),
        *w = clip_tape_zeros (tape, (gsize) out * in);
  const double start = seconds (CLOCK_PROCESS_CPUTIME_ID);
  clip_product_nt (tape, y, out, x, in, w, in, NULL, rows, out, in, FALSE);
  clip_product_nn (tape, x, in, y, out, w, in, rows, in, out, FALSE);
  clip_product_tn (tape, w, in, y, out, x, in, out, in, rows, TRUE);
  const double time = seconds (CLOCK_PROCESS_CPUTIME_ID) - start;
  clip_tape_release (tape, mark);
  return time;
}

/* Of all layers of all blocks, the last block of CLIP's for one row a sequence. */
static double
all_products (const Case *c, ClipTape *tape)
{
  const int tokens = c->patch ? (c->size / c->patch) * (c->size / c->patch) + 1 : c->tokens;
  const int rows = c->batch * tokens, width = c->width;
  const gboolean picks = c->trunk != clip_train_bert_new;
  double time = 0;
  for (int i = 0; i < c->layers; i++) {
    const gboolean last = picks && i == c->layers - 1;
    const int n = last ? c->batch : rows;
    time += products (tape, rows, (last ? 2 : 3) * width, width) +
            products (tape, n, width, width) + products (tape, n, 4 * width, width) +
            products (tape, n, width, 4 * width);
  }
  return time;
}

int
main (int argc, char **argv)
{
  const char *threads = g_getenv ("OMP_NUM_THREADS");
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Case *c = &cases[i];
    if (argc > 1 && !g_pattern_match_simple (argv[1], c->name))
      continue;
    Bench b = { 0 };
    setup (&b, c, threads ? atoi (threads) : 0);
    double clock[STEPS], processor[STEPS], gemm[STEPS];
    step (&b, c->batch);
    for (int s = 0; s < STEPS; s++) {
      const double start = seconds (CLOCK_MONOTONIC), used = seconds (CLOCK_PROCESS_CPUTIME_ID);
      step (&b, c->batch);
      clock[s] = seconds (CLOCK_MONOTONIC) - start;
      processor[s] = seconds (CLOCK_PROCESS_CPUTIME_ID) - used;
      gemm[s] = all_products (c, b.tape);
    }
    const double time = median (clock, STEPS), used = median (processor, STEPS);
    printf (
        "%-14s %8.1f samples/s %8.1f per processor second   products %3.0f %%   tape %6.1f MiB\n",
        c->name, c->batch / time, c->batch / used, 100 * median (gemm, STEPS) / used,
        b.tape->peak / 1048576.);
    fflush (stdout);
    clear (&b);
  }
  return 0;
}
