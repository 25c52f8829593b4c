/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SigLIP, under OpenCLIP's names and Hugging Face's, against PyTorch (golden/siglip.py): from the files to features and scores. */
#include "core/base/bytes.h"
#include "core/model/config-json.h"
#include "core/model/convert.h"
#include "core/model/tower.h"
#include "tests/testing.h"

#include <math.h>

#define TOLERANCE 2e-5 /* max |a - b| / max |b|: float32 against float64 */

typedef struct {
  const char *name, *config_name, *config;
  const char *preprocessor; /* NULL: none */
  int image_size;
  const char *image_activation;
} Golden;

static const Golden goldens[] = {
  { "openclip", "open_clip_config.json",
    "{\"model_cfg\":{\"embed_dim\":24,\"init_logit_bias\":-10,\"custom_text\":true,\"vision_cfg\":{"
    "\"image_size\":12,\"timm_model_name\":\"vit_base_patch16_siglip_224\","
    "\"timm_model_pretrained\":false,\"timm_pool\":\"map\",\"timm_proj\":\"none\"},\"text_cfg\":{"
    "\"context_length\":8,\"vocab_size\":40,\"width\":24,\"heads\":2,\"layers\":2,"
    "\"no_causal_mask\":true,\"proj_bias\":true,\"pool_type\":\"last\",\"norm_kwargs\":{\"eps\":1e-"
    "6},"
    "\"act_kwargs\":{\"approximate\":\"tanh\"}}},\"preprocess_cfg\":{\"mean\":[0.5,0.5,0.5],"
    "\"std\":["
    "0.5,0.5,0.5],\"interpolation\":\"bicubic\",\"resize_mode\":\"squash\"}}",
    NULL, 12, "gelu" },
  { "huggingface", "config.json",
    "{\"model_type\":\"siglip\",\"text_config\":{\"max_position_embeddings\":8,\"hidden_size\":24,"
    "\"num_attention_heads\":2},\"vision_config\":{\"image_size\":14,\"num_attention_heads\":2}}",
    "{\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5],\"resample\":3,\"size\":{\"height\":"
    "14,"
    "\"width\":14}}",
    14, "gelu_tanh" },
};

/* Heads are 12 wide here; those of the tower behind timm's name are not. */
#define OVERRIDE "{\"model_cfg\":{\"vision_cfg\":{\"head_width\":12}}}"

static char *
golden_path (const Golden *golden)
{
  g_autofree char *file = g_strdup_printf ("siglip-%s.safetensors", golden->name);
  return g_test_build_filename (G_TEST_DIST, "golden", file, NULL);
}

/* A directory as it is published; words for its 40 tokens. */
static ClipModel *
load (const Golden *golden)
{
  g_autofree char *directory = temporary_path (golden->name), *weights = golden_path (golden);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = clip_bytes_map (weights, &error);
  g_assert_no_error (error);
  g_mkdir (directory, 0700);
  gsize length;
  const char *data = g_bytes_get_data (bytes, &length);
  put_file (directory, "model.safetensors", data, length);
  put_file (directory, golden->config_name, golden->config, -1);
  put_file (directory, "override.json", OVERRIDE, -1);
  if (golden->preprocessor)
    put_file (directory, "preprocessor_config.json", golden->preprocessor, -1);
  g_autoptr (GString) words = g_string_new ("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\ncat\ndog\n");
  for (int i = 7; i < 40; i++)
    g_string_append_printf (words, "w%d\n", i);
  put_file (directory, "vocab.txt", words->str, -1);

  g_autofree char *override = g_build_filename (directory, "override.json", NULL);
  const ClipModelOptions options = { CLIP_PRECISION_F32, override };
  ClipModel *model = clip_model_load (directory, &options, &error);
  g_assert_no_error (error);
  return model;
}

static ClipArray *
expected (const Golden *golden, const char *name, const char *dtype)
{
  g_autofree char *path = golden_path (golden), *whole = g_strconcat ("clip.", name, NULL);
  g_autoptr (GError) error = NULL;
  ClipArray *array = clip_array_read (path, whole, dtype, &error);
  g_assert_no_error (error);
  g_assert_nonnull (array);
  return array;
}

static void
test_golden (const void *data)
{
  const Golden *golden = data;
  g_autoptr (ClipModel) model = load (golden);
  const ClipModelInfo *info = clip_model_get_info (model);
  if (info->warnings[0])
    g_error ("%s: warning: %s", golden->name, info->warnings[0]);
  g_assert_cmpstr (info->naming, ==, golden->name);
  g_assert_cmpstr (info->image.activation, ==, golden->image_activation);
  g_assert_cmpstr (info->text.activation, ==, "gelu_tanh");
  g_assert_cmpint (info->image_width, ==, golden->image_size);
  g_assert_cmpint (info->preprocess.resize_mode, ==, CLIP_RESIZE_SQUASH);
  g_assert_cmpint (info->embed_dim, ==, 24);
  g_assert_cmpint (info->pooled_width, ==, 24);
  const int batch = 3, E = info->embed_dim;

  g_autofree ClipArray *pixels = expected (golden, "pixels", "F32"),
                       *tokens = expected (golden, "tokens", "I32"),
                       *image_features = expected (golden, "image_features", "F32"),
                       *text_features = expected (golden, "text_features", "F32"),
                       *logits = expected (golden, "logits", "F32");
  g_autofree float *image = g_new (float, batch *E), *text = g_new (float, batch *E);
  for (int threads = 1; threads <= 3; threads++) {
    g_autoptr (ClipSession) session = clip_session_new (model, threads);
    clip_encode_image (session, image, pixels->data, batch);
    check_close ("image", image, image_features, TOLERANCE);
    clip_encode_image_pooled (session, image, pixels->data, batch);
    check_close ("pooled", image, image_features, TOLERANCE);
    clip_encode_text (session, text, tokens->data, batch, tokens->shape[1]);
    check_close ("text", text, text_features, TOLERANCE);
    const gsize picture = 3 * info->image_width * info->image_height;
    for (int b = 0; b < batch; b++) {
      clip_encode_image (session, image + b * E, (const float *) pixels->data + b * picture, 1);
      clip_encode_text (session, text + b * E, (const gint32 *) tokens->data + b * tokens->shape[1],
                        1, tokens->shape[1]);
    }
    check_close ("one image", image, image_features, TOLERANCE);
    check_close ("one text", text, text_features, TOLERANCE);
  }

  float computed[9];
  for (int i = 0; i < 9; i++) {
    const float *a = image + i / 3 * E, *b = text + i % 3 * E;
    double dot = 0, aa = 0, bb = 0;
    for (int e = 0; e < E; e++) {
      dot += (double) a[e] * b[e];
      aa += (double) a[e] * a[e];
      bb += (double) b[e] * b[e];
    }
    computed[i] = info->logit_scale * dot / sqrt (aa * bb) + info->logit_bias;
  }
  check_close ("logits", computed, logits, TOLERANCE);
}

/* A model is the same when its configuration is the one that our own files carry. */
static void
test_round_trip (const void *data)
{
  const Golden *golden = data;
  g_autoptr (ClipModel) model = load (golden);
  const ClipConfig *config = clip_model_get_config (model);
  g_autofree char *json = clip_config_to_json (config), *path = golden_path (golden);
  g_autoptr (GError) error = NULL;
  ClipCheckpoint *checkpoint = clip_checkpoint_open (path, &error);
  g_assert_no_error (error);
  g_autoptr (ClipWeights) weights = clip_weights_new (checkpoint, &error);
  g_assert_no_error (error);
  g_autoptr (GBytes) text = g_bytes_new_static (json, strlen (json));
  const ClipSource source = { CLIP_SOURCE_OPENCLIP, "own", text };
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  ClipConfig again;
  clip_config_read (&again, weights, "x", &source, 1, warnings, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (warnings->len, ==, 0);
  g_assert_cmpmem (&again, sizeof again, config, sizeof *config);
}

/* In a file of our own, under the names that are there for it, it has the same features. */
static void
test_convert (const void *data)
{
  const Golden *golden = data;
  g_autoptr (ClipModel) model = load (golden);
  g_autofree char *directory = temporary_path (golden->name),
                  *path = temporary_path ("converted.safetensors");
  g_autoptr (GError) error = NULL;
  ClipConvertReport report;
  clip_model_convert (path, directory, model, CLIP_CONVERT_KEEP, CLIP_PRECISION_AUTO, NULL, NULL,
                      &report, &error);
  g_assert_no_error (error);
  g_strfreev (report.kept);
  g_autoptr (ClipModel) converted = clip_model_load (path, &in_floats, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (clip_model_get_info (converted)->naming, ==, "openclip");
  g_autofree ClipArray *pixels = expected (golden, "pixels", "F32"),
                       *tokens = expected (golden, "tokens", "I32");
  float features[2][2][3 * 24];
  for (int i = 0; i < 2; i++) {
    g_autoptr (ClipSession) session = clip_session_new (i ? converted : model, 1);
    clip_encode_image (session, features[i][0], pixels->data, 3);
    clip_encode_text (session, features[i][1], tokens->data, 3, tokens->shape[1]);
  }
  g_assert_cmpmem (features[1], sizeof features[1], features[0], sizeof features[0]);
}

/* Each label by itself, whatever stands beside it. */
static void
test_scores (void)
{
  g_autoptr (ClipModel) model = load (&goldens[0]);
  const ClipModelInfo *info = clip_model_get_info (model);
  g_autoptr (ClipSession) session = clip_session_new (model, 1);
  g_autoptr (GError) error = NULL;
  static const char *const templates[] = { "a {}", NULL };
  g_autoptr (ClipLabels) cat = clip_labels_parse ("cat", &error);
  g_autoptr (ClipLabels) dog = clip_labels_parse ("dog", &error);
  g_autoptr (ClipLabels) both = clip_labels_join (cat, dog, TRUE, &error);
  g_assert_no_error (error);
  g_autoptr (ClipClassifier) alone =
      clip_classifier_new (session, cat, templates, NULL, NULL, &error);
  g_autoptr (ClipClassifier) two =
      clip_classifier_new (session, both, templates, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_null (clip_classifier_get_warnings (alone)[0]);

  gint32 tokens[8];
  clip_tokenizer_encode_padded (clip_model_get_tokenizer (model, NULL), tokens, 8, "a cat", NULL);
  float text[24], image[24], score, scores[2], logits[2];
  double dot = 0, norm = 0, norms = 0;
  clip_encode_text (session, text, tokens, 1, 8);
  for (int e = 0; e < 24; e++) {
    image[e] = text[e] + 0.3f * (e % 5);
    dot += (double) image[e] * text[e];
    norm += (double) image[e] * image[e];
    norms += (double) text[e] * text[e];
  }
  const double logit = info->logit_scale * dot / sqrt (norm * norms) + info->logit_bias,
               sigmoid = 1 / (1 + exp (-logit));
  g_assert_cmpfloat (sigmoid, >, 0.5);
  for (int scoring = CLIP_SCORING_EXCLUSIVE; scoring <= CLIP_SCORING_INDEPENDENT; scoring++) {
    clip_classifier_score (alone, &score, image, scoring);
    g_assert_cmpfloat_with_epsilon (score, sigmoid, 1e-5);
    clip_classifier_score (two, scores, image, scoring);
    g_assert_cmpfloat_with_epsilon (scores[0], score,
                                    1e-6); /* rounded as a product of another size is */
    if (scoring == CLIP_SCORING_INDEPENDENT)
      g_assert_cmpfloat (scores[1], ==, 0);
    else
      g_assert_cmpfloat (scores[1], >, 0);
  }
  clip_classifier_logits (two, logits, image);
  g_assert_cmpfloat_with_epsilon (logits[0], logit, 1e-4);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (goldens); i++) {
    g_autofree char *golden = g_strdup_printf ("/siglip/golden/%s", goldens[i].name),
                    *round = g_strdup_printf ("/siglip/round-trip/%s", goldens[i].name),
                    *convert = g_strdup_printf ("/siglip/convert/%s", goldens[i].name);
    g_test_add_data_func (golden, &goldens[i], test_golden);
    g_test_add_data_func (round, &goldens[i], test_round_trip);
    g_test_add_data_func (convert, &goldens[i], test_convert);
  }
  g_test_add_func ("/siglip/scores", test_scores);
  return g_test_run ();
}
