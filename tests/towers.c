/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Towers against the reference's features (../shared/conformance), and what must not change them: the number of threads
 * (to the bit), the batch a row comes in, what stands after the end token.
 */
#include "core/model/layers.h"
#include "core/model/session.h"
#include "tests/reference.h"
#include "tests/testing.h"

#include <math.h>
#include <string.h>

/* Published agreement of float32 implementations: max |a - b| / max |b|. */
#define TOLERANCE 2e-5

typedef ClipTower *(*NewTower) (ClipWeights *weights, const ClipConfig *config, GError **error);

/* A session without a model: towers do not look at it. */
static ClipSession
session_with (int threads)
{
  return (ClipSession){ .threads = clip_threads_new (threads), .kernels = clip_kernels () };
}

static void
session_clear (ClipSession *session)
{
  clip_threads_free (session->threads);
  clip_arena_clear (&session->arena);
  clip_arena_clear (&session->scratch);
}

static double
relative_error (const float *a, const float *b, gsize n)
{
  double difference = 0, scale = 0;
  for (gsize i = 0; i < n; i++) {
    difference = isnan (a[i]) ? INFINITY : MAX (difference, fabs ((double) a[i] - b[i]));
    scale = MAX (scale, fabs (b[i]));
  }
  return difference / scale;
}

static void
check_features (const char *what, const float *a, const float *b, gsize n)
{
  const double error = relative_error (a, b, n);
  g_test_message ("%s: relative error %.3g", what, error);
  if (!(error <= TOLERANCE))
    g_error ("%s: relative error %.3g, expected %.3g at most; first values %g %g, expected %g %g",
             what, error, TOLERANCE, a[0], a[1], b[0], b[1]);
}

typedef struct {
  const char *name;
  const char *weights, *expected; /* below CLIP_SHARED/conformance */
  NewTower image, text;
  ClipConfig config;
} Fixture;

#define VIT_IMAGE                                                                                  \
  {                                                                                                \
    CLIP_IMAGE_VIT, 48, 8, 128, 3, 2, 512, CLIP_ACTIVATION_QUICK_GELU, 1e-5f                       \
  }
#define CLIP_TEXT_OF(vocabulary)                                                                   \
  {                                                                                                \
    CLIP_TEXT_CLIP, 77, vocabulary, 64, 2, 1, 256, CLIP_ACTIVATION_QUICK_GELU, 1e-5f, 0            \
  }

#define RESNET(size, width, heads, a, b, c, d)                                                     \
  {                                                                                                \
    CLIP_IMAGE_RESNET, size, 0, width, a + b + c + d, heads, 0, CLIP_ACTIVATION_RELU, 1e-5f,       \
    {                                                                                              \
      a, b, c, d                                                                                   \
    }                                                                                              \
  }

static const Fixture fixtures[] = {
  {
      "openclip",
      "vit/openclip.safetensors",
      "vit/expected.safetensors",
      clip_vit_new,
      clip_text_new,
      { .embed_dim = 64, .image = VIT_IMAGE, .text = CLIP_TEXT_OF (600) },
  },
  {
      "huggingface",
      "vit/hf/model.safetensors",
      "vit/expected.safetensors",
      clip_vit_new,
      clip_text_new,
      { .embed_dim = 64, .image = VIT_IMAGE, .text = CLIP_TEXT_OF (600) },
  },
  {
      "huggingface-f16",
      "vit_full/hf/model.safetensors",
      "vit_full/expected.safetensors",
      clip_vit_new,
      clip_text_new,
      { .embed_dim = 64, .image = VIT_IMAGE, .text = CLIP_TEXT_OF (49408) },
  },
  {
      "resnet",
      "rn/openclip.safetensors",
      "rn/expected.safetensors",
      clip_resnet_new,
      clip_text_new,
      { .embed_dim = 64, .image = RESNET (64, 16, 8, 1, 2, 1, 1), .text = CLIP_TEXT_OF (600) },
  },
  {
      "lite",
      "lite/open_clip_model.safetensors",
      "lite/expected.safetensors",
      clip_efficientnet_new,
      clip_bert_new,
      {
          .embed_dim = 512,
          .image = { CLIP_IMAGE_EFFICIENTNET, 160, 0, 0, 0, 0, 0, CLIP_ACTIVATION_RELU6, 1e-3f },
          .text = { CLIP_TEXT_BERT, 77, 30522, 384, 6, 12, 1536, CLIP_ACTIVATION_GELU, 1e-12f, 0,
                    .pool = CLIP_TEXT_POOL_MEAN, .head_layers = 2 },
      },
  },
};

static ClipArray *
read_expected (const Fixture *fixture, const char *name, const char *dtype)
{
  g_autofree char *name_below = g_build_filename ("conformance", fixture->expected, NULL);
  g_autofree char *path = shared_path (name_below);
  g_autoptr (GError) error = NULL;
  ClipArray *array = clip_array_read (path, name, dtype, &error);
  g_assert_no_error (error);
  g_assert_nonnull (array);
  return array;
}

/* Features of the whole of @in, for each number of threads. */
static void
check_tower (const Fixture *fixture, const ClipTower *tower, const char *what,
             const float *expected, const void *in, gsize in_size, int batch, int length)
{
  const int embed_dim = fixture->config.embed_dim;
  const gsize n = (gsize) batch * embed_dim;
  g_autofree float *first = g_new0 (float, n), *out = g_new0 (float, n);
  for (int threads = 1; threads <= 5; threads++) {
    ClipSession session = session_with (threads);
    memset (out, 0, n * sizeof *out);
    tower->forward (tower, &session, out, in, batch, length);
    if (threads == 1) {
      check_features (what, out, expected, n);
      memcpy (first, out, n * sizeof *out);
    }
    g_assert_cmpmem (out, n * sizeof *out, first, n * sizeof *out);

    /* Each row alone, in a session that has seen a larger batch. */
    for (int b = 0; b < batch; b++)
      tower->forward (tower, &session, out + (gsize) b * embed_dim,
                      (const guint8 *) in + b * in_size, 1, length);
    check_features ("one by one", out, expected, n);
    session_clear (&session);
  }
}

/* Each text behind one that begins as it does: the same up to its middle. */
static void
check_alike (const Fixture *fixture, const ClipTower *tower, const float *expected,
             const gint32 *tokens, int batch, int length)
{
  const int embed_dim = fixture->config.embed_dim;
  const ClipTextConfig *text = &fixture->config.text;
  ClipSession session = session_with (2);
  g_autofree gint32 *pair = g_new (gint32, 2 * length);
  g_autofree float *out = g_new (float, 2 * embed_dim), *alone = g_new (float, embed_dim);
  for (int b = 0; b < batch; b++, tokens += length, expected += embed_dim) {
    const int middle = clip_text_length (tokens, length, text->vocab_size, text->end_token) / 2;
    memcpy (pair, tokens, length * sizeof *pair);
    memcpy (pair + length, tokens, length * sizeof *pair);
    pair[middle] = pair[middle] == 7 ? 8 : 7;
    const guint64 before = session.operations;
    tower->forward (tower, &session, alone, tokens, 1, length);
    const guint64 one = session.operations - before;
    tower->forward (tower, &session, out, pair, 2, length);
    check_features ("behind one that begins alike", out + embed_dim, expected, embed_dim);
    if (session.kernels->gemm) /* OpenBLAS may sum in another order where there are more rows */
      g_assert_cmpmem (out + embed_dim, embed_dim * sizeof *out, alone, embed_dim * sizeof *alone);
    if (fixture->text == clip_text_new && middle > 0)
      g_assert_cmpuint (session.operations - before, <, 3 * one);
  }
  session_clear (&session);
}

static void
test_fixture (const void *data)
{
  const Fixture *fixture = data;
  g_autofree char *name = g_build_filename ("conformance", fixture->weights, NULL),
                  *path = shared_path (name);
  if (!path)
    return;
  g_autoptr (GError) error = NULL;
  ClipCheckpoint *checkpoint = clip_checkpoint_open (path, &error);
  g_assert_no_error (error);
  g_autoptr (ClipWeights) weights = clip_weights_new (checkpoint, &error);
  g_assert_no_error (error);
  ClipTower *image = fixture->image (weights, &fixture->config, &error);
  g_assert_no_error (error);
  ClipTower *text = fixture->text (weights, &fixture->config, &error);
  g_assert_no_error (error);

  g_autofree ClipArray *pixels = read_expected (fixture, "pixels", "F32");
  g_autofree ClipArray *tokens = read_expected (fixture, "tokens", "I32");
  g_autofree ClipArray *image_features = read_expected (fixture, "image_features", "F32");
  g_autofree ClipArray *text_features = read_expected (fixture, "text_features", "F32");
  const gsize size = fixture->config.image.image_size;
  const int length = tokens->shape[1];
  check_tower (fixture, image, "image", image_features->data, pixels->data,
               3 * size * size * sizeof (float), pixels->shape[0], 0);
  check_tower (fixture, text, "text", text_features->data, tokens->data, length * sizeof (gint32),
               tokens->shape[0], length);
  check_alike (fixture, text, text_features->data, tokens->data, tokens->shape[0], length);
  image->free (image);
  text->free (text);
}

/* ------------------------------------------------------------------------------- random weights, double precision */

typedef struct {
  const char *name;
  NewTower make;
  ClipDtype dtype;
  ClipConfig config;
} RandomCase;

/* Sizes that are no multiple of anything; head size 12. */
#define SMALL_VIT VIT (FALSE, CLIP_POOL_TOKEN, FALSE)
#define PATCH_BIAS VIT (FALSE, CLIP_POOL_TOKEN, FALSE, .patch_bias = TRUE)
#define VIT(no_ln_pre_, pool_, norm_after_pool_, ...)                                              \
  {                                                                                                \
    .embed_dim = 21, .image = {                                                                    \
      .kind = CLIP_IMAGE_VIT,                                                                      \
      .image_size = 15,                                                                            \
      .patch_size = 5,                                                                             \
      .width = 36,                                                                                 \
      .layers = 2,                                                                                 \
      .heads = 3,                                                                                  \
      .mlp_width = 50,                                                                             \
      .activation = CLIP_ACTIVATION_QUICK_GELU,                                                    \
      .norm_epsilon = 1e-5f,                                                                       \
      .no_ln_pre = no_ln_pre_,                                                                     \
      .pool = pool_,                                                                               \
      .norm_after_pool = norm_after_pool_,                                                         \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }
#define TEXT(end) TEXT_LIKE (end, CLIP_TEXT_POOL_END, FALSE, FALSE, CLIP_ACTIVATION_QUICK_GELU)
#define TEXT_LIKE(end, pool_, no_mask, bias, activation_)                                          \
  {                                                                                                \
    .embed_dim = 21,                                                                               \
    .text = { .kind = CLIP_TEXT_CLIP,                                                              \
              .context_length = 13,                                                                \
              .vocab_size = 70,                                                                    \
              .width = 36,                                                                         \
              .layers = 3,                                                                         \
              .heads = 3,                                                                          \
              .mlp_width = 50,                                                                     \
              .activation = activation_,                                                           \
              .norm_epsilon = 1e-5f,                                                               \
              .end_token = end,                                                                    \
              .pool = pool_,                                                                       \
              .no_causal_mask = no_mask,                                                           \
              .projection_bias = bias },                                                           \
  }
#define SMALL_TEXT TEXT (0)
/* Texts that have it, once in front of the highest id; a text that has not. */
#define END_TOKEN TEXT (9)
#define SMALL_BERT BERT (FALSE, CLIP_TEXT_POOL_MEAN, 1e-12f)
#define BERT(roberta_, pool_, epsilon)                                                             \
  {                                                                                                \
    .embed_dim = 21,                                                                               \
    .text = { .kind = CLIP_TEXT_BERT,                                                              \
              .context_length = 13,                                                                \
              .vocab_size = 70,                                                                    \
              .width = 36,                                                                         \
              .layers = 2,                                                                         \
              .heads = 3,                                                                          \
              .mlp_width = 50,                                                                     \
              .activation = CLIP_ACTIVATION_GELU,                                                  \
              .norm_epsilon = epsilon,                                                             \
              .pool = pool_,                                                                       \
              .roberta = roberta_,                                                                 \
              .head_layers = 2 },                                                                  \
  }
#define SMALL_LITE(size)                                                                           \
  {                                                                                                \
    .embed_dim = 21, .image = {                                                                    \
      CLIP_IMAGE_EFFICIENTNET,                                                                     \
      size,                                                                                        \
      0,                                                                                           \
      0,                                                                                           \
      0,                                                                                           \
      0,                                                                                           \
      0,                                                                                           \
      CLIP_ACTIVATION_RELU6,                                                                       \
      1e-3f                                                                                        \
    }                                                                                              \
  }

#define SMALL_RESNET(...)                                                                          \
  {                                                                                                \
    .embed_dim = 21, .image = RESNET (__VA_ARGS__)                                                 \
  }

static const RandomStage small_stages[7] = {
  { 1, 3, 1, 7 },  { 2, 3, 6, 9 },  { 2, 5, 6, 10 }, { 1, 3, 6, 12 },
  { 2, 5, 6, 17 }, { 2, 5, 6, 20 }, { 1, 3, 6, 30 },
};

static const RandomCase random_cases[] = {
  { "vit-f32", clip_vit_new, CLIP_DTYPE_F32, SMALL_VIT },
  { "vit-f16", clip_vit_new, CLIP_DTYPE_F16, SMALL_VIT },
  { "vit-bf16", clip_vit_new, CLIP_DTYPE_BF16, SMALL_VIT },
  { "vit-i8", clip_vit_new, CLIP_DTYPE_I8, SMALL_VIT },
  { "vit-no-ln-pre", clip_vit_new, CLIP_DTYPE_F32, VIT (TRUE, CLIP_POOL_TOKEN, FALSE) },
  { "vit-average", clip_vit_new, CLIP_DTYPE_F32, VIT (FALSE, CLIP_POOL_AVERAGE, FALSE) },
  { "vit-average-norm-after", clip_vit_new, CLIP_DTYPE_F16, VIT (TRUE, CLIP_POOL_AVERAGE, TRUE) },
  { "vit-layer-scale", clip_vit_new, CLIP_DTYPE_I8, SMALL_VIT },
  { "vit-patch-bias", clip_vit_new, CLIP_DTYPE_F32, PATCH_BIAS },
  { "text-layer-scale", clip_text_new, CLIP_DTYPE_F16, SMALL_TEXT },
  { "text-f32", clip_text_new, CLIP_DTYPE_F32, SMALL_TEXT },
  { "text-f16", clip_text_new, CLIP_DTYPE_F16, SMALL_TEXT },
  { "text-i8", clip_text_new, CLIP_DTYPE_I8, SMALL_TEXT },
  { "text-end-token", clip_text_new, CLIP_DTYPE_F32, END_TOKEN },
  { "text-no-mask", clip_text_new, CLIP_DTYPE_F32,
    TEXT_LIKE (0, CLIP_TEXT_POOL_END, TRUE, FALSE, CLIP_ACTIVATION_GELU) },
  { "text-no-mask-last", clip_text_new, CLIP_DTYPE_BF16,
    TEXT_LIKE (0, CLIP_TEXT_POOL_LAST, TRUE, TRUE, CLIP_ACTIVATION_GELU_TANH) },
  { "text-last", clip_text_new, CLIP_DTYPE_F32,
    TEXT_LIKE (0, CLIP_TEXT_POOL_LAST, FALSE, FALSE, CLIP_ACTIVATION_GELU_TANH) },
  { "text-first", clip_text_new, CLIP_DTYPE_F32,
    TEXT_LIKE (0, CLIP_TEXT_POOL_FIRST, TRUE, TRUE, CLIP_ACTIVATION_QUICK_GELU) },
  { "text-first-causal", clip_text_new, CLIP_DTYPE_I8,
    TEXT_LIKE (9, CLIP_TEXT_POOL_FIRST, FALSE, TRUE, CLIP_ACTIVATION_QUICK_GELU) },
  { "bert-f32", clip_bert_new, CLIP_DTYPE_F32, SMALL_BERT },
  { "bert-i8", clip_bert_new, CLIP_DTYPE_I8, SMALL_BERT },
  { "bert-first", clip_bert_new, CLIP_DTYPE_F16, BERT (FALSE, CLIP_TEXT_POOL_FIRST, 1e-12f) },
  { "roberta-f32", clip_bert_new, CLIP_DTYPE_F32, BERT (TRUE, CLIP_TEXT_POOL_MEAN, 1e-5f) },
  { "roberta-pooler", clip_bert_new, CLIP_DTYPE_I8, BERT (TRUE, CLIP_TEXT_POOL_POOLER, 1e-5f) },
  { "resnet-f32", clip_resnet_new, CLIP_DTYPE_F32, SMALL_RESNET (32, 6, 12, 1, 1, 1, 1) },
  { "resnet-f16", clip_resnet_new, CLIP_DTYPE_F16, SMALL_RESNET (96, 10, 5, 2, 1, 2, 1) },
  { "resnet-bf16", clip_resnet_new, CLIP_DTYPE_BF16, SMALL_RESNET (64, 24, 12, 1, 2, 1, 2) },
  { "resnet-i8", clip_resnet_new, CLIP_DTYPE_I8, SMALL_RESNET (64, 8, 4, 1, 1, 3, 1) },
  { "efficientnet-f32", clip_efficientnet_new, CLIP_DTYPE_F32, SMALL_LITE (32) },
  { "efficientnet-odd", clip_efficientnet_new, CLIP_DTYPE_F16, SMALL_LITE (53) },
  { "efficientnet-i8", clip_efficientnet_new, CLIP_DTYPE_I8, SMALL_LITE (64) },
};

#define BATCH 3
#define LENGTH 11

static void
fill_model (RandomModel *model, const RandomCase *c)
{
  const ClipImageConfig *image = &c->config.image;
  const ClipTextConfig *text = &c->config.text;
  const int embed_dim = c->config.embed_dim;
  random_vector (model, 0, 1, "visual.sign",
                 1); /* tells the naming scheme of a file without an image tower */
  if (c->make == clip_vit_new)
    random_vit (model, c->dtype, image->image_size / image->patch_size, image->patch_size,
                image->width, image->layers, image->mlp_width, embed_dim);
  else if (c->make == clip_resnet_new)
    random_resnet (model, c->dtype, image->width, image->stages, image->image_size / 32, embed_dim);
  else if (c->make == clip_efficientnet_new)
    random_efficientnet (model, c->dtype, 8, small_stages, 40, embed_dim);
  else if (c->make == clip_text_new)
    random_text (model, c->dtype, text->vocab_size, text->context_length, text->width, text->layers,
                 text->mlp_width, embed_dim);
  else
    random_bert (model, c->dtype, text->vocab_size, text->context_length + text->roberta,
                 text->width, text->layers, text->mlp_width, 44, embed_dim);
  if (text->pool == CLIP_TEXT_POOL_POOLER)
    random_linear (model, c->dtype, text->width, text->width, "text.transformer.", "pooler.dense");
  if (image->patch_bias)
    random_vector (model, 0, 0.5f, "visual.conv1.bias", image->width);
  for (int i = 0; i < image->layers + text->layers && strstr (c->name, "layer-scale"); i++)
    for (int layer = 1; layer <= 2; layer++) {
      g_autofree char *name = g_strdup_printf ("%stransformer.resblocks.%d.ls_%d.gamma",
                                               c->make == clip_vit_new ? "visual." : "", i, layer);
      random_vector (model, 0.5f, 0.3f, name, MAX (image->width, text->width));
    }
  if (text->projection_bias)
    random_vector (model, 0, 0.5f, "text_projection.bias", embed_dim);
}

static void
test_random (const void *data)
{
  const RandomCase *c = data;
  const int embed_dim = c->config.embed_dim, size = c->config.image.image_size;
  const gboolean is_text = c->config.text.width > 0;
  RandomModel model = random_model ();
  fill_model (&model, c);

  /* texts that end early, at once, and never; one has id 0 (BERT's padding) inside */
  static const gint32 tokens[BATCH][LENGTH] = {
    { 67, 3, 0, 9, 69, 0 },
    { 69 },
    { 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
  };
  g_autofree float *pixels = g_new (float, BATCH * 3 * MAX (size * size, 1));
  for (int i = 0; i < BATCH * 3 * size * size; i++)
    pixels[i] = 2 * random_next (&model);

  float expected[BATCH * 64];
  for (int b = 0; b < BATCH; b++) {
    const float *picture = pixels + (gsize) b * 3 * size * size;
    g_autofree double *y = c->make == clip_vit_new      ? ref_vit (&model, picture, &c->config)
                           : c->make == clip_resnet_new ? ref_resnet (&model, picture, &c->config)
                           : c->make == clip_efficientnet_new
                               ? ref_efficientnet (&model, picture, &c->config, small_stages)
                           : c->make == clip_text_new
                               ? ref_text (&model, tokens[b], LENGTH, &c->config)
                               : ref_bert (&model, tokens[b], LENGTH, &c->config);
    for (int i = 0; i < embed_dim; i++)
      expected[b * embed_dim + i] = y[i];
  }

  g_autoptr (GError) error = NULL;
  g_autoptr (ClipWeights) weights = random_weights (&model);
  ClipTower *tower = c->make (weights, &c->config, &error);
  g_assert_no_error (error);
  const Fixture fixture = { .config = c->config };
  check_tower (&fixture, tower, c->name, expected, is_text ? (const void *) tokens : pixels,
               is_text ? sizeof tokens[0] : 3 * (gsize) size * size * sizeof (float), BATCH,
               is_text ? LENGTH : 0);
  tower->free (tower);
  random_model_clear (&model);
}

/* What stands after the end token, ids outside the vocabulary. */
static void
test_ids (void)
{
  static const ClipConfig config = SMALL_TEXT;
  const RandomCase c = { "ids", clip_text_new, CLIP_DTYPE_F32, config };
  static const gint32 tokens[4][5] = {
    { 5, 6, 69, 0, 0 }, { 5, 6, 69, 69, 12 }, { 5, 0, 69, 0, 0 }, { 5, -9, 69, 70, 1 << 30 }
  };
  float out[4][21];
  RandomModel model = random_model ();
  fill_model (&model, &c);
  g_autoptr (ClipWeights) weights = random_weights (&model);
  ClipTower *tower = clip_text_new (weights, &config, NULL);
  ClipSession session = session_with (2);
  for (int b = 0; b < 4; b++)
    tower->forward (tower, &session, out[b], tokens[b], 1, 5);
  g_assert_cmpmem (out[0], sizeof out[0], out[1], sizeof out[1]);
  g_assert_cmpmem (out[2], sizeof out[2], out[3], sizeof out[3]);
  session_clear (&session);
  tower->free (tower);
  random_model_clear (&model);
}

/* Texts that begin alike: of a causal tower what they share is computed once, and nothing shows it but the operations. */
static const gint32 alike[][LENGTH] = {
  { 5, 6, 7, 69 },        { 5, 6, 8, 9, 3, 69 },
  { 5, 6, 8, 9, 3, 69 },  { 5, 6, 8, 9, 3, 69, 1 }, /* the same up to its end */
  { 5, 6, 8, 9, 68, 69 }, { 5, 6, 8, 69, 9 },
  { 5, 7, 8, 69, 9 },     { 5 }, /* ends with its first token, which all share */
  { 69, 6, 8, 69, 9 },    { 4, 6, 8, 69, 9 },
};

static void
test_alike (const void *data)
{
  const RandomCase *c = data;
  const int embed_dim = c->config.embed_dim, batch = G_N_ELEMENTS (alike);
  RandomModel model = random_model ();
  fill_model (&model, c);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipWeights) weights = random_weights (&model);
  ClipTower *tower = c->make (weights, &c->config, &error);
  g_assert_no_error (error);

  g_autofree float *expected = g_new (float, batch *embed_dim),
                   *alone = g_new (float, batch *embed_dim),
                   *together = g_new (float, batch *embed_dim);
  ClipSession session = session_with (2);
  for (int b = 0; b < batch; b++) {
    g_autofree double *y = c->make == clip_text_new
                               ? ref_text (&model, alike[b], LENGTH, &c->config)
                               : ref_bert (&model, alike[b], LENGTH, &c->config);
    for (int i = 0; i < embed_dim; i++)
      expected[b * embed_dim + i] = y[i];
    tower->forward (tower, &session, alone + b * embed_dim, alike[b], 1, LENGTH);
  }
  const guint64 separate = session.operations;
  tower->forward (tower, &session, together, alike, batch, LENGTH);
  check_features (c->name, together, expected, (gsize) batch * embed_dim);
  if (session.kernels->gemm) /* OpenBLAS sums in another order where there are other rows */
    g_assert_cmpmem (together, batch * embed_dim * sizeof *together, alone,
                     batch * embed_dim * sizeof *alone);
  const gboolean causal = c->make == clip_text_new && !c->config.text.no_causal_mask;
  if (causal)
    g_assert_cmpuint (session.operations - separate, <, separate * 9 / 10);
  else
    g_assert_cmpuint (session.operations - separate, ==, separate);
  session_clear (&session);
  tower->free (tower);
  random_model_clear (&model);
}

/* A text that was there before costs no more than its last row in the last block, and the projection. */
static void
test_same_text (void)
{
  enum { N = 4 }; /* its tokens */
  static const ClipConfig config = SMALL_TEXT;
  const RandomCase c = { "same", clip_text_new, CLIP_DTYPE_F32, config };
  const guint64 width = config.text.width, mlp = config.text.mlp_width, E = config.embed_dim;
  static const gint32 tokens[2][LENGTH] = { { 5, 6, 7, 69 }, { 5, 6, 7, 69, 2 } };
  float out[2][21];
  RandomModel model = random_model ();
  fill_model (&model, &c);
  g_autoptr (ClipWeights) weights = random_weights (&model);
  ClipTower *tower = clip_text_new (weights, &config, NULL);
  ClipSession session = session_with (1);
  tower->forward (tower, &session, out[0], tokens[0], 1, LENGTH);
  const guint64 one = session.operations;
  tower->forward (tower, &session, out[0], tokens[0], 2, LENGTH);
  g_assert_cmpuint (session.operations - 2 * one, ==,
                    2 * (2 * width * width + 2 * width * mlp + 2 * N * width + width * E));
  g_assert_cmpmem (out[0], sizeof out[0], out[1], sizeof out[1]);
  session_clear (&session);
  tower->free (tower);
  random_model_clear (&model);
}

/* The operations of a ViT, written out from its definition: the last block's query, output and MLP are the class token's. */
static void
test_operations (void)
{
  enum { SIZE = 32, PATCH = 8, WIDTH = 32, LAYERS = 3, HEADS = 2, MLP = 40, E = 24, BATCHED = 3 };
  const RandomCase c = {
    "operations",
    clip_vit_new,
    CLIP_DTYPE_F32,
    { .embed_dim = E,
      .image = { CLIP_IMAGE_VIT, SIZE, PATCH, WIDTH, LAYERS, HEADS, MLP, CLIP_ACTIVATION_GELU,
                 1e-5f } },
  };
  const guint64 patches = (SIZE / PATCH) * (SIZE / PATCH), tokens = patches + 1;
  const guint64 projections = 4 * WIDTH * WIDTH + 2 * WIDTH * MLP, attention = 2 * tokens * WIDTH;
  const guint64 block = tokens * (projections + attention),
                last = tokens * 2 * WIDTH * WIDTH + projections - 2 * WIDTH * WIDTH + attention;
  const guint64 expected =
      2 * (patches * 3 * PATCH * PATCH * WIDTH + (LAYERS - 1) * block + last + WIDTH * E);

  RandomModel model = random_model ();
  fill_model (&model, &c);
  g_autoptr (ClipWeights) weights = random_weights (&model);
  ClipTower *tower = clip_vit_new (weights, &c.config, NULL);
  ClipSession session = session_with (1);
  float pixels[BATCHED * 3 * SIZE * SIZE] = { 0 }, out[BATCHED * E];
  tower->forward (tower, &session, out, pixels, 1, 0);
  g_assert_cmpuint (clip_session_get_operations (&session), ==, expected);
  tower->forward (tower, &session, out, pixels, BATCHED, 0);
  g_assert_cmpuint (clip_session_get_operations (&session), ==, (1 + BATCHED) * expected);
  session_clear (&session);
  tower->free (tower);
  random_model_clear (&model);
}

/* A tower whose weights are missing says which, and leaks nothing. */
static void
test_missing (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (random_cases); i++) {
    const RandomCase *c = &random_cases[i];
    RandomModel model = random_model ();
    fill_model (&model, c);
    const guint n = model.tensors->len;
    for (guint removed = 1; removed < n; removed += 1 + n / 40) {
      RandomModel rest = model;
      rest.tensors = g_array_copy (model.tensors);
      const char *name = g_array_index (rest.tensors, ClipTensor, removed).name;
      /* without its depthwise kernel a stage's second block is not there at all */
      const gboolean optional =
          g_str_has_suffix (name, ".1.conv_dw.weight") ||
          g_str_equal (name, "visual.head.proj.bias") || g_str_has_suffix (name, ".gamma") ||
          (c->config.image.no_ln_pre && g_str_has_prefix (name, "visual.ln_pre."));
      g_array_remove_index (rest.tensors, removed);
      g_autoptr (GError) error = NULL;
      g_autoptr (ClipWeights) weights = random_weights (&rest);
      ClipTower *tower = c->make (weights, &c->config, &error);
      if (!optional)
        check_error (name, tower, error, CLIP_ERROR_TENSOR, "");
      if (tower)
        tower->free (tower);
      g_array_unref (rest.tensors);
    }
    random_model_clear (&model);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (random_cases); i++) {
    g_autofree char *path = g_strdup_printf ("/towers/random/%s", random_cases[i].name);
    g_test_add_data_func (path, &random_cases[i], test_random);
    if (random_cases[i].config.text.width > 0) {
      g_autofree char *alike_path = g_strdup_printf ("/towers/alike/%s", random_cases[i].name);
      g_test_add_data_func (alike_path, &random_cases[i], test_alike);
    }
  }
  g_test_add_func ("/towers/same-text", test_same_text);
  g_test_add_func ("/towers/ids", test_ids);
  g_test_add_func ("/towers/operations", test_operations);
  g_test_add_func ("/towers/missing", test_missing);
  for (guint i = 0; i < G_N_ELEMENTS (fixtures); i++) {
    g_autofree char *path = g_strdup_printf ("/towers/%s", fixtures[i].name);
    g_test_add_data_func (path, &fixtures[i], test_fixture);
  }
  return g_test_run ();
}
