/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models as programs load them: what they say of themselves, that they are shared, and what they refuse. */
#include "core/clip.h"
#include "core/base/bytes.h"
#include "tests/testing.h"

#include <glib/gstdio.h>
#include <math.h>

static void
test_default (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (NULL, NULL, &error);
  g_assert_no_error (error);
  const ClipModelInfo *info = clip_model_get_info (model);
  g_assert_cmpstr (info->source, ==, "default");
  g_assert_true (g_str_has_prefix (info->id, "default@") &&
                 strlen (info->id) == strlen ("default@") + 16);
  g_assert_cmpint (info->image_width, ==, info->preprocess.width);
  g_assert_cmpint (info->image_height, ==, info->preprocess.height);
  g_assert_null (info->warnings[0]);
  g_assert_cmpint (info->mapped_bytes, <=, 32 << 20);
  ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, &error);
  g_assert_no_error (error);
  g_assert_cmpint (clip_tokenizer_get_vocab_size (tokenizer), ==, info->vocab_size);

  g_autoptr (ClipModel) again = clip_model_load ("default", NULL, NULL);
  g_assert_true (again == model);
}

static void
test_shared (void)
{
  static const struct {
    const char *path, *name, *container, *naming, *weights, *image, *activation, *text, *tokenizer;
    int embed_dim, image_size, context_length, vocab_size, n_warnings;
    gint64 n_parameters;
  } cases[] = {
    { "vit/openclip.safetensors", "openclip", "safetensors", "openclip", "f16", "vit", "quick_gelu",
      "text", NULL, 64, 48, 77, 600, 4, 780481 },
    { "rn/openclip.safetensors", "openclip", "safetensors", "openclip", "f16", "resnet", "relu",
      "text", NULL, 64, 64, 77, 600, 3, 1494681 },
    { "vit/hf", "hf", "safetensors", "huggingface", "f16", "vit", "quick_gelu", "text", NULL, 64,
      48, 77, 600, 0, 780481 },
    { "vit_full/hf", "hf", "safetensors", "huggingface", "f16", "vit", "quick_gelu", "text", "bpe",
      64, 48, 77, 49408, 0, 3904193 },
    { "vit_full/hf/model.safetensors", "model", "safetensors", "huggingface", "f16", "vit",
      "quick_gelu", "text", "bpe", 64, 48, 77, 49408, 0, 3904193 },
    { "lite", "lite", "safetensors", "openclip", "f16", "efficientnet", "relu6", "bert",
      "wordpiece", 512, 160, 77, 30522, 0, 26993665 },
    { "lite/open_clip_model.safetensors", "open_clip_model", "safetensors", "openclip", "f16",
      "efficientnet", "relu6", "bert", "wordpiece", 512, 160, 77, 30522, 0, 26993665 },
    { "vit/openai_torchscript.pt", "openai_torchscript", "torchscript", "openclip", "f16", "vit",
      "quick_gelu", "text", NULL, 64, 48, 77, 600, 0, 780481 },
    { "vit/state_dict.pt", "state_dict", "torch", "openclip", "f16", "vit", "quick_gelu", "text",
      NULL, 64, 48, 77, 600, 4, 780481 },
    { "vit/train_checkpoint.pt", "train_checkpoint", "torch", "openclip", "f16", "vit",
      "quick_gelu", "text", NULL, 64, 48, 77, 600, 4, 780481 },
    { "rn/openai_torchscript.pt", "openai_torchscript", "torchscript", "openclip", "f16", "resnet",
      "relu", "text", NULL, 64, 64, 77, 600, 0, 1494681 },
    { "rn/train_checkpoint.pt", "train_checkpoint", "torch", "openclip", "f16", "resnet", "relu",
      "text", NULL, 64, 64, 77, 600, 3, 1494681 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *below = g_build_filename ("conformance", cases[i].path, NULL);
    g_autofree char *path = shared_path (below);
    if (!path)
      return;
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipModel) model = clip_model_load (path, &in_floats, &error);
    g_assert_no_error (error);
    const ClipModelInfo *info = clip_model_get_info (model);
    g_autofree char *id = g_strconcat (cases[i].name, "@", NULL);
    g_assert_true (g_str_has_prefix (info->id, id));
    g_assert_cmpstr (info->container, ==, cases[i].container);
    g_assert_cmpstr (info->naming, ==, cases[i].naming);
    g_assert_cmpstr (info->weights, ==, cases[i].weights);
    g_assert_cmpstr (info->image.kind, ==, cases[i].image);
    g_assert_cmpstr (info->image.activation, ==, cases[i].activation);
    g_assert_cmpstr (info->text.kind, ==, cases[i].text);
    g_assert_cmpint (info->embed_dim, ==, cases[i].embed_dim);
    g_assert_cmpint (info->image_width, ==, cases[i].image_size);
    g_assert_cmpint (info->image_height, ==, cases[i].image_size);
    g_assert_cmpint (info->context_length, ==, cases[i].context_length);
    g_assert_cmpint (info->vocab_size, ==, cases[i].vocab_size);
    g_assert_cmpint (info->n_parameters, ==, cases[i].n_parameters);
    g_assert_cmpint (info->image.n_parameters + info->text.n_parameters + 1, ==,
                     info->n_parameters);
    g_assert_cmpint (g_strv_length ((char **) info->warnings), ==, cases[i].n_warnings);
    ClipTokenizer *tokenizer = clip_model_get_tokenizer (model, &error);
    if (cases[i].tokenizer) {
      g_assert_no_error (error);
      g_assert_cmpstr (clip_tokenizer_get_kind (tokenizer), ==, cases[i].tokenizer);
    } else {
      check_error (cases[i].path, tokenizer, error, CLIP_ERROR_TOKENIZER, "600 tokens");
    }
  }
}

/* Largest difference relative to the largest value. */
static double
distance (const float *a, const float *b, gsize n)
{
  double difference = 0, largest = 0;
  for (gsize i = 0; i < n; i++) {
    difference = MAX (difference, fabs ((double) a[i] - b[i]));
    largest = MAX (largest, fabs (b[i]));
  }
  return difference / largest;
}

static void
test_features (void)
{
  static const struct {
    const char *model, *expected;
    double tolerance; /* of float32 sums in another order */
  } cases[] = {
    { "conformance/vit/openclip.safetensors", "conformance/vit/expected.safetensors", 2e-5 },
    { "conformance/vit/hf", "conformance/vit/expected.safetensors", 2e-5 },
    { "conformance/rn/openclip.safetensors", "conformance/rn/expected.safetensors", 2e-5 },
    { "conformance/vit/openai_torchscript.pt", "conformance/vit/expected.safetensors", 2e-5 },
    { "conformance/vit/state_dict.pt", "conformance/vit/expected.safetensors", 2e-5 },
    { "conformance/vit/train_checkpoint.pt", "conformance/vit/expected.safetensors", 2e-5 },
    { "conformance/rn/openai_torchscript.pt", "conformance/rn/expected.safetensors", 2e-5 },
    { "conformance/rn/train_checkpoint.pt", "conformance/rn/expected.safetensors", 2e-5 },
    { "conformance/vit_full/hf", "conformance/vit_full/expected.safetensors", 2e-5 },
    { "conformance/lite", "conformance/lite/expected.safetensors", 2e-5 },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = shared_path (cases[i].model);
    g_autofree char *expected = shared_path (cases[i].expected);
    if (!expected)
      return;
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipModel) model = clip_model_load (path, &in_floats, &error);
    g_assert_no_error (error);
    g_autoptr (ClipSession) session = clip_session_new (model, 1);
    g_autofree ClipArray *pixels = clip_array_read (expected, "pixels", "F32", &error);
    g_autofree ClipArray *tokens = clip_array_read (expected, "tokens", "I32", &error);
    g_autofree ClipArray *image = clip_array_read (expected, "image_features", "F32", &error);
    g_autofree ClipArray *text = clip_array_read (expected, "text_features", "F32", &error);
    g_assert_no_error (error);
    const gsize n_image = image->shape[0] * image->shape[1],
                n_text = text->shape[0] * text->shape[1];
    g_autofree float *image_out = g_new (float, n_image), *text_out = g_new (float, n_text);
    clip_encode_image (session, image_out, pixels->data, pixels->shape[0]);
    clip_encode_text (session, text_out, tokens->data, tokens->shape[0], tokens->shape[1]);
    const double off_image = distance (image_out, image->data, n_image),
                 off_text = distance (text_out, text->data, n_text);
    if (off_image > cases[i].tolerance || off_text > cases[i].tolerance)
      g_error ("%s: image features are %g off, text features %g, expected %g at most", path,
               off_image, off_text, cases[i].tolerance);
  }
}

/* lite: the reference's own; vit: what projected gives its features; rn: its features. */
static void
test_pooled (void)
{
  static const struct {
    const char *folder, *weights, *truth, *projection;
  } cases[] = {
    { "conformance/lite", NULL, "pooled", NULL },
    { "conformance/vit", "openclip.safetensors", "image_features", "visual.proj" },
    { "conformance/rn", "openclip.safetensors", "image_features", NULL },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *folder = shared_path (cases[i].folder);
    if (!folder)
      return;
    g_autoptr (GError) error = NULL;
    const gboolean projected = cases[i].projection != NULL;
    g_autofree char *path = g_build_filename (folder, cases[i].weights, NULL);
    g_autofree char *expected = g_build_filename (folder, "expected.safetensors", NULL);
    g_autoptr (ClipModel) model = clip_model_load (path, &in_floats, &error);
    g_assert_no_error (error);
    g_autoptr (ClipSession) session = clip_session_new (model, 1);
    g_autofree ClipArray *pixels = clip_array_read (expected, "pixels", "F32", &error);
    g_autofree ClipArray *truth = clip_array_read (expected, cases[i].truth, "F32", &error);
    g_autofree ClipArray *proj =
        projected ? clip_array_read (path, cases[i].projection, "F32", &error) : NULL;
    g_assert_no_error (error);
    const int n = pixels->shape[0], width = clip_model_get_info (model)->pooled_width,
              columns = truth->shape[1];
    g_autofree float *pooled = g_new (float, (gsize) n *width), *y = g_new0 (float, n *columns);
    clip_encode_image_pooled (session, pooled, pixels->data, n);
    g_assert_cmpint (projected ? proj->shape[0] : columns, ==, width);
    for (int r = 0; projected && r < n; r++)
      for (int c = 0; c < columns; c++)
        for (int k = 0; k < width; k++)
          y[r * columns + c] +=
              pooled[r * width + k] * ((const float *) proj->data)[k * columns + c];
    const double off = distance (projected ? y : pooled, truth->data, (gsize) n * columns);
    if (off > 2e-5) /* float32 sums in another order */
      g_error ("%s: pooled features are %g off, expected 2e-5 at most", folder, off);
  }
}

/* --------------------------------------------------------------------------------- sharing */

/* A copy of vit/hf in a directory of this test's own, or NULL where ../shared is absent. */
static char *
copy_model (const char *name)
{
  static const char *const files[] = { "model.safetensors", "config.json",
                                       "preprocessor_config.json" };
  char *directory = temporary_path (name);
  g_mkdir (directory, 0700);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *below = g_build_filename ("conformance/vit/hf", files[i], NULL);
    g_autofree char *from = shared_path (below), *to = g_build_filename (directory, files[i], NULL);
    g_autofree char *contents = NULL;
    gsize size;
    if (!from || !g_file_get_contents (from, &contents, &size, NULL)) {
      g_clear_pointer (&directory, g_free);
      return NULL;
    }
    g_assert_true (g_file_set_contents (to, contents, size, NULL));
  }
  return directory;
}

static void
write_beside (const char *directory, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
test_sharing (void)
{
  g_autofree char *directory = copy_model ("sharing");
  if (!directory)
    return;
  g_autoptr (GError) error = NULL;
  g_autofree char *detour = g_strconcat (directory, "/../sharing/.", NULL);
  g_autofree char *file = g_build_filename (directory, "model.safetensors", NULL);
  g_autofree char *config = temporary_path ("override.json");
  g_assert_true (g_file_set_contents (config, "{\"model_cfg\":{\"quick_gelu\":false}}", -1, NULL));
  const ClipModelOptions options = { .config = config },
                         same = { .precision = CLIP_PRECISION_AUTO };

  g_autoptr (ClipModel) a = clip_model_load (directory, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (ClipModel) b = clip_model_load (detour, &same, &error);
  g_assert_true (a == b);
  g_autoptr (ClipModel) other_options = clip_model_load (directory, &options, &error);
  g_assert_no_error (error);
  g_assert_true (other_options != a);
  g_assert_cmpstr (clip_model_get_info (other_options)->image.activation, ==, "gelu");
  g_assert_cmpstr (clip_model_get_info (other_options)->id, !=, clip_model_get_info (a)->id);
  g_autoptr (ClipModel) bare = clip_model_load (file, NULL, &error);
  g_assert_no_error (error);

  /* The same weights have the same digits, whatever they are called. */
  g_assert_cmpstr (strchr (clip_model_get_info (bare)->id, '@'), ==,
                   strchr (clip_model_get_info (a)->id, '@'));

  /* What changes on the disk is another model; the old one stays what it was. */
  write_beside (directory, "config.json",
                "{\"vision_config\":{\"hidden_act\":\"gelu\",\"num_attention_heads\":2}}");
  g_autoptr (ClipModel) changed = clip_model_load (directory, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (changed != a);
  g_assert_cmpstr (clip_model_get_info (changed)->image.activation, ==, "gelu");
  g_assert_cmpstr (clip_model_get_info (a)->image.activation, ==, "quick_gelu");
  write_beside (directory, "tokenizer_config.json", "{\"do_lower_case\":false}");
  g_autoptr (ClipModel) cased = clip_model_load (directory, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (cased != changed);
  ClipModel *more = clip_model_ref (a);
  g_assert_true (more == a);
  clip_model_unref (more);
}

/* A file name may be any bytes; the id goes where only UTF-8 may, into metadata and JSON. */
static void
test_odd_name (void)
{
  g_autofree char *directory = copy_model ("odd-name");
  if (!directory)
    return;
  g_autoptr (GError) error = NULL;
  g_autofree char *odd = temporary_path ("odd-\xff");
  g_assert_cmpint (g_rename (directory, odd), ==, 0);
  g_autoptr (ClipModel) model = clip_model_load (odd, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (clip_model_get_info (model)->id, "odd-\xef\xbf\xbd@"));
}

typedef struct {
  const char *names[2];
  ClipModel *models[2];
  int failures;
} Loads;

static gpointer
load_both (gpointer data)
{
  Loads *loads = data;
  for (int i = 0; i < 2; i++) {
    loads->models[i] = clip_model_load (loads->names[i], NULL, NULL);
    loads->failures += !loads->models[i];
  }
  return NULL;
}

static void
test_threads (void)
{
  enum { THREADS = 8 };
  g_autofree char *directory = shared_path ("conformance/vit/hf");
  const struct {
    const char *names[2];
    int failures;
  } rounds[] = {
    { { "default", directory ? directory : "default" }, 0 },
    { { "/nonexistent", "/dev/null" }, 2 },
    { { "default", "/dev/null" }, 1 },
  };
  for (guint r = 0; r < G_N_ELEMENTS (rounds) * 3; r++) {
    Loads loads[THREADS] = { 0 };
    GThread *threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
      memcpy (loads[i].names, rounds[r / 3].names, sizeof loads[i].names);
      threads[i] = g_thread_new ("load", load_both, &loads[i]);
    }
    for (int i = 0; i < THREADS; i++)
      g_thread_join (threads[i]);
    for (int i = 0; i < THREADS; i++) {
      g_assert_cmpint (loads[i].failures, ==, rounds[r / 3].failures);
      for (int j = 0; j < 2; j++) {
        g_assert_true (loads[i].models[j] == loads[0].models[j]);
        if (i > 0)
          clip_model_unref (loads[i].models[j]);
      }
    }
    for (int j = 0; j < 2; j++)
      clip_model_unref (loads[0].models[j]);
  }
}

/* ---------------------------------------------------------------------------------- faults */

static void
test_faults (void)
{
  static const struct {
    const char *name, *file, *text; /* beside a sound model */
    ClipError code;
    const char *message;
  } cases[] = {
    { "no weights", "model.safetensors", "", CLIP_ERROR_FORMAT, "0 bytes" },
    { "a pointer to the weights", "model.safetensors", "version https://git-lfs.github.com/spec/v1",
      CLIP_ERROR_FORMAT, "version https:" },
    { "another architecture", "config.json", "{\"model_type\":\"siglip2\",\"vision_config\":{}}",
      CLIP_ERROR_UNSUPPORTED, "siglip2" },
    { "another size", "config.json", "{\"vision_config\":{\"hidden_size\":768}}", CLIP_ERROR_CONFIG,
      "768, expected 128" },
    { "broken configuration", "config.json", "{", CLIP_ERROR_FORMAT, "config.json" },
    { "broken vocabulary", "tokenizer.json", "{", CLIP_ERROR_FORMAT, "tokenizer.json" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *name = g_strdup_printf ("fault%u", i);
    g_autofree char *directory = copy_model (name);
    if (!directory)
      return;
    write_beside (directory, cases[i].file, cases[i].text);
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipModel) model = clip_model_load (directory, NULL, &error);
    check_error (cases[i].name, model, error, cases[i].code, cases[i].message);
  }
}

/* A vocabulary larger than the text tower's: an error in a model's directory, ignored where it only lies beside a file. */
static void
test_vocabulary (void)
{
  g_autofree char *directory = copy_model ("vocabulary");
  if (!directory)
    return;
  g_autoptr (GString) vocabulary = g_string_new ("[PAD]\n[UNK]\n[CLS]\n[SEP]\n");
  for (int i = 4; i < 601; i++)
    g_string_append_printf (vocabulary, "w%d\n", i);
  write_beside (directory, "vocab.txt", vocabulary->str);
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (directory, NULL, &error);
  check_error ("vocabulary", model, error, CLIP_ERROR_TOKENIZER,
               "601 tokens, the text tower embeds 600");
  g_clear_error (&error);

  g_autofree char *file = g_build_filename (directory, "model.safetensors", NULL);
  g_autoptr (ClipModel) bare = clip_model_load (file, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (strstr (clip_model_get_info (bare)->warnings[0], "601 tokens"));
  g_assert_null (clip_model_get_tokenizer (bare, &error));
  g_assert_error (error, CLIP_ERROR, CLIP_ERROR_TOKENIZER);
}

static void
test_override (void)
{
  static const struct {
    const char *text;
    ClipError code;
    const char *message;
  } cases[] = {
    { NULL, CLIP_ERROR_IO, "override.json" },
    { "{\"model_cfg\":{\"embed_dim\":5}}", CLIP_ERROR_CONFIG,
      "override.json: the embedding length is 5, expected" },
    { "{\"preprocess_cfg\":{\"interpolation\":\"lanczos\"}}", CLIP_ERROR_UNSUPPORTED, "lanczos" },
    { "null", CLIP_ERROR_CONFIG, "no JSON object" },
  };
  g_autofree char *path = temporary_path ("override.json");
  const ClipModelOptions options = { .config = path };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_unlink (path);
    if (cases[i].text)
      g_assert_true (g_file_set_contents (path, cases[i].text, -1, NULL));
    g_autoptr (GError) error = NULL;
    g_autoptr (ClipModel) model = clip_model_load (NULL, &options, &error);
    check_error (cases[i].text, model, error, cases[i].code, cases[i].message);
  }
  g_assert_true (
      g_file_set_contents (path,
                           "{\"preprocess_cfg\":{\"size\":224,\"resize_mode\":\"squash\"},"
                           "\"model_cfg\":{\"vision_cfg\":{\"image_size\":224}}}",
                           -1, NULL));
  g_autoptr (GError) error = NULL;
  g_autoptr (ClipModel) model = clip_model_load (NULL, &options, &error);
  g_assert_no_error (error);
  g_assert_cmpint (clip_model_get_info (model)->preprocess.width, ==, 224);
  g_assert_cmpint (clip_model_get_info (model)->preprocess.resize_mode, ==, CLIP_RESIZE_SQUASH);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/model/default", test_default);
  g_test_add_func ("/model/shared", test_shared);
  g_test_add_func ("/model/features", test_features);
  g_test_add_func ("/model/pooled", test_pooled);
  g_test_add_func ("/model/sharing", test_sharing);
  g_test_add_func ("/model/odd-name", test_odd_name);
  g_test_add_func ("/model/threads", test_threads);
  g_test_add_func ("/model/faults", test_faults);
  g_test_add_func ("/model/vocabulary", test_vocabulary);
  g_test_add_func ("/model/override", test_override);
  return g_test_run ();
}
