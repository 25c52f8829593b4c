/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A run whose texts are drawn to goals, over features of pictures that are in a file: both distances fall, the image head
 * stays the closed one, and names then tell pictures apart as the classifier does.
 */
#include "core/checkpoint/safetensors.h"
#include "core/text/tokenizer.h"
#include "core/train/random.h"
#include "tests/random-model.h"
#include "tests/training.h"

#include <math.h>

enum { CLASSES = 8, ROWS = 12, WIDTH = 40, EMBED = 24 };

static const RandomStage stages[7] = {
  { 1, 3, 1, 4 }, { 1, 3, 2, 8 }, { 1, 5, 2, 8 }, { 1, 3, 2, 8 },
  { 1, 5, 2, 8 }, { 1, 5, 2, 8 }, { 1, 3, 2, 8 },
};

#define CONFIG                                                                                     \
  "{\"model_cfg\": {\"embed_dim\": 24, \"custom_text\": true, \"vision_cfg\": "                    \
  "{\"timm_model_name\": \"tf_efficientnet_lite0\", \"timm_pool\": \"\", \"timm_proj\": "          \
  "\"linear\", \"timm_proj_bias\": true, \"image_size\": 32}, \"text_cfg\": {\"hf_model_name\": "  \
  "\"a\", \"hf_pooler_type\": \"mean_pooler\", \"hf_proj_type\": \"mlp\", \"context_length\": "    \
  "13, \"hf_model_config\": {\"model_type\": \"bert\", \"hidden_size\": 32, "                      \
  "\"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"intermediate_size\": 48, "              \
  "\"hidden_act\": \"gelu\", \"layer_norm_eps\": 1e-12, \"max_position_embeddings\": 13, "         \
  "\"type_vocab_size\": 2, \"vocab_size\": 70, \"pad_token_id\": 0}}}}"

static void
write_model (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = temporary_path ("towers.safetensors");
  RandomModel model = random_model ();
  random_efficientnet (&model, CLIP_DTYPE_F32, 8, stages, WIDTH, EMBED);
  random_bert (&model, CLIP_DTYPE_F32, 70, 13, 32, 1, 48, 64, EMBED);
  random_tensor (&model, CLIP_DTYPE_F32, 3, 0, "logit_scale", 0, 1, 1, 1, 1);
  const char *metadata[] = { "clip.config", CONFIG, NULL };
  clip_safetensors_write (path, (const ClipTensor *) (void *) model.tensors->data,
                          model.tensors->len, metadata, &error);
  g_assert_no_error (error);
  random_model_clear (&model);
}

static float weight[CLASSES][WIDTH], bias[CLASSES], features[CLASSES * ROWS][WIDTH];

/* Pictures of class c have more of some features, and the classifier knows which. */
static void
write_features (void)
{
  guint64 state = 3;
  g_autoptr (GError) error = NULL;
  g_autofree char *file = temporary_path ("features.safetensors"),
                  *other = temporary_path ("classifier.safetensors"),
                  *table = temporary_path ("names.tsv");
  g_autoptr (GString) texts = g_string_new (NULL), lines = g_string_new (NULL);
  for (int c = 0; c < CLASSES; c++) {
    bias[c] = clip_random_normal (&state);
    for (int w = 0; w < WIDTH; w++)
      weight[c][w] = clip_random_normal (&state);
    g_string_append_printf (lines, "%d\tn\tname\t%s\n%d\tn\thypernym\tphoto\n", c,
                            training_names[c], c);
  }
  for (int i = 0; i < CLASSES * ROWS; i++) {
    for (int w = 0; w < WIDTH; w++)
      features[i][w] = MAX (0, 1 + weight[i / ROWS][w] + .5 * clip_random_normal (&state));
    g_string_append_printf (texts, "a %s photo\tphoto of a %s\n", training_names[i / ROWS],
                            training_names[i / ROWS]);
  }
  const ClipTensor tensors[] = {
    { "features", CLIP_DTYPE_F32, 2, { CLASSES * ROWS, WIDTH }, features, sizeof features },
    { "texts", CLIP_DTYPE_U8, 1, { (gint64) texts->len }, texts->str, texts->len },
  };
  clip_safetensors_write (file, tensors, 2, NULL, &error);
  g_assert_no_error (error);
  const ClipArray arrays[] = {
    { "classifier.weight", "F32", 2, { CLASSES, WIDTH }, &weight[0][0] },
    { "classifier.bias", "F32", 1, { CLASSES }, bias },
  };
  clip_arrays_write (other, arrays, 2, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_set_contents (table, lines->str, -1, NULL));
}

static const char *const run[] = {
  "init=towers.safetensors",
  "model=null",
  "freeze={\"image\": \"all\", \"text\": \"all\"}",
  "steps=80",
  "batch=16",
  "data=[{\"features\": \"features.safetensors\", \"anchor\": true, \"noise\": 0.1}]",
  "loss={\"captions\": 0, \"classifier\": {\"file\": \"classifier.safetensors\", \"names\": "
  "\"names.tsv\", \"texts\": 9, \"weight\": 0.1, \"share\": {\"name\": 0.9, \"hypernym\": 0.1, "
  "\"gloss\": 0}}, \"anchor\": {\"names\": 1, \"captions\": 1, \"like\": "
  "[\"features.safetensors\"]}, \"text_noise\": {\"captions\": 0.05, \"names\": 0.05}}",
  "optimizer={\"rate\": {\"image-head\": 0, \"text-head\": 0.01, \"scale\": 0}, "
  "\"weight_decay\": 0}",
  NULL,
};

static int
decide (const float *scores)
{
  int best = 0;
  for (int c = 1; c < CLASSES; c++)
    best = scores[c] > scores[best] ? c : best;
  return best;
}

/* Share of the features that names give to the class that the classifier does. */
static double
agreement (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (path, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (ClipSession) session = clip_session_new (model, 1);
  const ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, &error);
  g_autofree ClipArray *head = clip_array_read (path, "visual.head.proj.weight", "F32", &error),
                       *shift = clip_array_read (path, "visual.head.proj.bias", "F32", &error);
  g_assert_no_error (error);
  const float *matrix = head->data, *offset = shift->data;
  float names[CLASSES][EMBED];
  for (int c = 0; c < CLASSES; c++) {
    gint32 tokens[13];
    const int length =
        clip_tokenizer_encode_padded (tokenizer, tokens, 13, training_names[c], NULL);
    clip_encode_text (session, names[c], tokens, 1, length);
    double square = 0;
    for (int e = 0; e < EMBED; e++)
      square += names[c][e] * names[c][e];
    for (int e = 0; e < EMBED; e++)
      names[c][e] /= sqrt (square);
  }
  int same = 0;
  for (int i = 0; i < CLASSES * ROWS; i++) {
    float logits[CLASSES], scores[CLASSES] = { 0 };
    for (int c = 0; c < CLASSES; c++) {
      logits[c] = bias[c];
      for (int w = 0; w < WIDTH; w++)
        logits[c] += weight[c][w] * features[i][w];
    }
    for (int e = 0; e < EMBED; e++) {
      float x = offset[e];
      for (int w = 0; w < WIDTH; w++)
        x += matrix[e * WIDTH + w] * features[i][w];
      for (int c = 0; c < CLASSES; c++)
        scores[c] += x * names[c][e];
    }
    same += decide (logits) == decide (scores);
  }
  return same / (double) (CLASSES * ROWS);
}

static void
test_run (void)
{
  g_autoptr (GError) error = NULL;
  g_auto (Training) training = { 0 };
  g_autofree char *path = temporary_path ("trained.safetensors");
  g_autoptr (ClipTrainer) trainer = training_new (&training, run);
  double names[2] = { 0, 0 }, captions[2] = { 0, 0 };
  for (int step = 0; step < 80; step++) {
    ClipStep report;
    clip_trainer_step (trainer, &report, &error);
    g_assert_no_error (error);
    if (step < 8 || step >= 72) {
      names[step >= 72] += report.anchor_names / 8;
      captions[step >= 72] += report.anchor_captions / 8;
    }
  }
  if (!(names[1] < .25 * names[0]))
    g_error ("names: %g, then %g", names[0], names[1]);
  if (!(captions[1] < .3 * captions[0]))
    g_error ("captions: %g, then %g", captions[0], captions[1]);
  clip_trainer_write_model (trainer, path, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (agreement (path), >, .95);
  training_remove_output (&training);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  training_write_data ();
  write_model ();
  write_features ();
  g_test_add_func ("/goals/run", test_run);
  return g_test_run ();
}
