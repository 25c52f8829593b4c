/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names to files, in a tree of empty files made here. */
#include "core/model/store.h"
#include "tests/testing.h"

#include <glib/gstdio.h>

static char *root; /* of the tree */

static void
touch (const char *path)
{
  g_autofree char *full = g_build_filename (root, path, NULL);
  g_autofree char *directory = g_path_get_dirname (full);
  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_assert_true (g_file_set_contents (full, "", 0, NULL));
}

/* "@" stands for the root. */
static char *
expand (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "@", -1);
  return g_strjoinv (root, parts);
}

static void
test_cases (void)
{
  static const struct {
    const char *name;
    const char *weights, *directory, *short_name; /* found … */
    gboolean bare;
    ClipError code; /* … or not */
    const char *message;
  } cases[] = {
    { NULL, NULL, NULL, "default" },
    { "default", NULL, NULL, "default" },
    { "@/one/a.safetensors", "@/one/a.safetensors", "@/one", "a", TRUE },
    { "@/one/other.bin", "@/one/other.bin", "@/one", "other", TRUE },
    { "@/repository", "@/repository/open_clip_model.safetensors", "@/repository", "repository" },
    { "@/repository/", "@/repository/open_clip_model.safetensors", "@/repository", "repository" },
    { "@/one/../repository", "@/repository/open_clip_model.safetensors", "@/repository",
      "repository" },
    { "@/hf", "@/hf/model.safetensors", "@/hf", "hf" },
    { "@/single", "@/single/x.safetensors", "@/single", "single" },
    { "@/pytorch", "@/pytorch/pytorch_model.bin", "@/pytorch", "pytorch" },
    { "@/training", "@/training/last.pt", "@/training", "training" },
    { "directory", "@/path1/directory/model.safetensors", "@/path1/directory", "directory" },
    { "file", "@/path1/file.safetensors", "@/path1", "file", TRUE },
    { "file.safetensors", "@/path1/file.safetensors", "@/path1", "file", TRUE },
    { "both", "@/path1/both/model.safetensors", "@/path1/both", "both" },
    { "RN50", "@/path2/RN50.pt", "@/path2", "RN50", TRUE },
    { "second", "@/path2/second.safetensors", "@/path2", "second", TRUE },
    { "ViT-B/32", "@/path2/ViT-B-32.safetensors", "@/path2", "ViT-B-32", TRUE },
    { "openai/clip-vit-large-patch14-336", "@/path2/ViT-L-14-336px.pt", "@/path2", "ViT-L-14-336px",
      TRUE },
    { "hf-hub:openai/clip-vit-base-patch16", .code = CLIP_ERROR_NOT_FOUND,
      .message = "; 'gst-clip fetch ViT-B/16' gets it" },
    { "ViT-B/61", .code = CLIP_ERROR_NOT_FOUND, .message = "; did you mean 'ViT-B/16'?" },
    { "ViT-B-32:datacomp_xl_s13b_b90k",
      "@/data/gst-clip/models/laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K/"
      "open_clip_model.safetensors",
      "@/data/gst-clip/models/laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K",
      "CLIP-ViT-B-32-DataComp.XL-s13B-b90K" },
    { "openai/clip", "@/path2/openai/clip/model.safetensors", "@/path2/openai/clip", "clip" },
    { "mine", "@/data/gst-clip/models/mine/model.safetensors", "@/data/gst-clip/models/mine",
      "mine" },
    { "", .code = CLIP_ERROR_NOT_FOUND, .message = "empty" },
    { "nothing", .code = CLIP_ERROR_NOT_FOUND,
      .message = "@/path1, @/path2, @/data/gst-clip/models, " },
    { "@/nothing", .code = CLIP_ERROR_NOT_FOUND, .message = "@/nothing: no such file" },
    { "@/empty", .code = CLIP_ERROR_NOT_FOUND, .message = "holds no weights" },
    { "@/many", .code = CLIP_ERROR_NOT_FOUND,
      .message = "expected one of open_clip_model.safetensors" },
    { "@/several", .code = CLIP_ERROR_NOT_FOUND, .message = ".pth, " },
    { "bad", .code = CLIP_ERROR_NOT_FOUND, .message = "@/path1/bad: holds no weights" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *name = cases[i].name ? expand (cases[i].name) : NULL;
    g_auto (ClipStored) stored = { 0 };
    g_autoptr (GError) error = NULL;
    const gboolean ok = clip_store_find (&stored, name, &error);
    if (cases[i].message) {
      g_autofree char *message = expand (cases[i].message);
      check_error (cases[i].name, ok ? &stored : NULL, error, cases[i].code, message);
      continue;
    }
    g_assert_no_error (error);
    g_autofree char *weights = cases[i].weights ? expand (cases[i].weights) : NULL;
    g_autofree char *directory = cases[i].directory ? expand (cases[i].directory) : NULL;
    g_assert_cmpstr (stored.weights, ==, weights);
    g_assert_cmpstr (stored.directory, ==, directory);
    g_assert_cmpstr (stored.name, ==, cases[i].short_name);
    g_assert_cmpint (stored.bare, ==, cases[i].bare);
  }
}

static void
test_companion (void)
{
  g_auto (ClipStored) stored = { 0 };
  g_autofree char *name = expand ("@/repository");
  g_assert_true (clip_store_find (&stored, name, NULL));
  g_autofree char *there = clip_stored_companion (&stored, "model.safetensors");
  g_assert_true (there && g_str_has_prefix (there, root));
  g_assert_null (clip_stored_companion (&stored, "config.json"));
  clip_stored_clear (&stored);
  g_assert_true (clip_store_find (&stored, NULL, NULL));
  g_assert_null (clip_stored_companion (&stored, "config.json"));
}

int
main (int argc, char *argv[])
{
  static const char *const files[] = {
    "one/a.safetensors",
    "one/other.bin",
    "one/config.json",
    "repository/model.safetensors",
    "repository/open_clip_model.safetensors",
    "hf/model.safetensors",
    "hf/a.safetensors",
    "single/x.safetensors",
    "single/x.json",
    "empty/config.json",
    "many/a.safetensors",
    "many/b.safetensors",
    "pytorch/pytorch_model.bin",
    "several/a.pth",
    "several/b.pth",
    "training/last.pt",
    "training/optimizer.bin",
    "path2/RN50.pt",
    "path2/RN50.bin",
    "path1/directory/model.safetensors",
    "path1/file.safetensors",
    "path1/both/model.safetensors",
    "path1/both.safetensors",
    "path1/bad/config.json",
    "path2/bad/model.safetensors",
    "path2/second.safetensors",
    "path2/directory.safetensors",
    "path2/ViT-B-32.safetensors",
    "path2/openai/clip/model.safetensors",
    "path2/ViT-L-14-336px.pt",
    "data/gst-clip/models/laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K/open_clip_model.safetensors",
    "data/gst-clip/models/mine/model.safetensors",
  };
  root = g_dir_make_tmp ("gst-clip-XXXXXX", NULL);
  g_autofree char *data = g_build_filename (root, "data", NULL),
                  *path = expand ("@/path1:@/path2:");
  g_setenv ("XDG_DATA_HOME", data, TRUE);
  g_setenv ("GST_CLIP_MODEL_PATH", path, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    touch (files[i]);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/store/cases", test_cases);
  g_test_add_func ("/store/companion", test_companion);
  const int result = g_test_run ();
  remove_tree (root);
  g_free (root);
  return result;
}
