/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reduced precision: products whose numbers are whole come out exactly; towers in bf16 and int8 lie near the same in
 * float32, as near as the tables say, and their bits depend neither on threads nor on what else is in the batch.
 */
#include "core/model/linear.h"
#include "tests/random-model.h"

#define EMBED_DIM 64

/* ------------------------------------------------------------------------------------------------------------ products */

typedef struct {
  const char *name;
  ClipPrecision precision;
  ClipDtype dtype; /* of the weights */
  int rows, in, out;
  ClipLinearOp op;
} ProductCase;

static const ProductCase products[] = {
  { "int8-of-f32", CLIP_PRECISION_INT8, CLIP_DTYPE_F32, 50, 96, 192, CLIP_LINEAR_STORE },
  { "int8-of-i8", CLIP_PRECISION_INT8, CLIP_DTYPE_I8, 50, 96, 192, CLIP_LINEAR_STORE },
  { "int8-add", CLIP_PRECISION_INT8, CLIP_DTYPE_I8, 7, 1030, 65, CLIP_LINEAR_ADD },
  { "int8-relu", CLIP_PRECISION_INT8, CLIP_DTYPE_F16, 1, 33, 130, CLIP_LINEAR_RELU },
  { "int8-many-rows", CLIP_PRECISION_INT8, CLIP_DTYPE_F32, 1001, 30, 17, CLIP_LINEAR_STORE },
  { "bf16-of-f32", CLIP_PRECISION_BF16, CLIP_DTYPE_F32, 50, 96, 192, CLIP_LINEAR_STORE },
  { "bf16-of-i8", CLIP_PRECISION_BF16, CLIP_DTYPE_I8, 7, 1031, 65, CLIP_LINEAR_ADD },
  { "bf16-relu6", CLIP_PRECISION_BF16, CLIP_DTYPE_F16, 3, 33, 130, CLIP_LINEAR_RELU6 },
};

/* A weight of row @r, -127 … 127, both of which each row has */
static int
whole_weight (int r, int c)
{
  return c < 2 ? (c ? -127 : 127) : (r * 31 + c * 17) % 255 - 127;
}

/* Between -55 and 200, both of which each row has: steps of 1 */
static int
whole_input (int r, int c)
{
  return c < 2 ? (c ? -55 : 200) : (r * 29 + c * 13) % 256 - 55;
}

/* Weights that are steps of a power of two times the row, of any type. */
static ClipMatrix
whole_matrix (const ProductCase *c, void *data, float *scales)
{
  for (int r = 0; r < c->out; r++) {
    scales[r] = ldexpf (1, -8 - r % 3);
    for (int i = 0; i < c->in; i++) {
      const float value = scales[r] * whole_weight (r, i);
      const gsize place = (gsize) r * c->in + i;
      if (c->dtype == CLIP_DTYPE_I8)
        ((gint8 *) data)[place] = whole_weight (r, i);
      else if (c->dtype == CLIP_DTYPE_F16)
        ((guint16 *) data)[place] = value == 0 ? 0 : half_of (value);
      else
        ((float *) data)[place] = value;
    }
  }
  return (ClipMatrix){ c->dtype, c->out, c->in, data, c->dtype == CLIP_DTYPE_I8 ? scales : NULL };
}

/* Every number is a whole one in the steps of its row, and small enough for bf16: nothing is rounded but the sums. */
static void
test_product (const void *data)
{
  const ProductCase *c = data;
  RandomModel model = random_model ();
  random_vit (&model, CLIP_DTYPE_F32, 1, 1, 4, 1, 4, 4); /* whose memory holds what is packed */
  g_autoptr (ClipWeights) weights = random_weights (&model);
  const gsize n = (gsize) c->rows * c->out;
  g_autofree float *x = g_new (float, (gsize) c->rows * c->in), *y = g_new (float, n),
                   *scales = g_new (float, c->out), *bias = g_new (float, c->out);
  g_autofree void *values = g_new (float, (gsize) c->out * c->in);
  ClipLinear layer = { .weight = whole_matrix (c, values, scales), .bias = bias };
  for (int o = 0; o < c->out; o++)
    bias[o] = o % 7 - 3;
  for (int r = 0; r < c->rows; r++)
    for (int i = 0; i < c->in; i++)
      x[(gsize) r * c->in + i] = whole_input (r, i);
  clip_linear_pack (weights, &layer, c->precision);
  g_assert_true (layer.reduced.data || c->precision == CLIP_PRECISION_BF16);

  ClipSession session = { .threads = clip_threads_new (2), .kernels = clip_kernels () };
  clip_session_reserve_scratch (&session, clip_linear_scratch (c->in));
  for (gsize i = 0; i < n; i++)
    y[i] = 1;
  clip_linear (&session, y, c->out, x, c->in, &layer, 1, c->rows, c->op);
  for (int r = 0; r < c->rows; r++) {
    for (int o = 0; o < c->out; o++) {
      gint64 sum = 0;
      for (int i = 0; i < c->in; i++)
        sum += whole_input (r, i) * whole_weight (o, i);
      double expected = sum * (double) scales[o] + bias[o] + (c->op == CLIP_LINEAR_ADD);
      if (c->op == CLIP_LINEAR_RELU || c->op == CLIP_LINEAR_RELU6)
        expected = CLAMP (expected, 0, c->op == CLIP_LINEAR_RELU ? INFINITY : 6);
      /* scales of rows are 255 / 255 and 127 s / 127 but for their last bits; sums in float32 */
      const double found = y[(gsize) r * c->out + o],
                   most = 3e-7 * 127 * 200 * scales[o] *
                          (c->precision == CLIP_PRECISION_INT8 ? sqrt (c->in) : c->in);
      if (!(fabs (found - expected) <= most))
        g_error ("%s: output %d of row %d is %.9g, expected %.9g", c->name, o, r, found, expected);
    }
  }
  clip_threads_free (session.threads);
  clip_arena_clear (&session.scratch);
  clip_arena_clear (&session.reduced);
  random_model_clear (&model);
}

/* -------------------------------------------------------------------------------------------------------------- towers */

typedef ClipTower *(*NewTower) (ClipWeights *weights, const ClipConfig *config, GError **error);

#define TOKENS 16
#define VOCABULARY 500

typedef struct {
  const char *name;
  NewTower make;
  ClipDtype dtype;
  ClipConfig config;
  double bf16, int8; /* cosines that are reached; 0: float32 is used instead */
} TowerCase;

#define VIT(size, patch, c, l, h)                                                                  \
  {                                                                                                \
    .embed_dim = EMBED_DIM, .image = {                                                             \
      .kind = CLIP_IMAGE_VIT,                                                                      \
      .image_size = size,                                                                          \
      .patch_size = patch,                                                                         \
      .width = c,                                                                                  \
      .layers = l,                                                                                 \
      .heads = h,                                                                                  \
      .mlp_width = 4 * (c),                                                                        \
      .activation = CLIP_ACTIVATION_QUICK_GELU,                                                    \
      .norm_epsilon = 1e-5f                                                                        \
    }                                                                                              \
  }
#define TEXT(kind_)                                                                                \
  {                                                                                                \
    .embed_dim = EMBED_DIM, .text = {                                                              \
      .kind = kind_,                                                                               \
      .context_length = TOKENS,                                                                    \
      .vocab_size = VOCABULARY,                                                                    \
      .width = 128,                                                                                \
      .layers = 6,                                                                                 \
      .heads = 4,                                                                                  \
      .mlp_width = 512,                                                                            \
      .activation = CLIP_ACTIVATION_GELU,                                                          \
      .norm_epsilon = 1e-5f,                                                                       \
      .head_layers = 2                                                                             \
    }                                                                                              \
  }

#define LITE(size)                                                                                 \
  {                                                                                                \
    .embed_dim = EMBED_DIM,                                                                        \
    .image = { .kind = CLIP_IMAGE_EFFICIENTNET,                                                    \
               .image_size = size,                                                                 \
               .activation = CLIP_ACTIVATION_RELU6,                                                \
               .norm_epsilon = 1e-3f },                                                            \
    .preprocess = {                                                                                \
      .mean = { 0.48f, 0.45f, 0.4f },                                                              \
      .std = { 0.27f, 0.26f, 0.28f }                                                               \
    }                                                                                              \
  }

#define RESNET(size, c, h, ...)                                                                    \
  {                                                                                                \
    .embed_dim = EMBED_DIM, .image = {                                                             \
      .kind = CLIP_IMAGE_RESNET,                                                                   \
      .image_size = size,                                                                          \
      .width = c,                                                                                  \
      .layers = 5,                                                                                 \
      .heads = h,                                                                                  \
      .activation = CLIP_ACTIVATION_RELU,                                                          \
      .norm_epsilon = 1e-5f,                                                                       \
      .stages = { __VA_ARGS__ }                                                                    \
    }                                                                                              \
  }

static const TowerCase towers[] = {
  { "vit", clip_vit_new, CLIP_DTYPE_F32, VIT (48, 8, 128, 6, 4), 0.9995, 0.995 },
  { "vit-i8", clip_vit_new, CLIP_DTYPE_I8, VIT (48, 8, 128, 6, 4), 0.9995, 0.995 },
  { "text", clip_text_new, CLIP_DTYPE_F32, TEXT (CLIP_TEXT_CLIP), 0.9995, 0.995 },
  { "bert-i8", clip_bert_new, CLIP_DTYPE_I8, TEXT (CLIP_TEXT_BERT), 0.9995, 0.995 },
  { "efficientnet", clip_efficientnet_new, CLIP_DTYPE_F32, LITE (96), 0, 0.995 },
  { "resnet", clip_resnet_new, CLIP_DTYPE_F32, RESNET (96, 16, 8, 1, 2, 1, 1), 0.9995, 0.995 },
  { "resnet-f16", clip_resnet_new, CLIP_DTYPE_F16, RESNET (64, 24, 12, 1, 1, 1, 2), 0.9995, 0.995 },
  /* whose first convolutions have no whole words */
  { "resnet-odd", clip_resnet_new, CLIP_DTYPE_I8, RESNET (64, 10, 5, 2, 1, 1, 1), 0.9995, 0.995 },
  { "efficientnet-f16", clip_efficientnet_new, CLIP_DTYPE_F16, LITE (70), 0, 0.995 },
};

/* Too large for the sanitizers' patience. */
static const TowerCase vit_b_32 = { "vit-b-32",     clip_vit_new,
                                    CLIP_DTYPE_F32, VIT (224, 32, 768, 12, 12),
                                    0.9995,         0.995 };

static double
cosine (const float *a, const float *b, int n)
{
  double ab = 0, aa = 0, bb = 0;
  for (int i = 0; i < n; i++) {
    ab += (double) a[i] * b[i];
    aa += (double) a[i] * a[i];
    bb += (double) b[i] * b[i];
  }
  return ab / sqrt (aa * bb);
}

#define BATCH 3

/* out[BATCH, E] by @threads, all at once or, where @alone, one by one */
static void
encode (const TowerCase *c, const ClipTower *tower, float *out, const void *in, gsize in_size,
        int threads, gboolean alone)
{
  ClipSession session = { .threads = clip_threads_new (threads), .kernels = clip_kernels () };
  for (int b = 0; b < (alone ? BATCH : 1); b++)
    tower->forward (tower, &session, out + b * EMBED_DIM, (const guint8 *) in + b * in_size,
                    alone ? 1 : BATCH, c->config.text.width ? TOKENS : 0);
  clip_threads_free (session.threads);
  clip_arena_clear (&session.arena);
  clip_arena_clear (&session.scratch);
  clip_arena_clear (&session.reduced);
}

static void
check_precision (const TowerCase *c, ClipWeights *weights, ClipPrecision precision,
                 const float *expected, const void *in, gsize in_size, double least)
{
  g_autoptr (GError) error = NULL;
  clip_weights_set_precision (weights, precision);
  ClipTower *tower = c->make (weights, &c->config, &error);
  g_assert_no_error (error);
  /* what is convolved, where the processor has instructions for it */
  if (least == 0 || (c->make == clip_efficientnet_new && !clip_kernels ()->gemm_quads) ||
      (c->make == clip_resnet_new && precision == CLIP_PRECISION_BF16 &&
       !clip_kernels ()->gemm_bf16))
    g_assert_cmpint (tower->precision, ==, CLIP_PRECISION_F32);
  else
    g_assert_cmpint (tower->precision, ==, precision);
  float first[BATCH * EMBED_DIM], out[BATCH * EMBED_DIM];
  encode (c, tower, first, in, in_size, 1, FALSE);
  for (int threads = 1; threads <= 3; threads++) {
    for (int alone = 0; alone <= 1; alone++) {
      encode (c, tower, out, in, in_size, threads, alone);
      g_assert_cmpmem (out, sizeof out, first, sizeof first);
    }
  }
  double worst = 1;
  for (int b = 0; b < BATCH; b++)
    worst = MIN (worst, cosine (first + b * EMBED_DIM, expected + b * EMBED_DIM, EMBED_DIM));
  g_test_message ("%s: 1 - cosine %.2e, %.2e allowed", c->name, 1 - worst, 1 - least);
  if (!(worst >= least))
    g_error ("%s: the cosine is %.6f, expected %g at least", c->name, worst, least);
  tower->free (tower);
}

/* Convolutions in int8 are rounded for pixels that are like their neighbours: some waves and a little noise. */
static float
like_a_picture (RandomModel *model, int i, int size)
{
  const int x = i % size, y = i / size % size, plane = i / (size * size);
  return sinf (0.21f * x + 0.07f * y + plane) +
         0.5f * sinf (0.05f * x - 0.33f * y * (plane / 3 + 1)) + 0.2f * random_next (model);
}

static void
test_tower (const void *data)
{
  const TowerCase *c = data;
  const ClipImageConfig *image = &c->config.image;
  const ClipTextConfig *text = &c->config.text;
  RandomModel model = random_model ();
  random_vector (&model, 0, 1, "visual.sign", 1);
  if (c->make == clip_efficientnet_new)
    random_efficientnet (&model, c->dtype, 32, random_lite0, 1280, EMBED_DIM);
  else if (c->make == clip_resnet_new)
    random_resnet (&model, c->dtype, image->width, image->stages, image->image_size / 32,
                   EMBED_DIM);
  else if (c->make == clip_vit_new)
    random_vit (&model, c->dtype, image->image_size / image->patch_size, image->patch_size,
                image->width, image->layers, image->mlp_width, EMBED_DIM);
  else if (c->make == clip_text_new)
    random_text (&model, c->dtype, VOCABULARY, TOKENS, text->width, text->layers, text->mlp_width,
                 EMBED_DIM);
  else
    random_bert (&model, c->dtype, VOCABULARY, TOKENS, text->width, text->layers, text->mlp_width,
                 96, EMBED_DIM);
  g_autoptr (ClipWeights) weights = random_weights (&model);

  const int size = image->image_size;
  g_autofree float *pixels = g_new (float, BATCH * 3 * size * size + 1);
  for (int i = 0; i < BATCH * 3 * size * size; i++)
    pixels[i] =
        c->make == clip_vit_new ? 2 * random_next (&model) : like_a_picture (&model, i, size);
  gint32 ids[BATCH][TOKENS];
  for (int i = 0; i < BATCH * TOKENS; i++)
    ids[i / TOKENS][i % TOKENS] = 1 + (i * 71) % (VOCABULARY - 1);
  const void *in = size ? (const void *) pixels : ids;
  const gsize in_size = size ? 3 * (gsize) size * size * sizeof (float) : sizeof ids[0];

  g_autoptr (GError) error = NULL;
  ClipTower *tower = c->make (weights, &c->config, &error);
  g_assert_no_error (error);
  float expected[BATCH * EMBED_DIM];
  encode (c, tower, expected, in, in_size, 1, FALSE);
  tower->free (tower);
  check_precision (c, weights, CLIP_PRECISION_BF16, expected, in, in_size, c->bf16);
  check_precision (c, weights, CLIP_PRECISION_INT8, expected, in, in_size, c->int8);
  random_model_clear (&model);
}

/* ------------------------------------------------------------------------------------------------- the embedded model */

/* A model in each precision is another object; its convolutions stay in float32, and it says so. */
static void
test_default (void)
{
  static const char *const texts[] = { "a photo of a dog", "fog on a motorway at night",
                                       "two people shaking hands", "an empty parking lot" };
  static const struct {
    ClipPrecision precision;
    const char *name;
    double least;
  } rows[] = { { CLIP_PRECISION_BF16, "bf16", 0.9995 }, { CLIP_PRECISION_INT8, "int8", 0.995 } };
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) plain = clip_model_load (NULL, &in_floats, &error);
  g_assert_no_error (error);
  const ClipModelInfo *info = clip_model_get_info (plain);
  g_assert_cmpstr (info->precision, ==, "f32");
  g_assert_cmpstr (info->text.precision, ==, "f32");
  const int n = info->embed_dim, length = info->context_length;
  ClipTokenizer *tokenizer = clip_model_get_tokenizer (plain, NULL);
  g_autofree gint32 *tokens = g_new (gint32, length);
  g_autofree float *a = g_new (float, n), *b = g_new (float, n);
  g_autoptr (ClipSession) session = clip_session_new (plain, 1);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    const ClipModelOptions options = { .precision = rows[i].precision };
    g_autoptr (ClipModel) model = clip_model_load (NULL, &options, &error);
    g_assert_no_error (error);
    g_assert_true (model != plain);
    const ClipModelInfo *reduced = clip_model_get_info (model);
    g_assert_cmpstr (reduced->id, ==, info->id);
    g_assert_cmpstr (reduced->text.precision, ==, rows[i].name);
    g_assert_cmpstr (reduced->precision, ==, reduced->image.precision);
    if (rows[i].precision == CLIP_PRECISION_BF16) { /* no convolutions in bf16 */
      g_assert_cmpstr (reduced->image.kind, ==, "efficientnet");
      g_assert_cmpstr (reduced->image.precision, ==, "f32");
      g_assert_nonnull (reduced->warnings[0]);
      g_assert_nonnull (strstr (reduced->warnings[0], "the image tower"));
    }
    g_autoptr (ClipSession) other = clip_session_new (model, 2);
    for (guint t = 0; t < G_N_ELEMENTS (texts); t++) {
      clip_tokenizer_encode_padded (tokenizer, tokens, length, texts[t], NULL);
      clip_encode_text (session, a, tokens, 1, length);
      clip_encode_text (other, b, tokens, 1, length);
      const double found = cosine (a, b, n);
      g_test_message ("%s of \"%s\": 1 - cosine %.2e", rows[i].name, texts[t], 1 - found);
      g_assert_cmpfloat (found, >=, rows[i].least);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (products); i++) {
    g_autofree char *path = g_strdup_printf ("/reduced/product/%s", products[i].name);
    g_test_add_data_func (path, &products[i], test_product);
  }
  for (guint i = 0; i < G_N_ELEMENTS (towers); i++) {
    g_autofree char *path = g_strdup_printf ("/reduced/tower/%s", towers[i].name);
    g_test_add_data_func (path, &towers[i], test_tower);
  }
  if (g_test_slow ())
    g_test_add_data_func ("/reduced/tower/vit-b-32", &vit_b_32, test_tower);
  g_test_add_func ("/reduced/default", test_default);
  return g_test_run ();
}
