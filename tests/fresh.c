/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fresh models: shapes, distributions, determinism; that they load and run as any other; and towers that are joined. */
#include "core/train/fresh.h"
#include "core/model/session.h"
#include "core/train/join.h"
#include "tests/testing.h"

#include <math.h>

#define TEXT                                                                                       \
  "\"text_cfg\":{\"context_length\":16,\"vocab_size\":3000,\"width\":64,\"heads\":4,\"layers\":3}"
#define VIT                                                                                        \
  "\"vision_cfg\":{\"image_size\":32,\"patch_size\":8,\"width\":96,\"head_width\":32,\"layers\":"  \
  "2}"
#define DEEPER                                                                                     \
  "\"vision_cfg\":{\"image_size\":32,\"patch_size\":8,\"width\":96,\"head_width\":32,\"layers\":"  \
  "3}"
#define RESNET                                                                                     \
  "\"vision_cfg\":{\"image_size\":64,\"width\":16,\"head_width\":64,\"layers\":[1,2,1,1]}"
#define BERT                                                                                       \
  "\"text_cfg\":{\"hf_model_name\":\"x\",\"context_length\":16,\"hf_model_config\":{"              \
  "\"vocab_size\":500,\"hidden_size\":48,\"num_hidden_layers\":2,\"num_attention_heads\":3,"       \
  "\"intermediate_size\":192,\"max_position_embeddings\":32}}"

static const struct {
  const char *name, *config;
} models[] = {
  { "vit", "{\"embed_dim\":40,\"quick_gelu\":true," VIT "," TEXT "}" },
  { "resnet", "{\"model_cfg\":{\"embed_dim\":40," RESNET "," TEXT "}}" },
  { "bert", "{\"embed_dim\":40," VIT "," BERT "}" },
};

static ClipCheckpoint *
fresh (guint model, guint64 seed)
{
  g_autoptr (GError) error = NULL;
  ClipCheckpoint *checkpoint =
      clip_fresh_model (models[model].config, models[model].name, seed, &error);
  g_assert_no_error (error);
  return checkpoint;
}

/* --------------------------------------------------------------------------------- distributions */

typedef struct {
  guint model;
  const char *name, *shape;
  double deviation; /* standard */
  double bound;     /* of what is uniform, or constant: its value; 0: normal */
} Expectation;

static const Expectation expectations[] = {
  { 0, "token_embedding.weight", "[3000, 64] f32", 0.02 },
  { 0, "positional_embedding", "[16, 64] f32", 0.01 },
  { 0, "transformer.resblocks.2.attn.in_proj_weight", "[192, 64] f32", 0.125 },
  { 0, "transformer.resblocks.0.attn.in_proj_bias", "[192] f32", 0, 0 },
  { 0, "transformer.resblocks.1.attn.out_proj.weight", "[64, 64] f32", 0.0510310 },
  { 0, "transformer.resblocks.1.mlp.c_fc.weight", "[256, 64] f32", 0.0883883 },
  { 0, "transformer.resblocks.1.mlp.c_proj.weight", "[64, 256] f32", 0.0510310 },
  { 0, "transformer.resblocks.1.mlp.c_proj.bias", "[64] f32", 0.0625 / 1.7320508, 0.0625 },
  { 0, "transformer.resblocks.1.ln_2.weight", "[64] f32", 0, 1 },
  { 0, "text_projection", "[64, 40] f32", 0.125 },
  { 0, "visual.conv1.weight", "[96, 3, 8, 8] f32", 0.0721688 / 1.7320508, 0.0721688 },
  { 0, "visual.class_embedding", "[96] f32", 0.1020621 },
  { 0, "visual.positional_embedding", "[17, 96] f32", 0.1020621 },
  { 0, "visual.transformer.resblocks.1.attn.in_proj_weight", "[288, 96] f32", 0.125 / 1.7320508,
    0.125 },
  { 0, "visual.transformer.resblocks.1.mlp.c_proj.weight", "[96, 384] f32", 0.0510310 / 1.7320508,
    0.0510310 },
  { 0, "visual.proj", "[96, 40] f32", 0.1020621 },
  { 0, "logit_scale", "[] f32", 0, 2.6592600 },
  { 1, "visual.conv2.weight", "[8, 8, 3, 3] f32", 0.1178511 / 1.7320508, 0.1178511 },
  { 1, "visual.bn3.weight", "[16] f32", 0, 1 },
  { 1, "visual.layer2.1.bn3.weight", "[128] f32", 0, 0 },
  { 1, "visual.layer2.1.bn2.weight", "[32] f32", 0, 1 },
  { 1, "visual.layer2.1.conv1.weight", "[32, 128, 1, 1] f32", 0.0883883 / 1.7320508, 0.0883883 },
  { 1, "visual.layer4.0.downsample.0.weight", "[512, 256, 1, 1] f32", 0.0625 / 1.7320508, 0.0625 },
  { 1, "visual.layer4.0.downsample.1.running_var", "[512] f32", 0, 1 },
  { 1, "visual.layer4.0.downsample.1.running_mean", "[512] f32", 0, 0 },
  { 1, "visual.attnpool.positional_embedding", "[5, 512] f32", 0.0441942 },
  { 1, "visual.attnpool.c_proj.weight", "[40, 512] f32", 0.0441942 },
  { 2, "text.transformer.embeddings.word_embeddings.weight", "[500, 48] f32", 0.02 },
  { 2, "text.transformer.encoder.layer.1.intermediate.dense.weight", "[192, 48] f32", 0.02 },
  { 2, "text.transformer.encoder.layer.1.intermediate.dense.bias", "[192] f32", 0, 0 },
  { 2, "text.proj.0.weight", "[44, 48] f32", 0.1443376 / 1.7320508, 0.1443376 },
};

/* Five standard deviations of an estimate over n values; a uniform one comes close to its bound. */
static void
check_expectation (const ClipCheckpoint *checkpoint, const Expectation *e)
{
  const ClipTensor *tensor = clip_checkpoint_find (checkpoint, e->name);
  if (!tensor)
    g_error ("%s: absent", e->name);
  g_autofree char *shape = clip_tensor_describe (tensor);
  if (!g_str_equal (shape, e->shape))
    g_error ("%s: is %s, expected %s", e->name, shape, e->shape);
  const float *x = tensor->data;
  const gsize n = tensor->size / sizeof *x;
  double sum = 0, squares = 0, largest = 0;
  for (gsize i = 0; i < n; i++) {
    sum += x[i];
    squares += (double) x[i] * x[i];
    largest = MAX (largest, fabs (x[i]));
    if (e->deviation == 0 && fabs (x[i] - e->bound) > 1e-6)
      g_error ("%s: element %zu is %g, expected %g", e->name, i, x[i], e->bound);
  }
  if (e->deviation == 0)
    return;
  const double deviation = sqrt (squares / n), mean = sum / n;
  if (fabs (deviation / e->deviation - 1) > 5 / sqrt (2 * n) ||
      fabs (mean) > 5 * e->deviation / sqrt (n))
    g_error ("%s: mean %g, standard deviation %g, expected 0, %g", e->name, mean, deviation,
             e->deviation);
  if (e->bound > 0 && (largest > e->bound * 1.000001 || largest < e->bound * (1 - 10. / n)))
    g_error ("%s: largest is %g, expected %g", e->name, largest, e->bound);
}

static void
test_distributions (void)
{
  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    g_autoptr (ClipCheckpoint) checkpoint = fresh (m, 1);
    for (guint i = 0; i < G_N_ELEMENTS (expectations); i++) {
      if (expectations[i].model == m)
        check_expectation (checkpoint, &expectations[i]);
    }
  }
}

static void
test_determinism (void)
{
  g_autoptr (ClipCheckpoint) one = fresh (0, 1), same = fresh (0, 1), other = fresh (0, 2),
                             bert = fresh (2, 1);
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (one); i++) {
    const ClipTensor *a = clip_checkpoint_get_tensor (one, i);
    g_assert_cmpmem (a->data, a->size, clip_checkpoint_get_tensor (same, i)->data, a->size);
    g_assert_cmpuint ((guintptr) a->data % 64, ==, 0);
    /* What the model has elsewhere does not matter. */
    const ClipTensor *b = clip_checkpoint_find (bert, a->name);
    if (b)
      g_assert_cmpmem (a->data, a->size, b->data, b->size);
  }
  const ClipTensor *a = clip_checkpoint_find (one, "visual.proj"),
                   *b = clip_checkpoint_find (other, "visual.proj");
  for (gsize i = 0; i < a->size / sizeof (float); i++)
    g_assert_cmpfloat (((const float *) a->data)[i], !=, ((const float *) b->data)[i]);
}

/* -------------------------------------------------------------------------------------- running */

static void
check_feature (const char *what, const ClipTower *tower, const void *in, int embed_dim, int length)
{
  ClipSession session = { .threads = clip_threads_new (1), .kernels = clip_kernels () };
  g_autofree float *feature = g_new0 (float, embed_dim);
  tower->forward (tower, &session, feature, in, 1, length);
  double squares = 0;
  for (int i = 0; i < embed_dim; i++)
    squares += feature[i] * feature[i];
  if (!(squares > 1e-6 && squares < 1e6))
    g_error ("%s: the feature has length %g", what, sqrt (squares));
  clip_threads_free (session.threads);
  clip_arena_clear (&session.arena);
  clip_arena_clear (&session.scratch);
}

/* Takes @checkpoint. */
static void
check_runs (const char *name, ClipCheckpoint *checkpoint, const char *config_text, int embed_dim)
{
  static ClipTower *(*const image_towers[]) (ClipWeights *, const ClipConfig *, GError **) = {
    [CLIP_IMAGE_VIT] = clip_vit_new,
    [CLIP_IMAGE_EFFICIENTNET] = clip_efficientnet_new,
    [CLIP_IMAGE_RESNET] = clip_resnet_new,
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (ClipWeights) weights = clip_weights_new (checkpoint, &error);
  g_assert_no_error (error);
  g_autoptr (GBytes) text = g_bytes_new (config_text, strlen (config_text));
  const ClipSource source = { CLIP_SOURCE_OPENCLIP, name, text };
  ClipConfig config;
  clip_config_read (&config, weights, name, &source, 1, warnings, &error);
  g_assert_no_error (error);
  g_assert_cmpint (config.embed_dim, ==, embed_dim);
  g_assert_cmpfloat_with_epsilon (config.logit_scale, 1 / 0.07, 1e-4);

  ClipTower *image = image_towers[config.image.kind](weights, &config, &error);
  g_assert_no_error (error);
  ClipTower *words = (config.text.kind == CLIP_TEXT_BERT ? clip_bert_new : clip_text_new) (
      weights, &config, &error);
  g_assert_no_error (error);
  char *unused = clip_weights_describe_unused (weights);
  g_assert_cmpstr (unused, ==, NULL);
  const int pixels = 3 * config.image.image_size * config.image.image_size;
  g_autofree float *picture = g_new (float, pixels);
  for (int i = 0; i < pixels; i++)
    picture[i] = sin (0.01 * i);
  const gint32 tokens[5] = { 1, 7, 30, 4, 499 };
  check_feature (name, image, picture, embed_dim, 0);
  check_feature (name, words, tokens, embed_dim, 5);
  image->free (image);
  words->free (words);
}

static void
test_runs (void)
{
  for (guint m = 0; m < G_N_ELEMENTS (models); m++) {
    ClipCheckpoint *checkpoint = fresh (m, 3);
    g_autofree char *config = g_strdup (clip_checkpoint_get_metadata (checkpoint, "clip.config"));
    check_runs (models[m].name, checkpoint, config, 40);
  }
}

/* The image tower of one, the text tower of another, and new heads. */
static void
test_joined (void)
{
  static const struct {
    guint image, text;
    const char *config;
  } pairs[] = {
    { 0, 2, "{\"model_cfg\":{\"embed_dim\":24," VIT "," BERT "}}" },
    { 1, 2, "{\"model_cfg\":{\"embed_dim\":24," RESNET "," BERT "}}" },
    { 2, 1, "{\"model_cfg\":{\"embed_dim\":24," VIT "," TEXT "}}" },
  };
  g_autoptr (GError) error = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++) {
    const ClipMergePart towers[] = { { fresh (pairs[i].image, 1), CLIP_TAKE_IMAGE },
                                     { fresh (pairs[i].text, 1), CLIP_TAKE_TEXT } };
    ClipCheckpoint *joined = clip_checkpoint_merge (towers, 2, "towers", &error);
    g_assert_no_error (error);
    ClipCheckpoint *heads = clip_fresh_heads (joined, 24, 30, 1, &error);
    g_assert_no_error (error);
    const ClipMergePart parts[] = { { joined, CLIP_TAKE_ALL }, { heads, CLIP_TAKE_ALL } };
    ClipCheckpoint *model = clip_checkpoint_merge (parts, 2, "joined", &error);
    g_assert_no_error (error);
    const ClipTensor *hidden = clip_checkpoint_find (model, "text.proj.0.weight");
    g_assert_cmpint (hidden ? hidden->shape[0] : 30, ==, 30);
    check_runs ("joined", model, pairs[i].config, 24);
  }
}

/* One layer in place of two: nothing is left of what it replaces. */
static void
test_replaced_heads (void)
{
  g_autoptr (GError) error = NULL;
  ClipCheckpoint *model = fresh (2, 1);
  ClipCheckpoint *heads = clip_fresh_heads (model, 16, CLIP_ONE_LAYER, 1, &error);
  g_assert_no_error (error);
  const ClipMergePart parts[] = { { model, CLIP_TAKE_ALL }, { heads, CLIP_TAKE_ALL } };
  g_autoptr (ClipCheckpoint) merged = clip_checkpoint_merge (parts, 2, "merged", &error);
  g_assert_no_error (error);
  g_assert_null (clip_checkpoint_find (merged, "text.proj.0.weight"));
  g_assert_null (clip_checkpoint_find (merged, "text.proj.2.weight"));
  g_autofree char *shape = clip_tensor_describe (clip_checkpoint_find (merged, "text.proj.weight"));
  g_assert_cmpstr (shape, ==, "[16, 48] f32");
  g_assert_nonnull (clip_checkpoint_get_metadata (merged, "clip.config"));
}

/* The same towers, later values. */
static void
test_override (void)
{
  g_autoptr (GError) error = NULL;
  const ClipMergePart parts[] = { { fresh (0, 1), CLIP_TAKE_ALL },
                                  { fresh (0, 2), CLIP_TAKE_TEXT } };
  g_autoptr (ClipCheckpoint) merged = clip_checkpoint_merge (parts, 2, "merged", &error),
                             first = fresh (0, 1), second = fresh (0, 2);
  g_assert_no_error (error);
  g_assert_cmpuint (clip_checkpoint_get_n_tensors (merged), ==,
                    clip_checkpoint_get_n_tensors (first));
  const ClipTensor *image = clip_checkpoint_find (merged, "visual.conv1.weight"),
                   *text = clip_checkpoint_find (merged, "token_embedding.weight");
  g_assert_cmpmem (image->data, image->size,
                   clip_checkpoint_find (first, "visual.conv1.weight")->data, image->size);
  g_assert_cmpmem (text->data, text->size,
                   clip_checkpoint_find (second, "token_embedding.weight")->data, text->size);
}

static void
test_different_towers (void)
{
  static const struct {
    const char *a, *b, *message;
  } cases[] = {
    { "{\"embed_dim\":40," VIT "," TEXT "}", "{\"embed_dim\":40," RESNET "," TEXT "}",
      "different image towers" },
    { "{\"embed_dim\":40," VIT "," TEXT "}", "{\"embed_dim\":40," VIT "," BERT "}",
      "different text towers" },
    { "{\"embed_dim\":40," VIT "," TEXT "}", "{\"embed_dim\":40," DEEPER "," TEXT "}",
      "tensor visual.transformer.resblocks.2.ln_1.weight is [96] f32 in the first, absent in the "
      "second" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    const ClipMergePart parts[] = { { clip_fresh_model (cases[i].a, "a", 1, NULL), CLIP_TAKE_ALL },
                                    { clip_fresh_model (cases[i].b, "b", 1, NULL),
                                      CLIP_TAKE_ALL } };
    ClipCheckpoint *merged = clip_checkpoint_merge (parts, 2, "merged", &error);
    check_error (cases[i].message, merged, error, CLIP_ERROR_TENSOR, cases[i].message);
  }
}

static void
test_bad_configurations (void)
{
  static const struct {
    const char *config;
    ClipError code;
    const char *message;
  } cases[] = {
    { "[]", CLIP_ERROR_CONFIG, "is no JSON object" },
    { "{\"embed_dim\":8," VIT "}", CLIP_ERROR_CONFIG, "has no text_cfg" },
    { "{" VIT "," TEXT "}", CLIP_ERROR_CONFIG, "has no embed_dim" },
    { "{\"embed_dim\":-3," VIT "," TEXT "}", CLIP_ERROR_CONFIG, "embed_dim" },
    { "{\"embed_dim\":8,\"vision_cfg\":{\"layers\":[1,2,3]}," TEXT "}", CLIP_ERROR_CONFIG,
      "four numbers" },
    { "{\"embed_dim\":8,\"vision_cfg\":{\"image_size\":33}," TEXT "}", CLIP_ERROR_CONFIG,
      "multiple of 16" },
    { "{\"embed_dim\":8,\"vision_cfg\":{\"mlp_ratio\":1e9}," TEXT "}", CLIP_ERROR_CONFIG,
      "mlp_ratio" },
    { "{\"embed_dim\":8,\"vision_cfg\":{\"mlp_ratio\":-1}," TEXT "}", CLIP_ERROR_CONFIG,
      "mlp_ratio" },
    { "{\"embed_dim\":8,\"vision_cfg\":{\"timm_model_name\":\"x\"}," TEXT "}",
      CLIP_ERROR_UNSUPPORTED, "can be drawn" },
    { "{\"embed_dim\":8," VIT ",\"text_cfg\":{\"hf_model_name\":\"x\"}}", CLIP_ERROR_CONFIG,
      "hf_model_config" },
    { "{\"embed_dim\":8," VIT ",\"text_cfg\":{\"width\":65}}", CLIP_ERROR_CONFIG,
      "heads do not divide" },
    { "{\"embed_dim\":65536,\"vision_cfg\":{\"width\":65536,\"layers\":1024,\"mlp_ratio\":64}," TEXT
      "}",
      CLIP_ERROR_CONFIG, "memory" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    ClipCheckpoint *checkpoint = clip_fresh_model (cases[i].config, "c", 1, &error);
    check_error (cases[i].config, checkpoint, error, cases[i].code, cases[i].message);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fresh/distributions", test_distributions);
  g_test_add_func ("/fresh/determinism", test_determinism);
  g_test_add_func ("/fresh/runs", test_runs);
  g_test_add_func ("/fresh/bad-configurations", test_bad_configurations);
  g_test_add_func ("/join/joined", test_joined);
  g_test_add_func ("/join/replaced-heads", test_replaced_heads);
  g_test_add_func ("/join/override", test_override);
  g_test_add_func ("/join/different-towers", test_different_towers);
  return g_test_run ();
}
