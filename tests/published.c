/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Published files. The names of EfficientNet-Lite classifiers; and, where they are there (sh tests/published.sh gets all but the
 * last and runs this):
 *
 *   GST_CLIP_PUBLISHED        such classifiers, separated by colons: what they score
 *   GST_CLIP_MINILM           directory of a sentence encoder, and GST_CLIP_MINILM_GOLDEN, what PyTorch makes of sentences with it
 *                             (golden/minilm.py): tokens are the same, embeddings agree
 *   GST_CLIP_VIT_B_32         OpenAI's ViT-B/32, as any name or path that loads: what it says of the picture in its README
 */
#include "core/checkpoint/container.h"
#include "core/eval/walk.h"
#include "core/train/published.h"
#include "tests/random-model.h"

#include <gdk-pixbuf/gdk-pixbuf.h>

/* Lite0's blocks: 1, 2, 2, 3, 3, 4, 1 in their stages. */
static const struct {
  const char *published, *timm;
} names[] = {
  { "_conv_stem.weight", "conv_stem.weight" },
  { "_bn0.running_mean", "bn1.running_mean" },
  { "_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight" },
  { "_blocks.0._bn1.bias", "blocks.0.0.bn1.bias" },
  { "_blocks.0._bn2.weight", "blocks.0.0.bn2.weight" },
  { "_blocks.1._expand_conv.weight", "blocks.1.0.conv_pw.weight" },
  { "_blocks.2._bn0.running_var", "blocks.1.1.bn1.running_var" },
  { "_blocks.4._depthwise_conv.weight", "blocks.2.1.conv_dw.weight" },
  { "_blocks.11._bn1.weight", "blocks.5.0.bn2.weight" },
  { "_blocks.14._bn2.weight", "blocks.5.3.bn3.weight" },
  { "_conv_head.weight", "conv_head.weight" },
  { "_bn1.weight", "bn2.weight" },
  { "_fc.weight", "classifier.weight" },
  { "_fc.bias", "classifier.bias" },
  { "_bn1.num_batches_tracked", NULL },
};

static ClipCheckpoint *
make_published (int blocks)
{
  static const float one = 1;
  g_autoptr (GBytes) bytes = g_bytes_new_static (&one, sizeof one);
  ClipCheckpoint *checkpoint = clip_checkpoint_new ("x.pth", "torch-legacy", bytes);
  ClipTensor tensor = { .dtype = CLIP_DTYPE_F32, .data = &one, .size = sizeof one };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    tensor.name = names[i].published;
    clip_checkpoint_add (checkpoint, &tensor, NULL);
  }
  for (int i = 0; i < blocks; i++) {
    g_autofree char *name = g_strdup_printf ("_blocks.%d._project_conv.weight", i);
    tensor.name = name;
    clip_checkpoint_add (checkpoint, &tensor, NULL);
  }
  return checkpoint;
}

static void
test_names (void)
{
  g_autoptr (ClipCheckpoint) published = make_published (16);
  g_autoptr (ClipCheckpoint) renamed = clip_published_rename (published);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (names[i].timm && !clip_checkpoint_find (renamed, names[i].timm))
      g_error ("%s is not called %s", names[i].published, names[i].timm);
  }
  g_assert_nonnull (clip_checkpoint_find (renamed, "blocks.0.0.conv_pw.weight"));
  g_assert_nonnull (clip_checkpoint_find (renamed, "blocks.6.0.conv_pwl.weight"));
  g_assert_cmpuint (clip_checkpoint_get_n_tensors (renamed), ==, G_N_ELEMENTS (names) - 1 + 16);
  static const int others[] = { 0, 15, 17, 20, 22 };
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autoptr (ClipCheckpoint) other = make_published (others[i]);
    g_assert_null (clip_published_rename (other));
  }
}

/* ----------------------------------------------------------------------------------------- scores */

/* Sizes they were trained for, and what they have to score at least on the sample: 74.1, 76.0, 75.5 % were seen. */
static const struct {
  const char *name;
  int size;
  double top1;
} sizes[] = {
  { "lite0", 224, 0.73 },
  { "lite1", 240, 0.74 },
  { "lite2", 260, 0.75 },
};

/* A model whose embeddings of pictures are the classifier's logits. */
static char *
write_model (const ClipCheckpoint *timm)
{
  RandomModel model = random_model ();
  random_text (&model, CLIP_DTYPE_F32, 100, 8, 64, 1, 64, 1000);
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (timm); i++) {
    ClipTensor tensor = *clip_checkpoint_get_tensor (timm, i);
    const gboolean head = g_str_has_prefix (tensor.name, "classifier.");
    char *name = g_strconcat (head ? "visual.head.proj." : "visual.trunk.",
                              tensor.name + (head ? strlen ("classifier.") : 0), NULL);
    g_ptr_array_add (model.heap, name);
    tensor.name = name;
    g_array_append_val (model.tensors, tensor);
  }
  const float scale = 0;
  const ClipTensor logit_scale = { "logit_scale", CLIP_DTYPE_F32, 0, { 0 }, &scale, sizeof scale };
  g_array_append_val (model.tensors, logit_scale);
  char *path = temporary_path ("classifier.safetensors");
  g_autoptr (GError) error = NULL;
  clip_safetensors_write (path, (const ClipTensor *) (void *) model.tensors->data,
                          model.tensors->len, NULL, &error);
  g_assert_no_error (error);
  random_model_clear (&model);
  return path;
}

static ClipModel *
load_model (const char *path, int size)
{
  g_autofree char *config = temporary_path ("config.json");
  g_autofree char *text = g_strdup_printf (
      "{\"model_cfg\": {\"vision_cfg\": {\"image_size\": %d}}, \"preprocess_cfg\": {\"size\": %d, "
      "\"mean\": [%.9f, %.9f, %.9f], \"std\": [%.9f, %.9f, %.9f], \"interpolation\": \"bicubic\", "
      "\"resize_mode\": \"shortest\"}}",
      size, size, 127 / 255., 127 / 255., 127 / 255., 128 / 255., 128 / 255., 128 / 255.);
  g_assert_true (g_file_set_contents (config, text, -1, NULL));
  const ClipModelOptions options = { CLIP_PRECISION_F32, config };
  g_autoptr (GError) error = NULL;
  ClipModel *model = clip_model_load (path, &options, &error);
  g_assert_no_error (error);
  return model;
}

static void
count_right (const ClipWalkSample *sample, gpointer data)
{
  int best = 0;
  for (int i = 1; i < 1000; i++)
    best = sample->features[i] > sample->features[best] ? i : best;
  *(guint *) data += best == sample->class;
}

static void
test_scores (void)
{
  const char *listed = g_getenv ("GST_CLIP_PUBLISHED");
  if (!listed) {
    g_test_skip ("GST_CLIP_PUBLISHED names no files");
    return;
  }
  g_autofree char *shard = shared_path ("data/eval/imagenet-sample-0000.tar");
  if (!shard)
    return;
  g_auto (GStrv) paths = g_strsplit (listed, ":", -1);
  for (char **path = paths; *path; path++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipCheckpoint) published = clip_checkpoint_open (*path, &error);
    g_assert_no_error (error);
    g_assert_cmpstr (clip_checkpoint_get_container (published), ==, "torch-legacy");
    g_autoptr (ClipCheckpoint) timm = clip_published_rename (published);
    g_assert_nonnull (timm);
    g_autofree char *base = g_path_get_basename (*path);
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
      if (!strstr (base, sizes[i].name))
        continue;
      g_autofree char *file = write_model (timm);
      g_autoptr (ClipModel) model = load_model (file, sizes[i].size);
      g_autoptr (ClipSession) session = clip_session_new (model, 0);
      const char *shards[] = { shard, NULL };
      const ClipWalkOptions options = { .n_classes = 1000 };
      guint right = 0;
      const ClipWalkFuncs funcs = { .found = count_right, .data = &right };
      ClipWalkCount count;
      clip_walk (session, shards, &options, &funcs, &count, &error);
      g_assert_no_error (error);
      const double top1 = (double) right / count.found;
      g_test_message ("%s at %d: %.1f %% top-1 of %u", base, sizes[i].size, 100 * top1,
                      count.found);
      g_assert_cmpfloat (top1, >=, sizes[i].top1);
    }
  }
}

/* ---------------------------------------------------------------------------------- a sentence encoder */

static void
copy_file (const char *from, const char *to, const char *name)
{
  g_autofree char *source = g_build_filename (from, name, NULL),
                  *target = g_build_filename (to, name, NULL), *data = NULL;
  gsize length;
  g_autoptr (GError) error = NULL;
  if (g_file_get_contents (source, &data, &length, &error))
    g_file_set_contents (target, data, length, &error);
  g_assert_no_error (error);
}

/* The encoder as OpenCLIP would have it as a text tower without projection, beside a tiny image tower. */
static char *
write_pair (const char *encoder)
{
  g_autofree char *path = g_build_filename (encoder, "model.safetensors", NULL),
                  *directory = temporary_path ("minilm");
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipCheckpoint) bert = clip_checkpoint_open (path, &error);
  g_assert_no_error (error);
  const ClipTensor *words = clip_checkpoint_find (bert, "embeddings.word_embeddings.weight");
  g_assert_nonnull (words);
  RandomModel model = random_model ();
  random_vit (&model, CLIP_DTYPE_F32, 2, 8, 64, 1, 64, words->shape[1]);
  for (guint i = 0; i < clip_checkpoint_get_n_tensors (bert); i++) {
    ClipTensor tensor = *clip_checkpoint_get_tensor (bert, i);
    char *name = g_strconcat ("text.transformer.", tensor.name, NULL);
    g_ptr_array_add (model.heap, name);
    tensor.name = name;
    g_array_append_val (model.tensors, tensor);
  }
  g_mkdir (directory, 0700);
  g_autofree char *weights = g_build_filename (directory, "open_clip_model.safetensors", NULL),
                  *config = g_build_filename (directory, "open_clip_config.json", NULL);
  clip_safetensors_write (weights, (const ClipTensor *) (void *) model.tensors->data,
                          model.tensors->len, NULL, &error);
  g_assert_no_error (error);
  g_file_set_contents (config,
                       "{\"model_cfg\": {\"vision_cfg\": {\"head_width\": 64}, \"text_cfg\": "
                       "{\"context_length\": 64, \"hf_pooler_type\": \"mean_pooler\", "
                       "\"hf_model_config\": {\"model_type\": \"bert\", \"num_attention_heads\": "
                       "12}}}}",
                       -1, &error);
  g_assert_no_error (error);
  copy_file (encoder, directory, "tokenizer.json");
  random_model_clear (&model);
  return g_steal_pointer (&directory);
}

static void
test_minilm (void)
{
  const char *encoder = g_getenv ("GST_CLIP_MINILM"), *path = g_getenv ("GST_CLIP_MINILM_GOLDEN");
  if (!encoder || !path) {
    g_test_skip ("GST_CLIP_MINILM and GST_CLIP_MINILM_GOLDEN name no files");
    return;
  }
  g_autofree char *directory = write_pair (encoder);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (directory, &in_floats, &error);
  g_assert_no_error (error);
  g_autoptr (ClipCheckpoint) golden = clip_checkpoint_open (path, &error);
  g_assert_no_error (error);
  const ClipTensor *lines = clip_checkpoint_find (golden, "clip.texts");
  g_autofree ClipArray *tokens = clip_array_read (path, "clip.tokens", "I32", &error),
                       *features = clip_array_read (path, "clip.features", "F32", &error);
  g_assert_no_error (error);
  g_autofree char *text = g_strndup (lines->data, lines->size);
  g_auto (GStrv) texts = g_strsplit (text, "\n", -1);
  const int n = tokens->shape[0], length = tokens->shape[1], E = features->shape[1];

  g_autofree gint32 *ours = g_new (gint32, n * length);
  g_autofree float *embeddings = g_new (float, n *E);
  ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, &error);
  g_assert_no_error (error);
  for (int i = 0; i < n; i++) {
    clip_tokenizer_encode_padded (tokenizer, ours + i * length, length, texts[i], NULL);
    for (int t = 0; t < length; t++)
      if (ours[i * length + t] != ((const gint32 *) tokens->data)[i * length + t])
        g_error ("\"%s\": token %d is %d, expected %d", texts[i], t, ours[i * length + t],
                 ((const gint32 *) tokens->data)[i * length + t]);
  }
  g_autoptr (ClipSession) session = clip_session_new (model, 0);
  clip_encode_text (session, embeddings, ours, n, length);
  check_close (encoder, embeddings, features, 2e-5);
}

/* ----------------------------------------------------------------------------------- OpenAI's ViT-B/32 */

/* https://github.com/openai/CLIP: "Label probs" of its picture. */
static void
test_vit_b_32 (void)
{
  static const char *const words[] = { "a diagram", "a dog", "a cat" }, *const templates[] = {
    "{}", NULL
  };
  static const float expected[] = { 0.99279f, 0.00421f, 0.00300f };
  const char *name = g_getenv ("GST_CLIP_VIT_B_32");
  if (!name) {
    g_test_skip ("GST_CLIP_VIT_B_32 names no model");
    return;
  }
  g_autofree char *path = shared_path ("conformance/real/CLIP.png");
  if (!path)
    return;
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (name, &in_floats, &error);
  g_assert_no_error (error);
  const ClipModelInfo *info = clip_model_get_info (model);
  g_assert_cmpint (info->image_width, ==, 224);
  g_assert_cmpstr (info->image.activation, ==, "quick_gelu");

  g_autoptr (GdkPixbuf) picture = gdk_pixbuf_new_from_file (path, &error);
  g_assert_no_error (error);
  const ClipFrameInfo frame = { .format = gdk_pixbuf_get_has_alpha (picture) ? "RGBA" : "RGB",
                                .width = gdk_pixbuf_get_width (picture),
                                .height = gdk_pixbuf_get_height (picture),
                                .premultiply_alpha = TRUE };
  g_autoptr (ClipPreprocess) preprocess = clip_preprocess_new (&info->preprocess, &frame, &error);
  g_assert_no_error (error);
  g_autofree float *pixels = g_new (float, 3 * 224 * 224),
                   *feature = g_new (float, info->embed_dim);
  clip_preprocess_run (preprocess, pixels,
                       (const guint8 *const[]){ gdk_pixbuf_read_pixels (picture) },
                       (const int[]){ gdk_pixbuf_get_rowstride (picture) });
  g_autoptr (ClipSession) session = clip_session_new (model, 0);
  clip_encode_image (session, feature, pixels, 1);
  g_autofree char *golden = shared_path ("conformance/real/vit-b-32-golden.safetensors");
  g_autofree ClipArray *reference = clip_array_read (golden, "image_features", "F32", &error);
  g_assert_no_error (error);
  check_close ("image", feature, reference, 1e-4);

  g_autofree char *joined = g_strjoinv (
      "\n", (char *[]){ (char *) words[0], (char *) words[1], (char *) words[2], NULL });
  g_autoptr (ClipLabels) labels = clip_labels_parse (joined, &error);
  g_assert_no_error (error);
  g_autoptr (ClipClassifier) classifier =
      clip_classifier_new (session, labels, templates, NULL, NULL, &error);
  g_assert_no_error (error);
  float scores[3];
  clip_classifier_score (classifier, scores, feature, CLIP_SCORING_EXCLUSIVE);
  for (int i = 0; i < 3; i++) {
    g_test_message ("%s: %.5f", words[i], scores[i]);
    g_assert_cmpfloat_with_epsilon (scores[i], expected[i], 5e-5); /* the digits that are printed */
  }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/published/names", test_names);
  g_test_add_func ("/published/scores", test_scores);
  g_test_add_func ("/published/minilm", test_minilm);
  g_test_add_func ("/published/vit-b-32", test_vit_b_32);
  return g_test_run ();
}
